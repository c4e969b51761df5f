package asl

import (
	"fmt"
	"slices"
	"strings"
)

func variableName(key string) string { return strings.TrimSuffix(key, ".$") }

// state compiles one state. outer are the variables of enclosing branches,
// inner gives those that branches inside this state may not assign.
func (p *parser) state(f *fields, name string, language Language, outer []string, inner func() []string) *State {
	s := &State{Name: name, Language: f.language(language)}
	if language == JSONata && s.Language == JSONPath {
		p.report(f.pointer, "'QueryLanguage' can not be 'JSONPath' if set to 'JSONata' for whole state machine")
	}
	f.text("Comment")
	if !f.required("Type") {
		return s
	}
	s.Type = f.text("Type")
	if s.Language == JSONPath && s.Type != typeFail {
		s.input, s.output = f.pathField("InputPath"), f.pathField("OutputPath")
	}
	if s.Language == JSONata && s.Type != typeFail {
		s.jsonataOutput = f.jsonata("Output")
	}
	if s.Type != typeFail && s.Type != typeSucceed {
		s.assign = f.assign(s.Language, outer)
	}
	switch s.Type {
	case typeTask:
		p.task(f, s)
	case typePass:
		f.pass(s)
	case typeChoice:
		p.choice(f, s, outer)
	case typeWait:
		f.wait(s)
	case typeParallel:
		p.parallel(f, s, language, inner)
	case typeMap:
		p.mapState(f, s, language, inner)
	case typeSucceed:
	case typeFail:
		f.fail(s)
	default:
		f.report("Type", "Value is not one of [Task, Pass, Choice, Wait, Succeed, Fail, Parallel, Map]")
		return s
	}
	switch s.Type {
	case typeTask, typeParallel, typeMap:
		s.retry, s.catch = f.retriers(), f.catchers(s.Language, outer)
	}
	f.transition(s)
	f.done()
	return s
}

// transition reads Next and End.
func (f *fields) transition(s *State) {
	if slices.Contains([]string{typeChoice, typeSucceed, typeFail}, s.Type) {
		return
	}
	s.Next = f.text("Next")
	end := f.flag("End")
	if (s.Next != "") == end {
		f.p.report(f.pointer, "A state needs exactly one of \"Next\" and \"End\": true")
	}
}

func (f *fields) pathField(name string) *pathField {
	v, ok := f.take(name)
	if !ok {
		return nil
	}
	if isNull(v) {
		return &pathField{null: true}
	}
	p := f.path(name, v)
	if p == nil || p.root == rootInput && len(p.segments) == 0 {
		return nil
	}
	return &pathField{path: p}
}

// path compiles v, the value of the member name, as a JSONPath.
func (f *fields) path(name string, v any) *path {
	s, ok := v.(string)
	if !ok {
		f.report(name, "Expected value of type JSONPath")
		return nil
	}
	p, err := parsePath(s)
	if err != nil {
		f.report(name, "%s", err)
		return nil
	}
	return p
}

func (f *fields) resultPath() *resultPath {
	v, ok := f.take("ResultPath")
	if !ok {
		return nil
	}
	if isNull(v) {
		return &resultPath{null: true}
	}
	p := f.path("ResultPath", v)
	if p == nil {
		return nil
	}
	if err := p.asReference(); err != nil {
		f.report("ResultPath", "%s", err)
	}
	return &resultPath{path: p}
}

func (f *fields) payloadTemplate(name string) template {
	v, ok := f.take(name)
	if !ok {
		return nil
	}
	return compilePathTemplate(v, f.p.reporter, f.at(name))
}

func (f *fields) jsonata(name string) template {
	v, ok := f.take(name)
	if !ok {
		return nil
	}
	return compileJSONata(v, f.p.reporter, f.at(name), name)
}

// parameters reads what Task, Parallel and Pass share.
func (f *fields) parameters(s *State) {
	if s.Language == JSONata {
		return
	}
	s.parameters = f.payloadTemplate("Parameters")
	s.resultPath = f.resultPath()
}

func (p *parser) task(f *fields, s *State) {
	f.parameters(s)
	if s.Language == JSONata {
		s.parameters = f.jsonata("Arguments")
	} else {
		s.selector = f.payloadTemplate("ResultSelector")
	}
	f.required("Resource")
	s.resource = f.text("Resource")
	if f.has("Resource") {
		p.resource(f, s.resource)
	}
	s.timeout = f.quantity(s, "TimeoutSeconds", 1, maxSeconds)
	s.heartbeat = f.quantity(s, "HeartbeatSeconds", 1, maxSeconds)
	timeout, ok1 := s.timeout.fixed()
	heartbeat, ok2 := s.heartbeat.fixed()
	if ok2 && (ok1 && heartbeat >= timeout) {
		f.report("HeartbeatSeconds", "HeartbeatSeconds must be smaller than TimeoutSeconds")
	}
}

func (p *parser) resource(f *fields, resource string) {
	if !strings.HasPrefix(resource, "arn:") {
		f.report("Resource", "Value is not a valid resource ARN")
		return
	}
	if p.check == nil {
		return
	}
	if err := p.check(TaskDefinition{resource, f.argumentNames()}); err != nil {
		f.report("Resource", "%s", err)
	}
}

// argumentNames are the names of the members of Parameters or Arguments.
func (f *fields) argumentNames() []string {
	for _, name := range []string{"Parameters", "Arguments"} {
		v, _ := f.o.Get(name)
		o, ok := v.(object)
		if !ok {
			continue
		}
		names := []string{}
		for _, k := range o.Keys() {
			names = append(names, variableName(k))
		}
		return names
	}
	return nil
}

// quantity reads a number that is literal, a …Path, or a JSONata expression.
func (f *fields) quantity(s *State, name string, least, most int64) *quantity {
	if q := f.referenced(s, name+"Path"); q != nil {
		if f.has(name) {
			f.report(name, "Only one of %q and %q may be given", name, name+"Path")
		}
		return q
	}
	v, ok := f.take(name)
	if !ok {
		return nil
	}
	if s.Language == JSONata {
		if _, isText := v.(string); isText {
			return &quantity{name: name, value: f.expression(name, v)}
		}
	}
	n, ok := number(v)
	if !ok {
		f.report(name, "Expected value of type Integer")
		return nil
	}
	if n < float64(least) || n > float64(most) {
		f.report(name, "Value is not in the range %d to %d", least, most)
	}
	return &quantity{name: name, value: constant{v}}
}

// expression compiles a string that must be a JSONata expression.
func (f *fields) expression(name string, v any) template {
	t := compileJSONata(v, f.p.reporter, f.at(name), name)
	if !dynamic(t) {
		f.report(name, "The value must be a JSONata expression in {%% %%}")
	}
	return t
}

// referenced reads a …Path field.
func (f *fields) referenced(s *State, name string) *quantity {
	if s.Language == JSONata || !f.has(name) {
		return nil
	}
	v, _ := f.take(name)
	if p := f.path(name, v); p != nil {
		return &quantity{name: name, path: p}
	}
	return nil
}

// fixed is a literal quantity's value.
func (q *quantity) fixed() (float64, bool) {
	if q == nil {
		return 0, false
	}
	c, ok := q.value.(constant)
	if !ok {
		return 0, false
	}
	return number(c.value)
}

func (f *fields) pass(s *State) {
	f.parameters(s)
	if s.Language == JSONPath {
		if v, ok := f.take("Result"); ok {
			s.result = v
		}
	}
}

func (f *fields) wait(s *State) {
	s.seconds = f.quantity(s, "Seconds", 0, maxSeconds)
	if q := f.referenced(s, "TimestampPath"); q != nil {
		s.timestamp = q
	}
	if v, ok := f.take("Timestamp"); ok {
		switch text, isText := v.(string); {
		case !isText:
			f.report("Timestamp", "Expected value of type String")
		case s.Language == JSONata && strings.HasPrefix(text, "{%"):
			s.timestamp = &quantity{name: "Timestamp", value: f.expression("Timestamp", v)}
		default:
			if _, ok := parseTimestamp(text); !ok {
				f.report("Timestamp", "Value is not a valid ISO-8601 timestamp")
			}
			s.timestamp = &quantity{name: "Timestamp", value: constant{v}}
		}
	}
	given := 0
	for _, name := range []string{"Seconds", "SecondsPath", "Timestamp", "TimestampPath"} {
		if f.has(name) {
			given++
		}
	}
	if given != 1 {
		f.p.report(f.pointer, "A Wait state needs exactly one of Seconds, SecondsPath, Timestamp and TimestampPath")
	}
}

func (f *fields) fail(s *State) {
	s.errorName, s.cause = f.failText(s, "Error"), f.failText(s, "Cause")
}

func (f *fields) failText(s *State, name string) *quantity {
	if s.Language == JSONPath && f.has(name+"Path") {
		v, _ := f.take(name + "Path")
		t, err := compileReference(v, name+"Path")
		if err != nil {
			f.report(name+"Path", "%s", err)
			return nil
		}
		if f.has(name) {
			f.report(name, "Only one of %q and %q may be given", name, name+"Path")
		}
		return &quantity{name: name + "Path", value: t}
	}
	if !f.has(name) {
		return nil
	}
	text := f.text(name)
	if s.Language == JSONata {
		return &quantity{name: name, value: compileJSONata(text, f.p.reporter, f.at(name), name)}
	}
	return &quantity{name: name, value: constant{text}}
}

func (p *parser) parallel(f *fields, s *State, language Language, inner func() []string) {
	f.parameters(s)
	if s.Language == JSONata {
		s.parameters = f.jsonata("Arguments")
	} else {
		s.selector = f.payloadTemplate("ResultSelector")
	}
	f.required("Branches")
	branches := f.array("Branches")
	if f.has("Branches") && len(branches) == 0 {
		f.report("Branches", "A Parallel state needs at least one branch")
	}
	names := inner()
	for i, v := range branches {
		if bf, ok := p.object(v, fmt.Sprintf("%s/%d", f.at("Branches"), i)); ok {
			bf.text("Comment")
			s.branches = append(s.branches, p.branch(bf, language, names))
			bf.done()
		}
	}
}
