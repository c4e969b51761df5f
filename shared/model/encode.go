package model

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"strings"
)

// nan stands for a missing value in a vector.
var nan = float32(math.NaN())

// ValueError is a value that cannot be encoded.
type ValueError struct {
	Feature string // its name
	Value   string // as it came, shortened
	Want    string // what would do
}

// Error reads `feature "age": "abc" is not a number`.
func (e *ValueError) Error() string {
	return fmt.Sprintf("feature %q: %s %s", e.Feature, e.Value, e.Want)
}

func (s *Schema) wrong(i int, value, want string) error {
	if len(value) > 60 {
		value = value[:60] + "…"
	}
	return &ValueError{Feature: s.Features[i].Name, Value: value, Want: want}
}

// EncodeNumber is feature i's number v in a vector; NaN is missing. The error
// is a *ValueError when the feature is numeric and v has no float32.
func (s *Schema) EncodeNumber(i int, v float64) (float32, error) {
	if s.codes[i] != nil {
		if v != v {
			return nan, nil
		}
		return s.encodeCategory(i, formatNumber(v)), nil
	}
	f := float32(v)
	if math.IsInf(float64(f), 0) {
		return 0, s.wrong(i, formatNumber(v), "is too large: want a number below 3.4e38")
	}
	return f, nil
}

// EncodeText is feature i's value in a vector, from a cell of text: a missing
// value and a category that training did not see are NaN. The error is a
// *ValueError when a numeric feature's text is not a number.
func (s *Schema) EncodeText(i int, cell string) (float32, error) {
	cell = strings.TrimSpace(cell)
	if missing(cell) {
		return nan, nil
	}
	if s.codes[i] != nil {
		return s.encodeCategory(i, canonical(cell)), nil
	}
	v, ok := number(cell)
	if !ok {
		return 0, s.wrong(i, fmt.Sprintf("%q", cell), "is not a number")
	}
	return s.EncodeNumber(i, v)
}

func (s *Schema) encodeCategory(i int, category string) float32 {
	if code, known := s.codes[i][category]; known {
		return code
	}
	return nan
}

// EncodeJSON is feature i's value in a vector, from JSON: null is missing,
// text is read as EncodeText does, true and false are categories.
func (s *Schema) EncodeJSON(i int, value json.RawMessage) (float32, error) {
	switch {
	case len(value) == 0 || value[0] == 'n':
		return nan, nil
	case value[0] == '"':
		var text string
		if err := json.Unmarshal(value, &text); err != nil {
			return 0, s.wrong(i, string(value), "is not text")
		}
		return s.EncodeText(i, text)
	case value[0] == '{' || value[0] == '[':
		return 0, s.wrong(i, string(value), "is not a single value")
	case (value[0] == 't' || value[0] == 'f') && s.codes[i] == nil:
		return 0, s.wrong(i, string(value), "is not a number")
	}
	return s.EncodeText(i, string(value))
}

// EncodeInstance writes one instance's vector to dst, which is as long as
// Features: an object with a member for every feature (others are ignored), or
// an array in the features' order.
func (s *Schema) EncodeInstance(dst []float32, instance json.RawMessage) error {
	instance = bytes.TrimSpace(instance)
	if len(instance) > 0 && instance[0] == '[' {
		return s.encodeArray(dst, instance)
	}
	var members map[string]json.RawMessage
	if err := json.Unmarshal(instance, &members); err != nil || members == nil {
		return fmt.Errorf("want an object or an array")
	}
	for i, f := range s.Features {
		value, present := members[f.Name]
		if !present {
			return fmt.Errorf("feature %q is absent: send null when it is missing", f.Name)
		}
		encoded, err := s.EncodeJSON(i, value)
		if err != nil {
			return err
		}
		dst[i] = encoded
	}
	return nil
}

func (s *Schema) encodeArray(dst []float32, instance json.RawMessage) error {
	var values []json.RawMessage
	if err := json.Unmarshal(instance, &values); err != nil {
		return fmt.Errorf("want an object or an array")
	}
	if len(values) != len(s.Features) {
		return fmt.Errorf("%d values: want %d, in the features' order", len(values), len(s.Features))
	}
	for i, value := range values {
		encoded, err := s.EncodeJSON(i, value)
		if err != nil {
			return err
		}
		dst[i] = encoded
	}
	return nil
}
