package asl

import (
	"fmt"
	"math"
	"strings"
	"unicode"
)

func (p *parser) mapState(f *fields, s *State, language Language, inner func() []string) {
	m := &mapFields{}
	s.mapping = m
	if s.Language == JSONata {
		m.selector = f.jsonata("ItemSelector")
		f.items(m)
	} else {
		f.pathItems(s, m)
	}
	m.maxConcurrency = f.quantity(s, "MaxConcurrency", 0, math.MaxInt32)
	m.toleratedCount = f.quantity(s, "ToleratedFailureCount", 0, math.MaxInt32)
	m.toleratedPercent = f.quantity(s, "ToleratedFailurePercentage", 0, 100)
	p.datasetFields(f, s, m)
	name := "ItemProcessor"
	if f.has("Iterator") {
		name = "Iterator"
		if f.has("ItemProcessor") {
			f.report("Iterator", "Only one of \"ItemProcessor\" and \"Iterator\" may be given")
		}
	}
	if !f.required(name) {
		return
	}
	v, _ := f.take(name)
	pf, ok := p.object(v, f.at(name))
	if !ok {
		return
	}
	p.processorConfig(pf, m)
	pf.text("Comment")
	var outer []string
	if !m.distributed { // a distributed Map neither sees nor shadows outer variables
		outer = inner()
	}
	s.processor = p.branch(pf, language, outer)
	pf.done()
	f.mapLabel(m)
	if !m.distributed {
		f.onlyDistributed("ItemReader", "ItemBatcher", "ResultWriter")
	}
	if m.express {
		p.expressProcessor(s.processor, pf.pointer)
	}
}

// notInLabels are the characters that names of state machines and labels may
// not have.
const notInLabels = "?*<>{}[]:;,\\|^~$#%&`\"/"

func (f *fields) mapLabel(m *mapFields) {
	if m.label = f.text("Label"); m.label != "" && !m.distributed {
		f.report("Label", "Label is only supported for distributed Map states")
	}
	if len(m.label) > 40 || f.has("Label") && m.label == "" {
		f.report("Label", "A label has 1 to 40 characters")
	}
	bad := func(r rune) bool {
		return unicode.IsSpace(r) || unicode.IsControl(r) || strings.ContainsRune(notInLabels, r)
	}
	if strings.ContainsFunc(m.label, bad) {
		f.report("Label", "A label may not have white space, control characters or any of %s", notInLabels)
	}
}

// expressProcessor refuses what an Express execution cannot do: wait for jobs
// or tokens, and start map runs.
func (p *parser) expressProcessor(b *Branch, pointer string) {
	for _, name := range b.order {
		s, at := b.States[name], pointer+"/States/"+escapePointer(name)
		if s.Type == typeTask && (WaitsForToken(s.resource) || strings.Contains(s.resource, ".sync")) {
			p.report(at+"/Resource", "Express child executions do not support the resource %q: it waits", s.resource)
		}
		if s.mapping != nil && s.mapping.distributed {
			p.report(at, "Express child executions do not support distributed Map states")
		}
		for i, inner := range s.branches {
			p.expressProcessor(inner, fmt.Sprintf("%s/Branches/%d", at, i))
		}
		if s.processor != nil {
			p.expressProcessor(s.processor, at+"/ItemProcessor")
		}
	}
}

func (p *parser) processorConfig(f *fields, m *mapFields) {
	v, ok := f.take("ProcessorConfig")
	if !ok {
		return
	}
	c, ok := p.object(v, f.at("ProcessorConfig"))
	if !ok {
		return
	}
	mode, execution := c.text("Mode"), c.text("ExecutionType")
	switch mode {
	case "", "INLINE":
		if execution != "" {
			c.report("ExecutionType", "ExecutionType is only supported for distributed Map states")
		}
	case "DISTRIBUTED":
		m.distributed = true
		if execution != "STANDARD" && execution != "EXPRESS" {
			c.report("ExecutionType", "Value is not one of [STANDARD, EXPRESS]")
		}
		m.express = execution == "EXPRESS"
	default:
		c.report("Mode", "Value is not one of [INLINE, DISTRIBUTED]")
	}
	c.done()
}

// items reads JSONata's Items: an array, or an expression.
func (f *fields) items(m *mapFields) {
	v, ok := f.take("Items")
	if !ok {
		return
	}
	m.items = compileJSONata(v, f.p.reporter, f.at("Items"), "Items")
	_, isArray := v.([]any)
	if !isArray && !dynamic(m.items) {
		f.report("Items", "Items must be an array or a JSONata expression")
	}
}

func (f *fields) pathItems(s *State, m *mapFields) {
	s.resultPath = f.resultPath()
	s.selector = f.payloadTemplate("ResultSelector")
	m.selector = f.payloadTemplate("ItemSelector")
	if legacy := f.payloadTemplate("Parameters"); legacy != nil {
		if m.selector != nil {
			f.report("Parameters", "Only one of \"ItemSelector\" and \"Parameters\" may be given")
		}
		m.selector = legacy
	}
	if v, ok := f.take("ItemsPath"); ok {
		m.itemsPath = f.path("ItemsPath", v)
	}
}
