package asltest

import (
	"encoding/json"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strings"
)

// Compare compares a history, as GetExecutionHistory's JSON has it, with the
// recorded one; the error says where they differ.
//
// Every recorded event must be there with its type, details, id and previous
// event, and nothing else may be. What the recordings leave open is left open
// here too:
//
//   - tokens;
//   - the order of the events of branches that run at the same time (their
//     ids may then be permuted), and in some cases their ids altogether: there
//     the recording has no id for them, and drops the one event that closes
//     the Parallel state;
//   - a Lambda's ExecutedVersion and response headers;
//   - the rest of a history that was recorded while the execution still ran:
//     it has no event that ends it.
func (c Case) Compare(history []json.RawMessage) error {
	got := make([]event, len(history))
	for i, text := range history {
		decoder := json.NewDecoder(strings.NewReader(string(text)))
		decoder.UseNumber()
		if err := decoder.Decode(&got[i].members); err != nil {
			return fmt.Errorf("event %d: %w", i, err)
		}
		got[i].read()
	}
	m := &matcher{got: got, ids: map[int64]int64{0: 0}, tokens: tokens{}}
	for _, members := range c.Events {
		recorded := event{members: members}
		recorded.read()
		if err := m.match(recorded); err != nil {
			return err
		}
	}
	return m.rest(c)
}

type event struct {
	members      map[string]any
	id, previous int64
	unordered    bool // the recording has no id for it
	kind         string
	details      any
	used         bool
}

func (e *event) read() {
	e.id, e.unordered = 0, true
	if n, ok := e.members["id"].(json.Number); ok {
		e.id, _ = n.Int64()
		e.unordered = false
	}
	if n, ok := e.members["previousEventId"].(json.Number); ok {
		e.previous, _ = n.Int64()
	}
	e.kind, _ = e.members["type"].(string)
	for k, v := range e.members {
		if strings.HasSuffix(k, "EventDetails") {
			e.details = map[string]any{k: v}
		}
	}
}

func (e event) String() string {
	text, _ := json.Marshal(e.members)
	return string(text)
}

type matcher struct {
	got    []event
	ids    map[int64]int64 // recorded id → id
	tokens tokens
	open   bool // unordered events were matched and the state not left yet
}

// match finds the event that a recorded one stands for, the one of the same
// id first.
func (m *matcher) match(recorded event) error {
	m.open = m.open || recorded.unordered
	if recorded.unordered {
		for i := range m.got {
			if m.fits(&m.got[i], recorded, false) {
				return nil
			}
		}
		return fmt.Errorf("no event matches the recorded %s", recorded)
	}
	if i := int(recorded.id) - 1; i < len(m.got) && m.fits(&m.got[i], recorded, true) {
		m.ids[recorded.id] = m.got[i].id
		return nil
	}
	for i := range m.got {
		if m.concurrent() && m.fits(&m.got[i], recorded, true) {
			m.ids[recorded.id] = m.got[i].id
			return nil
		}
	}
	if i := int(recorded.id) - 1; i < len(m.got) {
		return fmt.Errorf("event %d is\n  %s, recorded\n  %s: %s", recorded.id, m.got[i], recorded, m.tokens.clone().differ(recorded.details, m.got[i].details, ""))
	}
	return fmt.Errorf("there is no event %d, recorded\n  %s", recorded.id, recorded)
}

// concurrent: several branches have begun, so ids may be permuted.
func (m *matcher) concurrent() bool {
	begun := map[int64]int{}
	for _, e := range m.got {
		if e.kind == "MapIterationStarted" {
			if begun[e.previous]++; begun[e.previous] > 1 {
				return true
			}
		}
	}
	return false
}

func (m *matcher) fits(e *event, recorded event, exact bool) bool {
	if e.used || e.kind != recorded.kind || exact && !m.follows(*e, recorded) {
		return false
	}
	trial := m.tokens.clone()
	if trial.differ(recorded.details, e.details, "") != "" {
		return false
	}
	m.tokens = trial
	e.used = true
	return true
}

// follows: previous ids correspond. Behind unordered events the ids are ours.
func (m *matcher) follows(e, recorded event) bool {
	if previous, known := m.ids[recorded.previous]; known {
		return e.previous == previous
	}
	return m.open && e.previous == recorded.previous
}

// rest: nothing may be left over, but for what the recording leaves open.
func (m *matcher) rest(c Case) error {
	last := event{members: c.Events[len(c.Events)-1]}
	last.read()
	if !slices.Contains([]string{"ExecutionSucceeded", "ExecutionFailed", "ExecutionAborted", "ExecutionTimedOut"}, last.kind) {
		return nil
	}
	for _, e := range m.got {
		closing := m.open && (e.kind == "ParallelStateSucceeded" || e.kind == "ParallelStateFailed")
		if !e.used && !closing {
			return fmt.Errorf("the recording has no event like\n  %s", e)
		}
	}
	return nil
}

// tokens are what each wildcard stands for.
type tokens map[string]string

func (t tokens) clone() tokens {
	out := make(tokens, len(t))
	for k, v := range t {
		out[k] = v
	}
	return out
}

var (
	// wildcard finds the tokens inside a string.
	wildcard = regexp.MustCompile(`<[^<>]+>|\bno_such_lambda_function_name\b|\blambda_function_name\b|\bfunction_name_branch[12]\b|\bsnf_role_arn\b`)
	// masked are tokens that stand for a whole value, a different one each time.
	masked = []string{"timestamp", "date", "start-time", "entered-time", "map_run_arn", "<timestamp>",
		"stateExitedEventDetails.output", "executionSucceededEventDetails.output"}
	// ignored are members that need not be reproduced.
	ignored = []string{"SdkHttpMetadata", "SdkResponseMetadata", "ExecutedVersion"}
)

// differ says where got differs from recorded, "" when it does not.
func (t tokens) differ(recorded, got any, at string) string {
	switch r := recorded.(type) {
	case map[string]any:
		return t.differObject(r, parsed(got), at)
	case []any:
		g, ok := parsed(got).([]any)
		if !ok || len(g) != len(r) {
			return fmt.Sprintf("%s: recorded %v, got %v", at, recorded, got)
		}
		for i := range r {
			if d := t.differ(r[i], g[i], fmt.Sprintf("%s/%d", at, i)); d != "" {
				return d
			}
		}
		return ""
	case string:
		g, ok := got.(string)
		if ok && t.same(r, g) || slices.Contains(masked, r) {
			return ""
		}
	case json.Number:
		if g, ok := got.(json.Number); ok && g == r {
			return ""
		}
	default:
		if reflect.DeepEqual(recorded, got) {
			return ""
		}
	}
	return fmt.Sprintf("%s: recorded %v, got %v", at, recorded, got)
}

func (t tokens) differObject(recorded map[string]any, got any, at string) string {
	g, ok := got.(map[string]any)
	if !ok {
		return fmt.Sprintf("%s: recorded an object, got %v", at, got)
	}
	for k, v := range recorded {
		if slices.Contains(ignored, k) {
			continue
		}
		have, ok := g[k]
		if !ok {
			return fmt.Sprintf("%s/%s is missing", at, k)
		}
		if d := t.differ(v, have, at+"/"+k); d != "" {
			return d
		}
	}
	for k := range g {
		if _, ok := recorded[k]; !ok && !slices.Contains(ignored, k) {
			return fmt.Sprintf("%s/%s was not recorded", at, k)
		}
	}
	return ""
}

// parsed reads a JSON text where the recording has its parsed form.
func parsed(v any) any {
	text, ok := v.(string)
	if !ok {
		return v
	}
	var out any
	decoder := json.NewDecoder(strings.NewReader(text))
	decoder.UseNumber()
	if decoder.Decode(&out) != nil {
		return v
	}
	return out
}

// same compares a recorded string with tokens in it.
func (t tokens) same(recorded, got string) bool {
	if recorded == got {
		return true
	}
	places := wildcard.FindAllStringIndex(recorded, -1)
	if places == nil {
		return false
	}
	var pattern strings.Builder
	pattern.WriteString(`(?s)^`)
	end := 0
	names := []string{}
	for _, p := range places {
		pattern.WriteString(regexp.QuoteMeta(recorded[end:p[0]]) + `(.+?)`)
		names = append(names, recorded[p[0]:p[1]])
		end = p[1]
	}
	pattern.WriteString(regexp.QuoteMeta(recorded[end:]) + `$`)
	found := regexp.MustCompile(pattern.String()).FindStringSubmatch(got)
	if found == nil {
		return false
	}
	for i, name := range names {
		if bound, ok := t[name]; ok && bound != found[i+1] {
			return false
		}
		t[name] = found[i+1]
	}
	return true
}
