package mlflow

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluice-ml/sluice/shared/contract"
	"github.com/sluice-ml/sluice/shared/fault"
	"github.com/sluice-ml/sluice/shared/tracking"
	"github.com/sluice-ml/sluice/shared/tracking/trackingtest"
)

// real is an MLflow tracking server on this machine, with SQLite.
type real struct {
	t       *testing.T
	python  string
	dir     string
	address string
	process *exec.Cmd
	log     bytes.Buffer
}

// install finds the environment that scripts/fetch-mlflow.sh makes, and a port
// where no server runs yet.
func install(t *testing.T) *real {
	t.Helper()
	python, err := filepath.Abs("../../.sluice/cache/mlflow/bin/python")
	require.NoError(t, err)
	if _, err := os.Stat(python); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("%s is missing: run scripts/fetch-mlflow.sh", python)
		}
		t.Skip("MLflow is missing: run scripts/fetch-mlflow.sh")
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer listener.Close()
	r := &real{t: t, python: python, dir: t.TempDir(), address: "http://" + listener.Addr().String()}
	t.Cleanup(r.stop)
	return r
}

func (r *real) start() {
	r.t.Helper()
	host, port, err := net.SplitHostPort(strings.TrimPrefix(r.address, "http://"))
	require.NoError(r.t, err)
	r.process = exec.Command(r.python, "-m", "mlflow", "server", "--host", host, "--port", port, "--workers", "1",
		"--backend-store-uri", "sqlite:///"+filepath.Join(r.dir, "mlflow.db"), "--artifacts-destination", filepath.Join(r.dir, "artifacts"))
	r.process.Dir, r.process.Stdout, r.process.Stderr = r.dir, &r.log, &r.log
	r.process.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // it has workers
	require.NoError(r.t, r.process.Start())
	require.Eventually(r.t, func() bool {
		response, err := http.Get(r.address + "/health")
		if err != nil {
			return false
		}
		_ = response.Body.Close()
		return response.StatusCode == http.StatusOK
	}, 2*time.Minute, 100*time.Millisecond, "MLflow starts")
}

func (r *real) stop() {
	if r.process == nil {
		return
	}
	_ = syscall.Kill(-r.process.Process.Pid, syscall.SIGKILL)
	_ = r.process.Wait()
	r.process = nil
	if r.t.Failed() {
		r.t.Log(r.log.String())
	}
}

// held is what MLflow's own client reads.
type held struct {
	Experiments map[string][]struct {
		ID, Name, Status string
		Start, End       int64
		Params, Tags     map[string]string
		Metrics          map[string][][2]float64 // step, value
		Files            map[string]string
	}
	Models map[string]struct {
		Versions []struct {
			Version, Source, Description string
			RunID                        string `json:"run_id"`
			Tags                         map[string]string
		}
		Aliases map[string]string
	}
}

func (r *real) read() held {
	r.t.Helper()
	command := exec.CommandContext(r.t.Context(), r.python, "testdata/read.py", r.address, r.t.TempDir())
	var stderr bytes.Buffer
	command.Stderr = &stderr
	out, err := command.Output()
	require.NoError(r.t, err, stderr.String())
	var h held
	require.NoError(r.t, json.Unmarshal(out, &h))
	return h
}

func (r *real) outbox(b *trackingtest.Bucket, client Doer) *tracking.Outbox {
	r.t.Helper()
	server, err := New(r.address, client)
	require.NoError(r.t, err)
	tracker := Tracker{Server: server, Environment: "staging"}
	return &tracking.Outbox{Name: "mlflow", Store: b, Files: b, Bucket: trackingtest.Name, Runs: tracker, Versions: tracker,
		Now: func() time.Time { return trackingtest.Noon }}
}

// TestWhatMLflowsOwnClientReads: a server that is down delays nothing and is
// caught up later; a second look writes nothing twice; MLflow's client reads
// everything back.
func TestWhatMLflowsOwnClientReads(t *testing.T) {
	r := install(t)
	b := trackingtest.New(t)
	b.Train("m", "m-1")
	one := b.Register("m", "m-1")
	b.Promote("m", 0, one)
	b.End("m", "m-1", "promoted")
	b.End("m", "m-2", "failed") // it came to nothing before its plan
	b.Train("m", "m-3")
	two := b.Register("m", "m-3") // it goes on

	_, err := r.outbox(b, http.DefaultClient).CatchUp(t.Context(), "m", "test")
	require.Equal(t, fault.Unavailable, fault.KindOf(err), "the server is down: %v", err)

	r.start()
	result, err := r.outbox(b, http.DefaultClient).CatchUp(t.Context(), "m", "test")
	require.NoError(t, err)
	require.Equal(t, tracking.Result{Tracker: "mlflow", Model: "m", Runs: 2, Versions: 1, Champion: one, Refused: []string{}}, result)
	again, err := r.outbox(b, http.DefaultClient).CatchUp(t.Context(), "m", "test")
	require.NoError(t, err)
	require.Equal(t, tracking.Result{Tracker: "mlflow", Model: "m", Refused: []string{}}, again)
	first := r.read()

	// The ledger is gone, as if nobody had heard an answer: all is written again.
	forgetful := trackingtest.Forget(t, b, "tracking/")
	_, err = r.outbox(forgetful, http.DefaultClient).CatchUp(t.Context(), "m", "test")
	require.NoError(t, err)
	require.Equal(t, first, r.read())

	runs := first.Experiments["sluice-staging-m"]
	require.Len(t, runs, 2)
	ran := map[string]int{runs[0].Name: 0, runs[1].Name: 1}
	failed, good := runs[ran["m-2"]], runs[ran["m-1"]]
	require.Equal(t, "FAILED", failed.Status)
	require.Equal(t, "FINISHED", good.Status)
	require.Equal(t, trackingtest.Noon.UnixMilli(), good.End)
	require.Equal(t, trackingtest.Noon.Add(-time.Hour).UnixMilli(), good.Start)
	for name, value := range map[string]string{"model.params.max_depth": "3", "model.params.learning_rate": "0.1", "model.type": "XGBClassifier",
		"experiment.seed": "7", "data.features": `["age","sex"]`} {
		require.Equal(t, value, good.Params[name], name)
	}
	require.Equal(t, [][2]float64{{0, 0.9}, {1, 0.85}}, good.Metrics["folds.auc_roc"])
	require.Equal(t, [][2]float64{{0, 40}, {1, 44}}, good.Metrics["folds.rounds"])
	require.Equal(t, [][2]float64{{0, 0.875}}, good.Metrics["out_of_fold.auc_roc"])
	require.Equal(t, [][2]float64{{0, 0.88}}, good.Metrics["gate.performance.auc_roc"])
	for name, value := range map[string]string{"sluice.run": "m-1", "sluice.plan": "sha256:plan-m-1", "sluice.commit": "commit-m-1", "sluice.action": "ship",
		"sluice.decision": "s3://store/runs/m/m-1/decision.json", "sluice.outcome": "promoted", "sluice.gate.performance": "pass"} {
		require.Equal(t, value, good.Tags[name], name)
	}
	require.Contains(t, good.Tags["mlflow.note.content"], "sluice report m-1")
	for _, name := range []string{contract.FileMetrics, contract.FileDecision, contract.FilePlan, contract.FileEnvironment, contract.FileRecord} {
		want, err := b.Read(t.Context(), contract.URI(trackingtest.Name, contract.RunKey("m", "m-1", name)))
		require.NoError(t, err)
		require.Equal(t, string(want), good.Files[name])
	}
	model := first.Models["sluice-staging-m"]
	require.Len(t, model.Versions, 1)
	require.Equal(t, map[string]string{"champion": "1"}, model.Aliases)
	require.Equal(t, "s3://store/runs/m/m-1/model.tar.gz", model.Versions[0].Source)
	require.Equal(t, good.ID, model.Versions[0].RunID)
	require.Equal(t, "1", model.Versions[0].Tags["sluice.version"])

	// The server goes down over the next promotion, and comes back.
	r.stop()
	b.End("m", "m-3", "promoted")
	b.Promote("m", one, two)
	_, err = r.outbox(b, http.DefaultClient).CatchUp(t.Context(), "m", "test")
	require.Equal(t, fault.Unavailable, fault.KindOf(err))
	r.start()
	result, err = r.outbox(b, http.DefaultClient).CatchUp(t.Context(), "m", "test")
	require.NoError(t, err)
	require.Equal(t, tracking.Result{Tracker: "mlflow", Model: "m", Runs: 1, Versions: 1, Champion: two, Refused: []string{}}, result)
	require.Equal(t, map[string]string{"champion": "2"}, r.read().Models["sluice-staging-m"].Aliases)

	cutOff(t, r)
}

// cut is a client whose process ends at a request: before it is sent, or after,
// when the answer is lost.
type cutAt struct {
	left int
	lost bool
}

var errKilled = errors.New("killed")

func (c *cutAt) Do(request *http.Request) (*http.Response, error) {
	c.left--
	if c.left > 0 {
		return http.DefaultClient.Do(request)
	}
	if c.left == 0 && c.lost {
		response, err := http.DefaultClient.Do(request)
		if err == nil {
			_ = response.Body.Close()
		}
	}
	return nil, errKilled
}

// cutOff ends the work at each of its requests, before and after the server did
// it, and takes it up again.
func cutOff(t *testing.T, r *real) {
	names := []string{}
	for _, lost := range []bool{false, true} {
		for at := 1; ; at++ {
			name := fmt.Sprintf("cut-%t-%d", lost, at)
			b := trackingtest.New(t)
			run := name + "-1"
			b.Train(name, run)
			b.Promote(name, 0, b.Register(name, run))
			b.End(name, run, "promoted")
			client := &cutAt{left: at, lost: lost}
			_, err := r.outbox(b, client).CatchUp(t.Context(), name, "test")
			if client.left > 0 {
				require.NoError(t, err)
				require.Greater(t, at, 10, "it makes that many requests at the least")
				break
			}
			require.ErrorIs(t, err, errKilled)
			_, err = r.outbox(b, http.DefaultClient).CatchUp(t.Context(), name, "test")
			require.NoError(t, err, "cut off at request %d", at)
			names = append(names, name)
		}
	}
	h := r.read()
	for _, name := range names {
		runs, model := h.Experiments["sluice-staging-"+name], h.Models["sluice-staging-"+name]
		require.Len(t, runs, 1, name)
		require.Equal(t, "FINISHED", runs[0].Status, name)
		require.Equal(t, [][2]float64{{0, 0.9}, {1, 0.85}}, runs[0].Metrics["folds.auc_roc"], name)
		require.Len(t, runs[0].Files, 5, name)
		require.Len(t, model.Versions, 1, name)
		require.Equal(t, "promoted", model.Versions[0].Tags["sluice.outcome"], name)
		require.Equal(t, map[string]string{"champion": "1"}, model.Aliases, name)
	}
	t.Logf("%d ways to be cut off", len(names))
}
