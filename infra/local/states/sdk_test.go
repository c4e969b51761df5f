package states_test

import (
	"context"
	"errors"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/aws/aws-sdk-go-v2/service/sfn/types"

	"github.com/sluice-ml/sluice/infra/local/states"
)

// TestGoSDK: the AWS SDK for Go reads what the service writes.
func TestGoSDK(t *testing.T) {
	s := open(t, states.Options{Dir: t.TempDir()})
	server := httptest.NewServer(s.Handler())
	defer server.Close()
	client := sfn.New(sfn.Options{Region: "us-east-1", BaseEndpoint: aws.String(server.URL), RetryMaxAttempts: 1,
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: "local", SecretAccessKey: "local"}, nil
		})})
	machine, err := client.CreateStateMachine(t.Context(), &sfn.CreateStateMachineInput{Name: aws.String("m"), RoleArn: aws.String("arn:aws:iam::111111111111:role/role"),
		Definition: aws.String(jsonata(`"A":{"Type":"Map","Items":[1,2],"ItemProcessor":{"StartAt":"B","States":{"B":{"Type":"Pass","Assign":{"v":"{% $states.input %}"},"End":true}}},"End":true}`))})
	if err != nil {
		t.Fatal(err)
	}
	started, err := client.StartExecution(t.Context(), &sfn.StartExecutionInput{StateMachineArn: machine.StateMachineArn, Input: aws.String(`{"a": 1}`)})
	if err != nil || time.Since(*started.StartDate) > time.Hour {
		t.Fatalf("%+v %v", started, err)
	}
	if _, err := s.Wait(t.Context(), *started.ExecutionArn); err != nil {
		t.Fatal(err)
	}
	described, err := client.DescribeExecution(t.Context(), &sfn.DescribeExecutionInput{ExecutionArn: started.ExecutionArn})
	if err != nil || described.Status != types.ExecutionStatusSucceeded || *described.Output != "[1,2]" || described.StopDate == nil {
		t.Errorf("%+v %v", described, err)
	}
	pages := sfn.NewGetExecutionHistoryPaginator(client, &sfn.GetExecutionHistoryInput{ExecutionArn: started.ExecutionArn, MaxResults: 5})
	var events []types.HistoryEvent
	for pages.HasMorePages() {
		page, err := pages.NextPage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		events = append(events, page.Events...)
	}
	if len(events) != 14 || events[0].ExecutionStartedEventDetails == nil || *events[0].ExecutionStartedEventDetails.Input != `{"a": 1}` ||
		events[3].MapIterationStartedEventDetails.Index != 0 || events[13].ExecutionSucceededEventDetails == nil {
		t.Errorf("%d events: %+v", len(events), events)
	}
	_, err = client.DescribeExecution(t.Context(), &sfn.DescribeExecutionInput{ExecutionArn: aws.String("arn:aws:states:us-east-1:111111111111:execution:m:none")})
	if _, ok := errors.AsType[*types.ExecutionDoesNotExist](err); !ok {
		t.Errorf("got %v", err)
	}
	_, err = client.CreateStateMachine(t.Context(), &sfn.CreateStateMachineInput{Name: aws.String("n"), RoleArn: aws.String("r"), Definition: aws.String("{}")})
	if _, ok := errors.AsType[*types.InvalidDefinition](err); !ok {
		t.Errorf("got %v", err)
	}
}
