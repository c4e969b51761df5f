// Package rollouttest has an endpoint in memory, which changes as slowly and
// fails in the ways that a SageMaker endpoint does, and the suite that every
// rollout.Backend must pass.
package rollouttest

import (
	"context"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/sluice-ml/sluice/shared/fault"
	"github.com/sluice-ml/sluice/shared/rollout"
)

// Memory is endpoints in this process. A change is accepted at once and takes
// Delay to come into force; until then every other change is Busy.
type Memory struct {
	Now   func() time.Time
	Delay func() time.Duration // of the next change; nil is none

	mu        sync.Mutex
	endpoints map[string]*endpoint
	fails     int
	broken    map[string]bool
}

var _ rollout.Backend = (*Memory)(nil)

type endpoint struct {
	config  string
	slots   []rollout.SlotView
	shadow  *rollout.SlotView
	pending *change
	detail  string
}

type change struct {
	due    time.Time
	config string
	slots  []rollout.SlotView // nil deletes
	shadow *rollout.SlotView
	fails  bool
}

// NewMemory makes an account without endpoints.
func NewMemory(now func() time.Time) *Memory {
	return &Memory{Now: now, endpoints: map[string]*endpoint{}, broken: map[string]bool{}}
}

// FailUpdates makes the next n changes fail after they were accepted: they end
// ready, as it was before.
func (m *Memory) FailUpdates(n int) { m.mu.Lock(); m.fails = n; m.mu.Unlock() }

// Break makes a slot's server silent to the smoke test, or mends it.
func (m *Memory) Break(model, slot string, broken bool) {
	m.mu.Lock()
	m.broken[model+"/"+slot] = broken
	m.mu.Unlock()
}

// SetInstances changes a slot's capacity behind everybody's back.
func (m *Memory) SetInstances(model, slot string, n int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if e := m.settled(model); e != nil {
		for i := range e.slots {
			if e.slots[i].Slot == slot {
				e.slots[i].Instances = n
			}
		}
	}
}

// settled gives the endpoint after the change that is due, nil when there is
// none. The lock is held.
func (m *Memory) settled(model string) *endpoint {
	e := m.endpoints[model]
	if e == nil || e.pending == nil || m.Now().Before(e.pending.due) {
		return e
	}
	p := e.pending
	e.pending = nil
	switch {
	case p.fails && e.slots == nil:
		e.detail = "the first deployment failed"
	case p.fails:
		e.detail = "the update failed and was rolled back"
		for i := range e.slots {
			e.slots[i].Desired, e.slots[i].Wanted = e.slots[i].Weight, e.slots[i].Instances
		}
	case p.slots == nil:
		delete(m.endpoints, model)
		return nil
	default:
		e.config, e.slots, e.shadow, e.detail = p.config, p.slots, p.shadow, ""
		for i := range e.slots {
			e.slots[i].Weight, e.slots[i].Instances = e.slots[i].Desired, e.slots[i].Wanted
		}
	}
	return e
}

func (m *Memory) begin(e *endpoint, config string, slots []rollout.SlotView) {
	var delay time.Duration
	if m.Delay != nil {
		delay = m.Delay()
	}
	fails := m.fails > 0 && slots != nil
	if fails {
		m.fails--
	}
	e.pending = &change{due: m.Now().Add(delay), config: config, slots: slots, fails: fails}
}

func (m *Memory) changeable(model, op string) (*endpoint, error) {
	e := m.settled(model)
	switch {
	case e == nil:
		return nil, fault.New(fault.NotFound, op, "model %s has no endpoint", model)
	case e.pending != nil:
		return nil, fault.New(fault.Busy, op, "the endpoint of %s is changing", model)
	}
	return e, nil
}

// View implements rollout.Backend.
func (m *Memory) View(_ context.Context, model string) (rollout.View, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	e := m.settled(model)
	if e == nil {
		return rollout.View{}, nil
	}
	view := rollout.View{Exists: true, Status: rollout.Ready, Config: e.config, Detail: e.detail,
		Slots: append([]rollout.SlotView(nil), e.slots...)}
	if e.shadow != nil {
		shadow := *e.shadow
		view.Shadow = &shadow
	}
	switch {
	case e.pending != nil:
		view.Status = rollout.Updating
	case e.slots == nil:
		view.Status = rollout.Failed
	}
	return view, nil
}

// Prepare implements rollout.Backend.
func (m *Memory) Prepare(_ context.Context, p rollout.Placement) (string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	config := p.Rollout + "/" + p.Slot + "/" + strconv.Itoa(p.Artifact.Version)
	e := m.settled(p.Model)
	if p.Champion == "" {
		return m.create(e, p, config)
	}
	if e != nil && (e.config == config || e.pending != nil && e.pending.config == config) {
		return config, nil
	}
	e, err := m.changeable(p.Model, "prepare")
	if err != nil {
		return "", err
	}
	champion, ok := rollout.View{Slots: e.slots}.Slot(p.Champion)
	if !ok {
		return "", fault.New(fault.Invalid, "prepare", "no champion in slot %s", p.Champion)
	}
	m.deploy(e, p, config, []rollout.SlotView{champion, {Slot: p.Slot, Version: p.Artifact.Version, Wanted: max(1, champion.Wanted)}})
	return config, nil
}

func (m *Memory) create(e *endpoint, p rollout.Placement, config string) (string, error) {
	if e != nil {
		if e.config == config || e.pending != nil && e.pending.config == config {
			return config, nil
		}
		return "", fault.New(fault.Invalid, "create the endpoint of "+p.Model, "it exists with configuration %q", e.config)
	}
	e = &endpoint{}
	m.endpoints[p.Model] = e
	m.deploy(e, p, config, []rollout.SlotView{{Slot: p.Slot, Version: p.Artifact.Version, Desired: 100, Wanted: 1}})
	return config, nil
}

// deploy begins a change that brings an artefact, which behaves as its URI says.
func (m *Memory) deploy(e *endpoint, p rollout.Placement, config string, slots []rollout.SlotView) {
	m.begin(e, config, slots)
	m.broken[p.Model+"/"+p.Slot] = p.Artifact.URI == string(Mute)
	if p.Artifact.URI == string(Dead) {
		e.pending.fails = true
	}
}

// SetWeights implements rollout.Backend.
func (m *Memory) SetWeights(_ context.Context, model string, weights []rollout.Weight) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	e, err := m.changeable(model, "set weights")
	if err != nil {
		return err
	}
	slots, err := weighted(e.slots, weights)
	if err != nil {
		return err
	}
	for i := range e.slots {
		e.slots[i].Desired, e.slots[i].Wanted = slots[i].Desired, slots[i].Wanted
	}
	m.begin(e, e.config, slots)
	e.pending.shadow = e.shadow
	return nil
}

// Mirrors implements rollout.Backend.
func (m *Memory) Mirrors(string) error { return nil }

// Shadow implements rollout.Backend.
func (m *Memory) Shadow(_ context.Context, p rollout.Placement, sample float64) (string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	config := fmt.Sprintf("%s/%s/%d/shadow %v", p.Rollout, p.Slot, p.Artifact.Version, sample)
	if e := m.settled(p.Model); e != nil && (e.config == config || e.pending != nil && e.pending.config == config) {
		return config, nil
	}
	e, err := m.changeable(p.Model, "attach a shadow")
	if err != nil {
		return "", err
	}
	champion, ok := rollout.View{Slots: e.slots}.Slot(p.Champion)
	if !ok || !(champion.Weight > 0) {
		return "", fault.New(fault.Invalid, "attach a shadow", "no champion with traffic in slot %s", p.Champion)
	}
	m.deploy(e, p, config, []rollout.SlotView{champion})
	n := max(1, champion.Wanted)
	e.pending.shadow = &rollout.SlotView{Slot: p.Slot, Version: p.Artifact.Version, Weight: sample, Desired: sample, Instances: n, Wanted: n}
	return config, nil
}

func weighted(old []rollout.SlotView, weights []rollout.Weight) ([]rollout.SlotView, error) {
	slots, sum := append([]rollout.SlotView(nil), old...), 0.0
	if len(weights) != len(slots) {
		return nil, fault.New(fault.Invalid, "set weights", "%d slots are named, the endpoint has %d", len(weights), len(slots))
	}
	for _, w := range weights {
		found := false
		for i := range slots {
			if slots[i].Slot == w.Slot {
				found = true
				slots[i].Desired, slots[i].Wanted = w.Percent, max(slots[i].Wanted, slots[i].Instances, w.Instances)
			}
		}
		if !found || w.Percent < 0 {
			return nil, fault.New(fault.Invalid, "set weights", "slot %s with weight %v", w.Slot, w.Percent)
		}
		sum += w.Percent
	}
	if !(sum > 0) {
		return nil, fault.New(fault.Invalid, "set weights", "they sum to %v: nothing would serve", sum)
	}
	return slots, nil
}

// Smoke implements rollout.Backend.
func (m *Memory) Smoke(_ context.Context, model, slot string, _ rollout.Row) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	e := m.settled(model)
	if e == nil {
		return fault.New(fault.NotFound, "smoke test", "model %s has no endpoint", model)
	}
	view, ok := rollout.View{Slots: e.slots}.Slot(slot)
	if !ok {
		return fault.New(fault.NotFound, "smoke test", "no slot %s", slot)
	}
	if m.broken[model+"/"+slot] || view.Instances == 0 {
		return fault.New(fault.Unavailable, "smoke test", "slot %s does not answer", slot)
	}
	return nil
}

// Retire implements rollout.Backend.
func (m *Memory) Retire(_ context.Context, model, id, keep string) (string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	config := id + "/only/" + keep
	if e := m.settled(model); e != nil && (e.config == config || e.pending != nil && e.pending.config == config) {
		return config, nil
	}
	e, err := m.changeable(model, "retire")
	if err != nil {
		return "", err
	}
	kept, ok := rollout.View{Slots: e.slots}.Slot(keep)
	if !ok {
		return "", fault.New(fault.NotFound, "retire", "no slot %s", keep)
	}
	for _, slot := range e.slots {
		if slot.Slot != keep && (slot.Weight > 0 || slot.Desired > 0) {
			return "", fault.New(fault.Invalid, "retire", "slot %s still has weight %v", slot.Slot, max(slot.Weight, slot.Desired))
		}
	}
	m.begin(e, config, []rollout.SlotView{kept})
	return config, nil
}

// Delete implements rollout.Backend.
func (m *Memory) Delete(_ context.Context, model string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	e := m.settled(model)
	if e == nil {
		return nil
	}
	if e.pending != nil {
		return fault.New(fault.Busy, "delete", "the endpoint of %s is changing", model)
	}
	m.begin(e, "", nil)
	return nil
}

// String shows an endpoint in a failing test's trace.
func (m *Memory) String() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	text := ""
	for model, e := range m.endpoints {
		text += fmt.Sprintf("%s: config %s slots %+v pending %+v", model, e.config, e.slots, e.pending)
	}
	return text
}
