package awssdk

import (
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/batch"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sagemaker"
	"github.com/aws/aws-sdk-go-v2/service/sagemakerruntime"
	"github.com/aws/aws-sdk-go-v2/service/scheduler"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sts"
)

// serves makes a service of the operations that the local stack serves.
func serves(prefix string, operations ...operation) service {
	s := service{prefix: prefix, operations: make(map[string]operation, len(operations))}
	for _, o := range operations {
		s.operations[o.name] = o
	}
	return s
}

// services are all services by the name that resources have for them.
func services(config aws.Config) map[string]service {
	return map[string]service{
		"batch": batchService(batch.NewFromConfig(config)), "cloudwatch": cloudwatchService(cloudwatch.NewFromConfig(config)),
		"cloudwatchlogs": logsService(cloudwatchlogs.NewFromConfig(config)), "eventbridge": eventsService(eventbridge.NewFromConfig(config)),
		"ecs": ecsService(ecs.NewFromConfig(config)), "elasticloadbalancingv2": elbService(elasticloadbalancingv2.NewFromConfig(config)),
		"kms": kmsService(kms.NewFromConfig(config)), "lambda": lambdaService(lambda.NewFromConfig(config)),
		"s3":               s3Service(s3.NewFromConfig(config, func(o *s3.Options) { o.UsePathStyle = true })),
		"sagemaker":        sagemakerService(sagemaker.NewFromConfig(config)),
		"sagemakerruntime": runtimeService(sagemakerruntime.NewFromConfig(config)),
		"scheduler":        schedulerService(scheduler.NewFromConfig(config)), "sfn": sfnService(sfn.NewFromConfig(config)),
		"sns": snsService(sns.NewFromConfig(config)), "sqs": sqsService(config), "sts": stsService(sts.NewFromConfig(config)),
	}
}

func batchService(c *batch.Client) service {
	return serves("Batch", op(c, (*batch.Client).SubmitJob), op(c, (*batch.Client).DescribeJobs), op(c, (*batch.Client).ListJobs),
		op(c, (*batch.Client).CancelJob), op(c, (*batch.Client).TerminateJob),
		op(c, (*batch.Client).DescribeJobQueues), op(c, (*batch.Client).UpdateJobQueue),
		op(c, (*batch.Client).DescribeComputeEnvironments), op(c, (*batch.Client).DescribeJobDefinitions),
		op(c, (*batch.Client).RegisterJobDefinition), op(c, (*batch.Client).DeregisterJobDefinition),
		op(c, (*batch.Client).TagResource), op(c, (*batch.Client).UntagResource), op(c, (*batch.Client).ListTagsForResource))
}

func cloudwatchService(c *cloudwatch.Client) service {
	return serves("CloudWatch", op(c, (*cloudwatch.Client).PutMetricData), op(c, (*cloudwatch.Client).GetMetricData),
		op(c, (*cloudwatch.Client).GetMetricStatistics), op(c, (*cloudwatch.Client).ListMetrics),
		op(c, (*cloudwatch.Client).PutMetricAlarm), op(c, (*cloudwatch.Client).PutCompositeAlarm), op(c, (*cloudwatch.Client).DescribeAlarms),
		op(c, (*cloudwatch.Client).DeleteAlarms), op(c, (*cloudwatch.Client).SetAlarmState),
		op(c, (*cloudwatch.Client).EnableAlarmActions), op(c, (*cloudwatch.Client).DisableAlarmActions),
		op(c, (*cloudwatch.Client).DescribeAlarmsForMetric), op(c, (*cloudwatch.Client).DescribeAlarmHistory),
		op(c, (*cloudwatch.Client).TagResource), op(c, (*cloudwatch.Client).UntagResource),
		op(c, (*cloudwatch.Client).ListTagsForResource))
}

func logsService(c *cloudwatchlogs.Client) service {
	return serves("CloudWatchLogs", op(c, (*cloudwatchlogs.Client).CreateLogGroup), op(c, (*cloudwatchlogs.Client).CreateLogStream),
		op(c, (*cloudwatchlogs.Client).PutLogEvents), op(c, (*cloudwatchlogs.Client).DescribeLogGroups),
		op(c, (*cloudwatchlogs.Client).DescribeLogStreams), op(c, (*cloudwatchlogs.Client).GetLogEvents), op(c, (*cloudwatchlogs.Client).FilterLogEvents))
}

func eventsService(c *eventbridge.Client) service {
	return serves("EventBridge", op(c, (*eventbridge.Client).PutEvents), op(c, (*eventbridge.Client).PutRule), op(c, (*eventbridge.Client).DescribeRule),
		op(c, (*eventbridge.Client).ListRules), op(c, (*eventbridge.Client).EnableRule), op(c, (*eventbridge.Client).DisableRule),
		op(c, (*eventbridge.Client).DeleteRule), op(c, (*eventbridge.Client).PutTargets), op(c, (*eventbridge.Client).ListTargetsByRule),
		op(c, (*eventbridge.Client).RemoveTargets), op(c, (*eventbridge.Client).TestEventPattern))
}

func kmsService(c *kms.Client) service {
	return serves("Kms", op(c, (*kms.Client).Sign), op(c, (*kms.Client).Verify), op(c, (*kms.Client).GetPublicKey), op(c, (*kms.Client).DescribeKey))
}

func lambdaService(c *lambda.Client) service {
	return serves("Lambda", op(c, (*lambda.Client).Invoke), op(c, (*lambda.Client).GetFunction),
		op(c, (*lambda.Client).GetFunctionConfiguration), op(c, (*lambda.Client).ListFunctions),
		op(c, (*lambda.Client).UpdateFunctionConfiguration), op(c, (*lambda.Client).GetFunctionConcurrency),
		op(c, (*lambda.Client).PutFunctionConcurrency), op(c, (*lambda.Client).DeleteFunctionConcurrency),
		op(c, (*lambda.Client).GetPolicy), op(c, (*lambda.Client).AddPermission), op(c, (*lambda.Client).RemovePermission),
		op(c, (*lambda.Client).PutFunctionEventInvokeConfig), op(c, (*lambda.Client).UpdateFunctionEventInvokeConfig),
		op(c, (*lambda.Client).GetFunctionEventInvokeConfig), op(c, (*lambda.Client).DeleteFunctionEventInvokeConfig),
		op(c, (*lambda.Client).ListFunctionEventInvokeConfigs))
}

func s3Service(c *s3.Client) service {
	return serves("S3", op(c, (*s3.Client).ListBuckets), op(c, (*s3.Client).HeadBucket), op(c, (*s3.Client).GetBucketVersioning),
		op(c, (*s3.Client).GetBucketLifecycleConfiguration), op(c, (*s3.Client).PutObject), op(c, (*s3.Client).GetObject),
		op(c, (*s3.Client).HeadObject), op(c, (*s3.Client).DeleteObject), op(c, (*s3.Client).DeleteObjects), op(c, (*s3.Client).CopyObject),
		op(c, (*s3.Client).ListObjectsV2), op(c, (*s3.Client).ListObjectVersions), op(c, (*s3.Client).CreateMultipartUpload),
		op(c, (*s3.Client).UploadPart), op(c, (*s3.Client).CompleteMultipartUpload), op(c, (*s3.Client).AbortMultipartUpload),
		op(c, (*s3.Client).CreateBucket), op(c, (*s3.Client).DeleteBucket), op(c, (*s3.Client).PutBucketLifecycleConfiguration),
		op(c, (*s3.Client).DeleteBucketLifecycle), op(c, (*s3.Client).GetObjectLockConfiguration),
		op(c, (*s3.Client).PutObjectLockConfiguration), op(c, (*s3.Client).GetObjectAttributes), op(c, (*s3.Client).GetObjectTagging),
		op(c, (*s3.Client).PutObjectTagging), op(c, (*s3.Client).DeleteObjectTagging), op(c, (*s3.Client).GetObjectLegalHold),
		op(c, (*s3.Client).PutObjectLegalHold), op(c, (*s3.Client).GetObjectRetention), op(c, (*s3.Client).PutObjectRetention),
		op(c, (*s3.Client).ListObjects), op(c, (*s3.Client).ListParts), op(c, (*s3.Client).ListMultipartUploads))
}

func sagemakerService(c *sagemaker.Client) service {
	return serves("SageMaker", op(c, (*sagemaker.Client).CreateModel), op(c, (*sagemaker.Client).DescribeModel), op(c, (*sagemaker.Client).DeleteModel),
		op(c, (*sagemaker.Client).CreateEndpointConfig), op(c, (*sagemaker.Client).DescribeEndpointConfig),
		op(c, (*sagemaker.Client).ListEndpointConfigs), op(c, (*sagemaker.Client).DeleteEndpointConfig),
		op(c, (*sagemaker.Client).CreateEndpoint), op(c, (*sagemaker.Client).DescribeEndpoint), op(c, (*sagemaker.Client).ListEndpoints),
		op(c, (*sagemaker.Client).UpdateEndpoint), op(c, (*sagemaker.Client).UpdateEndpointWeightsAndCapacities), op(c, (*sagemaker.Client).DeleteEndpoint),
		op(c, (*sagemaker.Client).CreateModelPackageGroup), op(c, (*sagemaker.Client).DescribeModelPackageGroup),
		op(c, (*sagemaker.Client).CreateModelPackage), op(c, (*sagemaker.Client).DescribeModelPackage),
		op(c, (*sagemaker.Client).ListModelPackages), op(c, (*sagemaker.Client).UpdateModelPackage))
}

func runtimeService(c *sagemakerruntime.Client) service {
	return serves("SageMakerRuntime", op(c, (*sagemakerruntime.Client).InvokeEndpoint))
}

func schedulerService(c *scheduler.Client) service {
	return serves("Scheduler", op(c, (*scheduler.Client).CreateSchedule), op(c, (*scheduler.Client).GetSchedule),
		op(c, (*scheduler.Client).UpdateSchedule), op(c, (*scheduler.Client).ListSchedules), op(c, (*scheduler.Client).DeleteSchedule),
		op(c, (*scheduler.Client).CreateScheduleGroup), op(c, (*scheduler.Client).GetScheduleGroup),
		op(c, (*scheduler.Client).ListScheduleGroups), op(c, (*scheduler.Client).DeleteScheduleGroup),
		op(c, (*scheduler.Client).TagResource), op(c, (*scheduler.Client).UntagResource),
		op(c, (*scheduler.Client).ListTagsForResource))
}

func sfnService(c *sfn.Client) service {
	return serves("Sfn", op(c, (*sfn.Client).CreateStateMachine), op(c, (*sfn.Client).UpdateStateMachine), op(c, (*sfn.Client).DeleteStateMachine),
		op(c, (*sfn.Client).DescribeStateMachine), op(c, (*sfn.Client).DescribeStateMachineForExecution), op(c, (*sfn.Client).ListStateMachines),
		op(c, (*sfn.Client).ValidateStateMachineDefinition), op(c, (*sfn.Client).StartExecution), op(c, (*sfn.Client).DescribeExecution),
		op(c, (*sfn.Client).GetExecutionHistory), op(c, (*sfn.Client).ListExecutions), op(c, (*sfn.Client).StopExecution), op(c, (*sfn.Client).RedriveExecution),
		op(c, (*sfn.Client).ListTagsForResource), op(c, (*sfn.Client).TagResource), op(c, (*sfn.Client).UntagResource),
		op(c, (*sfn.Client).SendTaskSuccess), op(c, (*sfn.Client).SendTaskFailure), op(c, (*sfn.Client).SendTaskHeartbeat),
		op(c, (*sfn.Client).DescribeMapRun), op(c, (*sfn.Client).ListMapRuns), op(c, (*sfn.Client).UpdateMapRun))
}

func snsService(c *sns.Client) service {
	return serves("Sns", op(c, (*sns.Client).CreateTopic), op(c, (*sns.Client).ListTopics), op(c, (*sns.Client).Publish),
		op(c, (*sns.Client).Subscribe), op(c, (*sns.Client).ListSubscriptionsByTopic),
		op(c, (*sns.Client).Unsubscribe), op(c, (*sns.Client).GetSubscriptionAttributes),
		op(c, (*sns.Client).SetSubscriptionAttributes))
}

func stsService(c *sts.Client) service {
	return serves("Sts", op(c, (*sts.Client).GetCallerIdentity))
}

func ecsService(c *ecs.Client) service {
	return serves("Ecs",
		op(c, (*ecs.Client).CreateCluster), op(c, (*ecs.Client).DescribeClusters), op(c, (*ecs.Client).ListClusters),
		op(c, (*ecs.Client).DeleteCluster), op(c, (*ecs.Client).RegisterTaskDefinition), op(c, (*ecs.Client).DescribeTaskDefinition),
		op(c, (*ecs.Client).ListTaskDefinitions), op(c, (*ecs.Client).ListTaskDefinitionFamilies),
		op(c, (*ecs.Client).DeregisterTaskDefinition), op(c, (*ecs.Client).CreateService), op(c, (*ecs.Client).UpdateService),
		op(c, (*ecs.Client).DescribeServices), op(c, (*ecs.Client).ListServices), op(c, (*ecs.Client).DeleteService),
		op(c, (*ecs.Client).RunTask), op(c, (*ecs.Client).StopTask), op(c, (*ecs.Client).DescribeTasks),
		op(c, (*ecs.Client).ListTasks), op(c, (*ecs.Client).TagResource), op(c, (*ecs.Client).UntagResource),
		op(c, (*ecs.Client).ListTagsForResource))
}

func elbService(c *elasticloadbalancingv2.Client) service {
	return serves("ElasticLoadBalancingV2",
		op(c, (*elasticloadbalancingv2.Client).CreateLoadBalancer), op(c, (*elasticloadbalancingv2.Client).DescribeLoadBalancers),
		op(c, (*elasticloadbalancingv2.Client).DescribeLoadBalancerAttributes),
		op(c, (*elasticloadbalancingv2.Client).ModifyLoadBalancerAttributes),
		op(c, (*elasticloadbalancingv2.Client).DeleteLoadBalancer), op(c, (*elasticloadbalancingv2.Client).CreateTargetGroup),
		op(c, (*elasticloadbalancingv2.Client).DescribeTargetGroups), op(c, (*elasticloadbalancingv2.Client).ModifyTargetGroup),
		op(c, (*elasticloadbalancingv2.Client).DescribeTargetGroupAttributes),
		op(c, (*elasticloadbalancingv2.Client).ModifyTargetGroupAttributes), op(c, (*elasticloadbalancingv2.Client).DeleteTargetGroup),
		op(c, (*elasticloadbalancingv2.Client).RegisterTargets), op(c, (*elasticloadbalancingv2.Client).DeregisterTargets),
		op(c, (*elasticloadbalancingv2.Client).DescribeTargetHealth), op(c, (*elasticloadbalancingv2.Client).CreateListener),
		op(c, (*elasticloadbalancingv2.Client).DescribeListeners), op(c, (*elasticloadbalancingv2.Client).ModifyListener),
		op(c, (*elasticloadbalancingv2.Client).DeleteListener), op(c, (*elasticloadbalancingv2.Client).CreateRule),
		op(c, (*elasticloadbalancingv2.Client).DescribeRules), op(c, (*elasticloadbalancingv2.Client).ModifyRule),
		op(c, (*elasticloadbalancingv2.Client).DeleteRule), op(c, (*elasticloadbalancingv2.Client).SetRulePriorities),
		op(c, (*elasticloadbalancingv2.Client).AddTags), op(c, (*elasticloadbalancingv2.Client).DescribeTags),
		op(c, (*elasticloadbalancingv2.Client).RemoveTags))
}
