package training

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"runtime"
	"runtime/debug"

	"github.com/sluice-ml/sluice/shared/contract"
	"github.com/sluice-ml/sluice/shared/fault"
	"github.com/sluice-ml/sluice/shared/gbdt"
	"github.com/sluice-ml/sluice/shared/goal"
	"github.com/sluice-ml/sluice/shared/model"
	"github.com/sluice-ml/sluice/shared/rows"
	"github.com/sluice-ml/sluice/shared/split"
	"github.com/sluice-ml/sluice/shared/trainconfig"
	"github.com/sluice-ml/sluice/shared/xgboost"
)

// Trainer trains models.
type Trainer struct {
	Library *xgboost.Library
	Store   Store
	CPUs    int       // threads where the configuration names no number
	Out     io.Writer // progress, a line at a time
	Scratch string    // a folder for what memory does not hold; "" is the system's
	Batch   int       // bytes of features that are read from there at a time, and above which rows in memory are binned part by part; 0 is 32 MiB and 128 MiB
	Last    bool      // nobody reads the set's Table after Train, which then lets go of it when its rows are encoded
}

// run is one attempt at a plan.
type run struct {
	library *xgboost.Library
	store   Store
	out     io.Writer
	plan    contract.Plan
	config  *trainconfig.Config
	set     *rows.Set
	schema  *model.Schema
	params  *params
	start   start
	disk    *disk // where the features are; nil in memory
	scratch string
	batch   int
	last    bool
	held    *matrix // the validation rows, where they are encoded

	classWeight map[string]float64 // by the target's value; nil: none
}

// Done says whether the run's model is there, so that nothing is left to do:
// an earlier attempt finished, and nobody heard of it.
func Done(ctx context.Context, store Store) (bool, error) {
	return store.Has(ctx, contract.FileModel)
}

// Train learns from the set's training rows and writes the run's files, the
// model last. The error is of kind Invalid when configuration or data are
// wrong, and retryable when storage failed or ctx was done; a retry resumes at
// the first fold that was not finished.
func (t *Trainer) Train(ctx context.Context, plan contract.Plan, config *trainconfig.Config, set *rows.Set) error {
	r := &run{library: t.Library, store: t.Store, out: t.Out, plan: plan, config: config, set: set, scratch: t.Scratch, batch: t.Batch, last: t.Last}
	defer r.close()
	fmt.Fprintf(r.out, "%s of commit %s\n", describeSides(set), plan.Dataset.Commit)
	train, err := r.prepare(ctx, t.CPUs)
	if err != nil {
		return err
	}
	metrics, saved, err := r.crossValidate(ctx, train)
	if err != nil {
		return err
	}
	if saved == nil {
		if saved, err = r.learner().final(ctx, r.learnt(train), metrics.Rounds); err != nil {
			return err
		}
	}
	if metrics.Importance, err = r.importance(saved); err != nil {
		return err
	}
	if err := r.validate(saved, metrics); err != nil {
		return err
	}
	return r.write(ctx, saved, metrics)
}

// prepare settles features, parameters and threads, and encodes the training
// rows.
func (r *run) prepare(ctx context.Context, cpus int) (*matrix, error) {
	which := byQuery(r.set, r.set.On(split.Train))
	if len(which) == 0 {
		return nil, fault.New(fault.Invalid, "split the rows", "no row is a training row").WithHint("raise data.split.train, or add rows")
	}
	list, err := r.features(ctx, which)
	if err != nil {
		return nil, err
	}
	r.schema = &model.Schema{
		Format: model.SchemaFormat, Model: r.plan.Model, Features: list, Target: r.config.Data.Target,
		Positive: r.set.Positive, Objective: r.config.Model.Objective(), Classes: r.set.Classes, TrainRows: len(which), Commit: r.plan.Dataset.Commit, PlanHash: r.plan.Hash,
		Versions: model.Versions{XGBoost: r.library.Version(), Go: runtime.Version()},
	}
	if err := r.schema.Prepare(); err != nil {
		return nil, err
	}
	if r.params, err = nativeParams(r.config, r.schema.Names(), r.plan.Seed, cpus); err != nil {
		return nil, err
	}
	if r.set.Goal == goal.Multiclass {
		r.params.useClasses(len(r.set.Classes))
	}
	r.start, err = begin(ctx, r.store, start{PlanHash: r.plan.Hash, Threads: r.params.threads, XGBoost: r.library.Version(), OnDisk: r.set.OnDisk()})
	if err != nil {
		return nil, err
	}
	r.params.useThreads(r.start.Threads)
	r.tellDevice()
	if err := r.checkDisk(); err != nil {
		return nil, err
	}
	train, err := r.encode(byQuery(r.set, r.examples(which)))
	if err != nil {
		return nil, err
	}
	return train, r.weigh(train)
}

func (r *run) learner() *learner {
	return &learner{library: r.library, params: r.params, types: r.schema.Types(), out: r.out, verbose: r.config.Training.Verbose,
		batch: cmp.Or(r.batch, batchBytes), values: cmp.Or(r.batch, valuesAtMost), whole: r.oneHoldOut() && r.params.grows()}
}

// crossValidate trains the folds, writes folds.parquet and gives the metrics so
// far, and the final model's trees where the only fold has grown them.
func (r *run) crossValidate(ctx context.Context, train *matrix) (*Metrics, []byte, error) {
	folds, err := r.deal(train.rows)
	if err != nil {
		return nil, nil, err
	}
	count, fold := folds.K, folds.Held
	metrics := &Metrics{EvalMetric: r.params.metric, Train: r.schema.TrainRows}
	if err := r.describe(metrics); err != nil {
		return nil, nil, err
	}
	if err := r.letGo(); err != nil {
		return nil, nil, err
	}
	var trees []byte
	outputs := r.schema.Outputs()
	outOfFold := make([]float32, len(train.rows)*outputs)
	sum := 0
	for number := range count {
		inside, held := folds.Of(number)
		result, err := r.fold(ctx, number, train, inside, held)
		if err != nil {
			return nil, nil, err
		}
		trees = result.Trees
		for i, at := range held {
			copy(outOfFold[at*outputs:], result.Scores[i*outputs:][:outputs])
		}
		scores := r.measured(train.subset(held), result.Scores)
		metrics.Folds = append(metrics.Folds, FoldMetrics{Fold: number, Rounds: result.Rounds, Best: result.Best, Scores: scores})
		r.describeFold(&metrics.Folds[number], train, len(inside), held)
		fmt.Fprintf(r.out, "fold %d of %d: %d rounds, %s %.6f, %s\n", number+1, count, result.Rounds, r.params.metric, result.Best, scores.text(r.set.Goal))
		sum += result.Rounds
	}
	metrics.Rounds = max(1, int(math.Round(float64(sum)/float64(count))))
	train, fold, outOfFold = heldOut(train, fold, outOfFold)
	metrics.OutOfFold = r.measured(train, outOfFold)
	fmt.Fprintf(r.out, "out of fold: %s; the final model gets %d rounds\n", metrics.OutOfFold.text(r.set.Goal), metrics.Rounds)
	data, err := foldsFile(r.set, train, fold, outOfFold)
	if err != nil {
		return nil, nil, fault.New(fault.Internal, "write "+contract.FileFolds, "%w", err)
	}
	return metrics, trees, r.store.Put(ctx, contract.FileFolds, data)
}

// fold resumes a finished fold, or trains it and keeps it.
func (r *run) fold(ctx context.Context, number int, train *matrix, inside, held []int) (*foldResult, error) {
	result, err := resume(ctx, r.store, r.start, number, len(held)*r.schema.Outputs(), r.learner().whole)
	if err != nil || result != nil {
		return result, err
	}
	result, err = r.learner().fold(ctx, number, train.subset(inside), train.subset(held).judged(), r.config.Training.EarlyStoppingRounds)
	if err != nil {
		return nil, err
	}
	return result, keep(ctx, r.store, r.start, result)
}

// letGo frees what rows in memory were read into, once nothing of them is to be
// encoded any more: it is more than half of what the process has, and XGBoost is
// about to take as much.
func (r *run) letGo() (err error) {
	if !r.last || r.disk != nil {
		return nil
	}
	if r.held, err = r.validation(); err != nil {
		return err
	}
	r.set.Table = nil
	debug.FreeOSMemory()
	return nil
}

// validation is the encoded validation rows; nil where there are none.
func (r *run) validation() (*matrix, error) {
	which := byQuery(r.set, r.set.On(split.Validation))
	if len(which) == 0 || r.held != nil {
		return r.held, nil
	}
	return r.encode(which)
}

// validate measures the final model on the validation rows, where there are
// some.
func (r *run) validate(saved []byte, metrics *Metrics) error {
	m, err := r.validation()
	if err != nil || m == nil {
		return err
	}
	trees, err := gbdt.Load(saved)
	if err != nil {
		return fault.New(fault.Internal, "read the trained model", "%w", err)
	}
	outputs, width := r.schema.Outputs(), len(r.schema.Features)
	out := make([]float32, len(m.rows)*outputs)
	err = m.each(width, func(first int, values []float32) {
		trees.PredictBatch(values, out[first*outputs:][:len(values)/width*outputs])
	})
	if err != nil {
		return err
	}
	scores := r.measured(m, out)
	metrics.Validation = &scores
	fmt.Fprintf(r.out, "validation: %s\n", scores.text(r.set.Goal))
	return nil
}

// write writes the run's files. The model is last and only created, never
// replaced: where it is, the run is done.
func (r *run) write(ctx context.Context, saved []byte, metrics *Metrics) error {
	archive, err := model.Pack(r.schema, saved)
	if err != nil {
		return err
	}
	for _, file := range []struct {
		name string
		v    any
	}{{contract.FileMetrics, metrics}, {contract.FileEnvironment, r.environment()}} {
		data, err := json.MarshalIndent(file.v, "", "  ")
		if err != nil {
			return fault.New(fault.Internal, "write "+file.name, "%w", err)
		}
		if err := r.store.Put(ctx, file.name, append(data, '\n')); err != nil {
			return err
		}
	}
	if err := r.store.Create(ctx, contract.FileModel, archive); err != nil {
		return err
	}
	fmt.Fprintf(r.out, "wrote %s, %d bytes\n", contract.FileModel, len(archive))
	return nil
}
