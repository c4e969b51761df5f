package ecs

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/stretchr/testify/require"
)

const taskProperties = `{"Family":"web","Cpu":"256","Memory":"512","NetworkMode":"awsvpc","RequiresCompatibilities":["FARGATE"],
	"ExecutionRoleArn":"arn:aws:iam::000000000000:role/execution","ContainerDefinitions":[{"Name":"web","Image":"app:1","Essential":true,"Command":%s,
	"PortMappings":[{"ContainerPort":8080,"Protocol":"tcp"}],"Environment":[{"Name":"NAME","Value":"cfn"}],
	"LogConfiguration":{"LogDriver":"awslogs","Options":{"awslogs-group":"/tasks","awslogs-region":"eu-west-1","awslogs-stream-prefix":"t","awslogs-create-group":"true"}}}]}`

const serviceTemplate = `{"Cluster":"main","ServiceName":"web","TaskDefinition":"%s","DesiredCount":%d,"LaunchType":"FARGATE","EnableECSManagedTags":false,
	"DeploymentConfiguration":{"MaximumPercent":200,"MinimumHealthyPercent":50,"DeploymentCircuitBreaker":{"Enable":true,"Rollback":true}},
	"DeploymentController":{"Type":"ECS"},"HealthCheckGracePeriodSeconds":60,
	"LoadBalancers":[{"ContainerName":"web","ContainerPort":8080,"TargetGroupArn":"` + group + `"}],
	"NetworkConfiguration":{"AwsvpcConfiguration":{"AssignPublicIp":"DISABLED","SecurityGroups":["sg-1"],"Subnets":["subnet-1"]}},
	"Tags":[{"Key":"a","Value":"b"}]}`

// deploy makes the three resources as a template's deployment does.
func (w *world) deploy(t *testing.T, command string, count int) (definition, service string, err error) {
	t.Helper()
	make := w.Creators()
	cluster, err := make["AWS::ECS::Cluster"](t.Context(), resource("Cluster", "Cluster", `{"ClusterName":"main","ClusterSettings":[{"Name":"containerInsights","Value":"disabled"}]}`))
	require.NoError(t, err)
	require.Equal(t, "main", cluster.Ref)
	require.Equal(t, "arn:aws:ecs:eu-west-1:000000000000:cluster/main", cluster.Attributes["Arn"])
	d, err := make["AWS::ECS::TaskDefinition"](t.Context(), resource("TaskDefinition", "Task", fmt.Sprintf(taskProperties, command)))
	require.NoError(t, err)
	v, err := make["AWS::ECS::Service"](t.Context(), resource("Service", "Service", fmt.Sprintf(serviceTemplate, d.Ref, count)))
	if err == nil {
		require.Equal(t, "web", v.Attributes["Name"])
		require.Equal(t, v.Ref, v.Attributes["ServiceArn"])
	}
	return d.Ref, v.Ref, err
}

// stable waits as the stack does, while time goes on.
func (w *world) stable(t *testing.T) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- w.AwaitStable(ctx) }()
	for {
		select {
		case err := <-done:
			return err
		case <-time.After(time.Millisecond):
			w.tick(t, 100*time.Millisecond)
		}
	}
}

func TestATemplateIsDeployed(t *testing.T) {
	w := openWorld(t, t.TempDir(), &balancer{states: map[string]string{}})
	definition, service, err := w.deploy(t, `["serve"]`, 2)
	require.NoError(t, err)
	require.Equal(t, "arn:aws:ecs:eu-west-1:000000000000:task-definition/web:1", definition)
	require.Equal(t, "arn:aws:ecs:eu-west-1:000000000000:service/main/web", service)
	w.tick(t, time.Second)
	require.Zero(t, w.service(t, "web").PendingCount, "nothing starts before Recover")
	require.NoError(t, w.Recover(t.Context()))
	require.NoError(t, w.stable(t))
	v := w.service(t, "web")
	require.Equal(t, int32(2), v.RunningCount)
	require.Equal(t, int32(60), *v.HealthCheckGracePeriodSeconds)

	// The same template again, after UpdateService has changed the count.
	w.update(t, &ecs.UpdateServiceInput{Service: aws.String("web"), DesiredCount: aws.Int32(1)})
	again, _, err := w.deploy(t, `["serve"]`, 2)
	require.NoError(t, err)
	require.Equal(t, definition, again)
	require.Equal(t, int32(1), w.service(t, "web").DesiredCount)
	require.Equal(t, *v.Deployments[0].Id, *w.service(t, "web").Deployments[0].Id)

	// Another template: another revision, another deployment.
	next, _, err := w.deploy(t, `["serve","again"]`, 1)
	require.NoError(t, err)
	require.True(t, strings.HasSuffix(next, "web:2"))
	require.NoError(t, w.stable(t))
	require.Equal(t, next, *w.service(t, "web").TaskDefinition)
}

func TestATemplateWhoseServiceNeverStarts(t *testing.T) {
	w := openWorld(t, t.TempDir(), &balancer{states: map[string]string{}})
	_, _, err := w.deploy(t, `["exit","1"]`, 1)
	require.NoError(t, err)
	require.NoError(t, w.Recover(t.Context()))
	err = w.stable(t)
	require.ErrorContains(t, err, "service web: Error occurred during operation 'ECS Deployment Circuit Breaker was triggered'")
	require.ErrorContains(t, err, "deployment failed: tasks failed to start.")
}

func TestAServiceThatNeverBecomesSteady(t *testing.T) {
	w := openWorld(t, t.TempDir(), &balancer{states: map[string]string{}}, func(o *Options) { o.StableTimeout = 50 * time.Millisecond })
	_, _, err := w.deploy(t, `["wait"]`, 1)
	require.NoError(t, err)
	require.NoError(t, w.Recover(t.Context()))
	require.ErrorContains(t, w.AwaitStable(t.Context()), "service web did not become steady within 50ms\n  (service web) ")
}

func TestWhatATemplateCannotHave(t *testing.T) {
	w := newWorld(t)
	for _, c := range []struct{ kind, properties, want string }{
		{"Service", `{"Cluster":"main","ServiceConnectConfiguration":{"Enabled":true}}`, "serviceConnectConfiguration"},
		{"Service", `{"Cluster":"main","Magic":1}`, `unknown field "Magic"`},
		{"Service", `{"Cluster":"main","DeploymentController":{"Type":"CODE_DEPLOY"}}`, "CODE_DEPLOY"},
		{"TaskDefinition", `{"Family":"a","ProxyConfiguration":{}}`, `"ProxyConfiguration"`},
		{"Cluster", `{"Configuration":{"ExecuteCommandConfiguration":{}}}`, "configuration"},
		{"Cluster", `{"CapacityProviders":["EC2"]}`, "it has FARGATE and FARGATE_SPOT"},
	} {
		_, err := w.Creators()["AWS::ECS::"+c.kind](t.Context(), resource(c.kind, "It", c.properties))
		require.ErrorContains(t, err, c.want)
		require.ErrorContains(t, err, "It")
	}
}
