package asl

import "encoding/json"

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
	known     []bool // iterations that were taken up after a restart
}

func (a *activation) mapState() (*outcome, *Failure) {
	effective, f := a.effective()
	if f != nil {
		return nil, f
	}
	var items []any
	if a.state.mapping.reader == nil {
		if items, f = a.itemsOnce(effective); f != nil {
			return nil, f
		}
	}
	s := a.newScope(effective)
	limit, f := s.count(a.state.mapping.maxConcurrency, 0)
	if f != nil {
		return nil, f
	}
	j := &mapJob{a: a, effective: effective, items: items, limit: int(limit), results: make([]any, len(items)), ok: make([]bool, len(items))}
	if a.progress == nil {
		a.branch.emit("MapStateStarted", &Details{Length: whole(len(items))})
	}
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
	return j.inline()
}

// itemsOnce gives the array to iterate over; the attempt keeps it.
func (a *activation) itemsOnce(effective any) ([]any, *Failure) {
	if a.progress == nil || a.state.mapping.distributed {
		return a.items(effective)
	}
	v, err := decode(a.progress.Items)
	items, ok := v.([]any)
	if err != nil || !ok {
		return nil, a.runtime("The checkpoint's items are not an array")
	}
	return items, nil
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

func (j *mapJob) inline() (*outcome, *Failure) {
	if j.limit == 0 || j.limit > defaultConcurrency {
		j.limit = defaultConcurrency
	}
	a := j.a
	if f := j.begin(); f != nil {
		return nil, f
	}
	for from := a.branch.prev; j.more() && j.running < j.limit; {
		if f := j.start(from); f != nil {
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
		if j.more() {
			if f := j.start(child.prev); f != nil {
				return nil, f
			}
		}
	}
	a.branch.side("MapStateSucceeded", nil, a.branch.prev)
	return a.finish(j.results, nil)
}

// begin notes that the iterations begin, or takes up those that had begun.
func (j *mapJob) begin() *Failure {
	a := j.a
	if a.progress == nil {
		p := Progress{Started: a.branch.prev}
		if a.exec.spec.Save != nil || a.exec.spec.Unsuccessful != nil {
			p.Items = json.RawMessage(encode(j.items))
		}
		a.begin(p)
		return nil
	}
	j.known = make([]bool, len(j.items))
	for i := range j.items {
		if a.branch.track.taken[a.childKey(i)] == nil {
			continue
		}
		child := a.child(i, a.progress.Started)
		child.item = &mapItem{index: i, value: j.items[i], source: stateData}
		if _, err := child.takeUp(a.state.processor); err != nil {
			return a.runtime("%s", err)
		}
		j.known[i] = true
		if child.done {
			j.results[i] = child.out.value
		} else {
			j.running++
		}
	}
	return nil
}

// more moves on to the next iteration that was not begun; false at the end.
func (j *mapJob) more() bool {
	for j.next < len(j.known) && j.known[j.next] {
		j.next++
	}
	return j.next < len(j.items)
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
