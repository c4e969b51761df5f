// Package predictions is what a model said about rows whose truth is known:
// the only thing gates judge. The evaluator writes it, gates read it.
package predictions

// Set is aligned columns: index i of each is one row.
type Set struct {
	RowID []string  // "<key>#<row number from 0>", unique
	Label []float64 // 1 is the positive class, 0 the other
	Score []float64 // the candidate's probability of the positive class, 0..1
	// Champion is the serving version's score of the same rows; nil when there
	// is none.
	Champion []float64
	// Weight is how much each row counts, 0 or more; nil: each 1. Estimates and
	// verdicts are of the rows so weighted.
	Weight []float64
	// Attributes are the protected attributes as text, by name; "" is missing.
	Attributes map[string][]string
}

// Perturbed is the candidate's scores of disturbed copies of the rows of a Set,
// one entry per (noise, draw), Score aligned with Set.RowID.
type Perturbed struct {
	Noise float64 // times each numeric feature's standard deviation
	Draw  int     // from 0
	Score []float64
}
