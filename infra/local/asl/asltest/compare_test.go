package asltest

import (
	"encoding/json"
	"strings"
	"testing"
)

const recorded = `[
 {"id":1,"previousEventId":0,"timestamp":"timestamp","type":"ExecutionStarted","executionStartedEventDetails":{"input":{"a":1},"roleArn":"snf_role_arn"}},
 {"id":2,"previousEventId":0,"timestamp":"timestamp","type":"PassStateEntered","stateEnteredEventDetails":{"input":{"a":1},"name":"A"}},
 {"id":3,"previousEventId":2,"timestamp":"timestamp","type":"PassStateExited","stateExitedEventDetails":{"name":"A","output":"[\"<uuid:1>\",\"<uuid:1>\"]"}},
 {"id":4,"previousEventId":3,"timestamp":"timestamp","type":"ExecutionSucceeded","executionSucceededEventDetails":{"output":"[\"<uuid:1>\",\"<uuid:1>\"]"}}]`

const got = `{"id":1,"previousEventId":0,"timestamp":1.5,"type":"ExecutionStarted","executionStartedEventDetails":{"input":"{\"a\": 1}","roleArn":"arn:role"}}
{"id":2,"previousEventId":0,"timestamp":1.5,"type":"PassStateEntered","stateEnteredEventDetails":{"input":"{\"a\":1}","name":"A"}}
{"id":3,"previousEventId":2,"timestamp":1.5,"type":"PassStateExited","stateExitedEventDetails":{"name":"A","output":"[\"u\",\"u\"]"}}
{"id":4,"previousEventId":3,"timestamp":1.5,"type":"ExecutionSucceeded","executionSucceededEventDetails":{"output":"[\"u\",\"u\"]"}}`

// TestCompare: the comparison passes what is the same, and nothing else.
func TestCompare(t *testing.T) {
	var c Case
	decoder := json.NewDecoder(strings.NewReader(`{"events":` + recorded + `}`))
	decoder.UseNumber()
	if err := decoder.Decode(&c); err != nil {
		t.Fatal(err)
	}
	if err := c.compareLines(got); err != nil {
		t.Errorf("the same history differs: %v", err)
	}
	for change, with := range map[string]string{
		`"previousEventId":2`:               `"previousEventId":1`,
		`"name":"A","output"`:               `"name":"B","output"`,
		`"type":"PassStateExited"`:          `"type":"WaitStateExited"`,
		`\"a\": 1`:                          `\"a\": 2`,
		`"output":"[\"u\",\"u\"]"}}` + "\n": `"output":"[\"u\",\"v\"]"}}` + "\n", // one token, two values
		`{\"a\":1}","name"`:                 `{\"a\":1,\"b\":2}","name"`,
		`"name":"A"}}`:                      `"name":"A","extra":"x"}}`,
		`{"id":3`:                           `{"id":9`,
	} {
		if !strings.Contains(got, change) {
			t.Fatalf("there is no %s to change", change)
		}
		if c.compareLines(strings.Replace(got, change, with, 1)) == nil {
			t.Errorf("%s instead of %s was not noticed", with, change)
		}
	}
	lines := strings.Split(got, "\n")
	if c.compareLines(strings.Join(lines[:3], "\n")) == nil {
		t.Error("a missing event was not noticed")
	}
	if c.compareLines(got+"\n"+`{"id":5,"previousEventId":4,"timestamp":2,"type":"ExecutionSucceeded","executionSucceededEventDetails":{}}`) == nil {
		t.Error("a surplus event was not noticed")
	}
}

func (c Case) compareLines(history string) error {
	var events []json.RawMessage
	for _, line := range strings.Split(history, "\n") {
		events = append(events, json.RawMessage(line))
	}
	return c.Compare(events)
}

func TestInputText(t *testing.T) {
	c := Case{Input: json.RawMessage(`{"a:,":[1,"x\",:"],"b":{}}`)}
	if want := `{"a:,": [1, "x\",:"], "b": {}}`; c.InputText() != want {
		t.Errorf("got %s, want %s", c.InputText(), want)
	}
}
