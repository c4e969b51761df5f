package asl

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// MaxEvents is the largest history: the event of this number ends the
// execution.
const MaxEvents = 25_000

// Event is one entry of an execution's history. As JSON it is exactly a
// HistoryEvent of GetExecutionHistory.
type Event struct {
	ID       int64
	Previous int64 // the event that caused this one, 0 for none
	Time     time.Time
	Type     string // e.g. "PassStateEntered"
	Details  *Details
}

// Details are the members of an event; which are set depends on its type.
type Details struct {
	Name                     string            `json:"name,omitempty"`
	Index                    *int              `json:"index,omitempty"`
	Length                   *int              `json:"length,omitempty"`
	Input                    *string           `json:"input,omitempty"`
	InputDetails             *Truncation       `json:"inputDetails,omitempty"`
	Output                   *string           `json:"output,omitempty"`
	OutputDetails            *Truncation       `json:"outputDetails,omitempty"`
	AssignedVariables        map[string]string `json:"assignedVariables,omitempty"` // name → JSON
	AssignedVariablesDetails *Truncation       `json:"assignedVariablesDetails,omitempty"`
	RoleARN                  string            `json:"roleArn,omitempty"`
	ResourceType             string            `json:"resourceType,omitempty"`
	Resource                 string            `json:"resource,omitempty"`
	Region                   string            `json:"region,omitempty"`
	Parameters               *string           `json:"parameters,omitempty"` // JSON
	TimeoutInSeconds         *int64            `json:"timeoutInSeconds,omitempty"`
	HeartbeatInSeconds       *int64            `json:"heartbeatInSeconds,omitempty"`
	MapRunARN                string            `json:"mapRunArn,omitempty"`
	RedriveCount             *int              `json:"redriveCount,omitempty"`
	Error                    *string           `json:"error,omitempty"`
	Cause                    *string           `json:"cause,omitempty"`
	Location                 string            `json:"location,omitempty"`
	State                    string            `json:"state,omitempty"`
}

// Truncation says whether AWS cut the member beside it; it never does here.
type Truncation struct {
	Truncated bool `json:"truncated"`
}

// detailed are the types that have details, besides …StateEntered and
// …StateExited, which share theirs.
var detailed = []string{
	"ExecutionStarted", "ExecutionSucceeded", "ExecutionFailed", "ExecutionAborted",
	"ExecutionTimedOut", "ExecutionRedriven", "EvaluationFailed",
	"TaskScheduled", "TaskStarted", "TaskStartFailed", "TaskSubmitted",
	"TaskSubmitFailed", "TaskSucceeded", "TaskFailed", "TaskTimedOut",
	"LambdaFunctionScheduled", "LambdaFunctionScheduleFailed", "LambdaFunctionStartFailed",
	"LambdaFunctionSucceeded", "LambdaFunctionFailed", "LambdaFunctionTimedOut",
	"MapStateStarted", "MapIterationStarted", "MapIterationSucceeded",
	"MapIterationFailed", "MapIterationAborted",
	"MapRunStarted", "MapRunFailed", "MapRunRedriven",
}

// detailKey is the member that holds a type's details, "" when it has none.
func detailKey(eventType string) string {
	switch {
	case strings.HasSuffix(eventType, "StateEntered"):
		return "stateEnteredEventDetails"
	case strings.HasSuffix(eventType, "StateExited"):
		return "stateExitedEventDetails"
	case !slices.Contains(detailed, eventType):
		return ""
	}
	return strings.ToLower(eventType[:1]) + eventType[1:] + "EventDetails"
}

// MarshalJSON writes the event as the API does, times in seconds.
func (e Event) MarshalJSON() ([]byte, error) { return e.append(make([]byte, 0, 512)), nil }

func (e Event) append(b []byte) []byte {
	b = append(b, `{"id":`...)
	b = strconv.AppendInt(b, e.ID, 10)
	b = append(b, `,"previousEventId":`...)
	b = strconv.AppendInt(b, e.Previous, 10)
	b = append(b, `,"timestamp":`...)
	b = strconv.AppendFloat(b, Epoch(e.Time), 'f', 3, 64)
	b = append(b, `,"type":`...)
	b = appendString(b, e.Type)
	if key := detailKey(e.Type); key != "" && e.Details != nil {
		b = append(b, ',', '"')
		b = append(b, key...)
		b = append(b, '"', ':')
		b = e.Details.append(b)
	}
	return append(b, '}')
}

// Epoch is t in seconds since 1970, to the millisecond, as AWS JSON has times.
func Epoch(t time.Time) float64 { return float64(t.UnixMilli()) / 1000 }

func (d *Details) append(b []byte) []byte {
	w := memberWriter{b: append(b, '{')}
	w.text("name", d.Name)
	w.number("index", d.Index)
	w.number("length", d.Length)
	w.pointer("input", d.Input)
	w.truncation("inputDetails", d.InputDetails)
	w.pointer("output", d.Output)
	w.truncation("outputDetails", d.OutputDetails)
	w.variables(d)
	w.text("roleArn", d.RoleARN)
	w.text("resourceType", d.ResourceType)
	w.text("resource", d.Resource)
	w.text("region", d.Region)
	w.pointer("parameters", d.Parameters)
	w.seconds("timeoutInSeconds", d.TimeoutInSeconds)
	w.seconds("heartbeatInSeconds", d.HeartbeatInSeconds)
	w.text("mapRunArn", d.MapRunARN)
	w.number("redriveCount", d.RedriveCount)
	w.pointer("error", d.Error)
	w.pointer("cause", d.Cause)
	w.text("location", d.Location)
	w.text("state", d.State)
	return append(w.b, '}')
}

// memberWriter appends the members that are set.
type memberWriter struct{ b []byte }

func (w *memberWriter) key(name string) {
	if w.b[len(w.b)-1] != '{' {
		w.b = append(w.b, ',')
	}
	w.b = append(w.b, '"')
	w.b = append(w.b, name...)
	w.b = append(w.b, '"', ':')
}

func (w *memberWriter) text(name, value string) {
	if value != "" {
		w.pointer(name, &value)
	}
}

func (w *memberWriter) pointer(name string, value *string) {
	if value != nil {
		w.key(name)
		w.b = appendString(w.b, *value)
	}
}

func (w *memberWriter) number(name string, value *int) {
	if value != nil {
		w.key(name)
		w.b = strconv.AppendInt(w.b, int64(*value), 10)
	}
}

func (w *memberWriter) seconds(name string, value *int64) {
	if value != nil {
		w.key(name)
		w.b = strconv.AppendInt(w.b, *value, 10)
	}
}

func (w *memberWriter) truncation(name string, value *Truncation) {
	if value != nil {
		w.key(name)
		w.b = append(w.b, `{"truncated":`...)
		w.b = append(strconv.AppendBool(w.b, value.Truncated), '}')
	}
}

func (w *memberWriter) variables(d *Details) {
	if len(d.AssignedVariables) == 0 {
		return
	}
	names := make([]string, 0, len(d.AssignedVariables))
	for n := range d.AssignedVariables {
		names = append(names, n)
	}
	slices.Sort(names)
	w.key("assignedVariables")
	w.b = append(w.b, '{')
	for i, n := range names {
		if i > 0 {
			w.b = append(w.b, ',')
		}
		w.b = append(appendString(w.b, n), ':')
		w.b = appendString(w.b, d.AssignedVariables[n])
	}
	w.b = append(w.b, '}')
	w.truncation("assignedVariablesDetails", d.AssignedVariablesDetails)
}

// UnmarshalJSON reads what MarshalJSON writes.
func (e *Event) UnmarshalJSON(text []byte) error {
	var raw map[string]json.RawMessage
	if err := json.Unmarshal(text, &raw); err != nil {
		return err
	}
	var seconds float64
	for _, m := range []struct {
		name string
		into any
	}{{"id", &e.ID}, {"previousEventId", &e.Previous}, {"timestamp", &seconds}, {"type", &e.Type}} {
		if err := json.Unmarshal(raw[m.name], m.into); err != nil {
			return fmt.Errorf("event member %q: %w", m.name, err)
		}
	}
	if math.Abs(seconds) > 1e11 {
		return fmt.Errorf("event timestamp %v is not a time", seconds)
	}
	e.Time = time.UnixMilli(int64(math.Round(seconds * 1000))).UTC()
	e.Details = nil
	if details, ok := raw[detailKey(e.Type)]; ok {
		return json.Unmarshal(details, &e.Details)
	}
	return nil
}

func text(s string) *string { return &s }

func whole(n int) *int { return &n }

var notTruncated = &Truncation{}
