package rollouts_test

import (
	"archive/tar"
	"bytes"
	"cmp"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http/httptest"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/aws-sdk-go-v2/service/sagemaker"
	"github.com/aws/aws-sdk-go-v2/service/sagemakerruntime"
	"github.com/stretchr/testify/require"

	localcloudwatch "github.com/sluice-ml/sluice/infra/local/cloudwatch"
	localsagemaker "github.com/sluice-ml/sluice/infra/local/sagemaker"
	"github.com/sluice-ml/sluice/shared/aws/endpoint"
	"github.com/sluice-ml/sluice/shared/aws/metrics"
	"github.com/sluice-ml/sluice/shared/aws/rollouts"
	"github.com/sluice-ml/sluice/shared/contract"
	"github.com/sluice-ml/sluice/shared/fault"
	"github.com/sluice-ml/sluice/shared/feedback"
	"github.com/sluice-ml/sluice/shared/ref"
	"github.com/sluice-ml/sluice/shared/rollout"
	"github.com/sluice-ml/sluice/shared/trainconfig"
)

// clock moves only when somebody waits.
type clock struct {
	mu   sync.Mutex
	now  time.Time
	real time.Duration // how long a wait really takes at least
}

func (c *clock) Now() time.Time { c.mu.Lock(); defer c.mu.Unlock(); return c.now }
func (c *clock) pass(d time.Duration) {
	c.mu.Lock()
	c.now = c.now.Add(d)
	c.mu.Unlock()
	time.Sleep(max(5*time.Millisecond, c.real)) // the servers are real processes
}

// artefacts is a bucket whose keys <version>-<behaviour>.tar.gz hold a model
// that behaves so.
type artefacts struct{}

func (artefacts) Get(_ context.Context, _, key string) (io.ReadCloser, error) {
	_, behaviour, _ := strings.Cut(strings.TrimSuffix(key, ".tar.gz"), "-")
	var out bytes.Buffer
	zipped := gzip.NewWriter(&out)
	archive := tar.NewWriter(zipped)
	if err := archive.WriteHeader(&tar.Header{Name: "behaviour", Mode: 0o644, Size: int64(len(behaviour))}); err != nil {
		return nil, err
	}
	_, _ = io.WriteString(archive, behaviour)
	_, _ = archive.Close(), zipped.Close()
	return io.NopCloser(&out), nil
}

// bucket keeps what SageMaker captures, beside the artefacts; it is
// feedback.Files too.
type bucket struct {
	artefacts
	mu  sync.Mutex
	all map[string][]byte
}

func (b *bucket) Put(_ context.Context, _, key string, body []byte) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.all[key] = body
	return nil
}

func (b *bucket) List(_ context.Context, prefix string) ([]feedback.File, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	var files []feedback.File
	for key, body := range b.all {
		if strings.HasPrefix(key, prefix) {
			files = append(files, feedback.File{Key: key, ETag: fmt.Sprint(len(body))})
		}
	}
	return files, nil
}

func (b *bucket) Read(_ context.Context, key string) ([]byte, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.all[key], nil
}

type deaf struct{}

func (deaf) PutEvent(context.Context, localcloudwatch.Event) error      { return nil }
func (deaf) PublishAlarm(context.Context, string, string, string) error { return nil }
func (deaf) InvokeAlarm(context.Context, string, []byte) error          { return nil }

// world is a controller with the real adapters on the local SageMaker and
// CloudWatch. It is the catalog itself.
type world struct {
	*rollout.Controller
	clock     *clock
	t         *testing.T
	sagemaker *localsagemaker.Service
	control   *sagemaker.Client
	runtime   *sagemakerruntime.Client
	ask       func() error                           // sends a row as callers do
	flush     func(context.Context, time.Time) error // publishes the metrics
	policy    rollout.Policy
	champion  int
	behaviour string
	digests   map[int]string // of the versions' archives; "" is not known
	told      []string

	gauge  *metrics.Gauge
	bucket *bucket   // what was captured, and the labels
	store  ref.Store // the states and the monitor's ledger
	asked  int       // requests so far: each has an inference id
	row    func(i int) string
	rate   int // of requests in 10 s; 0 is 40
}

func open(t *testing.T, change ...func(*endpoint.Settings)) *world {
	binary := filepath.Join(t.TempDir(), "modelserver")
	output, err := exec.Command("go", "build", "-o", binary, "../endpoint/testdata/modelserver").CombinedOutput()
	require.NoError(t, err, string(output))
	w, watch := begin(t)
	w.policy = rollout.Policy{Steps: []float64{50, 100}, Bake: trainconfig.Duration(30 * time.Second), Deadline: trainconfig.Duration(time.Hour),
		LatencyP99: trainconfig.Duration(5 * time.Second), ErrorRate: 0.01, MinRequests: 20, MaxFailures: 2}
	w.sagemaker, err = localsagemaker.Open(localsagemaker.Config{Dir: t.TempDir(), Region: "eu-west-1", Account: "000000000000", Objects: w.bucket, Metrics: watch, Now: w.clock.Now,
		Log: t.Output(), ReadyTimeout: 5 * time.Second, StopGrace: 5 * time.Second, RestartPause: 10 * time.Millisecond,
		ResolveImage: func(string) (string, []string, []string, error) { return binary, nil, nil, nil }})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, w.sagemaker.Close(context.Background())) })
	keys := credentials.NewStaticCredentialsProvider("id", "secret", "")
	api, runtime, metric := httptest.NewServer(w.sagemaker.API()), httptest.NewServer(w.sagemaker.Runtime()), httptest.NewServer(watch.Handler())
	t.Cleanup(func() { api.Close(); runtime.Close(); metric.Close() })
	w.runtime = sagemakerruntime.New(sagemakerruntime.Options{Region: "eu-west-1", BaseEndpoint: &runtime.URL, Credentials: keys, RetryMaxAttempts: 1})
	w.control = sagemaker.New(sagemaker.Options{Region: "eu-west-1", BaseEndpoint: &api.URL, Credentials: keys, RetryMaxAttempts: 1})
	settings := endpoint.Settings{Environment: "staging", Role: "arn:aws:iam::000000000000:role/models", InstanceType: "ml.m5.large", InstanceCount: 1, MetricPeriod: 10, Capture: "s3://store/capture"}
	for _, f := range change {
		f(&settings)
	}
	backend, err := endpoint.New(w.control, w.runtime, settings)
	require.NoError(t, err)
	gauge, err := metrics.New(cloudwatch.New(cloudwatch.Options{Region: "eu-west-1", BaseEndpoint: &metric.URL, Credentials: keys, RetryMaxAttempts: 1}), "staging", 10*time.Second)
	require.NoError(t, err)
	w.row = func(int) string { return `{"age":39}` }
	w.ask = func() error {
		w.bucket.mu.Lock() // callers may be many
		i := w.asked
		w.asked++
		w.bucket.mu.Unlock()
		_, err := w.runtime.InvokeEndpoint(w.t.Context(), &sagemakerruntime.InvokeEndpointInput{EndpointName: aws.String("sluice-staging-adult--income"),
			ContentType: aws.String("application/json"), Body: []byte(`{"instances":[` + w.row(i) + `]}`), InferenceId: aws.String(fmt.Sprint("q", i))})
		return err
	}
	w.flush = w.sagemaker.Flush
	w.store = ref.NewMemory()
	w.govern(backend, &rollouts.Captured{Rest: gauge, Environment: "staging", Captures: w.bucket, Store: w.store})
	w.gauge = gauge
	return w
}

// begin is a world with a clock and a CloudWatch.
func begin(t *testing.T) (*world, *localcloudwatch.Service) {
	w := &world{t: t, bucket: &bucket{all: map[string][]byte{}}, clock: &clock{now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)}}
	watch, err := localcloudwatch.Open(localcloudwatch.Config{Dir: t.TempDir(), Region: "eu-west-1", Account: "000000000000", Now: w.clock.Now, Events: deaf{}, Actions: deaf{}})
	require.NoError(t, err)
	t.Cleanup(func() { _ = watch.Close() })
	return w, watch
}

// govern makes the world's controller.
func (w *world) govern(backend rollout.Backend, gauge rollout.Gauge) {
	if w.store == nil {
		w.store = ref.NewMemory()
	}
	records := rollout.Records{Store: w.store, Now: w.clock.Now}
	w.Controller = &rollout.Controller{Backend: backend, States: records, Leases: records, Quarantine: records, Catalog: w, Gauge: gauge, Now: w.clock.Now, Log: slog.New(slog.DiscardHandler),
		Sleep: func(_ context.Context, d time.Duration) error { w.clock.pass(d); return nil },
		Tell:  func(_ context.Context, _, text string) error { w.told = append(w.told, text); return nil }}
}

func (w *world) Champion(context.Context, string) (int, error) { return w.champion, nil }
func (w *world) Promote(_ context.Context, _ string, _, to int, _ int64) error {
	w.champion = to
	return nil
}

func (w *world) Revert(_ context.Context, _ string, _, to int, _ int64) error {
	w.champion = to
	return nil
}
func (w *world) Row(context.Context, string, int) (rollout.Row, error) {
	return rollout.Row{ContentType: "application/json", Body: []byte(`{"instances":[{"age":39}]}`)}, nil
}
func (w *world) Approved(_ context.Context, step contract.RolloutStep) (rollout.Approved, error) {
	return rollout.Approved{Artifact: rollout.Artifact{Version: step.Version, Digest: w.digests[step.Version], URI: fmt.Sprintf("s3://store/%d-%s.tar.gz", step.Version, w.behaviour), Image: "server:1"},
		Policy: w.policy}, nil
}

// traffic is callers who do not know of any rollout, for a bake.
func (w *world) traffic(seconds int) {
	for range seconds / 10 {
		for range cmp.Or(w.rate, 40) {
			_ = w.ask() // failures are what is measured
		}
		w.clock.pass(10 * time.Second)
	}
	require.NoError(w.t, w.flush(w.t.Context(), w.clock.Now()))
}

// ship runs a rollout as the state machine does.
func (w *world) ship(version int, behaviour string) contract.RolloutCommand {
	return w.run(w.start(version, behaviour), func(c contract.RolloutCommand) bool { return c.Action == "done" }, w.traffic)
}

// start is a rollout's first step.
func (w *world) start(version int, behaviour string) contract.RolloutStep {
	w.behaviour = behaviour
	return contract.RolloutStep{Operation: "acquire", Model: "adult_income", Run: fmt.Sprint("run-", version), Version: version, Decision: "s3://store/d", Rollout: fmt.Sprint("r-", version)}
}

// run goes on until it is so; bake is what happens during a bake. Errors that a
// retry may cure are retried, as the state machine does.
func (w *world) run(step contract.RolloutStep, until func(contract.RolloutCommand) bool, bake func(seconds int)) contract.RolloutCommand {
	w.t.Helper()
	command, err := w.Do(w.t.Context(), step)
	for turns := 0; err == nil && !until(command); turns++ {
		require.Less(w.t, turns, 400, "%+v", command)
		before := command
		switch command.Action {
		case "bake":
			bake(command.WaitSeconds + 10)
			command, err = w.Analyze(w.t.Context(), step)
		case "analyze":
			command, err = w.Analyze(w.t.Context(), step)
		case "promote":
			command, err = w.Controller.Promote(w.t.Context(), step)
		case "rollback":
			command, err = w.Rollback(w.t.Context(), step)
		default:
			w.clock.pass(time.Duration(command.WaitSeconds) * time.Second)
			step.Operation = command.Action
			command, err = w.Do(w.t.Context(), step)
		}
		if err != nil && fault.KindOf(err).Retryable() {
			w.clock.pass(10 * time.Second)
			command, err = before, nil
		}
	}
	require.NoError(w.t, err)
	return command
}

func (w *world) serves(version int) {
	w.t.Helper()
	view, err := w.Backend.View(w.t.Context(), "adult_income")
	require.NoError(w.t, err)
	require.Len(w.t, view.Slots, 1)
	require.Equal(w.t, version, view.Slots[0].Version)
	require.Equal(w.t, version, w.champion)
}

// A model's life: the first version, a better one, one that cannot answer, one
// that fails half of what it is asked, and one more good one.
func TestReleasesOnTheLocalStack(t *testing.T) {
	w := open(t)
	require.Equal(t, "promoted", w.ship(1, "good").Outcome)
	w.serves(1)
	require.Equal(t, "promoted", w.ship(2, "good").Outcome)
	w.serves(2)

	command := w.ship(3, "mute")
	require.Equal(t, "rolled_back", command.Outcome)
	require.Contains(t, command.Reason, "the candidate failed its smoke test")
	w.serves(2)

	command = w.ship(4, "flaky")
	require.Equal(t, "rolled_back", command.Outcome)
	require.Contains(t, command.Reason, "failure 2 of 2: error_rate 0.")
	w.serves(2)
	require.Len(t, w.told, 2)

	require.Equal(t, "rolled_back", w.ship(5, "dead").Outcome)
	w.serves(2)
	require.Equal(t, "promoted", w.ship(6, "good").Outcome)
	w.serves(6)

	s, err := w.States.Archived(t.Context(), "adult_income", "r-4")
	require.NoError(t, err)
	var verdicts []string
	for _, r := range s.History {
		if r.Verdict != "" {
			verdicts = append(verdicts, fmt.Sprintf("%v %% %s", r.Weight, r.Verdict))
			require.Positive(t, r.Measurements.Champion.Requests, "the champion is measured beside it")
		}
	}
	require.Equal(t, []string{"50 % fail", "50 % fail"}, verdicts)
}

// A candidate that was rolled back on evidence is not rolled out again under
// another version, until a person releases it; one that never answered users may.
func TestWhatWasRolledBackIsInQuarantine(t *testing.T) {
	w := open(t)
	w.digests = map[int]string{2: "sha256:bad", 3: "sha256:bad", 4: "sha256:bad", 5: "sha256:mute", 6: "sha256:mute"}
	require.Equal(t, "promoted", w.ship(1, "good").Outcome)
	require.Equal(t, "rolled_back", w.ship(2, "flaky").Outcome)
	records := rollout.Records{Store: w.store, Now: w.clock.Now}
	q, err := records.Isolated(t.Context(), "adult_income", "sha256:bad")
	require.NoError(t, err)
	require.Equal(t, "r-2", q.Rollout)
	require.Contains(t, q.Reason, "error_rate")

	refused := w.ship(3, "good")
	require.Equal(t, "rolled_back", refused.Outcome)
	require.Contains(t, refused.Reason, "quarantined: the same model was rolled back as version 2 by rollout r-2")
	require.Contains(t, refused.Reason, "sluice rollout release adult_income 2")
	_, err = w.States.Archived(t.Context(), "adult_income", "r-3")
	require.Equal(t, fault.NotFound, fault.KindOf(err), "nothing began")
	w.serves(1)

	for range 2 {
		q, err = records.ReleaseQuarantined(t.Context(), "adult_income", "sha256:bad", "ann")
		require.NoError(t, err)
		require.Equal(t, "ann", q.Released.By)
	}
	require.NoError(t, records.Isolate(t.Context(), rollout.Quarantined{Model: "adult_income", Digest: "sha256:bad", Rollout: "r-2"}))
	require.Equal(t, "promoted", w.ship(4, "good").Outcome, "a late repetition of the rollback does not undo the release")
	_, err = records.ReleaseQuarantined(t.Context(), "adult_income", "sha256:other", "ann")
	require.Equal(t, fault.NotFound, fault.KindOf(err))

	require.Equal(t, "rolled_back", w.ship(5, "mute").Outcome)
	require.Equal(t, "promoted", w.ship(6, "good").Outcome)
}

// A first version that never gets healthy leaves no endpoint, and the next can
// begin at once.
func TestFirstVersionThatNeverAnswersLeavesNothing(t *testing.T) {
	w := open(t)
	require.Equal(t, "rolled_back", w.ship(1, "dead").Outcome)
	view, err := w.Backend.View(t.Context(), "adult_income")
	require.NoError(t, err)
	require.False(t, view.Exists)
	require.Equal(t, "promoted", w.ship(2, "good").Outcome)
	w.serves(2)
}
