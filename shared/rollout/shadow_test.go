package rollout

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluice-ml/sluice/shared/trainconfig"
)

// mirror is a rollout at a phase whose policy begins with a shadow of 30 minutes.
func mirror(phase Phase) State {
	s := at(phase)
	s.Policy.Shadow = trainconfig.Shadow{Duration: minutesOf(30), Sample: 50, MaxDisagreement: 0.1}
	s.Policy.Deadline = minutesOf(120)
	if phase == Mirroring {
		s.BakeFrom, s.BakeUntil = noon, noon.Add(30*time.Minute)
	}
	return s
}

func lonely(s State) State { s.Policy.ShadowOnly, s.Policy.Steps = true, nil; return s }

func forced(s State) State { s.Forced = "ann"; return s }

func paired(candidate Variant, champion Variant, disagreed int64) Measured {
	return Measured{Turn: 7, Measurements: Measurements{Candidate: candidate, Champion: &champion, Pairs: &Pairs{Both: 1000, Disagreed: disagreed, Gap: 0.02}}}
}

func TestTransitionsOfAShadow(t *testing.T) {
	good, bad, slow := variant(1000, 0, 100, 0, 0), variant(1000, 500, 100, 0, 0), variant(1000, 0, 900, 0, 0)
	settled := Looked{Turn: 7, Condition: Settled}
	end := noon.Add(30 * time.Minute)
	for name, test := range map[string]struct {
		state    State
		seen     Observation
		now      time.Time
		phase    Phase
		action   Action
		failures int
		told     string
	}{
		"attached":                   {mirror(Acquired), Attached{7, "c2"}, noon, Attaching, Verify, 0, ""},
		"attached late":              {mirror(Acquired), Attached{6, "c2"}, noon, Acquired, Prepare, 0, ""},
		"moving":                     {mirror(Attaching), Looked{Turn: 7, Condition: Moving}, noon, Attaching, Verify, 0, ""},
		"there":                      {mirror(Attaching), settled, noon, Mirroring, Bake, 0, ""},
		"could not be attached":      {mirror(Attaching), Looked{Turn: 7, Condition: Different, Detail: "x"}, noon, RollingBack, Rollback, 0, "could not be attached as a shadow: x"},
		"too early":                  {mirror(Mirroring), paired(good, good, 0), end.Add(-1), Mirroring, Bake, 0, ""},
		"passed":                     {mirror(Mirroring), paired(good, good, 20), end, Joining, Prepare, 0, ""},
		"passed, nothing follows":    {lonely(mirror(Mirroring)), paired(good, good, 20), end, RollingBack, Rollback, 0, "20 of 1000 answers decide otherwise than the champion's, the scores differ by 0.02 on average; nothing is promoted"},
		"fails requests":             {mirror(Mirroring), paired(bad, good, 0), end, Mirroring, Bake, 1, ""},
		"fails again":                {failures(mirror(Mirroring), 2), paired(bad, good, 0), end, RollingBack, Rollback, 3, "failure 3 of 3: error_rate 0.5 is above 0.01"},
		"slow":                       {failures(mirror(Mirroring), 2), paired(slow, good, 0), end, RollingBack, Rollback, 3, "latency_p99 900 ms"},
		"both suffer":                {failures(mirror(Mirroring), 2), paired(bad, bad, 0), end, Mirroring, Bake, 2, "the environment is to blame"},
		"disagrees":                  {failures(mirror(Mirroring), 2), paired(good, good, 300), end, RollingBack, Rollback, 3, "disagreement 0.3 is above 0.1"},
		"disagrees, not certainly":   {mirror(Mirroring), paired(good, good, 105), end, Mirroring, Bake, 0, ""},
		"no pairs":                   {mirror(Mirroring), measured(good, &good), end, Mirroring, Bake, 0, ""},
		"too few requests":           {mirror(Mirroring), paired(Variant{Requests: 3}, good, 0), end, Mirroring, Bake, 0, ""},
		"the endpoint changed":       {mirror(Mirroring), Looked{Turn: 7, Condition: Different, Detail: "x"}, noon, RollingBack, Rollback, 0, "changed while the candidate was a shadow: x"},
		"an alarm":                   {mirror(Mirroring), Sounded{Alarm{Name: "a", Slot: "green", Since: noon}}, noon, RollingBack, Rollback, 0, "alarm a is on"},
		"the deadline":               {mirror(Mirroring), measured(good, &good), noon.Add(2 * time.Hour), RollingBack, Rollback, 0, "the deadline of 2h passed"},
		"aborted":                    {mirror(Attaching), Abort{"no"}, noon, RollingBack, Rollback, 0, "no"},
		"forced while a shadow":      {mirror(Mirroring), Force{"ann"}, noon, Joining, Prepare, 0, "without further looks by ann"},
		"forced, nothing to promote": {lonely(mirror(Mirroring)), Force{"ann"}, noon, Mirroring, Bake, 0, "nothing to promote"},
		"joins":                      {mirror(Joining), Prepared{7, "c3"}, noon, Preparing, Verify, 0, ""},
		"forced before it began":     {forced(mirror(Acquired)), Prepared{7, "c3"}, noon, Preparing, Verify, 0, ""},
	} {
		t.Run(name, func(t *testing.T) {
			d := Decide(test.state, test.seen, test.now)
			require.Equal(t, test.phase, d.State.Phase, d.State.Reason)
			require.Equal(t, test.action, Next(d.State, test.now).Action)
			require.Equal(t, test.failures, d.State.Failures)
			if test.told == "" {
				require.Empty(t, d.Tell)
			}
			require.Contains(t, d.Tell, test.told)
		})
	}
}

// Who begins with a shadow, and who does not.
func TestWhoMirrors(t *testing.T) {
	for name, test := range map[string]struct {
		state State
		want  bool
	}{
		"by policy":      {mirror(Acquired), true},
		"no policy":      {at(Acquired), false},
		"first":          {first(mirror(Acquired)), false},
		"forced":         {forced(mirror(Acquired)), false},
		"passed already": {func() State { s := mirror(Joining); s.Mirrored = true; return s }(), false},
		"dry run":        {func() State { s := mirror(Acquired); s.Policy.DryRun = true; return s }(), false},
	} {
		require.Equal(t, test.want, test.state.mirrors(), name)
	}
}

func TestAShadowsOutcome(t *testing.T) {
	good := variant(1000, 0, 100, 0, 0)
	passed := Decide(lonely(mirror(Mirroring)), paired(good, good, 0), noon.Add(30*time.Minute)).State
	require.Equal(t, Shadowed, Decide(passed, Restored{"alone"}, noon.Add(31*time.Minute)).State.Outcome)
	failed := Decide(lonely(mirror(Mirroring)), Abort{"no"}, noon).State
	require.Equal(t, string(RolledBack), Decide(failed, Restored{"alone"}, noon).State.Outcome)
}

// Accuracy is listed while too few labels came, and counts as soon as they have.
func TestAShadowsLabels(t *testing.T) {
	p := mirror(Mirroring).Policy
	judge := func(v Variant) Judgement {
		return JudgeShadow(p, paired(v, variant(1000, 0, 100, 1000, 950), 0).Measurements)
	}
	j := judge(variant(1000, 0, 100, 10, 1))
	require.Equal(t, Pass, j.Verdict)
	require.Equal(t, "accuracy", j.Findings[len(j.Findings)-1].Measure)
	require.True(t, j.Findings[len(j.Findings)-1].Unknown)
	require.Equal(t, Fail, judge(variant(1000, 0, 100, 1000, 500)).Verdict)
	require.Equal(t, Pass, judge(variant(1000, 0, 100, 1000, 900)).Verdict)
	p.Shadow.MaxDisagreement = 1
	require.Equal(t, Pass, JudgeShadow(p, measured(variant(1000, 0, 100, 0, 0), nil).Measurements).Verdict, "1 is off")
}

func TestAShadowIsComparedWithTheEndpoint(t *testing.T) {
	s := mirror(Mirroring)
	view := func(shadow *SlotView) View {
		return View{Exists: true, Status: Ready, Config: "c", Slots: []SlotView{{Slot: "blue", Version: 1, Weight: 100, Desired: 100, Instances: 1}}, Shadow: shadow}
	}
	for want, seen := range map[Condition]View{
		Settled:   view(&SlotView{Slot: "green", Version: 2, Weight: 50, Desired: 50}),
		Different: view(nil),
		Moving:    view(&SlotView{Slot: "green", Version: 2, Weight: 10, Desired: 50}),
		Broken:    {},
	} {
		condition, detail := s.compare(seen, "c")
		require.Equal(t, want, condition, detail)
	}
	for _, other := range []*SlotView{{Slot: "green", Version: 3, Weight: 50, Desired: 50}, {Slot: "green", Version: 2, Weight: 100, Desired: 100}, {Slot: "red", Version: 2, Weight: 50, Desired: 50}} {
		condition, detail := s.compare(view(other), "c")
		require.Equal(t, Different, condition, detail)
	}
	s.Phase = Preparing
	condition, _ := s.compare(view(&SlotView{Slot: "green", Version: 2, Weight: 50, Desired: 50}), "c")
	require.Equal(t, Different, condition, "it must serve at weight 0 then")
}

// A shadow's question is about its own time, and about pairs.
func TestAShadowsQuestion(t *testing.T) {
	s := mirror(Mirroring)
	s.Policy.Analysis.Mode = "sequential"
	q := s.Question(noon.Add(31 * time.Minute))
	require.True(t, q.Pairs)
	require.False(t, q.Increment, "a shadow is judged once")
	require.Equal(t, noon, q.From)
	require.Equal(t, noon, q.Serving)
}
