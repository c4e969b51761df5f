package gate

import (
	"slices"
	"strconv"

	"github.com/sluice-ml/sluice/shared/evaluation"
	"github.com/sluice-ml/sluice/shared/predictions"
	"github.com/sluice-ml/sluice/shared/trainconfig"
)

// Robustness judges, for each noise level, how much AUC the candidate loses on
// disturbed copies of the rows: the mean over the draws, compared in pairs with
// the undisturbed rows. rowID are those of the disturbed scores.
func Robustness(e *trainconfig.Evaluation, set *predictions.Set, rowID []string, all []predictions.Perturbed) Verdict {
	v := newVerdict(NameRobustness, struct {
		trainconfig.Robustness
		DecideOn   string  `json:"decide_on"`
		Confidence float64 `json:"confidence"`
	}{e.Robustness, e.DecideOn, e.Confidence})
	if len(e.Robustness.Noise) == 0 {
		v.Reasons = append(v.Reasons, "no noise levels are named")
		return *v
	}
	if !v.usable(set) {
		return *v
	}
	if !slices.Equal(rowID, set.RowID) {
		v.insufficient("the disturbed scores are of other rows than the predictions")
		return *v
	}
	positives, negatives := count(set.Label)
	if !enough(positives, negatives) {
		v.insufficient("%d positive and %d negative rows; at least %d of each are needed", positives, negatives, MinPerClass)
		return *v
	}
	clean, err := evaluation.PlacementsOf(sampleOf(set))
	if err != nil {
		v.insufficient("%v", err)
		return *v
	}
	for _, noise := range e.Robustness.Noise {
		v.noise(e, set, clean, noise, all)
	}
	return *v
}

func (v *Verdict) noise(e *trainconfig.Evaluation, set *predictions.Set, clean evaluation.Placements, noise float64, all []predictions.Perturbed) {
	name := "noise=" + strconv.FormatFloat(noise, 'g', -1, 64)
	var draws []evaluation.Placements
	for _, p := range all {
		if p.Noise != noise {
			continue
		}
		placed, err := evaluation.PlacementsOf(evaluation.Sample{Label: set.Label, Score: p.Score, Weight: set.Weight})
		if err != nil {
			v.insufficient("%s draw %d cannot be judged: %v", name, p.Draw, err)
			return
		}
		draws = append(draws, placed)
	}
	if len(draws) < e.Robustness.Draws {
		v.insufficient("%s has %d of %d draws", name, len(draws), e.Robustness.Draws)
		return
	}
	disturbed, err := evaluation.MeanPlacements(draws...)
	if err != nil {
		v.insufficient("%s: %v", name, err)
		return
	}
	drop, err := evaluation.Paired(clean, disturbed)
	if err != nil {
		v.insufficient("%s: %v", name, err)
		return
	}
	m := Measurement{Name: "auc_drop", Group: name, Value: drop.Value, Limit: e.Robustness.MaxDegradation, Wants: atMost,
		Confidence: evaluation.Shared(e.Confidence, len(e.Robustness.Noise)), N: len(set.Label), Positives: clean.AUC().Positives()}
	m.Low, m.High = drop.Interval(m.Confidence)
	v.add(m, point(e))
}
