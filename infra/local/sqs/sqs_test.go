package sqs

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluice-ml/sluice/infra/local/assembly"
)

type bench struct {
	*Service
	dir string
	now time.Time
}

func newBench(t *testing.T) *bench {
	t.Helper()
	return openBench(t, t.TempDir(), time.Date(2026, 3, 2, 10, 0, 0, 0, time.UTC))
}

func openBench(t *testing.T, dir string, now time.Time) *bench {
	t.Helper()
	b := &bench{dir: dir, now: now}
	s, err := Open(Config{Dir: dir, Region: "eu-west-1", Account: "000000000000", URL: "http://127.0.0.1:4566", Now: func() time.Time { return b.now }})
	require.NoError(t, err)
	b.Service = s
	return b
}

func (b *bench) create(t *testing.T, id, properties string) (assembly.Created, error) {
	t.Helper()
	return b.Creators()["AWS::SQS::Queue"](t.Context(), assembly.Resource{LogicalID: id, Type: "AWS::SQS::Queue", Properties: json.RawMessage(properties)})
}

// call speaks AWS JSON 1.0, as the SDKs do.
func (b *bench) call(t *testing.T, operation string, in, out any) (code string) {
	t.Helper()
	body, err := json.Marshal(in)
	require.NoError(t, err)
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", bytes.NewReader(body))
	r.Header.Set("Content-Type", "application/x-amz-json-1.0")
	r.Header.Set("X-Amz-Target", "AmazonSQS."+operation)
	w := httptest.NewRecorder()
	b.Handler().ServeHTTP(w, r)
	answer, err := io.ReadAll(w.Body)
	require.NoError(t, err)
	if w.Code != http.StatusOK {
		var e struct {
			Type string `json:"__type"`
		}
		require.NoError(t, json.Unmarshal(answer, &e))
		return e.Type
	}
	if out != nil {
		require.NoError(t, json.Unmarshal(answer, out))
	}
	return ""
}

type m map[string]any

func TestReceiveHideDelete(t *testing.T) {
	b := newBench(t)
	made, err := b.create(t, "Dead", `{"VisibilityTimeout":60}`)
	require.NoError(t, err)
	url := made.Ref
	require.Equal(t, "http://127.0.0.1:4566/000000000000/Dead", url)
	var sent sendOutput
	require.Empty(t, b.call(t, "SendMessage", m{"QueueUrl": url, "MessageBody": "This is a test message", "MessageAttributes": m{"why": m{"DataType": "String", "StringValue": "timeout"}}}, &sent))
	require.Equal(t, "fafb00f5732ab283681e124bf8747ed1", sent.MD5OfMessageBody, "AWS's own example")

	var got receiveOutput
	receive := m{"QueueUrl": url, "MaxNumberOfMessages": 10, "AttributeNames": []string{"All"}, "MessageAttributeNames": []string{"All"}}
	require.Empty(t, b.call(t, "ReceiveMessage", receive, &got))
	require.Len(t, got.Messages, 1)
	require.Equal(t, "1", got.Messages[0].Attributes["ApproximateReceiveCount"])
	require.Equal(t, attribute{"String", "timeout"}, got.Messages[0].MessageAttributes["why"])
	require.Equal(t, sent.MD5OfMessageAttributes, got.Messages[0].MD5OfMessageAttributes)
	first := got.Messages[0].ReceiptHandle

	got = receiveOutput{}
	require.Empty(t, b.call(t, "ReceiveMessage", receive, &got))
	require.Empty(t, got.Messages, "hidden")
	again := openBench(t, b.dir, b.now.Add(61*time.Second))
	require.Empty(t, again.call(t, "ReceiveMessage", receive, &got))
	require.Len(t, got.Messages, 1, "it comes back, over a restart too")
	require.Empty(t, again.call(t, "DeleteMessage", m{"QueueUrl": url, "ReceiptHandle": first}, nil))
	left, err := again.Messages(url)
	require.NoError(t, err)
	require.Len(t, left, 1, "an old receipt deletes nothing")
	require.Empty(t, again.call(t, "DeleteMessage", m{"QueueUrl": url, "ReceiptHandle": got.Messages[0].ReceiptHandle}, nil))
	var attributes attributesOutput
	require.Empty(t, again.call(t, "GetQueueAttributes", m{"QueueUrl": url, "AttributeNames": []string{"ApproximateNumberOfMessages", "QueueArn"}}, &attributes))
	require.Equal(t, map[string]string{"ApproximateNumberOfMessages": "0", "QueueArn": "arn:aws:sqs:eu-west-1:000000000000:Dead"}, attributes.Attributes)
}

func TestRedrive(t *testing.T) {
	b := newBench(t)
	dead, err := b.create(t, "Dead", `{}`)
	require.NoError(t, err)
	work, err := b.create(t, "Work", `{"VisibilityTimeout":0,"RedrivePolicy":{"deadLetterTargetArn":"`+dead.Attributes["Arn"].(string)+`","maxReceiveCount":2}}`)
	require.NoError(t, err)
	_, err = b.Send(work.Attributes["Arn"].(string), "poison", nil)
	require.NoError(t, err)
	for _, want := range []int{1, 1, 0} {
		var got receiveOutput
		require.Empty(t, b.call(t, "ReceiveMessage", m{"QueueUrl": work.Ref}, &got))
		require.Len(t, got.Messages, want)
	}
	buried, err := b.Messages(dead.Ref)
	require.NoError(t, err)
	require.Len(t, buried, 1)
	require.Equal(t, "poison", buried[0].Body)
}

func TestLongPollWakesOnArrival(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		made, err := b.create(t, "Q", `{}`)
		require.NoError(t, err)
		began := time.Now()
		go func() {
			time.Sleep(3 * time.Second)
			if _, err := b.Send(made.Ref, "late", nil); err != nil {
				t.Error(err)
			}
		}()
		var got receiveOutput
		require.Empty(t, b.call(t, "ReceiveMessage", m{"QueueUrl": made.Ref, "WaitTimeSeconds": 20}, &got))
		require.Len(t, got.Messages, 1)
		require.Equal(t, 3*time.Second, time.Since(began))
		began, got = time.Now(), receiveOutput{}
		require.Empty(t, b.call(t, "ReceiveMessage", m{"QueueUrl": made.Ref, "WaitTimeSeconds": 20}, &got))
		require.Empty(t, got.Messages)
		require.Equal(t, 20*time.Second, time.Since(began))
	})
}

func TestRetentionAndRefusals(t *testing.T) {
	b := newBench(t)
	made, err := b.create(t, "Q", `{"MessageRetentionPeriod":60}`)
	require.NoError(t, err)
	_, err = b.Send(made.Ref, "old", nil)
	require.NoError(t, err)
	b.now = b.now.Add(61 * time.Second)
	left, err := b.Messages(made.Ref)
	require.NoError(t, err)
	require.Empty(t, left)

	require.Equal(t, "QueueDoesNotExist", b.call(t, "GetQueueUrl", m{"QueueName": "none"}, nil))
	require.Equal(t, "InvalidParameterValue", b.call(t, "ReceiveMessage", m{"QueueUrl": made.Ref, "MaxNumberOfMessages": 11}, nil))
	require.Equal(t, "ValidationException", b.call(t, "SendMessage", m{"QueueUrl": made.Ref, "MessageBody": "x", "MessageGroupId": "g"}, nil))
	require.Equal(t, "InvalidMessageContents", b.call(t, "SendMessage", m{"QueueUrl": made.Ref}, nil))
	require.Equal(t, "UnknownOperationException", b.call(t, "ListMessageMoveTasks", m{}, nil))
	for properties, want := range map[string]string{
		`{"FifoQueue":true}`:       "FifoQueue",
		`{"QueueName":"a.fifo"}`:   "no FIFO queues",
		`{"VisibilityTimeout":-1}`: "VisibilityTimeout -1",
		`{"RedrivePolicy":{"deadLetterTargetArn":"x","maxReceiveCount":0}}`: "maxReceiveCount 1 to 1000",
	} {
		_, err := b.create(t, "Bad", properties)
		require.ErrorContains(t, err, want)
	}
	policy := b.Creators()["AWS::SQS::QueuePolicy"]
	_, err = policy(t.Context(), assembly.Resource{LogicalID: "P", Properties: json.RawMessage(`{"Queues":["` + made.Ref + `"],"PolicyDocument":{"Version":"2012-10-17"}}`)})
	require.NoError(t, err)
	_, err = policy(t.Context(), assembly.Resource{LogicalID: "P", Properties: json.RawMessage(`{"Queues":["none"],"PolicyDocument":{}}`)})
	require.ErrorContains(t, err, "does not exist")
}
