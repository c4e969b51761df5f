package simulation

import (
	"fmt"
	"math"
	"time"
)

// Scene is a made-up production. Default gives one; Check refuses what makes no
// sense.
type Scene struct {
	Traffic  float64 `json:"traffic"`          // requests per second, over the day
	Diurnal  float64 `json:"diurnal,omitzero"` // 0..1: the busiest hour has 1+Diurnal times as many
	Champion Version `json:"champion"`
	Effect   Effect  `json:"effect,omitzero"`

	SlowLimit     time.Duration `json:"slow_limit"`     // what is slower is a bad answer
	LabelDelay    time.Duration `json:"label_delay"`    // from an answer to its label
	LabelCoverage float64       `json:"label_coverage"` // share of answers that get one

	Disagreement float64 `json:"disagreement,omitzero"` // share of answers that two equally good versions decide otherwise

	Period      time.Duration `json:"period"`                // of the metrics
	MetricDelay time.Duration `json:"metric_delay,omitzero"` // from a period's end until it is published
	Outage      Span          `json:"outage,omitzero"`       // metrics cannot be read
	Incident    Incident      `json:"incident,omitzero"`

	Horizon time.Duration `json:"horizon"` // bad answers are counted until here
}

// Span is a stretch of time since the start. Anywhere puts it at random into the
// first hour.
type Span struct {
	At       time.Duration `json:"at,omitzero"`
	For      time.Duration `json:"for,omitzero"`
	Anywhere bool          `json:"anywhere,omitempty"`
}

// Incident strikes both versions alike.
type Incident struct {
	Span
	ErrorRate float64 `json:"error_rate,omitzero"` // so much is added to both
	SlowRate  float64 `json:"slow_rate,omitzero"`
}

// Default is a healthy service of so many requests a second: 0.2 % errors, a p99
// of 350 ms with 0.12 % above 500 ms, nine answers in ten right, and a label for
// every second one after ten minutes. Metrics come by the minute. Of 100 rows two
// equally good versions decide 2 otherwise.
func Default(traffic float64) Scene {
	return Scene{
		Traffic:   traffic,
		Champion:  Version{ErrorRate: 0.002, P99: 350 * time.Millisecond, Spread: 0.5, Accuracy: 0.9},
		SlowLimit: 500 * time.Millisecond, LabelDelay: 10 * time.Minute, LabelCoverage: 0.5, Disagreement: 0.02,
		Period: time.Minute, Horizon: 4 * time.Hour,
	}
}

// Check names what is wrong.
func (s Scene) Check() error {
	switch {
	case !(s.Traffic > 0 && s.Traffic <= 1e5):
		return fmt.Errorf("the traffic is %v requests/s: want above 0, at most 100000", s.Traffic)
	case !(s.Diurnal >= 0 && s.Diurnal <= 1):
		return fmt.Errorf("the diurnal swing is %v: want 0 to 1", s.Diurnal)
	case s.SlowLimit <= 0:
		return fmt.Errorf("the limit of slow answers is %v: want a positive time", s.SlowLimit)
	case !(s.LabelCoverage >= 0 && s.LabelCoverage <= 1):
		return fmt.Errorf("the labels' coverage is %v: want 0 to 1", s.LabelCoverage)
	case !(s.Disagreement >= 0 && s.Disagreement <= 1):
		return fmt.Errorf("the disagreement is %v: want 0 to 1", s.Disagreement)
	case s.Period < time.Second:
		return fmt.Errorf("the metrics' period is %v: want a second or more", s.Period)
	case min(s.LabelDelay, s.MetricDelay, s.Outage.At, s.Outage.For, s.Incident.At, s.Incident.For) < 0:
		return fmt.Errorf("label delay %v, metric delay %v, outage %+v, incident %+v: want no negative time", s.LabelDelay, s.MetricDelay, s.Outage, s.Incident.Span)
	case !(s.Incident.ErrorRate >= 0 && s.Incident.ErrorRate <= 1 && s.Incident.SlowRate >= 0 && s.Incident.SlowRate <= 1):
		return fmt.Errorf("the incident adds %v errors and %v slow answers: want 0 to 1 each", s.Incident.ErrorRate, s.Incident.SlowRate)
	case s.Horizon <= 0:
		return fmt.Errorf("the horizon is %v: want a positive time", s.Horizon)
	}
	if err := s.Champion.Check(); err != nil {
		return fmt.Errorf("the champion: %w", err)
	}
	_, err := s.Effect.On(s.Champion)
	return err
}

// rate is the requests per second at a time since midnight.
func (s Scene) rate(sinceMidnight time.Duration) float64 {
	return s.Traffic * (1 + s.Diurnal*math.Sin(2*math.Pi*sinceMidnight.Hours()/24))
}

// holds says whether t lies in a span that began at from.
func (s Span) holds(from, t time.Time) bool {
	return s.For > 0 && !t.Before(from) && t.Before(from.Add(s.For))
}
