package states

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/sluice-ml/sluice/infra/local/assembly"
)

// ResourceType is the CloudFormation type that Creator makes.
const ResourceType = "AWS::StepFunctions::StateMachine"

// FetchAsset reads the object that DefinitionS3Location names.
type FetchAsset func(ctx context.Context, bucket, key string) ([]byte, error)

type machineProperties struct {
	StateMachineName        string
	StateMachineType        string
	DefinitionString        string
	Definition              json.RawMessage
	DefinitionS3Location    *struct{ Bucket, Key, Version string }
	DefinitionSubstitutions map[string]any
	RoleArn                 string
	LoggingConfiguration    json.RawMessage
	TracingConfiguration    json.RawMessage
	Tags                    json.RawMessage
}

// Creator makes state machines of a template. A definition that changed
// replaces the old one; executions that run keep the one they started with.
func (s *Service) Creator(fetch FetchAsset) assembly.Creator {
	return func(ctx context.Context, r assembly.Resource) (assembly.Created, error) {
		var p machineProperties
		if err := r.Decode(&p); err != nil {
			return assembly.Created{}, err
		}
		m, err := s.fromTemplate(ctx, r, p, fetch)
		if err != nil {
			return assembly.Created{}, fmt.Errorf("resource %s (%s): %w", r.LogicalID, r.Type, err)
		}
		arn := s.machineARN(m.Name)
		return assembly.Created{Ref: arn, Attributes: map[string]any{"Arn": arn, "Name": m.Name}}, nil
	}
}

func (s *Service) fromTemplate(ctx context.Context, r assembly.Resource, p machineProperties, fetch FetchAsset) (machine, error) {
	if p.StateMachineType != "" && p.StateMachineType != "STANDARD" {
		return machine{}, fmt.Errorf("the local stack does not run state machines of type %q: use STANDARD", p.StateMachineType)
	}
	definition, err := p.definition(ctx, fetch)
	if err != nil {
		return machine{}, err
	}
	name := p.StateMachineName
	if name == "" {
		name = r.LogicalID
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.put(machine{Name: name, Definition: definition, RoleARN: p.RoleArn,
		Logging: lowerKeys(p.LoggingConfiguration), Tracing: lowerKeys(p.TracingConfiguration), Tags: lowerKeys(p.Tags)})
}

// definition gives the definition's text with the substitutions made.
func (p machineProperties) definition(ctx context.Context, fetch FetchAsset) (string, error) {
	text := p.DefinitionString
	switch {
	case p.DefinitionS3Location != nil:
		if fetch == nil {
			return "", fmt.Errorf("DefinitionS3Location: this local stack cannot read assets")
		}
		body, err := fetch(ctx, p.DefinitionS3Location.Bucket, p.DefinitionS3Location.Key)
		if err != nil {
			return "", fmt.Errorf("read the definition s3://%s/%s: %w", p.DefinitionS3Location.Bucket, p.DefinitionS3Location.Key, err)
		}
		text = string(body)
	case len(p.Definition) > 0:
		text = string(p.Definition)
	case text == "":
		return "", fmt.Errorf("one of DefinitionString, Definition and DefinitionS3Location is required")
	}
	pairs := make([]string, 0, 2*len(p.DefinitionSubstitutions))
	for k, v := range p.DefinitionSubstitutions {
		value := fmt.Sprint(v)
		if _, simple := v.(map[string]any); simple {
			return "", fmt.Errorf("DefinitionSubstitutions: the value of %q is not a string, number or boolean", k)
		}
		pairs = append(pairs, "${"+k+"}", value)
	}
	return strings.NewReplacer(pairs...).Replace(text), nil
}

// lowerKeys turns CloudFormation's member names (Level) into the API's (level).
func lowerKeys(v json.RawMessage) json.RawMessage {
	var any any
	if len(v) == 0 || json.Unmarshal(v, &any) != nil {
		return nil
	}
	return encode(lowered(any))
}

func lowered(v any) any {
	switch t := v.(type) {
	case map[string]any:
		out := make(map[string]any, len(t))
		for k, e := range t {
			if k != "" {
				k = strings.ToLower(k[:1]) + k[1:]
			}
			out[k] = lowered(e)
		}
		return out
	case []any:
		for i := range t {
			t[i] = lowered(t[i])
		}
	}
	return v
}
