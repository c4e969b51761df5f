package rollout

import (
	"context"
	"fmt"
	"time"

	"github.com/sluice-ml/sluice/shared/contract"
	"github.com/sluice-ml/sluice/shared/fault"
	"github.com/sluice-ml/sluice/shared/ref"
)

// Quarantined is a candidate that was rolled back: the same bytes are not rolled
// out again, by whatever run and under whatever version, until a person releases
// them.
type Quarantined struct {
	Model    string    `json:"model"`
	Digest   string    `json:"digest"` // of model.tar.gz
	Version  int       `json:"version"`
	Run      string    `json:"run"`
	Rollout  string    `json:"rollout"` // the one that was rolled back
	Reason   string    `json:"reason"`
	Time     time.Time `json:"time"`
	Released *Released `json:"released,omitempty"`
}

// Released says who let a quarantined candidate be rolled out again, and why.
type Released struct {
	By   string    `json:"by"`
	Time time.Time `json:"time"`
}

// Quarantine keeps the candidates that were rolled back.
type Quarantine interface {
	// Isolate puts a candidate in; again by the same rollout changes nothing, also
	// after a release.
	Isolate(ctx context.Context, q Quarantined) error
	// Isolated gives what is kept of a digest, released or not; NotFound when
	// nothing is.
	Isolated(ctx context.Context, model, digest string) (Quarantined, error)
}

// isolate quarantines the candidate of a rollout that is being rolled back. One
// that never answered users, whose dry run or shadow came to its end, or whose
// controller died, is not to blame.
func (c *Controller) isolate(ctx context.Context, s State) error {
	if !s.Quarantines() {
		return nil
	}
	return c.Quarantine.Isolate(ctx, Quarantined{Model: s.Model, Digest: s.Artifact.Digest, Version: s.Candidate.Version, Run: s.Run,
		Rollout: s.Rollout, Reason: s.Reason, Time: c.Now().UTC()})
}

// Quarantines says that rolling back quarantines the candidate: whoever asked for
// it, also a person.
func (s State) Quarantines() bool {
	asked := !s.Serving.IsZero() || s.mirrored()
	return s.Artifact.Digest != "" && asked && !s.Blameless && !s.Tried()
}

// mirrored says whether the candidate answered copies of requests.
func (s State) mirrored() bool {
	for _, line := range s.History {
		if line.Phase == Mirroring {
			return true
		}
	}
	return false
}

// barred says why a candidate may not be rolled out; "" when it may.
func (c *Controller) barred(ctx context.Context, model, digest string) (string, error) {
	if digest == "" {
		return "", nil
	}
	q, err := c.Quarantine.Isolated(ctx, model, digest)
	if err != nil && !fault.Is(err, fault.NotFound) {
		return "", err
	}
	return q.Bars(), nil
}

// Bars says why the candidate may not be rolled out, and the way out; "" when it
// may: a person has released it, or the zero value, nothing was rolled back.
func (q Quarantined) Bars() string {
	if q.Digest == "" || q.Released != nil {
		return ""
	}
	return fmt.Sprintf("the same model was rolled back as version %d by rollout %s on %s: %s; train another, or release it: sluice rollout release %s %d",
		q.Version, q.Rollout, q.Time.Format(time.RFC3339), q.Reason, q.Model, q.Version)
}

var _ Quarantine = Records{}

// Isolate implements Quarantine.
func (r Records) Isolate(ctx context.Context, q Quarantined) error {
	_, err := ref.Update(ctx, r.Store, contract.QuarantineKey(q.Model, q.Digest), func(old Quarantined, found bool) (Quarantined, error) {
		if found && (old.Rollout == q.Rollout || old.Released == nil) {
			return old, ref.Unchanged
		}
		return q, nil
	})
	return err
}

// Isolated implements Quarantine.
func (r Records) Isolated(ctx context.Context, model, digest string) (Quarantined, error) {
	p, err := ref.Read[Quarantined](ctx, r.Store, contract.QuarantineKey(model, digest))
	return p.Value, err
}

// ReleaseQuarantined lets a candidate be rolled out again; again changes nothing.
// NotFound when no candidate with this digest was rolled back.
func (r Records) ReleaseQuarantined(ctx context.Context, model, digest, by string) (Quarantined, error) {
	return ref.Update(ctx, r.Store, contract.QuarantineKey(model, digest), func(old Quarantined, found bool) (Quarantined, error) {
		switch {
		case !found:
			return old, fault.New(fault.NotFound, "release a candidate of "+model, "none with the digest %s was rolled back", digest)
		case old.Released != nil:
			return old, ref.Unchanged
		}
		old.Released = &Released{By: by, Time: r.Now().UTC()}
		return old, nil
	})
}
