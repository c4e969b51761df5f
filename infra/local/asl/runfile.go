package asl

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// FileRun says how RunFile runs a definition.
type FileRun struct {
	Path  string // the definition's file
	Input string // JSON, "" is {}
	Tasks Tasks  // nil: a definition with tasks is refused
	// Leap skips waits: a Wait of a day takes no time. It is refused together
	// with Tasks, whose timeouts it would skip too.
	Leap bool
	// JSON prints each event as GetExecutionHistory has it, instead of a line
	// of text.
	JSON bool
	Out  io.Writer // where the history goes, event by event
}

// RunFile runs the definition in a file and prints its history. A definition
// or an input that is wrong is an error; an execution that fails is a Result.
func RunFile(ctx context.Context, r FileRun) (Result, error) {
	definition, err := os.ReadFile(r.Path)
	if err != nil {
		return Result{}, fmt.Errorf("read the definition: %w", err)
	}
	if r.Leap && r.Tasks != nil {
		return Result{}, errors.New("run the definition: waits cannot be skipped while tasks run")
	}
	machine, err := Parse(definition, func(t TaskDefinition) error {
		if r.Tasks == nil {
			return fmt.Errorf("nothing here runs the task %q", t.Resource)
		}
		return nil
	})
	if err != nil {
		return Result{}, fmt.Errorf("%s: %w", r.Path, err)
	}
	o := Options{Tasks: r.Tasks, Region: "local", Account: "000000000000"}
	if r.Leap {
		o.Clock = NewLeapClock(time.Now())
	}
	if r.Input == "" {
		r.Input = "{}"
	}
	name := strings.TrimSuffix(filepath.Base(r.Path), filepath.Ext(r.Path))
	p := &printer{run: r}
	x, err := NewEngine(o).Prepare(Spec{
		Machine: machine, Input: r.Input, Start: time.Now(), Name: "run", MachineName: name,
		ARN:        "arn:aws:states:local:000000000000:execution:" + name + ":run",
		MachineARN: "arn:aws:states:local:000000000000:stateMachine:" + name,
		RoleARN:    "arn:aws:iam::000000000000:role/local", Event: p.event,
	})
	if err != nil {
		return Result{}, fmt.Errorf("read the input: %w", err)
	}
	result, err := x.Run(ctx)
	if err == nil {
		err = p.err
	}
	return result, err
}

// printer prints events; it keeps the first error of its writer.
type printer struct {
	run   FileRun
	start time.Time
	err   error
}

func (p *printer) event(e Event) {
	if p.start.IsZero() {
		p.start = e.Time
	}
	line := ""
	if p.run.JSON {
		line = string(e.append(nil))
	} else {
		line = fmt.Sprintf("%9.3fs %4d ← %-4d %-24s %s", e.Time.Sub(p.start).Seconds(), e.ID, e.Previous, e.Type, e.Details.summary())
	}
	if _, err := fmt.Fprintln(p.run.Out, strings.TrimRight(line, " ")); err != nil && p.err == nil {
		p.err = fmt.Errorf("print the history: %w", err)
	}
}

// summary is what a person wants to see of an event.
func (d *Details) summary() string {
	if d == nil {
		return ""
	}
	var parts []string
	add := func(label string, value *string) {
		if value != nil && *value != "" {
			parts = append(parts, label+*value)
		}
	}
	add("", &d.Name)
	if d.Index != nil {
		parts = append(parts, fmt.Sprintf("#%d", *d.Index))
	}
	add("", &d.Resource)
	add("in ", d.Input)
	add("with ", d.Parameters)
	add("out ", d.Output)
	add("", d.Error)
	add("", d.Cause)
	return strings.Join(parts, " ")
}

// LeapClock is a clock for executions without tasks: whoever waits moves it
// on, so waiting takes no time.
type LeapClock struct {
	mu  sync.Mutex
	now time.Time
}

// NewLeapClock makes a clock that stands at a time.
func NewLeapClock(now time.Time) *LeapClock { return &LeapClock{now: now} }

// Now is where the clock stands.
func (c *LeapClock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

// Timer moves the clock on by d, and its channel has received already.
func (c *LeapClock) Timer(d time.Duration) (<-chan time.Time, func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(max(d, 0))
	fired := make(chan time.Time, 1)
	fired <- c.now
	return fired, func() {}
}
