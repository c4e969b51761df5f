package events

import (
	"encoding/json"
	"testing"
)

// FuzzTransform: whatever passes the checks gives valid JSON.
func FuzzTransform(f *testing.F) {
	f.Add(`{"a":<a>,"t":"<a> \"<b>\""}`, "$.x", "$['y'][0]", `{"x":"1\"2","y":[{"z":1}]}`)
	f.Add(`"<aws.events.event>"`, "$", "$.none", `{}`)
	f.Add(`plain <a>`, "$[0]", "$.a.b", `{"a":{"b":null}}`)
	f.Fuzz(func(t *testing.T, template, pathA, pathB, event string) {
		target := Target{InputTransformer: &InputTransformer{InputTemplate: template, InputPathsMap: map[string]string{"a": pathA, "b": pathB}}}
		var object map[string]any
		if target.InputTransformer.check() != nil || json.Unmarshal([]byte(event), &object) != nil {
			return
		}
		if input, err := target.input([]byte(event), "arn", "rule"); err == nil && !json.Valid(input) {
			t.Fatalf("%q gives %q", template, input)
		}
	})
}
