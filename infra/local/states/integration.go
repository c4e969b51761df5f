package states

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/sluice-ml/sluice/infra/local/asl"
	"github.com/sluice-ml/sluice/infra/local/nearest"
	"github.com/sluice-ml/sluice/infra/local/wire"
)

// pattern is how a task waits, the suffix of its resource.
type pattern string

const (
	patternRequest pattern = ""
	patternSync    pattern = ".sync"
	patternSync2   pattern = ".sync:2"
	patternToken   pattern = ".waitForTaskToken"
)

// integration is a resource taken apart: arn:aws:states:::lambda:invoke is
// service lambda and operation invoke. A Lambda function's own ARN has service
// "function".
type integration struct {
	service, operation string
	sdk                bool // aws-sdk:<service>:<operation>
	pattern            pattern
	function           string
}

func parseResource(resource string) (integration, error) {
	parts := strings.SplitN(resource, ":", 6)
	if len(parts) < 6 {
		return integration{}, fmt.Errorf("the resource %q is not an ARN", resource)
	}
	if parts[2] == "lambda" && strings.HasPrefix(parts[5], "function:") {
		return integration{service: "function", function: resource}, nil
	}
	if parts[2] != "states" || parts[3] != "" || parts[4] != "" {
		return integration{}, unsupported(resource)
	}
	name := parts[5]
	i := integration{}
	for _, p := range []pattern{patternSync2, patternSync, patternToken} {
		if rest, ok := strings.CutSuffix(name, string(p)); ok {
			name, i.pattern = rest, p
			break
		}
	}
	if rest, ok := strings.CutPrefix(name, "aws-sdk:"); ok {
		name, i.sdk = rest, true
	}
	var ok bool
	if i.service, i.operation, ok = strings.Cut(name, ":"); !ok || i.operation == "" || strings.Contains(i.operation, ":") {
		return integration{}, unsupported(resource)
	}
	return i, nil
}

// supported are the optimized integrations, with the patterns and parameters
// of each; nil parameters are checked by the service that is called.
var supported = map[string]struct {
	patterns   []pattern
	parameters []string
	required   []string
}{
	"lambda:invoke": {[]pattern{patternRequest, patternToken},
		[]string{"FunctionName", "Payload", "InvocationType", "Qualifier"}, []string{"FunctionName"}},
	"states:startExecution": {[]pattern{patternRequest, patternSync, patternSync2, patternToken},
		[]string{"StateMachineArn", "Name", "Input", "TraceHeader"}, []string{"StateMachineArn"}},
	"batch:submitJob":  {[]pattern{patternRequest, patternSync}, nil, []string{"JobName", "JobQueue", "JobDefinition"}},
	"sns:publish":      {[]pattern{patternRequest, patternToken}, nil, nil},
	"events:putEvents": {[]pattern{patternRequest, patternToken}, nil, []string{"Entries"}},
	"sqs:sendMessage":  {[]pattern{patternRequest, patternToken}, nil, []string{"QueueUrl", "MessageBody"}},

	"sagemaker:createModel":          {[]pattern{patternRequest}, nil, []string{"ModelName"}},
	"sagemaker:createEndpointConfig": {[]pattern{patternRequest}, nil, []string{"EndpointConfigName", "ProductionVariants"}},
	"sagemaker:createEndpoint":       {[]pattern{patternRequest}, nil, []string{"EndpointName", "EndpointConfigName"}},
	"sagemaker:updateEndpoint":       {[]pattern{patternRequest}, nil, []string{"EndpointName", "EndpointConfigName"}},
}

// unsupported refuses a resource with the nearest one.
func unsupported(resource string) error {
	const states = "arn:aws:states:::"
	known := []string{}
	for name, s := range supported {
		for _, p := range s.patterns {
			known = append(known, states+name+string(p))
		}
	}
	return fmt.Errorf("the local stack does not run the resource %q%s", resource, nearest.Hint("resource", resource, known))
}

// checkTask refuses a Task whose integration the service does not have.
func (s *Service) checkTask(t asl.TaskDefinition) error {
	i, err := parseResource(t.Resource)
	if err != nil {
		return err
	}
	switch {
	case i.service == "function":
		return s.port("Lambda", s.options.Lambda != nil)
	case i.sdk && (i.pattern == patternSync || i.pattern == patternSync2):
		return fmt.Errorf("the resource %q is not valid: AWS SDK integrations have no %s", t.Resource, i.pattern)
	case i.sdk:
		return s.checkSDK(i, t.Fields)
	}
	known, ok := supported[i.service+":"+i.operation]
	if !ok || !slices.Contains(known.patterns, i.pattern) {
		return unsupported(t.Resource)
	}
	if err := checkFields(t, known.parameters, known.required); err != nil {
		return err
	}
	switch i.service {
	case "lambda":
		return s.port("Lambda", s.options.Lambda != nil)
	case "batch":
		return s.port("Batch", s.options.Batch != nil)
	case "sns", "events", "sqs", "sagemaker":
		return s.checkSDK(i, t.Fields)
	}
	return nil
}

func (s *Service) checkSDK(i integration, fields []string) error {
	if s.options.SDK == nil {
		return s.port("SDK", false)
	}
	return s.options.SDK.Check(i.sdkService(), i.operation, fields)
}

// sdkService is the service as the SDK port has it.
func (i integration) sdkService() string {
	if i.sdk {
		return "aws-sdk:" + i.service
	}
	return i.service
}

func checkFields(t asl.TaskDefinition, known, required []string) error {
	if t.Fields == nil {
		return nil
	}
	for _, f := range t.Fields {
		if known != nil && !slices.Contains(known, f) {
			return fmt.Errorf("The field %q is not supported by the local stack for %q%s", f, t.Resource, nearest.Hint("field", f, known))
		}
	}
	for _, f := range required {
		if !slices.Contains(t.Fields, f) {
			return fmt.Errorf("The field %q is required but was missing", f)
		}
	}
	return nil
}

func (s *Service) port(name string, there bool) error {
	if !there {
		return fmt.Errorf("this local stack has no %s to run the task", name)
	}
	return nil
}

// Do does one task: it is the service's side of asl.Tasks.
func (s *Service) Do(ctx context.Context, call asl.TaskCall) (json.RawMessage, *asl.TaskError) {
	s.tasks.Add(1)
	defer s.tasks.Done()
	i, err := parseResource(call.Resource)
	if err != nil {
		return nil, &asl.TaskError{Name: asl.ErrRuntime, Cause: err.Error()}
	}
	ctx = context.WithValue(ctx, attemptKey{}, call.Execution+"/"+call.Attempt)
	var out json.RawMessage
	var failed *asl.TaskError
	if i.pattern == patternToken {
		out, failed = s.doCallback(ctx, i, call)
	} else {
		out, failed = s.doTask(ctx, i, call)
	}
	if failed != nil && s.closing() {
		<-ctx.Done() // then the execution is interrupted and does not see this failure
	}
	return out, failed
}

func (s *Service) doTask(ctx context.Context, i integration, call asl.TaskCall) (json.RawMessage, *asl.TaskError) {
	switch {
	case i.service == "function":
		return s.callFunction(ctx, i.function, call.Arguments)
	case i.sdk:
		return s.callSDK(ctx, i, call.Arguments)
	case i.service == "lambda":
		return s.invokeLambda(ctx, call.Arguments)
	case i.service == "batch":
		return s.runJob(ctx, i.pattern, call)
	case i.service == "states":
		return s.runExecution(ctx, i.pattern, call)
	}
	return s.callSDK(ctx, i, call.Arguments)
}

// doCallback makes the call, then waits for the token to come back.
func (s *Service) doCallback(ctx context.Context, i integration, call asl.TaskCall) (json.RawMessage, *asl.TaskError) {
	w := s.tokens.add(call.Token, call.Heartbeat)
	defer s.tokens.drop(call.Token, w)
	i.pattern = patternRequest
	response, failed := s.doTask(ctx, i, call)
	if failed != nil {
		return nil, failed
	}
	call.Submitted(response)
	select {
	case <-ctx.Done():
		return nil, stopped()
	case end := <-w.end:
		return end.output, end.err
	}
}

// stopped is what a task says that was cut short; nobody hears it.
func stopped() *asl.TaskError {
	return &asl.TaskError{Name: asl.ErrTaskFailed, Cause: "the task was stopped"}
}

// prefixes are the services' names in error names; other services' first
// letter is raised.
var prefixes = map[string]string{
	"aws-sdk:cloudwatch": "CloudWatch", "aws-sdk:cloudwatchlogs": "CloudWatchLogs", "aws-sdk:dynamodb": "DynamoDb",
	"aws-sdk:elasticloadbalancingv2": "ElasticLoadBalancingV2", "aws-sdk:eventbridge": "EventBridge",
	"aws-sdk:sagemaker": "SageMaker", "aws-sdk:sagemakerruntime": "SageMakerRuntime", "aws-sdk:secretsmanager": "SecretsManager",
	"sns": "SNS", "sqs": "SQS", "events": "EventBridge", "states": "StepFunctions", "sagemaker": "SageMaker",
}

// clientErrors are the optimized integrations that give every error of their
// service one name: that of the first AWS SDK for Java.
var clientErrors = map[string]string{"sqs": "AmazonSQSException", "sagemaker": "AmazonSageMakerException"}

// serviceError names an error of a service as AWS does, e.g.
// S3.NoSuchBucketException.
func serviceError(i integration, err error) *asl.TaskError {
	prefix, ok := prefixes[i.sdkService()]
	if !ok {
		prefix = strings.ToUpper(i.service[:1]) + i.service[1:]
	}
	e := wire.AsError(err)
	code := e.Code
	if strings.HasPrefix(code, "States.") {
		return &asl.TaskError{Name: code, Cause: e.Message}
	}
	if name, one := clientErrors[i.sdkService()]; one {
		code = name
	} else if !strings.HasSuffix(code, "Exception") {
		code += "Exception"
	}
	return &asl.TaskError{Name: prefix + "." + code, Cause: errorText(prefix, e)}
}

// errorText writes an error as the AWS SDK for Java does.
func errorText(service string, e *wire.Error) string {
	status := e.Status
	if status == 0 {
		status = 400
	}
	return fmt.Sprintf("%s (Service: %s, Status Code: %d, Request ID: %s)", e.Message, service, status, wire.RequestID())
}

func (s *Service) callSDK(ctx context.Context, i integration, parameters json.RawMessage) (json.RawMessage, *asl.TaskError) {
	out, err := s.options.SDK.Call(ctx, i.sdkService(), i.operation, parameters)
	if err != nil {
		return nil, serviceError(i, err)
	}
	if i.service == "events" && !i.sdk {
		var result struct{ FailedEntryCount int }
		if json.Unmarshal(out, &result) == nil && result.FailedEntryCount > 0 {
			return nil, &asl.TaskError{Name: "EventBridge.FailedEntry", Cause: string(out)}
		}
	}
	return out, nil
}

// errShutdown is the cause of contexts that end because the service closes:
// what runs elsewhere is left running, to be found again.
var errShutdown = errors.New("the local stack is shutting down")

// closing says whether tasks end because the service does.
func (s *Service) closing() bool { return s.ctx.Err() != nil }
