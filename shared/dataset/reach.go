package dataset

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"strings"
	"sync"
	"time"

	"github.com/sluice-ml/sluice/shared/fault"
)

// Reach says from where the commits that pin an object version can be reached.
type Reach uint8

// A version may be reached from several of these.
const (
	ByBranch Reach = 1 << iota // a branch's head, or a commit behind it
	ByTag                      // a tag's commit, or one behind it
	ByPin                      // a legal hold, a run under way, or what the caller names
	ByCommit                   // a commit that is stored, but that none of the others leads to
)

// Pins says which versions of the lake's objects commits pin. It holds 8 bytes of
// a hash for each; two versions of one hash count as pinned both.
type Pins struct {
	mu    sync.Mutex
	reach map[uint64]Reach
}

func newPins() *Pins { return &Pins{reach: map[uint64]Reach{}} }

func fingerprint(key, versionID string) uint64 {
	sum := sha256.Sum256([]byte(key + "\x00" + versionID))
	return binary.BigEndian.Uint64(sum[:])
}

// Of says from where a version is pinned; 0 is from nowhere.
func (p *Pins) Of(key, versionID string) Reach {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.reach[fingerprint(key, versionID)]
}

// Count is how many versions are pinned.
func (p *Pins) Count() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.reach)
}

func (p *Pins) add(key, versionID string, from Reach) {
	at := fingerprint(key, versionID)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.reach[at] |= from
}

// Pins gives the versions, of keys that start with prefix, that any stored commit
// pins. Commits are young enough to be somebody's work under way, or garbage that
// is still to be collected, so those count that no ref leads to, too. It reads
// every commit and what each changed.
func (r *Repository) Pins(ctx context.Context, prefix string, q CollectRequest) (*Pins, error) {
	pins := newPins()
	return pins, r.pinnedInto(ctx, pins, prefix, q)
}

func (r *Repository) pinnedInto(ctx context.Context, pins *Pins, prefix string, q CollectRequest) error {
	fresh := *r // what is marked must be there: it does not trust the cache
	fresh.cache, fresh.hooks, fresh.asker, fresh.shared = newCache(cacheBytes), nil, nil, nil
	reach, err := fresh.reachable(ctx, q)
	if err != nil {
		return err
	}
	keys, err := fresh.store.List(ctx, commits)
	if err != nil {
		return err
	}
	for _, key := range keys {
		if id := strings.TrimPrefix(key, commits); reach[id] == 0 {
			reach[id] = ByCommit
		}
	}
	all := make([]string, 0, len(reach))
	for id := range reach {
		all = append(all, id)
	}
	return parallel(ctx, len(all), func(ctx context.Context, i int) error {
		c, err := fresh.readCommit(ctx, all[i])
		if err == nil {
			err = fresh.introduced(ctx, c, prefix, func(e *Entry) error {
				pins.add(e.Key, e.VersionID, reach[all[i]])
				return nil
			})
		}
		if reach[all[i]] == ByCommit && fault.Is(err, fault.NotFound) {
			// No ref leads to it: its writer died, or a collection of commits is
			// at it. What it pins may be pinned by others, who are asked, too.
			return nil
		}
		return err
	})
}

// introduced gives the entries, of keys that start with prefix, that a commit has
// and its first parent has not. Together with those of the commits behind it, they
// are all that it has. A small changeset lies in the commit itself, so nothing is
// read then.
func (r *Repository) introduced(ctx context.Context, c Commit, prefix string, take func(*Entry) error) error {
	if c.Changes != nil && len(c.Parents) > 0 {
		for i := range c.Changes.Puts {
			e := &c.Changes.Puts[i]
			if !strings.HasPrefix(e.Key, prefix) {
				continue
			}
			if err := take(e); err != nil {
				return err
			}
		}
		return nil
	}
	for change, err := range r.Changes(ctx, c, prefix) {
		if err == nil && change.New != nil {
			err = take(change.New)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// reachable gives the commits that refs, holds and pins lead to, and from which.
func (r *Repository) reachable(ctx context.Context, q CollectRequest) (map[string]Reach, error) {
	roots, err := r.roots(ctx, q)
	if err != nil {
		return nil, err
	}
	held, err := r.heldCommits(ctx)
	if err != nil {
		return nil, err
	}
	reach := map[string]Reach{}
	for from, ids := range map[Reach][]string{ByBranch: roots.branches, ByTag: roots.tags, ByPin: append(held, q.Pins...)} {
		if err := r.walk(ctx, reach, from, ids, false); err != nil {
			return nil, err
		}
	}
	for from, ids := range map[Reach][]string{ByBranch: roots.lateBranches, ByTag: roots.lateTags} {
		if err := r.walk(ctx, reach, from, ids, true); err != nil {
			return nil, err
		}
	}
	return reach, nil
}

// roots are the commits of refs. Late ones are of refs that were deleted within the
// grace period: a collection of a shorter one may have taken them already.
type roots struct{ branches, tags, lateBranches, lateTags []string }

func (r *Repository) roots(ctx context.Context, q CollectRequest) (found roots, err error) {
	sort := func(commit string, deleted *time.Time, late *[]string) (string, bool) {
		if deleted != nil && deleted.After(q.Now.Add(-q.Grace)) {
			*late = append(*late, commit)
		}
		return commit, deleted == nil
	}
	found.branches, err = living(ctx, r, "branches/", func(_ string, b branch) (string, bool) { return sort(b.Commit, b.Deleted, &found.lateBranches) })
	if err == nil {
		found.tags, err = living(ctx, r, "tags/", func(_ string, t tag) (string, bool) { return sort(t.Commit, t.Deleted, &found.lateTags) })
	}
	return found, err
}

// walk marks commits and all behind them; where it is lenient, those that are there.
func (r *Repository) walk(ctx context.Context, reach map[string]Reach, from Reach, frontier []string, lenient bool) error {
	for len(frontier) > 0 {
		var fresh []string
		for _, id := range frontier {
			if reach[id]&from == 0 {
				reach[id] |= from
				fresh = append(fresh, id)
			}
		}
		parents, absent := make([][]string, len(fresh)), make([]bool, len(fresh))
		err := parallel(ctx, len(fresh), func(ctx context.Context, i int) error {
			c, err := r.readCommit(ctx, fresh[i])
			parents[i] = c.Parents
			if lenient && fault.Is(err, fault.NotFound) {
				parents[i], err = nil, nil
				absent[i] = true
			}
			return err
		})
		if err != nil {
			return err
		}
		for i, id := range fresh {
			if absent[i] {
				delete(reach, id)
			}
		}
		frontier = frontier[:0]
		for _, ids := range parents {
			frontier = append(frontier, ids...)
		}
	}
	return nil
}

// Pins gives the versions that any dataset of the lake pins.
func (l *Lake) Pins(ctx context.Context, prefix string, q LakeRequest) (*Pins, error) {
	return l.pins(ctx, []string{prefix}, q)
}

// Heads gives the versions that the heads of all branches of all datasets hold, as
// opposed to those that only older commits do.
func (l *Lake) Heads(ctx context.Context, prefix string) (*Pins, error) {
	datasets, err := l.datasets(ctx)
	if err != nil {
		return nil, err
	}
	pins := newPins()
	for _, r := range datasets {
		branches, err := r.BranchList(ctx)
		if err != nil {
			return nil, err
		}
		for i, b := range branches {
			if i == 0 {
				err = r.hold(ctx, pins, b.Commit, prefix)
			} else {
				err = r.holdNew(ctx, pins, branches[0].Commit, b.Commit, prefix)
			}
			if err != nil {
				return nil, err
			}
		}
	}
	return pins, nil
}

func (r *Repository) hold(ctx context.Context, pins *Pins, commit, prefix string) error {
	for e, err := range r.Each(ctx, commit, prefix) {
		if err != nil {
			return err
		}
		pins.add(e.Key, e.VersionID, ByBranch)
	}
	return nil
}

func (r *Repository) holdNew(ctx context.Context, pins *Pins, than, commit, prefix string) error {
	for change, err := range r.DiffEach(ctx, than, commit, prefix) {
		if err != nil {
			return err
		}
		if change.New != nil {
			pins.add(change.New.Key, change.New.VersionID, ByBranch)
		}
	}
	return nil
}

// Held gives the versions that one ref holds.
func (r *Repository) Held(ctx context.Context, name, prefix string) (*Pins, error) {
	c, err := r.Resolve(ctx, name)
	if err != nil {
		return nil, err
	}
	pins := newPins()
	return pins, r.hold(ctx, pins, c.ID, prefix)
}
