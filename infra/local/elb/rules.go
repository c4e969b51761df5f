package elb

import (
	"bytes"
	"context"
	"encoding/json"
	"slices"
	"strconv"
	"strings"

	"github.com/sluice-ml/sluice/infra/local/wire"
)

const (
	maxRules    = 100 // of a load balancer, beside the defaults
	maxPriority = 50000
)

type createRuleIn struct {
	ListenerArn string
	Priority    *int
	Conditions  []Condition
	Actions     []Action
	Tags        []Tag
}

type ruleOut struct {
	RuleArn    string
	Priority   string
	Conditions []Condition `xml:"Conditions>member"`
	Actions    []Action    `xml:"Actions>member"`
	IsDefault  bool
}

type rulesOut struct {
	Rules      []ruleOut `xml:"Rules>member"`
	NextMarker string    `xml:",omitempty"`
}

func (r *rule) out() ruleOut {
	return ruleOut{r.ARN, strconv.Itoa(r.Priority), r.Conditions, r.Actions, false}
}

func (l *listener) defaultRule() ruleOut {
	return ruleOut{l.DefaultRule, "default", nil, l.Actions, true}
}

func (s *Service) createRule(_ context.Context, in createRuleIn) (*rulesOut, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r, err := s.addRule(in, "")
	if err != nil {
		return nil, err
	}
	return &rulesOut{Rules: []ruleOut{r.out()}}, nil
}

// addRule makes a rule; s.mu is held.
func (s *Service) addRule(in createRuleIn, logicalID string) (*rule, error) {
	l := s.state.Listeners[in.ListenerArn]
	if l == nil {
		return nil, noListener(in.ListenerArn)
	}
	if in.Priority == nil {
		return nil, invalid("A priority must be specified")
	}
	r := &rule{Listener: l.ARN, Priority: *in.Priority,
		ARN: strings.Replace(l.ARN, ":listener/", ":listener-rule/", 1) + "/" + s.identity(logicalID)}
	if err := s.checkPriority(r, r.Priority); err != nil {
		return nil, err
	}
	count := 0
	for _, other := range s.listenersOf(l.LoadBalancer) {
		count += len(s.rulesOf(other.ARN))
	}
	if count >= maxRules {
		return nil, wire.Errorf("TooManyRules", "The maximum number of rules has been reached on load balancer '%s': %d", l.LoadBalancer, maxRules)
	}
	var err error
	if r.Conditions, err = checkConditions(in.Conditions); err != nil {
		return nil, err
	}
	if r.Actions, err = s.checkFor(l.LoadBalancer, in.Actions); err != nil {
		return nil, err
	}
	if err := s.checkTags(r.ARN, in.Tags); err != nil {
		return nil, err
	}
	s.state.Rules[r.ARN] = r
	s.addTags(r.ARN, in.Tags)
	if err := s.save(); err != nil {
		delete(s.state.Rules, r.ARN)
		delete(s.state.Tags, r.ARN)
		return nil, err
	}
	s.attach()
	s.publish(l.ARN)
	return r, nil
}

// checkPriority wants a priority that no other rule of the listener has.
func (s *Service) checkPriority(r *rule, priority int) error {
	if priority < 1 || priority > maxPriority {
		return invalid("Priority '%d' must be between 1 and %d inclusive", priority, maxPriority)
	}
	for _, other := range s.rulesOf(r.Listener) {
		if other.Priority == priority && other.ARN != r.ARN {
			return wire.Errorf("PriorityInUse", "Priority '%d' is currently in use", priority)
		}
	}
	return nil
}

type describeRulesIn struct {
	ListenerArn string
	RuleArns    []string
	page
}

func (s *Service) describeRules(_ context.Context, in describeRulesIn) (*rulesOut, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if (in.ListenerArn == "") == (len(in.RuleArns) == 0) {
		return nil, invalid("You must specify either rule ARNs or a listener ARN")
	}
	var found []ruleOut
	if in.ListenerArn != "" {
		l := s.state.Listeners[in.ListenerArn]
		if l == nil {
			return nil, noListener(in.ListenerArn)
		}
		for _, r := range s.rulesOf(l.ARN) {
			found = append(found, r.out())
		}
		found = append(found, l.defaultRule())
	}
	for _, arn := range in.RuleArns {
		one, ok := s.ruleByARN(arn)
		if !ok {
			return nil, noRule(arn)
		}
		found = append(found, one)
	}
	found, next, err := cut(in.page, found, func(r ruleOut) string { return r.RuleArn })
	return &rulesOut{found, next}, err
}

// ruleByARN describes a rule, which may be a listener's default; s.mu is held.
func (s *Service) ruleByARN(arn string) (ruleOut, bool) {
	if r := s.state.Rules[arn]; r != nil {
		return r.out(), true
	}
	for _, l := range s.state.Listeners {
		if l.DefaultRule == arn {
			return l.defaultRule(), true
		}
	}
	return ruleOut{}, false
}

type modifyRuleIn struct {
	RuleArn    string
	Conditions []Condition
	Actions    []Action
}

func (s *Service) modifyRule(_ context.Context, in modifyRuleIn) (*rulesOut, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r, err := s.changeableRule(in.RuleArn, "modified")
	if err != nil {
		return nil, err
	}
	if err := s.setRule(r, in); err != nil {
		return nil, err
	}
	return &rulesOut{Rules: []ruleOut{r.out()}}, nil
}

// changeableRule gives a rule that is no listener's default; s.mu is held.
func (s *Service) changeableRule(arn, verb string) (*rule, error) {
	if r := s.state.Rules[arn]; r != nil {
		return r, nil
	}
	if _, ok := s.ruleByARN(arn); ok {
		return nil, notPermitted("Default rule '%s' cannot be %s", arn, verb)
	}
	return nil, noRule(arn)
}

// setRule replaces what is given of a rule; s.mu is held.
func (s *Service) setRule(r *rule, in modifyRuleIn) error {
	after := *r
	var err error
	if in.Conditions != nil {
		if after.Conditions, err = checkConditions(in.Conditions); err != nil {
			return err
		}
	}
	if in.Actions != nil {
		if after.Actions, err = s.checkFor(s.state.Listeners[r.Listener].LoadBalancer, in.Actions); err != nil {
			return err
		}
	}
	before := *r
	*r = after
	if err := s.save(); err != nil {
		*r = before
		return err
	}
	s.attach()
	s.publish(r.Listener)
	return nil
}

type ruleArnIn struct{ RuleArn string }

func (s *Service) deleteRule(_ context.Context, in ruleArnIn) (*none, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r, err := s.changeableRule(in.RuleArn, "deleted")
	if err != nil {
		return nil, err
	}
	delete(s.state.Rules, r.ARN)
	s.forget(r.ARN)
	if err := s.save(); err != nil {
		s.state.Rules[r.ARN] = r
		return nil, err
	}
	s.attach()
	s.publish(r.Listener)
	return &none{}, nil
}

type prioritiesIn struct{ RulePriorities []rulePriority }

type rulePriority struct {
	RuleArn  string
	Priority *int
}

// setPriorities gives rules of one listener other priorities, all or none.
func (s *Service) setPriorities(_ context.Context, in prioritiesIn) (*rulesOut, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	before := map[*rule]int{}
	restore := func() {
		for r, priority := range before {
			r.Priority = priority
		}
	}
	var changed []*rule
	for _, pair := range in.RulePriorities {
		r, err := s.changeableRule(pair.RuleArn, "reprioritized")
		if err == nil && (pair.Priority == nil || slices.Contains(changed, r)) {
			err = invalid("Each rule needs one priority: rule '%s'", pair.RuleArn)
		}
		if err == nil && len(changed) > 0 && changed[0].Listener != r.Listener {
			err = invalid("Rules must all belong to the same listener")
		}
		if err != nil {
			restore()
			return nil, err
		}
		before[r], r.Priority = r.Priority, *pair.Priority
		changed = append(changed, r)
	}
	if len(changed) == 0 {
		return nil, invalid("You must specify rule priorities")
	}
	for _, r := range changed {
		if err := s.checkPriority(r, r.Priority); err != nil {
			restore()
			return nil, err
		}
	}
	if err := s.save(); err != nil {
		restore()
		return nil, err
	}
	s.publish(changed[0].Listener)
	out := &rulesOut{}
	for _, r := range changed {
		out.Rules = append(out.Rules, r.out())
	}
	return out, nil
}

func sameJSON(a, b any) bool {
	x, err1 := json.Marshal(a)
	y, err2 := json.Marshal(b)
	return err1 == nil && err2 == nil && bytes.Equal(x, y)
}
