package rollouttest

import (
	"context"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sluice-ml/sluice/shared/fault"
	"github.com/sluice-ml/sluice/shared/rollout"
)

// Kind is how a version behaves once deployed.
type Kind string

// The kinds.
const (
	Good Kind = "good"
	Dead Kind = "dead" // its server never gets ready
	Mute Kind = "mute" // its server is ready but fails every request
)

// Fixture is one backend under test, without any endpoint.
type Fixture struct {
	Backend rollout.Backend
	// Artifact is a version that behaves as the kind says.
	Artifact func(version int, kind Kind) rollout.Artifact
	// Wait lets some time pass. A change must take more than none, so that
	// Busy is seen, and come into force within 3,000 waits.
	Wait func()
	// Row is a request that a good version answers.
	Row rollout.Row
}

const model = "adult_income"

// Run checks what rollout.Backend promises. Each test gets a fixture of its own.
func Run(t *testing.T, open func(t *testing.T) Fixture) {
	tests := map[string]func(*bench){
		"an endpoint that does not exist": (*bench).absent,
		"the first version":               (*bench).first,
		"a candidate joins at weight 0":   (*bench).joins,
		"a change keeps others out":       (*bench).busy,
		"weights":                         (*bench).weights,
		"capacity is raised, not lowered": (*bench).capacity,
		"retire":                          (*bench).retire,
		"a candidate that never starts":   (*bench).dead,
		"a candidate that fails requests": (*bench).mute,
		"a leftover is replaced":          (*bench).leftover,
		"delete":                          (*bench).delete,
		"a shadow":                        (*bench).shadow,
		"a shadow that never starts":      (*bench).deadShadow,
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) { test(&bench{Fixture: open(t), T: t, ctx: t.Context()}) })
	}
}

type bench struct {
	Fixture
	*testing.T
	ctx context.Context
}

func (b *bench) view() rollout.View {
	b.Helper()
	v, err := b.Backend.View(b.ctx, model)
	require.NoError(b, err)
	return v
}

// settle waits until no change is under way.
func (b *bench) settle() rollout.View {
	b.Helper()
	for range 3000 {
		if v := b.view(); v.Status != rollout.Updating {
			return v
		}
		b.Wait()
	}
	require.FailNow(b, "the endpoint does not settle")
	return rollout.View{}
}

// is waits until the weights are in force, too.
func (b *bench) is(config string, weights ...rollout.Weight) {
	b.Helper()
	condition, detail := b.settle().Compare(config, weights)
	for range 3000 {
		if condition != rollout.Moving {
			break
		}
		b.Wait()
		condition, detail = b.settle().Compare(config, weights)
	}
	require.Equal(b, rollout.Settled, condition, detail)
}

func (b *bench) kind(want fault.Kind, err error) {
	b.Helper()
	require.Error(b, err)
	require.Equal(b, want, fault.KindOf(err), err.Error())
}

func at(slot string, percent float64) rollout.Weight {
	return rollout.Weight{Slot: slot, Percent: percent}
}

func (b *bench) placement(version int, kind Kind, slot, champion string) rollout.Placement {
	return rollout.Placement{Model: model, Rollout: fmt.Sprintf("rollout-%d", version), Artifact: b.Artifact(version, kind), Slot: slot, Champion: champion}
}

func (b *bench) prepare(version int, kind Kind, slot, champion string) string {
	b.Helper()
	config, err := b.Backend.Prepare(b.ctx, b.placement(version, kind, slot, champion))
	require.NoError(b, err)
	require.NotEmpty(b, config)
	return config
}

// champion serves version 1 in blue.
func (b *bench) champion() {
	b.Helper()
	b.is(b.prepare(1, Good, "blue", ""), at("blue", 100))
}

func (b *bench) absent() {
	require.False(b, b.view().Exists)
	b.kind(fault.NotFound, b.Backend.SetWeights(b.ctx, model, []rollout.Weight{at("blue", 100)}))
	b.kind(fault.NotFound, b.Backend.Smoke(b.ctx, model, "blue", b.Row))
	_, err := b.Backend.Retire(b.ctx, model, "r", "blue")
	b.kind(fault.NotFound, err)
	_, err = b.Backend.Prepare(b.ctx, b.placement(2, Good, "green", "blue"))
	b.kind(fault.NotFound, err)
	require.NoError(b, b.Backend.Delete(b.ctx, model))
}

func (b *bench) first() {
	config := b.prepare(1, Good, "blue", "")
	require.Equal(b, config, b.prepare(1, Good, "blue", ""), "a retry under way")
	b.is(config, at("blue", 100))
	require.Equal(b, config, b.prepare(1, Good, "blue", ""), "a retry afterwards")
	slot, _ := b.view().Slot("blue")
	require.Equal(b, 1, slot.Version)
	require.Positive(b, slot.Instances)
	require.NoError(b, b.Backend.Smoke(b.ctx, model, "blue", b.Row))
	_, err := b.Backend.Prepare(b.ctx, b.placement(2, Good, "blue", ""))
	b.kind(fault.Invalid, err)
}

func (b *bench) joins() {
	b.champion()
	config := b.prepare(2, Good, "green", "blue")
	require.Equal(b, config, b.prepare(2, Good, "green", "blue"), "a retry under way")
	b.is(config, at("blue", 100), at("green", 0))
	require.Equal(b, config, b.prepare(2, Good, "green", "blue"), "a retry afterwards")
	v := b.view()
	require.Len(b, v.Slots, 2)
	for slot, version := range map[string]int{"blue": 1, "green": 2} {
		s, _ := v.Slot(slot)
		require.Equal(b, version, s.Version, slot)
		require.Positive(b, s.Instances, slot)
		require.NoError(b, b.Backend.Smoke(b.ctx, model, slot, b.Row), "a slot answers whatever its weight")
	}
	_, err := b.Backend.Prepare(b.ctx, b.placement(3, Good, "blue", "yellow"))
	b.kind(fault.Invalid, err)
}

func (b *bench) busy() {
	b.champion()
	b.prepare(2, Good, "green", "blue")
	b.kind(fault.Busy, b.Backend.SetWeights(b.ctx, model, []rollout.Weight{at("blue", 100)}))
	_, err := b.Backend.Prepare(b.ctx, b.placement(3, Good, "green", "blue"))
	b.kind(fault.Busy, err)
	b.kind(fault.Busy, b.Backend.Delete(b.ctx, model))
	require.Equal(b, rollout.Updating, b.view().Status)
	slot, _ := b.view().Slot("blue")
	require.Positive(b, slot.Weight, "the champion serves on")
	b.settle()
}

func (b *bench) weights() {
	b.champion()
	config := b.prepare(2, Good, "green", "blue")
	b.settle()
	for _, percent := range []float64{10, 12.5, 100, 0.5, 0} {
		require.NoError(b, b.Backend.SetWeights(b.ctx, model, []rollout.Weight{at("blue", 100-percent), at("green", percent)}))
		b.is(config, at("blue", 100-percent), at("green", percent))
	}
	for _, weights := range [][]rollout.Weight{nil, {at("blue", 100)}, {at("blue", 0), at("green", 0)}, {at("blue", 101), at("green", -1)},
		{at("blue", 50), at("yellow", 50)}} {
		b.kind(fault.Invalid, b.Backend.SetWeights(b.ctx, model, weights))
	}
	b.is(config, at("blue", 100), at("green", 0))
}

func (b *bench) capacity() {
	b.champion()
	b.prepare(2, Good, "green", "blue")
	b.settle()
	raised := []rollout.Weight{{Slot: "blue", Percent: 100, Instances: 2}, at("green", 0)}
	require.NoError(b, b.Backend.SetWeights(b.ctx, model, raised))
	b.instances("blue", 2)
	raised[0].Instances = 1
	require.NoError(b, b.Backend.SetWeights(b.ctx, model, raised))
	b.instances("blue", 2)
	_, err := b.Backend.Retire(b.ctx, model, "r", "blue")
	require.NoError(b, err)
	slot, _ := b.settle().Slot("blue")
	require.Equal(b, 2, slot.Instances, "a new configuration keeps the capacity")
}

// instances waits until so many serve. A backend may call the endpoint ready
// before: missing capacity must not keep a rollback out.
func (b *bench) instances(name string, want int) {
	b.Helper()
	slot, _ := b.settle().Slot(name)
	for range 3000 {
		if slot.Instances == want {
			break
		}
		b.Wait()
		slot, _ = b.settle().Slot(name)
	}
	require.Equal(b, []int{want, want}, []int{slot.Instances, slot.Wanted})
}

func (b *bench) retire() {
	b.champion()
	b.prepare(2, Good, "green", "blue")
	b.settle()
	_, err := b.Backend.Retire(b.ctx, model, "rollout-2", "green")
	b.kind(fault.Invalid, err)
	require.NoError(b, b.Backend.SetWeights(b.ctx, model, []rollout.Weight{at("blue", 0), at("green", 100)}))
	b.settle()
	config, err := b.Backend.Retire(b.ctx, model, "rollout-2", "green")
	require.NoError(b, err)
	b.is(config, at("green", 100))
	again, err := b.Backend.Retire(b.ctx, model, "rollout-2", "green")
	require.NoError(b, err)
	require.Equal(b, config, again)
	v := b.view()
	require.Len(b, v.Slots, 1)
	require.Equal(b, 2, v.Slots[0].Version)
}

func (b *bench) dead() {
	b.champion()
	config := b.prepare(2, Dead, "green", "blue")
	condition, detail := b.settle().Compare(config, []rollout.Weight{at("blue", 100), at("green", 0)})
	require.Equal(b, rollout.Different, condition, "ready, on the old configuration: "+detail)
	b.is("", at("blue", 100))
	require.NoError(b, b.Backend.Smoke(b.ctx, model, "blue", b.Row))
}

func (b *bench) mute() {
	b.champion()
	b.is(b.prepare(2, Mute, "green", "blue"), at("blue", 100), at("green", 0))
	b.kind(fault.Unavailable, b.Backend.Smoke(b.ctx, model, "green", b.Row))
	require.NoError(b, b.Backend.Smoke(b.ctx, model, "blue", b.Row))
}

func (b *bench) leftover() {
	b.champion()
	b.prepare(2, Good, "green", "blue")
	b.settle()
	b.is(b.prepare(3, Good, "green", "blue"), at("blue", 100), at("green", 0))
	slot, _ := b.view().Slot("green")
	require.Equal(b, 3, slot.Version)
}

func (b *bench) delete() {
	b.champion()
	require.NoError(b, b.Backend.Delete(b.ctx, model))
	require.False(b, b.settle().Exists)
	require.NoError(b, b.Backend.Delete(b.ctx, model))
	b.champion()
}
