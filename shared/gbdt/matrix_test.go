package gbdt

import (
	"archive/zip"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// matrix is what scripts/golden/gbdt_matrix.py made: models of nine versions
// of XGBoost and what 3.2.0 predicts with each.
type matrix struct {
	XGBoost string                  `json:"xgboost"`
	Rows    int                     `json:"rows"`
	RowsSum string                  `json:"rows_sha256"`
	Models  map[string]matrixResult `json:"models"`

	saved map[string][]byte
}

// matrixResult has the sums and first values of the margins, the predictions
// and, but for linear models, the margins of the first two rounds.
type matrixResult struct {
	Sums         []string `json:"sha256"`
	First        []string `json:"first"`
	WriterAgrees bool     `json:"writer_agrees"`
}

func loadMatrix(t testing.TB) *matrix {
	t.Helper()
	archive, err := zip.OpenReader("testdata/matrix.zip")
	require.NoError(t, err)
	defer archive.Close()
	m := &matrix{saved: map[string][]byte{}}
	for _, entry := range archive.File {
		r, err := entry.Open()
		require.NoError(t, err)
		m.saved[entry.Name], err = io.ReadAll(r)
		require.NoError(t, err)
	}
	require.NoError(t, json.Unmarshal(m.saved["expected.json"], m))
	delete(m.saved, "expected.json")
	require.Len(t, m.saved, len(m.Models))
	return m
}

const matrixFeatures = 10

// splitMix is the SplitMix64 generator's number at a place of its sequence.
func splitMix(place uint64) uint64 {
	z := place * 0x9e3779b97f4a7c15
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

// matrixRows makes the rows that the script's rows(1, n) makes.
func matrixRows(n int) []float32 {
	strange := [8]float32{-3e38, 3e38, 1e-45, -1e-45, float32(math.Copysign(0, -1)), 0, 3.7, 16777215}
	values := make([]float32, n*matrixFeatures)
	for i := range values {
		h := splitMix(1<<32 + uint64(i) + 1)
		switch {
		case i/matrixFeatures%64 == 63:
			values[i] = strange[h>>61]
		case h%1024 < 102:
			values[i] = float32(math.NaN())
		default:
			values[i] = matrixValue(i%matrixFeatures, h)
		}
	}
	return values
}

func matrixValue(feature int, h uint64) float32 {
	part := func(bits int) int { return int(h >> 24 & (1<<bits - 1)) }
	switch feature {
	case 3:
		return float32(part(32) % 5)
	case 4:
		return float32(part(20) - 1<<19)
	case 5:
		return float32(part(32) % 12)
	case 6:
		return float32(part(32) % 56)
	case 7:
		return float32(part(3) - 4)
	case 8:
		return float32(part(32) % 300)
	case 9:
		return float32(math.Ldexp(float64(part(10)+1024), int(h>>58)-42))
	}
	return float32(part(12)-2048) / 512
}

func sumOf(values []float32) string {
	sum := sha256.New()
	buffer := make([]byte, 0, 4*len(values))
	for _, v := range values {
		buffer = appendBits(buffer, v)
	}
	sum.Write(buffer)
	return hex.EncodeToString(sum.Sum(nil))
}

func appendBits(to []byte, v float32) []byte {
	bits := math.Float32bits(v)
	return append(to, byte(bits), byte(bits>>8), byte(bits>>16), byte(bits>>24))
}

// requireSum fails with the first values, which say more than sums do.
func requireSum(t *testing.T, what string, result *matrixResult, index int, got []float32) {
	t.Helper()
	if sumOf(got) == result.Sums[index] {
		return
	}
	first, err := hex.DecodeString(result.First[index])
	require.NoError(t, err)
	t.Errorf("%s: the sum is not XGBoost's; the first values are %v, XGBoost's %v", what, got[:len(first)/4], float32s(first))
}

func TestTheMatrixOfModelsGivesXGBoostsBits(t *testing.T) {
	m := loadMatrix(t)
	rows := matrixRows(m.Rows)
	require.Equal(t, m.RowsSum, sumOf(rows), "the rows are the script's")
	require.GreaterOrEqual(t, len(m.Models), 370)
	for name, result := range m.Models {
		t.Run(name, func(t *testing.T) {
			model, err := Load(m.saved[name])
			require.NoError(t, err)
			checkMatrixModel(t, model, rows, &result)
		})
	}
}

func checkMatrixModel(t *testing.T, model *Model, rows []float32, result *matrixResult) {
	n := len(rows) / matrixFeatures
	margins := make([]float32, n*model.Groups())
	model.Margins(rows, margins)
	requireSum(t, "margins", result, 0, margins)
	batch := make([]float32, n*model.Outputs())
	model.PredictBatch(rows, batch)
	requireSum(t, "predictions", result, 1, batch)
	single := make([]float32, len(batch))
	for i := range n {
		model.Predict(rows[i*matrixFeatures:][:matrixFeatures], single[i*model.Outputs():][:model.Outputs()])
	}
	requireSameBits(t, "row by row", batch, single)
	if len(result.Sums) < 3 {
		return
	}
	head, err := model.Slice(0, 2)
	if old := model.Version(); old[0] == 1 && old[1] < 6 {
		require.ErrorContains(t, err, "its file does not say how many trees a round has")
		return
	}
	require.NoError(t, err)
	head.Margins(rows, margins)
	requireSum(t, "margins of two rounds", result, 2, margins)
}

// TestTheMatrixCoversTheFeatures keeps the archive as wide as it is said to be.
func TestTheMatrixCoversTheFeatures(t *testing.T) {
	m := loadMatrix(t)
	versions, objectives := map[string]int{}, map[string]int{}
	for name, data := range m.saved {
		model, err := Load(data)
		require.NoError(t, err, name)
		version, _, _ := strings.Cut(name, "/")
		versions[version]++
		objectives[model.Objective()]++
	}
	require.GreaterOrEqual(t, len(versions), 9, "versions: %v", versions)
	for _, objective := range []string{"binary:logistic", "binary:logitraw", "binary:hinge", "reg:logistic", "reg:squarederror",
		"reg:squaredlogerror", "reg:pseudohubererror", "reg:absoluteerror", "reg:quantileerror", "reg:gamma", "reg:tweedie",
		"count:poisson", "survival:cox", "survival:aft", "multi:softprob", "multi:softmax", "rank:pairwise", "rank:ndcg", "rank:map"} {
		require.Positive(t, objectives[objective], objective)
	}
}
