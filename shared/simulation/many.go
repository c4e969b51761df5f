package simulation

import (
	"context"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/sluice-ml/sluice/shared/evaluation"
)

// Share is how many of a summary's runs did something, with its 95 % Wilson
// interval.
type Share struct {
	Runs int     `json:"runs"`
	Rate float64 `json:"rate"`
	Low  float64 `json:"low"`
	High float64 `json:"high"`
}

// Summary is many runs of a rule over a scene.
type Summary struct {
	Rule       string           `json:"rule"`
	Runs       int              `json:"runs"`
	Promoted   Share            `json:"promoted"`
	RolledBack Share            `json:"rolled_back"` // on evidence
	Expired    Share            `json:"expired"`
	Shadowed   Share            `json:"shadowed,omitzero"`  // the shadow passed, and nothing follows
	Measures   map[string]Share `json:"measures,omitempty"` // what spoke against it, of all runs

	Took     Quantiles `json:"took_seconds"`           // until the decision, whatever it was
	Promote  Quantiles `json:"promoted_after_seconds"` // of the promoted
	Detect   Quantiles `json:"detected_after_seconds"` // of the rolled back
	Requests Quantiles `json:"requests"`               // the candidate's until the decision
	Before   Quantiles `json:"bad_answers_before"`     // excess until the decision
	Excess   Quantiles `json:"bad_answers"`            // excess until the horizon
}

// Quantiles of a quantity over runs; zeros over none.
type Quantiles struct {
	Mean   float64 `json:"mean"`
	Median float64 `json:"median"`
	P90    float64 `json:"p90"`
}

// Many plays a rule over a scene many times, on all cores. The scene is checked. It
// stops, with the context's error, between two runs.
func Many(ctx context.Context, s Scene, r Rule, seed uint64, runs int) (Summary, error) {
	if err := s.Check(); err != nil {
		return Summary{}, err
	}
	played := make([]Run, runs)
	errs := make([]error, runs)
	next := make(chan int)
	var group sync.WaitGroup
	for range min(runs, runtime.GOMAXPROCS(0)) {
		group.Go(func() {
			for i := range next {
				played[i], errs[i] = Play(s, r, seed, uint64(i))
			}
		})
	}
	for i := range runs {
		if ctx.Err() != nil {
			break
		}
		next <- i
	}
	close(next)
	group.Wait()
	if err := ctx.Err(); err != nil {
		return Summary{}, err
	}
	for _, err := range errs {
		if err != nil {
			return Summary{}, err
		}
	}
	return summarise(r.Name, played), nil
}

func summarise(rule string, runs []Run) Summary {
	s := Summary{Rule: rule, Runs: len(runs), Measures: map[string]Share{}}
	of := func(keep func(Run) bool, value func(Run) float64) Quantiles {
		var values []float64
		for _, r := range runs {
			if keep == nil || keep(r) {
				values = append(values, value(r))
			}
		}
		return quantiles(values)
	}
	ended := func(how string) func(Run) bool { return func(r Run) bool { return r.How == how } }
	took := func(r Run) float64 { return r.Took.Seconds() }
	s.Promoted = share(runs, ended(Promoted))
	s.RolledBack = share(runs, ended(RolledBack))
	s.Expired = share(runs, ended(Expired))
	if passed := share(runs, ended(Shadowed)); passed.Runs > 0 {
		s.Shadowed = passed
	}
	for _, r := range runs {
		name := strings.Join(r.Measures, "+")
		if _, counted := s.Measures[name]; name != "" && !counted {
			s.Measures[name] = share(runs, func(o Run) bool { return slices.Equal(o.Measures, r.Measures) })
		}
	}
	s.Took, s.Promote, s.Detect = of(nil, took), of(ended(Promoted), took), of(ended(RolledBack), took)
	s.Requests = of(nil, func(r Run) float64 { return float64(r.Requests) })
	s.Before = of(nil, func(r Run) float64 { return r.Before })
	s.Excess = of(nil, func(r Run) float64 { return r.Excess })
	return s
}

func share(runs []Run, is func(Run) bool) Share {
	s := Share{}
	for _, r := range runs {
		if is(r) {
			s.Runs++
		}
	}
	if len(runs) > 0 {
		s.Rate = float64(s.Runs) / float64(len(runs))
		low, high, err := evaluation.Wilson(s.Runs, len(runs), 0.95)
		if err == nil {
			s.Low, s.High = low, high
		}
	}
	return s
}

func quantiles(values []float64) Quantiles {
	if len(values) == 0 {
		return Quantiles{}
	}
	slices.Sort(values)
	sum := 0.0
	for _, v := range values {
		sum += v
	}
	at := func(q float64) float64 { return values[int(q*float64(len(values)-1)+0.5)] }
	return Quantiles{Mean: sum / float64(len(values)), Median: at(0.5), P90: at(0.9)}
}

// seconds is a time of so many.
func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }
