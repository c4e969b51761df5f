package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluice-ml/sluice/scripts/sluice/operator"
	"github.com/sluice-ml/sluice/shared/contract"
	"github.com/sluice-ml/sluice/shared/ref"
	"github.com/sluice-ml/sluice/shared/rollout"
)

// onECS is the configuration with what labels say as a limit, and bakes that
// every version's labels come within.
var onECS = strings.NewReplacer("bake: 2s", "bake: 5s", "accuracy: 0}", "accuracy: 0.7}", "min_requests: 5", "min_requests: 20").Replace(config)

// TestTheLifecycleOnECS tells the whole story where ECS serves: upload, training,
// gates, a canary by the listener rule's weights that a kill of the whole stack
// interrupts, a promotion; a version that fails in production and is rolled back by
// its alarm; one whose tasks fail their health checks; and one whose labels turn
// out badly after it was promoted. Traffic goes through the load balancer all the time; labels come from what the servers
// captured themselves. Prometheus, which scrapes those servers, measures every
// rollout, and leads to the verdicts that CloudWatch leads to.
func TestTheLifecycleOnECS(t *testing.T) {
	t.Parallel()
	built(t, ".sluice/ecs.out/manifest.json")
	prometheus := scrape(t)
	assembly, dir := measuredBy(t, built(t, ".sluice/ecs.out"), prometheus.url), t.TempDir()
	s := upOf(t, dir, assembly)
	live := drive(t, s)
	defer live.explain(t)
	prometheus.follow(t, live)

	// A limit that no server keeps: Prometheus says so, and CloudWatch agrees.
	s.configure(t, strings.NewReplacer("latency_p99: 10s", "latency_p99: 1us", "max_failures: 100", "max_failures: 1", "accuracy: 0.7", "accuracy: 0", "bake: 5s", "bake: 21s").Replace(onECS))
	s.upload(t, "part-0.csv", text(t, rows(t, 0, 3000)))
	require.Contains(t, s.finishes(t, "adult-income-1", "rolled_back").Outcome.Reason, "latency_p99")
	require.Contains(t, s.asCloudWatch(t), rollout.Fail)
	released := sluice(t, "rollout", "release", model, "1", "--dir", dir)
	require.Equal(t, 0, released.code, released.stderr)
	s.configure(t, onECS)
	s.finishes(t, s.start(t, "first"), "promoted")
	s.balanced(t, 2)
	s.refusesShadows(t)
	probed := sluice(t, "invoke", "probe", "--event", built(t, "events/probe.json"), "--dir", dir)
	require.Equal(t, 0, probed.code, probed.stderr)
	require.Contains(t, probed.stdout, `"status":200`)

	labels := live.label(t)
	name := s.start(t, "kill")
	s.shared(t, name)
	down := time.Now()
	s.kill(t)
	s = upOf(t, dir, assembly)
	live.stack.Store(s)
	t.Logf("up again after %v; lost %v", time.Since(down), live.lost())
	s.finishes(t, name, "promoted")
	s.balanced(t, 3)
	s.servesOnly(t, live)
	require.NotEmpty(t, s.lookedAt(t, "accuracy"), "the labels of what the servers captured were judged")

	// Now nothing kills the stack, and nobody may notice anything.
	before := live.lost()
	require.Empty(t, before[contract.SlotBlue]+before[contract.SlotGreen])
	name = s.start(t, "bad")
	s.shared(t, name)
	s.fault(t, s.rollout(t).Candidate.Slot, `{"delay": "0s", "error_rate": 0.5}`)
	run := s.finishes(t, name, "rolled_back")
	require.Contains(t, run.Outcome.Reason, ".errors is on")
	s.clear(t)
	s.balanced(t, 3)
	s.servesOnly(t, live)
	after := live.lost()
	require.Positive(t, after[drilled], "the candidate failed")
	delete(after, drilled)
	require.Equal(t, before, after, "no answer that the champion could have given was lost: %v", live.last)

	// Requests are answered, but no task of the candidate passes its health check.
	s.configure(t, strings.NewReplacer("bake: 5s", "bake: 2m", "max_failures: 100", "max_failures: 1").Replace(onECS)) // longer than the alarm's three periods
	name = s.start(t, "ill")
	s.shared(t, name)
	s.fault(t, s.rollout(t).Candidate.Slot, `{"unhealthy": true}`)
	run = s.finishes(t, name, "rolled_back")
	require.Contains(t, run.Outcome.Reason, ".health is on")
	s.clear(t)
	s.balanced(t, 3)
	s.servesOnly(t, live)
	last := live.lost()
	delete(last, drilled)
	require.Equal(t, before, last, "nor by tasks that were only called unhealthy: %v", live.last)

	s.configure(t, strings.Replace(onECS, "bake: 5s", "bake: 21s\n  observe: 1h", 1)) // a whole period of the balancer's is in it
	name = s.start(t, "late")
	s.finishes(t, name, "promoted")
	require.Equal(t, rollout.Observing, s.rollout(t).Phase)
	require.Contains(t, s.asCloudWatch(t), rollout.Pass)
	labels.lie()
	eventually(t, "late labels take the promotion back", func() bool {
		_, failed, err := s.Invoke(t.Context(), "promote", []byte(`{"operation": "observe", "model": "`+model+`"}`))
		require.NoError(t, err)
		require.False(t, failed)
		return s.rollout(t).Phase == rollout.RolledBack
	})
	require.Contains(t, s.rollout(t).Reason, "accuracy")
	s.balanced(t, 3)
	last = live.lost()
	delete(last, drilled)
	require.Equal(t, before, last, "nor while the old champion came back: %v", live.last)
}

// refusesShadows: who knows that ECS serves the model refuses its shadow before it
// is used.
func (s *stack) refusesShadows(t *testing.T) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "train.yaml")
	shadowed := strings.Replace(onECS, "bake: 5s", "bake: 5s\n  shadow: {duration: 1m}", 1)
	require.NoError(t, os.WriteFile(file, []byte(shadowed), 0o600))
	require.Equal(t, 0, sluice(t, "config", "check", file).code, "nothing says who serves")
	refused := sluice(t, "config", "check", file, "--model", model, "--dir", s.dir)
	require.Equal(t, 1, refused.code)
	require.Contains(t, refused.stderr, "deployment.shadow")
	require.Contains(t, refused.stderr, "cannot copy requests")
	require.NoError(t, os.WriteFile(file, []byte(onECS), 0o600))
	require.Equal(t, 0, sluice(t, "config", "check", file, "--model", model, "--dir", s.dir).code)
}

// finishes is ends with the patience that a canary takes whose metrics come in
// periods of ten seconds and whose labels come later.
func (s *stack) finishes(t *testing.T, name, status string) operator.Run {
	t.Helper()
	var run operator.Run
	require.Eventually(t, func() bool {
		var err error
		run, err = s.ShowRun(t.Context(), name)
		return err == nil && run.Status != "running"
	}, 2*patience, 50*time.Millisecond, "wait until run %s ends", name)
	require.Equal(t, status, run.Status, "run %s: %+v", name, run.Outcome)
	return run
}

// balanced is consistent where ECS serves.
func (s *stack) balanced(t *testing.T, champion int) {
	t.Helper()
	version, err := s.Champion(t.Context(), model)
	require.NoError(t, err)
	require.Equal(t, champion, version.Version)
	var endpoint operator.Endpoint
	eventually(t, "only the champion is left", func() bool {
		endpoint, err = s.ShowEndpoint(t.Context(), model)
		return err == nil && endpoint.Status == "InService" && len(endpoint.Variants) == 1
	})
	serving := endpoint.Variants[0]
	require.Equal(t, champion, serving.Version, "the tasks are of the version that the alias names")
	require.InDelta(t, 1, endpoint.Share(serving.Slot), 0)
	require.GreaterOrEqual(t, serving.Instances, 1)
	state := s.rollout(t)
	require.True(t, state.Phase.Done(), "rollout %s rests in %s", state.Rollout, state.Phase)
	lease, err := ref.Read[struct{ Released bool }](t.Context(), s.Objects.Refs(s.Store, ""), contract.RolloutLeaseKey(model))
	require.NoError(t, err)
	require.True(t, lease.Value.Released, "the lease was given back")
	s.readable(t)
}

// lookedAt are the findings of a measure in the latest rollout.
func (s *stack) lookedAt(t *testing.T, measure string) []rollout.Finding {
	t.Helper()
	var all []rollout.Finding
	for _, r := range s.rollout(t).History {
		for _, f := range r.Findings {
			if f.Measure == measure && !f.Unknown {
				all = append(all, f)
			}
		}
	}
	return all
}

// fault makes a slot's target group fail, and clear ends that.
func (s *stack) fault(t *testing.T, slot, fault string) {
	t.Helper()
	group := strings.Split(s.serving(t).Models[model].Groups[slot], "/")[1]
	s.drill(t, http.MethodPut, "/"+group, fault)
}

func (s *stack) clear(t *testing.T) { t.Helper(); s.drill(t, http.MethodDelete, "", "") }

func (s *stack) drill(t *testing.T, method, path, body string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, s.url+"/_sluice/balancing/faults"+path, strings.NewReader(body))
	require.NoError(t, err)
	answer, err := http.DefaultClient.Do(request)
	require.NoError(t, err)
	require.NoError(t, answer.Body.Close())
	require.Equal(t, 2, answer.StatusCode/100, answer.Status)
}

// labels delivers the truth of what was answered.
type labels struct {
	mu    sync.Mutex
	lying bool
}

// lie has every label from now on say the contrary.
func (l *labels) lie() { l.mu.Lock(); defer l.mu.Unlock(); l.lying = true }

// label begins to upload the labels of live traffic, until the test ends.
func (l *traffic) label(t *testing.T) *labels {
	t.Helper()
	data := table(t, "holdout.csv.gz", 0, len(l.bodies))
	truth := make([]float64, len(l.bodies))
	for i, row := range data[1:] {
		for c, name := range data[0] {
			if name == "income" && row[c] == ">50K" {
				truth[i] = 1
			}
		}
	}
	l.mu.Lock()
	l.answered = make(chan asked, 10000)
	l.mu.Unlock()
	made := &labels{}
	stop, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		made.deliver(l, truth, stop)
	}()
	t.Cleanup(func() { close(stop); <-done })
	return made
}

// deliver uploads a file of labels every two seconds. One that does not get
// through while the stack is down is sent again with the next.
func (l *labels) deliver(live *traffic, truth []float64, stop <-chan struct{}) {
	ticker := time.NewTicker(2 * time.Second)
	defer ticker.Stop()
	var body bytes.Buffer
	for n := 0; ; n++ {
		select {
		case <-stop:
			return
		case <-ticker.C:
		}
		l.mu.Lock()
		for len(live.answered) > 0 {
			one := <-live.answered
			label := truth[one.row]
			if l.lying {
				label = 1 - label
			}
			_ = json.NewEncoder(&body).Encode(contract.Label{InferenceID: one.id, Label: label, Time: time.Now().UTC()})
		}
		l.mu.Unlock()
		if body.Len() == 0 {
			continue
		}
		s := live.stack.Load()
		if _, err := s.Objects.Put(live.ctx, s.Lake, fmt.Sprintf("%slive-%d.jsonl", contract.LabelsPrefix(model), n), body.Bytes()); err == nil {
			body.Reset()
		}
	}
}

// lost are the errors so far by slot.
func (l *traffic) lost() map[string]int {
	_, failed := l.counts()
	return failed
}

// explain logs where things stand when the test failed.
func (l *traffic) explain(t *testing.T) {
	if !t.Failed() {
		return
	}
	s, ctx := l.stack.Load(), context.WithoutCancel(t.Context())
	endpoint, err := s.ShowEndpoint(ctx, model)
	t.Logf("endpoint: %+v %v", endpoint, err)
	state, err := s.Rollout(ctx, model)
	t.Logf("rollout %s: %s, %v", state.Rollout, state.Phase, err)
	for _, r := range state.History {
		t.Logf("%s %s %v %%: %s", r.Time.Format(time.TimeOnly), r.Phase, r.Weight, r.Reason)
	}
	served, failed := l.counts()
	t.Logf("served %v, failed %v, last %v", served, failed, l.last)
}
