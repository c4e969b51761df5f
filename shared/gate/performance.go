package gate

import (
	"github.com/sluice-ml/sluice/shared/evaluation"
	"github.com/sluice-ml/sluice/shared/goal"
	"github.com/sluice-ml/sluice/shared/predictions"
	"github.com/sluice-ml/sluice/shared/trainconfig"
)

// Performance judges every metric that has a threshold, in all rows and in each
// part of every slice, and reports the others that the configuration names.
func Performance(e *trainconfig.Evaluation, set *predictions.Set) Verdict {
	v := newVerdict(NamePerformance, struct {
		Thresholds map[string]float64  `json:"thresholds"`
		DecideOn   string              `json:"decide_on"`
		Confidence float64             `json:"confidence"`
		Slices     []trainconfig.Slice `json:"slices,omitempty"`
	}{e.Thresholds, e.DecideOn, e.Confidence, e.Slices})
	if !v.usable(set) {
		return *v
	}
	set, _ = counting(set)
	if len(e.Thresholds) == 0 {
		v.insufficient("no threshold says what a good model is; set evaluation.thresholds, e.g. {%s}", example(set.Goal))
	}
	m := measurer{set: set, positives: positivesOf(set)}
	if why := few(set); why != "" {
		v.insufficient("%s", why)
		v.thresholds(e, m, e.Thresholds, len(e.Thresholds), false)
		return *v
	}
	parts, judged := v.slices(e, set)
	v.thresholds(e, m, e.Thresholds, judged, true)
	for _, p := range parts {
		of := measurer{set: p.set, group: p.name, positives: positivesOf(p.set)}
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

// example is a threshold as somebody might set it.
func example(g goal.Goal) string {
	return map[goal.Goal]string{goal.Binary: "auc_roc: 0.9", goal.Multiclass: "accuracy: 0.8", goal.Regression: "r2: 0.7", goal.Ranking: "ndcg@10: 0.6"}[g]
}

// thresholds measures the metrics of some rows. The error is shared among all
// the measurements that are judged.
func (v *Verdict) thresholds(e *trainconfig.Evaluation, m measurer, thresholds map[string]float64, judged int, judge bool) {
	for _, name := range m.set.Goal.Metrics() {
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
	if always, constant := candidateOf(set).constant(); constant {
		v.insufficient("all %d scores are %s: a model that tells no row from another cannot be judged", len(set.RowID), always)
		return false
	}
	return true
}

// measurer measures the rows of a set, or of one part of it.
type measurer struct {
	set       *predictions.Set
	group     string
	positives int
}

func (m measurer) measure(name string, confidence float64) (Measurement, error) {
	var e evaluation.Estimate
	var err error
	if m.set.Goal == goal.Binary {
		e, err = evaluation.Measure(name, sampleOf(m.set), confidence)
	} else {
		e, err = candidateOf(m.set).of(m.set).Measure(name, confidence)
	}
	return Measurement{Name: name, Group: m.group, Value: e.Value, Low: e.Low, High: e.High, Confidence: confidence,
		N: len(m.set.Label), Positives: m.positives}, err
}
