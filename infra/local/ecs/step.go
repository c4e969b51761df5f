package ecs

import (
	"context"
	"fmt"
	"syscall"
	"time"
)

// maxPasses bounds the steps that one reconcile takes; more are taken soon.
const maxPasses = 64

// reconcile moves every task and every service on as far as they can go now.
func (s *Service) reconcile(ctx context.Context) {
	s.working.Lock()
	defer s.working.Unlock()
	for range maxPasses {
		if !s.pass(ctx) {
			return
		}
	}
	s.wake()
}

// pass takes one step of everything, and says whether anything moved.
func (s *Service) pass(ctx context.Context) (moved bool) {
	s.mutex.Lock()
	if !s.active || s.closed {
		s.mutex.Unlock()
		return false
	}
	tasks, services := s.sortedTasks(), s.sortedServices()
	s.mutex.Unlock()
	for _, t := range tasks {
		if s.step(ctx, t) {
			moved = true
		}
	}
	for _, v := range services {
		if s.schedule(v) {
			moved = true
		}
	}
	return moved
}

// step moves a task one step on.
func (s *Service) step(ctx context.Context, t *task) (moved bool) {
	s.mutex.Lock()
	status, wanted := t.Detail.LastStatus, t.wanted()
	s.mutex.Unlock()
	if status == stopped {
		return false
	}
	moved = s.reap(t)
	switch status {
	case provisioning:
		s.move(t, map[bool]string{true: pending, false: deprovisioning}[wanted])
		return true
	case pending:
		return s.begin(ctx, t) || moved
	case activating:
		return s.activate(ctx, t) || moved
	case running:
		return s.watch(t) || moved
	case deactivating:
		return s.drain(ctx, t) || moved
	case stopping:
		return s.end(t) || moved
	}
	s.clean(t)
	s.move(t, stopped)
	return true
}

// move puts a task into a state, keeps it and tells the listeners. A task that
// cannot be kept goes on: its file is then one state behind, as after a kill.
func (s *Service) move(t *task, status string) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	now := s.now()
	d := &t.Detail
	d.LastStatus = status
	switch status {
	case pending:
		d.Attachments[0].Status, d.Connectivity, d.ConnectivityAt = "ATTACHED", "CONNECTED", &now
	case running:
		d.StartedAt = &now
	case deactivating, stopping, deprovisioning:
		if d.StoppingAt == nil {
			d.StoppingAt = &now
		}
	case stopped:
		d.StoppedAt, d.Attachments[0].Status = &now, "DELETED"
		for i := range d.Containers {
			d.Containers[i].LastStatus = stopped
		}
		s.account(t, now.Time)
	}
	if status == deprovisioning && d.StartedAt != nil {
		d.ExecutionStoppedAt = &now
	}
	d.Version++
	s.saveTask(t)
	s.taskEvent(t)
	s.notify()
}

func (s *Service) saveTask(t *task) {
	if err := s.keepTask(t); err != nil {
		s.logf("keep task %s: %v", t.id(), err)
	}
}

// reap takes note of containers that have ended, and of the health of the others.
func (s *Service) reap(t *task) (moved bool) {
	now := s.options.Now()
	for i, c := range t.containers {
		if !c.live() {
			continue
		}
		d := &t.Detail.Containers[i]
		if !c.exited() {
			health := s.checkHealth(c, now, d.HealthStatus)
			s.mutex.Lock()
			if health != d.HealthStatus {
				d.HealthStatus, moved = health, true
				t.Detail.HealthStatus = t.healthOf()
				t.Detail.Version++
			}
			s.mutex.Unlock()
			continue
		}
		s.mutex.Lock()
		c.settle(d)
		if *c.definition.Essential {
			t.stop(essentialExited, "Essential container in task exited")
		}
		t.Detail.HealthStatus = t.healthOf()
		s.mutex.Unlock()
		moved = true
	}
	return moved
}

// give asks a task to stop because of a failure of its own.
func (s *Service) give(t *task, code, reason string) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	t.stop(code, reason)
}

func (s *Service) isWanted(t *task) bool {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	return t.wanted()
}

// begin starts the containers of a PENDING task whose conditions hold.
func (s *Service) begin(ctx context.Context, t *task) (moved bool) {
	if !s.isWanted(t) {
		s.move(t, stopping)
		return true
	}
	if t.Detail.PullStartedAt == nil {
		s.mutex.Lock()
		now := s.now()
		t.Detail.PullStartedAt, t.Detail.PullStoppedAt = &now, &now
		s.mutex.Unlock()
	}
	all := true
	for i, c := range t.containers {
		if c.process != nil {
			continue
		}
		ready, err := s.conditions(t, c)
		if err == nil && !ready {
			all = false
			continue
		}
		if err == nil {
			err = s.launch(t, c)
		}
		if err != nil {
			s.mutex.Lock()
			t.Detail.Containers[i].Reason = err.Error()
			s.mutex.Unlock()
			if c.output != nil {
				_, _ = c.output.Write([]byte(err.Error() + "\n"))
				c.output.Flush()
			}
			s.give(t, failedToStart, err.Error())
			return true
		}
		s.mutex.Lock()
		t.Detail.Containers[i].LastStatus, t.Detail.Containers[i].RuntimeID = running, c.id
		s.mutex.Unlock()
		moved = true
	}
	if all {
		s.move(t, activating)
		s.activate(ctx, t) // before a look at the processes: one that ends at once has run nevertheless
	}
	return moved || all
}

// dependencyTimeout is how long a container waits for another on Fargate.
const dependencyTimeout = 3 * time.Minute

// conditions says whether what a container depends on has come about. An error
// means that it never will.
func (s *Service) conditions(t *task, c *containerRun) (ready bool, err error) {
	for _, d := range c.definition.DependsOn {
		for i, other := range t.containers {
			if other.definition.Name != d.ContainerName {
				continue
			}
			met := other.process != nil
			switch d.Condition {
			case "COMPLETE":
				met = other.ended
			case "SUCCESS":
				met = other.ended
				if met && other.process.ExitCode() != 0 {
					return false, fmt.Errorf("container %s waits for the success of container %s, which exited with code %d", c.definition.Name, d.ContainerName, other.process.ExitCode())
				}
			case "HEALTHY":
				met = t.Detail.Containers[i].HealthStatus == healthy
			}
			if met {
				continue
			}
			if limit := other.startTimeout(); other.process != nil && s.options.Now().Sub(other.started) > limit {
				return false, fmt.Errorf("container %s waited %s for container %s to be %s", c.definition.Name, limit, d.ContainerName, d.Condition)
			}
			return false, nil
		}
	}
	return true, nil
}

func (c *containerRun) startTimeout() time.Duration {
	if c.definition.StartTimeout > 0 {
		return time.Duration(c.definition.StartTimeout) * time.Second
	}
	return dependencyTimeout
}

// activate registers the targets of a service's task; then it is RUNNING.
func (s *Service) activate(ctx context.Context, t *task) (moved bool) {
	if !s.isWanted(t) {
		s.leave(ctx, t)
		return true
	}
	for _, b := range s.balancers(t) {
		// Kept before it is done: a kill in between must not leave a target behind.
		s.mutex.Lock()
		t.Targets = append(t.Targets, target{b.TargetGroupArn, b.ContainerPort})
		s.saveTask(t)
		s.mutex.Unlock()
		if err := s.options.LoadBalancing.Register(ctx, b.TargetGroupArn, t.IP, b.ContainerPort); err != nil {
			s.say(t, "failed to register targets in (target-group %s) with (error %s)", b.TargetGroupArn, err)
			s.give(t, failedToStart, fmt.Sprintf("failed to register targets in (target-group %s): %v", b.TargetGroupArn, err))
			return true
		}
		s.say(t, "registered 1 targets in (target-group %s)", b.TargetGroupArn)
	}
	s.move(t, running)
	return true
}

// balancers gives the target groups of a task's service that it is not
// registered with yet.
func (s *Service) balancers(t *task) []loadBalancer {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	v := s.services[t.Service]
	if v == nil {
		return nil
	}
	var left []loadBalancer
	for _, b := range v.Detail.LoadBalancers {
		there := false
		for _, have := range t.Targets {
			there = there || have == target{b.TargetGroupArn, b.ContainerPort}
		}
		if !there {
			left = append(left, b)
		}
	}
	return left
}

// say adds a line to the events of a task's service.
func (s *Service) say(t *task, format string, args ...any) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	if v := s.services[t.Service]; v != nil {
		v.say(s.now(), format, args...)
		s.saveService(v)
	}
}

// watch looks after a RUNNING task: the health of its targets says whether its
// service must replace it.
func (s *Service) watch(t *task) (moved bool) {
	if !s.isWanted(t) {
		s.leave(context.Background(), t)
		return true
	}
	well, sick, why := s.targetHealth(t)
	s.mutex.Lock()
	defer s.mutex.Unlock()
	return s.judge(t, well, sick, why)
}

// leave begins the end of a task that was activated: its targets are
// deregistered, so that they drain before the processes hear of it.
func (s *Service) leave(ctx context.Context, t *task) {
	if len(t.Targets) == 0 {
		s.move(t, stopping)
		return
	}
	for _, at := range t.Targets {
		if err := s.options.LoadBalancing.Deregister(ctx, at.Group, t.IP, at.Port); err != nil {
			s.logf("deregister task %s from %s: %v", t.id(), at.Group, err)
			continue
		}
		s.say(t, "deregistered 1 targets in (target-group %s)", at.Group)
	}
	s.say(t, "has begun draining connections on 1 tasks.")
	s.move(t, deactivating)
}

// drain waits until the targets have drained, or nothing answers any more.
func (s *Service) drain(_ context.Context, t *task) (moved bool) {
	alive := false
	for _, c := range t.containers {
		alive = alive || (c.live() && *c.definition.Essential)
	}
	if alive {
		for _, at := range t.Targets {
			if state, _, err := s.options.LoadBalancing.TargetHealth(at.Group, t.IP, at.Port); err == nil && state == "draining" {
				return false
			}
		}
	}
	s.mutex.Lock()
	t.Targets = nil
	s.mutex.Unlock()
	s.move(t, stopping)
	return true
}

// end stops the processes of a STOPPING task: SIGTERM, then SIGKILL when the
// longest stop timeout is over.
func (s *Service) end(t *task) (moved bool) {
	now := s.options.Now()
	alive, grace := false, time.Duration(0)
	for _, c := range t.containers {
		if c.live() {
			alive, grace = true, max(grace, c.stopTimeout())
		}
	}
	switch {
	case !alive:
		s.move(t, deprovisioning)
		return true
	case t.killAt.IsZero():
		t.killAt = now.Add(grace)
		t.signal(syscall.SIGTERM)
	case !now.Before(t.killAt):
		t.signal(syscall.SIGKILL)
	}
	return false
}

func (t *task) signal(sig syscall.Signal) {
	for _, c := range t.containers {
		if c.live() {
			_ = c.process.Signal(sig) // one that has ended needs none
		}
	}
}
