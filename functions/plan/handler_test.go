package main

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluice-ml/sluice/shared/aws/s3store"
	"github.com/sluice-ml/sluice/shared/aws/s3store/s3test"
	"github.com/sluice-ml/sluice/shared/contract"
	"github.com/sluice-ml/sluice/shared/fault"
	"github.com/sluice-ml/sluice/shared/ref"
	"github.com/sluice-ml/sluice/shared/registry"
	"github.com/sluice-ml/sluice/shared/trainconfig"
)

func TestMain(m *testing.M) { s3test.Main(m) }

const config = `
experiment: {name: %s, seed: 7}
data: {target: income%s}
model: {type: XGBClassifier}
evaluation: {thresholds: {auc_roc: 0.9}}
deployment: {environments: [production]}
`

var step = contract.StepInput{Model: "adult", Run: "adult-1", Cause: contract.Cause{Kind: "manual", ID: "x"}}

func open(t *testing.T, name, more string) handler {
	h := handler{store: s3store.New(s3test.Client(t)), lake: "the-lake", bucket: s3test.Bucket(t), environment: "staging", models: []string{"adult"},
		trainer: "repo/trainer@sha256:1", server: "repo/server@sha256:2"}
	h.configure(t, name, more)
	_, err := h.store.PutJSON(t.Context(), h.bucket, "runs/adult/adult-1/request.json", contract.Request{})
	require.NoError(t, err)
	return h
}

func (h handler) configure(t *testing.T, name, more string) string {
	info, err := h.store.Put(t.Context(), h.bucket, "configs/adult/train.yaml", fmt.Appendf(nil, config, name, more))
	require.NoError(t, err)
	return info.VersionID
}

func TestThePlanIsResolvedOnce(t *testing.T) {
	h := open(t, "adult", "")
	first, err := h.handle(t.Context(), step)
	require.NoError(t, err)
	require.Equal(t, contract.URI(h.bucket, "runs/adult/adult-1/plan.json"), first.Plan)
	require.False(t, first.Deploys, "it deploys to production only")
	before, _, err := h.store.GetURI(t.Context(), first.Plan)
	require.NoError(t, err)

	later := h.configure(t, "adult", ", version: v2")
	again, err := h.handle(t.Context(), step)
	require.NoError(t, err)
	require.Equal(t, first, again, "a retry finds the plan as it was")
	after, _, err := h.store.GetURI(t.Context(), first.Plan)
	require.NoError(t, err)
	require.Equal(t, string(before), string(after))

	var plan contract.Plan
	require.NoError(t, h.store.GetJSON(t.Context(), first.Plan, &plan))
	require.NotContains(t, plan.Config, later)
	require.Contains(t, plan.Config, "?versionId=")
	require.Equal(t, contract.Dataset{Bucket: "the-lake", Prefix: "raw/adult/", Ref: "main", Branch: "incoming/adult-1"}, plan.Dataset)
	require.EqualValues(t, 7, plan.Seed)
	require.Equal(t, "repo/trainer@sha256:1", plan.TrainerImage)
	require.Nil(t, plan.Champion)
	require.Empty(t, plan.Hash)
	require.False(t, plan.Created.IsZero())
}

func TestTheSamePlanHasTheSameBytes(t *testing.T) {
	h := open(t, "adult", "")
	result, err := h.handle(t.Context(), step)
	require.NoError(t, err)
	one, info, err := h.store.GetURI(t.Context(), result.Plan)
	require.NoError(t, err)
	require.NoError(t, h.store.Delete(t.Context(), h.bucket, "runs/adult/adult-1/plan.json", info.VersionID))
	_, err = h.handle(t.Context(), step)
	require.NoError(t, err)
	two, _, err := h.store.GetURI(t.Context(), result.Plan)
	require.NoError(t, err)
	require.Equal(t, string(one), string(two))
}

func TestTheChampionIsResolved(t *testing.T) {
	h := open(t, "adult", ", version: v2")
	var refs ref.Store = h.store.Refs(h.bucket, "")
	r := registry.New(refs)
	_, err := r.Register(t.Context(), contract.Version{Model: "adult", Run: "adult-0"})
	require.NoError(t, err)
	_, err = r.Move(t.Context(), "adult", registry.Champion, registry.Step{To: 1, Fence: 1, Reason: "first"}, time.Now())
	require.NoError(t, err)
	result, err := h.handle(t.Context(), step)
	require.NoError(t, err)
	var plan contract.Plan
	require.NoError(t, h.store.GetJSON(t.Context(), result.Plan, &plan))
	require.Equal(t, "adult-0", plan.Champion.Run)
	require.Equal(t, "v2", plan.Dataset.Ref)
	require.Equal(t, "v2", plan.Dataset.Branch)
}

func TestWhatCannotBePlanned(t *testing.T) {
	for _, c := range []struct{ name, more, want string }{
		{"other", "", `data.path is "s3://lake/raw/other/": want s3://lake/raw/adult/`},
		{"adult", ", path: s3://elsewhere/raw/adult/", `data.path is "s3://elsewhere/raw/adult/"`},
		{"adult", ", pth: s3://lake/raw/adult/", "did you mean"},
	} {
		h := open(t, c.name, c.more)
		_, err := h.handle(t.Context(), step)
		require.Equal(t, fault.Invalid, fault.KindOf(err))
		require.ErrorContains(t, err, c.want)
	}
	h := open(t, "adult", "")
	_, err := h.handle(t.Context(), contract.StepInput{Model: "unknown", Run: "unknown-1"})
	require.Equal(t, fault.NotFound, fault.KindOf(err))
	require.ErrorContains(t, err, "/configs/unknown/train.yaml")
	_, err = h.handle(t.Context(), contract.StepInput{Model: "adult"})
	require.Equal(t, fault.Invalid, fault.KindOf(err))
	_, err = h.handle(t.Context(), contract.StepInput{Model: "adult", Run: "adult-2"})
	require.Equal(t, fault.NotFound, fault.KindOf(err), "no request")
}

func TestAModelRollsOutOnlyWhereBothNameIt(t *testing.T) {
	config := &trainconfig.Config{Deployment: trainconfig.Deployment{Environments: []string{"staging"}}}
	for _, c := range []struct {
		environment string
		models      []string
		want        bool
	}{
		{"staging", []string{"other", "adult"}, true},
		{"production", []string{"adult"}, false},
		{"staging", []string{"other"}, false}, // it would have no alarms
		{"staging", nil, false},
	} {
		h := handler{environment: c.environment, models: c.models}
		require.Equal(t, c.want, h.deploys("adult", config), "%+v", c)
	}
}
