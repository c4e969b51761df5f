package prometheus

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/stretchr/testify/require"

	local "github.com/sluice-ml/sluice/infra/local/cloudwatch"
	"github.com/sluice-ml/sluice/shared/aws/metrics"
	"github.com/sluice-ml/sluice/shared/model"
	"github.com/sluice-ml/sluice/shared/model/modeltest"
	"github.com/sluice-ml/sluice/shared/rollout"
	"github.com/sluice-ml/sluice/shared/serving"
	"github.com/sluice-ml/sluice/shared/trainconfig"
)

// binary is Debian's Prometheus; scripts/fetch-outside.sh fetches it.
func binary(t *testing.T) string {
	t.Helper()
	path, err := filepath.Abs("../../.sluice/cache/outside/prometheus")
	require.NoError(t, err)
	if _, err := os.Stat(path); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("%s is missing: run scripts/fetch-outside.sh", path)
		}
		t.Skip("Prometheus is missing: run scripts/fetch-outside.sh")
	}
	return path
}

// server is a real model server whose requests take as long as it is told.
type server struct {
	handler http.Handler
	url     string

	mu   sync.Mutex
	now  time.Time
	took time.Duration // of the next request
	odd  bool
}

// clock gives the start and the end of a request, in turn.
func (s *server) clock() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.odd = !s.odd; !s.odd {
		s.now = s.now.Add(s.took)
	}
	return s.now
}

func serve(t *testing.T) *server {
	t.Helper()
	artifact, err := model.Unpack(modeltest.Stump(t))
	require.NoError(t, err)
	s := &server{now: noon}
	s.handler = serving.New(artifact, serving.DefaultMaxBody, s.clock).Handler()
	listening := httptest.NewServer(s.handler)
	t.Cleanup(listening.Close)
	s.url = strings.TrimPrefix(listening.URL, "http://")
	return s
}

// broken makes the server fail on a request: answer 500.
type broken struct{}

func (broken) Read([]byte) (int, error) { panic("as the test wants it") }

// answer makes n requests that take so long; the first bad of them fail.
func (s *server) answer(t *testing.T, n, bad int, took time.Duration) {
	t.Helper()
	s.took = took
	for i := range n {
		var body io.Reader = strings.NewReader("40,Male")
		if i < bad {
			body = broken{}
		}
		r := httptest.NewRequest(http.MethodPost, "/invocations", body)
		r.Header.Set("Content-Type", "text/csv")
		w := httptest.NewRecorder()
		s.handler.ServeHTTP(w, r)
		require.Equal(t, i < bad, w.Code == http.StatusInternalServerError, w.Body)
	}
}

// start runs Prometheus until the test ends and gives its URL.
func start(t *testing.T, slots map[string]*server) string {
	t.Helper()
	dir := t.TempDir()
	config := "global: {scrape_interval: 200ms, scrape_timeout: 200ms}\nscrape_configs:\n- job_name: endpoint\n  static_configs:\n"
	for slot, s := range slots {
		config += fmt.Sprintf("  - {targets: [%q], labels: {model: m, slot: %s}}\n", s.url, slot)
	}

	require.NoError(t, os.WriteFile(filepath.Join(dir, "prometheus.yml"), []byte(config), 0o600))
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	address := listener.Addr().String()
	require.NoError(t, listener.Close())
	var log bytes.Buffer
	c := exec.Command(binary(t), "--config.file="+filepath.Join(dir, "prometheus.yml"), "--storage.tsdb.path="+filepath.Join(dir, "data"), "--web.listen-address="+address)
	c.Stdout, c.Stderr = &log, &log
	require.NoError(t, c.Start())
	t.Cleanup(func() {
		_ = c.Process.Kill()
		_ = c.Wait()
		if t.Failed() {
			t.Log(log.String())
		}
	})
	return "http://" + address
}

// watch is the local CloudWatch with what the endpoint would publish.
type watch struct {
	service *local.Service
	gauge   rollout.Gauge
}

type deaf struct{}

func (deaf) PutEvent(context.Context, local.Event) error                { return nil }
func (deaf) PublishAlarm(context.Context, string, string, string) error { return nil }
func (deaf) InvokeAlarm(context.Context, string, []byte) error          { return nil }

func open(t *testing.T) *watch {
	t.Helper()
	service, err := local.Open(local.Config{Dir: t.TempDir(), Region: "eu-west-1", Account: "000000000000", Now: time.Now, Events: deaf{}, Actions: deaf{}})
	require.NoError(t, err)
	listening := httptest.NewServer(service.Handler())
	t.Cleanup(func() { listening.Close(); _ = service.Close() })
	client := cloudwatch.New(cloudwatch.Options{Region: "eu-west-1", BaseEndpoint: aws.String(listening.URL), Credentials: credentials.NewStaticCredentialsProvider("id", "secret", "")})
	gauge, err := metrics.New(client, "staging", 10*time.Second)
	require.NoError(t, err)
	return &watch{service, gauge}
}

func (w *watch) publish(t *testing.T, slot string, at time.Time, n, bad int, took time.Duration) {
	t.Helper()
	dimensions := []local.Dimension{{Name: "EndpointName", Value: "sluice-staging-m"}, {Name: "VariantName", Value: slot}}
	datum := func(name string, value, count float64) local.Datum {
		return local.Datum{Name: name, Dimensions: dimensions, Time: at, HighResolution: true, Values: []float64{value}, Counts: []float64{count}}
	}
	data := []local.Datum{datum("Invocations", 1, float64(n)), datum("ModelLatency", float64(took.Microseconds()), float64(n))}
	for value, count := range map[float64]int{1: bad, 0: n - bad} {
		if count > 0 {
			data = append(data, datum("Invocation5XXErrors", value, float64(count)))
		}
	}
	require.NoError(t, w.service.Put("AWS/SageMaker", data...))
}

// TestSameDecisionsAsCloudWatch: a real Prometheus that scrapes real servers
// leads to the decisions that CloudWatch leads to.
func TestSameDecisionsAsCloudWatch(t *testing.T) {
	type traffic struct {
		n, bad int
		took   time.Duration
	}
	fast, slow := 2*time.Millisecond, 800*time.Millisecond
	for name, test := range map[string]struct {
		candidate, champion traffic
		verdict             string
	}{
		"good":        {traffic{300, 0, fast}, traffic{900, 1, fast}, rollout.Pass},
		"errors":      {traffic{300, 60, fast}, traffic{900, 0, fast}, rollout.Fail},
		"slow":        {traffic{300, 0, slow}, traffic{900, 0, fast}, rollout.Fail},
		"both suffer": {traffic{300, 60, fast}, traffic{900, 300, fast}, rollout.Insufficient},
		"too little":  {traffic{5, 0, fast}, traffic{900, 0, fast}, rollout.Insufficient},
		"nothing":     {traffic{0, 0, fast}, traffic{900, 0, fast}, rollout.Insufficient},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			green, blue := serve(t), serve(t)
			cloud := open(t)
			g := &Gauge{URL: start(t, map[string]*server{"green": green, "blue": blue}), Client: http.DefaultClient, Rest: cloud.gauge, Stale: time.Minute}
			began := time.Now()
			green.answer(t, test.candidate.n, test.candidate.bad, test.candidate.took)
			blue.answer(t, test.champion.n, test.champion.bad, test.champion.took)
			period := began.Truncate(10 * time.Second).Add(10 * time.Second)
			if test.candidate.n > 0 {
				cloud.publish(t, "green", period, test.candidate.n, test.candidate.bad, test.candidate.took)
			}
			cloud.publish(t, "blue", period, test.champion.n, test.champion.bad, test.champion.took)
			q := rollout.Question{Model: "m", Candidate: "green", Champion: "blue", From: began, To: began.Add(30 * time.Second), Serving: began}
			theirs, err := cloud.gauge.Measure(t.Context(), q)
			require.NoError(t, err)
			var ours rollout.Measurements
			require.Eventually(t, func() bool { // until everything is scraped
				q.To = time.Now()
				var err error
				ours, err = g.Measure(t.Context(), q)
				return err == nil && ours.Champion.Requests == int64(test.champion.n) && ours.Candidate.Requests == int64(test.candidate.n)
			}, 30*time.Second, 50*time.Millisecond)
			require.EqualValues(t, test.candidate.bad, ours.Candidate.Errors)
			policy := rollout.Policy{LatencyP99: trainconfig.Duration(500 * time.Millisecond), ErrorRate: 0.01, MinRequests: 50}
			byCloudWatch, byPrometheus := rollout.Judge(policy, theirs), rollout.Judge(policy, ours)
			require.Equal(t, test.verdict, byPrometheus.Verdict, byPrometheus.Reason)
			require.Equal(t, byCloudWatch.Verdict, byPrometheus.Verdict, "%s\n%s", byCloudWatch.Reason, byPrometheus.Reason)
			require.Equal(t, byCloudWatch.Shared, byPrometheus.Shared)
		})
	}
}
