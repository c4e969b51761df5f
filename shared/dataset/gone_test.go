package dataset_test

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sluice-ml/sluice/shared/dataset"
	"github.com/sluice-ml/sluice/shared/fault"
	"github.com/sluice-ml/sluice/shared/ref"
)

// looked is a lake that counts who looks at what.
type looked struct {
	lake
	looks  atomic.Int64
	broken error
}

func (l *looked) Stat(ctx context.Context, key, version string) (dataset.Entry, error) {
	l.looks.Add(1)
	if l.broken != nil {
		return dataset.Entry{}, l.broken
	}
	return l.lake.Stat(ctx, key, version)
}

// aged is a dataset of 20 objects whose first versions a lifecycle rule took away,
// but for the first ten: main has second versions of all, v1 the first ones.
func aged(t *testing.T) (*looked, *dataset.Repository) {
	l, r := &looked{lake: lake{}}, dataset.NewTiny(ref.NewMemory())
	for version := 1; version <= 2; version++ {
		var changes dataset.Changes
		for n := range 20 {
			e := entry(fmt.Sprintf("d%d/%02d", n/10, n), version)
			changes.Puts = append(changes.Puts, e)
			if version == 2 || n < 10 {
				l.lake[e.Key+"@"+e.VersionID] = e
			}
		}
		commit(t, r, "main", changes)
		if version == 1 {
			_, err := r.Tag(t.Context(), "v1", "main")
			require.NoError(t, err)
		}
	}
	return l, r
}

// TestWhatIsGoneIsNotBroughtBack: every move that brings object versions back
// looks at those, and at no others, and is refused when some are gone; nothing
// moves then. With no lake to look at it goes on.
func TestWhatIsGoneIsNotBroughtBack(t *testing.T) {
	moves := map[string]func(*dataset.Repository, dataset.Source) (dataset.Merged, error){
		"restore": func(r *dataset.Repository, lake dataset.Source) (dataset.Merged, error) {
			return r.Restore(t.Context(), dataset.RestoreRequest{Branch: "main", From: "v1", Lake: lake, Time: noon})
		},
		"revert": func(r *dataset.Repository, lake dataset.Source) (dataset.Merged, error) {
			return r.Revert(t.Context(), dataset.PickRequest{Branch: "main", Commit: "main", Lake: lake, Time: noon})
		},
		"cherry-pick": func(r *dataset.Repository, lake dataset.Source) (dataset.Merged, error) {
			return r.CherryPick(t.Context(), dataset.PickRequest{Branch: "main", Commit: "v1", Lake: lake, Time: noon,
				Rules: []dataset.Rule{{Glob: "**", Choice: dataset.TakeTheirs}}})
		},
		"merge": func(r *dataset.Repository, lake dataset.Source) (dataset.Merged, error) {
			_, err := r.Revert(t.Context(), dataset.PickRequest{Branch: "back", Commit: "main", Time: noon})
			if fault.Is(err, fault.NotFound) {
				_, err = r.CreateBranch(t.Context(), "back", "main", dataset.BranchOptions{})
				require.NoError(t, err)
				_, err = r.Revert(t.Context(), dataset.PickRequest{Branch: "back", Commit: "main", Time: noon})
			}
			require.NoError(t, err)
			return r.Merge(t.Context(), dataset.MergeRequest{Branch: "main", From: "back", Lake: lake, Time: noon, Commit: true})
		},
		"fast-forward": func(r *dataset.Repository, lake dataset.Source) (dataset.Merged, error) {
			_, err := r.CreateBranch(t.Context(), "back", "main", dataset.BranchOptions{})
			require.NoError(t, err)
			_, err = r.Revert(t.Context(), dataset.PickRequest{Branch: "back", Commit: "main", Time: noon})
			require.NoError(t, err)
			return r.Merge(t.Context(), dataset.MergeRequest{Branch: "main", From: "back", Lake: lake, Time: noon})
		},
	}
	for name, move := range moves {
		t.Run(name, func(t *testing.T) {
			l, r := aged(t)
			before, err := r.Head(t.Context(), "main")
			require.NoError(t, err)
			_, err = move(r, l)
			requireKind(t, fault.NotFound, err)
			require.ErrorContains(t, err, "10 of the 20 object version(s) that it would bring back are gone from the lake: d1/10 at version v1, d1/11 at version v1, d1/12 at version v1, d1/13 at version v1, d1/14 at version v1, 5 more")
			require.ErrorContains(t, err, "--despite-gone")
			require.Len(t, dataset.AsGone(err), 10)
			require.EqualValues(t, 20, l.looks.Load(), "once each")
			head, err := r.Head(t.Context(), "main")
			require.NoError(t, err)
			require.Equal(t, before.ID, head.ID, "nothing moved")

			l, r = aged(t)
			l.broken = fault.New(fault.Denied, "look", "you may not")
			_, err = move(r, l)
			requireKind(t, fault.Denied, err)

			l, r = aged(t)
			m, err := move(r, nil)
			require.NoError(t, err)
			require.True(t, m.Moved)
			require.Zero(t, l.looks.Load())
			e, found, err := r.Entry(t.Context(), "main", "d1/10")
			require.NoError(t, err)
			require.True(t, found)
			require.Equal(t, "v1", e.VersionID)
		})
	}
	require.Nil(t, dataset.AsGone(nil))
}

// TestARestoreOfWhatIsThere looks below its prefix only, and only at what the
// branch does not hold.
func TestARestoreOfWhatIsThere(t *testing.T) {
	l, r := aged(t)
	commit(t, r, "main", put(entry("d0/03", 1)))
	m, err := r.Restore(t.Context(), dataset.RestoreRequest{Branch: "main", From: "v1", Prefix: "d0/", Lake: l, Time: noon})
	require.NoError(t, err)
	require.True(t, m.Moved)
	require.EqualValues(t, 9, l.looks.Load(), "d0/03 is held already")
	m, err = r.Restore(t.Context(), dataset.RestoreRequest{Branch: "main", From: "v1", Prefix: "d0/", Lake: l, Time: noon})
	require.NoError(t, err)
	require.False(t, m.Moved)
}

// TestALookIsNotRepeated: a move that loses a race and is redone looks only at
// what is new to it.
func TestALookIsNotRepeated(t *testing.T) {
	l := &looked{lake: lake{}}
	memory := ref.NewMemory()
	r := dataset.NewTiny(memory)
	for version := 1; version <= 2; version++ {
		var changes dataset.Changes
		for n := range 20 {
			e := entry(fmt.Sprintf("d0/%02d", n), version)
			l.lake[e.Key+"@"+e.VersionID] = e
			changes.Puts = append(changes.Puts, e)
		}
		commit(t, r, "main", changes)
	}
	raced := &raced{Store: memory, rival: func() { commit(t, dataset.NewTiny(memory), "main", put(entry("other", 1))) }}
	_, err := dataset.NewTiny(raced).Restore(t.Context(), dataset.RestoreRequest{Branch: "main", From: "main~1", Prefix: "d0/", Lake: l, Time: noon})
	require.NoError(t, err)
	require.True(t, raced.lost)
	require.EqualValues(t, 20, l.looks.Load())
}

// raced lets a rival move a branch just before the first swap of it.
type raced struct {
	ref.Store
	rival func()
	lost  bool
}

func (s *raced) Swap(ctx context.Context, key string, body []byte, tag ref.Tag) (ref.Tag, error) {
	if !s.lost && strings.HasPrefix(key, "branches/") {
		s.lost = true
		s.rival()
	}
	return s.Store.Swap(ctx, key, body, tag)
}
