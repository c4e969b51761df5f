// Package sfnstart starts and looks at executions of one Step Functions state
// machine, whose names are runs.
package sfnstart

import (
	"context"
	"encoding/json"
	"errors"
	"strings"

	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/aws/aws-sdk-go-v2/service/sfn/types"
	"github.com/aws/smithy-go"

	"github.com/sluice-ml/sluice/shared/contract"
	"github.com/sluice-ml/sluice/shared/fault"
	"github.com/sluice-ml/sluice/shared/intake"
)

// Client is what this package needs of the Step Functions SDK.
type Client interface {
	StartExecution(context.Context, *sfn.StartExecutionInput, ...func(*sfn.Options)) (*sfn.StartExecutionOutput, error)
	DescribeExecution(context.Context, *sfn.DescribeExecutionInput, ...func(*sfn.Options)) (*sfn.DescribeExecutionOutput, error)
}

// Machine is one state machine.
type Machine struct {
	client Client
	arn    string
}

var _ intake.Executions = (*Machine)(nil)

// New checks the state machine's ARN.
func New(client Client, arn string) (*Machine, error) {
	if len(strings.Split(arn, ":")) != 7 || !strings.Contains(arn, ":stateMachine:") {
		return nil, fault.New(fault.Invalid, "use state machine "+arn, "want arn:aws:states:<region>:<account>:stateMachine:<name>").
			WithHint("the stack sets %s", contract.EnvLifecycleARN)
	}
	return &Machine{client, arn}, nil
}

// FromEnvironment uses the SDK's default chain.
func FromEnvironment(ctx context.Context, arn string) (*Machine, error) {
	cfg, err := config.LoadDefaultConfig(ctx)
	if err != nil {
		return nil, fault.New(fault.Invalid, "read the AWS configuration", "%w", err)
	}
	return New(sfn.NewFromConfig(cfg), arn)
}

// Start implements intake.Executions. The service answers the same name and
// input with the running execution, and with ExecutionAlreadyExists once it has
// ended.
func (m *Machine) Start(ctx context.Context, in contract.RunInput) error {
	input, err := json.Marshal(in)
	if err != nil {
		return fault.New(fault.Internal, "start run "+in.Run, "%w", err)
	}
	text := string(input)
	_, err = m.client.StartExecution(ctx, &sfn.StartExecutionInput{StateMachineArn: &m.arn, Name: &in.Run, Input: &text})
	if _, exists := errors.AsType[*types.ExecutionAlreadyExists](err); exists {
		return nil
	}
	return classify("start run "+in.Run, err)
}

// Ended implements intake.Executions.
func (m *Machine) Ended(ctx context.Context, run string) (bool, string, error) {
	arn := strings.Replace(m.arn, ":stateMachine:", ":execution:", 1) + ":" + run
	out, err := m.client.DescribeExecution(ctx, &sfn.DescribeExecutionInput{ExecutionArn: &arn})
	if err != nil {
		return false, "", classify("look at run "+run, err)
	}
	ended := out.Status != types.ExecutionStatusRunning && out.Status != types.ExecutionStatusPendingRedrive
	return ended, string(out.Status), nil
}

func classify(op string, err error) error {
	if err == nil {
		return nil
	}
	api, ok := errors.AsType[smithy.APIError](err)
	if !ok {
		return fault.New(fault.Unavailable, op, "%w", err)
	}
	switch api.ErrorCode() {
	case "ExecutionDoesNotExist":
		return fault.New(fault.NotFound, op, "%w", err)
	case "StateMachineDoesNotExist":
		return fault.New(fault.NotFound, op, "%w", err).WithHint("deploy the stack; it sets %s", contract.EnvLifecycleARN)
	case "AccessDeniedException":
		return fault.New(fault.Denied, op, "%w", err).WithHint("the role needs states:StartExecution and states:DescribeExecution")
	case "ThrottlingException", "ExecutionLimitExceeded", "ServiceUnavailable", "InternalFailure", "InternalServerError",
		"KmsThrottlingException", "StateMachineDeleting":
		return fault.New(fault.Unavailable, op, "%w", err)
	}
	if api.ErrorFault() == smithy.FaultServer {
		return fault.New(fault.Unavailable, op, "%w", err)
	}
	return fault.New(fault.Invalid, op, "%w", err)
}
