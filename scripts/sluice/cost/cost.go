// Package cost says what a run on the local stack would have cost on AWS.
package cost

import "github.com/sluice-ml/sluice/shared/report"

// Date is when the prices below were written down. They are list prices of
// us-east-1, without free tiers, savings plans or Spot discounts, so the sums
// are an upper bound; look them up again before you rely on them.
const Date = "2025-12"

// Prices in US dollars per unit.
const (
	perTransition     = 0.025 / 1000    // Step Functions Standard, state transition
	perLambdaRequest  = 0.20 / 1e6      // Lambda request
	perLambdaGBSecond = 0.0000166667    // Lambda x86 duration
	perS3Write        = 0.005 / 1000    // S3 Standard PUT, COPY, POST, LIST
	perS3Read         = 0.0004 / 1000   // S3 Standard GET
	perTrainingSecond = 0.526 / 3600    // EC2 g4dn.xlarge on demand; Batch itself is free
	perEndpointSecond = 0.115 / 3600    // SageMaker ml.m5.large hosting, an instance
	perTaskVCPUSecond = 0.04048 / 3600  // Fargate Linux x86, a vCPU
	perTaskGBSecond   = 0.004445 / 3600 // Fargate Linux x86, a GB of memory
	perMetricRequest  = 0.01 / 1000     // CloudWatch API requests, metrics asked for
	perSignature      = 0.15 / 10000    // KMS asymmetric request
	perNotification   = 0.50 / 1e6      // SNS publish
)

// Usage is what was used of each service between two moments.
type Usage struct {
	Transitions     int64   `json:"transitions"`
	LambdaRequests  int64   `json:"lambda_requests"`
	LambdaGBSeconds float64 `json:"lambda_gb_seconds"`
	S3Writes        int64   `json:"s3_writes"`
	S3Reads         int64   `json:"s3_reads"`
	TrainingSeconds float64 `json:"training_seconds"`  // of a GPU instance, all attempts
	EndpointSeconds float64 `json:"endpoint_seconds"`  // instance-seconds, all variants
	TaskVCPUSeconds float64 `json:"task_vcpu_seconds"` // of Fargate tasks
	TaskGBSeconds   float64 `json:"task_gb_seconds"`
	MetricRequests  int64   `json:"metric_requests"`
	Signatures      int64   `json:"signatures"`
	Notifications   int64   `json:"notifications"`
}

// Minus is the usage since an earlier moment.
func (u Usage) Minus(before Usage) Usage {
	return Usage{
		Transitions:     u.Transitions - before.Transitions,
		LambdaRequests:  u.LambdaRequests - before.LambdaRequests,
		LambdaGBSeconds: u.LambdaGBSeconds - before.LambdaGBSeconds,
		S3Writes:        u.S3Writes - before.S3Writes,
		S3Reads:         u.S3Reads - before.S3Reads,
		TrainingSeconds: u.TrainingSeconds - before.TrainingSeconds,
		EndpointSeconds: u.EndpointSeconds - before.EndpointSeconds,
		TaskVCPUSeconds: u.TaskVCPUSeconds - before.TaskVCPUSeconds,
		TaskGBSeconds:   u.TaskGBSeconds - before.TaskGBSeconds,
		MetricRequests:  u.MetricRequests - before.MetricRequests,
		Signatures:      u.Signatures - before.Signatures,
		Notifications:   u.Notifications - before.Notifications,
	}
}

// Lines prices a usage, one line per item that was used.
func Lines(u Usage) []report.Cost {
	all := []report.Cost{
		{Item: "Step Functions", Quantity: float64(u.Transitions), Unit: "state transitions", USD: float64(u.Transitions) * perTransition},
		{Item: "Lambda", Quantity: float64(u.LambdaRequests), Unit: "requests", USD: float64(u.LambdaRequests) * perLambdaRequest},
		{Item: "Lambda", Quantity: u.LambdaGBSeconds, Unit: "GB-seconds", USD: u.LambdaGBSeconds * perLambdaGBSecond},
		{Item: "S3 writes and lists", Quantity: float64(u.S3Writes), Unit: "requests", USD: float64(u.S3Writes) * perS3Write},
		{Item: "S3 reads", Quantity: float64(u.S3Reads), Unit: "requests", USD: float64(u.S3Reads) * perS3Read},
		{Item: "Batch on g4dn.xlarge", Quantity: u.TrainingSeconds, Unit: "seconds", USD: u.TrainingSeconds * perTrainingSecond},
		{Item: "SageMaker ml.m5.large", Quantity: u.EndpointSeconds, Unit: "instance-seconds", USD: u.EndpointSeconds * perEndpointSecond},
		{Item: "ECS on Fargate", Quantity: u.TaskVCPUSeconds, Unit: "vCPU-seconds", USD: u.TaskVCPUSeconds * perTaskVCPUSecond},
		{Item: "ECS on Fargate", Quantity: u.TaskGBSeconds, Unit: "GB-seconds", USD: u.TaskGBSeconds * perTaskGBSecond},
		{Item: "CloudWatch", Quantity: float64(u.MetricRequests), Unit: "API requests", USD: float64(u.MetricRequests) * perMetricRequest},
		{Item: "KMS", Quantity: float64(u.Signatures), Unit: "requests", USD: float64(u.Signatures) * perSignature},
		{Item: "SNS", Quantity: float64(u.Notifications), Unit: "messages", USD: float64(u.Notifications) * perNotification},
	}
	used := all[:0]
	for _, line := range all {
		if line.Quantity > 0 {
			used = append(used, line)
		}
	}
	return used
}

// Total is the sum in US dollars.
func Total(u Usage) float64 {
	sum := 0.0
	for _, line := range Lines(u) {
		sum += line.USD
	}
	return sum
}
