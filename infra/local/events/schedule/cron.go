package schedule

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// cron holds the six fields: minute, hour, day of month, month, day of week,
// year. Exactly one of the two day fields is "?".
type cron struct {
	minutes, hours, months, years []bool // indexed by value; years from firstYear
	days                          func(first time.Time) []bool
}

const firstYear, lastYear = 1970, 2199

func parseCron(body string) (*cron, error) {
	fields := strings.Fields(body)
	if len(fields) != 6 {
		return nil, fmt.Errorf("cron has %d fields, want six: minute hour day-of-month month day-of-week year", len(fields))
	}
	var c cron
	var err error
	if c.minutes, err = parseSet("minute", fields[0], 0, 59, nil); err != nil {
		return nil, err
	}
	if c.hours, err = parseSet("hour", fields[1], 0, 23, nil); err != nil {
		return nil, err
	}
	if c.months, err = parseSet("month", fields[3], 1, 12, monthNames); err != nil {
		return nil, err
	}
	if c.years, err = parseSet("year", fields[5], firstYear, lastYear, nil); err != nil {
		return nil, err
	}
	if (fields[2] == "?") == (fields[4] == "?") {
		return nil, fmt.Errorf("exactly one of day-of-month and day-of-week must be ?, got %q and %q", fields[2], fields[4])
	}
	if fields[4] == "?" {
		c.days, err = parseDayOfMonth(fields[2])
	} else {
		c.days, err = parseDayOfWeek(fields[4])
	}
	return &c, err
}

var (
	monthNames   = strings.Fields("JAN FEB MAR APR MAY JUN JUL AUG SEP OCT NOV DEC")
	weekdayNames = strings.Fields("SUN MON TUE WED THU FRI SAT")
)

// parseSet reads "*", "a", "a-b", "*/n", "a/n", "a-b/n" and lists of them.
func parseSet(field, spec string, low, high int, names []string) ([]bool, error) {
	set := make([]bool, high+1)
	for _, item := range strings.Split(spec, ",") {
		first, last, step, err := parseItem(item, low, high, names)
		if err != nil {
			return nil, fmt.Errorf("%s %q: %w", field, spec, err)
		}
		for v := first; v <= last; v += step {
			set[v] = true
		}
	}
	return set, nil
}

func parseItem(item string, low, high int, names []string) (first, last, step int, err error) {
	base, every, stepped := strings.Cut(item, "/")
	step = 1
	if stepped {
		if step, err = strconv.Atoi(every); err != nil || step < 1 || step > high {
			return 0, 0, 0, fmt.Errorf("the step is %q, want 1 to %d", every, high)
		}
	}
	from, to, ranged := strings.Cut(base, "-")
	if base == "*" {
		return low, high, step, nil
	}
	if first, err = parseValue(from, low, high, names); err != nil {
		return 0, 0, 0, err
	}
	switch last = first; {
	case ranged:
		if last, err = parseValue(to, low, high, names); err == nil && last < first {
			err = fmt.Errorf("the range %q runs backwards", base)
		}
	case stepped:
		last = high
	}
	return first, last, step, err
}

// parseValue reads a number, or a name; names count from low.
func parseValue(s string, low, high int, names []string) (int, error) {
	for i, name := range names {
		if strings.EqualFold(name, s) {
			return low + i, nil
		}
	}
	v, err := strconv.Atoi(s)
	if err != nil || v < low || v > high {
		return 0, fmt.Errorf("%q is not a value from %d to %d", s, low, high)
	}
	return v, nil
}

// next walks years, months and days, then the times of the day.
func (c *cron) next(after time.Time) (time.Time, bool) {
	zone := after.Location()
	year, month, day := after.Date()
	for y := max(year, firstYear); y <= lastYear; y++ {
		if !c.years[y] {
			continue
		}
		for m := time.January; m <= time.December; m++ {
			if !c.months[m] || (y == year && m < month) {
				continue
			}
			for d, on := range c.days(time.Date(y, m, 1, 0, 0, 0, 0, time.UTC)) {
				if !on || (y == year && m == month && d < day) {
					continue
				}
				if t, ok := c.timeOfDay(y, m, d, after, zone); ok {
					return t, true
				}
			}
		}
	}
	return time.Time{}, false
}

// timeOfDay gives the first time on the day that is later than after. A time
// that daylight saving skips is no time of that day.
func (c *cron) timeOfDay(y int, m time.Month, d int, after time.Time, zone *time.Location) (time.Time, bool) {
	for h, hour := range c.hours {
		if !hour {
			continue
		}
		for minute, on := range c.minutes {
			if !on {
				continue
			}
			t := time.Date(y, m, d, h, minute, 0, 0, zone)
			if t.Hour() == h && t.Minute() == minute && t.After(after) {
				return t, true
			}
		}
	}
	return time.Time{}, false
}
