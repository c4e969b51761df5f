package cloudwatch

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// evidence is what a change of state is explained with, in AWS's words.
type evidence struct {
	alarm   *MetricAlarm
	rule    rule
	verdict verdict
	points  []datapoint
	period  int
	now     time.Time
	from    State
}

var comparisons = map[string]string{
	"GreaterThanOrEqualToThreshold": "greater than or equal to",
	"GreaterThanThreshold":          "greater than",
	"LessThanThreshold":             "less than",
	"LessThanOrEqualToThreshold":    "less than or equal to",
}

// reason is the state's one-line reason.
func (e evidence) reason() string {
	real := e.verdict.evaluated
	switch {
	case e.verdict.state == InsufficientData:
		verb := "was"
		if e.rule.n > 1 {
			verb = "were"
		}
		return fmt.Sprintf("Insufficient Data: %s %s unknown.", count(e.rule.n, "datapoint"), verb)
	case len(real) == 0:
		return fmt.Sprintf("Threshold Crossed: no datapoints were received for %s and %s.", count(e.rule.n, "period"), e.treated())
	}
	supporting := slices.DeleteFunc(slices.Clone(real), func(d datapoint) bool {
		return e.rule.breaches(d.value) != (e.verdict.state == Alarm)
	})
	if len(supporting) == 0 { // the filled points decided
		supporting = real
	}
	text := "Threshold Crossed: " + e.crossed(supporting)
	if e.verdict.filled > 0 {
		text += " and " + e.treated()
	}
	return text + e.minimum() + "."
}

func (e evidence) crossed(supporting []datapoint) string {
	shown := make([]string, len(supporting))
	for i, d := range supporting {
		shown[i] = fmt.Sprintf("%s (%s)", javaDouble(d.value), d.at.Format("02/01/06 15:04:05"))
	}
	head := count(len(supporting), "datapoint")
	if e.alarm.DatapointsToAlarm > 0 {
		head = fmt.Sprintf("%d out of the last %d datapoints", len(supporting), e.rule.n)
	}
	verb := "was "
	if len(supporting) > 1 {
		verb = "were "
	}
	if !e.rule.breaches(supporting[0].value) {
		verb += "not "
	}
	return fmt.Sprintf("%s [%s] %s%s the threshold (%s)", head, strings.Join(shown, ", "), verb, comparisons[e.rule.operator], javaDouble(e.rule.threshold))
}

func (e evidence) treated() string {
	verb, as := "was", "NonBreaching"
	if e.verdict.filled > 1 {
		verb = "were"
	}
	if e.rule.treat == "breaching" {
		as = "Breaching"
	}
	return fmt.Sprintf("%s %s treated as [%s]", count(e.verdict.filled, "missing datapoint"), verb, as)
}

func (e evidence) minimum() string {
	if e.alarm.DatapointsToAlarm == 0 {
		return ""
	}
	if e.verdict.state == Alarm {
		return fmt.Sprintf(" (minimum %s for OK -> ALARM transition)", count(e.rule.m, "datapoint"))
	}
	return fmt.Sprintf(" (minimum %s for ALARM -> OK transition)", count(e.rule.n-e.rule.m+1, "datapoint"))
}

func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// javaDouble prints a number as AWS does: 75.0, not 75.
func javaDouble(v float64) string {
	text := strconv.FormatFloat(v, 'f', -1, 64)
	if !strings.Contains(text, ".") {
		text += ".0"
	}
	return text
}

type javaNumber float64

func (n javaNumber) MarshalJSON() ([]byte, error) { return []byte(javaDouble(float64(n))), nil }

type reasonData struct {
	Version             string           `json:"version"`
	QueryDate           string           `json:"queryDate"`
	StartDate           string           `json:"startDate,omitempty"`
	Statistic           string           `json:"statistic,omitempty"`
	Unit                string           `json:"unit,omitempty"`
	Period              int              `json:"period"`
	RecentDatapoints    []javaNumber     `json:"recentDatapoints"`
	Threshold           javaNumber       `json:"threshold"`
	EvaluatedDatapoints []evaluatedPoint `json:"evaluatedDatapoints"`
}

type evaluatedPoint struct {
	Timestamp   string      `json:"timestamp"`
	SampleCount *javaNumber `json:"sampleCount,omitempty"`
	Value       *javaNumber `json:"value,omitempty"`
}

// stamp is the time format of AWS's alarm events.
func stamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000-0700") }

// data is the state's reason as JSON, for programs.
func (e evidence) data() string {
	d := reasonData{Version: "1.0", QueryDate: stamp(e.now), Unit: e.alarm.Unit, Period: e.period,
		RecentDatapoints: []javaNumber{}, Threshold: javaNumber(e.rule.threshold)}
	if e.alarm.simple() {
		d.Statistic = e.alarm.Statistic + e.alarm.ExtendedStatistic
	}
	for _, p := range slices.Backward(e.verdict.evaluated) {
		d.RecentDatapoints = append(d.RecentDatapoints, javaNumber(p.value))
	}
	if real := e.verdict.evaluated; len(real) > 0 {
		d.StartDate = stamp(real[len(real)-1].at)
		d.EvaluatedDatapoints = []evaluatedPoint{e.evaluated(real[0])}
	} else {
		for _, p := range slices.Backward(e.points[len(e.points)-e.rule.n:]) {
			d.EvaluatedDatapoints = append(d.EvaluatedDatapoints, evaluatedPoint{Timestamp: stamp(p.at)})
		}
	}
	text, err := json.Marshal(d)
	if err != nil {
		panic(err) // strings and finite numbers only
	}
	return string(text)
}

func (e evidence) evaluated(p datapoint) evaluatedPoint {
	value := javaNumber(p.value)
	out := evaluatedPoint{Timestamp: stamp(p.at), Value: &value}
	if e.alarm.simple() {
		samples := javaNumber(p.samples)
		out.SampleCount = &samples
	}
	return out
}
