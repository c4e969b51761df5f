package gbdt

import "fmt"

// Features is the length of a row.
func (m *Model) Features() int { return m.features }

// Outputs is how many predictions a row gets: one, or one per class or target.
func (m *Model) Outputs() int { return m.outputs }

// Groups is how many margins a row gets; Outputs, but for multi:softmax, which
// predicts one class out of Groups.
func (m *Model) Groups() int { return len(m.base) }

// Objective is XGBoost's name of what was learned, e.g. "binary:logistic".
func (m *Model) Objective() string { return m.objective }

// Version is that of the XGBoost which wrote the file, e.g. [3 2 0].
func (m *Model) Version() []int { return m.version }

// FeatureNames and FeatureTypes ("q" is numeric, "c" categorical, …) are what
// training gave XGBoost; empty when it gave none.
func (m *Model) FeatureNames() []string { return m.names }
func (m *Model) FeatureTypes() []string { return m.types }

// Trees counts the trees of all groups.
func (m *Model) Trees() int { return len(m.forest.roots) }

// Predict writes one row's Outputs predictions to out. row has Features
// values, NaN where one is missing and the code where one is categorical. It
// panics when a length is wrong. It allocates nothing for up to 32 classes.
func (m *Model) Predict(row, out []float32) {
	m.checkLengths(1, row, out, m.outputs)
	if m.outputs == len(m.base) {
		m.margins(1, row, out)
		m.link.transform(out)
		return
	}
	var buffer [32]float32
	margins := buffer[:]
	if len(m.base) > len(buffer) {
		margins = make([]float32, len(m.base))
	}
	margins = margins[:len(m.base)]
	m.margins(1, row, margins)
	m.link.transform(margins)
	copy(out, margins[:m.outputs])
}

// PredictBatch is Predict for len(rows)/Features rows, one after the other in
// rows and in out. It is faster than row by row, and gives the same bits.
func (m *Model) PredictBatch(rows, out []float32) {
	n := len(rows) / m.features
	m.checkLengths(n, rows, out, m.outputs)
	if m.outputs != len(m.base) {
		for i := range n {
			m.Predict(rows[i*m.features:][:m.features], out[i*m.outputs:][:m.outputs])
		}
		return
	}
	m.margins(n, rows, out)
	for i := range n {
		m.link.transform(out[i*m.outputs:][:m.outputs])
	}
}

// Margins writes Groups margins for each of len(rows)/Features rows to out.
func (m *Model) Margins(rows, out []float32) {
	n := len(rows) / m.features
	m.checkLengths(n, rows, out, len(m.base))
	m.margins(n, rows, out)
}

func (m *Model) checkLengths(n int, rows, out []float32, width int) {
	if len(rows) != n*m.features || len(out) != n*width {
		panic(fmt.Sprintf("gbdt: %d values in and %d out for %d rows of %d features and %d outputs",
			len(rows), len(out), n, m.features, width))
	}
}

func (m *Model) margins(n int, rows, out []float32) {
	groups := len(m.base)
	for i := range n {
		copy(out[i*groups:], m.base)
	}
	switch {
	case m.linear != nil:
		m.addLinear(n, rows, out)
	case n == 1:
		m.forest.addOne(rows, out)
	default:
		m.forest.addBatch(n, m.features, rows, out)
	}
}

// addLinear adds bias and weighted features; a missing one adds nothing.
func (m *Model) addLinear(n int, rows, out []float32) {
	groups := len(m.base)
	bias := m.linear[m.features*groups:]
	for i := range n {
		row := rows[i*m.features:][:m.features]
		for g := range groups {
			sum := bias[g] + out[i*groups+g]
			for f, v := range row {
				if v == v {
					sum += float32(v * m.linear[f*groups+g])
				}
			}
			out[i*groups+g] = sum
		}
	}
}
