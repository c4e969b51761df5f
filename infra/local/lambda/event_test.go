package lambda

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func testQueue() (*queue, time.Time) {
	o := Options{}
	o.setDefaults()
	return &queue{service: &Service{options: o}}, time.UnixMilli(1_700_000_000_000)
}

func TestRetriesWaitOneThenTwoMinutes(t *testing.T) {
	q, now := testQueue()
	e := &event{}
	i := invokeConfig{retries: 2}
	q.failed(e, Result{FunctionError: "Unhandled"}, &config{}, i, now)
	require.Equal(t, now.Add(time.Minute), e.Due)
	q.failed(e, Result{FunctionError: "Unhandled"}, &config{}, i, now)
	require.Equal(t, now.Add(2*time.Minute), e.Due)
	require.Nil(t, e.Outbox)
	q.failed(e, Result{FunctionError: "Unhandled"}, &config{}, i, now)
	require.NotNil(t, e.Outbox)
	require.Equal(t, 3, e.Attempts)
}

func TestThrottledEventsWaitLongerAndLonger(t *testing.T) {
	q, now := testQueue()
	e := &event{}
	var waits []time.Duration
	for range 11 {
		q.later(e, now)
		waits = append(waits, e.Due.Sub(now))
	}
	require.Equal(t, []time.Duration{1e9, 2e9, 4e9, 8e9, 16e9, 32e9, 64e9, 128e9, 256e9, 300e9, 300e9}, waits)
	require.Zero(t, e.Attempts)
}

func TestLikeARN(t *testing.T) {
	for _, c := range []struct {
		pattern, arn string
		want         bool
	}{
		{"arn:aws:s3:::lake", "arn:aws:s3:::lake", true},
		{"arn:aws:s3:::lake", "arn:aws:s3:::lakes", false},
		{"arn:*:rule/*", "arn:aws:events:eu-west-1:1:rule/x", true},
		{"a?c", "abc", true},
		{"a?c", "ac", false},
		{"", "", true},
	} {
		require.Equal(t, c.want, likeARN(c.pattern, c.arn), c)
	}
}

func FuzzDecodeEvent(f *testing.F) {
	f.Add([]byte(`{"requestId":"a","function":"f","payload":"e30="}`))
	f.Add([]byte(`{"requestId":"a","function":"f","payload":"e30=","last":{"payload":"eA=="},"outbox":[{"target":"t"}]}`))
	q, now := testQueue()
	f.Fuzz(func(t *testing.T, text []byte) {
		e, err := decodeEvent(text)
		if err != nil {
			return
		}
		q.later(e, now)
		e.conclude(conditionRetries, &config{arn: "a", deadLetter: "d"}, invokeConfig{onFailure: "o"}, now)
		require.Len(t, e.Outbox, 2)
	})
}
