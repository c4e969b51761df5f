package batch

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/sluice-ml/sluice/infra/local/assembly"
)

// Variable is an environment variable.
type Variable struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// Requirement is what a job needs: VCPU (a number), MEMORY (MiB) or GPU (a
// count), the value in digits.
type Requirement struct {
	Type  string `json:"type"`
	Value string `json:"value"`
}

// Timeout bounds each attempt.
type Timeout struct {
	AttemptDurationSeconds int `json:"attemptDurationSeconds"` // from 60
}

// LogConfiguration names where an attempt's output goes.
type LogConfiguration struct {
	LogDriver string            `json:"logDriver"` // awslogs
	Options   map[string]string `json:"options,omitempty"`
}

// container is the part of a job definition that is honoured. Field names match
// in CloudFormation's spelling and the API's alike.
type container struct {
	Image                  string
	Command                []string
	Environment            []Variable
	ResourceRequirements   []Requirement
	JobRoleArn             string
	ExecutionRoleArn       string
	User                   string // recorded
	ReadonlyRootFilesystem bool   // recorded
	Privileged             bool
	LogConfiguration       *LogConfiguration
	LinuxParameters        *struct {
		InitProcessEnabled bool // a process needs none
		SharedMemorySize   int  // this machine's
	}
	RuntimePlatform *struct {
		CpuArchitecture       string
		OperatingSystemFamily string
	}
	MountPoints, Volumes, Secrets, Ulimits []json.RawMessage
}

// definitionProperties are the properties of AWS::Batch::JobDefinition that are
// honoured.
type definitionProperties struct {
	Type                 string
	JobDefinitionName    string
	ContainerProperties  *container
	Parameters           map[string]string
	PlatformCapabilities []string
	PropagateTags        bool
	RetryStrategy        RetryStrategy
	SchedulingPriority   int
	Tags                 map[string]string
	Timeout              *Timeout
}

// definition is one revision of a job definition.
type definition struct {
	ARN        string
	Revision   int
	Properties definitionProperties
	Registered bool              `json:",omitempty"` // by the API, not by the template
	Inactive   bool              `json:",omitempty"` // deregistered
	Tags       map[string]string // set by the API; nil: as in Properties
}

// fargate says whether the definition runs on Fargate.
func (d definition) fargate() bool {
	for _, p := range d.Properties.PlatformCapabilities {
		if p == "FARGATE" {
			return true
		}
	}
	return false
}

var resourceName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_-]{0,127}$`)

func (s *Service) createDefinition(_ context.Context, r assembly.Resource) (assembly.Created, error) {
	var p definitionProperties
	if err := r.Decode(&p); err != nil {
		return assembly.Created{}, err
	}
	if p.JobDefinitionName == "" {
		p.JobDefinitionName = r.LogicalID
	}
	if err := p.check(); err != nil {
		return assembly.Created{}, fmt.Errorf("resource %s (job definition %s): %w", r.LogicalID, p.JobDefinitionName, err)
	}
	d, err := s.register(p)
	if err != nil {
		return assembly.Created{}, err
	}
	return assembly.Created{Ref: d.ARN, Attributes: map[string]any{"JobDefinitionArn": d.ARN}}, nil
}

// register keeps a definition of the template; one that equals what the template
// said before is that revision, so that a restart makes no new one.
func (s *Service) register(p definitionProperties) (definition, error) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	for _, d := range slices.Backward(s.definitions[p.JobDefinitionName]) {
		if d.Registered {
			continue
		}
		if same(d.Properties, p) {
			return d, nil
		}
		break
	}
	return s.revise(p, false)
}

// revise makes a new revision. Callers hold the mutex.
func (s *Service) revise(p definitionProperties, registered bool) (definition, error) {
	revisions := s.definitions[p.JobDefinitionName]
	d := definition{Revision: len(revisions) + 1, Properties: p, Registered: registered}
	d.ARN = s.arn("job-definition/" + p.JobDefinitionName + ":" + strconv.Itoa(d.Revision))
	return d, s.keepDefinitions(p.JobDefinitionName, append(slices.Clip(revisions), d))
}

// keepDefinitions keeps a name's revisions. Callers hold the mutex.
func (s *Service) keepDefinitions(name string, revisions []definition) error {
	if err := replace(filepath.Join(s.options.Dir, "definitions", name+fileSuffix), revisions); err != nil {
		return fmt.Errorf("keep job definition %s: %w", name, err)
	}
	s.definitions[name] = revisions
	return nil
}

// same compares what would be kept: nil and empty are alike once written.
func same(a, b definitionProperties) bool {
	x, errX := json.Marshal(a)
	y, errY := json.Marshal(b)
	return errX == nil && errY == nil && bytes.Equal(x, y)
}

// findDefinition takes a name (the latest active revision), name:revision or an
// ARN; a revision that was deregistered is none. Callers hold the mutex.
func (s *Service) findDefinition(named string) (definition, error) {
	d, err := s.anyDefinition(named)
	if err == nil && d.Inactive {
		return definition{}, clientError("JobDefinition %s is INACTIVE: it was deregistered", named)
	}
	return d, err
}

// anyDefinition is findDefinition that finds inactive revisions, too.
func (s *Service) anyDefinition(named string) (definition, error) {
	name := strings.TrimPrefix(named, s.arn("job-definition/"))
	name, digits, hasRevision := strings.Cut(name, ":")
	revisions := s.definitions[name]
	if !hasRevision {
		for _, d := range slices.Backward(revisions) {
			if !d.Inactive {
				return d, nil
			}
		}
		return definition{}, clientError("JobDefinition not found: %s", named)
	}
	n, err := strconv.Atoi(digits)
	if err != nil || n < 1 || n > len(revisions) {
		return definition{}, clientError("JobDefinition not found: %s", named)
	}
	return revisions[n-1], nil
}

func (s *Service) arn(resource string) string {
	return "arn:aws:batch:" + s.options.Region + ":" + s.options.Account + ":" + resource
}

func (p definitionProperties) check() error {
	if !resourceName.MatchString(p.JobDefinitionName) {
		return clientError("JobDefinitionName %q: want 1 to 128 letters, digits, '-' and '_'", p.JobDefinitionName)
	}
	if !strings.EqualFold(p.Type, "container") {
		return clientError("Type %q: the local stack runs container jobs", p.Type)
	}
	if p.ContainerProperties == nil {
		return clientError("ContainerProperties is missing")
	}
	for _, capability := range p.PlatformCapabilities {
		if capability != "EC2" && capability != "FARGATE" {
			return clientError("PlatformCapabilities %q: want EC2 or FARGATE", capability)
		}
	}
	if err := p.RetryStrategy.check("RetryStrategy"); err != nil {
		return err
	}
	if err := p.Timeout.check(); err != nil {
		return err
	}
	return p.ContainerProperties.check()
}

func (t *Timeout) check() error {
	if t != nil && t.AttemptDurationSeconds < 60 {
		return clientError("Timeout: attemptDurationSeconds %d: want 60 or more", t.AttemptDurationSeconds)
	}
	return nil
}

func (c *container) check() error {
	if c.Image == "" {
		return clientError("ContainerProperties.Image is missing")
	}
	if c.Privileged {
		return clientError("ContainerProperties.Privileged: the local stack runs no privileged containers")
	}
	for name, list := range map[string][]json.RawMessage{"MountPoints": c.MountPoints, "Volumes": c.Volumes, "Secrets": c.Secrets, "Ulimits": c.Ulimits} {
		if len(list) > 0 {
			return clientError("ContainerProperties.%s: the local stack cannot honour it; leave it out", name)
		}
	}
	if l := c.LogConfiguration; l != nil && l.LogDriver != "awslogs" {
		return clientError("ContainerProperties.LogConfiguration.LogDriver %q: the local stack writes awslogs", l.LogDriver)
	}
	if p := c.RuntimePlatform; p != nil && p.CpuArchitecture != "" && p.CpuArchitecture != architecture() {
		return clientError("ContainerProperties.RuntimePlatform.CpuArchitecture %s: this machine is %s", p.CpuArchitecture, architecture())
	}
	if err := checkVariables(c.Environment); err != nil {
		return err
	}
	_, err := parseNeeds(c.ResourceRequirements)
	return err
}

func checkVariables(list []Variable) error {
	for _, v := range list {
		if v.Name == "" || strings.ContainsAny(v.Name, "=\x00") {
			return clientError("environment variable %q: the name is not one", v.Name)
		}
		if strings.HasPrefix(v.Name, "AWS_BATCH") {
			return clientError("environment variable %s: names that start with AWS_BATCH are Batch's own", v.Name)
		}
	}
	return nil
}
