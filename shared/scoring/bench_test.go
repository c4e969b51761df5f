package scoring

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"io"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluice-ml/sluice/shared/model"
	"github.com/sluice-ml/sluice/shared/split"
)

// adultModel packs the model that scripts/golden/adult_auc.py trained.
func adultModel(b *testing.B) []byte {
	b.Helper()
	var golden struct{ Schema *model.Schema }
	data, err := os.ReadFile("../gbdt/testdata/adult.json")
	require.NoError(b, err)
	require.NoError(b, json.Unmarshal(data, &golden))
	require.NoError(b, golden.Schema.Prepare())
	zipped, err := os.ReadFile("../gbdt/testdata/adult.ubj.gz")
	require.NoError(b, err)
	z, err := gzip.NewReader(bytes.NewReader(zipped))
	require.NoError(b, err)
	trees, err := io.ReadAll(z)
	require.NoError(b, err)
	archive, err := model.Pack(golden.Schema, trees)
	require.NoError(b, err)
	return archive
}

// BenchmarkServer times requests to the real server's process, over loopback.
func BenchmarkServer(b *testing.B) {
	c := config(b)
	set := holdout(b, c)
	begin := time.Now()
	in, s, err := evaluator(b).serve(b.Context(), set, set.On(split.Test), adultModel(b))
	require.NoError(b, err)
	defer s.stop()
	b.Logf("from artefact to the first /ping: %v", time.Since(begin))
	b.Run("single rows", func(b *testing.B) {
		for b.Loop() {
			l, err := in.latency(b.Context(), s, time.Now)
			require.NoError(b, err)
			b.ReportMetric(l.P50MS, "p50-ms")
			b.ReportMetric(l.P99MS, "p99-ms")
		}
	})
	b.Run("batches of 500", func(b *testing.B) {
		for b.Loop() {
			_, err := in.score(b.Context(), s, noise{})
			require.NoError(b, err)
		}
		b.ReportMetric(float64(b.N*len(in.rows))/b.Elapsed().Seconds(), "rows/s")
	})
}
