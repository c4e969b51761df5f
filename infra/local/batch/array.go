package batch

import (
	"maps"
	"strconv"
	"strings"
)

// An array job is a parent and its children. The parent runs nothing: it is
// PENDING until every child has ended, and fails when one of them does. Child n
// has the id "<parent>:<n>" and AWS_BATCH_JOB_ARRAY_INDEX n, from 0.

// ArrayProperties asks for an array job.
type ArrayProperties struct {
	Size int `json:"size"` // 2 to 10,000 children
}

// ArrayDetail is the part of a description that array jobs have: a parent its
// size and how many children are in each state, a child its index.
type ArrayDetail struct {
	StatusSummary map[Status]int `json:"statusSummary"`
	Size          int            `json:"size,omitempty"`
	Index         *int           `json:"index,omitempty"`
}

// The bounds of an array job's size.
const (
	minArray = 2
	maxArray = 10000
)

// The types of dependencies between array jobs.
const (
	nToN       = "N_TO_N"     // each child waits for the other array's child of its index
	sequential = "SEQUENTIAL" // each child waits for the one before it
)

// childFailed is AWS's reason of an array job with a child that failed.
const childFailed = "Array Child Job failed"

// states are all states, for the summary of a parent.
var states = []Status{Submitted, Pending, Runnable, Starting, Running, Succeeded, Failed}

// parent says whether the job is an array job, whose children run.
func (j *job) parent() bool {
	return j.Detail.ArrayProperties != nil && j.Detail.ArrayProperties.Size > 0
}

// parentOf gives the id of the array job that a child belongs to.
func parentOf(id string) (parent string, ok bool) {
	parent, _, ok = strings.Cut(id, ":")
	return parent, ok
}

func childID(parent string, index int) string { return parent + ":" + strconv.Itoa(index) }

func (a *ArrayProperties) check() error {
	if a != nil && (a.Size < minArray || a.Size > maxArray) {
		return clientError("arrayProperties.size %d: want %d to %d", a.Size, minArray, maxArray)
	}
	return nil
}

// detail begins a parent's part of the description.
func (a *ArrayProperties) detail() *ArrayDetail {
	if a == nil {
		return nil
	}
	return &ArrayDetail{Size: a.Size, StatusSummary: map[Status]int{}}
}

// children gives an array job's children in order, making those that are not
// there: all of them for a new job, and after a kill those that were never kept.
// Callers hold the mutex.
func (s *Service) children(parent *job) []*job {
	all := make([]*job, parent.Detail.ArrayProperties.Size)
	for i := range all {
		id := childID(parent.Detail.JobID, i)
		child := s.jobs[id]
		if child == nil {
			child = s.child(parent, i)
			s.jobs[id] = child
			s.order = append(s.order, child)
		}
		all[i] = child
	}
	parent.counts = nil
	return all
}

// child makes one child of an array job.
func (s *Service) child(parent *job, index int) *job {
	d := parent.Detail.clone()
	d.JobID = childID(d.JobID, index)
	d.JobArn = s.arn("job/" + d.JobID)
	d.Status, d.StatusReason = Submitted, ""
	d.ArrayProperties = &ArrayDetail{Index: &index, StatusSummary: map[Status]int{}}
	d.DependsOn = childDependencies(parent.Detail, index)
	return &job{Detail: d, Sequence: parent.Sequence + 1 + int64(index), Needs: parent.Needs, Fargate: parent.Fargate}
}

// childDependencies gives what one child waits for.
func childDependencies(parent JobDetail, index int) []Dependency {
	out := []Dependency{}
	for _, d := range parent.DependsOn {
		switch {
		case d.Type == nToN:
			d.JobID = childID(d.JobID, index)
		case d.Type == sequential && index == 0:
			continue
		case d.Type == sequential:
			d.JobID = childID(parent.JobID, index-1)
		}
		out = append(out, d)
	}
	return out
}

// tally counts the children of an array job by state, and ends the parent once
// all have ended. Callers hold the mutex.
func (s *Service) tally(parent *job) {
	if parent.Detail.Status.Ended() {
		return
	}
	counts := s.summary(parent)
	if counts[Succeeded]+counts[Failed] < parent.Detail.ArrayProperties.Size {
		return
	}
	switch {
	case parent.Detail.IsTerminated || parent.Detail.IsCancelled:
		parent.Detail.StatusReason = parent.EndReason
	case counts[Failed] > 0 && s.dependencyFailed(parent):
		parent.Detail.StatusReason = dependentFailed
	case counts[Failed] > 0:
		parent.Detail.StatusReason = childFailed
	default:
		s.finish(parent, Succeeded)
		return
	}
	s.finish(parent, Failed)
}

// summary counts the children of a parent by state; every state is there. It is
// kept up by move.
func (s *Service) summary(parent *job) map[Status]int {
	if parent.counts != nil {
		return parent.counts
	}
	counts := make(map[Status]int, len(states))
	for _, status := range states {
		counts[status] = 0
	}
	for i := range parent.Detail.ArrayProperties.Size {
		if child := s.jobs[childID(parent.Detail.JobID, i)]; child != nil {
			counts[child.Detail.Status]++
		}
	}
	parent.counts = counts
	return counts
}

// dependencyFailed says whether a job that the array job as a whole waits for
// has failed.
func (s *Service) dependencyFailed(j *job) bool {
	for _, d := range j.Detail.DependsOn {
		if d.Type == "" {
			if other := s.jobs[d.JobID]; other == nil || other.Detail.Status == Failed {
				return true
			}
		}
	}
	return false
}

// describe copies a job's description so that it can leave the lock, with the
// summary of an array job as it is now. Callers hold the mutex.
func (s *Service) describe(j *job) JobDetail {
	d := j.Detail.clone()
	if j.parent() {
		d.ArrayProperties = &ArrayDetail{Size: d.ArrayProperties.Size, StatusSummary: maps.Clone(s.summary(j))}
	}
	d.Tags = maps.Clone(d.Tags)
	return d
}

// checkDependency refuses a dependency that the job cannot have.
func (s *Service) checkDependency(d Dependency, size int) error {
	switch d.Type {
	case "":
	case nToN:
		other := s.jobs[d.JobID]
		if size == 0 || (other != nil && (!other.parent() || other.Detail.ArrayProperties.Size != size)) {
			return clientError("dependsOn type N_TO_N: both jobs must be array jobs of the same size")
		}
	case sequential:
		if size == 0 {
			return clientError("dependsOn type SEQUENTIAL: the job must be an array job")
		}
		if d.JobID == "" {
			return nil // on itself
		}
		return clientError("dependsOn type SEQUENTIAL: the children of one array job wait for each other; leave out jobId")
	default:
		return clientError("dependsOn type %q: want N_TO_N or SEQUENTIAL", d.Type)
	}
	if s.jobs[d.JobID] == nil {
		return clientError("dependsOn: there is no job %q", d.JobID)
	}
	return nil
}
