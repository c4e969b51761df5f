package logs_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluice-ml/sluice/infra/local/assembly"
	"github.com/sluice-ml/sluice/infra/local/logs"
)

func open(t *testing.T, dir string) *logs.Service {
	t.Helper()
	s, err := logs.Open(logs.Options{Dir: dir, Region: "eu-west-1", Account: "123456789012", Now: func() time.Time { return time.UnixMilli(5000) }})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s
}

func call(t *testing.T, s *logs.Service, operation, body string, into any) int {
	t.Helper()
	r := httptest.NewRequest("POST", "/", strings.NewReader(body))
	r.Header.Set("X-Amz-Target", "Logs_20140328."+operation)
	r.Header.Set("Content-Type", "application/x-amz-json-1.1")
	w := httptest.NewRecorder()
	s.Handler().ServeHTTP(w, r)
	require.NoError(t, json.Unmarshal(w.Body.Bytes(), into), w.Body.String())
	return w.Code
}

func messages(events []logs.Event) (out []string) {
	for _, e := range events {
		out = append(out, e.Message)
	}
	return out
}

const (
	groupName  = "/aws/lambda/f"
	streamName = "2026/01/02/[$LATEST]abc"
)

func TestStreamsSurviveAndTornLinesAreSkipped(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	require.NoError(t, s.Append(groupName, streamName, time.UnixMilli(1000), "one", "", "two"))
	files, err := filepath.Glob(filepath.Join(dir, "*", "*.jsonl"))
	require.NoError(t, err)
	require.Len(t, files, 1)
	f, err := os.OpenFile(files[0], os.O_APPEND|os.O_WRONLY, 0)
	require.NoError(t, err)
	_, err = f.WriteString(`{"timestamp":1001,"mess`)
	require.NoError(t, err)
	require.NoError(t, f.Close())

	again := open(t, dir)
	require.NoError(t, again.Append(groupName, streamName, time.UnixMilli(2000), "three"))
	events, err := again.Read(groupName, streamName)
	require.NoError(t, err)
	require.Equal(t, []string{"one", "two", "three"}, messages(events))
	require.Equal(t, int64(5000), events[2].IngestionTime)
}

func TestGetLogEventsPages(t *testing.T) {
	s := open(t, t.TempDir())
	for i := range 5 {
		require.NoError(t, s.Append(groupName, streamName, time.UnixMilli(int64(i)), fmt.Sprint("m", i)))
	}
	type output struct {
		Events                              []logs.Event
		NextForwardToken, NextBackwardToken string
	}
	get := func(extra string) (o output) {
		body := fmt.Sprintf(`{"logGroupName":%q,"logStreamName":%q%s}`, groupName, streamName, extra)
		require.Equal(t, 200, call(t, s, "GetLogEvents", body, &o))
		return o
	}
	tail := get(`,"limit":2`)
	require.Equal(t, []string{"m3", "m4"}, messages(tail.Events))
	before := get(`,"limit":2,"nextToken":"` + tail.NextBackwardToken + `"`)
	require.Equal(t, []string{"m1", "m2"}, messages(before.Events))
	end := get(`,"nextToken":"` + tail.NextForwardToken + `"`)
	require.Empty(t, end.Events)
	require.Equal(t, tail.NextForwardToken, end.NextForwardToken)
	require.Equal(t, []string{"m0", "m1"}, messages(get(`,"startFromHead":true,"limit":2`).Events))
	require.Equal(t, []string{"m2", "m3"}, messages(get(`,"startTime":2,"endTime":4`).Events))
}

func TestFilterAndDescribe(t *testing.T) {
	s := open(t, t.TempDir())
	require.NoError(t, s.Append(groupName, "b", time.UnixMilli(20), "ERROR later"))
	require.NoError(t, s.Append(groupName, "a", time.UnixMilli(10), "ERROR earlier", "INFO nothing"))
	var filtered struct {
		Events []struct{ Message, LogStreamName, EventID string }
	}
	require.Equal(t, 200, call(t, s, "FilterLogEvents", `{"logGroupName":"/aws/lambda/f","filterPattern":"ERROR"}`, &filtered))
	require.Len(t, filtered.Events, 2)
	require.Equal(t, "ERROR earlier", filtered.Events[0].Message)
	require.Equal(t, "a", filtered.Events[0].LogStreamName)

	var described struct {
		LogStreams []struct {
			LogStreamName      string
			LastEventTimestamp int64
		}
	}
	require.Equal(t, 200, call(t, s, "DescribeLogStreams", `{"logGroupName":"/aws/lambda/f","orderBy":"LastEventTime","descending":true,"limit":1}`, &described))
	require.Len(t, described.LogStreams, 1)
	require.Equal(t, "b", described.LogStreams[0].LogStreamName)
	require.Equal(t, int64(20), described.LogStreams[0].LastEventTimestamp)
}

func TestErrorsOfTheAPI(t *testing.T) {
	s := open(t, t.TempDir())
	require.NoError(t, s.CreateGroup("g", 0))
	for _, c := range []struct{ operation, body, code, message string }{
		{"GetLogEvents", `{"logGroupName":"none","logStreamName":"x"}`, "ResourceNotFoundException", "none"},
		{"GetLogEvents", `{"logGroupName":"g","logStreamName":"x"}`, "ResourceNotFoundException", "log stream"},
		{"GetLogEvents", `{"logGroupName":"g","logStreamName":"x","unmask":true}`, "ValidationException", "unmask"},
		{"FilterLogEvents", `{"logGroupName":"g","filterPattern":"[a, b]"}`, "InvalidParameterException", "space-delimited"},
		{"CreateLogGroup", `{"logGroupName":"g"}`, "ResourceAlreadyExistsException", "g"},
		{"CreateLogGroup", `{"logGroupName":"a:b"}`, "InvalidParameterException", "a:b"},
		{"PutLogEvents", `{"logGroupName":"g","logStreamName":"x","logEvents":[]}`, "ResourceNotFoundException", "x"},
		{"DeleteLogGroup", `{}`, "UnknownOperationException", "DeleteLogGroup"},
	} {
		var failure struct {
			Type    string `json:"__type"`
			Message string `json:"message"`
		}
		require.Equal(t, 400, call(t, s, c.operation, c.body, &failure), c)
		require.Equal(t, c.code, failure.Type, c)
		require.Contains(t, failure.Message, c.message, c)
	}
}

func TestLogGroupOfTheTemplate(t *testing.T) {
	s := open(t, t.TempDir())
	create := s.Creators()["AWS::Logs::LogGroup"]
	for range 2 { // creators are idempotent
		created, err := create(context.Background(), assembly.Resource{LogicalID: "G", Type: "AWS::Logs::LogGroup",
			Properties: json.RawMessage(`{"LogGroupName":"/x","RetentionInDays":30}`)})
		require.NoError(t, err)
		require.Equal(t, "/x", created.Ref)
		require.Equal(t, "arn:aws:logs:eu-west-1:123456789012:log-group:/x:*", created.Attributes["Arn"])
	}
	for properties, want := range map[string]string{
		`{"KmsKeyId":"k"}`:                      "KmsKeyId",
		`{"RetentionInDays":2}`:                 "RetentionInDays 2",
		`{"LogGroupClass":"INFREQUENT_ACCESS"}`: "INFREQUENT_ACCESS",
	} {
		_, err := create(context.Background(), assembly.Resource{LogicalID: "G", Properties: json.RawMessage(properties)})
		require.ErrorContains(t, err, want)
	}
}

func TestManyStreamsAreKeptWithFewOpenFiles(t *testing.T) {
	s := open(t, t.TempDir())
	for round := range 2 {
		for i := range 300 {
			require.NoError(t, s.Append("g", fmt.Sprint("s", i), time.UnixMilli(int64(round)), fmt.Sprint("r", round)))
		}
	}
	events, err := s.Read("g", "s7")
	require.NoError(t, err)
	require.Equal(t, []string{"r0", "r1"}, messages(events))
}

func TestWriterSplitsLines(t *testing.T) {
	s := open(t, t.TempDir())
	w, err := s.Writer("g", "s")
	require.NoError(t, err)
	long := strings.Repeat("x", 1<<20+5)
	for _, part := range []string{"on", "e\ntwo\r\n", long, "\nlast"} {
		_, err := w.Write([]byte(part))
		require.NoError(t, err)
	}
	w.Flush()
	events, err := s.Read("g", "s")
	require.NoError(t, err)
	require.Equal(t, []string{"one", "two", strings.Repeat("x", 1<<20), "xxxxx", "last"}, messages(events))
}

func TestFilterPatterns(t *testing.T) {
	for _, c := range []struct {
		pattern, message string
		want             bool
	}{
		{"", "anything", true},
		{"ERROR time", "time ERROR", true},
		{`"timed out"`, "Task timed out after", true},
		{`"timed out"`, "timed it out", false},
		{"?A ?B", "has B", true},
		{"?A ?B", "has C", false},
		{"ERROR -retry", "ERROR retry", false},
	} {
		f, err := logs.ParseFilter(c.pattern)
		require.NoError(t, err)
		require.Equal(t, c.want, f.Match(c.message), c)
	}
	for _, bad := range []string{`"open`, `?`, `[a, b]`, `%re%`} {
		_, err := logs.ParseFilter(bad)
		require.ErrorContains(t, err, "filter pattern", bad)
	}
}

func TestJSONFilterPatterns(t *testing.T) {
	const message = `{"level":"error","ms":251.5,"ok":true,"no":false,"user":null,"tags":["slow path","b"],"deep":{"a b":{"c":"x"},"n":-2},"text":"3"}`
	for pattern, want := range map[string]bool{
		`{ $.level = "error" }`:                               true,
		`{$.level="error"}`:                                   true,
		`{ $.level = error }`:                                 true,
		`{ $.level = "err*" && $.ms > 250 }`:                  true,
		`{ $.level = "*ro*" && $.ms > 251.5 }`:                false,
		`{ $.ms >= 2.515e2 }`:                                 true,
		`{ $.ms < 250 || $.level != "info" }`:                 true,
		`{ $.level = "x" || ($.ms = 251.5 && $.ok IS TRUE) }`: true,
		`{ $.no IS FALSE }`:                                   true,
		`{ $.ok IS FALSE }`:                                   false,
		`{ $.user IS NULL }`:                                  true,
		`{ $.level IS NULL }`:                                 false,
		`{ $.missing NOT EXISTS }`:                            true,
		`{ $.user EXISTS }`:                                   true,
		`{ $.missing = "x" }`:                                 false,
		`{ $.missing != "x" }`:                                false,
		`{ $.tags[0] = "slow*" }`:                             true,
		`{ $.tags[7] = "slow*" }`:                             false,
		`{ $.deep['a b'].c = "x" && $.deep["a b"].c = x }`:    true,
		`{ $.deep.n = -2 }`:                                   true,
		`{ $.text = 3 }`:                                      false,
		`{ $.text = "3" }`:                                    true,
		`{ $.level.x = "y" }`:                                 false,
	} {
		f, err := logs.ParseFilter(pattern)
		require.NoError(t, err, pattern)
		require.Equal(t, want, f.Match(message), pattern)
		require.False(t, f.Match("no JSON"), pattern)
	}
	for pattern, want := range map[string]string{
		`{}`:                  "want a property",
		`{ level = "x" }`:     "want a property",
		`{ $.a }`:             "ends too early",
		`{ $.a = }`:           "a value is missing",
		`{ $.a > "x" }`:       "compares numbers",
		`{ $.a = %x% }`:       "regular expressions",
		`{ ($.a = 1 }`:        `want ")"`,
		`{ $.a = 1 $.b = 2 }`: `unexpected "$.b"`,
		`{ $.a IS WHAT }`:     "NULL, TRUE or FALSE",
		`{ $.a NOT THERE }`:   "want EXISTS",
		`{ $.a ~ 1 }`:         `unexpected "~"`,
	} {
		_, err := logs.ParseFilter(pattern)
		require.ErrorContains(t, err, want, pattern)
	}
}

func FuzzParseFilter(f *testing.F) {
	f.Add(`{ $.a = "x*" && ($.b[0] > 1 || $['c'] IS NULL) }`, `{"a":"xy","b":[2]}`)
	f.Add(`ERROR "timed out" -debug ?a`, "x")
	f.Fuzz(func(t *testing.T, pattern, message string) {
		filter, err := logs.ParseFilter(pattern)
		if err == nil {
			filter.Match(message)
		}
	})
}
