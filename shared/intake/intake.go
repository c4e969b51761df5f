// Package intake decides which uploads become which run.
//
// The words:
//
//   - The inbox holds uploads that no run took yet, each an object of its own that
//     is created only if absent. Its name says which version of which key came, so
//     a listing tells all, uploads do not wait for each other, and a second event
//     about the same version is noticed.
//   - A run is open while it collects. It is closing from the moment that no
//     upload arrived for the quiet period: from then on an upload is for the
//     follow-up. It is closed once its request is written, and swept once what it
//     took is out of the inbox.
//   - The follow-up is the run that finish starts when the inbox is not empty: at
//     most one run of a model goes on at a time.
//   - Carried uploads are those of a run that broke, by the run's name: they are in
//     its request. The next run takes them along; they start none by themselves,
//     so breakage does not loop.
//   - Taken uploads are remembered by a hash, in 256 shards, so that an event that
//     comes again after its run starts nothing.
//
// What is decided about runs is one compare-and-swap object per model
// (contract.IntakeKey). An upload writes its inbox object first and reads that
// state second; settle moves the state to closing first and lists the inbox
// second, and finish ends the run first and lists second. So of an upload and the
// call that could overlook it, one always sees the other. Whatever dies between
// two requests is repaired by the next call about the model: a run that was opened
// but not started is started under the same name, one that was left closing is
// closed, and one whose execution ended without saying so is finished for it.
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

const maxCauses = 128 // starts remembered

// State is what is decided about the runs of one model.
type State struct {
	Model string `json:"model"`
	Next  int    `json:"next"` // the next run's sequence number, from 1

	Run    *Run            `json:"run,omitempty"`    // the one that goes on
	Queued *contract.Cause `json:"queued,omitempty"` // a start that was asked for meanwhile

	CarriedRun string   `json:"carried_run,omitempty"` // the broken run whose request the next one takes along
	Succeeded  string   `json:"succeeded,omitempty"`   // the last run that did not break
	Causes     []string `json:"causes,omitempty"`      // starts dealt with, oldest first

	// What states from before there was an inbox hold. The next run to close takes
	// it along, and it is empty from then on.
	Pending    []contract.ObjectVersion `json:"pending,omitempty"`
	LastUpload time.Time                `json:"last_upload,omitzero"` // when the newest of Pending was taken in
	Waiting    contract.Cause           `json:"waiting,omitzero"`     // what the oldest of Pending came with
	Carried    []contract.ObjectVersion `json:"carried,omitempty"`
	Seen       []contract.ObjectVersion `json:"seen,omitempty"`
}

// Run is a run that goes on.
type Run struct {
	Name    string         `json:"name"`
	Cause   contract.Cause `json:"cause"`
	Opened  time.Time      `json:"opened"`
	Started bool           `json:"started"`          // its execution is known to exist
	Closing time.Time      `json:"closing,omitzero"` // zero while it collects
	Closed  time.Time      `json:"closed,omitzero"`  // zero until its request is written
	Swept   bool           `json:"swept,omitempty"`  // what it took is out of the inbox
	Count   int            `json:"count,omitempty"`  // objects in its request
	Carry   int            `json:"carry,omitempty"`  // those of them that the next run takes if it breaks

	Objects []contract.ObjectVersion `json:"objects,omitempty"` // its request, in a state from before there was an inbox
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

// collecting is true while uploads of now are still the run's.
func (r *Run) collecting() bool { return r.Closing.IsZero() && r.Closed.IsZero() }
