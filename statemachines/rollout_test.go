// Package statemachines_test runs the definitions in the local stack's engine,
// against the real functions' code and an endpoint in memory.
package statemachines_test

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/aws/aws-sdk-go-v2/service/sfn/types"
	"github.com/stretchr/testify/require"

	"github.com/sluice-ml/sluice/infra/local/asl"
	"github.com/sluice-ml/sluice/shared/aws/rollouts"
	"github.com/sluice-ml/sluice/shared/contract"
	"github.com/sluice-ml/sluice/shared/fault"
	"github.com/sluice-ml/sluice/shared/ref"
	"github.com/sluice-ml/sluice/shared/rollout"
	"github.com/sluice-ml/sluice/shared/rollout/rollouttest"
	"github.com/sluice-ml/sluice/shared/trainconfig"
)

const model = "adult-income"

// definition reads a state machine and puts names in its placeholders.
func definition(t *testing.T, name string) *asl.Machine {
	t.Helper()
	body, err := os.ReadFile(name)
	require.NoError(t, err)
	text := strings.NewReplacer("${ShiftArn}", "shift", "${AnalyzeArn}", "analyze", "${PromoteArn}", "promote",
		"${RollbackArn}", "rollback", "${MonitorArn}", "monitor", "${Environment}", "production", "${TopicArn}", "arn:aws:sns:us-east-1:1:people",
		"${RolloutArn}", "arn:aws:states:us-east-1:1:stateMachine:rollout").Replace(string(body))
	require.NotContains(t, text, "${")
	machine, err := asl.Parse([]byte(text), func(asl.TaskDefinition) error { return nil })
	require.NoError(t, err)
	return machine
}

// account is what the state machine's tasks reach.
type account struct {
	t       *testing.T
	machine *asl.Machine
	memory  *rollouttest.Memory
	store   *ref.Memory
	champ   int
	verdict func(q rollout.Question) rollout.Measurements
	fail    func(function, operation string) error
	policy  rollout.Policy

	tokens map[string]chan struct{} // of tasks that wait
	sender func() error             // what SendTaskSuccess meets

	mu     sync.Mutex
	told   []string
	topic  []string
	calls  []string
	events map[string]int
}

func newAccount(t *testing.T) *account {
	a := &account{t: t, machine: definition(t, "rollout.asl.json"), store: ref.NewMemory(), events: map[string]int{}}
	a.memory = rollouttest.NewMemory(time.Now)
	a.memory.Delay = func() time.Duration { return 5 * time.Second }
	a.policy = rollout.Policy{Steps: []float64{10, 50, 100}, Bake: trainconfig.Duration(5 * time.Minute), Deadline: trainconfig.Duration(2 * time.Hour),
		LatencyP99: trainconfig.Duration(time.Second), ErrorRate: 0.01, MinRequests: 50, MaxFailures: 3}
	a.verdict = func(rollout.Question) rollout.Measurements { return measured(0, 0) }
	a.fail = func(string, string) error { return nil }
	a.tokens, a.sender = map[string]chan struct{}{}, func() error { return nil }
	return a
}

// champion puts version 1 onto the endpoint.
func (a *account) champion() {
	_, err := a.memory.Prepare(a.t.Context(), rollout.Placement{Model: model, Rollout: "first", Artifact: rollout.Artifact{Version: 1}, Slot: contract.SlotBlue})
	require.NoError(a.t, err)
	time.Sleep(10 * time.Second)
	a.champ = 1
}

func measured(candidateErrors, championErrors int64) rollout.Measurements {
	p99 := 20.0
	return rollout.Measurements{Candidate: rollout.Variant{Requests: 1000, Errors: candidateErrors, P99MS: &p99},
		Champion: &rollout.Variant{Requests: 1000, Errors: championErrors, P99MS: &p99}}
}

func (a *account) controller() *rollout.Controller {
	records := rollout.Records{Store: a.store, Now: time.Now}
	waker := &rollouts.Waker{States: records, Store: a.store, Client: a, Now: time.Now, Log: slog.New(slog.DiscardHandler)}
	return &rollout.Controller{Backend: a.memory, States: waker, Leases: records, Catalog: a, Gauge: a, Now: time.Now,
		Tell: func(_ context.Context, _, text string) error {
			a.mu.Lock()
			defer a.mu.Unlock()
			a.told = append(a.told, text)
			return nil
		},
		Sleep: func(ctx context.Context, d time.Duration) error {
			time.Sleep(d)
			return nil
		}, Log: slog.New(slog.DiscardHandler)}
}

func (a *account) Champion(context.Context, string) (int, error) { return a.champ, nil }
func (a *account) Promote(_ context.Context, _ string, from, to int, _ int64) error {
	return a.move(from, to)
}
func (a *account) Revert(_ context.Context, _ string, from, to int, _ int64) error {
	return a.move(from, to)
}
func (a *account) move(from, to int) error {
	if a.champ != from && a.champ != to {
		return fault.New(fault.Conflict, "move the alias", "it names %d", a.champ)
	}
	a.champ = to
	return nil
}
func (a *account) Approved(_ context.Context, step contract.RolloutStep) (rollout.Approved, error) {
	return rollout.Approved{Artifact: rollout.Artifact{Version: step.Version}, Policy: a.policy}, nil
}
func (a *account) Row(context.Context, string, int) (rollout.Row, error) {
	return rollout.Row{}, nil
}
func (a *account) Measure(_ context.Context, q rollout.Question) (rollout.Measurements, error) {
	return a.verdict(q), nil
}

// Do implements asl.Tasks.
func (a *account) Do(ctx context.Context, call asl.TaskCall) (json.RawMessage, *asl.TaskError) {
	var in struct {
		FunctionName, Name, Message, Subject, StateMachineArn string
		MessageAttributes                                     map[string]struct{ StringValue string }
		Payload                                               contract.RolloutStep
		Input                                                 json.RawMessage
	}
	require.NoError(a.t, json.Unmarshal(call.Arguments, &in))
	switch {
	case strings.HasSuffix(call.Resource, "lambda:invoke.waitForTaskToken"):
		return a.wait(ctx, in.FunctionName, in.Payload, call)
	case strings.HasSuffix(call.Resource, "lambda:invoke"):
		return a.invoke(ctx, in.FunctionName, in.Payload)
	case strings.HasSuffix(call.Resource, "sns:publish"):
		a.topic = append(a.topic, in.Message+" "+in.MessageAttributes["kind"].StringValue+" "+in.MessageAttributes["severity"].StringValue)
		return json.RawMessage(`{"MessageId":"1"}`), nil
	case strings.HasSuffix(call.Resource, "states:startExecution.sync:2"):
		result := a.execute(in.Name, string(in.Input))
		if result.Status != asl.Succeeded {
			return nil, &asl.TaskError{Name: "States.TaskFailed", Cause: *result.Error}
		}
		return json.RawMessage(`{"Output":` + result.Output + `}`), nil
	}
	return nil, &asl.TaskError{Name: "Unknown", Cause: call.Resource}
}

func (a *account) invoke(ctx context.Context, function string, step contract.RolloutStep) (json.RawMessage, *asl.TaskError) {
	a.mu.Lock()
	a.calls = append(a.calls, strings.TrimPrefix(function+"/"+step.Operation, "shift/"))
	a.mu.Unlock()
	command, err := contract.RolloutCommand{}, a.fail(function, step.Operation)
	c := a.controller()
	switch {
	case err != nil:
	case function == "shift":
		command, err = rollouts.Operations(c)(ctx, step)
	case function == "analyze":
		command, err = c.Analyze(ctx, step)
	case function == "promote":
		command, err = c.Promote(ctx, step)
	case function == "rollback":
		command, err = c.Rollback(ctx, step)
	default:
		err = errors.New("no such function: " + function)
	}
	if err != nil {
		return nil, &asl.TaskError{Name: fault.KindOf(err).Name(), Cause: err.Error()}
	}
	body, err := json.Marshal(map[string]any{"Payload": command, "StatusCode": 200})
	require.NoError(a.t, err)
	return body, nil
}

// wait carries out a task that ends by its token.
func (a *account) wait(ctx context.Context, function string, step contract.RolloutStep, call asl.TaskCall) (json.RawMessage, *asl.TaskError) {
	woken := make(chan struct{})
	a.mu.Lock()
	a.tokens[call.Token] = woken
	a.mu.Unlock()
	if output, err := a.invoke(ctx, function, step); err != nil {
		return output, err
	}
	call.Submitted(json.RawMessage(`{}`))
	select {
	case <-woken:
		return json.RawMessage(`{}`), nil
	case <-ctx.Done():
		return nil, &asl.TaskError{Name: "States.Timeout"}
	}
}

// SendTaskSuccess implements rollouts.TaskSender.
func (a *account) SendTaskSuccess(_ context.Context, in *sfn.SendTaskSuccessInput, _ ...func(*sfn.Options)) (*sfn.SendTaskSuccessOutput, error) {
	if err := a.sender(); err != nil {
		return nil, err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	woken, ok := a.tokens[*in.TaskToken]
	if !ok {
		return nil, &types.TaskTimedOut{}
	}
	delete(a.tokens, *in.TaskToken)
	close(woken)
	return &sfn.SendTaskSuccessOutput{}, nil
}

func (a *account) execute(name, input string) asl.Result {
	engine := asl.NewEngine(asl.Options{Tasks: a})
	x, err := engine.Prepare(asl.Spec{Machine: a.machine, Name: name, ARN: "arn:aws:states:us-east-1:1:execution:rollout:" + name,
		MachineARN: "arn:aws:states:us-east-1:1:stateMachine:rollout", Input: input, Start: time.Now(),
		Event: func(asl.Event) { a.events[name]++ }})
	require.NoError(a.t, err)
	result, err := x.Run(a.t.Context())
	require.NoError(a.t, err)
	return result
}

func (a *account) rollout(version string) asl.Result {
	return a.execute("r-"+version, `{"model":"adult-income","run":"run-`+version+`","version":`+version+`,"decision":"s3://store/d.json"}`)
}

// serves says which version has all the traffic, alone on the endpoint.
func (a *account) serves() int {
	view, err := a.memory.View(a.t.Context(), model)
	require.NoError(a.t, err)
	require.Len(a.t, view.Slots, 1)
	return view.Slots[0].Version
}

type output struct {
	Outcome, Reason string
	Version         int
}

func outcome(t *testing.T, r asl.Result) output {
	t.Helper()
	if r.Status != asl.Succeeded {
		t.Fatalf("%s: %s: %s", r.Status, *r.Error, *r.Cause)
	}
	var out output
	require.NoError(t, json.Unmarshal([]byte(r.Output), &out))
	return out
}

func TestFirstVersionIsPromoted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAccount(t)
		out := outcome(t, a.rollout("1"))
		require.Equal(t, output{"promoted", "version 1 is the champion", 1}, out)
		require.Equal(t, 1, a.champ)
		require.Equal(t, 1, a.serves())
	})
}

func TestGoodCandidateIsPromotedStepByStep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAccount(t)
		a.champion()
		out := outcome(t, a.rollout("2"))
		require.Equal(t, "promoted", out.Outcome)
		require.Equal(t, 2, a.champ)
		require.Equal(t, 2, a.serves())
		require.Equal(t, []string{"acquire", "prepare", "verify",
			"shift", "verify", "await", "analyze/", "shift", "verify", "await", "analyze/", "shift", "verify", "await", "analyze/", "promote/", "release"}, a.calls)
		s, err := rollout.Records{Store: a.store, Now: time.Now}.Archived(t.Context(), model, "r-2")
		require.NoError(t, err)
		var weights []float64
		for _, r := range s.History {
			if r.Verdict != "" {
				weights = append(weights, r.Weight)
				require.EqualValues(t, 1000, r.Measurements.Candidate.Requests)
			}
		}
		require.Equal(t, []float64{10, 50, 100}, weights)
	})
}

func TestBadCandidateIsRolledBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAccount(t)
		a.champion()
		a.verdict = func(rollout.Question) rollout.Measurements { return measured(200, 0) }
		out := outcome(t, a.rollout("2"))
		require.Equal(t, "rolled_back", out.Outcome)
		require.Equal(t, "failure 3 of 3: error_rate 0.2 is above 0.01", out.Reason)
		require.Equal(t, 1, a.champ)
		require.Equal(t, 1, a.serves())
		require.Len(t, a.told, 1)
		a.verdict = func(rollout.Question) rollout.Measurements { return measured(0, 0) }
		require.Equal(t, "promoted", outcome(t, a.rollout("3")).Outcome, "the next rollout is not in the way of the last")
	})
}

func TestAlarmRollsBackWhileTheMachineBakes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAccount(t)
		a.champion()
		var out asl.Result
		done := make(chan struct{})
		go func() { out = a.rollout("2"); close(done) }()
		time.Sleep(7 * time.Minute)
		_, err := a.controller().Alarm(t.Context(), model, rollout.Alarm{Name: "errors", Slot: contract.SlotGreen, Since: time.Now(), Reason: "5xx"})
		require.NoError(t, err)
		view, err := a.memory.View(t.Context(), model)
		require.NoError(t, err)
		weights := []rollout.Weight{{Slot: contract.SlotBlue, Percent: 100}}
		if len(view.Slots) > 1 { // the execution, which is awake, may have retired the candidate by now
			weights = append(weights, rollout.Weight{Slot: contract.SlotGreen})
		}
		condition, detail := view.Compare("", weights)
		require.NotEqual(t, rollout.Different, condition, detail)
		blue, _ := view.Slot(contract.SlotBlue)
		require.InDelta(t, 100, blue.Weight, 0, detail)
		began := time.Now()
		<-done
		require.Less(t, time.Since(began), 15*time.Second, "the execution does not wait for the end of the bake")
		require.Equal(t, output{"rolled_back", "alarm errors is on: 5xx", 2}, outcome(t, out))
		require.Equal(t, 1, a.serves())
	})
}

// Where nobody can wake the execution, or nobody can keep its token, it goes on at
// the end of the bake.
func TestABakeThatNobodyEndsEndsByItself(t *testing.T) {
	for name, broken := range map[string]func(*account){
		"the token is not sent": func(a *account) { a.sender = func() error { return errors.New("503") } },
		"the token is not kept": func(a *account) {
			a.fail = func(_, operation string) error {
				if operation == "await" {
					return fault.New(fault.Denied, "await", "no permission")
				}
				return nil
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a := newAccount(t)
				a.champion()
				broken(a)
				var out asl.Result
				done := make(chan struct{})
				go func() { out = a.rollout("2"); close(done) }()
				time.Sleep(7 * time.Minute)
				_, err := a.controller().Alarm(t.Context(), model, rollout.Alarm{Name: "errors", Slot: contract.SlotGreen, Since: time.Now(), Reason: "5xx"})
				require.NoError(t, err)
				<-done
				require.Equal(t, "rolled_back", outcome(t, out).Outcome)
				require.Equal(t, 1, a.serves())
			})
		})
	}
}

func TestBrokenStepPutsTheChampionBackAndFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAccount(t)
		a.champion()
		a.fail = func(function, _ string) error {
			if function == "analyze" {
				return fault.New(fault.Internal, "analyze", "a bug")
			}
			return nil
		}
		result := a.rollout("2")
		require.Equal(t, asl.Failed, result.Status)
		require.Equal(t, "Sluice.Internal", *result.Error)
		require.Equal(t, "analyze: a bug", *result.Cause)
		require.Equal(t, 1, a.serves())
		require.Empty(t, a.topic)
		s, err := a.controller().States.Load(t.Context(), model)
		require.NoError(t, err)
		require.Equal(t, "Sluice.Internal: analyze: a bug", s.Reason)
	})
}

func TestRollbackThatKeepsFailingTellsPeople(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAccount(t)
		a.champion()
		a.fail = func(function, _ string) error {
			switch function {
			case "analyze":
				return fault.New(fault.Denied, "analyze", "no permission")
			case "rollback":
				return fault.New(fault.Unavailable, "put back", "the service is down")
			}
			return nil
		}
		result := a.rollout("2")
		require.Equal(t, "Sluice.Denied", *result.Error)
		require.Len(t, a.topic, 1)
		require.Contains(t, a.topic[0], "failed at action bake: Sluice.Unavailable: put back: the service is down. It began with Sluice.Denied: analyze: no permission")
		require.True(t, strings.HasSuffix(a.topic[0], " needs_you critical"), a.topic[0])
		rollbacks := 0
		for _, call := range a.calls {
			if call == "rollback/" {
				rollbacks++
			}
		}
		require.Equal(t, 41, rollbacks)
	})
}

func TestSecondRolloutIsRefusedAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAccount(t)
		a.champion()
		done := make(chan struct{})
		go func() { a.rollout("2"); close(done) }()
		time.Sleep(time.Minute)
		result := a.rollout("3")
		require.Equal(t, "Sluice.Busy", *result.Error)
		require.Contains(t, *result.Cause, "r-2 holds it")
		<-done
		require.Equal(t, 2, a.champ)
	})
}

// With nothing to measure the rollout holds, goes on in new executions, and
// rolls back at its deadline.
func TestLongRolloutContinuesAsNewExecutions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAccount(t)
		a.champion()
		a.policy.Bake, a.policy.Deadline = trainconfig.Duration(10*time.Second), trainconfig.Duration(3*time.Hour)
		a.verdict = func(rollout.Question) rollout.Measurements { return rollout.Measurements{Problem: "no metrics"} }
		out := outcome(t, a.rollout("2"))
		require.Equal(t, "rolled_back", out.Outcome)
		require.Contains(t, out.Reason, "the deadline of 3h passed while it was baking")
		require.Len(t, a.events, 3, "1,080 bakes take three executions")
		for name, events := range a.events {
			require.Less(t, events, 20_000, name)
		}
		require.Equal(t, 1, a.serves())
	})
}
