package feedback

import (
	"bytes"
	"encoding/base64"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"mime"
	"strconv"
	"strings"
	"time"

	"github.com/sluice-ml/sluice/shared/contract"
	"github.com/sluice-ml/sluice/shared/fault"
)

// Prediction is one row of a captured request with its score.
type Prediction struct {
	ID       string // "" when the request had none
	Time     time.Time
	Positive bool // score ≥ 0.5
	Score    float64
	Class    string // of a multiclass model, what it said; "" of others
	Row      Row
}

// Row is a captured input row: values by feature name, or in order when Names
// is nil. "" is missing.
type Row struct {
	Names  []string
	Values []string
}

// ReadCaptures reads a capture file. Lines of smoke tests and of requests that
// the model refused are left out. A line that cannot be read is a problem, told
// by file, line and reason, and does not keep the others from counting.
func ReadCaptures(name string, body []byte) (predictions []Prediction, problems []string) {
	number := 0
	for line := range bytes.Lines(body) {
		number++
		if len(bytes.TrimSpace(line)) == 0 {
			continue
		}
		found, err := readCapture(line)
		if err != nil {
			problems = append(problems, fmt.Sprintf("%s line %d: %v", name, number, err))
			continue
		}
		predictions = append(predictions, found...)
	}
	return predictions, problems
}

// captureLine is SageMaker's format.
type captureLine struct {
	CaptureData struct {
		Input  *payload `json:"endpointInput"`
		Output *payload `json:"endpointOutput"`
	} `json:"captureData"`
	Event struct {
		InferenceID   string `json:"inferenceId"`
		InferenceTime string `json:"inferenceTime"`
	} `json:"eventMetadata"`
}

type payload struct {
	ContentType string `json:"observedContentType"`
	Data        string `json:"data"`
	Encoding    string `json:"encoding"` // "CSV", "JSON" or "BASE64"
}

// text is the body as it was on the wire, and its media type.
func (p *payload) text() (body, kind string, err error) {
	kind, _, err = mime.ParseMediaType(p.ContentType)
	if err != nil {
		kind = map[string]string{"CSV": typeCSV, "JSON": typeJSON}[p.Encoding]
	}
	if p.Encoding != "BASE64" {
		return p.Data, kind, nil
	}
	raw, err := base64.StdEncoding.DecodeString(p.Data)
	if err != nil {
		return "", "", fmt.Errorf("its data is not base64: %w", err)
	}
	return string(raw), kind, nil
}

const (
	typeCSV  = "text/csv"
	typeJSON = "application/json"
)

func readCapture(line []byte) ([]Prediction, error) {
	var c captureLine
	if err := json.Unmarshal(line, &c); err != nil {
		return nil, fmt.Errorf("it is not a captured request: %w", err)
	}
	if strings.HasPrefix(c.Event.InferenceID, contract.SmokeInference) {
		return nil, nil
	}
	if c.CaptureData.Input == nil || c.CaptureData.Output == nil {
		return nil, fmt.Errorf("its input or its output is missing: capture both")
	}
	at, err := time.Parse(time.RFC3339, c.Event.InferenceTime)
	if err != nil {
		return nil, fmt.Errorf("inferenceTime: %w", err)
	}
	scores, refused, err := readScores(c.CaptureData.Output)
	if refused || err != nil {
		return nil, err
	}
	rows, err := readRows(c.CaptureData.Input, len(scores))
	if err != nil {
		return nil, err
	}
	if len(rows) != len(scores) {
		return nil, fmt.Errorf("%d rows were asked and %d scores answered", len(rows), len(scores))
	}
	predictions := make([]Prediction, len(rows))
	for i := range rows {
		predictions[i] = Prediction{ID: rowID(c.Event.InferenceID, i, len(rows)), Time: at.UTC(), Positive: scores[i].score >= 0.5,
			Score: scores[i].score, Class: scores[i].class, Row: rows[i]}
	}
	return predictions, nil
}

func rowID(id string, row, rows int) string {
	if id == "" || rows == 1 {
		return id
	}
	return id + "#" + strconv.Itoa(row)
}

// said is what a model answered to one row: a score, or a class.
type said struct {
	score float64
	class string
}

// spoken is a row's answer in JSON.
type spoken struct {
	Score         *float64        `json:"score"`
	Label         json.RawMessage `json:"label"`
	Probabilities json.RawMessage `json:"probabilities"`
}

// said takes the score, else the label of a model that gives probabilities.
func (s spoken) said() (said, bool) {
	if s.Score != nil {
		return said{score: *s.Score}, true
	}
	var class string
	ok := len(s.Probabilities) > 0 && json.Unmarshal(s.Label, &class) == nil && class != ""
	return said{class: class}, ok
}

// readScores gives an answer per row; refused when the model server answered an
// error, which no label can be about.
func readScores(p *payload) (scores []said, refused bool, err error) {
	body, kind, err := p.text()
	if err != nil {
		return nil, false, err
	}
	if kind == typeCSV {
		scores, err = readScoresCSV(body)
		return scores, false, err
	}
	type answer struct {
		spoken
		Error       *json.RawMessage `json:"error"`
		Predictions []spoken         `json:"predictions"`
	}
	decoder := json.NewDecoder(strings.NewReader(body))
	for {
		var a answer
		if err := decoder.Decode(&a); err == io.EOF {
			return scores, false, nil
		} else if err != nil {
			return nil, false, fmt.Errorf("its output is not JSON: %w", err)
		}
		if a.Error != nil {
			return nil, true, nil
		}
		if one, ok := a.said(); ok {
			scores = append(scores, one)
		}
		for i, p := range a.Predictions {
			one, ok := p.said()
			if !ok {
				return nil, false, fmt.Errorf("prediction %d has no score", i)
			}
			scores = append(scores, one)
		}
	}
}

// readScoresCSV reads a score a line; of a multiclass model a class and the
// probability of each.
func readScoresCSV(body string) (scores []said, err error) {
	if strings.Contains(body, ",") {
		records, err := csv.NewReader(strings.NewReader(body)).ReadAll()
		if err != nil {
			return nil, fmt.Errorf("its output is not CSV: %w", err)
		}
		for _, record := range records {
			scores = append(scores, said{class: record[0]})
		}
		return scores, nil
	}
	for _, field := range strings.Fields(body) {
		score, err := strconv.ParseFloat(field, 64)
		if err != nil {
			return nil, fmt.Errorf("score %q is not a number", field)
		}
		scores = append(scores, said{score: score})
	}
	return scores, nil
}

// readRows reads what was asked, in any form that the model server takes.
func readRows(p *payload, scores int) ([]Row, error) {
	body, kind, err := p.text()
	switch {
	case err != nil:
		return nil, err
	case kind == typeCSV:
		return readCSV(body, scores)
	case kind == typeJSON:
		var request struct {
			Instances []json.RawMessage `json:"instances"`
		}
		if err := json.Unmarshal([]byte(body), &request); err != nil {
			return nil, fmt.Errorf(`its input is not {"instances": […]}: %w`, err)
		}
		return readInstances(request.Instances)
	}
	var lines []json.RawMessage
	decoder := json.NewDecoder(strings.NewReader(body))
	for {
		var line json.RawMessage
		if err := decoder.Decode(&line); err == io.EOF {
			return readInstances(lines)
		} else if err != nil {
			return nil, fmt.Errorf("its input is neither CSV nor JSON: %w", err)
		}
		lines = append(lines, line)
	}
}

// readCSV takes the first line as a header when there is one line more than
// scores: the server answered every row.
func readCSV(body string, scores int) ([]Row, error) {
	reader := csv.NewReader(strings.NewReader(body))
	reader.TrimLeadingSpace = true
	records, err := reader.ReadAll()
	if err != nil {
		return nil, fmt.Errorf("its input is not CSV: %w", err)
	}
	var names []string
	if len(records) > 0 && len(records) == scores+1 {
		names, records = records[0], records[1:]
	}
	rows := make([]Row, len(records))
	for i, record := range records {
		rows[i] = Row{Names: names, Values: record}
	}
	return rows, nil
}

func readInstances(instances []json.RawMessage) ([]Row, error) {
	rows := make([]Row, len(instances))
	for i, raw := range instances {
		row, err := readInstance(raw)
		if err != nil {
			return nil, fmt.Errorf("instance %d: %w", i, err)
		}
		rows[i] = row
	}
	return rows, nil
}

func readInstance(raw json.RawMessage) (Row, error) {
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.UseNumber()
	var value any
	if err := decoder.Decode(&value); err != nil {
		return Row{}, err
	}
	switch v := value.(type) {
	case []any:
		row := Row{Values: make([]string, len(v))}
		for i, cell := range v {
			row.Values[i] = cellText(cell)
		}
		return row, nil
	case map[string]any:
		row := Row{Names: []string{}}
		for name, cell := range v {
			row.Names, row.Values = append(row.Names, name), append(row.Values, cellText(cell))
		}
		return row, nil
	}
	return Row{}, fmt.Errorf("want an object or an array")
}

func cellText(cell any) string {
	switch v := cell.(type) {
	case nil:
		return ""
	case string:
		return v
	case json.Number:
		return v.String()
	}
	return fmt.Sprint(cell)
}

// ReadLabels reads a label file: contract.Label, a line each. A line that cannot
// be read is a problem, told by file, line and reason.
func ReadLabels(name string, body []byte) (labels []contract.Label, problems []string) {
	number := 0
	for line := range bytes.Lines(body) {
		number++
		if len(bytes.TrimSpace(line)) == 0 {
			continue
		}
		var l contract.Label
		err := json.Unmarshal(line, &l)
		switch {
		case err != nil:
		case l.InferenceID == "":
			err = fault.New(fault.Invalid, "read a label", "inference_id is missing")
		case l.Label != 0 && l.Label != 1:
			err = fault.New(fault.Invalid, "read a label", "label is %v: want 0 or 1", l.Label)
		}
		if err != nil {
			problems = append(problems, fmt.Sprintf("%s line %d: %v", name, number, err))
			continue
		}
		labels = append(labels, l)
	}
	return labels, problems
}
