package batch_test

import (
	"context"
	"encoding/json"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/batch"
	"github.com/aws/aws-sdk-go-v2/service/batch/types"
	"github.com/stretchr/testify/require"
)

func client(t *testing.T, w *world) *sdk.Client {
	t.Helper()
	server := httptest.NewServer(w.Handler())
	t.Cleanup(server.Close)
	return sdk.New(sdk.Options{
		Region: "eu-west-1", BaseEndpoint: aws.String(server.URL), RetryMaxAttempts: 1,
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: "key", SecretAccessKey: "secret"}, nil
		}),
	})
}

func TestTheSDK(t *testing.T) {
	dir := t.TempDir()
	w := open(t, dir)
	w.standard(t, `,"PropagateTags":true,"Tags":{"Team":"ml"}`)
	c, ctx := client(t, w), context.Background()
	out, err := c.SubmitJob(ctx, &sdk.SubmitJobInput{
		JobName: aws.String("j"), JobQueue: aws.String("training"), JobDefinition: aws.String("train"),
		ContainerOverrides: &types.ContainerOverrides{Command: []string{"exit", "Ref::code"},
			Environment:          []types.KeyValuePair{{Name: aws.String("A"), Value: aws.String("1")}},
			ResourceRequirements: []types.ResourceRequirement{{Type: types.ResourceTypeGpu, Value: aws.String("1")}}},
		Parameters:    map[string]string{"code": "5"},
		RetryStrategy: &types.RetryStrategy{Attempts: aws.Int32(2), EvaluateOnExit: []types.EvaluateOnExit{{Action: types.RetryActionRetry, OnExitCode: aws.String("5")}}},
		Timeout:       &types.JobTimeout{AttemptDurationSeconds: aws.Int32(600)},
	})
	require.NoError(t, err)
	w.wait(t, *out.JobId)
	described, err := c.DescribeJobs(ctx, &sdk.DescribeJobsInput{Jobs: []string{*out.JobId, "unknown"}})
	require.NoError(t, err)
	require.Len(t, described.Jobs, 1)
	d := described.Jobs[0]
	require.Equal(t, types.JobStatusFailed, d.Status)
	require.Len(t, d.Attempts, 2)
	require.EqualValues(t, 5, *d.Container.ExitCode)
	require.Equal(t, []string{"exit", "5"}, d.Container.Command)
	require.Equal(t, "trainer", *d.Container.Image)
	require.Len(t, d.Container.ResourceRequirements, 3)
	require.Equal(t, map[string]string{"Team": "ml"}, d.Tags)
	require.True(t, *d.PropagateTags)
	require.EqualValues(t, 600, *d.Timeout.AttemptDurationSeconds)
	require.NotZero(t, *d.StoppedAt)

	hold, err := c.SubmitJob(ctx, &sdk.SubmitJobInput{JobName: aws.String("hold"), JobQueue: aws.String("training"), JobDefinition: aws.String("train"),
		ContainerOverrides: &types.ContainerOverrides{Command: []string{"until", filepath.Join(dir, "there"), filepath.Join(dir, "never")}}})
	require.NoError(t, err)
	exists(t, filepath.Join(dir, "there"))
	w.running(t, *hold.JobId)
	running, err := c.ListJobs(ctx, &sdk.ListJobsInput{JobQueue: aws.String("training")})
	require.NoError(t, err)
	require.Len(t, running.JobSummaryList, 1)
	require.Equal(t, "hold", *running.JobSummaryList[0].JobName)
	_, err = c.CancelJob(ctx, &sdk.CancelJobInput{JobId: hold.JobId, Reason: aws.String("r")})
	require.NoError(t, err)
	_, err = c.TerminateJob(ctx, &sdk.TerminateJobInput{JobId: hold.JobId, Reason: aws.String("r")})
	require.NoError(t, err)
	require.Equal(t, "r", w.wait(t, *hold.JobId).StatusReason)

	pages := sdk.NewListJobsPaginator(c, &sdk.ListJobsInput{JobQueue: aws.String("training"), JobStatus: types.JobStatusFailed, MaxResults: aws.Int32(1)})
	var names []string
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		require.NoError(t, err)
		for _, j := range page.JobSummaryList {
			names = append(names, *j.JobName)
		}
	}
	require.Equal(t, []string{"j", "hold"}, names)
	byName, err := c.ListJobs(ctx, &sdk.ListJobsInput{JobQueue: aws.String("training"),
		Filters: []types.KeyValuesPair{{Name: aws.String("JOB_NAME"), Values: []string{"ho*"}}}})
	require.NoError(t, err)
	require.Len(t, byName.JobSummaryList, 1)
}

func TestWhatTheAPIRefuses(t *testing.T) {
	w := open(t, t.TempDir())
	w.standard(t, "")
	c, ctx := client(t, w), context.Background()
	failure := &types.ClientException{}
	_, err := c.TerminateJob(ctx, &sdk.TerminateJobInput{JobId: aws.String("none"), Reason: aws.String("r")})
	require.ErrorAs(t, err, &failure)
	_, err = c.DescribeSchedulingPolicies(ctx, &sdk.DescribeSchedulingPoliciesInput{Arns: []string{"a"}})
	require.ErrorContains(t, err, "does not serve POST /v1/describeschedulingpolicies")

	base := map[string]string{"jobName": `"j"`, "jobQueue": `"training"`, "jobDefinition": `"train"`}
	for _, r := range []struct{ member, value, want string }{
		{"jobName", `"-"`, `jobName "-"`},
		{"jobQueue", `"none"`, "JobQueue none not found"},
		{"jobDefinition", `"none"`, "JobDefinition not found: none"},
		{"jobDefinition", `"train:7"`, "JobDefinition not found: train:7"},
		{"jobDefinition", `"train:x"`, "JobDefinition not found: train:x"},
		{"dependsOn", `[{"jobId":"none"}]`, `no job "none"`},
		{"dependsOn", `[{"type":"SEQUENTIAL"}]`, "must be an array job"},
		{"dependsOn", `[{"jobId":"none","type":"N_TO_N"}]`, "array jobs of the same size"},
		{"dependsOn", `[{"jobId":"none","type":"ALL"}]`, `"ALL"`},
		{"arrayProperties", `{"size":1}`, "size 1: want 2 to 10000"},
		{"arrayProperties", `{"size":10001}`, "size 10001"},
		{"nodeProperties", `{}`, `unknown field "nodeProperties"`},
		{"containerOverrides", `{"command":["Ref::seed"]}`, "Ref::seed has no value"},
		{"containerOverrides", `{"environment":[{"name":"AWS_BATCH_JOB_ID","value":"x"}]}`, "Batch's own"},
		{"containerOverrides", `{"environment":[{"name":"a=b","value":"x"}]}`, `"a=b"`},
		{"containerOverrides", `{"resourceRequirements":[{"type":"VCPU","value":"-1"}]}`, `VCPU "-1"`},
		{"containerOverrides", `{"resourceRequirements":[{"type":"MEMORY","value":"1.5"}]}`, `MEMORY "1.5"`},
		{"containerOverrides", `{"resourceRequirements":[{"type":"DISK","value":"1"}]}`, `"DISK"`},
		{"containerOverrides", `{"vcpus":1}`, `unknown field "vcpus"`},
		{"retryStrategy", `{"attempts":11}`, "attempts 11"},
		{"retryStrategy", `{"evaluateOnExit":[{"action":"EXIT","onExitCode":"*"}]}`, "attempts 0"},
		{"retryStrategy", `{"attempts":1,"evaluateOnExit":[{"action":"STOP","onExitCode":"*"}]}`, `action "STOP"`},
		{"retryStrategy", `{"attempts":1,"evaluateOnExit":[{"action":"EXIT"}]}`, "a rule needs"},
		{"retryStrategy", `{"attempts":1,"evaluateOnExit":[{"action":"EXIT","onReason":"a*b"}]}`, `"a*b"`},
		{"retryStrategy", `{"attempts":1,"evaluateOnExit":[{"action":"EXIT","onExitCode":"a"}]}`, `onExitCode "a"`},
		{"retryStrategy", `{"attempts":1,"evaluateOnExit":[{},{},{},{},{},{}]}`, "6 rules"},
		{"timeout", `{"attemptDurationSeconds":59}`, "attemptDurationSeconds 59"},
		{"nodeOverrides", `{}`, `unknown field "nodeOverrides"`},
	} {
		members := map[string]string{r.member: r.value}
		for name, value := range base {
			if name != r.member {
				members[name] = value
			}
		}
		var parts []string
		for name, value := range members {
			parts = append(parts, `"`+name+`":`+value)
		}
		answer := httptest.NewRecorder()
		w.Handler().ServeHTTP(answer, httptest.NewRequest("POST", "/v1/submitjob", strings.NewReader("{"+strings.Join(parts, ",")+"}")))
		require.Equal(t, 400, answer.Code, r)
		var body struct{ Message string }
		require.NoError(t, json.Unmarshal(answer.Body.Bytes(), &body))
		require.Contains(t, body.Message, r.want)
	}
	require.Empty(t, w.Jobs())
}

func TestResourcesThatAreRefused(t *testing.T) {
	w := open(t, t.TempDir())
	w.standard(t, "")
	needs := `"ResourceRequirements":[{"Type":"VCPU","Value":"1"},{"Type":"MEMORY","Value":"1"}]`
	for _, c := range []struct{ kind, properties, want string }{
		{"ComputeEnvironment", `{"Type":"UNMANAGED"}`, `Type "UNMANAGED"`},
		{"ComputeEnvironment", `{"Type":"MANAGED"}`, "ComputeResources is missing"},
		{"ComputeEnvironment", `{"Type":"MANAGED","ComputeResources":{"Type":"ECS"}}`, `"ECS"`},
		{"ComputeEnvironment", `{"Type":"MANAGED","State":"ON","ComputeResources":{"Type":"EC2"}}`, `State "ON"`},
		{"ComputeEnvironment", `{"Type":"MANAGED","EksConfiguration":{}}`, "EksConfiguration"},
		{"JobQueue", `{"Priority":1}`, "ComputeEnvironmentOrder has 0"},
		{"JobQueue", `{"Priority":1,"ComputeEnvironmentOrder":[{"ComputeEnvironment":"none","Order":1}]}`, "no compute environment none"},
		{"JobQueue", `{"Priority":1,"SchedulingPolicyArn":"x"}`, "SchedulingPolicyArn"},
		{"JobDefinition", `{"Type":"multinode"}`, `Type "multinode"`},
		{"JobDefinition", `{"Type":"container"}`, "ContainerProperties is missing"},
		{"JobDefinition", `{"Type":"container","EcsProperties":{}}`, "EcsProperties"},
		{"JobDefinition", `{"Type":"container","ContainerProperties":{` + needs + `}}`, "Image is missing"},
		{"JobDefinition", `{"Type":"container","ContainerProperties":{"Image":"i"}}`, "VCPU and MEMORY"},
		{"JobDefinition", `{"Type":"container","ContainerProperties":{"Image":"i","Privileged":true,` + needs + `}}`, "Privileged"},
		{"JobDefinition", `{"Type":"container","ContainerProperties":{"Image":"i","Volumes":[{}],` + needs + `}}`, "Volumes"},
		{"JobDefinition", `{"Type":"container","ContainerProperties":{"Image":"i","LogConfiguration":{"LogDriver":"splunk"},` + needs + `}}`, "splunk"},
		{"JobDefinition", `{"Type":"container","ContainerProperties":{"Image":"i","RuntimePlatform":{"CpuArchitecture":"VAX"},` + needs + `}}`, "CpuArchitecture VAX: this machine is"},
		{"JobDefinition", `{"Type":"container","Timeout":{"AttemptDurationSeconds":1},"ContainerProperties":{"Image":"i",` + needs + `}}`, "attemptDurationSeconds 1"},
		{"JobDefinition", `{"Type":"container","PlatformCapabilities":["VM"],"ContainerProperties":{"Image":"i",` + needs + `}}`, `"VM"`},
	} {
		_, err := w.create(t, c.kind, "Broken", c.properties)
		require.ErrorContains(t, err, c.want, c)
		require.ErrorContains(t, err, "Broken", c)
	}
}

func TestTaskResultIsInPascalCase(t *testing.T) {
	w := open(t, t.TempDir())
	w.standard(t, `,"Parameters":{"modelName":"m"},"Tags":{"teamName":"ml"}`)
	d := w.wait(t, w.submit(t, "j", "exit 0", ""))
	text, err := d.TaskResult()
	require.NoError(t, err)
	var got map[string]any
	require.NoError(t, json.Unmarshal(text, &got))
	require.Equal(t, "SUCCEEDED", got["Status"])
	require.Equal(t, d.JobID, got["JobId"])
	require.Equal(t, map[string]any{"modelName": "m"}, got["Parameters"])
	require.Equal(t, map[string]any{"teamName": "ml"}, got["Tags"])
	require.Equal(t, map[string]any{"Attempts": 1.0, "EvaluateOnExit": []any{}}, got["RetryStrategy"])
	attempt := got["Attempts"].([]any)[0].(map[string]any)
	require.EqualValues(t, 0, attempt["Container"].(map[string]any)["ExitCode"])
	require.EqualValues(t, d.StartedAt, attempt["StartedAt"])
	container := got["Container"].(map[string]any)
	require.Equal(t, []any{map[string]any{"Name": "OWN", "Value": "1"}}, container["Environment"])
	require.Equal(t, []any{}, container["Volumes"])
}
