package stack

import (
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/stretchr/testify/require"

	"github.com/sluice-ml/sluice/infra/local/states"
)

// machines makes and runs state machines of one task on a stack.
type machines struct {
	*testing.T
	stack *Stack
	sfn   *sfn.Client
	made  int
}

func onStack(t *testing.T) *machines {
	s, err := Up(context.Background(), Options{Assembly: buildAssembly(t), Stack: "Demo", Dir: filepath.Join(t.TempDir(), "stack")})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return &machines{T: t, stack: s, sfn: sfn.New(sfn.Options{Region: "us-east-1", BaseEndpoint: aws.String(s.URL()), RetryMaxAttempts: 1,
		Credentials: credentials.NewStaticCredentialsProvider(AccessKeyID, SecretAccessKey, "")})}
}

func (m *machines) create(resource, arguments string) (string, error) {
	m.made++
	out, err := m.sfn.CreateStateMachine(m.Context(), &sfn.CreateStateMachineInput{Name: aws.String(fmt.Sprintf("m-%d", m.made)), RoleArn: aws.String("arn:aws:iam::000000000000:role/m"),
		Definition: aws.String(fmt.Sprintf(`{"QueryLanguage":"JSONata","StartAt":"A","States":{"A":{"Type":"Task","Resource":"arn:aws:states:::%s","Arguments":%s,"End":true}}}`, resource, arguments))})
	if err != nil {
		return "", err
	}
	return *out.StateMachineArn, nil
}

// start runs one task; it does not wait.
func (m *machines) start(resource, arguments string) string {
	m.Helper()
	arn, err := m.create(resource, arguments)
	require.NoError(m, err, resource)
	d, err := m.stack.Services().States.Start(m.Context(), states.StartRequest{MachineARN: arn})
	require.NoError(m, err)
	return d.ARN
}

func (m *machines) run(resource, arguments string) states.Description {
	m.Helper()
	ctx, cancel := context.WithTimeout(m.Context(), time.Minute)
	defer cancel()
	d, err := m.stack.Services().States.Wait(ctx, m.start(resource, arguments))
	require.NoError(m, err, resource)
	return d
}

// output runs a task that succeeds.
func (m *machines) output(resource, arguments string) string {
	m.Helper()
	d := m.run(resource, arguments)
	require.Equal(m, "SUCCEEDED", string(d.Status), "%s: %s %s", resource, d.Error, d.Cause)
	return d.Output
}

// TestAWSSDKIntegrations: one call of every service through the wire, with the
// names of members, errors and times that Step Functions has.
func TestAWSSDKIntegrations(t *testing.T) {
	m := onStack(t)
	store := m.stack.Outputs()["StoreName"]
	queue := "http://unused/000000000000/demo-told"
	for _, c := range []struct {
		resource, arguments string
		want                []string
	}{
		{"aws-sdk:s3:putObject", `{"Bucket":"` + store + `","Key":"a/b","Body":{"n":[1,"x"]},"Metadata":{"k":"v"}}`, []string{`"VersionId":"`, `"ETag":"`}},
		{"aws-sdk:s3:getObject", `{"Bucket":"` + store + `","Key":"a/b"}`, []string{`"Body":"{\"n\":[1,\"x\"]}"`, `"Metadata":{"k":"v"}`, `"ContentLength":13`, `"LastModified":"20`}},
		{"aws-sdk:s3:listObjectsV2", `{"Bucket":"` + store + `","MaxKeys":5}`, []string{`"Contents":[{`, `"Key":"a/b"`, `"KeyCount":1`}},
		{"aws-sdk:s3:deleteObjects", `{"Bucket":"` + store + `","Delete":{"Objects":[{"Key":"a/b"}]}}`, []string{`"Deleted":[{`, `"DeleteMarker":true`}},
		{"aws-sdk:sfn:listStateMachines", `{}`, []string{`"StateMachines":[{"CreationDate":"20`, `"StateMachineArn":"arn:aws:states:us-east-1:000000000000:stateMachine:Trainer`}},
		{"aws-sdk:sfn:startExecution", `{"StateMachineArn":"arn:aws:states:us-east-1:000000000000:stateMachine:demo-machine","Name":"from-a-machine","Input":"{\"a\":1}"}`, []string{`"ExecutionArn":"arn:aws:states:us-east-1:000000000000:execution:demo-machine:from-a-machine"`, `"StartDate":"20`}},
		{"aws-sdk:lambda:getFunctionConfiguration", `{"FunctionName":"demo-record"}`, []string{`"FunctionName":"demo-record"`, `"MemorySize":`}},
		{"aws-sdk:lambda:listFunctions", `{}`, []string{`"Functions":[{`}},
		{"aws-sdk:batch:listJobs", `{"JobQueue":"Queue","JobStatus":"RUNNING"}`, []string{`"JobSummaryList":[]`}},
		{"aws-sdk:sagemaker:listEndpoints", `{}`, []string{`"Endpoints":[]`}},
		{"aws-sdk:cloudwatch:putMetricData", `{"Namespace":"N","MetricData":[{"MetricName":"M","Value":1.5,"Timestamp":"` + time.Now().UTC().Format(time.RFC3339) + `","Dimensions":[{"Name":"d","Value":"v"}]}]}`, []string{`{}`}},
		{"aws-sdk:cloudwatch:listMetrics", `{"Namespace":"N"}`, []string{`"MetricName":"M"`, `"Dimensions":[{"Name":"d","Value":"v"}]`}},
		{"aws-sdk:cloudwatchlogs:createLogGroup", `{"LogGroupName":"g"}`, []string{`{}`}},
		{"aws-sdk:cloudwatchlogs:describeLogGroups", `{"LogGroupNamePrefix":"g"}`, []string{`"LogGroupName":"g"`}},
		{"aws-sdk:eventbridge:putEvents", `{"Entries":[{"Source":"test.other","DetailType":"T","Detail":"{}"}]}`, []string{`"FailedEntryCount":0`, `"EventId":"`}},
		{"aws-sdk:scheduler:getSchedule", `{"Name":"NAME"}`, []string{`"ScheduleExpression":"rate(1 hour)"`, `"FlexibleTimeWindow":{"Mode":"OFF"}`}},
		{"aws-sdk:sns:listTopics", `{}`, []string{`"Topics":[{"TopicArn":"arn:aws:sns:us-east-1:000000000000:demo-news"}]`}},
		{"aws-sdk:sqs:getQueueUrl", `{"QueueName":"demo-told"}`, []string{`/demo-told"`}},
		{"aws-sdk:sqs:sendMessage", `{"QueueUrl":"` + queue + `","MessageBody":"plain"}`, []string{`"MessageId":"`}},
		{"sqs:sendMessage", `{"QueueUrl":"` + queue + `","MessageBody":{"run":1}}`, []string{`"MessageId":"`}},
		{"aws-sdk:sts:getCallerIdentity", `{}`, []string{`"Account":"000000000000"`}},
	} {
		if strings.Contains(c.arguments, "NAME") {
			schedules := m.output("aws-sdk:scheduler:listSchedules", `{}`)
			var list struct{ Schedules []struct{ Name string } }
			require.NoError(t, json.Unmarshal([]byte(schedules), &list))
			c.arguments = strings.Replace(c.arguments, "NAME", list.Schedules[0].Name, 1)
		}
		out := m.output(c.resource, c.arguments)
		for _, want := range c.want {
			require.Contains(t, out, want, c.resource)
		}
	}
	require.Equal(t, "plain", messages(t, m.stack, "ToldArn", 2)[0].Body)
	require.JSONEq(t, `{"run":1}`, messages(t, m.stack, "ToldArn", 2)[1].Body)
}

func TestAWSSDKErrors(t *testing.T) {
	m := onStack(t)
	store := m.stack.Outputs()["StoreName"]
	const none = "arn:aws:states:us-east-1:000000000000:"
	for _, c := range []struct{ resource, arguments, name, cause string }{
		{"aws-sdk:s3:getObject", `{"Bucket":"` + store + `","Key":"none"}`, "S3.NoSuchKeyException", "(Service: S3, Status Code: 404, Request ID: "},
		{"aws-sdk:sfn:describeExecution", `{"ExecutionArn":"` + none + `execution:m:none"}`, "Sfn.ExecutionDoesNotExistException", "Execution Does Not Exist: '" + none + "execution:m:none' (Service: Sfn, Status Code: 400"},
		{"aws-sdk:sagemaker:describeEndpoint", `{"EndpointName":"none"}`, "SageMaker.SageMakerException", "none"},
		{"aws-sdk:sagemakerruntime:invokeEndpoint", `{"EndpointName":"none","Body":"1,2"}`, "SageMakerRuntime.ValidationErrorException", "none"},
		{"aws-sdk:lambda:getFunction", `{"FunctionName":"none"}`, "Lambda.ResourceNotFoundException", "none"},
		{"aws-sdk:kms:describeKey", `{"KeyId":"none"}`, "Kms.NotFoundException", ""},
		{"aws-sdk:cloudwatch:setAlarmState", `{"AlarmName":"none","StateValue":"OK","StateReason":"x"}`, "CloudWatch.ResourceNotFoundException", ""},
		{"aws-sdk:cloudwatchlogs:createLogStream", `{"LogGroupName":"none","LogStreamName":"s"}`, "CloudWatchLogs.ResourceNotFoundException", ""},
		{"aws-sdk:sqs:purgeQueue", `{"QueueUrl":"http://x/000000000000/none"}`, "Sqs.QueueDoesNotExistException", ""},
		{"sagemaker:createEndpoint", `{"EndpointName":"e","EndpointConfigName":"none"}`, "SageMaker.AmazonSageMakerException", "none"},
		{"sqs:sendMessage", `{"QueueUrl":"http://x/000000000000/none","MessageBody":"x"}`, "SQS.AmazonSQSException", ""},
		{"aws-sdk:s3:listObjectsV2", `{"Bucket":"` + store + `","MaxKeys":"5"}`, "States.Runtime", `MaxKeys: want a int32, got "5"`},
		{"aws-sdk:s3:deleteObjects", `{"Bucket":"` + store + `","Delete":{"Object":[]}}`, "States.Runtime", `"Delete.Object" is not supported by Step Functions; the nearest field here is Objects`},
		{"aws-sdk:sfn:startExecution", `{"StateMachineArn":"` + none + `stateMachine:m","Input":{"a":1}}`, "States.Runtime", `Input: want a string, got {"a":1}`},
		{"aws-sdk:s3:listObjectsV2", `{"Bucket":"` + store + `","MaxKeys":5.5}`, "States.Runtime", "a whole number"},
		{"aws-sdk:cloudwatch:getMetricData", `{"StartTime":"yesterday","EndTime":"2026-01-01T00:00:00Z","MetricDataQueries":[]}`, "States.Runtime", "StartTime: want an ISO 8601 time"},
	} {
		d := m.run(c.resource, c.arguments)
		require.Equal(t, c.name, d.Error, "%s: %s", c.resource, d.Cause)
		require.Contains(t, d.Cause, c.cause, c.resource)
	}
}

// TestAWSSDKRefusals: a call that cannot be made is refused when the machine is
// created, at its place, with the nearest that can.
func TestAWSSDKRefusals(t *testing.T) {
	m := onStack(t)
	for _, c := range []struct{ resource, arguments, want string }{
		{"aws-sdk:dynamodb:getItem", `{}`, `do not call the service "dynamodb"; the nearest service here is`},
		{"aws-sdk:stepfunctions:startExecution", `{}`, `do not call the service "stepfunctions"`},
		{"aws-sdk:sagemaker:describeEndpoints", `{}`, "do not call sagemaker:describeEndpoints; the nearest action here is describeEndpoint"},
		{"aws-sdk:sagemaker:describeEndpoint", `{"EndpointNames":"x"}`, `The field "EndpointNames" is not supported by Step Functions for sagemaker:describeEndpoint; the nearest field here is EndpointName`},
		{"aws-sdk:sagemaker:describeEndpoint", `{}`, `The field "EndpointName" is required but was missing`},
		{"aws-sdk:s3:putObject", `{"Bucket":"b","Key":"k","ACL":"private"}`, `The field "ACL" is not supported by Step Functions for s3:putObject; the nearest field here is Acl`},
		{"aws-sdk:s3:putObject", `{"Bucket":"b","SSEKMSKeyId":"k"}`, "the nearest field here is SsekmsKeyId"},
		{"aws-sdk:s3:putObject", `{"Bucket":"b"}`, `The field "Key" is required but was missing`},
		{"aws-sdk:sqs:sendMessage", `{"QueueUrl":"q"}`, `The field "MessageBody" is required but was missing`},
		{"aws-sdk:lambda:invoke.sync", `{}`, "AWS SDK integrations have no .sync"},
		{"sagemaker:createTrainingJob.sync", `{}`, "does not run the resource"},
		{"sagemaker:createEndpoint.sync", `{"EndpointName":"e","EndpointConfigName":"c"}`, "the nearest resource here is arn:aws:states:::sagemaker:createEndpoint"},
		{"ecs:runTask.sync", `{}`, "does not run the resource"},
		{"lambda:invok", `{}`, "the nearest resource here is arn:aws:states:::lambda:invoke"},
		{"lambda:invoke", `{"FunctionNam":"f"}`, "the nearest field here is FunctionName"},
	} {
		_, err := m.create(c.resource, c.arguments)
		require.ErrorContains(t, err, c.want, "%s %s", c.resource, c.arguments)
		require.ErrorContains(t, err, "/States/A/Resource", c.resource)
	}
}

// TestTaskTokenThroughTheSDK: a message carries the token out, sfn brings it
// back.
func TestTaskTokenThroughTheSDK(t *testing.T) {
	m := onStack(t)
	for i, resource := range []string{"sqs:sendMessage.waitForTaskToken", "aws-sdk:sqs:sendMessage.waitForTaskToken"} {
		arn := m.start(resource, `{"QueueUrl":"http://unused/000000000000/demo-told","MessageBody":"{% $states.context.Task.Token %}"}`)
		token := messages(t, m.stack, "ToldArn", i+1)[i].Body
		require.Eventually(t, func() bool {
			_, err := m.sfn.SendTaskSuccess(t.Context(), &sfn.SendTaskSuccessInput{TaskToken: &token, Output: aws.String(`{"approved":true}`)})
			return err == nil
		}, time.Minute, 10*time.Millisecond)
		d, err := m.stack.Services().States.Wait(t.Context(), arn)
		require.NoError(t, err)
		require.JSONEq(t, `{"approved":true}`, d.Output, d.Cause)
	}
}
