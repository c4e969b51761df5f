package intake

import (
	"slices"
	"time"

	"github.com/sluice-ml/sluice/shared/contract"
	"github.com/sluice-ml/sluice/shared/dataset"
)

// verdict is what a call found or did, for it to answer.
type verdict struct {
	changed   bool // the state must be written
	duplicate bool
	reason    string
}

// start takes in a start that is not an upload; waiting says whether uploads are.
func (s *State) start(cause contract.Cause, waiting bool, now time.Time) verdict {
	id := cause.Kind + ":" + cause.ID
	if slices.Contains(s.Causes, id) {
		return verdict{duplicate: true, reason: "this start was taken in before"}
	}
	s.Causes = append(s.Causes, id)
	s.Causes = s.Causes[max(0, len(s.Causes)-maxCauses):]
	forced := cause.Kind != CauseSchedule
	switch {
	case s.Run != nil && s.Run.collecting() && cause.Kind != CauseRetrain: // that run's plan would not say so
		return verdict{changed: true, reason: "run " + s.Run.Name + " is collecting"}
	case s.Run != nil && forced:
		if s.Queued == nil || cause.Kind == CauseRetrain {
			s.Queued = &cause
		}
		return verdict{changed: true, reason: "run " + s.Run.Name + " is going on; another follows it"}
	case s.Run != nil:
		return verdict{changed: true, reason: "run " + s.Run.Name + " is going on"}
	case !forced && s.Succeeded != "" && !waiting && s.CarriedRun == "" && len(s.Carried) == 0:
		return verdict{changed: true, reason: "nothing is new since run " + s.Succeeded}
	}
	s.open(cause, now)
	return verdict{changed: true, reason: "it opened run " + s.Run.Name}
}

func (s *State) open(cause contract.Cause, now time.Time) {
	s.Next = max(s.Next, 1)
	s.Run = &Run{Name: RunName(s.Model, s.Next), Cause: cause, Opened: now.UTC()}
	s.Next++
}

// wait is how much longer the open run collects, the newest upload being of
// newest (zero when there is none); zero when it may close.
func (s *State) wait(newest time.Time, quiet time.Duration, now time.Time) time.Duration {
	if len(s.Pending) > 0 && s.LastUpload.After(newest) {
		newest = s.LastUpload
	}
	if newest.IsZero() {
		return 0
	}
	until := newest.Add(quiet)
	if latest := s.Run.Opened.Add(MaxOpen); latest.Before(until) {
		until = latest
	}
	return max(0, until.Sub(now))
}

// closing ends the collecting; false when the run is not the open one.
func (s *State) closing(run string, now time.Time) bool {
	if s.Run == nil || s.Run.Name != run || !s.Run.collecting() {
		return false
	}
	s.Run.Started, s.Run.Closing = true, now.UTC()
	return true
}

// close says that the run's request is written; false when the run is not the
// closing one.
func (s *State) close(run string, objects []contract.ObjectVersion, now time.Time) bool {
	if s.Run == nil || s.Run.Name != run || s.Run.Closing.IsZero() || !s.Run.Closed.IsZero() {
		return false
	}
	s.Run.Closed, s.Run.Count, s.Run.Carry = now.UTC(), len(objects), len(filled(objects))
	s.CarriedRun, s.Pending, s.Carried, s.Waiting, s.LastUpload = "", nil, nil, contract.Cause{}, time.Time{}
	return true
}

// swept says that what the run took is remembered and out of the inbox.
func (s *State) swept(run string) bool {
	if s.Run == nil || s.Run.Name != run || s.Run.Closed.IsZero() || s.Run.Swept {
		return false
	}
	s.Run.Swept, s.Seen = true, nil
	return true
}

// filled leaves out empty objects: they are what breaks runs.
func filled(objects []contract.ObjectVersion) []contract.ObjectVersion {
	return slices.DeleteFunc(slices.Clone(objects), func(v contract.ObjectVersion) bool { return v.Size == 0 })
}

// finish ends the run that goes on and opens the start that was queued.
func (s *State) finish(status string, now time.Time) {
	switch {
	case status != StatusFailed:
		s.Succeeded = s.Run.Name
		s.Seen = append(s.Seen, s.Run.Objects...)
	case len(s.Run.Objects) > 0: // an old state's
		s.Carried = append(s.Carried, filled(s.Run.Objects)...)
	case s.Run.Carry > 0:
		s.CarriedRun = s.Run.Name
	}
	s.Run = nil
	if s.Queued != nil {
		cause := *s.Queued
		s.Queued = nil
		s.open(cause, now)
	}
}

// before says why an old state's lists make a version no news; "" when they do
// not.
func (s *State) before(v contract.ObjectVersion) string {
	lists := [][]contract.ObjectVersion{s.Pending, s.Carried, s.Seen}
	if s.Run != nil {
		lists = append(lists, s.Run.Objects)
	}
	for _, list := range lists {
		for _, old := range list {
			switch {
			case old.Key != v.Key:
			case old.VersionID == v.VersionID:
				return takenBefore
			case dataset.CompareSequencers(v.Sequencer, old.Sequencer) < 0:
				return newerBefore
			}
		}
	}
	return ""
}

const (
	takenBefore = "this version was taken in before"
	newerBefore = "a newer version of this key was taken in before"
)
