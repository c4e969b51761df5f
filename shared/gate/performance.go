package gate

import (
	"slices"

	"github.com/sluice-ml/sluice/shared/evaluation"
	"github.com/sluice-ml/sluice/shared/predictions"
	"github.com/sluice-ml/sluice/shared/trainconfig"
)

// bootstrapDraws is how many resamples stand behind an interval without a
// formula: enough for the 95 % percentiles to be steady in the third digit.
const bootstrapDraws = 1000

// Performance judges every metric that has a threshold, in all rows and in each
// part of every slice, and reports the others that the configuration names. seed
// fixes the bootstrap.
func Performance(e *trainconfig.Evaluation, set *predictions.Set, seed int64) Verdict {
	v := newVerdict(NamePerformance, struct {
		Thresholds map[string]float64  `json:"thresholds"`
		DecideOn   string              `json:"decide_on"`
		Confidence float64             `json:"confidence"`
		Slices     []trainconfig.Slice `json:"slices,omitempty"`
	}{e.Thresholds, e.DecideOn, e.Confidence, e.Slices})
	if !v.usable(set) {
		return *v
	}
	if len(e.Thresholds) == 0 {
		v.insufficient("no threshold says what a good model is; set evaluation.thresholds, e.g. {auc_roc: 0.9}")
	}
	m := measurer{set: set, seed: seed}
	m.positives, m.negatives = count(set.Label)
	if !enough(m.positives, m.negatives) {
		v.insufficient("%d positive and %d negative rows; at least %d of each are needed", m.positives, m.negatives, MinPerClass)
		v.thresholds(e, m, e.Thresholds, len(e.Thresholds), false)
		return *v
	}
	parts, judged := v.slices(e, set)
	v.thresholds(e, m, e.Thresholds, judged, true)
	for _, p := range parts {
		of := measurer{set: p.set, seed: seed, group: p.name}
		of.positives, of.negatives = count(p.set.Label)
		v.thresholds(e, of, thresholdsOf(e, p.slice), judged, true)
	}
	return *v
}

// slices are the parts to judge, and how many measurements they and all rows
// make.
func (v *Verdict) slices(e *trainconfig.Evaluation, set *predictions.Set) (parts []part, judged int) {
	judged = len(e.Thresholds)
	for i := range e.Slices {
		for _, p := range v.parts(set, &e.Slices[i]) {
			parts = append(parts, p)
			judged += len(thresholdsOf(e, p.slice))
		}
	}
	return parts, judged
}

func thresholdsOf(e *trainconfig.Evaluation, slice *trainconfig.Slice) map[string]float64 {
	if len(slice.Thresholds) > 0 {
		return slice.Thresholds
	}
	return e.Thresholds
}

// thresholds measures the metrics of some rows. The error is shared among all
// the measurements that are judged.
func (v *Verdict) thresholds(e *trainconfig.Evaluation, m measurer, thresholds map[string]float64, judged int, judge bool) {
	for _, name := range trainconfig.Metrics() {
		limit, has := thresholds[name]
		if !has {
			v.reportMetric(m, e, name)
			continue
		}
		got, err := m.measure(name, evaluation.Shared(e.Confidence, judged))
		if err != nil {
			v.insufficient("%s cannot be computed: %v", named(name, m.group), err)
			continue
		}
		got.Limit, got.Wants = limit, atLeast
		if trainconfig.LowerIsBetter(name) {
			got.Wants = atMost
		}
		if !judge {
			v.report(got)
			continue
		}
		v.add(got, point(e))
	}
}

// reportMetric shows a metric of all rows that has no threshold.
func (v *Verdict) reportMetric(m measurer, e *trainconfig.Evaluation, name string) {
	for _, wanted := range e.Metrics {
		if wanted != name || m.group != "" {
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
	if slices.Max(set.Score) == slices.Min(set.Score) {
		v.insufficient("all %d scores are %v: a model that tells no row from another cannot be judged", len(set.Score), set.Score[0])
		return false
	}
	return true
}

// measurer measures the rows of a set, or of one part of it.
type measurer struct {
	set                  *predictions.Set
	group                string
	seed                 int64
	positives, negatives int
}

func (m measurer) measure(name string, confidence float64) (Measurement, error) {
	s := sampleOf(m.set)
	e, err := evaluation.Measure(name, s, confidence, evaluation.Resampling{Draws: bootstrapDraws, Seed: m.seed})
	return Measurement{Name: name, Group: m.group, Value: e.Value, Low: e.Low, High: e.High, Confidence: confidence,
		N: len(s.Label), Positives: m.positives}, err
}
