package judging

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sluice-ml/sluice/shared/contract"
	"github.com/sluice-ml/sluice/shared/fault"
	"github.com/sluice-ml/sluice/shared/predictions"
	"github.com/sluice-ml/sluice/shared/profile"
	"github.com/sluice-ml/sluice/shared/trainconfig"
)

// files are what an evaluation leaves behind.
func files(t *testing.T) map[string][]byte {
	r := rand.New(rand.NewPCG(1, 2))
	set := predictions.Set{Attributes: map[string][]string{}}
	for i := range 400 {
		label := float64(i % 2)
		set.RowID = append(set.RowID, fmt.Sprintf("k#%d", i))
		set.Label = append(set.Label, label)
		set.Score = append(set.Score, 1/(1+math.Exp(-r.NormFloat64()-label)))
		set.Champion = append(set.Champion, r.Float64())
		set.Attributes["sex"] = append(set.Attributes["sex"], []string{"a", "b"}[r.IntN(2)])
	}
	var scores, perturbed bytes.Buffer
	require.NoError(t, predictions.Write(&scores, set))
	require.NoError(t, predictions.WritePerturbed(&perturbed, set.RowID, []predictions.Perturbed{{Noise: 0.1, Score: set.Score}}))
	encode := func(v any) []byte {
		body, err := json.Marshal(v)
		require.NoError(t, err)
		return body
	}
	return map[string][]byte{contract.FilePredictions: scores.Bytes(), contract.FilePerturbed: perturbed.Bytes(),
		contract.FileLatency: encode(contract.Latency{}), contract.FileProfile: encode(profile.Profile{Format: profile.Format}), contract.FileValidation: encode(profile.Report{})}
}

// TestGatesReadWhatDecisionsBind runs every gate on a full run: together they
// read just the files that the decision binds.
func TestGatesReadWhatDecisionsBind(t *testing.T) {
	config, err := trainconfig.Parse("train.yaml", []byte("experiment: {name: m}\ndata: {target: y}\nevaluation: {thresholds: {auc_roc: 0.5}, fairness: {protected_attributes: [sex]}, robustness: {noise: [0.1]}}\n"))
	require.NoError(t, err)
	all, read := files(t), map[string]bool{}
	run := Run{Plan: contract.Plan{Run: "m-1", Champion: &contract.Version{Version: 1}}, Config: config, Read: func(_ context.Context, name string) ([]byte, error) {
		read[name] = true
		return all[name], nil
	}}
	for _, name := range trainconfig.Gates() {
		v, err := Judge(t.Context(), name, run)
		require.NoError(t, err, name)
		require.Equal(t, name, v.Gate)
	}
	for _, name := range Files() {
		require.True(t, read[name], "no gate reads %s", name)
	}
	require.Len(t, read, len(Files()))
	require.True(t, slices.IsSorted(Files()))

	_, err = Judge(t.Context(), "luck", run)
	require.Equal(t, fault.Invalid, fault.KindOf(err))
}
