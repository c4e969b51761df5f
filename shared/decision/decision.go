// Package decision makes, signs and checks the record without which nothing
// ships. A decision binds the plan, the data, the configuration, the images, the
// model artefact's digest, every verdict and every file that was measured for
// them; its action follows from the verdicts alone:
//
//	reject  some gate failed, or was insufficient and is configured to fail then
//	hold    otherwise, some gate was insufficient and is configured to hold
//	ship    every gate passed, or was insufficient and is configured to pass
//
// It is signed by a KMS key (shared/aws/kmssign) or by a key in a file (LocalKey),
// both ECDSA P-256 over SHA-256, and checked with the public key alone.
//
// Format 2 is what is made today. Format 1, which bound no evidence, is read and
// believed still. Every other format is refused, and so is a member that the
// format does not have: what a build does not know it cannot have checked.
package decision

import (
	"fmt"
	"slices"
	"time"

	"github.com/sluice-ml/sluice/shared/canonical"
	"github.com/sluice-ml/sluice/shared/fault"
)

// Actions.
const (
	Ship   = "ship"
	Reject = "reject"
	Hold   = "hold"
)

// Format is the format of the decisions that this package makes; formatPlain is
// the older one, without evidence, that it still reads.
const (
	Format      = 2
	formatPlain = 1
)

// Decision is what is signed.
type Decision struct {
	Format       int       `json:"format"`
	Model        string    `json:"model"`
	Run          string    `json:"run"`
	Environment  string    `json:"environment"`
	Plan         string    `json:"plan"`      // S3 URI
	PlanHash     string    `json:"plan_hash"` // "sha256:…", as are the other hashes and digests
	Commit       string    `json:"commit"`
	ConfigHash   string    `json:"config_hash"`
	TrainerImage string    `json:"trainer_image"`
	ServerImage  string    `json:"server_image"`
	Artifact     string    `json:"artifact"` // S3 URI of model.tar.gz
	Digest       string    `json:"digest"`   // of the artefact
	Verdicts     []Verdict `json:"verdicts"` // in the gates' order
	// Evidence is what the gates read, in the order of names; none in format 1.
	Evidence []Evidence `json:"evidence,omitempty"`
	Action   string     `json:"action"`
	Reasons  []string   `json:"reasons"`
	Time     time.Time  `json:"time"` // UTC
}

// Evidence is a file that gates read, as it was when it was decided: the
// predictions, the disturbed ones, the latencies, the profile, the validation.
type Evidence struct {
	Name   string `json:"name"`   // under the run's prefix, e.g. "evaluation/predictions.parquet"
	URI    string `json:"uri"`    // with ?versionId=
	Digest string `json:"digest"` // of its bytes
}

// Bound is the evidence with a name; false when the decision binds none.
func (d Decision) Bound(name string) (Evidence, bool) {
	i := slices.IndexFunc(d.Evidence, func(e Evidence) bool { return e.Name == name })
	if i < 0 {
		return Evidence{}, false
	}
	return d.Evidence[i], true
}

// BindsEvidence says that the decision is of a format that binds what the gates
// read: a file that it does not name was not there.
func (d Decision) BindsEvidence() bool { return d.Format >= Format }

// Verdict is what a decision keeps of a gate's verdict.
type Verdict struct {
	Gate           string   `json:"gate"`
	Verdict        string   `json:"verdict"` // "pass", "fail" or "insufficient"
	Reasons        []string `json:"reasons"`
	OnInsufficient string   `json:"on_insufficient"` // "hold", "pass" or "fail"
	URI            string   `json:"uri"`
	Digest         string   `json:"digest"` // of the whole verdict's bytes
}

// Judge gives the action that verdicts lead to, and a reason for each gate that
// did not pass. gates are the ones that must have spoken, each once; Invalid
// names the gate that is missing, doubled or unknown, or the value that is no
// verdict.
func Judge(gates []string, verdicts []Verdict) (action string, reasons []string, err error) {
	if err := complete(gates, verdicts); err != nil {
		return "", nil, err
	}
	action = Ship
	reasons = []string{}
	for _, v := range verdicts {
		effect, err := v.effect()
		if err != nil {
			return "", nil, err
		}
		if v.Verdict != "pass" {
			reasons = append(reasons, v.reasons()...)
		}
		if effect == Reject || (effect == Hold && action == Ship) {
			action = effect
		}
	}
	return action, reasons, nil
}

func complete(gates []string, verdicts []Verdict) error {
	spoken := map[string]bool{}
	for _, v := range verdicts {
		if !slices.Contains(gates, v.Gate) {
			return fault.New(fault.Invalid, "decide", "gate %q is not one of %v", v.Gate, gates)
		}
		if spoken[v.Gate] {
			return fault.New(fault.Invalid, "decide", "gate %q gave two verdicts", v.Gate)
		}
		spoken[v.Gate] = true
	}
	for _, gate := range gates {
		if !spoken[gate] {
			return fault.New(fault.Invalid, "decide", "gate %q gave no verdict", gate).
				WithHint("every gate must speak before a decision; look at the run's execution")
		}
	}
	return nil
}

// effect is what one verdict asks for.
func (v Verdict) effect() (string, error) {
	switch v.Verdict {
	case "pass":
		return Ship, nil
	case "fail":
		return Reject, nil
	case "insufficient":
		switch v.OnInsufficient {
		case "pass":
			return Ship, nil
		case "fail":
			return Reject, nil
		case "hold", "":
			return Hold, nil
		}
		return "", fault.New(fault.Invalid, "decide", "gate %s: on_insufficient %q: want hold, pass or fail", v.Gate, v.OnInsufficient)
	}
	return "", fault.New(fault.Invalid, "decide", "gate %s: verdict %q: want pass, fail or insufficient", v.Gate, v.Verdict)
}

func (v Verdict) reasons() []string {
	prefix := fmt.Sprintf("%s: %s", v.Gate, v.Verdict)
	if v.Verdict == "insufficient" && v.OnInsufficient == "pass" {
		prefix += " (configured to pass)"
	}
	if len(v.Reasons) == 0 {
		return []string{prefix}
	}
	reasons := make([]string, len(v.Reasons))
	for i, reason := range v.Reasons {
		reasons[i] = prefix + ": " + reason
	}
	return reasons
}

// check looks for what an accepted decision must have.
func (d Decision) check() error {
	const op = "read a decision"
	if d.Format != Format && d.Format != formatPlain {
		return fault.New(fault.Invalid, op, "its format is %d, this build knows %d and %d", d.Format, formatPlain, Format).
			WithHint("use the version of sluice that made it, or run the gates again")
	}
	for _, c := range []struct{ name, value string }{{"model", d.Model}, {"run", d.Run}, {"plan_hash", d.PlanHash}, {"commit", d.Commit},
		{"config_hash", d.ConfigHash}, {"digest", d.Digest}, {"server_image", d.ServerImage}, {"action", d.Action}} {
		if c.value == "" {
			return fault.New(fault.Invalid, op, "%s is missing", c.name)
		}
	}
	if !slices.Contains([]string{Ship, Reject, Hold}, d.Action) {
		return fault.New(fault.Invalid, op, "action %q: want %s, %s or %s", d.Action, Ship, Reject, Hold)
	}
	return d.checkEvidence()
}

func (d Decision) checkEvidence() error {
	const op = "read a decision"
	switch {
	case !d.BindsEvidence() && len(d.Evidence) > 0:
		return fault.New(fault.Invalid, op, "format %d binds no evidence, and this names %q", d.Format, d.Evidence[0].Name)
	case d.BindsEvidence() && d.Action == Ship && len(d.Evidence) == 0:
		return fault.New(fault.Invalid, op, "it ships, and binds no evidence: nothing was measured").
			WithHint("evaluate the model, and run the gates again")
	}
	for i, e := range d.Evidence {
		if e.Name == "" || e.URI == "" || e.Digest == "" {
			return fault.New(fault.Invalid, op, "evidence %d (%q) has no name, URI or digest", i, e.Name)
		}
		if i > 0 && e.Name <= d.Evidence[i-1].Name {
			return fault.New(fault.Invalid, op, "evidence %q comes after %q: want each once, in order of name", e.Name, d.Evidence[i-1].Name)
		}
	}
	return nil
}

func (d Decision) payload() ([]byte, error) { return canonical.JSON(d) }
