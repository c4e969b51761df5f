package asl

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// Checkpoint says where the branches of an execution stand at a moment when
// none of them can go on by itself. It is written before the tasks that were
// reached are called, so nothing is done that a checkpoint does not know of.
//
// A checkpoint holds the branches that moved since the one before; Merge folds
// them into the whole.
type Checkpoint struct {
	LastEvent int64 `json:"lastEvent"` // the history up to here is settled
	// Branches are the positions by the branch's key; "" is the outermost.
	Branches map[string]*Position `json:"branches"`
}

// Position is where one branch stands: in a state, with the input, variables
// and retry counts that it had, and how far the attempt got. A position
// without a state only says what the branch's next event follows.
type Position struct {
	State     string          `json:"state,omitempty"`
	Input     string          `json:"input,omitempty"` // JSON, as the state got it
	Variables json.RawMessage `json:"variables,omitempty"`
	Steps     int             `json:"steps,omitempty"` // states entered so far
	EnteredAt time.Time       `json:"enteredAt,omitzero"`
	EnteredID int64           `json:"enteredId,omitempty"` // the StateEntered event, 0 when it is still to come
	Retries   int             `json:"retries,omitempty"`
	Counts    []int64         `json:"counts,omitempty"`  // attempts used, for each retrier
	RetryAt   *time.Time      `json:"retryAt,omitempty"` // when the next attempt is due
	Progress  *Progress       `json:"progress,omitempty"`

	Previous  int64 `json:"previous,omitempty"`  // what the next event follows
	Submitted int   `json:"submitted,omitempty"` // TaskSubmitted events of the call

	Done   bool   `json:"done,omitempty"` // the branch has ended, with Output
	Output string `json:"output,omitempty"`
}

// Progress is how far an attempt of a state got. One member is set.
type Progress struct {
	Call  *Call      `json:"call,omitempty"`  // a Task that was scheduled
	Until *time.Time `json:"until,omitempty"` // when a Wait ends
	// Started is the event that the branches of a Parallel or Map state
	// followed; Items are what a Map iterates over.
	Started int64           `json:"started,omitempty"`
	Items   json.RawMessage `json:"items,omitempty"`
}

// Call is a task as it was scheduled.
type Call struct {
	Arguments string    `json:"arguments"` // JSON
	Timeout   int64     `json:"timeout,omitempty"`
	Heartbeat int64     `json:"heartbeat,omitempty"`
	Started   time.Time `json:"started"` // TimeoutSeconds counts from here
}

// Merge folds the checkpoint that came next into c.
func (c *Checkpoint) Merge(next Checkpoint) {
	c.LastEvent = next.LastEvent
	if p := next.Branches[""]; c.Branches == nil || p != nil && p.State != "" {
		c.Branches = map[string]*Position{} // the branches of another state, or attempt, are over
	}
	for key, p := range next.Branches {
		if p == nil {
			continue // no checkpoint of ours has such
		}
		old := c.Branches[key]
		if p.State == "" && !p.Done && old != nil {
			old.Previous, old.Submitted = p.Previous, p.Submitted
			continue
		}
		c.Branches[key] = p
	}
}

// Redriven is c, made of an execution that did not succeed, with all branches
// going on after the ExecutionRedriven event. A Wait in seconds begins anew.
func (c Checkpoint) Redriven(event int64, at time.Time) Checkpoint {
	out := Checkpoint{LastEvent: event, Branches: make(map[string]*Position, len(c.Branches))}
	for key, p := range c.Branches {
		next := *p
		if !p.Done {
			next.Previous, next.EnteredAt = event, at
		}
		out.Branches[key] = &next
	}
	return out
}

// The degrees to which a branch's last position is out of date.
const (
	unmoved = iota
	moved   // only what its next event follows
	changed
)

// touch notes that the branch's position changed.
func (b *branchRun) touch(degree int) {
	if b.track.save == nil || degree <= b.dirty {
		return
	}
	if b.dirty == unmoved {
		b.x.dirty = append(b.x.dirty, b)
	}
	b.dirty = degree
}

// save hands over the positions that changed, a checkpoint for each history.
// While the outermost branch is in a distributed Map there is none: that state
// resumes at its entry.
func (x *Execution) save() {
	if len(x.dirty) == 0 {
		return
	}
	var order []*track
	all := map[*track]*Checkpoint{}
	var later []*branchRun
	for _, b := range x.dirty {
		t := b.track
		if t.root.active.unsettled() {
			later = append(later, b)
			continue
		}
		if p := b.position(); p != nil && b.live() {
			if all[t] == nil {
				order = append(order, t)
				all[t] = &Checkpoint{LastEvent: t.id, Branches: map[string]*Position{}}
			}
			all[t].Branches[b.positionKey()] = p
		}
		b.dirty = unmoved
	}
	x.dirty = append(x.dirty[:0], later...)
	for _, t := range order {
		t.save(*all[t])
	}
}

// saveNow hands over the position of an outermost branch, in the middle of
// things.
func (b *branchRun) saveNow() {
	if b.track.save != nil {
		b.track.save(Checkpoint{LastEvent: b.track.id, Branches: map[string]*Position{"": b.active.position()}})
	}
}

// unsettled says whether the activation is one whose branches no checkpoint
// knows.
func (a *activation) unsettled() bool {
	return a != nil && a.branch == a.branch.track.root && a.state.mapping != nil && a.state.mapping.distributed
}

func (b *branchRun) positionKey() string {
	if b == b.track.root {
		return ""
	}
	return b.key
}

// live says whether the branch belongs to states that still run.
func (b *branchRun) live() bool {
	for ; b != b.track.root; b = b.parent.branch {
		if outer := b.parent.branch; outer.done || outer.active != b.parent {
			return false
		}
	}
	return !b.done
}

// position gives the branch's position, nil when it has none.
func (b *branchRun) position() *Position {
	switch a := b.active; {
	case b.out != nil:
		return &Position{Done: true, Output: b.out.json()}
	case b.done || a == nil:
		return nil
	case b.dirty == moved:
		return &Position{Previous: b.prev, Submitted: a.submitted}
	default:
		return a.position()
	}
}

func (a *activation) position() *Position {
	b := a.branch
	vars := newObject()
	for k, v := range b.vars.own {
		vars.Set(k, v)
	}
	return &Position{
		State: a.state.Name, Input: a.input.json(), Variables: json.RawMessage(encode(vars)), Steps: b.steps,
		EnteredAt: a.enteredAt, EnteredID: a.enteredID, Retries: a.retries, Counts: a.counts, RetryAt: a.retryAt,
		Progress: a.progress, Previous: b.prev, Submitted: a.submitted,
	}
}

// begin notes how far the attempt got.
func (a *activation) begin(p Progress) {
	a.progress = &p
	a.branch.touch(changed)
}

// taken is a position that was read, to be taken up.
type taken struct {
	*Position
	input, out *payload
	vars       map[string]any
}

// restore launches an outermost branch where its checkpoint says; what runs
// inside it is taken up when its states get there. The history goes on after
// the checkpoint's last event.
func (b *branchRun) restore(def *Branch, c *Checkpoint) error {
	b.track.id, b.track.taken = c.LastEvent, make(map[string]*taken, len(c.Branches))
	for key, p := range c.Branches {
		t, err := p.read()
		if err != nil {
			return fmt.Errorf("the checkpoint's branch %q: %w", key, err)
		}
		b.track.taken[key] = t
	}
	if main := b.track.taken[""]; main == nil || main.Done {
		return errors.New("the checkpoint does not say where the outermost branch stands")
	}
	_, err := b.takeUp(def)
	return err
}

func (p *Position) read() (*taken, error) {
	if p == nil {
		return nil, errors.New("it has no position")
	}
	t := &taken{Position: p}
	if p.Done {
		v, err := decode([]byte(p.Output))
		t.out = newPayload(v)
		return t, err
	}
	v, err := decode([]byte(p.Input))
	if err != nil {
		return nil, err
	}
	t.input = &payload{value: v, text: p.Input}
	if v, err = decode(p.Variables); err != nil {
		return nil, err
	}
	if o, ok := v.(object); ok && o.Len() > 0 {
		t.vars = map[string]any{}
		o.Range(func(k string, v any) bool { t.vars[k] = v; return true })
	}
	return t, nil
}

// takeUp launches the branch at the position that was read for it; false when
// there is none. A branch that had ended is done at once.
func (b *branchRun) takeUp(def *Branch) (bool, error) {
	key := b.positionKey()
	t := b.track.taken[key]
	if t == nil {
		return false, nil
	}
	delete(b.track.taken, key)
	if t.Done {
		b.done, b.out = true, t.out
		return true, nil
	}
	if def.States[t.State] == nil {
		return false, errors.New("the checkpoint names a state that the machine does not have: " + t.State)
	}
	b.vars.own, b.prev, b.steps, b.resume = t.vars, t.Previous, t.Steps-1, t.Position
	b.launch(func() (*payload, *Failure) { return b.run(def, t.State, t.input) })
	return true, nil
}
