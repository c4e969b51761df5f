package stack

import (
	"net/http"
	"strings"
	"sync/atomic"
)

// Usage is what was used so far of everything that costs money on AWS.
type Usage struct {
	Transitions     int64   `json:"transitions"` // Step Functions: states entered, and failed attempts
	LambdaRequests  int64   `json:"lambda_requests"`
	LambdaGBSeconds float64 `json:"lambda_gb_seconds"`
	S3Writes        int64   `json:"s3_writes"` // PUT, POST, COPY, LIST; the requests that came in at the front door
	S3Reads         int64   `json:"s3_reads"`
	TrainingSeconds float64 `json:"training_seconds"`  // Batch attempts
	EndpointSeconds float64 `json:"endpoint_seconds"`  // SageMaker instance-seconds
	TaskVCPUSeconds float64 `json:"task_vcpu_seconds"` // ECS on Fargate: seconds of tasks times their vCPUs
	TaskGBSeconds   float64 `json:"task_gb_seconds"`   // and times their memory
	MetricRequests  int64   `json:"metric_requests"`
	Signatures      int64   `json:"signatures"`
	Notifications   int64   `json:"notifications"`
}

// meter counts the requests that are billed by number.
type meter struct {
	s3Writes, s3Reads, metrics, signatures, notifications atomic.Int64
}

// count takes one request to a service into account.
func (m *meter) count(service string, r *http.Request) {
	switch service {
	case "s3":
		query := r.URL.Query()
		switch {
		case r.Method == http.MethodDelete: // free
		case r.Method == http.MethodPut, r.Method == http.MethodPost, query.Has("list-type"), query.Has("versions"):
			m.s3Writes.Add(1)
		default:
			m.s3Reads.Add(1)
		}
	case "monitoring":
		m.metrics.Add(1)
	case "kms":
		m.signatures.Add(1)
	case "sns":
		m.notifications.Add(1)
	}
}

// Usage sums up what was used since the stack's directory was made, but for
// counted requests, which are counted since this start.
func (s *Services) Usage() Usage {
	u := Usage{
		S3Writes: s.meter.s3Writes.Load(), S3Reads: s.meter.s3Reads.Load(),
		MetricRequests: s.meter.metrics.Load(), Signatures: s.meter.signatures.Load(), Notifications: s.meter.notifications.Load(),
	}
	for _, f := range s.Lambda.Usage() {
		u.LambdaRequests += f.Invocations
		u.LambdaGBSeconds += f.GBSeconds
	}
	for _, job := range s.Batch.Usage() {
		u.TrainingSeconds += job.Seconds
	}
	for _, v := range s.SageMaker.Usage() {
		u.EndpointSeconds += v.InstanceSeconds
	}
	for _, group := range s.ECS.Usage() {
		u.TaskVCPUSeconds += group.VCPUSeconds
		u.TaskGBSeconds += group.GBSeconds
	}
	for _, e := range s.States.List("") {
		u.Transitions += s.transitions(e.ARN)
	}
	return u
}

// transitions counts what Step Functions bills: every state entered, every
// further attempt of a task, and every redrive.
func (s *Services) transitions(execution string) int64 {
	events, err := s.States.History(execution)
	if err != nil {
		return 0 // it is gone, and so is its bill
	}
	count := int64(0)
	for _, e := range events {
		if strings.HasSuffix(e.Type, "StateEntered") || e.Type == "TaskFailed" || e.Type == "LambdaFunctionFailed" || e.Type == "ExecutionRedriven" {
			count++
		}
	}
	return count
}
