package asl

// newScope is a scope for expressions of the state with a value for $ and
// $states.input.
func (a *activation) newScope(input any) *scope { return &scope{act: a, input: input} }

// effective is the state's input after InputPath.
func (a *activation) effective() (any, *Failure) {
	return a.selectPath(a.state.input, a.input.value)
}

// selectPath applies InputPath or OutputPath.
func (a *activation) selectPath(p *pathField, v any) (any, *Failure) {
	switch {
	case p == nil:
		return v, nil
	case p.null:
		return newObject(), nil
	}
	out, err := a.newScope(v).path(p.path)
	if err != nil {
		return nil, a.runtime("Invalid path '%s' : %s", p.path.text, err)
	}
	return out, nil
}

// arguments gives the effective input and what Parameters or Arguments make
// of it.
func (a *activation) arguments() (effective, arguments any, f *Failure) {
	if effective, f = a.effective(); f != nil {
		return nil, nil, f
	}
	if a.state.parameters == nil {
		return effective, effective, nil
	}
	arguments, f = a.state.parameters.fill(a.newScope(effective))
	return effective, arguments, f
}

// combine puts a result into the state's input, as ResultPath says.
func (a *activation) combine(r *resultPath, result any) (any, *Failure) {
	switch {
	case r == nil:
		return result, nil
	case r.null:
		return a.input.value, nil
	}
	out, err := r.path.put(a.input.value, result)
	if err != nil {
		return nil, failure(ErrResultPathMatchFailure, a.in("Unable to apply step \"%s\" to input: %s", r.path.text, err))
	}
	return out, nil
}

// finish makes the state's output of a result: ResultSelector, Assign,
// ResultPath and OutputPath, or JSONata's Output and Assign. result is nil for
// a state that has none; fallback is then JSONPath's $ and the output.
func (a *activation) finish(result, fallback any) (*outcome, *Failure) {
	if a.state.Language == JSONata {
		return a.finishJSONata(result, a.state.jsonataOutput, a.state.assign, a.state.Next)
	}
	o := &outcome{next: a.state.Next, assign: a.state.assign}
	if result == nil && fallback == nil {
		v, f := a.effective()
		if f != nil {
			return nil, f
		}
		fallback = v
	}
	value := result
	if result == nil {
		value = fallback
	}
	var f *Failure
	if a.state.selector != nil && result != nil {
		if value, f = a.state.selector.fill(a.newScope(value)); f != nil {
			return nil, f
		}
	}
	if o.values, f = a.fillAssign(a.newScope(value), a.state.assign); f != nil {
		return nil, f
	}
	if result != nil {
		if value, f = a.combine(a.state.resultPath, value); f != nil {
			return nil, f
		}
	}
	if value, f = a.selectPath(a.state.output, value); f != nil {
		return nil, f
	}
	o.out = a.payloadOf(value)
	return o, nil
}

func (a *activation) finishJSONata(result any, output template, assign []member, next string) (*outcome, *Failure) {
	o := &outcome{next: next, assign: assign}
	s := a.newScope(a.input.value)
	s.result = result
	out := result
	if result == nil {
		out = a.input.value
	}
	var f *Failure
	if output != nil {
		if out, f = output.fill(s); f != nil {
			return nil, f
		}
	}
	if o.values, f = a.fillAssign(s, assign); f != nil {
		return nil, f
	}
	o.out = a.payloadOf(out)
	return o, nil
}

// payloadOf keeps the text of an input that is passed on as it is.
func (a *activation) payloadOf(v any) *payload {
	if o, ok := v.(object); ok && o == a.input.value {
		return a.input
	}
	return newPayload(v)
}

// fillAssign evaluates an Assign block against the values at entry.
func (a *activation) fillAssign(s *scope, assign []member) ([]any, *Failure) {
	if len(assign) == 0 {
		return nil, nil
	}
	values := make([]any, len(assign))
	for i, m := range assign {
		v, f := m.value.fill(s)
		if f != nil {
			return nil, f
		}
		if len(encode(v)) > MaxPayload {
			return nil, tooLarge(a.state.Name)
		}
		values[i] = v
	}
	return values, nil
}

// contextObject builds $$.
func (a *activation) contextObject() any {
	t := a.branch.track
	execution := objectOf("Id", t.arn, "Input", t.input, "StartTime", timestampText(t.start), "Name", t.name,
		"RoleArn", t.role, "RedriveCount", num(int64(a.exec.spec.Redrives)))
	if at := a.exec.spec.RedrivenAt; !at.IsZero() {
		execution.Set("RedriveTime", timestampText(at))
	}
	o := objectOf("Execution", execution,
		"StateMachine", objectOf("Id", t.machineARN, "Name", t.machineName))
	state := objectOf("Name", a.state.Name, "EnteredTime", timestampText(a.enteredAt))
	switch a.state.Type {
	case typeTask, typeParallel, typeMap:
		state.Set("RetryCount", num(int64(a.retries)))
	}
	o.Set("State", state)
	if item := a.branch.nearestItem(); item != nil {
		o.Set("Map", contextItem(item))
	}
	if a.token != "" {
		o.Set("Task", objectOf("Token", a.token))
	}
	return o
}

func contextItem(item *mapItem) any {
	o := objectOf("Index", num(int64(item.index)))
	if item.key != nil {
		o.Set("Key", *item.key)
	}
	o.Set("Value", item.value)
	o.Set("Source", item.source)
	return objectOf("Item", o)
}

// nearestItem is the iteration that the branch is in, nil outside Map states.
// A child execution is outside the Map state that started it.
func (b *branchRun) nearestItem() *mapItem {
	for ; b != nil; b = b.parent.branch {
		if b.item != nil || b == b.track.root {
			return b.item
		}
	}
	return nil
}
