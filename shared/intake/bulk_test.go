package intake_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sluice-ml/sluice/shared/contract"
	"github.com/sluice-ml/sluice/shared/intake"
	"github.com/sluice-ml/sluice/shared/ref"
)

// TestLongStories plays random stories of a thousand letters: versions of many
// keys out of order, duplicates early and late, runs that break, executions that
// are aborted, and a call that dies before or after any of its requests, now and
// then without being repeated.
func TestLongStories(t *testing.T) {
	for seed := range uint64(8) {
		w, random := newWorld(), rand.New(rand.NewPCG(seed, 7))
		lost := false
		die := func() error {
			if random.IntN(200) == 0 {
				return errKilled
			}
			return nil
		}
		var word []string
		for n := range 1000 {
			letter := randomLetter(random, n, word)
			w.gate, w.answer = die, die
			caller := append(w.running(), "")[0]
			err := w.act(t.Context(), letter)
			for errors.Is(err, errKilled) {
				if lost = random.IntN(8) == 0; lost && !strings.HasPrefix(letter, "upload") {
					if err = nil; caller != "" { // nobody repeats it: its execution fails
						w.executions[caller] = "FAILED"
					}
					break
				}
				err = w.act(t.Context(), letter)
			}
			require.NoError(t, err, "seed %d, letter %d: %s", seed, n, letter)
			word = append(word, letter)
		}
		w.gate, w.answer = func() error { return nil }, func() error { return nil }
		require.NoError(t, w.check(t.Context(), word), "seed %d", seed)
	}
}

func randomLetter(random *rand.Rand, n int, before []string) string {
	switch random.IntN(20) {
	case 0:
		return fmt.Sprint("schedule ", n)
	case 1:
		return "manual " + fmt.Sprint(n)
	case 2, 3, 4:
		return "settle"
	case 5, 6:
		return "finish promoted"
	case 7:
		return "finish failed"
	case 8:
		return "abort"
	case 9, 10:
		if len(before) > 0 {
			return before[random.IntN(len(before))] // a duplicate, of a start too
		}
	}
	return fmt.Sprintf("upload key-%d@%d", random.IntN(60), 1+random.IntN(9))
}

// TestUploadsDoNotGrow holds what an upload costs while a run collects: a write
// of its own and a read, whatever waits.
func TestUploadsDoNotGrow(t *testing.T) {
	w := newWorld()
	require.NoError(t, w.act(t.Context(), "upload first@1"))
	requests := 0
	i := w.through(func() error { requests++; return nil })
	for n := range 3000 {
		_, err := upload(t.Context(), i, fmt.Sprintf("part-%d@1", n))
		require.NoError(t, err)
	}
	require.Equal(t, 3000*2+1, requests, "and one question whether the execution goes on")
	state, err := w.store.Get(t.Context(), contract.IntakeKey(model))
	require.NoError(t, err)
	require.Less(t, len(state.Body), 1000)
	requests = 0
	w.now = w.now.Add(quiet)
	settled, err := i.Settle(t.Context(), model, "adult-income-1")
	require.NoError(t, err)
	require.Equal(t, 3001, settled.Objects)
	left, err := w.store.List(t.Context(), "intake/"+model+"/inbox/")
	require.NoError(t, err)
	require.Empty(t, left)
	state, err = w.store.Get(t.Context(), contract.IntakeKey(model))
	require.NoError(t, err)
	require.Less(t, len(state.Body), 1000)
	require.NoError(t, w.playAll(t.Context(), []string{"finish promoted", "upload part-7@1"}))
	require.Empty(t, w.running(), "a duplicate, long after")
}

// TestAnExecutionIsNotAskedForEachUpload: the service would refuse to answer.
func TestAnExecutionIsNotAskedForEachUpload(t *testing.T) {
	w := newWorld()
	i := w.intake()
	require.NoError(t, w.do(t.Context(), i, "upload a@1"))
	require.NoError(t, w.do(t.Context(), i, "upload b@1"))
	w.executions["adult-income-1"] = "ABORTED"
	require.NoError(t, w.do(t.Context(), i, "upload c@1"))
	require.Empty(t, w.running())
	w.now = w.now.Add(quiet)
	require.NoError(t, w.do(t.Context(), i, "upload d@1"))
	require.Equal(t, []string{"adult-income-2"}, w.running())
	require.NoError(t, w.act(t.Context(), "settle"))
	names, _ := w.request("adult-income-2")
	require.Equal(t, []string{"a@1", "b@1", "c@1", "d@1"}, names)
}

// old writes a state as it was before there was an inbox.
func (w *world) old(t *testing.T, state string) {
	t.Helper()
	_, err := ref.Update(t.Context(), w.store, contract.IntakeKey(model), func(json.RawMessage, bool) (json.RawMessage, error) {
		return json.RawMessage(state), nil
	})
	require.NoError(t, err)
}

func object(name string) string {
	key, id, _ := strings.Cut(name, "@")
	return fmt.Sprintf(`{"key":"raw/adult-income/%s","version_id":%q,"size":10,"sequencer":"00%s"}`, key, id, id)
}

func TestStatesFromBeforeTheInbox(t *testing.T) {
	const run = `{"name":"adult-income-3","cause":{"kind":"upload","id":"e"},"opened":"2026-03-01T11:59:00Z","started":true`
	lists := `"pending":[` + object("p@1") + `,` + object("q@1") + `],"last_upload":"2026-03-01T11:59:50Z","waiting":{"kind":"upload","id":"old"},
		"carried":[` + object("c@1") + `],"seen":[` + object("s@2") + `]`
	for _, c := range []struct {
		name, state string
		play        []string
		want        map[string][]string
	}{
		{"collecting", `{"model":"adult-income","next":4,` + lists + `,"run":` + run + `}}`,
			[]string{"upload s@1", "upload s@2", "upload p@1", "upload q@2", "upload n@1", "settle", "finish promoted", "upload c@1", "upload s@1"},
			map[string][]string{"adult-income-3": {"c@1", "n@1", "p@1", "q@2"}}},
		{"none goes on", `{"model":"adult-income","next":4,"succeeded":"adult-income-3",` + lists + `}`,
			[]string{"upload p@1", "settle", "finish promoted", "upload s@1"},
			map[string][]string{"adult-income-4": {"c@1", "p@1", "q@1"}}},
		{"closed", `{"model":"adult-income","next":4,` + lists + `,"run":` + run + `,"closed":"2026-03-01T11:59:55Z","objects":[` + object("o@1") + `]}}`,
			[]string{"settle", "finish promoted", "settle", "finish promoted", "upload o@1"},
			map[string][]string{"adult-income-3": {"o@1"}, "adult-income-4": {"c@1", "p@1", "q@1"}}},
		{"closed and breaks", `{"model":"adult-income","next":4,"run":` + run + `,"closed":"2026-03-01T11:59:55Z","objects":[` + object("o@1") + `]}}`,
			[]string{"settle", "finish failed", "upload n@1", "settle", "finish promoted", "upload o@1"},
			map[string][]string{"adult-income-3": {"o@1"}, "adult-income-4": {"n@1", "o@1"}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld()
			w.old(t, c.state)
			if strings.Contains(c.state, `"run":`) {
				w.executions["adult-income-3"], w.order = "RUNNING", []string{"adult-income-3"}
			}
			require.NoError(t, w.playAll(t.Context(), c.play))
			for run, want := range c.want {
				names, ok := w.request(run)
				require.True(t, ok, run)
				require.Equal(t, want, names, run)
			}
			require.Empty(t, w.running())
			for _, run := range w.order {
				_, told := c.want[run]
				require.True(t, told, "run %s is one too many", run)
			}
			left, err := intake.Look(t.Context(), w.store, w.store, model)
			require.NoError(t, err)
			require.Zero(t, left.Uploads+left.Carried, "%+v", left)
		})
	}
}

// TestWhatALookSees: garbage collection must not miss an upload, wherever it is.
func TestWhatALookSees(t *testing.T) {
	w := newWorld()
	sees := func(want ...string) {
		t.Helper()
		look, err := intake.Look(t.Context(), w.store, w.store, model)
		require.NoError(t, err)
		var names []string
		for _, v := range look.Objects {
			names = append(names, strings.TrimPrefix(v.Key, "raw/adult-income/"))
		}
		slices.Sort(names)
		require.Equal(t, want, names)
	}
	for _, step := range []struct{ letter, sees string }{{"upload a@1", "a"}, {"settle", "a"}, {"upload b@1", "a b"}, {"finish failed", "a b"},
		{"abort", "a b"}, {"upload c@1", "a b c"}, {"settle", "a b c"}} {
		require.NoError(t, w.act(t.Context(), step.letter))
		sees(strings.Fields(step.sees)...)
	}
	long := version(strings.Repeat("k/", 480) + "@1")
	_, err := w.intake().Upload(context.Background(), model, long, contract.Cause{Kind: "upload", ID: "e"})
	require.NoError(t, err)
	look, err := intake.Look(t.Context(), w.store, w.store, model)
	require.NoError(t, err)
	require.Equal(t, 1, look.Uploads)
	require.Equal(t, "adult-income-3", look.Run)
	require.Contains(t, look.Objects, long, "its key does not fit into a name")
}
