package stack

import (
	"context"
	"encoding/json"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestWhatStateMachinesCall(t *testing.T) {
	ctx := context.Background()
	s, err := Up(ctx, Options{Assembly: buildAssembly(t), Stack: "Demo", Dir: filepath.Join(t.TempDir(), "stack")})
	require.NoError(t, err)
	defer func() { require.NoError(t, s.Close()) }()
	call := func(service, operation, parameters string) (string, error) {
		out, err := newSDK(s.Services(), s.URL(), "us-east-1").Call(ctx, service, operation, json.RawMessage(parameters))
		return string(out), err
	}
	topic := `"TopicArn":"arn:aws:sns:us-east-1:000000000000:demo-news"`
	out, err := call("sns", "publish", `{`+topic+`,"Subject":"hi","Message":{"run":"m-1"},"MessageAttributes":{"kind":{"DataType":"String","StringValue":"x"}}}`)
	require.NoError(t, err)
	require.Contains(t, out, `"MessageId"`)
	require.JSONEq(t, `{"run":"m-1"}`, messages(t, s, "ToldArn", 1)[0].Body)
	_, err = call("sns", "publish", `{`+topic+`,"Message":"plain"}`)
	require.NoError(t, err)
	require.Equal(t, "plain", messages(t, s, "ToldArn", 2)[1].Body)

	out, err = call("events", "putEvents", `{"Entries":[{"Source":"test.news","DetailType":"T","Detail":{"n":1}},{"Source":"aws.x","DetailType":"T","Detail":"{}"}]}`)
	require.NoError(t, err)
	require.Contains(t, out, `"FailedEntryCount":1`)
	require.JSONEq(t, `{"n":1}`, messages(t, s, "ToldArn", 3)[2].Body)

	for _, c := range []struct{ service, operation, parameters, want string }{
		{"sqs", "sendMessages", `{}`, "do not call sqs:sendMessages; the nearest action here is sendMessage"},
		{"sqs", "sendMessage", `[]`, "not an object"},
		{"sns", "publish", `{` + topic + `,"Message":"x","PhoneNumber":"1"}`, "PhoneNumber"},
		{"sns", "publish", `{"TopicArn":"arn:aws:sns:us-east-1:000000000000:none","Message":"x"}`, "Topic does not exist"},
		{"sns", "publish", `{` + topic + `,"Message":"x","MessageAttributes":{"a":{"DataType":"Binary"}}}`, "DataType String"},
	} {
		_, err := call(c.service, c.operation, c.parameters)
		require.ErrorContains(t, err, c.want, c.parameters)
	}
}
