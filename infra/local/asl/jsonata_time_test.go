package asl_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/sluice-ml/sluice/infra/local/asl"
)

// TestNowIsTheEnginesClock: in milliseconds, and one moment for an expression.
func TestNowIsTheEnginesClock(t *testing.T) {
	machine, err := asl.Parse([]byte(`{"QueryLanguage":"JSONata","StartAt":"A","States":{"A":{"Type":"Pass","End":true,"Output":{
		"now": "{% $now() %}", "day": "{% $now('[Y0001]-[M01]-[D01]') %}", "hour": "{% $now('[H01]:[m01]', '+0200') %}",
		"millis": "{% $millis() %}", "same": "{% $toMillis($now()) = $millis() %}", "wait": "{% $fromMillis($millis() + 1000) %}"}}}}`), nil)
	if err != nil {
		t.Fatal(err)
	}
	at := time.Date(2026, 11, 23, 10, 20, 30, 123456789, time.UTC)
	engine := asl.NewEngine(asl.Options{Clock: asl.NewLeapClock(at)})
	x, err := engine.Prepare(asl.Spec{Machine: machine, Input: `{}`, Start: at})
	if err != nil {
		t.Fatal(err)
	}
	result, err := x.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var got map[string]any
	if err := json.Unmarshal([]byte(result.Output), &got); err != nil {
		t.Fatalf("%v: %s: %s", err, *result.Error, *result.Cause)
	}
	for name, want := range map[string]any{"now": "2026-11-23T10:20:30.123Z", "day": "2026-11-23", "hour": "12:20",
		"millis": float64(at.UnixMilli()), "same": true, "wait": "2026-11-23T10:20:31.123Z"} {
		if got[name] != want {
			t.Errorf("%s is %v, want %v", name, got[name], want)
		}
	}
}
