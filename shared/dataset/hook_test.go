package dataset_test

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sluice-ml/sluice/shared/dataset"
	"github.com/sluice-ml/sluice/shared/fault"
	"github.com/sluice-ml/sluice/shared/ref"
)

func TestHooksRefuse(t *testing.T) {
	r := dataset.New(ref.NewMemory())
	commit(t, r, "main", put(entry("a", 1)))
	var asked []string
	guarded := r.WithHooks(dataset.Hook{Name: "quality", Judge: func(ctx context.Context, p dataset.Proposal) error {
		asked = append(asked, p.Branch)
		if p.Head == nil {
			return nil
		}
		changes, err := r.Diff(ctx, p.Head.ID, p.Commit.ID)
		if err != nil {
			return err
		}
		for _, c := range changes {
			switch c.Key {
			case "bad":
				return errors.New("bad is bad")
			case "busy":
				return fault.New(fault.Busy, "judge", "come again")
			}
		}
		return nil
	}})
	q := dataset.Request{Branch: "main", Changes: put(entry("bad", 1)), Time: noon}
	_, err := guarded.Commit(t.Context(), q)
	requireKind(t, fault.Denied, err)
	require.ErrorContains(t, err, "move branch main: hook quality refuses commit")
	require.ErrorContains(t, err, "bad is bad")
	q.Changes = put(entry("busy", 1))
	_, err = guarded.Commit(t.Context(), q)
	requireKind(t, fault.Busy, err)
	head, err := r.Head(t.Context(), "main")
	require.NoError(t, err)
	require.Equal(t, 1, head.Generation, "the branch stays")

	q.Branch, q.Base, q.Changes = "side", "main", put(entry("bad", 1))
	_, err = guarded.Commit(t.Context(), q)
	require.NoError(t, err, "the hook lets new branches be")
	_, err = guarded.FastForward(t.Context(), "main", "side")
	requireKind(t, fault.Denied, err)
	_, err = guarded.Merge(t.Context(), dataset.MergeRequest{Branch: "main", From: "side", Time: noon})
	requireKind(t, fault.Denied, err)
	require.Equal(t, []string{"main", "main", "side", "main", "main"}, asked)
	_, err = guarded.Merge(t.Context(), dataset.MergeRequest{Branch: "main", From: "main", Time: noon})
	require.NoError(t, err)
	require.Len(t, asked, 5, "nothing moves, nobody is asked")
	_, err = r.FastForward(t.Context(), "main", "side")
	require.NoError(t, err, "the repository without hooks is as it was")
}
