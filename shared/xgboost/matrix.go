package xgboost

import (
	"fmt"
	"runtime"
	"slices"
	"strings"
	"unsafe"
)

// firstLines is an XGBoost message up to its stack trace, on one line, without
// the time and source position that it begins with.
func firstLines(message string) string {
	message, _, _ = strings.Cut(message, "Stack trace:")
	if strings.HasPrefix(message, "[") {
		if _, rest, found := strings.Cut(message, ": "); found {
			message = rest
		}
	}
	return strings.Join(strings.Fields(message), " ")
}

// Feature types.
const (
	Numeric     = "q"
	Categorical = "c" // codes 0, 1, …
)

// Data is what a DMatrix is made of.
type Data struct {
	Rows    int
	Columns int
	Values  []float32 // Rows × Columns, row by row; NaN is missing
	Types   []string  // one per column; nil is all Numeric
	Label   []float32 // nil, or one per row
	Weight  []float32 // nil, or one per row; where there are queries, one per query
	Query   []float32 // nil, or the number of each row's query, which must not fall
	Threads int       // 0 is all
}

func (d *Data) check() error {
	switch {
	case d.Rows < 1 || d.Columns < 1:
		return fmt.Errorf("a matrix of %d rows and %d columns: want at least one of each", d.Rows, d.Columns)
	case len(d.Values) != d.Rows*d.Columns:
		return fmt.Errorf("%d values for %d rows and %d columns", len(d.Values), d.Rows, d.Columns)
	case d.Types != nil && len(d.Types) != d.Columns:
		return fmt.Errorf("%d feature types for %d columns", len(d.Types), d.Columns)
	case d.Label != nil && len(d.Label) != d.Rows:
		return fmt.Errorf("%d labels for %d rows", len(d.Label), d.Rows)
	case d.Query != nil && (len(d.Query) != d.Rows || !slices.IsSorted(d.Query)):
		return fmt.Errorf("%d numbers of queries for %d rows: want one for each row, in rising order", len(d.Query), d.Rows)
	case d.Weight != nil && len(d.Weight) != d.weighed():
		return fmt.Errorf("%d weights for %d rows%s", len(d.Weight), d.Rows, d.queries())
	}
	return nil
}

// queries says that there are some, and so how many weights there are to be.
func (d *Data) queries() string {
	if d.Query == nil {
		return ""
	}
	return fmt.Sprintf(" of %d queries, each of which has one weight", d.weighed())
}

// weighed is how many weights there are to be.
func (d *Data) weighed() int {
	if d.Query == nil {
		return d.Rows
	}
	return len(slices.Compact(slices.Clone(d.Query)))
}

// Matrix is a DMatrix. It has its own copy of the data. Close it.
type Matrix struct {
	library *Library
	handle  uintptr
	rows    int
	release func() // of what an external matrix was made from; else nil
}

// NewMatrix copies data into a DMatrix.
func (l *Library) NewMatrix(data Data) (*Matrix, error) {
	if err := data.check(); err != nil {
		return nil, fmt.Errorf("XGBoost: make a matrix: %w", err)
	}
	m := &Matrix{library: l, rows: data.Rows}
	config := fmt.Sprintf(`{"missing": NaN, "nthread": %d}`, data.Threads)
	err := l.withArray(data.Values, []int{data.Rows, data.Columns}, func(array string) error {
		return l.call("make a matrix", func() int32 { return l.matrixNew(array, config, &m.handle) })
	})
	if err != nil {
		return nil, err
	}
	if err := m.describe(&data); err != nil {
		m.Close()
		return nil, err
	}
	return m, nil
}

// describe sets labels, weights, queries and types.
func (m *Matrix) describe(data *Data) error {
	for _, field := range []struct {
		name   string
		values []float32
	}{{"label", data.Label}, {"qid", data.Query}, {"weight", data.Weight}} {
		if field.values == nil {
			continue
		}
		err := m.library.withArray(field.values, []int{len(field.values)}, func(array string) error {
			return m.library.call("set the "+field.name, func() int32 {
				return m.library.matrixInfo(m.handle, field.name, array)
			})
		})
		if err != nil {
			return err
		}
	}
	if data.Types == nil {
		return nil
	}
	return withTexts(data.Types, func(texts unsafe.Pointer) error {
		return m.library.call("set the feature types", func() int32 {
			return m.library.matrixTypes(m.handle, "feature_type", texts, uint64(len(data.Types)))
		})
	})
}

// Rows is how many rows the matrix has.
func (m *Matrix) Rows() int { return m.rows }

// Close frees the matrix; a second call does nothing.
func (m *Matrix) Close() {
	if m.handle != 0 {
		m.library.matrixFree(m.handle)
		m.handle = 0
	}
	m.drop()
}

// drop lets go of what the matrix was made from.
func (m *Matrix) drop() {
	if m.release != nil {
		m.release()
		m.release = nil
	}
}

// withArray calls f with values described in NumPy's array interface, and keeps
// them where they are until f returns.
func (l *Library) withArray(values []float32, shape []int, f func(array string) error) error {
	var pin runtime.Pinner
	defer pin.Unpin()
	pin.Pin(&values[0])
	sizes := strings.Join(strings.Fields(fmt.Sprint(shape)), ",") // "[2,3]"
	return f(fmt.Sprintf(`{"data":[%d,true],"shape":%s,"typestr":"<f4","version":3}`,
		uintptr(unsafe.Pointer(&values[0])), sizes))
}

// withTexts calls f with a C array of C strings.
func withTexts(texts []string, f func(unsafe.Pointer) error) error {
	var pin runtime.Pinner
	defer pin.Unpin()
	pointers := make([]*byte, len(texts))
	for i, text := range texts {
		bytes := append([]byte(text), 0)
		pointers[i] = &bytes[0]
		pin.Pin(pointers[i])
	}
	pin.Pin(&pointers[0])
	return f(unsafe.Pointer(&pointers[0]))
}
