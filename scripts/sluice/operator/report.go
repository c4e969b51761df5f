package operator

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/sluice-ml/sluice/shared/contract"
	"github.com/sluice-ml/sluice/shared/decision"
	"github.com/sluice-ml/sluice/shared/drift"
	"github.com/sluice-ml/sluice/shared/fault"
	"github.com/sluice-ml/sluice/shared/gate"
	"github.com/sluice-ml/sluice/shared/gbdt"
	"github.com/sluice-ml/sluice/shared/goal"
	"github.com/sluice-ml/sluice/shared/model"
	"github.com/sluice-ml/sluice/shared/predictions"
	"github.com/sluice-ml/sluice/shared/profile"
	"github.com/sluice-ml/sluice/shared/report"
	"github.com/sluice-ml/sluice/shared/rollout"
	"github.com/sluice-ml/sluice/shared/trainconfig"
	"github.com/sluice-ml/sluice/shared/training"
)

// Report gathers what a run left behind, or has so far. What it never reached is
// left out; what is there and cannot be read is left out too, and named.
func (c *Client) Report(ctx context.Context, run Run) (report.Data, error) {
	d := report.Data{
		Model: run.Model, Run: run.Run, Environment: c.Environment, Status: run.Status,
		Cause: run.Cause.Kind, Started: run.Started, Finished: run.Finished, Made: time.Now(),
	}
	if d.Finished.IsZero() {
		d.Finished = d.Made
	}
	if run.Outcome != nil {
		d.Reason, d.Version = run.Outcome.Reason, run.Outcome.Version
	}
	phases, err := c.Phases(ctx, run.Run)
	if err != nil {
		return d, err
	}
	for _, p := range phases {
		if strings.HasSuffix(p.Name, "?") {
			continue
		}
		if !p.Done {
			p.Duration = d.Finished.Sub(p.Start)
		}
		d.Phases = append(d.Phases, report.Phase{Name: p.Name, Start: p.Start, Duration: p.Duration})
	}
	g := gatherer{Client: c, d: &d}
	for _, part := range []func(context.Context) error{
		g.plan, g.config, g.decision, g.environment, g.data, g.drift, g.verdicts, g.latency, g.scores, g.importance, g.rollout,
	} {
		err := part(ctx)
		switch {
		case err == nil || fault.Is(err, fault.NotFound):
		case fault.Is(err, fault.Invalid):
			d.Problems = append(d.Problems, err.Error())
		default:
			return d, fmt.Errorf("gather the report of run %s: %w", run.Run, err)
		}
	}
	return d, nil
}

// gatherer reads a run's files into a report, part after part.
type gatherer struct {
	*Client
	d       *report.Data
	trained *trainconfig.Config // nil where it cannot be read
}

// file decodes a JSON file of the run; found is false when there is none.
func (g *gatherer) file(ctx context.Context, run, name string, into any) (found bool, err error) {
	raw, found, err := g.RunJSON(ctx, g.d.Model, run, name)
	if err != nil || !found {
		return false, err
	}
	if err := json.Unmarshal(raw, into); err != nil {
		return false, fault.New(fault.Invalid, "read "+name, "%w", err)
	}
	return true, nil
}

func (g *gatherer) plan(ctx context.Context) error {
	var plan contract.Plan
	found, err := g.file(ctx, g.d.Run, contract.FilePlan, &plan)
	if found {
		g.d.Plan = &plan
	}
	return err
}

func (g *gatherer) config(ctx context.Context) error {
	if g.d.Plan == nil || g.d.Plan.Config == "" {
		return nil
	}
	body, err := g.Fetch(ctx, g.d.Plan.Config)
	if err != nil {
		return err
	}
	if g.trained, err = trainconfig.Parse(g.d.Plan.Config, body); err != nil {
		return err
	}
	g.d.Confidence = g.trained.Evaluation.Confidence
	return nil
}

// decision reads the decision without checking it: sluice decision verify does.
func (g *gatherer) decision(ctx context.Context) error {
	encoded, found, err := g.RunJSON(ctx, g.d.Model, g.d.Run, contract.FileDecision)
	if err != nil || !found {
		return err
	}
	d, err := decision.Unverified(encoded)
	if err != nil {
		return err
	}
	g.d.Decision, g.d.Signer = &d, decision.SignedBy(encoded)
	return nil
}

func (g *gatherer) environment(ctx context.Context) error {
	var e training.Environment
	found, err := g.file(ctx, g.d.Run, contract.FileEnvironment, &e)
	if found {
		g.d.Environs = &e
	}
	return err
}

func (g *gatherer) data(ctx context.Context) error {
	var validation profile.Report
	found, err := g.file(ctx, g.d.Run, contract.FileValidation, &validation)
	if err != nil {
		return err
	}
	if found {
		g.d.Validation = &validation
	}
	g.d.Profile, err = g.profileOf(ctx, g.d.Run)
	return err
}

func (g *gatherer) profileOf(ctx context.Context, run string) (*profile.Profile, error) {
	raw, found, err := g.RunJSON(ctx, g.d.Model, run, contract.FileProfile)
	if err != nil || !found {
		return nil, err
	}
	p, err := profile.Decode(raw)
	return &p, err
}

// drift compares with the data of the champion that the plan names.
func (g *gatherer) drift(ctx context.Context) error {
	if g.d.Profile == nil || g.d.Plan == nil || g.d.Plan.Champion == nil || g.trained == nil {
		return nil
	}
	before, err := g.profileOf(ctx, g.d.Plan.Champion.Run)
	if err != nil || before == nil {
		return err
	}
	r := drift.Compare(before, g.d.Profile, profile.Features(g.trained, before.Names()), drift.Threshold)
	g.d.Drift, g.d.DriftFrom = &r, g.d.Plan.Champion.Run
	return nil
}

func (g *gatherer) verdicts(ctx context.Context) error {
	for _, name := range trainconfig.Gates() {
		var v gate.Verdict
		found, err := g.file(ctx, g.d.Run, contract.VerdictFile(name), &v)
		if err != nil {
			return err
		}
		if found {
			g.d.Verdicts = append(g.d.Verdicts, v)
		}
	}
	return nil
}

func (g *gatherer) latency(ctx context.Context) error {
	var l contract.Latency
	found, err := g.file(ctx, g.d.Run, contract.FileLatency, &l)
	if found {
		g.d.Latency = &l
	}
	return err
}

// scores reads the predictions, from which the page's curves are made.
func (g *gatherer) scores(ctx context.Context) error {
	raw, found, err := g.RunJSON(ctx, g.d.Model, g.d.Run, contract.FilePredictions)
	if err != nil || !found {
		return err
	}
	set, err := predictions.Read(bytes.NewReader(raw), int64(len(raw)))
	if err != nil {
		return err
	}
	if set.Goal != goal.Binary {
		g.d.Predictions = &set
		return nil
	}
	g.d.Scores = &report.Scores{Label: set.Label, Score: set.Score, Weight: set.Weight, Champion: set.Champion, Attributes: set.Attributes}
	if g.trained != nil {
		g.d.Scores.Protected = g.trained.Evaluation.Fairness.ProtectedAttributes
		g.d.Scores.MinGroup = g.trained.Evaluation.Fairness.MinGroupSize
	}
	return nil
}

// importance reads it from the trees; an image of one's own may have none.
func (g *gatherer) importance(ctx context.Context) error {
	archive, found, err := g.RunJSON(ctx, g.d.Model, g.d.Run, contract.FileModel)
	if err != nil || !found {
		return err
	}
	trees, err := model.Trees(archive)
	if err != nil {
		return nil // not a model of trees: nothing to show, and nothing wrong
	}
	all, err := gbdt.Importances(trees)
	if err != nil {
		return fault.New(fault.Invalid, "read the importance of features", "%w", err)
	}
	artifact, err := model.Unpack(archive)
	if err != nil {
		return err
	}
	names, total := artifact.Schema.Names(), 0.0
	for _, i := range all {
		total += i.Gain
	}
	for _, i := range all {
		if i.Feature < len(names) && total > 0 {
			g.d.Importance = append(g.d.Importance, report.Importance{Feature: names[i.Feature], Gain: i.Gain / total, Splits: i.Splits})
		}
	}
	return nil
}

// rollout reads the run's rollout, finished or under way, also after a later one
// has begun.
func (g *gatherer) rollout(ctx context.Context) error {
	state, err := g.rolloutOf(ctx, g.d.Model, g.d.Run)
	if err != nil {
		return err
	}
	g.d.Rollout = &state
	for _, r := range state.History {
		if r.Phase != rollout.RollingBack && r.Phase != rollout.Reverting {
			continue
		}
		name, ok := alarmOf(r.Reason)
		if !ok {
			return nil
		}
		g.d.Alarm, err = g.AlarmFired(ctx, name, r.Time)
		return err
	}
	return nil
}

// alarmOf is the name of the alarm that a reason begins with.
func alarmOf(reason string) (string, bool) {
	words := strings.Fields(reason)
	if len(words) < 2 || words[0] != "alarm" {
		return "", false
	}
	_, _, _, _, ok := contract.ParseAlarmName(words[1])
	return words[1], ok
}

func (c *Client) rolloutOf(ctx context.Context, model, run string) (rollout.State, error) {
	latest, err := c.Rollout(ctx, model)
	if err != nil || latest.Run == run {
		return latest, err
	}
	return c.rollouts().Archived(ctx, model, run+"-rollout")
}
