package events

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/sluice-ml/sluice/infra/local/events/delivery"
	"github.com/sluice-ml/sluice/infra/local/events/pattern"
	"github.com/sluice-ml/sluice/infra/local/events/schedule"
	"github.com/sluice-ml/sluice/infra/local/wire"
)

const (
	enabled    = "ENABLED"
	disabled   = "DISABLED"
	maxTargets = 5
)

// Rule is a rule as it is kept on disk.
type Rule struct {
	Name        string
	Description string    `json:",omitempty"`
	Pattern     string    `json:",omitempty"`
	Schedule    string    `json:",omitempty"`
	State       string    // ENABLED or DISABLED
	RoleARN     string    `json:",omitempty"`
	Targets     []Target  `json:",omitempty"`
	Declared    string    `json:",omitempty"` // what the template said, for rules of the template
	Created     time.Time // a rate counts from here
}

// Target is one target of a rule.
type Target struct {
	ID               string            `json:"Id"`
	ARN              string            `json:"Arn"`
	RoleARN          string            `json:"RoleArn,omitempty"`
	Input            string            `json:"Input,omitempty"`
	InputPath        string            `json:"InputPath,omitempty"`
	InputTransformer *InputTransformer `json:"InputTransformer,omitempty"`
	RetryPolicy      *RetryPolicy      `json:"RetryPolicy,omitempty"`
	DeadLetterConfig *DeadLetterConfig `json:"DeadLetterConfig,omitempty"`
}

// RetryPolicy bounds the tries of a target; a nil field has AWS's default.
type RetryPolicy struct {
	MaximumRetryAttempts     *int `json:"MaximumRetryAttempts,omitempty"`     // 0 to 185, default 185
	MaximumEventAgeInSeconds *int `json:"MaximumEventAgeInSeconds,omitempty"` // 60 to 86400, default 86400
}

// DeadLetterConfig names the SQS queue that gets what could not be delivered.
type DeadLetterConfig struct {
	ARN string `json:"Arn"`
}

// compiled is a rule ready to match and fire.
type compiled struct {
	Rule
	pattern  *pattern.Pattern
	schedule *schedule.Schedule
	next     time.Time // when the schedule fires; zero is never
}

var ruleName = regexp.MustCompile(`^[.\-_A-Za-z0-9]{1,64}$`)

func compile(r Rule, now time.Time) (*compiled, error) {
	if !ruleName.MatchString(r.Name) {
		return nil, wire.Errorf("ValidationException", "rule name %q: want 1 to 64 letters, digits, '.', '-' and '_'", r.Name)
	}
	if r.State != enabled && r.State != disabled {
		return nil, wire.Errorf("ValidationException", "rule %s: State is %q, want ENABLED or DISABLED", r.Name, r.State)
	}
	if r.Pattern == "" && r.Schedule == "" {
		return nil, wire.Errorf("ValidationException", "rule %s: it needs an EventPattern or a ScheduleExpression", r.Name)
	}
	c := &compiled{Rule: r}
	if r.Pattern != "" {
		p, err := pattern.Compile([]byte(r.Pattern))
		if err != nil {
			return nil, wire.Errorf("InvalidEventPatternException", "rule %s: %v", r.Name, err)
		}
		c.pattern = p
	}
	if r.Schedule != "" {
		s, err := schedule.Parse(r.Schedule)
		if err != nil {
			return nil, wire.Errorf("ValidationException", "rule %s: %v", r.Name, err)
		}
		c.schedule = &s
		c.next, _ = s.Next(r.Created, now)
	}
	return c, checkTargets(r)
}

func checkTargets(r Rule) error {
	if len(r.Targets) > maxTargets {
		return &wire.Error{Code: "LimitExceededException", Status: 400, Message: "rule " + r.Name + " has more than 5 targets"}
	}
	for i, t := range r.Targets {
		if slices.ContainsFunc(r.Targets[:i], func(other Target) bool { return other.ID == t.ID }) {
			return wire.Errorf("ValidationException", "rule %s: two targets have the id %q", r.Name, t.ID)
		}
		if err := t.check(); err != nil {
			return wire.Errorf("ValidationException", "rule %s: target %q: %v", r.Name, t.ID, err)
		}
	}
	return nil
}

func (t Target) check() error {
	if t.ID == "" || !strings.HasPrefix(t.ARN, "arn:") {
		return fmt.Errorf("it needs an Id and an Arn, got Arn %q", t.ARN)
	}
	inputs := 0
	for _, set := range []bool{t.Input != "", t.InputPath != "", t.InputTransformer != nil} {
		if set {
			inputs++
		}
	}
	if inputs > 1 {
		return fmt.Errorf("only one of Input, InputPath and InputTransformer may be set")
	}
	if t.Input != "" && !json.Valid([]byte(t.Input)) {
		return fmt.Errorf("Input is not valid JSON: %s", t.Input)
	}
	if t.InputPath != "" {
		if _, err := parsePath(t.InputPath); err != nil {
			return err
		}
	}
	if err := t.InputTransformer.check(); err != nil {
		return err
	}
	return t.RetryPolicy.Check()
}

// Check returns an error when a bound is outside what AWS allows.
func (p *RetryPolicy) Check() error {
	if p == nil {
		return nil
	}
	if n := p.MaximumRetryAttempts; n != nil && (*n < 0 || *n > delivery.MaxAttempts) {
		return fmt.Errorf("MaximumRetryAttempts is %d, want 0 to %d", *n, delivery.MaxAttempts)
	}
	if n := p.MaximumEventAgeInSeconds; n != nil && (*n < 60 || *n > 86400) {
		return fmt.Errorf("MaximumEventAgeInSeconds is %d, want 60 to 86400", *n)
	}
	return nil
}

// delivery makes a delivery to the target with its retry policy.
func (t Target) delivery(source string, payload []byte) delivery.Delivery {
	d := delivery.Delivery{Source: source, TargetARN: t.ARN, RoleARN: t.RoleARN, Payload: payload}
	d.Retries, d.MaxAge = t.RetryPolicy.Limits()
	if t.DeadLetterConfig != nil {
		d.DeadLetter = t.DeadLetterConfig.ARN
	}
	return d
}

// Limits gives how many retries, and until which age of the event.
func (p *RetryPolicy) Limits() (retries int, age time.Duration) {
	retries, age = delivery.MaxAttempts, delivery.MaxAge
	if p != nil && p.MaximumRetryAttempts != nil {
		retries = *p.MaximumRetryAttempts
	}
	if p != nil && p.MaximumEventAgeInSeconds != nil {
		age = time.Duration(*p.MaximumEventAgeInSeconds) * time.Second
	}
	return retries, age
}
