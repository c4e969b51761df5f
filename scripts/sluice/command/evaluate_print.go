package command

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"github.com/sluice-ml/sluice/shared/evaluation"
)

// MarshalJSON leaves the numbers out where there are none.
func (m measured) MarshalJSON() ([]byte, error) { return json.Marshal(m.view()) }

// MarshalJSON does the same.
func (c compared) MarshalJSON() ([]byte, error) {
	if c.Insufficient != "" {
		return json.Marshal(measured{Estimate: evaluation.Estimate{Name: c.Name}, Insufficient: c.Insufficient}.view())
	}
	return json.Marshal(struct {
		evaluation.Comparison
		AdjustedP float64 `json:"adjusted_p"`
	}{c.Comparison, c.AdjustedP})
}

func (r *evaluated) print(w io.Writer) {
	fmt.Fprintf(w, "%s: %d rows, %d positive (%s = %s)\n\n", r.File, r.Rows, r.Positives, r.Label, r.Positive)
	fmt.Fprintf(w, "METRIC\tVALUE\t%g %% INTERVAL\tBY\n", 100*r.Confidence)
	for _, m := range r.Metrics {
		m.print(w, m.Name)
	}
	c := r.Confusion
	fmt.Fprintf(w, "\nat %g\tpredicted positive\tpredicted negative\npositive\t%g\t%g\nnegative\t%g\t%g\n", r.Threshold, c.TP, c.FN, c.FP, c.TN)
	for i := range r.Groups {
		r.Groups[i].print(w)
	}
	if r.Comparison != nil {
		r.Comparison.print(w, r.File+" "+r.Score)
	}
}

func (m measured) print(w io.Writer, name string) {
	if m.Insufficient != "" {
		fmt.Fprintf(w, "%s\tinsufficient\t%s\t\n", name, m.Insufficient)
		return
	}
	fmt.Fprintf(w, "%s\t%.6f\t%.6f to %.6f\t%s\n", name, m.Value, m.Low, m.High, m.Method)
}

func (g *grouping) print(w io.Writer) {
	fmt.Fprintf(w, "\nby %s\n", strings.Join(g.By, " and "))
	for _, group := range g.Groups {
		fmt.Fprintf(w, "%s\t%d rows\t%d positive\t\n", group.Group, group.Rows, group.Positives)
		for _, m := range group.Metrics {
			m.print(w, "  "+m.Name)
		}
	}
	if p := g.Parity; p != nil {
		fmt.Fprintf(w, "demographic parity difference\t%.6f\nratio\t%.6f\nequal opportunity difference\t%.6f\nequalised odds difference\t%.6f\nratio\t%.6f\n",
			p.DemographicDifference, p.DemographicRatio, p.EqualOpportunity, p.EqualisedOdds, p.EqualisedOddsRatio)
	}
	const most = 10
	for i, d := range g.Disparities {
		if i == most {
			fmt.Fprintf(w, "and %d smaller AUC disparities (--json lists them)\n", len(g.Disparities)-most)
			break
		}
		fmt.Fprintf(w, "AUC disparity\t%.6f\t%.6f to %.6f\tp %.4g, %s and %s\n", d.Value, d.Low, d.High, d.AdjustedP, d.Groups[0], d.Groups[1])
	}
	if g.Insufficient != "" {
		fmt.Fprintf(w, "  insufficient: %s\n", g.Insufficient)
	}
	if g.Missing > 0 {
		fmt.Fprintf(w, "  %d rows have no value\n", g.Missing)
	}
	printSkipped(w, g.Skipped)
}

func (c *comparison) print(w io.Writer, first string) {
	how := "in pairs, on the same rows"
	if !c.Paired {
		how = "on different rows"
	}
	fmt.Fprintf(w, "\n%s less %s, %s\nMETRIC\tFIRST\tSECOND\tDIFFERENCE\tINTERVAL\tP (ADJUSTED)\tBY\n", first, c.With, how)
	for _, m := range c.Metrics {
		if m.Insufficient != "" {
			fmt.Fprintf(w, "%s\tinsufficient: %s\n", m.Name, m.Insufficient)
			continue
		}
		fmt.Fprintf(w, "%s\t%.6f\t%.6f\t%+.6f\t%+.6f to %+.6f\t%.4g\t%s\n", m.Name, m.First, m.Second, m.Difference, m.Low, m.High, m.AdjustedP, m.Method)
	}
}
