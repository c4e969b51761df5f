package evaluation

import (
	"encoding/binary"
	"math"
	"math/rand/v2"
	"os"
	"syscall"
	"testing"
)

// The rows of BenchmarkDeLong10M are written to this file, where its variable
// names one: scores, then labels, as little-endian float64. scripts/bench.sh
// lets scikit-learn measure the same rows.
const peerRows = "SLUICE_PEER_ROWS"

func BenchmarkDeLong10k(b *testing.B) {
	s := noisy(10_000, 1)
	for b.Loop() {
		if _, err := DeLong(s.Label, s.Score); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkDeLong10M is the AUC with its interval at 10⁷ rows, on as many cores
// as GOMAXPROCS says. Scores are sigmoids, as a model's are.
func BenchmarkDeLong10M(b *testing.B) {
	s := tenMillion()
	if path := os.Getenv(peerRows); path != "" {
		writePeerRows(b, path, s)
	}
	var low, high float64
	var a AUC
	before, rounds := processorTime(b), 0
	for b.Loop() {
		rounds++
		var err error
		if a, err = DeLong(s.Label, s.Score); err != nil {
			b.Fatal(err)
		}
		low, high = a.Logit(0.95)
	}
	b.ReportMetric((processorTime(b)-before)/float64(rounds), "cpu-s/op")
	b.Logf("AUC %.12f, %.12f to %.12f", a.Value, low, high)
}

// processorTime is what this process has used of all cores, in seconds: on a
// busy machine the clock on the wall tells little.
func processorTime(b *testing.B) float64 {
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		b.Fatal(err)
	}
	return float64(used.Utime.Nano()+used.Stime.Nano()) / 1e9
}

func tenMillion() Sample {
	const n = 10_000_000
	r := rand.New(rand.NewPCG(1, 7))
	s := Sample{Label: make([]float64, n), Score: make([]float64, n)}
	for i := range n {
		if r.Float64() < 0.3 {
			s.Label[i] = 1
		}
		s.Score[i] = 1 / (1 + math.Exp(-(r.NormFloat64() + 1.2*s.Label[i] - 1)))
	}
	return s
}

func writePeerRows(b *testing.B, path string, s Sample) {
	if _, err := os.Stat(path); err == nil {
		return
	}
	out := make([]byte, 0, 16*len(s.Score))
	for _, column := range [][]float64{s.Score, s.Label} {
		for _, v := range column {
			out = binary.LittleEndian.AppendUint64(out, math.Float64bits(v))
		}
	}
	if err := os.WriteFile(path, out, 0o600); err != nil {
		b.Fatal(err)
	}
}

func BenchmarkBootstrapPRAUC10k(b *testing.B) {
	s := noisy(10_000, 1)
	for b.Loop() {
		if _, _, err := Bootstrap(MetricPRAUC, s, 0.95, Resampling{Draws: 1000, Seed: 1}); err != nil {
			b.Fatal(err)
		}
	}
}
