package states

import (
	"context"
	"math"
	"slices"
	"strings"

	"github.com/sluice-ml/sluice/infra/local/asl"
	"github.com/sluice-ml/sluice/infra/local/wire"
)

type mapRunInput struct {
	MapRunArn string `json:"mapRunArn"`
}

func (s *Service) findMapRun(arn string) (*mapRun, error) {
	if parts := strings.SplitN(arn, ":", 8); len(parts) < 8 || parts[0] != "arn" || parts[2] != "states" || parts[5] != "mapRun" {
		return nil, wire.Errorf("InvalidArn", "Invalid Arn: 'Resource type not valid in this context: %s'", arn)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	run, ok := s.mapRuns[arn]
	if !ok {
		return nil, wire.Errorf("ResourceNotFound", "Resource not found: '%s'", arn)
	}
	return run, nil
}

// counts are a map run's items or child executions by status.
type counts struct {
	Pending               int `json:"pending"`
	Running               int `json:"running"`
	Succeeded             int `json:"succeeded"`
	Failed                int `json:"failed"`
	TimedOut              int `json:"timedOut"`
	Aborted               int `json:"aborted"`
	Total                 int `json:"total"`
	ResultsWritten        int `json:"resultsWritten"`
	FailuresNotRedrivable int `json:"failuresNotRedrivable"`
	PendingRedrive        int `json:"pendingRedrive"`
}

func (c *counts) add(status asl.Status, n int) {
	switch status {
	case asl.Running:
		c.Running += n
		return
	case asl.Succeeded:
		c.Succeeded += n
	case asl.Failed:
		c.Failed += n
	case asl.TimedOut:
		c.TimedOut += n
	case asl.Aborted:
		c.Aborted += n
	}
	c.ResultsWritten += n
}

func (c *counts) close(total int) {
	done := c.Running + c.Succeeded + c.Failed + c.TimedOut + c.Aborted
	c.Total = max(total, done)
	c.Pending = c.Total - done
}

func (s *Service) describeMapRun(_ context.Context, in mapRunInput) (any, error) {
	run, err := s.findMapRun(in.MapRunArn)
	if err != nil {
		return nil, err
	}
	children, err := run.held()
	if err != nil {
		return nil, err
	}
	run.mu.Lock()
	defer run.mu.Unlock()
	var items, executions counts
	for _, c := range children {
		items.add(c.status, c.items)
		executions.add(c.status, 1)
	}
	items.close(run.Items)
	if run.Batched {
		executions.close(len(children)) // how many there will be is not known before
	} else {
		executions.close(run.Items)
	}
	out := map[string]any{
		"mapRunArn": run.ARN, "executionArn": run.Execution, "status": run.Status, "startDate": asl.Epoch(run.Start),
		"maxConcurrency": run.Limits.MaxConcurrency, "toleratedFailureCount": orZero(run.Limits.ToleratedFailures),
		"toleratedFailurePercentage": orZero(run.Limits.ToleratedPercent), "itemCounts": items, "executionCounts": executions, "redriveCount": 0,
	}
	if run.Limits.MaxConcurrency == 0 {
		out["maxConcurrency"] = math.MaxInt32
	}
	if run.Stop != nil {
		out["stopDate"] = asl.Epoch(*run.Stop)
	}
	return out, nil
}

func orZero[T any](v *T) T {
	if v == nil {
		var zero T
		return zero
	}
	return *v
}

type listMapRunsInput struct {
	page
	ExecutionArn string `json:"executionArn"`
}

func (s *Service) listMapRuns(_ context.Context, in listMapRunsInput) (any, error) {
	if _, err := s.Describe(in.ExecutionArn); err != nil {
		return nil, err
	}
	all := []any{}
	for _, run := range s.runs(func(m *mapRun) bool { return m.Execution == in.ExecutionArn }) {
		run.mu.Lock()
		item := map[string]any{"executionArn": run.Execution, "mapRunArn": run.ARN, "stateMachineArn": run.MachineARN, "startDate": asl.Epoch(run.Start)}
		if run.Stop != nil {
			item["stopDate"] = asl.Epoch(*run.Stop)
		}
		run.mu.Unlock()
		all = append(all, item)
	}
	list, token, err := paged(all, in.page, 1000)
	return withToken(map[string]any{"mapRuns": list}, token), err
}

type updateMapRunInput struct {
	MapRunArn                  string   `json:"mapRunArn"`
	MaxConcurrency             *int64   `json:"maxConcurrency"`
	ToleratedFailureCount      *int64   `json:"toleratedFailureCount"`
	ToleratedFailurePercentage *float64 `json:"toleratedFailurePercentage"`
}

// updateMapRun changes the limits of a map run that runs; what is not given
// stays.
func (s *Service) updateMapRun(_ context.Context, in updateMapRunInput) (any, error) {
	run, err := s.findMapRun(in.MapRunArn)
	if err != nil {
		return nil, err
	}
	if n := in.MaxConcurrency; n != nil && (*n < 0 || *n > math.MaxInt32) {
		return nil, outOfRange("maxConcurrency", "0")
	}
	if n := in.ToleratedFailureCount; n != nil && *n < 0 {
		return nil, outOfRange("toleratedFailureCount", "0")
	}
	if p := in.ToleratedFailurePercentage; p != nil && (*p < 0 || *p > 100) {
		return nil, outOfRange("toleratedFailurePercentage", "0 and less than or equal to 100")
	}
	run.mu.Lock()
	defer run.mu.Unlock()
	if run.Status != asl.Running {
		return nil, wire.Errorf("ValidationException", "The Map Run '%s' has ended with the status %s: only one that runs can be updated", run.ARN, run.Status)
	}
	limits := run.Limits
	if in.MaxConcurrency != nil {
		limits.MaxConcurrency = *in.MaxConcurrency
	}
	if in.ToleratedFailureCount != nil {
		limits.ToleratedFailures = in.ToleratedFailureCount
	}
	if in.ToleratedFailurePercentage != nil {
		limits.ToleratedPercent = in.ToleratedFailurePercentage
	}
	run.Limits = limits
	if err := run.keep(); err != nil {
		return nil, err
	}
	if engine := s.engineOf(run); engine != nil {
		engine.UpdateMapRun(run.ARN, limits)
	}
	return struct{}{}, nil
}

func outOfRange(member, least string) error {
	return wire.Errorf("ValidationException", "1 validation error detected: Value at '%s' failed to satisfy constraint: Member must have value greater than or equal to %s", member, least)
}

// engineOf is the execution that the map run belongs to, nil when it does not
// run.
func (s *Service) engineOf(run *mapRun) *asl.Execution {
	root, err := s.find(run.Root)
	if err != nil {
		return nil
	}
	root.mu.Lock()
	defer root.mu.Unlock()
	return root.run
}

// describeChild describes a child execution with its input and output.
func (s *Service) describeChild(run *mapRun, index int) (Description, error) {
	c, _, err := readChild(run.dir, index)
	if err != nil {
		return Description{}, err
	}
	children, err := run.held()
	if err != nil {
		return Description{}, err
	}
	d := s.childSummary(run, children[index])
	d.Input = c.Input
	if c.End != nil && d.Status != asl.Running {
		d.Output, d.Error, d.Cause = c.End.Output, orZero(c.End.Error), orZero(c.End.Cause)
	}
	return d, nil
}

// childSummary is a child execution as ListExecutions has it.
func (s *Service) childSummary(run *mapRun, c *mapChild) Description {
	return Description{
		ARN: run.childARN(c.name), Name: c.name, MachineARN: run.MachineARN, Status: c.status, Start: c.start, Stop: c.stop,
		Machine: run.MachineARN[strings.LastIndexByte(run.MachineARN, ':')+1:], MapRunARN: run.ARN, Items: c.items,
		NotRedrivable: reasonChild,
	}
}

// listChildren gives the child executions of a map run, newest first; Express
// ones are not listed, as on AWS.
func (s *Service) listChildren(in listInput) (any, error) {
	if in.StateMachineArn != "" {
		return nil, wire.Errorf("ValidationException", "Only one of 'stateMachineArn' and 'mapRunArn' may be given")
	}
	run, err := s.findMapRun(in.MapRunArn)
	if err != nil {
		return nil, err
	}
	children, err := run.held()
	if err != nil {
		return nil, err
	}
	slices.Reverse(children)
	all := []any{}
	for _, c := range children {
		if !run.Express && (in.StatusFilter == "" || string(c.status) == in.StatusFilter) {
			all = append(all, summary(s.childSummary(run, c)))
		}
	}
	list, token, err := paged(all, in.page, 1000)
	return withToken(map[string]any{"executions": list}, token), err
}

// stopChild aborts a running child execution and waits until it has ended.
func (s *Service) stopChild(ctx context.Context, run *mapRun, index int, name, cause string) (Description, error) {
	run.mu.Lock()
	var waiting chan struct{}
	if run.children[index].status == asl.Running && run.Status == asl.Running {
		if waiting = run.ended[index]; waiting == nil {
			waiting = make(chan struct{})
			if run.ended == nil {
				run.ended = map[int]chan struct{}{}
			}
			run.ended[index] = waiting
		}
	}
	run.mu.Unlock()
	if engine := s.engineOf(run); waiting != nil && engine != nil {
		engine.AbortChild(run.ARN, index, optional(name), optional(cause))
		select {
		case <-waiting:
		case <-ctx.Done():
			return Description{}, context.Cause(ctx)
		case <-s.ctx.Done():
			return Description{}, errShutdown
		}
	}
	return s.describeChild(run, index)
}
