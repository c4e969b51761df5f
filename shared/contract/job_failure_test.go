package contract

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sluice-ml/sluice/shared/fault"
)

func TestWhyJobFailed(t *testing.T) {
	const cause = `{"JobId":"j1","JobName":"train-m-1","StatusReason":"Essential container in task exited","Attempts":[{},{}],"Container":{"ExitCode":64}}`
	const batch = "job train-m-1 failed: Essential container in task exited, exit code 64 (what it wrote: sluice run logs RUN)"
	for name, c := range map[string]struct {
		cause          string
		failure        any
		status, reason string
	}{
		"wrong data":                      {cause, JobFailure{"j1", 2, fault.Invalid, "no column \"y\""}, "invalid", "no column \"y\""},
		"a missing thing":                 {cause, JobFailure{"j1", 2, fault.NotFound, "no object"}, "failed", "job train-m-1 failed: no object (the last of 2 attempts)"},
		"nothing was written":             {cause, nil, "failed", batch},
		"an earlier attempt's":            {cause, JobFailure{"j1", 1, fault.Unavailable, "interrupted"}, "failed", batch},
		"another job's":                   {cause, JobFailure{"j0", 2, fault.Invalid, "no column"}, "failed", batch},
		"without a reason":                {cause, JobFailure{"j1", 2, fault.Invalid, ""}, "failed", batch},
		"not an object":                   {cause, "hello", "failed", batch},
		"not a job's":                     {`Execution timed out`, JobFailure{"j1", 2, fault.Invalid, "x"}, "failed", "Execution timed out"},
		"a job without an id, nor theirs": {`{"errorMessage":"no"}`, JobFailure{"", 1, fault.Invalid, "x"}, "failed", "no"},
	} {
		t.Run(name, func(t *testing.T) {
			var body []byte
			if c.failure != nil {
				var err error
				body, err = json.Marshal(c.failure)
				require.NoError(t, err)
			}
			got := WhyJobFailed(c.cause, body, Outcome{Status: "failed", Reason: c.cause, Error: "States.TaskFailed"})
			require.Equal(t, Outcome{Status: c.status, Reason: c.reason, Error: "States.TaskFailed"}, got)
		})
	}
}
