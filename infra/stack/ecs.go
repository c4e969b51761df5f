package stack

import (
	"fmt"
	"hash/fnv"
	"strconv"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslogs"
	"github.com/aws/jsii-runtime-go"

	"github.com/sluice-ml/sluice/shared/contract"
)

// Of models that ECS serves. ECS has canary deployments of its own, which own the
// listener rule while they run; the services here have none ("ECS", rolling, only
// ever of a slot without traffic), because two writers of one rule undo each
// other's work.
const (
	balancerPort       = 8480
	propagationSeconds = 5
	// A base that never runs needs an image that never changes, or every build of
	// the server would make another.
	placeholderImage = "public.ecr.aws/docker/library/busybox:1.37"
	maxECSModels     = 6 // a Lambda has 4 KB of environment
	maxPriority      = 50000
)

// serving is what models that ECS serves share.
type serving struct {
	cluster, listener, balancer awscdk.CfnResource
	tasks                       *string // security group
	execution                   awsiam.Role
	logs                        awslogs.LogGroup
	roles                       []*string // ARNs that tasks run as
	rules                       []*string // ARNs of the rules that rollouts change
	models                      map[string]any
}

// ecsModels are the models that ECS serves, in order.
func (s Settings) ecsModels() []string {
	var names []string
	for _, model := range s.ModelNames() {
		if s.Models[model].Backend == backendECS {
			names = append(names, model)
		}
	}
	return names
}

// declare is a resource by its type and properties.
func (s *Sluice) declare(id, kind string, properties map[string]any, after ...awscdk.CfnResource) awscdk.CfnResource {
	made := awscdk.NewCfnResource(s.stack, jsii.String(id), &awscdk.CfnResourceProps{Type: jsii.String(kind), Properties: &properties})
	for _, other := range after {
		made.AddResourceDependency(other, nil)
	}
	return made
}

// addServing makes the cluster, the load balancer and, for each model, what its
// rollouts move. Nothing when SageMaker serves every model.
func (s *Sluice) addServing() {
	models := s.settings.ecsModels()
	if len(models) == 0 {
		return
	}
	v := &serving{models: map[string]any{}}
	s.serving = v
	v.cluster = s.declare("ServingCluster", "AWS::ECS::Cluster", map[string]any{"ClusterName": s.name("serving")})
	v.logs = awslogs.NewLogGroup(s.stack, jsii.String("ServingLogs"), &awslogs.LogGroupProps{
		LogGroupName: jsii.String("/sluice/" + s.environment + "/serving"), Retention: s.retention(), RemovalPolicy: awscdk.RemovalPolicy_DESTROY})
	fix(v.logs, "ServingLogs")
	v.execution = awsiam.NewRole(s.stack, jsii.String("ServingExecutionRole"), &awsiam.RoleProps{
		AssumedBy:   awsiam.NewServicePrincipal(jsii.String("ecs-tasks.amazonaws.com"), nil),
		Description: jsii.String("Pulls the model server's image and writes its log")})
	fix(v.execution, "ServingExecutionRole")
	s.grant(v.execution,
		allow("logs:CreateLogStream", "logs:PutLogEvents").on(*v.logs.LogGroupArn()),
		allow("ecr:GetAuthorizationToken").on("*"),
		allow("ecr:BatchCheckLayerAvailability", "ecr:GetDownloadUrlForLayer", "ecr:BatchGetImage").on(*s.training.serverImage.Repository().RepositoryArn()))
	v.roles = append(v.roles, v.execution.RoleArn())
	s.addBalancer()
	for _, model := range models {
		s.addModel(model)
	}
}

// addBalancer makes the internal load balancer and who may reach whom: anybody in
// the network the load balancer, it the tasks, and those AWS over HTTPS.
func (s *Sluice) addBalancer() {
	group := func(id, does string, in, out []any) awscdk.CfnResource {
		return s.declare(id, "AWS::EC2::SecurityGroup", map[string]any{"GroupDescription": does, "VpcId": s.vpc, "SecurityGroupIngress": in, "SecurityGroupEgress": out})
	}
	port := func(n int, peer string, is any, why string) any {
		return map[string]any{"IpProtocol": "tcp", "FromPort": n, "ToPort": n, peer: is, "Description": why}
	}
	front := group("BalancerSecurityGroup", "Sluice models: the load balancer",
		[]any{port(balancerPort, "CidrIp", vpcRange, "whoever asks a model")}, []any{port(contract.ServerPort, "CidrIp", vpcRange, "the model servers")})
	tasks := group("ServingSecurityGroup", "Sluice models: the servers",
		[]any{port(contract.ServerPort, "SourceSecurityGroupId", front.GetAtt(jsii.String("GroupId"), awscdk.ResolutionTypeHint_STRING), "the load balancer")},
		[]any{port(443, "CidrIp", "0.0.0.0/0", "AWS services and the image registry")})
	s.serving.tasks = awscdk.Token_AsString(tasks.GetAtt(jsii.String("GroupId"), awscdk.ResolutionTypeHint_STRING), nil)
	s.serving.balancer = s.declare("Balancer", "AWS::ElasticLoadBalancingV2::LoadBalancer", map[string]any{
		"Name": s.name("models"), "Scheme": "internal", "Type": "application", "Subnets": *s.subnets,
		"SecurityGroups": []any{front.GetAtt(jsii.String("GroupId"), awscdk.ResolutionTypeHint_STRING)}})
	s.serving.listener = s.declare("BalancerListener", "AWS::ElasticLoadBalancingV2::Listener", map[string]any{
		"LoadBalancerArn": s.serving.balancer.Ref(), "Port": balancerPort, "Protocol": "HTTP",
		"DefaultActions": []any{answer("404", `{"error":"no such model: say it in the header `+contract.HeaderModel+`"}`)}})
}

func answer(status, body string) any {
	return map[string]any{"Type": "fixed-response", "FixedResponseConfig": map[string]any{"StatusCode": status, "ContentType": "application/json", "MessageBody": body}}
}

// addModel makes a model's two target groups with their side doors, its rule, the
// base of its task definitions and two services without tasks.
//
// Rollouts change the rule's action, and the services' task definitions and
// counts. CloudFormation puts back what the template says when it updates such a
// resource, so nothing of these may depend on what changes: priorities come from
// the model's name, and services name the base's family, not its revision.
func (s *Sluice) addModel(model string) {
	id, priority := pascal(model), priorityOf(model)
	role := s.taskRole(model)
	base := s.base(model, role)
	groups := map[string]any{}
	for i, slot := range []string{contract.SlotBlue, contract.SlotGreen} {
		group := s.targetGroup(id + pascal(slot))
		groups[slot] = group.Ref()
		door := s.listenerRule("Door"+id+pascal(slot), priority+i, map[string]any{"Type": "forward", "TargetGroupArn": group.Ref()},
			header(contract.HeaderModel, model), header(contract.HeaderSlot, slot))
		s.service(model, slot, group, base, door)
	}
	rule := s.listenerRule("Rule"+id, priority+2, answer("503", `{"error":"no version of this model is released"}`), header(contract.HeaderModel, model))
	s.serving.rules = append(s.serving.rules, rule.Ref())
	s.serving.roles = append(s.serving.roles, role.RoleArn())
	s.serving.models[model] = map[string]any{"rule": rule.Ref(), "groups": groups}
	s.groups[model] = map[string]*string{}
	for slot, arn := range groups {
		// "arn:…:targetgroup/name/id" → "targetgroup/name/id", as metrics name it.
		s.groups[model][slot] = awscdk.Fn_Select(jsii.Number(5), awscdk.Fn_Split(jsii.String(":"), arn.(*string), nil))
	}
}

func header(name, value string) any {
	return map[string]any{"Field": "http-header", "HttpHeaderConfig": map[string]any{"HttpHeaderName": name, "Values": []any{value}}}
}

// priorityOf is the first of a model's three priorities: its own whatever other
// models there are.
func priorityOf(model string) int {
	sum := fnv.New32a()
	_, _ = sum.Write([]byte(model))
	return 1 + 3*int(sum.Sum32()%((maxPriority-3)/3))
}

func (s *Sluice) listenerRule(id string, priority int, action any, conditions ...any) awscdk.CfnResource {
	return s.declare(id, "AWS::ElasticLoadBalancingV2::ListenerRule", map[string]any{
		"ListenerArn": s.serving.listener.Ref(), "Priority": priority, "Actions": []any{action}, "Conditions": conditions})
}

func (s *Sluice) targetGroup(id string) awscdk.CfnResource {
	return s.declare("Group"+id, "AWS::ElasticLoadBalancingV2::TargetGroup", map[string]any{
		"Port": contract.ServerPort, "Protocol": "HTTP", "TargetType": "ip", "VpcId": s.vpc,
		"HealthCheckPath": "/ping", "HealthCheckIntervalSeconds": 5, "HealthCheckTimeoutSeconds": 2, "HealthyThresholdCount": 2, "UnhealthyThresholdCount": 2,
		"TargetGroupAttributes": []any{map[string]any{"Key": "deregistration_delay.timeout_seconds", "Value": "30"}}})
}

// taskRole lets a model's servers read that model and keep what it was asked, and
// nothing else.
func (s *Sluice) taskRole(model string) awsiam.Role {
	id := "Task" + pascal(model) + "Role"
	role := awsiam.NewRole(s.stack, jsii.String(id), &awsiam.RoleProps{
		AssumedBy: awsiam.NewServicePrincipal(jsii.String("ecs-tasks.amazonaws.com"), nil), Description: jsii.String("What the servers of " + model + " run as")})
	fix(role, id)
	s.grant(role, allow("s3:GetObject", "s3:GetObjectVersion").on(s.in(s.store, "runs/"+model+"/*/"+contract.FileModel)),
		allow("s3:PutObject").on(s.in(s.store, contract.CapturePrefix+contract.EndpointName(s.environment, model)+"/*")))
	return role
}

// base is what every version's task definition is a copy of.
func (s *Sluice) base(model string, role awsiam.Role) awscdk.CfnResource {
	architecture := map[string]string{"x86_64": "X86_64", "arm64": "ARM64"}[s.settings.Architecture]
	return s.declare("Base"+pascal(model), "AWS::ECS::TaskDefinition", map[string]any{
		"Family": contract.EndpointName(s.environment, model), "Cpu": "1024", "Memory": "2048", "NetworkMode": "awsvpc", "RequiresCompatibilities": []any{"FARGATE"},
		"RuntimePlatform": map[string]any{"CpuArchitecture": architecture, "OperatingSystemFamily": "LINUX"},
		"TaskRoleArn":     role.RoleArn(), "ExecutionRoleArn": s.serving.execution.RoleArn(),
		"ContainerDefinitions": []any{map[string]any{
			"Name": contract.ServerContainer, "Image": placeholderImage, "Essential": true, "Command": []any{"serve"}, "StopTimeout": 60,
			"Environment": []any{
				map[string]any{"Name": contract.EnvCapture, "Value": awscdk.Fn_Join(jsii.String(""), &[]*string{jsii.String("s3://"), s.store.BucketName(), jsii.String("/" + contract.CapturePrefix + contract.EndpointName(s.environment, model))})},
				map[string]any{"Name": contract.EnvCaptureEvery, "Value": strconv.Itoa(s.settings.MetricPeriodSeconds)}},
			"PortMappings": []any{map[string]any{"ContainerPort": contract.ServerPort, "Protocol": "tcp"}},
			"LogConfiguration": map[string]any{"LogDriver": "awslogs", "Options": map[string]any{
				"awslogs-group": s.serving.logs.LogGroupName(), "awslogs-region": s.stack.Region(), "awslogs-stream-prefix": model}}}}})
}

func (s *Sluice) service(model, slot string, group, base, door awscdk.CfnResource) {
	family := contract.EndpointName(s.environment, model)
	s.declare("Service"+pascal(model)+pascal(slot), "AWS::ECS::Service", map[string]any{
		"ServiceName": family + "-" + slot, "Cluster": s.serving.cluster.Ref(), "TaskDefinition": family, "DesiredCount": 0, "LaunchType": "FARGATE",
		"DeploymentConfiguration":       map[string]any{"MinimumHealthyPercent": 100, "MaximumPercent": 200, "DeploymentCircuitBreaker": map[string]any{"Enable": true, "Rollback": false}},
		"NetworkConfiguration":          map[string]any{"AwsvpcConfiguration": map[string]any{"Subnets": *s.subnets, "SecurityGroups": []any{s.serving.tasks}, "AssignPublicIp": "ENABLED"}},
		"HealthCheckGracePeriodSeconds": 60,
		"LoadBalancers":                 []any{map[string]any{"TargetGroupArn": group.Ref(), "ContainerName": contract.ServerContainer, "ContainerPort": contract.ServerPort}},
	}, base, door)
}

// servingURL is where the models are asked.
func (s *Sluice) servingURL() *string {
	name := awscdk.Token_AsString(s.serving.balancer.GetAtt(jsii.String("DNSName"), awscdk.ResolutionTypeHint_STRING), nil)
	return awscdk.Fn_Join(jsii.String(""), &[]*string{jsii.String("http://"), name, jsii.String(":" + strconv.Itoa(balancerPort))})
}

// probeSpec is the function that asks the load balancer for the others.
func (s *Sluice) probeSpec() spec {
	return spec{id: "Probe", folder: "probe", does: "Asks the load balancer of the models that ECS serves, from within its network", seconds: 30, memoryMB: 128,
		environment: map[string]*string{contract.EnvProbeURL: s.servingURL()}, inside: true,
		grants: []statement{allow("ec2:CreateNetworkInterface", "ec2:DescribeNetworkInterfaces", "ec2:DeleteNetworkInterface").on("*")}}
}

// probeGroup lets the probe out to the load balancer.
func (s *Sluice) probeGroup() any {
	return s.declare("ProbeSecurityGroup", "AWS::EC2::SecurityGroup", map[string]any{"GroupDescription": "Sluice models: the probe", "VpcId": s.vpc,
		"SecurityGroupEgress": []any{map[string]any{"IpProtocol": "tcp", "FromPort": balancerPort, "ToPort": balancerPort, "CidrIp": vpcRange, "Description": "the load balancer"}}},
	).GetAtt(jsii.String("GroupId"), awscdk.ResolutionTypeHint_STRING)
}

// servingEnvironment is what the rollout functions are told.
func (s *Sluice) servingEnvironment() *string {
	return s.stack.ToJsonString(map[string]any{"cluster": s.name("serving"), "url": s.servingURL(), "probe": s.name("probe"),
		"propagationSeconds": propagationSeconds, "periodSeconds": s.settings.BalancerPeriodSeconds, "models": s.serving.models}, nil)
}

// looksAtServing and movesServing are what reading and changing take. ECS's and
// the load balancers' reading calls know no narrower resource, and registering a
// task definition neither.
func (s *Sluice) looksAtServing() []statement {
	return []statement{
		allow("ecs:DescribeServices").on(s.services()),
		allow("ecs:DescribeTaskDefinition", "elasticloadbalancing:DescribeRules", "elasticloadbalancing:DescribeTags", "elasticloadbalancing:DescribeTargetHealth").on("*"),
	}
}

func (s *Sluice) movesServing() []statement {
	modify := allow("elasticloadbalancing:ModifyRule", "elasticloadbalancing:AddTags")
	for _, rule := range s.serving.rules {
		modify = modify.on(*rule)
	}
	pass := allow("iam:PassRole").when(map[string]any{"StringEquals": map[string]any{"iam:PassedToService": "ecs-tasks.amazonaws.com"}})
	for _, role := range s.serving.roles {
		pass = pass.on(*role)
	}
	return append(s.looksAtServing(), allow("ecs:UpdateService").on(s.services()), allow("ecs:RegisterTaskDefinition").on("*"), modify, pass,
		allow("lambda:InvokeFunction").on(*s.arn("lambda", "function", s.name("probe"), awscdk.ArnFormat_COLON_RESOURCE_NAME)))
}

func (s *Sluice) services() string {
	return *s.arn("ecs", "service", s.name("serving")+"/sluice-"+s.environment+"-*", awscdk.ArnFormat_SLASH_RESOURCE_NAME)
}

// checkECS says what cannot be of the models that ECS serves.
func (s Settings) checkECS() error {
	models, taken := s.ecsModels(), map[int]string{}
	if len(models) > maxECSModels {
		return fmt.Errorf("%d models have the backend ecs: at most %d fit into a function's environment; use another stack for the others", len(models), maxECSModels)
	}
	for _, model := range models {
		if other := taken[priorityOf(model)]; other != "" {
			return fmt.Errorf("models %s and %s would have one listener priority: rename one", other, model)
		}
		taken[priorityOf(model)] = model
	}
	return nil
}
