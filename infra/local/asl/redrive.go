package asl

import "fmt"

// Redrive is where RedriveExecution takes up an execution that did not
// succeed: in the states that were entered and not exited, without their
// retry counts. Refused says why it cannot, "" when it can.
type Redrive struct {
	Checkpoint Checkpoint `json:"checkpoint"`
	Refused    string     `json:"refused,omitempty"`
}

// redrive looks at an execution that is about to end without success.
func (x *Execution) redrive() Redrive {
	r := Redrive{Checkpoint: Checkpoint{Branches: map[string]*Position{}}}
	if x.fault != "" || x.main.active == nil {
		r.Refused = "the local stack does not know where the execution stood"
		return r
	}
	x.main.unsuccessful("", &r)
	return r
}

// unsuccessful notes where the branch takes up again, under the key that it
// will then have. Branches that succeeded keep their output.
func (b *branchRun) unsuccessful(key string, r *Redrive) {
	a := b.active
	p := a.position()
	p.Retries, p.Counts, p.RetryAt, p.Progress, p.Submitted = 0, nil, nil, nil, 0
	r.Checkpoint.Branches[key] = p
	if a.mapRun {
		r.Refused = fmt.Sprintf("the local stack does not redrive the Map Run of the distributed Map state '%s'; start a new execution", a.state.Name)
		return
	}
	if len(a.children) == 0 || a.progress == nil || a.failed.name() == ErrDataLimitExceeded && !a.inner {
		return // every branch runs again
	}
	p.Progress = a.progress
	for _, child := range a.children {
		inner := fmt.Sprintf("%s/%d", attemptName(a.keyIn(key), 0), child.index)
		switch {
		case child.out != nil:
			r.Checkpoint.Branches[inner] = &Position{Done: true, Output: child.out.json()}
		case child.active != nil:
			child.unsuccessful(inner, r)
		}
	}
}
