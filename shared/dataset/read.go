package dataset

import (
	"context"
	"iter"
	"slices"
	"strings"
)

// span is a range of keys: from, and up to but not with to; to is "" for no end.
type span struct{ from, to string }

// under is the span of the keys that start with prefix.
func under(prefix string) span {
	raw := []byte(prefix)
	for len(raw) > 0 {
		if last := len(raw) - 1; raw[last] < 0xff {
			raw[last]++
			return span{prefix, string(raw)}
		}
		raw = raw[:len(raw)-1]
	}
	return span{from: prefix}
}

// meets says whether keys above after, up to last, may lie in the span.
func (s span) meets(after, last string) bool { return last >= s.from && (s.to == "" || after < s.to) }

// holds says whether every key above after, up to last, lies in the span.
func (s span) holds(after, last string) bool {
	return (s.from == "" || after >= s.from) && (s.to == "" || last < s.to)
}

// within cuts key-ordered entries down to a span.
func (s span) within(entries []Entry) []Entry {
	byKey := func(e Entry, key string) int { return strings.Compare(e.Key, key) }
	from, _ := slices.BinarySearchFunc(entries, s.from, byKey)
	to := len(entries)
	if s.to != "" {
		to, _ = slices.BinarySearchFunc(entries, s.to, byKey)
	}
	return entries[from:max(from, to)]
}

// bounded is a child with the key that it begins after; "" where it is the first.
type bounded struct {
	child
	after string
}

// open gives the children of nodes of a level that meet a span, in key order.
func (r *Repository) open(ctx context.Context, nodes []bounded, level int, s span) ([]bounded, error) {
	read := make([]*node, len(nodes))
	err := parallel(ctx, len(nodes), func(ctx context.Context, i int) (err error) {
		read[i], err = r.readNode(ctx, nodes[i].hash, level)
		return err
	})
	if err != nil {
		return nil, err
	}
	var below []bounded
	for i, n := range read {
		after := nodes[i].after
		for _, c := range n.children {
			if s.meets(after, c.last) {
				below = append(below, bounded{c, after})
			}
			after = c.last
		}
	}
	return below, nil
}

// entries walks a tree in key order, reading only nodes that meet the span.
func (r *Repository) entries(ctx context.Context, t tree, s span) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		from, err := r.side(ctx, t, s)
		if err != nil {
			yield(Entry{}, err)
			return
		}
		stream := r.stream(ctx, from, s)
		defer stream.stop()
		for {
			e, err := stream.peek()
			if err != nil {
				yield(Entry{}, err)
			}
			if e == nil || !yield(*e, nil) {
				return
			}
			stream.skip()
		}
	}
}

// side opens a tree down to its leaves in a span.
func (r *Repository) side(ctx context.Context, t tree, s span) (side, error) {
	all := sideOf(t)
	var err error
	for ; err == nil && all.level > 0; all.level-- {
		all.nodes, err = r.open(ctx, all.nodes, all.level, s)
	}
	return all, err
}

// Each walks the entries of a ref whose keys start with prefix, in key order. An
// error ends it.
func (r *Repository) Each(ctx context.Context, name, prefix string) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		c, err := r.Resolve(ctx, name)
		if err != nil {
			yield(Entry{}, err)
			return
		}
		r.entries(ctx, r.treeOf(&c), under(prefix))(yield)
	}
}

// Entries gives the entries of a ref whose keys start with prefix, in key order.
func (r *Repository) Entries(ctx context.Context, name, prefix string) ([]Entry, error) {
	var found []Entry
	for e, err := range r.Each(ctx, name, prefix) {
		if err != nil {
			return nil, err
		}
		found = append(found, e)
	}
	return found, nil
}

// Entry gives one entry of a ref; found is false when the ref does not hold the
// key. It reads one path of the tree.
func (r *Repository) Entry(ctx context.Context, name, key string) (e Entry, found bool, err error) {
	c, err := r.Resolve(ctx, name)
	if err != nil {
		return Entry{}, false, err
	}
	at, err := r.seek(ctx, r.treeOf(&c), key)
	if err != nil || at == nil || at.Key != key {
		return Entry{}, false, err
	}
	return *at, true, nil
}

// seek is the first entry of a tree whose key is not less than key; nil at the
// end.
func (r *Repository) seek(ctx context.Context, t tree, key string) (*Entry, error) {
	entries, id := t.inline, t.hash
	for level := t.level; !t.small; level-- {
		n, err := r.readNode(ctx, id, level)
		if err != nil {
			return nil, err
		}
		if level == 0 {
			entries = n.entries
			break
		}
		at, _ := slices.BinarySearchFunc(n.children, key, func(c child, key string) int { return strings.Compare(c.last, key) })
		if at == len(n.children) {
			return nil, nil
		}
		id = n.children[at].hash
	}
	at, _ := slices.BinarySearchFunc(entries, key, func(e Entry, key string) int { return strings.Compare(e.Key, key) })
	if at == len(entries) {
		return nil, nil
	}
	return &entries[at], nil
}

// Totals sum up entries.
type Totals struct {
	Objects int64 `json:"objects"`
	Bytes   int64 `json:"bytes"`
	Rows    int64 `json:"rows"`    // of the objects whose rows are known
	Counted int64 `json:"counted"` // how many those are
}

// Total sums up the entries of a ref whose keys start with prefix. Index nodes
// hold their subtrees' sums, so it reads two paths of the tree at most.
func (r *Repository) Total(ctx context.Context, name, prefix string) (Totals, error) {
	c, err := r.Resolve(ctx, name)
	if err != nil {
		return Totals{}, err
	}
	t, err := r.sum(ctx, r.treeOf(&c), under(prefix))
	return Totals{t.objects, t.bytes, t.rows, t.counted}, err
}

func (r *Repository) sum(ctx context.Context, t tree, s span) (totals, error) {
	if t.small {
		return totalsOf(s.within(t.inline)), nil
	}
	if s == (span{}) {
		return t.totals, nil
	}
	return r.sumNode(ctx, bounded{child: t.child}, t.level, s)
}

func (r *Repository) sumNode(ctx context.Context, b bounded, level int, s span) (totals, error) {
	n, err := r.readNode(ctx, b.hash, level)
	if err != nil || level == 0 {
		if err != nil {
			return totals{}, err
		}
		return totalsOf(s.within(n.entries)), nil
	}
	var sum totals
	after := b.after
	for _, c := range n.children {
		part := c.totals
		switch {
		case !s.meets(after, c.last):
			part = totals{}
		case !s.holds(after, c.last):
			if part, err = r.sumNode(ctx, bounded{c, after}, level-1, s); err != nil {
				return totals{}, err
			}
		}
		sum, after = sum.plus(part), c.last
	}
	return sum, nil
}

// Item is one line of a listing: an object, or a folder with what lies below it.
type Item struct {
	Name   string `json:"name"` // the key, or the folder's prefix with its "/"
	Folder bool   `json:"folder"`
	Totals
	Entry *Entry `json:"entry,omitempty"` // of an object
}

// List gives the objects and folders of a ref directly below prefix, in the
// order of their names, at most limit of them when it is above 0. It reads a
// path of the tree for each, not the objects below folders.
func (r *Repository) List(ctx context.Context, name, prefix string, limit int) ([]Item, error) {
	c, err := r.Resolve(ctx, name)
	if err != nil {
		return nil, err
	}
	t, items := r.treeOf(&c), []Item{}
	for s := under(prefix); limit <= 0 || len(items) < limit; {
		e, err := r.seek(ctx, t, s.from)
		if err != nil {
			return nil, err
		}
		if e == nil || (s.to != "" && e.Key >= s.to) {
			break
		}
		item, err := r.item(ctx, t, *e, prefix)
		if err != nil {
			return nil, err
		}
		items = append(items, item)
		if s.from = e.Key + "\x00"; item.Folder {
			s.from = under(item.Name).to
		}
	}
	return items, nil
}

func (r *Repository) item(ctx context.Context, t tree, e Entry, prefix string) (Item, error) {
	slash := strings.IndexByte(e.Key[len(prefix):], '/')
	if slash < 0 {
		sum := totalsOf([]Entry{e})
		return Item{Name: e.Key, Totals: Totals{sum.objects, sum.bytes, sum.rows, sum.counted}, Entry: &e}, nil
	}
	folder := e.Key[:len(prefix)+slash+1]
	sum, err := r.sum(ctx, t, under(folder))
	return Item{Name: folder, Folder: true, Totals: Totals{sum.objects, sum.bytes, sum.rows, sum.counted}}, err
}
