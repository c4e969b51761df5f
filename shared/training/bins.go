package training

import (
	"strconv"

	"github.com/sluice-ml/sluice/shared/fault"
	"github.com/sluice-ml/sluice/shared/xgboost"
)

// binned says whether the booster learns from bins alone, so that XGBoost need
// keep nothing else of the rows: trees by tree_method hist, on the CPU. What is
// learnt is the same to the bit as from a matrix of values.
//
// Two things are left to matrices of values. Ranking: its weights are of queries,
// which batches could cut. And held-out rows with categorical features: a category
// that the fold's rows lack has no bin among theirs.
func (l *learner) binned() bool {
	if !l.library.CanExternal() { // older versions choose and bin otherwise
		return false
	}
	for _, p := range l.params.native {
		switch {
		case p.Name == "tree_method" && p.Value != "hist" && p.Value != "auto",
			p.Name == "booster" && p.Value != "gbtree",
			p.Name == "device" && p.Value != "cpu":
			return false
		}
	}
	return true
}

// valuesAtMost is how many bytes of features are learnt from as values. From them
// XGBoost begins sooner (a fifth of the time of ten rounds), and takes some 12
// bytes more for each value of four: worth it where that is not gigabytes.
const valuesAtMost = 128 << 20

// large says that copies of the rows are worth avoiding.
func (l *learner) large(m *matrix) bool { return 4*len(m.values) > l.values }

// maxBin is the parameter max_bin; 0 where it is not set.
func (l *learner) maxBin() (bins int, err error) {
	for _, p := range l.params.native {
		if p.Name == "max_bin" {
			if bins, err = strconv.Atoi(p.Value); err != nil {
				return 0, fault.New(fault.Invalid, "read model.params.max_bin", "%q is no whole number", p.Value)
			}
		}
	}
	return bins, nil
}

// bins makes XGBoost's matrix of the bins of rows in memory.
func (l *learner) bins(m *matrix, ref *xgboost.Matrix) (*xgboost.Matrix, error) {
	bins, err := l.maxBin()
	if err != nil {
		return nil, err
	}
	x, err := l.library.NewQuantileMatrix(&blocks{m: m, l: l}, xgboost.Quantile{MaxBin: bins, Threads: l.params.threads, Ref: ref})
	return x, refused(err)
}

// blockRows is how many rows XGBoost reads at a time.
const blockRows = 1 << 16

// blocks gives the rows of a matrix in memory.
type blocks struct {
	m      *matrix
	l      *learner
	done   int
	buffer []float32
}

// Reset begins again.
func (b *blocks) Reset() error {
	b.done = 0
	return nil
}

// Next gives the next rows.
func (b *blocks) Next() (xgboost.Data, bool, error) {
	from, width := b.done, len(b.l.types)
	to := min(from+blockRows, len(b.m.rows))
	if from == to {
		return xgboost.Data{}, false, nil
	}
	if b.buffer == nil && b.m.at != nil {
		b.buffer = make([]float32, 0, (to-from)*width)
	}
	data := xgboost.Data{Rows: to - from, Columns: width, Types: b.l.types, Threads: b.l.params.threads,
		Values: b.m.block(width, from, to, b.buffer), Label: b.m.label[from:to]}
	if b.m.weight != nil {
		data.Weight = b.m.weight[from:to]
	}
	b.done = to
	return data, true, nil
}
