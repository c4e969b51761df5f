package rollout

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluice-ml/sluice/shared/fault"
)

var fenced = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// TestANewRolloutTakesTheStateOfOneThatIsOver: never that of one under way, nor
// with an older lease, nor while a call of the old one can still delete the
// endpoint that the new one is about to make.
func TestANewRolloutTakesTheStateOfOneThatIsOver(t *testing.T) {
	fresh := State{Rollout: "new", Model: "m", Fence: 3, Phase: Acquired}
	over := State{Rollout: "old", Model: "m", Fence: 2, Phase: RolledBack, Turn: 4}
	for name, c := range map[string]struct {
		change func(*State)
		found  bool
		kind   fault.Kind
		turn   int64
	}{
		"the first of all":         {found: false, turn: 1},
		"the one before is over":   {found: true, turn: 5},
		"it is under way":          {found: true, change: func(s *State) { s.Phase = Baking }, kind: fault.Busy},
		"it is being rolled back":  {found: true, change: func(s *State) { s.Phase = RollingBack }, kind: fault.Busy},
		"ours is the older lease":  {found: true, change: func(s *State) { s.Fence = 9 }, kind: fault.Busy},
		"ours is the same lease":   {found: true, change: func(s *State) { s.Fence = 3 }, kind: fault.Busy},
		"it can still delete":      {found: true, change: func(s *State) { s.Removing = fenced.Add(time.Nanosecond) }, kind: fault.Unavailable},
		"it can delete no more":    {found: true, change: func(s *State) { s.Removing = fenced }, turn: 5},
		"it could delete long ago": {found: true, change: func(s *State) { s.Removing = fenced.Add(-time.Hour) }, turn: 5},
	} {
		t.Run(name, func(t *testing.T) {
			old := over
			if c.change != nil {
				c.change(&old)
			}
			got, err := replace(old, c.found, fresh, fenced)
			if c.kind != "" {
				require.Equal(t, c.kind, fault.KindOf(err), "%v", err)
				require.Equal(t, old, got)
				return
			}
			require.NoError(t, err)
			require.Equal(t, "new", got.Rollout)
			require.EqualValues(t, c.turn, got.Turn)
		})
	}
	_, err := replace(State{Rollout: "new", Phase: Baking}, true, fresh, fenced)
	require.ErrorIs(t, err, ErrUnchanged, "a duplicate begins nothing again")
}

// latest is where the state of a model's latest rollout is.
type latest struct {
	States
	state State
	err   error
}

func (l latest) Load(context.Context, string) (State, error) { return l.state, l.err }

// TestARolloutOutlastsALateDelete: it waits for as long as the call can take, and
// not at all where there is none; a wait that is cut off can be tried again.
func TestARolloutOutlastsALateDelete(t *testing.T) {
	for name, c := range map[string]struct {
		removing time.Time
		load     error
		slept    time.Duration
	}{
		"no rollout before":  {load: fault.New(fault.NotFound, "load", "none")},
		"none that deletes":  {},
		"it is over":         {removing: fenced.Add(-time.Second)},
		"it takes 40 s more": {removing: fenced.Add(40 * time.Second), slept: 40 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			var slept time.Duration
			controller := &Controller{States: latest{state: State{Removing: c.removing}, err: c.load}, Now: func() time.Time { return fenced },
				Sleep: func(ctx context.Context, d time.Duration) error { slept += d; return ctx.Err() }}
			require.NoError(t, controller.outlast(t.Context(), "m"))
			require.Equal(t, c.slept, slept)
			if c.slept == 0 {
				return
			}
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			err := controller.outlast(ctx, "m")
			require.True(t, fault.KindOf(err).Retryable(), "%v", err)
		})
	}
	broken := &Controller{States: latest{err: fault.New(fault.Unavailable, "load", "throttled")}}
	require.True(t, fault.Is(broken.outlast(t.Context(), "m"), fault.Unavailable))
}
