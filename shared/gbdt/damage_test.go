package gbdt

import (
	"bytes"
	"math/rand/v2"
	"testing"
)

// TestDamagedModelsGiveAnErrorOrAPrediction changes a few bytes of real files,
// cuts pieces out and repeats others.
func TestDamagedModelsGiveAnErrorOrAPrediction(t *testing.T) {
	random := rand.New(rand.NewPCG(5, 5))
	refused, taken := 0, 0
	for _, name := range []string{"partition.json", "wide-categories.ubj", "dart-softprob.json", "multi-softprob.ubj", "depth-9.ubj", "linear.ubj"} {
		whole := golden(t)[name]
		for range 60 {
			m, err := Load(damaged(random, whole))
			if err != nil {
				refused++
				continue
			}
			taken++
			if m.Features() > 1000 || m.Groups() > 1000 {
				continue
			}
			row := make([]float32, 3*m.Features())
			for i := range row {
				row[i] = float32(random.NormFloat64() * 10)
			}
			m.PredictBatch(row, make([]float32, 3*m.Outputs()))
			m.Predict(row[:m.Features()], make([]float32, m.Outputs()))
		}
	}
	if refused == 0 || taken == 0 {
		t.Fatalf("%d damaged files were refused and %d taken: want some of both", refused, taken)
	}
}

func damaged(random *rand.Rand, whole []byte) []byte {
	data := bytes.Clone(whole)
	for range 1 + random.IntN(4) {
		at := random.IntN(len(data) - 8)
		switch random.IntN(4) {
		case 0:
			data[at] = byte(random.Uint32())
		case 1:
			data[at] ^= 1 << random.IntN(8)
		case 2:
			data = append(data[:at], data[at+random.IntN(8):]...)
		case 3:
			piece := bytes.Clone(data[at : at+1+random.IntN(7)])
			data = append(data[:at], append(piece, data[at:]...)...)
		}
	}
	return data
}
