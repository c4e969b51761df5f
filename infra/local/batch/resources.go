package batch

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"strconv"
)

// listing is what the Describe operations of resources have in common.
type listing struct {
	MaxResults int    `json:"maxResults"`
	NextToken  string `json:"nextToken"`
}

type queuesInput struct {
	JobQueues []string `json:"jobQueues"`
	listing
}

type queueDetail struct {
	JobQueueName            string            `json:"jobQueueName"`
	JobQueueArn             string            `json:"jobQueueArn"`
	State                   string            `json:"state"`
	Status                  string            `json:"status"`
	StatusReason            string            `json:"statusReason"`
	Priority                int               `json:"priority"`
	ComputeEnvironmentOrder []orderEntry      `json:"computeEnvironmentOrder"`
	JobQueueType            string            `json:"jobQueueType,omitempty"`
	Tags                    map[string]string `json:"tags"`
}

type queuesOutput struct {
	JobQueues []queueDetail `json:"jobQueues"`
	NextToken string        `json:"nextToken,omitempty"`
}

func stateOf(enabled bool) string {
	if enabled {
		return "ENABLED"
	}
	return "DISABLED"
}

// tags are the declared ones, or what the API made of them.
func (c change) tags(declared map[string]string) map[string]string {
	if c.Tags != nil {
		return maps.Clone(c.Tags)
	}
	out := map[string]string{}
	maps.Copy(out, declared)
	return out
}

// describe gives the queue as DescribeJobQueues does.
func (q *queue) describe() queueDetail {
	d := queueDetail{JobQueueName: q.name, JobQueueArn: q.arn, State: stateOf(q.enabled), Status: "VALID", StatusReason: "JobQueue Healthy",
		Priority: q.priority, Tags: q.change.tags(q.declared.Tags), JobQueueType: "ECS"}
	for i, arn := range q.environments {
		d.ComputeEnvironmentOrder = append(d.ComputeEnvironmentOrder, orderEntry{arn, i + 1})
	}
	return d
}

// apiQueues describes queues by name; names that it does not know are left out,
// as AWS does.
func (s *Service) apiQueues(_ context.Context, in queuesInput) (queuesOutput, error) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	var found []*queue
	for _, q := range s.queues {
		if len(in.JobQueues) == 0 || slices.Contains(in.JobQueues, q.name) || slices.Contains(in.JobQueues, q.arn) {
			found = append(found, q)
		}
	}
	slices.SortFunc(found, func(a, b *queue) int { return cmp.Compare(a.name, b.name) })
	start, end, next, err := page(len(found), in.MaxResults, in.NextToken)
	out := queuesOutput{JobQueues: []queueDetail{}, NextToken: next}
	for _, q := range found[start:end] {
		out.JobQueues = append(out.JobQueues, q.describe())
	}
	return out, err
}

type updateQueueInput struct {
	JobQueue                string       `json:"jobQueue"`
	State                   string       `json:"state"`
	Priority                *int         `json:"priority"`
	ComputeEnvironmentOrder []orderEntry `json:"computeEnvironmentOrder"`
}

type updateQueueOutput struct {
	JobQueueName string `json:"jobQueueName"`
	JobQueueArn  string `json:"jobQueueArn"`
}

// apiUpdateQueue changes a queue at once. A queue that is DISABLED takes no more
// jobs; those that it has go on.
func (s *Service) apiUpdateQueue(_ context.Context, in updateQueueInput) (updateQueueOutput, error) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	q, err := s.findQueue(in.JobQueue)
	if err != nil {
		return updateQueueOutput{}, err
	}
	if _, err := enabled(in.State); err != nil {
		return updateQueueOutput{}, err
	}
	if in.Priority != nil && *in.Priority < 0 {
		return updateQueueOutput{}, clientError("priority %d: want 0 or more", *in.Priority)
	}
	next := *q
	next.change.State = cmp.Or(in.State, q.change.State)
	if in.Priority != nil {
		next.change.Priority = in.Priority
	}
	if len(in.ComputeEnvironmentOrder) > 0 {
		next.change.Order = in.ComputeEnvironmentOrder
	}
	if err := s.applyChange(&next); err != nil {
		return updateQueueOutput{}, err
	}
	if err := s.keepChange("queues", q.name, next.change); err != nil {
		return updateQueueOutput{}, err
	}
	*q = next
	s.schedule()
	return updateQueueOutput{q.name, q.arn}, nil
}

type environmentsInput struct {
	ComputeEnvironments []string `json:"computeEnvironments"`
	listing
}

type environmentDetail struct {
	ComputeEnvironmentName     string            `json:"computeEnvironmentName"`
	ComputeEnvironmentArn      string            `json:"computeEnvironmentArn"`
	EcsClusterArn              string            `json:"ecsClusterArn"`
	Type                       string            `json:"type"`
	State                      string            `json:"state"`
	Status                     string            `json:"status"`
	StatusReason               string            `json:"statusReason"`
	ServiceRole                string            `json:"serviceRole,omitempty"`
	ContainerOrchestrationType string            `json:"containerOrchestrationType"`
	ComputeResources           resourcesDetail   `json:"computeResources"`
	Tags                       map[string]string `json:"tags"`
}

type resourcesDetail struct {
	Type               string            `json:"type"`
	AllocationStrategy string            `json:"allocationStrategy,omitempty"`
	MinvCpus           int               `json:"minvCpus"`
	MaxvCpus           int               `json:"maxvCpus"`
	DesiredvCpus       int               `json:"desiredvCpus"`
	InstanceTypes      []string          `json:"instanceTypes"`
	Subnets            []string          `json:"subnets"`
	SecurityGroupIDs   []string          `json:"securityGroupIds"`
	InstanceRole       string            `json:"instanceRole,omitempty"`
	BidPercentage      int               `json:"bidPercentage,omitempty"`
	SpotIamFleetRole   string            `json:"spotIamFleetRole,omitempty"`
	Tags               map[string]string `json:"tags"`
}

type environmentsOutput struct {
	ComputeEnvironments []environmentDetail `json:"computeEnvironments"`
	NextToken           string              `json:"nextToken,omitempty"`
}

// describeEnvironment gives a compute environment as DescribeComputeEnvironments
// does; the vCPUs desired are those that attempts take. Callers hold the mutex.
func (s *Service) describeEnvironment(e *environment, used needs) environmentDetail {
	c := e.declared.ComputeResources
	list := func(in []string) []string { return append([]string{}, in...) }
	return environmentDetail{ComputeEnvironmentName: e.name, ComputeEnvironmentArn: e.arn, Type: "MANAGED", State: stateOf(e.enabled),
		EcsClusterArn: "arn:aws:ecs:" + s.options.Region + ":" + s.options.Account + ":cluster/AWSBatch-" + e.name,
		Status:        "VALID", StatusReason: "ComputeEnvironment Healthy", ServiceRole: e.declared.ServiceRole, ContainerOrchestrationType: "ECS",
		Tags: e.change.tags(e.declared.Tags),
		ComputeResources: resourcesDetail{Type: e.kind, AllocationStrategy: c.AllocationStrategy, MinvCpus: int(c.MinvCpus), MaxvCpus: int(e.maxVCPUs),
			DesiredvCpus: max(int(c.MinvCpus), int(used.VCPUs)), InstanceTypes: list(e.instanceTypes), Subnets: list(c.Subnets),
			SecurityGroupIDs: list(c.SecurityGroupIds), InstanceRole: c.InstanceRole, BidPercentage: c.BidPercentage,
			SpotIamFleetRole: c.SpotIamFleetRole, Tags: change{}.tags(c.Tags)}}
}

func (s *Service) apiEnvironments(_ context.Context, in environmentsInput) (environmentsOutput, error) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	var found []*environment
	for _, e := range s.environments {
		if len(in.ComputeEnvironments) == 0 || slices.Contains(in.ComputeEnvironments, e.name) || slices.Contains(in.ComputeEnvironments, e.arn) {
			found = append(found, e)
		}
	}
	slices.SortFunc(found, func(a, b *environment) int { return cmp.Compare(a.name, b.name) })
	start, end, next, err := page(len(found), in.MaxResults, in.NextToken)
	used, _ := s.used()
	out := environmentsOutput{ComputeEnvironments: []environmentDetail{}, NextToken: next}
	for _, e := range found[start:end] {
		out.ComputeEnvironments = append(out.ComputeEnvironments, s.describeEnvironment(e, used[e.arn]))
	}
	return out, err
}

// revision names a definition as users do.
func (d definition) revision() string {
	return d.Properties.JobDefinitionName + ":" + strconv.Itoa(d.Revision)
}
