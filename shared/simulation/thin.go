package simulation

import (
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/sluice-ml/sluice/shared/rollout"
	"github.com/sluice-ml/sluice/shared/trainconfig"
)

// Thin says in plain words that a scene has too little traffic for a policy to
// promote a good candidate before its deadline; "" where it has enough.
func Thin(p rollout.Policy, s Scene) string {
	total, worst, longest := time.Duration(p.Shadow.Duration), -1, time.Duration(0)
	var why rollout.Need
	champion := trainconfig.Rates{ErrorRate: s.Champion.ErrorRate, SlowRate: s.Champion.slow(s.SlowLimit), Accuracy: 1 - s.Champion.Accuracy}
	for i, weight := range p.Steps {
		step := time.Duration(p.WarmUp) + time.Duration(p.Bake)
		for _, need := range stepNeeds(p, i, weight, champion) {
			takes := s.gathers(need, weight)
			if takes > longest {
				longest, worst, why = takes, i, need
			}
			step = max(step, takes)
		}
		if total += step; total < 0 || total > time.Duration(math.MaxInt64)/4 {
			total = time.Duration(math.MaxInt64) / 4
		}
	}
	if worst < 0 || total <= time.Duration(p.Deadline) {
		return ""
	}
	what := "requests"
	if why.Labels {
		what = "labelled requests"
	}
	which := "the first step"
	if worst > 0 {
		which = fmt.Sprintf("step %d", worst+1)
	}
	if longest > year {
		return fmt.Sprintf("at %g requests/s %s (%g %%) never gets the candidate's %d %s that it takes to judge %s, so every rollout expires at its deadline of %s",
			s.Traffic, which, p.Steps[worst], why.Requests, what, why.Measure, plain(time.Duration(p.Deadline)))
	}
	return fmt.Sprintf("at %g requests/s %s (%g %%) needs %s of traffic, about %d of the candidate's %s to judge %s, and all steps %s; the deadline is %s, so hardly any candidate can be promoted",
		s.Traffic, which, p.Steps[worst], plain(longest), why.Requests, what, why.Measure, plain(total), plain(time.Duration(p.Deadline)))
}

// stepNeeds is what a step takes. What the tests of the first steps gathered
// counts for the later ones, which only need the policy's least; the limits judge
// every step by itself, labels excepted.
func stepNeeds(p rollout.Policy, i int, weight float64, champion trainconfig.Rates) []rollout.Need {
	if i == 0 {
		return p.Needs(weight, champion)
	}
	return []rollout.Need{{Measure: "the step", Requests: p.MinRequests}}
}

// gathers is how long a weight takes to gather what a measure needs.
func (s Scene) gathers(n rollout.Need, weight float64) time.Duration {
	rate := s.Traffic * weight / 100
	late := time.Duration(0)
	if n.Labels {
		rate *= s.LabelCoverage
		late = s.LabelDelay
	}
	takes := float64(n.Requests) / rate
	if !(takes < 1e9) {
		takes = 1e9 // thirty years will do
	}
	return late + seconds(takes)
}

// year is as long as never.
const year = 365 * 24 * time.Hour

// plain is a time for people: "90s", "12m", "2h40m", "5 days".
func plain(d time.Duration) string {
	switch d = d.Round(time.Second); {
	case d > 48*time.Hour:
		return fmt.Sprintf("%.0f days", d.Hours()/24)
	case d >= time.Hour && d.Round(time.Minute)%time.Hour != 0:
		return strings.TrimSuffix(d.Round(time.Minute).String(), "0s")
	case d >= time.Hour:
		return trainconfig.Duration(d.Round(time.Minute)).String()
	}
	return trainconfig.Duration(d).String()
}
