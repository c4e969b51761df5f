package ecs

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// What a deployment's rolloutState can be.
const (
	inProgress = "IN_PROGRESS"
	completed  = "COMPLETED"
	failed     = "FAILED"
)

const (
	primary         = "PRIMARY"
	platformVersion = "1.4.0" // what LATEST is
	maxEvents       = 100     // AWS's limit on a service's log of events
	steadyLife      = 30 * time.Second
	maxPause        = time.Minute
)

// service is a service's record. Detail's counts and deployments are filled in
// when it is described.
type service struct {
	Detail      serviceDetail
	Deployments []*deployment // the PRIMARY one first
	Completed   *deployment   `json:",omitempty"` // the last that completed: what a rollback goes back to
	Steady      bool          // the steady state was told
	Declared    *declared     `json:",omitempty"` // what the template says, for one of a template
}

// deployment is a deployment's record. Detail's counts and status are filled in
// when it is described.
type deployment struct {
	Detail    deploymentDetail
	ShortLife int    // tasks that ended soon after their start, in a row
	NextStart Moment // no task is started before
	Impaired  bool   // that tasks cannot be started was told
}

func (v *service) cluster() string {
	return v.Detail.ClusterArn[strings.LastIndexByte(v.Detail.ClusterArn, '/')+1:]
}

func (v *service) primary() *deployment { return v.Deployments[0] }

// deployment finds one that is not over yet.
func (v *service) deployment(id string) *deployment {
	for _, d := range v.Deployments {
		if d.Detail.ID == id {
			return d
		}
	}
	return nil
}

// say adds a line to the service's log of events, newest first.
func (v *service) say(now Moment, format string, args ...any) {
	line := serviceEvent{ID: uuid(random(32)), CreatedAt: now, Message: fmt.Sprintf("(service %s) ", v.Detail.ServiceName) + fmt.Sprintf(format, args...)}
	v.Detail.Events = append([]serviceEvent{line}, v.Detail.Events[:min(len(v.Detail.Events), maxEvents-1)]...)
}

func (s *Service) saveService(v *service) {
	if err := s.keepService(v); err != nil {
		s.logf("keep service %s: %v", v.Detail.ServiceName, err)
	}
}

// sortedServices gives the services by ARN; the mutex is held.
func (s *Service) sortedServices() []*service {
	var all []*service
	for _, arn := range slices.Sorted(maps.Keys(s.services)) {
		all = append(all, s.services[arn])
	}
	return all
}

// tasksOf gives a service's tasks that have not stopped, oldest first; the mutex
// is held.
func (s *Service) tasksOf(v *service) []*task {
	return slices.DeleteFunc(s.sortedTasks(), func(t *task) bool { return t.Service != v.Detail.ServiceArn || t.over() })
}

// targetHealth asks for the health of a task's targets: whether all are healthy,
// and the first group where it is unhealthy, with the reason.
func (s *Service) targetHealth(t *task) (well bool, sick, why string) {
	well = true
	for _, at := range t.Targets {
		state, reason, err := s.options.LoadBalancing.TargetHealth(at.Group, t.IP, at.Port)
		well = well && err == nil && state == "healthy"
		if err == nil && state == "unhealthy" && sick == "" {
			sick, why = at.Group, reason
		}
	}
	return well, sick, why
}

// judge decides whether a RUNNING task of a service is healthy, or must be
// replaced. The mutex is held.
func (s *Service) judge(t *task, well bool, sick, why string) (moved bool) {
	v := s.services[t.Service]
	if v == nil {
		return false
	}
	now := s.options.Now()
	was, wasHealthy := t.failing, t.healthy
	ran := now.Sub(t.Detail.StartedAt.Time)
	checked := len(t.Targets) > 0 || t.checked()
	switch {
	case !checked:
		t.healthy = ran >= s.options.SteadyAfter
	default:
		t.healthy = well && (!t.checked() || t.Detail.HealthStatus == healthy)
	}
	t.failing = ""
	if ran >= time.Duration(v.Detail.HealthCheckGracePeriodSeconds)*time.Second {
		switch {
		case t.Detail.HealthStatus == unhealthy:
			t.failing = "Task failed container health checks"
		case sick != "":
			t.failing = fmt.Sprintf("Task failed ELB health checks in (target-group %s)", sick)
		}
	}
	if t.failing != "" && was == "" {
		s.sayUnhealthy(v, t, sick, why)
	}
	if t.healthy && !t.Proven {
		t.Proven = true
		s.saveTask(t)
		if d := v.deployment(t.Deployment); d != nil && v.Detail.DeploymentConfiguration.DeploymentCircuitBreaker.resets() {
			d.Detail.FailedTasks = 0
		}
	}
	return t.failing != was || t.healthy != wasHealthy
}

func (s *Service) sayUnhealthy(v *service, t *task, sick, why string) {
	if sick == "" {
		v.say(s.now(), "(task %s) failed container health checks.", t.id())
		return
	}
	port := 0
	for _, at := range t.Targets {
		if at.Group == sick {
			port = at.Port
		}
	}
	v.say(s.now(), "(port %d) is unhealthy in (target-group %s) due to (reason %s)", port, sick, cmp.Or(why, "Health checks failed"))
}

// checked says whether an essential container has a health check.
func (t *task) checked() bool {
	return slices.ContainsFunc(t.containers, func(c *containerRun) bool {
		return c.definition.HealthCheck != nil && *c.definition.Essential
	})
}

// schedule takes the next step of a service: failed tasks are counted, tasks are
// started and stopped as plan decides, and its deployments move on.
func (s *Service) schedule(v *service) (moved bool) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	if v.Detail.Status == inactive {
		return false
	}
	moved = s.score(v)
	if s.trip(v) {
		moved = true
	}
	tasks := s.tasksOf(v)
	if v.Detail.Status == draining {
		if len(tasks) == 0 {
			v.Detail.Status, v.Deployments = inactive, v.Deployments[:0]
			s.saveService(v)
			s.notify()
			return true
		}
	}
	if s.carryOut(v, tasks, plan(s.situation(v, tasks))) {
		moved = true
	}
	if s.retire(v) {
		moved = true
	}
	return s.settle(v) || moved
}

// situation is what plan needs to know; the mutex is held.
func (s *Service) situation(v *service, tasks []*task) situation {
	now, p := s.options.Now(), v.primary()
	in := situation{Desired: v.Detail.DesiredCount, Primary: p.Detail.ID,
		MinimumHealthy: *v.Detail.DeploymentConfiguration.MinimumHealthyPercent, Maximum: *v.Detail.DeploymentConfiguration.MaximumPercent,
		MayStart: p.Detail.RolloutState != failed && !now.Before(p.NextStart.Time), KeepOld: p.Detail.RolloutState == failed && v.Detail.DesiredCount > 0}
	for i, t := range tasks {
		if t.wanted() {
			in.Tasks = append(in.Tasks, taskView{ID: t.id(), Deployment: t.Deployment, Healthy: t.Detail.LastStatus == running && t.healthy,
				Failing: t.failing, Age: len(tasks) - 1 - i})
		}
	}
	return in
}

// carryOut starts and stops tasks; the mutex is held.
func (s *Service) carryOut(v *service, tasks []*task, d decision) (moved bool) {
	now := s.now()
	var ended, begun []string
	for _, order := range d.Stop {
		i := slices.IndexFunc(tasks, func(t *task) bool { return t.id() == order.ID })
		tasks[i].stop(schedulerInitiated, or(order.Reason, fmt.Sprintf("Scaling activity initiated by (deployment %s)", v.primary().Detail.ID)))
		s.saveTask(tasks[i])
		ended = append(ended, "(task "+order.ID+")")
	}
	p := v.primary()
	for range d.Start {
		t, err := s.newTask(s.orderOf(v, p))
		if err != nil {
			s.logf("start a task of service %s: %v", v.Detail.ServiceName, err)
			break
		}
		begun = append(begun, "(task "+t.id()+")")
	}
	if len(ended) > 0 {
		v.say(now, "has stopped %d running tasks: %s.", len(ended), strings.Join(ended, " "))
	}
	if len(begun) > 0 {
		v.say(now, "has started %d tasks: %s.", len(begun), strings.Join(begun, " "))
	}
	if len(ended)+len(begun) == 0 {
		return false
	}
	v.Steady = false
	s.saveService(v)
	return true
}

// orderOf is a new task of a deployment.
func (s *Service) orderOf(v *service, d *deployment) order {
	o := order{cluster: v.cluster(), definition: s.definitionNamed(d.Detail.TaskDefinition), service: v, deployment: d.Detail.ID,
		group: "service:" + v.Detail.ServiceName, startedBy: d.Detail.ID, launchType: "FARGATE", network: d.Detail.NetworkConfiguration}
	o.provider = choose(v.Detail.CapacityProviderStrategy)
	switch v.Detail.PropagateTags {
	case "SERVICE":
		o.tags = v.Detail.Tags
	case "TASK_DEFINITION":
		o.tags = o.definition.Input.Tags
	}
	return o
}

// choose takes the capacity provider with the greatest weight.
func choose(strategy []weight) string {
	best := weight{Weight: -1}
	for _, w := range strategy {
		if w.Weight > best.Weight {
			best = w
		}
	}
	return best.CapacityProvider
}

// retire drops deployments that have no tasks any more; the mutex is held.
func (s *Service) retire(v *service) bool {
	before := len(v.Deployments)
	tasks := s.tasksOf(v)
	p := v.primary()
	v.Deployments = slices.DeleteFunc(v.Deployments, func(d *deployment) bool {
		return d != p && !slices.ContainsFunc(tasks, func(t *task) bool { return t.Deployment == d.Detail.ID })
	})
	if len(v.Deployments) == before {
		return false
	}
	s.saveService(v)
	s.notify()
	return true
}
