package command

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sluice-ml/sluice/shared/contract"
	"github.com/sluice-ml/sluice/shared/fault"
	"github.com/sluice-ml/sluice/shared/gate"
	"github.com/sluice-ml/sluice/shared/goal"
	"github.com/sluice-ml/sluice/shared/predictions"
	"github.com/sluice-ml/sluice/shared/table"
	"github.com/sluice-ml/sluice/shared/trainconfig"
)

// gateOptions are the flags of sluice gate.
type gateOptions struct {
	columns
	config, champion   string
	perturbed, latency string
}

func gateCommand(s *settings) *cobra.Command {
	o := &gateOptions{}
	c := &cobra.Command{
		Use: "gate PREDICTIONS --config train.yaml", Short: "Judge a file of predictions as the pipeline's gates will", Args: exactly(1),
		Long: `Judge a file of predictions by the gates of a train.yaml, on this machine, with
the same code that judges runs. CSV, Parquet and JSON Lines.

The file has a row each with the true label, the score, and whatever columns the
configuration names under evaluation.fairness and evaluation.slices. A file that
the evaluator wrote (evaluation/predictions.parquet) is taken as it is.

  sluice gate predictions.parquet --config train.yaml
  sluice gate scored.csv --config train.yaml --score p --champion p_old --json

Groups of fewer rows than evaluation.fairness.min_group_size (default 100), parts of
slices of fewer than their min_size (default 100), and any with fewer than 10 positive
or 10 negative rows are listed and not judged.

performance and fairness are always judged; champion when there is a column of
its scores, robustness with --perturbed and latency with --latency (the
evaluator's perturbed.parquet and latency.json). data_quality judges the data and
not predictions: sluice run start does.

A verdict is taken on the interval: pass when all of it clears the limit, fail
when all of it misses, insufficient between. evaluation.on_insufficient says what
insufficient means for each gate: hold (exit 3), pass or fail.

Exit codes: 0 every gate passes; 1 a gate fails, or a file is wrong; 2 the
command line is wrong; 3 no gate fails and one is insufficient.`,
		RunE: func(c *cobra.Command, args []string) error {
			judged, err := o.judge(c.Context(), args[0])
			if err != nil {
				return err
			}
			if err := s.print(c, judged, judged.print); err != nil {
				return err
			}
			return judged.ended()
		},
	}
	o.columns.register(c)
	f := c.Flags()
	f.Lookup("label").DefValue, o.label = `"label", else the configuration's data.target`, ""
	f.StringVarP(&o.config, "config", "c", "", "the train.yaml to judge by (required)")
	f.StringVar(&o.champion, "champion", "champion", "the column of the serving version's scores")
	f.StringVarP(&o.weight, "weight", "w", "", "the column of row weights, 0 or more (default: the configuration's data.weight)")
	f.StringVar(&o.perturbed, "perturbed", "", "the scores of disturbed rows, for robustness")
	f.StringVar(&o.latency, "latency", "", "the evaluator's latency.json, for latency")
	return c
}

// judgedFile is every gate's verdict on a file.
type judgedFile struct {
	File      string            `json:"file"`
	Config    string            `json:"config"`
	Verdict   string            `json:"verdict"` // the worst, with on_insufficient applied
	Gates     []gate.Verdict    `json:"gates"`
	NotJudged map[string]string `json:"not_judged"` // gate → why

	onInsufficient map[string]string
}

func (o *gateOptions) judge(ctx context.Context, path string) (*judgedFile, error) {
	if o.config == "" {
		return nil, usageError{errors.New("--config is missing: name the train.yaml to judge by")}
	}
	text, err := readFile(o.config)
	if err != nil {
		return nil, err
	}
	config, err := trainconfig.Parse(o.config, text)
	if err != nil {
		return nil, err
	}
	set, err := o.read(ctx, path, config)
	if err != nil {
		return nil, err
	}
	j := &judgedFile{File: path, Config: o.config, Verdict: gate.Pass, NotJudged: map[string]string{}, onInsufficient: config.Evaluation.OnInsufficient}
	j.take(gate.Performance(&config.Evaluation, set))
	j.take(gate.Fairness(&config.Evaluation, set))
	j.NotJudged[gate.NameDataQuality] = "it judges the data, not predictions"
	if !set.HasChampion() {
		j.NotJudged[gate.NameChampion] = fmt.Sprintf("there is no column %q", o.champion)
	} else {
		j.take(gate.Champion(&config.Evaluation, set, true))
	}
	return j, o.judgeMore(j, config, set)
}

// judgeMore judges what needs other files.
func (o *gateOptions) judgeMore(j *judgedFile, config *trainconfig.Config, set *predictions.Set) error {
	if o.perturbed == "" {
		j.NotJudged[gate.NameRobustness] = "there is no --perturbed"
	} else {
		body, err := readFile(o.perturbed)
		if err != nil {
			return err
		}
		ids, all, err := predictions.ReadPerturbed(bytes.NewReader(body), int64(len(body)))
		if err != nil {
			return fmt.Errorf("%s: %w", o.perturbed, err)
		}
		j.take(gate.Robustness(&config.Evaluation, set, ids, all))
	}
	if o.latency == "" {
		j.NotJudged[gate.NameLatency] = "there is no --latency"
		return nil
	}
	body, err := readFile(o.latency)
	if err != nil {
		return err
	}
	var l contract.Latency
	if err := json.Unmarshal(body, &l); err != nil {
		return fmt.Errorf("%s: %w", o.latency, err)
	}
	j.take(gate.Latency(config, &l))
	return nil
}

// read makes the set that gates judge.
func (o *gateOptions) read(ctx context.Context, path string, config *trainconfig.Config) (*predictions.Set, error) {
	names := o.columns
	t, err := readTable(ctx, path)
	if err != nil {
		return nil, err
	}
	if _, ok := t.Column("label"); names.label == "" && ok {
		names.label = "label"
	} else if names.label == "" {
		names.label = config.Data.Target
	}
	if names.positive == "" && names.label == config.Data.Target {
		names.positive = config.Data.Positive
	}
	s := &scored{file: path, table: t}
	if names.weight, err = o.weightColumn(t, config.Data.Weight); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if g := config.Goal(); g != goal.Binary {
		return o.readGoal(s, g, names, config)
	}
	set := &predictions.Set{Attributes: map[string][]string{}}
	if err := errors.Join(s.read(names), o.fill(set, s, config)); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	set.Label, set.Score, set.Weight, set.RowID = s.sample.Label, s.sample.Score, s.sample.Weight, s.id
	for i := range set.Label {
		if s.id == nil {
			set.RowID = append(set.RowID, fmt.Sprintf("row %d", i+1))
		}
	}
	if err := set.Check(); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return set, nil
}

// weightColumn is the column that says how much a row counts: the one that the
// command line names, else data.weight under its own name, else under the one that
// the evaluator gives it. "" is none.
func (o *gateOptions) weightColumn(t *table.Table, configured string) (string, error) {
	if o.weight != "" || configured == "" {
		return o.weight, nil
	}
	for _, name := range []string{configured, columnWeight} {
		if _, ok := t.Column(name); ok {
			return name, nil
		}
	}
	return "", fault.New(fault.Invalid, "read the weights", "there is no column %q, which is data.weight of %s; the columns are %s",
		configured, o.config, quoted(t.Names())).WithHint("keep the column beside the scores, or name another with --weight")
}

// fill takes the columns that only gates look at. An attribute that is not there
// is left out: the gate says that it is missing.
func (o *gateOptions) fill(set *predictions.Set, s *scored, config *trainconfig.Config) error {
	if _, ok := s.table.Column(o.champion); ok {
		var err error
		if set.Champion, err = s.numbers("--champion", o.champion); err != nil {
			return err
		}
	}
	fillAttributes(set, s, config)
	return nil
}

func fillAttributes(set *predictions.Set, s *scored, config *trainconfig.Config) {
	for _, name := range config.Evaluation.Attributes() {
		if values := s.attribute(name); values != nil {
			set.Attributes[name] = values
		}
	}
}

// readGoal makes the set of a goal other than binary.
func (o *gateOptions) readGoal(s *scored, g goal.Goal, names columns, config *trainconfig.Config) (*predictions.Set, error) {
	if _, ok := s.table.Column(names.query); !ok && config.Data.QID != "" {
		names.query = config.Data.QID
	}
	set, err := readSet(s, g, names, o.champion)
	if err != nil {
		return nil, fmt.Errorf("%s: %w (%s is for %s)", s.file, err, o.config, g)
	}
	fillAttributes(set, s, config)
	return set, nil
}

func (j *judgedFile) take(v gate.Verdict) {
	j.Gates = append(j.Gates, v)
	verdict := v.Verdict
	if verdict == gate.Insufficient {
		switch j.onInsufficient[v.Gate] {
		case "pass":
			verdict = gate.Pass
		case "fail":
			verdict = gate.Fail
		}
	}
	j.Verdict = gate.Worse(j.Verdict, verdict)
}

// ended is the error that gives the exit code.
func (j *judgedFile) ended() error {
	var names []string
	for _, v := range j.Gates {
		if v.Verdict != gate.Pass {
			names = append(names, v.Gate+": "+v.Verdict)
		}
	}
	switch j.Verdict {
	case gate.Fail:
		return fmt.Errorf("the gates fail %s (%s)", j.File, strings.Join(names, ", "))
	case gate.Insufficient:
		return endedError{fmt.Errorf("the gates cannot tell about %s (%s): %s", j.File, strings.Join(names, ", "), j.next())}
	}
	return nil
}

// next is what would let the gates tell: more rows only where an interval, or a
// number of rows, is why one cannot.
func (j *judgedFile) next() string {
	for _, v := range j.Gates {
		for _, m := range v.Measurements {
			if v.Verdict == gate.Insufficient && m.Verdict == gate.Insufficient {
				return "more rows would"
			}
		}
	}
	return "the reasons above say what is missing"
}

func (j *judgedFile) print(w io.Writer) {
	for _, v := range j.Gates {
		printVerdict(w, v)
	}
	for _, name := range trainconfig.Gates() {
		if why, ok := j.NotJudged[name]; ok {
			fmt.Fprintf(w, "%s: not judged, %s\n", name, why)
		}
	}
	fmt.Fprintf(w, "\n%s: %s by %s\n", j.File, j.Verdict, j.Config)
}

// printVerdict shows a gate's verdict, why, and every measurement behind it.
func printVerdict(w io.Writer, v gate.Verdict) {
	fmt.Fprintf(w, "%s: %s\n", v.Gate, v.Verdict)
	for _, reason := range v.Reasons {
		fmt.Fprintf(w, "  %s\n", reason)
	}
	for _, m := range v.Measurements {
		name := m.Name
		if m.Group != "" {
			name += " of " + m.Group
		}
		interval, limit := "", ""
		if m.Confidence > 0 {
			interval = fmt.Sprintf("%.4f to %.4f (%.4g %%)", m.Low, m.High, 100*m.Confidence)
		}
		if m.Wants != "" {
			limit = fmt.Sprintf("%s %.4g", m.Wants, m.Limit)
		}
		fmt.Fprintf(w, "  %s\t%s\t%.4f\t%s\t%s\t%d rows\n", m.Verdict, name, m.Value, interval, limit, m.N)
	}
	printSkipped(w, v.Skipped)
}
