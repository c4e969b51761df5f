package ecs

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/sluice-ml/sluice/infra/local/wire"
)

// Statuses of task definitions, clusters and services.
const (
	active   = "ACTIVE"
	draining = "DRAINING"
	inactive = "INACTIVE"
)

// containerDefinition is a container of a task definition. Members match in
// CloudFormation's spelling and the API's alike. Those of RawMessages must be
// empty.
type containerDefinition struct {
	Name                   string            `json:"name"`
	Image                  string            `json:"image"`
	CPU                    int               `json:"cpu"`
	Memory                 int               `json:"memory,omitempty"`            // MiB; the process is killed above it
	MemoryReservation      int               `json:"memoryReservation,omitempty"` // recorded
	PortMappings           []portMapping     `json:"portMappings"`
	Essential              *bool             `json:"essential"`
	EntryPoint             []string          `json:"entryPoint,omitempty"`
	Command                []string          `json:"command,omitempty"`
	Environment            []Variable        `json:"environment"`
	MountPoints            []json.RawMessage `json:"mountPoints"`
	VolumesFrom            []json.RawMessage `json:"volumesFrom"`
	Secrets                []json.RawMessage `json:"secrets,omitempty"`
	EnvironmentFiles       []json.RawMessage `json:"environmentFiles,omitempty"`
	Ulimits                []json.RawMessage `json:"ulimits,omitempty"`
	SystemControls         []json.RawMessage `json:"systemControls"`
	DependsOn              []dependency      `json:"dependsOn,omitempty"`
	StartTimeout           int               `json:"startTimeout,omitempty"` // seconds
	StopTimeout            *int              `json:"stopTimeout,omitempty"`  // seconds
	User                   string            `json:"user,omitempty"`         // recorded
	WorkingDirectory       string            `json:"workingDirectory,omitempty"`
	Privileged             *bool             `json:"privileged,omitempty"`
	ReadonlyRootFilesystem *bool             `json:"readonlyRootFilesystem,omitempty"` // recorded
	DockerLabels           map[string]string `json:"dockerLabels,omitempty"`
	LogConfiguration       *logConfiguration `json:"logConfiguration,omitempty"`
	HealthCheck            *healthCheck      `json:"healthCheck,omitempty"`
	LinuxParameters        *linuxParameters  `json:"linuxParameters,omitempty"`
	VersionConsistency     string            `json:"versionConsistency,omitempty"` // recorded: an asset's image never changes
}

type linuxParameters struct {
	InitProcessEnabled *bool             `json:"initProcessEnabled,omitempty"` // a process needs none
	Capabilities       *json.RawMessage  `json:"capabilities,omitempty"`
	Devices            []json.RawMessage `json:"devices,omitempty"`
	Tmpfs              []json.RawMessage `json:"tmpfs,omitempty"`
	SharedMemorySize   int               `json:"sharedMemorySize,omitempty"`
}

type portMapping struct {
	ContainerPort int    `json:"containerPort"`
	HostPort      int    `json:"hostPort"`
	Protocol      string `json:"protocol"`
	Name          string `json:"name,omitempty"`
	AppProtocol   string `json:"appProtocol,omitempty"`
}

type dependency struct {
	ContainerName string `json:"containerName"`
	Condition     string `json:"condition"` // START, COMPLETE, SUCCESS, HEALTHY
}

type logConfiguration struct {
	LogDriver     string            `json:"logDriver"`
	Options       map[string]string `json:"options,omitempty"`
	SecretOptions []json.RawMessage `json:"secretOptions,omitempty"`
}

type healthCheck struct {
	Command     []string `json:"command"`
	Interval    int      `json:"interval"` // seconds, as the rest
	Timeout     int      `json:"timeout"`
	Retries     int      `json:"retries"`
	StartPeriod int      `json:"startPeriod,omitempty"`
}

// registerInput is RegisterTaskDefinition's input, and the properties of
// AWS::ECS::TaskDefinition.
type registerInput struct {
	Family                  string                `json:"family"`
	TaskRoleArn             string                `json:"taskRoleArn,omitempty"`
	ExecutionRoleArn        string                `json:"executionRoleArn,omitempty"`
	NetworkMode             string                `json:"networkMode,omitempty"`
	ContainerDefinitions    []containerDefinition `json:"containerDefinitions"`
	Volumes                 []json.RawMessage     `json:"volumes"`
	PlacementConstraints    []json.RawMessage     `json:"placementConstraints"`
	RequiresCompatibilities []string              `json:"requiresCompatibilities"`
	CPU                     string                `json:"cpu,omitempty"`
	Memory                  string                `json:"memory,omitempty"`
	RuntimePlatform         *runtimePlatform      `json:"runtimePlatform,omitempty"`
	EphemeralStorage        *ephemeralStorage     `json:"ephemeralStorage,omitempty"`
	EnableFaultInjection    *bool                 `json:"enableFaultInjection,omitempty"`
	Tags                    []tag                 `json:"tags,omitempty"`
}

type runtimePlatform struct {
	CPUArchitecture       string `json:"cpuArchitecture,omitempty"`
	OperatingSystemFamily string `json:"operatingSystemFamily,omitempty"`
}

// definitionDetail is a task definition as DescribeTaskDefinition gives it.
type definitionDetail struct {
	registerInput
	Tags               []struct{} `json:"tags,omitempty"` // hides the input's: tags are beside the definition
	TaskDefinitionArn  string     `json:"taskDefinitionArn"`
	Revision           int        `json:"revision"`
	Status             string     `json:"status"`
	Compatibilities    []string   `json:"compatibilities"`
	RequiresAttributes []struct{} `json:"requiresAttributes"`
	RegisteredAt       Moment     `json:"registeredAt"`
	RegisteredBy       string     `json:"registeredBy"`
	DeregisteredAt     *Moment    `json:"deregisteredAt,omitempty"`
}

// definition is a revision of a family, as its file keeps it.
type definition struct {
	ARN          string
	Revision     int
	Input        registerInput
	Registered   Moment
	Deregistered *Moment `json:",omitempty"`
}

func (d *definition) status() string {
	if d.Deregistered != nil {
		return inactive
	}
	return active
}

func (d *definition) family() string { return d.Input.Family }

func (d *definition) container(name string) *containerDefinition {
	for i := range d.Input.ContainerDefinitions {
		if d.Input.ContainerDefinitions[i].Name == name {
			return &d.Input.ContainerDefinitions[i]
		}
	}
	return nil
}

func (s *Service) detail(d *definition) definitionDetail {
	return definitionDetail{registerInput: d.Input, TaskDefinitionArn: d.ARN, Revision: d.Revision, Status: d.status(),
		Compatibilities: []string{"EC2", "FARGATE"}, RequiresAttributes: []struct{}{}, RegisteredAt: d.Registered,
		RegisteredBy: s.root(), DeregisteredAt: d.Deregistered}
}

type definitionOutput struct {
	TaskDefinition definitionDetail `json:"taskDefinition"`
	Tags           []tag            `json:"tags,omitempty"`
}

func (s *Service) registerTaskDefinition(_ context.Context, in registerInput) (definitionOutput, error) {
	if err := in.complete(s.options.Region); err != nil {
		return definitionOutput{}, err
	}
	s.mutex.Lock()
	defer s.mutex.Unlock()
	d, err := s.register(in)
	if err != nil {
		return definitionOutput{}, err
	}
	return definitionOutput{s.detail(d), in.Tags}, nil
}

// register adds a revision of a complete input. Callers hold the mutex.
func (s *Service) register(in registerInput) (*definition, error) {
	revisions := s.families[in.Family]
	d := &definition{Revision: len(revisions) + 1, Input: in, Registered: s.now()}
	d.ARN = s.arn("task-definition/" + in.Family + ":" + strconv.Itoa(d.Revision))
	revisions = append(revisions[:len(revisions):len(revisions)], d)
	if err := s.keepFamily(in.Family, revisions); err != nil {
		return nil, err
	}
	s.families[in.Family] = revisions
	return d, nil
}

// registerOnce is register for a template: an input that equals the family's
// latest revision is that revision, so that a restart makes no new one.
func (s *Service) registerOnce(in registerInput) (*definition, error) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	if revisions := s.families[in.Family]; len(revisions) > 0 {
		last := revisions[len(revisions)-1]
		kept, asked := last.Input, in
		kept.Tags, asked.Tags = nil, nil // changing them makes no revision
		if last.status() == active && same(kept, asked) {
			return last, nil
		}
	}
	return s.register(in)
}

// same compares what would be kept: nil and empty are alike once written.
func same(a, b any) bool {
	x, errX := json.Marshal(a)
	y, errY := json.Marshal(b)
	return errX == nil && errY == nil && bytes.Equal(x, y)
}

// definitionNamed takes a family (its latest active revision), family:revision or
// an ARN. Callers hold the mutex.
func (s *Service) definitionNamed(named string) *definition {
	name := strings.TrimPrefix(named, s.arn("task-definition/"))
	family, digits, hasRevision := strings.Cut(name, ":")
	revisions := s.families[family]
	if hasRevision {
		n, err := strconv.Atoi(digits)
		if err != nil || n < 1 || n > len(revisions) {
			return nil
		}
		return revisions[n-1]
	}
	for i := len(revisions) - 1; i >= 0; i-- {
		if revisions[i].status() == active {
			return revisions[i]
		}
	}
	return nil
}

// runnable finds a task definition that new tasks may use.
func (s *Service) runnable(named string) (*definition, error) {
	if named == "" {
		return nil, invalid("Task definition can not be blank.")
	}
	d := s.definitionNamed(named)
	switch {
	case d == nil:
		return nil, wire.Errorf("ClientException", "TaskDefinition not found.")
	case d.status() != active:
		return nil, wire.Errorf("ClientException", "TaskDefinition is inactive")
	}
	return d, nil
}

type describeDefinitionInput struct {
	TaskDefinition string   `json:"taskDefinition"`
	Include        []string `json:"include"`
}

func (s *Service) describeTaskDefinition(_ context.Context, in describeDefinitionInput) (definitionOutput, error) {
	if err := included(in.Include, "TAGS"); err != nil {
		return definitionOutput{}, err
	}
	s.mutex.Lock()
	defer s.mutex.Unlock()
	d := s.definitionNamed(in.TaskDefinition)
	if d == nil {
		return definitionOutput{}, wire.Errorf("ClientException", "Unable to describe task definition.")
	}
	out := definitionOutput{TaskDefinition: s.detail(d)}
	if len(in.Include) > 0 {
		out.Tags = d.Input.Tags
	}
	return out, nil
}

// included checks the parts of a description that are asked for.
func included(asked []string, known ...string) error {
	for _, one := range asked {
		if !contains(known, one) {
			return invalid("include %q: want %s", one, strings.Join(known, ", "))
		}
	}
	return nil
}

type deregisterInput struct {
	TaskDefinition string `json:"taskDefinition"`
}

func (s *Service) deregisterTaskDefinition(_ context.Context, in deregisterInput) (definitionOutput, error) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	name := strings.TrimPrefix(in.TaskDefinition, s.arn("task-definition/"))
	if !strings.Contains(name, ":") {
		return definitionOutput{}, wire.Errorf("ClientException", "Invalid revision number. Number: %s", name)
	}
	d := s.definitionNamed(in.TaskDefinition)
	if d == nil {
		return definitionOutput{}, wire.Errorf("ClientException", "The specified task definition does not exist.")
	}
	if d.Deregistered == nil {
		now := s.now()
		d.Deregistered = &now
		if err := s.keepFamily(d.family(), s.families[d.family()]); err != nil {
			d.Deregistered = nil
			return definitionOutput{}, err
		}
	}
	return definitionOutput{TaskDefinition: s.detail(d)}, nil
}

var entityName = regexp.MustCompile(`^[A-Za-z0-9_-]{1,255}$`)

func checkName(what, name string) error {
	if !entityName.MatchString(name) {
		return wire.Errorf("ClientException", "%s %q: want 1 to 255 letters, digits, '-' and '_'", what, name)
	}
	return nil
}

func invalid(format string, args ...any) error {
	return wire.Errorf("InvalidParameterException", format, args...)
}

// refused is what the local stack does not do; nearest says what it does.
func refused(what, nearest string) error {
	return wire.Errorf("InvalidParameterException", "%s: the local stack does not implement it; %s", what, nearest)
}

func (s *Service) arn(resource string) string {
	return "arn:aws:ecs:" + s.options.Region + ":" + s.options.Account + ":" + resource
}

func (s *Service) root() string { return fmt.Sprintf("arn:aws:iam::%s:root", s.options.Account) }

func (s *Service) now() Moment { return Moment{s.options.Now().UTC()} }
