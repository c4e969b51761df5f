package sqs

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

func TestBatches(t *testing.T) {
	b := newBench(t)
	made, err := b.create(t, "Q", `{"VisibilityTimeout":30}`)
	require.NoError(t, err)
	url := made.Ref
	var sent sendBatchOutput
	require.Empty(t, b.call(t, "SendMessageBatch", m{"QueueUrl": url, "Entries": []m{
		{"Id": "a", "MessageBody": "1"}, {"Id": "b", "MessageBody": ""}, {"Id": "c", "MessageBody": "3", "MessageAttributes": m{"k": m{"DataType": "String", "StringValue": "v"}}}}}, &sent))
	require.Len(t, sent.Successful, 2)
	require.Equal(t, "a", sent.Successful[0].ID)
	require.NotEmpty(t, sent.Successful[1].MD5OfMessageAttributes)
	require.Equal(t, "InvalidMessageContents", sent.Failed[0].Code)
	require.True(t, sent.Failed[0].SenderFault)

	var got receiveOutput
	require.Empty(t, b.call(t, "ReceiveMessage", m{"QueueUrl": url, "MaxNumberOfMessages": 10}, &got))
	require.Len(t, got.Messages, 2)
	first, second := got.Messages[0].ReceiptHandle, got.Messages[1].ReceiptHandle
	var changed batchOutput
	require.Empty(t, b.call(t, "ChangeMessageVisibilityBatch", m{"QueueUrl": url, "Entries": []m{
		{"Id": "x", "ReceiptHandle": first, "VisibilityTimeout": 0}, {"Id": "y", "ReceiptHandle": "no", "VisibilityTimeout": 0}}}, &changed))
	require.Equal(t, []doneEntry{{"x"}}, changed.Successful)
	require.Equal(t, "ReceiptHandleIsInvalid", changed.Failed[0].Code)
	require.Equal(t, "MessageNotInflight", b.call(t, "ChangeMessageVisibility", m{"QueueUrl": url, "ReceiptHandle": first, "VisibilityTimeout": 5}, nil), "it is visible again")
	require.Empty(t, b.call(t, "ChangeMessageVisibility", m{"QueueUrl": url, "ReceiptHandle": second, "VisibilityTimeout": 100}, nil))
	b.now = b.now.Add(31 * time.Second)
	got = receiveOutput{}
	require.Empty(t, b.call(t, "ReceiveMessage", m{"QueueUrl": url, "MaxNumberOfMessages": 10}, &got))
	require.Len(t, got.Messages, 1, "the second is hidden longer")
	var deleted batchOutput
	require.Empty(t, b.call(t, "DeleteMessageBatch", m{"QueueUrl": url, "Entries": []m{{"Id": "x", "ReceiptHandle": got.Messages[0].ReceiptHandle}, {"Id": "y", "ReceiptHandle": second}}}, &deleted))
	require.Len(t, deleted.Successful, 2)
	left, err := b.Messages(url)
	require.NoError(t, err)
	require.Empty(t, left)
}

func TestBatchesThatAreRefused(t *testing.T) {
	b := newBench(t)
	made, err := b.create(t, "Q", `{}`)
	require.NoError(t, err)
	var eleven []m
	for i := range 11 {
		eleven = append(eleven, m{"Id": fmt.Sprint(i), "MessageBody": "x"})
	}
	for want, entries := range map[string][]m{
		"EmptyBatchRequest":            {},
		"TooManyEntriesInBatchRequest": eleven,
		"BatchEntryIdsNotDistinct":     {{"Id": "a", "MessageBody": "x"}, {"Id": "a", "MessageBody": "y"}},
		"InvalidBatchEntryId":          {{"Id": "a b", "MessageBody": "x"}},
		"BatchRequestTooLong":          {{"Id": "a", "MessageBody": strings.Repeat("x", 600_000)}, {"Id": "b", "MessageBody": strings.Repeat("x", 600_000)}},
		"ValidationException":          {{"Id": "a", "MessageBody": "x", "MessageGroupId": "g"}},
	} {
		require.Equal(t, want, b.call(t, "SendMessageBatch", m{"QueueUrl": made.Ref, "Entries": entries}, nil))
	}
	require.Equal(t, "QueueDoesNotExist", b.call(t, "SendMessageBatch", m{"QueueUrl": "none", "Entries": []m{{"Id": "a", "MessageBody": "x"}}}, nil))
	require.Equal(t, "MissingParameter", b.call(t, "ChangeMessageVisibility", m{"QueueUrl": made.Ref, "ReceiptHandle": "01234567-0123-0123-0123-0123456789ab"}, nil))
	left, err := b.Messages(made.Ref)
	require.NoError(t, err)
	require.Empty(t, left)
}

func TestDelays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, err := Open(Config{Dir: t.TempDir(), Region: "eu-west-1", Account: "000000000000", URL: "http://127.0.0.1:4566", Now: time.Now})
		require.NoError(t, err)
		b := &bench{Service: s}
		made, err := b.create(t, "Q", `{}`)
		require.NoError(t, err)
		require.Empty(t, b.call(t, "SendMessage", m{"QueueUrl": made.Ref, "MessageBody": "later", "DelaySeconds": 5}, nil))
		var attributes attributesOutput
		require.Empty(t, b.call(t, "GetQueueAttributes", m{"QueueUrl": made.Ref, "AttributeNames": []string{"All"}}, &attributes))
		require.Equal(t, []string{"1", "0", "0"}, []string{attributes.Attributes["ApproximateNumberOfMessagesDelayed"],
			attributes.Attributes["ApproximateNumberOfMessages"], attributes.Attributes["ApproximateNumberOfMessagesNotVisible"]})
		began := time.Now()
		var got receiveOutput
		require.Empty(t, b.call(t, "ReceiveMessage", m{"QueueUrl": made.Ref, "WaitTimeSeconds": 20, "VisibilityTimeout": 3}, &got))
		require.Len(t, got.Messages, 1)
		require.Equal(t, 5*time.Second, time.Since(began))
		got = receiveOutput{}
		require.Empty(t, b.call(t, "ReceiveMessage", m{"QueueUrl": made.Ref, "WaitTimeSeconds": 20}, &got), "a poll sees it come back")
		require.Len(t, got.Messages, 1)
		require.Equal(t, 8*time.Second, time.Since(began))
		require.Equal(t, "InvalidParameterValue", b.call(t, "SendMessage", m{"QueueUrl": made.Ref, "MessageBody": "x", "DelaySeconds": 901}, nil))
	})
}
