package batch

import (
	"context"
	"slices"
)

func (s *Service) find(id string) (*job, error) {
	j := s.jobs[id]
	if j == nil {
		return nil, clientError("Job %s not found", id)
	}
	return j, nil
}

// Describe gives a job as it is now; an unknown id is a ClientException.
func (s *Service) Describe(id string) (JobDetail, error) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	j, err := s.find(id)
	if err != nil {
		return JobDetail{}, err
	}
	return s.describe(j), nil
}

// Wait waits until a job has ended, in success or not, and describes it. The
// error is ctx's when that ends first; the job goes on.
func (s *Service) Wait(ctx context.Context, id string) (JobDetail, error) {
	s.mutex.Lock()
	j, err := s.find(id)
	if err != nil || j.Detail.Status.Ended() {
		defer s.mutex.Unlock()
		if err != nil {
			return JobDetail{}, err
		}
		return s.describe(j), nil
	}
	if j.ended == nil {
		j.ended = make(chan struct{})
	}
	ended := j.ended
	s.mutex.Unlock()
	select {
	case <-ended:
		return s.Describe(id)
	case <-ctx.Done():
		return JobDetail{}, ctx.Err()
	}
}

// Terminate ends a job wherever it is: an attempt under way gets SIGTERM and,
// after the grace, SIGKILL. The job fails with the reason, without another
// attempt; an array job with all its children. A job that has ended stays as it
// is.
func (s *Service) Terminate(id, reason string) error {
	return s.end(id, reason, true)
}

// Cancel ends a job that is not STARTING or RUNNING yet; one that is goes on. A
// job that waits for others ends once they have ended, as on AWS; an array job,
// once the children that run have.
func (s *Service) Cancel(id, reason string) error {
	return s.end(id, reason, false)
}

func (s *Service) end(id, reason string, running bool) error {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	j, err := s.find(id)
	if err != nil {
		return err
	}
	if reason == "" {
		return clientError("reason is missing")
	}
	if j.parent() && !j.Detail.Status.Ended() {
		err = s.endArray(j, reason, running)
	} else {
		err = s.endOne(j, reason, running)
	}
	s.schedule()
	return err
}

// endArray ends the children of an array job; the parent follows them.
func (s *Service) endArray(parent *job, reason string, running bool) error {
	parent.Detail.IsTerminated, parent.Detail.IsCancelled = running, !running
	parent.EndReason, parent.kept = reason, false
	if err := s.keep(parent); err != nil {
		return err
	}
	// The last first: none must fail for the end of the one that it waits for.
	for _, child := range slices.Backward(s.children(parent)) {
		if err := s.endOne(child, reason, running); err != nil {
			return err
		}
	}
	return nil
}

func (s *Service) endOne(j *job, reason string, running bool) error {
	if j.Detail.Status.Ended() || (j.control != nil && !running) {
		return nil
	}
	j.Detail.IsTerminated, j.Detail.IsCancelled = running, !running
	if j.control != nil {
		j.control.ask(request{terminated, reason})
		return s.keep(j) // should the stack be killed now, the next one must not try again
	}
	if j.Detail.Status == Pending && !running {
		j.EndReason = reason
		if err := s.keep(j); err != nil {
			return err
		}
		if !j.kept {
			s.settle(j)
		}
		return nil
	}
	j.kept = false
	j.Detail.StatusReason = reason
	s.finish(j, Failed)
	return nil
}

// Reclaim takes the host away from a running job, as EC2 does with a Spot
// instance: SIGTERM, then SIGKILL after the grace. The retry strategy decides
// what follows.
func (s *Service) Reclaim(id string) error {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	j, err := s.find(id)
	if err != nil {
		return err
	}
	if j.parent() {
		return clientError("Job %s is an array job: name one of its children, e.g. %s", id, childID(id, 0))
	}
	if j.control == nil {
		return clientError("Job %s is %s: only a job that is STARTING or RUNNING has a host to lose", id, j.Detail.Status)
	}
	j.control.ask(request{kind: reclaimed})
	return nil
}

// Jobs describes all jobs, in the order of submission.
func (s *Service) Jobs() []JobDetail {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	out := make([]JobDetail, 0, len(s.order))
	for _, j := range s.order {
		out = append(out, s.describe(j))
	}
	return out
}

// Use is what one attempt took, for its cost.
type Use struct {
	JobID              string
	JobName            string
	Queue              string // name
	ComputeEnvironment string // name
	Spot               bool
	Attempt            int     // from 1
	Seconds            float64 // that the program ran
	VCPUs              float64
	MemoryMiB          int
	GPUs               int
}

func (s *Service) use(j *job, number int, now int64) Use {
	u := Use{
		JobID: j.Detail.JobID, JobName: j.Detail.JobName, Queue: shortName(j.Detail.JobQueue), ComputeEnvironment: shortName(j.Environment),
		Attempt: number, VCPUs: j.Needs.VCPUs, MemoryMiB: j.Needs.MemoryMiB, GPUs: j.Needs.GPUs,
	}
	if e := s.environments[j.Environment]; e != nil {
		u.Spot = e.spot()
	}
	if j.Detail.StartedAt > 0 {
		u.Seconds = float64(now-j.Detail.StartedAt) / 1000
	}
	return u
}

// Usage gives what every attempt that has ended took, in the order of their
// jobs' submission.
func (s *Service) Usage() []Use {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	var out []Use
	for _, j := range s.order {
		out = append(out, j.Used...)
	}
	return out
}
