package batch_test

import (
	"context"
	"encoding/json"
	"strconv"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/batch"
	"github.com/aws/aws-sdk-go-v2/service/batch/types"
	"github.com/stretchr/testify/require"

	"github.com/sluice-ml/sluice/infra/local/batch"
)

// submitted submits a job that is written out.
func (w *world) submitted(text string) (batch.SubmitOutput, error) {
	var in batch.SubmitInput
	if err := json.Unmarshal([]byte(text), &in); err != nil {
		return batch.SubmitOutput{}, err
	}
	return w.Submit(context.Background(), in)
}

func TestQueuesAndEnvironments(t *testing.T) {
	dir := t.TempDir()
	w := open(t, dir)
	w.standard(t, "")
	c, ctx := client(t, w), context.Background()
	queues, err := c.DescribeJobQueues(ctx, &sdk.DescribeJobQueuesInput{JobQueues: []string{"training", "none"}})
	require.NoError(t, err)
	require.Len(t, queues.JobQueues, 1)
	q := queues.JobQueues[0]
	require.Equal(t, []any{"training", types.JQStateEnabled, types.JQStatusValid, int32(1), "arn:aws:batch:eu-west-1:123456789012:compute-environment/spot"},
		[]any{*q.JobQueueName, q.State, q.Status, *q.Priority, *q.ComputeEnvironmentOrder[0].ComputeEnvironment})
	environments, err := c.DescribeComputeEnvironments(ctx, &sdk.DescribeComputeEnvironmentsInput{})
	require.NoError(t, err)
	require.Len(t, environments.ComputeEnvironments, 2)
	e := environments.ComputeEnvironments[1]
	require.Equal(t, []any{"spot", types.CETypeManaged, types.CEStateEnabled, types.CRTypeSpot, int32(4), int32(0)},
		[]any{*e.ComputeEnvironmentName, e.Type, e.State, e.ComputeResources.Type, *e.ComputeResources.MaxvCpus, *e.ComputeResources.DesiredvCpus})
	require.Equal(t, []string{"g5.xlarge"}, e.ComputeResources.InstanceTypes)

	_, err = c.UpdateJobQueue(ctx, &sdk.UpdateJobQueueInput{JobQueue: aws.String("training"), State: types.JQStateDisabled, Priority: aws.Int32(7)})
	require.NoError(t, err)
	_, err = c.SubmitJob(ctx, &sdk.SubmitJobInput{JobName: aws.String("j"), JobQueue: aws.String("training"), JobDefinition: aws.String("train")})
	require.ErrorContains(t, err, "DISABLED")
	_, err = c.TagResource(ctx, &sdk.TagResourceInput{ResourceArn: q.JobQueueArn, Tags: map[string]string{"a": "1", "b": "2"}})
	require.NoError(t, err)
	_, err = c.UntagResource(ctx, &sdk.UntagResourceInput{ResourceArn: q.JobQueueArn, TagKeys: []string{"a"}})
	require.NoError(t, err)
	require.NoError(t, w.Close())

	again := open(t, dir)
	again.standard(t, "")
	c = client(t, again)
	queues, err = c.DescribeJobQueues(ctx, &sdk.DescribeJobQueuesInput{})
	require.NoError(t, err)
	require.Equal(t, []any{types.JQStateDisabled, int32(7)}, []any{queues.JobQueues[0].State, *queues.JobQueues[0].Priority}, "what the API changed stays")
	tags, err := c.ListTagsForResource(ctx, &sdk.ListTagsForResourceInput{ResourceArn: q.JobQueueArn})
	require.NoError(t, err)
	require.Equal(t, map[string]string{"b": "2"}, tags.Tags)
	_, err = again.create(t, "JobQueue", "Queue", `{"JobQueueName":"training","Priority":2,"ComputeEnvironmentOrder":[{"Order":1,"ComputeEnvironment":"demand"}]}`)
	require.NoError(t, err)
	queues, err = c.DescribeJobQueues(ctx, &sdk.DescribeJobQueuesInput{})
	require.NoError(t, err)
	require.Equal(t, []any{types.JQStateEnabled, int32(2)}, []any{queues.JobQueues[0].State, *queues.JobQueues[0].Priority}, "until the template says something else")

	for _, in := range []sdk.UpdateJobQueueInput{
		{JobQueue: aws.String("none")}, {JobQueue: aws.String("training"), State: "ON"}, {JobQueue: aws.String("training"), Priority: aws.Int32(-1)},
		{JobQueue: aws.String("training"), ComputeEnvironmentOrder: []types.ComputeEnvironmentOrder{{ComputeEnvironment: aws.String("none"), Order: aws.Int32(1)}}},
	} {
		_, err := c.UpdateJobQueue(ctx, &in)
		failure := &types.ClientException{}
		require.ErrorAs(t, err, &failure)
	}
	_, err = c.ListTagsForResource(ctx, &sdk.ListTagsForResourceInput{ResourceArn: aws.String("arn:aws:batch:eu-west-1:123456789012:job-queue/none")})
	require.ErrorContains(t, err, "Resource not found")
}

func TestDefinitionsByTheAPI(t *testing.T) {
	dir := t.TempDir()
	w := open(t, dir)
	w.standard(t, `,"Tags":{"Team":"ml"},"RetryStrategy":{"Attempts":2}`)
	c, ctx := client(t, w), context.Background()
	registered, err := c.RegisterJobDefinition(ctx, &sdk.RegisterJobDefinitionInput{JobDefinitionName: aws.String("train"), Type: types.JobDefinitionTypeContainer,
		ContainerProperties: &types.ContainerProperties{Image: aws.String("trainer"), Command: []string{"exit", "9"},
			ResourceRequirements: []types.ResourceRequirement{{Type: types.ResourceTypeVcpu, Value: aws.String("1")}, {Type: types.ResourceTypeMemory, Value: aws.String("64")}}},
		Timeout: &types.JobTimeout{AttemptDurationSeconds: aws.Int32(60)}})
	require.NoError(t, err)
	require.EqualValues(t, 2, *registered.Revision)
	exit := func(definition string) int {
		t.Helper()
		out, err := w.Submit(ctx, batch.SubmitInput{JobName: "j", JobQueue: "training", JobDefinition: definition})
		require.NoError(t, err)
		return *w.wait(t, out.JobID).Container.ExitCode
	}
	require.Equal(t, 9, exit("train"))
	require.Equal(t, 0, exit("train:1"))
	w.standard(t, `,"Tags":{"Team":"ml"},"RetryStrategy":{"Attempts":2}`) // a restart: the template's revision is still 1

	all, err := c.DescribeJobDefinitions(ctx, &sdk.DescribeJobDefinitionsInput{JobDefinitionName: aws.String("train")})
	require.NoError(t, err)
	require.Len(t, all.JobDefinitions, 2)
	require.EqualValues(t, 60, *all.JobDefinitions[0].Timeout.AttemptDurationSeconds)
	one := all.JobDefinitions[1]
	require.Equal(t, []any{"ACTIVE", "container", "trainer", int32(2)}, []any{*one.Status, *one.Type, *one.ContainerProperties.Image, *one.RetryStrategy.Attempts})
	require.Equal(t, map[string]string{"Team": "ml"}, one.Tags)

	_, err = c.DeregisterJobDefinition(ctx, &sdk.DeregisterJobDefinitionInput{JobDefinition: aws.String("train:2")})
	require.NoError(t, err)
	require.Equal(t, 0, exit("train"), "the latest that is active")
	_, err = w.Submit(ctx, batch.SubmitInput{JobName: "j", JobQueue: "training", JobDefinition: "train:2"})
	require.ErrorContains(t, err, "INACTIVE")
	_, err = c.TagResource(ctx, &sdk.TagResourceInput{ResourceArn: one.JobDefinitionArn, Tags: map[string]string{"x": "1"}})
	require.NoError(t, err)
	_, err = c.DeregisterJobDefinition(ctx, &sdk.DeregisterJobDefinitionInput{JobDefinition: aws.String("train")})
	require.ErrorContains(t, err, "with a revision")
	require.NoError(t, w.Close())

	c = client(t, open(t, dir))
	active, err := c.DescribeJobDefinitions(ctx, &sdk.DescribeJobDefinitionsInput{Status: aws.String("ACTIVE")})
	require.NoError(t, err)
	require.Len(t, active.JobDefinitions, 1)
	require.Equal(t, map[string]string{"Team": "ml", "x": "1"}, active.JobDefinitions[0].Tags)
	named, err := c.DescribeJobDefinitions(ctx, &sdk.DescribeJobDefinitionsInput{JobDefinitions: []string{"train:2", "train:9"}})
	require.NoError(t, err)
	require.Equal(t, "INACTIVE", *named.JobDefinitions[0].Status)
	_, err = c.RegisterJobDefinition(ctx, &sdk.RegisterJobDefinitionInput{JobDefinitionName: aws.String("m"), Type: types.JobDefinitionTypeMultinode})
	require.ErrorContains(t, err, "multinode")
}

func TestFiltersOfListJobs(t *testing.T) {
	now := time.UnixMilli(1_700_000_000_000)
	w := open(t, t.TempDir(), func(o *batch.Options) { o.Now = func() time.Time { now = now.Add(time.Second); return now } })
	w.standard(t, "")
	_, err := w.create(t, "JobDefinition", "Other", `{"Type":"container","JobDefinitionName":"other","ContainerProperties":{"Image":"trainer","Command":["exit","0"],
		"ResourceRequirements":[{"Type":"VCPU","Value":"1"},{"Type":"MEMORY","Value":"1"}]}}`)
	require.NoError(t, err)
	ids := map[string]string{}
	for _, j := range []struct{ name, definition string }{{"Alpha", "train"}, {"alphabet", "other"}, {"beta", "other:1"}} {
		out, err := w.submitted(`{"jobName":"` + j.name + `","jobQueue":"training","jobDefinition":"` + j.definition + `","containerOverrides":{"command":["exit","0"]}}`)
		require.NoError(t, err)
		w.wait(t, out.JobID)
		ids[out.JobID] = j.name
	}
	c := client(t, w)
	created := strconv.FormatInt(w.Jobs()[1].CreatedAt, 10)
	for _, f := range []struct {
		name, value string
		want        []string
	}{
		{"JOB_NAME", "ALPHA*", []string{"alphabet", "Alpha"}},
		{"JOB_NAME", "alpha", []string{"Alpha"}},
		{"JOB_DEFINITION", "other", []string{"beta", "alphabet"}},
		{"JOB_DEFINITION", "OTHER", []string{}},
		{"JOB_DEFINITION", "t*", []string{"Alpha"}},
		{"JOB_DEFINITION", "arn:aws:batch:eu-west-1:123456789012:job-definition/other:1", []string{"beta", "alphabet"}},
		{"BEFORE_CREATED_AT", created, []string{"Alpha"}},
		{"AFTER_CREATED_AT", created, []string{"beta"}},
	} {
		out, err := c.ListJobs(context.Background(), &sdk.ListJobsInput{JobQueue: aws.String("training"), JobStatus: types.JobStatusRunning,
			Filters: []types.KeyValuesPair{{Name: &f.name, Values: []string{f.value}}}})
		require.NoError(t, err)
		names := []string{}
		for _, j := range out.JobSummaryList {
			names = append(names, ids[*j.JobId])
		}
		require.Equal(t, f.want, names, "%s %s", f.name, f.value)
	}
	for _, filters := range [][]types.KeyValuesPair{
		{{Name: aws.String("JOB_SIZE"), Values: []string{"1"}}}, {{Name: aws.String("JOB_NAME")}}, {{Name: aws.String("AFTER_CREATED_AT"), Values: []string{"today"}}},
		{{Name: aws.String("JOB_NAME"), Values: []string{"a"}}, {Name: aws.String("JOB_NAME"), Values: []string{"b"}}},
	} {
		_, err := c.ListJobs(context.Background(), &sdk.ListJobsInput{JobQueue: aws.String("training"), Filters: filters})
		failure := &types.ClientException{}
		require.ErrorAs(t, err, &failure)
	}
}
