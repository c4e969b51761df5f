package batch

import (
	"cmp"
	"context"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/sluice-ml/sluice/infra/local/nearest"
	"github.com/sluice-ml/sluice/infra/local/wire"
)

// Handler serves the Batch API (REST-JSON).
func (s *Service) Handler() http.Handler {
	operations := map[string]wire.Operation{
		"submitjob":    wire.Op(s.Submit),
		"describejobs": wire.Op(s.apiDescribe),
		"listjobs":     wire.Op(s.apiList),
		"canceljob":    wire.Op(s.apiCancel),
		"terminatejob": wire.Op(s.apiTerminate),
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		name := strings.TrimPrefix(r.URL.Path, "/v1/")
		operation, ok := operations[name]
		if !ok || r.Method != http.MethodPost {
			wire.WriteJSONError(w, r, &wire.Error{Code: "ClientException", Status: 404,
				Message: "the local stack's Batch does not serve " + r.Method + " " + r.URL.Path + nearest.Hint("operation", name, nearest.Keys(operations))})
			return
		}
		body, err := io.ReadAll(io.LimitReader(r.Body, wire.MaxBody))
		if err != nil {
			wire.WriteJSONError(w, r, clientError("read the request: %v", err))
			return
		}
		out, err := operation(r.Context(), body)
		if err != nil {
			wire.WriteJSONError(w, r, err)
			return
		}
		wire.WriteJSON(w, r, http.StatusOK, out)
	})
}

type empty struct{}

type describeInput struct {
	Jobs []string `json:"jobs"`
}

type describeOutput struct {
	Jobs []JobDetail `json:"jobs"`
}

// apiDescribe leaves out ids that it does not know, as AWS does.
func (s *Service) apiDescribe(_ context.Context, in describeInput) (describeOutput, error) {
	if len(in.Jobs) < 1 || len(in.Jobs) > 100 {
		return describeOutput{}, clientError("jobs has %d ids: want 1 to 100", len(in.Jobs))
	}
	out := describeOutput{Jobs: []JobDetail{}}
	for _, id := range in.Jobs {
		if d, err := s.Describe(id[strings.LastIndexByte(id, '/')+1:]); err == nil {
			out.Jobs = append(out.Jobs, d)
		}
	}
	return out, nil
}

type endInput struct {
	JobID  string `json:"jobId"`
	Reason string `json:"reason"`
}

func (s *Service) apiCancel(_ context.Context, in endInput) (empty, error) {
	return empty{}, s.Cancel(in.JobID, in.Reason)
}

func (s *Service) apiTerminate(_ context.Context, in endInput) (empty, error) {
	return empty{}, s.Terminate(in.JobID, in.Reason)
}

type listInput struct {
	JobQueue   string `json:"jobQueue"`
	JobStatus  Status `json:"jobStatus"`
	MaxResults int    `json:"maxResults"`
	NextToken  string `json:"nextToken"`
	Filters    []struct {
		Name   string   `json:"name"`
		Values []string `json:"values"`
	} `json:"filters"`
}

type summary struct {
	JobArn        string           `json:"jobArn"`
	JobID         string           `json:"jobId"`
	JobName       string           `json:"jobName"`
	JobDefinition string           `json:"jobDefinition"`
	CreatedAt     int64            `json:"createdAt"`
	StartedAt     int64            `json:"startedAt,omitempty"`
	StoppedAt     int64            `json:"stoppedAt,omitempty"`
	Status        Status           `json:"status"`
	StatusReason  string           `json:"statusReason,omitempty"`
	Container     containerSummary `json:"container"`
}

type containerSummary struct {
	ExitCode *int   `json:"exitCode,omitempty"`
	Reason   string `json:"reason,omitempty"`
}

type listOutput struct {
	JobSummaryList []summary `json:"jobSummaryList"`
	NextToken      string    `json:"nextToken,omitempty"`
}

// apiList lists the jobs of a queue: those RUNNING unless a state is named, or
// those of every state whose name a JOB_NAME filter gives (a final '*' stands
// for any rest).
func (s *Service) apiList(_ context.Context, in listInput) (listOutput, error) {
	s.mutex.Lock()
	q, err := s.findQueue(in.JobQueue)
	s.mutex.Unlock()
	if err != nil {
		return listOutput{}, err
	}
	var names []string
	for _, f := range in.Filters {
		if f.Name != "JOB_NAME" || len(in.Filters) > 1 {
			return listOutput{}, clientError("filters: the local stack knows one filter, JOB_NAME; got %q", f.Name)
		}
		names = f.Values
	}
	matched := []summary{}
	for _, d := range s.Jobs() {
		byName := slices.ContainsFunc(names, func(n string) bool { return like(n, d.JobName) })
		byStatus := len(in.Filters) == 0 && d.Status == cmp.Or(in.JobStatus, Running)
		if d.JobQueue == q.arn && (byName || byStatus) {
			matched = append(matched, summary{d.JobArn, d.JobID, d.JobName, d.JobDefinition, d.CreatedAt, d.StartedAt, d.StoppedAt,
				d.Status, d.StatusReason, containerSummary{d.Container.ExitCode, d.Container.Reason}})
		}
	}
	return page(matched, in)
}

func page(all []summary, in listInput) (listOutput, error) {
	start := 0
	if in.NextToken != "" {
		var err error
		if start, err = strconv.Atoi(in.NextToken); err != nil || start < 0 {
			return listOutput{}, clientError("nextToken %q: not a token that ListJobs gave", in.NextToken)
		}
	}
	if in.MaxResults < 0 {
		return listOutput{}, clientError("maxResults %d: want 1 or more", in.MaxResults)
	}
	start = min(start, len(all))
	end := min(start+cmp.Or(in.MaxResults, 100), len(all))
	out := listOutput{JobSummaryList: all[start:end]}
	if end < len(all) {
		out.NextToken = strconv.Itoa(end)
	}
	return out, nil
}
