// Package faults is what goes wrong on request: functions that fail, calls that
// are throttled or whose answers are lost, events that come twice or never,
// endpoint updates that fail, and a clock that jumps.
//
// A Rule says what happens to which calls. The services ask Meet at every place
// where a fault can strike. Which of the matching calls it strikes follows from
// the injector's seed and the order of those calls alone.
package faults

import (
	"fmt"
	"math/rand/v2"
	"path"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Where a fault strikes.
const (
	Function = "function" // target: a function's name
	API      = "api"      // target: service, or service:Operation
	Event    = "event"    // target: an event's detail-type
	Update   = "update"   // target: an endpoint's name
)

// What it does there.
const (
	Fail     = "fail"     // function: an unhandled error; api: 500, nothing was done
	Timeout  = "timeout"  // function: as if its time were over
	Throttle = "throttle" // function and api
	Lose     = "lose"     // api: it is done, and the connection ends without an answer

	Drop      = "drop"      // event: never delivered
	Duplicate = "duplicate" // event: delivered twice
	Delay     = "delay"     // event: By later
	Reorder   = "reorder"   // event: after those of the next By

	RollBack      = "rollback"       // update: fails and rolls back, InService on the old configuration
	RollBackBadly = "rollback-badly" // update: fails, and its rollback too
)

// actions are what can be done where.
var actions = map[string][]string{
	Function: {Fail, Timeout, Throttle},
	API:      {Throttle, Fail, Lose},
	Event:    {Drop, Duplicate, Delay, Reorder},
	Update:   {RollBack, RollBackBadly},
}

// Rule is one fault.
type Rule struct {
	ID     string  `json:"id"` // given by Add
	On     string  `json:"on"`
	Target string  `json:"target"` // a name, or a pattern with * and ?
	Do     string  `json:"do"`
	Skip   int     `json:"skip,omitempty"`  // leaves the first so many alone
	Times  int     `json:"times,omitempty"` // strikes so often, then is over; 0 is until it is removed
	Share  float64 `json:"share,omitempty"` // of the calls that it meets, 0..1; 0 is all
	By     string  `json:"by,omitempty"`    // delay and reorder: e.g. "5s"; default 3s

	Met    int `json:"met"`    // matching calls so far
	Struck int `json:"struck"` // of them
}

// defaultDelay is how long events are held back.
const defaultDelay = 3 * time.Second

// Wait is By as a duration.
func (r Rule) Wait() time.Duration {
	if d, err := time.ParseDuration(r.By); err == nil {
		return d
	}
	return defaultDelay
}

// Check says what is wrong with a rule, naming the field and what it may be.
func (r Rule) Check() error {
	allowed, known := actions[r.On]
	switch {
	case !known:
		return fmt.Errorf("on is %q: want function, api, event or update", r.On)
	case !slices.Contains(allowed, r.Do):
		return fmt.Errorf("do is %q: want %s for a fault on %s", r.Do, strings.Join(allowed, ", "), r.On)
	case r.Target == "":
		return fmt.Errorf("target is missing: want a name, or a pattern such as *")
	case r.On == API && !served(r.Target):
		return fmt.Errorf("target %q: no service is called %q; want one of %s, with :Operation behind it or not", r.Target, serviceOf(r.Target), strings.Join(services, ", "))
	case r.Skip < 0 || r.Times < 0:
		return fmt.Errorf("skip %d, times %d: want none below 0", r.Skip, r.Times)
	case !(r.Share >= 0 && r.Share <= 1):
		return fmt.Errorf("share is %v: want 0 to 1", r.Share)
	}
	if _, err := path.Match(r.Target, ""); err != nil {
		return fmt.Errorf("target %q: %w", r.Target, err)
	}
	if r.By == "" {
		return nil
	}
	d, err := time.ParseDuration(r.By)
	switch {
	case r.Do != Delay && r.Do != Reorder:
		return fmt.Errorf("by is %q: only delay and reorder have it", r.By)
	case err != nil || d <= 0 || d > time.Hour:
		return fmt.Errorf("by is %q: want a duration such as 5s, at most 1h", r.By)
	}
	return nil
}

// services are the names that the stack's services are called by, as requests are
// signed for them.
var services = []string{"batch", "ecs", "elasticloadbalancing", "events", "kms", "lambda", "logs", "monitoring", "s3", "sagemaker", "scheduler", "sns", "sqs", "states", "sts"}

// serviceOf is the part of an API's target that names the service.
func serviceOf(target string) string {
	name, _, _ := strings.Cut(target, ":")
	return name
}

// served says whether a target can be about one of the services.
func served(target string) bool {
	return slices.ContainsFunc(services, func(name string) bool {
		ok, err := path.Match(serviceOf(target), name)
		return err == nil && ok
	})
}

// matches says whether a call has one of the names that the rule is about. A
// pattern's * stands for anything, slashes too.
func (r Rule) matches(names []string) bool {
	return slices.ContainsFunc(names, func(name string) bool {
		ok, err := path.Match(flat(r.Target), flat(name))
		return err == nil && ok
	})
}

func flat(s string) string { return strings.ReplaceAll(s, "/", "\x00") }

// Injector holds the rules of one stack. Its zero value has none; a nil one
// never strikes.
type Injector struct {
	Seed uint64

	mu     sync.Mutex
	rules  []*armed
	added  uint64
	offset time.Duration
}

type armed struct {
	Rule
	random *rand.Rand
}

// Add puts a rule in force and gives it its id. The error names the field that
// is wrong.
func (i *Injector) Add(r Rule) (Rule, error) {
	if err := r.Check(); err != nil {
		return r, err
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	i.added++
	r.ID, r.Met, r.Struck = strconv.FormatUint(i.added, 10), 0, 0
	i.rules = append(i.rules, &armed{r, rand.New(rand.NewPCG(i.Seed, i.added))})
	return r, nil
}

// Rules lists the rules in force, with what they did.
func (i *Injector) Rules() []Rule {
	i.mu.Lock()
	defer i.mu.Unlock()
	all := []Rule{}
	for _, r := range i.rules {
		all = append(all, r.Rule)
	}
	return all
}

// Remove ends a rule; false when there is none of that id.
func (i *Injector) Remove(id string) bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	before := len(i.rules)
	i.rules = slices.DeleteFunc(i.rules, func(r *armed) bool { return r.ID == id })
	return len(i.rules) < before
}

// Clear ends all rules. The clock stays where it is.
func (i *Injector) Clear() {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.rules = nil
}

// Meet says whether a call, by any of its names, is struck, and by which rule:
// the first that matches and is not over.
func (i *Injector) Meet(on string, names ...string) (Rule, bool) { return i.meet(on, "", names) }

// Strikes is Meet for the rules that do just this.
func (i *Injector) Strikes(on, do string, names ...string) bool {
	_, struck := i.meet(on, do, names)
	return struck
}

func (i *Injector) meet(on, do string, names []string) (Rule, bool) {
	if i == nil {
		return Rule{}, false
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	for _, r := range i.rules {
		if r.On != on || do != "" && r.Do != do || r.Times > 0 && r.Struck >= r.Times || !r.matches(names) {
			continue
		}
		if r.Met++; r.Met <= r.Skip || r.Share > 0 && r.random.Float64() >= r.Share {
			continue
		}
		r.Struck++
		return r.Rule, true
	}
	return Rule{}, false
}

// Jump moves the stack's clock, also back.
func (i *Injector) Jump(by time.Duration) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.offset += by
}

// Offset is how far the clock was moved.
func (i *Injector) Offset() time.Duration {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.offset
}

// Clock is now, moved by the jumps.
func (i *Injector) Clock(now func() time.Time) func() time.Time {
	return func() time.Time { return now().Add(i.Offset()) }
}
