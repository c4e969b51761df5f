package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluice-ml/sluice/infra/local/lambda"
	"github.com/sluice-ml/sluice/shared/contract"
	"github.com/sluice-ml/sluice/shared/fault"
)

const (
	bulkClients = 16
	bulkRows    = 10
	bulkWait    = 40 * time.Minute // for what takes long on purpose
)

// TestUploadsInBulk puts many files at once, half of them before the model has a
// configuration: nothing fails, and a follow-up takes what a run did not.
// SLUICE_BULK_UPLOADS is how many (bench.sh measures with 10,000).
func TestUploadsInBulk(t *testing.T) {
	t.Parallel()
	files := 300
	if text := os.Getenv("SLUICE_BULK_UPLOADS"); text != "" {
		var err error
		files, err = strconv.Atoi(text)
		require.NoError(t, err, "SLUICE_BULK_UPLOADS")
	}
	s := up(t, t.TempDir())
	s.bulk(t, 0, files/10)
	eventually(t, "admit has seen the first files", func() bool { return s.waiting(t).Uploads == files/10 })
	s.runs(t, 0)
	shown := sluice(t, "run", "waiting", "--dir", s.dir)
	require.Contains(t, shown.stdout, "a configuration at s3://"+s.Store+"/configs/adult-income/train.yaml", shown.stderr)

	began := time.Now()
	s.configure(t, undeployed)
	s.bulk(t, files/10, files)
	put := time.Since(began)
	taken := s.taken(t, files)
	closed := time.Since(began)
	admit, _ := s.used(t)
	t.Logf("%d files put in %.1f s, and %.1f s later the requests of %d runs held all; admit ran %d times, %d errors, %d MB at most",
		files, put.Seconds(), (closed - put).Seconds(), taken, admit.Invocations, admit.Errors, admit.MaxMemoryMB)
	require.Zero(t, admit.Errors)
	require.Less(t, admit.Invocations, int64(files+40*taken+100), "one for each file, and what the runs need")
	for n := range taken {
		s.settles(t, fmt.Sprintf("adult-income-%d", n+1))
	}
	require.Equal(t, files, s.head(t).Stats.Objects)
	require.Zero(t, s.waiting(t).Uploads)
	admit, ingest := s.used(t)
	require.Zero(t, admit.Errors)
	t.Logf("all runs ended after %.1f s; ingest: %d runs, %.1f s in all, %d MB at most", time.Since(began).Seconds(),
		ingest.Invocations, (ingest.Cold + ingest.Warm).Seconds(), ingest.MaxMemoryMB)
}

// bulk puts the files from first up to last, several at once.
func (s *stack) bulk(t *testing.T, first, last int) {
	t.Helper()
	body := make([][]byte, 100)
	for n := range body {
		body[n] = text(t, rows(t, n*bulkRows, bulkRows))
	}
	var wait sync.WaitGroup
	work := make(chan int)
	for range bulkClients {
		wait.Go(func() {
			for n := range work {
				key := fmt.Sprintf("%sbulk/%02d/part-%06d.csv", contract.RawPrefix(model), n%100, n)
				if _, err := s.Objects.Put(t.Context(), s.Lake, key, body[n%len(body)]); err != nil {
					t.Error(err)
				}
			}
		})
	}
	for n := first; n < last; n++ {
		work <- n
	}
	close(work)
	wait.Wait()
}

func (s *stack) waiting(t *testing.T) (total struct{ Uploads int }) {
	t.Helper()
	all, err := s.Intakes(t.Context())
	require.NoError(t, err)
	for _, w := range all {
		total.Uploads += w.Uploads
	}
	return total
}

// taken waits until the requests of the runs hold so many files, each once, and
// gives how many runs that took.
func (s *stack) taken(t *testing.T, files int) int {
	t.Helper()
	seen := map[string]bool{}
	deadline := time.Now().Add(bulkWait)
	for run := 1; ; {
		require.False(t, time.Now().After(deadline), "%d of %d files are taken", len(seen), files)
		var request contract.Request
		err := s.RunFile(t.Context(), model, fmt.Sprintf("adult-income-%d", run), contract.FileRequest, &request)
		if fault.Is(err, fault.NotFound) {
			time.Sleep(200 * time.Millisecond) // polls a real process
			continue
		}
		require.NoError(t, err)
		for _, o := range request.Objects {
			require.False(t, seen[o.Key], "%s is in two runs", o.Key)
			seen[o.Key] = true
		}
		if len(seen) == files {
			return run
		}
		run++
	}
}

// settles waits for the end of a run that may take long.
func (s *stack) settles(t *testing.T, name string) {
	t.Helper()
	deadline := time.Now().Add(bulkWait)
	for time.Now().Before(deadline) {
		run, err := s.ShowRun(t.Context(), name)
		if err == nil && run.Status != "running" {
			// Few rows may be too few for a gate, but they are valid and reach main.
			require.Contains(t, []string{"registered", "held", "rejected"}, run.Status, "%+v", run.Outcome)
			return
		}
		time.Sleep(200 * time.Millisecond) // polls a real process
	}
	t.Fatalf("run %s does not end", name)
}

// used is what admit and ingest used so far.
func (s *stack) used(t *testing.T) (admit, ingest lambda.Usage) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.url+"/_sluice/usage", nil)
	require.NoError(t, err)
	answer, err := http.DefaultClient.Do(request)
	require.NoError(t, err)
	defer answer.Body.Close()
	var usage struct {
		Lambda []lambda.Usage `json:"lambda"`
	}
	require.NoError(t, json.NewDecoder(answer.Body).Decode(&usage))
	for _, u := range usage.Lambda {
		switch u.Function {
		case "sluice-production-admit":
			admit = u
		case "sluice-production-ingest":
			ingest = u
		}
	}
	require.NotZero(t, admit.Invocations)
	return admit, ingest
}
