// Package audit looks at a decision again, long after it was made: whether it is
// the one that was signed and everything that it binds is still what it was
// (Verify), and whether the gates come to the same verdicts from the same files
// (Replay).
//
// The files come from a Source: the store, or copies of a run's files in a
// folder. Nothing is believed because of where it lies; every digest is taken
// again.
package audit

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/sluice-ml/sluice/shared/canonical"
	"github.com/sluice-ml/sluice/shared/contract"
	"github.com/sluice-ml/sluice/shared/decision"
	"github.com/sluice-ml/sluice/shared/fault"
	"github.com/sluice-ml/sluice/shared/judging"
	"github.com/sluice-ml/sluice/shared/trainconfig"
)

// Source reads what S3 URIs name (with ?versionId= where one is pinned).
// NotFound when it is not there.
type Source func(ctx context.Context, uri string) ([]byte, error)

// Check is one thing that a decision binds.
type Check struct {
	What    string `json:"what"`
	Holds   bool   `json:"holds"`
	Bound   string `json:"bound"`             // what the decision says
	Problem string `json:"problem,omitempty"` // what is there instead
}

// Verification is what became of everything that a decision binds.
type Verification struct {
	Decision decision.Decision `json:"decision"`
	Checks   []Check           `json:"checks"`
	Valid    bool              `json:"valid"` // every check holds

	plan   contract.Plan
	config *trainconfig.Config
}

// Verify checks a decision's signature, and everything that it binds against
// what is there now. Only a decision that cannot be read at all, and storage that
// fails, are errors; whatever does not hold is a check that says so.
func Verify(ctx context.Context, source Source, verifier decision.Verifier, encoded []byte) (Verification, error) {
	v := Verification{Valid: true}
	d, err := decision.Open(ctx, verifier, encoded)
	if fault.Is(err, fault.Denied) {
		v.check("signature", "", err)
		d, err = decision.Unverified(encoded)
	} else if err == nil {
		v.check("signature", "", nil)
	}
	if err != nil {
		return v, err
	}
	v.Decision = d
	if err := v.verify(ctx, source); err != nil {
		return v, err
	}
	return v, nil
}

func (v *Verification) check(what, bound string, problem error) {
	c := Check{What: what, Bound: bound, Holds: problem == nil}
	if problem != nil {
		c.Problem, v.Valid = problem.Error(), false
	}
	v.Checks = append(v.Checks, c)
}

func (v *Verification) equal(what, bound, found string) {
	if bound == found {
		v.check(what, bound, nil)
		return
	}
	v.check(what, bound, fmt.Errorf("it is %q now", found))
}

func (v *Verification) verify(ctx context.Context, source Source) error {
	for _, part := range []func(context.Context, Source) error{v.verifyPlan, v.verifyConfig, v.verifyArtifact, v.verifyVerdicts, v.verifyEvidence} {
		if err := part(ctx, source); err != nil {
			return err
		}
	}
	return v.verifyAction()
}

// gone turns what is not there or cannot be read into a check that fails, and
// lets storage that fails through.
func (v *Verification) gone(what, bound string, err error) error {
	if fault.Is(err, fault.NotFound) || fault.Is(err, fault.Invalid) || fault.Is(err, fault.Denied) {
		v.check(what, bound, err)
		return nil
	}
	return err
}

func (v *Verification) verifyPlan(ctx context.Context, source Source) error {
	d := v.Decision
	body, err := source(ctx, d.Plan)
	if err != nil {
		return v.gone("plan", d.PlanHash, err)
	}
	if err := json.Unmarshal(body, &v.plan); err != nil {
		v.check("plan", d.PlanHash, fmt.Errorf("%s: %w", d.Plan, err))
		return nil
	}
	hash, err := decision.PlanHash(v.plan)
	if err != nil {
		return err
	}
	v.equal("plan", d.PlanHash, hash)
	for _, c := range []struct{ what, bound, found string }{
		{"plan's own hash", d.PlanHash, v.plan.Hash}, {"model", d.Model, v.plan.Model}, {"run", d.Run, v.plan.Run},
		{"environment", d.Environment, v.plan.Environment}, {"commit", d.Commit, v.plan.Dataset.Commit},
		{"configuration's hash in the plan", d.ConfigHash, v.plan.ConfigHash}, {"trainer image", d.TrainerImage, v.plan.TrainerImage},
		{"server image", d.ServerImage, v.plan.ServerImage},
	} {
		v.equal(c.what, c.bound, c.found)
	}
	return nil
}

func (v *Verification) verifyConfig(ctx context.Context, source Source) error {
	d := v.Decision
	if v.plan.Config == "" {
		v.check("configuration", d.ConfigHash, fmt.Errorf("the plan names none"))
		return nil
	}
	body, err := source(ctx, v.plan.Config)
	if err != nil {
		return v.gone("configuration", d.ConfigHash, err)
	}
	config, err := trainconfig.Parse(v.plan.Config, body)
	if err != nil {
		v.check("configuration", d.ConfigHash, err)
		return nil
	}
	v.config = config
	v.equal("configuration", d.ConfigHash, config.Hash())
	return nil
}

func (v *Verification) verifyArtifact(ctx context.Context, source Source) error {
	d := v.Decision
	body, err := source(ctx, d.Artifact)
	if err != nil {
		return v.gone("model artefact", d.Digest, err)
	}
	v.equal("model artefact", d.Digest, "sha256:"+canonical.Sum(body))
	return nil
}

func (v *Verification) verifyVerdicts(ctx context.Context, source Source) error {
	for _, bound := range v.Decision.Verdicts {
		what := "verdict of " + bound.Gate
		body, err := source(ctx, bound.URI)
		if err != nil {
			if err := v.gone(what, bound.Digest, err); err != nil {
				return err
			}
			continue
		}
		v.equal(what, bound.Digest, "sha256:"+canonical.Sum(body))
		var kept judging.Kept
		if err := json.Unmarshal(body, &kept); err != nil {
			v.check(what, bound.Verdict, fmt.Errorf("%s: %w", bound.URI, err))
			continue
		}
		v.equal(what+", its word", bound.Verdict, kept.Verdict.Verdict)
		v.equal(what+", its plan", v.Decision.PlanHash, kept.PlanHash)
	}
	return nil
}

// verifyEvidence looks at what the gates read as it lies there now, which is what
// every other reader of the run sees, and not at the version that was pinned: a
// file that was replaced is to be noticed.
func (v *Verification) verifyEvidence(ctx context.Context, source Source) error {
	for _, e := range v.Decision.Evidence {
		uri, _, _ := strings.Cut(e.URI, "?")
		body, err := source(ctx, uri)
		if err != nil {
			if err := v.gone(e.Name, e.Digest, err); err != nil {
				return err
			}
			continue
		}
		v.equal(e.Name, e.Digest, "sha256:"+canonical.Sum(body))
	}
	return nil
}

// verifyAction judges the verdicts again, with what the configuration says of
// those that are insufficient.
func (v *Verification) verifyAction() error {
	d := v.Decision
	for _, bound := range d.Verdicts {
		if v.config != nil {
			v.equal("what "+bound.Gate+" does when insufficient", bound.OnInsufficient, v.config.Evaluation.OnInsufficient[bound.Gate])
		}
	}
	action, _, err := decision.Judge(trainconfig.Gates(), d.Verdicts)
	if err != nil {
		v.check("action", d.Action, err)
		return nil
	}
	v.equal("action", d.Action, action)
	return nil
}
