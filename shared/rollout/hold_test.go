package rollout

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluice-ml/sluice/shared/trainconfig"
)

func with(s State, change func(*State)) State { change(&s); return s }

func approving(s *State)  { s.Policy.ApproveAt = []float64{100} }
func freezing(s *State)   { s.Policy.Freeze = []trainconfig.Freeze{{From: "11:00", To: "13:00"}} }
func pausing(s *State)    { s.Paused = "Ada" }
func observing(s *State)  { s.Policy.Observe = trainconfig.Duration(time.Hour) }
func proceeding(s *State) { s.Policy.Proceed = true }
func stepLimited(s *State) {
	s.Policy.StepDeadline, s.StepSince = trainconfig.Duration(10*time.Minute), noon
}
func waiting(s *State) { s.Weight, s.Then, s.Pending = 10, Shifting, 1 }

// Every transition of waiting, people's words, deadlines and observing.
func TestHoldingTransitions(t *testing.T) {
	good, bad := variant(1000, 0, 100, 1000, 900), variant(1000, 500, 100, 1000, 100)
	bakeEnd, day := noon.Add(5*time.Minute), noon.Add(24*time.Hour)
	green := Alarm{Name: "a", Slot: "green", Since: noon}
	for name, test := range map[string]struct {
		state State
		seen  Observation
		now   time.Time
		phase Phase
		told  string
	}{
		"needs approval":             {with(at(Baking), approving), measured(good, &good), bakeEnd, Waiting, "waits at 10 %: 100 % needs somebody's approval"},
		"approved ahead":             {with(with(at(Baking), approving), func(s *State) { s.Approved = 100 }), measured(good, &good), bakeEnd, Shifting, ""},
		"approval":                   {with(with(at(Waiting), approving), waiting), Approve{"Ada"}, noon, Waiting, "100 % was approved by Ada"},
		"approval of nothing":        {at(Baking), Approve{"Ada"}, noon, Baking, "nothing needs approval"},
		"woken, not approved":        {with(with(at(Waiting), approving), waiting), Woken{7}, bakeEnd, Waiting, ""},
		"woken, approved":            {with(with(with(at(Waiting), approving), waiting), func(s *State) { s.Approved = 100 }), Woken{7}, bakeEnd, Shifting, ""},
		"nobody approved":            {with(with(at(Waiting), approving), waiting), Woken{7}, day, RollingBack, "nobody let it go on within 24h0m0s: 100 % needs somebody's approval"},
		"a first release's approval": {first(with(at(Baking), approving)), measured(good, nil), bakeEnd, Waiting, "100 % needs somebody's approval"},
		"frozen":                     {with(at(Baking), freezing), measured(good, &good), bakeEnd, Waiting, ""},
		"frozen at the first step":   {with(at(Preparing), freezing), Looked{Turn: 7, Condition: Settled}, noon, Waiting, ""},
		"frozen before the write":    {with(at(Shifting), freezing), BeginShift{7}, noon, Waiting, ""},
		"a freeze ends":              {with(with(at(Waiting), freezing), waiting), Woken{7}, noon.Add(time.Hour), Shifting, ""},
		"a freeze outlasts people": {with(with(at(Waiting), func(s *State) {
			s.Policy.Freeze = []trainconfig.Freeze{{From: "2026-01-01 00:00", To: "2027-01-01 00:00"}}
		}), waiting), Woken{7}, day, Waiting, ""},
		"no freeze keeps from ending": {last(with(at(Baking), freezing)), measured(good, &good), bakeEnd, Promoting, ""},
		"pause":                       {at(Baking), Pause{"Ada"}, noon, Baking, "paused by Ada"},
		"pass while paused":           {with(at(Baking), pausing), measured(good, &good), bakeEnd, Waiting, "paused by Ada"},
		"last pass while paused":      {last(with(at(Baking), pausing)), measured(good, &good), bakeEnd, Waiting, "paused by Ada"},
		"fail while paused":           {failures(with(at(Baking), pausing), 2), measured(bad, &good), bakeEnd, RollingBack, "failure 3 of 3"},
		"alarm while waiting":         {with(at(Waiting), waiting), Sounded{green}, noon, RollingBack, "alarm a is on"},
		"abort while waiting":         {with(at(Waiting), waiting), Abort{"why"}, noon, RollingBack, "why"},
		"disturbed while waiting":     {with(at(Waiting), waiting), Looked{Turn: 7, Condition: Different, Detail: "x"}, noon, Shifting, ""},
		"disturbed before the start":  {with(at(Waiting), func(s *State) { s.Then = Shifting }), Looked{Turn: 7, Condition: Broken}, noon, RollingBack, "changed before the first step"},
		"pause twice":                 {with(at(Baking), pausing), Pause{"Bob"}, noon, Baking, "it is paused already, by "},
		"approve after promote":       {with(with(at(Shifting), approving), func(s *State) { s.Forced = "Ada" }), Approve{"Bob"}, noon, Shifting, "promoted without further looks already, by Ada"},
		"resume":                      {with(at(Baking), pausing), Resume{"Ada"}, noon, Baking, "resumed by Ada"},
		"resume nothing":              {at(Baking), Resume{"Ada"}, noon, Baking, "nothing is paused"},
		"pause too late":              {at(Promoting), Pause{"Ada"}, noon, Promoting, "nothing to pause"},
		"force":                       {with(with(at(Baking), approving), pausing), Force{"Ada"}, noon, Shifting, "promoted without further looks by Ada"},
		"forced weight is there":      {with(at(Verifying), func(s *State) { s.Forced = "Ada" }), Looked{Turn: 7, Condition: Settled}, noon, Promoting, ""},
		"forced first release":        {first(at(Baking)), Force{"Ada"}, noon, Promoting, "promoted without further looks"},
		"force too late":              {at(RollingBack), Force{"Ada"}, noon, RollingBack, "nothing to promote"},
		"dry run":                     {with(at(Preparing), func(s *State) { s.Policy.DryRun = true }), Looked{Turn: 7, Condition: Settled}, noon, RollingBack, "dry run: version 2"},
		"dry run of a bad one":        {with(at(Preparing), func(s *State) { s.Policy.DryRun = true }), Looked{Turn: 7, Condition: Different}, noon, RollingBack, "could not be deployed"},
		"the step's deadline":         {with(at(Baking), stepLimited), measured(Variant{}, &good), noon.Add(10 * time.Minute), RollingBack, "the step's deadline of 10m passed while it was baking"},
		"a step proceeds":             {with(with(at(Baking), stepLimited), proceeding), measured(Variant{}, &good), noon.Add(10 * time.Minute), Shifting, ""},
		"no step proceeds in doubt":   {with(with(failures(at(Baking), 1), stepLimited), proceeding), measured(Variant{}, &good), noon.Add(10 * time.Minute), RollingBack, "the step's deadline"},
		"nor with a broken source":    {with(with(at(Baking), stepLimited), proceeding), Measured{Turn: 7, Measurements: Measurements{Problem: "x"}}, noon.Add(10 * time.Minute), RollingBack, "the step's deadline"},
		"the whole proceeds":          {with(at(Baking), proceeding), measured(Variant{}, &good), noon.Add(time.Hour), Promoting, "nothing speaks against it, so it is promoted"},
		"promoted provisionally":      {with(at(Promoting), observing), DonePromoting{}, noon, Observing, ""},
		"a first is not observed":     {first(with(at(Promoting), observing)), DonePromoting{}, noon, Promoted, ""},
		"observed":                    {at(Observing), Confirm{"x"}, noon, Confirming, ""},
		"confirmed":                   {at(Confirming), DonePromoting{}, noon, Promoted, ""},
		"labels are good":             {at(Observing), Labelled{7, Measurements{Candidate: good}}, noon, Observing, ""},
		"labels are few":              {at(Observing), Labelled{7, Measurements{Candidate: variant(0, 0, 0, 10, 1)}}, noon, Observing, ""},
		"labels are bad":              {at(Observing), Labelled{7, Measurements{Candidate: bad}}, noon, Reverting, "version 1 comes back: accuracy 0.1 is below 0.85"},
		"bad labels, rollback off":    {hold(at(Observing)), Labelled{7, Measurements{Candidate: bad}}, noon, Observing, "the promotion stands"},
		"labels are not known":        {at(Observing), Labelled{7, Measurements{Problem: "x"}}, noon, Observing, ""},
		"alarm while observed":        {at(Observing), Sounded{green}, noon, Reverting, "version 1 comes back: alarm a is on"},
		"alarm while reverting":       {at(Reverting), Sounded{green}, noon, Reverting, ""},
		"revert":                      {at(Observing), Revert{"why"}, noon, Reverting, "comes back: why"},
		"reverted":                    {at(Reverting), Restored{"seen"}, noon, RolledBack, ""},
		"revert too late":             {at(Confirming), Revert{"why"}, noon, Confirming, "nothing to revert"},
		"abort while observed":        {at(Observing), Abort{"why"}, noon, Observing, "revert it instead: why"},
	} {
		t.Run(name, func(t *testing.T) {
			d := Decide(test.state, test.seen, test.now)
			require.Equal(t, test.phase, d.State.Phase, d.State.Reason)
			require.Contains(t, d.Tell, test.told)
			if test.told == "" {
				require.Empty(t, d.Tell)
			}
		})
	}
}

// TestWaitingIsNotCounted: neither deadline runs while a rollout waits.
func TestWaitingIsNotCounted(t *testing.T) {
	s := with(with(with(at(Waiting), approving), waiting), stepLimited)
	late := noon.Add(10 * time.Hour)
	s = Decide(s, Approve{"Ada"}, late).State
	s = Decide(s, Woken{Turn: s.Turn}, late).State
	require.Equal(t, Shifting, s.Phase)
	require.Equal(t, noon.Add(11*time.Hour), s.Deadline())
	require.Equal(t, late.Add(10*time.Minute), s.stepDeadline())
	s = Decide(s, BeginShift{Turn: s.Turn}, late).State
	require.Equal(t, Verifying, s.Phase)
	require.InDelta(t, 100, s.Weight, 0)
}

func TestWarmUpIsNotJudged(t *testing.T) {
	s := at(Verifying)
	s.Policy.WarmUp = trainconfig.Duration(time.Minute)
	s = Decide(s, Looked{Turn: 7, Condition: Settled}, noon).State
	require.Equal(t, noon.Add(time.Minute), s.BakeFrom)
	require.Equal(t, noon.Add(6*time.Minute), s.BakeUntil)
}

func TestDryRunOutcome(t *testing.T) {
	s := at(Preparing)
	s.Policy.DryRun = true
	s = Decide(s, Looked{Turn: 7, Condition: Settled}, noon).State
	s = Decide(s, Restored{"seen"}, noon).State
	require.Equal(t, DryRun, s.Outcome)
	require.Equal(t, RolledBack, s.Phase)
}
