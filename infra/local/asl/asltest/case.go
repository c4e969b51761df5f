// Package asltest compares executions with histories that were recorded on
// AWS.
//
// The recordings are one JSON object a line: a definition, an input and the
// events that GetExecutionHistory gave. What differs from run to run was
// replaced by tokens (<uuid:1>, timestamp, …); a token is a wildcard that must
// stand for the same text throughout a case. They are not part of this
// repository: SLUICE_ASL_CASES names the file, and the default is a folder
// beside the checkout.
package asltest

import (
	"bufio"
	"bytes"
	"encoding/json"
	"os"
	"strings"
	"testing"
)

// Environment names the file of recordings.
const Environment = "SLUICE_ASL_CASES"

const beside = "../../../../shared/asl/recorded-executions.jsonl"

// Case is one recorded execution.
type Case struct {
	Name          string            `json:"name"`
	Kind          string            `json:"kind"` // pure, lambda or pure-distmap
	QueryLanguage string            `json:"queryLanguage"`
	Definition    json.RawMessage   `json:"definition"`
	Input         json.RawMessage   `json:"input"`
	Functions     map[string]string `json:"functions"` // ARN → identity or raise
	Events        []map[string]any  `json:"events"`
}

// Short is the name without the file and class it comes from.
func (c Case) Short() string { return c.Name[strings.LastIndex(c.Name, "::")+2:] }

// Load reads the recordings. Without them it skips the test, or fails it
// where CI is set: there a missing file must not pass for a green run.
func Load(t testing.TB) []Case {
	t.Helper()
	path := os.Getenv(Environment)
	if path == "" {
		path = beside
	}
	file, err := os.Open(path)
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("the recorded executions are missing: set %s to their file: %v", Environment, err)
		}
		t.Skipf("no recorded executions: set %s to their file: %v", Environment, err)
	}
	defer func() { _ = file.Close() }()
	var cases []Case
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		var c Case
		decoder := json.NewDecoder(bytes.NewReader(lines.Bytes()))
		decoder.UseNumber()
		if err := decoder.Decode(&c); err != nil {
			t.Fatalf("%s: line %d: %v", path, len(cases)+1, err)
		}
		cases = append(cases, c)
	}
	if err := lines.Err(); err != nil || len(cases) == 0 {
		t.Fatalf("%s: %d cases, %v", path, len(cases), err)
	}
	return cases
}

// InputText is the input as it was sent: the recordings' author wrote it with
// Python, which puts a space after each comma and colon. AWS keeps that text
// in the first events.
func (c Case) InputText() string {
	var compact bytes.Buffer
	if err := json.Compact(&compact, c.Input); err != nil {
		return string(c.Input)
	}
	var b strings.Builder
	quoted := false
	for i := 0; i < compact.Len(); i++ {
		ch := compact.Bytes()[i]
		b.WriteByte(ch)
		switch {
		case quoted && ch == '\\':
			i++
			b.WriteByte(compact.Bytes()[i])
		case ch == '"':
			quoted = !quoted
		case !quoted && (ch == ',' || ch == ':'):
			b.WriteByte(' ')
		}
	}
	return b.String()
}
