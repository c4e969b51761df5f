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
	schema *model.Schema
	body   bytes.Buffer
	rows   []float32 // instances × features
	scores []float32
	out    []byte
}

func (b *batch) reset(schema *model.Schema) {
	b.schema = schema
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
	switch form {
	case typeCSV:
		for _, score := range b.scores {
			b.out = append(appendScore(b.out, score), '\n')
		}
		return "text/csv; charset=utf-8"
	case typeJSON:
		b.out = append(b.out, `{"predictions":[`...)
		for i, score := range b.scores {
			if i > 0 {
				b.out = append(b.out, ',')
			}
			b.out = append(appendScore(append(b.out, `{"score":`...), score), '}')
		}
		b.out = append(b.out, "]}\n"...)
		return typeJSON
	}
	for _, score := range b.scores {
		b.out = append(appendScore(append(b.out, `{"score":`...), score), "}\n"...)
	}
	return typeND
}

// appendScore writes the shortest decimal that reads back as the same float32.
func appendScore(out []byte, score float32) []byte {
	return strconv.AppendFloat(out, float64(score), 'g', -1, 32)
}
