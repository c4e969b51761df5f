package lambda_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluice-ml/sluice/infra/local/lambda"
)

type delivered struct {
	arn, body  string
	attributes map[string]string
}

// mailbox is a Destinations that fails as often as it is told to.
type mailbox struct {
	mutex    sync.Mutex
	failures int
	arrived  chan delivered
}

func (m *mailbox) Deliver(_ context.Context, arn string, body []byte, attributes map[string]string) error {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	if m.failures > 0 {
		m.failures--
		return errors.New("the queue is away")
	}
	m.arrived <- delivered{arn, string(body), attributes}
	return nil
}

func withMailbox(failures int) (*mailbox, func(*lambda.Options)) {
	m := &mailbox{failures: failures, arrived: make(chan delivered, 8)}
	return m, func(o *lambda.Options) { o.Destinations = m }
}

func (w *world) async(t *testing.T, payload string) string {
	t.Helper()
	id, err := w.InvokeAsync(context.Background(), "f", []byte(payload))
	require.NoError(t, err)
	return id
}

// settled waits until no event is kept.
func (w *world) settled(t *testing.T) {
	t.Helper()
	require.Eventually(t, func() bool { return len(w.kept(t)) == 0 }, time.Minute, time.Millisecond)
}

func (w *world) kept(t *testing.T) []string {
	files, err := filepath.Glob(filepath.Join(w.options.Dir, "async", "*.json"))
	require.NoError(t, err)
	return files
}

const (
	deadLetters = "arn:aws:sqs:eu-west-1:123456789012:dead"
	failures    = "arn:aws:sns:eu-west-1:123456789012:failures"
	successes   = "arn:aws:events:eu-west-1:123456789012:event-bus/default"
)

func (w *world) destinations(t *testing.T, extra string) {
	t.Helper()
	_, err := w.create(t, "EventInvokeConfig", "C", fmt.Sprintf(`{"FunctionName":"f","Qualifier":"$LATEST",
		"DestinationConfig":{"OnFailure":{"Destination":%q},"OnSuccess":{"Destination":%q}}%s}`, failures, successes, extra))
	require.NoError(t, err)
}

func TestAsyncRetriesThenTellsEveryone(t *testing.T) {
	m, option := withMailbox(2)
	w := open(t, t.TempDir(), option)
	w.function(t, fmt.Sprintf(`,"DeadLetterConfig":{"TargetArn":%q}`, deadLetters))
	w.destinations(t, "")
	calls := filepath.Join(t.TempDir(), "calls")
	payload := fmt.Sprintf(`{"Do":"attempts","File":%q,"Count":99}`, calls)
	id := w.async(t, payload)

	record := <-m.arrived
	require.Equal(t, failures, record.arn)
	var got struct {
		Version        string
		RequestContext struct {
			RequestID, FunctionArn, Condition string
			ApproximateInvokeCount            int
		}
		RequestPayload  map[string]any
		ResponseContext struct {
			StatusCode    int
			FunctionError string
		}
		ResponsePayload struct{ ErrorMessage string }
	}
	require.NoError(t, json.Unmarshal([]byte(record.body), &got))
	require.Equal(t, "1.0", got.Version)
	require.Equal(t, "RetriesExhausted", got.RequestContext.Condition)
	require.Equal(t, id, got.RequestContext.RequestID)
	require.Equal(t, "arn:aws:lambda:eu-west-1:123456789012:function:f:$LATEST", got.RequestContext.FunctionArn)
	require.Equal(t, 3, got.RequestContext.ApproximateInvokeCount)
	require.Equal(t, "attempts", got.RequestPayload["Do"])
	require.Equal(t, "Unhandled", got.ResponseContext.FunctionError)
	require.Equal(t, "attempt 3 of 99", got.ResponsePayload.ErrorMessage)

	dead := <-m.arrived
	require.Equal(t, delivered{deadLetters, payload, map[string]string{"RequestID": id, "ErrorCode": "200", "ErrorMessage": "attempt 3 of 99"}}, dead)
	w.settled(t)
	text, err := os.ReadFile(calls)
	require.NoError(t, err)
	require.Equal(t, 3, strings.Count(string(text), "\n"))
	require.Contains(t, strings.Join(w.lines(t, "f"), "\n"), "could not be delivered to "+failures+", and will be tried again: the queue is away")
}

func TestAsyncSucceedsOnARetry(t *testing.T) {
	m, option := withMailbox(0)
	w := open(t, t.TempDir(), option)
	w.function(t, "")
	w.destinations(t, "")
	w.async(t, fmt.Sprintf(`{"Do":"attempts","File":%q,"Count":2}`, filepath.Join(t.TempDir(), "calls")))
	record := <-m.arrived
	require.Equal(t, successes, record.arn)
	require.Contains(t, record.body, `"responsePayload":"at last"`)
	require.Contains(t, record.body, `"approximateInvokeCount":2`)
	w.settled(t)
}

func TestNoRetriesWhenToldSo(t *testing.T) {
	m, option := withMailbox(0)
	w := open(t, t.TempDir(), option)
	w.function(t, "")
	w.destinations(t, `,"MaximumRetryAttempts":0`)
	w.async(t, `{"Do":"fail"}`)
	require.Contains(t, (<-m.arrived).body, `"approximateInvokeCount":1`)
	w.settled(t)
}

func TestAnEventGrowsTooOld(t *testing.T) {
	m, option := withMailbox(0)
	var mutex sync.Mutex
	now := time.UnixMilli(1_700_000_000_000)
	dir := t.TempDir()
	w := open(t, dir, option, func(o *lambda.Options) {
		o.Now = func() time.Time { mutex.Lock(); defer mutex.Unlock(); return now }
	})
	w.function(t, `,"ReservedConcurrentExecutions":0`) // every attempt is throttled
	w.destinations(t, `,"MaximumEventAgeInSeconds":60`)
	w.async(t, `{}`)
	require.Eventually(t, func() bool { u := w.Usage(); return len(u) == 1 && u[0].Throttles > 0 }, time.Minute, time.Millisecond)
	mutex.Lock()
	now = now.Add(61 * time.Second)
	mutex.Unlock()
	require.Contains(t, (<-m.arrived).body, `"condition":"EventAgeExceeded"`)
	w.settled(t)
	require.Zero(t, w.Usage()[0].Invocations)
}

func TestAThrottledEventRunsOnceThereIsRoom(t *testing.T) {
	dir := t.TempDir()
	w := open(t, dir)
	w.function(t, `,"ReservedConcurrentExecutions":1`)
	w.async(t, fmt.Sprintf(`{"Do":"until","File":%q,"Text":%q}`, dir+"/go", dir+"/there"))
	exists(t, dir+"/there")
	w.async(t, fmt.Sprintf(`{"Do":"attempts","File":%q}`, dir+"/second"))
	require.Eventually(t, func() bool { u := w.Usage(); return len(u) == 1 && u[0].Throttles > 0 }, time.Minute, time.Millisecond)
	require.NoFileExists(t, dir+"/second")
	require.NoError(t, os.WriteFile(dir+"/go", nil, 0o644))
	exists(t, dir+"/second")
	w.settled(t)
}

func TestADestinationThatIsAFunction(t *testing.T) {
	w := open(t, t.TempDir())
	w.function(t, "")
	w.named(t, "g", "function", "")
	_, err := w.create(t, "EventInvokeConfig", "C", `{"FunctionName":"f","Qualifier":"$LATEST","MaximumRetryAttempts":0,
		"DestinationConfig":{"OnFailure":{"Destination":"arn:aws:lambda:eu-west-1:123456789012:function:g"}}}`)
	require.NoError(t, err)
	w.async(t, `{"Do":"fail"}`)
	require.Eventually(t, func() bool { u := w.Usage(); return len(u) == 2 && u[1].Invocations == 1 }, time.Minute, time.Millisecond)
}

// TestEventsSurviveAKill kills a stack with SIGKILL while it handles an event:
// its function goes with it, and the next stack handles the event again.
func TestEventsSurviveAKill(t *testing.T) {
	if text := os.Getenv("LAMBDA_TEST_VICTIM"); text != "" {
		w := open(t, text)
		w.function(t, "")
		w.async(t, fmt.Sprintf(`{"Do":"until","File":%q,"Text":%q}`, text+"/go", text+"/there"))
		select {} // until it is killed; it must have no temporary folder of its own, which would stay
	}
	dir := t.TempDir()
	victim := exec.Command(os.Args[0], "-test.run=^TestEventsSurviveAKill$")
	victim.Env = append(os.Environ(), "LAMBDA_TEST_VICTIM="+dir, "LAMBDA_TEST_BINARIES="+binaries)
	require.NoError(t, victim.Start())
	exists(t, dir+"/there")
	child := childOf(t, victim.Process.Pid)
	require.NoError(t, victim.Process.Kill())
	_ = victim.Wait()
	require.Eventually(t, func() bool { return gone(child) }, time.Minute, time.Millisecond, "the function must not outlive the stack")

	require.NoError(t, os.Remove(dir+"/there"))
	w := open(t, dir)
	w.function(t, "")
	require.Len(t, w.kept(t), 1)
	require.NoFileExists(t, dir+"/there", "nothing runs before Recover")
	w.Recover()
	exists(t, dir+"/there")
	require.NoError(t, os.WriteFile(dir+"/go", nil, 0o644))
	w.settled(t)
	require.EqualValues(t, 0, w.Usage()[0].Errors)
}

func childOf(t *testing.T, pid int) int {
	t.Helper()
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	require.NoError(t, err)
	for _, file := range stats {
		text, err := os.ReadFile(file)
		if err != nil {
			continue
		}
		name := string(text[strings.LastIndexByte(string(text), ')')+1:])
		if fields := strings.Fields(name); len(fields) > 1 && fields[1] == strconv.Itoa(pid) {
			child, err := strconv.Atoi(filepath.Base(filepath.Dir(file)))
			require.NoError(t, err)
			return child
		}
	}
	t.Fatalf("process %d has no child", pid)
	return 0
}

func gone(pid int) bool {
	text, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	return errors.Is(err, os.ErrNotExist) || errors.Is(err, syscall.ESRCH) || strings.Contains(string(text), ") Z ")
}

func TestCloseLeavesAnEventForTheNextStack(t *testing.T) {
	dir := t.TempDir()
	w := open(t, dir)
	w.function(t, "")
	w.async(t, fmt.Sprintf(`{"Do":"until","File":%q,"Text":%q}`, dir+"/go", dir+"/there"))
	exists(t, dir+"/there")
	require.NoError(t, w.Close())
	require.Len(t, w.kept(t), 1)
	_, err := w.InvokeAsync(context.Background(), "f", nil)
	require.ErrorContains(t, err, "stopping")

	require.NoError(t, os.WriteFile(dir+"/go", nil, 0o644))
	again := open(t, dir)
	again.function(t, "")
	again.Recover()
	again.settled(t)
}
