// Package mlflow writes runs, model versions and aliases to an MLflow tracking
// server over its REST API (2.0).
//
// The words are MLflow's: an experiment holds runs, a run holds parameters,
// metrics, tags and artefacts; a registered model holds versions and aliases. An
// experiment and a registered model are both named after the model's endpoint,
// so staging and production stay apart on one server.
//
// The server offers no idempotency tokens. So everything is found before it is
// made: a run by its tag sluice.run, a version by its tag sluice.version, both of
// which are part of the very request that makes them. Whoever calls must be alone
// (tracking.Outbox holds a lease): two that look and then make would make two.
package mlflow

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/sluice-ml/sluice/shared/contract"
	"github.com/sluice-ml/sluice/shared/fault"
)

// Doer is what is used of an HTTP client. Its time-out bounds each request.
type Doer interface {
	Do(*http.Request) (*http.Response, error)
}

// maxAnswer bounds what is read of an answer, in bytes.
const maxAnswer = 16 << 20

// Server is a tracking server.
type Server struct {
	base   string
	client Doer
}

// New gives the server at an address; Invalid when it is none, or when it holds
// credentials: those would be in the template and in logs for all to read.
func New(address string, client Doer) (*Server, error) {
	if err := contract.CheckMLflowURI(address); err != nil {
		return nil, fault.Wrap(fault.Invalid, "open the tracking server", err)
	}
	return &Server{base: strings.TrimSuffix(address, "/"), client: client}, nil
}

// Address is the server's address.
func (s *Server) Address() string { return s.base }

// get asks with a query.
func (s *Server) get(ctx context.Context, path string, query url.Values, into any) error {
	return s.send(ctx, http.MethodGet, "/api/2.0/mlflow/"+path+"?"+query.Encode(), nil, into)
}

// post sends a JSON body.
func (s *Server) post(ctx context.Context, path string, body, into any) error {
	encoded, err := json.Marshal(body)
	if err != nil {
		return fault.New(fault.Internal, "ask MLflow for "+path, "%w", err)
	}
	return s.send(ctx, http.MethodPost, "/api/2.0/mlflow/"+path, encoded, into)
}

// send makes one request. Errors are faults: NotFound, Conflict (it exists
// already), Invalid, Denied, and Unavailable for all that a later call may see
// otherwise, a lost response among it.
func (s *Server) send(ctx context.Context, method, path string, body []byte, into any) error {
	endpoint, _, _ := strings.Cut(path, "?")
	op := "ask MLflow: " + method + " " + endpoint
	request, err := http.NewRequestWithContext(ctx, method, s.base+path, bytes.NewReader(body))
	if err != nil {
		return fault.New(fault.Internal, op, "%w", err)
	}
	if method == http.MethodPost {
		request.Header.Set("Content-Type", "application/json")
	}
	response, err := s.client.Do(request)
	if err != nil {
		return fault.New(fault.Unavailable, op, "%w", err)
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	if err != nil {
		return fault.New(fault.Unavailable, op, "%w", err)
	}
	if response.StatusCode != http.StatusOK {
		return refusal(op, response.StatusCode, answer)
	}
	if into == nil {
		return nil
	}
	if err := json.Unmarshal(answer, into); err != nil {
		return fault.New(fault.Unavailable, op, "the answer is not MLflow's: %w", err).
			WithHint("check %s, and that it is an MLflow server's address", contract.EnvMLflowURI)
	}
	return nil
}

// refusal is the fault of an answer that is not 200.
func refusal(op string, status int, answer []byte) error {
	var said struct {
		Code    string `json:"error_code"`
		Message string `json:"message"`
	}
	plain := json.Unmarshal(answer, &said) != nil || said.Code == ""
	why := fmt.Errorf("%d %s: %s", status, said.Code, said.Message)
	if plain {
		why = fmt.Errorf("%d %s", status, http.StatusText(status))
	}
	switch {
	case status == http.StatusUnauthorized || status == http.StatusForbidden:
		return fault.New(fault.Denied, op, "%w", why).
			WithHint("the server wants credentials, which Sluice has none of: let it admit the functions by their network")
	case said.Code == "RESOURCE_DOES_NOT_EXIST":
		return fault.New(fault.NotFound, op, "%w", why)
	case said.Code == "RESOURCE_ALREADY_EXISTS":
		return fault.New(fault.Conflict, op, "%w", why)
	case status >= 500 || status == http.StatusTooManyRequests || status == http.StatusRequestTimeout:
		return fault.New(fault.Unavailable, op, "%w", why)
	case plain:
		return fault.New(fault.Unavailable, op, "%w", errors.Join(why, errors.New("the answer is not MLflow's"))).
			WithHint("check %s, and that it is an MLflow server's address", contract.EnvMLflowURI)
	}
	return fault.New(fault.Invalid, op, "%w", why)
}
