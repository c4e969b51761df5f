// Package scheduler is the local stack's EventBridge Scheduler: schedules that
// call one target each, in a time zone of their own.
//
// A schedule of the template is created again at each start and keeps the state
// it was last given; one made through the API is kept on disk. Runs that came
// due while the stack was down are not caught up. A flexible time window puts a
// run off to a moment that follows from the schedule's ARN and the time it was
// due.
package scheduler

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"
	_ "time/tzdata" // schedules name time zones, and a bare machine may know none

	"github.com/sluice-ml/sluice/infra/local/events"
	"github.com/sluice-ml/sluice/infra/local/events/delivery"
	"github.com/sluice-ml/sluice/infra/local/events/journal"
	"github.com/sluice-ml/sluice/infra/local/events/schedule"
	"github.com/sluice-ml/sluice/infra/local/wire"
)

// Options says where the service lives.
type Options struct {
	Dir     string
	Region  string
	Account string
	Stack   string // names the schedules that the template leaves unnamed
	Targets delivery.Targets
	Accepts func(targetARN string) error // refuses targets that cannot be delivered to; nil accepts all
	Now     func() time.Time
	Log     *slog.Logger
}

// Service keeps and fires schedules.
type Service struct {
	o      Options
	kept   *journal.Journal[Schedule]
	groups *journal.Journal[Group]
	queue  *delivery.Queue
	opened time.Time

	mu        sync.Mutex
	schedules map[string]*compiled // by key
}

// Schedule is a schedule as it is kept on disk.
type Schedule struct {
	Name        string
	Group       string `json:",omitempty"` // "" is the default group
	Description string `json:",omitempty"`
	Expression  string
	Timezone    string // IANA name; "UTC" by default
	State       string // ENABLED or DISABLED
	Target      Target
	Declared    string `json:",omitempty"` // what the template said, for schedules of the template
	Created     time.Time
	StartDate   *time.Time `json:",omitempty"`
	EndDate     *time.Time `json:",omitempty"`
	DeleteAfter bool       `json:",omitempty"` // ActionAfterCompletion DELETE
	Window      int        `json:",omitempty"` // minutes of the flexible time window; 0 is OFF
	Modified    time.Time
	Token       string `json:",omitempty"` // of CreateSchedule
}

// Target is what a schedule calls. Input is JSON, "{}" when empty.
type Target struct {
	ARN              string                   `json:"Arn"`
	RoleARN          string                   `json:"RoleArn"`
	Input            string                   `json:"Input,omitempty"`
	RetryPolicy      *events.RetryPolicy      `json:"RetryPolicy,omitempty"`
	DeadLetterConfig *events.DeadLetterConfig `json:"DeadLetterConfig,omitempty"`
}

type compiled struct {
	Schedule
	when    schedule.Schedule
	next    time.Time // zero is never
	waiting []pending // due, and not fired yet
}

// Open reads the schedules made through the API and the deliveries that were
// not confirmed.
func Open(o Options) (*Service, error) {
	kept, err := journal.Open[Schedule](filepath.Join(o.Dir, "schedules.jsonl"))
	if err != nil {
		return nil, err
	}
	groups, err := journal.Open[Group](filepath.Join(o.Dir, "groups.jsonl"))
	if err != nil {
		return nil, errors.Join(err, kept.Close())
	}
	queue, err := delivery.Open(filepath.Join(o.Dir, "deliveries.jsonl"), o.Targets, o.Now, o.Log)
	if err != nil {
		return nil, errors.Join(err, kept.Close(), groups.Close())
	}
	s := &Service{o: o, kept: kept, groups: groups, queue: queue, opened: o.Now(), schedules: map[string]*compiled{}}
	for name, sched := range kept.All() {
		if sched.Declared != "" {
			continue
		}
		c, err := s.compile(sched)
		if err != nil {
			return nil, errors.Join(fmt.Errorf("read schedule %s: %w", name, err), s.Close())
		}
		s.schedules[name] = c
	}
	return s, nil
}

// Close stops delivering; what is left is delivered after the next Open.
func (s *Service) Close() error {
	return errors.Join(s.queue.Close(), s.kept.Close(), s.groups.Close())
}

// Waiting is the number of deliveries that are not confirmed yet.
func (s *Service) Waiting() int { return s.queue.Waiting() }

// ARN is the ARN of a schedule in the default group.
func (s *Service) ARN(name string) string { return s.arn(Schedule{Name: name}) }

func (s *Service) arn(sched Schedule) string {
	return "arn:aws:scheduler:" + s.o.Region + ":" + s.o.Account + ":schedule/" + cmp.Or(sched.Group, defaultGroup) + "/" + sched.Name
}

var scheduleName = regexp.MustCompile(`^[0-9a-zA-Z\-_.]{1,64}$`)

func (s *Service) compile(sched Schedule) (*compiled, error) {
	if !scheduleName.MatchString(sched.Name) {
		return nil, wire.Errorf("ValidationException", "schedule name %q: want 1 to 64 letters, digits, '-', '_' and '.'", sched.Name)
	}
	if sched.State != "ENABLED" && sched.State != "DISABLED" {
		return nil, wire.Errorf("ValidationException", "schedule %s: State is %q, want ENABLED or DISABLED", sched.Name, sched.State)
	}
	if !strings.HasPrefix(sched.Target.ARN, "arn:") || sched.Target.RoleARN == "" {
		return nil, wire.Errorf("ValidationException", "schedule %s: Target needs an Arn and a RoleArn, got %q and %q", sched.Name, sched.Target.ARN, sched.Target.RoleARN)
	}
	if s.o.Accepts != nil {
		if err := s.o.Accepts(sched.Target.ARN); err != nil {
			return nil, wire.Errorf("ValidationException", "schedule %s: %v", sched.Name, err)
		}
	}
	if err := sched.Target.RetryPolicy.Check(); err != nil {
		return nil, wire.Errorf("ValidationException", "schedule %s: %v", sched.Name, err)
	}
	zone, err := time.LoadLocation(sched.Timezone)
	if err != nil || sched.Timezone == "Local" {
		return nil, wire.Errorf("ValidationException", "schedule %s: ScheduleExpressionTimezone %q is not an IANA time zone", sched.Name, sched.Timezone)
	}
	when, err := schedule.ParseIn(sched.Expression, zone)
	if err != nil {
		return nil, wire.Errorf("ValidationException", "schedule %s: %v", sched.Name, err)
	}
	if sched.StartDate != nil && sched.EndDate != nil && !sched.StartDate.Before(*sched.EndDate) {
		return nil, wire.Errorf("ValidationException", "schedule %s: StartDate %s is not before EndDate %s", sched.Name, events.Timestamp(*sched.StartDate), events.Timestamp(*sched.EndDate))
	}
	c := &compiled{Schedule: sched, when: when}
	c.advance(s.o.Now())
	return c, nil
}

// advance sets when the schedule fires next, within its start and end dates.
func (c *compiled) advance(now time.Time) {
	after := now
	if c.StartDate != nil && c.StartDate.After(now) {
		after = c.StartDate.Add(-time.Nanosecond)
	}
	next, ok := c.when.Next(c.Created, after)
	if !ok || (c.EndDate != nil && next.After(*c.EndDate)) {
		next = time.Time{}
	}
	c.next = next
}

// Tick fires what came due and retries deliveries. Call it about once a second.
func (s *Service) Tick(_ context.Context) error {
	now := s.o.Now()
	var failed []error
	s.mu.Lock()
	for _, id := range slices.Sorted(maps.Keys(s.schedules)) {
		c := s.schedules[id]
		here := c.come(s.arn(c.Schedule), now)
		if c.State != "ENABLED" || len(here) == 0 {
			continue
		}
		for _, p := range here {
			if err := s.fire(c.Schedule, p.due); err != nil {
				failed = append(failed, fmt.Errorf("fire schedule %s: %w", id, err))
			}
		}
		if c.over() && c.DeleteAfter {
			delete(s.schedules, id)
			failed = append(failed, s.kept.Remove(id))
		}
	}
	s.mu.Unlock()
	s.queue.Tick()
	return errors.Join(failed...)
}

// fire queues one run. Its id names the schedule and the time it was due, so a
// repetition is recognisable. The context attributes of AWS are filled in.
func (s *Service) fire(sched Schedule, due time.Time) error {
	id := key(sched.Group, sched.Name) + "/" + events.Timestamp(due)
	input := sched.Target.Input
	if input == "" {
		input = "{}"
	}
	input = strings.NewReplacer(
		"<aws.scheduler.schedule-arn>", s.arn(sched),
		"<aws.scheduler.scheduled-time>", events.Timestamp(due),
		"<aws.scheduler.execution-id>", id,
		"<aws.scheduler.attempt-number>", "1",
	).Replace(input)
	d := delivery.Delivery{ID: id, Source: s.arn(sched), TargetARN: sched.Target.ARN, RoleARN: sched.Target.RoleARN, Payload: []byte(input)}
	d.Retries, d.MaxAge = sched.Target.RetryPolicy.Limits()
	if sched.Target.DeadLetterConfig != nil {
		d.DeadLetter = sched.Target.DeadLetterConfig.ARN
	}
	return s.queue.Enqueue(d)
}

// put keeps and activates a schedule. The caller holds the lock.
func (s *Service) put(sched Schedule) error {
	c, err := s.compile(sched)
	if err != nil {
		return err
	}
	if _, err := s.group(sched.Group); err != nil {
		return err
	}
	id := key(sched.Group, sched.Name)
	if err := s.kept.Put(id, sched); err != nil {
		return err
	}
	s.schedules[id] = c
	return nil
}
