package batch_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluice-ml/sluice/infra/local/assembly"
	"github.com/sluice-ml/sluice/infra/local/batch"
	"github.com/sluice-ml/sluice/infra/local/image"
	"github.com/sluice-ml/sluice/infra/local/logs"
)

// contextDir is a real image context: a Dockerfile and the built job.
var contextDir string

const dockerfile = `FROM gcr.io/distroless/static
ENV FROM_IMAGE=yes LD_LIBRARY_PATH=/opt/image
COPY job /usr/local/bin/job
ENTRYPOINT ["/usr/local/bin/job"]
CMD ["print", "the image's own"]
`

func TestMain(m *testing.M) {
	os.Exit(func() int {
		if built := os.Getenv("BATCH_TEST_CONTEXT"); built != "" {
			contextDir = built // of the test that started this process
			return m.Run()
		}
		dir, err := os.MkdirTemp("", "batch-test-")
		if err != nil {
			log.Fatal(err)
		}
		defer os.RemoveAll(dir)
		build := exec.Command("go", "build", "-o", filepath.Join(dir, "job"), "./testdata/job")
		build.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := build.CombinedOutput(); err != nil {
			log.Fatalf("build testdata/job: %v\n%s", err, out)
		}
		if err := os.WriteFile(filepath.Join(dir, "Dockerfile"), []byte(dockerfile), 0o644); err != nil {
			log.Fatal(err)
		}
		contextDir = dir
		return m.Run()
	}())
}

// recorder is an Events that keeps what it gets.
type recorder struct {
	mutex  sync.Mutex
	events []string
}

func (r *recorder) Put(_ context.Context, source, detailType string, detail any) {
	text, _ := json.Marshal(detail)
	var d struct{ JobName, Status string }
	_ = json.Unmarshal(text, &d)
	r.mutex.Lock()
	defer r.mutex.Unlock()
	r.events = append(r.events, strings.Join([]string{source, detailType, d.JobName, d.Status}, "|"))
}

func (r *recorder) seen() []string {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	return append([]string{}, r.events...)
}

type world struct {
	*batch.Service
	logs   *logs.Service
	events *recorder
	dir    string
}

func open(t *testing.T, dir string, change ...func(*batch.Options)) *world {
	t.Helper()
	kept, err := logs.Open(logs.Options{Dir: filepath.Join(dir, "logs"), Region: "eu-west-1", Account: "123456789012"})
	require.NoError(t, err)
	events := &recorder{}
	o := batch.Options{
		Dir: filepath.Join(dir, "batch"), Region: "eu-west-1", Account: "123456789012", Logs: kept, Events: events,
		Host: batch.Host{VCPUs: 8, MemoryMiB: 16384, GPUs: 1}, StopGrace: 10 * time.Second, MemoryInterval: time.Millisecond,
		Environment: map[string]string{"AWS_REGION": "eu-west-1", "LD_LIBRARY_PATH": "/opt/host"},
		Image: func(uri string) (*image.Image, error) {
			if uri != "trainer" {
				return nil, fmt.Errorf("no image %q in the assembly", uri)
			}
			return image.Resolve(contextDir)
		},
	}
	for _, f := range change {
		f(&o)
	}
	s, err := batch.Open(o)
	require.NoError(t, err)
	t.Cleanup(func() {
		require.NoError(t, s.Close())
		require.NoError(t, kept.Close())
	})
	return &world{s, kept, events, dir}
}

func (w *world) create(t *testing.T, kind, id, properties string) (assembly.Created, error) {
	t.Helper()
	return w.Creators()["AWS::Batch::"+kind](context.Background(),
		assembly.Resource{LogicalID: id, Type: "AWS::Batch::" + kind, Properties: json.RawMessage(properties)})
}

// standard makes a GPU Spot environment with 4 vCPUs, an on-demand one with 2,
// the queue "training" over both, and the definition "train".
func (w *world) standard(t *testing.T, definition string) {
	t.Helper()
	for _, c := range []struct{ kind, id, properties, ref, attribute string }{
		{"ComputeEnvironment", "Spot", `{"Type":"managed","ComputeEnvironmentName":"spot","ComputeResources":{"Type":"SPOT","MaxvCpus":4,"InstanceTypes":["g5.xlarge"],"Subnets":["s"]}}`,
			"arn:aws:batch:eu-west-1:123456789012:compute-environment/spot", "ComputeEnvironmentArn"},
		{"ComputeEnvironment", "OnDemand", `{"Type":"MANAGED","ComputeEnvironmentName":"demand","ComputeResources":{"Type":"EC2","MaxvCpus":2,"InstanceTypes":["optimal"],"Subnets":["s"]}}`,
			"arn:aws:batch:eu-west-1:123456789012:compute-environment/demand", "ComputeEnvironmentArn"},
		{"JobQueue", "Queue", `{"JobQueueName":"training","Priority":1,"ComputeEnvironmentOrder":[
			{"Order":2,"ComputeEnvironment":"demand"},{"Order":1,"ComputeEnvironment":"arn:aws:batch:eu-west-1:123456789012:compute-environment/spot"}]}`,
			"arn:aws:batch:eu-west-1:123456789012:job-queue/training", "JobQueueArn"},
		{"JobDefinition", "Definition", `{"Type":"container","JobDefinitionName":"train","ContainerProperties":{"Image":"trainer",
			"ResourceRequirements":[{"Type":"VCPU","Value":"2"},{"Type":"MEMORY","Value":"512"}],"Environment":[{"Name":"OWN","Value":"1"}]}` + definition + `}`,
			"arn:aws:batch:eu-west-1:123456789012:job-definition/train:1", "JobDefinitionArn"},
	} {
		created, err := w.create(t, c.kind, c.id, c.properties)
		require.NoError(t, err)
		require.Equal(t, c.ref, created.Ref)
		require.Equal(t, c.ref, created.Attributes[c.attribute])
	}
}

// submit submits a job that runs a command, e.g. "exit 1"; extra is more input.
func (w *world) submit(t *testing.T, name, command, extra string) string {
	t.Helper()
	words, err := json.Marshal(strings.Fields(command))
	require.NoError(t, err)
	var in batch.SubmitInput
	require.NoError(t, json.Unmarshal([]byte(fmt.Sprintf(
		`{"jobName":%q,"jobQueue":"training","jobDefinition":"train","containerOverrides":{"command":%s}%s}`, name, words, extra)), &in))
	out, err := w.Submit(context.Background(), in)
	require.NoError(t, err)
	require.Equal(t, "arn:aws:batch:eu-west-1:123456789012:job/"+out.JobID, out.JobArn)
	return out.JobID
}

func (w *world) wait(t *testing.T, id string) batch.JobDetail {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	d, err := w.Wait(ctx, id)
	require.NoError(t, err)
	return d
}

func (w *world) status(t *testing.T, id string) batch.Status {
	t.Helper()
	d, err := w.Describe(id)
	require.NoError(t, err)
	return d.Status
}

func (w *world) printed(t *testing.T, d batch.JobDetail) string {
	t.Helper()
	events, err := w.logs.Read("/aws/batch/job", d.Container.LogStreamName)
	require.NoError(t, err)
	var lines []string
	for _, e := range events {
		lines = append(lines, e.Message)
	}
	return strings.Join(lines, "\n")
}

// running waits until a job's program has been started, which its state tells
// a moment later than its first deed.
func (w *world) running(t *testing.T, id string) {
	t.Helper()
	require.Eventually(t, func() bool { return w.status(t, id) == batch.Running }, time.Minute, time.Millisecond)
}

func exists(t *testing.T, file string) {
	t.Helper()
	require.Eventually(t, func() bool { _, err := os.Stat(file); return err == nil }, time.Minute, time.Millisecond)
}

func touch(t *testing.T, file string) {
	t.Helper()
	require.NoError(t, os.WriteFile(file, nil, 0o644))
}

func TestAJobSucceeds(t *testing.T) {
	w := open(t, t.TempDir())
	w.standard(t, `,"Parameters":{"model":"none"}`)
	id := w.submit(t, "first", "print --model=Ref::model Ref::seed", `,"parameters":{"model":"adult","seed":"7"}`)
	d := w.wait(t, id)
	require.Equal(t, batch.Succeeded, d.Status)
	require.Equal(t, "Essential container in task exited", d.StatusReason)
	require.Equal(t, 0, *d.Container.ExitCode)
	require.Len(t, d.Attempts, 1)
	require.Equal(t, "arn:aws:batch:eu-west-1:123456789012:job-definition/train:1", d.JobDefinition)
	require.LessOrEqual(t, d.CreatedAt, d.StartedAt)
	require.LessOrEqual(t, d.StartedAt, d.StoppedAt)
	require.Regexp(t, `^train/default/[0-9a-f]{32}$`, d.Container.LogStreamName)
	require.Equal(t, "--model=adult 7\nno end", w.printed(t, d))
	require.NoError(t, w.Close())
	require.Equal(t, []string{
		"aws.batch|Batch Job State Change|first|RUNNABLE", "aws.batch|Batch Job State Change|first|STARTING",
		"aws.batch|Batch Job State Change|first|RUNNING", "aws.batch|Batch Job State Change|first|SUCCEEDED",
	}, w.events.seen())
}

func TestTheImagesOwnCommand(t *testing.T) {
	w := open(t, t.TempDir())
	w.standard(t, "")
	out, err := w.Submit(context.Background(), batch.SubmitInput{JobName: "own", JobQueue: "training", JobDefinition: "train:1"})
	require.NoError(t, err)
	require.Contains(t, w.printed(t, w.wait(t, out.JobID)), "the image's own")
}

func TestTheEnvironment(t *testing.T) {
	w := open(t, t.TempDir())
	w.standard(t, "")
	id := w.submit(t, "env", "environment", `,"containerOverrides":{"command":["environment"],"environment":[{"name":"OWN","value":"2"},{"name":"MANAGED_BY_AWS","value":"STARTED_BY_STEP_FUNCTIONS"}]}`)
	d := w.wait(t, id)
	got := map[string]string{}
	for _, line := range strings.Split(w.printed(t, d), "\n") {
		name, value, _ := strings.Cut(line, "=")
		got[name] = value
	}
	require.Contains(t, got["HOME"], id+"-1")
	require.NoDirExists(t, got["HOME"], "an attempt's folder goes with it")
	delete(got, "HOME")
	delete(got, "TMPDIR")
	require.Equal(t, map[string]string{
		"AWS_BATCH_JOB_ID": id, "AWS_BATCH_JOB_ATTEMPT": "1", "AWS_BATCH_JQ_NAME": "training", "AWS_BATCH_CE_NAME": "spot",
		"AWS_REGION": "eu-west-1", "LD_LIBRARY_PATH": "/opt/host", "FROM_IMAGE": "yes", "OWN": "2",
		"MANAGED_BY_AWS": "STARTED_BY_STEP_FUNCTIONS", "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
	}, got)
}

func TestRetriesByExitCode(t *testing.T) {
	w := open(t, t.TempDir())
	w.standard(t, `,"RetryStrategy":{"Attempts":3,"EvaluateOnExit":[{"OnExitCode":"75","Action":"RETRY"},{"OnExitCode":"*","Action":"EXIT"}]}`)
	wrong := w.wait(t, w.submit(t, "wrong", "exit 64", ""))
	require.Equal(t, batch.Failed, wrong.Status)
	require.Len(t, wrong.Attempts, 1)
	require.Equal(t, 64, *wrong.Container.ExitCode)
	again := w.wait(t, w.submit(t, "again", "exit 75", ""))
	require.Equal(t, batch.Failed, again.Status)
	require.Len(t, again.Attempts, 3)
	streams := map[string]bool{}
	for _, a := range again.Attempts {
		require.Equal(t, 75, *a.Container.ExitCode)
		streams[a.Container.LogStreamName] = true
	}
	require.Len(t, streams, 3, "every attempt has a log stream of its own")
	require.Len(t, w.Usage(), 4)
	require.Equal(t, batch.Use{JobID: again.JobID, JobName: "again", Queue: "training", ComputeEnvironment: "spot", Spot: true,
		Attempt: 3, Seconds: w.Usage()[3].Seconds, VCPUs: 2, MemoryMiB: 512}, w.Usage()[3])
}

func TestATimeoutIsNotRetried(t *testing.T) {
	dir := t.TempDir()
	trip := make(chan time.Time)
	w := open(t, dir, func(o *batch.Options) {
		o.Timer = func(d time.Duration) (<-chan time.Time, func() bool) {
			if d != 90*time.Second {
				t.Errorf("a timer of %v", d)
			}
			return trip, func() bool { return true }
		}
	})
	w.standard(t, `,"RetryStrategy":{"Attempts":3},"Timeout":{"AttemptDurationSeconds":90}`)
	id := w.submit(t, "slow", "until "+dir+"/there "+dir+"/never", "")
	exists(t, dir+"/there")
	trip <- time.Now()
	d := w.wait(t, id)
	require.Equal(t, batch.Failed, d.Status)
	require.Equal(t, "Job attempt duration exceeded timeout", d.StatusReason)
	require.Len(t, d.Attempts, 1)
	require.Equal(t, 143, *d.Container.ExitCode)
}

func TestASpotReclaimResumes(t *testing.T) {
	dir := t.TempDir()
	w := open(t, dir)
	w.standard(t, `,"RetryStrategy":{"Attempts":2,"EvaluateOnExit":[{"OnStatusReason":"Host EC2*","Action":"RETRY"},{"OnExitCode":"*","Action":"EXIT"}]}`)
	id := w.submit(t, "spot", "resume "+dir+"/there", "")
	exists(t, dir+"/there")
	require.NoError(t, w.Reclaim(id))
	d := w.wait(t, id)
	require.Equal(t, batch.Succeeded, d.Status)
	require.Len(t, d.Attempts, 2)
	require.Regexp(t, `^Host EC2 \(instance i-[0-9a-f]{17}\) terminated\.$`, d.Attempts[0].StatusReason)
	require.Nil(t, d.Attempts[0].Container.ExitCode)
	require.Equal(t, "resumed", w.printed(t, d))
	require.ErrorContains(t, w.Reclaim(id), "SUCCEEDED")
}

func TestAReclaimGivesTimeToDrain(t *testing.T) {
	dir := t.TempDir()
	w := open(t, dir)
	w.standard(t, "")
	id := w.submit(t, "drain", "drain "+dir+"/there", "")
	exists(t, dir+"/there")
	require.NoError(t, w.Reclaim(id))
	d := w.wait(t, id)
	require.Equal(t, batch.Failed, d.Status, "one attempt is the default")
	require.Equal(t, "checkpoint written", w.printed(t, d))
}

func TestTerminateAndCancel(t *testing.T) {
	dir := t.TempDir()
	w := open(t, dir)
	w.standard(t, `,"RetryStrategy":{"Attempts":5}`)
	hold := []string{
		w.submit(t, "a", "until "+dir+"/a "+dir+"/go", ""), w.submit(t, "b", "until "+dir+"/b "+dir+"/go", ""), w.submit(t, "c", "until "+dir+"/c "+dir+"/go", ""),
	}
	for _, name := range []string{"a", "b", "c"} {
		exists(t, filepath.Join(dir, name))
	}
	w.running(t, hold[0])
	queued := w.submit(t, "queued", "exit 0", "")
	require.Equal(t, batch.Runnable, w.status(t, queued), "six vCPUs are taken: there is no room")
	require.NoError(t, w.Cancel(hold[0], "changed my mind"))
	require.Equal(t, batch.Running, w.status(t, hold[0]), "cancel leaves a running job alone")
	require.NoError(t, w.Cancel(queued, "changed my mind"))
	d := w.wait(t, queued)
	require.Equal(t, batch.Failed, d.Status)
	require.True(t, d.IsCancelled)
	require.Equal(t, "changed my mind", d.StatusReason)
	require.Empty(t, d.Attempts)

	require.NoError(t, w.Terminate(hold[0], "stop it"))
	d = w.wait(t, hold[0])
	require.Equal(t, batch.Failed, d.Status)
	require.True(t, d.IsTerminated)
	require.Equal(t, "stop it", d.StatusReason)
	require.Len(t, d.Attempts, 1)
	touch(t, dir+"/go")
	require.Equal(t, batch.Succeeded, w.wait(t, hold[1]).Status)
	require.NoError(t, w.Terminate(hold[1], "too late"))
	require.Equal(t, batch.Succeeded, w.status(t, hold[1]))
	require.ErrorContains(t, w.Terminate("none", "x"), "Job none not found")
	require.ErrorContains(t, w.Terminate(hold[2], ""), "reason")
}

func TestPlacement(t *testing.T) {
	dir := t.TempDir()
	w := open(t, dir)
	w.standard(t, "")
	environmentOf := func(name string) string {
		for _, u := range w.Usage() {
			if u.JobName == name {
				return u.ComputeEnvironment
			}
		}
		return ""
	}
	gpu := `,"containerOverrides":{"command":["until",%q,%q],"resourceRequirements":[{"type":"GPU","value":"1"}]}`
	first := w.submit(t, "gpu1", "", fmt.Sprintf(gpu, dir+"/gpu1", dir+"/go1"))
	exists(t, dir+"/gpu1")
	second := w.submit(t, "gpu2", "", fmt.Sprintf(gpu, dir+"/gpu2", dir+"/go2"))
	require.Equal(t, batch.Runnable, w.status(t, second), "the one virtual GPU is taken")
	behind := w.submit(t, "behind", "exit 0", "")
	require.Equal(t, batch.Runnable, w.status(t, behind), "the queue is first in, first out")
	touch(t, dir+"/go1")
	require.Equal(t, batch.Succeeded, w.wait(t, first).Status)
	exists(t, dir+"/gpu2")
	require.Equal(t, batch.Succeeded, w.wait(t, behind).Status)
	touch(t, dir+"/go2")
	require.Equal(t, batch.Succeeded, w.wait(t, second).Status)
	require.Equal(t, "spot", environmentOf("gpu2"))

	never := w.submit(t, "never", "", `,"containerOverrides":{"command":["exit","0"],"resourceRequirements":[{"type":"GPU","value":"2"}]}`)
	d, err := w.Describe(never)
	require.NoError(t, err)
	require.Equal(t, batch.Runnable, d.Status)
	require.Contains(t, d.StatusReason, "MISCONFIGURATION:JOB_RESOURCE_REQUIREMENT")
	require.Equal(t, batch.Succeeded, w.wait(t, w.submit(t, "after", "exit 0", "")).Status, "it holds nobody back")

	var held []string
	for _, name := range []string{"x", "y", "z"} {
		held = append(held, w.submit(t, name, "until "+dir+"/"+name+" "+dir+"/end", ""))
		exists(t, filepath.Join(dir, name))
	}
	touch(t, dir+"/end")
	for _, id := range held {
		w.wait(t, id)
	}
	require.Equal(t, []string{"spot", "spot", "demand"}, []string{environmentOf("x"), environmentOf("y"), environmentOf("z")})
}

func TestDependencies(t *testing.T) {
	dir := t.TempDir()
	w := open(t, dir)
	w.standard(t, "")
	first := w.submit(t, "first", "until "+dir+"/there "+dir+"/go", "")
	second := w.submit(t, "second", "exit 3", `,"dependsOn":[{"jobId":"`+first+`"}]`)
	third := w.submit(t, "third", "exit 0", `,"dependsOn":[{"jobId":"`+second+`"}]`)
	fourth := w.submit(t, "fourth", "exit 0", `,"dependsOn":[{"jobId":"`+third+`"}]`)
	require.Equal(t, batch.Pending, w.status(t, second))
	touch(t, dir+"/go")
	require.Equal(t, 3, *w.wait(t, second).Container.ExitCode)
	for _, id := range []string{third, fourth} {
		d := w.wait(t, id)
		require.Equal(t, batch.Failed, d.Status)
		require.Equal(t, "Dependent Job failed", d.StatusReason)
	}
}

func TestMemoryLimit(t *testing.T) {
	w := open(t, t.TempDir())
	w.standard(t, `,"RetryStrategy":{"Attempts":2,"EvaluateOnExit":[{"OnReason":"OutOfMemoryError:*","Action":"EXIT"}]}`)
	d := w.wait(t, w.submit(t, "big", "", `,"containerOverrides":{"command":["allocate"],"resourceRequirements":[{"type":"MEMORY","value":"64"}]}`))
	require.Equal(t, batch.Failed, d.Status)
	require.Len(t, d.Attempts, 1)
	require.Equal(t, 137, *d.Container.ExitCode)
	require.Equal(t, "OutOfMemoryError: Container killed due to memory usage", d.Container.Reason)
}

func TestAnImageThatIsNotThere(t *testing.T) {
	w := open(t, t.TempDir())
	w.standard(t, "")
	_, err := w.create(t, "JobDefinition", "Lost", `{"Type":"container","ContainerProperties":{"Image":"lost","ResourceRequirements":[{"Type":"VCPU","Value":"1"},{"Type":"MEMORY","Value":"1"}]}}`)
	require.NoError(t, err)
	out, err := w.Submit(context.Background(), batch.SubmitInput{JobName: "j", JobQueue: "training", JobDefinition: "Lost"})
	require.NoError(t, err)
	d := w.wait(t, out.JobID)
	require.Equal(t, "Task failed to start", d.StatusReason)
	require.Equal(t, `CannotPullContainerError: no image "lost" in the assembly`, d.Container.Reason)
	require.Contains(t, w.printed(t, d), "CannotPullContainerError")
}

func TestSubmitOnce(t *testing.T) {
	dir := t.TempDir()
	w := open(t, dir)
	w.standard(t, "")
	in := batch.SubmitInput{JobName: "j", JobQueue: "training", JobDefinition: "train"}
	first, err := w.SubmitOnce(context.Background(), "execution/train/1", in)
	require.NoError(t, err)
	w.wait(t, first.JobID)
	require.NoError(t, w.Close())
	again := open(t, dir)
	again.standard(t, "")
	second, err := again.SubmitOnce(context.Background(), "execution/train/1", in)
	require.NoError(t, err)
	require.Equal(t, first, second)
	third, err := again.SubmitOnce(context.Background(), "execution/train/2", in)
	require.NoError(t, err)
	require.NotEqual(t, first.JobID, third.JobID)
}

func TestRevisions(t *testing.T) {
	dir := t.TempDir()
	w := open(t, dir)
	w.standard(t, "")
	w.standard(t, "") // the same again is no new revision
	require.NoError(t, w.Close())
	w = open(t, dir)
	w.standard(t, "")
	created, err := w.create(t, "JobDefinition", "Definition", `{"Type":"container","JobDefinitionName":"train","ContainerProperties":{"Image":"trainer",
		"Command":["exit","9"],"ResourceRequirements":[{"Type":"VCPU","Value":"1"},{"Type":"MEMORY","Value":"64"}]}}`)
	require.NoError(t, err)
	require.Equal(t, "arn:aws:batch:eu-west-1:123456789012:job-definition/train:2", created.Ref)
	for definition, code := range map[string]int{"train": 9, "train:2": 9, created.Ref: 9, "train:1": 0} {
		out, err := w.Submit(context.Background(), batch.SubmitInput{JobName: "j", JobQueue: "arn:aws:batch:eu-west-1:123456789012:job-queue/training", JobDefinition: definition})
		require.NoError(t, err)
		require.Equal(t, code, *w.wait(t, out.JobID).Container.ExitCode, definition)
	}
}

// TestJobsSurviveAKill kills a stack with SIGKILL while one job runs and one
// waits: the running one is lost with its host and resumes, the other follows.
func TestJobsSurviveAKill(t *testing.T) {
	const retry = `,"RetryStrategy":{"Attempts":2,"EvaluateOnExit":[{"OnStatusReason":"Host EC2*","Action":"RETRY"},{"OnExitCode":"*","Action":"EXIT"}]}`
	small := func(o *batch.Options) { o.Host = batch.Host{VCPUs: 2} }
	if dir := os.Getenv("BATCH_TEST_VICTIM"); dir != "" {
		w := open(t, dir, small)
		w.standard(t, retry)
		id := w.submit(t, "running", "resume "+dir+"/there", "")
		w.submit(t, "waiting", "exit 0", "")
		exists(t, dir+"/there")
		w.running(t, id)
		touch(t, dir+"/ready")
		select {} // until it is killed
	}
	dir := t.TempDir()
	victim := exec.Command(os.Args[0], "-test.run=^TestJobsSurviveAKill$")
	victim.Env = append(os.Environ(), "BATCH_TEST_VICTIM="+dir, "BATCH_TEST_CONTEXT="+contextDir)
	require.NoError(t, victim.Start())
	exists(t, dir+"/ready")
	text, err := os.ReadFile(dir + "/there")
	require.NoError(t, err)
	require.NoError(t, victim.Process.Kill())
	_ = victim.Wait()
	child, err := strconv.Atoi(string(text))
	require.NoError(t, err)
	require.Eventually(t, func() bool { return gone(child) }, time.Minute, time.Millisecond, "the job must not outlive the stack")

	w := open(t, dir, small)
	w.standard(t, retry)
	jobs := w.Jobs()
	require.Len(t, jobs, 2)
	require.Equal(t, batch.Running, jobs[0].Status)
	require.Equal(t, batch.Runnable, jobs[1].Status, "nothing runs before Recover")
	w.Recover()
	running := w.wait(t, jobs[0].JobID)
	require.Equal(t, batch.Succeeded, running.Status)
	require.Len(t, running.Attempts, 2)
	require.Regexp(t, `^Host EC2 \(instance i-[0-9a-f]{17}\) terminated\.$`, running.Attempts[0].StatusReason)
	require.Equal(t, "resumed", w.printed(t, running))
	require.Equal(t, batch.Succeeded, w.wait(t, jobs[1].JobID).Status)
}

// TestAStopCostsNoAttempt: a stack that goes down in order asks its jobs to stop
// and runs the same attempt again at its next start, though one is all they have.
func TestAStopCostsNoAttempt(t *testing.T) {
	dir := t.TempDir()
	w := open(t, dir)
	w.standard(t, `,"RetryStrategy":{"Attempts":1}`)
	id := w.submit(t, "j", "again "+dir+"/there "+dir+"/go", "")
	exists(t, dir+"/there")
	w.running(t, id)
	first, err := w.Describe(id)
	require.NoError(t, err)
	require.NoError(t, w.Close())
	require.Equal(t, "asked to stop", w.printed(t, first))
	d, err := w.Describe(id)
	require.NoError(t, err)
	require.Equal(t, batch.Runnable, d.Status)
	require.Contains(t, d.StatusReason, "local stack was stopped")
	require.Empty(t, d.Attempts)
	_, err = w.Submit(context.Background(), batch.SubmitInput{JobName: "late", JobQueue: "training", JobDefinition: "train"})
	require.ErrorContains(t, err, "stopping")

	touch(t, dir+"/go")
	again := open(t, dir)
	again.standard(t, `,"RetryStrategy":{"Attempts":1}`)
	require.Equal(t, batch.Runnable, again.status(t, id), "nothing runs before Recover")
	again.Recover()
	d = again.wait(t, id)
	require.Equal(t, batch.Succeeded, d.Status)
	require.Len(t, d.Attempts, 1)
	require.Equal(t, "attempt 1", again.printed(t, d))
	require.NotEqual(t, first.Container.LogStreamName, d.Container.LogStreamName)
	require.Len(t, again.Usage(), 2, "both runs of the attempt took time")
}

func gone(pid int) bool {
	text, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	return err != nil || strings.Contains(string(text), ") Z ")
}

func TestATerminationSurvivesAStop(t *testing.T) {
	dir := t.TempDir()
	w := open(t, dir)
	w.standard(t, `,"RetryStrategy":{"Attempts":2}`)
	id := w.submit(t, "j", "until "+dir+"/there "+dir+"/never", "")
	w.running(t, id)
	require.NoError(t, w.Close())
	require.Equal(t, batch.Runnable, w.status(t, id))
	again := open(t, dir)
	again.standard(t, `,"RetryStrategy":{"Attempts":2}`)
	require.NoError(t, again.Terminate(id, "enough"))
	again.Recover()
	d := again.wait(t, id)
	require.Equal(t, batch.Failed, d.Status)
	require.Equal(t, "enough", d.StatusReason)
}

func TestWaitEndsWithItsContext(t *testing.T) {
	dir := t.TempDir()
	w := open(t, dir)
	w.standard(t, "")
	id := w.submit(t, "j", "until "+dir+"/there "+dir+"/never", "")
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_, err := w.Wait(ctx, id)
	require.ErrorIs(t, err, context.Canceled)
	_, err = w.Wait(context.Background(), "none")
	require.ErrorContains(t, err, "Job none not found")
}
