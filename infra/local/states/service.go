package states

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/sluice-ml/sluice/infra/local/asl"
	"github.com/sluice-ml/sluice/infra/local/wire"
)

// Options make a Service. Dir is required; without a port, definitions that
// need it are refused.
type Options struct {
	Dir     string // where the journal lies
	Region  string
	Account string

	Lambda Lambda
	Batch  Batch
	SDK    SDK
	// Objects is S3 for distributed Map states.
	Objects asl.Objects

	Clock  asl.Clock   // the system's clock
	Random rand.Source // seeded at random
	// StatusChanged is called when an execution starts and when it ends, in
	// that order, on the execution's goroutine.
	StatusChanged func(Description)
}

// Service is the Step Functions service. It is safe for concurrent use.
type Service struct {
	options Options
	journal journal
	engine  *asl.Engine
	tokens  tokens

	ctx      context.Context
	shutdown context.CancelCauseFunc
	running  sync.WaitGroup // executions
	tasks    sync.WaitGroup

	mu         sync.Mutex
	table      map[string]machine
	executions map[string]*execution // by ARN
	mapRuns    map[string]*mapRun    // by ARN
	histories  histories
}

var _ asl.Tasks = (*Service)(nil)

// Open reads the journal. Executions that were running stay where they are
// until Recover.
func Open(o Options) (*Service, error) {
	if o.Clock == nil {
		o.Clock = asl.SystemClock{}
	}
	s := &Service{options: o, journal: journal{o.Dir}, table: map[string]machine{}, executions: map[string]*execution{}, mapRuns: map[string]*mapRun{}}
	s.engine = asl.NewEngine(asl.Options{Tasks: s, Objects: o.Objects, MapRuns: mapRunRecords{s}, Clock: o.Clock, Random: o.Random, Region: o.Region, Account: o.Account})
	s.ctx, s.shutdown = context.WithCancelCause(context.Background())
	machines, err := s.journal.machines()
	if err != nil {
		return nil, fmt.Errorf("open the Step Functions journal: %w", err)
	}
	for _, m := range machines {
		s.table[m.Name] = m
	}
	executions, err := s.journal.executions()
	if err != nil {
		return nil, fmt.Errorf("open the Step Functions journal: %w", err)
	}
	for _, e := range executions {
		e.arn = s.executionARN(e.Machine, e.Name)
		s.executions[e.arn] = e
		if err := s.loadMapRuns(e); err != nil {
			return nil, fmt.Errorf("open the Step Functions journal: %w", err)
		}
	}
	for _, m := range machines {
		if err := s.bury(m.Name); err != nil {
			return nil, fmt.Errorf("open the Step Functions journal: %w", err)
		}
	}
	return s, nil
}

// Recover resumes every execution that was running when the journal was last
// used. Call it once, when the ports are ready. It goes on past an execution
// that cannot be resumed and returns all such errors.
func (s *Service) Recover(context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var failed []error
	for _, e := range s.executions {
		if !e.dormant() {
			continue
		}
		if err := s.launch(e, false); err != nil {
			failed = append(failed, err)
		}
	}
	return errors.Join(failed...)
}

// Close interrupts the running executions; a Service opened later on the same
// journal can resume them. It returns when nothing of this service runs. Close
// it before the ports: a port that goes first makes tasks fail.
func (s *Service) Close() {
	s.shutdown(errShutdown)
	s.running.Wait()
	s.tasks.Wait()
}

func (s *Service) machineARN(name string) string {
	return fmt.Sprintf("arn:aws:states:%s:%s:stateMachine:%s", s.options.Region, s.options.Account, name)
}

func (s *Service) executionARN(machine, name string) string {
	return fmt.Sprintf("arn:aws:states:%s:%s:execution:%s:%s", s.options.Region, s.options.Account, machine, name)
}

var badName = regexp.MustCompile("[\\s<>{}\\[\\]?*\"#%\\\\^|~`$&,;:/\\x00-\\x1f\\x7f-\\x9f]")

func nameIsValid(name string) bool {
	return name != "" && len([]rune(name)) <= 80 && !badName.MatchString(name)
}

// StartRequest starts an execution. Name may be empty: a UUID is made up.
type StartRequest struct {
	MachineARN string
	Name       string
	Input      string // JSON, "" is {}
	startedBy  string
}

// Start starts an execution and returns once its start is in the journal.
// Starting the same name with the same input while it runs gives the running
// execution; any other use of the name is ExecutionAlreadyExists.
func (s *Service) Start(_ context.Context, r StartRequest) (Description, error) {
	if r.Input == "" {
		r.Input = "{}"
	}
	if err := checkInput(r.Input); err != nil {
		return Description{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	m, err := s.machineAt(r.MachineARN)
	if err != nil {
		return Description{}, err
	}
	if r.Name == "" {
		r.Name = wire.RequestID()
	}
	if !nameIsValid(r.Name) {
		return Description{}, wire.Errorf("InvalidName", "Invalid Name: '%s'", r.Name)
	}
	if old, ok := s.executions[s.executionARN(m.Name, r.Name)]; ok {
		return s.startAgain(old, r)
	}
	if err := deleting(m, r.MachineARN); err != nil {
		return Description{}, err
	}
	e, err := s.create(m, r)
	if err != nil {
		return Description{}, err
	}
	return s.describe(e), nil
}

func checkInput(input string) error {
	if len(input) > asl.MaxPayload {
		return wire.Errorf("ValidationException", "1 validation error detected: Value at 'input' failed to satisfy constraint: Member must have length less than or equal to %d", asl.MaxPayload)
	}
	var v any
	if err := json.Unmarshal([]byte(input), &v); err != nil {
		return wire.Errorf("InvalidExecutionInput", "Invalid State Machine Execution Input: '%s'", err)
	}
	return nil
}

// startAgain decides about a name that is taken: the same start is answered
// with the execution that it made.
func (s *Service) startAgain(old *execution, r StartRequest) (Description, error) {
	d := s.describe(old)
	again := d.Status == asl.Running && old.Input == r.Input
	if r.startedBy != "" && old.StartedBy == r.startedBy {
		again = true // the task attempt is being done again after a restart
	}
	if !again {
		return d, wire.Errorf("ExecutionAlreadyExists", "Execution Already Exists: '%s'", old.arn)
	}
	return d, nil
}

func (s *Service) create(m machine, r StartRequest) (*execution, error) {
	digest, err := s.journal.keepDefinition(m.Definition)
	if err != nil {
		return nil, err
	}
	e := &execution{
		started: started{Name: r.Name, Machine: m.Name, RoleARN: m.RoleARN, Input: r.Input,
			Start: s.options.Clock.Now().UTC().Truncate(time.Millisecond), Definition: digest, StartedBy: r.startedBy},
		dir: s.journal.executionDir(m.Name, r.Name), arn: s.executionARN(m.Name, r.Name),
		status: asl.Running, ended: make(chan struct{}),
	}
	if err := os.MkdirAll(e.dir, 0o755); err != nil {
		return nil, err
	}
	if err := writeFile(filepath.Join(e.dir, "start.json"), e.started); err != nil {
		return nil, err
	}
	if err := s.launch(e, true); err != nil {
		return nil, err
	}
	s.executions[e.arn] = e
	return e, nil
}

func (s *Service) find(arn string) (*execution, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	e, ok := s.executions[arn]
	if !ok {
		if err := isARN(arn, "execution"); err != nil {
			return nil, err
		}
		return nil, wire.Errorf("ExecutionDoesNotExist", "Execution Does Not Exist: '%s'", arn)
	}
	return e, nil
}

// Describe gives an execution as it stands.
func (s *Service) Describe(arn string) (Description, error) {
	if run, child, ok, err := s.childOf(arn); ok || err != nil {
		if err != nil {
			return Description{}, err
		}
		return s.describeChild(run, child)
	}
	e, err := s.find(arn)
	if err != nil {
		return Description{}, err
	}
	d := s.describe(e)
	if d.NotRedrivable == "" && s.isDeleted(d.Machine) {
		d.NotRedrivable = reasonDeleting
	}
	return d, nil
}

// History gives an execution's events up to now.
func (s *Service) History(arn string) ([]asl.Event, error) {
	if run, child, ok, err := s.childOf(arn); ok || err != nil {
		if err != nil {
			return nil, err
		}
		_, events, err := readChild(run.dir, child)
		return events, err
	}
	e, err := s.find(arn)
	if err != nil {
		return nil, err
	}
	return e.events(&s.histories)
}

// Wait returns when the execution has ended, with how it ended, or when ctx
// or the service ends.
func (s *Service) Wait(ctx context.Context, arn string) (Description, error) {
	e, err := s.find(arn)
	if err != nil {
		return Description{}, err
	}
	select {
	case <-e.end():
		return s.describe(e), nil
	case <-ctx.Done():
		return s.describe(e), context.Cause(ctx)
	case <-s.ctx.Done():
		return s.describe(e), errShutdown
	}
}

// Stop aborts a running execution and waits until it has ended. An execution
// that has ended already stays as it is.
func (s *Service) Stop(ctx context.Context, arn, name, cause string) (Description, error) {
	if run, child, ok, err := s.childOf(arn); ok || err != nil {
		if err != nil {
			return Description{}, err
		}
		return s.stopChild(ctx, run, child, name, cause)
	}
	e, err := s.find(arn)
	if err != nil {
		return Description{}, err
	}
	e.mu.Lock()
	run := e.run
	e.mu.Unlock()
	if run != nil {
		run.Abort(optional(name), optional(cause))
	}
	return s.Wait(ctx, arn)
}

func optional(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

// List gives the executions of a machine, or of all when machineARN is "",
// newest first.
func (s *Service) List(machineARN string) []Description {
	s.mu.Lock()
	all := make([]*execution, 0, len(s.executions))
	for _, e := range s.executions {
		if machineARN == "" || s.machineARN(e.Machine) == machineARN {
			all = append(all, e)
		}
	}
	s.mu.Unlock()
	slices.SortFunc(all, func(a, b *execution) int {
		if c := b.Start.Compare(a.Start); c != 0 {
			return c
		}
		return strings.Compare(a.arn, b.arn)
	})
	out := make([]Description, len(all))
	for i, e := range all {
		out[i] = s.describe(e)
	}
	return out
}
