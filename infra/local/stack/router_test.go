package stack

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluice-ml/sluice/infra/local/events"
	"github.com/sluice-ml/sluice/infra/local/sqs"
)

// messages waits until a queue holds as many messages.
func messages(t *testing.T, s *Stack, queue string, count int) []sqs.Message {
	t.Helper()
	var got []sqs.Message
	require.Eventually(t, func() bool {
		var err error
		got, err = s.Services().SQS.Messages(s.Outputs()[queue])
		return err == nil && len(got) == count
	}, time.Minute, 5*time.Millisecond)
	return got
}

func request(t *testing.T, method, url, body string) (int, string) {
	t.Helper()
	r, err := http.NewRequest(method, url, strings.NewReader(body))
	require.NoError(t, err)
	answer, err := http.DefaultClient.Do(r)
	require.NoError(t, err)
	defer answer.Body.Close()
	raw, err := io.ReadAll(answer.Body)
	require.NoError(t, err)
	return answer.StatusCode, string(raw)
}

func TestEventsReachTopicsQueuesAndDeadLetters(t *testing.T) {
	var ahead atomic.Int64 // how far the stack's clock is ahead
	ctx := context.Background()
	s, err := Up(ctx, Options{Assembly: buildAssembly(t), Stack: "Demo", Dir: filepath.Join(t.TempDir(), "stack"),
		Now: func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }})
	require.NoError(t, err)
	defer func() { require.NoError(t, s.Close()) }()

	publish := func(source, detail string) {
		require.NoError(t, s.Services().Events.Publish(ctx, events.Event{Source: source, DetailType: "Test", Detail: json.RawMessage(detail)}))
	}
	publish("test.news", `{"headline":"done"}`)
	require.JSONEq(t, `{"headline":"done"}`, messages(t, s, "ToldArn", 1)[0].Body)

	publish("test.forbidden", `{}`)
	dead := messages(t, s, "DeadArn", 1)[0]
	require.Contains(t, dead.Body, `"source":"test.forbidden"`)
	require.Contains(t, dead.Attributes["ERROR_MESSAGE"], "give the function an AWS::Lambda::Permission")
	require.Contains(t, dead.Attributes["RULE_ARN"], ":rule/Demo-NotAllowed-")
	require.Contains(t, dead.Attributes["TARGET_ARN"], ":function:demo-record")
	require.Equal(t, "0", dead.Attributes["RETRY_ATTEMPTS"])

	ahead.Store(int64(time.Hour)) // the ticker fires the hourly schedule
	require.JSONEq(t, `{"operation":"start"}`, messages(t, s, "ToldArn", 2)[1].Body)
}

func TestTheAdminAPI(t *testing.T) {
	s, err := Up(context.Background(), Options{Assembly: buildAssembly(t), Stack: "Demo", Dir: filepath.Join(t.TempDir(), "stack")})
	require.NoError(t, err)
	defer func() { require.NoError(t, s.Close()) }()
	for _, c := range []struct {
		method, path, body string
		status             int
		want               string
	}{
		{"GET", "health", "", 200, `"status": "ready"`},
		{"GET", "resources", "", 200, `"AWS::StepFunctions::StateMachine"`},
		{"GET", "resources", "", 200, `"LakeName"`},
		{"GET", "usage", "", 200, `"lambda"`},
		{"PUT", "faults/sluice-staging-adult/green", `{"delay":"250ms","error_rate":0.2}`, 400, "there is no endpoint"},
		{"PUT", "faults/sluice-staging-adult/green", `{"delay":"soon"}`, 400, "want a duration"},
		{"DELETE", "faults", "", 204, ""},
		{"POST", "jobs/none/reclaim", "", 400, "none"},
		{"GET", "nothing", "", 404, ""},
	} {
		status, body := request(t, c.method, s.URL()+adminPrefix+c.path, c.body)
		require.Equal(t, c.status, status, "%s %s: %s", c.method, c.path, body)
		require.Contains(t, body, c.want, c.path)
	}
	page, err := http.NewRequest("DELETE", s.URL()+adminPrefix+"faults", nil)
	require.NoError(t, err)
	page.Header.Set("Origin", "http://example.com")
	answer, err := http.DefaultClient.Do(page)
	require.NoError(t, err)
	require.NoError(t, answer.Body.Close())
	require.Equal(t, http.StatusForbidden, answer.StatusCode)
	require.NoError(t, s.Close())
	require.NoError(t, s.Close(), "closing again is harmless")
}

func TestExecutionNamesAreStableAndValid(t *testing.T) {
	name := executionName("6f1c2f0e-0000-4000-8000-000000000000/rule/target")
	require.Regexp(t, `^6f1c2f0e-0000-4000-8000-000000000000_[0-9a-f]{32}$`, name)
	require.LessOrEqual(t, len(name), 80)
	require.Equal(t, name, executionName("6f1c2f0e-0000-4000-8000-000000000000/rule/target"))
	require.Regexp(t, `^[0-9a-f]{32}$`, executionName("nightly/2030-01-01T02:00:00Z"))
}
