package stack

import (
	"path/filepath"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsbatch"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsec2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsecrassets"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslogs"
	"github.com/aws/jsii-runtime-go"
)

// training is Batch: two GPU compute environments (Spot first, on demand
// behind it), their queue, and the job definitions.
type training struct {
	queue                   awsbatch.CfnJobQueue
	trainer, evaluator      awsbatch.CfnJobDefinition
	trainerImage, evalImage awsecrassets.DockerImageAsset
	serverImage             awsecrassets.DockerImageAsset
	ownJobs                 []string // of models that bring their own images
}

// A g4dn.xlarge has 4 vCPU, 16 GiB and one T4; ECS keeps about 1 GiB.
const (
	jobVCPUs     = "4"
	jobMemoryMiB = "14000"
	// Three attempts of 35 minutes fit a run's deadline of two hours.
	jobAttempts       = 3
	jobAttemptSeconds = 2100
)

// vpcRange is the network's addresses.
const vpcRange = "10.64.0.0/16"

func (s *Sluice) addTraining() {
	subnets, group := s.addNetwork()
	s.subnets = subnets
	instanceRole := awsiam.NewRole(s.stack, jsii.String("TrainingInstanceRole"), &awsiam.RoleProps{
		AssumedBy:       awsiam.NewServicePrincipal(jsii.String("ec2.amazonaws.com"), nil),
		ManagedPolicies: &[]awsiam.IManagedPolicy{awsiam.ManagedPolicy_FromAwsManagedPolicyName(jsii.String("service-role/AmazonEC2ContainerServiceforEC2Role"))},
	})
	fix(instanceRole, "TrainingInstanceRole")
	profile := awsiam.NewCfnInstanceProfile(s.stack, jsii.String("TrainingInstanceProfile"), &awsiam.CfnInstanceProfileProps{
		Roles: &[]any{instanceRole.RoleName()},
	})
	environment := func(id, kind, allocation string) awsbatch.CfnComputeEnvironment {
		return awsbatch.NewCfnComputeEnvironment(s.stack, jsii.String(id), &awsbatch.CfnComputeEnvironmentProps{
			Type:  jsii.String("MANAGED"),
			State: jsii.String("ENABLED"),
			ComputeResources: &awsbatch.CfnComputeEnvironment_ComputeResourcesProperty{
				Type:               jsii.String(kind),
				AllocationStrategy: jsii.String(allocation),
				MinvCpus:           jsii.Number(0),
				MaxvCpus:           jsii.Number(s.settings.MaxTrainingVCPUs),
				InstanceTypes:      jsii.Strings(s.settings.TrainingInstanceType),
				InstanceRole:       profile.AttrArn(),
				Subnets:            subnets,
				SecurityGroupIds:   &[]*string{group},
			},
		})
	}
	spot := environment("TrainingSpot", "SPOT", "SPOT_PRICE_CAPACITY_OPTIMIZED")
	onDemand := environment("TrainingOnDemand", "EC2", "BEST_FIT_PROGRESSIVE")
	s.training.queue = awsbatch.NewCfnJobQueue(s.stack, jsii.String("TrainingQueue"), &awsbatch.CfnJobQueueProps{
		JobQueueName: jsii.String(s.name("training")),
		Priority:     jsii.Number(1),
		State:        jsii.String("ENABLED"),
		ComputeEnvironmentOrder: &[]any{
			&awsbatch.CfnJobQueue_ComputeEnvironmentOrderProperty{Order: jsii.Number(1), ComputeEnvironment: spot.AttrComputeEnvironmentArn()},
			&awsbatch.CfnJobQueue_ComputeEnvironmentOrderProperty{Order: jsii.Number(2), ComputeEnvironment: onDemand.AttrComputeEnvironmentArn()},
		},
	})
	s.training.trainerImage = s.image("TrainerImage", "trainer")
	s.training.evalImage = s.image("EvaluatorImage", "evaluator")
	s.training.serverImage = s.image("ServerImage", "server")
	logs := awslogs.NewLogGroup(s.stack, jsii.String("JobLogs"), &awslogs.LogGroupProps{
		LogGroupName:  jsii.String("/sluice/" + s.environment + "/jobs"),
		Retention:     s.retention(),
		RemovalPolicy: awscdk.RemovalPolicy_DESTROY,
	})
	fix(logs, "JobLogs")
	s.training.trainer = s.job("TrainerJob", "trainer", s.training.trainerImage, logs)
	s.training.evaluator = s.job("EvaluatorJob", "evaluator", s.training.evalImage, logs)
	s.addOwnImages(logs)
}

// addNetwork makes the training hosts' network: public subnets with nothing
// let in, and S3 by its gateway, so there is no NAT to pay for while idle.
func (s *Sluice) addNetwork() (subnets *[]*string, group *string) {
	vpc := awsec2.NewCfnVPC(s.stack, jsii.String("TrainingVpc"), &awsec2.CfnVPCProps{
		CidrBlock: jsii.String(vpcRange), EnableDnsHostnames: jsii.Bool(true), EnableDnsSupport: jsii.Bool(true),
	})
	s.vpc = vpc.AttrVpcId()
	gateway := awsec2.NewCfnInternetGateway(s.stack, jsii.String("TrainingGateway"), &awsec2.CfnInternetGatewayProps{})
	attachment := awsec2.NewCfnVPCGatewayAttachment(s.stack, jsii.String("TrainingGatewayAttachment"), &awsec2.CfnVPCGatewayAttachmentProps{
		VpcId: vpc.AttrVpcId(), InternetGatewayId: gateway.AttrInternetGatewayId(),
	})
	table := awsec2.NewCfnRouteTable(s.stack, jsii.String("TrainingRoutes"), &awsec2.CfnRouteTableProps{VpcId: vpc.AttrVpcId()})
	route := awsec2.NewCfnRoute(s.stack, jsii.String("TrainingDefaultRoute"), &awsec2.CfnRouteProps{
		RouteTableId: table.AttrRouteTableId(), DestinationCidrBlock: jsii.String("0.0.0.0/0"), GatewayId: gateway.AttrInternetGatewayId(),
	})
	route.AddResourceDependency(attachment, nil)
	awsec2.NewCfnVPCEndpoint(s.stack, jsii.String("TrainingS3Endpoint"), &awsec2.CfnVPCEndpointProps{
		VpcId: vpc.AttrVpcId(), ServiceName: jsii.String("com.amazonaws." + *s.stack.Region() + ".s3"),
		VpcEndpointType: jsii.String("Gateway"), RouteTableIds: &[]any{table.AttrRouteTableId()},
	})
	ids := []*string{}
	for i, zone := range []string{"A", "B"} {
		subnet := awsec2.NewCfnSubnet(s.stack, jsii.String("TrainingSubnet"+zone), &awsec2.CfnSubnetProps{
			VpcId:               vpc.AttrVpcId(),
			CidrBlock:           jsii.String("10.64." + []string{"0", "64"}[i] + ".0/18"),
			AvailabilityZone:    awscdk.Fn_Select(jsii.Number(i), awscdk.Fn_GetAzs(nil)),
			MapPublicIpOnLaunch: jsii.Bool(true),
		})
		awsec2.NewCfnSubnetRouteTableAssociation(s.stack, jsii.String("TrainingSubnetRoutes"+zone), &awsec2.CfnSubnetRouteTableAssociationProps{
			SubnetId: subnet.AttrSubnetId(), RouteTableId: table.AttrRouteTableId(),
		})
		ids = append(ids, subnet.AttrSubnetId())
	}
	security := awsec2.NewCfnSecurityGroup(s.stack, jsii.String("TrainingSecurityGroup"), &awsec2.CfnSecurityGroupProps{
		GroupDescription: jsii.String("Sluice training hosts: nothing in, HTTPS out"),
		VpcId:            vpc.AttrVpcId(),
		SecurityGroupEgress: &[]any{&awsec2.CfnSecurityGroup_EgressProperty{
			IpProtocol: jsii.String("tcp"), FromPort: jsii.Number(443), ToPort: jsii.Number(443), CidrIp: jsii.String("0.0.0.0/0"),
			Description: jsii.String("AWS services and image registries"),
		}},
	})
	return &ids, security.AttrGroupId()
}

// image is a container image built from a prebuilt program and its Dockerfile.
func (s *Sluice) image(id, name string) awsecrassets.DockerImageAsset {
	platform := awsecrassets.Platform_LINUX_AMD64()
	if s.settings.Architecture == "arm64" {
		platform = awsecrassets.Platform_LINUX_ARM64()
	}
	return awsecrassets.NewDockerImageAsset(s.stack, jsii.String(id), &awsecrassets.DockerImageAssetProps{
		Directory: jsii.String(filepath.Join(s.settings.BuildDirectory, "images", name)),
		Platform:  platform,
	})
}

func (s *Sluice) job(id, name string, image awsecrassets.DockerImageAsset, logs awslogs.LogGroup) awsbatch.CfnJobDefinition {
	role := awsiam.NewRole(s.stack, jsii.String(id+"Role"), &awsiam.RoleProps{
		AssumedBy: awsiam.NewServicePrincipal(jsii.String("ecs-tasks.amazonaws.com"), nil),
	})
	fix(role, id+"Role")
	s.grant(role,
		allow("s3:GetObject", "s3:GetObjectVersion").on(s.in(s.lake, "raw/*"), s.in(s.store, "runs/*"), s.in(s.store, "configs/*"), s.in(s.store, "datasets/*")),
		allow("s3:PutObject").on(s.in(s.store, "runs/*")),
		allow("s3:ListBucket").on(*s.lake.BucketArn(), *s.store.BucketArn()),
	)
	requirement := func(kind, value string) any {
		return &awsbatch.CfnJobDefinition_ResourceRequirementProperty{Type: jsii.String(kind), Value: jsii.String(value)}
	}
	variable := func(name string, value *string) any {
		return &awsbatch.CfnJobDefinition_EnvironmentProperty{Name: jsii.String(name), Value: value}
	}
	return awsbatch.NewCfnJobDefinition(s.stack, jsii.String(id), &awsbatch.CfnJobDefinitionProps{
		Type:                 jsii.String("container"),
		JobDefinitionName:    jsii.String(s.name(name)),
		PlatformCapabilities: jsii.Strings("EC2"),
		ContainerProperties: &awsbatch.CfnJobDefinition_ContainerPropertiesProperty{
			Image:                image.ImageUri(),
			JobRoleArn:           role.RoleArn(),
			ResourceRequirements: &[]any{requirement("VCPU", jobVCPUs), requirement("MEMORY", jobMemoryMiB), requirement("GPU", "1")},
			Environment: &[]any{
				variable("SLUICE_ENVIRONMENT", jsii.String(s.environment)),
				variable("SLUICE_LAKE_BUCKET", s.lake.BucketName()),
				variable("SLUICE_STORE_BUCKET", s.store.BucketName()),
			},
			LogConfiguration: &awsbatch.CfnJobDefinition_LogConfigurationProperty{
				LogDriver: jsii.String("awslogs"),
				Options: &map[string]*string{
					"awslogs-group":         logs.LogGroupName(),
					"awslogs-region":        s.stack.Region(),
					"awslogs-stream-prefix": jsii.String(name),
				},
			},
		},
		// The first match wins and no match means retry, hence the last rule.
		RetryStrategy: &awsbatch.CfnJobDefinition_RetryStrategyProperty{
			Attempts: jsii.Number(jobAttempts),
			EvaluateOnExit: &[]any{
				&awsbatch.CfnJobDefinition_EvaluateOnExitProperty{OnStatusReason: jsii.String("Host EC2*"), Action: jsii.String("RETRY")},
				&awsbatch.CfnJobDefinition_EvaluateOnExitProperty{OnExitCode: jsii.String("64"), Action: jsii.String("EXIT")},
				&awsbatch.CfnJobDefinition_EvaluateOnExitProperty{OnExitCode: jsii.String("75"), Action: jsii.String("RETRY")},
				&awsbatch.CfnJobDefinition_EvaluateOnExitProperty{OnReason: jsii.String("CannotPullContainerError*"), Action: jsii.String("RETRY")},
				&awsbatch.CfnJobDefinition_EvaluateOnExitProperty{OnReason: jsii.String("*"), Action: jsii.String("EXIT")},
			},
		},
		Timeout: &awsbatch.CfnJobDefinition_TimeoutProperty{AttemptDurationSeconds: jsii.Number(jobAttemptSeconds)},
	})
}
