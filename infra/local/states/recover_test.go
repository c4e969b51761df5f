package states_test

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sluice-ml/sluice/infra/local/asl"
	"github.com/sluice-ml/sluice/infra/local/states"
)

// kill ends a service as SIGKILL would: nothing more is written. What its
// journal holds is copied at that moment, so that what the old service still
// does on its way out is not seen.
func kill(t *testing.T, s *states.Service, dir string) string {
	t.Helper()
	synctest.Wait()
	copied := t.TempDir()
	if err := os.CopyFS(copied, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	s.Close()
	return copied
}

func recovered(t *testing.T, o states.Options) *states.Service {
	t.Helper()
	s := open(t, o)
	if err := s.Recover(t.Context()); err != nil {
		t.Fatal(err)
	}
	return s
}

func eventTypes(t *testing.T, s *states.Service, arn string) string {
	t.Helper()
	events, err := s.History(arn)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for i, e := range events {
		if e.ID != int64(i+1) {
			t.Fatalf("event %d has id %d", i+1, e.ID)
		}
		out = append(out, e.Type)
	}
	return strings.Join(out, " ")
}

// works is a Lambda whose calls take a minute and are counted.
type works struct {
	mu    sync.Mutex
	calls int
}

func (w *works) Invoke(ctx context.Context, _ string, payload []byte) (states.InvokeResult, error) {
	w.mu.Lock()
	w.calls++
	w.mu.Unlock()
	select {
	case <-ctx.Done():
		return states.InvokeResult{}, ctx.Err()
	case <-time.After(time.Minute):
		return states.InvokeResult{Payload: payload}, nil
	}
}

const journey = `"A":{"Type":"Pass","Assign":{"seen":"{% $states.input.rows %}"},"Next":"W"},
	"W":{"Type":"Wait","Seconds":1800,"Next":"T"},
	"T":{"Type":"Task","Resource":"arn:aws:states:::lambda:invoke","Arguments":{"FunctionName":"f","Payload":"{% $seen %}"},"Output":"{% $states.result.Payload %}","Next":"P"},
	"P":{"Type":"Parallel","End":true,"Branches":[{"StartAt":"B","States":{"B":{"Type":"Task","Resource":"arn:aws:states:::lambda:invoke","Arguments":{"FunctionName":"f","Payload":1},"Output":"{% $states.result.Payload %}","End":true}}}]}`

// TestRecover kills the stack again and again, at every stage; the execution
// ends as if nothing had happened, and the Wait keeps its deadline.
func TestRecover(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir, w := t.TempDir(), &works{}
		s := open(t, states.Options{Dir: dir, Lambda: w})
		d, err := s.Start(t.Context(), states.StartRequest{MachineARN: create(t, s, "m", jsonata(journey)), Name: "run", Input: `{"rows": 48842}`})
		if err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		for _, at := range []time.Duration{10 * time.Minute, 20 * time.Minute, 30*time.Minute + 30*time.Second, 31*time.Minute + 45*time.Second} {
			time.Sleep(time.Until(start.Add(at)))
			dir = kill(t, s, dir)
			s = recovered(t, states.Options{Dir: dir, Lambda: w})
		}
		end, err := s.Wait(t.Context(), d.ARN)
		if err != nil || end.Status != asl.Succeeded || end.Output != "[1]" || !end.Start.Equal(d.Start) {
			t.Fatalf("%+v %v", end, err)
		}
		const want = "ExecutionStarted PassStateEntered PassStateExited WaitStateEntered WaitStateExited TaskStateEntered TaskScheduled TaskStarted TaskSucceeded TaskStateExited " +
			"ParallelStateEntered ParallelStateStarted TaskStateEntered TaskScheduled TaskStarted TaskSucceeded TaskStateExited ParallelStateSucceeded ParallelStateExited ExecutionSucceeded"
		if got := eventTypes(t, s, d.ARN); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
		events, _ := s.History(d.ARN)
		if waited := events[4].Time.Sub(events[3].Time); waited != 30*time.Minute {
			t.Errorf("the Wait took %s", waited)
		}
		if w.calls != 4 { // two tasks, each done once more after a kill
			t.Errorf("%d calls", w.calls)
		}
		dir = kill(t, s, dir)
		again := recovered(t, states.Options{Dir: dir, Lambda: w})
		if after, err := again.Describe(d.ARN); err != nil || after.Status != asl.Succeeded || after.Output != "[1]" || !after.Stop.Equal(end.Stop) {
			t.Errorf("after one more kill: %+v %v", after, err)
		}
	})
}

// TestRecoverTornFiles: what a kill leaves of a write is no obstacle.
func TestRecoverTornFiles(t *testing.T) {
	for name, tear := range map[string]func(t *testing.T, run string){
		"torn event": func(t *testing.T, run string) {
			appendTo(t, filepath.Join(run, "events.jsonl"), `{"id":5,"previousEventId":4,"timest`)
		},
		"event beyond the checkpoint": func(t *testing.T, run string) {
			appendTo(t, filepath.Join(run, "events.jsonl"), `{"id":5,"previousEventId":4,"timestamp":946684800,"type":"WaitStateExited","stateExitedEventDetails":{"name":"W","output":"{}"}}`+"\n")
		},
		"half-written checkpoint": func(t *testing.T, run string) {
			appendTo(t, filepath.Join(run, "checkpoints.jsonl"), `{"state":"W","lastEv`)
		},
		"no checkpoint": func(t *testing.T, run string) {
			if err := os.Remove(filepath.Join(run, "checkpoints.jsonl")); err != nil {
				t.Fatal(err)
			}
		},
		"no events": func(t *testing.T, run string) {
			if err := os.Remove(filepath.Join(run, "events.jsonl")); err != nil {
				t.Fatal(err)
			}
		},
		"events lost behind the checkpoint": func(t *testing.T, run string) {
			if err := os.Truncate(filepath.Join(run, "events.jsonl"), 10); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				dir := t.TempDir()
				s := open(t, states.Options{Dir: dir, Lambda: &works{}})
				d, err := s.Start(t.Context(), states.StartRequest{MachineARN: create(t, s, "m", jsonata(journey)), Name: "..", Input: `{"rows": 7}`})
				if err != nil {
					t.Fatal(err)
				}
				time.Sleep(time.Minute)
				dir = kill(t, s, dir)
				tear(t, filepath.Join(dir, "executions", "m", "%2E."))
				s = recovered(t, states.Options{Dir: dir, Lambda: &works{}})
				if end, err := s.Wait(t.Context(), d.ARN); err != nil || end.Status != asl.Succeeded {
					t.Errorf("%+v %v", end, err)
				}
				if got := eventTypes(t, s, d.ARN); strings.Count(got, "WaitStateEntered") != 1 || strings.Count(got, "ExecutionStarted") != 1 {
					t.Errorf("the history is %s", got)
				}
			})
		})
	}
}

func appendTo(t *testing.T, path, text string) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteString(text); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestRecoverAttaches: a task that is done again finds its child execution and
// its job, running or ended, and starts no other.
func TestRecoverAttaches(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir, batch := t.TempDir(), &jobs{takes: 90 * time.Second}
		s := open(t, states.Options{Dir: dir, Batch: batch})
		child := create(t, s, "child", jsonata(strings.ReplaceAll(trains, `"TimeoutSeconds":100,`, "")))
		parent := create(t, s, "parent", jsonata(`"A":{"Type":"Task","Resource":"arn:aws:states:::states:startExecution.sync:2","Arguments":{"StateMachineArn":"`+child+`"},"Output":"{% $states.result.Output.JobId %}","End":true}`))
		d, err := s.Start(t.Context(), states.StartRequest{MachineARN: parent, Name: "p"})
		if err != nil {
			t.Fatal(err)
		}
		for range 3 {
			time.Sleep(time.Minute)
			dir = kill(t, s, dir)
			s = recovered(t, states.Options{Dir: dir, Batch: batch})
			batch.mu.Lock()
			batch.takes = 30 * time.Second
			batch.mu.Unlock()
		}
		end, err := s.Wait(t.Context(), d.ARN)
		if err != nil || end.Output != `"job-a"` {
			t.Errorf("%+v %v", end, err)
		}
		if n := len(s.List(child)); n != 1 || len(batch.byAttempt) != 1 || len(batch.terminated) != 0 {
			t.Errorf("%d children, jobs %v, terminated %v", n, batch.byAttempt, batch.terminated)
		}
	})
}

// TestRecoverAfterChildEnded: the child's end is not lost with the parent.
func TestRecoverAfterChildEnded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		s := open(t, states.Options{Dir: dir})
		child := create(t, s, "child", jsonata(`"A":{"Type":"Wait","Seconds":60,"Next":"B"},"B":{"Type":"Succeed","Output":42}`))
		parent := create(t, s, "parent", jsonata(`"A":{"Type":"Task","Resource":"arn:aws:states:::states:startExecution.sync:2","Arguments":{"StateMachineArn":"`+child+`","Name":"fixed"},"Output":"{% $states.result.Output %}","Next":"W"},"W":{"Type":"Wait","Seconds":60,"End":true}`))
		d, err := s.Start(t.Context(), states.StartRequest{MachineARN: parent, Name: "p"})
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(30 * time.Second)
		parentBefore := kill(t, s, dir) // the parent's journal as of now …
		s = recovered(t, states.Options{Dir: dir})
		time.Sleep(45 * time.Second)
		dir = kill(t, s, dir) // … and the child's, which has ended
		parentFolder := filepath.Join("executions", "parent")
		if err := os.RemoveAll(filepath.Join(dir, parentFolder)); err != nil {
			t.Fatal(err)
		}
		if err := os.CopyFS(filepath.Join(dir, parentFolder), os.DirFS(filepath.Join(parentBefore, parentFolder))); err != nil {
			t.Fatal(err)
		}
		s = recovered(t, states.Options{Dir: dir})
		if end, err := s.Wait(t.Context(), d.ARN); err != nil || end.Output != "42" {
			t.Errorf("%+v %v", end, err)
		}
	})
}

// TestRecoverKeepsDefinition: a running execution keeps the definition that it
// began with.
func TestRecoverKeepsDefinition(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		s := open(t, states.Options{Dir: dir})
		d, err := s.Start(t.Context(), states.StartRequest{MachineARN: create(t, s, "m", jsonata(`"A":{"Type":"Wait","Seconds":60,"Next":"B"},"B":{"Type":"Succeed","Output":"old"}`))})
		if err != nil {
			t.Fatal(err)
		}
		dir = kill(t, s, dir)
		if err := os.Remove(filepath.Join(dir, "machines", "m.json")); err != nil {
			t.Fatal(err)
		}
		s = open(t, states.Options{Dir: dir})
		create(t, s, "m", jsonata(`"A":{"Type":"Succeed","Output":"new"}`))
		if err := s.Recover(t.Context()); err != nil {
			t.Fatal(err)
		}
		if end, err := s.Wait(t.Context(), d.ARN); err != nil || end.Output != `"old"` {
			t.Errorf("%+v %v", end, err)
		}
	})
}

// TestCheckpointsStaySmall: the file of checkpoints is begun anew when it has
// grown, and still resumes.
func TestCheckpointsStaySmall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		s := open(t, states.Options{Dir: dir})
		d, err := s.Start(t.Context(), states.StartRequest{Name: "n", Input: `"` + strings.Repeat("x", 100_000) + `"`,
			MachineARN: create(t, s, "m", jsonata(`"A":{"Type":"Pass","Assign":{"n":0},"Next":"B"},"B":{"Type":"Pass","Assign":{"n":"{% $n + 1 %}"},"Next":"C"},
				"C":{"Type":"Choice","Choices":[{"Condition":"{% $n = 50 %}","Next":"W"}],"Default":"B"},"W":{"Type":"Wait","Seconds":60,"Next":"D"},"D":{"Type":"Pass","Output":"{% $n %}","End":true}`))})
		if err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		info, err := os.Stat(filepath.Join(dir, "executions", "m", "n", "checkpoints.jsonl"))
		if err != nil || info.Size() > 5<<20 {
			t.Fatalf("%+v %v", info, err)
		}
		dir = kill(t, s, dir)
		s = recovered(t, states.Options{Dir: dir})
		if end, err := s.Wait(t.Context(), d.ARN); err != nil || end.Output != "50" {
			t.Errorf("%+v %v", end.Status, err)
		}
		if _, err := os.Stat(filepath.Join(dir, "executions", "m", "n", "checkpoints.jsonl")); !os.IsNotExist(err) {
			t.Errorf("the ended execution's checkpoints are still there: %v", err)
		}
	})
}

// TestStatusChanged: the hook hears of the start and the end.
func TestStatusChanged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		heard := make(chan states.Description, 2)
		s := open(t, states.Options{Dir: t.TempDir(), StatusChanged: func(d states.Description) { heard <- d }})
		runTo(t, s, waits, "{}")
		if first, second := <-heard, <-heard; first.Status != asl.Running || second.Status != asl.Succeeded || first.ARN != second.ARN {
			t.Errorf("%+v then %+v", first, second)
		}
	})
}

// TestRecoverEveryCut: a kill between any two writes of the journal, with the
// events of the next checkpoint written or not, leaves an execution that ends
// as it would have, event for event.
func TestRecoverEveryCut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const branches = `"A":{"Type":"Parallel","End":true,"Branches":[
			{"StartAt":"W","States":{"W":{"Type":"Wait","Seconds":100,"Next":"M"},"M":{"Type":"Map","Items":[1,2,3],"MaxConcurrency":2,"ItemProcessor":{"StartAt":"I","States":{
				"I":{"Type":"Task","Resource":"arn:aws:states:::lambda:invoke","Arguments":{"FunctionName":"f","Payload":"{% $states.input %}"},"Output":"{% $states.result.Payload %}","Next":"J"},
				"J":{"Type":"Wait","Seconds":"{% 7 * $states.input %}","End":true}}},"End":true}}},
			{"StartAt":"T","States":{"T":{"Type":"Task","Resource":"arn:aws:states:::lambda:invoke","Arguments":{"FunctionName":"f","Payload":5},"Output":"{% $states.result.Payload %}","Next":"V"},
				"V":{"Type":"Wait","Seconds":250,"End":true}}}]}`
		dir := t.TempDir()
		s := open(t, states.Options{Dir: dir, Lambda: &works{}})
		d, err := s.Start(t.Context(), states.StartRequest{MachineARN: create(t, s, "m", jsonata(branches)), Name: "run"})
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(5 * time.Minute)
		dir = kill(t, s, dir)
		run := filepath.Join("executions", "m", "run")
		events := linesOf(t, filepath.Join(dir, run, "events.jsonl"))
		checkpoints := linesOf(t, filepath.Join(dir, run, "checkpoints.jsonl"))
		if len(checkpoints) < 8 {
			t.Fatalf("only %d checkpoints", len(checkpoints))
		}
		want := ""
		for cut := len(checkpoints); cut > 0; cut-- {
			settled := lastEvent(t, checkpoints[cut-1])
			next := len(events)
			if cut < len(checkpoints) {
				next = lastEvent(t, checkpoints[cut])
			}
			for n := settled; n <= next; n++ {
				copied := t.TempDir()
				if err := os.CopyFS(copied, os.DirFS(dir)); err != nil {
					t.Fatal(err)
				}
				writeLines(t, filepath.Join(copied, run, "events.jsonl"), events[:n])
				writeLines(t, filepath.Join(copied, run, "checkpoints.jsonl"), checkpoints[:cut])
				s := recovered(t, states.Options{Dir: copied, Lambda: &works{}})
				end, err := s.Wait(t.Context(), d.ARN)
				if err != nil || end.Output != "[[1,2,3],5]" {
					t.Fatalf("cut after checkpoint %d and event %d: %+v %v", cut, n, end, err)
				}
				types := strings.Fields(eventTypes(t, s, d.ARN))
				slices.Sort(types)
				if got := strings.Join(types, " "); want == "" {
					want = got
				} else if got != want {
					t.Fatalf("cut after checkpoint %d and event %d: the events are\n%s\nwant\n%s", cut, n, got, want)
				}
			}
		}
	})
}

func linesOf(t *testing.T, path string) []string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")
}

func writeLines(t *testing.T, path string, lines []string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(strings.Join(append(slices.Clone(lines), ""), "\n")), 0o644); err != nil {
		t.Fatal(err)
	}
}

func lastEvent(t *testing.T, checkpoint string) int {
	t.Helper()
	var c asl.Checkpoint
	if err := json.Unmarshal([]byte(checkpoint), &c); err != nil {
		t.Fatal(err)
	}
	return int(c.LastEvent)
}
