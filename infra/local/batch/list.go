package batch

import (
	"cmp"
	"context"
	"slices"
	"strconv"
	"strings"
)

type listInput struct {
	JobQueue   string   `json:"jobQueue"`
	ArrayJobID string   `json:"arrayJobId"`
	JobStatus  Status   `json:"jobStatus"`
	MaxResults int      `json:"maxResults"`
	NextToken  string   `json:"nextToken"`
	Filters    []filter `json:"filters"`
}

// filter picks jobs by one property; every value is an alternative.
type filter struct {
	Name   string   `json:"name"`
	Values []string `json:"values"`
}

type summary struct {
	JobArn          string           `json:"jobArn"`
	JobID           string           `json:"jobId"`
	JobName         string           `json:"jobName"`
	JobDefinition   string           `json:"jobDefinition"`
	CreatedAt       int64            `json:"createdAt"`
	StartedAt       int64            `json:"startedAt,omitempty"`
	StoppedAt       int64            `json:"stoppedAt,omitempty"`
	Status          Status           `json:"status"`
	StatusReason    string           `json:"statusReason,omitempty"`
	Container       containerSummary `json:"container"`
	ArrayProperties *ArrayDetail     `json:"arrayProperties,omitempty"`
}

type containerSummary struct {
	ExitCode *int   `json:"exitCode,omitempty"`
	Reason   string `json:"reason,omitempty"`
}

type listOutput struct {
	JobSummaryList []summary `json:"jobSummaryList"`
	NextToken      string    `json:"nextToken,omitempty"`
}

// apiList lists the jobs of a queue, or the children of an array job: those
// RUNNING unless a state is named, or those that a filter picks in every state,
// the youngest first. Children are not among the jobs of their queue.
func (s *Service) apiList(_ context.Context, in listInput) (listOutput, error) {
	match, err := in.filter()
	if err != nil {
		return listOutput{}, err
	}
	scope, err := s.scope(in)
	if err != nil {
		return listOutput{}, err
	}
	matched := []summary{}
	for _, d := range s.Jobs() {
		if scope(d) && match(d) {
			matched = append(matched, d.summary())
		}
	}
	if len(in.Filters) > 0 {
		slices.SortStableFunc(matched, func(a, b summary) int { return cmp.Compare(b.CreatedAt, a.CreatedAt) })
	}
	start, end, next, err := page(len(matched), in.MaxResults, in.NextToken)
	if err != nil {
		return listOutput{}, err
	}
	return listOutput{matched[start:end], next}, nil
}

func (d JobDetail) summary() summary {
	return summary{d.JobArn, d.JobID, d.JobName, d.JobDefinition, d.CreatedAt, d.StartedAt, d.StoppedAt,
		d.Status, d.StatusReason, containerSummary{d.Container.ExitCode, d.Container.Reason}, d.ArrayProperties}
}

// scope picks the jobs that the input looks at: of a queue, or of an array job.
func (s *Service) scope(in listInput) (func(JobDetail) bool, error) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	switch {
	case (in.JobQueue == "") == (in.ArrayJobID == ""):
		return nil, clientError("want one of jobQueue and arrayJobId")
	case in.ArrayJobID != "":
		j, err := s.find(in.ArrayJobID)
		if err != nil {
			return nil, err
		}
		if !j.parent() {
			return nil, clientError("Job %s is not an array job", in.ArrayJobID)
		}
		return func(d JobDetail) bool {
			parent, ok := parentOf(d.JobID)
			return ok && parent == in.ArrayJobID
		}, nil
	}
	q, err := s.findQueue(in.JobQueue)
	if err != nil {
		return nil, err
	}
	return func(d JobDetail) bool {
		_, child := parentOf(d.JobID)
		return !child && d.JobQueue == q.arn
	}, nil
}

// filter gives the condition on jobs: the filter's, or the state.
func (in listInput) filter() (func(JobDetail) bool, error) {
	if len(in.Filters) == 0 {
		if in.JobStatus != "" && !slices.Contains(states, in.JobStatus) {
			return nil, clientError("jobStatus %q: want one of %v", in.JobStatus, states)
		}
		return func(d JobDetail) bool { return d.Status == cmp.Or(in.JobStatus, Running) }, nil
	}
	if len(in.Filters) > 1 {
		return nil, clientError("filters has %d entries: AWS takes one", len(in.Filters))
	}
	f := in.Filters[0]
	if len(f.Values) == 0 {
		return nil, clientError("filters: %s has no values", f.Name)
	}
	one, err := f.condition()
	if err != nil {
		return nil, err
	}
	return func(d JobDetail) bool {
		return slices.ContainsFunc(f.Values, func(value string) bool { return one(d, value) })
	}, nil
}

func (f filter) condition() (func(d JobDetail, value string) bool, error) {
	switch f.Name {
	case "JOB_NAME":
		return func(d JobDetail, value string) bool { return like(strings.ToLower(value), strings.ToLower(d.JobName)) }, nil
	case "JOB_DEFINITION":
		return func(d JobDetail, value string) bool {
			if strings.HasPrefix(value, "arn:") {
				return value == d.JobDefinition
			}
			return like(value, shortName(d.JobDefinition))
		}, nil
	case "BEFORE_CREATED_AT", "AFTER_CREATED_AT":
		for _, value := range f.Values {
			if _, err := strconv.ParseInt(value, 10, 64); err != nil {
				return nil, clientError("filters: %s %q: want milliseconds since 1970", f.Name, value)
			}
		}
		return func(d JobDetail, value string) bool {
			bound, _ := strconv.ParseInt(value, 10, 64) // checked
			if f.Name == "BEFORE_CREATED_AT" {
				return d.CreatedAt < bound
			}
			return d.CreatedAt > bound
		}, nil
	}
	return nil, clientError("filters: %q: want JOB_NAME, JOB_DEFINITION, BEFORE_CREATED_AT or AFTER_CREATED_AT", f.Name)
}

// page cuts a page out of n results: where it starts and ends, and the token of
// the next one.
func page(n, most int, token string) (start, end int, next string, err error) {
	if token != "" {
		if start, err = strconv.Atoi(token); err != nil || start < 0 {
			return 0, 0, "", clientError("nextToken %q: not a token that the operation gave", token)
		}
	}
	if most < 0 {
		return 0, 0, "", clientError("maxResults %d: want 1 or more", most)
	}
	start = min(start, n)
	end = min(start+cmp.Or(most, 100), n)
	if end < n {
		next = strconv.Itoa(end)
	}
	return start, end, next, nil
}
