package rollout

import (
	"context"
	"fmt"
	"math"
	"strings"

	"github.com/sluice-ml/sluice/shared/goal"
)

// Backend is the endpoints of one environment, one per model. Every method may
// be called again after any error: each is idempotent. Errors are faults: Busy
// while the endpoint is changing (wait, then call again), Unavailable when the
// service failed (call again; it may have taken effect), Invalid and NotFound
// when a retry cannot help.
type Backend interface {
	// View reads the endpoint. One that does not exist is a View with Exists
	// false, not an error.
	View(ctx context.Context, model string) (View, error)

	// Prepare puts the placement's version into its slot, at weight 0 beside
	// the champion, or alone with all the traffic when no champion serves. The
	// champion keeps its weight and capacity. Whatever else held the slot is
	// replaced. It returns once the change is accepted, with the configuration
	// that serves when it is done. Invalid when no champion is named but the
	// endpoint exists and serves something else.
	Prepare(ctx context.Context, p Placement) (config string, err error)

	// Mirrors says that Shadow works for a model: nil, or Invalid with why it
	// does not. It asks nobody.
	Mirrors(model string) error

	// Shadow attaches the placement's version to the champion, which keeps all
	// the traffic and its capacity: sample percent of its requests are copied to
	// the version, whose answers reach nobody, whatever they are and however long
	// they take. Whatever else held the slot is replaced, and Prepare and Retire
	// end the shadow. It returns as Prepare does.
	Shadow(ctx context.Context, p Placement, sample float64) (config string, err error)

	// SetWeights asks for these weights, which name every slot of the endpoint
	// and must not sum to 0 (Invalid). It returns once accepted. Instances
	// raises a slot's capacity with the same change and never lowers it.
	SetWeights(ctx context.Context, model string, weights []Weight) error

	// Smoke sends a row to a slot whatever its weight and checks the answer.
	// Invalid when the slot answers, but not as a model server; Unavailable
	// when it does not answer.
	Smoke(ctx context.Context, model, slot string, row Row) error

	// Retire leaves only the slot that is kept, which must have all the
	// traffic (Invalid). It returns once accepted, with the configuration that
	// serves when it is done.
	Retire(ctx context.Context, model, rollout, keep string) (config string, err error)

	// Delete removes the endpoint. One that is gone is not an error; Busy while
	// it is going.
	Delete(ctx context.Context, model string) error
}

// Artifact is a version as the backend deploys it.
type Artifact struct {
	Version int    `json:"version"`
	URI     string `json:"uri"`    // model.tar.gz
	Digest  string `json:"digest"` // "sha256:…" of it
	Image   string `json:"image"`  // the model server's
}

// Placement says what goes where.
type Placement struct {
	Model    string
	Rollout  string
	Artifact Artifact
	Slot     string
	Champion string // the slot to leave alone; "" when none serves
}

// Weight is what one slot is asked for.
type Weight struct {
	Slot      string
	Percent   float64
	Instances int // at least; 0 leaves the capacity alone
}

// Row is a real request for the smoke test.
type Row struct {
	ContentType string
	Body        []byte
	Goal        goal.Goal // what the answer is
}

// Status is the endpoint's, in four words.
type Status string

// The statuses.
const (
	Ready    Status = "ready"
	Updating Status = "updating" // also creating, deleting and rolling back an update
	Failed   Status = "failed"   // serves nothing, or a mixture
)

// View is what an endpoint looks like now.
type View struct {
	Exists bool
	Status Status
	Detail string // the service's own status and reason
	Config string // in service
	Slots  []SlotView
	Shadow *SlotView // gets copies only; its weight is the percent that is copied. nil is none
}

// SlotView is one variant. Weights are the service's own numbers; only their
// ratio means anything.
type SlotView struct {
	Slot      string
	Version   int // 0 when it is none of ours
	Weight    float64
	Desired   float64
	Instances int // serving now
	Wanted    int // asked for
}

// Slot finds a variant.
func (v View) Slot(name string) (SlotView, bool) {
	for _, s := range v.Slots {
		if s.Slot == name {
			return s, true
		}
	}
	return SlotView{}, false
}

// Condition is how an endpoint compares with what was asked for.
type Condition string

// The conditions.
const (
	Settled   Condition = "settled"   // ready, and exactly as asked
	Moving    Condition = "moving"    // changing, or its weights are
	Different Condition = "different" // ready, but not as asked
	Broken    Condition = "broken"    // failed or gone
)

// Compare says whether the endpoint is as asked: ready, with the configuration
// ("" accepts any), and every slot's current and desired share as in weights;
// slots that weights do not name must have none. Ready alone proves nothing: a
// failed update ends ready, on the old configuration.
func (v View) Compare(config string, weights []Weight) (Condition, string) {
	switch {
	case !v.Exists:
		return Broken, "the endpoint does not exist"
	case v.Status == Failed:
		return Broken, "the endpoint failed: " + v.Detail
	case v.Status == Updating:
		return Moving, "the endpoint is changing: " + v.Detail
	case config != "" && v.Config != config:
		return Different, fmt.Sprintf("configuration %s serves, not %s: %s", v.Config, config, v.Detail)
	}
	for _, want := range weights {
		if _, ok := v.Slot(want.Slot); !ok {
			return Different, "slot " + want.Slot + " is missing"
		}
	}
	desired, current := v.off(weights, SlotView.desired), v.off(weights, SlotView.current)
	switch {
	case desired:
		return Different, "the weights asked for are " + v.weights(SlotView.desired)
	case current:
		return Moving, "the weights in force are " + v.weights(SlotView.current)
	}
	return Settled, v.weights(SlotView.current)
}

func (s SlotView) desired() float64 { return s.Desired }
func (s SlotView) current() float64 { return s.Weight }

// off says that some slot's share differs by more than a float32's rounding.
func (v View) off(weights []Weight, of func(SlotView) float64) bool {
	sum := 0.0
	for _, s := range v.Slots {
		sum += of(s)
	}
	if !(sum > 0) {
		return true
	}
	for _, s := range v.Slots {
		want := 0.0
		for _, w := range weights {
			if w.Slot == s.Slot {
				want = w.Percent
			}
		}
		if math.Abs(of(s)/sum*100-want) > 1e-3 {
			return true
		}
	}
	return false
}

func (v View) weights(of func(SlotView) float64) string {
	var parts []string
	for _, s := range v.Slots {
		parts = append(parts, fmt.Sprintf("%s %v", s.Slot, of(s)))
	}
	return strings.Join(parts, ", ")
}
