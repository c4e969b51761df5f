package dataset

import (
	"context"
	"iter"
)

// diff walks what leads from one state to another. It compares layer by layer,
// and reads only what two layers do not share. That is enough, because a change
// says what it replaces: if both states have the same change of a key, they agree
// below it, so above it, too; and if only one has a change of a key on which they
// agree below, it says what the other one has.
func (r *Repository) diff(ctx context.Context, old, now state, prefix string) iter.Seq2[Change, error] {
	return func(yield func(Change, error) bool) {
		if old.is(&now) {
			return
		}
		s := under(prefix)
		pairs := pairsOf(old, now)
		err := parallel(ctx, len(pairs), func(ctx context.Context, i int) error { return r.part(ctx, &pairs[i], s) })
		if err != nil {
			yield(Change{}, err)
			return
		}
		for i := range pairs {
			for at := range pairs[i].sides {
				pairs[i].streams[at] = r.stream(ctx, pairs[i].sides[at], s, max(eachAhead, readers/len(pairs)))
				defer pairs[i].streams[at].stop()
			}
		}
		compare(pairs, yield)
	}
}

// pair is two trees that are compared: one of each state, at about the same
// height of its layers.
type pair struct {
	trees   [2]tree // one may be empty
	sides   [2]side
	streams [2]*stream
	heads   [2]*item // where they differ next; both nil at the end
}

// pairsOf gives the layers of two states to compare, the lowest first. Any way to
// pair them that keeps their order gives the right diff; one that pairs those
// which share most reads the least.
func pairsOf(old, now state) []pair {
	if now.appended && now.parent != "" && now.parent == old.commit {
		return []pair{{trees: [2]tree{{}, now.segments[len(now.segments)-1]}}}
	}
	if old.appended && old.parent != "" && old.parent == now.commit {
		return []pair{{trees: [2]tree{old.segments[len(old.segments)-1], {}}}}
	}
	pairs := []pair{{trees: [2]tree{old.base, now.base}}}
	a, b := old.segments, now.segments
	for len(a) > 0 || len(b) > 0 {
		i, j := meet(a, b)
		for n := range max(i, j) {
			var p pair
			if n < i {
				p.trees[0] = a[n]
			}
			if n < j {
				p.trees[1] = b[n]
			}
			pairs = append(pairs, p)
		}
		if a, b = a[i:], b[j:]; len(a) > 0 {
			a, b = a[1:], b[1:] // where they meet they are equal
		}
	}
	return pairs
}

// meet finds the first segment that two lists share; their ends when none is.
func meet(a, b []tree) (i, j int) {
	for i := range a {
		for j := range b {
			if a[i].hash == b[j].hash {
				return i, j
			}
		}
	}
	return len(a), len(b)
}

// part opens two trees level by level, from the higher, dropping the nodes that
// both have.
func (r *Repository) part(ctx context.Context, p *pair, s span) error {
	a, b := sideOf(p.trees[0]), sideOf(p.trees[1])
	for a.level > 0 || b.level > 0 {
		drop(&a, &b)
		level := max(a.level, b.level)
		sides := [2]*side{&a, &b}
		err := parallel(ctx, len(sides), func(ctx context.Context, i int) (err error) {
			if x := sides[i]; x.level == level {
				x.nodes, err = r.open(ctx, x.nodes, level, s)
				x.level--
			}
			return err
		})
		if err != nil {
			return err
		}
	}
	drop(&a, &b)
	p.sides = [2]side{a, b}
	return nil
}

// drop takes the nodes away that two sides at the same level share: equal hashes
// hold equal items.
func drop(a, b *side) {
	if a.level != b.level {
		return
	}
	shared := make(map[hash]bool, len(b.nodes))
	for _, n := range b.nodes {
		shared[n.hash] = false
	}
	keep := func(nodes []bounded, gone func(hash) bool) []bounded {
		kept := make([]bounded, 0, len(nodes))
		for _, n := range nodes {
			if !gone(n.hash) {
				kept = append(kept, n)
			}
		}
		return kept
	}
	a.nodes = keep(a.nodes, func(h hash) bool {
		_, both := shared[h]
		if both {
			shared[h] = true
		}
		return both
	})
	b.nodes = keep(b.nodes, func(h hash) bool { return shared[h] })
}

// next moves a pair's heads to the next key at which its trees differ, and gives
// that key.
func (p *pair) next() (key string, err error) {
	for {
		for i, s := range p.streams {
			if p.heads[i], err = s.peek(); err != nil {
				return "", err
			}
		}
		a, b := p.heads[0], p.heads[1]
		switch {
		case a == nil && b == nil:
			return "", nil
		case b == nil || (a != nil && a.Key < b.Key):
			p.heads[1] = nil
			return a.Key, nil
		case a == nil || b.Key < a.Key:
			p.heads[0] = nil
			return b.Key, nil
		case !a.equal(b):
			return a.Key, nil
		}
		p.skip()
	}
}

// skip passes the heads.
func (p *pair) skip() {
	for i, it := range p.heads {
		if it != nil {
			p.streams[i].skip()
		}
	}
}

// compare walks pairs of layers side by side.
func compare(pairs []pair, yield func(Change, error) bool) {
	keys := make([]string, len(pairs)) // of their heads; "" at the end
	for i := range pairs {
		var err error
		if keys[i], err = pairs[i].next(); err != nil {
			yield(Change{}, err)
			return
		}
	}
	for {
		least := ""
		for _, key := range keys {
			if key != "" && (least == "" || key < least) {
				least = key
			}
		}
		if least == "" {
			return
		}
		var d difference
		for i := range pairs {
			if keys[i] != least {
				continue
			}
			d.climb(&pairs[i])
			pairs[i].skip()
			var err error
			if keys[i], err = pairs[i].next(); err != nil {
				yield(Change{}, err)
				return
			}
		}
		if d.differ && !yield(Change{Key: least, Old: d.entries[0].detached(), New: d.entries[1].detached()}, nil) {
			return
		}
	}
}

// difference is what two states hold of a key, from the lowest layer up to one.
// Where they do not differ, it does not say what they hold.
type difference struct {
	differ  bool
	entries [2]*Entry
}

// climb goes on to the layers of a pair whose items differ.
func (d *difference) climb(p *pair) {
	if !d.differ {
		for _, it := range p.heads {
			if it != nil {
				d.entries = [2]*Entry{it.was, it.was} // one has it from the other's, so both do
			}
		}
	}
	for i, it := range p.heads {
		if it != nil {
			d.entries[i] = p.trees[i].kind.now(it)
		}
	}
	d.differ = !same(d.entries[0], d.entries[1])
}
