package gates

import (
	"context"

	"github.com/sluice-ml/sluice/shared/aws/runstore"
	"github.com/sluice-ml/sluice/shared/contract"
	"github.com/sluice-ml/sluice/shared/gate"
	"github.com/sluice-ml/sluice/shared/predictions"
	"github.com/sluice-ml/sluice/shared/profile"
)

// scored reads the evaluator's predictions.
func scored(ctx context.Context, run *runstore.Run) (predictions.Set, error) {
	r, err := run.Reader(ctx, contract.FilePredictions)
	if err != nil {
		return predictions.Set{}, err
	}
	return predictions.Read(r, r.Size())
}

// Performance judges the metrics that have thresholds.
func Performance() Gate {
	return Gate{gate.NamePerformance, func(ctx context.Context, run *runstore.Run) (gate.Verdict, error) {
		set, err := scored(ctx, run)
		if err != nil {
			return gate.Verdict{}, err
		}
		return gate.Performance(&run.Config.Evaluation, &set, run.Plan.Seed), nil
	}}
}

// Fairness judges the groups of the protected attributes.
func Fairness() Gate {
	return Gate{gate.NameFairness, func(ctx context.Context, run *runstore.Run) (gate.Verdict, error) {
		set, err := scored(ctx, run)
		if err != nil {
			return gate.Verdict{}, err
		}
		return gate.Fairness(&run.Config.Evaluation, &set), nil
	}}
}

// Champion compares with the version that serves.
func Champion() Gate {
	return Gate{gate.NameChampion, func(ctx context.Context, run *runstore.Run) (gate.Verdict, error) {
		if run.Plan.Champion == nil {
			return gate.Champion(&run.Config.Evaluation, nil, false), nil
		}
		set, err := scored(ctx, run)
		if err != nil {
			return gate.Verdict{}, err
		}
		return gate.Champion(&run.Config.Evaluation, &set, true), nil
	}}
}

// Robustness judges what noise does to the predictions.
func Robustness() Gate {
	return Gate{gate.NameRobustness, func(ctx context.Context, run *runstore.Run) (gate.Verdict, error) {
		if len(run.Config.Evaluation.Robustness.Noise) == 0 {
			return gate.Robustness(&run.Config.Evaluation, nil, nil, nil), nil
		}
		set, err := scored(ctx, run)
		if err != nil {
			return gate.Verdict{}, err
		}
		r, err := run.Reader(ctx, contract.FilePerturbed)
		if err != nil {
			return gate.Verdict{}, err
		}
		rowID, perturbed, err := predictions.ReadPerturbed(r, r.Size())
		if err != nil {
			return gate.Verdict{}, err
		}
		return gate.Robustness(&run.Config.Evaluation, &set, rowID, perturbed), nil
	}}
}

// Latency judges how fast the server answered the evaluator.
func Latency() Gate {
	return Gate{gate.NameLatency, func(ctx context.Context, run *runstore.Run) (gate.Verdict, error) {
		var l contract.Latency
		if err := run.ReadJSON(ctx, contract.FileLatency, &l); err != nil {
			return gate.Verdict{}, err
		}
		return gate.Latency(run.Config, &l), nil
	}}
}

// DataQuality judges the data that the candidate learnt from.
func DataQuality() Gate {
	return Gate{gate.NameDataQuality, func(ctx context.Context, run *runstore.Run) (gate.Verdict, error) {
		data, err := run.Read(ctx, contract.FileProfile)
		if err != nil {
			return gate.Verdict{}, err
		}
		p, err := profile.Decode(data)
		if err != nil {
			return gate.Verdict{}, err
		}
		var report profile.Report
		if err := run.ReadJSON(ctx, contract.FileValidation, &report); err != nil {
			return gate.Verdict{}, err
		}
		return gate.DataQuality(run.Config, run.Plan.Dataset.Commit, &p, &report), nil
	}}
}
