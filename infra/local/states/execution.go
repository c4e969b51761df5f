package states

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/sluice-ml/sluice/infra/local/asl"
)

// execution is one run of a state machine.
type execution struct {
	started
	dir string
	arn string

	mu      sync.Mutex
	status  asl.Status
	output  string
	failure *string // error
	cause   *string
	stop    time.Time
	history []asl.Event // while it runs; afterwards it is read from the file
	run     *asl.Execution
	file    *appender // events
	points  *appender // checkpoints
	writing error     // the first error of the journal
	ended   chan struct{}

	redrives int
	redriven time.Time
	tokens   []redriveToken // newest last
	refused  string         // why it cannot be redriven, "" for no reason of its own
	length   int            // events, once it has ended
}

// settle takes the status from the last event, and the redrives from theirs.
func (e *execution) settle(events []asl.Event) {
	e.status = asl.Running
	for _, event := range events {
		if event.Type == "ExecutionRedriven" {
			e.redrives, e.redriven = e.redrives+1, event.Time
		}
	}
	if e.length = len(events); e.length == 0 {
		return
	}
	last := events[len(events)-1]
	status, ok := map[string]asl.Status{
		"ExecutionSucceeded": asl.Succeeded, "ExecutionFailed": asl.Failed,
		"ExecutionAborted": asl.Aborted, "ExecutionTimedOut": asl.TimedOut,
	}[last.Type]
	if !ok {
		return
	}
	e.status, e.stop = status, last.Time
	if d := last.Details; d != nil {
		e.failure, e.cause = d.Error, d.Cause
		if d.Output != nil {
			e.output = *d.Output
		}
	}
	e.history = nil
	close(e.ended)
}

// isRunning says whether it has not ended.
func (e *execution) isRunning() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.status == asl.Running
}

// end is closed when the execution ends; a redrive makes another.
func (e *execution) end() <-chan struct{} {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.ended
}

// dormant: it was running when the journal was last used, and is not yet again.
func (e *execution) dormant() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.status == asl.Running && e.run == nil
}

// record appends an event to the history and its file. An event that cannot
// be written stops nothing now, but the execution's end reports it.
func (e *execution) record(event asl.Event) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.history = append(e.history, event)
	text, err := event.MarshalJSON()
	if err == nil {
		err = e.file.write(text)
	}
	if err != nil && e.writing == nil {
		e.writing = err
	}
}

// save appends a checkpoint. It is called by the loop that records events.
func (e *execution) save(c asl.Checkpoint) {
	line, err := json.Marshal(c)
	if err == nil {
		err = e.points.write(line)
	}
	if err == nil && e.points.size > maxCheckpoints {
		err = e.compact()
	}
	e.report(err)
}

// compact merges the checkpoints into one.
func (e *execution) compact() error {
	merged, err := readCheckpoint(e.dir)
	if err != nil {
		return err
	}
	return e.points.restart(encode(merged))
}

// report keeps the first error of the journal.
func (e *execution) report(err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.writing == nil {
		e.writing = err
	}
}

// events is the history up to now.
func (e *execution) events(kept *histories) ([]asl.Event, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.history != nil {
		return e.history, nil
	}
	return kept.read(e.dir)
}

// Description is an execution as DescribeExecution gives it. Output is JSON.
type Description struct {
	ARN, Name  string
	Machine    string // the machine's name
	MachineARN string
	Status     asl.Status
	Start      time.Time
	Stop       time.Time // zero while it runs
	Input      string
	Output     string
	Error      string
	Cause      string
	MapRunARN  string // of a child execution
	Items      int    // that a child execution has

	Redrives int
	Redriven time.Time // the last redrive, zero when there was none
	// NotRedrivable says why RedriveExecution would refuse, "" when it would not.
	NotRedrivable string
}

// RedriveStatus is REDRIVABLE or NOT_REDRIVABLE.
func (d Description) RedriveStatus() string {
	if d.NotRedrivable != "" {
		return "NOT_REDRIVABLE"
	}
	return "REDRIVABLE"
}

func (s *Service) describe(e *execution) Description {
	e.mu.Lock()
	defer e.mu.Unlock()
	d := Description{
		ARN: e.arn, Name: e.Name, Machine: e.Machine, MachineARN: s.machineARN(e.Machine),
		Status: e.status, Start: e.Start, Stop: e.stop, Input: e.Input, Output: e.output,
		Redrives: e.redrives, Redriven: e.redriven, NotRedrivable: e.notRedrivable(s.options.Clock.Now()),
	}
	if e.failure != nil {
		d.Error = *e.failure
	}
	if e.cause != nil {
		d.Cause = *e.cause
	}
	return d
}

// launch runs the execution in the background, from its checkpoint if it has
// one. fresh says that it is a new execution.
func (s *Service) launch(e *execution, fresh bool) error {
	definition, err := s.journal.definition(e.Definition)
	if err != nil {
		return err
	}
	parsed, err := asl.Parse([]byte(definition), nil)
	if err != nil {
		return err
	}
	checkpoint, events, err := resumable(e.dir)
	if err != nil {
		return err
	}
	if e.file, err = openAppender(filepath.Join(e.dir, eventsFile)); err != nil {
		return err
	}
	if e.points, err = openAppender(filepath.Join(e.dir, checkpointsFile)); err != nil {
		return errors.Join(err, e.file.file.Close())
	}
	run, err := s.engine.Prepare(asl.Spec{
		Machine: parsed, ARN: e.arn, Name: e.Name, RoleARN: e.RoleARN, Input: e.Input, Start: e.Start,
		MachineARN: s.machineARN(e.Machine), MachineName: e.Machine,
		Redrives: e.redrives, RedrivenAt: e.redriven,
		Checkpoint: checkpoint, Event: e.record, Save: e.save, Unsuccessful: e.keepRedrive,
	})
	if err != nil {
		return errors.Join(fmt.Errorf("resume execution %s: %w", e.arn, err), e.closeFiles())
	}
	e.mu.Lock()
	e.history, e.run = events, run
	e.mu.Unlock()
	s.running.Add(1)
	go s.finish(e, run, fresh)
	return nil
}

func (e *execution) closeFiles() error {
	return errors.Join(e.file.file.Close(), e.points.file.Close())
}

// finish runs the execution and settles it. An interrupted one stays RUNNING
// in the journal.
func (s *Service) finish(e *execution, run *asl.Execution, fresh bool) {
	defer s.running.Done()
	if fresh {
		s.changed(e)
	}
	result, err := run.Run(s.ctx)
	e.mu.Lock()
	if closing := e.closeFiles(); e.writing == nil {
		e.writing = closing
	}
	if err != nil {
		e.mu.Unlock()
		return
	}
	e.status, e.output, e.failure, e.cause = result.Status, result.Output, result.Error, result.Cause
	e.stop, e.length = e.history[len(e.history)-1].Time, len(e.history)
	e.history, e.run = nil, nil
	_ = os.Remove(filepath.Join(e.dir, checkpointsFile)) // nothing resumes from it any more
	if e.writing != nil {
		e.status, e.output, e.refused = asl.Failed, "", "the execution's journal is not whole"
		name, cause := asl.ErrRuntime, "the local stack could not write the execution's journal: "+e.writing.Error()
		e.failure, e.cause = &name, &cause
	}
	close(e.ended)
	e.mu.Unlock()
	s.changed(e)
	s.mu.Lock()
	defer s.mu.Unlock()
	_ = s.bury(e.Machine) // a file that stays is removed at the next start
}

func (s *Service) changed(e *execution) {
	if s.options.StatusChanged != nil {
		s.options.StatusChanged(s.describe(e))
	}
}
