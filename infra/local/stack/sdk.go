package stack

import (
	"context"
	"encoding/json"

	"github.com/sluice-ml/sluice/infra/local/states"
	"github.com/sluice-ml/sluice/infra/local/wire"
)

// sdk answers the service calls that a state machine makes itself.
type sdk struct{ services *Services }

var _ states.SDK = sdk{}

// Call implements states.SDK.
func (s sdk) Call(ctx context.Context, service, operation string, parameters json.RawMessage) (json.RawMessage, error) {
	switch service + ":" + operation {
	case "sns:publish":
		return s.publish(ctx, parameters)
	}
	return nil, wire.Errorf("NotImplemented", "the local stack's state machines cannot call %s:%s; they can call sns:publish", service, operation)
}

func (s sdk) publish(ctx context.Context, parameters json.RawMessage) (json.RawMessage, error) {
	var in struct {
		TopicArn, Subject string
		Message           json.RawMessage
	}
	if err := wire.DecodeStrict(parameters, &in); err != nil {
		return nil, err
	}
	// A message that is not text is sent as its JSON.
	var text string
	if json.Unmarshal(in.Message, &text) != nil {
		text = string(in.Message)
	}
	id, err := s.services.SNS.Publish(ctx, in.TopicArn, in.Subject, text, nil)
	if err != nil {
		return nil, err
	}
	s.services.meter.notifications.Add(1)
	return json.Marshal(map[string]string{"MessageId": id})
}
