package sfnstart_test

import (
	"context"
	"errors"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/aws/aws-sdk-go-v2/service/sfn/types"
	"github.com/aws/smithy-go"
	"github.com/stretchr/testify/require"

	"github.com/sluice-ml/sluice/shared/aws/sfnstart"
	"github.com/sluice-ml/sluice/shared/contract"
	"github.com/sluice-ml/sluice/shared/fault"
)

const arn = "arn:aws:states:us-east-1:123456789012:stateMachine:sluice-staging-lifecycle"

type client struct {
	err     error
	status  types.ExecutionStatus
	started *sfn.StartExecutionInput
	looked  string
}

func (c *client) StartExecution(_ context.Context, in *sfn.StartExecutionInput, _ ...func(*sfn.Options)) (*sfn.StartExecutionOutput, error) {
	c.started = in
	return &sfn.StartExecutionOutput{}, c.err
}

func (c *client) DescribeExecution(_ context.Context, in *sfn.DescribeExecutionInput, _ ...func(*sfn.Options)) (*sfn.DescribeExecutionOutput, error) {
	c.looked = *in.ExecutionArn
	return &sfn.DescribeExecutionOutput{Status: c.status}, c.err
}

func TestStartAndEnded(t *testing.T) {
	c := &client{status: types.ExecutionStatusRunning}
	m, err := sfnstart.New(c, arn)
	require.NoError(t, err)
	require.NoError(t, m.Start(t.Context(), contract.RunInput{Model: "m", Run: "m-1", Cause: contract.Cause{Kind: "upload", ID: "e"}}))
	require.Equal(t, "m-1", *c.started.Name)
	require.JSONEq(t, `{"model":"m","run":"m-1","cause":{"kind":"upload","id":"e"}}`, *c.started.Input)
	for status, want := range map[types.ExecutionStatus]bool{"RUNNING": false, "PENDING_REDRIVE": false, "SUCCEEDED": true,
		"FAILED": true, "TIMED_OUT": true, "ABORTED": true} {
		c.status = status
		ended, text, err := m.Ended(t.Context(), "m-1")
		require.NoError(t, err)
		require.Equal(t, want, ended, status)
		require.Equal(t, string(status), text)
	}
	require.Equal(t, "arn:aws:states:us-east-1:123456789012:execution:sluice-staging-lifecycle:m-1", c.looked)
}

func TestErrors(t *testing.T) {
	c := &client{err: &types.ExecutionAlreadyExists{}}
	m, err := sfnstart.New(c, arn)
	require.NoError(t, err)
	require.NoError(t, m.Start(t.Context(), contract.RunInput{Run: "m-1"}), "it ended already")
	for code, kind := range map[string]fault.Kind{"ExecutionDoesNotExist": fault.NotFound, "StateMachineDoesNotExist": fault.NotFound,
		"AccessDeniedException": fault.Denied, "ThrottlingException": fault.Unavailable, "ExecutionLimitExceeded": fault.Unavailable,
		"InvalidName": fault.Invalid} {
		c.err = &smithy.GenericAPIError{Code: code}
		require.Equal(t, kind, fault.KindOf(m.Start(t.Context(), contract.RunInput{Run: "m-1"})), code)
		_, _, err := m.Ended(t.Context(), "m-1")
		require.Equal(t, kind, fault.KindOf(err), code)
	}
	c.err = errors.New("connection refused")
	require.Equal(t, fault.Unavailable, fault.KindOf(m.Start(t.Context(), contract.RunInput{Run: "m-1"})))
	for _, bad := range []string{"", "x", "arn:aws:states:us-east-1:1:execution:a:b"} {
		_, err := sfnstart.New(c, bad)
		require.Equal(t, fault.Invalid, fault.KindOf(err), bad)
	}
}
