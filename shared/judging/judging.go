// Package judging reads what each gate judges from the files of a run, and
// judges it. The gates' functions run it on the store; sluice decision replay
// runs the very same on the store or on copies, and must come to the same end.
package judging

import (
	"bytes"
	"context"
	"encoding/json"
	"slices"

	"github.com/sluice-ml/sluice/shared/contract"
	"github.com/sluice-ml/sluice/shared/fault"
	"github.com/sluice-ml/sluice/shared/gate"
	"github.com/sluice-ml/sluice/shared/predictions"
	"github.com/sluice-ml/sluice/shared/profile"
	"github.com/sluice-ml/sluice/shared/trainconfig"
)

// Run is an evaluated run.
type Run struct {
	Plan   contract.Plan
	Config *trainconfig.Config
	// Read reads a file of the run by its contract.File… name; NotFound when it
	// was not written.
	Read func(ctx context.Context, name string) ([]byte, error)
}

// Kept is what lies in verdicts/<gate>.json: the verdict and what it is of.
type Kept struct {
	gate.Verdict
	Model      string `json:"model"`
	Run        string `json:"run"`
	PlanHash   string `json:"plan_hash"`
	ConfigHash string `json:"config_hash"`
	Commit     string `json:"commit"`
}

// Keep puts a verdict together with the plan that it is of.
func Keep(v gate.Verdict, p contract.Plan) Kept {
	return Kept{Verdict: v, Model: p.Model, Run: p.Run, PlanHash: p.Hash, ConfigHash: p.ConfigHash, Commit: p.Dataset.Commit}
}

// Judge gives a gate's verdict on a run. Measurements that are not there or
// cannot be read are a verdict (insufficient); only storage that fails is an
// error, which a retry may help. Equal files give equal verdicts.
func Judge(ctx context.Context, name string, run Run) (gate.Verdict, error) {
	judge, ok := judges()[name]
	if !ok {
		return gate.Verdict{}, fault.New(fault.Invalid, "judge run "+run.Plan.Run, "there is no gate %q", name)
	}
	read := run.Read
	run.Read = func(ctx context.Context, file string) ([]byte, error) {
		if !slices.Contains(Files(), file) {
			return nil, fault.New(fault.Internal, "judge run "+run.Plan.Run, "gate %s reads %s, which no decision would bind; name it in judging.Files", name, file)
		}
		return read(ctx, file)
	}
	verdict, err := judge(ctx, run)
	if fault.Is(err, fault.NotFound) || fault.Is(err, fault.Invalid) {
		return gate.Unmeasured(name, err.Error()), nil
	}
	return verdict, err
}

type judge func(ctx context.Context, run Run) (gate.Verdict, error)

func judges() map[string]judge {
	return map[string]judge{
		gate.NamePerformance: performance, gate.NameFairness: fairness, gate.NameRobustness: robustness,
		gate.NameDataQuality: dataQuality, gate.NameChampion: champion, gate.NameLatency: latency,
	}
}

// scored reads the evaluator's predictions.
func scored(ctx context.Context, run Run) (*predictions.Set, error) {
	data, err := run.Read(ctx, contract.FilePredictions)
	if err != nil {
		return nil, err
	}
	set, err := predictions.Read(bytes.NewReader(data), int64(len(data)))
	if err == nil && set.Goal != run.Config.Goal() {
		err = fault.New(fault.Invalid, "read "+contract.FilePredictions, "they are of %s, and the configuration is for %s", set.Goal, run.Config.Goal())
	}
	return &set, err
}

func (r Run) readJSON(ctx context.Context, name string, into any) error {
	data, err := r.Read(ctx, name)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(data, into); err != nil {
		return fault.New(fault.Invalid, "read "+name, "%w", err)
	}
	return nil
}

// performance judges the metrics that have thresholds.
func performance(ctx context.Context, run Run) (gate.Verdict, error) {
	set, err := scored(ctx, run)
	if err != nil {
		return gate.Verdict{}, err
	}
	return gate.Performance(&run.Config.Evaluation, set), nil
}

// fairness judges the groups of the protected attributes.
func fairness(ctx context.Context, run Run) (gate.Verdict, error) {
	set, err := scored(ctx, run)
	if err != nil {
		return gate.Verdict{}, err
	}
	return gate.Fairness(&run.Config.Evaluation, set), nil
}

// champion compares with the version that serves.
func champion(ctx context.Context, run Run) (gate.Verdict, error) {
	if run.Plan.Champion == nil {
		return gate.Champion(&run.Config.Evaluation, nil, false), nil
	}
	set, err := scored(ctx, run)
	if err != nil {
		return gate.Verdict{}, err
	}
	return gate.Champion(&run.Config.Evaluation, set, true), nil
}

// robustness judges what noise does to the predictions.
func robustness(ctx context.Context, run Run) (gate.Verdict, error) {
	if len(run.Config.Evaluation.Robustness.Noise) == 0 {
		return gate.Robustness(&run.Config.Evaluation, nil, nil, nil), nil
	}
	set, err := scored(ctx, run)
	if err != nil {
		return gate.Verdict{}, err
	}
	data, err := run.Read(ctx, contract.FilePerturbed)
	if err != nil {
		return gate.Verdict{}, err
	}
	rowID, perturbed, err := predictions.ReadPerturbed(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		return gate.Verdict{}, err
	}
	return gate.Robustness(&run.Config.Evaluation, set, rowID, perturbed), nil
}

// latency judges how fast the server answered the evaluator.
func latency(ctx context.Context, run Run) (gate.Verdict, error) {
	var l contract.Latency
	if err := run.readJSON(ctx, contract.FileLatency, &l); err != nil {
		return gate.Verdict{}, err
	}
	return gate.Latency(run.Config, &l), nil
}

// dataQuality judges the data that the candidate learnt from.
func dataQuality(ctx context.Context, run Run) (gate.Verdict, error) {
	data, err := run.Read(ctx, contract.FileProfile)
	if err != nil {
		return gate.Verdict{}, err
	}
	p, err := profile.Decode(data)
	if err != nil {
		return gate.Verdict{}, err
	}
	var report profile.Report
	if err := run.readJSON(ctx, contract.FileValidation, &report); err != nil {
		return gate.Verdict{}, err
	}
	return gate.DataQuality(run.Config, run.Plan.Dataset.Commit, &p, &report), nil
}
