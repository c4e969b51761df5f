package ecs

import (
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
	"github.com/stretchr/testify/require"

	"github.com/sluice-ml/sluice/infra/local/cloudwatch"
)

func TestATaskRunsToItsEnd(t *testing.T) {
	w := newWorld(t)
	d := w.stopped(t, w.run(t, w.register(t, "job", container("main", "exit", "7")), func(in *ecs.RunTaskInput) {
		in.StartedBy, in.Tags = aws.String("me"), []types.Tag{{Key: aws.String("a"), Value: aws.String("b")}}
	}))
	require.Equal(t, types.TaskStopCodeEssentialContainerExited, d.StopCode)
	require.Equal(t, "Essential container in task exited", *d.StoppedReason)
	require.Equal(t, int32(7), *d.Containers[0].ExitCode)
	require.Equal(t, "family:job", *d.Group)
	require.Equal(t, "me", *d.StartedBy)
	require.Equal(t, []string{"256", "512", "STOPPED"}, []string{*d.Cpu, *d.Memory, *d.DesiredStatus})
	require.Empty(t, d.Tags, "tags must be asked for")
	require.NotNil(t, d.StartedAt)
	require.False(t, d.StoppedAt.Before(*d.StartedAt))
	require.Equal(t, []string{"PROVISIONING", "PENDING", "ACTIVATING", "RUNNING", "STOPPING", "DEPROVISIONING", "STOPPED"},
		w.recorder.of("ECS Task State Change", "lastStatus"))
	require.Regexp(t, `^2025-03-01T12:\d\d:\d\d\.\d{3}Z$`, w.recorder.of("ECS Task State Change", "stoppedAt")[6])
	_, err := os.Stat(filepath.Join(w.dir, "ecs", workFolder, shortName(*d.TaskArn)))
	require.ErrorIs(t, err, os.ErrNotExist)
}

func TestTheEnvironmentIsExactlyWhatIsSaid(t *testing.T) {
	w := newWorld(t)
	c := container("main", "env")
	c.Environment = []types.KeyValuePair{{Name: aws.String("MINE"), Value: aws.String("1")}, {Name: aws.String("FROM_IMAGE"), Value: aws.String("no")}}
	got := w.output(t, w.stopped(t, w.run(t, w.register(t, "env", c))), "main")
	names := map[string]string{}
	for line := range strings.Lines(got) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		names[name] = value
	}
	port := names["SAGEMAKER_BIND_TO_PORT"]
	require.Regexp(t, `^\d+$`, port)
	require.Equal(t, port, names["PORT"])
	require.Contains(t, names["ECS_CONTAINER_METADATA_URI_V4"], w.url+"/v4/")
	for _, of := range []string{"PORT", "SAGEMAKER_BIND_TO_PORT", "ECS_CONTAINER_METADATA_URI_V4", "HOME", "TMPDIR"} {
		delete(names, of)
	}
	require.Equal(t, map[string]string{"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "FROM_IMAGE": "no", "MINE": "1",
		"AWS_REGION": "eu-west-1", "AWS_ENDPOINT_URL": "http://127.0.0.1:1", "LD_LIBRARY_PATH": "/opt/host", "AWS_EXECUTION_ENV": "AWS_ECS_FARGATE"}, names)
	c.Environment = []types.KeyValuePair{{Name: aws.String("PORT"), Value: aws.String("9")}}
	require.Contains(t, w.output(t, w.stopped(t, w.run(t, w.register(t, "env", c))), "main"), "\nPORT=9\n", "the task definition's own PORT wins")
}

func TestOverrides(t *testing.T) {
	w := newWorld(t)
	definition := w.register(t, "job", container("main", "exit", "7"))
	arn := w.run(t, definition, func(in *ecs.RunTaskInput) {
		in.Overrides = &types.TaskOverride{Cpu: aws.String("1024"), Memory: aws.String("2048"), ContainerOverrides: []types.ContainerOverride{{
			Name: aws.String("main"), Command: []string{"env"}, Environment: []types.KeyValuePair{{Name: aws.String("OVER"), Value: aws.String("yes")}}}}}
	})
	d := w.stopped(t, arn)
	require.Equal(t, "1024", *d.Cpu)
	require.Equal(t, int32(0), *d.Containers[0].ExitCode)
	require.Contains(t, w.output(t, d, "main"), "OVER=yes")
	_, err := w.client.RunTask(t.Context(), &ecs.RunTaskInput{Cluster: aws.String("main"), TaskDefinition: aws.String(definition), NetworkConfiguration: vpc,
		Overrides: &types.TaskOverride{ContainerOverrides: []types.ContainerOverride{{Name: aws.String("nobody")}}}})
	require.ErrorContains(t, err, "nobody is not a container")
}

func TestAClientTokenRunsOnce(t *testing.T) {
	w := newWorld(t)
	definition := w.register(t, "job", container("main", "wait"))
	token := func(in *ecs.RunTaskInput) { in.ClientToken = aws.String("once") }
	require.Equal(t, w.run(t, definition, token), w.run(t, definition, token))
	require.Len(t, w.tasks(t, types.DesiredStatusRunning), 1)
}

func TestATaskThatCannotStart(t *testing.T) {
	w := newWorld(t)
	missing := container("main", "env")
	missing.Image = aws.String("other:1")
	d := w.stopped(t, w.run(t, w.register(t, "missing", missing)))
	require.Equal(t, types.TaskStopCodeTaskFailedToStart, d.StopCode)
	require.Contains(t, *d.StoppedReason, `CannotPullContainerError: no image "other:1"`)
	require.Contains(t, *d.Containers[0].Reason, "CannotPullContainerError")
	require.Nil(t, d.StartedAt)
	require.Nil(t, d.Containers[0].ExitCode)

	silent := container("main", "env")
	silent.LogConfiguration.Options["awslogs-group"] = "/nowhere"
	d = w.stopped(t, w.run(t, w.register(t, "silent", silent)))
	require.Contains(t, *d.StoppedReason, "The specified log group does not exist")
	silent.LogConfiguration.Options["awslogs-create-group"] = "true"
	d = w.stopped(t, w.run(t, w.register(t, "silent", silent)))
	require.Equal(t, int32(0), *d.Containers[0].ExitCode)

	lost := container("main", "env")
	lost.EntryPoint = []string{"/no/such/program"}
	d = w.stopped(t, w.run(t, w.register(t, "lost", lost)))
	require.Contains(t, *d.StoppedReason, "CannotStartContainerError")
	require.Contains(t, *d.StoppedReason, "/no/such/program")
}

func TestMemoryIsALimit(t *testing.T) {
	w := newWorld(t)
	c := container("main", "eat")
	c.Memory = aws.Int32(64)
	d := w.stopped(t, w.run(t, w.register(t, "eat", c)))
	require.Equal(t, int32(137), *d.Containers[0].ExitCode)
	require.Equal(t, "OutOfMemoryError: Container killed due to memory usage", *d.Containers[0].Reason)
}

func (w *world) untilRunning(t *testing.T, arn string) types.Task {
	t.Helper()
	var d types.Task
	w.until(t, "the task is running", func() bool {
		d = w.task(t, arn)
		return *d.LastStatus == "RUNNING"
	})
	return d
}

func TestStopTask(t *testing.T) {
	w := newWorld(t)
	arn := w.run(t, w.register(t, "web", container("web")))
	w.listening(t, w.untilRunning(t, arn))
	out, err := w.client.StopTask(t.Context(), &ecs.StopTaskInput{Cluster: aws.String("main"), Task: aws.String(arn), Reason: aws.String("enough")})
	require.NoError(t, err)
	require.Equal(t, "STOPPED", *out.Task.DesiredStatus)
	d := w.stopped(t, arn)
	require.Equal(t, types.TaskStopCodeUserInitiated, d.StopCode)
	require.Equal(t, "enough", *d.StoppedReason)
	require.Equal(t, int32(0), *d.Containers[0].ExitCode, "SIGTERM was enough")
	_, err = w.client.StopTask(t.Context(), &ecs.StopTaskInput{Cluster: aws.String("main"), Task: aws.String("nobody")})
	require.Equal(t, "InvalidParameterException", code(t, err))
}

// A program that ignores SIGTERM is killed when the stop timeout is over, and not
// before.
func TestStopTimeout(t *testing.T) {
	w := newWorld(t)
	c := container("main", "stubborn")
	c.StopTimeout = aws.Int32(20)
	arn := w.run(t, w.register(t, "stubborn", c))
	w.listening(t, w.untilRunning(t, arn))
	_, err := w.client.StopTask(t.Context(), &ecs.StopTaskInput{Cluster: aws.String("main"), Task: aws.String(arn)})
	require.NoError(t, err)
	w.tick(t, 0)
	w.tick(t, 19*time.Second)
	require.Equal(t, "STOPPING", *w.task(t, arn).LastStatus)
	w.tick(t, time.Second)
	require.Equal(t, int32(137), *w.stopped(t, arn).Containers[0].ExitCode)
}

// listening waits until a task's program answers at its address.
func (w *world) listening(t *testing.T, task types.Task) string {
	t.Helper()
	ip := *task.Containers[0].NetworkInterfaces[0].PrivateIpv4Address
	at, ok := w.Address(ip, 8080)
	require.True(t, ok)
	body := ""
	require.Eventually(t, func() bool {
		answer, err := http.Get("http://" + at + "/who")
		if err != nil {
			return false
		}
		defer answer.Body.Close()
		text, err := io.ReadAll(answer.Body)
		body = string(text)
		return err == nil && answer.StatusCode == http.StatusOK
	}, 20*time.Second, 5*time.Millisecond)
	return body
}

func TestTwoTasksOfOneImageListenSideBySide(t *testing.T) {
	w := newWorld(t)
	definition := w.register(t, "web", container("web"))
	one, two := w.run(t, definition), w.run(t, definition)
	first, second := w.untilRunning(t, one), w.untilRunning(t, two)
	require.NotEqual(t, w.listening(t, first), w.listening(t, second))
	ip := *first.Containers[0].NetworkInterfaces[0].PrivateIpv4Address
	require.Regexp(t, `^10\.0\.\d+\.\d+$`, ip)
	require.Equal(t, ip, *first.Attachments[0].Details[3].Value)
	_, ok := w.Address(ip, 9090)
	require.False(t, ok)
	_, err := w.client.StopTask(t.Context(), &ecs.StopTaskInput{Cluster: aws.String("main"), Task: aws.String(one)})
	require.NoError(t, err)
	w.stopped(t, one)
	_, ok = w.Address(ip, 8080)
	require.False(t, ok)
}

func TestDependencies(t *testing.T) {
	w := newWorld(t)
	no := false
	setup, main := container("setup", "exit", "0"), container("main", "exit", "5")
	setup.Essential, setup.PortMappings = &no, nil
	main.DependsOn = []types.ContainerDependency{{ContainerName: aws.String("setup"), Condition: types.ContainerConditionSuccess}}
	d := w.stopped(t, w.run(t, w.register(t, "ordered", main, setup)))
	require.Equal(t, int32(5), *d.Containers[0].ExitCode)
	require.Equal(t, int32(0), *d.Containers[1].ExitCode)

	setup.Command = []string{"exit", "3"}
	d = w.stopped(t, w.run(t, w.register(t, "ordered", main, setup)))
	require.Equal(t, types.TaskStopCodeTaskFailedToStart, d.StopCode)
	require.Contains(t, *d.StoppedReason, "container setup, which exited with code 3")
	require.Nil(t, d.Containers[0].ExitCode, "main never ran")
}

func TestContainerHealth(t *testing.T) {
	w := newWorld(t)
	gate := filepath.Join(t.TempDir(), "gate")
	c := container("web", "serve")
	c.HealthCheck = &types.HealthCheck{Command: []string{"CMD", "/usr/local/bin/app", "check", gate}, Interval: aws.Int32(5), Retries: aws.Int32(2)}
	arn := w.run(t, w.register(t, "checked", c))
	require.Equal(t, types.HealthStatusUnknown, w.untilRunning(t, arn).HealthStatus)
	healthIs := func(want types.HealthStatus) {
		t.Helper()
		w.until(t, "the task is "+string(want), func() bool {
			d := w.task(t, arn)
			return d.HealthStatus == want && d.Containers[0].HealthStatus == want
		})
	}
	healthIs(types.HealthStatusUnhealthy)
	require.NoError(t, os.WriteFile(gate, nil, 0o600))
	healthIs(types.HealthStatusHealthy)
	require.Equal(t, "RUNNING", *w.task(t, arn).LastStatus, "nobody replaces a task that no service has")

	shell := container("web", "serve")
	shell.HealthCheck = &types.HealthCheck{Command: []string{"CMD-SHELL", "test -e " + gate + " || exit 1"}, Interval: aws.Int32(5)}
	arn = w.run(t, w.register(t, "checked", shell))
	healthIs(types.HealthStatusHealthy)
}

// A failure counts only after the start period, unless a check succeeded before.
func TestStartPeriod(t *testing.T) {
	began := time.Unix(0, 0)
	c := &containerRun{started: began, definition: containerDefinition{HealthCheck: &healthCheck{Retries: 2, StartPeriod: 60}}}
	require.Equal(t, unknown, c.judge(false, began.Add(59*time.Second), unknown))
	require.Zero(t, c.check.failures)
	require.Equal(t, unknown, c.judge(false, began.Add(60*time.Second), unknown))
	require.Equal(t, unhealthy, c.judge(false, began.Add(61*time.Second), unknown))
	require.Equal(t, healthy, c.judge(true, began.Add(62*time.Second), unhealthy))
	c = &containerRun{started: began, definition: containerDefinition{HealthCheck: &healthCheck{Retries: 1, StartPeriod: 60}}}
	require.Equal(t, healthy, c.judge(true, began.Add(time.Second), unknown))
	require.Equal(t, unhealthy, c.judge(false, began.Add(2*time.Second), healthy))
}

func TestMetadata(t *testing.T) {
	w := newWorld(t)
	arn := w.run(t, w.register(t, "web", container("web")))
	w.untilRunning(t, arn)
	w.mutex.Lock()
	id := w.Service.tasks[arn[strings.LastIndexByte(arn, '/')+1:]].containers[0].id
	w.mutex.Unlock()
	get := func(path string) (int, string) {
		answer, err := http.Get(w.url + "/v4/" + path)
		require.NoError(t, err)
		defer answer.Body.Close()
		body, err := io.ReadAll(answer.Body)
		require.NoError(t, err)
		return answer.StatusCode, string(body)
	}
	status, body := get(id)
	require.Equal(t, http.StatusOK, status)
	require.Contains(t, body, `"Name":"web"`)
	status, body = get(id + "/task")
	require.Equal(t, http.StatusOK, status)
	require.Contains(t, body, `"Family":"web","Revision":"1"`)
	status, _ = get(id + "/stats")
	require.Equal(t, http.StatusNotFound, status)
	status, _ = get("nobody")
	require.Equal(t, http.StatusNotFound, status)
}

func TestUsageIsCounted(t *testing.T) {
	w := newWorld(t)
	arn := w.run(t, w.register(t, "wait", container("main", "wait")))
	w.untilRunning(t, arn)
	before := w.Usage()
	w.tick(t, 100*time.Second)
	after := w.Usage()
	require.Equal(t, "family:wait", after[0].Group)
	require.InDelta(t, 100, after[0].Seconds-before[0].Seconds, 1e-6)
	require.InDelta(t, 25, after[0].VCPUSeconds-before[0].VCPUSeconds, 1e-6)
	require.InDelta(t, 50, after[0].GBSeconds-before[0].GBSeconds, 1e-6)
}

// metrics takes what is published.
type metrics struct {
	mutex sync.Mutex
	data  map[string][]cloudwatch.Datum
}

func (m *metrics) Put(namespace string, data ...cloudwatch.Datum) error {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	for _, d := range data {
		m.data[namespace+" "+d.Name] = append(m.data[namespace+" "+d.Name], d)
	}
	return nil
}

func TestMetrics(t *testing.T) {
	m := &metrics{data: map[string][]cloudwatch.Datum{}}
	w := newWorld(t, func(o *Options) { o.Metrics = m })
	w.create(t, serviceOf("web", w.register(t, "web", container("web")), 2))
	w.steady(t, "web")
	for range 3 {
		w.tick(t, time.Minute)
	}
	memory := m.data["AWS/ECS MemoryUtilization"]
	last := memory[len(memory)-1]
	require.Equal(t, []cloudwatch.Dimension{{Name: "ClusterName", Value: "main"}, {Name: "ServiceName", Value: "web"}}, last.Dimensions)
	require.Len(t, last.Values, 2, "one for each task")
	for _, v := range last.Values {
		require.Greater(t, v, 0.1)
		require.Less(t, v, 20.0)
	}
	cpu := m.data["AWS/ECS CPUUtilization"]
	require.Less(t, cpu[len(cpu)-1].Values[0], 100.0)
	used, err := cpuTime(os.Getpid())
	require.NoError(t, err)
	require.Positive(t, used)
}

func TestOldTasksAreForgotten(t *testing.T) {
	w := newWorld(t)
	arn := w.run(t, w.register(t, "job", container("main", "exit", "0")))
	w.stopped(t, arn)
	w.tick(t, 2*time.Hour)
	out, err := w.client.DescribeTasks(t.Context(), &ecs.DescribeTasksInput{Cluster: aws.String("main"), Tasks: []string{arn}})
	require.NoError(t, err)
	require.Equal(t, "MISSING", *out.Failures[0].Reason)
}
