package training

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"github.com/sluice-ml/sluice/shared/evaluation"
	"github.com/sluice-ml/sluice/shared/goal"
	"github.com/sluice-ml/sluice/shared/parquet"
	"github.com/sluice-ml/sluice/shared/rows"
)

// byQuery puts the rows of a query one after the other, as XGBoost wants them:
// queries in the order in which they first come, rows in their order.
func byQuery(set *rows.Set, which []int) []int {
	if set.Query == nil {
		return which
	}
	first := map[string]int{}
	for _, row := range which {
		if _, known := first[set.Query[row]]; !known {
			first[set.Query[row]] = row
		}
	}
	sorted := slices.Clone(which)
	slices.SortStableFunc(sorted, func(a, b int) int { return first[set.Query[a]] - first[set.Query[b]] })
	return sorted
}

// queryNumbers numbers the queries of rows that byQuery sorted, from 0; nil
// where there are none.
func queryNumbers(set *rows.Set, which []int) []float32 {
	if set.Query == nil {
		return nil
	}
	numbers := make([]float32, len(which))
	for i := range which {
		if i > 0 {
			numbers[i] = numbers[i-1]
			if set.Query[which[i]] != set.Query[which[i-1]] {
				numbers[i]++
			}
		}
	}
	return numbers
}

// columns are scores class by class.
func columns(scores []float32, outputs int) [][]float64 {
	out := make([][]float64, outputs)
	for k := range out {
		out[k] = make([]float64, len(scores)/outputs)
		for i := range out[k] {
			out[k][i] = float64(scores[i*outputs+k])
		}
	}
	return out
}

// measured measures scores of the matrix's rows by the goal's metrics.
func (r *run) measured(m *matrix, scores []float32) Scores {
	if r.set.Goal == goal.Binary {
		return measured(m, scores)
	}
	s := Scores{Rows: len(m.rows), Metrics: map[string]float64{}}
	label, query := make([]float64, len(m.rows)), make([]string, len(m.rows))
	for i, row := range m.rows {
		label[i] = r.set.Label[row]
		if r.set.Query != nil {
			query[i] = r.set.Query[row]
		}
	}
	var weight []float64
	if m.count != nil {
		weight = wide(m.count)
	}
	by := columns(scores, r.schema.Outputs())
	var of interface {
		Metric(metric string) (float64, error)
	} = evaluation.Values{Label: label, Score: by[0], Weight: weight}
	switch r.set.Goal {
	case goal.Multiclass:
		of = evaluation.Classes{Names: r.set.Classes, Label: label, Probability: by, Weight: weight}
	case goal.Ranking:
		of = evaluation.Queries{Label: label, Score: by[0], Query: query, Weight: weight}
	}
	for _, name := range r.set.Goal.Metrics() {
		if value, err := of.Metric(name); err == nil { // else these rows do not define it
			s.Metrics[name] = value
		}
	}
	return s
}

// text shows scores on a line of progress.
func (s Scores) text(g goal.Goal) string {
	if g == goal.Binary {
		return fmt.Sprintf("auc_roc %.6f, log_loss %.6f", s.AUC, s.LogLoss)
	}
	var parts []string
	for _, name := range g.Metrics() {
		if value, ok := s.Metrics[name]; ok {
			parts = append(parts, fmt.Sprintf("%s %.6f", name, value))
		}
	}
	return strings.Join(parts, ", ")
}

// foldsFile is folds.parquet: row_id, label, fold (from 0) and the out-of-fold
// score of every training row (of several classes, probability.<class> of each),
// in the matrix's order.
func foldsFile(set *rows.Set, m *matrix, fold []int, scores []float32) ([]byte, error) {
	n := len(m.rows)
	ids, label, numbers := make([]string, n), make([]float64, n), make([]float64, n)
	for i, row := range m.rows {
		ids[i], label[i], numbers[i] = set.RowID(row), float64(m.label[i]), float64(fold[i])
	}
	list := []parquet.Column{{Name: "row_id", Text: ids}, {Name: "label", Float: label}, {Name: "fold", Float: numbers}}
	by := columns(scores, max(1, len(set.Classes)))
	if set.Goal == goal.Multiclass {
		list[1] = parquet.Column{Name: "label"}
		for _, row := range m.rows {
			list[1].Text = append(list[1].Text, set.Classes[int(set.Label[row])])
		}
		for k, class := range set.Classes {
			list = append(list, parquet.Column{Name: "probability." + class, Float: by[k]})
		}
	} else {
		list = append(list, parquet.Column{Name: "score", Float: by[0]})
	}
	var out bytes.Buffer
	err := parquet.Write(&out, list)
	return out.Bytes(), err
}
