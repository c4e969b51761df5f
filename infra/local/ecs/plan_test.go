package ecs

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// views reads "new+ new new! old+": + is healthy, ! must be replaced. Older ones
// come first.
func views(text string) []taskView {
	var out []taskView
	fields := strings.Fields(text)
	for i, f := range fields {
		v := taskView{ID: fmt.Sprintf("%s%d", strings.TrimRight(f, "+!"), i), Deployment: strings.TrimRight(f, "+!"), Healthy: strings.HasSuffix(f, "+"), Age: len(fields) - 1 - i}
		if strings.HasSuffix(f, "!") {
			v.Failing = "sick"
		}
		out = append(out, v)
	}
	return out
}

func TestPlan(t *testing.T) {
	for _, c := range []struct {
		name              string
		desired, min, max int
		tasks             string
		start             int
		stop              string
		keepOld, mayNot   bool
	}{
		{name: "from nothing", desired: 3, min: 100, max: 200, start: 3},
		{name: "steady", desired: 2, min: 100, max: 200, tasks: "new+ new+"},
		{name: "scale out", desired: 3, min: 100, max: 200, tasks: "new+", start: 2},
		{name: "scale in, the newest first", desired: 1, min: 100, max: 200, tasks: "new+ new+ new+", stop: "new2 new1"},
		{name: "scale in, those that serve nobody first", desired: 1, min: 100, max: 200, tasks: "new new+ new", stop: "new2 new0"},
		{name: "a rollout starts new tasks first", desired: 2, min: 100, max: 200, tasks: "old+ old+", start: 2},
		{name: "it waits for them", desired: 2, min: 100, max: 200, tasks: "old+ old+ new new"},
		{name: "one old goes for each that is healthy", desired: 2, min: 100, max: 200, tasks: "old+ old+ new+ new", stop: "old0"},
		{name: "all old go", desired: 2, min: 100, max: 200, tasks: "old+ old+ new+ new+", stop: "old0 old1"},
		{name: "half at a time, stopping first", desired: 4, min: 50, max: 100, tasks: "old+ old+ old+ old+", stop: "old0 old1"},
		{name: "then starting", desired: 4, min: 50, max: 100, tasks: "old+ old+", start: 2},
		{name: "all at once", desired: 2, min: 0, max: 100, tasks: "old+ old+", stop: "old0 old1"},
		{name: "no room and none to spare", desired: 1, min: 100, max: 150, tasks: "old+"},
		{name: "an old task that is not healthy goes at once", desired: 2, min: 100, max: 200, tasks: "old+ old", start: 2, stop: "old1"},
		{name: "a sick task is replaced first", desired: 2, min: 100, max: 200, tasks: "new+ new!", start: 1},
		{name: "and stopped then", desired: 2, min: 100, max: 200, tasks: "new+ new! new+", stop: "new1"},
		{name: "without room it is stopped first", desired: 2, min: 50, max: 100, tasks: "new! new!", stop: "new0"},
		{name: "a sick new one makes room", desired: 1, min: 100, max: 200, tasks: "old+ new!", stop: "new1"},
		{name: "a pause", desired: 2, min: 100, max: 200, tasks: "new+", mayNot: true},
		{name: "after a failed rollout the old ones stay", desired: 2, min: 100, max: 200, tasks: "old+ old+ new+", keepOld: true, mayNot: true, stop: "old0"},
		{name: "even sick", desired: 2, min: 100, max: 200, tasks: "old! old", keepOld: true, mayNot: true},
		{name: "to nothing", desired: 0, min: 100, max: 200, tasks: "old+ new+ new!", stop: "new1 new2 old0"},
	} {
		got := plan(situation{Desired: c.desired, MinimumHealthy: c.min, Maximum: c.max, Primary: "new", MayStart: !c.mayNot, KeepOld: c.keepOld, Tasks: views(c.tasks)})
		var stop []string
		for _, s := range got.Stop {
			stop = append(stop, s.ID)
		}
		require.Equal(t, c.start, got.Start, c.name)
		require.Equal(t, c.stop, strings.Join(stop, " "), c.name)
	}
}

// Whatever the limits and the luck of the tasks, a rollout keeps both limits at
// every step, and ends with the desired count of the new deployment.
func TestPlanKeepsItsLimits(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for trial := range 2000 {
		desired, low := random.IntN(12)+1, random.IntN(101)
		v := situation{Desired: desired, MinimumHealthy: low, Maximum: max(100, low) + random.IntN(150), Primary: "new", MayStart: true}
		lower, upper := (desired*low+99)/100, desired*v.Maximum/100
		if upper <= lower {
			continue // AWS leaves such a service blocked
		}
		for i := range desired {
			v.Tasks = append(v.Tasks, taskView{ID: fmt.Sprint("old", i), Deployment: "old", Healthy: true, Age: i})
		}
		done := false
		for step := 0; step < 1000 && !done; step++ {
			d := plan(v)
			require.LessOrEqual(t, len(v.Tasks)+d.Start, max(upper, len(v.Tasks)), "trial %d", trial)
			stops := map[string]bool{}
			for _, s := range d.Stop {
				stops[s.ID] = true
			}
			left, fit, fresh := v.Tasks[:0:0], 0, 0
			for _, task := range v.Tasks {
				if !stops[task.ID] {
					left = append(left, task)
				}
			}
			for i := range d.Start {
				left = append(left, taskView{ID: fmt.Sprint("new", step, "-", i), Deployment: "new"})
			}
			for i := range left {
				if left[i].Deployment == "new" && !left[i].Healthy && left[i].Failing == "" {
					left[i].Healthy, left[i].Failing = random.IntN(2) == 0, map[bool]string{true: "sick"}[random.IntN(8) == 0]
				}
				if left[i].Healthy && left[i].Failing == "" {
					fit++
				}
				if left[i].Deployment == "new" && left[i].Healthy && left[i].Failing == "" {
					fresh++
				}
			}
			if step > 0 || len(d.Stop) > 0 {
				require.GreaterOrEqual(t, fit, min(lower, desired)-sick(left), "trial %d step %d", trial, step)
			}
			v.Tasks = left
			done = fresh == desired && len(left) == desired
		}
		require.True(t, done, "trial %d: %+v", trial, v)
	}
}

// sick counts the tasks that became sick of themselves, which no limit prevents.
func sick(tasks []taskView) int {
	n := 0
	for _, t := range tasks {
		if t.Failing != "" {
			n++
		}
	}
	return n
}

func TestCircuitBreakerLimits(t *testing.T) {
	for desired, want := range map[int]int{0: 3, 1: 3, 6: 3, 7: 4, 25: 13, 400: 200, 800: 200} {
		require.Equal(t, want, (&circuitBreaker{}).limit(desired), desired)
	}
	require.Equal(t, 5, (&circuitBreaker{ThresholdConfiguration: &threshold{"COUNT", 5}}).limit(1000))
	require.Equal(t, 1, (&circuitBreaker{ThresholdConfiguration: &threshold{"UNBOUNDED_PERCENT", 10}}).limit(3))
	require.Equal(t, 3, (&circuitBreaker{ThresholdConfiguration: &threshold{"BOUNDED_PERCENT", 10}}).limit(3))
}
