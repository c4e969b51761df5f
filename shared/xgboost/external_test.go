package xgboost_test

import (
	"errors"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sluice-ml/sluice/shared/xgboost"
	"github.com/sluice-ml/sluice/shared/xgboost/xgboosttest"
)

// parts gives a matrix in parts of so many rows.
type parts struct {
	data xgboost.Data
	size int
	at   int
	fail error
}

func (p *parts) Reset() error { p.at = 0; return nil }

func (p *parts) Next() (xgboost.Data, bool, error) {
	if p.at >= p.data.Rows {
		return xgboost.Data{}, false, p.fail
	}
	begin, end := p.at, min(p.at+p.size, p.data.Rows)
	p.at = end
	out := p.data
	out.Rows = end - begin
	out.Values = p.data.Values[begin*p.data.Columns : end*p.data.Columns]
	out.Label = p.data.Label[begin:end]
	if p.data.Weight != nil {
		out.Weight = p.data.Weight[begin:end]
	}
	return out, true, nil
}

func made(rows int) xgboost.Data {
	random := rand.New(rand.NewPCG(1, 9))
	d := xgboost.Data{Rows: rows, Columns: 5, Types: []string{"q", "q", "q", "q", "c"}, Threads: 2}
	for range rows {
		label := float32(0)
		x := []float32{random.Float32(), random.Float32(), float32(random.IntN(40)), float32(random.NormFloat64()), float32(random.IntN(6))}
		if float64(x[0])+float64(x[2])/40+random.NormFloat64()/4+float64(int(x[4])%2)/2 > 1.2 {
			label = 1
		}
		if random.IntN(20) == 0 {
			x[1] = float32(math.NaN())
		}
		d.Values, d.Label, d.Weight = append(d.Values, x...), append(d.Label, label), append(d.Weight, random.Float32())
	}
	return d
}

func learn(t *testing.T, l *xgboost.Library, m *xgboost.Matrix) (*xgboost.Booster, []byte) {
	t.Helper()
	var params []xgboost.Param
	for name, value := range map[string]string{"objective": "binary:logistic", "max_depth": "4", "nthread": "2", "seed": "3", "eval_metric": "auc"} {
		params = append(params, xgboost.Param{Name: name, Value: value})
	}
	booster, err := l.NewBooster(params, m)
	require.NoError(t, err)
	t.Cleanup(booster.Close)
	for round := range 8 {
		require.NoError(t, booster.Update(round, m))
	}
	saved, err := booster.Save("ubj")
	require.NoError(t, err)
	return booster, saved
}

func TestAnExternalMatrixTrainsTheSameModel(t *testing.T) {
	l := xgboosttest.Open(t)
	data := made(6000)
	whole, err := l.NewMatrix(data)
	require.NoError(t, err)
	defer whole.Close()
	inMemory, want := learn(t, l, whole)
	folder := t.TempDir()
	external, err := l.NewExternalMatrix(&parts{data: data, size: 1000}, xgboost.External{Cache: filepath.Join(folder, "train"), Threads: 2})
	require.NoError(t, err)
	require.Equal(t, 6000, external.Rows())
	files, err := os.ReadDir(folder)
	require.NoError(t, err)
	require.NotEmpty(t, files, "it lies on disk")
	booster, got := learn(t, l, external)
	t.Logf("the same bytes: %v", string(want) == string(got))
	p, err := inMemory.Predict(whole, false)
	require.NoError(t, err)
	q, err := booster.Predict(whole, false)
	require.NoError(t, err)
	for i := range p {
		require.InDelta(t, p[i], q[i], 0.02)
	}
	held, err := l.NewExternalMatrix(&parts{data: data, size: 700}, xgboost.External{Cache: filepath.Join(folder, "held"), Threads: 2, Ref: external})
	require.NoError(t, err)
	paged, err := booster.Predict(held, false)
	require.NoError(t, err)
	require.Equal(t, q, paged, "rows in bins fall into the same leaves")
	a, err := booster.Eval(7, whole)
	require.NoError(t, err)
	b, err := booster.Eval(7, held)
	require.NoError(t, err)
	require.InDelta(t, a, b, 1e-7)
	held.Close()
	external.Close()
	external.Close()
	files, err = os.ReadDir(folder)
	require.NoError(t, err)
	require.Empty(t, files, "its files go with it")
}

// TestPagedRowsKeepTheirCategories: rows of a category that the trained matrix
// lacks are predicted and evaluated from disk as from memory.
func TestPagedRowsKeepTheirCategories(t *testing.T) {
	l := xgboosttest.Open(t)
	data := made(4000)
	train, err := l.NewExternalMatrix(&parts{data: data, size: 1000}, xgboost.External{Cache: filepath.Join(t.TempDir(), "train"), Threads: 2})
	require.NoError(t, err)
	defer train.Close()
	booster, _ := learn(t, l, train)
	unseen := made(4000)
	for i := 4; i < len(unseen.Values); i += 15 {
		unseen.Values[i] = float32(6 + i%3) // training rows have 0 to 5
	}
	whole, err := l.NewMatrix(unseen)
	require.NoError(t, err)
	defer whole.Close()
	want, err := booster.Predict(whole, false)
	require.NoError(t, err)
	folder := t.TempDir()
	paged, err := l.NewPagedMatrix(&parts{data: unseen, size: 700}, filepath.Join(folder, "held"), 2)
	require.NoError(t, err)
	require.Equal(t, 4000, paged.Rows())
	files, err := os.ReadDir(folder)
	require.NoError(t, err)
	require.NotEmpty(t, files, "it lies on disk")
	got, err := booster.Predict(paged, false)
	require.NoError(t, err)
	require.Equal(t, want, got)
	a, err := booster.Eval(7, whole)
	require.NoError(t, err)
	b, err := booster.Eval(7, paged)
	require.NoError(t, err)
	require.InDelta(t, a, b, 0)
	paged.Close()
	files, err = os.ReadDir(folder)
	require.NoError(t, err)
	require.Empty(t, files, "its files go with it")
}

func TestAnExternalMatrixTellsWhatItsBatchesSay(t *testing.T) {
	l := xgboosttest.Open(t)
	lost := errors.New("the disk is gone")
	_, err := l.NewExternalMatrix(&parts{data: made(100), size: 40, fail: lost}, xgboost.External{Cache: filepath.Join(t.TempDir(), "x")})
	require.ErrorIs(t, err, lost)
	short := made(100)
	short.Types = short.Types[:2]
	_, err = l.NewExternalMatrix(&parts{data: short, size: 40}, xgboost.External{Cache: filepath.Join(t.TempDir(), "x")})
	require.ErrorContains(t, err, "2 feature types for 5 columns")
	_, err = l.NewExternalMatrix(&parts{data: xgboost.Data{}}, xgboost.External{Cache: filepath.Join(t.TempDir(), "x")})
	require.Error(t, err)
}
