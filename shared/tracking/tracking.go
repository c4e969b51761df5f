// Package tracking tells outside trackers (an MLflow server, the SageMaker Model
// Registry) what became of a model's runs, versions and champion.
//
// Our own records stay the truth; a tracker is a copy for people to look at. So
// nothing waits for one and nothing fails with one. What is due is not queued
// anywhere: it is what our records hold less what the ledger says is done, found
// anew with every look. A tracker that was down for a week is caught up by the
// first look after it, and a tracker that is new gets everything.
//
// A thing is entered in the ledger after the tracker took it. A kill or a lost
// response in between makes the next look write it again, which a tracker must
// take: it finds what is there by our names (Runs, Versions). A lease per model
// and tracker lets only one write at a time.
package tracking

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/sluice-ml/sluice/shared/contract"
)

// Run is a run that has ended, as a tracker shows it.
type Run struct {
	Model, Name    string
	Started, Ended time.Time
	Outcome        string // contract.Outcome.Status
	Note           string // for people: why it ended so, and where to read on
	Params         map[string]string
	Metrics        []Metric
	Tags           map[string]string
	Files          []File
}

// Metric is one value; Step is the fold, from 0, or 0.
type Metric struct {
	Name  string
	Step  int
	Value float64 // finite
}

// File is a small file that the run left.
type File struct {
	Name string // no folder
	Data []byte
}

// Version is a registered version.
type Version struct {
	contract.Version
	Commit  string
	Action  string // of the decision, e.g. "ship"
	Outcome string // of its run; "" while that goes on
	Reason  string
	Links   map[string]string // S3 URIs of what the run left, by contract.File… name
}

// Tags are what a tracker keeps of a version, by name. They say nothing of the
// champion, which moves.
func (v Version) Tags() map[string]string {
	return map[string]string{
		"sluice.version": strconv.Itoa(v.Version.Version), "sluice.run": v.Run, "sluice.plan": v.PlanHash, "sluice.commit": v.Commit,
		"sluice.decision": v.Decision, "sluice.action": v.Action, "sluice.digest": v.Digest, "sluice.outcome": v.Outcome,
	}
}

// Describe is a line for people.
func (v Version) Describe() string {
	return fmt.Sprintf("Sluice: version %d of %s, made by run %s", v.Version.Version, v.Model, v.Run)
}

// Runs is a tracker that keeps runs. Errors are faults: what may be written
// later is Unavailable, Busy or Conflict; anything else is about this run alone.
type Runs interface {
	// Run writes a run, or completes what an earlier try left.
	Run(ctx context.Context, r Run) error
}

// Versions is a tracker that keeps versions. Errors are as of Runs; Busy means
// that something else must be written first.
type Versions interface {
	// Target names the place that is written to: a ledger of another is void.
	Target() string
	// Version writes a version, or brings the one that is there up to date.
	Version(ctx context.Context, v Version) error
	// Champion marks the champion among the versions; before are those that may
	// be marked as such now.
	Champion(ctx context.Context, model string, champion int, before []int) error
}
