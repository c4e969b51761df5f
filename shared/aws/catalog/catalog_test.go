package catalog_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluice-ml/sluice/shared/aws/catalog"
	"github.com/sluice-ml/sluice/shared/aws/kmssign"
	"github.com/sluice-ml/sluice/shared/aws/kmssign/kmstest"
	"github.com/sluice-ml/sluice/shared/aws/s3store"
	"github.com/sluice-ml/sluice/shared/aws/s3store/s3test"
	"github.com/sluice-ml/sluice/shared/contract"
	"github.com/sluice-ml/sluice/shared/decision"
	"github.com/sluice-ml/sluice/shared/fault"
	"github.com/sluice-ml/sluice/shared/registry"
	"github.com/sluice-ml/sluice/shared/trainconfig"
)

func TestMain(m *testing.M) { s3test.Main(m) }

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

const train = `experiment: {name: m}
data: {path: s3://lake/raw/m/, features: [age, work], target: income}
model: {type: XGBClassifier}
deployment: {steps: [25, 100], bake: 30s, deadline: 10m, min_requests: 20, limits: {accuracy: 0.8}, rollback: {trigger: accuracy_drop > 5%}}
`

// open registers version 1 of model m, with everything that a run leaves
// behind; change alters its decision before it is signed.
func open(t *testing.T, change func(*decision.Decision)) (*catalog.Catalog, contract.RolloutStep) {
	ctx, key := t.Context(), kmssign.New(kmstest.New(t), "key")
	store, bucket, lake := s3store.New(s3test.Client(t)), s3test.Bucket(t), s3test.Bucket(t)
	put := func(bucket, key, body string) s3store.ObjectInfo {
		info, err := store.Put(ctx, bucket, key, []byte(body))
		require.NoError(t, err)
		return info
	}
	config, err := trainconfig.Parse("train.yaml", []byte(train))
	require.NoError(t, err)
	configURI := s3store.VersionURI(bucket, "configs/m/train.yaml", put(bucket, "configs/m/train.yaml", train).VersionID)
	big := put(lake, "raw/m/big.csv", "age,work,income\n"+strings.Repeat("1,State,0\n", 100_000))
	small := put(lake, "raw/m/small.csv", "income,age,work\n1,39,\n"+strings.Repeat("0,40,State government\n", 20_000))
	objects, err := store.PutJSON(ctx, bucket, "datasets/m/objects.json", contract.DatasetObjects{Commit: "abc", Bucket: lake, Objects: []contract.ObjectVersion{
		{Key: "raw/m/big.csv", VersionID: big.VersionID, Size: big.Size}, {Key: "raw/m/small.csv", VersionID: small.VersionID, Size: small.Size}}})
	require.NoError(t, err)
	sealed := contract.Plan{Model: "m", Run: "m-1", Environment: "staging", Config: configURI, ConfigHash: config.Hash(),
		TrainerImage: "trainer:1", ServerImage: "server:1", Dataset: contract.Dataset{Commit: "abc", Objects: objects}}
	sealed.Hash, err = decision.PlanHash(sealed)
	require.NoError(t, err)
	plan, err := store.PutJSON(ctx, bucket, "runs/m/m-1/plan.json", sealed)
	require.NoError(t, err)
	put(bucket, "runs/m/m-1/model.tar.gz", "the model")
	digest, _, err := store.Digest(ctx, bucket, "runs/m/m-1/model.tar.gz", "")
	require.NoError(t, err)
	artifact := contract.URI(bucket, "runs/m/m-1/model.tar.gz")
	d := decision.Decision{Format: decision.Format, Model: "m", Run: "m-1", Environment: "staging", PlanHash: sealed.Hash, Commit: "abc", ConfigHash: config.Hash(),
		TrainerImage: "trainer:1", ServerImage: "server:1", Artifact: artifact, Digest: digest, Action: decision.Ship, Time: noon,
		Evidence: []decision.Evidence{{Name: contract.FilePredictions, URI: "s3://b/k", Digest: "sha256:s"}}}
	change(&d)
	encoded, err := decision.Sign(ctx, key, d)
	require.NoError(t, err)
	put(bucket, "runs/m/m-1/decision.json", string(encoded))
	v, err := registry.New(store.Refs(bucket, "")).Register(ctx, contract.Version{Model: "m", Run: "m-1", Plan: plan, PlanHash: sealed.Hash, Artifact: artifact,
		Digest: digest, Image: "server:1", Decision: contract.URI(bucket, "runs/m/m-1/decision.json"), Created: noon})
	require.NoError(t, err)
	return &catalog.Catalog{Store: store, Bucket: bucket, Environment: "staging", Verifier: key, Now: func() time.Time { return noon }},
		contract.RolloutStep{Model: "m", Run: "m-1", Version: v.Version, Decision: v.Decision, Rollout: "m-1"}
}

func TestApprovedGivesArtefactAndPolicy(t *testing.T) {
	c, step := open(t, func(*decision.Decision) {})
	approved, err := c.Approved(t.Context(), step)
	require.NoError(t, err)
	require.Equal(t, 1, approved.Artifact.Version)
	require.Equal(t, "server:1", approved.Artifact.Image)
	require.Equal(t, contract.URI(c.Bucket, "runs/m/m-1/model.tar.gz"), approved.Artifact.URI)
	require.Equal(t, []float64{25, 100}, approved.Policy.Steps)
	require.Equal(t, "accuracy_drop", approved.Policy.Trigger.Measure)
	require.EqualValues(t, 20, approved.Policy.MinRequests)
}

func TestNothingIsApprovedWithoutItsDecision(t *testing.T) {
	for name, change := range map[string]func(*decision.Decision){
		"rejected":            func(d *decision.Decision) { d.Action = decision.Reject },
		"another artefact":    func(d *decision.Decision) { d.Digest = "sha256:0" },
		"another plan":        func(d *decision.Decision) { d.PlanHash = "sha256:0" },
		"another run":         func(d *decision.Decision) { d.Run = "m-2" },
		"another environment": func(d *decision.Decision) { d.Environment = "production" },
		"another image":       func(d *decision.Decision) { d.ServerImage = "server:2" },
		"another trainer":     func(d *decision.Decision) { d.TrainerImage = "trainer:2" },
		"another commit":      func(d *decision.Decision) { d.Commit = "x" },
		"another config":      func(d *decision.Decision) { d.ConfigHash = "x" },
		"another model":       func(d *decision.Decision) { d.Model = "n" },
		"held":                func(d *decision.Decision) { d.Action = decision.Hold },
		"another place":       func(d *decision.Decision) { d.Artifact = "s3://elsewhere/model.tar.gz" },
	} {
		t.Run(name, func(t *testing.T) {
			c, step := open(t, change)
			_, err := c.Approved(t.Context(), step)
			require.Equal(t, fault.Denied, fault.KindOf(err), "%v", err)
		})
	}
	t.Run("the artefact was replaced afterwards", func(t *testing.T) {
		c, step := open(t, func(*decision.Decision) {})
		_, err := c.Store.Put(t.Context(), c.Bucket, "runs/m/m-1/model.tar.gz", []byte("another model"))
		require.NoError(t, err)
		_, err = c.Approved(t.Context(), step)
		require.Equal(t, fault.Denied, fault.KindOf(err), "%v", err)
	})
	t.Run("the decision was altered", func(t *testing.T) {
		c, step := open(t, func(*decision.Decision) {})
		body, _, err := c.Store.GetURI(t.Context(), step.Decision)
		require.NoError(t, err)
		var e decision.Envelope
		require.NoError(t, json.Unmarshal(body, &e))
		e.Payload = append(e.Payload, ' ')
		_, err = c.Store.PutJSON(t.Context(), c.Bucket, "runs/m/m-1/decision.json", e)
		require.NoError(t, err)
		_, err = c.Approved(t.Context(), step)
		require.Equal(t, fault.Denied, fault.KindOf(err), "%v", err)
	})
	t.Run("the version is another run's", func(t *testing.T) {
		c, step := open(t, func(*decision.Decision) {})
		step.Run = "m-9"
		_, err := c.Approved(t.Context(), step)
		require.Equal(t, fault.Denied, fault.KindOf(err), "%v", err)
	})
}

func TestChampionMovesOnce(t *testing.T) {
	c, _ := open(t, func(*decision.Decision) {})
	version, err := c.Champion(t.Context(), "m")
	require.NoError(t, err)
	require.Zero(t, version)
	for range 2 {
		require.NoError(t, c.Promote(t.Context(), "m", 0, 1, 1))
	}
	version, err = c.Champion(t.Context(), "m")
	require.NoError(t, err)
	require.Equal(t, 1, version)
	_, err = registry.New(c.Store.Refs(c.Bucket, "")).Register(t.Context(), contract.Version{Model: "m", Run: "m-2"})
	require.NoError(t, err)
	require.Equal(t, fault.Conflict, fault.KindOf(c.Promote(t.Context(), "m", 0, 2, 2)))
}

func TestRowIsOfTheSmallestObjectWithoutTheTarget(t *testing.T) {
	c, _ := open(t, func(*decision.Decision) {})
	row, err := c.Row(t.Context(), "m", 1)
	require.NoError(t, err)
	require.Equal(t, "application/json", row.ContentType)
	require.JSONEq(t, `{"instances":[{"age":39,"work":null}]}`, string(row.Body))
	_, err = c.Row(t.Context(), "m", 2)
	require.Equal(t, fault.NotFound, fault.KindOf(err), fmt.Sprint(err))
}
