package dataset

import (
	"container/list"
	"sync"
)

// cacheBytes bounds what one repository remembers, by the size of the encoded
// objects; decoded they take about two to three times as much.
const cacheBytes = 48 << 20

// cache keeps decoded immutable objects by key, the latest used.
type cache struct {
	mu    sync.Mutex
	most  int
	bytes int
	items map[string]*list.Element
	order *list.List // latest first
}

type cached struct {
	key   string
	value any
	bytes int
}

func newCache(most int) *cache {
	return &cache{most: most, items: map[string]*list.Element{}, order: list.New()}
}

func (c *cache) get(key string) (any, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	element, ok := c.items[key]
	if !ok {
		return nil, false
	}
	c.order.MoveToFront(element)
	return element.Value.(cached).value, true
}

func (c *cache) put(key string, value any, bytes int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if element, ok := c.items[key]; ok {
		c.order.MoveToFront(element)
		return
	}
	c.items[key] = c.order.PushFront(cached{key, value, bytes})
	for c.bytes += bytes; c.bytes > c.most; {
		oldest := c.order.Remove(c.order.Back()).(cached)
		delete(c.items, oldest.key)
		c.bytes -= oldest.bytes
	}
}
