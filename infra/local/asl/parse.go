package asl

import (
	"fmt"
	"regexp"
	"slices"
)

// MaxDefinition is the largest definition, in bytes.
const MaxDefinition = 1 << 20

// maxSeconds is the largest timeout or wait that a definition may hold.
const maxSeconds = 99_999_999

// TaskDefinition is what can be known of a Task before it runs.
type TaskDefinition struct {
	Resource string
	// Fields are the names of the members of Parameters or Arguments; nil when
	// they are only known at run time.
	Fields []string
}

// Parse compiles a definition and checks all that AWS checks when a state
// machine is created. check, if not nil, is asked about every Task and its
// error refuses the definition at the Task's resource. The error is a
// *DefinitionError.
func Parse(definition []byte, check func(TaskDefinition) error) (*Machine, error) {
	p := &parser{check: check, names: map[string]string{}}
	if len(definition) > MaxDefinition {
		p.report("/", "The definition is longer than %d bytes", MaxDefinition)
		return nil, &DefinitionError{p.problems}
	}
	v, err := decode(definition)
	if err != nil {
		p.reportCode(CodeJSON, "/", "%s", err)
		return nil, &DefinitionError{p.problems}
	}
	m := &Machine{Language: JSONPath}
	if f, ok := p.object(v, ""); ok {
		p.machine(m, f)
	}
	if len(p.problems) > 0 {
		return nil, &DefinitionError{p.problems}
	}
	return m, nil
}

func (p *parser) machine(m *Machine, f *fields) {
	m.Comment = f.text("Comment")
	if f.has("Version") && f.text("Version") != "1.0" {
		f.report("Version", "Value is not one of [1.0]")
	}
	m.TimeoutSeconds = f.integer("TimeoutSeconds", 0, 1, maxSeconds)
	m.Language = f.language(JSONPath)
	m.branch = p.branch(f, m.Language, nil)
	f.done()
}

func (f *fields) language(fallback Language) Language {
	if !f.has("QueryLanguage") {
		return fallback
	}
	switch l := Language(f.text("QueryLanguage")); l {
	case JSONPath, JSONata:
		return l
	default:
		f.report("QueryLanguage", "Value is not one of [JSONPath, JSONata]")
		return fallback
	}
}

// branch reads StartAt and States. outer holds the variables that an enclosing
// branch assigns.
func (p *parser) branch(f *fields, language Language, outer []string) *Branch {
	b := &Branch{States: map[string]*State{}}
	complete := f.required("States", "StartAt")
	b.StartAt = f.text("StartAt")
	v, _ := f.take("States")
	if !complete {
		return b
	}
	states, ok := p.object(v, f.at("States"))
	if !ok {
		return b
	}
	if states.o.Len() == 0 {
		p.report(states.pointer, "A state machine needs at least one state")
	}
	assigned := map[string][]string{} // state → the variables it assigns
	for _, name := range states.o.Keys() {
		assigned[name] = assignedNames(states.o, name)
	}
	for _, name := range states.o.Keys() {
		v, _ := states.take(name)
		p.stateName(name, states.at(name))
		inner := func() []string {
			names := slices.Clone(outer)
			for _, other := range states.o.Keys() {
				if other != name {
					names = append(names, assigned[other]...)
				}
			}
			return names
		}
		if sf, ok := p.object(v, states.at(name)); ok {
			b.order = append(b.order, name)
			b.States[name] = p.state(sf, name, language, outer, inner)
		}
	}
	p.transitions(b, f, states)
	return b
}

func (p *parser) stateName(name, pointer string) {
	if n := len([]rune(name)); n == 0 || n > 80 {
		p.report(pointer, "A state name must have 1 to 80 characters")
	}
	if first, twice := p.names[name]; twice {
		p.reportCode(CodeDuplicate, pointer, "The state name %q is already used at %s", name, first)
	}
	p.names[name] = pointer
}

// assignedNames lists the variables a state assigns, before it is compiled.
func assignedNames(states object, name string) []string {
	v, _ := states.Get(name)
	o, ok := v.(object)
	if !ok {
		return nil
	}
	var names []string
	collect := func(o object) {
		v, _ := o.Get("Assign")
		if assign, ok := v.(object); ok {
			for _, k := range assign.Keys() {
				names = append(names, variableName(k))
			}
		}
	}
	collect(o)
	for _, list := range []string{"Catch", "Choices"} {
		v, _ := o.Get(list)
		rules, _ := v.([]any)
		for _, r := range rules {
			if rule, ok := r.(object); ok {
				collect(rule)
			}
		}
	}
	return names
}

// transitions checks that every target is there and every state reachable.
func (p *parser) transitions(b *Branch, f, states *fields) {
	if b.States[b.StartAt] == nil {
		p.reportCode(CodeTransition, f.at("StartAt"), "Missing 'StartAt' target: %s", b.StartAt)
		return
	}
	reached := map[string]bool{b.StartAt: true}
	pending := []string{b.StartAt}
	for len(pending) > 0 {
		name := pending[0]
		pending = pending[1:]
		for _, target := range b.States[name].targets() {
			if b.States[target.name] == nil {
				p.reportCode(CodeTransition, states.at(name)+target.pointer, "Missing 'Next' target: %s", target.name)
			} else if !reached[target.name] {
				reached[target.name] = true
				pending = append(pending, target.name)
			}
		}
	}
	for _, name := range b.order {
		if !reached[name] {
			p.reportCode(CodeTransition, states.at(name), "State %q is not reachable.", name)
		}
	}
}

type target struct{ name, pointer string }

func (s *State) targets() []target {
	var out []target
	if s.Next != "" {
		out = append(out, target{s.Next, "/Next"})
	}
	if s.other != "" {
		out = append(out, target{s.other, "/Default"})
	}
	for i, c := range s.choices {
		out = append(out, target{c.next, fmt.Sprintf("/Choices/%d/Next", i)})
	}
	for i, c := range s.catch {
		out = append(out, target{c.next, fmt.Sprintf("/Catch/%d/Next", i)})
	}
	return out
}

var variablePattern = regexp.MustCompile(`^[\p{L}_][\p{L}\p{N}_]*$`)

// assign reads an Assign field.
func (f *fields) assign(language Language, outer []string) []member {
	v, ok := f.take("Assign")
	if !ok {
		return nil
	}
	o, ok := v.(object)
	if !ok {
		f.report("Assign", "Expected value of type Object")
		return nil
	}
	var t template
	if language == JSONata {
		t = compileJSONata(o, f.p.reporter, f.at("Assign"), "Assign")
	} else {
		t = compilePathObject(o, f.p.reporter, f.at("Assign"))
	}
	var list []member
	if m, ok := t.(members); ok {
		list = m.list
	} else {
		o.Range(func(k string, v any) bool { list = append(list, member{k, constant{v}}); return true })
	}
	for _, m := range list {
		switch {
		case !variablePattern.MatchString(m.name) || len([]rune(m.name)) > 80:
			f.report("Assign", "%q is not a variable name: use up to 80 letters, digits and underscores", m.name)
		case m.name == "states":
			f.report("Assign", "The variable name 'states' is reserved")
		case slices.Contains(outer, m.name):
			f.report("Assign", "The variable %q belongs to an outer scope and cannot be assigned here", m.name)
		}
	}
	return list
}
