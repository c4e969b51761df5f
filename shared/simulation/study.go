package simulation

import (
	"context"
	"fmt"
	"time"

	"github.com/sluice-ml/sluice/shared/rollout"
	"github.com/sluice-ml/sluice/shared/trainconfig"
)

// Study compares rules: how often they refuse a good candidate, and what bad ones
// cost, over traffic and effects.
type Study struct {
	Rules   []Rule
	Traffic []float64 // requests per second
	Effects []string  // as Effect.Parse reads them
	Seed    uint64

	Good   int // runs of each rule, traffic and scene without an effect
	Harder int // the same in each harder scene
	Bad    int // the same with each effect
}

// Rules are the default study's: the policies of a train.yaml that says nothing
// about its deployment, and of one that only says analysis.mode: sequential; the
// latter once more with metrics every 10 seconds, and without its margins.
func Rules() ([]Rule, error) {
	limits, err := policy("")
	if err != nil {
		return nil, err
	}
	tests, err := policy("deployment: {analysis: {mode: sequential}}")
	if err != nil {
		return nil, err
	}
	strict := tests
	strict.Analysis.Margin = trainconfig.Rates{}
	about := fmt.Sprintf("Sluice, analysis.mode: sequential: tests against the champion, false rollbacks at most %g, margins %g / %g / %g, effects %g / %g / %g (errors / slow / wrong)", tests.Analysis.Alpha,
		tests.Analysis.Margin.ErrorRate, tests.Analysis.Margin.SlowRate, tests.Analysis.Margin.Accuracy, tests.Analysis.Effect.ErrorRate, tests.Analysis.Effect.SlowRate, tests.Analysis.Effect.Accuracy)
	fast := Sluice("sequential, 10 s", "the same with metricPeriodSeconds: 10", tests)
	fast.Period = 10 * time.Second
	return append([]Rule{
		Sluice("sequential", about, tests), fast, Sluice("sequential, no margin", "the first with margins of 0", strict),
		Sluice("limits", "Sluice's default: limits, intervals, 50 requests at least, 3 failures in a row", limits),
	}, Others(limits)...), nil
}

// Others are the rules to compare a policy with; the plain rule takes its steps
// and limits.
func Others(p rollout.Policy) []Rule {
	return []Rule{ThreeStrikes(p), Flagger(flaggerTutorial), Flagger(flaggerHowItWorks), Kayenta()}
}

// policy is that of a configuration with this deployment block and else defaults.
func policy(deployment string) (rollout.Policy, error) {
	text := "experiment: {name: study}\ndata: {target: y}\nevaluation: {thresholds: {auc_roc: 0.5}}\n" + deployment
	config, err := trainconfig.Parse("the study's train.yaml", []byte(text))
	if err != nil {
		return rollout.Policy{}, err
	}
	return rollout.NewPolicy(config)
}

// NewStudy is the study that STUDY.md shows.
func NewStudy(seed uint64) (Study, error) {
	rules, err := Rules()
	return Study{
		Rules: rules, Traffic: []float64{1, 10, 100, 1000}, Seed: seed,
		Effects: []string{
			"error_rate=+0.004", "error_rate=x5", "error_rate=+0.02", "error_rate=+0.05", "error_rate=+0.2", "error_rate=+0.99",
			"slow_rate=+0.005", "slow_rate=+0.02", "slow_rate=+0.1", "latency=x1.5", "latency=x3",
			"accuracy=-0.01", "accuracy=-0.03", "accuracy=-0.07", "accuracy=-0.2", "accuracy=-0.6",
		},
		Good: 2000, Harder: 300, Bad: 200,
	}, err
}

// scenes are what a good candidate is released into. The first is the one that
// false rollbacks are reckoned by.
func scenes() []struct {
	name   string
	change func(*Scene)
} {
	return []struct {
		name   string
		change func(*Scene)
	}{
		{"a healthy champion", func(*Scene) {}},
		{"near the limits: 0.8 % errors, p99 480 ms", func(s *Scene) {
			s.Champion.ErrorRate, s.Champion.P99 = 0.008, 480*time.Millisecond
		}},
		{"worse than its limits: 5 % errors", func(s *Scene) { s.Champion.ErrorRate = 0.05 }},
		{"traffic that swings by 80 % over the day", func(s *Scene) { s.Diurnal = 0.8 }},
		{"an incident: 10 min of 10 % errors in both", func(s *Scene) {
			s.Incident = Incident{Span: Span{For: 10 * time.Minute, Anywhere: true}, ErrorRate: 0.1}
		}},
		{"no metrics for 15 min", func(s *Scene) { s.Outage = Span{For: 15 * time.Minute, Anywhere: true} }},
		{"metrics 30 s late", func(s *Scene) { s.MetricDelay = 30 * time.Second }},
	}
}

// Row is every rule in one scene.
type Row struct {
	Scene   string    `json:"scene,omitempty"`
	Effect  string    `json:"effect,omitempty"`
	Traffic float64   `json:"traffic"`
	Rules   []Summary `json:"rules"` // in the study's order
}

// Results are what a study found.
type Results struct {
	Study  Study `json:"-"`
	Good   []Row `json:"good"`   // no effect: what is refused is refused wrongly
	Broken []Row `json:"broken"` // with an effect
}

// Play carries the study out; tell hears of each row. It stops, with the context's
// error, between two runs.
func (s Study) Play(ctx context.Context, tell func(Row)) (Results, error) {
	out := Results{Study: s}
	for i, scene := range scenes() {
		runs := s.Harder
		if i == 0 {
			runs = s.Good
		}
		for _, traffic := range s.Traffic {
			row := Row{Scene: scene.name, Traffic: traffic}
			at := Default(traffic)
			scene.change(&at)
			if err := s.row(ctx, &row, at, runs); err != nil {
				return out, err
			}
			out.Good = append(out.Good, row)
			tell(row)
		}
	}
	for _, effect := range s.Effects {
		for _, traffic := range s.Traffic {
			row := Row{Effect: effect, Traffic: traffic}
			at := Default(traffic)
			if err := at.Effect.Parse(effect); err != nil {
				return out, err
			}
			if err := s.row(ctx, &row, at, s.Bad); err != nil {
				return out, err
			}
			out.Broken = append(out.Broken, row)
			tell(row)
		}
	}
	return out, nil
}

func (s Study) row(ctx context.Context, row *Row, scene Scene, runs int) error {
	for _, rule := range s.Rules {
		summary, err := Many(ctx, scene, rule, s.Seed, runs)
		if err != nil {
			return fmt.Errorf("%s, %s%s at %v requests/s: %w", rule.Name, row.Scene, row.Effect, row.Traffic, err)
		}
		row.Rules = append(row.Rules, summary)
	}
	return nil
}

// Refused is the share of runs that did not promote, on evidence or not.
func (s Summary) Refused() float64 { return s.RolledBack.Rate + s.Expired.Rate }

// keeps says which rules refuse at most one good candidate in a hundred in the
// first scene at a traffic.
func (r Results) keeps(traffic float64) []bool {
	keeps := make([]bool, len(r.Study.Rules))
	for _, row := range r.Good {
		if row.Scene == scenes()[0].name && row.Traffic == traffic {
			for i, s := range row.Rules {
				keeps[i] = s.Refused() <= 0.01
			}
		}
	}
	return keeps
}

// Least is the index of the rule with the fewest bad answers of those that keep
// the rate; -1 where none does.
func (r Results) Least(row Row) int {
	least := -1
	for i, keep := range r.keeps(row.Traffic) {
		if keep && (least < 0 || row.Rules[i].Excess.Mean < row.Rules[least].Excess.Mean) {
			least = i
		}
	}
	return least
}
