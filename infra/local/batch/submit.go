package batch

import (
	"context"
	"encoding/json"
	"maps"
	"regexp"
	"slices"

	"github.com/sluice-ml/sluice/infra/local/wire"
)

// SubmitInput is SubmitJob's input; members match in any spelling, Step
// Functions' PascalCase included.
type SubmitInput struct {
	JobName                    string            `json:"jobName"`
	JobQueue                   string            `json:"jobQueue"`      // name or ARN
	JobDefinition              string            `json:"jobDefinition"` // name, name:revision or ARN
	Parameters                 map[string]string `json:"parameters"`
	ContainerOverrides         Overrides         `json:"containerOverrides"`
	DependsOn                  []Dependency      `json:"dependsOn"`
	ArrayProperties            *ArrayProperties  `json:"arrayProperties"`
	RetryStrategy              *RetryStrategy    `json:"retryStrategy"`
	Timeout                    *Timeout          `json:"timeout"`
	Tags                       map[string]string `json:"tags"`
	PropagateTags              *bool             `json:"propagateTags"`
	SchedulingPriorityOverride *int              `json:"schedulingPriorityOverride"`
}

// Overrides replace parts of the definition's container.
type Overrides struct {
	Command              []string      `json:"command"`
	Environment          []Variable    `json:"environment"`
	ResourceRequirements []Requirement `json:"resourceRequirements"`
}

// SubmitOutput is SubmitJob's output.
type SubmitOutput struct {
	JobArn  string `json:"jobArn"`
	JobID   string `json:"jobId"`
	JobName string `json:"jobName"`
}

// Submit submits a job. The job is on disk when it returns. An error is a
// *wire.Error ClientException that names what is wrong; a retry cannot help.
func (s *Service) Submit(ctx context.Context, in SubmitInput) (SubmitOutput, error) {
	return s.SubmitOnce(ctx, "", in)
}

// SubmitOnce is Submit for a caller that may have to ask twice: the same token
// gives the same job, also after a restart. The empty token is no token.
func (s *Service) SubmitOnce(_ context.Context, token string, in SubmitInput) (SubmitOutput, error) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	if s.closed {
		return SubmitOutput{}, &wire.Error{Code: "ServerException", Status: 500, Message: "the local stack is stopping"}
	}
	if token != "" {
		for _, j := range s.order {
			if j.Token == token {
				return j.Detail.submitted(), nil
			}
		}
	}
	j, err := s.prepare(in)
	if err != nil {
		return SubmitOutput{}, err
	}
	j.Token = token
	j.Detail.Status = Submitted
	if err := s.keep(j); err != nil {
		return SubmitOutput{}, err
	}
	s.jobs[j.Detail.JobID] = j
	s.order = append(s.order, j)
	s.admit(j)
	s.schedule()
	return j.Detail.submitted(), nil
}

func (d JobDetail) submitted() SubmitOutput {
	return SubmitOutput{JobArn: d.JobArn, JobID: d.JobID, JobName: d.JobName}
}

// prepare makes the job of an input. Callers hold the mutex.
func (s *Service) prepare(in SubmitInput) (*job, error) {
	if !resourceName.MatchString(in.JobName) {
		return nil, clientError("jobName %q: want 1 to 128 letters, digits, '-' and '_', starting with a letter or digit", in.JobName)
	}
	q, err := s.findQueue(in.JobQueue)
	if err != nil {
		return nil, err
	}
	if !q.enabled {
		return nil, clientError("JobQueue %s is DISABLED: it takes no jobs", q.name)
	}
	d, err := s.findDefinition(in.JobDefinition)
	if err != nil {
		return nil, err
	}
	if err := in.ArrayProperties.check(); err != nil {
		return nil, err
	}
	if err := s.checkDependencies(in); err != nil {
		return nil, err
	}
	detail, n, err := describe(d, in)
	if err != nil {
		return nil, err
	}
	detail.JobID = wire.RequestID()
	detail.JobArn = s.arn("job/" + detail.JobID)
	detail.JobQueue = q.arn
	detail.ArrayProperties = in.ArrayProperties.detail()
	detail.CreatedAt = s.options.Now().UnixMilli()
	sequence := int64(1)
	if len(s.order) > 0 {
		sequence = s.order[len(s.order)-1].Sequence + 1
	}
	return &job{Detail: detail, Sequence: sequence, Needs: n, Fargate: d.fargate()}, nil
}

func (s *Service) checkDependencies(in SubmitInput) error {
	if len(in.DependsOn) > 20 {
		return clientError("dependsOn has %d jobs: AWS allows 20", len(in.DependsOn))
	}
	size := 0
	if in.ArrayProperties != nil {
		size = in.ArrayProperties.Size
	}
	for _, d := range in.DependsOn {
		if err := s.checkDependency(d, size); err != nil {
			return err
		}
	}
	return nil
}

// describe merges a definition and the overrides of an input.
func describe(d definition, in SubmitInput) (JobDetail, needs, error) {
	p, c := d.Properties, d.Properties.ContainerProperties
	detail := JobDetail{
		JobName: in.JobName, JobDefinition: d.ARN, Attempts: []AttemptDetail{}, DependsOn: append([]Dependency{}, in.DependsOn...),
		RetryStrategy: p.RetryStrategy, Timeout: p.Timeout, Parameters: map[string]string{}, Tags: map[string]string{},
		PlatformCapabilities: append([]string{}, p.PlatformCapabilities...), PropagateTags: p.PropagateTags, SchedulingPriority: p.SchedulingPriority,
	}
	maps.Copy(detail.Parameters, p.Parameters)
	maps.Copy(detail.Parameters, in.Parameters)
	maps.Copy(detail.Tags, p.Tags)
	maps.Copy(detail.Tags, in.Tags)
	if err := detail.override(in); err != nil {
		return JobDetail{}, needs{}, err
	}
	if err := checkVariables(in.ContainerOverrides.Environment); err != nil {
		return JobDetail{}, needs{}, err
	}
	command := c.Command
	if in.ContainerOverrides.Command != nil {
		command = in.ContainerOverrides.Command
	}
	command, err := substitute(command, detail.Parameters)
	if err != nil {
		return JobDetail{}, needs{}, err
	}
	requirements := merge(c.ResourceRequirements, in.ContainerOverrides.ResourceRequirements)
	n, err := parseNeeds(requirements)
	none := []json.RawMessage{}
	detail.Container = ContainerDetail{
		Image: c.Image, Command: command, JobRoleArn: c.JobRoleArn, ExecutionRoleArn: c.ExecutionRoleArn, User: c.User,
		Environment:            mergeVariables(c.Environment, in.ContainerOverrides.Environment),
		ReadonlyRootFilesystem: c.ReadonlyRootFilesystem, ResourceRequirements: requirements, LogConfiguration: c.LogConfiguration,
		Volumes: none, MountPoints: none, Ulimits: none, NetworkInterfaces: none, Secrets: none,
	}
	return detail, n, err
}

// override applies what an input replaces as a whole.
func (d *JobDetail) override(in SubmitInput) error {
	if in.RetryStrategy != nil {
		if err := in.RetryStrategy.check("retryStrategy"); err != nil {
			return err
		}
		d.RetryStrategy = *in.RetryStrategy
	}
	d.RetryStrategy.Attempts = max(d.RetryStrategy.Attempts, 1)
	d.RetryStrategy.EvaluateOnExit = append([]Rule{}, d.RetryStrategy.EvaluateOnExit...)
	if in.Timeout != nil {
		if err := in.Timeout.check(); err != nil {
			return err
		}
		d.Timeout = in.Timeout
	}
	if in.PropagateTags != nil {
		d.PropagateTags = *in.PropagateTags
	}
	if in.SchedulingPriorityOverride != nil {
		d.SchedulingPriority = *in.SchedulingPriorityOverride
	}
	return nil
}

var placeholder = regexp.MustCompile(`Ref::([A-Za-z0-9_.-]+)`)

// substitute fills Ref::name in a command from the parameters. AWS leaves a
// name without a value as it is; here it is refused, because the program could
// only misread it.
func substitute(command []string, parameters map[string]string) ([]string, error) {
	missing := ""
	out := make([]string, 0, len(command))
	for _, word := range command {
		out = append(out, placeholder.ReplaceAllStringFunc(word, func(ref string) string {
			value, ok := parameters[ref[len("Ref::"):]]
			if !ok {
				missing = ref
			}
			return value
		}))
	}
	if missing != "" {
		return nil, clientError("command %q: %s has no value in parameters %q", command, missing, slices.Sorted(maps.Keys(parameters)))
	}
	return out, nil
}
