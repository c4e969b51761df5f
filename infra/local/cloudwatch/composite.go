package cloudwatch

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
)

// CompositeAlarm is an alarm over other alarms' states:
// ALARM("a") OR (OK("b") AND NOT INSUFFICIENT_DATA("c")), TRUE, FALSE.
type CompositeAlarm struct {
	AlarmName               string   `json:"AlarmName"`
	AlarmRule               string   `json:"AlarmRule"`
	AlarmDescription        string   `json:"AlarmDescription,omitempty"`
	ActionsEnabled          *bool    `json:"ActionsEnabled,omitempty"` // nil is true
	OKActions               []string `json:"OKActions,omitempty"`
	AlarmActions            []string `json:"AlarmActions,omitempty"`
	InsufficientDataActions []string `json:"InsufficientDataActions,omitempty"`
}

type compositeRecord struct {
	Alarm   CompositeAlarm `json:"alarm"`
	Updated time.Time      `json:"updated"`
	Tags    tags           `json:"tags,omitempty"`
	status

	rule *ruleNode // parsed from Alarm; nil until first used
}

// ruleNode is a parsed rule: "AND", "OR", "NOT", "TRUE", "FALSE", or a state
// with the alarm it is asked of.
type ruleNode struct {
	op       string
	alarm    string
	operands []*ruleNode
}

var ruleToken = regexp.MustCompile(`^(?:"(?:[^"\\]|\\.)*"|[()]|[^\s()"]+)`)

type ruleParser struct {
	tokens []string
	depth  int
}

func parseRule(text string) (*ruleNode, error) {
	if len(text) == 0 || len(text) > 10240 {
		return nil, refused("AlarmRule has %d characters: want 1 to 10240", len(text))
	}
	p := &ruleParser{}
	for rest := strings.TrimSpace(text); rest != ""; rest = strings.TrimSpace(rest) {
		t := ruleToken.FindString(rest)
		if t == "" {
			return nil, refused("AlarmRule %q: cannot read %q", text, rest)
		}
		p.tokens = append(p.tokens, t)
		rest = rest[len(t):]
	}
	n, err := p.or()
	if err == nil && len(p.tokens) > 0 {
		err = fmt.Errorf("unexpected %s", p.tokens[0])
	}
	if err != nil {
		return nil, refused("AlarmRule %q: %v", text, err)
	}
	return n, nil
}

func (p *ruleParser) take(word string) bool {
	if len(p.tokens) == 0 || p.tokens[0] != word {
		return false
	}
	p.tokens = p.tokens[1:]
	return true
}

func (p *ruleParser) or() (*ruleNode, error) {
	left, err := p.and()
	for err == nil && p.take("OR") {
		var right *ruleNode
		right, err = p.and()
		left = &ruleNode{op: "OR", operands: []*ruleNode{left, right}}
	}
	return left, err
}

func (p *ruleParser) and() (*ruleNode, error) {
	left, err := p.not()
	for err == nil && p.take("AND") {
		var right *ruleNode
		right, err = p.not()
		left = &ruleNode{op: "AND", operands: []*ruleNode{left, right}}
	}
	return left, err
}

func (p *ruleParser) not() (*ruleNode, error) {
	p.depth++
	defer func() { p.depth-- }()
	if p.depth > 64 {
		return nil, fmt.Errorf("it is nested more than 64 deep")
	}
	switch {
	case p.take("NOT"):
		n, err := p.not()
		return &ruleNode{op: "NOT", operands: []*ruleNode{n}}, err
	case p.take("("):
		n, err := p.or()
		if err == nil && !p.take(")") {
			err = fmt.Errorf("a closing parenthesis is missing")
		}
		return n, err
	}
	return p.leaf()
}

func (p *ruleParser) leaf() (*ruleNode, error) {
	for _, word := range []string{"TRUE", "FALSE", "ALARM", "OK", "INSUFFICIENT_DATA"} {
		if !p.take(word) {
			continue
		}
		if word == "TRUE" || word == "FALSE" {
			return &ruleNode{op: word}, nil
		}
		name, err := p.alarmName()
		return &ruleNode{op: word, alarm: name}, err
	}
	if len(p.tokens) == 0 {
		return nil, fmt.Errorf("it ends too early")
	}
	return nil, fmt.Errorf("unexpected %s", p.tokens[0])
}

// alarmName reads ("name"), (name) or (arn).
func (p *ruleParser) alarmName() (string, error) {
	if !p.take("(") || len(p.tokens) < 2 || p.tokens[1] != ")" {
		return "", fmt.Errorf(`want a state and an alarm's name, such as ALARM("name")`)
	}
	name := p.tokens[0]
	p.tokens = p.tokens[2:]
	if quoted, ok := strings.CutPrefix(name, `"`); ok {
		name = strings.NewReplacer(`\"`, `"`, `\\`, `\`).Replace(strings.TrimSuffix(quoted, `"`))
	}
	if strings.HasPrefix(name, "arn:") {
		_, name, _ = strings.Cut(name, ":alarm:")
	}
	if name == "" || name == "(" || name == ")" {
		return "", fmt.Errorf("an alarm's name is missing")
	}
	return name, nil
}

// alarms lists the names the rule asks about.
func (n *ruleNode) alarms() []string {
	if n.alarm != "" {
		return []string{n.alarm}
	}
	var out []string
	for _, o := range n.operands {
		out = append(out, o.alarms()...)
	}
	return out
}

func (n *ruleNode) holds(state func(alarm string) State) bool {
	switch n.op {
	case "TRUE", "FALSE":
		return n.op == "TRUE"
	case "NOT":
		return !n.operands[0].holds(state)
	case "AND":
		return n.operands[0].holds(state) && n.operands[1].holds(state)
	case "OR":
		return n.operands[0].holds(state) || n.operands[1].holds(state)
	}
	return state(n.alarm) == State(n.op)
}

func (c *CompositeAlarm) check() (*ruleNode, error) {
	if err := checkAlarmName(c.AlarmName); err != nil {
		return nil, err
	}
	if err := checkActions(c.OKActions, c.AlarmActions, c.InsufficientDataActions); err != nil {
		return nil, err
	}
	n, err := parseRule(c.AlarmRule)
	if err == nil && slices.Contains(n.alarms(), c.AlarmName) {
		err = refused("composite alarm %s watches itself", c.AlarmName)
	}
	return n, err
}

func (c *CompositeAlarm) actionsEnabled() bool { return c.ActionsEnabled == nil || *c.ActionsEnabled }

func (c *CompositeAlarm) actions(s State) []string {
	switch s {
	case Alarm:
		return c.AlarmActions
	case OK:
		return c.OKActions
	}
	return c.InsufficientDataActions
}

// evaluateComposites repeats until nothing changes, because composites may
// watch composites; s.mu is held.
func (s *Service) evaluateComposites(now time.Time) (changed bool) {
	for range len(s.composites) {
		again := false
		for _, name := range sortedKeys(s.composites) {
			again = s.evaluateComposite(s.composites[name], now) || again
		}
		if !again {
			return changed
		}
		changed = true
	}
	return changed
}

func (s *Service) evaluateComposite(c *compositeRecord, now time.Time) bool {
	if c.rule == nil {
		n, err := c.Alarm.check()
		if err != nil {
			return false // it was checked when it was put
		}
		c.rule = n
	}
	to := OK
	if c.rule.holds(s.stateOf) {
		to = Alarm
	}
	if to == c.State {
		return false
	}
	s.transitComposite(c, to, s.compositeReason(c, now), s.triggering(c), now)
	return true
}

func (s *Service) stateOf(name string) State {
	if st := s.status(name); st != nil {
		return st.State
	}
	return InsufficientData
}

func (s *Service) compositeReason(c *compositeRecord, now time.Time) string {
	for _, name := range c.rule.alarms() {
		if st := s.status(name); st != nil {
			return fmt.Sprintf("%s transitioned to %s at %s", s.alarmARN(name), st.State, now.UTC().Format("Monday 02 January, 2006 15:04:05 UTC"))
		}
	}
	return "Unchecked: Initial alarm creation"
}

func (s *Service) triggering(c *compositeRecord) string {
	type one struct {
		ARN   string         `json:"arn"`
		State map[string]any `json:"state"`
	}
	list := []one{}
	for _, name := range c.rule.alarms() {
		if st := s.status(name); st != nil {
			list = append(list, one{s.alarmARN(name), map[string]any{"value": st.State, "timestamp": stamp(st.StateUpdated)}})
		}
	}
	return string(mustJSON(map[string]any{"triggeringAlarms": list}))
}

// transitComposite changes the state and notes what is to be told.
func (s *Service) transitComposite(c *compositeRecord, to State, reason, data string, now time.Time) {
	before := c.status
	c.State, c.Reason, c.ReasonData, c.StateUpdated = to, reason, data, now
	change := change{name: c.Alarm.AlarmName, arn: s.alarmARN(c.Alarm.AlarmName), before: before, after: c.status}
	configuration := map[string]any{"alarmRule": c.Alarm.AlarmRule, "description": c.Alarm.AlarmDescription}
	c.Pending = append(c.Pending, s.event(change, configuration))
	s.noteState(change)
	if !c.Alarm.actionsEnabled() {
		return
	}
	var message json.RawMessage = s.snsEnvelope(change, c.Updated, c.Alarm.AlarmDescription,
		[3][]string{c.Alarm.OKActions, c.Alarm.AlarmActions, c.Alarm.InsufficientDataActions}, map[string]any{"AlarmRule": c.Alarm.AlarmRule})
	for _, arn := range c.Alarm.actions(to) {
		c.Pending = append(c.Pending, s.action(change, arn, configuration, message))
	}
}
