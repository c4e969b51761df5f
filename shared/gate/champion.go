package gate

import (
	"github.com/sluice-ml/sluice/shared/evaluation"
	"github.com/sluice-ml/sluice/shared/predictions"
	"github.com/sluice-ml/sluice/shared/trainconfig"
)

// Champion judges that the candidate is not worse than the serving version by
// more than the margin in AUC, on the same rows, compared in pairs
// (non-inferiority). serving says whether there is a serving version.
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
	if set.Champion == nil {
		v.insufficient("the predictions hold no scores of the champion")
		return *v
	}
	positives, negatives := count(set.Label)
	if !enough(positives, negatives) {
		v.insufficient("%d positive and %d negative rows; at least %d of each are needed", positives, negatives, MinPerClass)
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
