package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"log/slog"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/stretchr/testify/require"

	"github.com/sluice-ml/sluice/shared/aws/kmssign"
	"github.com/sluice-ml/sluice/shared/aws/kmssign/kmstest"
	"github.com/sluice-ml/sluice/shared/aws/s3store"
	"github.com/sluice-ml/sluice/shared/aws/s3store/s3test"
	"github.com/sluice-ml/sluice/shared/contract"
	"github.com/sluice-ml/sluice/shared/decision"
	"github.com/sluice-ml/sluice/shared/fault"
	"github.com/sluice-ml/sluice/shared/rollout"
	"github.com/sluice-ml/sluice/shared/trainconfig"
)

func TestMain(m *testing.M) { s3test.Main(m) }

const config = `
experiment: {name: m}
data: {target: income}
model: {type: XGBClassifier}
evaluation: {thresholds: {auc_roc: 0.9}, on_insufficient: {fairness: pass, latency: fail}}
`

func open(t *testing.T) (handler, contract.StepInput) {
	h := handler{store: s3store.New(s3test.Client(t)), bucket: s3test.Bucket(t), key: kmssign.New(kmstest.New(t), "key"),
		people: people{client: &topic{}, topic: "arn:topic", environment: "staging", log: slog.New(slog.DiscardHandler)},
		now:    func() time.Time { return time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC) }}
	put := func(key, body string) string {
		info, err := h.store.Put(t.Context(), h.bucket, key, []byte(body))
		require.NoError(t, err)
		return s3store.VersionURI(h.bucket, key, info.VersionID)
	}
	put("runs/m/m-1/model.tar.gz", "the model")
	put("runs/m/m-1/"+contract.FilePredictions, "the predictions")
	put("runs/m/m-1/"+contract.FileLatency, "the latencies")
	plan, err := h.store.PutJSON(t.Context(), h.bucket, "runs/m/m-1/plan.json", contract.Plan{Model: "m", Run: "m-1", Environment: "staging",
		Config: put("configs/m/train.yaml", config), ConfigHash: "sha256:c", Dataset: contract.Dataset{Commit: "abc"}, TrainerImage: "t",
		ServerImage: "s", Hash: "sha256:p"})
	require.NoError(t, err)
	return h, contract.StepInput{Model: "m", Run: "m-1", Plan: plan}
}

// speak writes a verdict for every gate and gives the input with their
// summaries; overrides name the gates that do not pass.
func (h handler) speak(t *testing.T, in contract.StepInput, overrides map[string]string) contract.StepInput {
	in.Verdicts = nil
	for _, gate := range trainconfig.Gates() {
		summary := contract.VerdictSummary{Gate: gate, Verdict: "pass"}
		if verdict, ok := overrides[gate]; ok {
			summary.Verdict, summary.Reasons = verdict, []string{"because"}
		}
		_, err := h.store.PutJSON(t.Context(), h.bucket, contract.RunKey("m", "m-1", contract.VerdictFile(gate)), summary)
		require.NoError(t, err)
		in.Verdicts = append(in.Verdicts, summary)
	}
	return in
}

func TestDecisions(t *testing.T) {
	for _, c := range []struct {
		overrides map[string]string
		action    string
		reasons   []string
	}{
		{nil, decision.Ship, []string{}},
		{map[string]string{"performance": "fail"}, decision.Reject, []string{"performance: fail: because"}},
		{map[string]string{"robustness": "insufficient"}, decision.Hold, []string{"robustness: insufficient: because"}},
		{map[string]string{"fairness": "insufficient"}, decision.Ship, []string{"fairness: insufficient (configured to pass): because"}},
		{map[string]string{"latency": "insufficient"}, decision.Reject, []string{"latency: insufficient: because"}},
	} {
		h, in := open(t)
		result, err := h.handle(t.Context(), h.speak(t, in, c.overrides))
		require.NoError(t, err)
		require.Equal(t, contract.DecideResult{Decision: contract.URI(h.bucket, "runs/m/m-1/decision.json"), Action: c.action, Reasons: c.reasons}, result)
	}
}

func TestADecisionBindsEverythingAndStays(t *testing.T) {
	h, in := open(t)
	in = h.speak(t, in, nil)
	first, err := h.handle(t.Context(), in)
	require.NoError(t, err)
	encoded, _, err := h.store.GetURI(t.Context(), first.Decision)
	require.NoError(t, err)
	d, err := decision.Open(t.Context(), h.key, encoded)
	require.NoError(t, err)
	sum := sha256.Sum256([]byte("the model"))
	require.NoError(t, d.Require("m", "m-1", "sha256:p", "sha256:"+hex.EncodeToString(sum[:])))
	require.Equal(t, []string{"abc", "sha256:c", "t", "s", "staging"}, []string{d.Commit, d.ConfigHash, d.TrainerImage, d.ServerImage, d.Environment})
	require.Len(t, d.Verdicts, 6)
	require.Contains(t, d.Verdicts[0].URI, "?versionId=")
	require.Len(t, d.Evidence, 2, "what was not there is not bound")
	read, ok := d.Bound(contract.FilePredictions)
	require.True(t, ok)
	bytes := sha256.Sum256([]byte("the predictions"))
	require.Equal(t, "sha256:"+hex.EncodeToString(bytes[:]), read.Digest)
	require.Contains(t, read.URI, "/runs/m/m-1/evaluation/predictions.parquet?versionId=")

	again, err := h.handle(t.Context(), h.speak(t, in, map[string]string{"performance": "fail"}))
	require.NoError(t, err)
	require.Equal(t, first, again, "a retry answers the decision that was made")
	h.key = kmssign.New(kmstest.New(t), "key")
	_, err = h.handle(t.Context(), in)
	require.Equal(t, fault.Denied, fault.KindOf(err), "another key's decision is not believed")
}

func TestWhatCannotBeDecided(t *testing.T) {
	h, in := open(t)
	_, err := h.handle(t.Context(), in)
	require.ErrorContains(t, err, `gate "performance" gave no verdict`)
	in = h.speak(t, in, map[string]string{"performance": "fail"})
	in.Verdicts[0].Verdict = "pass"
	_, err = h.handle(t.Context(), in)
	require.ErrorContains(t, err, `gate "performance" answered "pass", but `)
	in.Run = "m-2"
	_, err = h.handle(t.Context(), in)
	require.ErrorContains(t, err, `is the plan of run "m-1"`)
	_, _, err = h.store.GetURI(t.Context(), contract.URI(h.bucket, "runs/m/m-1/decision.json"))
	require.Equal(t, fault.NotFound, fault.KindOf(err), "nothing was signed")
}

// topic keeps what people were told, or fails.
type topic struct {
	told []*sns.PublishInput
	err  error
}

func (p *topic) Publish(_ context.Context, in *sns.PublishInput, _ ...func(*sns.Options)) (*sns.PublishOutput, error) {
	p.told = append(p.told, in)
	return &sns.PublishOutput{}, p.err
}

// TestQuarantinedBytesAreRejected: the model that a rollback put into quarantine is
// not shipped again by another run, until a person releases it. The signed
// decision is the gates'.
func TestQuarantinedBytesAreRejected(t *testing.T) {
	h, in := open(t)
	in = h.speak(t, in, nil)
	digest, _, err := h.store.Digest(t.Context(), h.bucket, "runs/m/m-1/model.tar.gz", "")
	require.NoError(t, err)
	records := rollout.Records{Store: h.store.Refs(h.bucket, ""), Now: h.now}
	require.NoError(t, records.Isolate(t.Context(), rollout.Quarantined{Model: "m", Digest: digest, Version: 3, Run: "m-0", Rollout: "m-0-rollout", Reason: "slow", Time: h.now()}))

	result, err := h.handle(t.Context(), in)
	require.NoError(t, err)
	require.Equal(t, decision.Reject, result.Action)
	require.Equal(t, []string{"quarantined: the same model was rolled back as version 3 by rollout m-0-rollout on 2026-03-01T12:00:00Z: slow; train another, or release it: sluice rollout release m 3"}, result.Reasons)
	require.True(t, result.Told)
	people := h.people.client.(*topic)
	require.Len(t, people.told, 1)
	require.Equal(t, "quarantined", *people.told[0].MessageAttributes["kind"].StringValue)
	require.Contains(t, *people.told[0].Message, "sluice rollout release m 3 -e staging")
	encoded, _, err := h.store.GetURI(t.Context(), result.Decision)
	require.NoError(t, err)
	d, err := decision.Open(t.Context(), h.key, encoded)
	require.NoError(t, err)
	require.Equal(t, decision.Ship, d.Action)

	people.err = errors.New("throttled")
	result, err = h.handle(t.Context(), in)
	require.NoError(t, err)
	require.Equal(t, decision.Reject, result.Action)
	require.False(t, result.Told, "the lifecycle tells it then")

	_, err = records.ReleaseQuarantined(t.Context(), "m", digest, "ann")
	require.NoError(t, err)
	result, err = h.handle(t.Context(), in)
	require.NoError(t, err)
	require.Equal(t, decision.Ship, result.Action)
	require.Len(t, people.told, 2)
}

// TestAGatesRejectionIsNotHidden: what the gates refuse is refused for that.
func TestAGatesRejectionIsNotHidden(t *testing.T) {
	h, in := open(t)
	digest, _, err := h.store.Digest(t.Context(), h.bucket, "runs/m/m-1/model.tar.gz", "")
	require.NoError(t, err)
	records := rollout.Records{Store: h.store.Refs(h.bucket, ""), Now: h.now}
	require.NoError(t, records.Isolate(t.Context(), rollout.Quarantined{Model: "m", Digest: digest, Version: 3, Rollout: "m-0-rollout"}))
	result, err := h.handle(t.Context(), h.speak(t, in, map[string]string{"performance": "fail"}))
	require.NoError(t, err)
	require.Equal(t, []string{"performance: fail: because"}, result.Reasons)
	require.Empty(t, h.people.client.(*topic).told)
}
