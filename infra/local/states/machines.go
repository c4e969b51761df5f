package states

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/sluice-ml/sluice/infra/local/asl"
	"github.com/sluice-ml/sluice/infra/local/wire"
)

// machine is a state machine; the journal keeps it as it is.
type machine struct {
	Name       string          `json:"name"`
	Definition string          `json:"definition"`
	RoleARN    string          `json:"roleArn"`
	Created    time.Time       `json:"created"`
	Updated    time.Time       `json:"updated,omitzero"`
	Revision   string          `json:"revision,omitempty"` // "" until it is updated
	Deleting   bool            `json:"deleting,omitempty"` // gone once nothing runs
	Logging    json.RawMessage `json:"logging,omitempty"`
	Tracing    json.RawMessage `json:"tracing,omitempty"`
	Tags       json.RawMessage `json:"tags,omitempty"`
}

// put makes or replaces a state machine, once its definition is good.
func (s *Service) put(m machine) (machine, error) {
	if !nameIsValid(m.Name) {
		return m, wire.Errorf("InvalidName", "Invalid Name: '%s'", m.Name)
	}
	if err := isLogging(m.Logging); err != nil {
		return m, err
	}
	parsed, err := asl.Parse([]byte(m.Definition), s.checkTask)
	if err != nil {
		return m, wire.Errorf("InvalidDefinition", "%s", err.Error())
	}
	if parsed.UsesObjects() && s.options.Objects == nil {
		return m, wire.Errorf("InvalidDefinition", "this local stack has no S3 for the definition's ItemReader or ResultWriter")
	}
	if err := isRole(m.RoleARN); err != nil {
		return m, err
	}
	if old, ok := s.table[m.Name]; ok && !old.Deleting {
		m.Created = old.Created
	} else {
		m.Created = s.options.Clock.Now().UTC()
	}
	return m, s.keep(m)
}

// keep writes a state machine down.
func (s *Service) keep(m machine) error {
	if err := writeFile(s.journal.machinePath(m.Name), m); err != nil {
		return err
	}
	s.table[m.Name] = m
	return nil
}

// machineAt finds a state machine by its ARN. s.mu is held.
func (s *Service) machineAt(arn string) (machine, error) {
	m, ok := s.table[arn[strings.LastIndexByte(arn, ':')+1:]]
	if !ok || s.machineARN(m.Name) != arn {
		if err := isARN(arn, "stateMachine"); err != nil {
			return m, err
		}
		return m, wire.Errorf("StateMachineDoesNotExist", "State Machine Does Not Exist: '%s'", arn)
	}
	return m, nil
}

func deleting(m machine, arn string) error {
	if m.Deleting {
		return wire.Errorf("StateMachineDeleting", "State Machine Deleting: '%s'", arn)
	}
	return nil
}

type updateInput struct {
	StateMachineArn      string          `json:"stateMachineArn"`
	Definition           string          `json:"definition"`
	RoleArn              string          `json:"roleArn"`
	LoggingConfiguration json.RawMessage `json:"loggingConfiguration"`
	TracingConfiguration json.RawMessage `json:"tracingConfiguration"`
}

// updateStateMachine: executions that run keep the definition they began with.
func (s *Service) updateStateMachine(_ context.Context, in updateInput) (any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	m, err := s.machineAt(in.StateMachineArn)
	if err == nil {
		err = deleting(m, in.StateMachineArn)
	}
	if err != nil {
		return nil, err
	}
	if in.Definition == "" && in.RoleArn == "" && in.LoggingConfiguration == nil && in.TracingConfiguration == nil {
		return nil, wire.Errorf("MissingRequiredParameter", "Either the definition, the role ARN, the LoggingConfiguration, or the TracingConfiguration must be specified")
	}
	if in.Definition != "" {
		m.Definition = in.Definition
	}
	if in.RoleArn != "" {
		m.RoleARN = in.RoleArn
	}
	if in.LoggingConfiguration != nil {
		m.Logging = in.LoggingConfiguration
	}
	if in.TracingConfiguration != nil {
		m.Tracing = in.TracingConfiguration
	}
	m.Updated, m.Revision = s.options.Clock.Now().UTC(), wire.RequestID()
	if m, err = s.put(m); err != nil {
		return nil, err
	}
	return map[string]any{"updateDate": asl.Epoch(m.Updated), "revisionId": m.Revision}, nil
}

// deleteStateMachine: one that is not there is deleted already.
func (s *Service) deleteStateMachine(_ context.Context, in machineInput) (any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	m, err := s.machineAt(in.StateMachineArn)
	if err != nil {
		return struct{}{}, isARN(in.StateMachineArn, "stateMachine")
	}
	m.Deleting = true
	if err := s.keep(m); err != nil {
		return nil, err
	}
	return struct{}{}, s.bury(m.Name)
}

// bury removes a state machine that is being deleted once none of its
// executions runs. s.mu is held.
func (s *Service) bury(name string) error {
	if m, ok := s.table[name]; !ok || !m.Deleting {
		return nil
	}
	for _, e := range s.executions {
		if e.Machine == name && e.isRunning() {
			return nil
		}
	}
	if err := os.Remove(s.journal.machinePath(name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	delete(s.table, name)
	return nil
}

// reasonDeleting is AWS's reason not to redrive executions of a machine that
// is deleted.
const reasonDeleting = "State machine is in DELETING status"

func (s *Service) isDeleted(machine string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	m, ok := s.table[machine]
	return !ok || m.Deleting
}

func (s *Service) describeStateMachine(_ context.Context, in machineInput) (any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	m, err := s.machineAt(in.StateMachineArn)
	if err != nil {
		return nil, err
	}
	status := "ACTIVE"
	if m.Deleting {
		status = "DELETING"
	}
	out := s.definitionOf(m)
	out["status"], out["type"], out["creationDate"] = status, "STANDARD", asl.Epoch(m.Created)
	return out, nil
}

// definitionOf is what both descriptions of a machine have.
func (s *Service) definitionOf(m machine) map[string]any {
	out := map[string]any{
		"stateMachineArn": s.machineARN(m.Name), "name": m.Name, "definition": m.Definition, "roleArn": m.RoleARN,
		"loggingConfiguration": orDefault(m.Logging, `{"includeExecutionData":false,"level":"OFF"}`),
		"tracingConfiguration": orDefault(m.Tracing, `{"enabled":false}`),
	}
	if m.Revision != "" {
		out["revisionId"] = m.Revision
	}
	return out
}

// describeMachineForExecution gives the machine as it was when the execution
// began.
func (s *Service) describeMachineForExecution(_ context.Context, in executionInput) (any, error) {
	e, err := s.find(in.ExecutionArn)
	if err != nil {
		return nil, err
	}
	definition, err := s.journal.definition(e.Definition)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.table[e.Machine] // the zero machine once it is deleted
	was := machine{Name: e.Machine, Definition: definition, RoleARN: e.RoleARN, Logging: now.Logging, Tracing: now.Tracing}
	updated := now.Created
	if now.Definition == definition && !now.Updated.IsZero() {
		updated, was.Revision = now.Updated, now.Revision
	}
	if updated.IsZero() {
		updated = e.Start
	}
	out := s.definitionOf(was)
	out["updateDate"] = asl.Epoch(updated)
	return out, nil
}

type tag struct {
	Key   string `json:"key"`
	Value string `json:"value"`
}

// maxTags is AWS's limit per state machine.
const maxTags = 50

type tagInput struct {
	ResourceArn string   `json:"resourceArn"`
	Tags        []tag    `json:"tags"`
	TagKeys     []string `json:"tagKeys"`
}

// tagged finds a state machine and its tags. s.mu is held.
func (s *Service) tagged(arn string) (machine, []tag, error) {
	m, err := s.machineAt(arn)
	if err != nil {
		return m, nil, wire.Errorf("ResourceNotFound", "Resource not found: '%s'", arn)
	}
	tags := []tag{}
	if len(m.Tags) > 0 {
		err = json.Unmarshal(m.Tags, &tags)
	}
	return m, tags, err
}

func (s *Service) listTags(_ context.Context, in struct {
	ResourceArn string `json:"resourceArn"`
}) (any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, tags, err := s.tagged(in.ResourceArn)
	return map[string]any{"tags": tags}, err
}

func (s *Service) tagResource(_ context.Context, in tagInput) (any, error) {
	return s.retag(in.ResourceArn, func(tags []tag) []tag {
		for _, t := range in.Tags {
			i := slices.IndexFunc(tags, func(old tag) bool { return old.Key == t.Key })
			if i < 0 {
				tags = append(tags, t)
			} else {
				tags[i] = t
			}
		}
		return tags
	})
}

func (s *Service) untagResource(_ context.Context, in tagInput) (any, error) {
	return s.retag(in.ResourceArn, func(tags []tag) []tag {
		return slices.DeleteFunc(tags, func(t tag) bool { return slices.Contains(in.TagKeys, t.Key) })
	})
}

func (s *Service) retag(arn string, change func([]tag) []tag) (any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	m, tags, err := s.tagged(arn)
	if err != nil {
		return nil, err
	}
	if tags = change(tags); len(tags) > maxTags {
		return nil, wire.Errorf("TooManyTags", "Too many tags: '%s' would have %d, at most %d are allowed", arn, len(tags), maxTags)
	}
	m.Tags = encode(tags)
	return struct{}{}, s.keep(m)
}
