package batch_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/batch"
	"github.com/aws/aws-sdk-go-v2/service/batch/types"
	"github.com/stretchr/testify/require"

	"github.com/sluice-ml/sluice/infra/local/batch"
)

const one = `,"containerOverrides":{"command":%s,"resourceRequirements":[{"type":"VCPU","value":"1"}]},"arrayProperties":{"size":%d}`

// array submits an array job of size children that need one vCPU each.
func (w *world) array(t *testing.T, name string, size int, command, extra string) string {
	t.Helper()
	return w.submit(t, name, "", fmt.Sprintf(one, command, size)+extra)
}

func (w *world) describe(t *testing.T, id string) batch.JobDetail {
	t.Helper()
	d, err := w.Describe(id)
	require.NoError(t, err)
	return d
}

func counts(d batch.JobDetail) map[batch.Status]int {
	out := map[batch.Status]int{}
	for status, n := range d.ArrayProperties.StatusSummary {
		if n > 0 {
			out[status] = n
		}
	}
	return out
}

func TestArrayJobs(t *testing.T) {
	w := open(t, t.TempDir())
	w.standard(t, `,"RetryStrategy":{"Attempts":2}`)
	id := w.array(t, "sweep", 5, `["index","1@1","3@1","3@2"]`, "")
	d := w.wait(t, id)
	require.Equal(t, batch.Failed, d.Status)
	require.Equal(t, "Array Child Job failed", d.StatusReason)
	require.Empty(t, d.Attempts)
	require.Equal(t, 5, d.ArrayProperties.Size)
	require.Equal(t, map[batch.Status]int{batch.Succeeded: 4, batch.Failed: 1}, counts(d))
	require.Len(t, d.ArrayProperties.StatusSummary, 7, "every state is there")
	for i, attempts := range []int{1, 2, 1, 2, 1} {
		child := w.describe(t, fmt.Sprintf("%s:%d", id, i))
		require.Len(t, child.Attempts, attempts, "child %d has retries of its own", i)
		require.Equal(t, i, *child.ArrayProperties.Index)
		require.Equal(t, fmt.Sprintf("%d of 5", i), w.printed(t, child))
		require.Equal(t, "sweep", child.JobName)
		require.Equal(t, "arn:aws:batch:eu-west-1:123456789012:job/"+child.JobID, child.JobArn)
	}
	good := w.wait(t, w.array(t, "good", 2, `["index"]`, ""))
	require.Equal(t, batch.Succeeded, good.Status)
	require.NoError(t, w.Close())
	require.Contains(t, w.events.seen(), "aws.batch|Batch Job State Change|good|PENDING")
	require.Equal(t, 3, len(slices.DeleteFunc(w.events.seen(), func(e string) bool { return e != "aws.batch|Batch Job State Change|good|SUCCEEDED" })),
		"two children and their parent")
}

func TestAnArrayJobIsPendingWhileChildrenRun(t *testing.T) {
	dir := t.TempDir()
	w := open(t, dir)
	w.standard(t, "")
	id := w.array(t, "a", 8, fmt.Sprintf(`["until",%q,%q]`, dir+"/there", dir+"/go"), "")
	require.Eventually(t, func() bool { return counts(w.describe(t, id))[batch.Running] == 6 }, time.Minute, time.Millisecond)
	d := w.describe(t, id)
	require.Equal(t, batch.Pending, d.Status)
	require.Equal(t, map[batch.Status]int{batch.Running: 6, batch.Runnable: 2}, counts(d), "six vCPUs")
	require.ErrorContains(t, w.Reclaim(id), id+":0")
	touch(t, dir+"/go")
	require.Equal(t, batch.Succeeded, w.wait(t, id).Status)
}

func TestDependenciesOfArrayJobs(t *testing.T) {
	dir := t.TempDir()
	w := open(t, dir)
	w.standard(t, "")
	in := w.array(t, "in-order", 6, fmt.Sprintf(`["order",%q]`, dir+"/order"), `,"dependsOn":[{"type":"SEQUENTIAL"}]`)
	require.Equal(t, batch.Succeeded, w.wait(t, in).Status)
	text, err := os.ReadFile(dir + "/order")
	require.NoError(t, err)
	require.Equal(t, "012345", string(text))
	require.Equal(t, []batch.Dependency{{JobID: in + ":1", Type: "SEQUENTIAL"}}, w.describe(t, in+":2").DependsOn)
	require.Equal(t, []batch.Dependency{{Type: "SEQUENTIAL"}}, w.describe(t, in).DependsOn)

	first := w.array(t, "first", 3, `["index","1@1"]`, "")
	second := w.array(t, "second", 3, `["index"]`, `,"dependsOn":[{"jobId":"`+first+`","type":"N_TO_N"}]`)
	d := w.wait(t, second)
	require.Equal(t, "Array Child Job failed", d.StatusReason)
	require.Equal(t, map[batch.Status]int{batch.Succeeded: 2, batch.Failed: 1}, counts(d))
	require.Equal(t, "Dependent Job failed", w.describe(t, second+":1").StatusReason)
	after := w.wait(t, w.submit(t, "after", "exit 0", `,"dependsOn":[{"jobId":"`+first+`"}]`))
	require.Equal(t, "Dependent Job failed", after.StatusReason, "a job waits for the array as a whole")
	whole := w.wait(t, w.array(t, "whole", 2, `["index"]`, `,"dependsOn":[{"jobId":"`+first+`"}]`))
	require.Equal(t, "Dependent Job failed", whole.StatusReason)
	broken := w.wait(t, w.array(t, "broken", 4, `["index","1@1"]`, `,"dependsOn":[{"type":"SEQUENTIAL"}]`))
	require.Equal(t, map[batch.Status]int{batch.Succeeded: 1, batch.Failed: 3}, counts(broken))

	var failure error
	for _, depends := range []string{`[{"jobId":"` + after.JobID + `","type":"N_TO_N"}]`, `[{"jobId":"` + second + `","type":"N_TO_N"}]`, `[{"jobId":"` + second + `","type":"SEQUENTIAL"}]`} {
		_, failure = w.submitted(fmt.Sprintf(`{"jobName":"x","jobQueue":"training","jobDefinition":"train","arrayProperties":{"size":4},"dependsOn":%s}`, depends))
		require.Error(t, failure, depends)
	}
}

func TestArrayJobsAreCancelledAndTerminated(t *testing.T) {
	dir := t.TempDir()
	w := open(t, dir)
	w.standard(t, `,"RetryStrategy":{"Attempts":3}`)
	hold := fmt.Sprintf(`["until",%q,%q]`, dir+"/there", dir+"/go")
	id := w.array(t, "cancelled", 8, hold, "")
	require.Eventually(t, func() bool { return counts(w.describe(t, id))[batch.Running] == 6 }, time.Minute, time.Millisecond)
	chain := w.array(t, "chain", 3, hold, `,"dependsOn":[{"type":"SEQUENTIAL"}]`)
	require.NoError(t, w.Cancel(id, "enough"))
	d := w.describe(t, id)
	require.Equal(t, batch.Pending, d.Status, "it ends with its children")
	require.Equal(t, map[batch.Status]int{batch.Running: 6, batch.Failed: 2}, counts(d))
	require.NoError(t, w.Cancel(chain, "not needed"))
	require.Equal(t, batch.Failed, w.status(t, chain))
	for i := range 3 {
		require.Equal(t, "not needed", w.describe(t, fmt.Sprintf("%s:%d", chain, i)).StatusReason)
	}
	touch(t, dir+"/go")
	d = w.wait(t, id)
	require.Equal(t, batch.Failed, d.Status)
	require.Equal(t, "enough", d.StatusReason)
	require.True(t, d.IsCancelled)
	require.Equal(t, map[batch.Status]int{batch.Succeeded: 6, batch.Failed: 2}, counts(d))

	id = w.array(t, "terminated", 8, fmt.Sprintf(`["until",%q,%q]`, dir+"/there2", dir+"/never"), "")
	require.Eventually(t, func() bool { return counts(w.describe(t, id))[batch.Running] == 6 }, time.Minute, time.Millisecond)
	require.NoError(t, w.Terminate(id+":0", "just one"))
	require.Equal(t, "just one", w.wait(t, id+":0").StatusReason)
	require.NoError(t, w.Terminate(id, "all"))
	d = w.wait(t, id)
	require.Equal(t, "all", d.StatusReason)
	require.True(t, d.IsTerminated)
	require.Equal(t, map[batch.Status]int{batch.Failed: 8}, counts(d))
	require.NoError(t, w.Terminate(id, "again"))
	require.Equal(t, "all", w.describe(t, id).StatusReason)
}

// A job that waits is cancelled once what it waits for has ended.
func TestAPendingJobIsCancelledLate(t *testing.T) {
	dir := t.TempDir()
	w := open(t, dir)
	w.standard(t, "")
	first := w.submit(t, "first", "until "+dir+"/there "+dir+"/go", "")
	second := w.submit(t, "second", "exit 0", `,"dependsOn":[{"jobId":"`+first+`"}]`)
	require.NoError(t, w.Cancel(second, "no more"))
	require.Equal(t, batch.Pending, w.status(t, second))
	touch(t, dir+"/go")
	d := w.wait(t, second)
	require.Equal(t, batch.Failed, d.Status)
	require.Equal(t, "no more", d.StatusReason)
	require.True(t, d.IsCancelled)
	require.Empty(t, d.Attempts)
}

// TestArrayJobsSurviveAKill kills the stack while children run and others wait;
// some of them were never written.
func TestArrayJobsSurviveAKill(t *testing.T) {
	const retry = `,"RetryStrategy":{"Attempts":2,"EvaluateOnExit":[{"OnStatusReason":"Host EC2*","Action":"RETRY"},{"OnExitCode":"*","Action":"EXIT"}]}`
	if dir := os.Getenv("BATCH_TEST_VICTIM"); dir != "" {
		w := open(t, dir)
		w.standard(t, retry)
		id := w.array(t, "a", 9, fmt.Sprintf(`["resume",%q]`, dir+"/there"), "")
		require.Eventually(t, func() bool { return counts(w.describe(t, id))[batch.Running] == 6 }, time.Minute, time.Millisecond)
		touch(t, dir+"/ready")
		select {} // until it is killed
	}
	dir := t.TempDir()
	victim := exec.Command(os.Args[0], "-test.run=^TestArrayJobsSurviveAKill$")
	victim.Env = append(os.Environ(), "BATCH_TEST_VICTIM="+dir, "BATCH_TEST_CONTEXT="+contextDir)
	require.NoError(t, victim.Start())
	exists(t, dir+"/ready")
	require.NoError(t, victim.Process.Kill())
	_ = victim.Wait()
	lost, err := filepath.Glob(filepath.Join(dir, "batch", "jobs", "*:8.json"))
	require.NoError(t, err)
	require.Len(t, lost, 1)
	require.NoError(t, os.Remove(lost[0]), "as if the kill had come while the children were being written")

	w := open(t, dir)
	w.standard(t, retry)
	w.Recover()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	id := w.Jobs()[0].JobID
	for i := range 9 { // those that had not begun hang in their first attempt
		child := fmt.Sprintf("%s:%d", id, i)
		require.Eventually(t, func() bool { s := w.status(t, child); return s.Ended() || s == batch.Running }, time.Minute, time.Millisecond)
		if len(w.describe(t, child).Attempts) == 0 {
			w.running(t, child)
			require.NoError(t, w.Reclaim(child))
		}
	}
	d, err := w.Wait(ctx, id)
	require.NoError(t, err)
	require.Equal(t, batch.Succeeded, d.Status)
	require.Equal(t, map[batch.Status]int{batch.Succeeded: 9}, counts(d))
}

func TestArrayJobsByTheSDK(t *testing.T) {
	w := open(t, t.TempDir())
	w.standard(t, "")
	c, ctx := client(t, w), context.Background()
	out, err := c.SubmitJob(ctx, &sdk.SubmitJobInput{JobName: aws.String("a"), JobQueue: aws.String("training"), JobDefinition: aws.String("train"),
		ContainerOverrides: &types.ContainerOverrides{Command: []string{"index", "1@1"}}, ArrayProperties: &types.ArrayProperties{Size: aws.Int32(3)}})
	require.NoError(t, err)
	w.wait(t, *out.JobId)
	described, err := c.DescribeJobs(ctx, &sdk.DescribeJobsInput{Jobs: []string{*out.JobId, *out.JobId + ":2"}})
	require.NoError(t, err)
	require.EqualValues(t, 3, *described.Jobs[0].ArrayProperties.Size)
	require.EqualValues(t, 2, described.Jobs[0].ArrayProperties.StatusSummary["SUCCEEDED"])
	require.EqualValues(t, 2, *described.Jobs[1].ArrayProperties.Index)
	list := func(in sdk.ListJobsInput) []string {
		t.Helper()
		out, err := c.ListJobs(ctx, &in)
		require.NoError(t, err)
		names := []string{}
		for _, j := range out.JobSummaryList {
			names = append(names, *j.JobId)
		}
		return names
	}
	require.Equal(t, []string{*out.JobId + ":0", *out.JobId + ":2"}, list(sdk.ListJobsInput{ArrayJobId: out.JobId, JobStatus: types.JobStatusSucceeded}))
	require.Equal(t, []string{*out.JobId}, list(sdk.ListJobsInput{JobQueue: aws.String("training"), JobStatus: types.JobStatusFailed}), "children are their parent's")
	_, err = c.ListJobs(ctx, &sdk.ListJobsInput{})
	require.ErrorContains(t, err, "one of jobQueue and arrayJobId")
	_, err = c.ListJobs(ctx, &sdk.ListJobsInput{ArrayJobId: aws.String(*out.JobId + ":0")})
	require.ErrorContains(t, err, "is not an array job")
}

// A thousand children are submitted and terminated in order.
func TestALargeArrayJob(t *testing.T) {
	w := open(t, t.TempDir())
	w.standard(t, "")
	queue := client(t, w)
	_, err := queue.UpdateJobQueue(context.Background(), &sdk.UpdateJobQueueInput{JobQueue: aws.String("training"), ComputeEnvironmentOrder: []types.ComputeEnvironmentOrder{
		{ComputeEnvironment: aws.String("demand"), Order: aws.Int32(1)}}})
	require.NoError(t, err)
	id := w.submit(t, "many", "", `,"containerOverrides":{"command":["exit","0"],"resourceRequirements":[{"type":"VCPU","value":"64"}]},"arrayProperties":{"size":1000}`)
	require.Equal(t, map[batch.Status]int{batch.Runnable: 1000}, counts(w.describe(t, id)))
	require.NoError(t, w.Terminate(id, "never mind"))
	require.Equal(t, map[batch.Status]int{batch.Failed: 1000}, counts(w.wait(t, id)))
}
