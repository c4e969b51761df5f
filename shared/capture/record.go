package capture

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"mime"
	"time"
	"unicode/utf8"
)

// record is one request and its answer.
type record struct {
	id              string // the inference id; "" is none
	at              time.Time
	inType, outType string
	input, output   []byte
}

// size is what a record takes of the queue, in bytes.
func (r record) size() int { return len(r.id) + len(r.input) + len(r.output) + overhead }

// overhead is what a line has beside the bodies, about.
const overhead = 512

// line is SageMaker's data capture format, version "0".
type line struct {
	Data    data   `json:"captureData"`
	Event   event  `json:"eventMetadata"`
	Version string `json:"eventVersion"`
}

type data struct {
	Input  payload `json:"endpointInput"`
	Output payload `json:"endpointOutput"`
}

type payload struct {
	ContentType string `json:"observedContentType"`
	Mode        string `json:"mode"`
	Data        string `json:"data"`
	Encoding    string `json:"encoding"`
}

type event struct {
	ID          string `json:"eventId"`
	InferenceID string `json:"inferenceId,omitempty"`
	Time        string `json:"inferenceTime"`
}

// encode is the record's line, with its end.
func (r record) encode() []byte {
	text, err := json.Marshal(line{
		Data:    data{Input: body("INPUT", r.inType, r.input), Output: body("OUTPUT", r.outType, r.output)},
		Event:   event{ID: random(16), InferenceID: r.id, Time: r.at.UTC().Format(time.RFC3339Nano)},
		Version: "0",
	})
	if err != nil {
		panic(err) // strings always encode
	}
	return append(text, '\n')
}

func body(mode, contentType string, raw []byte) payload {
	p := payload{ContentType: contentType, Mode: mode}
	kind, _, _ := mime.ParseMediaType(contentType) // what is no media type is base64
	p.Encoding = map[string]string{"text/csv": "CSV", "application/json": "JSON"}[kind]
	if p.Encoding == "" || !utf8.Valid(raw) {
		p.Encoding, p.Data = "BASE64", base64.StdEncoding.EncodeToString(raw)
		return p
	}
	p.Data = string(raw)
	return p
}

// random is n random bytes in hexadecimal digits.
func random(n int) string {
	b := make([]byte, n)
	_, _ = rand.Read(b) // it never fails: crypto/rand ends the program instead
	return hex.EncodeToString(b)
}
