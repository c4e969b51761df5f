package stack

import (
	"context"
	"encoding/json"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"

	"github.com/sluice-ml/sluice/infra/local/awssdk"
	"github.com/sluice-ml/sluice/infra/local/wire"
)

// sdk is what state machines call beside functions and jobs: the AWS SDK's
// calls of every service here, and the optimized integrations of some.
type sdk struct {
	services *Services
	aws      *awssdk.Caller
}

// newSDK makes the calls at the stack's own endpoint.
func newSDK(s *Services, endpoint, region string) sdk {
	return sdk{s, awssdk.New(aws.Config{Region: region, BaseEndpoint: &endpoint,
		Credentials: credentials.NewStaticCredentialsProvider(AccessKeyID, SecretAccessKey, "")})}
}

// Check refuses calls that nothing here answers.
func (s sdk) Check(service, operation string, fields []string) error {
	if name, ok := strings.CutPrefix(service, "aws-sdk:"); ok {
		return s.aws.Check(name, operation, fields)
	}
	switch service {
	case "sagemaker", "sqs":
		return s.aws.Check(service, operation, fields)
	}
	return nil // the service checks its parameters itself
}

func (s sdk) Call(ctx context.Context, service, operation string, parameters json.RawMessage) (json.RawMessage, error) {
	if name, ok := strings.CutPrefix(service, "aws-sdk:"); ok {
		return s.aws.Call(ctx, name, operation, parameters)
	}
	var out any
	var err error
	switch service + ":" + operation {
	case "sns:publish":
		out, err = s.publish(ctx, parameters)
	case "events:putEvents":
		out, err = s.putEvents(ctx, parameters)
	case "sqs:sendMessage":
		if parameters, err = textMember(parameters, "MessageBody"); err == nil {
			return s.aws.Call(ctx, service, operation, parameters)
		}
	default:
		return s.aws.Call(ctx, service, operation, parameters)
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

// textMember makes a member that may be any JSON the text of it.
func textMember(parameters json.RawMessage, name string) (json.RawMessage, error) {
	var members map[string]json.RawMessage
	if err := json.Unmarshal(parameters, &members); err != nil {
		return nil, wire.Errorf("States.Runtime", "the parameters are not an object: %v", err)
	}
	if raw, ok := members[name]; ok {
		var text textOrJSON
		if err := json.Unmarshal(raw, &text); err != nil {
			return nil, err
		}
		encoded, err := json.Marshal(text)
		if err != nil {
			return nil, err
		}
		members[name] = encoded
	}
	return json.Marshal(members)
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
