// Package intake decides which uploads become which run.
//
// The words:
//
//   - Pending uploads are object versions that no run took yet.
//   - A run is open while it collects: it closes when no upload arrived for the
//     quiet period, and what was pending by then is its request.
//   - An upload after that is for the follow-up run, which finish starts: at
//     most one run of a model goes on at a time.
//   - Carried uploads are those of a run that broke. The next run takes them
//     along; they start none by themselves, so breakage does not loop.
//
// All of it is one compare-and-swap object per model (contract.IntakeKey).
// Whatever dies between that object and the Step Functions service is repaired
// by the next call about the model: a run that was opened but not started is
// started under the same name, and one whose execution ended without saying so
// is finished for it.
package intake

import (
	"fmt"
	"time"

	"github.com/sluice-ml/sluice/shared/canonical"
	"github.com/sluice-ml/sluice/shared/contract"
)

// Kinds of contract.Cause.
const (
	CauseUpload   = "upload"
	CauseSchedule = "schedule"
	CauseDrift    = "drift"
	CauseManual   = "manual"
	CauseRetrain  = contract.CauseRetrain
)

// StatusFailed is the contract.Outcome status of a run that broke; any other
// status means that its uploads were dealt with.
const StatusFailed = "failed"

// MaxOpen is how long a run collects at most, so that uploads which never pause
// cannot keep it from starting.
const MaxOpen = time.Hour

const (
	maxSeen   = 1024 // uploads remembered after their run, to notice duplicates
	maxCauses = 128  // starts remembered
)

// State is the intake of one model.
type State struct {
	Model string `json:"model"`
	Next  int    `json:"next"` // the next run's sequence number, from 1

	Pending    []contract.ObjectVersion `json:"pending,omitempty"`
	LastUpload time.Time                `json:"last_upload,omitzero"` // when the newest pending one was taken in
	Waiting    contract.Cause           `json:"waiting,omitzero"`     // what the oldest pending one came with
	Carried    []contract.ObjectVersion `json:"carried,omitempty"`

	Run    *Run            `json:"run,omitempty"`    // the one that goes on
	Queued *contract.Cause `json:"queued,omitempty"` // a start that was asked for meanwhile

	Succeeded string                   `json:"succeeded,omitempty"` // the last run that did not break
	Seen      []contract.ObjectVersion `json:"seen,omitempty"`      // of past runs, oldest first
	Causes    []string                 `json:"causes,omitempty"`    // starts dealt with, oldest first
}

// Run is a run that goes on.
type Run struct {
	Name    string                   `json:"name"`
	Cause   contract.Cause           `json:"cause"`
	Opened  time.Time                `json:"opened"`
	Started bool                     `json:"started"`         // its execution is known to exist
	Closed  time.Time                `json:"closed,omitzero"` // zero while it is open
	Objects []contract.ObjectVersion `json:"objects,omitempty"`
}

// Record is a run's outcome, kept in contract.FileRecord.
type Record struct {
	Model    string           `json:"model"`
	Run      string           `json:"run"`
	Cause    contract.Cause   `json:"cause"`
	Opened   time.Time        `json:"opened"`
	Closed   time.Time        `json:"closed,omitzero"`
	Finished time.Time        `json:"finished"`
	Objects  int              `json:"objects"` // in its request
	Outcome  contract.Outcome `json:"outcome"`
}

// RunName names a model's n-th run; it is a valid Step Functions execution name
// of at most 64 characters.
func RunName(model string, n int) string {
	name := contract.AWSName(model)
	if len(name) > 48 {
		name = name[:39] + "-" + canonical.Sum([]byte(model))[:8]
	}
	return fmt.Sprintf("%s-%d", name, n)
}
