package intake

import (
	"slices"
	"time"

	"github.com/sluice-ml/sluice/shared/contract"
	"github.com/sluice-ml/sluice/shared/dataset"
)

// verdict is what a transition did, for the caller to answer.
type verdict struct {
	changed   bool // the state must be written
	duplicate bool
	reason    string
}

// upload takes in an object version. It opens a run when none goes on and the
// model is configured.
func (s *State) upload(v contract.ObjectVersion, cause contract.Cause, configured bool, now time.Time) verdict {
	result := s.remember(v, cause, now)
	if result.duplicate && len(s.Pending) == 0 {
		return result
	}
	if s.Run == nil && configured && len(s.Pending) > 0 {
		s.open(s.Waiting, now)
		result.changed = true
		result.reason = "it opened run " + s.Run.Name
	}
	return result
}

func (s *State) remember(v contract.ObjectVersion, cause contract.Cause, now time.Time) verdict {
	newest := true
	for _, list := range s.known() {
		for _, old := range *list {
			if old.Key != v.Key {
				continue
			}
			if old.VersionID == v.VersionID {
				return verdict{duplicate: true, reason: "this version was taken in before"}
			}
			newest = newest && dataset.CompareSequencers(v.Sequencer, old.Sequencer) >= 0
		}
	}
	if !newest {
		s.see(v)
		return verdict{changed: true, reason: "a newer version of this key was taken in before"}
	}
	s.Pending, s.Carried = s.supersede(s.Pending, v.Key), s.supersede(s.Carried, v.Key)
	if len(s.Pending) == 0 {
		s.Waiting = cause
	}
	s.Pending = append(s.Pending, v)
	s.LastUpload = now
	reason := "it waits for a run"
	if s.Run != nil && s.Run.Closed.IsZero() {
		reason = "run " + s.Run.Name + " is collecting"
	} else if s.Run != nil {
		reason = "run " + s.Run.Name + " is going on; the next one takes it"
	}
	return verdict{changed: true, reason: reason}
}

func (s *State) known() []*[]contract.ObjectVersion {
	lists := []*[]contract.ObjectVersion{&s.Pending, &s.Carried, &s.Seen}
	if s.Run != nil {
		lists = append(lists, &s.Run.Objects)
	}
	return lists
}

// supersede drops the versions of a key from a list and remembers them.
func (s *State) supersede(list []contract.ObjectVersion, key string) []contract.ObjectVersion {
	return slices.DeleteFunc(list, func(v contract.ObjectVersion) bool {
		if v.Key == key {
			s.see(v)
		}
		return v.Key == key
	})
}

func (s *State) see(versions ...contract.ObjectVersion) {
	s.Seen = append(s.Seen, versions...)
	s.Seen = s.Seen[max(0, len(s.Seen)-maxSeen):]
}

// start takes in a start that is not an upload.
func (s *State) start(cause contract.Cause, now time.Time) verdict {
	id := cause.Kind + ":" + cause.ID
	if slices.Contains(s.Causes, id) {
		return verdict{duplicate: true, reason: "this start was taken in before"}
	}
	s.Causes = append(s.Causes, id)
	s.Causes = s.Causes[max(0, len(s.Causes)-maxCauses):]
	forced := cause.Kind != CauseSchedule
	switch {
	case s.Run != nil && s.Run.Closed.IsZero() && cause.Kind != CauseRetrain: // that run's plan would not say so
		return verdict{changed: true, reason: "run " + s.Run.Name + " is collecting"}
	case s.Run != nil && forced:
		if s.Queued == nil || cause.Kind == CauseRetrain {
			s.Queued = &cause
		}
		return verdict{changed: true, reason: "run " + s.Run.Name + " is going on; another follows it"}
	case s.Run != nil:
		return verdict{changed: true, reason: "run " + s.Run.Name + " is going on"}
	case !forced && s.Succeeded != "" && len(s.Pending) == 0 && len(s.Carried) == 0:
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

// wait is how much longer the open run collects; zero when it may close.
func (s *State) wait(quiet time.Duration, now time.Time) time.Duration {
	if len(s.Pending) == 0 {
		return 0
	}
	until := s.LastUpload.Add(quiet)
	if latest := s.Run.Opened.Add(MaxOpen); latest.Before(until) {
		until = latest
	}
	return max(0, until.Sub(now))
}

// close ends the collecting: what is pending and carried becomes the run's,
// except carried versions that are gone from the lake.
func (s *State) close(gone map[contract.ObjectVersion]bool, now time.Time) {
	carried := slices.DeleteFunc(slices.Clone(s.Carried), func(v contract.ObjectVersion) bool { return gone[v] })
	s.Run.Objects = dataset.Newest(append(carried, s.Pending...))
	s.Run.Closed = now.UTC()
	s.Pending, s.Carried, s.Waiting = nil, nil, contract.Cause{}
}

// finish ends a run that goes on and opens the follow-up when there is a reason
// for one. A run that reports (own) that it broke while it was still collecting
// takes what is pending down with it: a follow-up would only break again.
func (s *State) finish(status string, own bool, now time.Time) {
	if status == StatusFailed {
		s.carry(s.Run.Objects)
		if own && s.Run.Closed.IsZero() {
			pending := s.Pending
			s.Pending = nil
			s.carry(pending)
		}
	} else {
		s.see(s.Run.Objects...)
		s.Succeeded = s.Run.Name
	}
	s.Run = nil
	switch {
	case s.Queued != nil:
		cause := *s.Queued
		s.Queued = nil
		s.open(cause, now)
	case len(s.Pending) > 0:
		s.open(s.Waiting, now)
	}
}

// carry keeps a broken run's uploads for the next one. Empty objects are what
// breaks runs, and what a newer upload replaces is not wanted.
func (s *State) carry(objects []contract.ObjectVersion) {
	for _, v := range objects {
		replaced := slices.ContainsFunc(s.Pending, func(p contract.ObjectVersion) bool { return p.Key == v.Key })
		if v.Size == 0 || replaced {
			s.see(v)
			continue
		}
		s.Carried = append(s.Carried, v)
	}
}
