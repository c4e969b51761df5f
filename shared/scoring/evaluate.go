package scoring

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/sluice-ml/sluice/shared/contract"
	"github.com/sluice-ml/sluice/shared/fault"
	"github.com/sluice-ml/sluice/shared/model"
	"github.com/sluice-ml/sluice/shared/predictions"
	"github.com/sluice-ml/sluice/shared/rows"
	"github.com/sluice-ml/sluice/shared/split"
	"github.com/sluice-ml/sluice/shared/trainconfig"
)

// Evaluator measures a candidate.
type Evaluator struct {
	Program Program
	// Own serves the models that bring an image of their own; nil in the images
	// of those that do not.
	Own *Program
	Now func() time.Time
	Out io.Writer // progress, a line at a time
}

// Result is what the gates judge.
type Result struct {
	Predictions predictions.Set
	Perturbed   []predictions.Perturbed
	Latency     contract.Latency
}

// Evaluate serves the candidate and measures it on the set's test rows. champion
// is the serving version's artefact, nil when there is none; its scores stay
// out when it needs a column that the data no longer has. The error is of kind
// Invalid when rows or artefact are wrong, and retryable when the server did
// not answer or ctx was done.
func (e *Evaluator) Evaluate(ctx context.Context, config *trainconfig.Config, set *rows.Set, seed int64, candidate, champion []byte) (*Result, error) {
	which := set.On(split.Test)
	if len(which) == 0 {
		return nil, fault.New(fault.Invalid, "split the rows", "no row is a test row").WithHint("raise data.split.test, or add rows")
	}
	result := &Result{}
	var err error
	if result.Predictions, err = truth(config, set, which); err != nil {
		return nil, err
	}
	if err := e.candidate(ctx, config, set, which, seed, candidate, result); err != nil {
		return nil, e.why(ctx, err)
	}
	if champion != nil {
		if err := e.champion(ctx, set, which, champion, result); err != nil {
			return nil, e.why(ctx, err)
		}
	}
	return result, result.Predictions.Check()
}

// why is err, or that ctx was done.
func (e *Evaluator) why(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return interrupted(ctx)
	}
	return err
}

func interrupted(ctx context.Context) error {
	return fault.New(fault.Unavailable, "evaluate", "interrupted: %w", context.Cause(ctx)).WithHint("try again")
}

// truth is the test rows' ids, labels and the attributes that gates part them by.
func truth(config *trainconfig.Config, set *rows.Set, which []int) (predictions.Set, error) {
	p := predictions.Set{Goal: set.Goal, Classes: set.Classes, Attributes: map[string][]string{}}
	for _, row := range which {
		p.RowID = append(p.RowID, set.ID[row])
		p.Label = append(p.Label, set.Label[row])
		if set.Weight != nil {
			p.Weight = append(p.Weight, set.Weight[row])
		}
		if set.Query != nil {
			p.Query = append(p.Query, set.Query[row])
		}
	}
	for _, name := range config.Evaluation.Attributes() {
		column, ok := set.Table.Column(name)
		if !ok {
			return p, fault.New(fault.Invalid, "read the rows' attributes", "there is no column %q among %q", name, set.Table.Names()).
				WithHint("correct evaluation.fairness.protected_attributes or evaluation.slices")
		}
		values := make([]string, len(which))
		for i, row := range which {
			values[i] = column.Content(row)
		}
		p.Attributes[name] = values
	}
	return p, nil
}

// candidate fills in everything that the candidate's server says.
func (e *Evaluator) candidate(ctx context.Context, config *trainconfig.Config, set *rows.Set, which []int, seed int64, artifact []byte, result *Result) error {
	in, s, err := e.serve(ctx, set, which, artifact)
	if err != nil {
		return err
	}
	defer s.stop()
	if err := fits(in.schema, set); err != nil {
		return fault.New(fault.Invalid, "judge model "+in.schema.Model, "%w", err).WithHint("train it by this configuration")
	}
	scored, err := in.score(ctx, s, noise{})
	if err != nil {
		return err
	}
	result.Predictions.Score, result.Predictions.Probability = scored.score, scored.probability
	fmt.Fprintf(e.Out, "scored %d test rows\n", len(which))
	robustness := config.Evaluation.Robustness
	for level, scale := range robustness.Noise {
		for draw := range robustness.Draws {
			scores, err := in.score(ctx, s, newNoise(seed, level, draw, scale))
			if err != nil {
				return err
			}
			result.Perturbed = append(result.Perturbed, predictions.Perturbed{Goal: set.Goal, Noise: scale, Draw: draw,
				Score: scores.score, Classes: scores.classes, Probability: scores.probability})
		}
		fmt.Fprintf(e.Out, "scored %d copies with noise of %v standard deviations\n", robustness.Draws, scale)
	}
	if result.Latency, err = in.latency(ctx, s, e.Now); err != nil {
		return err
	}
	fmt.Fprintf(e.Out, "%d single rows: p50 %.2f ms, p99 %.2f ms, %d errors\n",
		result.Latency.Requests, result.Latency.P50MS, result.Latency.P99MS, result.Latency.Errors)
	return nil
}

func (e *Evaluator) serve(ctx context.Context, set *rows.Set, which []int, artifact []byte) (*instances, *server, error) {
	schema, program, err := e.open(artifact)
	if err != nil {
		return nil, nil, err
	}
	in, err := newInstances(schema, set, which)
	if err != nil {
		return nil, nil, err
	}
	s, err := program.start(ctx, artifact)
	return in, s, err
}

// open gives an artefact's schema and the program that serves it. The error is of
// kind Invalid when the artefact is wrong, and NotFound when its program is not
// in this image.
func (e *Evaluator) open(artifact []byte) (*model.Schema, Program, error) {
	schema, err := model.SchemaOf(artifact)
	if err != nil {
		return nil, Program{}, err
	}
	switch {
	case schema.Program != model.ProgramImage:
		_, err = model.Unpack(artifact)
		return schema, e.Program, err
	case e.Own == nil:
		return nil, Program{}, fault.New(fault.NotFound, "serve the model", "an image of its own serves it, and that image's program is not here")
	}
	return schema, *e.Own, nil
}

// fits says why a model cannot be judged by the labels of the rows.
func fits(schema *model.Schema, set *rows.Set) error {
	switch {
	case schema.Goal() != set.Goal:
		return fmt.Errorf("it is for %s, and the rows are labelled for %s", schema.Goal(), set.Goal)
	case !slices.Equal(schema.Classes, set.Classes):
		return fmt.Errorf("its classes are %q, and those of the rows %q", schema.Classes, set.Classes)
	}
	return nil
}

// champion fills in the champion's scores, unless the data does not have what it
// needs, it was made for other labels, an image that is not here serves it, or
// its server does not come up or answer to these rows: the gate then says that
// nothing is compared, and a candidate that is well is not held up by the
// champion's trouble.
func (e *Evaluator) champion(ctx context.Context, set *rows.Set, which []int, artifact []byte, result *Result) error {
	schema, _, err := e.open(artifact)
	if fault.Is(err, fault.NotFound) {
		fmt.Fprintf(e.Out, "the champion is not compared: %v\n", err)
		return nil
	}
	if err != nil {
		return err
	}
	_, err = newInstances(schema, set, which)
	if err = errors.Join(err, fits(schema, set)); err != nil {
		fmt.Fprintf(e.Out, "the champion is not compared: %v\n", err)
		return nil
	}
	scored, err := e.scores(ctx, set, which, artifact)
	switch {
	case ctx.Err() != nil || fault.KindOf(err).Retryable():
		return err
	case err != nil:
		fmt.Fprintf(e.Out, "the champion is not compared: %v\n", err)
		return nil
	}
	fmt.Fprintf(e.Out, "scored the same rows with the champion\n")
	result.Predictions.Champion, result.Predictions.ChampionProbability = scored.score, scored.probability
	return nil
}

// scores serves an artefact and asks it for the rows' scores.
func (e *Evaluator) scores(ctx context.Context, set *rows.Set, which []int, artifact []byte) (*scores, error) {
	in, s, err := e.serve(ctx, set, which, artifact)
	if err != nil {
		return nil, err
	}
	defer s.stop()
	return in.score(ctx, s, noise{})
}

// CheckDigest makes sure that an artefact is the one that was registered. The
// error is of kind Invalid.
func CheckDigest(artifact []byte, digest string) error {
	sum := sha256.Sum256(artifact)
	if got := "sha256:" + hex.EncodeToString(sum[:]); got != digest {
		return fault.New(fault.Invalid, "read the champion's artefact", "its digest is %s and %s was registered", got, digest).
			WithHint("somebody replaced the file; roll back to a version that is whole")
	}
	return nil
}
