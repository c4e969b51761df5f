package rollout

import (
	"slices"
	"time"

	"github.com/sluice-ml/sluice/shared/trainconfig"
)

// Phase is where a rollout rests between two calls.
type Phase string

// The phases; the package's comment has the transitions.
const (
	Acquired    Phase = "acquired"     // the lease is held, nothing was moved
	Attaching   Phase = "attaching"    // the candidate becomes the champion's shadow
	Mirroring   Phase = "mirroring"    // it answers copies of requests; measurements gather
	Joining     Phase = "joining"      // the shadow passed; it may join at weight 0
	Preparing   Phase = "preparing"    // the candidate joins at weight 0
	Shifting    Phase = "shifting"     // the next weight may be written
	Verifying   Phase = "verifying"    // it was, or may have been, written
	Baking      Phase = "baking"       // it was read back; measurements gather
	Waiting     Phase = "waiting"      // passed; a person or the end of a freeze must let it go on
	Promoting   Phase = "promoting"    // decided: the candidate becomes the champion
	Observing   Phase = "observing"    // it is, provisionally: the old champion is kept at weight 0
	Confirming  Phase = "confirming"   // decided: it stays; the old champion goes
	Promoted    Phase = "promoted"     // it is the champion
	Reverting   Phase = "reverting"    // decided: the old champion becomes the champion again
	RollingBack Phase = "rolling_back" // decided: the champion goes back to 100 %
	RolledBack  Phase = "rolled_back"  // it did, and was read back
)

// Done says that the rollout has its outcome.
func (p Phase) Done() bool { return p == Promoted || p == RolledBack }

// Open says that the rollout can still go either way.
func (p Phase) Open() bool {
	switch p {
	case Acquired, Attaching, Mirroring, Joining, Preparing, Shifting, Verifying, Baking, Waiting:
		return true
	}
	return false
}

// Place is a version and the slot it serves in.
type Place struct {
	Version   int    `json:"version"`             // 0 is none
	Slot      string `json:"slot"`                // "" serves nowhere
	Instances int    `json:"instances,omitempty"` // when the rollout began; a rollback restores at least these
}

// State is everything a rollout knows. It is one JSON object, moved by
// compare-and-swap; each saved change raises Turn by one.
type State struct {
	Rollout  string `json:"rollout"`
	Model    string `json:"model"`
	Run      string `json:"run"`
	Decision string `json:"decision"` // S3 URI
	Policy   Policy `json:"policy"`

	Artifact  Artifact `json:"artifact"` // of the candidate
	Candidate Place    `json:"candidate"`
	Champion  Place    `json:"champion"`
	Fence     int64    `json:"fence"`  // the lease's token
	Config    string   `json:"config"` // the endpoint configuration that must serve

	Turn     int64   `json:"turn"`
	Phase    Phase   `json:"phase"`
	Step     int     `json:"step"`     // index into Policy.Steps
	Weight   float64 `json:"weight"`   // the candidate's percent that was last asked for
	Failures int     `json:"failures"` // in a row

	Started   time.Time `json:"started"`
	Since     time.Time `json:"since"`               // of the phase
	Serving   time.Time `json:"serving,omitzero"`    // the candidate's first traffic
	BakeFrom  time.Time `json:"bake_from,omitzero"`  // the window's start
	BakeUntil time.Time `json:"bake_until,omitzero"` // analyze not before

	StepSince time.Time            `json:"step_since,omitzero"` // of the present step
	Then      Phase                `json:"then,omitempty"`      // when waiting: what follows
	Pending   int                  `json:"pending,omitempty"`   // when waiting: the step that follows
	Held      trainconfig.Duration `json:"held,omitzero"`       // waited so far; no deadline counts it
	Paused    string               `json:"paused,omitempty"`    // who paused it and why
	Approved  float64              `json:"approved,omitzero"`   // the greatest percent that a person approved
	Forced    string               `json:"forced,omitempty"`    // who told it to promote without further looks
	Quiet     bool                 `json:"quiet,omitempty"`     // the last look found nothing against the candidate
	Dry       bool                 `json:"dry,omitempty"`       // the dry run came to its end
	Mirrored  bool                 `json:"mirrored,omitempty"`  // the shadow passed
	Blameless bool                 `json:"blameless,omitempty"` // the candidate is not why it was rolled back
	Observed  time.Time            `json:"observed,omitzero"`   // the end of the observation
	Removing  time.Time            `json:"removing,omitzero"`   // until then a call that deletes the endpoint can take effect
	Near      time.Time            `json:"near,omitzero"`       // when a look first found a fifth of the time left

	Trial    *Trial    `json:"trial,omitempty"`    // the sequential tests
	NextLook time.Time `json:"next_look,omitzero"` // of a bake that they judge

	Reason  string   `json:"reason"`            // of the last change
	Outcome string   `json:"outcome"`           // "", "promoted", "rolled_back", "dry_run" or "shadowed"
	Notices []string `json:"notices,omitempty"` // what people were told; the last 20
	History []Record `json:"history"`           // the last 200
}

// Record is one line of a rollout's report.
type Record struct {
	Time         time.Time     `json:"time"`
	Phase        Phase         `json:"phase"`
	Step         int           `json:"step"`
	Weight       float64       `json:"weight"`
	Verdict      string        `json:"verdict,omitempty"` // of a bake
	Reason       string        `json:"reason"`
	Measurements *Measurements `json:"measurements,omitempty"`
	Findings     []Finding     `json:"findings,omitempty"`
	Alarm        *Alarm        `json:"alarm,omitempty"` // that decided it
}

// Deadline is when the rollout stops trying. Waiting for people and for the end
// of a freeze does not count.
func (s State) Deadline() time.Time { return s.Started.Add(time.Duration(s.Policy.Deadline + s.Held)) }

// stepDeadline is when the present step stops trying; never before the whole's.
func (s State) stepDeadline() time.Time {
	if s.Policy.StepDeadline == 0 || s.StepSince.IsZero() {
		return s.Deadline()
	}
	if at := s.StepSince.Add(time.Duration(s.Policy.StepDeadline)); at.Before(s.Deadline()) {
		return at
	}
	return s.Deadline()
}

// Tried says that the candidate was to be taken away again, and came to its end:
// it was a dry run, or a shadow that is all there is.
func (s State) Tried() bool { return s.Dry || s.Mirrored && s.Policy.ShadowOnly }

// First says that no champion serves: there is nothing to go back to.
func (s State) First() bool { return s.Champion.Slot == "" }

// Share is the candidate's percent that the present step asks for.
func (s State) Share() float64 { return s.percent(s.Step) }

// Last says that no step follows.
func (s State) Last() bool { return s.First() || s.Step == len(s.Policy.Steps)-1 }

// Split is the weight of every slot that serves when the candidate has weight
// percent.
func (s State) Split(weight float64) []Weight {
	if s.First() {
		return []Weight{{Slot: s.Candidate.Slot, Percent: 100}}
	}
	return []Weight{
		{Slot: s.Champion.Slot, Percent: 100 - weight},
		{Slot: s.Candidate.Slot, Percent: weight},
	}
}

const (
	keepRecords = 200
	keepNotices = 20
)

// record appends to the history without touching a slice that another copy of
// the state shares.
func (s *State) record(r Record) {
	s.History = tail(append(slices.Clip(s.History), r), keepRecords)
}

func (s *State) notice(text string) {
	s.Notices = tail(append(slices.Clip(s.Notices), text), keepNotices)
}

func tail[T any](list []T, most int) []T {
	if len(list) > most {
		return list[len(list)-most:]
	}
	return list
}
