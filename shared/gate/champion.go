package gate

import (
	"github.com/sluice-ml/sluice/shared/evaluation"
	"github.com/sluice-ml/sluice/shared/goal"
	"github.com/sluice-ml/sluice/shared/predictions"
	"github.com/sluice-ml/sluice/shared/trainconfig"
)

// Champion judges that the candidate is not worse than the serving version by
// more than the margin in AUC, or in the metric that the configuration names, on
// the same rows, compared in pairs (non-inferiority). serving says whether there is a serving version.
func Champion(e *trainconfig.Evaluation, set *predictions.Set, serving bool) Verdict {
	v := newVerdict(NameChampion, struct {
		trainconfig.Champion
		DecideOn   string  `json:"decide_on"`
		Confidence float64 `json:"confidence"`
	}{e.Champion, e.DecideOn, e.Confidence})
	if !serving {
		v.Reasons = append(v.Reasons, "no champion yet")
		return *v
	}
	if !v.usable(set) {
		return *v
	}
	set, _ = counting(set)
	if !set.HasChampion() {
		v.insufficient("the predictions hold no scores of the champion: the evaluator says why it was not compared (sluice run logs RUN)")
		return *v
	}
	if why := few(set); why != "" {
		v.insufficient("%s", why)
		return *v
	}
	if set.Goal != goal.Binary {
		v.compareBy(e, set)
		return *v
	}
	candidate, err1 := evaluation.PlacementsOf(sampleOf(set))
	champion, err2 := evaluation.PlacementsOf(evaluation.Sample{Label: set.Label, Score: set.Champion, Weight: set.Weight})
	if err1 != nil || err2 != nil {
		v.insufficient("the AUCs cannot be computed: %v, %v", err1, err2)
		return *v
	}
	v.compare(e, candidate, champion)
	return *v
}

func (v *Verdict) compare(e *trainconfig.Evaluation, candidate, champion evaluation.Placements) {
	rows := candidate.AUC().Positives() + candidate.AUC().Negatives()
	for i, auc := range []evaluation.AUC{candidate.AUC(), champion.AUC()} {
		low, high := auc.Logit(e.Confidence)
		v.report(Measurement{Name: evaluation.MetricAUC, Group: []string{"candidate", "champion"}[i], Value: auc.Value, Low: low, High: high,
			Confidence: e.Confidence, N: rows, Positives: auc.Positives()})
	}
	d, err := evaluation.Paired(candidate, champion)
	if err != nil {
		v.insufficient("%v", err)
		return
	}
	m := Measurement{Name: "auc_difference", Group: "candidate less champion", Value: d.Value, Limit: -e.Champion.Margin, Wants: atLeast,
		Confidence: e.Confidence, N: rows, Positives: candidate.AUC().Positives()}
	m.Low, m.High = d.Interval(e.Confidence)
	v.add(m, point(e))
}

// compareBy compares by the configured metric where the goal is not binary. Of a
// loss or an error the margin is a share of the champion's.
func (v *Verdict) compareBy(e *trainconfig.Evaluation, set *predictions.Set) {
	metric := e.Champion.Metric
	sides := [2]evaluation.Linear{}
	for i, of := range []outcome{candidateOf(set).of(set), championOf(set).of(set)} {
		name := []string{"candidate", "champion"}[i]
		estimate, err := of.Measure(metric, e.Confidence)
		if err == nil {
			sides[i], err = of.Linear(metric)
		}
		if err != nil {
			v.insufficient("%s of the %s cannot be computed: %v", metric, name, err)
			return
		}
		v.report(Measurement{Name: metric, Group: name, Value: estimate.Value, Low: estimate.Low, High: estimate.High,
			Confidence: e.Confidence, N: len(set.Label)})
	}
	m, err := worse(sides[1], sides[0], e.Confidence)
	if err != nil {
		v.insufficient("%v", err)
		return
	}
	m.Group, m.Limit, m.N = "candidate against champion", e.Champion.Margin, len(set.Label)
	v.add(m, point(e))
}
