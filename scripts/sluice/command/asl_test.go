package command_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sluice-ml/sluice/scripts/sluice/command"
)

// nap bakes for a day, unless the input says that it fails.
const nap = `{"QueryLanguage":"JSONata","StartAt":"Nap","States":{
 "Nap":{"Type":"Wait","Seconds":86400,"Next":"Judge"},
 "Judge":{"Type":"Choice","Choices":[{"Condition":"{% $states.input.bad %}","Next":"Bad"}],"Default":"Good"},
 "Bad":{"Type":"Fail","Error":"Demo.Bad","Cause":"it was asked to"},
 "Good":{"Type":"Pass","Output":"{% $states.input.n + 1 %}","End":true}}}`

// sluice runs the command line and gives what it printed.
func sluice(args ...string) (string, error) {
	root := command.Root()
	var out bytes.Buffer
	root.SetOut(&out)
	root.SetArgs(args)
	err := root.Execute()
	return out.String(), err
}

func write(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	return path
}

func TestASLRun(t *testing.T) {
	definition := write(t, "nap.asl.json", nap)
	input := write(t, "input.json", `{"n":41,"bad":false}`)
	out, err := sluice("asl", "run", definition, "--input", input, "--leap")
	require.NoError(t, err)
	require.Contains(t, out, "86400.000s")
	require.Regexp(t, `ExecutionSucceeded +out 42`, out)

	out, err = sluice("asl", "run", definition, "--input", input, "--leap", "--json")
	require.NoError(t, err)
	lines := strings.Split(strings.TrimSpace(out), "\n")
	for i, line := range lines {
		var event struct{ ID int }
		require.NoError(t, json.Unmarshal([]byte(line), &event), line)
		require.Equal(t, i+1, event.ID)
	}
	require.Contains(t, lines[len(lines)-1], `"executionSucceededEventDetails":{"output":"42"`)
}

func TestASLRunEndsBadly(t *testing.T) {
	out, err := sluice("asl", "run", write(t, "nap.asl.json", nap), "--input", write(t, "input.json", `{"bad":true}`), "--leap")
	require.EqualError(t, err, "the execution ended FAILED: Demo.Bad: it was asked to")
	require.Equal(t, 3, command.ExitCode(err))
	require.Contains(t, out, "ExecutionFailed")
}

func TestASLRunRefuses(t *testing.T) {
	good := write(t, "nap.asl.json", nap)
	for _, c := range []struct {
		args []string
		want []string
		code int
	}{
		{[]string{}, []string{"want 1 argument(s), got 0"}, 2},
		{[]string{good + "x"}, []string{"read the definition", "no such file"}, 1},
		{[]string{good, "--input", good + "x"}, []string{"read the input", "no such file"}, 1},
		{[]string{good, "--input", write(t, "broken.json", `{"n":`)}, []string{"read the input"}, 1},
		{[]string{write(t, "broken.asl.json", `{`)}, []string{"INVALID_JSON_DESCRIPTION"}, 1},
		{[]string{write(t, "wrong.asl.json", `{"StartAt":"A","States":{
			"A":{"Type":"Pass","Nxt":"B","Next":"None"},"B/C":{"Type":"Wait","Seconds":-1,"End":true}}}`)},
			[]string{"\n  /States/A/Nxt: ", "\n  /States/A/Next: ", "\n  /States/B~1C/Seconds: "}, 1},
		{[]string{write(t, "task.asl.json", `{"StartAt":"T","States":{"T":{"Type":"Task","Resource":"arn:aws:states:::lambda:invoke","End":true}}}`)},
			[]string{`/States/T/Resource: nothing here runs the task "arn:aws:states:::lambda:invoke"`}, 1},
	} {
		_, err := sluice(append([]string{"asl", "run", "--leap"}, c.args...)...)
		require.Error(t, err, c.args)
		require.Equal(t, c.code, command.ExitCode(err), err)
		for _, want := range c.want {
			require.ErrorContains(t, err, want)
		}
	}
}
