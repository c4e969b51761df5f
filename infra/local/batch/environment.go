package batch

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/sluice-ml/sluice/infra/local/assembly"
)

// environment is a compute environment.
type environment struct {
	arn           string
	name          string
	enabled       bool
	kind          string // EC2, SPOT, FARGATE, FARGATE_SPOT
	maxVCPUs      float64
	instanceTypes []string
	declared      environmentProperties
	change        change
}

func (e *environment) fargate() bool { return strings.HasPrefix(e.kind, "FARGATE") }
func (e *environment) spot() bool    { return strings.HasSuffix(e.kind, "SPOT") }

// hasGPUs says whether it may start instances with GPUs: those of the families
// that start with g and p.
func (e *environment) hasGPUs() bool {
	return !e.fargate() && slices.ContainsFunc(e.instanceTypes, func(t string) bool {
		return strings.HasPrefix(t, "g") || strings.HasPrefix(t, "p")
	})
}

// queue orders compute environments.
type queue struct {
	arn          string
	name         string
	enabled      bool
	priority     int      // higher first
	environments []string // ARNs, in order
	declared     queueProperties
	change       change
}

// environmentProperties are the properties of AWS::Batch::ComputeEnvironment
// that are honoured, or that say how AWS finds instances and mean nothing here.
type environmentProperties struct {
	Type                      string
	ComputeEnvironmentName    string
	State                     string
	ServiceRole               string
	ReplaceComputeEnvironment bool
	Tags                      map[string]string
	UpdatePolicy              struct {
		JobExecutionTimeoutMinutes int
		TerminateJobsOnUpdate      bool
	}
	ComputeResources *struct {
		Type                                string
		MaxvCpus, MinvCpus, DesiredvCpus    float64
		InstanceTypes                       []string
		AllocationStrategy                  string
		BidPercentage                       int
		Subnets, SecurityGroupIds           []string
		InstanceRole, SpotIamFleetRole      string
		Ec2Configuration                    []struct{ ImageType, ImageIdOverride string }
		Ec2KeyPair, ImageId, PlacementGroup string
		Tags                                map[string]string
		LaunchTemplate                      map[string]any
		UpdateToLatestImageVersion          bool
	}
}

// queueProperties are the properties of AWS::Batch::JobQueue that are honoured.
type queueProperties struct {
	JobQueueName            string
	Priority                int
	State                   string
	Tags                    map[string]string
	ComputeEnvironmentOrder []orderEntry
}

// orderEntry is a compute environment of a queue: lower orders first.
type orderEntry struct {
	ComputeEnvironment string `json:"computeEnvironment"` // name or ARN
	Order              int    `json:"order"`
}

// Creators makes the service's resources of the template.
func (s *Service) Creators() map[string]assembly.Creator {
	return map[string]assembly.Creator{
		"AWS::Batch::ComputeEnvironment": s.createEnvironment,
		"AWS::Batch::JobQueue":           s.createQueue,
		"AWS::Batch::JobDefinition":      s.createDefinition,
	}
}

func enabled(state string) (bool, error) {
	switch state {
	case "", "ENABLED":
		return true, nil
	case "DISABLED":
		return false, nil
	}
	return false, clientError("State %q: want ENABLED or DISABLED", state)
}

func (s *Service) createEnvironment(_ context.Context, r assembly.Resource) (assembly.Created, error) {
	var p environmentProperties
	if err := r.Decode(&p); err != nil {
		return assembly.Created{}, err
	}
	e, err := p.environment(cmp.Or(p.ComputeEnvironmentName, r.LogicalID))
	if err != nil {
		return assembly.Created{}, fmt.Errorf("resource %s: %w", r.LogicalID, err)
	}
	e.arn = s.arn("compute-environment/" + e.name)
	s.mutex.Lock()
	defer s.mutex.Unlock()
	if e.change, err = s.changed("environments", e.name, r.Properties); err != nil {
		return assembly.Created{}, err
	}
	s.environments[e.arn] = e
	s.schedule()
	return assembly.Created{Ref: e.arn, Attributes: map[string]any{"ComputeEnvironmentArn": e.arn}}, nil
}

func (p environmentProperties) environment(name string) (*environment, error) {
	on, err := enabled(p.State)
	switch {
	case err != nil:
		return nil, err
	case !resourceName.MatchString(name):
		return nil, clientError("ComputeEnvironmentName %q: want 1 to 128 letters, digits, '-' and '_'", name)
	case !strings.EqualFold(p.Type, "MANAGED"):
		return nil, clientError("Type %q: the local stack keeps MANAGED compute environments", p.Type)
	case p.ComputeResources == nil:
		return nil, clientError("ComputeResources is missing")
	}
	c := p.ComputeResources
	kind := strings.ToUpper(c.Type)
	if !slices.Contains([]string{"EC2", "SPOT", "FARGATE", "FARGATE_SPOT"}, kind) {
		return nil, clientError("ComputeResources.Type %q: want EC2, SPOT, FARGATE or FARGATE_SPOT", c.Type)
	}
	if c.MaxvCpus < 0 {
		return nil, clientError("ComputeResources.MaxvCpus %g: want 0 or more", c.MaxvCpus)
	}
	return &environment{name: name, enabled: on, kind: kind, maxVCPUs: c.MaxvCpus, instanceTypes: c.InstanceTypes, declared: p}, nil
}

func (s *Service) createQueue(_ context.Context, r assembly.Resource) (assembly.Created, error) {
	var p queueProperties
	if err := r.Decode(&p); err != nil {
		return assembly.Created{}, err
	}
	s.mutex.Lock()
	defer s.mutex.Unlock()
	q, err := s.queue(p, cmp.Or(p.JobQueueName, r.LogicalID))
	if err != nil {
		return assembly.Created{}, fmt.Errorf("resource %s: %w", r.LogicalID, err)
	}
	if q.change, err = s.changed("queues", q.name, r.Properties); err != nil {
		return assembly.Created{}, err
	}
	if err := s.applyChange(q); err != nil {
		return assembly.Created{}, fmt.Errorf("resource %s: %w", r.LogicalID, err)
	}
	s.queues[q.arn] = q
	s.schedule()
	return assembly.Created{Ref: q.arn, Attributes: map[string]any{"JobQueueArn": q.arn}}, nil
}

// queue checks a queue's properties. Callers hold the mutex.
func (s *Service) queue(p queueProperties, name string) (*queue, error) {
	on, err := enabled(p.State)
	switch {
	case err != nil:
		return nil, err
	case !resourceName.MatchString(name):
		return nil, clientError("JobQueueName %q: want 1 to 128 letters, digits, '-' and '_'", name)
	}
	q := &queue{arn: s.arn("job-queue/" + name), name: name, enabled: on, priority: p.Priority, declared: p}
	q.environments, err = s.inOrder(p.ComputeEnvironmentOrder)
	return q, err
}

// inOrder gives the ARNs of a queue's compute environments. Callers hold the
// mutex.
func (s *Service) inOrder(entries []orderEntry) ([]string, error) {
	if len(entries) < 1 || len(entries) > 3 {
		return nil, clientError("ComputeEnvironmentOrder has %d entries: want 1 to 3", len(entries))
	}
	entries = slices.Clone(entries)
	slices.SortStableFunc(entries, func(a, b orderEntry) int { return cmp.Compare(a.Order, b.Order) })
	var arns []string
	for _, entry := range entries {
		e := s.findEnvironment(entry.ComputeEnvironment)
		if e == nil {
			return nil, clientError("ComputeEnvironmentOrder: there is no compute environment %s", entry.ComputeEnvironment)
		}
		arns = append(arns, e.arn)
	}
	return arns, nil
}

// findEnvironment takes a name or an ARN; nil when there is none. Callers hold
// the mutex.
func (s *Service) findEnvironment(named string) *environment {
	if !strings.HasPrefix(named, "arn:") {
		named = s.arn("compute-environment/" + named)
	}
	return s.environments[named]
}

// findQueue takes a name or an ARN. Callers hold the mutex.
func (s *Service) findQueue(named string) (*queue, error) {
	arn := named
	if !strings.HasPrefix(arn, "arn:") {
		arn = s.arn("job-queue/" + named)
	}
	q := s.queues[arn]
	if q == nil {
		return nil, clientError("JobQueue %s not found", named)
	}
	return q, nil
}
