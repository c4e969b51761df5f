package trainconfig

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// Trigger is a rollback trigger such as `accuracy_drop > 5%`: one measure, a
// comparison and a limit. The zero Trigger never fires.
type Trigger struct {
	Measure string // "accuracy_drop", "error_rate" or "latency_p99"; "" is none
	OrEqual bool   // ">=" rather than ">"
	// Limit is a ratio (0.05 for 5%) for accuracy_drop and error_rate, and
	// seconds for latency_p99.
	Limit float64
}

// TriggerMeasures are the measures that a trigger can name.
func TriggerMeasures() []string { return []string{"accuracy_drop", "error_rate", "latency_p99"} }

var triggerForm = regexp.MustCompile(`^\s*([A-Za-z_0-9]+)\s*(>=|>|<=|<|==|=)\s*([0-9.eE+-]+)\s*([A-Za-zµ%]*)\s*$`)

// ParseTrigger reads a trigger's text; "" is the zero Trigger.
func ParseTrigger(text string) (Trigger, error) {
	if strings.TrimSpace(text) == "" {
		return Trigger{}, nil
	}
	m := triggerForm.FindStringSubmatch(text)
	if m == nil {
		return Trigger{}, fmt.Errorf("%q is not a trigger; write one such as accuracy_drop > 5%%, error_rate > 1%% or latency_p99 > 800ms", clip(text))
	}
	measure, operator, number, unit := m[1], m[2], m[3], m[4]
	if operator != ">" && operator != ">=" {
		return Trigger{}, fmt.Errorf("%q: a trigger fires when a measure is too high; use > or >=, not %s", text, operator)
	}
	limit, err := triggerLimit(measure, number, unit)
	if err != nil {
		return Trigger{}, fmt.Errorf("%q: %w", clip(text), err)
	}
	return Trigger{Measure: measure, OrEqual: operator == ">=", Limit: limit}, nil
}

func triggerLimit(measure, number, unit string) (float64, error) {
	switch measure {
	case "accuracy_drop", "error_rate":
		return ratio(measure, number, unit)
	case "latency_p99":
		d, err := ParseDuration(number + unit)
		if err == nil && d <= 0 {
			err = fmt.Errorf("the limit %s is not above zero", number+unit)
		}
		return time.Duration(d).Seconds(), err
	}
	return 0, fmt.Errorf("unknown measure %q: %s", clip(measure), suggest(measure, TriggerMeasures()))
}

func ratio(measure, number, unit string) (float64, error) {
	value, err := strconv.ParseFloat(number, 64)
	if err != nil {
		return 0, fmt.Errorf("%q is not a number", number)
	}
	switch unit {
	case "%":
		value /= 100
	case "":
	default:
		return 0, fmt.Errorf("%s is a share: write 5%% or 0.05, not %s%s", measure, number, unit)
	}
	if !(value >= 0 && value < 1) {
		return 0, fmt.Errorf("the limit %s%s is not a share between 0%% and 100%%", number, unit)
	}
	return value, nil
}

// Fires says whether a measured value (in Limit's unit) sets the trigger off.
// NaN, which is no measurement, does not.
func (t Trigger) Fires(value float64) bool {
	if t.Measure == "" {
		return false
	}
	return value > t.Limit || (t.OrEqual && value == t.Limit)
}
