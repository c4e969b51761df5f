package dataset

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"time"

	"github.com/sluice-ml/sluice/shared/fault"
)

// skipsOfNext are the skips of a commit whose first parent is c: c itself, then
// the ancestors at c's depth with its low bits cleared one after the other, as
// in a Fenwick tree. They are all among c's own skips, so a commit reads
// nothing to know them; there are at most as many as the depth has bits, and
// any ancestor is that many hops away at most.
func (c Commit) skipsOfNext() []Skip {
	next := []Skip{{c.ID, c.Depth, c.Time}}
	want := c.Depth
	for _, s := range c.Skips {
		for want > s.Depth {
			want &= want - 1
		}
		if s.Depth == want && s.Depth < c.Depth {
			next = append(next, s)
		}
	}
	return next
}

// checkLine refuses a commit whose skips would lead a walk astray.
func (c *Commit) checkLine() error {
	if len(c.Parents) == 0 {
		if c.Depth != 0 || len(c.Skips) != 0 {
			return errors.New("it has skips and no parents")
		}
		return nil
	}
	if len(c.Skips) == 0 || c.Skips[0].Commit != c.Parents[0] || c.Skips[0].Depth != c.Depth-1 {
		return errors.New("its first skip is not its first parent")
	}
	for i, s := range c.Skips {
		if s.Depth < 0 || (i > 0 && s.Depth >= c.Skips[i-1].Depth) || s.Time.After(c.Time) {
			return fmt.Errorf("its skip to depth %d is out of order", s.Depth)
		}
	}
	if last := c.Skips[len(c.Skips)-1].Depth; last != 0 {
		return fmt.Errorf("its last skip is to depth %d, not 0", last)
	}
	return nil
}

// hop follows the farthest skip that keeps says to keep to; the first parent
// when none is. There must be one.
func (r *Repository) hop(ctx context.Context, c Commit, keep func(Skip) bool) (Commit, error) {
	for i := len(c.Skips) - 1; i > 0; i-- {
		if keep(c.Skips[i]) {
			return r.readCommit(ctx, c.Skips[i].Commit)
		}
	}
	return r.readCommit(ctx, c.Skips[0].Commit)
}

// back is the n-th first parent of c; it reads a number of commits that grows
// with the logarithm of n.
func (r *Repository) back(ctx context.Context, name string, c Commit, n int) (Commit, error) {
	depth := c.Depth - n
	if depth < 0 {
		return Commit{}, fault.New(fault.NotFound, "resolve "+name, "the dataset has only %d commits before %s", c.Depth, c.ID).
			WithHint("~%d is its first commit", c.Depth)
	}
	var err error
	for err == nil && c.Depth > depth {
		c, err = r.hop(ctx, c, func(s Skip) bool { return s.Depth >= depth })
	}
	return c, err
}

// asOf is the newest commit on c's line of first parents that is not younger
// than t; it reads a logarithmic number of commits.
func (r *Repository) asOf(ctx context.Context, name string, c Commit, t time.Time) (Commit, error) {
	var err error
	for err == nil && c.Time.After(t) {
		if len(c.Parents) == 0 {
			return Commit{}, fault.New(fault.NotFound, "resolve "+name, "the dataset's first commit is from %s", c.Time.Format(time.RFC3339Nano))
		}
		c, err = r.hop(ctx, c, func(s Skip) bool { return s.Time.After(t) })
	}
	return c, err
}

// Log gives at most limit commits, from a ref along first parents, newest
// first; all of them when limit is 0.
func (r *Repository) Log(ctx context.Context, name string, limit int) ([]Commit, error) {
	var log []Commit
	for c, err := range r.History(ctx, name) {
		if err != nil {
			return nil, err
		}
		if log = append(log, c); len(log) == limit {
			break
		}
	}
	return log, nil
}

// History walks from a ref along first parents, newest first. An error ends it.
func (r *Repository) History(ctx context.Context, name string) iter.Seq2[Commit, error] {
	return func(yield func(Commit, error) bool) {
		c, err := r.Resolve(ctx, name)
		for yield(c, err) && err == nil && len(c.Parents) > 0 {
			c, err = r.readCommit(ctx, c.Parents[0])
		}
	}
}

// descends says whether c is base or has it among its ancestors.
func (r *Repository) descends(ctx context.Context, c, base Commit) (bool, error) {
	if c.Generation < base.Generation {
		return false, nil
	}
	if c.Depth >= base.Depth {
		on, err := r.back(ctx, c.ID, c, c.Depth-base.Depth)
		if err != nil || on.ID == base.ID {
			return err == nil, err
		}
	}
	common, found, err := r.mergeBase(ctx, c, base)
	return found && common.ID == base.ID, err
}

// mergeBase is the youngest common ancestor of two commits; of several equally
// young ones that with the least id. It reads the commits since then, so it
// costs what happened since the two parted.
func (r *Repository) mergeBase(ctx context.Context, a, b Commit) (Commit, bool, error) {
	if a.ID == b.ID {
		return a, true, nil
	}
	const ours, theirs = 1, 2
	seen := map[string]int{a.ID: ours, b.ID: theirs}
	frontier := map[string]Commit{a.ID: a, b.ID: b}
	for len(frontier) > 0 {
		c := youngest(frontier)
		delete(frontier, c.ID)
		if seen[c.ID] == ours|theirs {
			return c, true, nil
		}
		for _, id := range c.Parents {
			if seen[id] == 0 {
				parent, err := r.readCommit(ctx, id)
				if err != nil {
					return Commit{}, false, err
				}
				frontier[id] = parent
			}
			seen[id] |= seen[c.ID]
		}
	}
	return Commit{}, false, nil
}

func youngest(frontier map[string]Commit) Commit {
	var best Commit
	for _, c := range frontier {
		if best.ID == "" || c.Generation > best.Generation || (c.Generation == best.Generation && c.ID < best.ID) {
			best = c
		}
	}
	return best
}
