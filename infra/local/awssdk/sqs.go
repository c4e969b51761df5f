package awssdk

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"reflect"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// SQS speaks AWS JSON 1.0 with members in PascalCase already, so it needs no
// client of its own. Its inputs have the members that the local stack serves.
type (
	sqsAttribute struct{ DataType, StringValue *string }

	sendMessageInput struct {
		QueueUrl, MessageBody *string
		DelaySeconds          *int32
		MessageAttributes     map[string]sqsAttribute
	}
	sendMessageBatchInput struct {
		QueueUrl *string
		Entries  []struct {
			Id, MessageBody   *string
			DelaySeconds      *int32
			MessageAttributes map[string]sqsAttribute
		}
	}
	deleteMessageBatchInput struct {
		QueueUrl *string
		Entries  []struct{ Id, ReceiptHandle *string }
	}
	changeMessageVisibilityInput struct {
		QueueUrl, ReceiptHandle *string
		VisibilityTimeout       *int32
	}
	changeMessageVisibilityBatchInput struct {
		QueueUrl *string
		Entries  []struct {
			Id, ReceiptHandle *string
			VisibilityTimeout *int32
		}
	}
	receiveMessageInput struct {
		QueueUrl                                                *string
		MaxNumberOfMessages, VisibilityTimeout, WaitTimeSeconds *int32
		AttributeNames                                          []string
		MessageSystemAttributeNames, MessageAttributeNames      []string
	}
	deleteMessageInput      struct{ QueueUrl, ReceiptHandle *string }
	getQueueAttributesInput struct {
		QueueUrl       *string
		AttributeNames []string
	}
	getQueueUrlInput struct{ QueueName, QueueOwnerAWSAccountId *string }
	purgeQueueInput  struct{ QueueUrl *string }
)

// sqsErrors are the modelled errors that the local stack gives, by code.
var sqsErrors = map[string]string{
	"QueueDoesNotExist": "QueueDoesNotExist", "ReceiptHandleIsInvalid": "ReceiptHandleIsInvalid",
	"InvalidMessageContents": "InvalidMessageContents", "InvalidAttributeName": "InvalidAttributeName", "OverLimit": "OverLimit",
}

func sqsService(config aws.Config) service {
	s := serves("Sqs")
	for name, in := range map[string]struct {
		input    reflect.Type
		required []string
	}{
		"SendMessage":                  {reflect.TypeFor[sendMessageInput](), []string{"QueueUrl", "MessageBody"}},
		"ReceiveMessage":               {reflect.TypeFor[receiveMessageInput](), []string{"QueueUrl"}},
		"DeleteMessage":                {reflect.TypeFor[deleteMessageInput](), []string{"QueueUrl", "ReceiptHandle"}},
		"GetQueueAttributes":           {reflect.TypeFor[getQueueAttributesInput](), []string{"QueueUrl"}},
		"GetQueueUrl":                  {reflect.TypeFor[getQueueUrlInput](), []string{"QueueName"}},
		"SendMessageBatch":             {reflect.TypeFor[sendMessageBatchInput](), []string{"QueueUrl", "Entries"}},
		"DeleteMessageBatch":           {reflect.TypeFor[deleteMessageBatchInput](), []string{"QueueUrl", "Entries"}},
		"ChangeMessageVisibility":      {reflect.TypeFor[changeMessageVisibilityInput](), []string{"QueueUrl", "ReceiptHandle", "VisibilityTimeout"}},
		"ChangeMessageVisibilityBatch": {reflect.TypeFor[changeMessageVisibilityBatchInput](), []string{"QueueUrl", "Entries"}},
		"PurgeQueue":                   {reflect.TypeFor[purgeQueueInput](), []string{"QueueUrl"}},
	} {
		q := queueCall{config: config, name: name, required: in.required}
		s.operations[action(in.input)] = operation{name: action(in.input), in: in.input, call: q.call}
	}
	return s
}

// queueCall is one operation of SQS.
type queueCall struct {
	config   aws.Config
	name     string
	required []string
}

// plainJSON is an output that is JSON already.
type plainJSON struct{ value any }

func (q queueCall) call(ctx context.Context, in any) (any, error) {
	if err := q.validate(in); err != nil || ctx.Value(unsent{}) != nil {
		return plainJSON{}, err
	}
	members, err := toJSON(in)
	if err != nil {
		return nil, err
	}
	body, err := json.Marshal(members)
	if err != nil {
		return nil, err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, aws.ToString(q.config.BaseEndpoint), bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	r.Header.Set("Content-Type", "application/x-amz-json-1.0")
	r.Header.Set("X-Amz-Target", "AmazonSQS."+q.name)
	r.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=sluice/20000101/"+q.config.Region+"/sqs/aws4_request, SignedHeaders=host, Signature=none") // only S3 checks it
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		return nil, err
	}
	defer func() { _ = response.Body.Close() }()
	return q.answer(response)
}

// validate finds parameters that are missing, as the SDK does for the others.
func (q queueCall) validate(in any) error {
	invalid := smithy.InvalidParamsError{Context: q.name + "Input"}
	v := reflect.ValueOf(in).Elem()
	for _, name := range q.required {
		if v.FieldByName(name).IsNil() {
			invalid.Add(smithy.NewErrParamRequired(name))
		}
	}
	if invalid.Len() > 0 {
		return invalid
	}
	return nil
}

func (q queueCall) answer(response *http.Response) (any, error) {
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return nil, err
	}
	if response.StatusCode != http.StatusOK {
		return nil, &smithyhttp.ResponseError{Response: &smithyhttp.Response{Response: response}, Err: queueError(text)}
	}
	var out plainJSON
	if err := json.Unmarshal(text, &out.value); err != nil {
		return nil, fmt.Errorf("read the answer of %s: %w", q.name, err)
	}
	return out, nil
}

// queueException is an error of SQS that its model has.
type queueException struct {
	smithy.GenericAPIError
	shape string
}

func queueError(text []byte) error {
	var e struct {
		Type    string `json:"__type"`
		Message string `json:"message"`
	}
	if err := json.Unmarshal(text, &e); err != nil {
		return fmt.Errorf("read an error of SQS: %w", err)
	}
	code := e.Type[strings.LastIndexByte(e.Type, '#')+1:]
	generic := smithy.GenericAPIError{Code: code, Message: e.Message}
	if shape, ok := sqsErrors[code]; ok {
		return &queueException{generic, shape}
	}
	return &generic
}
