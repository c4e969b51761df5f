package lambda

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// event is an asynchronous invocation as its file keeps it.
type event struct {
	RequestID string     `json:"requestId"`
	Function  string     `json:"function"` // name
	Payload   []byte     `json:"payload"`
	Client    string     `json:"clientContext,omitempty"`
	Trace     string     `json:"trace,omitempty"`
	Enqueued  time.Time  `json:"enqueued"`
	Due       time.Time  `json:"due"`       // not before
	Attempts  int        `json:"attempts"`  // that ran to an end
	Throttles int        `json:"throttles"` // refusals in a row
	Last      *last      `json:"last,omitempty"`
	Outbox    []delivery `json:"outbox,omitempty"` // records to deliver; the function is done with
}

// last is the result of the last attempt.
type last struct {
	Payload       []byte `json:"payload"`
	FunctionError string `json:"functionError,omitempty"`
}

// delivery is a record on its way to a destination.
type delivery struct {
	Target     string            `json:"target"` // ARN
	Body       []byte            `json:"body"`
	Attributes map[string]string `json:"attributes,omitempty"`
}

// conditions of a destination record.
const (
	conditionSuccess = "Success"
	conditionRetries = "RetriesExhausted"
	conditionAge     = "EventAgeExceeded"
)

// conclude fills the outbox with the records that a function's configuration
// asks for, now that the event is settled.
func (e *event) conclude(condition string, c *config, i invokeConfig, now time.Time) {
	e.Outbox = []delivery{} // not nil: the function is done with
	target := i.onFailure
	if condition == conditionSuccess {
		target = i.onSuccess
	}
	if target != "" {
		e.Outbox = append(e.Outbox, delivery{Target: target, Body: e.record(condition, c, now)})
	}
	if condition != conditionSuccess && c.deadLetter != "" {
		e.Outbox = append(e.Outbox, e.deadLetter(c.deadLetter))
	}
}

// deadLetter is the event itself, with what went wrong as attributes.
func (e *event) deadLetter(target string) delivery {
	attributes := map[string]string{"RequestID": e.RequestID, "ErrorCode": "200", "ErrorMessage": ""}
	var failed struct {
		ErrorMessage string `json:"errorMessage"`
	}
	if e.Last != nil && json.Unmarshal(e.Last.Payload, &failed) == nil {
		attributes["ErrorMessage"] = failed.ErrorMessage[:min(len(failed.ErrorMessage), 1024)]
	}
	return delivery{Target: target, Body: e.Payload, Attributes: attributes}
}

// record is what a destination receives.
// https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-retain-records.html
func (e *event) record(condition string, c *config, now time.Time) []byte {
	record := map[string]any{
		"version": "1.0", "timestamp": stamp(now),
		"requestContext": map[string]any{
			"requestId": e.RequestID, "functionArn": c.arn + ":$LATEST", "condition": condition, "approximateInvokeCount": e.Attempts,
		},
		"requestPayload": json.RawMessage(e.Payload),
	}
	if e.Last != nil {
		response := map[string]any{"statusCode": 200, "executedVersion": "$LATEST"}
		if e.Last.FunctionError != "" {
			response["functionError"] = e.Last.FunctionError
		}
		record["responseContext"] = response
		record["responsePayload"] = json.RawMessage(e.Last.Payload)
		if !json.Valid(e.Last.Payload) {
			record["responsePayload"] = string(e.Last.Payload)
		}
	}
	body, err := json.Marshal(record)
	if err != nil { // both payloads are valid JSON by now
		return fmt.Appendf(nil, `{"version":"1.0","error":%q}`, err)
	}
	return body
}

const eventSuffix = ".json"

func (q *queue) file(e *event) string { return filepath.Join(q.dir, e.RequestID+eventSuffix) }

// save writes the event's file, replacing it at once.
func (q *queue) save(e *event) error {
	text, err := json.Marshal(e)
	if err != nil {
		return err
	}
	if err := replace(q.file(e), text); err != nil {
		return fmt.Errorf("keep the asynchronous event %s: %w", e.RequestID, err)
	}
	return nil
}

// load reads the events that were kept; a file that cannot be read is an error
// that names it.
func (q *queue) load() ([]*event, error) {
	entries, err := os.ReadDir(q.dir)
	if err != nil {
		return nil, fmt.Errorf("read the asynchronous events: %w", err)
	}
	var all []*event
	for _, entry := range entries {
		if !strings.HasSuffix(entry.Name(), eventSuffix) {
			continue // half written when the stack was killed, before it was accepted
		}
		path := filepath.Join(q.dir, entry.Name())
		text, err := os.ReadFile(path)
		if err != nil {
			return nil, fmt.Errorf("read an asynchronous event: %w", err)
		}
		e, err := decodeEvent(text)
		if err != nil {
			return nil, fmt.Errorf("asynchronous event %s: %w; remove the file to drop it", path, err)
		}
		all = append(all, e)
	}
	return all, nil
}

func decodeEvent(text []byte) (*event, error) {
	e := &event{}
	if err := json.Unmarshal(text, e); err != nil {
		return nil, err
	}
	if e.RequestID == "" || e.Function == "" || !json.Valid(e.Payload) {
		return nil, fmt.Errorf("requestId %q, function %q: an event needs both, and a JSON payload", e.RequestID, e.Function)
	}
	return e, nil
}
