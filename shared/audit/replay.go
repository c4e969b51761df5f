package audit

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/sluice-ml/sluice/shared/contract"
	"github.com/sluice-ml/sluice/shared/decision"
	"github.com/sluice-ml/sluice/shared/fault"
	"github.com/sluice-ml/sluice/shared/gate"
	"github.com/sluice-ml/sluice/shared/judging"
	"github.com/sluice-ml/sluice/shared/trainconfig"
)

// Replayed is a gate's verdict, recorded and made again.
type Replayed struct {
	Gate        string       `json:"gate"`
	Recorded    string       `json:"recorded"`
	Again       string       `json:"again"`
	Differences []string     `json:"differences"` // where the two verdicts part, at most 20
	Verdict     gate.Verdict `json:"verdict"`     // made again
}

// Replay is a decision made again from what it was made from.
type Replay struct {
	Gates    []Replayed `json:"gates"`
	Recorded string     `json:"recorded"` // the action
	Again    string     `json:"again"`
	Same     bool       `json:"same"`
}

// tolerance is how far two numbers may lie apart, relative to the greater: on
// another processor the last digits of a sum may round another way.
const tolerance = 1e-9

// mostDifferences bounds what is listed of one verdict.
const mostDifferences = 20

// Replay makes every verdict again, from the predictions and the other files of
// the run, at the versions that the decision binds, with the configuration that
// its plan pins. A file that it does not bind was not there and is not read; an
// older decision binds none, and the files are read as they are. Errors are
// those of storage, and of a plan or configuration that cannot be read.
func (v *Verification) Replay(ctx context.Context, source Source) (Replay, error) {
	const op = "replay the decision"
	if v.config == nil || v.plan.Run == "" {
		return Replay{}, fault.New(fault.Invalid, op, "its plan or configuration cannot be read").WithHint("sluice decision verify says why")
	}
	run := judging.Run{Plan: v.plan, Config: v.config, Read: func(ctx context.Context, name string) ([]byte, error) {
		uri, err := locate(v.Decision, name)
		if err != nil {
			return nil, err
		}
		return source(ctx, uri)
	}}
	out := Replay{Recorded: v.Decision.Action, Same: true}
	verdicts := slices.Clone(v.Decision.Verdicts)
	for i, bound := range v.Decision.Verdicts {
		again, err := replayGate(ctx, source, run, bound)
		if err != nil {
			return out, err
		}
		out.Gates = append(out.Gates, again)
		verdicts[i].Verdict, verdicts[i].Reasons = again.Again, again.Verdict.Reasons
		verdicts[i].OnInsufficient = v.config.Evaluation.OnInsufficient[bound.Gate]
		out.Same = out.Same && len(again.Differences) == 0
	}
	var err error
	if out.Again, _, err = decision.Judge(trainconfig.Gates(), verdicts); err != nil {
		return out, err
	}
	out.Same = out.Same && out.Again == out.Recorded
	return out, nil
}

// locate says where a file of the decision's run is to be read.
func locate(d decision.Decision, name string) (string, error) {
	const op = "replay the decision"
	if e, ok := d.Bound(name); ok {
		return e.URI, nil
	}
	if d.BindsEvidence() {
		return "", fault.New(fault.NotFound, op, "%s was not there when it was decided", name)
	}
	prefix, ok := strings.CutSuffix(d.Plan, contract.FilePlan)
	if !ok {
		return "", fault.New(fault.Invalid, op, "the plan %s is not called %s", d.Plan, contract.FilePlan)
	}
	return prefix + name, nil
}

func replayGate(ctx context.Context, source Source, run judging.Run, bound decision.Verdict) (Replayed, error) {
	r := Replayed{Gate: bound.Gate, Recorded: bound.Verdict, Differences: []string{}}
	var err error
	if r.Verdict, err = judging.Judge(ctx, bound.Gate, run); err != nil {
		return r, err
	}
	r.Again = r.Verdict.Verdict
	if r.Again != r.Recorded {
		r.add("verdict: recorded %s, again %s (%s)", r.Recorded, r.Again, strings.Join(r.Verdict.Reasons, "; "))
	}
	body, err := source(ctx, bound.URI)
	if fault.Is(err, fault.NotFound) {
		r.add("the recorded verdict is not there to compare with: %v", err)
		return r, nil
	}
	if err != nil {
		return r, err
	}
	return r, r.compare(body, judging.Keep(r.Verdict, run.Plan))
}

func (r *Replayed) add(format string, args ...any) {
	if len(r.Differences) < mostDifferences {
		r.Differences = append(r.Differences, fmt.Sprintf(format, args...))
	}
}

// compare holds the whole verdicts against each other. Of one that nothing could
// be measured for, the reason names where a file was looked for, which may differ.
func (r *Replayed) compare(recorded []byte, again judging.Kept) error {
	made, err := json.Marshal(again)
	if err != nil {
		return fault.New(fault.Internal, "replay the gate "+r.Gate, "%w", err)
	}
	var before, after map[string]any
	if err := json.Unmarshal(recorded, &before); err != nil {
		r.add("the recorded verdict cannot be read: %v", err)
		return nil
	}
	if err := json.Unmarshal(made, &after); err != nil {
		return fault.New(fault.Internal, "replay the gate "+r.Gate, "%w", err)
	}
	if len(again.Measurements) == 0 && again.Config == nil && before["config"] == nil {
		delete(before, "reasons")
		delete(after, "reasons")
	}
	r.differ("", before, after)
	return nil
}

// differ walks two JSON values and names where they part.
func (r *Replayed) differ(at string, before, after any) {
	switch b := before.(type) {
	case map[string]any:
		if a, ok := after.(map[string]any); ok {
			names := slices.Sorted(maps.Keys(b))
			for name := range a {
				if _, both := b[name]; !both {
					names = append(names, name)
				}
			}
			for _, name := range names {
				r.differ(strings.TrimPrefix(at+"."+name, "."), b[name], a[name])
			}
			return
		}
	case []any:
		if a, ok := after.([]any); ok {
			if len(a) != len(b) {
				r.add("%s: recorded %d, again %d of them", at, len(b), len(a))
			}
			for i := range min(len(a), len(b)) {
				r.differ(at+"["+label(i, b[i])+"]", b[i], a[i])
			}
			return
		}
	case float64:
		if a, ok := after.(float64); ok && math.Abs(a-b) <= tolerance*max(math.Abs(a), math.Abs(b)) {
			return
		}
	}
	if fmt.Sprint(before) != fmt.Sprint(after) {
		r.add("%s: recorded %v, again %v", at, before, after)
	}
}

// label names an element of a list by what it is about, else by its place.
func label(i int, v any) string {
	m, ok := v.(map[string]any)
	name, named := m["name"].(string)
	if !ok || !named {
		return fmt.Sprint(i)
	}
	if group, ok := m["group"].(string); ok {
		name += " of " + group
	}
	return name
}
