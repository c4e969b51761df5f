// Package decision makes, signs and checks the record without which nothing
// ships. A decision binds the plan, the data, the configuration, the images, the
// model artefact's digest and every verdict; its action follows from the
// verdicts alone:
//
//	reject  some gate failed, or was insufficient and is configured to fail then
//	hold    otherwise, some gate was insufficient and is configured to hold
//	ship    every gate passed, or was insufficient and is configured to pass
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

// Format is the format of the decisions that this package makes and accepts.
const Format = 1

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
	Action       string    `json:"action"`
	Reasons      []string  `json:"reasons"`
	Time         time.Time `json:"time"` // UTC
}

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
	if d.Format != Format {
		return fault.New(fault.Invalid, "read a decision", "its format is %d, this build knows %d", d.Format, Format)
	}
	for name, value := range map[string]string{"model": d.Model, "run": d.Run, "plan_hash": d.PlanHash, "commit": d.Commit,
		"config_hash": d.ConfigHash, "digest": d.Digest, "server_image": d.ServerImage, "action": d.Action} {
		if value == "" {
			return fault.New(fault.Invalid, "read a decision", "%s is missing", name)
		}
	}
	return nil
}

func (d Decision) payload() ([]byte, error) { return canonical.JSON(d) }
