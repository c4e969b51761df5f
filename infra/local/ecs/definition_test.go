package ecs

import (
	"encoding/json"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
	"github.com/stretchr/testify/require"

	"github.com/sluice-ml/sluice/infra/local/wire"
)

func TestTaskDefinitions(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	in := registration("web", container("web"))
	in.Cpu, in.Memory = aws.String("1 vCPU"), aws.String("2 GB")
	in.Tags = []types.Tag{{Key: aws.String("team"), Value: aws.String("ml")}}
	out, err := w.client.RegisterTaskDefinition(ctx, in)
	require.NoError(t, err)
	d := out.TaskDefinition
	require.Equal(t, "arn:aws:ecs:eu-west-1:000000000000:task-definition/web:1", *d.TaskDefinitionArn)
	require.Equal(t, []string{"1024", "2048"}, []string{*d.Cpu, *d.Memory})
	require.Equal(t, types.TaskDefinitionStatusActive, d.Status)
	require.True(t, *d.ContainerDefinitions[0].Essential)
	require.Equal(t, int32(8080), *d.ContainerDefinitions[0].PortMappings[0].HostPort)
	require.Equal(t, w.clock.Now(), d.RegisteredAt.UTC())
	w.register(t, "web", container("web", "env"))
	w.register(t, "api", container("api"))

	described, err := w.client.DescribeTaskDefinition(ctx, &ecs.DescribeTaskDefinitionInput{TaskDefinition: aws.String("web")})
	require.NoError(t, err)
	require.Equal(t, int32(2), described.TaskDefinition.Revision, "a family is its latest revision")
	described, err = w.client.DescribeTaskDefinition(ctx, &ecs.DescribeTaskDefinitionInput{TaskDefinition: aws.String("web:1"), Include: []types.TaskDefinitionField{"TAGS"}})
	require.NoError(t, err)
	require.Equal(t, "ml", *described.Tags[0].Value)
	_, err = w.client.DescribeTaskDefinition(ctx, &ecs.DescribeTaskDefinitionInput{TaskDefinition: aws.String("web:3")})
	require.ErrorContains(t, err, "Unable to describe task definition.")

	page, err := w.client.ListTaskDefinitions(ctx, &ecs.ListTaskDefinitionsInput{MaxResults: aws.Int32(2)})
	require.NoError(t, err)
	require.Len(t, page.TaskDefinitionArns, 2)
	page, err = w.client.ListTaskDefinitions(ctx, &ecs.ListTaskDefinitionsInput{MaxResults: aws.Int32(2), NextToken: page.NextToken})
	require.NoError(t, err)
	require.Len(t, page.TaskDefinitionArns, 1)
	require.Nil(t, page.NextToken)

	gone, err := w.client.DeregisterTaskDefinition(ctx, &ecs.DeregisterTaskDefinitionInput{TaskDefinition: aws.String("web:2")})
	require.NoError(t, err)
	require.Equal(t, types.TaskDefinitionStatusInactive, gone.TaskDefinition.Status)
	described, err = w.client.DescribeTaskDefinition(ctx, &ecs.DescribeTaskDefinitionInput{TaskDefinition: aws.String("web")})
	require.NoError(t, err)
	require.Equal(t, int32(1), described.TaskDefinition.Revision, "the latest that is ACTIVE")
	_, err = w.client.RunTask(ctx, &ecs.RunTaskInput{Cluster: aws.String("main"), TaskDefinition: aws.String("web:2"), NetworkConfiguration: vpc})
	require.ErrorContains(t, err, "TaskDefinition is inactive")
	require.Equal(t, "arn:aws:ecs:eu-west-1:000000000000:task-definition/web:3", w.register(t, "web", container("web")), "a number is not used twice")

	_, err = w.client.DeregisterTaskDefinition(ctx, &ecs.DeregisterTaskDefinitionInput{TaskDefinition: aws.String("api:1")})
	require.NoError(t, err)
	for status, want := range map[types.TaskDefinitionFamilyStatus][]string{"ACTIVE": {"web"}, "INACTIVE": {"api"}, "ALL": {"api", "web"}, "": {"api", "web"}} {
		families, err := w.client.ListTaskDefinitionFamilies(ctx, &ecs.ListTaskDefinitionFamiliesInput{Status: status})
		require.NoError(t, err)
		require.Equal(t, want, families.Families, status)
	}
}

func TestWhatATaskDefinitionCannotHave(t *testing.T) {
	w := newWorld(t)
	for want, change := range map[string]func(*ecs.RegisterTaskDefinitionInput, *types.ContainerDefinition){
		"No Fargate configuration exists for given values: 256 CPU, 4096 memory": func(in *ecs.RegisterTaskDefinitionInput, _ *types.ContainerDefinition) {
			in.Memory = aws.String("4096")
		},
		"No Fargate configuration exists for given values: 300 CPU, 512 memory": func(in *ecs.RegisterTaskDefinitionInput, _ *types.ContainerDefinition) { in.Cpu = aws.String("300") },
		"Invalid 'memory' setting for task": func(in *ecs.RegisterTaskDefinitionInput, _ *types.ContainerDefinition) {
			in.Memory = aws.String("lots")
		},
		"'cpu' be defined at the task level": func(in *ecs.RegisterTaskDefinitionInput, _ *types.ContainerDefinition) { in.Cpu = nil },
		"'awsvpc'": func(in *ecs.RegisterTaskDefinitionInput, _ *types.ContainerDefinition) {
			in.NetworkMode = types.NetworkModeBridge
		},
		"requiresCompatibilities EC2": func(in *ecs.RegisterTaskDefinitionInput, _ *types.ContainerDefinition) {
			in.RequiresCompatibilities = []types.Compatibility{"EC2"}
		},
		`family "a/b"`: func(in *ecs.RegisterTaskDefinitionInput, _ *types.ContainerDefinition) { in.Family = aws.String("a/b") },
		"execution role ARN to support log driver awslogs": func(in *ecs.RegisterTaskDefinitionInput, _ *types.ContainerDefinition) { in.ExecutionRoleArn = nil },
		"Container.image":                          func(_ *ecs.RegisterTaskDefinitionInput, c *types.ContainerDefinition) { c.Image = nil },
		"At least one container must be essential": func(_ *ecs.RegisterTaskDefinitionInput, c *types.ContainerDefinition) { c.Essential = aws.Bool(false) },
		"secrets: the local stack": func(_ *ecs.RegisterTaskDefinitionInput, c *types.ContainerDefinition) {
			c.Secrets = []types.Secret{{Name: aws.String("A"), ValueFrom: aws.String("arn")}}
		},
		"mountPoints: the local stack": func(_ *ecs.RegisterTaskDefinitionInput, c *types.ContainerDefinition) {
			c.MountPoints = []types.MountPoint{{ContainerPath: aws.String("/x")}}
		},
		"volumes: the local stack": func(in *ecs.RegisterTaskDefinitionInput, _ *types.ContainerDefinition) {
			in.Volumes = []types.Volume{{Name: aws.String("x")}}
		},
		"privileged": func(_ *ecs.RegisterTaskDefinitionInput, c *types.ContainerDefinition) { c.Privileged = aws.Bool(true) },
		"workingDirectory": func(_ *ecs.RegisterTaskDefinitionInput, c *types.ContainerDefinition) {
			c.WorkingDirectory = aws.String("/x")
		},
		"2 portMappings": func(_ *ecs.RegisterTaskDefinitionInput, c *types.ContainerDefinition) {
			c.PortMappings = append(c.PortMappings, types.PortMapping{ContainerPort: aws.Int32(9)})
		},
		"host ports and container ports": func(_ *ecs.RegisterTaskDefinitionInput, c *types.ContainerDefinition) {
			c.PortMappings[0].HostPort = aws.Int32(80)
		},
		"protocol udp": func(_ *ecs.RegisterTaskDefinitionInput, c *types.ContainerDefinition) {
			c.PortMappings[0].Protocol = types.TransportProtocolUdp
		},
		"logDriver splunk": func(_ *ecs.RegisterTaskDefinitionInput, c *types.ContainerDefinition) {
			c.LogConfiguration.LogDriver = "splunk"
		},
		"lacks awslogs-stream-prefix": func(_ *ecs.RegisterTaskDefinitionInput, c *types.ContainerDefinition) {
			delete(c.LogConfiguration.Options, "awslogs-stream-prefix")
		},
		"awslogs-region us-west-2": func(_ *ecs.RegisterTaskDefinitionInput, c *types.ContainerDefinition) {
			c.LogConfiguration.Options["awslogs-region"] = "us-west-2"
		},
		"stopTimeout 121": func(_ *ecs.RegisterTaskDefinitionInput, c *types.ContainerDefinition) { c.StopTimeout = aws.Int32(121) },
		"healthCheck.command": func(_ *ecs.RegisterTaskDefinitionInput, c *types.ContainerDefinition) {
			c.HealthCheck = &types.HealthCheck{Command: []string{"true"}}
		},
		"healthCheck.interval 1": func(_ *ecs.RegisterTaskDefinitionInput, c *types.ContainerDefinition) {
			c.HealthCheck = &types.HealthCheck{Command: []string{"CMD", "true"}, Interval: aws.Int32(1)}
		},
		"ring": func(_ *ecs.RegisterTaskDefinitionInput, c *types.ContainerDefinition) {
			c.DependsOn = []types.ContainerDependency{{ContainerName: aws.String("web"), Condition: "START"}}
		},
		`there is no container "x"`: func(_ *ecs.RegisterTaskDefinitionInput, c *types.ContainerDefinition) {
			c.DependsOn = []types.ContainerDependency{{ContainerName: aws.String("x"), Condition: "START"}}
		},
		"is more than the task's 512": func(_ *ecs.RegisterTaskDefinitionInput, c *types.ContainerDefinition) { c.Memory = aws.Int32(600) },
		`unknown field "firelensConfiguration"`: func(_ *ecs.RegisterTaskDefinitionInput, c *types.ContainerDefinition) {
			c.FirelensConfiguration = &types.FirelensConfiguration{Type: "fluentd"}
		},
		"restartPolicy": func(_ *ecs.RegisterTaskDefinitionInput, c *types.ContainerDefinition) {
			c.RestartPolicy = &types.ContainerRestartPolicy{Enabled: aws.Bool(true)}
		},
		"ECR images": func(in *ecs.RegisterTaskDefinitionInput, c *types.ContainerDefinition) {
			in.ExecutionRoleArn = nil
			c.LogConfiguration = nil
			c.Image = aws.String("1.dkr.ecr.eu-west-1.amazonaws.com/a")
		},
		`environment variable ""`: func(_ *ecs.RegisterTaskDefinitionInput, c *types.ContainerDefinition) {
			c.Environment = []types.KeyValuePair{{Name: aws.String(""), Value: aws.String("x")}}
		},
		"sizeInGiB 500": func(in *ecs.RegisterTaskDefinitionInput, _ *types.ContainerDefinition) {
			in.EphemeralStorage = &types.EphemeralStorage{SizeInGiB: 500}
		},
	} {
		c := container("web")
		in := registration("web")
		change(in, &c)
		in.ContainerDefinitions = []types.ContainerDefinition{c}
		if in.NetworkMode == types.NetworkModeBridge {
			want = "Fargate only supports network mode"
		}
		_, err := w.client.RegisterTaskDefinition(t.Context(), in)
		require.ErrorContains(t, err, want)
	}
	_, err := w.client.DescribeTaskDefinition(t.Context(), &ecs.DescribeTaskDefinitionInput{TaskDefinition: aws.String("web")})
	require.Error(t, err, "nothing was registered")
}

func TestFargateSizes(t *testing.T) {
	for _, c := range []struct {
		cpu, memory int
		ok          bool
	}{{256, 512, true}, {256, 1024, true}, {256, 2048, true}, {256, 1536, false}, {512, 1024, true}, {512, 512, false}, {512, 4096, true}, {512, 5120, false},
		{1024, 8192, true}, {2048, 16384, true}, {2048, 3072, false}, {4096, 30720, true}, {4096, 31744, false}, {8192, 20480, true}, {8192, 17408, false},
		{16384, 122880, true}, {16384, 36864, false}, {0, 512, false}} {
		require.Equal(t, c.ok, checkSize(c.cpu, c.memory) == nil, "%d/%d", c.cpu, c.memory)
	}
}

func TestTags(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	definition := w.register(t, "web", container("web", "wait"))
	in := serviceOf("web", definition, 0)
	in.Tags = []types.Tag{{Key: aws.String("first"), Value: aws.String("1")}}
	w.create(t, in)
	service, task := *w.service(t, "web").ServiceArn, w.run(t, definition)
	for _, arn := range []string{service, task, definition, "arn:aws:ecs:eu-west-1:000000000000:cluster/main"} {
		_, err := w.client.TagResource(ctx, &ecs.TagResourceInput{ResourceArn: &arn, Tags: []types.Tag{{Key: aws.String("a"), Value: aws.String("1")}, {Key: aws.String("b"), Value: aws.String("2")}}})
		require.NoError(t, err, arn)
		_, err = w.client.UntagResource(ctx, &ecs.UntagResourceInput{ResourceArn: &arn, TagKeys: []string{"a", "first"}})
		require.NoError(t, err)
		out, err := w.client.ListTagsForResource(ctx, &ecs.ListTagsForResourceInput{ResourceArn: &arn})
		require.NoError(t, err)
		require.Len(t, out.Tags, 1, arn)
		require.Equal(t, "b", *out.Tags[0].Key)
		_, err = w.client.TagResource(ctx, &ecs.TagResourceInput{ResourceArn: &arn, Tags: []types.Tag{{Key: aws.String("aws:x"), Value: aws.String("1")}}})
		require.Equal(t, "InvalidParameterException", code(t, err))
	}
	_, err := w.client.ListTagsForResource(ctx, &ecs.ListTagsForResourceInput{ResourceArn: aws.String("arn:aws:ecs:eu-west-1:000000000000:service/main/nobody")})
	require.Equal(t, "ServiceNotFoundException", code(t, err))
	_, err = w.client.ListTagsForResource(ctx, &ecs.ListTagsForResourceInput{ResourceArn: aws.String("nonsense")})
	require.Equal(t, "InvalidParameterException", code(t, err))
}

func TestClusters(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	_, err := w.client.ListTasks(ctx, &ecs.ListTasksInput{})
	require.Equal(t, "ClusterNotFoundException", code(t, err), "there is no default cluster yet")
	_, err = w.client.CreateCluster(ctx, &ecs.CreateClusterInput{})
	require.NoError(t, err)
	w.run(t, w.register(t, "wait", container("main", "wait")))
	w.create(t, serviceOf("web", w.register(t, "web", container("web")), 1))
	w.steady(t, "web")
	out, err := w.client.DescribeClusters(ctx, &ecs.DescribeClustersInput{Clusters: []string{"main", "nobody"}, Include: []types.ClusterField{"STATISTICS", "TAGS"}})
	require.NoError(t, err)
	require.Equal(t, int32(2), out.Clusters[0].RunningTasksCount)
	require.Equal(t, int32(1), out.Clusters[0].ActiveServicesCount)
	require.Equal(t, "MISSING", *out.Failures[0].Reason)
	require.NotEmpty(t, out.Clusters[0].Statistics)
	list, err := w.client.ListClusters(ctx, &ecs.ListClustersInput{})
	require.NoError(t, err)
	require.Len(t, list.ClusterArns, 2)
	_, err = w.client.ListTasks(ctx, &ecs.ListTasksInput{Cluster: aws.String("main"), ServiceName: aws.String("nobody")})
	require.Equal(t, "ServiceNotFoundException", code(t, err))
	for want, in := range map[int]*ecs.ListTasksInput{1: {ServiceName: aws.String("web")}, 2: {}, 0: {Family: aws.String("nobody")}} {
		in.Cluster = aws.String("main")
		tasks, err := w.client.ListTasks(ctx, in)
		require.NoError(t, err)
		require.Len(t, tasks.TaskArns, want)
	}
}

// No input can make a task definition panic, nor pass without the defaults that
// the rest relies on.
func FuzzRegister(f *testing.F) {
	f.Add([]byte(`{"family":"a","cpu":"256","memory":"512","networkMode":"awsvpc","requiresCompatibilities":["FARGATE"],"containerDefinitions":[{"name":"a","image":"b","dependsOn":[{"containerName":"a","condition":"START"}],"healthCheck":{"command":["CMD","x"]},"portMappings":[{"containerPort":1}]}]}`))
	f.Add([]byte(`{"cpu":".25 vcpu","memory":"0.5GB","containerDefinitions":[null]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		var in registerInput
		if wire.DecodeStrict(text, &in) != nil || in.complete("eu-west-1") != nil {
			return
		}
		for _, c := range in.ContainerDefinitions {
			require.NotNil(t, c.Essential)
			require.NotEmpty(t, c.Image)
			if c.HealthCheck != nil {
				require.Positive(t, c.HealthCheck.Interval)
			}
		}
		again := in
		require.NoError(t, again.complete("eu-west-1"), "what AWS gives back can be registered again")
		one, _ := json.Marshal(in)
		two, _ := json.Marshal(again)
		require.JSONEq(t, string(one), string(two))
	})
}
