package trainconfig

import (
	"encoding/json"
	"fmt"
	"strconv"
	"time"
)

// ParseDuration reads Go duration text such as "5m" or "500ms". A bare number
// is an error that says to add the unit.
func ParseDuration(text string) (Duration, error) {
	if _, err := strconv.ParseFloat(text, 64); err == nil && text != "0" {
		return 0, fmt.Errorf("%s has no unit; write %[1]sms, %[1]ss or %[1]sm", text)
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		return 0, fmt.Errorf("%q is not a duration; write one such as 500ms, 30s, 5m or 2h", clip(text))
	}
	return Duration(d), nil
}

// String is Go's duration text without zero parts at the end: "5m", not "5m0s".
func (d Duration) String() string {
	t := time.Duration(d)
	switch {
	case t == 0:
		return "0s"
	case t%time.Hour == 0:
		return strconv.FormatInt(int64(t/time.Hour), 10) + "h"
	case t%time.Minute == 0 && (t < time.Hour && t > -time.Hour):
		return strconv.FormatInt(int64(t/time.Minute), 10) + "m"
	}
	return t.String()
}

// MarshalText writes String, in YAML and JSON alike.
func (d Duration) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText is ParseDuration.
func (d *Duration) UnmarshalText(text []byte) (err error) {
	*d, err = ParseDuration(string(text))
	return err
}

// UnmarshalJSON takes a string; a bare number is an error that says to add the
// unit.
func (d *Duration) UnmarshalJSON(data []byte) error {
	var text string
	if err := json.Unmarshal(data, &text); err != nil {
		text = string(data)
		if text == "0" {
			text = "0 " // a JSON zero has no unit either
		}
	}
	return d.UnmarshalText([]byte(text))
}
