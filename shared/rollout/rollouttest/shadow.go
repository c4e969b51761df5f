package rollouttest

import (
	"github.com/stretchr/testify/require"

	"github.com/sluice-ml/sluice/shared/fault"
	"github.com/sluice-ml/sluice/shared/rollout"
)

// mirrors says whether the backend has shadows. One that has none must say so in
// words, and refuse to attach one without moving anything.
func (b *bench) mirrors() bool {
	b.Helper()
	err := b.Backend.Mirrors(model)
	if err == nil {
		return true
	}
	b.kind(fault.Invalid, err)
	before := b.view()
	_, err = b.Backend.Shadow(b.ctx, b.placement(2, Good, "green", "blue"), 100)
	b.kind(fault.Invalid, err)
	require.Equal(b, before, b.view())
	return false
}

func (b *bench) attach(version int, kind Kind, sample float64) string {
	b.Helper()
	config, err := b.Backend.Shadow(b.ctx, b.placement(version, kind, "green", "blue"), sample)
	require.NoError(b, err)
	require.NotEmpty(b, config)
	return config
}

// copied says that version shadows the champion, which has all the traffic.
func (b *bench) copied(config string, version int, sample float64) {
	b.Helper()
	b.is(config, at("blue", 100))
	v := b.view()
	require.Len(b, v.Slots, 1)
	require.NotNil(b, v.Shadow)
	require.Equal(b, []any{"green", version}, []any{v.Shadow.Slot, v.Shadow.Version})
	require.InDelta(b, sample, v.Shadow.Weight, 1e-3)
	require.InDelta(b, sample, v.Shadow.Desired, 1e-3)
	require.Positive(b, v.Shadow.Instances)
	require.NoError(b, b.Backend.Smoke(b.ctx, model, "blue", b.Row))
}

func (b *bench) shadow() {
	b.champion()
	if !b.mirrors() {
		return
	}
	config := b.attach(2, Good, 50)
	require.Equal(b, config, b.attach(2, Good, 50), "a retry under way")
	b.kind(fault.Busy, b.Backend.SetWeights(b.ctx, model, []rollout.Weight{at("blue", 100)}))
	b.copied(config, 2, 50)
	require.Equal(b, config, b.attach(2, Good, 50), "a retry afterwards")

	raised := []rollout.Weight{{Slot: "blue", Percent: 100, Instances: 2}}
	require.NoError(b, b.Backend.SetWeights(b.ctx, model, raised), "the champion's weights name the champion alone")
	b.instances("blue", 2)
	b.copied(config, 2, 50)

	b.copied(b.attach(3, Good, 100), 3, 100) // another takes its place
	joined := b.prepare(3, Good, "green", "blue")
	b.is(joined, at("blue", 100), at("green", 0))
	require.Nil(b, b.view().Shadow)
	require.NoError(b, b.Backend.Smoke(b.ctx, model, "green", b.Row))
	slot, _ := b.view().Slot("blue")
	require.Equal(b, 2, slot.Instances, "the champion keeps its capacity")

	b.copied(b.attach(4, Good, 100), 4, 100) // also where a leftover has the slot
	only, err := b.Backend.Retire(b.ctx, model, "rollout-4", "blue")
	require.NoError(b, err)
	b.is(only, at("blue", 100))
	require.Nil(b, b.view().Shadow)
	_, err = b.Backend.Shadow(b.ctx, b.placement(5, Good, "green", "yellow"), 100)
	b.kind(fault.Invalid, err)
}

func (b *bench) deadShadow() {
	b.champion()
	if !b.mirrors() {
		return
	}
	config := b.attach(2, Dead, 100)
	condition, detail := b.settle().Compare(config, []rollout.Weight{at("blue", 100)})
	require.Equal(b, rollout.Different, condition, "ready, on the old configuration: "+detail)
	b.is("", at("blue", 100))
	require.Nil(b, b.view().Shadow)
	require.NoError(b, b.Backend.Smoke(b.ctx, model, "blue", b.Row))
}
