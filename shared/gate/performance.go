package gate

import (
	"github.com/sluice-ml/sluice/shared/evaluation"
	"github.com/sluice-ml/sluice/shared/predictions"
	"github.com/sluice-ml/sluice/shared/trainconfig"
)

// bootstrapDraws is how many resamples stand behind an interval without a
// formula: enough for the 95 % percentiles to be steady in the third digit.
const bootstrapDraws = 1000

// Performance judges every metric that has a threshold, and reports the others
// that the configuration names. seed fixes the bootstrap.
func Performance(e *trainconfig.Evaluation, set *predictions.Set, seed int64) Verdict {
	v := newVerdict(NamePerformance, struct {
		Thresholds map[string]float64 `json:"thresholds"`
		DecideOn   string             `json:"decide_on"`
		Confidence float64            `json:"confidence"`
	}{e.Thresholds, e.DecideOn, e.Confidence})
	if !v.usable(set) {
		return *v
	}
	if len(e.Thresholds) == 0 {
		v.insufficient("no threshold says what a good model is; set evaluation.thresholds, e.g. {auc_roc: 0.9}")
	}
	m := measurer{set: set, seed: seed}
	m.positives, m.negatives = count(set.Label)
	judged := enough(m.positives, m.negatives)
	if !judged {
		v.insufficient("%d positive and %d negative rows; at least %d of each are needed", m.positives, m.negatives, MinPerClass)
	}
	for _, name := range trainconfig.Metrics() {
		limit, has := e.Thresholds[name]
		if !has {
			v.reportMetric(m, e, name)
			continue
		}
		got, err := m.measure(name, evaluation.Shared(e.Confidence, len(e.Thresholds)))
		if err != nil {
			v.insufficient("%s cannot be computed: %v", name, err)
			continue
		}
		got.Limit, got.Wants = limit, atLeast
		if trainconfig.LowerIsBetter(name) {
			got.Wants = atMost
		}
		if !judged {
			v.report(got)
			continue
		}
		v.add(got, point(e))
	}
	return *v
}

func (v *Verdict) reportMetric(m measurer, e *trainconfig.Evaluation, name string) {
	for _, wanted := range e.Metrics {
		if wanted != name {
			continue
		}
		if got, err := m.measure(name, e.Confidence); err == nil {
			v.report(got)
		} else {
			v.skip(name, len(m.set.Label), m.positives, "%v", err)
		}
	}
}

// usable refuses sets that no measurement should be taken of.
func (v *Verdict) usable(set *predictions.Set) bool {
	if set == nil {
		v.insufficient("there are no predictions")
		return false
	}
	if err := set.Check(); err != nil {
		v.insufficient("the predictions cannot be used: %v", err)
		return false
	}
	return true
}

type measurer struct {
	set                  *predictions.Set
	seed                 int64
	positives, negatives int
}

func (m measurer) measure(name string, confidence float64) (Measurement, error) {
	s := sampleOf(m.set)
	e, err := evaluation.Measure(name, s, confidence, evaluation.Resampling{Draws: bootstrapDraws, Seed: m.seed})
	return Measurement{Name: name, Value: e.Value, Low: e.Low, High: e.High, Confidence: confidence, N: len(s.Label), Positives: m.positives}, err
}
