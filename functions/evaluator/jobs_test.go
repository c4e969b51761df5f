package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sluice-ml/sluice/shared/aws/s3store"
	"github.com/sluice-ml/sluice/shared/aws/s3store/s3test"
	"github.com/sluice-ml/sluice/shared/canonical"
	"github.com/sluice-ml/sluice/shared/contract"
	"github.com/sluice-ml/sluice/shared/job"
	"github.com/sluice-ml/sluice/shared/predictions"
	"github.com/sluice-ml/sluice/shared/rows/rowstest"
	"github.com/sluice-ml/sluice/shared/trained"
	"github.com/sluice-ml/sluice/shared/training"
	"github.com/sluice-ml/sluice/shared/xgboost/xgboosttest"
)

func TestMain(m *testing.M) { s3test.Main(m) }

// TestJobs runs the real programs, as Batch would, against a real S3 server.
func TestJobs(t *testing.T) {
	programs := t.TempDir()
	build := exec.Command("go", "build", "-o", programs+"/", ".", "../server", "../trainer")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	output, err := build.CombinedOutput()
	require.NoError(t, err, string(output))
	for name, test := range map[string]func(*world){
		"train, then evaluate":                trainThenEvaluate,
		"a terminated trainer resumes":        aTerminatedTrainerResumes,
		"wrong jobs are not tried again":      wrongJobsAreNotTriedAgain,
		"a store that is away is tried again": aStoreThatIsAwayIsTriedAgain,
	} {
		t.Run(name, func(t *testing.T) { test(newWorld(t, programs)) })
	}
}

// world is a lake and a store with an upload in it, behind an endpoint.
type world struct {
	t           *testing.T
	programs    string
	store       *s3store.Store
	lake, bound string
	environment []string
}

type roundTripper struct {
	client interface {
		Do(*http.Request) (*http.Response, error)
	}
}

func (r roundTripper) RoundTrip(request *http.Request) (*http.Response, error) {
	request.RequestURI = ""
	return r.client.Do(request)
}

func newWorld(t *testing.T, programs string) *world {
	t.Helper()
	library := xgboosttest.Path(t)
	client := s3test.Client(t)
	credentials, err := client.Options().Credentials.Retrieve(t.Context())
	require.NoError(t, err)
	endpoint := httptest.NewServer(&httputil.ReverseProxy{
		Transport: roundTripper{client.Options().HTTPClient},
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(&url.URL{Scheme: "http", Host: "s3"})
			r.Out.Host = r.In.Host
		},
	})
	t.Cleanup(endpoint.Close)
	w := &world{t: t, programs: programs, store: s3store.New(client), lake: s3test.Bucket(t), bound: s3test.Bucket(t)}
	w.environment = append(os.Environ(), "AWS_ENDPOINT_URL="+endpoint.URL, "AWS_REGION=us-east-1",
		"AWS_ACCESS_KEY_ID="+credentials.AccessKeyID, "AWS_SECRET_ACCESS_KEY="+credentials.SecretAccessKey,
		"AWS_EC2_METADATA_DISABLED=true", "SLUICE_XGBOOST_LIB="+library)
	return w
}

const configuration = `
experiment: {name: adult-income, seed: 7}
data: {target: income, features: [age, education_num, occupation, relationship, sex, hours_per_week]}
model: {type: XGBClassifier, params: {n_estimators: 60, max_depth: 4, subsample: 0.9, n_jobs: 2}}
training: {folds: 4, early_stopping_rounds: 10}
evaluation:
  thresholds: {auc_roc: 0.8}
  fairness: {protected_attributes: [sex]}
  robustness: {noise: [0.1], draws: 1}
`

// seal uploads the holdout and writes a run's sealed plan; it gives its URI.
func (w *world) seal(run, config string, champion *contract.Version) string {
	w.t.Helper()
	ctx, objects := w.t.Context(), contract.DatasetObjects{Commit: "c1", Bucket: w.lake}
	for key, data := range rowstest.Adult(w.t, "holdout.csv.gz") {
		info, err := w.store.Put(ctx, w.lake, key, data)
		require.NoError(w.t, err)
		objects.Objects = append(objects.Objects, contract.ObjectVersion{Key: key, VersionID: info.VersionID, Size: info.Size})
	}
	key := contract.ConfigKey("adult-income")
	info, err := w.store.Put(ctx, w.bound, key, []byte(config))
	require.NoError(w.t, err)
	list, err := w.store.PutJSON(ctx, w.bound, "datasets/adult-income/c1.json", objects)
	require.NoError(w.t, err)
	plan, err := w.store.PutJSON(ctx, w.bound, contract.RunKey("adult-income", run, contract.FilePlan), contract.Plan{
		Model: "adult-income", Run: run, Seed: 7, Hash: "h1", Config: s3store.VersionURI(w.bound, key, info.VersionID),
		Dataset: contract.Dataset{Bucket: w.lake, Commit: "c1", Objects: list}, Champion: champion,
	})
	require.NoError(w.t, err)
	return plan
}

func (w *world) command(program, plan string) *exec.Cmd {
	command := exec.Command(filepath.Join(w.programs, program))
	command.Env = append(w.environment, contract.EnvPlan+"="+plan)
	command.Stderr = w.t.Output()
	return command
}

// job runs a program to its end and gives its exit code and its output.
func (w *world) job(program, plan string) (int, string) {
	w.t.Helper()
	command := w.command(program, plan)
	var out bytes.Buffer
	command.Stdout, command.Stderr = &out, &out
	_ = command.Run() // the exit code says it
	w.t.Logf("%s:\n%s", program, out.String())
	return command.ProcessState.ExitCode(), out.String()
}

func (w *world) file(run, name string) []byte {
	w.t.Helper()
	data, _, err := w.store.Get(w.t.Context(), w.bound, contract.RunKey("adult-income", run, name), "")
	require.NoError(w.t, err)
	return data
}

func trainThenEvaluate(w *world) {
	t := w.t
	plan := w.seal("r1", configuration, nil)
	code, _ := w.job("trainer", plan)
	require.Equal(t, job.Done, code)
	var metrics training.Metrics
	require.NoError(t, json.Unmarshal(w.file("r1", contract.FileMetrics), &metrics))
	require.Greater(t, metrics.OutOfFold.AUC, 0.85)

	code, out := w.job("trainer", plan)
	require.Equal(t, job.Done, code)
	require.Contains(t, out, "nothing to do")

	code, _ = w.job("evaluator", plan)
	require.Equal(t, job.Done, code)
	scored := w.file("r1", contract.FilePredictions)
	set, err := predictions.Read(bytes.NewReader(scored), int64(len(scored)))
	require.NoError(t, err)
	require.Nil(t, set.Champion)
	require.Len(t, set.Attributes["sex"], len(set.RowID))
	require.True(t, strings.HasPrefix(set.RowID[0], "raw/adult-income/holdout.csv.gz#"))
	var latency contract.Latency
	require.NoError(t, json.Unmarshal(w.file("r1", contract.FileLatency), &latency))
	require.Zero(t, latency.Errors)

	var sealed contract.Plan
	require.NoError(t, json.Unmarshal(w.file("r1", contract.FilePlan), &sealed))
	known, err := trained.Find(t.Context(), w.store.Refs(w.bound, ""), "adult-income", sealed.Hash)
	require.NoError(t, err)
	require.Equal(t, "r1", known.Run)
	require.Equal(t, "sha256:"+canonical.Sum(w.file("r1", contract.FileModel)), known.Digest)

	artifact := contract.URI(w.bound, contract.RunKey("adult-income", "r1", contract.FileModel))
	wrong := w.seal("r2", configuration, &contract.Version{Artifact: artifact, Digest: "sha256:00"})
	code, _ = w.job("trainer", wrong)
	require.Equal(t, job.Done, code)
	code, out = w.job("evaluator", wrong)
	require.Equal(t, job.Wrong, code)
	require.Contains(t, out, "was registered")
	require.Equal(t, w.file("r1", contract.FileModel), w.file("r2", contract.FileModel), "one plan hash, one model")
}

func aTerminatedTrainerResumes(w *world) {
	t := w.t
	undisturbed := w.seal("r1", configuration, nil)
	code, _ := w.job("trainer", undisturbed)
	require.Equal(t, job.Done, code)

	plan := w.seal("r2", configuration, nil)
	command := w.command("trainer", plan)
	stdout, err := command.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, command.Start())
	lines := bufio.NewScanner(stdout)
	for lines.Scan() {
		if strings.HasPrefix(lines.Text(), "fold 1 of 4") {
			require.NoError(t, command.Process.Signal(syscall.SIGTERM))
		}
	}
	_ = command.Wait()
	require.Equal(t, job.TryAgain, command.ProcessState.ExitCode())
	kept := w.file("r2", "checkpoint/fold-0.json")

	code, _ = w.job("trainer", plan)
	require.Equal(t, job.Done, code)
	require.Equal(t, kept, w.file("r2", "checkpoint/fold-0.json"))
	for _, name := range []string{contract.FileModel, contract.FileMetrics, contract.FileFolds, contract.FileEnvironment} {
		require.Equal(t, w.file("r1", name), w.file("r2", name), name)
	}
}

func wrongJobsAreNotTriedAgain(w *world) {
	t := w.t
	for name, c := range map[string]struct{ program, plan, want string }{
		"no plan variable": {"trainer", "", "SLUICE_PLAN is not set"},
		"no plan":          {"trainer", contract.URI(w.bound, "runs/m/r/plan.json"), "runs/m/r/plan.json"},
		"evaluate first":   {"evaluator", w.seal("r1", configuration, nil), "model.tar.gz"},
		"wrong parameter":  {"trainer", w.seal("r2", strings.Replace(configuration, "max_depth", "max_deth", 1), nil), "max_deth"},
		"wrong target":     {"trainer", w.seal("r3", strings.Replace(configuration, "target: income", "target: outcome", 1), nil), `no column "outcome"`},
	} {
		t.Run(name, func(t *testing.T) {
			code, out := w.job(c.program, c.plan)
			require.Equal(t, job.Wrong, code, out)
			require.Contains(t, out, c.want)
		})
	}
}

func aStoreThatIsAwayIsTriedAgain(w *world) {
	t := w.t
	away := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusServiceUnavailable)
		_, _ = io.WriteString(w, "<Error><Code>SlowDown</Code></Error>")
	}))
	t.Cleanup(away.Close)
	w.environment = append(w.environment, "AWS_ENDPOINT_URL="+away.URL, "AWS_MAX_ATTEMPTS=1")
	code, out := w.job("trainer", fmt.Sprintf("s3://%s/runs/m/r/plan.json", w.bound))
	require.Equal(t, job.TryAgain, code, out)
}
