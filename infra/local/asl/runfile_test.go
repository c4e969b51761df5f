package asl_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sluice-ml/sluice/infra/local/asl"
)

func TestRunFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "nap.asl.json")
	if err := os.WriteFile(path, []byte(`{"QueryLanguage":"JSONata","StartAt":"Nap","States":{"Nap":{"Type":"Wait","Seconds":86400,"Next":"End"},"End":{"Type":"Pass","Output":"{% $states.input.a + 1 %}","End":true}}}`), 0o644); err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	result, err := asl.RunFile(t.Context(), asl.FileRun{Path: path, Input: `{"a":41}`, Leap: true, Out: &out})
	if err != nil || result.Output != "42" {
		t.Fatalf("%+v %v", result, err)
	}
	for _, want := range []string{"WaitStateEntered", "86400.000s    4 ← 3    PassStateEntered", "ExecutionSucceeded       out 42"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the history lacks %q:\n%s", want, &out)
		}
	}
	out.Reset()
	if _, err := asl.RunFile(t.Context(), asl.FileRun{Path: path, Leap: true, JSON: true, Out: &out}); err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(out.String()) {
		var e asl.Event
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			t.Errorf("%s: %v", line, err)
		}
	}
}

func TestRunFileRefuses(t *testing.T) {
	path := filepath.Join(t.TempDir(), "task.asl.json")
	if err := os.WriteFile(path, []byte(`{"StartAt":"T","States":{"T":{"Type":"Task","Resource":"arn:aws:states:::lambda:invoke","End":true}}}`), 0o644); err != nil {
		t.Fatal(err)
	}
	for why, r := range map[string]asl.FileRun{
		"nothing here runs the task": {Path: path},
		"read the definition":        {Path: path + "x"},
		"waits cannot be skipped":    {Path: path, Tasks: identity{}, Leap: true},
		"read the input":             {Path: path, Tasks: identity{}, Input: "{"},
	} {
		if _, err := asl.RunFile(t.Context(), r); err == nil || !strings.Contains(err.Error(), why) {
			t.Errorf("want %q, got %v", why, err)
		}
	}
}
