package ecsbackend_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	"github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"
	"github.com/stretchr/testify/require"

	"github.com/sluice-ml/sluice/infra/local/ecs/ecstest"
	"github.com/sluice-ml/sluice/shared/aws/ecsbackend"
	"github.com/sluice-ml/sluice/shared/fault"
	"github.com/sluice-ml/sluice/shared/rollout"
	"github.com/sluice-ml/sluice/shared/rollout/rollouttest"
)

func artifact(version int, behaviour rollouttest.Kind) rollout.Artifact {
	return rollout.Artifact{Version: version, URI: fmt.Sprintf("s3://store/%d-%s.tar.gz", version, behaviour), Digest: "sha256:0", Image: "server:1"}
}

var row = rollout.Row{ContentType: "application/json", Body: []byte(`{"instances":[{"age":39}]}`)}

// open is a backend on a local ECS of its own, for the one model that the suite
// names.
func open(t *testing.T, server string, change ...func(*ecsbackend.Settings)) (*ecsbackend.Backend, *ecstest.World, ecsbackend.Model) {
	t.Helper()
	w := ecstest.Open(t, ecstest.Options{Server: server})
	rule, groups := w.Declare(t, "adult_income", "sluice-staging-adult--income")
	model := ecsbackend.Model{Rule: rule, Groups: groups}
	settings := ecsbackend.Settings{Environment: "staging", Cluster: ecstest.Cluster, URL: w.URL, Instances: 1,
		Models: map[string]ecsbackend.Model{"adult_income": model}, Patience: time.Minute, Now: time.Now}
	for _, f := range change {
		f(&settings)
	}
	backend, err := ecsbackend.New(w.ECS, w.ELB, http.DefaultClient, settings)
	require.NoError(t, err)
	return backend, w, model
}

// TestLocalStack passes the suite with the SDK's own clients against the local
// ECS and load balancer, which run real server processes.
func TestLocalStack(t *testing.T) {
	server := ecstest.Build(t, "./testdata/modelserver")
	rollouttest.Run(t, func(t *testing.T) rollouttest.Fixture {
		backend, _, _ := open(t, server)
		return rollouttest.Fixture{Backend: backend, Artifact: artifact, Row: row, Wait: func() { time.Sleep(5 * time.Millisecond) }}
	})
}

// bench is a backend whose champion is version 1 in blue, with version 2 beside
// it in green.
type bench struct {
	*testing.T
	*ecsbackend.Backend
	world  *ecstest.World
	model  ecsbackend.Model
	config string
}

func joined(t *testing.T, kind rollouttest.Kind, change ...func(*ecsbackend.Settings)) *bench {
	t.Helper()
	b := &bench{T: t}
	b.Backend, b.world, b.model = open(t, ecstest.Build(t, "./testdata/modelserver"), change...)
	_, err := b.Prepare(t.Context(), rollout.Placement{Model: "adult_income", Rollout: "r-1", Artifact: artifact(1, rollouttest.Good), Slot: "blue"})
	require.NoError(t, err)
	b.until("version 1 serves", func(v rollout.View) bool { return v.Status == rollout.Ready })
	b.config, err = b.Prepare(t.Context(), rollout.Placement{Model: "adult_income", Rollout: "r-2", Artifact: artifact(2, kind), Slot: "green", Champion: "blue"})
	require.NoError(t, err)
	return b
}

func (b *bench) until(what string, so func(rollout.View) bool) rollout.View {
	b.Helper()
	var view rollout.View
	require.Eventually(b, func() bool {
		var err error
		view, err = b.View(b.Context(), "adult_income")
		return err == nil && so(view)
	}, 30*time.Second, 10*time.Millisecond, what)
	return view
}

func (b *bench) weigh(blue, green float64) error {
	return b.SetWeights(b.Context(), "adult_income", []rollout.Weight{{Slot: "blue", Percent: blue}, {Slot: "green", Percent: green}})
}

func (b *bench) ready() {
	b.Helper()
	b.until("version 2 has joined", func(v rollout.View) bool {
		c, _ := v.Compare(b.config, []rollout.Weight{{Slot: "blue", Percent: 100}, {Slot: "green"}})
		return c == rollout.Settled
	})
}

// modify changes the rule behind the backend's back.
func (b *bench) modify(actions ...types.Action) {
	b.Helper()
	_, err := b.world.ELB.ModifyRule(b.Context(), &elb.ModifyRuleInput{RuleArn: &b.model.Rule, Actions: actions})
	require.NoError(b, err)
}

func (b *bench) forward(sticky bool, blue, green int32) types.Action {
	groups := []types.TargetGroupTuple{}
	for slot, weight := range map[string]int32{"blue": blue, "green": green} {
		groups = append(groups, types.TargetGroupTuple{TargetGroupArn: aws.String(b.model.Groups[slot]), Weight: &weight})
	}
	config := &types.ForwardActionConfig{TargetGroups: groups}
	if sticky {
		config.TargetGroupStickinessConfig = &types.TargetGroupStickinessConfig{Enabled: aws.Bool(true), DurationSeconds: aws.Int32(60)}
	}
	return types.Action{Type: types.ActionTypeEnumForward, ForwardConfig: config}
}

func TestWhatIsInForceIsTheOldWeightsUntilTheyHavePropagated(t *testing.T) {
	t.Parallel()
	clock := time.Now()
	var mu sync.Mutex
	now := func() time.Time { mu.Lock(); defer mu.Unlock(); return clock }
	b := joined(t, rollouttest.Good, func(s *ecsbackend.Settings) { s.Propagation, s.Now = 5*time.Second, now })
	pass := func(d time.Duration) { mu.Lock(); defer mu.Unlock(); clock = clock.Add(d) }
	pass(6 * time.Second)
	b.ready()
	require.NoError(t, b.weigh(87.66, 12.34))
	view := b.until("it is asked for", func(v rollout.View) bool { return v.Slots[1].Desired == 12.34 })
	require.Equal(t, []float64{100, 0}, []float64{view.Slots[0].Weight, view.Slots[1].Weight})
	asked := []rollout.Weight{{Slot: "blue", Percent: 87.66}, {Slot: "green", Percent: 12.34}}
	c, detail := view.Compare(b.config, asked)
	require.Equal(t, rollout.Moving, c, detail)

	require.NoError(t, b.weigh(100, 0), "a rollback does not wait for that")
	_, err := b.Retire(t.Context(), "adult_income", "r-2", "blue")
	require.Equal(t, fault.Busy, fault.KindOf(err), "the candidate may still be asked: %v", err)
	require.NoError(t, b.weigh(87.66, 12.34))
	pass(6 * time.Second)
	view, err = b.View(t.Context(), "adult_income")
	require.NoError(t, err)
	c, detail = view.Compare(b.config, asked)
	require.Equal(t, rollout.Settled, c, detail)
	require.NoError(t, b.weigh(87.6599, 12.3401), "the same weights of the load balancer")
	view, err = b.View(t.Context(), "adult_income")
	require.NoError(t, err)
	require.InDelta(t, 12.3401, view.Slots[1].Weight, 1e-9)
}

func TestSomebodyElseChangesTheRule(t *testing.T) {
	t.Parallel()
	b := joined(t, rollouttest.Good)
	b.ready()
	require.NoError(t, b.weigh(90, 10))

	b.modify(b.forward(false, 999, 0))
	view := b.until("the reset is seen", func(v rollout.View) bool { return v.Slots[1].Weight == 0 })
	c, _ := view.Compare(b.config, []rollout.Weight{{Slot: "blue", Percent: 90}, {Slot: "green", Percent: 10}})
	require.Equal(t, rollout.Different, c)

	b.modify(types.Action{Type: types.ActionTypeEnumFixedResponse, FixedResponseConfig: &types.FixedResponseActionConfig{StatusCode: aws.String("503")}})
	view = b.until("nobody is sent anything", func(v rollout.View) bool { return v.Slots[0].Weight == 0 })
	require.Len(t, view.Slots, 2, "they are still there")
	require.NoError(t, b.weigh(90, 10), "and it is put right")
	b.until("it is in force", func(v rollout.View) bool { return v.Slots[1].Weight == 10 })

	b.modify(b.forward(true, 999, 0))
	err := b.weigh(90, 10)
	require.ErrorContains(t, err, "group stickiness")
	require.ErrorContains(t, err, "Enabled=false")
	require.Equal(t, fault.Invalid, fault.KindOf(err))
}

// A version that never gets healthy nor ends is not waited for for ever, and goes
// while it is stuck.
func TestADeploymentThatIsStuckCountsAsFailed(t *testing.T) {
	t.Parallel()
	b := joined(t, "hung", func(s *ecsbackend.Settings) { s.Patience = 3 * time.Second })
	view := b.until("it is given up", func(v rollout.View) bool { return v.Status == rollout.Ready })
	c, detail := view.Compare(b.config, []rollout.Weight{{Slot: "blue", Percent: 100}, {Slot: "green"}})
	require.Equal(t, rollout.Different, c)
	require.Contains(t, detail, "(failed)")
	_, err := b.Retire(t.Context(), "adult_income", "r-2", "blue")
	require.NoError(t, err)
	b.until("only the champion is left", func(v rollout.View) bool { return v.Status == rollout.Ready && len(v.Slots) == 1 })
	require.NoError(t, b.Smoke(t.Context(), "adult_income", "blue", row))
}

// A champion that lost its tasks is seen without any, at whatever weight, and its
// capacity comes back by SetWeights.
func TestAChampionWithoutTasksIsSeen(t *testing.T) {
	t.Parallel()
	b := joined(t, rollouttest.Good)
	b.ready()
	require.NoError(t, b.weigh(0, 100))
	_, err := b.world.ECS.UpdateService(t.Context(), &ecs.UpdateServiceInput{Cluster: aws.String(ecstest.Cluster), Service: aws.String("sluice-staging-adult--income-blue"), DesiredCount: aws.Int32(0)})
	require.NoError(t, err)
	b.until("its tasks are gone", func(v rollout.View) bool {
		s, ok := v.Slot("blue")
		return ok && s.Version == 1 && s.Instances == 0 && v.Status == rollout.Ready
	})
	require.NoError(t, b.SetWeights(t.Context(), "adult_income", []rollout.Weight{{Slot: "blue", Instances: 1}, {Slot: "green", Percent: 100}}))
	b.until("it is back", func(v rollout.View) bool { s, _ := v.Slot("blue"); return s.Instances == 1 })
}

func TestSmokeReadsTheAnswer(t *testing.T) {
	t.Parallel()
	for behaviour, want := range map[rollouttest.Kind]string{"odd": "prediction 0 is not a score from 0 to 1", "strict": "feature age is missing"} {
		b := joined(t, behaviour)
		b.ready()
		err := b.Smoke(t.Context(), "adult_income", "green", row)
		require.ErrorContains(t, err, want)
		require.Equal(t, fault.Invalid, fault.KindOf(err))
	}
}

// Without the side door the model's own rule would answer, with the champion.
func TestSmokeWantsTheSideDoor(t *testing.T) {
	t.Parallel()
	b := joined(t, rollouttest.Good)
	b.ready()
	require.NoError(t, b.Smoke(t.Context(), "adult_income", "green", row))
	listener := strings.Replace(b.model.Rule, ":listener-rule/", ":listener/", 1)
	listener = listener[:strings.LastIndexByte(listener, '/')]
	found, err := b.world.ELB.DescribeRules(t.Context(), &elb.DescribeRulesInput{ListenerArn: &listener})
	require.NoError(t, err)
	for _, r := range found.Rules {
		if len(r.Conditions) == 2 {
			_, err := b.world.ELB.DeleteRule(t.Context(), &elb.DeleteRuleInput{RuleArn: r.RuleArn})
			require.NoError(t, err)
		}
	}
	err = b.Smoke(t.Context(), "adult_income", "green", row)
	require.ErrorContains(t, err, "has no rule for the header X-Sluice-Slot: green")
	require.Equal(t, fault.Invalid, fault.KindOf(err))
}

func TestSettingsThatAreWrong(t *testing.T) {
	good := ecsbackend.Settings{Environment: "staging", Cluster: "c", URL: "http://lb:8480", Instances: 1, Patience: time.Minute, Now: time.Now}
	for want, change := range map[string]func(*ecsbackend.Settings){
		"environment": func(s *ecsbackend.Settings) { s.Environment = "" }, "address": func(s *ecsbackend.Settings) { s.URL = "lb" },
		"instances": func(s *ecsbackend.Settings) { s.Instances = 0 }, "patience": func(s *ecsbackend.Settings) { s.Patience = 0 },
		"groups": func(s *ecsbackend.Settings) { s.Models = map[string]ecsbackend.Model{"m": {Rule: "arn"}} },
	} {
		s := good
		change(&s)
		_, err := ecsbackend.New(nil, nil, nil, s)
		require.ErrorContains(t, err, want)
	}
	backend, err := ecsbackend.New(nil, nil, nil, good)
	require.NoError(t, err)
	_, err = backend.View(t.Context(), "unknown")
	require.ErrorContains(t, err, `say "backend": "ecs"`)
	require.False(t, backend.Has("unknown"))
}
