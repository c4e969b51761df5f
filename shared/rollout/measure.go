package rollout

import (
	"math"
	"strings"
	"time"
)

// Variant is what was measured of one slot.
type Variant struct {
	Requests int64    `json:"requests"`         // in the bake
	Errors   int64    `json:"errors"`           // of them answered 5xx
	P99MS    *float64 `json:"p99_ms,omitempty"` // model latency; nil is not known
	Slow     *int64   `json:"slow,omitempty"`   // requests slower than the question's limit; nil is not known
	Labels   int64    `json:"labels"`           // labelled predictions since the candidate first served
	Correct  int64    `json:"correct"`          // of them right
}

// ErrorRate is Errors/Requests, NaN without requests.
func (v Variant) ErrorRate() float64 { return ratio(v.Errors, v.Requests) }

// Accuracy is Correct/Labels, NaN without labels.
func (v Variant) Accuracy() float64 { return ratio(v.Correct, v.Labels) }

func ratio(part, whole int64) float64 {
	if whole <= 0 {
		return math.NaN()
	}
	return float64(part) / float64(whole)
}

// Measurements is the evidence of one bake.
type Measurements struct {
	From      time.Time `json:"from"`
	To        time.Time `json:"to"`
	Candidate Variant   `json:"candidate"`
	Champion  *Variant  `json:"champion,omitempty"` // nil when none serves
	Alarms    []Alarm   `json:"alarms,omitempty"`   // on the candidate's slot, in ALARM now
	Pairs     *Pairs    `json:"pairs,omitempty"`    // of a shadow; nil is not known
	Slices    []Part    `json:"slices,omitempty"`   // parts of the rows, by name; since the candidate first served
	Problem   string    `json:"problem,omitempty"`  // why there are no measurements
}

// Pairs compares what a champion and its shadow answered to the same requests.
// Rows are counted, and joined by inference id.
type Pairs struct {
	Both      int64   `json:"both"`          // rows that both answered
	Disagreed int64   `json:"disagreed"`     // of them decided otherwise
	Gap       float64 `json:"gap"`           // mean difference of the scores, 0..1
	Alone     int64   `json:"alone"`         // rows of the shadow without a partner, or without an id
	Cut       bool    `json:"cut,omitempty"` // more was captured than is read in one look
}

// Alarm is one alarm's word on a slot.
type Alarm struct {
	Name   string    `json:"name"`
	Slot   string    `json:"slot"`
	Since  time.Time `json:"since"` // when it went to ALARM
	Reason string    `json:"reason,omitempty"`
	// From and To bound the newest measurement that it stands on, where that is told.
	From time.Time `json:"from,omitzero"`
	To   time.Time `json:"to,omitzero"`
}

// precedes says whether an alarm stands on what came before the candidate served:
// on the slot's last version, whose labels may come late. Accuracy that is partly
// of then does not count either: the looks measure the candidate's own.
func (a Alarm) precedes(serving time.Time) bool {
	switch {
	case serving.IsZero() || a.From.IsZero():
		return false
	case strings.HasSuffix(a.Name, ".accuracy"):
		return a.From.Before(serving)
	}
	return !a.To.After(serving)
}

// z is the standard normal's 97.5 % point: intervals are 95 %, two-sided.
const z = 1.959963984540054

// wilson is Wilson's score interval for hits in n trials (Wilson 1927; Newcombe
// 1998, method 3). n must be positive.
func wilson(hits, n int64) (low, high float64) { return wilsonAt(z, hits, n) }

// wilsonAt is the interval at another point of the normal.
func wilsonAt(z float64, hits, n int64) (low, high float64) {
	p, m := float64(hits)/float64(n), float64(n)
	centre := (p + z*z/(2*m)) / (1 + z*z/m)
	half := z / (1 + z*z/m) * math.Sqrt(p*(1-p)/m+z*z/(4*m*m))
	low, high = centre-half, centre+half
	if hits == 0 {
		low = 0
	}
	if hits == n {
		high = 1
	}
	return low, high
}

// dropInterval is the interval of a's share minus b's (Newcombe 1998, method 10).
func dropInterval(aHits, aN, bHits, bN int64) (low, high float64) {
	return dropAt(z, aHits, aN, bHits, bN)
}

func dropAt(z float64, aHits, aN, bHits, bN int64) (low, high float64) {
	a, b := ratio(aHits, aN), ratio(bHits, bN)
	aLow, aHigh := wilsonAt(z, aHits, aN)
	bLow, bHigh := wilsonAt(z, bHits, bN)
	d := a - b
	return d - math.Hypot(a-aLow, bHigh-b), d + math.Hypot(aHigh-a, b-bLow)
}
