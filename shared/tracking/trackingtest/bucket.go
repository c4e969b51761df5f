// Package trackingtest is a store bucket with finished runs, for tests of
// trackers.
package trackingtest

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluice-ml/sluice/shared/contract"
	"github.com/sluice-ml/sluice/shared/decision"
	"github.com/sluice-ml/sluice/shared/gate"
	"github.com/sluice-ml/sluice/shared/intake"
	"github.com/sluice-ml/sluice/shared/ref"
	"github.com/sluice-ml/sluice/shared/registry"
	"github.com/sluice-ml/sluice/shared/training"
)

// Noon is when every run here ends.
var Noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// Name is the bucket's.
const Name = "store"

// Bucket is a store bucket in memory; it is a tracking.Files too.
type Bucket struct {
	T testing.TB
	*ref.Memory
}

// New makes an empty bucket.
func New(t testing.TB) *Bucket { return &Bucket{t, ref.NewMemory()} }

// Folders implements tracking.Files.
func (b *Bucket) Folders(ctx context.Context, prefix string) ([]string, error) {
	keys, err := b.List(ctx, prefix)
	var names []string
	for _, key := range keys {
		name, _, below := strings.Cut(strings.TrimPrefix(key, prefix), "/")
		if below && (len(names) == 0 || names[len(names)-1] != name) {
			names = append(names, name)
		}
	}
	return names, err
}

// Read implements tracking.Files.
func (b *Bucket) Read(ctx context.Context, uri string) ([]byte, error) {
	_, key, err := contract.ParseURI(uri)
	if err != nil {
		return nil, err
	}
	key, _, _ = strings.Cut(key, "?")
	item, err := b.Get(ctx, key)
	return item.Body, err
}

func (b *Bucket) put(key string, v any) {
	b.T.Helper()
	body, raw := v.([]byte)
	if !raw {
		var err error
		body, err = json.Marshal(v)
		require.NoError(b.T, err)
	}
	_, err := b.Create(b.T.Context(), key, body)
	require.NoError(b.T, err)
}

// Config is the configuration of every run here.
const Config = "experiment: {name: %MODEL%, seed: 7}\ndata: {target: income, features: [age, sex]}\nmodel: {type: XGBClassifier, params: {max_depth: 3, learning_rate: 0.1}}\n"

// Train leaves what a run does that got as far as its decision.
func (b *Bucket) Train(model, run string) {
	b.T.Helper()
	file := func(name string, v any) { b.T.Helper(); b.put(contract.RunKey(model, run, name), v) }
	if _, err := b.Get(b.T.Context(), contract.ConfigKey(model)); err != nil {
		b.put(contract.ConfigKey(model), []byte(strings.ReplaceAll(Config, "%MODEL%", model)))
	}
	file(contract.FilePlan, contract.Plan{Model: model, Run: run, Environment: "staging", Hash: "sha256:plan-" + run, ConfigHash: "sha256:config",
		Config: contract.URI(Name, contract.ConfigKey(model)) + "?versionId=v1", Seed: 7, TrainerImage: "trainer@sha256:1", ServerImage: "server@sha256:2",
		Dataset: contract.Dataset{Commit: "commit-" + run}})
	file(contract.FileMetrics, training.Metrics{EvalMetric: "auc", Rounds: 42, Train: 900, OutOfFold: training.Scores{Rows: 900, AUC: 0.875, LogLoss: 0.25},
		Folds: []training.FoldMetrics{{Fold: 0, Rounds: 40, Best: 0.9, Scores: training.Scores{Rows: 450, AUC: 0.9, LogLoss: 0.2}},
			{Fold: 1, Rounds: 44, Best: 0.85, Scores: training.Scores{Rows: 450, AUC: 0.85, LogLoss: 0.3}}}})
	file(contract.FileEnvironment, training.Environment{XGBoost: "3.0.0", Threads: 2})
	file(contract.VerdictFile("performance"), gate.Verdict{Gate: "performance", Verdict: "pass",
		Measurements: []gate.Measurement{{Name: "auc_roc", Value: 0.88}, {Name: "auc_roc", Group: "sex=Female", Value: 0.86}}})
	payload, err := json.Marshal(decision.Decision{Format: decision.Format, Model: model, Run: run, Commit: "commit-" + run, Action: "ship", Digest: "sha256:model"})
	require.NoError(b.T, err)
	file(contract.FileDecision, decision.Envelope{PayloadType: decision.PayloadType, Payload: payload})
}

// Register gives a run's model its number.
func (b *Bucket) Register(model, run string) int {
	b.T.Helper()
	v, err := registry.New(b).Register(b.T.Context(), contract.Version{Model: model, Run: run, PlanHash: "sha256:plan-" + run,
		Artifact: contract.URI(Name, contract.RunKey(model, run, contract.FileModel)), Digest: "sha256:model", Image: "server@sha256:2",
		Decision: contract.URI(Name, contract.RunKey(model, run, contract.FileDecision)), Created: Noon})
	require.NoError(b.T, err)
	return v.Version
}

// End writes a run's record.
func (b *Bucket) End(model, run, status string) {
	b.T.Helper()
	b.put(contract.RunKey(model, run, contract.FileRecord), intake.Record{Model: model, Run: run, Cause: contract.Cause{Kind: "upload", ID: "x"},
		Opened: Noon.Add(-time.Hour), Finished: Noon, Outcome: contract.Outcome{Status: status, Reason: "as the test wants it"}})
}

// Promote moves the champion.
func (b *Bucket) Promote(model string, from, to int) {
	b.T.Helper()
	_, err := registry.New(b).Move(b.T.Context(), model, registry.Champion, registry.Step{From: from, To: to, Fence: int64(from + to)}, Noon)
	require.NoError(b.T, err)
}

// Forget copies a bucket without what lies under a prefix.
func Forget(t testing.TB, b *Bucket, prefix string) *Bucket {
	t.Helper()
	keys, err := b.List(t.Context(), "")
	require.NoError(t, err)
	rest := New(t)
	for _, key := range keys {
		if strings.HasPrefix(key, prefix) {
			continue
		}
		item, err := b.Get(t.Context(), key)
		require.NoError(t, err)
		_, err = rest.Create(t.Context(), key, item.Body)
		require.NoError(t, err)
	}
	return rest
}
