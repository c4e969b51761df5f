package events

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/sluice-ml/sluice/infra/local/events/delivery"
	"github.com/sluice-ml/sluice/infra/local/events/journal"
	"github.com/sluice-ml/sluice/infra/local/events/pattern"
	"github.com/sluice-ml/sluice/infra/local/wire"
)

// Options says where a bus lives.
type Options struct {
	Dir     string // where rules and deliveries are kept
	Region  string
	Account string
	Stack   string // names the rules that the template leaves unnamed
	Targets delivery.Targets
	Accepts func(targetARN string) error // refuses targets that cannot be delivered to; nil accepts all
	Faults  Faults                       // nil: nothing goes wrong on request
	Now     func() time.Time
	Log     *slog.Logger
}

// Faults says which events go wrong on request.
type Faults interface {
	// Strike says how an event goes wrong: copies is how often it is delivered
	// (1 where nothing is wrong), each after a wait.
	Strike(detailType string) (copies int, wait time.Duration)
}

// Bus is the default event bus.
type Bus struct {
	o     Options
	kept  *journal.Journal[Rule]
	queue *delivery.Queue

	mu    sync.Mutex
	rules map[string]*compiled
}

// Open reads the rules made through the API and the deliveries that were not
// confirmed. Rules of the template become active when they are created again.
func Open(o Options) (*Bus, error) {
	kept, err := journal.Open[Rule](filepath.Join(o.Dir, "rules.jsonl"))
	if err != nil {
		return nil, err
	}
	queue, err := delivery.Open(filepath.Join(o.Dir, "deliveries.jsonl"), o.Targets, o.Now, o.Log)
	if err != nil {
		return nil, errors.Join(err, kept.Close())
	}
	b := &Bus{o: o, kept: kept, queue: queue, rules: map[string]*compiled{}}
	for name, rule := range kept.All() {
		if rule.Declared != "" {
			continue
		}
		c, err := compile(rule, o.Now())
		if err != nil {
			return nil, errors.Join(fmt.Errorf("read rule %s: %w", name, err), b.Close())
		}
		b.rules[name] = c
	}
	return b, nil
}

// Close stops delivering; what is left is delivered after the next Open.
func (b *Bus) Close() error { return errors.Join(b.queue.Close(), b.kept.Close()) }

// Waiting is the number of deliveries that are not confirmed yet.
func (b *Bus) Waiting() int { return b.queue.Waiting() }

// ARN is a rule's ARN.
func (b *Bus) ARN(name string) string {
	return "arn:aws:events:" + b.o.Region + ":" + b.o.Account + ":rule/" + name
}

// Publish fills in what the event leaves open (version, id, account, region,
// time) and queues it for every rule that matches. When it returns nil the
// event will be delivered, even if the stack is killed. A retry after an error
// can deliver twice to the targets that had been queued.
func (b *Bus) Publish(_ context.Context, e Event) error {
	b.complete(&e)
	raw, err := json.Marshal(e)
	if err != nil {
		return fmt.Errorf("publish event %s: %w", e.DetailType, err)
	}
	parsed, err := pattern.ParseEvent(raw)
	if err != nil {
		return fmt.Errorf("publish event %s: %w", e.DetailType, err)
	}
	copies, wait := 1, time.Duration(0)
	if b.o.Faults != nil {
		copies, wait = b.o.Faults.Strike(e.DetailType)
	}
	for _, rule := range b.snapshot() {
		if rule.State != enabled || rule.pattern == nil || !rule.pattern.Match(parsed) {
			continue
		}
		for n := range copies {
			if err := b.fireAfter(rule.Rule, copyID(e.ID, n), raw, wait); err != nil {
				return err
			}
		}
	}
	return nil
}

// copyID names a delivery's second copy; the event in it keeps its id.
func copyID(id string, n int) string {
	if n == 0 {
		return id
	}
	return fmt.Sprintf("%s#%d", id, n+1)
}

func (b *Bus) complete(e *Event) {
	e.Version = "0"
	if e.ID == "" {
		e.ID = wire.RequestID()
	}
	if e.Account == "" {
		e.Account = b.o.Account
	}
	if e.Region == "" {
		e.Region = b.o.Region
	}
	if e.Time == "" {
		e.Time = Timestamp(b.o.Now())
	}
	if e.Resources == nil {
		e.Resources = []string{}
	}
	if len(e.Detail) == 0 {
		e.Detail = json.RawMessage("{}")
	}
}

// snapshot gives the rules in order of name.
func (b *Bus) snapshot() []compiled {
	b.mu.Lock()
	defer b.mu.Unlock()
	rules := make([]compiled, 0, len(b.rules))
	for _, name := range slices.Sorted(maps.Keys(b.rules)) {
		rules = append(rules, *b.rules[name])
	}
	return rules
}

// fire queues one event for each of a rule's targets. The delivery's id is the
// event's with the rule and target, so publishing the same event again repeats
// the same deliveries.
func (b *Bus) fire(rule Rule, eventID string, raw []byte) error {
	return b.fireAfter(rule, eventID, raw, 0)
}

func (b *Bus) fireAfter(rule Rule, eventID string, raw []byte, wait time.Duration) error {
	for _, target := range rule.Targets {
		input, err := target.input(raw, b.ARN(rule.Name), rule.Name)
		if err != nil {
			b.o.Log.Error("a target's input could not be made; the event is dropped for it", "rule", rule.Name, "target", target.ID, "event", eventID, "error", err)
			continue
		}
		d := target.delivery(b.ARN(rule.Name), input)
		d.ID = eventID + "/" + rule.Name + "/" + target.ID
		if d.RoleARN == "" {
			d.RoleARN = rule.RoleARN
		}
		if err := b.queue.EnqueueAfter(d, wait); err != nil {
			return err
		}
	}
	return nil
}

// Tick fires the schedules that came due and retries deliveries. Call it about
// once a second.
func (b *Bus) Tick(ctx context.Context) error {
	err := b.fireSchedules()
	b.queue.Tick()
	return err
}

func (b *Bus) fireSchedules() error {
	now := b.o.Now()
	var due []Rule
	b.mu.Lock()
	for _, name := range slices.Sorted(maps.Keys(b.rules)) {
		rule := b.rules[name]
		if rule.next.IsZero() || rule.next.After(now) {
			continue
		}
		if rule.State == enabled {
			due = append(due, rule.Rule)
		}
		rule.next, _ = rule.schedule.Next(rule.Created, now)
	}
	b.mu.Unlock()
	for _, rule := range due {
		e := Event{DetailType: "Scheduled Event", Source: "aws.events", Resources: []string{b.ARN(rule.Name)}}
		b.complete(&e)
		raw, err := json.Marshal(e)
		if err == nil {
			err = b.fire(rule, e.ID, raw)
		}
		if err != nil {
			return fmt.Errorf("fire rule %s: %w", rule.Name, err)
		}
	}
	return nil
}

// put keeps and activates a rule.
func (b *Bus) put(rule Rule) error {
	c, err := compile(rule, b.o.Now())
	if err != nil {
		return err
	}
	for _, target := range rule.Targets {
		if b.o.Accepts == nil {
			break
		}
		if err := b.o.Accepts(target.ARN); err != nil {
			return wire.Errorf("ValidationException", "rule %s: target %q: %v", rule.Name, target.ID, err)
		}
	}
	if err := b.kept.Put(rule.Name, rule); err != nil {
		return err
	}
	b.rules[rule.Name] = c
	return nil
}

// change edits a rule under the lock.
func (b *Bus) change(name string, edit func(*Rule) error) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	current, ok := b.rules[name]
	if !ok {
		return notFound(name)
	}
	rule := current.Rule
	rule.Targets = slices.Clone(rule.Targets)
	if err := edit(&rule); err != nil {
		return err
	}
	return b.put(rule)
}

func notFound(name string) error {
	return wire.Errorf("ResourceNotFoundException", "Rule %s does not exist on EventBus default.", name)
}
