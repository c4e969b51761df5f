package gbdt_test

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"io"
	"math"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sluice-ml/sluice/shared/gbdt"
	"github.com/sluice-ml/sluice/shared/model"
	"github.com/sluice-ml/sluice/shared/rows"
	"github.com/sluice-ml/sluice/shared/rows/rowstest"
	"github.com/sluice-ml/sluice/shared/trainconfig"
	"github.com/sluice-ml/sluice/shared/xgboost"
	"github.com/sluice-ml/sluice/shared/xgboost/xgboosttest"
)

// adult is the model that scripts/golden/adult_auc.py trained, and all 48,842
// rows as vectors: the two parts, then the holdout.
type adult struct {
	XGBoost     string        `json:"xgboost"`
	Rows        int           `json:"rows"`
	Schema      *model.Schema `json:"schema"`
	Margins     string        `json:"margins_sha256"`
	Predictions string        `json:"predictions_sha256"`

	saved  []byte
	model  *gbdt.Model
	values []float32
}

func loadAdult(t testing.TB) *adult {
	t.Helper()
	a := new(adult)
	data, err := os.ReadFile("testdata/adult.json")
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(data, a))
	require.NoError(t, a.Schema.Prepare())
	zipped, err := os.ReadFile("testdata/adult.ubj.gz")
	require.NoError(t, err)
	z, err := gzip.NewReader(bytes.NewReader(zipped))
	require.NoError(t, err)
	a.saved, err = io.ReadAll(z)
	require.NoError(t, err)
	a.model, err = gbdt.Load(a.saved)
	require.NoError(t, err)
	for _, names := range [][]string{{"part-0.csv.gz", "part-1.csv.gz"}, {"holdout.csv.gz"}} {
		a.encode(t, rowstest.Adult(t, names...))
	}
	require.Len(t, a.values, a.Rows*a.model.Features())
	return a
}

// encode appends the objects' rows, cell by cell as text: the server's way.
func (a *adult) encode(t testing.TB, objects rowstest.Objects) {
	t.Helper()
	set, err := rows.Read(t.Context(), objects.Open, objects.List(), trainconfig.Data{Target: "income"}, 1)
	require.NoError(t, err)
	for row := range set.Table.Rows() {
		for f, feature := range a.Schema.Features {
			column, ok := set.Table.Column(feature.Name)
			require.True(t, ok)
			value, err := a.Schema.EncodeText(f, column.Original(row))
			require.NoError(t, err)
			a.values = append(a.values, value)
		}
	}
}

func sum(values []float32) string {
	hash := sha256.New()
	for _, v := range values {
		hash.Write(binary.LittleEndian.AppendUint32(nil, math.Float32bits(v)))
	}
	return hex.EncodeToString(hash.Sum(nil))
}

func TestEveryAdultRowGetsXGBoostsBits(t *testing.T) {
	a := loadAdult(t)
	require.Equal(t, 48842, a.Rows)
	out := make([]float32, a.Rows)
	a.model.Margins(a.values, out)
	require.Equal(t, a.Margins, sum(out), "margins")
	a.model.PredictBatch(a.values, out)
	require.Equal(t, a.Predictions, sum(out), "predictions")
}

func TestEveryAdultRowAgreesWithTheLibrary(t *testing.T) {
	a := loadAdult(t)
	library := xgboosttest.Open(t)
	booster, matrix := a.inLibrary(t, library, a.Rows)
	want, err := booster.Predict(matrix, true)
	require.NoError(t, err)
	out := make([]float32, a.Rows)
	a.model.Margins(a.values, out)
	require.Equal(t, want, out)
}

func (a *adult) inLibrary(t testing.TB, library *xgboost.Library, n int) (*xgboost.Booster, *xgboost.Matrix) {
	t.Helper()
	booster, err := library.LoadBooster(a.saved)
	require.NoError(t, err)
	t.Cleanup(booster.Close)
	require.NoError(t, booster.Set(xgboost.Param{Name: "nthread", Value: "1"}))
	width := a.model.Features()
	matrix, err := library.NewMatrix(xgboost.Data{Rows: n, Columns: width, Values: a.values[:n*width], Types: a.Schema.Types(), Threads: 1})
	require.NoError(t, err)
	t.Cleanup(matrix.Close)
	return booster, matrix
}

func BenchmarkPredictOneRow(b *testing.B) {
	a := loadAdult(b)
	width := a.model.Features()
	out := make([]float32, 1)
	for i := 0; b.Loop(); i++ {
		row := i % 10000 * width
		a.model.Predict(a.values[row:row+width], out)
	}
}

func BenchmarkPredict10000Rows(b *testing.B) {
	a := loadAdult(b)
	values := a.values[:10000*a.model.Features()]
	out := make([]float32, 10000)
	for b.Loop() {
		a.model.PredictBatch(values, out)
	}
}

// The library's predictions are by one thread, with the call through the C
// API. Each is of a new DMatrix, whose making is not counted: of one that it
// has seen, the library gives the predictions that it kept.
func BenchmarkLibraryOneRow(b *testing.B)    { benchmarkLibrary(b, 1) }
func BenchmarkLibrary10000Rows(b *testing.B) { benchmarkLibrary(b, 10000) }

func benchmarkLibrary(b *testing.B, n int) {
	a := loadAdult(b)
	library := xgboosttest.Open(b)
	booster, _ := a.inLibrary(b, library, 1)
	width := a.model.Features()
	for b.Loop() {
		b.StopTimer()
		matrix, err := library.NewMatrix(xgboost.Data{Rows: n, Columns: width, Values: a.values[:n*width], Types: a.Schema.Types(), Threads: 1})
		if err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
		if _, err := booster.Predict(matrix, false); err != nil {
			b.Fatal(err)
		}
		matrix.Close()
	}
}

// BenchmarkLibraryOneRowWithMatrix counts the making of the DMatrix in, as
// whoever serves single rows with the library must.
func BenchmarkLibraryOneRowWithMatrix(b *testing.B) {
	a := loadAdult(b)
	library := xgboosttest.Open(b)
	booster, _ := a.inLibrary(b, library, 1)
	width := a.model.Features()
	for i := 0; b.Loop(); i++ {
		row := i % 10000 * width
		matrix, err := library.NewMatrix(xgboost.Data{Rows: 1, Columns: width, Values: a.values[row : row+width], Types: a.Schema.Types(), Threads: 1})
		if err != nil {
			b.Fatal(err)
		}
		if _, err := booster.Predict(matrix, false); err != nil {
			b.Fatal(err)
		}
		matrix.Close()
	}
}

func BenchmarkLoad(b *testing.B) {
	a := loadAdult(b)
	b.SetBytes(int64(len(a.saved)))
	for b.Loop() {
		if _, err := gbdt.Load(a.saved); err != nil {
			b.Fatal(err)
		}
	}
}
