package contract

import (
	"encoding/json"
	"fmt"

	"github.com/sluice-ml/sluice/shared/fault"
)

// JobFailure is why an attempt of a Batch job did not end well, in its own words.
// The job writes it, for Batch itself tells no more than an exit code.
type JobFailure struct {
	Job     string     `json:"job"`     // Batch's id of the job
	Attempt int        `json:"attempt"` // from 1
	Kind    fault.Kind `json:"kind"`
	Reason  string     `json:"reason"`
}

// WhyJobFailed is the outcome of a run whose Batch job failed. cause is Batch's
// description of the job, and failure the body of FileFailure, or empty; it
// counts only when the job's last attempt wrote it: one that was killed did not.
func WhyJobFailed(cause string, failure []byte, outcome Outcome) Outcome {
	outcome.Reason = Reason(cause)
	var described struct {
		JobID    string `json:"JobId"`
		JobName  string
		Attempts []json.RawMessage
	}
	var said JobFailure
	if json.Unmarshal([]byte(cause), &described) != nil || json.Unmarshal(failure, &said) != nil {
		return outcome
	}
	if described.JobID == "" || said.Job != described.JobID || said.Reason == "" || said.Attempt < len(described.Attempts) {
		return outcome
	}
	outcome.Reason = said.Reason
	if said.Kind == fault.Invalid {
		outcome.Status = "invalid"
		return outcome
	}
	outcome.Reason = fmt.Sprintf("job %s failed: %s", described.JobName, said.Reason)
	if n := len(described.Attempts); n > 1 {
		outcome.Reason += fmt.Sprintf(" (the last of %d attempts)", n)
	}
	return outcome
}
