package ecs

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// hostLost is why the tasks of an earlier stack ended.
const hostLost = "The task's host ended: the local stack was stopped or killed."

// Recover ends the tasks of an earlier stack, takes their targets away, and lets
// the services start fresh ones; call it once, when the template's resources
// exist. Services that an earlier template had and this one has not are deleted.
// The error names the targets that could not be taken away; everything
// else goes on.
func (s *Service) Recover(ctx context.Context) error {
	s.mutex.Lock()
	lost := s.sortedTasks()
	s.mutex.Unlock()
	var problems []error
	for _, t := range lost {
		if t.over() || t.containers != nil {
			continue
		}
		for _, at := range t.Targets {
			if s.options.LoadBalancing == nil {
				continue
			}
			if err := s.options.LoadBalancing.Deregister(ctx, at.Group, t.IP, at.Port); err != nil {
				problems = append(problems, fmt.Errorf("deregister task %s from %s: %w", t.id(), at.Group, err))
			}
		}
		s.lose(t)
	}
	s.mutex.Lock()
	s.active = true
	s.restore(lost)
	for _, v := range s.services {
		if v.Detail.Status != active {
			continue
		}
		v.Steady = false
		if v.Declared != nil && !s.declared[v.Detail.ServiceArn] {
			v.Detail.Status, v.Detail.DesiredCount = draining, 0
			s.saveService(v)
		}
	}
	s.mutex.Unlock()
	s.wake()
	return errors.Join(problems...)
}

// restore starts tasks again of deployments that serve although a later one has
// FAILED: nothing else would. lost are the tasks that ended with the stack; the
// mutex is held.
func (s *Service) restore(lost []*task) {
	for _, t := range lost {
		v := s.services[t.Service]
		if v == nil || v.Detail.Status != active || t.Detail.StopCode != terminationNotice || t.Restored {
			continue
		}
		// A kill before the flag is kept starts one task too many, which is stopped.
		if d := v.deployment(t.Deployment); d != nil && d != v.primary() && v.primary().Detail.RolloutState == failed {
			if _, err := s.newTask(s.orderOf(v, d)); err != nil {
				s.logf("start a task of service %s: %v", v.Detail.ServiceName, err)
				continue
			}
		}
		t.Restored = true
		s.saveTask(t)
	}
}

// lose records that a task ended with its host.
func (s *Service) lose(t *task) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	now := s.now()
	t.stop(terminationNotice, hostLost)
	d := &t.Detail
	d.LastStatus, d.StoppedAt, d.Connectivity = stopped, &now, "DISCONNECTED"
	if d.StoppingAt == nil {
		d.StoppingAt = &now
	}
	for i := range d.Containers {
		d.Containers[i].LastStatus, d.Containers[i].HealthStatus = stopped, unknown
	}
	d.HealthStatus = unknown
	d.Version++
	t.Targets, t.Scored = nil, true
	s.saveTask(t)
	s.taskEvent(t)
}

// AwaitStable waits until every service that this process made from a template,
// or changed, is steady, as CloudFormation does. The error tells what kept one
// from it, with its last events; a retry can help where a task could not reach
// what it needs.
func (s *Service) AwaitStable(ctx context.Context) error {
	limit := time.NewTimer(s.options.StableTimeout)
	defer limit.Stop()
	for {
		s.mutex.Lock()
		waiting, err := s.unstable()
		changed := s.changed
		s.mutex.Unlock()
		if err != nil || waiting == nil {
			return err
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		case <-limit.C:
			return fmt.Errorf("service %s did not become steady within %s%s", waiting.Detail.ServiceName, s.options.StableTimeout, waiting.lastEvents())
		}
	}
}

// unstable finds a service that is not steady; the error is of one that never
// will be. The mutex is held.
func (s *Service) unstable() (*service, error) {
	for _, v := range s.sortedServices() {
		id, awaited := s.awaited[v.Detail.ServiceArn]
		if !awaited || v.Detail.Status != active {
			continue
		}
		if p := v.primary().Detail; p.ID != id || p.RolloutState == failed {
			return nil, fmt.Errorf("service %s: Error occurred during operation 'ECS Deployment Circuit Breaker was triggered'%s", v.Detail.ServiceName, v.lastEvents()) //nolint:staticcheck // AWS's words
		}
		if !v.Steady {
			return v, nil
		}
	}
	return nil, nil
}

// lastEvents is the newest lines of a service's log of events, for an error.
func (v *service) lastEvents() string {
	text := ""
	for _, e := range v.Detail.Events[:min(len(v.Detail.Events), 5)] {
		text += "\n  " + e.Message
	}
	return text
}
