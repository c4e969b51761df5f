package ecs

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
	"github.com/stretchr/testify/require"
)

// killed opens a second service on a copy of the first one's folder, as it is
// now: what a kill -9 would leave. The load balancer's state is its own.
func killed(t *testing.T, first *world) *world {
	t.Helper()
	copied := filepath.Join(t.TempDir(), "copy")
	first.mutex.Lock()
	err := os.CopyFS(filepath.Join(copied, "ecs"), os.DirFS(filepath.Join(first.dir, "ecs")))
	first.mutex.Unlock()
	require.NoError(t, err)
	first.balancer.mutex.Lock()
	states := map[string]string{}
	for k, v := range first.balancer.states {
		states[k] = v
	}
	first.balancer.mutex.Unlock()
	second := openWorld(t, copied, &balancer{states: states})
	require.NoError(t, second.logs.CreateGroup("/tasks", 0))
	return second
}

func TestAKillOfASteadyService(t *testing.T) {
	first := newWorld(t)
	first.create(t, balanced(serviceOf("web", first.register(t, "web", container("web")), 2)))
	before := first.steady(t, "web")
	alone := first.run(t, first.register(t, "wait", container("main", "wait")))
	first.untilRunning(t, alone)
	old := first.tasks(t, types.DesiredStatusRunning)

	second := killed(t, first)
	require.NoError(t, second.Recover(t.Context()))
	require.Zero(t, second.balancer.targets(), "the targets of the dead are taken away")
	after := second.steady(t, "web")
	require.Equal(t, *before.ServiceArn, *after.ServiceArn)
	require.Equal(t, *before.Deployments[0].Id, *after.Deployments[0].Id)
	require.Equal(t, 2, second.balancer.targets())
	for _, task := range old {
		d := second.task(t, *task.TaskArn)
		require.Equal(t, "STOPPED", *d.LastStatus)
		require.Equal(t, hostLost, *d.StoppedReason)
		require.NotNil(t, d.StoppedAt)
	}
	require.Len(t, second.tasks(t, types.DesiredStatusRunning), 2, "fresh tasks of the service; nobody starts the other again")
	require.Zero(t, after.Deployments[0].FailedTasks)
	require.Equal(t, first.Usage()[0].Group, second.Usage()[0].Group)
}

// In the middle of a rollout: it goes on with the new deployment.
func TestAKillDuringARollout(t *testing.T) {
	first := newWorld(t)
	first.balancer.drains = true
	first.create(t, balanced(serviceOf("web", first.register(t, "web", container("web")), 2)))
	first.steady(t, "web")
	next := *first.update(t, &ecs.UpdateServiceInput{Service: aws.String("web"), TaskDefinition: aws.String(first.register(t, "web", container("web")))}).Deployments[0].Id
	first.until(t, "both run", func() bool { return first.service(t, "web").Deployments[0].RunningCount > 0 })
	second := killed(t, first)
	require.NoError(t, second.Recover(t.Context()))
	v := second.steady(t, "web")
	require.Equal(t, next, *v.Deployments[0].Id)
	require.Equal(t, []string{"SERVICE_DEPLOYMENT_COMPLETED"}, second.recorder.of("ECS Deployment State Change", "eventName"))
}

// Between the record of a target and its registration, and between a task's
// record and anything of it.
func TestAKillBeforeATargetIsRegistered(t *testing.T) {
	first := newWorld(t)
	first.create(t, balanced(serviceOf("web", first.register(t, "web", container("web")), 1)))
	first.steady(t, "web")
	first.balancer.mutex.Lock()
	clear(first.balancer.states)
	first.balancer.mutex.Unlock()
	second := killed(t, first)
	require.NoError(t, second.Recover(t.Context()))
	second.steady(t, "web")
	require.Equal(t, 1, second.balancer.targets())
}

// A rollout has failed and the tasks of before serve: they come back.
func TestAKillAfterAFailedRollout(t *testing.T) {
	first := newWorld(t)
	in := balanced(serviceOf("web", first.register(t, "web", container("web")), 2))
	in.DeploymentConfiguration = breaker(false)
	first.create(t, in)
	good := *first.steady(t, "web").Deployments[0].Id
	first.update(t, &ecs.UpdateServiceInput{Service: aws.String("web"), TaskDefinition: aws.String(first.register(t, "web", container("web", "exit", "1")))})
	first.until(t, "the failure", func() bool {
		return first.service(t, "web").Deployments[0].RolloutState == types.DeploymentRolloutStateFailed
	})
	second := killed(t, killed(t, first)) // the first of them never recovers
	require.NoError(t, second.Recover(t.Context()))
	second.until(t, "two tasks", func() bool { return second.service(t, "web").RunningCount == 2 })
	v := second.service(t, "web")
	require.Equal(t, types.DeploymentRolloutStateFailed, v.Deployments[0].RolloutState)
	require.Equal(t, good, *v.Deployments[1].Id)
	require.Equal(t, int32(2), v.Deployments[1].RunningCount)
	third := killed(t, second)
	require.NoError(t, third.Recover(t.Context()))
	third.until(t, "two tasks", func() bool { return third.service(t, "web").RunningCount == 2 })
	require.Len(t, third.tasks(t, types.DesiredStatusRunning), 2)
}

// A service that the template has no more is deleted; one that no template ever
// had stays.
func TestAServiceThatLeftTheTemplate(t *testing.T) {
	first := openWorld(t, t.TempDir(), &balancer{states: map[string]string{}})
	_, _, err := first.deploy(t, `["serve"]`, 1)
	require.NoError(t, err)
	require.NoError(t, first.Recover(t.Context()))
	first.create(t, serviceOf("mine", first.register(t, "mine", container("web")), 1))
	first.steady(t, "web")
	first.steady(t, "mine")
	second := killed(t, first)
	require.NoError(t, second.Recover(t.Context()))
	second.until(t, "INACTIVE", func() bool { return *second.service(t, "web").Status == "INACTIVE" })
	second.steady(t, "mine")
}

func TestAKillWhileAServiceIsDeleted(t *testing.T) {
	first := newWorld(t)
	first.create(t, serviceOf("web", first.register(t, "web", container("web", "stubborn")), 1))
	first.steady(t, "web")
	_, err := first.client.DeleteService(t.Context(), &ecs.DeleteServiceInput{Cluster: aws.String("main"), Service: aws.String("web"), Force: aws.Bool(true)})
	require.NoError(t, err)
	second := killed(t, first)
	require.NoError(t, second.Recover(t.Context()))
	second.until(t, "INACTIVE", func() bool { return *second.service(t, "web").Status == "INACTIVE" })
	first.tick(t, time.Hour) // the stop timeout of the first is over
}

func TestAStoppedStackEndsItsTasks(t *testing.T) {
	first := newWorld(t)
	first.create(t, balanced(serviceOf("web", first.register(t, "web", container("web")), 1)))
	first.steady(t, "web") // so it listens
	containers := first.liveContainers()
	require.NoError(t, first.Close())
	for _, c := range containers {
		require.Zero(t, c.process.ExitCode(), "SIGTERM was enough")
	}
	require.NoError(t, first.Close(), "closing again is nothing")
}

func TestAFileThatIsNoTaskIsNamed(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.MkdirAll(filepath.Join(dir, tasksFolder), 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(dir, tasksFolder, "abc.json"), []byte(`{"Detail":{}}`), 0o600))
	first := newWorld(t)
	_, err := Open(Options{Dir: dir, Image: first.options.Image, Logs: first.logs})
	require.ErrorContains(t, err, "abc.json: not a task")
	require.NoError(t, os.WriteFile(filepath.Join(dir, tasksFolder, "abc.json"), []byte(`{"Later":1}`), 0o600))
	_, err = Open(Options{Dir: dir, Image: first.options.Image, Logs: first.logs})
	require.ErrorContains(t, err, `unknown field "Later"`)
}
