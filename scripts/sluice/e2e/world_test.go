package e2e

import (
	"bytes"
	"compress/gzip"
	"encoding/csv"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/sagemaker"
	"github.com/stretchr/testify/require"

	"github.com/sluice-ml/sluice/scripts/sluice/operator"
	"github.com/sluice-ml/sluice/shared/contract"
	"github.com/sluice-ml/sluice/shared/ref"
)

const model = "adult-income"

// config is a small train.yaml: its thresholds are low, so that runs are
// promoted, and its bakes short.
const config = `
experiment: {name: e2e, seed: 7}
data:
  path: s3://lake/raw/adult-income/
  features: [age, workclass, education_num, marital_status, occupation, relationship, capital_gain, capital_loss, hours_per_week]
  target: income
  positive: ">50K"
  split: {train: 0.7, test: 0.3}
model:
  type: XGBClassifier
  params: {n_estimators: 30, max_depth: 4, learning_rate: 0.2, tree_method: hist}
training: {folds: 2, early_stopping_rounds: 10, eval_metric: auc}
evaluation:
  metrics: [auc_roc, accuracy]
  thresholds: {auc_roc: 0.6}
  fairness: {protected_attributes: [sex], max_disparity: 0.5}
  robustness: {max_degradation: 0.5}
  data_quality: {null_ratio: 0.2, class_balance: [0.1, 0.9]}
  champion: {margin: 0.2}
  latency: {p99: 5s}
deployment:
  environments: [production]
  steps: [50, 100]
  bake: 2s
  min_requests: 5
  max_failures: 100
  limits: {latency_p99: 10s, error_rate: 0.9, accuracy: 0}
`

// oneStep is the configuration with a rollout in a single step.
var oneStep = strings.Replace(config, "steps: [50, 100]", "steps: [100]", 1)

// rows are the first n rows of the example data after skip, as CSV with a header.
func rows(t *testing.T, skip, n int) [][]string {
	t.Helper()
	return table(t, "part-0.csv.gz", skip, n)
}

func table(t *testing.T, name string, skip, n int) [][]string {
	t.Helper()
	file, err := os.Open(filepath.Join(built(t, "events/adult"), name))
	require.NoError(t, err)
	defer file.Close()
	unzipped, err := gzip.NewReader(file)
	require.NoError(t, err)
	all, err := csv.NewReader(unzipped).ReadAll()
	require.NoError(t, err)
	require.Greater(t, len(all), 1+skip+n)
	return append([][]string{all[0]}, all[1+skip:1+skip+n]...)
}

func text(t *testing.T, rows [][]string) []byte {
	t.Helper()
	var out bytes.Buffer
	require.NoError(t, csv.NewWriter(&out).WriteAll(rows))
	return out.Bytes()
}

// configure puts a train.yaml.
func (s *stack) configure(t *testing.T, yaml string) {
	t.Helper()
	_, err := s.Objects.Put(t.Context(), s.Store, contract.ConfigKey(model), []byte(yaml))
	require.NoError(t, err)
}

// baking is a configuration whose steps bake for a time that may be long; the
// first failed bake counts then, because a hundred would not fit the deadline.
func baking(yaml, bake string) string {
	return strings.NewReplacer("bake: 2s", "bake: "+bake, "max_failures: 100", "max_failures: 1").Replace(yaml)
}

// upload puts a file among the model's data and gives its version.
func (s *stack) upload(t *testing.T, name string, body []byte) string {
	t.Helper()
	info, err := s.Objects.Put(t.Context(), s.Lake, contract.RawPrefix(model)+name, body)
	require.NoError(t, err)
	return info.VersionID
}

// start asks for a run by hand that trains in any case, and names it.
func (s *stack) start(t *testing.T, id string) string {
	t.Helper()
	result, err := s.RetrainRun(t.Context(), model, id)
	require.NoError(t, err)
	require.NotEmpty(t, result.Run, result.Reason)
	return result.Run
}

// finish waits for a run's end.
func (s *stack) finish(t *testing.T, name string) operator.Run {
	t.Helper()
	var run operator.Run
	eventually(t, "run "+name+" ends", func() bool {
		var err error
		run, err = s.ShowRun(t.Context(), name)
		return err == nil && run.Status != "running"
	})
	return run
}

// ends waits for a run's end and asserts its outcome.
func (s *stack) ends(t *testing.T, name, status string) operator.Run {
	t.Helper()
	run := s.finish(t, name)
	require.Equal(t, status, run.Status, "run %s: %+v", name, run.Outcome)
	return run
}

// enters waits until a run's execution is in a state, or past it.
func (s *stack) enters(t *testing.T, name, state string) {
	t.Helper()
	eventually(t, "run "+name+" enters "+state, func() bool {
		phases, err := s.Phases(t.Context(), name)
		if err != nil {
			return false // it may not have been started yet
		}
		for _, p := range phases {
			if p.Name == state {
				return true
			}
		}
		return false
	})
}

// seed is a folder that a stack left which was closed after adult-income-1 was
// promoted. It is made once for all tests and copied by each.
var seed struct {
	sync.Once
	dir  string
	good bool // the run was promoted
}

func seeded(t *testing.T) string {
	t.Helper()
	seed.Do(func() {
		var err error
		seed.dir, err = os.MkdirTemp("", "sluice-e2e-")
		require.NoError(t, err)
		s := up(t, seed.dir)
		s.configure(t, oneStep)
		s.upload(t, "part-0.csv", text(t, rows(t, 0, 3000)))
		s.ends(t, "adult-income-1", "promoted")
		s.consistent(t, 1)
		s.stop(t)
		seed.good = true
	})
	require.True(t, seed.good, "the first run, which every test starts from, failed")
	dir := filepath.Join(t.TempDir(), "stack")
	// cp keeps the extended attributes that the S3 server keeps its metadata in.
	out, err := exec.Command("cp", "-a", seed.dir, dir).CombinedOutput()
	require.NoError(t, err, "%s", out)
	return dir
}

// stacks is how many run at once: for four fifths of their time they wait, for
// bakes, alarm periods and uploads that settle, so a core carries several.
const stacks = 4

func TestMain(m *testing.M) {
	flag.Parse()
	asked := false
	flag.Visit(func(f *flag.Flag) { asked = asked || f.Name == "test.parallel" })
	if !asked {
		_ = flag.Set("test.parallel", strconv.Itoa(max(stacks, runtime.GOMAXPROCS(0))))
	}
	code := m.Run()
	if seed.dir != "" {
		_ = os.RemoveAll(seed.dir)
	}
	os.Exit(code)
}

// consistent asserts what must hold whenever no rollout is going on: one
// champion serves with all the traffic, in the slot and version the alias names;
// the lease is free; and everything that was written can be read.
func (s *stack) consistent(t *testing.T, champion int) {
	t.Helper()
	ctx := t.Context()
	version, err := s.Champion(ctx, model)
	require.NoError(t, err)
	require.Equal(t, champion, version.Version)
	endpoint, err := s.ShowEndpoint(ctx, model)
	require.NoError(t, err)
	require.Equal(t, "InService", endpoint.Status)
	require.Len(t, endpoint.Variants, 1, "only the champion is left: %+v", endpoint.Variants)
	require.InDelta(t, 1, endpoint.Share(endpoint.Variants[0].Slot), 0)
	require.GreaterOrEqual(t, endpoint.Variants[0].Instances, 1)
	require.Contains(t, s.deployed(t, endpoint), fmt.Sprintf("-v%d-", champion), "the endpoint serves what the alias names")
	state, err := s.Rollout(ctx, model)
	require.NoError(t, err)
	require.True(t, state.Phase.Done(), "rollout %s rests in %s", state.Rollout, state.Phase)
	serving := state.Champion
	if state.Outcome == "promoted" {
		serving = state.Candidate
	}
	require.Equal(t, champion, serving.Version, "the version that the alias names is the one in the slot")
	require.Equal(t, serving.Slot, endpoint.Variants[0].Slot)
	lease, err := ref.Read[struct{ Released bool }](ctx, s.Objects.Refs(s.Store, ""), contract.RolloutLeaseKey(model))
	require.NoError(t, err)
	require.True(t, lease.Value.Released, "the lease was given back")
	s.readable(t)
}

// deployed is the SageMaker model of the one variant that an endpoint has.
func (s *stack) deployed(t *testing.T, endpoint operator.Endpoint) string {
	t.Helper()
	out, err := s.sagemaker().DescribeEndpointConfig(t.Context(), &sagemaker.DescribeEndpointConfigInput{EndpointConfigName: &endpoint.Config})
	require.NoError(t, err)
	require.Len(t, out.ProductionVariants, 1)
	return aws.ToString(out.ProductionVariants[0].ModelName)
}

// sagemaker is the SDK's client of the stack.
func (s *stack) sagemaker() *sagemaker.Client {
	return sagemaker.New(sagemaker.Options{Region: operator.LocalRegion, BaseEndpoint: &s.url,
		Credentials: credentials.NewStaticCredentialsProvider(operator.LocalAccessKey, operator.LocalSecretKey, "")})
}

// readable asserts that no JSON object of the store is half-written.
func (s *stack) readable(t *testing.T) {
	t.Helper()
	objects, err := s.Objects.List(t.Context(), s.Store, "")
	require.NoError(t, err)
	require.NotEmpty(t, objects)
	for _, o := range objects {
		if strings.HasSuffix(o.Key, ".json") {
			body, _, err := s.Objects.Get(t.Context(), s.Store, o.Key, "")
			require.NoError(t, err)
			require.True(t, json.Valid(body), "%s is not whole: %.200s", o.Key, body)
		}
	}
}
