package conformity

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"slices"
	"strconv"

	"github.com/sluice-ml/sluice/shared/model"
)

// cell is a value of a row: a number, a text, or missing.
type cell struct {
	text    string
	number  bool
	missing bool
}

func (c cell) json() string {
	switch {
	case c.missing:
		return "null"
	case c.number:
		return c.text
	}
	text, _ := json.Marshal(c.text) // text always encodes
	return string(text)
}

// exampleOf makes rows of a schema's features: around their means, with each of
// the categories in turn.
func exampleOf(schema *model.Schema) [][]cell {
	var rows [][]cell
	for i := range 9 {
		row := make([]cell, len(schema.Features))
		for j, f := range schema.Features {
			switch {
			case f.Kind == model.Numeric:
				v := f.Mean + float64((i*(j+3))%5-2)*f.StdDev/2
				row[j] = cell{text: strconv.FormatFloat(v, 'f', 3, 64), number: true}
			case len(f.Categories) == 0:
				row[j] = cell{missing: true}
			default:
				row[j] = cell{text: f.Categories[(i+j)%len(f.Categories)]}
			}
		}
		rows = append(rows, row)
	}
	return rows
}

func missingRow(schema *model.Schema) []cell {
	row := make([]cell, len(schema.Features))
	for i := range row {
		row[i].missing = true
	}
	return row
}

// unseen is a row with a category that nobody knows.
func (c *serverCheck) unseen() []cell {
	row := slices.Clone(c.rows[0])
	for i, f := range c.schema.Features {
		if f.Kind == model.Categorical {
			row[i] = cell{text: "sluice-unseen"}
		}
	}
	return row
}

// lines are rows as JSON lines of arrays.
func (c *serverCheck) lines(rows [][]cell) []byte { return jsonRows(rows, "", "\n", "\n", cell.json) }

// textLines are the same with all numbers as text.
func (c *serverCheck) textLines(rows [][]cell) []byte {
	return jsonRows(rows, "", "\n", "\n", func(v cell) string {
		v.number = false
		return v.json()
	})
}

func (c *serverCheck) instances(rows [][]cell) []byte {
	return jsonRows(rows, `{"instances":[`, ",", "]}", cell.json)
}

func jsonRows(rows [][]cell, head, between, end string, write func(cell) string) []byte {
	var out bytes.Buffer
	out.WriteString(head)
	for i, row := range rows {
		if i > 0 {
			out.WriteString(between)
		}
		for j, v := range row {
			out.WriteString(map[bool]string{true: "[", false: ","}[j == 0])
			out.WriteString(write(v))
		}
		out.WriteString("]")
	}
	out.WriteString(end)
	return out.Bytes()
}

// objects are instances with members in the reverse order and one too many.
func (c *serverCheck) objects(rows [][]cell) []byte {
	var out bytes.Buffer
	out.WriteString(`{"instances":[`)
	for i, row := range rows {
		if i > 0 {
			out.WriteByte(',')
		}
		out.WriteString(`{"sluice_extra":"x"`)
		for j := len(row) - 1; j >= 0; j-- {
			name, _ := json.Marshal(c.schema.Features[j].Name) // text always encodes
			out.WriteString("," + string(name) + ":" + row[j].json())
		}
		out.WriteByte('}')
	}
	out.WriteString("]}")
	return out.Bytes()
}

// csv are rows without a header.
func (c *serverCheck) csv(rows [][]cell) []byte {
	return asCSV(nil, rows, func(row []cell) []string {
		record := make([]string, len(row))
		for i, v := range row {
			record[i] = v.text
		}
		return record
	})
}

// headed are rows with a header, the columns reversed and one too many.
func (c *serverCheck) headed(rows [][]cell) []byte {
	header := c.schema.Names()
	slices.Reverse(header)
	return asCSV(append(header, "sluice_extra"), rows, func(row []cell) []string {
		var record []string
		for _, v := range slices.Backward(row) {
			record = append(record, v.text)
		}
		return append(record, "x")
	})
}

func asCSV(header []string, rows [][]cell, record func([]cell) []string) []byte {
	var out bytes.Buffer
	w := csv.NewWriter(&out)
	if header != nil {
		_ = w.Write(header) // a buffer takes everything
	}
	for _, row := range rows {
		fields := record(row)
		if len(fields) == 1 && fields[0] == "" {
			out.WriteString("\"\"\n") // an empty line would be no row
			continue
		}
		_ = w.Write(fields)
		w.Flush()
	}
	w.Flush()
	return out.Bytes()
}

// request is a body and what is odd about it.
type request struct {
	what, form string
	body       []byte
}

// with is a row whose first numeric value is replaced; ok is false when there is
// none.
func (c *serverCheck) with(v cell) (row []cell, ok bool) {
	row = slices.Clone(c.rows[0])
	for i, f := range c.schema.Features {
		if f.Kind == model.Numeric {
			row[i] = v
			return row, true
		}
	}
	return nil, false
}

// notNumbers are NaN and infinite values, in each form that can hold them.
func (c *serverCheck) notNumbers() []request {
	var list []request
	for _, word := range []string{"NaN", "Infinity", "-Infinity", "1e999"} {
		row, ok := c.with(cell{text: word, number: true})
		if !ok {
			return nil
		}
		list = append(list, request{word + " as a line", typeLines, c.lines([][]cell{row})},
			request{word + " in JSON", typeJSON, c.instances([][]cell{row})}, request{word + " in CSV", typeCSV, c.csv([][]cell{row})})
	}
	return list
}

// badBodies are wrong in one way each.
func (c *serverCheck) badBodies() []request {
	whole := c.instances(c.rows)
	short := [][]cell{c.rows[0][:len(c.rows[0])-1]}
	long := [][]cell{append(slices.Clone(c.rows[0]), cell{text: "1", number: true})}
	list := []request{
		{"JSON cut short", typeJSON, whole[:len(whole)-5]},
		{"a line that is no JSON", typeLines, []byte("no json\n")},
		{"an object that is not instances", typeJSON, []byte(`{"rows": []}`)},
		{"no instances", typeJSON, []byte(`{"instances": []}`)},
		{"an empty body of lines", typeLines, nil},
		{"an empty CSV", typeCSV, nil},
		{"a number as instances", typeJSON, []byte(`{"instances": 5}`)},
		{"a number as an instance", typeLines, []byte("5\n")},
		{"an empty object", typeLines, []byte("{}\n")},
		{"too many values", typeLines, c.lines(long)},
		{"too many values in CSV", typeCSV, c.csv(long)},
		{"a nested value", typeLines, nested(c.rows[0])},
		{"a CSV that is not UTF-8", typeCSV, []byte("\xff\xfe\x00,\xff\n")},
	}
	if len(short[0]) > 0 {
		list = append(list, request{"too few values", typeLines, c.lines(short)}, request{"too few values in CSV", typeCSV, c.csv(short)})
	}
	if row, ok := c.with(cell{text: "not-a-number"}); ok {
		list = append(list, request{"text where a number is wanted", typeLines, c.lines([][]cell{row})},
			request{"text where a number is wanted, in CSV", typeCSV, c.csv([][]cell{row})})
	}
	return list
}

// nested is a row whose first value is a list.
func nested(row []cell) []byte {
	first := true
	return jsonRows([][]cell{row}, "", "\n", "\n", func(v cell) string {
		if first {
			first = false
			return "[1]"
		}
		return v.json()
	})
}
