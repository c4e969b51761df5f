package trainconfig

import (
	"errors"
	"fmt"
	"strings"
	"time"
	_ "time/tzdata" // a function's image has no time zones of its own
)

// Freeze is a time in which no step raises the candidate's weight: every week
// ("Fri 16:00" to "Mon 08:00"), every day ("22:00" to "06:00"), or once
// ("2026-12-20 00:00" to "2027-01-04 00:00"; a date alone is its 00:00).
type Freeze struct {
	From     string `yaml:"from" json:"from"`
	To       string `yaml:"to" json:"to"`
	Timezone string `yaml:"timezone" json:"timezone,omitempty"` // an IANA name; default UTC
}

// kindOfTime is how often a freeze's end comes round.
type kindOfTime int

const (
	daily kindOfTime = iota
	weekly
	once
)

// moment is one end of a freeze.
type moment struct {
	kind    kindOfTime
	weekday time.Weekday
	at      time.Time // its clock; once: its date too
}

var weekdays = map[string]time.Weekday{"Sun": 0, "Mon": 1, "Tue": 2, "Wed": 3, "Thu": 4, "Fri": 5, "Sat": 6}

func parseMoment(text string, zone *time.Location) (moment, error) {
	if at, err := time.ParseInLocation("2006-01-02 15:04", text, zone); err == nil {
		return moment{kind: once, at: at}, nil
	}
	if at, err := time.ParseInLocation(time.DateOnly, text, zone); err == nil {
		return moment{kind: once, at: at}, nil
	}
	m, clock := moment{kind: daily}, text
	if day, rest, found := strings.Cut(text, " "); found {
		weekday, known := weekdays[day]
		if !known {
			return m, fmt.Errorf("%q is not a time: write Fri 16:00, 16:00 or 2026-12-20 16:00", text)
		}
		m.kind, m.weekday, clock = weekly, weekday, rest
	}
	at, err := time.Parse("15:04", clock)
	if err != nil {
		return m, fmt.Errorf("%q is not a time: write Fri 16:00, 16:00 or 2026-12-20 16:00", text)
	}
	m.at = at
	return m, nil
}

// on is the moment on the day of t, in t's time zone.
func (m moment) on(t time.Time) time.Time {
	return time.Date(t.Year(), t.Month(), t.Day(), m.at.Hour(), m.at.Minute(), 0, 0, t.Location())
}

// last is the latest time at or before t that the moment came round.
func (m moment) last(t time.Time) time.Time {
	for back := range 8 {
		day := m.on(t.AddDate(0, 0, -back))
		if !day.After(t) && (m.kind == daily || day.Weekday() == m.weekday) {
			return day
		}
	}
	return time.Time{} // not reached: a week has every weekday
}

// next is the first time after t.
func (m moment) next(t time.Time) time.Time {
	for ahead := range 9 {
		day := m.on(t.AddDate(0, 0, ahead))
		if day.After(t) && (m.kind == daily || day.Weekday() == m.weekday) {
			return day
		}
	}
	return time.Time{}
}

// Check says what is wrong with a freeze.
func (f Freeze) Check() error {
	_, _, _, err := f.ends()
	return err
}

func (f Freeze) ends() (from, to moment, zone *time.Location, err error) {
	name := f.Timezone
	if name == "" {
		name = "UTC"
	}
	if zone, err = time.LoadLocation(name); err != nil || name == "Local" {
		return from, to, nil, fmt.Errorf("%q is not a time zone: write an IANA name such as Europe/Berlin", f.Timezone)
	}
	if f.From == "00:00" && f.To == "24:00" {
		return from, to, nil, errors.New("from 00:00 to 24:00 is always on, so no step could ever begin")
	}
	if from, err = parseMoment(f.From, zone); err != nil {
		return from, to, nil, err
	}
	if to, err = parseMoment(f.To, zone); err != nil {
		return from, to, nil, err
	}
	switch {
	case from.kind != to.kind:
		err = fmt.Errorf("from %q to %q mixes two kinds of times: write both with a weekday, both with a date, or both without", f.From, f.To)
	case f.From == f.To:
		err = errors.New("from and to are the same time")
	case from.kind == once && !from.at.Before(to.at):
		err = fmt.Errorf("from %q is not before to %q", f.From, f.To)
	}
	return from, to, zone, err
}

// Until is when the freeze that holds at t ends; false when none does, and for
// a freeze that Check refuses.
func (f Freeze) Until(t time.Time) (time.Time, bool) {
	from, to, zone, err := f.ends()
	if err != nil {
		return time.Time{}, false
	}
	if from.kind == once {
		return to.at, !t.Before(from.at) && t.Before(to.at)
	}
	end := to.next(from.last(t.In(zone)))
	return end, t.Before(end)
}

// Frozen is when the freezes that hold at t, and those that follow without a
// gap, end. Freezes without any gap give false: CheckFreezes refuses them.
func Frozen(freezes []Freeze, t time.Time) (until time.Time, frozen bool) {
	until = t
	for range 1000 {
		further := until
		for _, f := range freezes {
			if end, holds := f.Until(until); holds && end.After(further) {
				further = end
			}
		}
		if further.Equal(until) {
			return until, until.After(t)
		}
		until = further
	}
	return time.Time{}, false
}

// CheckFreezes refuses recurring freezes that leave no time for a step.
func CheckFreezes(freezes []Freeze) error {
	var recurring []Freeze
	for _, f := range freezes {
		if from, _, _, err := f.ends(); err == nil && from.kind != once {
			recurring = append(recurring, f)
		}
	}
	start := time.Date(2026, 1, 5, 0, 0, 0, 0, time.UTC)
	if until, frozen := Frozen(recurring, start); !frozen && !until.Equal(start) {
		return errors.New("the freezes leave no time in which a step may begin")
	}
	return nil
}
