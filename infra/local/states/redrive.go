package states

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/sluice-ml/sluice/infra/local/asl"
	"github.com/sluice-ml/sluice/infra/local/wire"
)

// AWS's bounds of a redrive.
const (
	redrivePeriod     = 14 * 24 * time.Hour
	maxOpenTime       = 365 * 24 * time.Hour
	maxRedriveHistory = asl.MaxEvents - 1 // events; as many or more are too many
	clientTokenLife   = 15 * time.Minute
	clientTokensKept  = 10
)

const (
	redriveFile = "redrive.json"
	tokensFile  = "tokens.json"
)

// redriveToken is a client token and the redrive that it asked for. It counts
// once the history holds as many redrives.
type redriveToken struct {
	Token string    `json:"token"`
	Count int       `json:"count"`
	Date  time.Time `json:"date"`
}

// keepRedrive writes where a redrive takes up. It is called before the
// execution's last event.
func (e *execution) keepRedrive(r asl.Redrive) {
	e.report(writeFile(filepath.Join(e.dir, redriveFile), r))
	e.mu.Lock()
	defer e.mu.Unlock()
	e.refused = r.Refused
}

// readRedrive reads what keepRedrive wrote, and the client tokens.
func (e *execution) readRedrive() error {
	err := readFile(filepath.Join(e.dir, tokensFile), &e.tokens)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if e.status == asl.Running || e.status == asl.Succeeded {
		return nil
	}
	var r asl.Redrive
	err = readFile(filepath.Join(e.dir, redriveFile), &r)
	if errors.Is(err, fs.ErrNotExist) {
		e.refused = "the local stack did not keep where the execution stood"
		return nil
	}
	e.refused = r.Refused
	return err
}

// notRedrivable gives AWS's reason to refuse a redrive, "" for none. e.mu is
// held.
func (e *execution) notRedrivable(now time.Time) string {
	switch {
	case e.status == asl.Running:
		return "Execution is RUNNING and cannot be redriven"
	case e.status == asl.Succeeded:
		return "Execution is SUCCEEDED and cannot be redriven"
	case e.length >= maxRedriveHistory:
		return "Execution history event limit exceeded"
	case now.Sub(e.Start) > maxOpenTime:
		return "Execution has exceeded the max execution time"
	case now.Sub(e.stop) > redrivePeriod:
		return "Execution redrivable period exceeded"
	}
	return e.refused
}

// reasonChild refuses the redrive of a map run's child execution.
const reasonChild = "the local stack does not redrive child executions of a map run; start a new execution"

// Redrive runs an execution that did not succeed again from the states that
// it did not exit, and gives when. A client token that was used in the last 15
// minutes gives that redrive's date. The errors are ExecutionDoesNotExist and
// ExecutionNotRedrivable; a retry does not help.
func (s *Service) Redrive(_ context.Context, arn, clientToken string) (time.Time, error) {
	if _, _, child, err := s.childOf(arn); child || err != nil {
		if err == nil {
			err = wire.Errorf("ExecutionNotRedrivable", "Execution Not Redrivable: '%s'", reasonChild)
		}
		return time.Time{}, err
	}
	e, err := s.find(arn)
	if err != nil {
		return time.Time{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.options.Clock.Now().UTC().Truncate(time.Millisecond)
	e.mu.Lock()
	reason := e.notRedrivable(now)
	again := e.tokenDate(clientToken, now)
	m, known := s.table[e.Machine]
	e.mu.Unlock()
	switch {
	case !again.IsZero():
		return again, nil
	case reason != "":
		return now, wire.Errorf("ExecutionNotRedrivable", "Execution Not Redrivable: '%s'", reason)
	case !known || m.Deleting:
		return now, wire.Errorf("ExecutionNotRedrivable", "Execution Not Redrivable: '%s'", reasonDeleting)
	}
	if err := e.redrive(clientToken, now); err != nil {
		return now, err
	}
	return now, s.launch(e, true)
}

// tokenDate gives the date of the redrive that a client token made. e.mu is
// held.
func (e *execution) tokenDate(token string, now time.Time) time.Time {
	for _, t := range e.tokens {
		if token != "" && t.Token == token && t.Count <= e.redrives && now.Sub(t.Date) <= clientTokenLife {
			return t.Date
		}
	}
	return time.Time{}
}

// redrive makes the execution one that runs. The ExecutionRedriven event does
// it: a kill before it is written leaves the execution as it was, a kill after
// it finds the checkpoint to resume from.
func (e *execution) redrive(token string, now time.Time) error {
	var r asl.Redrive
	if err := readFile(filepath.Join(e.dir, redriveFile), &r); err != nil {
		return err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	count, event := e.redrives+1, int64(e.length+1)
	tokens := append(e.tokens, redriveToken{token, count, now})
	tokens = tokens[max(0, len(tokens)-clientTokensKept):]
	if err := writeFile(filepath.Join(e.dir, tokensFile), tokens); err != nil {
		return err
	}
	checkpoint := append(encode(r.Checkpoint.Redriven(event, now)), '\n')
	if err := replaceFile(filepath.Join(e.dir, checkpointsFile), checkpoint); err != nil {
		return err
	}
	redriven := asl.Event{ID: event, Previous: event - 1, Time: now, Type: "ExecutionRedriven", Details: &asl.Details{RedriveCount: &count}}
	if err := appendEvent(e.dir, redriven); err != nil {
		return err
	}
	e.tokens, e.redrives, e.redriven = tokens, count, now
	e.status, e.output, e.failure, e.cause, e.stop = asl.Running, "", nil, nil, time.Time{}
	e.ended, e.length = make(chan struct{}), 0
	return nil
}

// appendEvent adds to the history of an execution that does not run.
func appendEvent(dir string, event asl.Event) error {
	file, err := os.OpenFile(filepath.Join(dir, eventsFile), os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return err
	}
	line, err := event.MarshalJSON()
	if err == nil {
		_, err = file.Write(append(line, '\n'))
	}
	return errors.Join(err, file.Close())
}

type redriveInput struct {
	ExecutionArn string `json:"executionArn"`
	ClientToken  string `json:"clientToken"`
}

func (s *Service) redriveExecution(ctx context.Context, in redriveInput) (any, error) {
	at, err := s.Redrive(ctx, in.ExecutionArn, in.ClientToken)
	if err != nil {
		return nil, err
	}
	return map[string]any{"redriveDate": asl.Epoch(at)}, nil
}
