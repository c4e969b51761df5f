package main

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sluice-ml/sluice/shared/contract"
	"github.com/sluice-ml/sluice/shared/trained"
)

func (b bench) has(t *testing.T, run, name string) string {
	body, _, err := b.store.Get(t.Context(), b.bucket, contract.RunKey("m", run, name), "")
	if err != nil {
		return ""
	}
	return string(body)
}

func TestEqualWorkIsAdopted(t *testing.T) {
	b := open(t)
	upload := b.upload(t, "raw/m/a.csv", "0123456789")
	first, err := b.handle(t.Context(), b.plan(t, "m-1", "incoming/m-1", "main", upload))
	require.NoError(t, err)
	require.Empty(t, first.Trained)
	_, err = b.repository.FastForward(t.Context(), "main", first.Commit)
	require.NoError(t, err)
	for name, body := range map[string]string{contract.FileModel: "model", contract.FileMetrics: "{}", contract.FileEnvironment: `{"threads":2}`} {
		_, err := b.store.Put(t.Context(), b.bucket, contract.RunKey("m", "m-1", name), []byte(body))
		require.NoError(t, err)
	}
	digest, _, err := b.store.Digest(t.Context(), b.bucket, contract.RunKey("m", "m-1", contract.FileModel), "")
	require.NoError(t, err)
	require.NoError(t, trained.Record(t.Context(), b.store.Refs(b.bucket, ""), "m", trained.Model{PlanHash: first.PlanHash, Run: "m-1", Digest: digest}))

	in := b.plan(t, "m-2", "incoming/m-2", "main")
	for range 2 { // a retry
		second, err := b.handle(t.Context(), in)
		require.NoError(t, err)
		require.Equal(t, first.PlanHash, second.PlanHash, "nothing is new")
		require.Equal(t, "m-1", second.Trained)
		require.Empty(t, second.Unchanged)
	}
	require.Equal(t, "model", b.has(t, "m-2", contract.FileModel))
	require.JSONEq(t, `{"threads":2}`, b.has(t, "m-2", contract.FileEnvironment))
	require.Empty(t, b.has(t, "m-2", contract.FileFolds), "the trainer wrote none")
	require.Contains(t, b.has(t, "m-2", contract.FileAdopted), `"run": "m-1"`)

	retrain := b.sealed(t, "m-3", contract.Cause{Kind: contract.CauseRetrain, ID: "x"}, nil)
	require.Equal(t, first.PlanHash, retrain.PlanHash)
	require.Empty(t, retrain.Trained, "it was asked for")
	require.Empty(t, b.has(t, "m-3", contract.FileModel))

	champion := &contract.Version{Version: 1, Run: "m-1", PlanHash: first.PlanHash}
	unchanged := b.sealed(t, "m-4", contract.Cause{Kind: "drift", ID: "x"}, champion)
	require.Contains(t, unchanged.Unchanged, "version 1, was trained by run m-1")
	require.Empty(t, b.has(t, "m-4", contract.FileModel))

	_, err = b.store.Put(t.Context(), b.bucket, contract.RunKey("m", "m-1", contract.FileModel), []byte("another"))
	require.NoError(t, err)
	lost := b.sealed(t, "m-5", contract.Cause{Kind: "manual", ID: "x"}, nil)
	require.Empty(t, lost.Trained, "the model is not what was recorded")
}

// sealed ingests a run with nothing new, with its plan's cause and champion.
func (b bench) sealed(t *testing.T, run string, cause contract.Cause, champion *contract.Version) contract.IngestResult {
	in := b.plan(t, run, "incoming/"+run, "main")
	var plan contract.Plan
	require.NoError(t, b.store.GetJSON(t.Context(), in.Plan, &plan))
	plan.Cause, plan.Champion = cause, champion
	_, err := b.store.PutJSON(t.Context(), b.bucket, contract.RunKey("m", run, contract.FilePlan), plan)
	require.NoError(t, err)
	result, err := b.handle(t.Context(), in)
	require.NoError(t, err)
	return result
}
