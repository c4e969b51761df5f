package dataset_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sluice-ml/sluice/shared/fault"
	"github.com/sluice-ml/sluice/shared/ref"
)

// counting counts the requests to a store, and takes latency for each.
type counting struct {
	ref.Store
	latency             time.Duration
	reads, writes       atomic.Int64
	readSize, wroteSize atomic.Int64 // bytes
}

func (c *counting) reset() {
	for _, n := range []*atomic.Int64{&c.reads, &c.writes, &c.readSize, &c.wroteSize} {
		n.Store(0)
	}
}

func (c *counting) wait() {
	if c.latency > 0 {
		time.Sleep(c.latency)
	}
}

func (c *counting) Get(ctx context.Context, key string) (ref.Item, error) {
	c.wait()
	item, err := c.Store.Get(ctx, key)
	c.reads.Add(1)
	c.readSize.Add(int64(len(item.Body)))
	return item, err
}

func (c *counting) Create(ctx context.Context, key string, body []byte) (ref.Tag, error) {
	c.wait()
	c.writes.Add(1)
	c.wroteSize.Add(int64(len(body)))
	return c.Store.Create(ctx, key, body)
}

func (c *counting) Swap(ctx context.Context, key string, body []byte, tag ref.Tag) (ref.Tag, error) {
	c.wait()
	c.writes.Add(1)
	c.wroteSize.Add(int64(len(body)))
	return c.Store.Swap(ctx, key, body, tag)
}

func (c *counting) List(ctx context.Context, prefix string) ([]string, error) {
	c.wait()
	c.reads.Add(1)
	return c.Store.List(ctx, prefix)
}

// dying is a store whose client is killed at the n-th request: before it is
// sent, or after it landed.
type dying struct {
	ref.Store
	mu    sync.Mutex
	left  int
	after bool
}

var errKilled = errors.New("killed")

func (d *dying) step(act func() error) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.left--
	if d.left < 0 || (d.left == 0 && !d.after) {
		return errKilled
	}
	err := act()
	if d.left == 0 {
		return errKilled
	}
	return err
}

func (d *dying) Get(ctx context.Context, key string) (item ref.Item, err error) {
	err = d.step(func() (err error) { item, err = d.Store.Get(ctx, key); return err })
	return item, err
}

func (d *dying) Create(ctx context.Context, key string, body []byte) (tag ref.Tag, err error) {
	err = d.step(func() (err error) { tag, err = d.Store.Create(ctx, key, body); return err })
	return tag, err
}

func (d *dying) Swap(ctx context.Context, key string, body []byte, old ref.Tag) (tag ref.Tag, err error) {
	err = d.step(func() (err error) { tag, err = d.Store.Swap(ctx, key, body, old); return err })
	return tag, err
}

func (d *dying) List(ctx context.Context, prefix string) (keys []string, err error) {
	err = d.step(func() (err error) { keys, err = d.Store.List(ctx, prefix); return err })
	return keys, err
}

// flaky fails requests now and then as S3 does: a 503 before or after the write
// landed. A store that settles lost responses itself would have hidden the
// latter; the repository must bear them all the same.
type flaky struct {
	ref.Store
	mu     sync.Mutex
	chance func() int // 0 fails before, 1 fails after, else passes
}

func (f *flaky) do(act func() error) error {
	f.mu.Lock()
	fate := f.chance()
	f.mu.Unlock()
	switch fate {
	case 0:
		return fault.New(fault.Unavailable, "ask", "503 before")
	case 1:
		_ = act()
		return fault.New(fault.Unavailable, "ask", "503 after")
	}
	return act()
}

func (f *flaky) Create(ctx context.Context, key string, body []byte) (tag ref.Tag, err error) {
	err = f.do(func() (err error) { tag, err = f.Store.Create(ctx, key, body); return err })
	return tag, err
}

func (f *flaky) Swap(ctx context.Context, key string, body []byte, old ref.Tag) (tag ref.Tag, err error) {
	err = f.do(func() (err error) { tag, err = f.Store.Swap(ctx, key, body, old); return err })
	return tag, err
}
