// Package drift measures how far today's data has moved from the data that a
// model learnt from, by the population stability index:
//
//	PSI = Σ (aᵢ − eᵢ) · ln(aᵢ / eᵢ)
//
// over bins i, where e is the expected share (the training profile's) and a the
// actual one. Number columns are binned at the training profile's deciles, text
// columns by its 20 commonest values; missing values and, for text, all other
// values have bins of their own. Half a row is added to every bin, so an empty
// one gives a large finite term. By custom below 0.1 is stable and above 0.2 is
// drift.
package drift

import (
	"cmp"
	"maps"
	"math"
	"slices"

	"github.com/sluice-ml/sluice/shared/profile"
)

// Threshold is the PSI above which a feature has drifted.
const Threshold = 0.2

const (
	deciles       = 10
	topCategories = 20
	// rowsPerBin is the least evidence: with b bins and n rows the PSI of data
	// that did not drift is about b/n, so 50 rows a bin keep it near 0.02.
	rowsPerBin = 50
)

// Feature is one column's drift.
type Feature struct {
	Name string  `json:"name"`
	PSI  float64 `json:"psi"`
	Bins []Bin   `json:"bins"`
	Rows int64   `json:"rows"` // actual rows behind it
	// Verdict: "pass", "fail" (drifted) or "insufficient" (too few rows, or the
	// column is not on both sides).
	Verdict string `json:"verdict"`
	Reason  string `json:"reason,omitempty"`
}

// Bin is one bin's share on both sides, unsmoothed.
type Bin struct {
	Label    string  `json:"label"`
	Expected float64 `json:"expected"`
	Actual   float64 `json:"actual"`
}

// Report is the drift of several features.
type Report struct {
	Threshold float64   `json:"threshold"`
	Features  []Feature `json:"features"` // in the order asked for
	Worst     string    `json:"worst"`    // the judged feature with the greatest PSI; "" when none was judged
	PSI       float64   `json:"psi"`      // of the worst
	// Verdict: "fail" when a feature drifted, "insufficient" when none could be
	// judged, else "pass".
	Verdict string `json:"verdict"`
}

// Compare measures each feature's drift from expected to actual.
func Compare(expected, actual *profile.Profile, features []string, threshold float64) Report {
	r := Report{Threshold: threshold, Verdict: "insufficient", Features: []Feature{}}
	for _, name := range features {
		f := compare(name, expected.Column(name), actual.Column(name), threshold)
		r.Features = append(r.Features, f)
		if f.Verdict == "insufficient" {
			continue
		}
		if r.Worst == "" || f.PSI > r.PSI {
			r.Worst, r.PSI = f.Name, f.PSI
		}
		if r.Verdict != "fail" {
			r.Verdict = f.Verdict
		}
	}
	return r
}

func compare(name string, expected, actual *profile.Column, threshold float64) Feature {
	f := Feature{Name: name, Verdict: "insufficient", Bins: []Bin{}}
	if expected == nil || actual == nil || expected.Rows == 0 || actual.Rows == 0 {
		f.Reason = "the column is not in both profiles"
		return f
	}
	f.Rows = actual.Rows
	bins := bins(expected, actual)
	f.PSI = psi(bins)
	for _, b := range bins {
		f.Bins = append(f.Bins, Bin{b.label, float64(b.expected) / float64(expected.Rows), float64(b.actual) / float64(actual.Rows)})
	}
	switch {
	case actual.Rows < rowsPerBin*int64(len(bins)) || expected.Rows < rowsPerBin*int64(len(bins)):
		f.Reason = "too few rows for its bins"
	case f.PSI > threshold:
		f.Verdict = "fail"
	default:
		f.Verdict = "pass"
	}
	return f
}

type count struct {
	label            string
	expected, actual int64
}

func bins(expected, actual *profile.Column) []count {
	missing := count{"missing", expected.Nulls, actual.Nulls}
	if expected.Kind == "text" {
		return append(textBins(expected, actual), missing)
	}
	return append(numberBins(expected, actual), missing)
}

// numberBins counts up to and including each decile edge. What is no number on
// the actual side has a bin of its own.
func numberBins(expected, actual *profile.Column) []count {
	var edges []float64
	for i := 1; i < deciles; i++ {
		edge := expected.Summary.Quantile(float64(i) / deciles)
		if !math.IsNaN(edge) && (len(edges) == 0 || edge > edges[len(edges)-1]) && edge < expected.Moments.Max {
			edges = append(edges, edge)
		}
	}
	upTo, numbers := actual.Summary.UpTo, actual.Moments.Count
	if actual.Kind == "text" {
		upTo, numbers = countsUpTo(actual), actual.Rows-actual.Nulls-actual.Texts
	}
	var out []count
	var before, beforeActual int64
	for _, edge := range edges {
		e, a := expected.Summary.UpTo(edge), upTo(edge)
		out = append(out, count{"≤ " + number(edge), e - before, a - beforeActual})
		before, beforeActual = e, a
	}
	out = append(out, count{"above", expected.Moments.Count - before, max(0, numbers-beforeActual)})
	if actual.Texts > 0 {
		out = append(out, count{"not a number", 0, actual.Texts})
	}
	return out
}

func textBins(expected, actual *profile.Column) []count {
	counts := expected.Categories.Counts
	names := slices.SortedFunc(maps.Keys(counts), func(a, b string) int {
		return cmp.Or(cmp.Compare(counts[b], counts[a]), cmp.Compare(a, b))
	})
	names = names[:min(len(names), topCategories)]
	actualCount := categoryCount(actual)
	other := count{"other", expected.Rows - expected.Nulls, actual.Rows - actual.Nulls}
	var out []count
	for _, name := range names {
		b := count{name, counts[name], actualCount(name)}
		other.expected -= b.expected
		other.actual -= b.actual
		out = append(out, b)
	}
	return append(out, other)
}

// psi is the index over smoothed shares.
func psi(bins []count) float64 {
	const half = 0.5
	expectedTotal, actualTotal := half*float64(len(bins)), half*float64(len(bins))
	for _, b := range bins {
		expectedTotal += float64(b.expected)
		actualTotal += float64(b.actual)
	}
	sum := 0.0
	for _, b := range bins {
		e, a := (float64(b.expected)+half)/expectedTotal, (float64(b.actual)+half)/actualTotal
		sum += (a - e) * math.Log(a/e)
	}
	return sum
}
