package scoring

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"strconv"

	"github.com/sluice-ml/sluice/shared/fault"
	"github.com/sluice-ml/sluice/shared/model"
	"github.com/sluice-ml/sluice/shared/rows"
	"github.com/sluice-ml/sluice/shared/table"
)

// batchRows is how many rows go into one request.
const batchRows = 500

// instances writes rows as the server takes them: a JSON array a line, in the
// features' order.
type instances struct {
	schema  *model.Schema
	columns []*table.Column // one per feature
	rows    []int           // indices into the rows.Set
}

// newInstances finds the features' columns. The error is of kind Invalid and
// names the first column that the data does not have.
func newInstances(schema *model.Schema, set *rows.Set, which []int) (*instances, error) {
	in := &instances{schema: schema, rows: which}
	for _, f := range schema.Features {
		column, ok := set.Table.Column(f.Name)
		if !ok {
			return nil, fault.New(fault.Invalid, "send rows to model "+schema.Model, "the data has no column %q", f.Name)
		}
		in.columns = append(in.columns, column)
	}
	return in, nil
}

// noise disturbs numeric features: each value gets a normal deviate times
// scale times the feature's own standard deviation in training. Missing values
// stay missing. The zero value disturbs nothing.
type noise struct {
	scale  float64
	random *rand.Rand
}

// newNoise draws the same deviates for the same seed, level and draw.
func newNoise(seed int64, level, draw int, scale float64) noise {
	return noise{scale: scale, random: rand.New(rand.NewPCG(uint64(seed), uint64(level)<<32|uint64(draw)))}
}

func (n noise) disturb(v, deviation float64) float64 {
	if n.random == nil {
		return v
	}
	return v + n.random.NormFloat64()*n.scale*deviation
}

// append writes one row's line.
func (in *instances) append(dst []byte, row int, n noise) []byte {
	dst = append(dst, '[')
	for i, f := range in.schema.Features {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendValue(dst, in.columns[i], row, f, n)
	}
	return append(dst, "]\n"...)
}

func appendValue(dst []byte, c *table.Column, row int, f model.Feature, n noise) []byte {
	switch {
	case c.Null[row]:
		return append(dst, "null"...)
	case f.Kind == model.Numeric && c.Kind == table.Number:
		return strconv.AppendFloat(dst, n.disturb(c.Number[row], f.StdDev), 'g', -1, 64)
	}
	text, _ := json.Marshal(c.Original(row)) // text always encodes
	return append(dst, text...)
}

// score asks the server for every row's scores, in batches.
func (in *instances) score(ctx context.Context, s *server, n noise) (*scores, error) {
	answers := newScores(in.schema, len(in.rows))
	var body []byte
	for begin := 0; begin < len(in.rows); begin += batchRows {
		batch := in.rows[begin:min(begin+batchRows, len(in.rows))]
		body = body[:0]
		for _, row := range batch {
			body = in.append(body, row, n)
		}
		status, answer, err := s.post(ctx, body)
		if err != nil {
			return nil, fault.New(fault.Unavailable, "ask the model server for scores", "%w; it said: %s", err, s.output.String())
		}
		if status != 200 {
			return nil, refused(status, answer)
		}
		if err = answers.read(answer, len(batch)); err != nil {
			return nil, err
		}
	}
	return answers, nil
}

// scores are what a server answers: a score a row or, of several classes, the
// probability of each.
type scores struct {
	classes     []string
	score       []float64
	probability [][]float64 // [class][row]
}

func newScores(schema *model.Schema, rows int) *scores {
	s := &scores{classes: schema.Classes}
	if len(s.classes) == 0 {
		s.score = make([]float64, 0, rows)
		return s
	}
	for range s.classes {
		s.probability = append(s.probability, make([]float64, 0, rows))
	}
	return s
}

// answer is a line of an answer. Only a multiclass model's label and
// probabilities are looked at; others may say what they like there.
type answer struct {
	Score         *float64        `json:"score"`
	Label         json.RawMessage `json:"label"`
	Probabilities json.RawMessage `json:"probabilities"`
}

// read reads the answer to want rows.
func (s *scores) read(body []byte, want int) (err error) {
	if len(s.classes) == 0 {
		s.score, err = readScores(s.score, body, want)
		return err
	}
	return readAnswers(body, want, s.add)
}

// readScores reads {"score": 0.5} lines, exactly want of them.
func readScores(scores []float64, body []byte, want int) ([]float64, error) {
	err := readAnswers(body, want, func(line answer) error {
		if line.Score == nil || math.IsNaN(*line.Score) {
			return errors.New("no score")
		}
		scores = append(scores, *line.Score)
		return nil
	})
	return scores, err
}

// readAnswers reads JSON lines, exactly want of them. take says what a line does
// not have.
func readAnswers(body []byte, want int, take func(answer) error) error {
	const op = "read the model server's answer"
	lines := json.NewDecoder(bytes.NewReader(body))
	for i := 0; ; i++ {
		var line answer
		err := lines.Decode(&line)
		switch {
		case err == io.EOF && i == want:
			return nil
		case err == io.EOF || i == want:
			return fault.New(fault.Invalid, op, "it has %d scores or more for %d rows", i, want)
		case err != nil:
			return fault.New(fault.Invalid, op, "%w", err)
		}
		if err := take(line); err != nil {
			return fault.New(fault.Invalid, op, "line %d has %w", i+1, err)
		}
	}
}

// add takes in {"label": "b", "probabilities": {"a": 0.25, "b": 0.75}}.
func (s *scores) add(line answer) error {
	var label string
	var probabilities map[string]float64
	if json.Unmarshal(line.Label, &label) != nil {
		return errors.New("no label, the name of a class")
	}
	if json.Unmarshal(line.Probabilities, &probabilities) != nil || len(probabilities) != len(s.classes) {
		return fmt.Errorf("probabilities of %d classes, want those of %q by name", len(probabilities), s.classes)
	}
	best := 0
	for k, class := range s.classes {
		p, ok := probabilities[class]
		if !ok {
			return fmt.Errorf("no probability of class %q", class)
		}
		s.probability[k] = append(s.probability[k], p)
		if p > probabilities[s.classes[best]] {
			best = k
		}
	}
	if label != s.classes[best] {
		return fmt.Errorf("the label %q, and class %q is likelier", label, s.classes[best])
	}
	return nil
}
