// Package batch is the local stack's AWS Batch: it runs jobs as processes of
// their image's own program.
//
// A job is submitted to a queue with a job definition (what to run, what it
// needs, when to try again). A queue orders compute environments; the first
// with room takes the job. Each run of the program is an attempt; the retry
// strategy says whether a failed attempt is followed by another.
//
//	SUBMITTED → PENDING (waits for other jobs) → RUNNABLE (waits for room)
//	          → STARTING → RUNNING → SUCCEEDED | FAILED, or RUNNABLE again
//
// Room is counted, not given: a compute environment has its MaxvCpus, and the
// host has what Options declare. A GPU is a virtual one, counted against the
// number declared; the program runs on the CPU. Memory is a limit: an attempt
// whose resident memory passes it is killed, as a container is.
//
// Jobs are files. When the stack was killed, Recover treats an attempt that was
// running as lost with its host, as a Spot reclaim is, and the retry strategy
// decides; when it was stopped in order, the attempt is run again under its
// number. Compare JobDetail with what AWS's DescribeJobs gives.
//
// What differs from AWS: an attempt runs as the stack's user, in a folder of its
// own that is removed afterwards; the image's base and libraries are this
// machine's. Multi-node jobs, Fargate tasks' network settings, volumes
// and secrets are refused by name.
package batch

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/sluice-ml/sluice/infra/local/image"
	"github.com/sluice-ml/sluice/infra/local/logs"
)

// Events takes the service's events; EventBridge is behind it.
type Events interface {
	// Put takes one event, e.g. of source "aws.batch" and type "Batch Job State
	// Change". detail encodes as JSON in AWS's shape.
	Put(ctx context.Context, source, detailType string, detail any)
}

// Timer gives a channel that fires once after d, and a function that stops it.
type Timer func(d time.Duration) (fired <-chan time.Time, stop func() bool)

// Host is what this machine offers to all compute environments together.
type Host struct {
	VCPUs     float64 // 0: only MaxvCpus of the compute environments counts
	MemoryMiB int     // 0: memory is not counted
	GPUs      int     // virtual: counted, and not given to the program
}

// Options configures the service. Dir, Region, Account, Image and Logs are
// needed.
type Options struct {
	Dir     string // owned by the service: jobs, definitions, work folders
	Region  string
	Account string
	Host    Host
	// Image finds the program of a job definition's image.
	Image func(uri string) (*image.Image, error)
	// Environment is set in every attempt, over the image's variables and under
	// the job's own: AWS_REGION, credentials, AWS_ENDPOINT_URL, LD_LIBRARY_PATH.
	Environment    map[string]string
	Logs           *logs.Service
	Events         Events // nil: nobody listens
	Now            func() time.Time
	Timer          Timer         // of attempts' timeouts
	StopGrace      time.Duration // between SIGTERM and SIGKILL; 0 is 30 seconds
	CloseGrace     time.Duration // the same when the stack goes down; 0 is 5 seconds
	MemoryInterval time.Duration // between two looks at an attempt's memory; 0 is 100 milliseconds
}

func (o *Options) setDefaults() {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Timer == nil {
		o.Timer = func(d time.Duration) (<-chan time.Time, func() bool) {
			t := time.NewTimer(d)
			return t.C, t.Stop
		}
	}
	if o.StopGrace == 0 {
		o.StopGrace = 30 * time.Second
	}
	if o.CloseGrace == 0 {
		o.CloseGrace = 5 * time.Second
	}
	if o.MemoryInterval == 0 {
		o.MemoryInterval = 100 * time.Millisecond
	}
}

// Service runs jobs. Its methods may be called from many goroutines.
type Service struct {
	options  Options
	events   *outbox
	attempts sync.WaitGroup

	mutex        sync.Mutex
	environments map[string]*environment // by ARN
	queues       map[string]*queue       // by ARN
	definitions  map[string][]definition // by name, revisions ascending
	jobs         map[string]*job         // by id
	order        []*job                  // in the order of submission
	closed       bool
}

// Open opens the service over what o.Dir keeps. Jobs that were left there wait
// for Recover; new ones run at once.
func Open(o Options) (*Service, error) {
	o.setDefaults()
	if o.Image == nil || o.Logs == nil {
		return nil, errors.New("open batch: Options.Image and Options.Logs are needed")
	}
	s := &Service{options: o, environments: map[string]*environment{}, queues: map[string]*queue{},
		definitions: map[string][]definition{}, jobs: map[string]*job{}}
	for _, dir := range []string{"jobs", "definitions"} {
		if err := os.MkdirAll(filepath.Join(o.Dir, dir), 0o755); err != nil {
			return nil, fmt.Errorf("open batch: %w", err)
		}
	}
	// Nothing runs yet: what work folders hold was left by a kill.
	if err := os.RemoveAll(s.workDir()); err != nil {
		return nil, fmt.Errorf("open batch: %w", err)
	}
	if err := s.load(); err != nil {
		return nil, err
	}
	s.events = newOutbox(o.Events)
	return s, nil
}

func (s *Service) workDir() string { return filepath.Join(s.options.Dir, "work") }

// load reads definitions and jobs.
func (s *Service) load() error {
	err := eachFile(filepath.Join(s.options.Dir, "definitions"), func(name string, text []byte) error {
		var revisions []definition
		if err := json.Unmarshal(text, &revisions); err != nil {
			return err
		}
		s.definitions[name] = revisions
		return nil
	})
	if err != nil {
		return fmt.Errorf("read the job definitions: %w", err)
	}
	err = eachFile(filepath.Join(s.options.Dir, "jobs"), func(_ string, text []byte) error {
		j, err := decodeJob(text)
		if err != nil {
			return err
		}
		j.kept = !j.Detail.Status.Ended()
		s.jobs[j.Detail.JobID] = j
		s.order = append(s.order, j)
		return nil
	})
	if err != nil {
		return fmt.Errorf("read the jobs: %w", err)
	}
	sortJobs(s.order)
	for _, j := range s.order {
		if parent, ok := parentOf(j.Detail.JobID); ok && (s.jobs[parent] == nil || !s.jobs[parent].parent()) {
			return fmt.Errorf("read the jobs: job %s has no array job; delete its file in %s", j.Detail.JobID, filepath.Join(s.options.Dir, "jobs"))
		}
	}
	return nil
}

const fileSuffix = ".json"

// eachFile reads the files of a folder, leaving out those that a kill left half
// written.
func eachFile(dir string, do func(name string, text []byte) error) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, entry := range entries {
		name, ok := strings.CutSuffix(entry.Name(), fileSuffix)
		if !ok {
			continue
		}
		path := filepath.Join(dir, entry.Name())
		text, err := os.ReadFile(path)
		if err == nil {
			err = do(name, text)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
	}
	return nil
}

// replace writes a file so that a kill leaves the old text or the new.
func replace(file string, v any) error {
	text, err := json.Marshal(v)
	if err != nil {
		return err
	}
	if err := os.WriteFile(file+".new", text, 0o644); err != nil {
		return err
	}
	return os.Rename(file+".new", file)
}

// Interrupt stops every attempt for a stack that goes down in order: SIGTERM,
// then SIGKILL after Options.CloseGrace. Their jobs are RUNNABLE again with the
// attempt's number, which the next stack's Recover runs again: a stop of the
// local stack is no fault of a job's and costs it no attempt. No job starts any
// more.
func (s *Service) Interrupt() {
	s.mutex.Lock()
	s.closed = true
	var all []*job
	for _, j := range s.order {
		if j.control != nil {
			all = append(all, j)
		}
	}
	s.mutex.Unlock()
	for _, j := range all {
		j.control.ask(request{kind: stackClosed})
	}
	s.attempts.Wait()
}

// Close interrupts what runs and hands on the events that wait.
func (s *Service) Close() error {
	s.Interrupt()
	s.events.close()
	return nil
}
