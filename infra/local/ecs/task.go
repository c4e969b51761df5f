package ecs

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sluice-ml/sluice/infra/local/process"
)

// What a task's lastStatus and desiredStatus can be.
const (
	provisioning   = "PROVISIONING"
	pending        = "PENDING"
	activating     = "ACTIVATING"
	running        = "RUNNING"
	deactivating   = "DEACTIVATING"
	stopping       = "STOPPING"
	deprovisioning = "DEPROVISIONING"
	stopped        = "STOPPED"
)

// What a health status can be.
const (
	unknown   = "UNKNOWN"
	healthy   = "HEALTHY"
	unhealthy = "UNHEALTHY"
)

// Why a task was stopped.
const (
	failedToStart      = "TaskFailedToStart"
	essentialExited    = "EssentialContainerExited"
	userInitiated      = "UserInitiated"
	schedulerInitiated = "ServiceSchedulerInitiated"
	spotInterruption   = "SpotInterruption"
	terminationNotice  = "TerminationNotice"
)

// target is a target that a task has at a group.
type target struct {
	Group string
	Port  int
}

// task is a task's record. What its file keeps is exported.
type task struct {
	Detail     Task
	Cluster    string
	Service    string `json:",omitempty"` // ARN; "" is a task of its own
	Deployment string `json:",omitempty"` // id
	IP         string
	Token      string   `json:",omitempty"` // clientToken of RunTask
	Targets    []target `json:",omitempty"` // registered
	Proven     bool     `json:",omitempty"` // it was healthy once
	Restored   bool     `json:",omitempty"` // lost with its host, and another was started for it
	Scored     bool     `json:",omitempty"` // its failure, if it is one, was counted

	definition *definition
	containers []*containerRun
	killAt     time.Time // when SIGKILL follows SIGTERM; zero before SIGTERM
	healthy    bool      // RUNNING, and its checks pass
	failing    string    // why its service must replace it
	metered    time.Time // usage is accounted up to here
	measured   bool      // its consumption was asked for before
}

func (t *task) id() string { return t.Detail.TaskArn[strings.LastIndexByte(t.Detail.TaskArn, '/')+1:] }

func (t *task) over() bool { return t.Detail.LastStatus == stopped }

// starting says whether the task is on its way to RUNNING.
func (t *task) starting() bool {
	return contains([]string{provisioning, pending, activating}, t.Detail.LastStatus)
}

// wanted says whether nobody has asked to stop the task.
func (t *task) wanted() bool { return t.Detail.DesiredStatus == running }

// stop asks the task to stop; the first reason stays. Callers hold the mutex.
func (t *task) stop(code, reason string) {
	if t.Detail.DesiredStatus == stopped {
		return
	}
	t.Detail.DesiredStatus, t.Detail.StopCode, t.Detail.StoppedReason = stopped, code, reason
}

// containerRun is a container of a task and its process.
type containerRun struct {
	definition containerDefinition // with the overrides of the task
	id         string              // of the metadata endpoint
	port       int                 // where its process must listen; 0: it has no port
	process    *process.Process    // nil before it was started
	output     flusher
	exceeded   <-chan struct{} // closed when it passed its memory
	endLimit   chan struct{}
	ended      bool // and was taken note of
	started    time.Time
	folder     string
	image      imageOf
	check      checkRun
	cpu        time.Duration // used, as of the last look
}

type flusher interface {
	Write([]byte) (int, error)
	Flush()
}

// silent takes the output of a container without a log configuration.
type silent struct{}

func (silent) Write(p []byte) (int, error) { return len(p), nil }
func (silent) Flush()                      {}

const defaultStopTimeout = 30 * time.Second

func (c *containerRun) stopTimeout() time.Duration {
	if c.definition.StopTimeout != nil {
		return time.Duration(*c.definition.StopTimeout) * time.Second
	}
	return defaultStopTimeout
}

func (c *containerRun) live() bool { return c.process != nil && !c.ended }

// random gives n hexadecimal digits.
func random(n int) string {
	b := make([]byte, (n+1)/2)
	_, _ = rand.Read(b)
	return hex.EncodeToString(b)[:n]
}

// digits gives n random digits, the first not 0.
func digits(n int) string {
	b := make([]byte, n)
	_, _ = rand.Read(b)
	for i := range b {
		b[i] = '0' + b[i]%10
	}
	if b[0] == '0' {
		b[0] = '1'
	}
	return string(b)
}

// order is what a new task is made from.
type order struct {
	cluster    string
	definition *definition
	service    *service // nil: a task of its own
	deployment string
	group      string
	startedBy  string
	launchType string
	provider   string
	network    *network
	overrides  taskOverride
	tags       []tag
	token      string
}

// newTask makes a task and keeps it. Callers hold the mutex.
func (s *Service) newTask(o order) (*task, error) {
	now := s.now()
	id, eni := random(32), random(32)
	arn := s.arn("task/" + o.cluster + "/" + id)
	t := &task{Cluster: o.cluster, Deployment: o.deployment, Token: o.token, IP: s.freeIP(), definition: o.definition, metered: now.Time}
	if o.service != nil {
		t.Service = o.service.Detail.ServiceArn
	}
	subnet := ""
	if o.network != nil && o.network.AwsvpcConfiguration != nil && len(o.network.AwsvpcConfiguration.Subnets) > 0 {
		subnet = o.network.AwsvpcConfiguration.Subnets[0]
	}
	input := o.definition.Input
	t.Detail = Task{
		Attachments: []attachment{{ID: uuid(eni), Type: "ElasticNetworkInterface", Status: "PRECREATED", Details: []nameValue{
			{"subnetId", subnet}, {"networkInterfaceId", "eni-" + random(17)}, {"macAddress", mac(t.IP)}, {"privateIPv4Address", t.IP}}}},
		Attributes:       []nameValue{{"ecs.cpu-architecture", strings.ToLower(architecture())}},
		AvailabilityZone: s.options.Region + "a", CapacityProviderName: o.provider, ClusterArn: s.clusterArn(o.cluster),
		Containers: []Container{}, CPU: or(o.overrides.CPU, input.CPU), CreatedAt: now, DesiredStatus: running, Group: o.group, HealthStatus: unknown,
		LastStatus: provisioning, LaunchType: o.launchType, Memory: or(o.overrides.Memory, input.Memory), Overrides: o.overrides,
		PlatformFamily: "Linux", PlatformVersion: platformVersion, StartedBy: o.startedBy, Tags: append([]tag{}, o.tags...), TaskArn: arn,
		TaskDefinitionArn: o.definition.ARN, Version: 1, EphemeralStorage: ephemeralStorage{20},
	}
	if e := input.EphemeralStorage; e != nil {
		t.Detail.EphemeralStorage = *e
	}
	t.Detail.Overrides.ContainerOverrides = append([]containerOverride{}, o.overrides.ContainerOverrides...)
	for _, c := range input.ContainerDefinitions {
		t.addContainer(s, overridden(c, o.overrides), uuid(eni))
	}
	if err := s.keepTask(t); err != nil {
		return nil, err
	}
	s.tasks[t.id()] = t
	s.taskEvent(t)
	return t, nil
}

func (t *task) addContainer(s *Service, c containerDefinition, eni string) {
	id := random(32)
	t.containers = append(t.containers, &containerRun{definition: c, id: t.id() + "-" + digits(10)})
	t.Detail.Containers = append(t.Detail.Containers, Container{
		ContainerArn: s.arn("container/" + t.Cluster + "/" + t.id() + "/" + uuid(id)), TaskArn: t.Detail.TaskArn, Name: c.Name, Image: c.Image,
		LastStatus: pending, NetworkBindings: []json.RawMessage{}, NetworkInterfaces: []networkInterface{{eni, t.IP}}, HealthStatus: unknown,
		CPU: strconv.Itoa(c.CPU), Memory: positive(c.Memory), MemoryReservation: positive(c.MemoryReservation)})
}

func or(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

func positive(n int) string {
	if n == 0 {
		return ""
	}
	return strconv.Itoa(n)
}

func uuid(hex32 string) string {
	return hex32[:8] + "-" + hex32[8:12] + "-" + hex32[12:16] + "-" + hex32[16:20] + "-" + hex32[20:]
}

// overridden is a container of a task definition with what RunTask replaces.
func overridden(c containerDefinition, o taskOverride) containerDefinition {
	for _, over := range o.ContainerOverrides {
		if over.Name != c.Name {
			continue
		}
		if over.Command != nil {
			c.Command = over.Command
		}
		variables := slices.Clone(c.Environment)
		for _, v := range over.Environment {
			variables = slices.DeleteFunc(variables, func(old Variable) bool { return old.Name == v.Name })
			variables = append(variables, v)
		}
		c.Environment = variables
		for at, value := range map[*int]*int{&c.CPU: over.CPU, &c.Memory: over.Memory, &c.MemoryReservation: over.MemoryReservation} {
			if value != nil {
				*at = *value
			}
		}
	}
	return c
}

// sortedTasks gives the tasks in the order of their creation; the mutex is held.
func (s *Service) sortedTasks() []*task {
	return slices.SortedFunc(maps.Values(s.tasks), func(a, b *task) int {
		if c := a.Detail.CreatedAt.Compare(b.Detail.CreatedAt.Time); c != 0 {
			return c
		}
		return strings.Compare(a.id(), b.id())
	})
}

// snapshot copies a description, so that it can leave the lock.
func (t *task) snapshot() Task {
	d := t.Detail
	d.Containers = slices.Clone(d.Containers)
	d.Attachments = slices.Clone(d.Attachments)
	d.Tags = append([]tag{}, d.Tags...)
	return d
}

// forget drops the tasks that stopped long ago.
func (s *Service) forget(now time.Time) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	for _, t := range s.sortedTasks() {
		if t.over() && (t.Scored || t.Service == "") && now.Sub(t.Detail.StoppedAt.Time) > s.options.StoppedFor {
			s.dropTask(t)
		}
	}
}
