// Package schedule computes when a schedule fires next.
//
// The expressions are AWS's: rate(5 minutes), cron(0 2 * * ? *) with six fields,
// and, for EventBridge Scheduler, at(2030-01-02T03:04:05). Rules run in UTC;
// Scheduler runs in a named time zone, where a wall-clock time that daylight
// saving skips does not fire, and one that it repeats fires once.
package schedule

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Schedule is a parsed expression.
type Schedule struct {
	every time.Duration // rate
	at    time.Time     // at
	cron  *cron
	zone  *time.Location
}

// Parse reads rate(…) or cron(…), the expressions of rules, in UTC.
func Parse(expression string) (Schedule, error) { return parse(expression, time.UTC, false) }

// ParseIn reads rate(…), cron(…) or at(…) in a time zone, as EventBridge
// Scheduler does.
func ParseIn(expression string, zone *time.Location) (Schedule, error) {
	return parse(expression, zone, true)
}

func parse(expression string, zone *time.Location, once bool) (Schedule, error) {
	kind, rest, ok := strings.Cut(expression, "(")
	body, closed := strings.CutSuffix(rest, ")")
	if !ok || !closed {
		return Schedule{}, fmt.Errorf("schedule expression %q: want rate(value unit) or cron(six fields)", expression)
	}
	s := Schedule{zone: zone}
	var err error
	switch {
	case kind == "rate":
		s.every, err = parseRate(body)
	case kind == "cron":
		s.cron, err = parseCron(body)
	case kind == "at" && once:
		s.at, err = time.ParseInLocation("2006-01-02T15:04:05", body, zone)
	default:
		err = fmt.Errorf("%q is not a kind of schedule that is allowed here", kind)
	}
	if err != nil {
		return Schedule{}, fmt.Errorf("schedule expression %q: %w", expression, err)
	}
	return s, nil
}

func parseRate(body string) (time.Duration, error) {
	value, unit, ok := strings.Cut(body, " ")
	n, err := strconv.Atoi(value)
	if !ok || err != nil || n < 1 || n > 100_000 {
		return 0, fmt.Errorf("want rate(value unit) with a positive whole value")
	}
	units := map[string]time.Duration{"minute": time.Minute, "hour": time.Hour, "day": 24 * time.Hour}
	length, known := units[strings.TrimSuffix(unit, "s")]
	if !known || (n == 1) == strings.HasSuffix(unit, "s") {
		return 0, fmt.Errorf("the unit is %q, want minute, hour or day for 1 and minutes, hours or days for more", unit)
	}
	return time.Duration(n) * length, nil
}

// Once reports whether the schedule fires a single time.
func (s Schedule) Once() bool { return !s.at.IsZero() }

// Next gives the first time after the given one at which the schedule fires.
// A rate counts from its anchor, the time it was created. ok is false when it
// never fires again.
func (s Schedule) Next(anchor, after time.Time) (next time.Time, ok bool) {
	switch {
	case s.every > 0:
		if after.Before(anchor) {
			return anchor.Add(s.every), true
		}
		return anchor.Add((after.Sub(anchor)/s.every + 1) * s.every), true
	case s.cron != nil:
		return s.cron.next(after.In(s.zone))
	}
	return s.at, s.at.After(after)
}
