package assembly

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"

	"github.com/sluice-ml/sluice/infra/local/nearest"
)

// Resource is one resource of the template with every intrinsic resolved.
type Resource struct {
	LogicalID  string
	Type       string          // e.g. "AWS::Lambda::Function"
	Properties json.RawMessage // resolved; "{}" when the template has none
	Metadata   map[string]any
}

// Created is what a service made of a resource: what Ref and Fn::GetAtt give.
type Created struct {
	Ref        string
	Attributes map[string]any // "Arn", "Name", nested as "Outputs.X"
}

// Creator makes one resource in a local service. Creators are idempotent:
// after a restart the same resource is created again and keeps its state.
type Creator func(ctx context.Context, r Resource) (Created, error)

// Decode reads r's properties into the pointer into, strictly: a property that
// the local stack does not implement is an error that names it.
func (r Resource) Decode(into any) error {
	decoder := json.NewDecoder(bytes.NewReader(r.Properties))
	decoder.DisallowUnknownFields()
	if err := nearest.Member(decoder.Decode(into), into); err != nil {
		return fmt.Errorf("resource %s (%s): the local stack cannot honour its properties: %w", r.LogicalID, r.Type, err)
	}
	return nil
}

// Tag is CloudFormation's tag. Tags are accepted and have no effect locally.
type Tag struct {
	Key   string
	Value string
}
