package outside

import (
	"bytes"
	"encoding/json"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluice-ml/sluice/infra/local/asl"
)

// evaluation is an expression with what it reads.
type evaluation struct {
	Expression string         `json:"expression"`
	States     map[string]any `json:"states"`    // input, result, errorOutput, context
	Variables  map[string]any `json:"variables"` // without their $
}

// answer is a value, or an error, which an undefined result is too.
type answer struct {
	Value any    `json:"value"`
	Error string `json:"error"`
}

// rounds is how many inputs each expression gets.
const rounds = 60

// TestExpressionsAgainstJSONata: every expression of our state machines gives in
// our engine what the reference implementation of JSONata gives.
func TestExpressionsAgainstJSONata(t *testing.T) {
	library := needed(t, ".sluice/cache/outside/node_modules/jsonata", "scripts/fetch-outside.sh")
	random := rand.New(rand.NewPCG(1, 2))
	var all []evaluation
	for _, expression := range expressions(t) {
		for range rounds {
			all = append(all, generate(random, expression))
		}
	}
	theirs := reference(t, library, all)
	given := map[string]int{}
	for i, one := range all {
		mine := ours(t, one)
		if theirs[i].Error == "" {
			given[one.Expression]++
		}
		if (mine.Error == "") != (theirs[i].Error == "") || !equal(mine.Value, theirs[i].Value) {
			input, _ := json.Marshal(one)
			t.Errorf("%s\nours:   %+v\ntheirs: %+v", input, mine, theirs[i])
		}
	}
	for _, expression := range expressions(t) {
		if given[expression] == 0 {
			t.Errorf("no generated input gives %s a value: the comparison says nothing", expression)
		}
	}
	t.Logf("%d evaluations of %d expressions", len(all), len(given))
}

// expressions are those of statemachines/*.asl.json, without their marks.
func expressions(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(root, "statemachines/*.asl.json"))
	require.NoError(t, err)
	require.NotEmpty(t, files)
	var found []string
	var walk func(v any)
	walk = func(v any) {
		switch v := v.(type) {
		case map[string]any:
			for _, member := range v {
				walk(member)
			}
		case []any:
			for _, member := range v {
				walk(member)
			}
		case string:
			if inner, ok := strings.CutPrefix(v, "{%"); ok {
				found = append(found, strings.TrimSpace(strings.TrimSuffix(inner, "%}")))
			}
		}
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		var definition any
		require.NoError(t, json.Unmarshal(text, &definition), file)
		walk(definition)
	}
	slices.Sort(found)
	return slices.Compact(found)
}

// read matches what an expression reads: $states.input.a.b or $variable.a.b. A
// function's name is followed by a parenthesis.
var read = regexp.MustCompile(`\$([A-Za-z_]\w*(?:\.\w+)*)(\(?)`)

// generate makes up an input for an expression: a value, or nothing, at every
// path that it reads.
func generate(random *rand.Rand, expression string) evaluation {
	e := evaluation{expression, map[string]any{}, map[string]any{}}
	for _, match := range read.FindAllStringSubmatch(expression, -1) {
		if match[2] != "" {
			continue
		}
		path := strings.Split(match[1], ".")
		root := e.Variables
		if path[0] == "states" {
			root, path = e.States, path[1:]
		} else if _, ok := root[path[0]]; !ok {
			root[path[0]] = anything(random) // a variable that is read was assigned
		}
		put(random, root, path)
	}
	return e
}

func put(random *rand.Rand, into map[string]any, path []string) {
	if len(path) == 1 {
		if random.IntN(6) > 0 {
			into[path[0]] = anything(random)
		}
		return
	}
	below, ok := into[path[0]].(map[string]any)
	if !ok {
		if random.IntN(8) == 0 {
			return
		}
		below = map[string]any{}
		into[path[0]] = below
	}
	put(random, below, path[1:])
}

// anything gives one of the values that state machines meet.
func anything(random *rand.Rand) any {
	values := []any{"pass", "hold", "ship", "promote", "bake", "a longer reason: ünïcode, \"quotes\" and 'more'", `{"errorMessage":"it broke","errorType":"X"}`,
		"", 0, 1, 3, -2, 0.5, 400, 1e21, 123456789, true, false, nil, []any{}, []any{"one"}, []any{"one", "two"}, []any{1, "two"},
		map[string]any{"error": "E", "cause": "C"}, map[string]any{},
		[]any{map[string]any{"error": "x"}, map[string]any{"model": "m"}, map[string]any{"error": nil}}, []any{map[string]any{"model": "m"}}}
	return values[random.IntN(len(values))]
}

// reference asks the reference implementation.
func reference(t *testing.T, library string, all []evaluation) []answer {
	t.Helper()
	input, err := json.Marshal(all)
	require.NoError(t, err)
	c := exec.CommandContext(t.Context(), "node", "jsonata.cjs", library)
	var problems bytes.Buffer
	c.Stdin, c.Stderr = bytes.NewReader(input), &problems
	out, err := c.Output()
	require.NoError(t, err, problems.String())
	var answers []answer
	require.NoError(t, json.Unmarshal(out, &answers))
	require.Len(t, answers, len(all))
	return answers
}

// ours evaluates by the engine: a Pass state assigns the variables, a second one
// gives the expression's value. What a state finds in $states is in the input.
func ours(t *testing.T, e evaluation) answer {
	t.Helper()
	definition, err := json.Marshal(map[string]any{"QueryLanguage": "JSONata", "StartAt": "A", "States": map[string]any{
		"A": map[string]any{"Type": "Pass", "Assign": e.Variables, "Next": "B"},
		"B": map[string]any{"Type": "Pass", "Output": "{% " + strings.ReplaceAll(e.Expression, "$states.", "$states.input.") + " %}", "End": true},
	}})
	require.NoError(t, err)
	machine, err := asl.Parse(definition, nil)
	require.NoError(t, err, e.Expression)
	input, err := json.Marshal(e.States)
	require.NoError(t, err)
	execution, err := asl.NewEngine(asl.Options{}).Prepare(asl.Spec{Machine: machine, Input: string(input), Start: time.Now(),
		ARN: "arn:execution", Name: "run", MachineName: "m", MachineARN: "arn:m"})
	require.NoError(t, err)
	result, err := execution.Run(t.Context())
	require.NoError(t, err)
	if result.Status != asl.Succeeded {
		return answer{Error: *result.Error + ": " + *result.Cause}
	}
	var value any
	require.NoError(t, json.Unmarshal([]byte(result.Output), &value))
	return answer{Value: value}
}

func equal(a, b any) bool {
	x, _ := json.Marshal(a) // numbers are float64 on both sides, members are sorted
	y, _ := json.Marshal(b)
	return bytes.Equal(x, y)
}
