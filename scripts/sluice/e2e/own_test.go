package e2e

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sluice-ml/sluice/shared/contract"
	artefact "github.com/sluice-ml/sluice/shared/model"
)

const ownModel = "adult-sklearn"

// ownConfig trains by the scikit-learn example, and rolls out in two steps.
var ownConfig = strings.NewReplacer(
	"name: e2e", "name: "+ownModel,
	"raw/adult-income/", "raw/"+ownModel+"/",
	"type: XGBClassifier", "type: image",
	"params: {n_estimators: 30, max_depth: 4, learning_rate: 0.2, tree_method: hist}", "params: {algorithm: forest, n_estimators: 20, max_depth: 8}",
	"thresholds: {auc_roc: 0.6}", "thresholds: {auc_roc: 0.8}",
).Replace(config)

// ownAssembly is the app synthesized with a model that brings its own images.
func ownAssembly(t *testing.T) string {
	t.Helper()
	built(t, ".sluice/build/bin/launcher")
	built(t, ".sluice/cache/sklearn/bin/python")
	models, err := json.Marshal(map[string]any{"quietSeconds": 2, "metricPeriodSeconds": 10, "environments": []string{"production"},
		"models": map[string]any{ownModel: map[string]any{"errorRate": 0.5, "latencyP99": "10s",
			"images": map[string]string{"trainer": "functions/examples/sklearn/trainer", "server": "functions/examples/sklearn/server"}}}})
	require.NoError(t, err)
	out := t.TempDir()
	synth := exec.Command("go", "run", "./infra")
	synth.Dir = root(t)
	synth.Env = append(os.Environ(), "CGO_ENABLED=0", "CDK_OUTDIR="+out, "CDK_CONTEXT_JSON="+string(models),
		"JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION=18,19,20,21")
	var said bytes.Buffer
	synth.Stdout, synth.Stderr = &said, &said
	require.NoError(t, synth.Run(), "%s", said.String())
	return out
}

// TestAModelThatBringsItsOwnImages: scikit-learn's trainer and server, known to
// Sluice by nothing but their Dockerfiles, go the same way as any model: trained
// on Batch, judged by their own server, promoted as the first champion; then a
// second version is compared with it and canaried under live traffic.
func TestAModelThatBringsItsOwnImages(t *testing.T) {
	t.Parallel()
	s := upOf(t, t.TempDir(), ownAssembly(t))
	put := func(yaml string) {
		_, err := s.Objects.Put(t.Context(), s.Store, contract.ConfigKey(ownModel), []byte(yaml))
		require.NoError(t, err)
	}
	put(ownConfig)
	_, err := s.Objects.Put(t.Context(), s.Lake, contract.RawPrefix(ownModel)+"part-0.csv", text(t, rows(t, 0, 3000)))
	require.NoError(t, err)
	s.ends(t, ownModel+"-1", "promoted")
	one := s.ownVersion(t, 1)

	live := driveModel(t, s, ownModel)
	put(strings.Replace(ownConfig, "n_estimators: 20", "n_estimators: 25", 1))
	result, err := s.RetrainRun(t.Context(), ownModel, "second")
	require.NoError(t, err)
	s.ends(t, result.Run, "promoted")
	two := s.ownVersion(t, 2)
	require.NotEqual(t, one.Digest, two.Digest)
	require.Equal(t, one.Image, two.Image, "one server serves both")
	s.comparedWithChampion(t, result.Run)
	live.mu.Lock()
	require.Empty(t, live.failed, "%v", live.last)
	live.mu.Unlock()
	s.badParameters(t, put)
}

// TestTheContractsOfOurOwnPrograms: the reference trainer and server and those of
// the example hold every must, and what the reference ones hold is every should.
func TestTheContractsOfOurOwnPrograms(t *testing.T) {
	t.Parallel()
	t.Run("reference", func(t *testing.T) {
		t.Parallel()
		answer := contractCheck(t, "--trainer", built(t, ".sluice/build/bin/trainer"), "--server", built(t, ".sluice/build/bin/server"),
			"--env", "SLUICE_XGBOOST_LIB="+built(t, ".sluice/cache/xgboost/lib/libxgboost.so"), "--params", `{"n_estimators": 300}`)
		require.Empty(t, answer.not("pass"))
	})
	t.Run("scikit-learn", func(t *testing.T) {
		t.Parallel()
		built(t, ".sluice/cache/sklearn/bin/python")
		answer := contractCheck(t, "--trainer", built(t, "functions/examples/sklearn/trainer"), "--server", built(t, "functions/examples/sklearn/server"),
			"--params", `{"n_estimators": 100}`)
		require.Equal(t, []string{"server.metrics"}, answer.not("pass"))
	})
	t.Run("a server that is none", func(t *testing.T) {
		t.Parallel()
		got := sluice(t, "contract", "check", "--json", "/bin/true")
		require.Equal(t, 1, got.code)
		require.Contains(t, got.stderr, "trainer.model")
	})
}

// contractAnswer is what sluice contract check says.
type contractAnswer struct {
	Passed          bool
	Trainer, Server struct {
		Findings []struct{ ID, Status, Said string }
	}
}

func (a contractAnswer) not(status string) []string {
	ids := []string{}
	for _, f := range append(a.Trainer.Findings, a.Server.Findings...) {
		if f.Status != status {
			ids = append(ids, f.ID)
		}
	}
	return ids
}

func contractCheck(t *testing.T, args ...string) contractAnswer {
	t.Helper()
	got := sluice(t, append([]string{"contract", "check", "--json"}, args...)...)
	require.Equal(t, 0, got.code, "%s", got.stderr)
	var answer contractAnswer
	require.NoError(t, json.Unmarshal([]byte(got.stdout), &answer))
	require.True(t, answer.Passed)
	return answer
}

// ownVersion asserts what a version of the example is.
func (s *stack) ownVersion(t *testing.T, number int) contract.Version {
	t.Helper()
	v, err := s.Version(t.Context(), ownModel, number)
	require.NoError(t, err)
	champion, err := s.Champion(t.Context(), ownModel)
	require.NoError(t, err)
	require.Equal(t, number, champion.Version)
	var plan contract.Plan
	require.NoError(t, s.Objects.GetJSON(t.Context(), v.Plan, &plan))
	require.Equal(t, plan.ServerImage, v.Image)
	require.NotEqual(t, plan.TrainerImage, plan.ServerImage)
	for _, image := range []string{plan.TrainerImage, plan.ServerImage} {
		require.Regexp(t, `:[0-9a-f]{64}$`, image, "an image's tag is the hash of what is in it")
	}
	archive, _, err := s.Objects.GetURI(t.Context(), v.Artifact)
	require.NoError(t, err)
	schema, err := artefact.SchemaOf(archive)
	require.NoError(t, err)
	require.Equal(t, artefact.ProgramImage, schema.Program)
	require.Len(t, schema.Features, 9)
	return v
}

// comparedWithChampion asserts that the champion was scored by its own server on
// the same rows.
func (s *stack) comparedWithChampion(t *testing.T, run string) {
	t.Helper()
	body, _, err := s.Objects.Get(t.Context(), s.Store, contract.RunKey(ownModel, run, contract.VerdictFile("champion")), "")
	require.NoError(t, err)
	require.Contains(t, string(body), "auc_difference")
}

// badParameters asserts that the trainer's exit code 64 ends the run at once, with its own words.
func (s *stack) badParameters(t *testing.T, put func(string)) {
	t.Helper()
	put(strings.Replace(ownConfig, "algorithm: forest", "algorithm: magic", 1))
	result, err := s.RetrainRun(t.Context(), ownModel, "bad")
	require.NoError(t, err)
	run := s.ends(t, result.Run, "invalid")
	require.Contains(t, run.Outcome.Reason, "exit code 64")
	require.Contains(t, run.Outcome.Reason, "magic", "what the program said last")
}
