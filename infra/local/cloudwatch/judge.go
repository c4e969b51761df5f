package cloudwatch

import (
	"math"
	"slices"
	"time"
)

// State is an alarm's state.
type State string

const (
	OK               State = "OK"
	Alarm            State = "ALARM"
	InsufficientData State = "INSUFFICIENT_DATA"
)

// rule is what an alarm's data points are judged by.
type rule struct {
	operator  string
	threshold float64
	n, m      int    // m of the last n must breach
	treat     string // TreatMissingData
	lowSample float64
}

// datapoint is one period of the evaluation range; a NaN value is missing.
type datapoint struct {
	at      time.Time // the period's start
	value   float64
	samples float64
}

func (d datapoint) missing() bool { return math.IsNaN(d.value) }

// verdict is what an evaluation gives. With retain the state stays as it is.
type verdict struct {
	state     State
	retain    bool
	evaluated []datapoint // real ones, newest first
	filled    int         // missing ones that were treated as breaching or not
}

// rangeOf is the number of periods an alarm looks at.
func (r rule) rangeOf() int { return r.n + 2 }

func (r rule) breaches(v float64) bool {
	switch r.operator {
	case "GreaterThanOrEqualToThreshold":
		return v >= r.threshold
	case "GreaterThanThreshold":
		return v > r.threshold
	case "LessThanThreshold":
		return v < r.threshold
	default: // LessThanOrEqualToThreshold
		return v <= r.threshold
	}
}

// judge decides from the evaluation range, oldest first.
// https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarms-and-missing-data.html
func (r rule) judge(points []datapoint) verdict {
	var real []datapoint
	oldest := 0 // age of the oldest real point; the newest period is 1
	for i, p := range slices.Backward(points) {
		if !p.missing() {
			real = append(real, p)
			oldest = len(points) - i
		}
	}
	if len(real) > r.n {
		real = real[:r.n]
	}
	if r.lowSample > 0 && slices.ContainsFunc(real, func(p datapoint) bool { return p.samples < r.lowSample }) {
		return verdict{retain: true, evaluated: real}
	}
	breaching := 0
	for _, p := range real {
		if r.breaches(p.value) {
			breaching++
		}
	}
	return r.decide(real, breaching, oldest)
}

func (r rule) decide(real []datapoint, breaching, oldest int) verdict {
	v := verdict{state: OK, evaluated: real}
	missing := r.n - len(real)
	switch {
	case breaching >= r.m:
		v.state = Alarm
	case missing == 0:
	case r.treat == "breaching":
		v.filled = missing
		if breaching+missing >= r.m {
			v.state = Alarm
		}
	case r.treat == "notBreaching":
		v.filled = missing
	case len(real) == 0 && r.treat == "ignore":
		v.retain = true
	case len(real) == 0:
		v.state = InsufficientData
	case breaching == len(real):
		// Nothing speaks against the few breaching points. AWS calls an alarm
		// on them premature until the oldest is as old as m periods.
		if r.treat == "ignore" || oldest < r.m {
			v.retain = true
		} else {
			v.state = Alarm
		}
	}
	return v
}
