// Package gate judges a candidate from measurements. Each gate is a function of
// a configuration and what was measured; none reads a file, a clock or AWS.
//
// The words:
//
//   - A measurement is a value with its interval, its limit and how many rows it
//     stands on.
//   - A verdict is pass, fail or insufficient. On intervals (decide_on:
//     interval) a measurement passes when its whole interval is on the right
//     side of the limit, fails when the whole interval is on the wrong side, and
//     is insufficient between: more rows would tell. On points (decide_on: point)
//     the value alone decides. Too few rows are insufficient either way, and so
//     is anything that is missing or cannot be computed.
//   - A gate's verdict is the worst of its measurements: fail, then
//     insufficient, then pass.
//
// A gate that judges several measurements shares the error among them
// (Bonferroni), so that all its intervals hold together with the confidence
// that the configuration names.
package gate

import (
	"fmt"

	"github.com/sluice-ml/sluice/shared/evaluation"
	"github.com/sluice-ml/sluice/shared/trainconfig"
)

// Verdicts. Reported is for measurements that are shown and not judged.
const (
	Pass         = "pass"
	Fail         = "fail"
	Insufficient = "insufficient"
	Reported     = "reported"
)

// Names of the gates, as in trainconfig.Gates.
const (
	NamePerformance = "performance"
	NameFairness    = "fairness"
	NameRobustness  = "robustness"
	NameDataQuality = "data_quality"
	NameChampion    = "champion"
	NameLatency     = "latency"
)

// MinPerClass is how many positive and how many negative rows a judgement needs
// at least: below, normal intervals of an AUC say little.
const MinPerClass = 10

// Measurement is one value and how it was judged.
type Measurement struct {
	Name       string  `json:"name"`            // e.g. "auc_roc", "auc_difference"
	Group      string  `json:"group,omitempty"` // e.g. "sex=Female", "noise=0.01"
	Value      float64 `json:"value"`
	Low        float64 `json:"low"`
	High       float64 `json:"high"`
	Confidence float64 `json:"confidence"` // of Low and High; 0 when they are the value
	Limit      float64 `json:"limit"`
	// Wants says which side of the limit is right: "at least" or "at most"; ""
	// for Reported.
	Wants     string `json:"wants,omitempty"`
	N         int    `json:"n"`
	Positives int    `json:"positives"`
	Verdict   string `json:"verdict"`
}

// Skipped is a group that was not judged.
type Skipped struct {
	Group     string `json:"group"`
	N         int    `json:"n"`
	Positives int    `json:"positives"`
	Reason    string `json:"reason"`
}

// Verdict is a gate's verdict with everything behind it.
type Verdict struct {
	Gate         string        `json:"gate"`
	Verdict      string        `json:"verdict"`
	Reasons      []string      `json:"reasons"` // of a verdict that is no pass; else why it passed, when that is not plain
	Measurements []Measurement `json:"measurements"`
	Skipped      []Skipped     `json:"skipped"`
	Config       any           `json:"config"` // the limits that were applied
}

func newVerdict(gate string, config any) *Verdict {
	return &Verdict{Gate: gate, Verdict: Pass, Reasons: []string{}, Measurements: []Measurement{}, Skipped: []Skipped{}, Config: config}
}

// Unmeasured is the verdict of a gate whose measurements do not exist.
func Unmeasured(gate, reason string) Verdict {
	v := newVerdict(gate, nil)
	v.insufficient("%s", reason)
	return *v
}

// Worse is the worse of two verdicts.
func Worse(a, b string) string {
	for _, v := range []string{Fail, Insufficient} {
		if a == v || b == v {
			return v
		}
	}
	return Pass
}

func (v *Verdict) insufficient(reason string, args ...any) {
	v.Verdict = Worse(v.Verdict, Insufficient)
	v.Reasons = append(v.Reasons, fmt.Sprintf(reason, args...))
}

func (v *Verdict) skip(group string, n, positives int, reason string, args ...any) {
	v.Skipped = append(v.Skipped, Skipped{group, n, positives, fmt.Sprintf(reason, args...)})
}

// add judges a measurement and takes it in.
func (v *Verdict) add(m Measurement, point bool) {
	m.Verdict = m.judge(point)
	v.Measurements = append(v.Measurements, m)
	v.Verdict = Worse(v.Verdict, m.Verdict)
	if m.Verdict != Pass {
		v.Reasons = append(v.Reasons, m.reason(point))
	}
}

// report takes in a measurement that is not judged.
func (v *Verdict) report(m Measurement) {
	m.Verdict, m.Wants = Reported, ""
	v.Measurements = append(v.Measurements, m)
}

const (
	atLeast = "at least"
	atMost  = "at most"
)

func (m Measurement) judge(point bool) string {
	low, high := m.Low, m.High
	if point {
		low, high = m.Value, m.Value
	}
	if m.Wants == atMost {
		low, high = -high, -low
		m.Limit = -m.Limit
	}
	switch {
	case low >= m.Limit:
		return Pass
	case high < m.Limit:
		return Fail
	}
	return Insufficient
}

// named is a metric's name with the rows that it is of.
func named(metric, group string) string {
	if group == "" {
		return metric
	}
	return metric + " of " + group
}

func (m Measurement) reason(point bool) string {
	text := fmt.Sprintf("%s is %.4g", named(m.Name, m.Group), m.Value)
	if !point && m.Confidence > 0 {
		text += fmt.Sprintf(" (%.4g to %.4g at %.4g %%)", m.Low, m.High, 100*m.Confidence)
	}
	text += fmt.Sprintf(", wanted %s %.4g", m.Wants, m.Limit)
	if m.Verdict == Insufficient {
		text += fmt.Sprintf("; %d rows do not tell", m.N)
	}
	return text
}

// point says whether values decide rather than intervals.
func point(e *trainconfig.Evaluation) bool { return e.DecideOn == "point" }

// enough says whether a class is too small to judge on.
func enough(positives, negatives int) bool {
	return positives >= MinPerClass && negatives >= MinPerClass
}

// count gives the positive and negative rows of labels.
func count(label []float64) (positives, negatives int) {
	p, n := evaluation.Sample{Label: label}.Totals()
	return int(p), int(n)
}
