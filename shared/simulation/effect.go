package simulation

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Change is new = old·Times + Plus. The zero Change changes nothing.
type Change struct {
	Times float64 `json:"times,omitzero"` // 0 is 1
	Plus  float64 `json:"plus,omitzero"`  // shares of requests; seconds of latency
}

func (c Change) to(old float64) float64 {
	if c.Times == 0 {
		return old + c.Plus
	}
	return old*c.Times + c.Plus
}

// Effect is what the candidate changes.
type Effect struct {
	ErrorRate Change `json:"error_rate,omitzero"`
	SlowRate  Change `json:"slow_rate,omitzero"` // Plus only
	Latency   Change `json:"latency,omitzero"`   // of every request
	Accuracy  Change `json:"accuracy,omitzero"`
}

// None says that the candidate is just like the champion.
func (e Effect) None() bool { return e == Effect{} }

// On gives the candidate; an error where it could not be.
func (e Effect) On(champion Version) (Version, error) {
	v := champion
	v.ErrorRate = e.ErrorRate.to(v.ErrorRate)
	v.SlowRate = e.SlowRate.to(v.SlowRate)
	v.Accuracy = e.Accuracy.to(v.Accuracy)
	if e.Latency.Times != 0 {
		v.P99 = time.Duration(float64(v.P99) * e.Latency.Times)
	}
	v.Shift += time.Duration(e.Latency.Plus * float64(time.Second))
	if err := v.Check(); err != nil {
		return v, fmt.Errorf("the candidate cannot be so: %w", err)
	}
	return v, nil
}

// effects are the names that ParseEffect knows.
var effects = [...]string{"accuracy", "error_rate", "latency", "slow_rate"}

// Parse adds one effect to e, written as NAME=CHANGE: error_rate=+0.02 (of all
// requests), error_rate=x3, slow_rate=+0.01, latency=+100ms, latency=x1.5,
// accuracy=-0.05. The error says what is wrong with the text.
func (e *Effect) Parse(text string) error {
	name, change, found := strings.Cut(text, "=")
	if !found {
		return fmt.Errorf("effect %q: want NAME=CHANGE, e.g. error_rate=+0.02", text)
	}
	var target *Change
	switch name {
	case "error_rate":
		target = &e.ErrorRate
	case "slow_rate":
		target = &e.SlowRate
	case "latency":
		target = &e.Latency
	case "accuracy":
		target = &e.Accuracy
	default:
		return fmt.Errorf("effect %q: %q is none of %s", text, name, strings.Join(effects[:], ", "))
	}
	if *target != (Change{}) {
		return fmt.Errorf("effect %q: %s is given twice", text, name)
	}
	c, err := parseChange(name, change)
	if err != nil {
		return fmt.Errorf("effect %q: %w", text, err)
	}
	*target = c
	return nil
}

func parseChange(name, text string) (Change, error) {
	if v, err := strconv.ParseFloat(strings.TrimPrefix(text, "x"), 64); err == nil && (math.IsNaN(v) || math.IsInf(v, 0)) {
		return Change{}, fmt.Errorf("%s is not a number: want e.g. +0.02 or x1.5", text)
	}
	switch {
	case strings.HasSuffix(text, "%"):
		return Change{}, fmt.Errorf("%s could be points or a share: write +0.02 for points, x1.02 for a share", text)
	case strings.HasPrefix(text, "x"):
		times, err := strconv.ParseFloat(text[1:], 64)
		if err != nil || !(times > 0 && times <= 1000) {
			return Change{}, fmt.Errorf("%s: want x and a factor above 0, at most 1000, e.g. x1.5", text)
		}
		if name == "slow_rate" {
			return Change{}, fmt.Errorf("%s: the slow rate is added to what the champion's latency gives: want e.g. +0.01", text)
		}
		return Change{Times: times}, nil
	case !strings.HasPrefix(text, "+") && !strings.HasPrefix(text, "-"):
		return Change{}, fmt.Errorf("%s has no sign: write +%s for more than the champion, or x2 for twice as much", text, text)
	case name == "latency":
		d, err := time.ParseDuration(text)
		if err != nil || d.Abs() > time.Hour {
			return Change{}, fmt.Errorf("%s: want a time with its unit, an hour at most, e.g. +100ms, or x1.5", text)
		}
		return Change{Plus: d.Seconds()}, nil
	}
	plus, err := strconv.ParseFloat(text, 64)
	if err != nil || !(math.Abs(plus) <= 1) {
		return Change{}, fmt.Errorf("%s: want a share of requests from -1 to +1, e.g. +0.02", text)
	}
	return Change{Plus: plus}, nil
}

// String gives what ParseEffect reads, separated by spaces; "none" for none.
func (e Effect) String() string {
	var parts []string
	for name, c := range map[string]Change{"error_rate": e.ErrorRate, "slow_rate": e.SlowRate, "latency": e.Latency, "accuracy": e.Accuracy} {
		switch {
		case c.Times != 0:
			parts = append(parts, fmt.Sprintf("%s=x%g", name, c.Times))
		case name == "latency" && c.Plus != 0:
			parts = append(parts, "latency="+signed(c.Plus))
		case c.Plus != 0:
			parts = append(parts, fmt.Sprintf("%s=%+g", name, c.Plus))
		}
	}
	if len(parts) == 0 {
		return "none"
	}
	slices.Sort(parts)
	return strings.Join(parts, " ")
}

// signed is a time with its sign, which a negative one shows by itself.
func signed(s float64) string {
	d := time.Duration(math.Round(s * 1e9))
	if d < 0 {
		return d.String()
	}
	return "+" + d.String()
}
