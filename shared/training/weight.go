package training

import (
	"maps"
	"slices"

	"github.com/sluice-ml/sluice/shared/evaluation"
	"github.com/sluice-ml/sluice/shared/fault"
	"github.com/sluice-ml/sluice/shared/rows"
	"github.com/sluice-ml/sluice/shared/split"
)

// counts are the weights of some rows; nil where rows have none.
func counts(set *rows.Set, which []int) []float32 {
	if set.Weight == nil {
		return nil
	}
	out := make([]float32, len(which))
	for i, row := range which {
		out[i] = float32(set.Weight[row])
	}
	return out
}

// weigh multiplies what is learnt with by the classes' weights. They are those
// of the whole training side, for every fold: scikit-learn's "balanced" is its
// rows / (classes × rows of the class), whatever the rows weigh themselves.
func (r *run) weigh(m *matrix) error {
	of := r.config.Training.ClassWeight
	if of.IsZero() {
		return nil
	}
	target, _ := r.set.Table.Column(r.config.Data.Target)
	label := map[float64]int{}
	value := map[string]float64{} // the label of each of the target's values
	train := r.set.On(split.Train)
	for _, row := range train {
		label[r.set.Label[row]]++
		value[target.Content(row)] = r.set.Label[row]
	}
	r.classWeight = map[string]float64{}
	for _, name := range slices.Sorted(maps.Keys(value)) {
		r.classWeight[name] = 1
		if given, ok := of.Of[name]; ok {
			r.classWeight[name] = given
		}
		if of.Balanced {
			r.classWeight[name] = float64(len(train)) / float64(len(label)*label[value[name]])
		}
	}
	for _, name := range slices.Sorted(maps.Keys(of.Of)) {
		if _, ok := value[name]; !ok {
			return fault.New(fault.Invalid, "weigh the classes", "no training row of column %q has the value %q; there are %q",
				r.config.Data.Target, name, slices.Sorted(maps.Keys(value))).WithHint("correct training.class_weight")
		}
	}
	m.weight = make([]float32, len(m.rows))
	for i, row := range m.rows {
		m.weight[i] = float32(r.classWeight[target.Content(row)])
		if m.count != nil {
			m.weight[i] *= m.count[i]
		}
	}
	return r.checkLearnt(m)
}

// checkLearnt: nothing is learnt from rows that all weigh 0.
func (r *run) checkLearnt(m *matrix) error {
	for i, row := range m.rows {
		if m.weight[i] > 0 && r.set.Side[row] == split.Train {
			return nil
		}
	}
	return fault.New(fault.Invalid, "weigh the classes", "every training row has a class or a weight that counts 0").
		WithHint("correct training.class_weight or data.weight")
}

// judged is m with the rows' own weights: class weights are a way to learn, and
// what is measured is of the rows as they are.
func (m *matrix) judged() *matrix {
	out := *m
	out.weight = m.count
	return &out
}

// measured measures scores of the matrix's rows, each as much as it counts.
func measured(m *matrix, score []float32) Scores {
	s := measure(m.label, score)
	if m.count == nil {
		return s
	}
	sample := evaluation.Sample{Label: wide(m.label), Score: wide(score), Weight: wide(m.count)}
	for metric, into := range map[string]*float64{"auc_roc": &s.AUC, "log_loss": &s.LogLoss} {
		value, err := evaluation.Metric(metric, sample)
		if err != nil {
			value = 0 // the rows do not define it, as in measure
		}
		*into = value
	}
	return s
}

func wide(values []float32) []float64 {
	out := make([]float64, len(values))
	for i, v := range values {
		out[i] = float64(v)
	}
	return out
}
