package asl_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/sluice-ml/sluice/infra/local/asl"
)

// TestRefused: what AWS refuses is refused, at its place.
func TestRefused(t *testing.T) {
	state := func(s string) string { return `{"StartAt":"A","States":{"A":` + s + `}}` }
	jsonata := func(s string) string { return `{"QueryLanguage":"JSONata","StartAt":"A","States":{"A":` + s + `}}` }
	for name, c := range map[string]struct{ definition, pointer, message string }{
		"not JSON":               {`{`, "/", "unexpected end"},
		"no object":              {`[]`, "/", "Object"},
		"nothing":                {`{}`, "/", "These fields are required: [States, StartAt]"},
		"no StartAt":             {`{"States":{}}`, "/", "These fields are required: [StartAt]"},
		"no states":              {`{"StartAt":"A","States":{}}`, "/States", "at least one"},
		"start missing":          {`{"StartAt":"B","States":{"A":{"Type":"Succeed"}}}`, "/StartAt", "B"},
		"unknown top field":      {`{"StartAt":"A","Foo":1,"States":{"A":{"Type":"Succeed"}}}`, "/Foo", "not supported"},
		"no type":                {state(`{}`), "/States/A", "[Type]"},
		"bad type":               {state(`{"Type":"Nap"}`), "/States/A/Type", "not one of"},
		"no transition":          {state(`{"Type":"Pass"}`), "/States/A", "exactly one"},
		"two transitions":        {state(`{"Type":"Pass","Next":"A","End":true}`), "/States/A", "exactly one"},
		"missing target":         {state(`{"Type":"Pass","Next":"B"}`), "/States/A/Next", "Missing 'Next' target: B"},
		"unreachable":            {`{"StartAt":"A","States":{"A":{"Type":"Succeed"},"B":{"Type":"Succeed"}}}`, "/States/B", "not reachable"},
		"unknown field":          {state(`{"Type":"Pass","End":true,"Foo~/x":1}`), "/States/A/Foo~0~1x", "not supported"},
		"unimplemented":          {state(`{"Type":"Task","Resource":"arn:aws:states:::lambda:invoke","End":true,"Credentials":{}}`), "/States/A/Credentials", "does not implement"},
		"long name":              {`{"StartAt":"A","States":{"A":{"Type":"Pass","Next":"` + strings.Repeat("x", 81) + `"},"` + strings.Repeat("x", 81) + `":{"Type":"Succeed"}}}`, "/States/" + strings.Repeat("x", 81), "80"},
		"downgrade":              {jsonata(`{"Type":"Pass","QueryLanguage":"JSONPath","End":true}`), "/States/A", "can not be 'JSONPath'"},
		"JSONPath in JSONata":    {jsonata(`{"Type":"Pass","InputPath":"$","End":true}`), "/States/A/InputPath", "not supported"},
		"JSONata in JSONPath":    {state(`{"Type":"Pass","Output":1,"End":true}`), "/States/A/Output", "not supported"},
		"bad path":               {state(`{"Type":"Pass","InputPath":"$.a[","End":true}`), "/States/A/InputPath", "invalid JSONPath"},
		"path function":          {state(`{"Type":"Pass","InputPath":"$.a.length()","End":true}`), "/States/A/InputPath", "does not run the JSONPath function"},
		"result path":            {state(`{"Type":"Pass","ResultPath":"$.a[*]","End":true}`), "/States/A/ResultPath", "not a reference path"},
		"bad intrinsic":          {state(`{"Type":"Pass","Parameters":{"a.$":"States.Nope()"},"End":true}`), "/States/A/Parameters/a.$", "no function"},
		"intrinsic arity":        {state(`{"Type":"Pass","Parameters":{"a.$":"States.MathAdd(1)"},"End":true}`), "/States/A/Parameters/a.$", "1 arguments"},
		"template value":         {state(`{"Type":"Pass","Parameters":{"a.$":1},"End":true}`), "/States/A/Parameters/a.$", "valid JSONPath"},
		"bad JSONata":            {jsonata(`{"Type":"Pass","Output":{"a":["{% ( %}"]},"End":true}`), "/States/A/Output/a/0", "invalid JSONata"},
		"eval":                   {jsonata(`{"Type":"Pass","Output":"{% $eval('1') %}","End":true}`), "/States/A/Output", "$eval"},
		"root reference":         {jsonata(`{"Type":"Pass","Output":"{% $$.a %}","End":true}`), "/States/A/Output", "$$"},
		"deep JSONata":           {jsonata(`{"Type":"Pass","Output":"{% ` + strings.Repeat("(", 300) + ` %}","End":true}`), "/States/A/Output", "deeper"},
		"reserved variable":      {state(`{"Type":"Pass","Assign":{"states":1},"End":true}`), "/States/A/Assign", "reserved"},
		"bad variable":           {state(`{"Type":"Pass","Assign":{"a-b":1},"End":true}`), "/States/A/Assign", "not a variable name"},
		"no choices":             {state(`{"Type":"Choice","Choices":[]}`), "/States/A/Choices", "at least one"},
		"no operator":            {state(`{"Type":"Choice","Choices":[{"Variable":"$.a","Next":"A"}]}`), "/States/A/Choices/0", "exactly one"},
		"two operators":          {state(`{"Type":"Choice","Choices":[{"Variable":"$.a","IsNull":true,"IsString":true,"Next":"A"}]}`), "/States/A/Choices/0", "exactly one"},
		"operand type":           {state(`{"Type":"Choice","Choices":[{"Variable":"$.a","NumericEquals":"1","Next":"A"}]}`), "/States/A/Choices/0/NumericEquals", "number"},
		"nested next":            {state(`{"Type":"Choice","Choices":[{"Not":{"Variable":"$.a","IsNull":true,"Next":"A"},"Next":"A"}]}`), "/States/A/Choices/0/Not/Next", "not supported"},
		"condition":              {jsonata(`{"Type":"Choice","Choices":[{"Condition":"yes","Next":"A"}]}`), "/States/A/Choices/0/Condition", "JSONata"},
		"no wait":                {state(`{"Type":"Wait","End":true}`), "/States/A", "exactly one"},
		"two waits":              {state(`{"Type":"Wait","Seconds":1,"SecondsPath":"$.a","End":true}`), "/States/A/Seconds", "Only one"},
		"wait range":             {state(`{"Type":"Wait","Seconds":-1,"End":true}`), "/States/A/Seconds", "range"},
		"wait timestamp":         {state(`{"Type":"Wait","Timestamp":"tomorrow","End":true}`), "/States/A/Timestamp", "ISO-8601"},
		"no resource":            {state(`{"Type":"Task","End":true}`), "/States/A", "[Resource]"},
		"resource":               {state(`{"Type":"Task","Resource":"lambda","End":true}`), "/States/A/Resource", "ARN"},
		"refused resource":       {state(`{"Type":"Task","Resource":"arn:aws:states:::nope:nope","End":true}`), "/States/A/Resource", "nobody runs nope"},
		"heartbeat":              {state(`{"Type":"Task","Resource":"arn:aws:states:::lambda:invoke","TimeoutSeconds":5,"HeartbeatSeconds":5,"End":true}`), "/States/A/HeartbeatSeconds", "smaller"},
		"ALL not alone":          {state(`{"Type":"Task","Resource":"arn:x","Retry":[{"ErrorEquals":["States.ALL","X"]}],"End":true}`), "/States/A/Retry/0/ErrorEquals", "alone"},
		"ALL not last":           {state(`{"Type":"Task","Resource":"arn:x","Catch":[{"ErrorEquals":["States.ALL"],"Next":"A"},{"ErrorEquals":["X"],"Next":"A"}],"End":true}`), "/States/A/Catch/0/ErrorEquals", "alone"},
		"backoff":                {state(`{"Type":"Task","Resource":"arn:x","Retry":[{"ErrorEquals":["X"],"BackoffRate":0.5}],"End":true}`), "/States/A/Retry/0/BackoffRate", "1.0"},
		"max delay":              {state(`{"Type":"Task","Resource":"arn:x","Retry":[{"ErrorEquals":["X"],"IntervalSeconds":9,"MaxDelaySeconds":3}],"End":true}`), "/States/A/Retry/0/MaxDelaySeconds", "smaller"},
		"catch target":           {state(`{"Type":"Task","Resource":"arn:x","Catch":[{"ErrorEquals":["X"],"Next":"B"}],"End":true}`), "/States/A/Catch/0/Next", "Missing"},
		"no processor":           {state(`{"Type":"Map","End":true}`), "/States/A", "[ItemProcessor]"},
		"label inline":           {state(`{"Type":"Map","Label":"l","ItemProcessor":{"StartAt":"B","States":{"B":{"Type":"Succeed"}}},"End":true}`), "/States/A/Label", "distributed"},
		"item reader":            {state(`{"Type":"Map","ItemReader":{},"ItemProcessor":{"StartAt":"B","States":{"B":{"Type":"Succeed"}}},"End":true}`), "/States/A/ItemReader", "only supported for distributed"},
		"duplicate name":         {state(`{"Type":"Map","ItemProcessor":{"StartAt":"A","States":{"A":{"Type":"Succeed"}}},"End":true}`), "/States/A/ItemProcessor/States/A", "already used"},
		"no branches":            {state(`{"Type":"Parallel","Branches":[],"End":true}`), "/States/A/Branches", "at least one"},
		"inner start":            {state(`{"Type":"Parallel","Branches":[{"StartAt":"X","States":{"B":{"Type":"Succeed"}}}],"End":true}`), "/States/A/Branches/0/StartAt", "X"},
		"outer variable":         {`{"StartAt":"V","States":{"V":{"Type":"Pass","Assign":{"x":1},"Next":"A"},"A":{"Type":"Parallel","Branches":[{"StartAt":"B","States":{"B":{"Type":"Pass","Assign":{"x.$":"$"},"End":true}}}],"End":true}}}`, "/States/A/Branches/0/States/B/Assign", "outer scope"},
		"machine timeout":        {`{"StartAt":"A","TimeoutSeconds":0,"States":{"A":{"Type":"Succeed"}}}`, "/TimeoutSeconds", "range"},
		"jitter":                 {state(`{"Type":"Task","Resource":"arn:x","Retry":[{"ErrorEquals":["X"],"JitterStrategy":"SOME"}],"End":true}`), "/States/A/Retry/0/JitterStrategy", "not one of"},
		"tolerated out of range": {state(`{"Type":"Map","ToleratedFailurePercentage":101,"ItemProcessor":{"StartAt":"B","States":{"B":{"Type":"Succeed"}}},"End":true}`), "/States/A/ToleratedFailurePercentage", "range"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := asl.Parse([]byte(c.definition), func(d asl.TaskDefinition) error {
				if strings.Contains(d.Resource, "nope") {
					return errors.New("nobody runs nope")
				}
				return nil
			})
			refused, ok := errors.AsType[*asl.DefinitionError](err)
			if !ok {
				t.Fatalf("the definition was accepted: %v", err)
			}
			for _, p := range refused.Problems {
				if p.Pointer == c.pointer && strings.Contains(p.Message, c.message) {
					return
				}
			}
			t.Errorf("want %q at %s, got %v", c.message, c.pointer, err)
		})
	}
}

// TestMessage: the error reads as AWS's InvalidDefinition does.
func TestMessage(t *testing.T) {
	_, err := asl.Parse([]byte(`{"StartAt":"A"}`), nil)
	want := "Invalid State Machine Definition: 'SCHEMA_VALIDATION_FAILED: These fields are required: [States] at /'"
	if err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

func TestResources(t *testing.T) {
	m, err := asl.Parse([]byte(`{"StartAt":"P","States":{"P":{"Type":"Parallel","Next":"M","Branches":[{"StartAt":"T","States":{"T":{"Type":"Task","Resource":"arn:one","End":true}}}]},
		"M":{"Type":"Map","End":true,"ItemProcessor":{"StartAt":"U","States":{"U":{"Type":"Task","Resource":"arn:two","End":true}}}}}}`), nil)
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(m.Resources(), " "); got != "arn:one arn:two" {
		t.Errorf("got %s", got)
	}
}
