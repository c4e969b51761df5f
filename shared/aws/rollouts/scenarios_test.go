package rollouts_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	elbtypes "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"
	"github.com/aws/aws-sdk-go-v2/service/sagemaker"
	"github.com/aws/aws-sdk-go-v2/service/sagemaker/types"
	"github.com/stretchr/testify/require"

	"github.com/sluice-ml/sluice/infra/local/ecs/ecstest"
	"github.com/sluice-ml/sluice/shared/aws/ecsbackend"
	"github.com/sluice-ml/sluice/shared/aws/endpoint"
	"github.com/sluice-ml/sluice/shared/aws/metrics"
	"github.com/sluice-ml/sluice/shared/contract"
	"github.com/sluice-ml/sluice/shared/rollout"
	"github.com/sluice-ml/sluice/shared/trainconfig"
)

// stage is a world with what somebody else may do to it, whoever serves.
type stage struct {
	*world
	reset  func() // gives all the traffic to blue behind the controller's back
	shrink func() // takes capacity from blue
}

// both runs a scenario on SageMaker and on ECS, with the number of instances of a
// slot.
func both(t *testing.T, instances int, scenario func(*stage)) {
	t.Run("SageMaker", func(t *testing.T) {
		t.Parallel()
		w := open(t, func(s *endpoint.Settings) { s.InstanceCount = int32(instances) })
		change := func(wanted ...types.DesiredWeightAndCapacity) {
			_, err := w.control.UpdateEndpointWeightsAndCapacities(t.Context(), &sagemaker.UpdateEndpointWeightsAndCapacitiesInput{
				EndpointName: aws.String("sluice-staging-adult--income"), DesiredWeightsAndCapacities: wanted})
			require.NoError(t, err)
			w.settle()
		}
		scenario(&stage{w, func() {
			change(types.DesiredWeightAndCapacity{VariantName: aws.String("blue"), DesiredWeight: aws.Float32(100)},
				types.DesiredWeightAndCapacity{VariantName: aws.String("green"), DesiredWeight: aws.Float32(0)})
		}, func() {
			change(types.DesiredWeightAndCapacity{VariantName: aws.String("blue"), DesiredInstanceCount: aws.Int32(1)})
		}})
	})
	t.Run("ECS", func(t *testing.T) {
		t.Parallel()
		scenario(openECS(t, instances))
	})
}

// settle waits until no change is under way.
func (w *world) settle() {
	w.t.Helper()
	require.Eventually(w.t, func() bool {
		view, err := w.Backend.View(w.t.Context(), "adult_income")
		return err == nil && view.Status == rollout.Ready
	}, 20*time.Second, 10*time.Millisecond)
}

// openECS is a controller with the real adapters on the local ECS, load balancer
// and CloudWatch.
func openECS(t *testing.T, instances int) *stage {
	w, watch := begin(t)
	w.clock.real = 20 * time.Millisecond
	w.policy = rollout.Policy{Steps: []float64{50, 100}, Bake: trainconfig.Duration(2 * time.Minute), Deadline: trainconfig.Duration(2 * time.Hour),
		LatencyP99: trainconfig.Duration(5 * time.Second), ErrorRate: 0.01, MinRequests: 20, MaxFailures: 2}
	local := ecstest.Open(t, ecstest.Options{Server: ecstest.Build(t, "../ecsbackend/testdata/modelserver"), Now: w.clock.Now, Metrics: watch})
	rule, groups := local.Declare(t, "adult_income", "sluice-staging-adult--income")
	backend, err := ecsbackend.New(local.ECS, local.ELB, http.DefaultClient, ecsbackend.Settings{Environment: "staging", Cluster: ecstest.Cluster, URL: local.URL,
		Instances: instances, Models: map[string]ecsbackend.Model{"adult_income": {Rule: rule, Groups: groups}}, Patience: 15 * time.Minute, Now: w.clock.Now})
	require.NoError(t, err)
	metric := httptest.NewServer(watch.Handler())
	t.Cleanup(metric.Close)
	gauge, err := metrics.New(cloudwatch.New(cloudwatch.Options{Region: "eu-west-1", BaseEndpoint: &metric.URL, RetryMaxAttempts: 1,
		Credentials: credentials.NewStaticCredentialsProvider("id", "secret", "")}), "staging", 10*time.Second)
	require.NoError(t, err)
	gauge.Balanced(map[string]metrics.Balancer{"adult_income": metrics.BalancerOf(rule, groups)})
	w.ask, w.flush = func() error { return post(t.Context(), local.URL) }, local.Balancer.Flush
	w.govern(backend, gauge)
	forward := func(slot string, weight int32) elbtypes.TargetGroupTuple {
		return elbtypes.TargetGroupTuple{TargetGroupArn: aws.String(groups[slot]), Weight: &weight}
	}
	return &stage{w, func() {
		_, err := local.ELB.ModifyRule(t.Context(), &elb.ModifyRuleInput{RuleArn: &rule, Actions: []elbtypes.Action{{Type: elbtypes.ActionTypeEnumForward,
			ForwardConfig: &elbtypes.ForwardActionConfig{TargetGroups: []elbtypes.TargetGroupTuple{forward("blue", 100), forward("green", 0)}}}}})
		require.NoError(t, err)
	}, func() {
		_, err := local.ECS.UpdateService(t.Context(), &ecs.UpdateServiceInput{Cluster: aws.String(ecstest.Cluster), Service: aws.String("sluice-staging-adult--income-blue"), DesiredCount: aws.Int32(0)})
		require.NoError(t, err)
		require.Eventually(t, func() bool {
			view, err := backend.View(t.Context(), "adult_income")
			blue, _ := view.Slot("blue")
			return err == nil && blue.Instances == 0 && view.Status == rollout.Ready
		}, 20*time.Second, 10*time.Millisecond)
	}}
}

func post(ctx context.Context, url string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, url+"/invocations", strings.NewReader(`{"instances":[{"age":39}]}`))
	if err != nil {
		return err
	}
	request.Header.Set(contract.HeaderModel, "adult_income")
	request.Header.Set("Content-Type", "application/json")
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	body, err := io.ReadAll(answer.Body)
	if closing := answer.Body.Close(); err == nil {
		err = closing
	}
	if err == nil && answer.StatusCode != http.StatusOK {
		err = fmt.Errorf("%d: %s", answer.StatusCode, body)
	}
	return err
}

func done(c contract.RolloutCommand) bool   { return c.Action == "done" }
func baking(c contract.RolloutCommand) bool { return c.Action == "bake" }

// released is a champion, version 1, in blue.
func (s *stage) released() {
	s.t.Helper()
	require.Equal(s.t, "promoted", s.ship(1, "good").Outcome)
	s.serves(1)
}

// history is every reason of a finished rollout.
func (s *stage) history(version int) string {
	s.t.Helper()
	state, err := s.States.Archived(s.t.Context(), "adult_income", fmt.Sprint("r-", version))
	require.NoError(s.t, err)
	text := ""
	for _, r := range state.History {
		text += r.Reason + "\n"
	}
	return text
}

// watched notes what a backend was asked, with the champion's instances then.
type watched struct {
	rollout.Backend
	mu        sync.Mutex
	instances []int // of blue whenever it got all the traffic
}

func (w *watched) SetWeights(ctx context.Context, model string, weights []rollout.Weight) error {
	view, err := w.View(ctx, model)
	if err != nil {
		return err
	}
	if blue, ok := view.Slot("blue"); ok && slices.ContainsFunc(weights, func(v rollout.Weight) bool { return v.Slot == "blue" && v.Percent == 100 }) {
		w.mu.Lock()
		w.instances = append(w.instances, blue.Instances)
		w.mu.Unlock()
	}
	return w.Backend.SetWeights(ctx, model, weights)
}

func TestARollbackGivesTheChampionItsCapacityBackFirst(t *testing.T) {
	both(t, 2, func(s *stage) {
		s.released()
		step := s.start(2, "good")
		s.run(step, baking, s.traffic)
		s.shrink()
		seen := &watched{Backend: s.Backend}
		s.Controller.Backend = seen
		s.rolledBack(step)
		require.NotEmpty(s.t, seen.instances)
		for _, n := range seen.instances {
			require.Positive(s.t, n, "all the traffic goes to a version that serves")
		}
		require.Eventually(s.t, func() bool {
			view, err := s.Backend.View(s.t.Context(), "adult_income")
			blue, _ := view.Slot("blue")
			return err == nil && blue.Instances == 2
		}, 20*time.Second, 10*time.Millisecond, "as many as before")
		s.serves(1)
	})
}

// rolledBack ends a rollout by an operator's word.
func (w *world) rolledBack(step contract.RolloutStep) {
	w.t.Helper()
	step.Reason = "an operator says so"
	for range 50 {
		command, err := w.Rollback(w.t.Context(), step)
		if err == nil && command.Action == "release" {
			break
		}
		w.clock.pass(10 * time.Second)
	}
	step.Operation = "release"
	require.Equal(w.t, "rolled_back", w.run(step, done, w.traffic).Outcome)
}

func TestAnUpdateThatEndsOnTheOldConfigurationIsNoSuccess(t *testing.T) {
	both(t, 1, func(s *stage) {
		s.released()
		command := s.ship(2, "dead")
		require.Equal(s.t, "rolled_back", command.Outcome)
		require.Contains(s.t, s.history(2), "the candidate could not be deployed")
		s.serves(1)
	})
}

func TestWeightsThatSomebodyResetsArePutRight(t *testing.T) {
	both(t, 1, func(s *stage) {
		s.released()
		step := s.start(2, "good")
		s.run(step, baking, s.traffic)
		s.reset()
		step.Operation = "verify"
		require.Equal(s.t, "promoted", s.run(step, done, s.traffic).Outcome)
		require.Contains(s.t, s.history(2), "failure 1 of 2: the endpoint does not have the weights that were asked for")
		s.serves(2)
	})
}

func TestNoDataIsNoPromotion(t *testing.T) {
	both(t, 1, func(s *stage) {
		s.released()
		s.policy.Deadline = trainconfig.Duration(20 * time.Minute)
		quiet := func(seconds int) { s.clock.pass(time.Duration(seconds) * time.Second) }
		require.Equal(s.t, "rolled_back", s.run(s.start(2, "good"), done, quiet).Outcome)
		require.Contains(s.t, s.history(2), "the deadline of 20m passed")
		s.serves(1)
	})
}

// One error among the candidate's first ten requests says nothing yet.
func TestOneErrorInTenRequestsIsNoFailure(t *testing.T) {
	both(t, 1, func(s *stage) {
		s.released()
		s.policy.ErrorRate = 0.05
		bakes := 0
		require.Equal(s.t, "promoted", s.run(s.start(2, "once"), done, func(seconds int) {
			if bakes++; bakes > 1 {
				s.traffic(seconds)
				return
			}
			for range 20 {
				_ = s.ask() // about ten are the candidate's
			}
			s.clock.pass(time.Duration(seconds) * time.Second)
			require.NoError(s.t, s.flush(s.t.Context(), s.clock.Now()))
		}).Outcome)
		require.Contains(s.t, s.history(2), "holding: ")
		require.NotContains(s.t, s.history(2), "failure 1")
		s.serves(2)
	})
}

func TestAStuckUpdateEndsWithTheChampionServing(t *testing.T) {
	both(t, 1, func(s *stage) {
		s.released()
		s.policy.Deadline = trainconfig.Duration(6 * time.Minute)
		lost := s.callers(func() { require.Equal(s.t, "rolled_back", s.ship(2, "hung").Outcome) })
		require.Zero(s.t, lost)
		s.serves(1)
	})
}

// out is a gauge that fails for a while.
type out struct {
	rollout.Gauge
	left int
}

func (o *out) Measure(ctx context.Context, q rollout.Question) (rollout.Measurements, error) {
	if o.left--; o.left >= 0 {
		return rollout.Measurements{}, errors.New("the metrics are out")
	}
	return o.Gauge.Measure(ctx, q)
}

func TestAMetricsOutageHolds(t *testing.T) {
	both(t, 1, func(s *stage) {
		s.released()
		s.Gauge = &out{s.Gauge, 3}
		require.Equal(s.t, "promoted", s.ship(2, "good").Outcome)
		require.Contains(s.t, s.history(2), "holding: no measurements: the metrics are out")
		require.NotContains(s.t, s.history(2), "failure 1")
		s.serves(2)
	})
}

// The time that it takes is real: the controller waits for real.
func TestAnAlarmMidStepRollsBack(t *testing.T) {
	both(t, 1, func(s *stage) {
		s.released()
		step := s.start(2, "flaky")
		s.run(step, baking, s.traffic)
		sleep := s.Sleep
		s.Sleep = func(ctx context.Context, d time.Duration) error { time.Sleep(d); return sleep(ctx, d) }
		began := time.Now()
		command, err := s.Alarm(s.t.Context(), "adult_income", rollout.Alarm{Name: "errors", Slot: "green", Since: s.clock.Now(), Reason: "half fail"})
		took := time.Since(began)
		require.NoError(s.t, err)
		require.Equal(s.t, "release", command.Action, command.Reason)
		s.t.Logf("from the alarm to weights that were read back: %v", took.Round(time.Millisecond))
		for range 50 {
			require.NoError(s.t, s.ask(), "nobody is sent to the candidate any more")
		}
		s.Sleep = sleep
		step.Operation = "release"
		require.Equal(s.t, "rolled_back", s.run(step, done, s.traffic).Outcome)
		s.serves(1)
	})
}

// callers keep asking while something happens, and say how many answers were lost.
func (s *stage) callers(during func()) (lost int64) {
	var failed atomic.Int64
	stop := make(chan struct{})
	var asking sync.WaitGroup
	for range 2 {
		asking.Go(func() {
			for {
				select {
				case <-stop:
					return
				case <-time.After(2 * time.Millisecond):
				}
				if err := s.ask(); err != nil {
					failed.Add(1)
					s.t.Log(err)
				}
			}
		})
	}
	during()
	close(stop)
	asking.Wait()
	return failed.Load()
}

func TestNoRequestIsLostByAReleaseOrARollback(t *testing.T) {
	both(t, 1, func(s *stage) {
		s.released()
		lost := s.callers(func() {
			require.Equal(s.t, "promoted", s.ship(2, "good").Outcome)
			step := s.start(3, "good")
			s.run(step, baking, s.traffic)
			s.rolledBack(step)
		})
		require.Zero(s.t, lost)
		s.serves(2)
	})
}
