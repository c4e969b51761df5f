package ecs

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
	"github.com/stretchr/testify/require"
)

func (w *world) update(t *testing.T, in *ecs.UpdateServiceInput) types.Service {
	t.Helper()
	in.Cluster = aws.String("main")
	out, err := w.client.UpdateService(t.Context(), in)
	require.NoError(t, err)
	return *out.Service
}

func TestAServiceReachesASteadyState(t *testing.T) {
	w := newWorld(t)
	w.create(t, balanced(serviceOf("web", w.register(t, "web", container("web")), 2)))
	v := w.steady(t, "web")
	require.Equal(t, []int32{2, 2, 0}, []int32{v.DesiredCount, v.RunningCount, v.PendingCount})
	require.Equal(t, "PRIMARY", *v.Deployments[0].Status)
	require.Regexp(t, `^ecs-svc/\d{19}$`, *v.Deployments[0].Id)
	require.Equal(t, "ECS deployment "+*v.Deployments[0].Id+" completed.", *v.Deployments[0].RolloutStateReason)
	require.Equal(t, 2, w.balancer.targets())
	messages := w.messages(t, "web")
	require.Regexp(t, `\(service web\) has started 2 tasks: \(task [0-9a-f]{32}\) \(task [0-9a-f]{32}\)\.\n`, messages)
	require.Contains(t, messages, "(service web) registered 1 targets in (target-group "+group+")\n")
	require.Contains(t, messages, "(service web) (deployment "+*v.Deployments[0].Id+") deployment completed.\n")
	require.True(t, strings.HasSuffix(messages, "(service web) has reached a steady state.\n"), messages)
	require.Equal(t, []string{"SERVICE_DEPLOYMENT_IN_PROGRESS", "SERVICE_DEPLOYMENT_COMPLETED"}, w.recorder.of("ECS Deployment State Change", "eventName"))
	require.Equal(t, []string{"SERVICE_STEADY_STATE"}, w.recorder.of("ECS Service Action", "eventName"))
	for _, task := range w.tasks(t, types.DesiredStatusRunning) {
		require.Equal(t, "service:web", *task.Group)
		require.Equal(t, *v.Deployments[0].Id, *task.StartedBy)
	}
	w.tick(t, time.Hour)
	require.Equal(t, 1, strings.Count(w.messages(t, "web"), "steady state"), "it is told once")
}

func TestScaling(t *testing.T) {
	w := newWorld(t)
	w.create(t, serviceOf("web", w.register(t, "web", container("web")), 1))
	first := w.steady(t, "web")
	out := w.update(t, &ecs.UpdateServiceInput{Service: aws.String("web"), DesiredCount: aws.Int32(3)})
	require.Equal(t, *first.Deployments[0].Id, *out.Deployments[0].Id, "a change of the count is no deployment")
	require.Len(t, w.steady(t, "web").Deployments, 1)
	w.update(t, &ecs.UpdateServiceInput{Service: aws.String("web"), DesiredCount: aws.Int32(1)})
	w.until(t, "two have gone", func() bool {
		return len(w.tasks(t, types.DesiredStatusStopped)) == 2 && w.service(t, "web").RunningCount == 1
	})
	for _, task := range w.tasks(t, types.DesiredStatusStopped) {
		require.Equal(t, types.TaskStopCodeServiceSchedulerInitiated, task.StopCode)
		require.Equal(t, "Scaling activity initiated by (deployment "+*first.Deployments[0].Id+")", *task.StoppedReason)
	}
}

// A rolling update never has fewer healthy targets than before, and the old tasks
// drain before they hear SIGTERM.
func TestARollingUpdate(t *testing.T) {
	w := newWorld(t)
	w.balancer.drains = true
	w.create(t, balanced(serviceOf("web", w.register(t, "web", container("web")), 2)))
	old := w.steady(t, "web")
	updated := w.update(t, &ecs.UpdateServiceInput{Service: aws.String("web"), TaskDefinition: aws.String(w.register(t, "web", container("web")))})
	require.Equal(t, []string{"PRIMARY", "ACTIVE"}, []string{*updated.Deployments[0].Status, *updated.Deployments[1].Status})
	require.Equal(t, types.DeploymentRolloutStateInProgress, updated.Deployments[0].RolloutState)
	require.Equal(t, *old.Deployments[0].Id, *updated.Deployments[1].Id)
	w.until(t, "the old tasks drain", func() bool {
		require.GreaterOrEqual(t, w.service(t, "web").RunningCount, int32(2))
		n := 0
		for _, task := range w.tasks(t, types.DesiredStatusStopped) {
			if *task.LastStatus == "DEACTIVATING" {
				n++
				require.Equal(t, "RUNNING", *task.Containers[0].LastStatus)
				w.listening(t, task)
			}
		}
		return n == 2
	})
	v := w.service(t, "web")
	require.Len(t, v.Deployments, 2)
	require.Equal(t, types.DeploymentRolloutStateInProgress, v.Deployments[0].RolloutState, "it completes when the old tasks are gone")
	require.Contains(t, w.messages(t, "web"), "(service web) has begun draining connections on 1 tasks.")
	w.balancer.drained()
	v = w.steady(t, "web")
	require.True(t, strings.HasSuffix(*v.TaskDefinition, "web:2"))
	require.Equal(t, 2, w.balancer.targets())
	for _, task := range w.tasks(t, types.DesiredStatusStopped) {
		require.Equal(t, int32(0), *task.Containers[0].ExitCode, "SIGTERM was enough")
	}
}

func TestForceNewDeployment(t *testing.T) {
	w := newWorld(t)
	w.create(t, serviceOf("web", w.register(t, "web", container("web")), 1))
	old := w.steady(t, "web")
	same := w.update(t, &ecs.UpdateServiceInput{Service: aws.String("web"), TaskDefinition: aws.String("web:1")})
	require.Equal(t, *old.Deployments[0].Id, *same.Deployments[0].Id, "nothing has changed")
	w.update(t, &ecs.UpdateServiceInput{Service: aws.String("web"), ForceNewDeployment: true})
	require.NotEqual(t, *old.Deployments[0].Id, *w.steady(t, "web").Deployments[0].Id)
}

func breaker(rollback bool) *types.DeploymentConfiguration {
	return &types.DeploymentConfiguration{MinimumHealthyPercent: aws.Int32(100), MaximumPercent: aws.Int32(200),
		DeploymentCircuitBreaker: &types.DeploymentCircuitBreaker{Enable: true, Rollback: rollback}}
}

func TestTheCircuitBreakerRollsBack(t *testing.T) {
	w := newWorld(t)
	in := balanced(serviceOf("web", w.register(t, "web", container("web")), 1))
	in.DeploymentConfiguration = breaker(true)
	w.create(t, in)
	old := w.steady(t, "web")
	survivor := *w.tasks(t, types.DesiredStatusRunning)[0].TaskArn
	bad := *w.update(t, &ecs.UpdateServiceInput{Service: aws.String("web"), TaskDefinition: aws.String(w.register(t, "web", container("web", "exit", "1")))}).Deployments[0].Id
	w.until(t, "the roll-back", func() bool { return *w.service(t, "web").Deployments[0].Id == *old.Deployments[0].Id })
	v := w.steady(t, "web")
	require.True(t, strings.HasSuffix(*v.TaskDefinition, "web:1"))
	require.Equal(t, survivor, *w.tasks(t, types.DesiredStatusRunning)[0].TaskArn, "the task that served all the time stays")
	require.Equal(t, []string{"SERVICE_DEPLOYMENT_IN_PROGRESS", "SERVICE_DEPLOYMENT_COMPLETED", "SERVICE_DEPLOYMENT_IN_PROGRESS", "SERVICE_DEPLOYMENT_FAILED",
		"SERVICE_DEPLOYMENT_IN_PROGRESS", "SERVICE_DEPLOYMENT_COMPLETED"}, w.recorder.of("ECS Deployment State Change", "eventName"))
	require.Equal(t, bad, w.recorder.of("ECS Deployment State Change", "deploymentId")[3])
	require.Equal(t, "ECS deployment circuit breaker: rolling back to deploymentId "+*old.Deployments[0].Id+".", w.recorder.of("ECS Deployment State Change", "reason")[4])
	messages := w.messages(t, "web")
	require.Contains(t, messages, "(service web) (deployment "+bad+") deployment failed: tasks failed to start.\n")
	require.Contains(t, messages, "(service web) rolling back to deployment "+*old.Deployments[0].Id+".\n")
	require.Contains(t, messages, "is unable to consistently start tasks successfully.")
	count := 0
	for _, task := range w.tasks(t, types.DesiredStatusStopped) {
		if task.StopCode == types.TaskStopCodeEssentialContainerExited {
			count++
		}
	}
	require.GreaterOrEqual(t, count, 3, "three failures are the least that trips it")
}

func TestWithoutRollbackTheOldTasksStay(t *testing.T) {
	w := newWorld(t)
	in := balanced(serviceOf("web", w.register(t, "web", container("web")), 2))
	in.DeploymentConfiguration = breaker(false)
	w.create(t, in)
	w.steady(t, "web")
	w.update(t, &ecs.UpdateServiceInput{Service: aws.String("web"), TaskDefinition: aws.String(w.register(t, "web", container("web", "exit", "1")))})
	w.until(t, "the failure", func() bool {
		return w.service(t, "web").Deployments[0].RolloutState == types.DeploymentRolloutStateFailed
	})
	for range 100 {
		w.tick(t, time.Minute)
	}
	v := w.service(t, "web")
	require.Equal(t, "ECS deployment circuit breaker: tasks failed to start.", *v.Deployments[0].RolloutStateReason)
	require.Len(t, v.Deployments, 2)
	require.Equal(t, int32(2), v.Deployments[1].RunningCount)
	require.Zero(t, v.Deployments[0].PendingCount+v.Deployments[0].RunningCount, "a FAILED deployment starts nothing")
}

// Tasks that answer badly are replaced once the grace period is over, and the
// breaker counts them.
func TestTasksThatFailTheirTargetGroup(t *testing.T) {
	w := newWorld(t)
	gate := filepath.Join(t.TempDir(), "gate")
	sick := container("web")
	sick.Environment = []types.KeyValuePair{{Name: aws.String("GATE"), Value: aws.String(gate)}}
	in := balanced(serviceOf("web", w.register(t, "web", sick), 1))
	in.HealthCheckGracePeriodSeconds, in.DeploymentConfiguration = aws.Int32(100000), breaker(false)
	w.create(t, in)
	w.until(t, "the task runs", func() bool { return w.service(t, "web").RunningCount == 1 })
	task := w.tasks(t, types.DesiredStatusRunning)[0]
	ip := *task.Containers[0].NetworkInterfaces[0].PrivateIpv4Address
	require.Eventually(t, func() bool { state, _, _ := w.balancer.TargetHealth(group, ip, 8080); return state == "unhealthy" }, 20*time.Second, 5*time.Millisecond)
	w.tick(t, 9999*time.Second)
	require.Equal(t, "RUNNING", *w.task(t, *task.TaskArn).DesiredStatus, "within the grace period")
	require.NotContains(t, w.messages(t, "web"), "is unhealthy")

	w.update(t, &ecs.UpdateServiceInput{Service: aws.String("web"), HealthCheckGracePeriodSeconds: aws.Int32(5)})
	d := w.stopped(t, *task.TaskArn)
	require.Equal(t, "Task failed ELB health checks in (target-group "+group+")", *d.StoppedReason)
	require.Equal(t, types.TaskStopCodeServiceSchedulerInitiated, d.StopCode)
	require.Contains(t, w.messages(t, "web"), "(service web) (port 8080) is unhealthy in (target-group "+group+") due to (reason Target.ResponseCodeMismatch)\n")
	w.until(t, "the breaker", func() bool {
		return w.service(t, "web").Deployments[0].RolloutState == types.DeploymentRolloutStateFailed
	})
	require.Equal(t, int32(3), w.service(t, "web").Deployments[0].FailedTasks)

	require.NoError(t, os.WriteFile(gate, nil, 0o600))
	w.update(t, &ecs.UpdateServiceInput{Service: aws.String("web"), ForceNewDeployment: true})
	w.steady(t, "web")
}

func TestATaskThatFailsItsHealthCheckIsReplaced(t *testing.T) {
	w := newWorld(t)
	gate := filepath.Join(t.TempDir(), "gate")
	require.NoError(t, os.WriteFile(gate, nil, 0o600))
	c := container("web")
	c.HealthCheck = &types.HealthCheck{Command: []string{"CMD", "/usr/local/bin/app", "check", gate}, Interval: aws.Int32(5), Retries: aws.Int32(1)}
	w.create(t, serviceOf("web", w.register(t, "web", c), 1))
	w.steady(t, "web")
	first := *w.tasks(t, types.DesiredStatusRunning)[0].TaskArn
	require.NoError(t, os.Remove(gate))
	w.until(t, "a replacement", func() bool { return len(w.tasks(t, types.DesiredStatusRunning)) == 2 })
	require.Equal(t, "RUNNING", *w.task(t, first).LastStatus, "it is replaced before it is stopped")
	require.NoError(t, os.WriteFile(gate, nil, 0o600))
	w.until(t, "one task", func() bool {
		tasks := w.tasks(t, types.DesiredStatusRunning)
		return len(tasks) == 1 && tasks[0].HealthStatus == types.HealthStatusHealthy
	})
	require.Contains(t, w.messages(t, "web"), "failed container health checks.")
}

// A task that dies is started again: at once the first time, then after ever
// longer pauses.
func TestRestartsPause(t *testing.T) {
	w := newWorld(t)
	w.create(t, serviceOf("web", w.register(t, "web", container("web", "exit", "1")), 1))
	count := func() int { return len(w.tasks(t, types.DesiredStatusStopped)) }
	settle := func(n int) {
		t.Helper()
		require.Eventually(t, func() bool {
			w.tick(t, 0)
			return count() == n && w.service(t, "web").PendingCount+w.service(t, "web").RunningCount == 0
		},
			20*time.Second, time.Millisecond, "%d tasks have ended", n)
	}
	settle(2) // the second at once
	w.tick(t, 900*time.Millisecond)
	settle(2)
	w.tick(t, 100*time.Millisecond)
	settle(3)
	w.tick(t, 1900*time.Millisecond)
	settle(3)
	w.tick(t, 100*time.Millisecond)
	settle(4)
	require.Equal(t, int32(4), w.service(t, "web").Deployments[0].FailedTasks)
	require.Equal(t, []string{"SERVICE_TASK_START_IMPAIRED"}, w.recorder.of("ECS Service Action", "eventName"))
}

func TestDeleteService(t *testing.T) {
	w := newWorld(t)
	w.balancer.drains = true
	in := balanced(serviceOf("web", w.register(t, "web", container("web")), 1))
	w.create(t, in)
	w.steady(t, "web")
	ctx := t.Context()
	_, err := w.client.DeleteService(ctx, &ecs.DeleteServiceInput{Cluster: aws.String("main"), Service: aws.String("web")})
	require.ErrorContains(t, err, "The service cannot be stopped while it is scaled above 0.")
	_, err = w.client.DeleteCluster(ctx, &ecs.DeleteClusterInput{Cluster: aws.String("main")})
	require.Equal(t, "ClusterContainsServicesException", code(t, err))
	out, err := w.client.DeleteService(ctx, &ecs.DeleteServiceInput{Cluster: aws.String("main"), Service: aws.String("web"), Force: aws.Bool(true)})
	require.NoError(t, err)
	require.Equal(t, "DRAINING", *out.Service.Status)
	_, err = w.client.CreateService(ctx, in)
	require.ErrorContains(t, err, "Unable to Start a service that is still Draining.")
	w.until(t, "draining", func() bool { return *w.tasks(t, types.DesiredStatusStopped)[0].LastStatus == "DEACTIVATING" })
	w.balancer.drained()
	w.until(t, "INACTIVE", func() bool { return *w.service(t, "web").Status == "INACTIVE" })
	_, err = w.client.UpdateService(ctx, &ecs.UpdateServiceInput{Cluster: aws.String("main"), Service: aws.String("web"), DesiredCount: aws.Int32(1)})
	require.Equal(t, "ServiceNotActiveException", code(t, err))
	list, err := w.client.ListServices(ctx, &ecs.ListServicesInput{Cluster: aws.String("main")})
	require.NoError(t, err)
	require.Empty(t, list.ServiceArns)
	cluster, err := w.client.DeleteCluster(ctx, &ecs.DeleteClusterInput{Cluster: aws.String("main")})
	require.NoError(t, err)
	require.Equal(t, "INACTIVE", *cluster.Cluster.Status)
	_, err = w.client.ListServices(ctx, &ecs.ListServicesInput{Cluster: aws.String("main")})
	require.Equal(t, "ClusterNotFoundException", code(t, err))
}

func TestASpotReclaim(t *testing.T) {
	w := newWorld(t)
	w.create(t, serviceOf("web", w.register(t, "web", container("web")), 1))
	w.steady(t, "web")
	task := w.tasks(t, types.DesiredStatusRunning)[0]
	require.NoError(t, w.Reclaim(*task.TaskArn))
	d := w.stopped(t, *task.TaskArn)
	require.Equal(t, types.TaskStopCodeSpotInterruption, d.StopCode)
	require.Equal(t, "Your Spot Task was interrupted.", *d.StoppedReason)
	require.Error(t, w.Reclaim(*task.TaskArn))
	w.until(t, "another task", func() bool { return w.service(t, "web").RunningCount == 1 })
	require.Zero(t, w.service(t, "web").Deployments[0].FailedTasks, "the task did nothing wrong")
}

func TestATargetThatCannotBeRegistered(t *testing.T) {
	w := newWorld(t)
	w.balancer.refuse = errors.New("the target group is full")
	w.create(t, balanced(serviceOf("web", w.register(t, "web", container("web")), 1)))
	w.until(t, "a failure", func() bool { return w.service(t, "web").Deployments[0].FailedTasks > 0 })
	d := w.tasks(t, types.DesiredStatusStopped)[0]
	require.Contains(t, *d.StoppedReason, "failed to register targets in (target-group "+group+"): the target group is full")
	require.Zero(t, w.balancer.targets())
}

func TestWhatAServiceCannotHave(t *testing.T) {
	w := newWorld(t)
	definition := w.register(t, "web", container("web"))
	balancer := func(group, container string, port int32) func(*ecs.CreateServiceInput) {
		return func(in *ecs.CreateServiceInput) {
			in.LoadBalancers = []types.LoadBalancer{{TargetGroupArn: aws.String(group), ContainerName: aws.String(container), ContainerPort: aws.Int32(port)}}
		}
	}
	configured := func(c *types.DeploymentConfiguration) func(*ecs.CreateServiceInput) {
		return func(in *ecs.CreateServiceInput) { in.DeploymentConfiguration = c }
	}
	for want, change := range map[string]func(*ecs.CreateServiceInput){
		"Cluster not found.":                     func(in *ecs.CreateServiceInput) { in.Cluster = aws.String("nobody") },
		"TaskDefinition not found.":              func(in *ecs.CreateServiceInput) { in.TaskDefinition = aws.String("web:9") },
		"Network Configuration must be provided": func(in *ecs.CreateServiceInput) { in.NetworkConfiguration = nil },
		"launchType EC2":                         func(in *ecs.CreateServiceInput) { in.LaunchType = types.LaunchTypeEc2 },
		"schedulingStrategy DAEMON":              func(in *ecs.CreateServiceInput) { in.SchedulingStrategy = types.SchedulingStrategyDaemon },
		"deploymentController CODE_DEPLOY: the local stack": func(in *ecs.CreateServiceInput) {
			in.DeploymentController = &types.DeploymentController{Type: "CODE_DEPLOY"}
		},
		"deploymentController EXTERNAL: the local stack": func(in *ecs.CreateServiceInput) {
			in.DeploymentController = &types.DeploymentController{Type: "EXTERNAL"}
		},
		"strategy BLUE_GREEN: the local stack":                      configured(&types.DeploymentConfiguration{Strategy: "BLUE_GREEN"}),
		"strategy CANARY: the local stack":                          configured(&types.DeploymentConfiguration{Strategy: "CANARY"}),
		"strategy LINEAR: the local stack":                          configured(&types.DeploymentConfiguration{Strategy: "LINEAR"}),
		"deploymentConfiguration.alarms: the local stack":           configured(&types.DeploymentConfiguration{Alarms: &types.DeploymentAlarms{AlarmNames: []string{"a"}, Enable: true}}),
		"cannot be 100 as this will block deployments":              configured(&types.DeploymentConfiguration{MinimumHealthyPercent: aws.Int32(100), MaximumPercent: aws.Int32(100)}),
		"maximumPercent 50":                                         configured(&types.DeploymentConfiguration{MaximumPercent: aws.Int32(50)}),
		"minimumHealthyPercent 101":                                 configured(&types.DeploymentConfiguration{MinimumHealthyPercent: aws.Int32(101)}),
		"does not have an associated load balancer":                 balancer("arn:aws:elasticloadbalancing:x/idle", "web", 8080),
		"The target group arn:aws:other does not exist":             balancer("arn:aws:other", "web", 8080),
		"The container api does not exist":                          balancer(group, "api", 8080),
		"The container web did not have a container port 9 defined": balancer(group, "web", 9),
		"capacity provider EC2": func(in *ecs.CreateServiceInput) {
			in.LaunchType = ""
			in.CapacityProviderStrategy = []types.CapacityProviderStrategyItem{{CapacityProvider: aws.String("EC2")}}
		},
		"serviceRegistries": func(in *ecs.CreateServiceInput) {
			in.ServiceRegistries = []types.ServiceRegistry{{RegistryArn: aws.String("x")}}
		},
		"enableExecuteCommand":             func(in *ecs.CreateServiceInput) { in.EnableExecuteCommand = true },
		"desiredCount -1":                  func(in *ecs.CreateServiceInput) { in.DesiredCount = aws.Int32(-1) },
		"healthCheckGracePeriodSeconds -1": func(in *ecs.CreateServiceInput) { in.HealthCheckGracePeriodSeconds = aws.Int32(-1) },
		"Desired count can not be null":    func(in *ecs.CreateServiceInput) { in.DesiredCount = nil },
		`serviceName "a b"`:                func(in *ecs.CreateServiceInput) { in.ServiceName = aws.String("a b") },
		"unknown field \"monitoring\"":     func(in *ecs.CreateServiceInput) { in.Monitoring = &types.MonitoringConfiguration{} },
	} {
		in := serviceOf("web", definition, 1)
		change(in)
		_, err := w.client.CreateService(t.Context(), in)
		require.ErrorContains(t, err, want)
	}
	list, err := w.client.ListServices(t.Context(), &ecs.ListServicesInput{Cluster: aws.String("main")})
	require.NoError(t, err)
	require.Empty(t, list.ServiceArns)
	w.create(t, serviceOf("web", definition, 0))
	_, err = w.client.CreateService(t.Context(), serviceOf("web", definition, 0))
	require.ErrorContains(t, err, "Creation of service was not idempotent.")
	_, err = w.client.UpdateService(t.Context(), &ecs.UpdateServiceInput{Cluster: aws.String("main"), Service: aws.String("nobody")})
	require.Equal(t, "ServiceNotFoundException", code(t, err))
}
