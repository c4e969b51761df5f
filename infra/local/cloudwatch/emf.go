package cloudwatch

import (
	"bytes"
	"encoding/json"
	"fmt"
	"time"
)

// The embedded metric format: a log line that carries metrics.
// https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html

type emfHeader struct {
	Timestamp         *int64         `json:"Timestamp"` // milliseconds since 1970
	CloudWatchMetrics []emfDirective `json:"CloudWatchMetrics"`
}

type emfDirective struct {
	Namespace  string      `json:"Namespace"`
	Dimensions [][]string  `json:"Dimensions"`
	Metrics    []emfMetric `json:"Metrics"`
}

type emfMetric struct {
	Name              string `json:"Name"`
	Unit              string `json:"Unit"`
	StorageResolution int    `json:"StorageResolution"`
}

// emfBatch is the data of one directive.
type emfBatch struct {
	namespace string
	data      []Datum
}

// PutEMF stores the metrics of a log line. found is false, without an error,
// for a line that is not in the embedded metric format (no "_aws" member). An
// error names what is wrong with a line that is.
func (s *Service) PutEMF(line []byte) (found bool, err error) {
	batches, err := parseEMF(line)
	if err != nil || batches == nil {
		return err != nil, err
	}
	for _, b := range batches {
		if err := s.Put(b.namespace, b.data...); err != nil {
			return true, fmt.Errorf("embedded metrics: %w", err)
		}
	}
	return true, nil
}

func parseEMF(line []byte) ([]emfBatch, error) {
	if !bytes.Contains(line, []byte(`"_aws"`)) {
		return nil, nil
	}
	var members map[string]json.RawMessage
	if json.Unmarshal(line, &members) != nil || members["_aws"] == nil {
		return nil, nil
	}
	var header emfHeader
	if err := json.Unmarshal(members["_aws"], &header); err != nil {
		return nil, fmt.Errorf("embedded metrics: _aws: %w", err)
	}
	if header.Timestamp == nil {
		return nil, fmt.Errorf("embedded metrics: _aws.Timestamp is missing: give milliseconds since 1970")
	}
	batches := []emfBatch{}
	for i, directive := range header.CloudWatchMetrics {
		data, err := directive.data(members, time.UnixMilli(*header.Timestamp).UTC())
		if err != nil {
			return nil, fmt.Errorf("embedded metrics: _aws.CloudWatchMetrics[%d]: %w", i, err)
		}
		batches = append(batches, emfBatch{directive.Namespace, data})
	}
	return batches, nil
}

func (d emfDirective) data(members map[string]json.RawMessage, at time.Time) ([]Datum, error) {
	sets := d.Dimensions
	if len(sets) == 0 {
		sets = [][]string{{}}
	}
	var out []Datum
	for _, set := range sets {
		dimensions, err := emfDimensions(set, members)
		if err != nil {
			return nil, err
		}
		for _, m := range d.Metrics {
			values, err := emfValues(m, members)
			if err != nil {
				return nil, err
			}
			out = append(out, Datum{Name: m.Name, Dimensions: dimensions, Time: at, Unit: m.Unit,
				HighResolution: m.StorageResolution == 1, Values: values})
		}
	}
	return out, nil
}

func emfDimensions(names []string, members map[string]json.RawMessage) ([]Dimension, error) {
	out := make([]Dimension, len(names))
	for i, name := range names {
		var text string
		if err := json.Unmarshal(members[name], &text); err != nil || text == "" {
			return nil, fmt.Errorf("dimension %q: the line has no text member of that name", name)
		}
		out[i] = Dimension{name, text}
	}
	return out, nil
}

func emfValues(m emfMetric, members map[string]json.RawMessage) ([]float64, error) {
	if m.StorageResolution != 0 && m.StorageResolution != 1 && m.StorageResolution != 60 {
		return nil, fmt.Errorf("metric %q: StorageResolution %d: want 1 or 60", m.Name, m.StorageResolution)
	}
	raw := members[m.Name]
	var one float64
	if json.Unmarshal(raw, &one) == nil && raw != nil && !bytes.Equal(raw, []byte("null")) {
		return []float64{one}, nil
	}
	var many []float64
	if err := json.Unmarshal(raw, &many); err != nil || len(many) == 0 {
		return nil, fmt.Errorf("metric %q: the line has no number or list of numbers of that name", m.Name)
	}
	if len(many) > 100 {
		return nil, fmt.Errorf("metric %q: %d values: at most 100", m.Name, len(many))
	}
	return many, nil
}
