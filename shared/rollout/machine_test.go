package rollout

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluice-ml/sluice/shared/contract"
	"github.com/sluice-ml/sluice/shared/fault"
	"github.com/sluice-ml/sluice/shared/ref"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// at is a rollout of version 2 in green beside version 1 in blue.
func at(phase Phase) State {
	s := State{Rollout: "r", Model: "m", Policy: policy(), Phase: phase, Turn: 7, Started: noon, Since: noon, Config: "c",
		Candidate: Place{Version: 2, Slot: "green"}, Champion: Place{Version: 1, Slot: "blue", Instances: 1}}
	if phase == Baking {
		s.Weight, s.Serving, s.BakeFrom, s.BakeUntil = 10, noon, noon, noon.Add(5*time.Minute)
	}
	return s
}

func first(s State) State { s.Champion = Place{}; return s }
func last(s State) State  { s.Step = 1; return s }
func hold(s State) State  { s.Policy.Hold = true; return s }
func failures(s State, n int) State {
	s.Failures = n
	return s
}

func measured(candidate Variant, champion *Variant, alarms ...Alarm) Measured {
	return Measured{Turn: 7, Measurements: Measurements{Candidate: candidate, Champion: champion, Alarms: alarms}}
}

// Every transition of the package's comment.
func TestTransitions(t *testing.T) {
	good, bad := variant(1000, 0, 100, 1000, 900), variant(1000, 500, 100, 1000, 900)
	bakeEnd, late := noon.Add(5*time.Minute), noon.Add(time.Hour)
	green, blue := Alarm{Name: "a", Slot: "green", Since: noon}, Alarm{Name: "a", Slot: "blue", Since: noon}
	for name, test := range map[string]struct {
		state    State
		seen     Observation
		now      time.Time
		phase    Phase
		action   Action
		failures int
		told     string
	}{
		"prepared":                   {at(Acquired), Prepared{7, "c2"}, noon, Preparing, Verify, 0, ""},
		"joining":                    {at(Preparing), Looked{Turn: 7, Condition: Moving}, noon, Preparing, Verify, 0, ""},
		"joined":                     {at(Preparing), Looked{Turn: 7, Condition: Settled}, noon, Shifting, Shift, 0, ""},
		"joined first":               {first(at(Preparing)), Looked{Turn: 7, Condition: Settled}, noon, Baking, Bake, 0, ""},
		"update failed":              {at(Preparing), Looked{Turn: 7, Condition: Different, Detail: "x"}, noon, RollingBack, Rollback, 0, "could not be deployed: x"},
		"creation failed":            {first(at(Preparing)), Looked{Turn: 7, Condition: Broken}, noon, RollingBack, Rollback, 0, "could not be deployed"},
		"smoke":                      {at(Preparing), Looked{Turn: 7, Condition: Settled, Smoke: errors.New("500")}, noon, RollingBack, Rollback, 0, "smoke test: 500"},
		"shift":                      {at(Shifting), BeginShift{7}, noon, Verifying, Verify, 0, ""},
		"weights moving":             {at(Verifying), Looked{Turn: 7, Condition: Moving}, noon, Verifying, Verify, 0, ""},
		"weights there":              {at(Verifying), Looked{Turn: 7, Condition: Settled}, noon, Baking, Bake, 0, ""},
		"weights are others":         {at(Verifying), Looked{Turn: 7, Condition: Different}, noon, Shifting, Shift, 1, ""},
		"weights are others again":   {failures(at(Verifying), 2), Looked{Turn: 7, Condition: Different}, noon, RollingBack, Rollback, 3, "failure 3 of 3"},
		"endpoint broke":             {at(Verifying), Looked{Turn: 7, Condition: Broken}, noon, Shifting, Shift, 1, ""},
		"weights moved in the bake":  {at(Baking), Looked{Turn: 7, Condition: Different}, noon, Shifting, Shift, 1, ""},
		"too early":                  {at(Baking), measured(good, &good), bakeEnd.Add(-1), Baking, Bake, 0, ""},
		"pass":                       {failures(at(Baking), 2), measured(good, &good), bakeEnd, Shifting, Shift, 0, ""},
		"pass at last":               {last(at(Baking)), measured(good, &good), bakeEnd, Promoting, Promote, 0, ""},
		"pass first":                 {first(at(Baking)), measured(good, nil), bakeEnd, Promoting, Promote, 0, ""},
		"nobody asked the first":     {first(at(Baking)), measured(Variant{}, nil), bakeEnd, Promoting, Promote, 0, ""},
		"fail first":                 {first(at(Baking)), measured(bad, nil), bakeEnd, Baking, Bake, 1, ""},
		"first, doubtful":            {first(at(Baking)), measured(variant(100, 2, 100, 100, 90), nil), bakeEnd, Baking, Bake, 0, ""},
		"first, broken source":       {first(at(Baking)), Measured{Turn: 7, Measurements: Measurements{Problem: "throttled"}}, bakeEnd, Baking, Bake, 0, ""},
		"fail":                       {at(Baking), measured(bad, &good), bakeEnd, Baking, Bake, 1, ""},
		"fail again":                 {failures(at(Baking), 2), measured(bad, &good), bakeEnd, RollingBack, Rollback, 3, "failure 3 of 3: error_rate 0.5 is above 0.01"},
		"fail again, held":           {hold(failures(at(Baking), 2)), measured(bad, &good), bakeEnd, Baking, Bake, 3, "rollback is disabled"},
		"nothing known":              {failures(at(Baking), 1), measured(Variant{}, &good), bakeEnd, Baking, Bake, 1, ""},
		"both suffer":                {failures(at(Baking), 2), measured(bad, &bad), bakeEnd, Baking, Bake, 2, "the environment is to blame"},
		"pass after the deadline":    {last(at(Baking)), measured(good, &good), late, Promoting, Promote, 0, ""},
		"held until the deadline":    {at(Baking), measured(Variant{}, &good), late, RollingBack, Rollback, 0, "the deadline of 1h passed while it was baking"},
		"suffering to the deadline":  {at(Baking), measured(bad, &bad), late, RollingBack, Rollback, 0, "the deadline"},
		"moving until the deadline":  {at(Verifying), Looked{Turn: 7, Condition: Moving}, late, RollingBack, Rollback, 0, "the deadline"},
		"deadline, rollback off":     {hold(at(Baking)), measured(Variant{}, &good), late, RollingBack, Rollback, 0, "the deadline"},
		"alarm":                      {at(Verifying), Sounded{green}, noon, RollingBack, Rollback, 0, "alarm a is on"},
		"alarm polled":               {at(Baking), measured(good, &good, green), bakeEnd, RollingBack, Rollback, 0, "alarm a is on"},
		"old alarm polled":           {at(Baking), measured(good, &good, Alarm{Name: "a", Slot: "green", Since: noon.Add(-1)}), bakeEnd, Shifting, Shift, 0, ""},
		"alarm, rollback off":        {hold(at(Baking)), Sounded{green}, noon, Baking, Bake, 0, "rollback is disabled, so nothing was moved"},
		"alarm of the champion":      {at(Baking), Sounded{blue}, noon, Baking, Bake, 0, "it watches the champion, so nothing was moved"},
		"alarm on what was before":   {at(Baking), Sounded{Alarm{Slot: "green", Since: noon, From: noon.Add(-time.Hour), To: noon.Add(-time.Hour + time.Minute)}}, noon, Baking, Bake, 0, "before the candidate served"},
		"alarm on labels of before":  {at(Baking), Sounded{Alarm{Name: "sluice-s-m.green.accuracy", Slot: "green", Since: noon, From: noon.Add(-time.Hour), To: noon.Add(time.Hour)}}, noon, Baking, Bake, 0, "before the candidate served"},
		"alarm on what is partly":    {at(Baking), Sounded{Alarm{Name: "sluice-s-m.green.errors", Slot: "green", Since: noon, From: noon.Add(-time.Hour), To: noon.Add(time.Hour)}}, noon, RollingBack, Rollback, 0, "errors is on"},
		"alarm from before":          {at(Baking), Sounded{Alarm{Slot: "green", Since: noon.Add(-1)}}, noon, Baking, Bake, 0, "before the rollout began"},
		"alarm in promotion":         {at(Promoting), Sounded{green}, noon, Promoting, Promote, 0, "no rollout is open"},
		"alarm in rollback":          {at(RollingBack), Sounded{green}, noon, RollingBack, Rollback, 0, ""},
		"alarm after rollback":       {at(RolledBack), Sounded{green}, noon, RolledBack, Release, 0, ""},
		"champion's, after rollback": {at(RolledBack), Sounded{blue}, noon, RolledBack, Release, 0, "no rollout is open"},
		"abort":                      {at(Acquired), Abort{"why"}, noon, RollingBack, Rollback, 0, "why"},
		"abort in promotion":         {at(Promoting), Abort{"why"}, noon, Promoting, Promote, 0, "finished instead: why"},
		"abort twice":                {at(RollingBack), Abort{"why"}, noon, RollingBack, Rollback, 0, ""},
		"abort when over":            {at(Promoted), Abort{"why"}, noon, Promoted, Release, 0, ""},
		"restored":                   {at(RollingBack), Restored{"seen"}, noon, RolledBack, Release, 0, ""},
		"restored twice":             {at(RolledBack), Restored{"seen"}, noon, RolledBack, Release, 0, ""},
		"promoted":                   {at(Promoting), DonePromoting{}, noon, Promoted, Release, 0, ""},
		"promoted, not tidy":         {at(Promoting), DonePromoting{"left over"}, noon, Promoted, Release, 0, "left over"},
		"restored out of order":      {at(Baking), Restored{}, noon, Baking, Bake, 0, ""},
		"promoted out of order":      {at(Baking), DonePromoting{}, noon, Baking, Bake, 0, ""},
		"shift out of order":         {at(Baking), BeginShift{7}, noon, Baking, Bake, 0, ""},
		"prepared out of order":      {at(Shifting), Prepared{7, "x"}, noon, Shifting, Shift, 0, ""},
		"an earlier turn":            {at(Baking), Measured{Turn: 6, Measurements: Measurements{Candidate: bad}}, bakeEnd, Baking, Analyze, 0, ""},
	} {
		t.Run(name, func(t *testing.T) {
			d := Decide(test.state, test.seen, test.now)
			require.Equal(t, test.phase, d.State.Phase, d.State.Reason)
			require.Equal(t, test.action, Next(d.State, test.now).Action)
			require.Equal(t, test.failures, d.State.Failures)
			require.Contains(t, d.Tell, test.told)
			if test.told == "" {
				require.Empty(t, d.Tell)
			}
			if d.Changed {
				require.EqualValues(t, 8, d.State.Turn)
				require.NotEmpty(t, d.State.History)
			} else {
				require.Equal(t, test.state, d.State, "what does not fit changes nothing")
			}
		})
	}
}

func TestInsufficientEvidenceGathersAndABreachOfBothDoesNot(t *testing.T) {
	good, bad, end := variant(1000, 0, 100, 1000, 900), variant(1000, 500, 100, 1000, 900), noon.Add(5*time.Minute)
	require.Equal(t, noon, Decide(at(Baking), measured(Variant{}, &good), end).State.BakeFrom)
	require.Equal(t, end, Decide(at(Baking), measured(bad, &bad), end).State.BakeFrom)
	require.Equal(t, end, Decide(at(Baking), measured(bad, &good), end).State.BakeFrom)
}

func TestLastBakeIsCutAtTheDeadline(t *testing.T) {
	d := Decide(at(Baking), measured(Variant{}, nil), noon.Add(58*time.Minute))
	require.Equal(t, noon.Add(time.Hour), d.State.BakeUntil)
}

func TestOutcomeKeepsTheReasonOfTheRollback(t *testing.T) {
	s := Decide(at(Baking), Abort{"the operator asked"}, noon).State
	s = Decide(s, Restored{"version 1 was read back"}, noon).State
	require.Equal(t, "rolled_back", s.Outcome)
	require.Equal(t, "the operator asked", s.Reason)
	require.Equal(t, "version 1 was read back", s.History[len(s.History)-1].Reason)
	require.Zero(t, s.Weight)
}

func TestHistoryAndNoticesAreBounded(t *testing.T) {
	s := at(Baking)
	bad := variant(1000, 500, 100, 1000, 900)
	s.Policy.Deadline = minutesOf(100_000)
	for i := range 300 {
		s.Turn = 7
		s = Decide(s, measured(bad, &bad), noon.Add(time.Duration(i+1)*5*time.Minute)).State
	}
	require.Len(t, s.History, keepRecords)
	require.Len(t, s.Notices, keepNotices)
}

func TestCompare(t *testing.T) {
	two := func(blue, green SlotView) View {
		blue.Slot, green.Slot = "blue", "green"
		return View{Exists: true, Status: Ready, Config: "c", Slots: []SlotView{blue, green}}
	}
	want := []Weight{{Slot: "blue", Percent: 90}, {Slot: "green", Percent: 10}}
	for name, test := range map[string]struct {
		view View
		want Condition
	}{
		"as asked":                  {two(SlotView{Weight: 90, Desired: 90}, SlotView{Weight: 10, Desired: 10}), Settled},
		"the same ratio":            {two(SlotView{Weight: 0.9, Desired: 9}, SlotView{Weight: 0.1, Desired: 1}), Settled},
		"ready but not in force":    {two(SlotView{Weight: 100, Desired: 90}, SlotView{Weight: 0, Desired: 10}), Moving},
		"asked for something else":  {two(SlotView{Weight: 90, Desired: 100}, SlotView{Weight: 10, Desired: 0}), Different},
		"all zero":                  {two(SlotView{}, SlotView{}), Different},
		"a slot is missing":         {View{Exists: true, Status: Ready, Config: "c", Slots: []SlotView{{Slot: "blue", Weight: 1, Desired: 1}}}, Different},
		"another configuration":     {View{Exists: true, Status: Ready, Config: "d"}, Different},
		"gone":                      {View{}, Broken},
		"failed":                    {View{Exists: true, Status: Failed}, Broken},
		"changing, as it should be": {View{Exists: true, Status: Updating, Config: "c"}, Moving},
	} {
		condition, detail := test.view.Compare("c", want)
		require.Equal(t, test.want, condition, name)
		require.NotEmpty(t, detail, name)
	}
	third := two(SlotView{Weight: 90, Desired: 90}, SlotView{Weight: 10, Desired: 10})
	third.Slots = append(third.Slots, SlotView{Slot: "yellow", Weight: 1, Desired: 1})
	condition, _ := third.Compare("c", want)
	require.Equal(t, Different, condition, "a slot that nobody named has traffic")
}

func TestRecordsKeepStatesAndHistory(t *testing.T) {
	r := Records{Store: ref.NewMemory(), Now: func() time.Time { return noon }}
	_, err := r.Load(t.Context(), "m")
	require.Equal(t, fault.NotFound, fault.KindOf(err))
	s := at(Baking)
	s.Outcome, s.Phase = "promoted", Promoted
	saved, err := r.Update(t.Context(), "m", func(State, bool) (State, error) { return s, nil })
	require.NoError(t, err)
	loaded, err := r.Load(t.Context(), "m")
	require.NoError(t, err)
	require.Equal(t, saved, loaded)
	same, err := r.Update(t.Context(), "m", func(old State, _ bool) (State, error) { return State{}, ErrUnchanged })
	require.NoError(t, err)
	require.Equal(t, loaded, same)
	_, err = r.Archived(t.Context(), "m", "r")
	require.Equal(t, fault.NotFound, fault.KindOf(err))
	require.NoError(t, r.Archive(t.Context(), s))
	s.Reason = "later"
	require.NoError(t, r.Archive(t.Context(), s))
	kept, err := r.Archived(t.Context(), "m", "r")
	require.NoError(t, err)
	require.Empty(t, kept.Reason, "the first record stands")
	token, err := r.Acquire(t.Context(), "m", "r", time.Minute)
	require.NoError(t, err)
	require.EqualValues(t, 1, token)
	_, err = r.Acquire(t.Context(), "m", "other", time.Minute)
	require.Equal(t, fault.Busy, fault.KindOf(err))
	require.NoError(t, r.Release(t.Context(), "m", "r", token))
}

func TestBadSteps(t *testing.T) {
	c := &Controller{}
	for _, step := range []contract.RolloutStep{{}, {Operation: "jump"}, {Operation: "acquire", Model: "m"}, {Operation: "acquire", Model: "a b", Rollout: "r", Run: "r", Version: 1, Decision: "d"},
		{Operation: "prepare", Model: strings.Repeat("m", 41), Rollout: "r"}} {
		_, err := c.Do(t.Context(), step)
		require.Equal(t, fault.Invalid, fault.KindOf(err), "%+v: %v", step, err)
	}
}

func FuzzParseState(f *testing.F) {
	f.Add([]byte(`{"rollout":"r","model":"m","phase":"baking","policy":{"steps":[100]}}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		s, err := ParseState("f", body)
		if err != nil {
			require.Equal(t, fault.Invalid, fault.KindOf(err))
			return
		}
		_ = Next(s, noon)
	})
}
