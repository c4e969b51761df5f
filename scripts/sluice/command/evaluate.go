package command

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sluice-ml/sluice/shared/evaluation"
	"github.com/sluice-ml/sluice/shared/goal"
)

// evaluateOptions are the flags of sluice evaluate.
type evaluateOptions struct {
	columns
	groups             []string
	compare, compareBy string
	unpaired, curves   bool
	threshold          float64
	confidence, maxFPR float64
	bins, draws        int
	minGroup           int
	seed               int64
	goal               string
}

func (o *evaluateOptions) resampling() evaluation.Resampling {
	return evaluation.Resampling{Draws: o.draws, Seed: o.seed}
}

func (o *evaluateOptions) check() error {
	for _, c := range []struct {
		ok   bool
		text string
	}{
		{o.threshold > 0 && o.threshold < 1e308, fmt.Sprintf("--threshold %v: want a finite number above 0, e.g. 0.5", o.threshold)},
		{o.confidence >= 0.5 && o.confidence < 1, fmt.Sprintf("--confidence %v: want 0.5 or more and below 1, e.g. 0.95", o.confidence)},
		{o.maxFPR > 0 && o.maxFPR <= 1, fmt.Sprintf("--max-fpr %v: want above 0 and at most 1", o.maxFPR)},
		{o.bins >= 1 && o.bins <= 10_000, fmt.Sprintf("--bins %d: want 1 to 10000", o.bins)},
		{o.draws >= 100 && o.draws <= 1_000_000, fmt.Sprintf("--draws %d: want 100 to a million", o.draws)},
		{o.minGroup >= 1, fmt.Sprintf("--min-group %d: want 1 or more", o.minGroup)},
		{!o.unpaired || o.compare != "", "--unpaired needs --compare with a file of other rows"},
	} {
		if !c.ok {
			return usageError{fmt.Errorf("%s", c.text)}
		}
	}
	for _, by := range o.groups {
		if err := o.checkGroup(by); err != nil {
			return err
		}
	}
	return nil
}

func evaluateCommand(s *settings) *cobra.Command {
	o := &evaluateOptions{}
	c := &cobra.Command{
		Use: "evaluate PREDICTIONS", Short: "Measure scores against labels: every metric with its interval, groups, paired tests", Args: exactly(1),
		Long: `Measure a file of predictions: a row each, with the true label and the model's
score, the probability of the positive class. CSV, Parquet and JSON Lines, also
gzipped. Nothing is sent anywhere; no stack needs to run.

Every number comes with the interval that its rows leave open, and with how the
interval was made: DeLong's variance for the AUC, Clopper and Pearson's or Wilson's
for shares of rows, the normal one for mean losses, the seeded stratified
bootstrap for the rest. A metric that the rows cannot tell is "insufficient", with the reason.

  sluice evaluate predictions.parquet
  sluice evaluate scored.csv --label income --positive '>50K' --score p
  sluice evaluate scored.csv --label y --score p --group sex --group sex,race
  sluice evaluate new.csv --label y --score p --id key --compare old.csv
  sluice evaluate predictions.parquet --compare-score champion --json

--group COLUMN compares the column's groups, --group A,B the intersections. What
has fewer than --min-group rows is listed with its counts and not compared.
--compare matches the rows of two files by --id and tests the differences in
pairs, with p-values adjusted for their number (Holm).

Files of other goals are told by their columns, as the evaluator writes them, or
by --goal: regression by a column of predictions, several classes by a column
probability.CLASS for each, ranking by a column of queries.

  sluice evaluate prices.csv --goal regression --label price --score predicted
  sluice evaluate species.parquet --goal multiclass --label species --group site
  sluice evaluate results.csv --goal ranking --label relevance --query query_id

Calibration error: the mean over rows of |mean score − share of positives| of
the row's bin, in bins of equal width, and in bins of equal mass that never part
equal scores.

Exit codes: 0 measured; 1 the file is wrong; 2 the command line is wrong.`,
		RunE: func(c *cobra.Command, args []string) error {
			if err := o.check(); err != nil {
				return err
			}
			file, g, err := readGoal(c.Context(), args[0], o.goal)
			if err != nil {
				return err
			}
			if g != goal.Binary {
				r, err := evaluateGoal(c.Context(), file, g, o)
				if err != nil {
					return err
				}
				return s.print(c, r, r.print)
			}
			r, err := evaluateFile(c.Context(), args[0], o)
			if err != nil {
				return err
			}
			return s.print(c, r, r.print)
		},
	}
	o.register(c)
	return c
}

func (o *evaluateOptions) register(c *cobra.Command) {
	f := c.Flags()
	o.columns.register(c)
	f.StringVar(&o.goal, "goal", "", "binary, multiclass, regression or ranking (default: as the file's columns say)")
	f.StringVarP(&o.weight, "weight", "w", "", "the column of row weights, 0 or more (default: every row weighs 1)")
	f.StringArrayVarP(&o.groups, "group", "g", nil, "compare the groups of a column; A,B for intersections; may be repeated")
	f.IntVar(&o.minGroup, "min-group", 100, "the least rows of a group that is compared")
	f.StringVar(&o.compare, "compare", "", "another file of scores of the same rows, tested in pairs")
	f.StringVar(&o.compareBy, "compare-score", "", "the column of the scores to compare with (default: --score; without --compare, a column of the same file)")
	f.BoolVar(&o.unpaired, "unpaired", false, "the other file is of other rows: compare the AUCs as independent")
	f.BoolVar(&o.curves, "curves", false, "with --json: the ROC and precision-recall curves, thinned without changing their area")
	f.Float64Var(&o.threshold, "threshold", evaluation.Threshold, "the score from which a row is predicted positive")
	f.Float64Var(&o.confidence, "confidence", 0.95, "of every interval")
	f.Float64Var(&o.maxFPR, "max-fpr", 0.1, "how far the partial AUC goes")
	f.IntVar(&o.bins, "bins", 10, "of the calibration error")
	f.IntVar(&o.draws, "draws", 1000, "of a bootstrap")
	f.Int64Var(&o.seed, "seed", 42, "of the bootstrap; equal seeds give equal intervals")
}

// register adds the flags that name columns.
func (n *columns) register(c *cobra.Command) {
	f := c.Flags()
	f.StringVarP(&n.label, "label", "l", "label", "the column of true labels")
	f.StringVar(&n.positive, "positive", "", `the label's positive value (default: "1" of 0 and 1, else the greater of two)`)
	f.StringVarP(&n.score, "score", "s", "score", "the column of scores, probabilities of the positive class")
	f.StringVar(&n.query, "query", columnQuery, "ranking: the column that says which query a row belongs to")
	f.StringVar(&n.id, "id", "row_id", "the column of row ids, to match rows by")
}

// checkGroup refuses to part rows by what is measured of them.
func (n *columns) checkGroup(by string) error {
	for _, name := range strings.Split(by, ",") {
		flag := "--score"
		switch name {
		case n.label:
			flag = "--label"
		case n.score:
		default:
			continue
		}
		return usageError{fmt.Errorf("--group %s: %q is the %s column; group by a column that says something else of a row", by, name, flag)}
	}
	return nil
}

func evaluateFile(ctx context.Context, path string, o *evaluateOptions) (*evaluated, error) {
	file, err := readScored(ctx, path, o.columns, o.threshold)
	if err != nil {
		return nil, err
	}
	r := &evaluated{options: o, File: path, Rows: len(file.sample.Label), Positive: file.positive, Label: o.label, Score: o.score,
		Weight: o.weight, Threshold: o.threshold, Confidence: o.confidence, Seed: o.seed}
	if err := r.measure(file.sample); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	for _, by := range o.groups {
		if err := r.group(file, by); err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
	}
	if o.compare == "" && o.compareBy == "" {
		return r, nil
	}
	return r, r.compareWith(ctx, file)
}
