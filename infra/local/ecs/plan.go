package ecs

import (
	"cmp"
	"slices"
)

// situation is what the scheduler of a service looks at.
type situation struct {
	Desired        int
	MinimumHealthy int // percent of Desired
	Maximum        int // percent of Desired
	Primary        string
	MayStart       bool // the primary deployment is not FAILED, and no pause after failures is under way
	KeepOld        bool // the primary deployment FAILED: nothing takes over from the others
	Tasks          []taskView
}

// taskView is a task that nobody has asked to stop.
type taskView struct {
	ID         string
	Deployment string
	Healthy    bool   // RUNNING and passing its checks
	Failing    string // why it must be replaced; "": it need not
	Age        int    // 0 is the newest
}

// decision is what the scheduler does next.
type decision struct {
	Start int // tasks of the primary deployment
	Stop  []stopOrder
}

// stopOrder stops a task; Reason is "" for one that is there too much.
type stopOrder struct {
	ID     string
	Reason string
}

// plan decides the next step of a rolling deployment. It never lets more than
// Maximum percent of the desired count run, nor stops healthy tasks when fewer
// than MinimumHealthy percent would be left. An unhealthy task is replaced first
// and stopped then, where Maximum leaves room; else it is stopped first.
func plan(v situation) decision {
	lower := (v.Desired*v.MinimumHealthy + 99) / 100
	upper := v.Desired * v.Maximum / 100
	var d decision
	var good, bad, old []taskView
	fit := 0 // healthy tasks of all deployments
	for _, t := range v.Tasks {
		if t.Healthy && t.Failing == "" {
			fit++
		}
		switch {
		case t.Failing != "":
			bad = append(bad, t)
		case t.Deployment == v.Primary:
			good = append(good, t)
		default:
			old = append(old, t)
		}
	}
	stop := func(t taskView, reason string) { d.Stop = append(d.Stop, stopOrder{t.ID, reason}) }

	// Too many of the primary deployment: those first that serve nobody, then the
	// newest.
	slices.SortStableFunc(good, func(a, b taskView) int { return cmp.Or(compareBool(b.Healthy, a.Healthy), cmp.Compare(b.Age, a.Age)) })
	for len(good) > v.Desired {
		last := good[len(good)-1]
		good = good[:len(good)-1]
		stop(last, "")
		if last.Healthy {
			fit--
		}
	}
	// Failing tasks: all once their replacements are healthy, else one by one.
	slices.SortStableFunc(bad, func(a, b taskView) int { return cmp.Compare(b.Age, a.Age) })
	for i, t := range bad {
		if t.Deployment != v.Primary {
			if !v.KeepOld {
				stop(t, t.Failing)
			}
			continue
		}
		if fit >= v.Desired || (i == 0 && len(good) < v.Desired && len(v.Tasks) >= upper) {
			stop(t, t.Failing)
		}
	}
	// Old deployments give way to the primary one, unless that has failed.
	keep := lower
	if v.KeepOld {
		keep = v.Desired
	}
	slices.SortStableFunc(old, func(a, b taskView) int { return cmp.Or(compareBool(a.Healthy, b.Healthy), cmp.Compare(b.Age, a.Age)) })
	for _, t := range old {
		if t.Healthy && fit > keep {
			stop(t, "")
			fit--
		}
		if !t.Healthy && !v.KeepOld {
			stop(t, "")
		}
	}
	if v.MayStart {
		d.Start = max(0, min(v.Desired-len(good), upper-len(v.Tasks)))
	}
	return d
}

// compareBool orders false before true.
func compareBool(a, b bool) int {
	switch {
	case a == b:
		return 0
	case b:
		return -1
	}
	return 1
}

// limit is how many failed tasks a deployment may have before its circuit breaker
// ends it: half of the desired count, 3 at least and 200 at most, unless the
// breaker says otherwise.
func (b *circuitBreaker) limit(desired int) int {
	t := threshold{Type: "BOUNDED_PERCENT", Value: 50}
	if b.ThresholdConfiguration != nil {
		t = *b.ThresholdConfiguration
	}
	share := (desired*t.Value + 99) / 100
	switch t.Type {
	case "COUNT":
		return max(1, t.Value)
	case "UNBOUNDED_PERCENT":
		return max(1, share)
	}
	return min(max(share, 3), 200)
}

// resets says whether a task that becomes healthy sets the count back.
func (b *circuitBreaker) resets() bool {
	return b == nil || b.ResetOnHealthyTask == nil || *b.ResetOnHealthyTask
}
