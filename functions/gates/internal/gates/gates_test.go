package gates

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sluice-ml/sluice/shared/aws/runstore/runtest"
	"github.com/sluice-ml/sluice/shared/aws/s3store/s3test"
	"github.com/sluice-ml/sluice/shared/contract"
	"github.com/sluice-ml/sluice/shared/fault"
	"github.com/sluice-ml/sluice/shared/judging"
	"github.com/sluice-ml/sluice/shared/predictions"
	"github.com/sluice-ml/sluice/shared/profile"
	"github.com/sluice-ml/sluice/shared/table"
	"github.com/sluice-ml/sluice/shared/trainconfig"
)

func TestMain(m *testing.M) { s3test.Main(m) }

const config = `experiment: {name: m}
data: {target: y}
evaluation:
  thresholds: {auc_roc: 0.8}
  fairness: {protected_attributes: [sex]}
  robustness: {noise: [0.1], draws: 2}
  latency: {p99: 1s}
`

func all() []Gate {
	return []Gate{Performance(), Fairness(), Robustness(), DataQuality(), Champion(), Latency()}
}

// evaluated writes what the evaluator and validate leave of a good candidate.
func evaluated(t *testing.T, b *runtest.Bench, in contract.StepInput) {
	r := rand.New(rand.NewPCG(1, 2))
	set := predictions.Set{Attributes: map[string][]string{"sex": nil}}
	var disturbed [2][]float64
	csv := "x,sex,y\n"
	for i := range 3000 {
		label := float64(i % 2)
		score := 1 / (1 + math.Exp(-(r.NormFloat64() + 2*label - 1)))
		set.RowID, set.Label, set.Score = append(set.RowID, fmt.Sprint("k#", i)), append(set.Label, label), append(set.Score, score)
		set.Champion = append(set.Champion, min(1, max(0, score+0.05*r.NormFloat64())))
		set.Attributes["sex"] = append(set.Attributes["sex"], []string{"Female", "Male"}[r.IntN(2)])
		for d := range disturbed {
			disturbed[d] = append(disturbed[d], min(1, max(0, score+0.01*r.NormFloat64())))
		}
		csv += fmt.Sprintf("%d,%s,%v\n", i%50, set.Attributes["sex"][i], label)
	}
	var scored, perturbed bytes.Buffer
	require.NoError(t, predictions.Write(&scored, set))
	require.NoError(t, predictions.WritePerturbed(&perturbed, set.RowID, []predictions.Perturbed{
		{Noise: 0.1, Draw: 0, Score: disturbed[0]}, {Noise: 0.1, Draw: 1, Score: disturbed[1]}}))
	b.Write(in.Run, contract.FilePredictions, scored.Bytes())
	b.Write(in.Run, contract.FilePerturbed, perturbed.Bytes())
	write(t, b, in.Run, contract.FileLatency, contract.Latency{Requests: 1000, BoundsMS: []float64{10, 100}, Counts: []int64{900, 100, 0}, P99MS: 50, MaxMS: 90})

	tab, err := table.Read(t.Context(), "a.csv", strings.NewReader(csv), int64(len(csv)), table.Options{})
	require.NoError(t, err)
	var plan contract.Plan
	b.ReadJSON(in.Plan, &plan)
	write(t, b, in.Run, contract.FileProfile, profile.Of(tab, b.Config))
	write(t, b, in.Run, contract.FileValidation, profile.Report{Commit: plan.Dataset.Commit, Rows: 3000, Verdict: "pass"})
}

func write(t *testing.T, b *runtest.Bench, run, name string, v any) {
	body, err := json.Marshal(v)
	require.NoError(t, err)
	b.Write(run, name, body)
}

func TestEveryGateReadsJudgesAndWrites(t *testing.T) {
	b := runtest.New(t, config)
	in := b.Run("m-1", func(p *contract.Plan) { p.Champion = &contract.Version{Model: "m", Version: 1} }, b.Upload("raw/m/a.csv", "x,y\n1,0\n"))
	evaluated(t, b, in)
	for i, g := range all() {
		require.Equal(t, trainconfig.Gates()[i], g.Name)
		in.Gate = g.Name
		h := Handler{g, b.Store, b.Bucket}
		got, err := h.Handle(t.Context(), in)
		require.NoError(t, err, g.Name)
		require.Equal(t, contract.VerdictSummary{Gate: g.Name, Verdict: "pass", Reasons: []string{},
			URI: "s3://" + b.Bucket + "/runs/m/m-1/verdicts/" + g.Name + ".json"}, got)
		var kept judging.Kept
		b.ReadJSON(got.URI, &kept)
		require.Equal(t, "sealed", kept.PlanHash)
		require.Equal(t, g.Name, kept.Gate)
		require.NotEmpty(t, kept.Measurements)
		first, _, err := b.Store.GetURI(t.Context(), got.URI)
		require.NoError(t, err)
		_, err = h.Handle(t.Context(), in)
		require.NoError(t, err)
		second, _, err := b.Store.GetURI(t.Context(), got.URI)
		require.NoError(t, err)
		require.Equal(t, string(first), string(second), g.Name)
	}
}

func TestMissingAndBrokenMeasurementsAreInsufficient(t *testing.T) {
	b := runtest.New(t, config)
	in := b.Run("m-1", func(p *contract.Plan) { p.Champion = &contract.Version{} }, b.Upload("raw/m/a.csv", "x,y\n1,0\n"))
	judge := func(want string) {
		t.Helper()
		for _, g := range all() {
			got, err := Handler{g, b.Store, b.Bucket}.Handle(t.Context(), in)
			require.NoError(t, err, g.Name)
			require.Equal(t, "insufficient", got.Verdict, g.Name)
			require.Contains(t, got.Reasons[0], want, g.Name)
		}
	}
	judge("runs/m/m-1/")
	for _, name := range []string{contract.FilePredictions, contract.FilePerturbed, contract.FileLatency, contract.FileProfile, contract.FileValidation} {
		b.Write("m-1", name, []byte("not what it should be"))
	}
	judge("read")
}

func TestTheFirstModelHasNoChampion(t *testing.T) {
	b := runtest.New(t, config)
	in := b.Run("m-1", nil, b.Upload("raw/m/a.csv", "x,y\n1,0\n"))
	got, err := Handler{Champion(), b.Store, b.Bucket}.Handle(t.Context(), in)
	require.NoError(t, err)
	require.Equal(t, "pass", got.Verdict)
	require.Equal(t, []string{"no champion yet"}, got.Reasons)
}

func TestWrongInputsAreErrors(t *testing.T) {
	b := runtest.New(t, config)
	in := b.Run("m-1", nil, b.Upload("raw/m/a.csv", "x,y\n1,0\n"))
	h := Handler{Performance(), b.Store, b.Bucket}
	in.Gate = "fairness"
	_, err := h.Handle(t.Context(), in)
	require.ErrorContains(t, err, `this is the gate performance, the input asks for "fairness"`)
	in.Gate, in.Plan = "", ""
	_, err = h.Handle(t.Context(), in)
	require.True(t, fault.Is(err, fault.Invalid), "%v", err)
}
