package intake_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/sluice-ml/sluice/shared/contract"
	"github.com/sluice-ml/sluice/shared/intake"
)

var alphabet = []string{"upload a@1", "upload b@1", "upload a@2", "schedule s", "manual m",
	"settle", "finish promoted", "finish failed", "abort"}

// words calls visit with every sequence of n letters.
func words(n int, visit func([]string)) {
	word := make([]string, n)
	var fill func(int)
	fill = func(at int) {
		if at == n {
			visit(word)
			return
		}
		for _, letter := range alphabet {
			word[at] = letter
			fill(at + 1)
		}
	}
	fill(0)
}

// drain plays the rest of the story: a schedule notices what is left, and runs
// settle and end well until none is running.
func (w *world) drain(ctx context.Context) error {
	for n := range 12 {
		if len(w.running()) == 0 {
			if err := w.act(ctx, fmt.Sprint("schedule drain-", n)); err != nil {
				return err
			}
			if len(w.running()) == 0 {
				return nil
			}
		}
		for _, letter := range []string{"settle", "finish promoted"} {
			if err := w.act(ctx, letter); err != nil {
				return err
			}
		}
	}
	return errors.New("it never comes to rest")
}

// check holds what must be true at the end of every story.
func (w *world) check(ctx context.Context, word []string) error {
	if err := w.drain(ctx); err != nil {
		return err
	}
	left, err := intake.Look(ctx, w.store, w.store, model)
	if err != nil {
		return err
	}
	if left.Run != "" || left.Uploads+left.Carried > 0 {
		return fmt.Errorf("something is left: %+v", left)
	}
	want := newestUploads(word)
	var well []string
	for _, run := range w.order {
		names, closed := w.request(run)
		if closed && w.outcome(run) == "promoted" { // what is recorded counts, however the execution ended
			well = append(well, names...)
		}
	}
	for _, name := range want {
		if n := count(well, name); n != 1 {
			return fmt.Errorf("%s was taken by %d runs that ended well, of %v", name, n, w.order)
		}
	}
	for i, run := range w.order {
		if run != intake.RunName(model, i+1) {
			return fmt.Errorf("runs %v were started out of order", w.order)
		}
	}
	return nil
}

// attended is an error when news is in the inbox, no run goes on, and no call is
// going on that could open one.
func (w *world) attended(ctx context.Context) error {
	look, err := intake.Look(ctx, w.store, w.store, model)
	if err == nil && look.Run == "" && look.Uploads > 0 {
		err = fmt.Errorf("%d uploads wait, and nobody takes them", look.Uploads)
	}
	return err
}

func (w *world) outcome(run string) string {
	item, err := w.store.Get(context.Background(), contract.RunKey(model, run, contract.FileRecord))
	if err != nil {
		return "no record"
	}
	for _, status := range []string{"failed", "promoted"} {
		if strings.Contains(string(item.Body), `"status": "`+status+`"`) {
			return status
		}
	}
	return "unknown"
}

// newestUploads are the uploads of a story that must end up in a run that ended
// well: of a key's versions at least the newest.
func newestUploads(word []string) []string {
	newest := map[string]string{}
	for _, letter := range word {
		if name, ok := strings.CutPrefix(letter, "upload "); ok {
			key, _, _ := strings.Cut(name, "@")
			newest[key] = max(newest[key], name)
		}
	}
	names := []string{}
	for _, name := range newest {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

func count(list []string, name string) (n int) {
	for _, other := range list {
		if other == name {
			n++
		}
	}
	return n
}

func (w *world) play(ctx context.Context, word []string) error {
	for _, letter := range word {
		if err := w.act(ctx, letter); err != nil {
			return fmt.Errorf("%s: %w", letter, err)
		}
		if n := len(w.running()); n > 1 {
			return fmt.Errorf("%s: %d executions are running: %v", letter, n, w.running())
		}
		if err := w.attended(ctx); err != nil {
			return fmt.Errorf("%s: %w", letter, err)
		}
	}
	return w.check(ctx, word)
}

// TestEveryShortStory plays all 6,561 sequences of four letters.
func TestEveryShortStory(t *testing.T) {
	stories := 0
	words(4, func(word []string) {
		stories++
		if err := newWorld().play(t.Context(), word); err != nil {
			t.Fatalf("%q: %v", word, err)
		}
	})
	require.Equal(t, 6561, stories)
}

// TestEveryShortStoryWithAKillAnywhere kills the function once, before and after
// every request of every sequence of three letters, and then repeats the call as
// the service that made it would.
func TestEveryShortStoryWithAKillAnywhere(t *testing.T) {
	kills := 0
	words(3, func(word []string) {
		for at := 1; ; at++ {
			w := newWorld()
			killed, err := w.playKilled(t.Context(), word, &w.gate, at)
			if err != nil {
				t.Fatalf("%q, killed before request %d: %v", word, at, err)
			}
			w = newWorld()
			if _, err := w.playKilled(t.Context(), word, &w.answer, at); err != nil {
				t.Fatalf("%q, killed after request %d: %v", word, at, err)
			}
			if !killed {
				break
			}
			kills += 2
		}
	})
	require.Greater(t, kills, 24000)
	t.Logf("%d kills", kills)
}

// playKilled dies where it passes the gate for the at-th time. For a call by the execution (settle,
// finish) and by EventBridge alike the caller tries again with the same event.
func (w *world) playKilled(ctx context.Context, word []string, gate *func() error, at int) (killed bool, err error) {
	*gate = func() error {
		at--
		if at == 0 {
			killed = true
			return errKilled
		}
		return nil
	}
	for _, letter := range word {
		err := w.act(ctx, letter)
		if errors.Is(err, errKilled) {
			err = w.act(ctx, letter)
		}
		if err != nil {
			return killed, fmt.Errorf("%s: %w", letter, err)
		}
		if n := len(w.running()); n > 1 && !strings.HasPrefix(letter, "finish") {
			return killed, fmt.Errorf("%s: %d executions are running", letter, n)
		}
		if err := w.attended(ctx); err != nil {
			return killed, fmt.Errorf("%s: %w", letter, err)
		}
	}
	at = 0
	return killed, w.check(ctx, word)
}

// maxSwitches bounds the schedules of two calls: most races need one or two
// preemptions, and the number of schedules grows with the power of them.
const maxSwitches = 2

// TestTwoCallsInterleaved runs two calls at once, switching between them before
// any two requests, in every possible way.
func TestTwoCallsInterleaved(t *testing.T) {
	calls := []string{"upload a@1", "upload b@1", "schedule s", "manual m", "settle", "finish promoted", "finish failed"}
	before := [][]string{nil, {"upload c@1"}, {"upload c@1", "abort"}, {"upload c@1", "settle", "upload d@1"},
		{"upload c@1", "settle", "finish failed", "upload a@1"}}
	schedules := 0
	synctest.Test(t, func(t *testing.T) {
		for _, prefix := range before {
			for i, one := range calls {
				for _, two := range calls[i:] {
					if one == "settle" && two == "finish promoted" || one == "finish promoted" && two == "finish failed" {
						continue // one execution makes these calls, one after the other
					}
					schedules += interleave(t, prefix, one, two)
				}
			}
		}
	})
	t.Logf("%d schedules", schedules)
	require.Greater(t, schedules, 1000)
}

// interleave explores the schedules of two calls depth first. A schedule says,
// for each point where both wait, whether to switch to the other one.
func interleave(t *testing.T, prefix []string, one, two string) (schedules int) {
	for choices := []bool{}; ; {
		w := newWorld()
		require.NoError(t, w.playAll(t.Context(), prefix))
		taken := w.race(t, []string{one, two}, choices)
		schedules++
		word := append(slices.Clone(prefix), one, two)
		if n := len(w.running()); n > 1 {
			t.Fatalf("%q, schedule %v: %v are running", word, taken, w.running())
		}
		require.NoError(t, w.attended(t.Context()), "%q, schedule %v", word, taken)
		require.NoError(t, w.check(t.Context(), word), "%q, schedule %v", word, taken)
		last := len(taken) - 1
		for last >= 0 && (taken[last] || switches(taken[:last]) >= maxSwitches) {
			last--
		}
		if last < 0 {
			return schedules
		}
		choices = append(taken[:last:last], true)
	}
}

func switches(taken []bool) (n int) {
	for _, switched := range taken {
		if switched {
			n++
		}
	}
	return n
}

func (w *world) playAll(ctx context.Context, word []string) error {
	for _, letter := range word {
		if err := w.act(ctx, letter); err != nil {
			return err
		}
	}
	return nil
}

type caller struct {
	ready chan struct{} // it waits at the gate
	move  chan struct{}
	done  chan error
}

// race runs two calls together, the first one first. Where both wait, choices
// says whether to switch; beyond them it does not. It gives all choices made.
func (w *world) race(t *testing.T, letters []string, choices []bool) (taken []bool) {
	callers := make([]*caller, len(letters))
	for i, letter := range letters {
		c := &caller{make(chan struct{}), make(chan struct{}), make(chan error, 1)}
		callers[i] = c
		i := w.through(func() error { c.ready <- struct{}{}; <-c.move; return nil })
		go func() { c.done <- w.do(t.Context(), i, letter) }()
	}
	waiting := make([]bool, len(callers))
	alive := []bool{true, true}
	who := 0
	for {
		for i, c := range callers {
			if !alive[i] || waiting[i] {
				continue
			}
			select {
			case <-c.ready:
				waiting[i] = true
			case err := <-c.done:
				require.NoError(t, err, letters[i])
				alive[i] = false
			}
		}
		switch {
		case waiting[0] && waiting[1]:
			change := len(taken) < len(choices) && choices[len(taken)]
			taken = append(taken, change)
			if change {
				who = 1 - who
			}
		case !waiting[0] && !waiting[1]:
			return taken
		case !waiting[who]:
			who = 1 - who
		}
		waiting[who] = false
		callers[who].move <- struct{}{}
	}
}

// TestAnUploadThatIsOvertaken lets a whole run go by between any two requests of
// an upload. Whatever takes the upload, no run is opened for nothing.
func TestAnUploadThatIsOvertaken(t *testing.T) {
	for at := 1; ; at++ {
		w, n, overtaken := newWorld(), 0, false
		i := w.through(func() error {
			if n++; n == at {
				overtaken = true
				return w.playAll(t.Context(), []string{"upload b@1", "settle", "finish promoted"})
			}
			return nil
		})
		require.NoError(t, w.do(t.Context(), i, "upload a@1"))
		if !overtaken {
			require.Greater(t, at, 6)
			return
		}
		require.NoError(t, w.attended(t.Context()))
		require.NoError(t, w.playAll(t.Context(), []string{"settle", "finish promoted"}))
		for _, run := range w.order {
			names, closed := w.request(run)
			require.True(t, closed)
			require.NotEmpty(t, names, "overtaken at request %d: %v", at, w.order)
		}
		require.NoError(t, w.check(t.Context(), []string{"upload a@1", "upload b@1"}))
	}
}
