package stack

import (
	"context"
	"encoding/json"

	"github.com/sluice-ml/sluice/infra/local/wire"
)

// sdk is what state machines call beside functions and jobs: sns:publish and
// events:putEvents. Anything else is refused by name.
type sdk struct{ services *Services }

func (s sdk) Call(ctx context.Context, service, operation string, parameters json.RawMessage) (json.RawMessage, error) {
	var out any
	var err error
	switch service + ":" + operation {
	case "sns:publish":
		out, err = s.publish(ctx, parameters)
	case "events:putEvents":
		out, err = s.putEvents(ctx, parameters)
	default:
		return nil, wire.Errorf("NotImplemented", "the local stack's state machines do not call %s:%s; they call sns:publish and events:putEvents", service, operation)
	}
	if err != nil {
		return nil, err
	}
	return json.Marshal(out)
}

// textOrJSON is a member that Step Functions lets be a text or any JSON, which
// it then sends as text.
type textOrJSON string

func (t *textOrJSON) UnmarshalJSON(raw []byte) error {
	var s string
	if json.Unmarshal(raw, &s) == nil {
		*t = textOrJSON(s)
		return nil
	}
	*t = textOrJSON(raw)
	return nil
}

func (s sdk) publish(ctx context.Context, parameters json.RawMessage) (any, error) {
	var in struct {
		TopicArn          string
		Subject           string
		Message           textOrJSON
		MessageAttributes map[string]struct{ DataType, StringValue string }
	}
	if err := wire.DecodeStrict(parameters, &in); err != nil {
		return nil, err
	}
	attributes := map[string]string{}
	for name, attribute := range in.MessageAttributes {
		if attribute.DataType != "String" {
			return nil, wire.Errorf("InvalidParameterValue", "message attribute %s: the local stack takes the DataType String, got %q", name, attribute.DataType)
		}
		attributes[name] = attribute.StringValue
	}
	id, err := s.services.SNS.Publish(ctx, in.TopicArn, in.Subject, string(in.Message), attributes)
	return map[string]string{"MessageId": id}, err
}

func (s sdk) putEvents(ctx context.Context, parameters json.RawMessage) (any, error) {
	type entry struct {
		Source, DetailType string
		Detail             textOrJSON
		Resources          []string `json:",omitempty"`
		EventBusName       string   `json:",omitempty"`
	}
	var in struct{ Entries []entry }
	if err := wire.DecodeStrict(parameters, &in); err != nil {
		return nil, err
	}
	body, err := json.Marshal(in)
	if err != nil {
		return nil, err
	}
	return s.services.Events.PutEvents(ctx, body)
}
