package training

import (
	"context"
	"fmt"
	"io"
	"math"
	"slices"

	"github.com/sluice-ml/sluice/shared/fault"
	"github.com/sluice-ml/sluice/shared/goal"
	"github.com/sluice-ml/sluice/shared/xgboost"
)

// learner trains boosters with one set of parameters.
type learner struct {
	library *xgboost.Library
	params  *params
	types   []string // of the features
	out     io.Writer
	verbose bool
	batch   int  // bytes of features that XGBoost reads from disk at a time
	values  int  // bytes of features above which rows in memory are binned part by part
	whole   bool // the only fold learns from what the final model learns from, so its best rounds are that model
}

// foldResult is what cross-validation learned from one fold.
type foldResult struct {
	Fold   int       // from 0
	Rounds int       // the best number of rounds
	Best   float64   // the evaluation metric after that many
	Scores []float32 // out-of-fold, aligned with the fold's rows; of several classes, one for each
	Trees  []byte    // the best number of rounds as UBJSON, where the fold learnt from the whole
}

// interrupted is what a done context becomes: a retry resumes.
func interrupted(ctx context.Context) error {
	return fault.New(fault.Unavailable, "train", "interrupted: %w", context.Cause(ctx)).
		WithHint("try again: finished folds are kept")
}

// matrix is XGBoost's; of rows on disk it is so too, in the bins of ref where
// there is one.
func (l *learner) matrix(m *matrix, ref *xgboost.Matrix) (*xgboost.Matrix, error) {
	if m.disk != nil {
		return m.disk.matrix(l, m, ref)
	}
	if m.query == nil && l.large(m) && l.binned() && (ref == nil || !slices.Contains(l.types, xgboost.Categorical)) {
		return l.bins(m, ref)
	}
	values := m.block(len(l.types), 0, len(m.rows), nil)
	x, err := l.library.NewMatrix(xgboost.Data{
		Rows: len(m.rows), Columns: len(l.types), Values: values, Types: l.types, Label: m.label, Weight: m.weights(), Query: m.query,
		Threads: l.params.threads,
	})
	return x, refused(err)
}

// weights are what XGBoost takes: one for each row, of ranking one for each query,
// whose rows weigh the same.
func (m *matrix) weights() []float32 {
	if m.query == nil || m.weight == nil {
		return m.weight
	}
	var out []float32
	for i := range m.query {
		if i == 0 || m.query[i] != m.query[i-1] {
			out = append(out, m.weight[i])
		}
	}
	return out
}

// refused: XGBoost says no to parameters and data, not for want of luck.
func refused(err error) error {
	return fault.Wrap(fault.Invalid, "train", err)
}

// fold learns from train, stops when held no longer improves for patience
// rounds (0 is never), and scores held with the best number of rounds.
func (l *learner) fold(ctx context.Context, number int, train, held *matrix, patience int) (*foldResult, error) {
	trainX, err := l.matrix(train, nil)
	if err != nil {
		return nil, err
	}
	defer trainX.Close()
	heldX, err := l.matrix(held, trainX)
	if err != nil {
		return nil, err
	}
	defer heldX.Close()
	booster, err := l.library.NewBooster(l.params.native, trainX, heldX)
	if err != nil {
		return nil, refused(err)
	}
	defer booster.Close()
	result := &foldResult{Fold: number}
	if err := l.untilBest(ctx, booster, trainX, heldX, patience, result); err != nil {
		return nil, err
	}
	return result, refused(l.best(booster, heldX, result))
}

// untilBest trains round by round and notes the best round in result.
func (l *learner) untilBest(ctx context.Context, booster *xgboost.Booster, train, held *xgboost.Matrix, patience int, result *foldResult) error {
	higher := goal.EvalHigherIsBetter(l.params.metric)
	for round := range l.params.rounds {
		if ctx.Err() != nil {
			return interrupted(ctx)
		}
		if err := booster.Update(round, train); err != nil {
			return refused(err)
		}
		value, err := booster.Eval(round, held)
		if err != nil {
			return refused(err)
		}
		if err := l.defined(value); err != nil {
			return err
		}
		if l.verbose {
			fmt.Fprintf(l.out, "fold %d round %d: %s %v\n", result.Fold+1, round+1, l.params.metric, value)
		}
		if result.Rounds == 0 || (higher && value > result.Best) || (!higher && value < result.Best) {
			result.Rounds, result.Best = round+1, value
		}
		if patience > 0 && round+1-result.Rounds >= patience {
			break
		}
	}
	if patience == 0 {
		result.Rounds = l.params.rounds
		value, err := booster.Eval(l.params.rounds-1, held)
		if err != nil {
			return refused(err)
		}
		result.Best = value
		return l.defined(value)
	}
	return nil
}

// defined refuses a metric that the held-out rows do not define, such as mape of
// rows that are 0: by it no round is better than another.
func (l *learner) defined(value float64) error {
	if math.IsNaN(value) || math.IsInf(value, 0) {
		return fault.New(fault.Invalid, "train", "%s of the rows that are held out is %v, by which no round is better than another", l.params.metric, value).
			WithHint("choose a training.eval_metric that the target's values define (mape needs values other than 0, rmsle none below 0), or mend the target")
	}
	return nil
}

// best notes what the best rounds predict, and keeps their trees where they are
// the final model's.
func (l *learner) best(booster *xgboost.Booster, held *xgboost.Matrix, result *foldResult) error {
	head, err := booster.Head(result.Rounds)
	if err != nil {
		return err
	}
	defer head.Close()
	if result.Scores, err = head.Predict(held, false); err != nil || !l.whole {
		return err
	}
	result.Trees, err = head.Save("ubj")
	return err
}

// final learns from all training rows for a fixed number of rounds, and gives
// the trees as UBJSON.
func (l *learner) final(ctx context.Context, train *matrix, rounds int) ([]byte, error) {
	x, err := l.matrix(train, nil)
	if err != nil {
		return nil, err
	}
	defer x.Close()
	booster, err := l.library.NewBooster(l.params.native, x)
	if err != nil {
		return nil, refused(err)
	}
	defer booster.Close()
	for round := range rounds {
		if ctx.Err() != nil {
			return nil, interrupted(ctx)
		}
		if err := booster.Update(round, x); err != nil {
			return nil, refused(err)
		}
	}
	saved, err := booster.Save("ubj")
	return saved, refused(err)
}
