package cloudwatch

import (
	"context"
	"encoding/json"
	"errors"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/stretchr/testify/require"
)

// start is on a minute and a ten-second boundary.
var start = time.Date(2026, 3, 2, 10, 0, 0, 0, time.UTC)

// clock is a time that moves only when told to.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) Advance(d time.Duration) time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
	return c.now
}

// receiver records what alarms tell. While refuse is set it takes nothing.
type receiver struct {
	refuse   bool
	events   []Event
	messages []string // "topic subject"
	invoked  []string
	payloads [][]byte
}

func (r *receiver) PutEvent(_ context.Context, e Event) error {
	if r.refuse {
		return errors.New("the bus is away")
	}
	r.events = append(r.events, e)
	return nil
}

func (r *receiver) PublishAlarm(_ context.Context, topic, subject, message string) error {
	if r.refuse {
		return errors.New("the topic is away")
	}
	r.messages = append(r.messages, topic+" "+subject)
	r.payloads = append(r.payloads, []byte(message))
	return nil
}

func (r *receiver) InvokeAlarm(_ context.Context, function string, payload []byte) error {
	if r.refuse {
		return errors.New("the function is away")
	}
	r.invoked = append(r.invoked, function)
	r.payloads = append(r.payloads, payload)
	return nil
}

func (r *receiver) states(t *testing.T) []string {
	t.Helper()
	var out []string
	for _, e := range r.events {
		var d alarmData
		require.NoError(t, json.Unmarshal(e.Detail, &d))
		out = append(out, string(d.PreviousState.Value)+" -> "+string(d.State.Value))
	}
	return out
}

type bench struct {
	*Service
	clock    *clock
	receiver *receiver
	client   *cloudwatch.Client
	dir      string
}

func newBench(t *testing.T) *bench {
	t.Helper()
	return openBench(t, t.TempDir(), &clock{now: start}, &receiver{})
}

// openBench opens a service on dir; opening the same dir again without closing
// the first is what a kill -9 leaves.
func openBench(t *testing.T, dir string, c *clock, r *receiver) *bench {
	t.Helper()
	s, err := Open(Config{Dir: dir, Region: "eu-west-1", Account: "000000000000", Now: c.Now, Events: r, Actions: r})
	require.NoError(t, err)
	t.Cleanup(func() { _ = s.Close() })
	server := httptest.NewServer(s.Handler())
	t.Cleanup(server.Close)
	// The client retries as users' clients do: on a busy machine its transport now
	// and then closes a connection under an answer, which the SDK knows and retries.
	client := cloudwatch.New(cloudwatch.Options{Region: "eu-west-1", BaseEndpoint: aws.String(server.URL),
		Credentials: credentials.NewStaticCredentialsProvider("id", "secret", "")})
	return &bench{s, c, r, client, dir}
}

func (b *bench) evaluate(t *testing.T) {
	t.Helper()
	require.NoError(t, b.Evaluate(t.Context(), b.clock.Now()))
}

// put stores one high-resolution value at the clock's time.
func (b *bench) put(t *testing.T, name string, values ...float64) {
	t.Helper()
	require.NoError(t, b.Put("Sluice", Datum{Name: name, HighResolution: true, Values: values}))
}
