package rollouts_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluice-ml/sluice/shared/fault"
	"github.com/sluice-ml/sluice/shared/trainconfig"
)

// shadowing is a world whose champion is version 1 and whose next candidate is
// its shadow first.
func shadowing(t *testing.T) *world {
	t.Parallel()
	w := open(t)
	require.Equal(t, "promoted", w.ship(1, "good").Outcome)
	w.policy.Shadow = trainconfig.Shadow{Duration: trainconfig.Duration(time.Minute), Sample: 100, MaxDisagreement: 0.1}
	return w
}

// only has the shadow be all of the rollout.
func (w *world) only() *world { w.policy.ShadowOnly, w.policy.Steps = true, nil; return w }

// copies counts what was copied to a variant, answered or not.
func (w *world) copies(variant string) (n int64) {
	for _, u := range w.sagemaker.Usage() {
		if u.Variant == variant {
			n = u.Requests + u.Dropped
		}
	}
	return n
}

// users send requests and never see a failure. Where the shadow answers at all,
// its answers are waited for: the clock is not the servers'.
func (w *world) users(answers bool) func(int) {
	return func(seconds int) {
		view, err := w.Backend.View(w.t.Context(), "adult_income")
		require.NoError(w.t, err)
		for range seconds / 10 {
			before := w.copies("green")
			for range 40 {
				require.NoError(w.t, w.ask(), "users never notice a shadow")
			}
			if answers && view.Shadow != nil {
				require.Eventually(w.t, func() bool { return w.copies("green") >= before+40 }, 30*time.Second, time.Millisecond)
			}
			w.clock.pass(10 * time.Second)
		}
		require.NoError(w.t, w.flush(w.t.Context(), w.clock.Now()))
	}
}

func (w *world) noShadow() {
	w.t.Helper()
	view, err := w.Backend.View(w.t.Context(), "adult_income")
	require.NoError(w.t, err)
	require.Nil(w.t, view.Shadow)
}

// A good shadow passes: nothing is promoted, it is recorded and taken away, and
// the next rollout may go.
func TestAGoodShadowPasses(t *testing.T) {
	w := shadowing(t).only()
	step := w.start(2, "good")
	command := w.run(step, done, w.users(true))
	require.Equal(t, "shadowed", command.Outcome, command.Reason)
	require.Regexp(t, "the shadow passed: 0 of [0-9]{3} answers decide otherwise than the champion's, the scores differ by 0 on average; nothing is promoted", command.Reason)
	w.serves(1)
	w.noShadow()
	s, err := w.States.Archived(t.Context(), "adult_income", "r-2")
	require.NoError(t, err)
	require.Equal(t, "shadowed", s.Outcome)
	var looks int
	for _, r := range s.History {
		require.Zero(t, r.Weight, "no user ever gets its answer")
		if r.Measurements != nil {
			looks++
			require.Equal(t, r.Measurements.Champion.Requests, r.Measurements.Candidate.Requests)
			require.Positive(t, r.Measurements.Pairs.Both)
		}
	}
	require.Equal(t, 1, looks)

	w.policy.ShadowOnly, w.policy.Steps = false, []float64{50, 100}
	require.Equal(t, "promoted", w.run(w.start(3, "good"), done, w.users(true)).Outcome)
	w.serves(3)
	s, err = w.States.Archived(t.Context(), "adult_income", "r-3")
	require.NoError(t, err)
	require.True(t, s.Mirrored, "the shadow came before the steps")
}

// What a shadow does wrong costs users nothing, and it is refused for it.
func TestABadShadowIsRefusedAndCostsNothing(t *testing.T) {
	for behaviour, test := range map[string]struct {
		answers bool
		reason  string
	}{
		"mute":     {true, "failure 2 of 2: error_rate 1 is above 0.01"},
		"contrary": {true, "failure 2 of 2: disagreement 1 is above 0.1"},
		"slow":     {false, "failure 2 of 2: latency_p99"},
		"stuck":    {false, "the deadline of 20m passed while it was mirroring"},
		"dead":     {false, "the candidate could not be attached as a shadow"},
	} {
		t.Run(behaviour, func(t *testing.T) {
			w := shadowing(t)
			w.policy.Deadline = trainconfig.Duration(20 * time.Minute)
			command := w.run(w.start(2, behaviour), done, w.users(test.answers))
			require.Equal(t, "rolled_back", command.Outcome)
			require.Contains(t, command.Reason, test.reason)
			w.serves(1)
			w.noShadow()
			require.NotEmpty(t, w.told)
		})
	}
}

// Requests without an inference id cannot be paired: the shadow is not known to
// agree, and says why.
func TestAShadowOfRequestsWithoutIDsHolds(t *testing.T) {
	w := shadowing(t).only()
	ask := w.ask
	w.ask = func() error { w.asked = 0; return ask() } // all have the same id
	w.policy.Deadline = trainconfig.Duration(10 * time.Minute)
	command := w.run(w.start(2, "good"), done, w.users(true))
	require.Equal(t, "rolled_back", command.Outcome)
	require.Contains(t, command.Reason, "disagreement is not known: 0 answers to the same rows, 20 are needed")
	require.Contains(t, command.Reason, "could not be paired, for want of an inference id")
	w.serves(1)
}

// A person who has seen enough of a shadow promotes it, by way of weight 0 and a
// smoke test.
func TestAShadowIsForced(t *testing.T) {
	w := shadowing(t)
	step := w.start(2, "good")
	w.run(step, baking, w.users(true))
	forced := step
	forced.Operation, forced.Reason = "force", "ann"
	_, err := w.Do(t.Context(), forced)
	require.NoError(t, err)
	step.Operation = "prepare"
	require.Equal(t, "promoted", w.run(step, done, w.users(true)).Outcome)
	w.serves(2)
	w.noShadow()
}

// A shadow that cannot be is refused before anything moves, with the field.
func TestAShadowThatCannotBeIsRefused(t *testing.T) {
	t.Parallel()
	w := open(t)
	w.policy.Shadow = trainconfig.Shadow{Duration: trainconfig.Duration(time.Minute), Sample: 100, MaxDisagreement: 0.1}
	_, err := w.only().Do(t.Context(), w.start(1, "good"))
	require.Equal(t, fault.Invalid, fault.KindOf(err))
	require.ErrorContains(t, err, "deployment.strategy is shadow, but no champion serves")
	view, err := w.Backend.View(t.Context(), "adult_income")
	require.NoError(t, err)
	require.False(t, view.Exists)

	s := openECS(t, 1)
	s.released()
	s.policy.Shadow = w.policy.Shadow
	before, err := s.Backend.View(t.Context(), "adult_income")
	require.NoError(t, err)
	_, err = s.Do(t.Context(), s.start(2, "good"))
	require.Equal(t, fault.Invalid, fault.KindOf(err))
	require.ErrorContains(t, err, "deployment.shadow")
	require.ErrorContains(t, err, "Application Load Balancer, which cannot copy requests")
	after, err := s.Backend.View(t.Context(), "adult_income")
	require.NoError(t, err)
	require.Equal(t, before, after)
	s.policy.Shadow = trainconfig.Shadow{}
	require.Equal(t, "promoted", s.ship(3, "good").Outcome, "nothing is left held")
}
