package batch

import (
	"cmp"
	"crypto/rand"
	"encoding/hex"
	"slices"
)

// misconfigured is AWS's reason of a job that no compute environment can take.
const misconfigured = "MISCONFIGURATION:JOB_RESOURCE_REQUIREMENT - no compute environment of the queue, and of the host the local stack was given, can ever hold the job"

// dependentFailed is AWS's reason of a job whose dependency failed.
const dependentFailed = "Dependent Job failed"

// admit moves a new job on to PENDING or RUNNABLE; an array job with all its
// children. Callers hold the mutex.
func (s *Service) admit(j *job) {
	if j.parent() {
		s.move(j, Pending)
		for _, child := range s.children(j) {
			if child.Detail.Status == Submitted {
				s.admit(child)
			}
		}
		return
	}
	if len(j.Detail.DependsOn) > 0 {
		s.move(j, Pending)
		s.settle(j)
		return
	}
	s.move(j, Runnable)
}

// settle moves a PENDING job on once its dependencies have ended: one that was
// cancelled meanwhile, to its end.
func (s *Service) settle(j *job) {
	if j.parent() {
		return // it follows its children
	}
	failed, waiting := false, false
	for _, d := range j.Detail.DependsOn {
		other := s.jobs[d.JobID]
		failed = failed || other == nil || other.Detail.Status == Failed
		waiting = waiting || (other != nil && !other.Detail.Status.Ended())
	}
	switch {
	case j.Detail.IsCancelled && !waiting:
		j.Detail.StatusReason = j.EndReason
		s.finish(j, Failed)
	case failed && !j.Detail.IsCancelled:
		j.Detail.StatusReason = dependentFailed
		s.finish(j, Failed)
	case !waiting:
		s.move(j, Runnable)
	}
}

// finish ends a job, settles those that wait for it, and counts a child for its
// parent. Callers hold the mutex.
func (s *Service) finish(j *job, status Status) {
	s.move(j, status)
	for _, other := range s.order {
		if other.Detail.Status == Pending && !other.kept && other.waitsFor(j.Detail.JobID) {
			s.settle(other)
		}
	}
	if id, ok := parentOf(j.Detail.JobID); ok {
		if parent := s.jobs[id]; parent != nil && !parent.kept {
			s.tally(parent)
		}
	}
}

func (j *job) waitsFor(id string) bool {
	return slices.ContainsFunc(j.Detail.DependsOn, func(d Dependency) bool { return d.JobID == id })
}

// schedule starts every job that there is room for: queues by priority, jobs in
// the order of submission. A job that must wait for room holds back those
// behind it in its queue; one that can never run does not. Callers hold the
// mutex.
func (s *Service) schedule() {
	if s.closed {
		return
	}
	queues := make([]*queue, 0, len(s.queues))
	for _, q := range s.queues {
		queues = append(queues, q)
	}
	slices.SortFunc(queues, func(a, b *queue) int {
		return cmp.Or(cmp.Compare(b.priority, a.priority), cmp.Compare(a.name, b.name))
	})
	used, total := s.used()
	for _, q := range queues {
		s.scheduleQueue(q, used, &total)
	}
}

func (s *Service) scheduleQueue(q *queue, used map[string]needs, total *needs) {
	for _, j := range s.order {
		if j.Detail.Status != Runnable || j.Detail.JobQueue != q.arn || j.kept {
			continue
		}
		room, ever := s.place(q, j, used, *total)
		switch {
		case room != nil:
			used[room.arn] = used[room.arn].plus(j.Needs)
			*total = total.plus(j.Needs)
			s.start(j, room)
		case ever:
			return
		case j.Detail.StatusReason != misconfigured:
			j.Detail.StatusReason = misconfigured
			s.move(j, Runnable)
		}
	}
}

// used adds up what attempts take, by compute environment and in all.
func (s *Service) used() (byEnvironment map[string]needs, total needs) {
	byEnvironment = map[string]needs{}
	for _, j := range s.order {
		if j.control != nil {
			byEnvironment[j.Environment] = byEnvironment[j.Environment].plus(j.Needs)
			total = total.plus(j.Needs)
		}
	}
	return byEnvironment, total
}

// place finds the first compute environment of the queue with room for a job;
// ever says whether one could have room when nothing else ran.
func (s *Service) place(q *queue, j *job, used map[string]needs, total needs) (room *environment, ever bool) {
	for _, arn := range q.environments {
		e := s.environments[arn]
		if !e.enabled || e.fargate() != j.Fargate || (j.Needs.GPUs > 0 && !e.hasGPUs()) || !s.fits(e, needs{}, needs{}, j.Needs) {
			continue
		}
		ever = true
		if s.fits(e, used[arn], total, j.Needs) {
			return e, true
		}
	}
	return nil, ever
}

// fits says whether more can run beside what a compute environment and the host
// already run.
func (s *Service) fits(e *environment, used, total, more needs) bool {
	host := s.options.Host
	return used.VCPUs+more.VCPUs <= e.maxVCPUs &&
		(host.VCPUs == 0 || total.VCPUs+more.VCPUs <= host.VCPUs) &&
		(host.MemoryMiB == 0 || total.MemoryMiB+more.MemoryMiB <= host.MemoryMiB) &&
		total.GPUs+more.GPUs <= host.GPUs
}

// start begins an attempt of a job. Callers hold the mutex.
func (s *Service) start(j *job, e *environment) {
	j.Environment = e.arn
	j.Instance = "i-" + random(17)
	j.control = newControl()
	c := &j.Detail.Container
	c.ExitCode, c.Reason = nil, ""
	c.ContainerInstanceArn = "arn:aws:ecs:" + s.options.Region + ":" + s.options.Account + ":container-instance/AWSBatch-" + e.name + "/" + random(32)
	c.TaskArn = "arn:aws:ecs:" + s.options.Region + ":" + s.options.Account + ":task/AWSBatch-" + e.name + "/" + random(32)
	c.LogStreamName = streamName(j)
	j.Detail.StartedAt, j.Detail.StatusReason = 0, ""
	s.move(j, Starting)
	s.attempts.Add(1)
	go s.attempt(j, j.control, e)
}

// random gives n hexadecimal digits.
func random(n int) string {
	b := make([]byte, (n+1)/2)
	_, _ = rand.Read(b)
	return hex.EncodeToString(b)[:n]
}

// Recover takes up the jobs of an earlier stack; call it once, when the
// template's queues exist. An attempt that was running is lost with its host.
func (s *Service) Recover() {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	for _, j := range s.order {
		j.kept = false
	}
	for _, j := range slices.Clone(s.order) {
		switch j.Detail.Status {
		case Starting, Running:
			s.conclude(j, end{statusReason: hostLost(j.Instance)}, false)
		case Submitted:
			s.admit(j)
		case Pending:
			s.resume(j)
		}
	}
	s.schedule()
}

// resume takes up a job that was PENDING: it settles, and an array job's children
// that were not kept are made.
func (s *Service) resume(j *job) {
	if !j.parent() {
		s.settle(j)
		return
	}
	for _, child := range s.children(j) {
		if child.Detail.Status == Submitted {
			s.admit(child)
		}
	}
	s.tally(j)
}

func hostLost(instance string) string { return "Host EC2 (instance " + instance + ") terminated." }
