package delivery

import (
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluice-ml/sluice/infra/local/wire"
)

// target fails its first fails calls, and keeps what it was given.
type target struct {
	mu    sync.Mutex
	fails int
	err   error
	got   []string // "arn payload"
	ids   []string
}

func (f *target) Deliver(ctx context.Context, arn string, payload []byte, _ string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	d, _ := From(ctx)
	f.ids = append(f.ids, d.ID)
	if f.fails != 0 && arn != "dlq" {
		f.fails--
		return f.err
	}
	f.got = append(f.got, arn+" "+string(payload))
	return nil
}

func open(t *testing.T, path string, f *target) *Queue {
	t.Helper()
	q, err := Open(path, f, time.Now, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	return q
}

// run ticks once a second for a while, in virtual time.
func run(q *Queue, length time.Duration) {
	for range int(length / time.Second) {
		q.Tick()
		synctest.Wait()
		time.Sleep(time.Second)
	}
}

func TestADeliveryIsTriedUntilItSucceeds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &target{fails: 3, err: errors.New("connection refused")}
		q := open(t, filepath.Join(t.TempDir(), "q"), f)
		require.NoError(t, q.Enqueue(Delivery{TargetARN: "arn", Payload: []byte(`{}`), Retries: 5, MaxAge: MaxAge}))
		run(q, 10*time.Second)
		require.Equal(t, []string{"arn {}"}, f.got)
		require.Len(t, f.ids, 4)
		require.Equal(t, f.ids[0], f.ids[3], "every try has the same id")
		require.Zero(t, q.Waiting())
		require.NoError(t, q.Close())
	})
}

func TestRetriesAndAgeRunOutIntoTheDeadLetterQueue(t *testing.T) {
	for name, c := range map[string]struct {
		err      error
		retries  int
		maxAge   time.Duration
		attempts int
	}{
		"retries":   {errors.New("down"), 2, MaxAge, 3},
		"age":       {errors.New("down"), MaxAttempts, MinAge, 6}, // 1+2+4+8+16 s, the next would be after 63 s
		"permanent": {wire.Errorf("ResourceNotFoundException", "no such function"), MaxAttempts, MaxAge, 1},
		"throttled": {&wire.Error{Code: "TooManyRequestsException", Status: 429}, 1, MaxAge, 2},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := &target{fails: -1, err: c.err}
				q := open(t, filepath.Join(t.TempDir(), "q"), f)
				require.NoError(t, q.Enqueue(Delivery{TargetARN: "arn", Payload: []byte(`{}`), Retries: c.retries, MaxAge: c.maxAge, DeadLetter: "dlq"}))
				run(q, 2*time.Minute)
				require.Equal(t, []string{"dlq {}"}, f.got)
				require.Len(t, f.ids, c.attempts+1)
				require.Zero(t, q.Waiting())
				require.NoError(t, q.Close())
			})
		})
	}
}

func TestWithoutADeadLetterQueueItIsDropped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &target{fails: -1, err: errors.New("down")}
		q := open(t, filepath.Join(t.TempDir(), "q"), f)
		require.NoError(t, q.Enqueue(Delivery{TargetARN: "arn", Payload: []byte(`{}`), Retries: 0, MaxAge: MaxAge}))
		run(q, 3*time.Second)
		require.Len(t, f.ids, 1)
		require.Zero(t, q.Waiting())
		require.NoError(t, q.Close())
	})
}

func TestAcceptedDeliveriesSurviveAKill(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "q")
		down := &target{fails: -1, err: errors.New("down")}
		killed := open(t, path, down)
		require.NoError(t, killed.Enqueue(Delivery{TargetARN: "arn", Payload: []byte(`{"n":1}`), Retries: 9, MaxAge: MaxAge}))
		synctest.Wait()
		killed.cancel() // nothing is closed or flushed
		up := &target{}
		q := open(t, path, up)
		run(q, 5*time.Second)
		require.Equal(t, []string{`arn {"n":1}`}, up.got)
		require.Equal(t, down.ids[0], up.ids[0])
		require.NoError(t, q.Close())
	})
}
