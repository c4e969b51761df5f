package capture

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluice-ml/sluice/shared/contract"
	"github.com/sluice-ml/sluice/shared/fault"
	"github.com/sluice-ml/sluice/shared/feedback"
)

// store is an S3 that can be slow, fail, and lose its answers.
type store struct {
	mu      sync.Mutex
	files   map[string]string
	puts    int
	err     error         // of the next puts
	lost    bool          // the next put lands, and its answer is lost
	latency time.Duration // of each
}

func (s *store) Put(ctx context.Context, key string, body []byte) error {
	s.mu.Lock()
	latency := s.latency
	s.mu.Unlock()
	select {
	case <-time.After(latency):
	case <-ctx.Done():
		return ctx.Err()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.puts++
	if s.err != nil {
		return s.err
	}
	if s.files == nil {
		s.files = map[string]string{}
	}
	s.files[key] = string(body)
	if s.lost {
		s.lost = false
		return errors.New("connection reset")
	}
	return nil
}

func (s *store) set(change func(*store)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change(s)
}

// predictions are what feedback reads of all files.
func (s *store) predictions(t *testing.T) []feedback.Prediction {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []feedback.Prediction
	for name, body := range s.files {
		found, problems := feedback.ReadCaptures(name, []byte(body))
		require.Empty(t, problems)
		all = append(all, found...)
	}
	return all
}

// echo answers as a model server does: with a score for each instance.
var echo = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/metrics" {
		fmt.Fprintln(w, "sluice_requests_total 1")
		return
	}
	body, _ := io.ReadAll(r.Body)
	w.Header().Set("Content-Type", r.Header.Get("Content-Type"))
	switch {
	case bytes.Contains(body, []byte("refuse")):
		http.Error(w, `{"error":"no"}`, http.StatusBadRequest)
	case r.Header.Get("Content-Type") == "text/csv":
		fmt.Fprint(w, "0.25\n0.75\n")
	case r.Header.Get("Content-Type") == "application/x-ndjson":
		fmt.Fprint(w, "{\"score\":0.5}\n")
	default:
		fmt.Fprint(w, `{"predictions":[{"score":0.9}]}`)
	}
})

const prefix = "capture/sluice-staging-m/green/"

func open(t *testing.T, s *store, change ...func(*Options)) (*Recorder, func(id, kind, body string) *httptest.ResponseRecorder) {
	t.Helper()
	o := Options{Sink: s, Prefix: prefix, Every: 10 * time.Second, Now: time.Now}
	for _, f := range change {
		f(&o)
	}
	r, err := New(o)
	require.NoError(t, err)
	handler := r.Wrap(echo, "green")
	return r, func(id, kind, body string) *httptest.ResponseRecorder {
		request := httptest.NewRequest(http.MethodPost, "/invocations", strings.NewReader(body))
		request.Header.Set("Content-Type", kind)
		request.Header.Set(contract.HeaderInference, id)
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, request)
		return w
	}
}

const one = `{"instances":[{"age":39}]}`

func TestFeedbackReadsWhatIsWritten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &store{}
		r, ask := open(t, s)
		ctx, cancel := context.WithCancel(t.Context())
		go r.Run(ctx)
		answer := ask("a", "application/json", one)
		require.Equal(t, `{"predictions":[{"score":0.9}]}`, answer.Body.String())
		require.Equal(t, "green", answer.Header().Get(contract.HeaderSlot))
		ask("b", "text/csv", "39\n40\n")
		ask("c", "application/x-ndjson; charset=utf-8", `{"age":39}`)
		ask("", "application/json", one)
		ask("d", "application/json", `refuse`)
		ask(contract.SmokeInference+"green", "application/json", one)
		asked := time.Now().UTC()
		require.Empty(t, s.files, "a request waits for nothing")
		time.Sleep(11 * time.Second)
		cancel()
		synctest.Wait()
		byID := map[string]feedback.Prediction{}
		for _, p := range s.predictions(t) {
			require.Equal(t, asked, p.Time, "the time is the request's")
			byID[p.ID] = p
		}
		require.Len(t, byID, 5, "what was refused and smoke tests are nobody's: %v", byID)
		require.True(t, byID["a"].Positive)
		require.Equal(t, []string{"39"}, byID["a"].Row.Values)
		require.False(t, byID["b#0"].Positive)
		require.True(t, byID["b#1"].Positive)
		require.Equal(t, []string{"age"}, byID["c"].Row.Names)
		require.Len(t, s.files, 1)
		for key := range s.files {
			require.Regexp(t, `^capture/sluice-staging-m/green/2000/01/01/00/00-10-[0-9a-f]{12}-000001\.jsonl$`, key)
		}
	})
}

// S3 that hangs and fails slows nobody down; what does not fit is counted, and
// what fits is written once S3 is back, under one key.
func TestAnOutageOfS3(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &store{err: errors.New("503 Slow Down"), latency: 5 * time.Second}
		told := map[string]int64{}
		room := 100 * (record{id: "r-00", input: []byte(one), output: []byte(`{"predictions":[{"score":0.9}]}`)}).size()
		r, ask := open(t, s, func(o *Options) {
			o.MaxBytes, o.Lost = room, func(reason string, n int64) { told[reason] += n }
		})
		ctx, cancel := context.WithCancel(t.Context())
		go r.Run(ctx)
		for i := range 150 {
			began := time.Now()
			require.Equal(t, http.StatusOK, ask(fmt.Sprintf("r-%02d", i%100), "application/json", one).Code)
			require.Zero(t, time.Since(began))
			time.Sleep(time.Second)
		}
		written, dropped, waiting := r.Counts()
		require.Zero(t, written)
		require.Equal(t, map[string]int64{Full: 50}, dropped)
		require.Equal(t, room, waiting)
		s.set(func(s *store) { s.err, s.lost = nil, true })
		time.Sleep(time.Minute)
		written, dropped, waiting = r.Counts()
		require.EqualValues(t, 100, written)
		require.Zero(t, waiting)
		require.Equal(t, map[string]int64{Full: 50}, told)
		require.Equal(t, told, dropped)
		require.Len(t, s.predictions(t), 100, "an answer that was lost makes no second file")
		ask("later", "application/json", one)
		require.NoError(t, r.Close(t.Context()))
		require.Len(t, s.predictions(t), 101)
		cancel()
	})
}

// SIGTERM writes what is left, and gives up in time.
func TestClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &store{err: errors.New("503 Slow Down")}
		r, ask := open(t, s)
		for i := range 10 {
			ask(fmt.Sprint(i), "application/json", one)
		}
		go func() { time.Sleep(8 * time.Second); s.set(func(s *store) { s.err = nil }) }()
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		require.NoError(t, r.Close(ctx))
		require.Len(t, s.predictions(t), 10)

		ask("last", "application/json", one)
		s.set(func(s *store) { s.latency = time.Hour })
		began := time.Now()
		ctx, cancel = context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		err := r.Close(ctx)
		require.ErrorContains(t, err, "1 records are lost")
		require.Equal(t, 20*time.Second, time.Since(began))
		_, dropped, waiting := r.Counts()
		require.Equal(t, map[string]int64{Shutdown: 1}, dropped)
		require.Zero(t, waiting)
	})
}

func TestWhatIsTooLargeAndTheCounts(t *testing.T) {
	s := &store{}
	r, ask := open(t, s, func(o *Options) { o.MaxBody = 64 })
	require.Equal(t, http.StatusOK, ask("a", "application/json", one+strings.Repeat(" ", 64)).Code)
	ask(strings.Repeat("x", contract.MaxInferenceID+1), "application/json", one)
	ask("b", "application/json", one)
	require.NoError(t, r.Close(t.Context()))
	require.Len(t, s.predictions(t), 1)
	w := httptest.NewRecorder()
	r.Wrap(echo, "green").ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	require.Contains(t, w.Body.String(), "sluice_requests_total 1\n")
	require.Contains(t, w.Body.String(), "sluice_captures_written_total 1\n")
	require.Contains(t, w.Body.String(), `sluice_captures_dropped_total{reason="too_large"} 2`)
}

// A key that S3 refused for an hour is not where readers look any more.
func TestALongOutageChangesTheHour(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &store{err: errors.New("503")}
		r, ask := open(t, s)
		ctx, cancel := context.WithCancel(t.Context())
		go r.Run(ctx)
		ask("a", "application/json", one)
		time.Sleep(3*time.Hour + 30*time.Minute)
		s.set(func(s *store) { s.err = nil })
		time.Sleep(time.Minute)
		cancel()
		for key := range s.files {
			require.Contains(t, key, "/2000/01/01/03/")
		}
		require.Len(t, s.files, 1)
	})
}

func TestManyAtOnce(t *testing.T) {
	s := &store{}
	r, ask := open(t, s, func(o *Options) { o.Every = time.Millisecond; o.MaxBytes = 1 << 30 })
	ctx, cancel := context.WithCancel(t.Context())
	var running, group sync.WaitGroup
	running.Go(func() { r.Run(ctx) })
	for w := range 4 {
		group.Go(func() {
			for i := range 500 {
				ask(fmt.Sprintf("%d-%d", w, i), "application/json", one)
			}
		})
	}
	group.Wait()
	cancel()
	running.Wait()
	require.NoError(t, r.Close(t.Context()))
	ids := map[string]bool{}
	for _, p := range s.predictions(t) {
		ids[p.ID] = true
	}
	require.Len(t, ids, 2000)
}

func TestSettingsThatAreWrong(t *testing.T) {
	for _, o := range []Options{{Prefix: prefix}, {Sink: &store{}}, {Sink: &store{}, Prefix: "capture/x"}} {
		_, err := New(o)
		require.True(t, fault.Is(err, fault.Invalid), "%v", err)
	}
}

// Whatever the bodies are, feedback reads them as they were.
func FuzzEncode(f *testing.F) {
	f.Add("id", "application/json", []byte(one), []byte(`{"predictions":[{"score":0.9}]}`))
	f.Add("\xff\n", "text/csv", []byte{0xff, '\n'}, []byte("1\n"))
	f.Fuzz(func(t *testing.T, id, kind string, input, output []byte) {
		text := record{id: id, at: time.Unix(1, 0), inType: kind, outType: kind, input: input, output: output}.encode()
		require.Equal(t, 1, bytes.Count(text, []byte("\n")), "a record is a line")
		_, problems := feedback.ReadCaptures("f", text)
		for _, p := range problems {
			require.NotContains(t, p, "is not a captured request")
			require.NotContains(t, p, "not base64")
			require.NotContains(t, p, "inferenceTime")
		}
	})
}

func BenchmarkInvocation(b *testing.B) {
	r, err := New(Options{Sink: &store{}, Prefix: prefix, Every: time.Hour, MaxBytes: 1 << 20})
	require.NoError(b, err)
	handler := r.Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		_, _ = io.WriteString(w, `{"predictions":[{"score":0.9}]}`)
	}), "green")
	for b.Loop() {
		handler.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodPost, "/invocations", strings.NewReader(one)))
	}
}
