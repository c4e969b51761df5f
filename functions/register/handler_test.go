package main

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluice-ml/sluice/shared/aws/kmssign"
	"github.com/sluice-ml/sluice/shared/aws/kmssign/kmstest"
	"github.com/sluice-ml/sluice/shared/aws/s3store"
	"github.com/sluice-ml/sluice/shared/aws/s3store/s3test"
	"github.com/sluice-ml/sluice/shared/contract"
	"github.com/sluice-ml/sluice/shared/decision"
	"github.com/sluice-ml/sluice/shared/fault"
)

func TestMain(m *testing.M) { s3test.Main(m) }

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// open makes a run whose decision was signed; change alters it before that.
func open(t *testing.T, change func(*decision.Decision)) (handler, contract.StepInput) {
	key := kmssign.New(kmstest.New(t), "key")
	h := handler{store: s3store.New(s3test.Client(t)), bucket: s3test.Bucket(t), verifier: key, now: func() time.Time { return noon }}
	_, err := h.store.Put(t.Context(), h.bucket, "runs/m/m-1/model.tar.gz", []byte("the model"))
	require.NoError(t, err)
	digest, _, err := h.store.Digest(t.Context(), h.bucket, "runs/m/m-1/model.tar.gz", "")
	require.NoError(t, err)
	_, err = h.store.Put(t.Context(), h.bucket, "runs/m/m-1/"+contract.FilePredictions, []byte("the predictions"))
	require.NoError(t, err)
	evidence, _, err := h.store.Digest(t.Context(), h.bucket, "runs/m/m-1/"+contract.FilePredictions, "")
	require.NoError(t, err)
	sealed := contract.Plan{Model: "m", Run: "m-1", Environment: "staging", ConfigHash: "sha256:c", Dataset: contract.Dataset{Commit: "abc"},
		TrainerImage: "trainer", ServerImage: "server"}
	sealed.Hash, err = decision.PlanHash(sealed)
	require.NoError(t, err)
	plan, err := h.store.PutJSON(t.Context(), h.bucket, "runs/m/m-1/plan.json", sealed)
	require.NoError(t, err)
	d := decision.Decision{Format: decision.Format, Model: "m", Run: "m-1", Environment: "staging", PlanHash: sealed.Hash, Commit: "abc", ConfigHash: "sha256:c",
		TrainerImage: "trainer", ServerImage: "server", Digest: digest, Action: decision.Ship, Time: noon,
		Evidence: []decision.Evidence{{Name: contract.FilePredictions, URI: contract.URI(h.bucket, "runs/m/m-1/"+contract.FilePredictions), Digest: evidence}}}
	change(&d)
	encoded, err := decision.Sign(t.Context(), key, d)
	require.NoError(t, err)
	_, err = h.store.Put(t.Context(), h.bucket, "runs/m/m-1/decision.json", encoded)
	require.NoError(t, err)
	return h, contract.StepInput{Model: "m", Run: "m-1", Plan: plan, Decision: contract.URI(h.bucket, "runs/m/m-1/decision.json")}
}

// none believes no signature.
type none struct{}

func (none) Verify(context.Context, []byte, []byte) error {
	return fault.New(fault.Denied, "check a signature", "nobody is trusted")
}

func TestAnOlderDecisionRegistersStill(t *testing.T) {
	h, in := open(t, func(d *decision.Decision) { d.Format, d.Evidence = 1, nil })
	_, err := h.handle(t.Context(), in)
	require.NoError(t, err)
}

func TestAShippedModelGetsItsVersion(t *testing.T) {
	h, in := open(t, func(*decision.Decision) {})
	result, err := h.handle(t.Context(), in)
	require.NoError(t, err)
	require.Equal(t, 1, result.Version.Version)
	require.Equal(t, "server", result.Version.Image)
	require.Equal(t, contract.URI(h.bucket, "runs/m/m-1/model.tar.gz"), result.Version.Artifact)
	h.now = func() time.Time { return noon.Add(time.Hour) }
	again, err := h.handle(t.Context(), in)
	require.NoError(t, err)
	require.Equal(t, result, again)
}

func TestNothingShipsWithoutItsDecision(t *testing.T) {
	for name, change := range map[string]func(*decision.Decision){
		"rejected": func(d *decision.Decision) { d.Action = decision.Reject }, "held": func(d *decision.Decision) { d.Action = decision.Hold },
		"another artefact": func(d *decision.Decision) { d.Digest = "sha256:0" }, "another plan": func(d *decision.Decision) { d.PlanHash = "sha256:0" },
		"another run": func(d *decision.Decision) { d.Run = "m-2" }, "another model": func(d *decision.Decision) { d.Model = "n" },
		"another environment": func(d *decision.Decision) { d.Environment = "production" }, "another commit": func(d *decision.Decision) { d.Commit = "x" },
		"another configuration": func(d *decision.Decision) { d.ConfigHash = "x" }, "another trainer": func(d *decision.Decision) { d.TrainerImage = "x" },
		"another server": func(d *decision.Decision) { d.ServerImage = "x" }, "other predictions": func(d *decision.Decision) { d.Evidence[0].Digest = "sha256:0" },
	} {
		h, in := open(t, change)
		_, err := h.handle(t.Context(), in)
		require.Equal(t, fault.Denied, fault.KindOf(err), name)
	}
	h, in := open(t, func(*decision.Decision) {})
	forged := h
	forged.verifier = kmssign.New(kmstest.New(t), "key")
	_, err := forged.handle(t.Context(), in)
	require.Equal(t, fault.Denied, fault.KindOf(err), "signed by another key")
	_, err = h.store.Put(t.Context(), h.bucket, "runs/m/m-1/model.tar.gz", []byte("swapped afterwards"))
	require.NoError(t, err)
	_, err = h.handle(t.Context(), in)
	require.Equal(t, fault.Denied, fault.KindOf(err))
	require.ErrorContains(t, err, "the decision's artefact digest is")
	h, in = open(t, func(*decision.Decision) {})
	_, err = h.store.Put(t.Context(), h.bucket, "runs/m/m-1/"+contract.FilePredictions, []byte("better ones"))
	require.NoError(t, err)
	_, err = h.handle(t.Context(), in)
	require.Equal(t, fault.Denied, fault.KindOf(err))
	require.ErrorContains(t, err, "digest of evaluation/predictions.parquet")
	h, in = open(t, func(*decision.Decision) {})
	unsigned := h
	unsigned.verifier = none{}
	_, err = unsigned.handle(t.Context(), in)
	require.Equal(t, fault.Denied, fault.KindOf(err))
	in.Decision = contract.URI(h.bucket, "runs/m/m-1/plan.json")
	_, err = h.handle(t.Context(), in)
	require.ErrorContains(t, err, "payloadType")
	in.Decision = ""
	_, err = h.handle(t.Context(), in)
	require.Equal(t, fault.Denied, fault.KindOf(err))
}
