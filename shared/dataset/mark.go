package dataset

import (
	"context"
	"slices"

	"github.com/sluice-ml/sluice/shared/fault"
	"github.com/sluice-ml/sluice/shared/ref"
)

// mark gives the keys of the commits and blobs that the refs, the pins and, as
// far as they are there, the roots lead to. It reads every commit and every index
// node once, but no leaves. It does not trust the cache: what is marked must be
// there.
func (r *Repository) mark(ctx context.Context, q CollectRequest, roots []string) (map[string]bool, error) {
	refs, err := r.roots(ctx, q)
	if err != nil {
		return nil, err
	}
	held, err := r.heldCommits(ctx)
	if err != nil {
		return nil, err
	}
	m := &marker{repository: &Repository{store: r.store, cache: newCache(cacheBytes), shapes: r.shapes}, marked: map[string]bool{}}
	if err := m.all(ctx, slices.Concat(refs.branches, refs.tags, held, q.Pins)); err != nil {
		return nil, err
	}
	m.lenient = true
	return m.marked, m.all(ctx, slices.Concat(refs.lateBranches, refs.lateTags, roots))
}

type marker struct {
	repository *Repository
	marked     map[string]bool
	// lenient passes over what is not there: a commit that no ref leads to may
	// be of a writer who is still storing its blobs, or who died at it.
	lenient bool
}

func (m *marker) all(ctx context.Context, frontier []string) (err error) {
	for len(frontier) > 0 && err == nil {
		frontier, err = m.commits(ctx, frontier)
	}
	return err
}

func (m *marker) pass(err error) error {
	if m.lenient && fault.Is(err, fault.NotFound) {
		return nil
	}
	return err
}

// commits marks commits with their trees and segments, and gives their parents.
func (m *marker) commits(ctx context.Context, ids []string) ([]string, error) {
	var fresh []string
	for _, id := range ids {
		if key := commits + id; !m.marked[key] {
			m.marked[key] = true
			fresh = append(fresh, id)
		}
	}
	read := make([]Commit, len(fresh))
	err := parallel(ctx, len(fresh), func(ctx context.Context, i int) (err error) {
		read[i], err = m.repository.readCommit(ctx, fresh[i])
		return m.pass(err)
	})
	if err != nil {
		return nil, err
	}
	var parents []string
	for _, c := range read {
		parents = append(parents, c.Parents...)
		if c.ID == "" {
			continue
		}
		st := m.repository.stateOf(&c)
		for _, t := range st.layers() {
			if t.flat() {
				continue
			}
			if err := m.nodes(ctx, []child{t.child}, t.level); err != nil {
				return nil, err
			}
		}
	}
	return parents, nil
}

// nodes marks nodes of a level, and all below those not marked before.
func (m *marker) nodes(ctx context.Context, nodes []child, level int) error {
	var fresh []child
	for _, n := range nodes {
		if key := blobs + n.hash.String(); !m.marked[key] {
			m.marked[key] = true
			fresh = append(fresh, n)
		}
	}
	if level == 0 || len(fresh) == 0 {
		return nil
	}
	read := make([]*node, len(fresh))
	err := parallel(ctx, len(fresh), func(ctx context.Context, i int) (err error) {
		read[i], err = m.repository.readNode(ctx, fresh[i], level)
		return m.pass(err)
	})
	if err != nil {
		return err
	}
	var below []child
	for _, n := range read {
		if n != nil {
			below = append(below, n.children...)
		}
	}
	return m.nodes(ctx, below, level-1)
}

// condemned gives the keys that a published collection is to delete.
func (r *Repository) condemned(ctx context.Context) (map[string]bool, error) {
	p, err := ref.Read[collection](ctx, r.store, collectionKey)
	if fault.Is(err, fault.NotFound) || (err == nil && p.Value.Plan == "") {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	garbage, err := r.readPlan(ctx, p.Value.Plan)
	keys := make(map[string]bool, len(garbage))
	for _, v := range garbage {
		keys[v.Key] = true
	}
	return keys, err
}

// source resolves a ref that a write is to build on. Conflict when it is a
// commit that a collection is about to delete.
func (r *Repository) source(ctx context.Context, name string) (Commit, error) {
	// In this order: a collection that is planned after the first line has to
	// wait until the write is over.
	keys, err := r.condemned(ctx)
	if err != nil {
		return Commit{}, err
	}
	c, err := r.Resolve(ctx, name)
	if err == nil && keys[commits+c.ID] {
		err = fault.New(fault.Conflict, "use "+name, "no ref leads to commit %s and a garbage collection is about to delete it", c.ID).
			WithHint("take the collection back first: sluice data gc MODEL --cancel")
	}
	return c, err
}
