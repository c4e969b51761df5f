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

// within cuts key-ordered items down to a span.
func (s span) within(items []item) []item {
	from, _ := slices.BinarySearchFunc(items, s.from, compareKey)
	to := len(items)
	if s.to != "" {
		to, _ = slices.BinarySearchFunc(items, s.to, compareKey)
	}
	return items[from:max(from, to)]
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
		read[i], err = r.readNode(ctx, nodes[i].child, level)
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

// entries walks a state in key order, reading only nodes that meet the span.
func (r *Repository) entries(ctx context.Context, st state, s span) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		l, err := r.layered(ctx, st.layers(), s)
		if err != nil {
			yield(Entry{}, err)
			return
		}
		defer l.stop()
		for {
			e, err := l.entry()
			if err != nil {
				yield(Entry{}, err)
			}
			if e == nil || err != nil || !yield(*e, nil) {
				return
			}
		}
	}
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
		r.entries(ctx, r.stateOf(&c), under(prefix))(yield)
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
// key. It reads one path of the tree, and one of each segment.
func (r *Repository) Entry(ctx context.Context, name, key string) (e Entry, found bool, err error) {
	c, err := r.Resolve(ctx, name)
	if err != nil {
		return Entry{}, false, err
	}
	at, err := r.lookup(ctx, r.stateOf(&c), key)
	if err != nil || at == nil {
		return Entry{}, false, err
	}
	return *at, true, nil
}

// Totals sum up entries.
type Totals struct {
	Objects int64 `json:"objects"`
	Bytes   int64 `json:"bytes"`
	Rows    int64 `json:"rows"`    // of the objects whose rows are known
	Counted int64 `json:"counted"` // how many those are
}

// Total tally up the entries of a ref whose keys start with prefix. Index nodes
// hold their subtrees' tally, so it reads two paths of the tree, and of each
// segment, at most; none for the empty prefix.
func (r *Repository) Total(ctx context.Context, name, prefix string) (Totals, error) {
	c, err := r.Resolve(ctx, name)
	if err != nil {
		return Totals{}, err
	}
	t, err := r.sum(ctx, r.stateOf(&c), under(prefix))
	return t.exported(), err
}

// sum is what the base tally up to, and what each segment adds to what is below.
func (r *Repository) sum(ctx context.Context, st state, s span) (totals, error) {
	if s == (span{}) {
		return st.sum(), nil
	}
	layers := st.layers()
	grown := make([]totals, len(layers))
	err := parallel(ctx, len(layers), func(ctx context.Context, i int) error {
		sum, err := r.sumTree(ctx, layers[i], s)
		grown[i] = sum.grown()
		return err
	})
	var all totals
	for _, t := range grown {
		all = all.plus(t)
	}
	return all, err
}

func (r *Repository) sumTree(ctx context.Context, t tree, s span) (tally, error) {
	if t.flat() {
		return t.kind.sum(s.within(t.inline)), nil
	}
	return r.sumNode(ctx, bounded{child: t.child}, t.level, s)
}

func (r *Repository) sumNode(ctx context.Context, b bounded, level int, s span) (tally, error) {
	n, err := r.readNode(ctx, b.child, level)
	if err != nil {
		return tally{}, err
	}
	if level == 0 {
		return n.kind.sum(s.within(n.items)), nil
	}
	var sum tally
	after := b.after
	for _, c := range n.children {
		part := c.tally
		switch {
		case !s.meets(after, c.last):
			part = tally{}
		case !s.holds(after, c.last):
			if part, err = r.sumNode(ctx, bounded{c, after}, level-1, s); err != nil {
				return tally{}, err
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
	st, items := r.stateOf(&c), []Item{}
	for s := under(prefix); limit <= 0 || len(items) < limit; {
		at, err := r.next(ctx, st, s.from)
		if err != nil {
			return nil, err
		}
		if at == nil || (s.to != "" && at.key >= s.to) {
			break
		}
		item, err := r.item(ctx, st, *at, prefix)
		if err != nil {
			return nil, err
		}
		if item.Objects > 0 { // else a segment removed it, or all that lay below it
			items = append(items, item)
		}
		if s.from = at.key + "\x00"; item.Folder {
			s.from = under(item.Name).to
		}
	}
	return items, nil
}

func (r *Repository) item(ctx context.Context, st state, at spot, prefix string) (Item, error) {
	slash := strings.IndexByte(at.key[len(prefix):], '/')
	if slash < 0 {
		return Item{Name: at.key, Totals: totals{}.count(at.entry).exported(), Entry: at.entry}, nil
	}
	folder := at.key[:len(prefix)+slash+1]
	sum, err := r.sum(ctx, st, under(folder))
	return Item{Name: folder, Folder: true, Totals: sum.exported()}, err
}
