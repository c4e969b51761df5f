package ecs

import (
	"encoding/json"
	"strconv"
	"strings"
	"time"
)

// Moment is a time on the wire: seconds since 1970, with milliseconds.
type Moment struct{ time.Time }

// MarshalJSON writes seconds with three digits after the point.
func (m Moment) MarshalJSON() ([]byte, error) {
	return strconv.AppendFloat(nil, float64(m.UnixMilli())/1000, 'f', 3, 64), nil
}

// UnmarshalJSON reads what MarshalJSON wrote.
func (m *Moment) UnmarshalJSON(text []byte) error {
	seconds, err := strconv.ParseFloat(string(text), 64)
	if err != nil {
		return err
	}
	m.Time = time.UnixMilli(int64(seconds*1000 + 0.5)).UTC()
	return nil
}

// eventTime is a time in an event: ISO 8601 with milliseconds.
func eventTime(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }

// eventDetail is an API shape as events have it: members whose names end in At
// are times, which events write as text.
func eventDetail(v any) (json.RawMessage, error) {
	text, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	var decoded any
	if err := json.Unmarshal(text, &decoded); err != nil {
		return nil, err
	}
	return json.Marshal(withEventTimes(decoded))
}

func withEventTimes(v any) any {
	switch v := v.(type) {
	case []any:
		for i := range v {
			v[i] = withEventTimes(v[i])
		}
	case map[string]any:
		for name, member := range v {
			if seconds, ok := member.(float64); ok && strings.HasSuffix(name, "At") {
				v[name] = eventTime(time.UnixMilli(int64(seconds*1000 + 0.5)))
				continue
			}
			v[name] = withEventTimes(member)
		}
	}
	return v
}
