package contract

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// event is EventBridge's envelope.
type event struct {
	Version    string          `json:"version"`
	ID         string          `json:"id"`
	DetailType string          `json:"detail-type"`
	Source     string          `json:"source"`
	Account    string          `json:"account"`
	Time       string          `json:"time"`
	Region     string          `json:"region"`
	Resources  []string        `json:"resources"`
	Detail     json.RawMessage `json:"detail"`
}

// objectCreated is the detail of S3's "Object Created".
type objectCreated struct {
	Version string `json:"version"`
	Bucket  struct {
		Name string `json:"name"`
	} `json:"bucket"`
	Object struct {
		Key       string `json:"key"`
		Size      int64  `json:"size"`
		ETag      string `json:"etag"`
		VersionID string `json:"version-id"`
		Sequencer string `json:"sequencer"`
	} `json:"object"`
	RequestID string `json:"request-id"`
	Requester string `json:"requester"`
	SourceIP  string `json:"source-ip-address"`
	Reason    string `json:"reason"`
}

// stateChange is the detail of "CloudWatch Alarm State Change".
type stateChange struct {
	AlarmName     string         `json:"alarmName"`
	State         map[string]any `json:"state"`
	PreviousState map[string]any `json:"previousState"`
	Configuration map[string]any `json:"configuration"`
}

// executionChange is the detail of "Step Functions Execution Status Change".
type executionChange struct {
	ExecutionARN    string          `json:"executionArn"`
	StateMachineARN string          `json:"stateMachineArn"`
	Name            string          `json:"name"`
	Status          string          `json:"status"`
	StartDate       int64           `json:"startDate"`
	StopDate        int64           `json:"stopDate"`
	Input           string          `json:"input"`
	Output          string          `json:"output"`
	InputDetails    map[string]bool `json:"inputDetails"`
	OutputDetails   map[string]bool `json:"outputDetails"`
}

// functions lists every function with what its sample events decode into.
// A sample is <function>.json or <function>-<variant>.json.
var functions = map[string]func() any{
	"admit": func() any { return new(AdmitRequest) }, "plan": func() any { return new(StepInput) },
	"ingest": func() any { return new(StepInput) }, "profile": func() any { return new(StepInput) },
	"validate": func() any { return new(StepInput) }, "decide": func() any { return new(StepInput) },
	"register": func() any { return new(StepInput) }, "shift": func() any { return new(RolloutStep) },
	"analyze": func() any { return new(RolloutStep) }, "promote": func() any { return new(RolloutStep) },
	"rollback": func() any { return new(RolloutStep) }, "monitor": func() any { return new(RolloutStep) },
	"track": func() any { return new(RolloutStep) }, "probe": func() any { return new(ProbeRequest) },
	"gate-performance": func() any { return new(StepInput) }, "gate-fairness": func() any { return new(StepInput) },
	"gate-robustness": func() any { return new(StepInput) }, "gate-data-quality": func() any { return new(StepInput) },
	"gate-champion": func() any { return new(StepInput) }, "gate-latency": func() any { return new(StepInput) },
}

func TestSampleEventsDecodeStrictly(t *testing.T) {
	files, err := filepath.Glob("../../events/*.json")
	require.NoError(t, err)
	sampled := map[string]bool{}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".json")
		function := owner(name)
		require.NotEmpty(t, function, "%s is a sample of no function", file)
		sampled[function] = true
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		if !bytes.Contains(text, []byte(`"detail-type"`)) {
			strictly(t, file, text, functions[function]())
			continue
		}
		var e event
		strictly(t, file, text, &e)
		switch e.DetailType {
		case "Object Created":
			strictly(t, file, e.Detail, new(objectCreated))
		case "Step Functions Execution Status Change":
			strictly(t, file, e.Detail, new(executionChange))
		case "CloudWatch Alarm State Change":
			var change stateChange
			strictly(t, file, e.Detail, &change)
			_, _, _, _, ok := ParseAlarmName(change.AlarmName)
			require.True(t, ok, "%s: alarm %q is none of ours", file, change.AlarmName)
		default:
			t.Errorf("%s: detail-type %q", file, e.DetailType)
		}
	}
	for function := range functions {
		require.True(t, sampled[function], "events/ has no sample for %s", function)
	}
}

// owner is the function with the longest name that the sample's name begins with.
func owner(sample string) string {
	best := ""
	for function := range functions {
		if (sample == function || strings.HasPrefix(sample, function+"-")) && len(function) > len(best) {
			best = function
		}
	}
	return best
}

func strictly(t *testing.T, file string, text []byte, into any) {
	t.Helper()
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	require.NoError(t, decoder.Decode(into), file)
}
