package command

import (
	"bufio"
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sluice-ml/sluice/shared/fault"
	"github.com/sluice-ml/sluice/shared/gbdt"
	"github.com/sluice-ml/sluice/shared/model"
	"github.com/sluice-ml/sluice/shared/parquet"
	"github.com/sluice-ml/sluice/shared/table"
)

// predictOptions are the flags of sluice predict.
type predictOptions struct {
	model, data, output, id string
}

func predictCommand(s *settings) *cobra.Command {
	o := &predictOptions{}
	c := &cobra.Command{
		Use: "predict --model FILE --data FILE", Short: "Score a file of rows with a model, on this machine", Args: exactly(0),
		Long: `Score rows with a model, as the model server does, without a server.

The model is a model.tar.gz of a run, or a file that XGBoost saved: JSON or
UBJSON, told apart by their content. The data is CSV, Parquet or JSON Lines with
a column for each feature; others are ignored. A model.tar.gz knows its features,
and a category that training did not see is missing, as when served. A plain
XGBoost file with feature names is matched by them, one without takes all columns
in their order; its categories must be given as XGBoost's codes.

  sluice predict --model model.tar.gz --data rows.csv
  sluice predict --model booster.ubj --data rows.parquet --output scored.parquet

The output is the rows' ids, where the data has a column of them (--id), and a
score. A model.tar.gz of several classes gives the likeliest one's name (label)
and probability.CLASS of each, a plain XGBoost file score_0, score_1, …. The default is CSV on
standard output; a name that ends in .csv or .parquet writes a file, whole or not
at all.

Exit codes: 0 scored; 1 the model or a row is wrong; 2 the command line is wrong.`,
		RunE: func(c *cobra.Command, _ []string) error {
			if o.model == "" || o.data == "" {
				return usageError{errors.New("--model and --data are both needed: name a model file and a file of rows")}
			}
			if o.output != "" && !strings.HasSuffix(o.output, ".csv") && !strings.HasSuffix(o.output, ".parquet") {
				return usageError{fmt.Errorf("--output %s: want a name that ends in .csv or .parquet", o.output)}
			}
			return o.run(c, s)
		},
	}
	f := c.Flags()
	f.StringVarP(&o.model, "model", "m", "", "model.tar.gz, or a model that XGBoost saved (required)")
	f.StringVarP(&o.data, "data", "d", "", "the rows to score (required)")
	f.StringVarP(&o.output, "output", "o", "", "the file to write (default: CSV on standard output)")
	f.StringVar(&o.id, "id", "row_id", "the data's column of row ids, copied to the output")
	return c
}

func (o *predictOptions) run(c *cobra.Command, s *settings) error {
	if err := o.checkOutput(); err != nil {
		return err
	}
	p, err := openPredictor(o.model)
	if err != nil {
		return err
	}
	rows, err := readTable(c.Context(), o.data)
	if err != nil {
		return err
	}
	if _, ok := rows.Column(o.id); !ok && c.Flags().Changed("id") && o.id != "" {
		return fmt.Errorf("%s: %w", o.data, wrongRows("there is no column %q (--id); the columns are %s", o.id, quoted(rows.Names())).
			WithHint("leave --id out to write scores alone"))
	}
	scores, err := p.predict(c.Context(), rows)
	if err != nil {
		return fmt.Errorf("%s: %w", o.data, err)
	}
	out := o.columns(rows, scores, p)
	if o.output == "" && !s.json {
		return writeCSV(c.OutOrStdout(), out)
	}
	summary := struct {
		Model     string      `json:"model"`
		Objective string      `json:"objective"`
		Rows      int         `json:"rows"`
		Output    string      `json:"output,omitempty"`
		Classes   []string    `json:"classes,omitempty"` // whose scores they are, in their order
		Scores    [][]float32 `json:"scores,omitempty"`  // a row each, without --output
	}{o.model, p.trees.Objective(), rows.Rows(), o.output, p.classes(), nil}
	if o.output == "" {
		for i := range rows.Rows() {
			summary.Scores = append(summary.Scores, scores[i*p.trees.Outputs():(i+1)*p.trees.Outputs()])
		}
	} else if err := o.write(out); err != nil {
		return err
	}
	return s.print(c, summary, func(w io.Writer) { fmt.Fprintf(w, "%s\t%d rows\n", o.output, rows.Rows()) })
}

// checkOutput refuses, before anything is scored, a place that cannot be written.
func (o *predictOptions) checkOutput() error {
	if o.output == "" {
		return nil
	}
	if info, err := os.Stat(o.output); err == nil && info.IsDir() {
		return fault.New(fault.Invalid, "write "+o.output, "it is a folder").WithHint("name a file in it")
	}
	folder := filepath.Dir(o.output)
	info, err := os.Stat(folder)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fault.New(fault.NotFound, "write "+o.output, "there is no folder %s", folder).WithHint("make it: mkdir -p %s", folder)
	case err != nil:
		return fileFault("write", o.output, err)
	case !info.IsDir():
		return fault.New(fault.Invalid, "write "+o.output, "%s is no folder", folder)
	}
	return nil
}

// predictor is a model with the way from a column's cell to a feature.
type predictor struct {
	file   string
	schema *model.Schema // nil for a plain XGBoost file
	trees  *gbdt.Model
}

// openPredictor reads a model of any of the three kinds.
func openPredictor(path string) (*predictor, error) {
	body, err := readFile(path)
	if err != nil {
		return nil, err
	}
	if len(body) > 1 && body[0] == 0x1f && body[1] == 0x8b { // gzip
		artifact, err := model.Unpack(body)
		if errors.Is(err, io.ErrUnexpectedEOF) {
			return nil, fault.New(fault.Invalid, "read "+path, "%w: it is cut short", err).WithHint("copy it again, whole")
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		return &predictor{path, artifact.Schema, artifact.Trees}, nil
	}
	trees, err := gbdt.Load(body)
	if err != nil {
		return nil, fault.Wrap(fault.Invalid, "read "+path, fault.New(fault.Invalid, "read the model", "%w", err).
			WithHint("want model.tar.gz, or what XGBoost's save_model wrote as .json or .ubj"))
	}
	return &predictor{path, nil, trees}, nil
}

// inputs are the columns of the features, in their order.
func (p *predictor) inputs(rows *table.Table) ([]*table.Column, error) {
	names := p.trees.FeatureNames()
	if p.schema != nil {
		names = p.schema.Names()
	}
	if len(names) == 0 {
		if len(rows.Columns) != p.trees.Features() {
			return nil, wrongRows("%d columns; the model names no features and takes %d, in their order", len(rows.Columns), p.trees.Features())
		}
		for i := range rows.Columns {
			names = append(names, rows.Columns[i].Name)
		}
	}
	out := make([]*table.Column, len(names))
	for i, name := range names {
		column, ok := rows.Column(name)
		if !ok {
			return nil, wrongRows("there is no column %q, which is a feature of %s; the columns are %s", name, p.file, quoted(rows.Names()))
		}
		out[i] = column
	}
	return out, nil
}

// batchOfRows is how many rows are encoded before they are predicted.
const batchOfRows = 8192

// predict gives the scores of every row, Outputs for each.
func (p *predictor) predict(ctx context.Context, rows *table.Table) ([]float32, error) {
	inputs, err := p.inputs(rows)
	if err != nil {
		return nil, err
	}
	width, outputs := len(inputs), p.trees.Outputs()
	scores := make([]float32, rows.Rows()*outputs)
	vectors := make([]float32, min(batchOfRows, rows.Rows())*width)
	for begin := 0; begin < rows.Rows(); begin += batchOfRows {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		end := min(begin+batchOfRows, rows.Rows())
		for row := begin; row < end; row++ {
			for i, column := range inputs {
				if vectors[(row-begin)*width+i], err = p.encode(i, column, row); err != nil {
					return nil, fmt.Errorf("row %d: %w", row+1, err)
				}
			}
		}
		p.trees.PredictBatch(vectors[:(end-begin)*width], scores[begin*outputs:end*outputs])
	}
	return scores, nil
}

func (p *predictor) encode(i int, column *table.Column, row int) (float32, error) {
	switch {
	case p.schema != nil:
		return p.schema.EncodeText(i, column.Original(row))
	case column.Null[row]:
		return float32(math.NaN()), nil
	case column.Kind != table.Number:
		return 0, wrongRows("column %q is %q, which is not a number; a plain XGBoost file does not know its categories: use the run's model.tar.gz, or give codes", column.Name, column.Text[row])
	}
	v := float32(column.Number[row])
	if math.IsInf(float64(v), 0) {
		return 0, wrongRows("column %q is %v, which is too large for a 32-bit number", column.Name, column.Number[row])
	}
	return v, nil
}

// wrongRows is an error of the rows to score.
func wrongRows(why string, args ...any) *fault.Error {
	return fault.New(fault.Invalid, "read the rows", why, args...)
}

// classes are the names of a multiclass model's outputs, nil of others and of a
// plain XGBoost file, which does not know them.
func (p *predictor) classes() []string {
	if p.schema == nil {
		return nil
	}
	return p.schema.Classes
}

// columns are what is written.
func (o *predictOptions) columns(rows *table.Table, scores []float32, p *predictor) []parquet.Column {
	var out []parquet.Column
	if id, ok := rows.Column(o.id); ok {
		column := parquet.Column{Name: o.id}
		for i := range rows.Rows() {
			column.Text = append(column.Text, id.Original(i))
		}
		out = append(out, column)
	}
	classes, outputs := p.classes(), p.trees.Outputs()
	if classes != nil {
		column := parquet.Column{Name: "label"}
		for i := range rows.Rows() {
			row := scores[i*outputs:][:outputs]
			column.Text = append(column.Text, classes[slices.Index(row, slices.Max(row))])
		}
		out = append(out, column)
	}
	for k := range outputs {
		column := parquet.Column{Name: "score", Float: make([]float64, rows.Rows())}
		switch {
		case classes != nil:
			column.Name = probabilityPrefix + classes[k]
		case outputs > 1:
			column.Name = "score_" + strconv.Itoa(k)
		}
		for i := range column.Float {
			column.Float[i] = float64(scores[i*outputs+k])
		}
		out = append(out, column)
	}
	return out
}

func writeCSV(w io.Writer, columns []parquet.Column) error {
	buffered := bufio.NewWriter(w)
	out := csv.NewWriter(buffered)
	record := make([]string, len(columns))
	for i, c := range columns {
		record[i] = c.Name
	}
	err := out.Write(record)
	last := columns[len(columns)-1]
	for row := range last.Float {
		for i, c := range columns {
			if c.Text != nil {
				record[i] = c.Text[row]
			} else {
				record[i] = strconv.FormatFloat(c.Float[row], 'g', -1, 32)
			}
		}
		err = errors.Join(err, out.Write(record))
	}
	out.Flush()
	return errors.Join(err, out.Error(), buffered.Flush())
}

// write writes the file, whole or not at all.
func (o *predictOptions) write(columns []parquet.Column) error {
	file, err := os.CreateTemp(filepath.Dir(o.output), filepath.Base(o.output)+".*.tmp")
	if err != nil {
		return fileFault("write", o.output, err)
	}
	defer os.Remove(file.Name()) // after the rename there is nothing left to remove
	if strings.HasSuffix(o.output, ".csv") {
		err = writeCSV(file, columns)
	} else {
		err = parquet.Write(struct{ io.Writer }{file}, columns) // which would close a file
	}
	if err = errors.Join(err, file.Close()); err != nil {
		return err
	}
	if err := os.Chmod(file.Name(), 0o644); err != nil {
		return err
	}
	return os.Rename(file.Name(), o.output)
}
