package asl

// defaultConcurrency is how many iterations run at once when MaxConcurrency
// is 0: AWS gives inline maps 40.
const defaultConcurrency = 40

// mapJob is a Map state at work.
type mapJob struct {
	a         *activation
	effective any
	items     []any
	limit     int
	next      int // the next item to start
	running   int
	results   []any
	ok        []bool
}

func (a *activation) mapState() (*outcome, *Failure) {
	effective, f := a.effective()
	if f != nil {
		return nil, f
	}
	var items []any
	if a.state.mapping.reader == nil {
		if items, f = a.items(effective); f != nil {
			return nil, f
		}
	}
	s := a.newScope(effective)
	limit, f := s.count(a.state.mapping.maxConcurrency, 0)
	if f != nil {
		return nil, f
	}
	j := &mapJob{a: a, effective: effective, items: items, limit: int(limit), results: make([]any, len(items)), ok: make([]bool, len(items))}
	started := a.branch.emit("MapStateStarted", &Details{Length: whole(len(items))})
	tolerated, f := s.count(a.state.mapping.toleratedCount, 0)
	if f != nil {
		return nil, f
	}
	percent, f := s.percentage(a.state.mapping.toleratedPercent)
	if f != nil {
		return nil, f
	}
	if m := a.state.mapping; m.distributed {
		return a.distributedMap(j, given(m.toleratedCount, tolerated), given(m.toleratedPercent, percent))
	}
	return j.inline(started)
}

// given is nil for a field that the state does not have.
func given[T any](q *quantity, v T) *T {
	if q == nil {
		return nil
	}
	return &v
}

// items gives the array to iterate over.
func (a *activation) items(effective any) ([]any, *Failure) {
	m := a.state.mapping
	if a.state.Language == JSONata {
		if m.items != nil {
			v, f := a.newScope(a.input.value).typed(m.items, "Items", "array")
			if f != nil {
				return nil, f
			}
			return v.([]any), nil
		}
		items, ok := a.input.value.([]any)
		if !ok {
			return nil, a.query("", "Map state input must be an array but was: %s", encode(a.input.value))
		}
		return items, nil
	}
	v, reference := effective, "$"
	if m.itemsPath != nil {
		var err error
		reference = m.itemsPath.text
		if v, err = a.newScope(effective).path(m.itemsPath); err != nil {
			return nil, a.runtime("Invalid path '%s' : %s", reference, err)
		}
	}
	items, ok := v.([]any)
	if !ok {
		return nil, a.runtime("Reference path \"%s\" must point to array.", reference)
	}
	return items, nil
}

// input is what iteration i gets.
func (j *mapJob) input(i int) (any, *Failure) {
	m := j.a.state.mapping
	if m.selector == nil {
		return j.items[i], nil
	}
	s := j.a.newScope(j.effective)
	context := copyObject(j.a.contextObject().(object))
	context.Set("Map", contextItem(&mapItem{index: i, value: j.items[i], source: stateData}))
	s.context = context
	return m.selector.fill(s)
}

func (a *activation) iteration(child *branchRun) *Details {
	return &Details{Name: a.state.Name, Index: whole(child.index)}
}

func (j *mapJob) inline(started int64) (*outcome, *Failure) {
	if j.limit == 0 || j.limit > defaultConcurrency {
		j.limit = defaultConcurrency
	}
	a := j.a
	a.branch.prev = started
	for j.next < len(j.items) && j.running < j.limit {
		if f := j.start(started); f != nil {
			return nil, f
		}
	}
	for j.running > 0 {
		child := a.nextFinished()
		j.running--
		if child.failed != nil {
			return nil, a.branchFailed(child, true)
		}
		a.branch.prev = a.branch.side("MapIterationSucceeded", a.iteration(child), child.prev)
		j.results[child.index] = child.out.value
		if j.next < len(j.items) {
			if f := j.start(child.prev); f != nil {
				return nil, f
			}
		}
	}
	a.branch.side("MapStateSucceeded", nil, a.branch.prev)
	return a.finish(j.results, nil)
}

// start begins the next iteration; its first event follows from.
func (j *mapJob) start(from int64) *Failure {
	a, i := j.a, j.next
	in, f := j.input(i)
	if f != nil {
		for _, child := range a.children {
			child.kill()
		}
		return f
	}
	j.next++
	j.running++
	child := a.child(i, from)
	child.item = &mapItem{index: i, value: j.items[i], source: stateData}
	child.prev = a.branch.side("MapIterationStarted", a.iteration(child), from)
	def := a.state.processor
	child.launch(func() (*payload, *Failure) { return child.run(def, def.StartAt, newPayload(in)) })
	return nil
}
