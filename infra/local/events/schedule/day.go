package schedule

import (
	"fmt"
	"strings"
	"time"
)

// A day field gives, for the month that begins at first, which of its days are
// on; index 0 is unused.
type dayRule func(first time.Time) []bool

func daysIn(first time.Time) int { return first.AddDate(0, 1, -1).Day() }

// union joins the items of a list.
func union(rules []dayRule) func(time.Time) []bool {
	return func(first time.Time) []bool {
		on := make([]bool, daysIn(first)+1)
		for _, rule := range rules {
			for d, set := range rule(first) {
				on[d] = on[d] || set
			}
		}
		return on
	}
}

// oneDay is a rule of a single day; 0 stands for none in that month.
func oneDay(pick func(first time.Time) int) dayRule {
	return func(first time.Time) []bool {
		on := make([]bool, daysIn(first)+1)
		if d := pick(first); d > 0 {
			on[d] = true
		}
		return on
	}
}

// parseDayOfMonth reads values, ranges and steps, L (the last day), LW (the
// last weekday) and nW (the weekday nearest to day n, within the month).
func parseDayOfMonth(spec string) (func(time.Time) []bool, error) {
	var rules []dayRule
	for _, item := range strings.Split(spec, ",") {
		number, weekday := strings.CutSuffix(item, "W")
		switch {
		case item == "L":
			rules = append(rules, oneDay(daysIn))
		case item == "LW":
			rules = append(rules, oneDay(func(first time.Time) int { return nearestWeekday(first, daysIn(first)) }))
		case weekday:
			day, err := parseValue(number, 1, 31, nil)
			if err != nil {
				return nil, fmt.Errorf("day-of-month %q: %w", spec, err)
			}
			rules = append(rules, oneDay(func(first time.Time) int { return nearestWeekday(first, day) }))
		default:
			set, err := parseSet("day-of-month", item, 1, 31, nil)
			if err != nil {
				return nil, err
			}
			rules = append(rules, func(first time.Time) []bool { return set[:daysIn(first)+1] })
		}
	}
	return union(rules), nil
}

// nearestWeekday gives the Monday-to-Friday day nearest to the given one
// without leaving the month; 0 when the month has no such day.
func nearestWeekday(first time.Time, day int) int {
	last := daysIn(first)
	if day > last {
		return 0
	}
	switch first.AddDate(0, 0, day-1).Weekday() {
	case time.Saturday:
		if day == 1 {
			return 3
		}
		return day - 1
	case time.Sunday:
		if day == last {
			return day - 2
		}
		return day + 1
	}
	return day
}

// parseDayOfWeek reads values (1 is Sunday), ranges and steps, L (Saturday), nL
// (the month's last day n) and n#k (the month's k-th day n).
func parseDayOfWeek(spec string) (func(time.Time) []bool, error) {
	var rules []dayRule
	for _, item := range strings.Split(spec, ",") {
		rule, err := parseWeekday(item)
		if err != nil {
			return nil, fmt.Errorf("day-of-week %q: %w", spec, err)
		}
		rules = append(rules, rule)
	}
	return union(rules), nil
}

func parseWeekday(item string) (dayRule, error) {
	if item == "L" {
		item = "SAT"
	}
	if name, ok := strings.CutSuffix(item, "L"); ok {
		weekday, err := parseValue(name, 1, 7, weekdayNames)
		return oneDay(func(first time.Time) int {
			day := kthWeekday(first, weekday, 1)
			return day + (daysIn(first)-day)/7*7
		}), err
	}
	if name, count, ok := strings.Cut(item, "#"); ok {
		weekday, err := parseValue(name, 1, 7, weekdayNames)
		if err != nil {
			return nil, err
		}
		k, err := parseValue(count, 1, 5, nil)
		return oneDay(func(first time.Time) int { return kthWeekday(first, weekday, k) }), err
	}
	set, err := parseSet("day", item, 1, 7, weekdayNames)
	return func(first time.Time) []bool {
		on := make([]bool, daysIn(first)+1)
		for d := 1; d < len(on); d++ {
			on[d] = set[int(first.AddDate(0, 0, d-1).Weekday())+1]
		}
		return on
	}, err
}

// kthWeekday gives the day of the k-th weekday (1 is Sunday) of the month, 0
// when the month has fewer.
func kthWeekday(first time.Time, weekday, k int) int {
	day := 1 + (weekday-1-int(first.Weekday())+7)%7 + 7*(k-1)
	if day > daysIn(first) {
		return 0
	}
	return day
}
