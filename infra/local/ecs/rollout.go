package ecs

import (
	"fmt"
	"slices"
	"strings"
)

// newDeployment makes a deployment the service's PRIMARY one; the mutex is held.
func (s *Service) newDeployment(v *service, definition string) {
	now := s.now()
	id := "ecs-svc/" + digits(19)
	d := &deployment{Detail: deploymentDetail{ID: id, TaskDefinition: definition, CreatedAt: now, UpdatedAt: now,
		LaunchType: v.Detail.LaunchType, CapacityProviderStrategy: v.Detail.CapacityProviderStrategy, PlatformVersion: platformVersion,
		PlatformFamily: "Linux", NetworkConfiguration: v.Detail.NetworkConfiguration}}
	v.Deployments = append([]*deployment{d}, v.Deployments...)
	v.Detail.TaskDefinition, v.Steady = definition, false
	s.rollOut(v, d, inProgress, fmt.Sprintf("ECS deployment %s in progress.", id))
}

// rollOut sets a deployment's rollout state and tells the listeners; the mutex is
// held.
func (s *Service) rollOut(v *service, d *deployment, state, reason string) {
	d.Detail.RolloutState, d.Detail.RolloutStateReason, d.Detail.UpdatedAt = state, reason, s.now()
	s.deploymentEvent(v, d)
}

// score counts the tasks that stop for a reason of their own, as soon as that is
// known: before others are started in their place. The mutex is held.
func (s *Service) score(v *service) (moved bool) {
	for _, t := range s.sortedTasks() {
		if t.Service != v.Detail.ServiceArn || t.wanted() || t.Scored {
			continue
		}
		t.Scored, moved = true, true
		s.saveTask(t)
		d := v.deployment(t.Deployment)
		if d == nil || !t.wentWrong() {
			continue
		}
		if !t.Proven {
			d.Detail.FailedTasks++
		}
		if at := t.Detail.StartedAt; at == nil || s.options.Now().Sub(at.Time) < steadyLife {
			d.ShortLife++
		} else {
			d.ShortLife = 1
		}
		s.pause(v, d)
		s.saveService(v)
	}
	return moved
}

// wentWrong says whether the task stops for a reason of its own.
func (t *task) wentWrong() bool {
	switch t.Detail.StopCode {
	case failedToStart, essentialExited:
		return true
	}
	return strings.HasPrefix(t.Detail.StoppedReason, "Task failed ")
}

// impairedAfter is how many short-lived tasks in a row are told to the listeners.
const impairedAfter = 3

// pause puts the next start of a deployment off: not after one short-lived task,
// then ever longer. The mutex is held.
func (s *Service) pause(v *service, d *deployment) {
	if d.ShortLife < 2 {
		return
	}
	wait := maxPause
	if n := d.ShortLife - 2; n < 10 {
		wait = min(maxPause, s.options.RestartPause<<n)
	}
	d.NextStart = Moment{s.options.Now().Add(wait).UTC()}
	if d.ShortLife >= impairedAfter && !d.Impaired {
		d.Impaired = true
		v.say(s.now(), "is unable to consistently start tasks successfully. For more information, see the Troubleshooting section of the Amazon ECS Developer Guide.")
		s.serviceAction(v, "WARN", "SERVICE_TASK_START_IMPAIRED", "")
	}
}

// trip ends the PRIMARY deployment when its circuit breaker says so, and goes
// back to the last that completed, if that is asked for. The mutex is held.
func (s *Service) trip(v *service) bool {
	d, breaker := v.primary(), v.Detail.DeploymentConfiguration.DeploymentCircuitBreaker
	if breaker == nil || !breaker.Enable || d.Detail.RolloutState != inProgress || v.Detail.Status != active ||
		d.Detail.FailedTasks < breaker.limit(v.Detail.DesiredCount) {
		return false
	}
	s.fail(v, d, "ECS deployment circuit breaker: tasks failed to start.", "tasks failed to start.")
	if back := v.Completed; breaker.Rollback && back != nil && back.Detail.ID != d.Detail.ID {
		s.rollBack(v, back, "ECS deployment circuit breaker")
	}
	s.saveService(v)
	s.notify()
	return true
}

func (s *Service) fail(v *service, d *deployment, reason, short string) {
	s.rollOut(v, d, failed, reason)
	v.say(s.now(), "(deployment %s) deployment failed: %s", d.Detail.ID, short)
}

// rollBack makes the last completed deployment PRIMARY again. Its tasks that
// still run belong to it and stay.
func (s *Service) rollBack(v *service, back *deployment, who string) {
	if there := v.deployment(back.Detail.ID); there != nil {
		back = there
	}
	back.Detail.FailedTasks, back.ShortLife, back.NextStart, back.Impaired = 0, 0, Moment{}, false
	v.Deployments = append([]*deployment{back}, slices.DeleteFunc(v.Deployments, func(d *deployment) bool { return d == back })...)
	v.Detail.TaskDefinition, v.Detail.NetworkConfiguration, v.Steady = back.Detail.TaskDefinition, back.Detail.NetworkConfiguration, false
	s.rollOut(v, back, inProgress, fmt.Sprintf("%s: rolling back to deploymentId %s.", who, back.Detail.ID))
	v.say(s.now(), "rolling back to deployment %s.", back.Detail.ID)
}

// settle says that a service is steady, once, and completes its deployment: every
// task of the PRIMARY deployment is healthy and no other is left. The mutex is
// held.
func (s *Service) settle(v *service) bool {
	p, tasks := v.primary(), s.tasksOf(v)
	well := 0
	for _, t := range tasks {
		if t.Deployment == p.Detail.ID && t.wanted() && t.healthy && t.failing == "" && t.Detail.LastStatus == running {
			well++
		}
	}
	if v.Steady || well != v.Detail.DesiredCount || len(tasks) != well || p.Detail.RolloutState == failed || v.Detail.Status != active {
		return false
	}
	v.Steady = true
	if p.Detail.RolloutState == inProgress {
		s.rollOut(v, p, completed, fmt.Sprintf("ECS deployment %s completed.", p.Detail.ID))
		v.say(s.now(), "(deployment %s) deployment completed.", p.Detail.ID)
		kept := *p
		v.Completed = &kept
	}
	v.say(s.now(), "has reached a steady state.")
	s.serviceAction(v, "INFO", "SERVICE_STEADY_STATE", "")
	s.saveService(v)
	s.notify()
	return true
}

// describe fills in what DescribeServices counts; the mutex is held.
func (s *Service) describe(v *service, withTags bool) serviceDetail {
	out := v.Detail
	out.Events = append([]serviceEvent{}, v.Detail.Events...)
	out.Deployments = []deploymentDetail{}
	if !withTags {
		out.Tags = nil
	}
	for i, d := range v.Deployments {
		one := d.Detail
		one.Status = active
		if i == 0 {
			one.Status, one.DesiredCount = primary, v.Detail.DesiredCount
		}
		for _, t := range s.tasksOf(v) {
			if t.Deployment != one.ID {
				continue
			}
			if i > 0 && t.wanted() && one.RolloutState != failed {
				one.DesiredCount++
			}
			switch {
			case t.Detail.LastStatus == running:
				one.RunningCount++
			case t.starting():
				one.PendingCount++
			}
		}
		out.RunningCount += one.RunningCount
		out.PendingCount += one.PendingCount
		out.Deployments = append(out.Deployments, one)
	}
	return out
}
