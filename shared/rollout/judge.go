package rollout

import (
	"fmt"
	"math"
	"strings"
	"time"
)

// The verdicts on a bake.
const (
	Pass         = "pass"
	Fail         = "fail"
	Insufficient = "insufficient"
)

// Finding is the verdict on one measure.
type Finding struct {
	Measure string  `json:"measure"`         // "error_rate", "latency_p99", "accuracy", "accuracy_drop"; of a shadow "disagreement"; of a slice "slice_drop", "slice_accuracy"; sequential: "error_rate_rise", "slow_rate_rise", "slow_rate" too
	Slice   string  `json:"slice,omitempty"` // the part of the rows, e.g. "sex=Female"
	Verdict string  `json:"verdict"`
	Value   float64 `json:"value"` // rates 0..1, latency in milliseconds; 0 when not known
	Limit   float64 `json:"limit"`
	Low     float64 `json:"low,omitzero"` // the rate's 95 % interval
	High    float64 `json:"high,omitzero"`
	Seen    int64   `json:"seen,omitzero"`     // sequential: the candidate's requests, or labels, so far
	Floor   int64   `json:"floor,omitzero"`    // sequential: how many it takes
	P       float64 `json:"p,omitzero"`        // sequential: the anytime-valid p-value
	Shared  bool    `json:"shared,omitempty"`  // the champion breaches the same limit
	Unknown bool    `json:"unknown,omitempty"` // nothing, or too little, was measured
	Listed  bool    `json:"listed,omitempty"`  // told, and counts for nothing
	Reason  string  `json:"reason"`
}

// Judgement is the verdict on a bake with everything behind it.
type Judgement struct {
	Verdict  string
	Shared   bool // insufficient because the champion shows the breach too
	Reason   string
	Findings []Finding
}

// Judge weighs the measurements of a bake against the policy.
func Judge(p Policy, m Measurements) Judgement {
	if m.Problem != "" {
		return Judgement{Verdict: Insufficient, Reason: "no measurements: " + m.Problem}
	}
	findings := append(p.compared(m), p.triggered(m)...)
	return summarise(append(findings, p.sliced(m)...))
}

// compared gives the candidate's findings, and says where the champion shows the
// same breach.
func (p Policy) compared(m Measurements) []Finding {
	findings := p.assess(m.Candidate)
	if m.Champion == nil {
		return findings
	}
	for i, theirs := range p.assess(*m.Champion) {
		if findings[i].Verdict == Fail && theirs.Verdict == Fail {
			findings[i].Shared = true
			findings[i].Reason += fmt.Sprintf("; the champion's is %s too", show(theirs.Measure, theirs.Value))
		}
	}
	return findings
}

// assess gives the findings of one slot, always the same measures in the same
// order.
func (p Policy) assess(v Variant) []Finding {
	findings := []Finding{p.errors(v, p.ErrorRate), p.latency(v, time.Duration(p.LatencyP99))}
	if p.Accuracy > 0 {
		findings = append(findings, p.accuracy(v))
	}
	switch p.Trigger.Measure {
	case "error_rate":
		findings = append(findings, p.errors(v, p.trigger()))
	case "latency_p99":
		findings = append(findings, p.latency(v, time.Duration(p.trigger()*float64(time.Second))))
	}
	return findings
}

// trigger is the greatest value that does not fire it.
func (p Policy) trigger() float64 {
	if p.Trigger.OrEqual {
		return math.Nextafter(p.Trigger.Limit, math.Inf(-1))
	}
	return p.Trigger.Limit
}

func (p Policy) errors(v Variant, limit float64) Finding {
	f := Finding{Measure: "error_rate", Limit: limit}
	if v.Requests < p.MinRequests {
		return f.insufficient("%d requests, %d are needed", v.Requests, p.MinRequests)
	}
	f.Value = min(v.ErrorRate(), 1)
	f.Low, f.High = wilson(min(v.Errors, v.Requests), v.Requests)
	return f.most()
}

func (p Policy) latency(v Variant, limit time.Duration) Finding {
	f := Finding{Measure: "latency_p99", Limit: float64(limit) / float64(time.Millisecond)}
	switch {
	case v.Requests < p.MinRequests:
		return f.insufficient("%d requests, %d are needed", v.Requests, p.MinRequests)
	case v.P99MS == nil:
		return f.insufficient("%d requests but no latency", v.Requests)
	}
	f.Value = *v.P99MS
	f.Low, f.High = f.Value, f.Value
	return f.most()
}

func (p Policy) accuracy(v Variant) Finding {
	f := Finding{Measure: "accuracy", Limit: p.Accuracy}
	if v.Labels < p.MinRequests {
		return f.insufficient("%d labels, %d are needed", v.Labels, p.MinRequests)
	}
	f.Value = v.Accuracy()
	f.Low, f.High = wilson(v.Correct, v.Labels)
	switch {
	case f.Value >= f.Limit:
		return f.say(Pass, "at least")
	case f.High < f.Limit:
		return f.say(Fail, "below")
	}
	return f.say(Insufficient, "below, but not certainly,")
}

// triggered judges the one measure that compares the two slots.
func (p Policy) triggered(m Measurements) []Finding {
	if p.Trigger.Measure != "accuracy_drop" || m.Champion == nil {
		return nil
	}
	f := Finding{Measure: "accuracy_drop", Limit: p.trigger()}
	if least := min(m.Candidate.Labels, m.Champion.Labels); least < p.MinRequests {
		return []Finding{f.insufficient("%d labels of one slot, %d are needed", least, p.MinRequests)}
	}
	f.Value = m.Champion.Accuracy() - m.Candidate.Accuracy()
	f.Low, f.High = dropInterval(m.Champion.Correct, m.Champion.Labels, m.Candidate.Correct, m.Candidate.Labels)
	return []Finding{f.most()}
}

// most judges a value that must not exceed its limit.
func (f Finding) most() Finding {
	switch {
	case f.Value <= f.Limit:
		return f.say(Pass, "at most")
	case f.Low > f.Limit:
		return f.say(Fail, "above")
	}
	return f.say(Insufficient, "above, but not certainly,")
}

func (f Finding) say(verdict, relation string) Finding {
	f.Verdict = verdict
	f.Reason = fmt.Sprintf("%s %s is %s %s", f.Measure, show(f.Measure, f.Value), relation, show(f.Measure, f.Limit))
	return f
}

func (f Finding) insufficient(why string, args ...any) Finding {
	f.Unknown = true
	f.Verdict, f.Reason = Insufficient, f.Measure+" is not known: "+fmt.Sprintf(why, args...)
	return f
}

func show(measure string, value float64) string {
	if measure == "latency_p99" {
		return fmt.Sprintf("%.4g ms", value)
	}
	return fmt.Sprintf("%.4g", value)
}

// summarise gives the worst verdict; a breach that both slots show is no
// evidence against the candidate.
func summarise(findings []Finding) Judgement {
	j := Judgement{Verdict: Pass, Findings: findings}
	for _, f := range findings {
		if f.Listed {
			continue
		}
		switch {
		case f.Verdict == Fail && !f.Shared:
			j.Verdict = Fail
		case f.Verdict == Fail:
			j.Shared = true
		}
		if f.Verdict != Pass && j.Verdict == Pass {
			j.Verdict = Insufficient
		}
	}
	if j.Verdict == Fail {
		j.Shared = false
	}
	j.Reason = j.reason()
	return j
}

// quiet says that nothing speaks against the candidate but a lack of traffic: a
// broken source of measurements is not quiet.
func (j Judgement) quiet() bool {
	for _, f := range j.Findings {
		if f.Verdict != Pass && !f.Unknown {
			return false
		}
	}
	return j.Verdict == Insufficient && len(j.Findings) > 0
}

// reason names the findings that made the verdict.
func (j Judgement) reason() string {
	var parts []string
	for _, f := range j.Findings {
		blames := f.Verdict == j.Verdict && !f.Shared && !f.Listed
		if j.Verdict == Insufficient && f.Shared {
			blames = true
		}
		if blames {
			parts = append(parts, f.Reason)
		}
	}
	return strings.Join(parts, "; ")
}
