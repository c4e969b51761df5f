package batch

import (
	"context"
	"encoding/json"
	"maps"
	"slices"
	"strings"
)

type definitionsInput struct {
	JobDefinitions    []string `json:"jobDefinitions"`    // name:revision or ARN
	JobDefinitionName string   `json:"jobDefinitionName"` // every revision
	Status            string   `json:"status"`            // ACTIVE or INACTIVE
	listing
}

type definitionDetail struct {
	JobDefinitionName          string            `json:"jobDefinitionName"`
	JobDefinitionArn           string            `json:"jobDefinitionArn"`
	Revision                   int               `json:"revision"`
	Status                     string            `json:"status"`
	Type                       string            `json:"type"`
	Parameters                 map[string]string `json:"parameters"`
	RetryStrategy              *RetryStrategy    `json:"retryStrategy,omitempty"`
	ContainerProperties        containerOf       `json:"containerProperties"`
	Timeout                    *Timeout          `json:"timeout,omitempty"`
	Tags                       map[string]string `json:"tags"`
	PropagateTags              bool              `json:"propagateTags"`
	PlatformCapabilities       []string          `json:"platformCapabilities"`
	SchedulingPriority         int               `json:"schedulingPriority,omitempty"`
	ContainerOrchestrationType string            `json:"containerOrchestrationType"`
}

// containerOf is a definition's container as the API spells it.
type containerOf struct {
	Image                  string            `json:"image"`
	Command                []string          `json:"command"`
	JobRoleArn             string            `json:"jobRoleArn,omitempty"`
	ExecutionRoleArn       string            `json:"executionRoleArn,omitempty"`
	Volumes                []json.RawMessage `json:"volumes"`
	Environment            []Variable        `json:"environment"`
	MountPoints            []json.RawMessage `json:"mountPoints"`
	ReadonlyRootFilesystem bool              `json:"readonlyRootFilesystem"`
	Privileged             bool              `json:"privileged"`
	Ulimits                []json.RawMessage `json:"ulimits"`
	User                   string            `json:"user,omitempty"`
	ResourceRequirements   []Requirement     `json:"resourceRequirements"`
	LogConfiguration       *LogConfiguration `json:"logConfiguration,omitempty"`
	Secrets                []json.RawMessage `json:"secrets"`
}

type definitionsOutput struct {
	JobDefinitions []definitionDetail `json:"jobDefinitions"`
	NextToken      string             `json:"nextToken,omitempty"`
}

func (d definition) status() string {
	if d.Inactive {
		return "INACTIVE"
	}
	return "ACTIVE"
}

// describe gives the definition as DescribeJobDefinitions does.
func (d definition) describe() definitionDetail {
	p, c := d.Properties, d.Properties.ContainerProperties
	none := []json.RawMessage{}
	out := definitionDetail{JobDefinitionName: p.JobDefinitionName, JobDefinitionArn: d.ARN, Revision: d.Revision, Status: d.status(),
		Type: strings.ToLower(p.Type), Parameters: change{}.tags(p.Parameters), Timeout: p.Timeout, Tags: change{Tags: d.Tags}.tags(p.Tags),
		PropagateTags: p.PropagateTags, PlatformCapabilities: append([]string{}, p.PlatformCapabilities...),
		SchedulingPriority: p.SchedulingPriority, ContainerOrchestrationType: "ECS",
		ContainerProperties: containerOf{Image: c.Image, Command: append([]string{}, c.Command...), JobRoleArn: c.JobRoleArn,
			ExecutionRoleArn: c.ExecutionRoleArn, User: c.User, ReadonlyRootFilesystem: c.ReadonlyRootFilesystem,
			Environment: append([]Variable{}, c.Environment...), ResourceRequirements: append([]Requirement{}, c.ResourceRequirements...),
			LogConfiguration: c.LogConfiguration, Volumes: none, MountPoints: none, Ulimits: none, Secrets: none}}
	if r := p.RetryStrategy; r.Attempts > 0 {
		r.EvaluateOnExit = append([]Rule{}, r.EvaluateOnExit...)
		out.RetryStrategy = &r
	}
	return out
}

// apiDefinitions describes revisions, the latest of each name first. Names that
// it does not know are left out, as AWS does.
func (s *Service) apiDefinitions(_ context.Context, in definitionsInput) (definitionsOutput, error) {
	if in.Status != "" && in.Status != "ACTIVE" && in.Status != "INACTIVE" {
		return definitionsOutput{}, clientError("status %q: want ACTIVE or INACTIVE", in.Status)
	}
	s.mutex.Lock()
	defer s.mutex.Unlock()
	var found []definition
	for _, name := range slices.Sorted(maps.Keys(s.definitions)) {
		for _, d := range slices.Backward(s.definitions[name]) {
			asked := len(in.JobDefinitions) == 0 || slices.Contains(in.JobDefinitions, d.ARN) || slices.Contains(in.JobDefinitions, d.revision())
			named := in.JobDefinitionName == "" || in.JobDefinitionName == name
			if asked && named && (in.Status == "" || in.Status == d.status()) {
				found = append(found, d)
			}
		}
	}
	start, end, next, err := page(len(found), in.MaxResults, in.NextToken)
	out := definitionsOutput{JobDefinitions: []definitionDetail{}, NextToken: next}
	for _, d := range found[start:end] {
		out.JobDefinitions = append(out.JobDefinitions, d.describe())
	}
	return out, err
}

type registerOutput struct {
	JobDefinitionName string `json:"jobDefinitionName"`
	JobDefinitionArn  string `json:"jobDefinitionArn"`
	Revision          int    `json:"revision"`
}

// apiRegister makes a new revision, also of a definition that the template
// declares: the template's own revision stays what it was.
func (s *Service) apiRegister(_ context.Context, p definitionProperties) (registerOutput, error) {
	if err := p.check(); err != nil {
		return registerOutput{}, err
	}
	s.mutex.Lock()
	defer s.mutex.Unlock()
	d, err := s.revise(p, true)
	return registerOutput{p.JobDefinitionName, d.ARN, d.Revision}, err
}

type deregisterInput struct {
	JobDefinition string `json:"jobDefinition"` // name:revision or ARN
}

// apiDeregister makes a revision INACTIVE: it takes no more jobs.
func (s *Service) apiDeregister(_ context.Context, in deregisterInput) (empty, error) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	if !strings.Contains(strings.TrimPrefix(in.JobDefinition, s.arn("job-definition/")), ":") {
		return empty{}, clientError("jobDefinition %q: want name:revision or an ARN with a revision", in.JobDefinition)
	}
	d, err := s.anyDefinition(in.JobDefinition)
	if err != nil {
		return empty{}, err
	}
	d.Inactive = true
	return empty{}, s.keepDefinition(d)
}

// keepDefinition replaces a revision by what became of it. Callers hold the
// mutex.
func (s *Service) keepDefinition(d definition) error {
	revisions := slices.Clone(s.definitions[d.Properties.JobDefinitionName])
	revisions[d.Revision-1] = d
	return s.keepDefinitions(d.Properties.JobDefinitionName, revisions)
}
