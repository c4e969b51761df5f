package ecs

import (
	"cmp"
	"context"
	"encoding/json"
	"strconv"
	"strings"
)

type runInput struct {
	CapacityProviderStrategy []weight          `json:"capacityProviderStrategy"`
	Cluster                  string            `json:"cluster"`
	Count                    *int              `json:"count"`
	EnableECSManagedTags     bool              `json:"enableECSManagedTags"`
	EnableExecuteCommand     bool              `json:"enableExecuteCommand"`
	Group                    string            `json:"group"`
	LaunchType               string            `json:"launchType"`
	NetworkConfiguration     *network          `json:"networkConfiguration"`
	Overrides                taskOverride      `json:"overrides"`
	PlacementConstraints     []json.RawMessage `json:"placementConstraints"`
	PlacementStrategy        []json.RawMessage `json:"placementStrategy"`
	PlatformVersion          string            `json:"platformVersion"`
	PropagateTags            string            `json:"propagateTags"`
	ReferenceID              string            `json:"referenceId"` // recorded nowhere by AWS either
	StartedBy                string            `json:"startedBy"`
	Tags                     []tag             `json:"tags"`
	TaskDefinition           string            `json:"taskDefinition"`
	ClientToken              string            `json:"clientToken"`
	VolumeConfigurations     []json.RawMessage `json:"volumeConfigurations"`
}

type tasksOutput struct {
	Tasks    []Task    `json:"tasks"`
	Failures []failure `json:"failures"`
}

// check applies the checks that services and tasks share.
func (in *runInput) check() error {
	shared := serviceInput{CapacityProviderStrategy: in.CapacityProviderStrategy, EnableExecuteCommand: &in.EnableExecuteCommand,
		LaunchType: in.LaunchType, NetworkConfiguration: in.NetworkConfiguration, PlacementConstraints: in.PlacementConstraints,
		PlacementStrategy: in.PlacementStrategy, PlatformVersion: in.PlatformVersion, PropagateTags: in.PropagateTags, Tags: in.Tags,
		VolumeConfigurations: in.VolumeConfigurations}
	if err := shared.check(); err != nil {
		return err
	}
	if err := in.NetworkConfiguration.check(); err != nil {
		return err
	}
	if in.Count != nil && (*in.Count < 1 || *in.Count > 10) {
		return invalid("count %d: want 1 to 10", *in.Count)
	}
	if len(in.StartedBy) > 128 {
		return invalid("startedBy has %d characters: AWS allows 128", len(in.StartedBy))
	}
	return nil
}

// check wants overrides to be of containers that are there, and of sizes that
// Fargate has.
func (o *taskOverride) check(d *definition) error {
	for _, c := range o.ContainerOverrides {
		if d.container(c.Name) == nil {
			return invalid("Override for container named %s is not a container in the TaskDefinition.", c.Name)
		}
	}
	if o.CPU == "" && o.Memory == "" {
		return nil
	}
	cpu, err := strconv.Atoi(cmp.Or(o.CPU, d.Input.CPU))
	if err != nil {
		return invalid("overrides.cpu %q: want CPU units in digits", o.CPU)
	}
	memory, err := strconv.Atoi(cmp.Or(o.Memory, d.Input.Memory))
	if err != nil {
		return invalid("overrides.memory %q: want MiB in digits", o.Memory)
	}
	return checkSize(cpu, memory)
}

func (s *Service) runTask(_ context.Context, in runInput) (tasksOutput, error) {
	if err := in.check(); err != nil {
		return tasksOutput{}, err
	}
	s.mutex.Lock()
	defer s.mutex.Unlock()
	cluster, err := s.activeCluster(in.Cluster)
	if err != nil {
		return tasksOutput{}, err
	}
	out := tasksOutput{Tasks: []Task{}, Failures: []failure{}}
	if in.ClientToken != "" {
		for _, t := range s.sortedTasks() {
			if t.Token == in.ClientToken && t.Cluster == cluster {
				out.Tasks = append(out.Tasks, t.snapshot())
			}
		}
		if len(out.Tasks) > 0 {
			return out, nil
		}
	}
	d, err := s.runnable(in.TaskDefinition)
	if err != nil {
		return tasksOutput{}, err
	}
	if err := in.Overrides.check(d); err != nil {
		return tasksOutput{}, err
	}
	o := order{cluster: cluster, definition: d, group: cmp.Or(in.Group, "family:"+d.family()), startedBy: in.StartedBy, launchType: "FARGATE",
		provider: choose(in.CapacityProviderStrategy), network: in.NetworkConfiguration, overrides: in.Overrides, tags: in.Tags, token: in.ClientToken}
	if in.PropagateTags == "TASK_DEFINITION" && len(o.tags) == 0 {
		o.tags = d.Input.Tags
	}
	count := 1
	if in.Count != nil {
		count = *in.Count
	}
	for range count {
		t, err := s.newTask(o)
		if err != nil {
			return out, err
		}
		out.Tasks = append(out.Tasks, t.snapshot())
	}
	s.wake()
	return out, nil
}

type stopInput struct {
	Cluster string `json:"cluster"`
	Task    string `json:"task"`
	Reason  string `json:"reason"`
}

type taskOutput struct {
	Task Task `json:"task"`
}

func (s *Service) stopTask(_ context.Context, in stopInput) (taskOutput, error) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	cluster, err := s.activeCluster(in.Cluster)
	if err != nil {
		return taskOutput{}, err
	}
	t := s.findTask(cluster, in.Task)
	if t == nil {
		return taskOutput{}, invalid("The referenced task was not found.")
	}
	s.stop(t, userInitiated, cmp.Or(in.Reason, "Task stopped by user"))
	return taskOutput{t.snapshot()}, nil
}

// stop asks a task to stop and wakes the service; the mutex is held.
func (s *Service) stop(t *task, code, reason string) {
	t.stop(code, reason)
	s.saveTask(t)
	s.wake()
}

// Reclaim takes the capacity of a running task away, as Fargate Spot does: it
// stops, and its service starts another. id is the task's, or its ARN.
func (s *Service) Reclaim(id string) error {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	t := s.tasks[id[strings.LastIndexByte(id, '/')+1:]]
	if t == nil || t.over() || !t.wanted() {
		return invalid("Task %s is not running: only a task that runs has capacity to lose.", id)
	}
	s.stop(t, spotInterruption, "Your Spot Task was interrupted.")
	return nil
}

// findTask takes an id or an ARN of a cluster. Callers hold the mutex.
func (s *Service) findTask(cluster, named string) *task {
	t := s.tasks[named[strings.LastIndexByte(named, '/')+1:]]
	if t == nil || t.Cluster != cluster || (strings.HasPrefix(named, "arn:") && t.Detail.TaskArn != named) {
		return nil
	}
	return t
}

type describeTasksInput struct {
	Cluster string   `json:"cluster"`
	Tasks   []string `json:"tasks"`
	Include []string `json:"include"`
}

func (s *Service) describeTasks(_ context.Context, in describeTasksInput) (tasksOutput, error) {
	if err := included(in.Include, "TAGS"); err != nil {
		return tasksOutput{}, err
	}
	if len(in.Tasks) < 1 || len(in.Tasks) > 100 {
		return tasksOutput{}, invalid("tasks has %d entries: want 1 to 100", len(in.Tasks))
	}
	s.mutex.Lock()
	defer s.mutex.Unlock()
	cluster, err := s.activeCluster(in.Cluster)
	if err != nil {
		return tasksOutput{}, err
	}
	out := tasksOutput{Tasks: []Task{}, Failures: []failure{}}
	for _, named := range in.Tasks {
		t := s.findTask(cluster, named)
		if t == nil {
			arn := named
			if !strings.HasPrefix(arn, "arn:") {
				arn = s.arn("task/" + cluster + "/" + named)
			}
			out.Failures = append(out.Failures, missing(arn))
			continue
		}
		d := t.snapshot()
		if len(in.Include) == 0 {
			d.Tags = []tag{}
		}
		out.Tasks = append(out.Tasks, d)
	}
	return out, nil
}

type listTasksInput struct {
	Cluster           string `json:"cluster"`
	ContainerInstance string `json:"containerInstance"`
	Family            string `json:"family"`
	StartedBy         string `json:"startedBy"`
	ServiceName       string `json:"serviceName"`
	DesiredStatus     string `json:"desiredStatus"`
	LaunchType        string `json:"launchType"`
	listInput
}

type listTasksOutput struct {
	TaskArns  []string `json:"taskArns"`
	NextToken string   `json:"nextToken,omitempty"`
}

func (s *Service) listTasks(_ context.Context, in listTasksInput) (listTasksOutput, error) {
	switch {
	case in.ContainerInstance != "":
		return listTasksOutput{}, refused("containerInstance", "Fargate has none; filter by serviceName or family")
	case !contains([]string{"", running, pending, stopped}, in.DesiredStatus):
		return listTasksOutput{}, invalid("desiredStatus %q: want RUNNING, PENDING or STOPPED", in.DesiredStatus)
	case in.ServiceName != "" && in.StartedBy != "":
		return listTasksOutput{}, invalid("Unable to list by both serviceName and startedBy.")
	}
	s.mutex.Lock()
	defer s.mutex.Unlock()
	cluster, err := s.activeCluster(in.Cluster)
	if err != nil {
		return listTasksOutput{}, err
	}
	service := s.serviceArn(cluster, in.ServiceName)
	if in.ServiceName != "" && s.services[service] == nil {
		return listTasksOutput{}, serviceNotFound()
	}
	all := []string{}
	for _, t := range s.sortedTasks() {
		family, _, _ := strings.Cut(strings.TrimPrefix(t.Detail.TaskDefinitionArn, s.arn("task-definition/")), ":")
		if t.Cluster == cluster && t.Detail.DesiredStatus == cmp.Or(in.DesiredStatus, running) &&
			(in.Family == "" || in.Family == family) && (in.ServiceName == "" || t.Service == service) &&
			(in.StartedBy == "" || in.StartedBy == t.Detail.StartedBy) && (in.LaunchType == "" || in.LaunchType == t.Detail.LaunchType) {
			all = append(all, t.Detail.TaskArn)
		}
	}
	arns, next, err := page(all, in.listInput, 100)
	return listTasksOutput{arns, next}, err
}
