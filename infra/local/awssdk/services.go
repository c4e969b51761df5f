package awssdk

import (
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/batch"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
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
		op(c, (*batch.Client).CancelJob), op(c, (*batch.Client).TerminateJob))
}

func cloudwatchService(c *cloudwatch.Client) service {
	return serves("CloudWatch", op(c, (*cloudwatch.Client).PutMetricData), op(c, (*cloudwatch.Client).GetMetricData),
		op(c, (*cloudwatch.Client).GetMetricStatistics), op(c, (*cloudwatch.Client).ListMetrics),
		op(c, (*cloudwatch.Client).PutMetricAlarm), op(c, (*cloudwatch.Client).PutCompositeAlarm), op(c, (*cloudwatch.Client).DescribeAlarms),
		op(c, (*cloudwatch.Client).DeleteAlarms), op(c, (*cloudwatch.Client).SetAlarmState),
		op(c, (*cloudwatch.Client).EnableAlarmActions), op(c, (*cloudwatch.Client).DisableAlarmActions))
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
		op(c, (*lambda.Client).GetFunctionConfiguration), op(c, (*lambda.Client).ListFunctions))
}

func s3Service(c *s3.Client) service {
	return serves("S3", op(c, (*s3.Client).ListBuckets), op(c, (*s3.Client).HeadBucket), op(c, (*s3.Client).GetBucketVersioning),
		op(c, (*s3.Client).GetBucketLifecycleConfiguration), op(c, (*s3.Client).PutObject), op(c, (*s3.Client).GetObject),
		op(c, (*s3.Client).HeadObject), op(c, (*s3.Client).DeleteObject), op(c, (*s3.Client).DeleteObjects), op(c, (*s3.Client).CopyObject),
		op(c, (*s3.Client).ListObjectsV2), op(c, (*s3.Client).ListObjectVersions), op(c, (*s3.Client).CreateMultipartUpload),
		op(c, (*s3.Client).UploadPart), op(c, (*s3.Client).CompleteMultipartUpload), op(c, (*s3.Client).AbortMultipartUpload))
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
		op(c, (*scheduler.Client).UpdateSchedule), op(c, (*scheduler.Client).ListSchedules), op(c, (*scheduler.Client).DeleteSchedule))
}

func sfnService(c *sfn.Client) service {
	return serves("Sfn", op(c, (*sfn.Client).CreateStateMachine), op(c, (*sfn.Client).UpdateStateMachine), op(c, (*sfn.Client).DeleteStateMachine),
		op(c, (*sfn.Client).DescribeStateMachine), op(c, (*sfn.Client).DescribeStateMachineForExecution), op(c, (*sfn.Client).ListStateMachines),
		op(c, (*sfn.Client).ValidateStateMachineDefinition), op(c, (*sfn.Client).StartExecution), op(c, (*sfn.Client).DescribeExecution),
		op(c, (*sfn.Client).GetExecutionHistory), op(c, (*sfn.Client).ListExecutions), op(c, (*sfn.Client).StopExecution), op(c, (*sfn.Client).RedriveExecution),
		op(c, (*sfn.Client).ListTagsForResource), op(c, (*sfn.Client).TagResource), op(c, (*sfn.Client).UntagResource),
		op(c, (*sfn.Client).SendTaskSuccess), op(c, (*sfn.Client).SendTaskFailure), op(c, (*sfn.Client).SendTaskHeartbeat))
}

func snsService(c *sns.Client) service {
	return serves("Sns", op(c, (*sns.Client).CreateTopic), op(c, (*sns.Client).ListTopics), op(c, (*sns.Client).Publish),
		op(c, (*sns.Client).Subscribe), op(c, (*sns.Client).ListSubscriptionsByTopic))
}

func stsService(c *sts.Client) service {
	return serves("Sts", op(c, (*sts.Client).GetCallerIdentity))
}
