package operator

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/sluice-ml/sluice/shared/contract"
	"github.com/sluice-ml/sluice/shared/evaluation"
	"github.com/sluice-ml/sluice/shared/fault"
	"github.com/sluice-ml/sluice/shared/gate"
	"github.com/sluice-ml/sluice/shared/goal"
	"github.com/sluice-ml/sluice/shared/predictions"
	"github.com/sluice-ml/sluice/shared/profile"
	"github.com/sluice-ml/sluice/shared/report"
	"github.com/sluice-ml/sluice/shared/rollout"
	"github.com/sluice-ml/sluice/shared/trainconfig"
)

// Report gathers what a run left behind. What it never reached is left out.
func (c *Client) Report(ctx context.Context, run Run) (report.Data, error) {
	d := report.Data{
		Model: run.Model, Run: run.Run, Environment: c.Environment, Status: run.Status,
		Cause: run.Cause.Kind, Started: run.Started, Finished: run.Finished,
	}
	if d.Finished.IsZero() {
		d.Finished = time.Now()
	}
	if run.Outcome != nil {
		d.Reason, d.Version = run.Outcome.Reason, run.Outcome.Version
	}
	phases, err := c.Phases(ctx, run.Run)
	if err != nil {
		return d, err
	}
	for _, p := range phases {
		if !strings.HasSuffix(p.Name, "?") {
			d.Phases = append(d.Phases, report.Phase{Name: p.Name, Start: p.Start, Duration: p.Duration})
		}
	}
	for _, part := range []func(context.Context, *report.Data) error{
		c.reportPlan, c.reportData, c.reportVerdicts, c.reportCurves, c.reportRollout,
	} {
		if err := part(ctx, &d); err != nil && !fault.Is(err, fault.NotFound) {
			return d, fmt.Errorf("gather the report of run %s: %w", run.Run, err)
		}
	}
	return d, nil
}

func (c *Client) reportPlan(ctx context.Context, d *report.Data) error {
	var plan contract.Plan
	if err := c.RunFile(ctx, d.Model, d.Run, contract.FilePlan, &plan); err != nil {
		return err
	}
	d.Commit, d.Objects, d.PlanHash = plan.Dataset.Commit, plan.Dataset.Count, plan.Hash
	if d.Version > 0 {
		version, err := c.Version(ctx, d.Model, d.Version)
		d.Digest = version.Digest
		return err
	}
	return nil
}

func (c *Client) reportData(ctx context.Context, d *report.Data) error {
	var validation profile.Report
	if err := c.RunFile(ctx, d.Model, d.Run, contract.FileValidation, &validation); err != nil {
		return err
	}
	d.Rows = validation.Rows
	for _, f := range validation.Findings {
		d.Findings = append(d.Findings, report.Finding{
			Column: f.Column, Measure: f.Measure, Value: fmt.Sprintf("%.4g", f.Value), Limit: fmt.Sprintf("%.4g", f.Limit),
			Verdict: f.Verdict, Text: f.Text,
		})
	}
	return nil
}

func (c *Client) reportVerdicts(ctx context.Context, d *report.Data) error {
	for _, name := range trainconfig.Gates() {
		raw, found, err := c.RunJSON(ctx, d.Model, d.Run, contract.VerdictFile(name))
		if err != nil {
			return err
		}
		if !found {
			continue
		}
		var v gate.Verdict
		if err := json.Unmarshal(raw, &v); err != nil {
			return fmt.Errorf("read the verdict of gate %s: %w", name, err)
		}
		d.Verdicts = append(d.Verdicts, verdict(v))
	}
	return nil
}

func (c *Client) reportCurves(ctx context.Context, d *report.Data) error {
	raw, found, err := c.RunJSON(ctx, d.Model, d.Run, contract.FilePredictions)
	if err != nil || !found {
		return err
	}
	set, err := predictions.Read(bytes.NewReader(raw), int64(len(raw)))
	if err != nil {
		return err
	}
	if set.Goal != goal.Binary {
		return nil // a ROC curve is of two classes
	}
	for _, side := range []struct {
		name  string
		score []float64
	}{{"candidate", set.Score}, {"champion", set.Champion}} {
		if side.score == nil {
			continue
		}
		sample := evaluation.Sample{Label: set.Label, Score: side.score}
		curve, err := evaluation.ROC(sample)
		if err != nil {
			return err
		}
		auc, err := evaluation.ROCAUC(sample)
		if err != nil {
			return err
		}
		d.ROC = append(d.ROC, report.Curve{Name: fmt.Sprintf("%s, AUC %.4f", side.name, auc), X: curve.X, Y: curve.Y})
	}
	return nil
}

// reportRollout reads the run's rollout, also after a later one has begun.
func (c *Client) reportRollout(ctx context.Context, d *report.Data) error {
	state, err := c.rolloutOf(ctx, d.Model, d.Run)
	if err != nil {
		return err
	}
	for _, r := range state.History {
		step := report.Step{At: r.Time, Weight: r.Weight, Verdict: r.Verdict, Reason: r.Reason, Candidate: noSide(), Champion: noSide()}
		if m := r.Measurements; m != nil {
			step.Candidate = side(m.Candidate)
			if m.Champion != nil {
				step.Champion = side(*m.Champion)
			}
		}
		d.Steps = append(d.Steps, step)
	}
	return nil
}

func (c *Client) rolloutOf(ctx context.Context, model, run string) (rollout.State, error) {
	latest, err := c.Rollout(ctx, model)
	if errors.Is(err, ErrNoRollout) {
		return latest, fault.New(fault.NotFound, "read the rollout", "run %s had none", run)
	}
	if err != nil || latest.Run == run {
		return latest, err
	}
	return c.rollouts().Archived(ctx, model, run+"-rollout")
}

func noSide() report.Side {
	return report.Side{Requests: math.NaN(), ErrorRate: math.NaN(), P99MS: math.NaN(), Accuracy: math.NaN()}
}

func side(v rollout.Variant) report.Side {
	s := report.Side{Requests: float64(v.Requests), ErrorRate: v.ErrorRate(), P99MS: math.NaN(), Accuracy: v.Accuracy()}
	if v.P99MS != nil {
		s.P99MS = *v.P99MS
	}
	return s
}

// verdict puts a gate's verdict in the page's terms.
func verdict(v gate.Verdict) report.Verdict {
	out := report.Verdict{Gate: v.Gate, Verdict: v.Verdict, Reasons: v.Reasons}
	for _, m := range v.Measurements {
		limit := ""
		if m.Wants != "" {
			limit = fmt.Sprintf("%s %.4g", m.Wants, m.Limit)
		}
		out.Measurements = append(out.Measurements, report.Measurement{
			Name: m.Name, Group: m.Group, Value: m.Value, Low: m.Low, High: m.High, Limit: limit, N: int64(m.N), Verdict: m.Verdict,
		})
	}
	return out
}
