package gate

import (
	"fmt"
	"slices"
	"strconv"

	"github.com/sluice-ml/sluice/shared/evaluation"
	"github.com/sluice-ml/sluice/shared/goal"
	"github.com/sluice-ml/sluice/shared/predictions"
	"github.com/sluice-ml/sluice/shared/trainconfig"
)

// Robustness judges, for each noise level, how much AUC (or of the metric that
// the configuration names) the candidate loses on disturbed copies of the rows: the mean over the draws, compared in pairs with
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
	set, all = countingDraws(set, all)
	if why := few(set); why != "" {
		v.insufficient("%s", why)
		return *v
	}
	if set.Goal != goal.Binary {
		v.disturbed(e, set, all)
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

// countingDraws is the rows that weigh more than 0, and their disturbed scores.
// Draws of other lengths stay as they are, and are refused where they are judged.
func countingDraws(set *predictions.Set, all []predictions.Perturbed) (*predictions.Set, []predictions.Perturbed) {
	of, rows := counting(set)
	if rows == nil {
		return set, all
	}
	n, out := len(set.RowID), slices.Clone(all)
	for i, p := range all {
		out[i].Score = among(p.Score, rows, n)
		out[i].Probability = slices.Clone(p.Probability)
		for k, of := range p.Probability {
			out[i].Probability[k] = among(of, rows, n)
		}
	}
	return of, out
}

func among(values []float64, rows []int, n int) []float64 {
	if len(values) != n {
		return values
	}
	out := make([]float64, len(rows))
	for k, i := range rows {
		out[k] = values[i]
	}
	return out
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

// disturbed judges every noise level by the configured metric where the goal is
// not binary. Of a loss or an error the degradation is a share of it.
func (v *Verdict) disturbed(e *trainconfig.Evaluation, set *predictions.Set, all []predictions.Perturbed) {
	metric := e.Robustness.Metric
	clean, err := candidateOf(set).of(set).Linear(metric)
	if err != nil {
		v.insufficient("%s cannot be computed: %v", metric, err)
		return
	}
	for _, noise := range e.Robustness.Noise {
		name := "noise=" + strconv.FormatFloat(noise, 'g', -1, 64)
		m, err := degradation(e, set, clean, noise, all)
		if err != nil {
			v.insufficient("%s: %v", name, err)
			continue
		}
		m.Group, m.Limit, m.N = name, e.Robustness.MaxDegradation, len(set.Label)
		v.add(m, point(e))
	}
}

// degradation is how much worse the mean over a noise level's draws is.
func degradation(e *trainconfig.Evaluation, set *predictions.Set, clean evaluation.Linear, noise float64, all []predictions.Perturbed) (Measurement, error) {
	var draws []evaluation.Linear
	for _, p := range all {
		if p.Noise != noise {
			continue
		}
		if p.Goal != set.Goal || !slices.Equal(p.Classes, set.Classes) {
			return Measurement{}, fmt.Errorf("draw %d is of %s with the classes %q, the predictions are of %s with %q", p.Draw, p.Goal, p.Classes, set.Goal, set.Classes)
		}
		linear, err := scoring{p.Score, p.Probability}.of(set).Linear(clean.Name)
		if err != nil {
			return Measurement{}, fmt.Errorf("draw %d cannot be judged: %w", p.Draw, err)
		}
		draws = append(draws, linear)
	}
	if len(draws) < e.Robustness.Draws {
		return Measurement{}, fmt.Errorf("%d of %d draws", len(draws), e.Robustness.Draws)
	}
	disturbed, err := evaluation.MeanLinear(draws...)
	if err != nil {
		return Measurement{}, err
	}
	return worse(clean, disturbed, evaluation.Shared(e.Confidence, len(e.Robustness.Noise)))
}
