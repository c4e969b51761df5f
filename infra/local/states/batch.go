package states

import (
	"context"
	"encoding/json"

	"github.com/sluice-ml/sluice/infra/local/asl"
)

var batchJob = integration{service: "batch", operation: "submitJob"}

// runJob runs batch:submitJob. With .sync it waits for the job, and the task
// fails when the job does. A task that is stopped terminates its job, but a
// stack that is shut down leaves it to be found again.
func (s *Service) runJob(ctx context.Context, p pattern, call asl.TaskCall) (json.RawMessage, *asl.TaskError) {
	parameters := call.Arguments
	if p == patternSync {
		var failed *asl.TaskError
		if parameters, failed = managed(parameters); failed != nil {
			return nil, failed
		}
	}
	id, err := s.options.Batch.Submit(ctx, parameters)
	if err != nil {
		failed := serviceError(batchJob, err)
		failed.SubmitFailed = p == patternSync
		return nil, failed
	}
	var named struct{ JobName string }
	_ = json.Unmarshal(parameters, &named)
	submitted := encode(struct{ JobId, JobName string }{id, named.JobName})
	if p == patternRequest {
		return submitted, nil
	}
	call.Submitted(submitted)
	job, failed, err := s.options.Batch.Wait(ctx, id)
	if ctx.Err() != nil {
		if !s.closing() {
			s.options.Batch.Terminate(context.WithoutCancel(ctx), id, "The Step Functions task was stopped")
		}
		return nil, stopped()
	}
	if err != nil {
		return nil, serviceError(batchJob, err)
	}
	if failed {
		return nil, &asl.TaskError{Name: asl.ErrTaskFailed, Cause: string(job)}
	}
	return job, nil
}

// managed marks a job as AWS does when Step Functions waits for it.
func managed(parameters json.RawMessage) (json.RawMessage, *asl.TaskError) {
	var all map[string]json.RawMessage
	if failed := decodeParameters(parameters, &all); failed != nil {
		return nil, failed
	}
	overrides := map[string]json.RawMessage{}
	if text, ok := all["ContainerOverrides"]; ok {
		if failed := decodeParameters(text, &overrides); failed != nil {
			return nil, failed
		}
	}
	var environment []map[string]any
	if text, ok := overrides["Environment"]; ok {
		if failed := decodeParameters(text, &environment); failed != nil {
			return nil, failed
		}
	}
	overrides["Environment"] = encode(append(environment, map[string]any{"Name": "MANAGED_BY_AWS", "Value": "STARTED_BY_STEP_FUNCTIONS"}))
	all["ContainerOverrides"] = encode(overrides)
	return encode(all), nil
}
