package serving

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"

	"github.com/sluice-ml/sluice/shared/model"
)

// batch is one request's instances and answers; it is used again for later
// requests, so that a steady load makes little garbage.
type batch struct {
	schema  *model.Schema
	answers *names // nil where there are no classes
	body    bytes.Buffer
	rows    []float32 // instances × features
	scores  []float32 // instances × outputs
	out     []byte
}

func (b *batch) reset(schema *model.Schema, answers *names) {
	b.schema, b.answers = schema, answers
	b.body.Reset()
	b.rows, b.scores, b.out = b.rows[:0], b.scores[:0], b.out[:0]
}

// The content types; SageMaker's clients use several names for JSON lines.
const (
	typeCSV  = "text/csv"
	typeJSON = "application/json"
	typeND   = "application/x-ndjson"
)

func (b *batch) decode(form string) error {
	var err error
	switch form {
	case typeCSV:
		err = b.decodeCSV()
	case typeJSON:
		err = b.decodeJSON()
	case typeND, "application/jsonlines", "application/jsonl":
		err = b.decodeLines()
	default:
		return &clientError{http.StatusUnsupportedMediaType,
			fmt.Errorf("content type %q: want %s, %s or %s", form, typeCSV, typeJSON, typeND)}
	}
	if err == nil && len(b.rows) == 0 {
		return bad("there are no instances")
	}
	return err
}

// grow adds one instance's vector, to be filled.
func (b *batch) grow() []float32 {
	n, width := len(b.rows), len(b.schema.Features)
	for range width {
		b.rows = append(b.rows, 0)
	}
	return b.rows[n:]
}

func (b *batch) decodeJSON() error {
	var request struct {
		Instances []json.RawMessage `json:"instances"`
	}
	if err := json.Unmarshal(b.body.Bytes(), &request); err != nil {
		return bad(`the body is not {"instances": […]}: %w`, err)
	}
	for i, instance := range request.Instances {
		if err := b.schema.EncodeInstance(b.grow(), instance); err != nil {
			return bad("instance %d: %w", i, err)
		}
	}
	return nil
}

func (b *batch) decodeLines() error {
	number := 0
	for line := range bytes.Lines(b.body.Bytes()) {
		number++
		line = bytes.TrimSpace(line)
		if len(line) == 0 {
			continue
		}
		if !json.Valid(line) {
			return bad("line %d: it is not JSON", number)
		}
		if err := b.schema.EncodeInstance(b.grow(), line); err != nil {
			return bad("line %d: %w", number, err)
		}
	}
	return nil
}

// decodeCSV takes the first line as a header when it names every feature.
func (b *batch) decodeCSV() error {
	reader := csv.NewReader(&b.body)
	reader.ReuseRecord, reader.FieldsPerRecord, reader.TrimLeadingSpace = true, -1, true
	var order []int // the field of each feature; nil is as they come
	width := len(b.schema.Features)
	for first := true; ; first = false {
		record, err := reader.Read()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return bad("%w", err)
		}
		if first {
			if order = header(record, b.schema); order != nil {
				width = len(record)
				continue
			}
		}
		line, _ := reader.FieldPos(0)
		if len(record) != width {
			return bad("line %d: %d values: want %d (%s)", line, len(record), width, b.wanted(order))
		}
		if err := b.encodeRecord(record, order); err != nil {
			return bad("line %d: %w", line, err)
		}
	}
}

func (b *batch) wanted(order []int) string {
	if order != nil {
		return "as the header has"
	}
	return "the features in order, or a header line that names them all"
}

func (b *batch) encodeRecord(record []string, order []int) error {
	row := b.grow()
	for i := range row {
		field := i
		if order != nil {
			field = order[i]
		}
		value, err := b.schema.EncodeText(i, record[field])
		if err != nil {
			return err
		}
		row[i] = value
	}
	return nil
}

// header gives each feature's field when a record names all of them, else nil.
func header(record []string, schema *model.Schema) []int {
	order := make([]int, len(schema.Features))
	for i, f := range schema.Features {
		order[i] = -1
		for field, name := range record {
			if name == f.Name {
				order[i] = field
			}
		}
		if order[i] < 0 {
			return nil
		}
	}
	return order
}

// encode answers in the form of the request.
func (b *batch) encode(form string) (contentType string) {
	outputs := b.schema.Outputs()
	switch form {
	case typeCSV:
		for at := 0; at < len(b.scores); at += outputs {
			b.out = append(b.csv(b.scores[at:at+outputs]), '\n')
		}
		return "text/csv; charset=utf-8"
	case typeJSON:
		b.out = append(b.out, `{"predictions":[`...)
		for at := 0; at < len(b.scores); at += outputs {
			if at > 0 {
				b.out = append(b.out, ',')
			}
			b.out = b.object(b.scores[at : at+outputs])
		}
		b.out = append(b.out, "]}\n"...)
		return typeJSON
	}
	for at := 0; at < len(b.scores); at += outputs {
		b.out = append(b.object(b.scores[at:at+outputs]), '\n')
	}
	return typeND
}

// object appends one instance's answer: {"score":0.5}, or of several classes
// {"label":"b","probabilities":{"a":0.25,"b":0.75}}.
func (b *batch) object(scores []float32) []byte {
	if b.answers == nil {
		return append(appendScore(append(b.out, `{"score":`...), scores[0]), '}')
	}
	out := append(b.out, `{"label":`...)
	out = append(out, b.answers.json[likeliest(scores)]...)
	out = append(out, `,"probabilities":{`...)
	for k, score := range scores {
		if k > 0 {
			out = append(out, ',')
		}
		out = append(append(out, b.answers.json[k]...), ':')
		out = appendScore(out, score)
	}
	return append(out, "}}"...)
}

// csv appends one instance's line: its score; of several classes the likeliest
// one's name, then the probability of each in the schema's order.
func (b *batch) csv(scores []float32) []byte {
	if b.answers == nil {
		return appendScore(b.out, scores[0])
	}
	out := append(b.out, b.answers.csv[likeliest(scores)]...)
	for _, score := range scores {
		out = appendScore(append(out, ','), score)
	}
	return out
}

// likeliest is the place of the greatest score; of equals, the first.
func likeliest(scores []float32) int {
	best := 0
	for k, score := range scores {
		if score > scores[best] {
			best = k
		}
	}
	return best
}

// names are the classes as answers write them.
type names struct{ json, csv [][]byte }

// namesOf is nil where there are no classes.
func namesOf(schema *model.Schema) *names {
	if len(schema.Classes) == 0 {
		return nil
	}
	n := &names{}
	for _, class := range schema.Classes {
		text, _ := json.Marshal(class) // text always encodes
		n.json = append(n.json, text)
		var line bytes.Buffer
		w := csv.NewWriter(&line)
		_ = w.Write([]string{class}) // a buffer takes everything
		w.Flush()
		n.csv = append(n.csv, bytes.TrimSuffix(line.Bytes(), []byte("\n")))
	}
	return n
}

// appendScore writes the shortest decimal that reads back as the same float32.
func appendScore(out []byte, score float32) []byte {
	return strconv.AppendFloat(out, float64(score), 'g', -1, 32)
}
