package lambda_test

import (
	"context"
	"encoding/json"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/aws/smithy-go"
	"github.com/stretchr/testify/require"
)

var f = aws.String("f")

// refused checks the code of an API error and gives its message.
func refused(t *testing.T, err error, want string) string {
	t.Helper()
	var api smithy.APIError
	require.ErrorAs(t, err, &api)
	require.Equal(t, want, api.ErrorCode(), err)
	return api.ErrorMessage()
}

func TestConcurrencyByTheAPI(t *testing.T) {
	w := open(t, t.TempDir())
	w.function(t, `,"ReservedConcurrentExecutions":2`)
	w.named(t, "g", "function", "")
	c, ctx := client(t, w), context.Background()
	got, err := c.GetFunctionConcurrency(ctx, &sdk.GetFunctionConcurrencyInput{FunctionName: f})
	require.NoError(t, err)
	require.EqualValues(t, 2, *got.ReservedConcurrentExecutions)
	w.invoke(t, `{}`)
	put, err := c.PutFunctionConcurrency(ctx, &sdk.PutFunctionConcurrencyInput{FunctionName: f, ReservedConcurrentExecutions: aws.Int32(0)})
	require.NoError(t, err)
	require.Zero(t, *put.ReservedConcurrentExecutions)
	_, err = c.Invoke(ctx, &sdk.InvokeInput{FunctionName: f})
	refused(t, err, "TooManyRequestsException")
	_, err = c.PutFunctionConcurrency(ctx, &sdk.PutFunctionConcurrencyInput{FunctionName: f, ReservedConcurrentExecutions: aws.Int32(500)})
	require.NoError(t, err)
	_, err = c.PutFunctionConcurrency(ctx, &sdk.PutFunctionConcurrencyInput{FunctionName: aws.String("g"), ReservedConcurrentExecutions: aws.Int32(401)})
	require.Contains(t, refused(t, err, "InvalidParameterValueException"), "minimum value of [100]")
	_, err = c.DeleteFunctionConcurrency(ctx, &sdk.DeleteFunctionConcurrencyInput{FunctionName: f})
	require.NoError(t, err)
	got, err = c.GetFunctionConcurrency(ctx, &sdk.GetFunctionConcurrencyInput{FunctionName: f})
	require.NoError(t, err)
	require.Nil(t, got.ReservedConcurrentExecutions)
	require.False(t, w.invoke(t, `{}`).Cold, "a reservation changes nothing for sandboxes")
	_, err = c.GetFunctionConcurrency(ctx, &sdk.GetFunctionConcurrencyInput{FunctionName: aws.String("none")})
	refused(t, err, "ResourceNotFoundException")
}

func TestUpdateFunctionConfiguration(t *testing.T) {
	w := open(t, t.TempDir())
	w.function(t, `,"MemorySize":256,"Environment":{"Variables":{"A1":"old"}},"ReservedConcurrentExecutions":3`)
	c, ctx := client(t, w), context.Background()
	require.True(t, w.invoke(t, `{}`).Cold)
	updated, err := c.UpdateFunctionConfiguration(ctx, &sdk.UpdateFunctionConfigurationInput{FunctionName: f, Timeout: aws.Int32(7), MemorySize: aws.Int32(512),
		Environment: &types.Environment{Variables: map[string]string{"B2": "new"}}, Description: aws.String("d")})
	require.NoError(t, err)
	require.Equal(t, []any{int32(7), int32(512), "new", "d"}, []any{*updated.Timeout, *updated.MemorySize, updated.Environment.Variables["B2"], *updated.Description})
	result := w.invoke(t, `{"Do":"environment"}`)
	require.True(t, result.Cold, "a new configuration is a new sandbox")
	require.Contains(t, string(result.Payload), `"B2=new"`)
	require.NotContains(t, string(result.Payload), "A1=")
	require.Contains(t, string(result.Payload), `"AWS_LAMBDA_FUNCTION_MEMORY_SIZE=512"`)
	_, err = c.UpdateFunctionConfiguration(ctx, &sdk.UpdateFunctionConfigurationInput{FunctionName: f, Timeout: aws.Int32(8)})
	require.NoError(t, err)
	got, err := c.GetFunction(ctx, &sdk.GetFunctionInput{FunctionName: f})
	require.NoError(t, err)
	require.Equal(t, []any{int32(8), int32(512), int32(3)}, []any{*got.Configuration.Timeout, *got.Configuration.MemorySize, *got.Concurrency.ReservedConcurrentExecutions})
	for _, in := range []sdk.UpdateFunctionConfigurationInput{
		{Timeout: aws.Int32(901)}, {MemorySize: aws.Int32(64)}, {Environment: &types.Environment{Variables: map[string]string{"AWS_REGION": "x"}}}, {Runtime: types.RuntimePython313},
	} {
		in.FunctionName = f
		_, err := c.UpdateFunctionConfiguration(ctx, &in)
		refused(t, err, "InvalidParameterValueException")
	}
	_, err = c.UpdateFunctionConfiguration(ctx, &sdk.UpdateFunctionConfigurationInput{FunctionName: f, Layers: []string{"l"}})
	require.Contains(t, err.Error(), "Layers")
}

func TestPoliciesByTheAPI(t *testing.T) {
	w := open(t, t.TempDir())
	w.function(t, "")
	c, ctx := client(t, w), context.Background()
	_, err := c.GetPolicy(ctx, &sdk.GetPolicyInput{FunctionName: f})
	refused(t, err, "ResourceNotFoundException")
	const rule = "arn:aws:events:eu-west-1:123456789012:rule/*"
	added, err := c.AddPermission(ctx, &sdk.AddPermissionInput{FunctionName: f, StatementId: aws.String("s1"), Action: aws.String("lambda:InvokeFunction"),
		Principal: aws.String("events.amazonaws.com"), SourceArn: aws.String(rule)})
	require.NoError(t, err)
	require.JSONEq(t, `{"Sid":"s1","Effect":"Allow","Principal":{"Service":"events.amazonaws.com"},"Action":"lambda:InvokeFunction",
		"Resource":"arn:aws:lambda:eu-west-1:123456789012:function:f","Condition":{"ArnLike":{"AWS:SourceArn":"`+rule+`"}}}`, *added.Statement)
	require.True(t, w.Allows("f", "events.amazonaws.com", "arn:aws:events:eu-west-1:123456789012:rule/r"))
	_, err = c.AddPermission(ctx, &sdk.AddPermissionInput{FunctionName: f, StatementId: aws.String("s1"), Action: aws.String("lambda:InvokeFunction"), Principal: aws.String("*")})
	refused(t, err, "ResourceConflictException")
	_, err = c.AddPermission(ctx, &sdk.AddPermissionInput{FunctionName: f, StatementId: aws.String("s2"), Action: aws.String("lambda:InvokeFunctionUrl"), Principal: aws.String("*")})
	refused(t, err, "InvalidParameterValueException")
	policy, err := c.GetPolicy(ctx, &sdk.GetPolicyInput{FunctionName: f})
	require.NoError(t, err)
	var document struct{ Statement []struct{ Sid string } }
	require.NoError(t, json.Unmarshal([]byte(*policy.Policy), &document))
	require.Equal(t, "s1", document.Statement[0].Sid)
	_, err = c.RemovePermission(ctx, &sdk.RemovePermissionInput{FunctionName: f, StatementId: aws.String("s1"), RevisionId: aws.String("stale")})
	refused(t, err, "PreconditionFailedException")
	_, err = c.RemovePermission(ctx, &sdk.RemovePermissionInput{FunctionName: f, StatementId: aws.String("s1"), RevisionId: policy.RevisionId})
	require.NoError(t, err)
	require.False(t, w.Allows("f", "events.amazonaws.com", "arn:aws:events:eu-west-1:123456789012:rule/r"))
	_, err = c.RemovePermission(ctx, &sdk.RemovePermissionInput{FunctionName: f, StatementId: aws.String("s1")})
	refused(t, err, "ResourceNotFoundException")
}

func TestEventInvokeConfigsByTheAPI(t *testing.T) {
	m, option := withMailbox(0)
	w := open(t, t.TempDir(), option)
	w.function(t, "")
	c, ctx := client(t, w), context.Background()
	_, err := c.GetFunctionEventInvokeConfig(ctx, &sdk.GetFunctionEventInvokeConfigInput{FunctionName: f})
	refused(t, err, "ResourceNotFoundException")
	_, err = c.UpdateFunctionEventInvokeConfig(ctx, &sdk.UpdateFunctionEventInvokeConfigInput{FunctionName: f, MaximumRetryAttempts: aws.Int32(1)})
	refused(t, err, "ResourceNotFoundException")
	_, err = c.PutFunctionEventInvokeConfig(ctx, &sdk.PutFunctionEventInvokeConfigInput{FunctionName: f, MaximumRetryAttempts: aws.Int32(0),
		DestinationConfig: &types.DestinationConfig{OnFailure: &types.OnFailure{Destination: aws.String(failures)}}})
	require.NoError(t, err)
	w.async(t, `{"Do":"fail"}`)
	record := <-m.arrived
	require.Equal(t, failures, record.arn)
	require.Contains(t, record.body, `"approximateInvokeCount":1`)
	updated, err := c.UpdateFunctionEventInvokeConfig(ctx, &sdk.UpdateFunctionEventInvokeConfigInput{FunctionName: f, MaximumEventAgeInSeconds: aws.Int32(60)})
	require.NoError(t, err)
	require.Equal(t, []any{int32(0), int32(60), failures}, []any{*updated.MaximumRetryAttempts, *updated.MaximumEventAgeInSeconds, *updated.DestinationConfig.OnFailure.Destination})
	list, err := c.ListFunctionEventInvokeConfigs(ctx, &sdk.ListFunctionEventInvokeConfigsInput{FunctionName: f})
	require.NoError(t, err)
	require.Len(t, list.FunctionEventInvokeConfigs, 1)
	require.Equal(t, "arn:aws:lambda:eu-west-1:123456789012:function:f:$LATEST", *list.FunctionEventInvokeConfigs[0].FunctionArn)
	_, err = c.PutFunctionEventInvokeConfig(ctx, &sdk.PutFunctionEventInvokeConfigInput{FunctionName: f, MaximumRetryAttempts: aws.Int32(3)})
	refused(t, err, "InvalidParameterValueException")
	_, err = c.DeleteFunctionEventInvokeConfig(ctx, &sdk.DeleteFunctionEventInvokeConfigInput{FunctionName: f})
	require.NoError(t, err)
	_, err = c.DeleteFunctionEventInvokeConfig(ctx, &sdk.DeleteFunctionEventInvokeConfigInput{FunctionName: f})
	refused(t, err, "ResourceNotFoundException")
	w.settled(t)
}

// Streaming and extensions are refused by their names.
func TestWhatLambdaDoesNotServe(t *testing.T) {
	w := open(t, t.TempDir())
	w.function(t, "")
	_, err := client(t, w).InvokeWithResponseStream(context.Background(), &sdk.InvokeWithResponseStreamInput{FunctionName: f})
	require.ErrorContains(t, err, "use Invoke")
	w.named(t, "r", "runtime", "")
	for _, path := range []string{"2020-01-01/extension/register", "2022-07-01/telemetry"} {
		result, err := w.Invoke(context.Background(), "r", []byte(`"extension `+path+`"`))
		require.NoError(t, err)
		require.Contains(t, string(result.Payload), "404")
		require.Contains(t, string(result.Payload), "serves no Lambda extensions")
	}
}

// The memory of what the bootstrap starts counts.
func TestMemoryOfDescendants(t *testing.T) {
	w := open(t, t.TempDir())
	w.function(t, `,"MemorySize":128`)
	result := w.invoke(t, `{"Do":"spawn","Text":"x=0123456789abcdef; while :; do x=$x$x; done"}`)
	errorType, _ := result.Failure()
	require.Equal(t, "Runtime.OutOfMemory", errorType)
	require.GreaterOrEqual(t, result.MaxMemoryMB, 128)
	require.Equal(t, "still here", strings.Trim(string(w.invoke(t, `{"Do":"spawn","Text":"echo still here"}`).Payload), "\"\\n"), "a small child is fine")
}
