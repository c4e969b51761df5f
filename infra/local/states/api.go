package states

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strconv"

	"github.com/sluice-ml/sluice/infra/local/asl"
	"github.com/sluice-ml/sluice/infra/local/wire"
)

// Handler serves the API: AWS JSON 1.0, target AWSStepFunctions.<Operation>.
func (s *Service) Handler() http.Handler {
	return wire.JSON("states", map[string]wire.Operation{
		"CreateStateMachine":               wire.Op(s.createStateMachine),
		"DescribeStateMachine":             wire.Op(s.describeStateMachine),
		"ListStateMachines":                wire.Op(s.listStateMachines),
		"UpdateStateMachine":               wire.Op(s.updateStateMachine),
		"DeleteStateMachine":               wire.Op(s.deleteStateMachine),
		"ValidateStateMachineDefinition":   wire.Op(s.validateDefinition),
		"ListTagsForResource":              wire.Op(s.listTags),
		"TagResource":                      wire.Op(s.tagResource),
		"UntagResource":                    wire.Op(s.untagResource),
		"StartExecution":                   wire.Op(s.startExecution),
		"DescribeExecution":                wire.Op(s.describeExecution),
		"DescribeStateMachineForExecution": wire.Op(s.describeMachineForExecution),
		"RedriveExecution":                 wire.Op(s.redriveExecution),
		"GetExecutionHistory":              wire.Op(s.getExecutionHistory),
		"ListExecutions":                   wire.Op(s.listExecutions),
		"StopExecution":                    wire.Op(s.stopExecution),
		"DescribeMapRun":                   wire.Op(s.describeMapRun),
		"ListMapRuns":                      wire.Op(s.listMapRuns),
		"UpdateMapRun":                     wire.Op(s.updateMapRun),
		"SendTaskSuccess":                  wire.Op(s.sendTaskSuccess),
		"SendTaskFailure":                  wire.Op(s.sendTaskFailure),
		"SendTaskHeartbeat":                wire.Op(s.sendTaskHeartbeat),
	})
}

type createInput struct {
	Name                 string          `json:"name"`
	Definition           string          `json:"definition"`
	RoleArn              string          `json:"roleArn"`
	Type                 string          `json:"type"`
	LoggingConfiguration json.RawMessage `json:"loggingConfiguration"`
	TracingConfiguration json.RawMessage `json:"tracingConfiguration"`
	Tags                 json.RawMessage `json:"tags"`
}

// createStateMachine is idempotent: the same machine again is a success.
func (s *Service) createStateMachine(_ context.Context, in createInput) (any, error) {
	if in.Type != "" && in.Type != "STANDARD" {
		return nil, wire.Errorf("ValidationException", "the local stack does not run state machines of type %q: use STANDARD", in.Type)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if old, ok := s.table[in.Name]; ok && old.Deleting {
		return nil, deleting(old, s.machineARN(in.Name))
	} else if ok && (old.Definition != in.Definition || old.RoleARN != in.RoleArn) {
		return nil, wire.Errorf("StateMachineAlreadyExists", "State Machine Already Exists: '%s'", s.machineARN(in.Name))
	}
	m, err := s.put(machine{Name: in.Name, Definition: in.Definition, RoleARN: in.RoleArn,
		Logging: in.LoggingConfiguration, Tracing: in.TracingConfiguration, Tags: in.Tags})
	if err != nil {
		return nil, err
	}
	return map[string]any{"stateMachineArn": s.machineARN(m.Name), "creationDate": asl.Epoch(m.Created)}, nil
}

type machineInput struct {
	StateMachineArn string `json:"stateMachineArn"`
	IncludedData    string `json:"includedData"`
}

func orDefault(v json.RawMessage, fallback string) json.RawMessage {
	if len(v) == 0 {
		return json.RawMessage(fallback)
	}
	return v
}

type page struct {
	MaxResults int    `json:"maxResults"`
	NextToken  string `json:"nextToken"`
}

// paged cuts a page out of a list; the token is the position of the next one.
func paged[T any](all []T, p page, most int) ([]T, string, error) {
	if err := p.check(); err != nil {
		return nil, "", err
	}
	from := 0
	if p.NextToken != "" {
		n, err := strconv.Atoi(p.NextToken)
		if err != nil || n < 0 || n > len(all) {
			return nil, "", wire.Errorf("InvalidToken", "Invalid Token: '%s'", p.NextToken)
		}
		from = n
	}
	size := p.MaxResults
	if size <= 0 {
		size = 100
	}
	to := min(from+min(size, most), len(all))
	if to == len(all) {
		return all[from:to], "", nil
	}
	return all[from:to], strconv.Itoa(to), nil
}

func withToken(out map[string]any, token string) map[string]any {
	if token != "" {
		out["nextToken"] = token
	}
	return out
}

func (s *Service) listStateMachines(_ context.Context, in page) (any, error) {
	s.mu.Lock()
	names := make([]string, 0, len(s.table))
	for name := range s.table {
		names = append(names, name)
	}
	slices.Sort(names)
	all := make([]any, len(names))
	for i, name := range names {
		all[i] = map[string]any{"stateMachineArn": s.machineARN(name), "name": name, "type": "STANDARD",
			"creationDate": asl.Epoch(s.table[name].Created)}
	}
	s.mu.Unlock()
	list, token, err := paged(all, in, 1000)
	return withToken(map[string]any{"stateMachines": list}, token), err
}

type validateInput struct {
	Definition string `json:"definition"`
	Type       string `json:"type"`
	Severity   string `json:"severity"`
	MaxResults int    `json:"maxResults"`
}

func (s *Service) validateDefinition(_ context.Context, in validateInput) (any, error) {
	diagnostics := []map[string]string{}
	_, err := asl.Parse([]byte(in.Definition), s.checkTask)
	if refused, ok := errors.AsType[*asl.DefinitionError](err); ok {
		for _, p := range refused.Problems {
			diagnostics = append(diagnostics, map[string]string{"code": p.Code, "location": p.Pointer, "message": p.Message, "severity": "ERROR"})
		}
	}
	result := "OK"
	if len(diagnostics) > 0 {
		result = "FAIL"
	}
	return map[string]any{"result": result, "diagnostics": diagnostics, "truncated": false}, nil
}

type startInput struct {
	StateMachineArn string  `json:"stateMachineArn"`
	Name            string  `json:"name"`
	Input           *string `json:"input"`
	TraceHeader     string  `json:"traceHeader"`
}

func (s *Service) startExecution(ctx context.Context, in startInput) (any, error) {
	r := StartRequest{MachineARN: in.StateMachineArn, Name: in.Name}
	if in.Input != nil {
		if r.Input = *in.Input; r.Input == "" {
			return nil, wire.Errorf("InvalidExecutionInput", "Invalid State Machine Execution Input: 'Invalid execution input.'")
		}
	}
	d, err := s.Start(ctx, r)
	if err != nil {
		return nil, err
	}
	return map[string]any{"executionArn": d.ARN, "startDate": asl.Epoch(d.Start)}, nil
}

type executionInput struct {
	ExecutionArn string `json:"executionArn"`
	IncludedData string `json:"includedData"`
}

func (s *Service) describeExecution(_ context.Context, in executionInput) (any, error) {
	d, err := s.Describe(in.ExecutionArn)
	if err != nil {
		return nil, err
	}
	out := summary(d)
	delete(out, "itemCount") // ListExecutions alone has it
	out["input"] = d.Input
	out["inputDetails"] = map[string]bool{"included": true}
	out["redriveStatus"] = d.RedriveStatus()
	if d.NotRedrivable != "" {
		out["redriveStatusReason"] = d.NotRedrivable
	}
	if d.Status == asl.Succeeded {
		out["output"] = d.Output
		out["outputDetails"] = map[string]bool{"included": true}
	}
	if d.Error != "" {
		out["error"] = d.Error
	}
	if d.Cause != "" {
		out["cause"] = d.Cause
	}
	return out, nil
}

func summary(d Description) map[string]any {
	out := map[string]any{"executionArn": d.ARN, "stateMachineArn": d.MachineARN, "name": d.Name,
		"status": d.Status, "startDate": asl.Epoch(d.Start), "redriveCount": d.Redrives}
	if !d.Redriven.IsZero() {
		out["redriveDate"] = asl.Epoch(d.Redriven)
	}
	if !d.Stop.IsZero() {
		out["stopDate"] = asl.Epoch(d.Stop)
	}
	if d.MapRunARN != "" {
		out["mapRunArn"], out["itemCount"] = d.MapRunARN, d.Items
	}
	return out
}

type historyInput struct {
	page
	ExecutionArn         string `json:"executionArn"`
	ReverseOrder         bool   `json:"reverseOrder"`
	IncludeExecutionData *bool  `json:"includeExecutionData"`
}

func (s *Service) getExecutionHistory(_ context.Context, in historyInput) (any, error) {
	if in.IncludeExecutionData != nil && !*in.IncludeExecutionData {
		return nil, wire.Errorf("ValidationException", "the local stack always gives histories with their data: leave out includeExecutionData")
	}
	events, err := s.History(in.ExecutionArn)
	if err != nil {
		return nil, err
	}
	if in.ReverseOrder {
		events = slices.Clone(events)
		slices.Reverse(events)
	}
	list, token, err := paged(events, in.page, 1000)
	if list == nil {
		list = []asl.Event{}
	}
	return withToken(map[string]any{"events": list}, token), err
}

type listInput struct {
	page
	StateMachineArn string `json:"stateMachineArn"`
	StatusFilter    string `json:"statusFilter"`
	RedriveFilter   string `json:"redriveFilter"` // REDRIVEN or NOT_REDRIVEN
	MapRunArn       string `json:"mapRunArn"`
}

func (in listInput) wants(d Description) bool {
	return (in.StatusFilter == "" || string(d.Status) == in.StatusFilter) &&
		(in.RedriveFilter == "" || (in.RedriveFilter == "REDRIVEN") == (d.Redrives > 0))
}

func (s *Service) listExecutions(_ context.Context, in listInput) (any, error) {
	if err := in.check(); err != nil {
		return nil, err
	}
	if in.MapRunArn != "" {
		return s.listChildren(in)
	}
	s.mu.Lock()
	_, err := s.machineAt(in.StateMachineArn)
	s.mu.Unlock()
	if err != nil {
		return nil, err
	}
	all := []any{}
	for _, d := range s.List(in.StateMachineArn) {
		if in.wants(d) {
			all = append(all, summary(d))
		}
	}
	list, token, err := paged(all, in.page, 1000)
	return withToken(map[string]any{"executions": list}, token), err
}

type stopInput struct {
	ExecutionArn string `json:"executionArn"`
	Error        string `json:"error"`
	Cause        string `json:"cause"`
}

func (s *Service) stopExecution(ctx context.Context, in stopInput) (any, error) {
	d, err := s.Stop(ctx, in.ExecutionArn, in.Error, in.Cause)
	if err != nil {
		return nil, err
	}
	return map[string]any{"stopDate": asl.Epoch(d.Stop)}, nil
}

type taskInput struct {
	TaskToken string `json:"taskToken"`
	Output    string `json:"output"`
	Error     string `json:"error"`
	Cause     string `json:"cause"`
}

func (s *Service) sendTaskSuccess(_ context.Context, in taskInput) (any, error) {
	if !json.Valid([]byte(in.Output)) {
		return nil, wire.Errorf("InvalidOutput", "Invalid Output: '%s'", in.Output)
	}
	return struct{}{}, s.tokens.finish(in.TaskToken, taskEnd{output: json.RawMessage(in.Output)})
}

func (s *Service) sendTaskFailure(_ context.Context, in taskInput) (any, error) {
	return struct{}{}, s.tokens.finish(in.TaskToken, taskEnd{err: &asl.TaskError{Name: in.Error, Cause: in.Cause}})
}

func (s *Service) sendTaskHeartbeat(_ context.Context, in taskInput) (any, error) {
	return struct{}{}, s.tokens.heartbeat(in.TaskToken)
}
