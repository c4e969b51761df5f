package gbdt

import (
	"archive/zip"
	"encoding/binary"
	"io"
	"math"
	"path"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// golden opens the archive that scripts/golden/gbdt_models.py makes.
func golden(t testing.TB) map[string][]byte {
	t.Helper()
	archive, err := zip.OpenReader("testdata/models.zip")
	require.NoError(t, err)
	defer archive.Close()
	files := map[string][]byte{}
	for _, entry := range archive.File {
		r, err := entry.Open()
		require.NoError(t, err)
		files[entry.Name], err = io.ReadAll(r)
		require.NoError(t, err)
	}
	return files
}

func float32s(data []byte) []float32 {
	values := make([]float32, len(data)/4)
	for i := range values {
		values[i] = math.Float32frombits(binary.LittleEndian.Uint32(data[4*i:]))
	}
	return values
}

// requireSameBits fails at the first of two lists' values that are not the
// same 32 bits.
func requireSameBits(t testing.TB, what string, want, got []float32) {
	t.Helper()
	require.Len(t, got, len(want), what)
	for i := range want {
		if math.Float32bits(want[i]) != math.Float32bits(got[i]) {
			t.Fatalf("%s %d is %v (%#x), but XGBoost's is %v (%#x)", what, i,
				got[i], math.Float32bits(got[i]), want[i], math.Float32bits(want[i]))
		}
	}
}

func TestGoldenModelsGiveXGBoostsBits(t *testing.T) {
	files := golden(t)
	rows := float32s(files["rows.f32"])
	models := 0
	for name, data := range files {
		form := path.Ext(name)
		if form != ".json" && form != ".ubj" {
			continue
		}
		models++
		base := strings.TrimSuffix(name, form)
		t.Run(base, func(t *testing.T) {
			m, err := Load(data)
			require.NoError(t, err)
			n := len(rows) / m.Features()
			margins := make([]float32, n*m.Groups())
			m.Margins(rows, margins)
			requireSameBits(t, "margin", float32s(files[base+".margin"]), margins)
			batch := make([]float32, n*m.Outputs())
			m.PredictBatch(rows, batch)
			requireSameBits(t, "prediction", float32s(files[base+".prediction"]), batch)
			single := make([]float32, len(batch))
			for i := range n {
				m.Predict(rows[i*m.Features():][:m.Features()], single[i*m.Outputs():][:m.Outputs()])
			}
			requireSameBits(t, "single prediction", batch, single)
		})
	}
	require.GreaterOrEqual(t, models, 60)
}
