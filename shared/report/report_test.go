package report

import (
	"encoding/xml"
	"errors"
	"io"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func full() Data {
	at := time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)
	return Data{
		Model: "adult-income", Run: "adult-income-2", Environment: "production", Status: "rolled_back",
		Reason: `<script>alert("x")</script>`, Version: 2, Started: at, Finished: at.Add(time.Minute), Rows: 10,
		Phases:   []Phase{{"Train", at, 20 * time.Second}, {"Gates", at.Add(20 * time.Second), 0}},
		Findings: []Finding{{"age", "null ratio", "0.33", "0.05", "fail", "too many empty"}},
		Verdicts: []Verdict{{Gate: "performance", Verdict: "pass", Measurements: []Measurement{{Name: "auc_roc", Value: 0.92, Low: math.NaN(), High: math.Inf(1), Limit: "≥ 0.9"}}}},
		ROC:      []Curve{{"candidate", []float64{0, 0.1, 1}, []float64{0, 0.8, 1}}},
		Steps: []Step{
			{At: at, Weight: 10, Candidate: Side{Requests: 5, ErrorRate: 0.5, P99MS: 900, Accuracy: math.NaN()}, Verdict: "advance"},
			{At: at.Add(10 * time.Second), Weight: 0, Candidate: Side{ErrorRate: math.NaN()}, Verdict: "rollback"},
		},
		Traffic: []Traffic{{"blue", 10, 1}},
		Costs:   []Cost{{"Lambda", 1, "GB-s", 0.00002}, {"S3", 2, "requests", 0.00001}},
	}
}

func TestPageIsWellFormedAndEscapes(t *testing.T) {
	for _, d := range []Data{full(), {}} {
		var b strings.Builder
		require.NoError(t, Render(&b, d))
		require.NotContains(t, b.String(), "<script>")
		require.NotContains(t, b.String(), "NaN")
		decoder := xml.NewDecoder(strings.NewReader(b.String()))
		decoder.Strict = false
		decoder.AutoClose = []string{"meta"}
		for {
			_, err := decoder.Token()
			if errors.Is(err, io.EOF) {
				break
			}
			require.NoError(t, err)
		}
	}
}

func TestTotalAddsUp(t *testing.T) {
	require.InDelta(t, 0.00003, full().Total(), 1e-12)
	require.Equal(t, time.Minute, full().Elapsed())
}
