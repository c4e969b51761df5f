package ecs

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/sluice-ml/sluice/infra/local/cloudwatch"
	"github.com/sluice-ml/sluice/infra/local/durable"
)

// Usage is what the tasks of a group have used since the group was first seen: a
// service's ("service:name"), or a family's that RunTask started ("family:name").
type Usage struct {
	Cluster     string  `json:"cluster"`
	Group       string  `json:"group"`
	Seconds     float64 `json:"task_seconds"` // from the pull of the image to the stop, as Fargate bills
	VCPUSeconds float64 `json:"vcpu_seconds"`
	GBSeconds   float64 `json:"gb_seconds"`
}

// usageBook keeps the totals, and writes them when save asks and they changed.
type usageBook struct {
	mutex   sync.Mutex
	path    string
	all     map[[2]string]*Usage
	changed bool
}

func (u *usageBook) open(path string) error {
	u.path, u.all = path, map[[2]string]*Usage{}
	var kept []*Usage
	if _, err := durable.ReadJSON(path, &kept); err != nil {
		return err
	}
	for _, one := range kept {
		u.all[[2]string{one.Cluster, one.Group}] = one
	}
	return nil
}

func (u *usageBook) add(cluster, group string, seconds, vcpus, gigabytes float64) {
	u.mutex.Lock()
	defer u.mutex.Unlock()
	key := [2]string{cluster, group}
	if u.all[key] == nil {
		u.all[key] = &Usage{Cluster: cluster, Group: group}
	}
	one := u.all[key]
	one.Seconds += seconds
	one.VCPUSeconds += seconds * vcpus
	one.GBSeconds += seconds * gigabytes
	u.changed = true
}

func (u *usageBook) list() []Usage {
	u.mutex.Lock()
	defer u.mutex.Unlock()
	out := []Usage{}
	for _, one := range u.all {
		out = append(out, *one)
	}
	slices.SortFunc(out, func(a, b Usage) int { return cmp.Or(cmp.Compare(a.Cluster, b.Cluster), cmp.Compare(a.Group, b.Group)) })
	return out
}

func (u *usageBook) save() error {
	u.mutex.Lock()
	changed := u.changed
	u.changed = false
	u.mutex.Unlock()
	if !changed {
		return nil
	}
	return durable.WriteJSON(u.path, u.list())
}

// Usage gives each group's totals, in the order of their names.
func (s *Service) Usage() []Usage { return s.usage.list() }

// account adds the time since it was last called; the mutex is held.
func (s *Service) account(t *task, now time.Time) {
	if t.Detail.PullStartedAt == nil || !now.After(t.metered) {
		return
	}
	s.usage.add(t.Cluster, t.Detail.Group, now.Sub(t.metered).Seconds(), number(t.Detail.CPU)/1024, number(t.Detail.Memory)/1024)
	t.metered = now
}

// number reads a size that was checked when it was given.
func number(digits string) float64 {
	n, _ := strconv.ParseFloat(digits, 64)
	return n
}

// meters remembers when metrics were last published.
type meters struct{ last time.Time }

// measure accounts the usage of the tasks that run and, once in MetricInterval,
// publishes their services' metrics: the percentage of the tasks' vCPUs and
// memory that is used, one value for each task.
func (s *Service) measure(now time.Time) error {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	publish := s.options.Metrics != nil && now.Sub(s.meters.last) >= s.options.MetricInterval
	elapsed := now.Sub(s.meters.last)
	if publish {
		s.meters.last = now
	}
	var problems []error
	for _, v := range s.sortedServices() {
		var cpu, memory []float64
		for _, t := range s.tasksOf(v) {
			if t.Detail.LastStatus != running || !publish {
				continue
			}
			used, resident, fresh := t.consumption()
			memory = append(memory, 100*float64(resident)/(number(t.Detail.Memory)*(1<<20)))
			if !fresh { // a task that was not seen before has no span to average over
				cpu = append(cpu, 100*used.Seconds()/(elapsed.Seconds()*number(t.Detail.CPU)/1024))
			}
		}
		dimensions := []cloudwatch.Dimension{{Name: "ClusterName", Value: v.cluster()}, {Name: "ServiceName", Value: v.Detail.ServiceName}}
		for name, values := range map[string][]float64{"CPUUtilization": cpu, "MemoryUtilization": memory} {
			if len(values) > 0 {
				problems = append(problems, s.options.Metrics.Put("AWS/ECS", cloudwatch.Datum{Name: name, Dimensions: dimensions, Time: now, Unit: "Percent", Values: values}))
			}
		}
	}
	for _, t := range s.tasks {
		if !t.over() {
			s.account(t, now)
		}
	}
	return errors.Join(problems...)
}

// consumption is the CPU time that a task's processes have used since it was last
// asked, and their resident memory now in bytes. fresh: it was never asked.
func (t *task) consumption() (used time.Duration, resident int64, fresh bool) {
	for _, c := range t.containers {
		if !c.live() {
			continue
		}
		if m, err := c.process.Memory(); err == nil {
			resident += m.RSS
		}
		total, err := cpuTime(c.process.PID())
		if err != nil {
			continue // it ends just now
		}
		used += total - c.cpu
		c.cpu = total
	}
	fresh = !t.measured
	t.measured = true
	return used, resident, fresh
}

// clockTick is the unit of the times in /proc: Linux shows 100 a second on every
// architecture.
const clockTick = 10 * time.Millisecond

// cpuTime reads a process's CPU time, user and system, from /proc.
func cpuTime(pid int) (time.Duration, error) {
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return 0, err
	}
	// The name in parentheses may hold anything; the fields after it are counted
	// from 3.
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	if len(fields) < 13 {
		return 0, fmt.Errorf("/proc/%d/stat has %d fields after the name", pid, len(fields))
	}
	user, errUser := strconv.ParseInt(fields[11], 10, 64)
	system, errSystem := strconv.ParseInt(fields[12], 10, 64)
	return time.Duration(user+system) * clockTick, errors.Join(errUser, errSystem)
}
