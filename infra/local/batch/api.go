package batch

import (
	"context"
	"io"
	"net/http"
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

		"describejobqueues":           wire.Op(s.apiQueues),
		"updatejobqueue":              wire.Op(s.apiUpdateQueue),
		"describecomputeenvironments": wire.Op(s.apiEnvironments),
		"describejobdefinitions":      wire.Op(s.apiDefinitions),
		"registerjobdefinition":       wire.Op(s.apiRegister),
		"deregisterjobdefinition":     wire.Op(s.apiDeregister),
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		name := strings.TrimPrefix(r.URL.Path, "/v1/")
		if strings.HasPrefix(name, "tags/") {
			s.serveTags(w, r)
			return
		}
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
