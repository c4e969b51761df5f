package conformity_test

import (
	"context"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluice-ml/sluice/shared/conformity"
	"github.com/sluice-ml/sluice/shared/fault"
)

// TestMain runs the test binary as the little trainer or server when asked.
func TestMain(m *testing.M) {
	if broken, asked := os.LookupEnv(envBreak); asked {
		switch os.Args[len(os.Args)-1] {
		case "train":
			os.Exit(runTrainer(broken))
		case "serve":
			os.Exit(runServer(broken))
		}
	}
	os.Exit(m.Run())
}

func trainer(broken string) conformity.Trainer {
	return conformity.Trainer{Argv: []string{os.Args[0]}, Env: []string{envBreak + "=" + broken}, Now: time.Now}
}

// notPassed lists what failed or was warned of, with its status.
func notPassed(r *conformity.Report) map[string]conformity.Status {
	found := map[string]conformity.Status{}
	for _, f := range r.Findings {
		if f.Status != conformity.Pass {
			found[f.ID] = f.Status
		}
	}
	return found
}

// trained is the little trainer's archive, made once.
var trained = sync.OnceValues(func() ([]byte, error) {
	r, archive, err := trainer("").Check(context.Background())
	if err == nil && !r.Passed {
		err = fault.New(fault.Internal, "train", "the good trainer does not pass: %+v", notPassed(r))
	}
	return archive, err
})

func TestAGoodTrainerPasses(t *testing.T) {
	t.Parallel()
	r, archive, err := trainer("").Check(t.Context())
	require.NoError(t, err)
	require.True(t, r.Passed)
	require.Empty(t, notPassed(r))
	require.NotEmpty(t, archive)
	require.Empty(t, r.Output)
	require.Len(t, r.Findings, countOf("trainer"), "every item was told")
}

func countOf(side string) int {
	n := 0
	for _, item := range conformity.Items() {
		if item.Side() == side {
			n++
		}
	}
	return n
}

func TestWhatATrainerDoesWrongIsFound(t *testing.T) {
	t.Parallel()
	for broken, want := range map[string]map[string]conformity.Status{
		"model":        {"trainer.model": conformity.Fail},
		"link":         {"trainer.model": conformity.Fail},
		"schema":       {"trainer.model": conformity.Fail},
		"metrics":      {"trainer.metrics": conformity.Fail},
		"nan-metrics":  {"trainer.metrics": conformity.Fail},
		"environment":  {"trainer.environment": conformity.Warn},
		"inputs":       {"trainer.inputs": conformity.Fail},
		"outside":      {"trainer.outside": conformity.Warn},
		"repeat":       {"trainer.repeat": conformity.Warn, "trainer.resume_bytes": conformity.Warn},
		"wrong":        {"trainer.wrong": conformity.Fail},
		"parameters":   {"trainer.parameters": conformity.Warn},
		"checkpoint":   {"trainer.checkpoint": conformity.Warn},
		"stop-dies":    {"trainer.checkpoint": conformity.Warn, "trainer.resume": conformity.Skipped, "trainer.resume_bytes": conformity.Skipped},
		"stop-ignored": {"trainer.checkpoint": conformity.Warn, "trainer.resume": conformity.Skipped, "trainer.resume_bytes": conformity.Skipped},
		"stop-never":   {"trainer.stops": conformity.Fail, "trainer.checkpoint": conformity.Warn, "trainer.resume": conformity.Skipped, "trainer.resume_bytes": conformity.Skipped},
		"slow exit":    {},
		"resume":       {"trainer.resume": conformity.Fail, "trainer.resume_bytes": conformity.Skipped},
		"resume-bytes": {"trainer.resume_bytes": conformity.Warn},
	} {
		t.Run(broken, func(t *testing.T) {
			t.Parallel()
			r, _, err := trainer(broken).Check(t.Context())
			require.NoError(t, err)
			found := notPassed(r)
			failed := false
			for id, status := range want {
				require.Equal(t, status, found[id], "%s: %+v", id, found)
				failed = failed || status == conformity.Fail
			}
			require.Equal(t, !failed, r.Passed)
			for id, status := range found {
				if _, expected := want[id]; !expected {
					require.Equal(t, conformity.Skipped, status, "%s was found too: %+v", id, r.Findings)
				}
			}
		})
	}
}

func TestATrainerThatDoesNotStart(t *testing.T) {
	t.Parallel()
	for _, argv := range [][]string{{filepath.Join(t.TempDir(), "nothing")}, {os.Args[0]}} {
		c := trainer("starts")
		c.Argv = argv
		r, archive, err := c.Check(t.Context())
		require.NoError(t, err)
		require.False(t, r.Passed)
		require.Nil(t, archive)
		require.Equal(t, conformity.Fail, r.Findings[0].Status)
		require.Len(t, r.Findings, countOf("trainer"), "the rest is skipped, by name")
	}
}

func server(broken string) conformity.Server {
	return conformity.Server{Argv: []string{os.Args[0]}, Env: []string{envBreak + "=" + broken}, Now: time.Now}
}

func TestAGoodServerPasses(t *testing.T) {
	t.Parallel()
	archive, err := trained()
	require.NoError(t, err)
	r, err := server("").Check(t.Context(), archive)
	require.NoError(t, err)
	require.Empty(t, notPassed(r), "%+v", r.Findings)
	require.True(t, r.Passed)
	require.Len(t, r.Findings, countOf("server"))
}

func TestWhatAServerDoesWrongIsFound(t *testing.T) {
	t.Parallel()
	archive, err := trained()
	require.NoError(t, err)
	for broken, want := range map[string]string{
		"json": "server.json", "csv": "server.csv", "agree": "server.agree", "header": "server.header", "objects": "server.objects",
		"range": "server.range", "order": "server.batch", "missing": "server.missing", "unseen": "server.unseen", "nan": "server.nan",
		"bad-input": "server.bad_input", "bad-type": "server.bad_type", "error-text": "server.error_text", "half": "server.nothing_half",
		"too-large": "server.too_large", "dies": "server.survives", "changing": "server.survives", "concurrent": "server.concurrent",
		"keep-alive": "server.keep_alive", "lock": "server.second", "writes": "server.read_only", "no-model": "server.no_model",
		"paths": "server.unknown_path", "metrics": "server.metrics", "cuts-off": "server.drains", "exit-code": "server.exit_code",
	} {
		t.Run(broken, func(t *testing.T) {
			t.Parallel()
			r, err := server(broken).Check(t.Context(), archive)
			require.NoError(t, err)
			found := notPassed(r)
			require.Contains(t, found, want)
			require.NotEqual(t, conformity.Skipped, found[want])
			require.Equal(t, found[want] == conformity.Warn, r.Passed, "%+v", found)
		})
	}
}

// The first takes as long as a server may: half a minute.
func TestAServerThatNeverStopsOrNeverStarts(t *testing.T) {
	t.Parallel()
	archive, err := trained()
	require.NoError(t, err)
	for broken, want := range map[string]string{"stop-ignored": "server.stops", "ping": "server.ping"} {
		t.Run(broken, func(t *testing.T) {
			t.Parallel()
			s := server(broken)
			s.Patience = 5 * time.Second
			r, err := s.Check(t.Context(), archive)
			require.NoError(t, err)
			require.False(t, r.Passed)
			require.Equal(t, conformity.Fail, notPassed(r)[want])
		})
	}
}

func TestAnArchiveThatIsNone(t *testing.T) {
	t.Parallel()
	_, err := server("").Check(t.Context(), []byte("no archive"))
	require.True(t, fault.Is(err, fault.Invalid))
}

func TestItemsAreWellFormed(t *testing.T) {
	seen := map[string]bool{}
	for _, item := range conformity.Items() {
		require.False(t, seen[item.ID], item.ID)
		seen[item.ID] = true
		require.Contains(t, []string{"trainer", "server"}, item.Side())
		require.NotEmpty(t, item.Rule)
		require.NotEmpty(t, item.Mend)
	}
}
