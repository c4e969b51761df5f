package sagemaker

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"path"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/sluice-ml/sluice/infra/local/wire"
)

// A captured request is one JSON line, in SageMaker's format.
// https://docs.aws.amazon.com/sagemaker/latest/dg/model-monitor-data-capture-endpoint.html
type captureRecord struct {
	CaptureData   captureData   `json:"captureData"`
	EventMetadata eventMetadata `json:"eventMetadata"`
	EventVersion  string        `json:"eventVersion"`
}

type captureData struct {
	EndpointInput  *captured `json:"endpointInput,omitempty"`
	EndpointOutput *captured `json:"endpointOutput,omitempty"`
}

type captured struct {
	ObservedContentType string `json:"observedContentType,omitempty"`
	Mode                string `json:"mode"`
	Data                string `json:"data"`
	Encoding            string `json:"encoding"` // "CSV", "JSON" or "BASE64"
}

type eventMetadata struct {
	EventID          string   `json:"eventId"`
	CustomAttributes []string `json:"customAttributes,omitempty"`
	InferenceID      string   `json:"inferenceId,omitempty"`
	InferenceTime    string   `json:"inferenceTime"`
}

// A file is written when it has this many records, or when Flush finds its
// first one old enough. maxHeld bounds what waits while the bucket is away.
const (
	captureBatch = 500
	maxHeld      = 20_000
)

// captureStore holds captured lines until they are written, by variant.
type captureStore struct {
	mu      sync.Mutex
	waiting map[captureKey]*captureFile
	writing sync.Mutex
}

type captureKey struct{ destination, endpoint, variant string }

type captureFile struct {
	lines [][]byte
	first time.Time
}

func (s *Service) captureAnswer(in *invocation, a answer, now time.Time) {
	c := in.route.capture
	if c == nil || !c.EnableCapture || s.random.Float64()*100 >= float64(c.InitialSamplingPercentage) {
		return
	}
	r := captureRecord{EventVersion: "0", EventMetadata: eventMetadata{EventID: wire.RequestID(),
		InferenceID: in.header.Get(headerInference), InferenceTime: now.UTC().Format(time.RFC3339)}}
	if attributes := in.header.Get(headerAttributes); attributes != "" {
		r.EventMetadata.CustomAttributes = []string{attributes}
	}
	if c.wants("Input") {
		r.CaptureData.EndpointInput = c.CaptureContentTypeHeader.observe("INPUT", in.header, in.body)
	}
	if c.wants("Output") {
		r.CaptureData.EndpointOutput = c.CaptureContentTypeHeader.observe("OUTPUT", a.header, a.body)
	}
	line, err := json.Marshal(r)
	if err != nil {
		s.logf("capture a request to endpoint %s: %v", in.endpoint, err)
		return
	}
	s.hold(captureKey{c.DestinationS3Uri, in.endpoint, in.variant.name}, line, now)
}

func (c *DataCaptureConfig) wants(mode string) bool {
	return slices.ContainsFunc(c.CaptureOptions, func(o CaptureOption) bool {
		return o.CaptureMode == mode || o.CaptureMode == "InputAndOutput"
	})
}

// observe encodes a body: as it is when its content type is listed, else base64.
func (h *CaptureHeader) observe(mode string, header http.Header, body []byte) *captured {
	full := header.Get("Content-Type")
	out := &captured{ObservedContentType: full, Mode: mode, Encoding: "BASE64"}
	kind, _, err := mime.ParseMediaType(full)
	if err != nil {
		kind = full
	}
	if h != nil && utf8.Valid(body) {
		switch {
		case slices.Contains(h.CsvContentTypes, kind):
			out.Encoding = "CSV"
		case slices.Contains(h.JSONContentTypes, kind):
			out.Encoding = "JSON"
		}
	}
	out.Data = string(body)
	if out.Encoding == "BASE64" {
		out.Data = base64.StdEncoding.EncodeToString(body)
	}
	return out
}

func (s *Service) hold(key captureKey, line []byte, now time.Time) {
	s.capture.mu.Lock()
	defer s.capture.mu.Unlock()
	if s.capture.waiting == nil {
		s.capture.waiting = map[captureKey]*captureFile{}
	}
	f := s.capture.waiting[key]
	if f == nil {
		f = &captureFile{first: now}
		s.capture.waiting[key] = f
	}
	if len(f.lines) >= maxHeld {
		s.logf("endpoint %s variant %s: %d captured requests are waiting to be written: one was dropped", key.endpoint, key.variant, maxHeld)
		return
	}
	f.lines = append(f.lines, line)
	if len(f.lines) == captureBatch && s.context.Err() == nil {
		s.working.Go(func() {
			if err := s.flushCaptures(s.context, now, false); err != nil {
				s.logf("write captured requests: %v", err)
			}
		})
	}
}

// flushCaptures writes the files that are full or old enough; all of them when
// all is set. What could not be written waits for the next flush.
func (s *Service) flushCaptures(ctx context.Context, now time.Time, all bool) error {
	s.capture.writing.Lock()
	defer s.capture.writing.Unlock()
	due := map[captureKey]*captureFile{}
	s.capture.mu.Lock()
	for key, f := range s.capture.waiting {
		if all || len(f.lines) >= captureBatch || now.Sub(f.first) >= s.config.CaptureInterval {
			due[key] = f
			delete(s.capture.waiting, key)
		}
	}
	s.capture.mu.Unlock()
	var problems error
	for key, f := range due {
		if err := s.writeCapture(ctx, key, f); err != nil {
			problems = errors.Join(problems, fmt.Errorf("write %d captured requests of endpoint %s: %w", len(f.lines), key.endpoint, err))
			s.putBack(key, f)
		}
	}
	return problems
}

func (s *Service) putBack(key captureKey, f *captureFile) {
	s.capture.mu.Lock()
	defer s.capture.mu.Unlock()
	if newer := s.capture.waiting[key]; newer != nil {
		f.lines = append(f.lines, newer.lines...)
	}
	s.capture.waiting[key] = f
}

func (s *Service) writeCapture(ctx context.Context, key captureKey, f *captureFile) error {
	bucket, prefix, err := parseURI(key.destination)
	if err != nil {
		return err
	}
	at := f.first.UTC()
	name := fmt.Sprintf("%s-%03d-%s.jsonl", at.Format("04-05"), at.Nanosecond()/1e6, wire.RequestID())
	object := path.Join(strings.Trim(prefix, "/"), key.endpoint, key.variant, at.Format("2006/01/02/15"), name)
	return s.config.Objects.Put(ctx, bucket, object, append(bytes.Join(f.lines, []byte("\n")), '\n'))
}
