package rollouts_test

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/aws/aws-sdk-go-v2/service/sfn/types"
	"github.com/stretchr/testify/require"

	"github.com/sluice-ml/sluice/shared/aws/rollouts"
	"github.com/sluice-ml/sluice/shared/contract"
	"github.com/sluice-ml/sluice/shared/fault"
	"github.com/sluice-ml/sluice/shared/ref"
	"github.com/sluice-ml/sluice/shared/rollout"
	"github.com/sluice-ml/sluice/shared/trainconfig"
)

// between is a store where something happens before its nth operation.
type between struct {
	ref.Store
	n    int
	then func()
}

func (b *between) step() {
	b.n--
	if then := b.then; b.n == 0 && then != nil {
		then()
	}
}

func (b *between) Get(ctx context.Context, key string) (ref.Item, error) {
	b.step()
	return b.Store.Get(ctx, key)
}

func (b *between) Create(ctx context.Context, key string, body []byte) (ref.Tag, error) {
	b.step()
	return b.Store.Create(ctx, key, body)
}

func (b *between) Swap(ctx context.Context, key string, body []byte, tag ref.Tag) (ref.Tag, error) {
	b.step()
	return b.Store.Swap(ctx, key, body, tag)
}

// tasks ends a task once, as Step Functions does.
type tasks struct {
	waiting map[string]bool
	sent    int
	err     error
}

func (s *tasks) SendTaskSuccess(_ context.Context, in *sfn.SendTaskSuccessInput, _ ...func(*sfn.Options)) (*sfn.SendTaskSuccessOutput, error) {
	s.sent++
	switch {
	case s.err != nil:
		return nil, s.err
	case !s.waiting[*in.TaskToken]:
		return nil, &types.TaskTimedOut{}
	}
	delete(s.waiting, *in.TaskToken)
	return &sfn.SendTaskSuccessOutput{}, nil
}

// waking is a rollout that bakes for five minutes.
type waking struct {
	*testing.T
	store *ref.Memory
	tasks *tasks
	now   time.Time
}

func newWaking(t *testing.T) *waking {
	w := &waking{T: t, store: ref.NewMemory(), tasks: &tasks{waiting: map[string]bool{"token": true}}, now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)}
	_, err := w.records(w.store).Update(t.Context(), "m", func(rollout.State, bool) (rollout.State, error) {
		return rollout.State{Rollout: "r-2", Model: "m", Phase: rollout.Baking, Started: w.now, StepSince: w.now, BakeFrom: w.now, BakeUntil: w.now.Add(5 * time.Minute),
			Candidate: rollout.Place{Version: 2, Slot: "green"}, Champion: rollout.Place{Version: 1, Slot: "blue"},
			Policy: rollout.Policy{Steps: []float64{10, 100}, Bake: trainconfig.Duration(5 * time.Minute), Deadline: trainconfig.Duration(time.Hour), MaxFailures: 3}}, nil
	})
	require.NoError(t, err)
	return w
}

func (w *waking) records(store ref.Store) rollout.Records {
	return rollout.Records{Store: store, Now: func() time.Time { return w.now }}
}

func (w *waking) waker(store ref.Store) *rollouts.Waker {
	return &rollouts.Waker{States: w.records(store), Store: store, Client: w.tasks, Now: func() time.Time { return w.now }, Log: slog.New(slog.DiscardHandler)}
}

func (w *waking) await(store ref.Store) error {
	return w.waker(store).Await(w.Context(), contract.RolloutStep{Model: "m", Rollout: "r-2", Token: "token"})
}

// observe moves the rollout by what was observed.
func (w *waking) observe(store ref.Store, o rollout.Observation) {
	w.Helper()
	_, err := w.waker(store).Update(w.Context(), "m", func(old rollout.State, _ bool) (rollout.State, error) {
		d := rollout.Decide(old, o, w.now)
		if !d.Changed {
			return old, rollout.ErrUnchanged
		}
		return d.State, nil
	})
	require.NoError(w, err)
}

// Whatever comes between what: the wait ends.
func TestAWaitEndsInEveryOrder(t *testing.T) {
	for n := range 12 { // a whole abort before each operation of the wait
		w := newWaking(t)
		store := &between{Store: w.store, n: n}
		store.then = func() { w.observe(w.store, rollout.Abort{Reason: "x"}) }
		require.NoError(t, w.await(store))
		if n == 0 || store.n > 0 { // it never came
			store.then()
		}
		require.Empty(t, w.tasks.waiting, "abort before operation %d", n)
	}
	for n := range 12 { // a whole wait before each operation of the abort
		w := newWaking(t)
		store := &between{Store: w.store, n: n}
		store.then = func() { require.NoError(t, w.await(w.store)) }
		w.observe(store, rollout.Abort{Reason: "x"})
		if n == 0 || store.n > 0 {
			store.then()
		}
		require.Empty(t, w.tasks.waiting, "wait before operation %d", n)
	}
}

func TestWhatDoesNotEndAWait(t *testing.T) {
	w := newWaking(t)
	require.NoError(t, w.await(w.store))
	w.observe(w.store, rollout.Pause{By: "somebody"})
	require.Zero(t, w.tasks.sent, "a pause takes hold at the next step")
	w.observe(w.store, rollout.Looked{Condition: rollout.Settled})
	require.Zero(t, w.tasks.sent)
	w.now = w.now.Add(5 * time.Minute)
	w.observe(w.store, rollout.Abort{Reason: "x"})
	require.Zero(t, w.tasks.sent, "it ends by itself now")
}

// A token that was sent is not sent again, and one that was refused neither.
func TestTokensAreSentOnce(t *testing.T) {
	w := newWaking(t)
	require.NoError(t, w.await(w.store))
	w.observe(w.store, rollout.Abort{Reason: "x"})
	w.observe(w.store, rollout.Restored{Detail: "back"})
	require.Equal(t, 1, w.tasks.sent)

	w = newWaking(t)
	w.tasks.waiting = nil // it timed out, or its execution was stopped
	require.NoError(t, w.await(w.store))
	w.observe(w.store, rollout.Abort{Reason: "x"})
	w.observe(w.store, rollout.Restored{Detail: "back"})
	require.Equal(t, 1, w.tasks.sent)

	w = newWaking(t)
	require.NoError(t, w.await(w.store))
	w.tasks.err = errors.New("503")
	w.observe(w.store, rollout.Abort{Reason: "x"}) // the rollback goes on all the same
	w.tasks.err = nil
	w.observe(w.store, rollout.Restored{Detail: "back"})
	require.Equal(t, 2, w.tasks.sent, "the next change tries again")
	require.Empty(t, w.tasks.waiting)
}

// A redriven or duplicated execution waits with a token of its own: the last one
// that came is woken, the other ends by its time-out.
func TestASecondWait(t *testing.T) {
	w := newWaking(t)
	require.NoError(t, w.await(w.store))
	w.tasks.waiting["second"] = true
	require.NoError(t, w.waker(w.store).Await(t.Context(), contract.RolloutStep{Model: "m", Rollout: "r-2", Token: "second"}))
	w.observe(w.store, rollout.Abort{Reason: "x"})
	require.Equal(t, map[string]bool{"token": true}, w.tasks.waiting)

	w = newWaking(t)
	require.NoError(t, w.waker(w.store).Await(t.Context(), contract.RolloutStep{Model: "m", Rollout: "r-1", Token: "token"}))
	require.Empty(t, w.tasks.waiting, "a rollout that is not the current one has nothing to wait for")
}

func TestWaitsThatAreRefused(t *testing.T) {
	w := newWaking(t)
	for _, step := range []contract.RolloutStep{{Model: "m", Rollout: "r-2"}, {Model: "m", Token: "t"}, {Model: "/", Rollout: "r-2", Token: "t"}} {
		require.Equal(t, fault.Invalid, fault.KindOf(w.waker(w.store).Await(t.Context(), step)))
	}
	err := w.waker(w.store).Await(t.Context(), contract.RolloutStep{Model: "other", Rollout: "r-2", Token: "t"})
	require.Equal(t, fault.NotFound, fault.KindOf(err))
}
