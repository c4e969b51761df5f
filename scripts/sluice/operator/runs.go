package operator

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/aws/aws-sdk-go-v2/service/sfn/types"

	"github.com/sluice-ml/sluice/shared/contract"
	"github.com/sluice-ml/sluice/shared/fault"
)

// Run is one pass through the lifecycle as the state machine knows it.
type Run struct {
	Model    string            `json:"model"`
	Run      string            `json:"run"`
	Status   string            `json:"status"` // "running", or contract.Outcome.Status
	Started  time.Time         `json:"started"`
	Finished time.Time         `json:"finished,omitzero"`
	Cause    contract.Cause    `json:"cause,omitzero"`
	Outcome  *contract.Outcome `json:"outcome,omitempty"`
}

// StartRun asks admit for a run by hand. id makes the request idempotent: the
// same id starts nothing twice.
func (c *Client) StartRun(ctx context.Context, model, id string) (contract.AdmitResult, error) {
	return c.start(ctx, model, contract.Cause{Kind: "manual", ID: id})
}

// RetrainRun asks for a run that trains even where its plan has a model already.
func (c *Client) RetrainRun(ctx context.Context, model, id string) (contract.AdmitResult, error) {
	return c.start(ctx, model, contract.Cause{Kind: contract.CauseRetrain, ID: id})
}

func (c *Client) start(ctx context.Context, model string, cause contract.Cause) (contract.AdmitResult, error) {
	var result contract.AdmitResult
	err := c.invoke(ctx, "admit", contract.AdmitRequest{Operation: "start", Model: model, Cause: cause}, &result)
	return result, err
}

// Invoke calls a function by its short name ("admit", "gate-champion") and gives
// its answer as it is; failed says that the answer is the function's error.
func (c *Client) Invoke(ctx context.Context, name string, payload []byte) (answer []byte, failed bool, err error) {
	out, err := c.functions.Invoke(ctx, &lambda.InvokeInput{FunctionName: aws.String(c.function(name)), Payload: payload})
	if err != nil {
		return nil, false, fmt.Errorf("call %s: %w", c.function(name), err)
	}
	return out.Payload, out.FunctionError != nil, nil
}

// invoke calls a function and decodes its answer; a function error keeps the
// function's own words.
func (c *Client) invoke(ctx context.Context, name string, request, result any) error {
	payload, err := json.Marshal(request)
	if err != nil {
		return err
	}
	answer, failed, err := c.Invoke(ctx, name, payload)
	if err != nil {
		return err
	}
	if failed {
		var failure struct{ ErrorType, ErrorMessage string }
		if json.Unmarshal(answer, &failure) == nil && failure.ErrorMessage != "" {
			return errors.New(failure.ErrorMessage)
		}
		return fmt.Errorf("call %s: %s", c.function(name), answer)
	}
	return json.Unmarshal(answer, result)
}

// ListRuns lists runs, newest first; of one model, or of all when model is "".
func (c *Client) ListRuns(ctx context.Context, model string, most int) ([]Run, error) {
	runs := []Run{}
	pages := sfn.NewListExecutionsPaginator(c.states, &sfn.ListExecutionsInput{StateMachineArn: aws.String(c.machineARN("lifecycle"))})
	for pages.HasMorePages() && len(runs) < most {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, fmt.Errorf("list the runs: %w", err)
		}
		for _, e := range page.Executions {
			name := aws.ToString(e.Name)
			of, _ := ModelOfRun(name)
			if model != "" && of != model || len(runs) >= most {
				continue
			}
			run, err := c.ShowRun(ctx, name)
			if err != nil {
				return nil, err
			}
			runs = append(runs, run)
		}
	}
	return runs, nil
}

// ModelOfRun splits a run's name into its model and number.
func ModelOfRun(run string) (model, number string) {
	at := strings.LastIndexByte(run, '-')
	if at < 0 {
		return run, ""
	}
	return contract.ModelFromAWSName(run[:at]), run[at+1:]
}

// ErrNoRun says that no run has this name.
var ErrNoRun = errors.New("no such run")

// NoRun is ErrNoRun of a run, as a fault of kind NotFound with the next step.
func NoRun(doing, name string) error {
	return fault.New(fault.NotFound, fmt.Sprintf("%s run %q", doing, name), "%w", ErrNoRun).WithHint("list them: sluice run list")
}

// ShowRun reads a run's state.
func (c *Client) ShowRun(ctx context.Context, name string) (Run, error) {
	out, err := c.states.DescribeExecution(ctx, &sfn.DescribeExecutionInput{ExecutionArn: aws.String(c.ExecutionARN(name))})
	if err != nil {
		var missing *types.ExecutionDoesNotExist
		if errors.As(err, &missing) {
			return Run{}, NoRun("read", name)
		}
		return Run{}, fmt.Errorf("read run %q: %w", name, err)
	}
	run := Run{Run: name, Status: "running", Started: aws.ToTime(out.StartDate), Finished: aws.ToTime(out.StopDate)}
	var input contract.RunInput
	if err := json.Unmarshal([]byte(aws.ToString(out.Input)), &input); err != nil {
		return Run{}, fmt.Errorf("read run %q: its input: %w", name, err)
	}
	run.Model, run.Cause = input.Model, input.Cause
	switch out.Status {
	case types.ExecutionStatusRunning:
		return run, nil
	case types.ExecutionStatusSucceeded:
		run.Outcome = &contract.Outcome{}
		if err := json.Unmarshal([]byte(aws.ToString(out.Output)), run.Outcome); err != nil {
			return Run{}, fmt.Errorf("read run %q: its output: %w", name, err)
		}
	default:
		run.Outcome = &contract.Outcome{Status: "failed", Reason: contract.Reason(aws.ToString(out.Cause)), Error: aws.ToString(out.Error)}
		if out.Status != types.ExecutionStatusFailed {
			run.Outcome.Error = string(out.Status)
		}
	}
	run.Status = run.Outcome.Status
	return run, nil
}

// Phase is one state of a run's execution.
type Phase struct {
	Name     string        `json:"name"`
	Start    time.Time     `json:"start"`
	Duration time.Duration `json:"duration_ns"`
	Done     bool          `json:"done"`
}

// Phases reads when each top-level state of a run was entered and left.
func (c *Client) Phases(ctx context.Context, run string) ([]Phase, error) {
	return c.phasesOf(ctx, c.ExecutionARN(run))
}

func (c *Client) phasesOf(ctx context.Context, execution string) ([]Phase, error) {
	phases := []Phase{}
	depth := 0 // inside a Map or Parallel
	err := c.history(ctx, execution, func(e types.HistoryEvent) {
		kind := string(e.Type)
		switch {
		case kind == "MapStateStarted" || kind == "ParallelStateStarted":
			depth++
		case kind == "MapStateExited" || kind == "ParallelStateExited":
			if depth > 0 {
				depth--
			}
			fallthrough
		case strings.HasSuffix(kind, "StateExited"):
			if depth == 0 && len(phases) > 0 && !phases[len(phases)-1].Done {
				last := &phases[len(phases)-1]
				last.Duration, last.Done = aws.ToTime(e.Timestamp).Sub(last.Start), true
			}
		case strings.HasSuffix(kind, "StateEntered"):
			if depth == 0 {
				phases = append(phases, Phase{Name: aws.ToString(e.StateEnteredEventDetails.Name), Start: aws.ToTime(e.Timestamp)})
			}
		}
	})
	return phases, err
}

// history calls f for every event of an execution, in order.
func (c *Client) history(ctx context.Context, execution string, f func(types.HistoryEvent)) error {
	pages := sfn.NewGetExecutionHistoryPaginator(c.states, &sfn.GetExecutionHistoryInput{
		ExecutionArn: aws.String(execution), MaxResults: 1000, IncludeExecutionData: aws.Bool(true),
	})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return fmt.Errorf("read the history of %s: %w", execution, err)
		}
		for _, e := range page.Events {
			f(e)
		}
	}
	return nil
}

// WaitRun waits until the run has ended, calling progress for each phase that
// starts. It polls twice a second.
func (c *Client) WaitRun(ctx context.Context, name string, progress func(Phase)) (Run, error) {
	seen, reason := 0, ""
	ticker := time.NewTicker(500 * time.Millisecond)
	defer ticker.Stop()
	for {
		run, err := c.ShowRun(ctx, name)
		if err != nil && !errors.Is(err, ErrNoRun) {
			return Run{}, err
		}
		if err == nil {
			phases, err := c.Phases(ctx, name)
			if err != nil {
				return Run{}, err
			}
			for ; seen < len(phases); seen++ {
				progress(phases[seen])
			}
			if run.Status != "running" {
				return run, nil
			}
			if now := c.rolloutReason(ctx, run.Model, name); seen > 0 && phases[seen-1].Name == "Rollout" && now != reason {
				reason = now
				progress(Phase{Name: "  " + reason, Start: time.Now()})
			}
		}
		select {
		case <-ctx.Done():
			return Run{}, fmt.Errorf("wait for run %q: %w", name, ctx.Err())
		case <-ticker.C:
		}
	}
}

// rolloutReason is what a run's rollout last did and why; "" when it has none.
func (c *Client) rolloutReason(ctx context.Context, model, run string) string {
	state, err := c.Rollout(ctx, model)
	if err != nil || state.Run != run {
		return ""
	}
	return fmt.Sprintf("%s at %g %%: %s", state.Phase, state.Weight, state.Reason)
}
