package schedule

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func at(t *testing.T, s string) time.Time {
	t.Helper()
	parsed, err := time.Parse("2006-01-02 15:04:05", s)
	require.NoError(t, err)
	return parsed
}

// 2026-01-01 is a Thursday; the expected days were read off a calendar.
func TestCronNext(t *testing.T) {
	for _, c := range []struct{ expression, after, want string }{
		{"cron(0 2 * * ? *)", "2026-01-01 01:59:59", "2026-01-01 02:00:00"},
		{"cron(0 2 * * ? *)", "2026-01-01 02:00:00", "2026-01-02 02:00:00"},
		{"cron(0/15 * * * ? *)", "2026-01-01 00:46:00", "2026-01-01 01:00:00"},
		{"cron(*/15 8-9 ? * MON-FRI *)", "2026-01-02 09:45:00", "2026-01-05 08:00:00"},
		{"cron(0 10 L * ? *)", "2026-02-01 00:00:00", "2026-02-28 10:00:00"},
		{"cron(0 10 L * ? *)", "2028-02-01 00:00:00", "2028-02-29 10:00:00"},
		{"cron(0 10 LW * ? *)", "2026-02-01 00:00:00", "2026-02-27 10:00:00"},
		{"cron(0 10 1W * ? *)", "2026-07-31 23:00:00", "2026-08-03 10:00:00"},  // 1 August is a Saturday
		{"cron(0 10 15W * ? *)", "2026-02-01 00:00:00", "2026-02-16 10:00:00"}, // a Sunday moves to Monday
		{"cron(0 10 31W * ? *)", "2026-05-01 00:00:00", "2026-05-29 10:00:00"}, // a Sunday at the end moves back
		{"cron(0 10 31W * ? *)", "2026-06-01 00:00:00", "2026-07-31 10:00:00"}, // June has no 31st
		{"cron(0 10 31 * ? *)", "2026-02-01 00:00:00", "2026-03-31 10:00:00"},
		{"cron(0 10 29 2 ? *)", "2026-01-01 00:00:00", "2028-02-29 10:00:00"},
		{"cron(0 10 ? * 3#2 *)", "2026-01-01 00:00:00", "2026-01-13 10:00:00"},
		{"cron(0 10 ? * TUE#5 *)", "2026-01-01 00:00:00", "2026-03-31 10:00:00"},
		{"cron(0 10 ? * 6L *)", "2026-01-01 00:00:00", "2026-01-30 10:00:00"},
		{"cron(0 10 ? * L *)", "2026-01-01 00:00:00", "2026-01-03 10:00:00"},
		{"cron(0 10 ? * 1 *)", "2026-01-01 00:00:00", "2026-01-04 10:00:00"},
		{"cron(0 10 ? JAN,DEC 2,6 *)", "2026-01-30 11:00:00", "2026-12-04 10:00:00"},
		{"cron(30 8 1 1 ? 2030-2040/5)", "2030-01-01 08:30:00", "2035-01-01 08:30:00"},
		{"cron(59 23 31 12 ? *)", "2026-12-31 23:59:00", "2027-12-31 23:59:00"},
	} {
		s, err := Parse(c.expression)
		require.NoError(t, err, c.expression)
		next, ok := s.Next(time.Time{}, at(t, c.after))
		require.True(t, ok, c.expression)
		require.Equal(t, at(t, c.want), next, "%s after %s", c.expression, c.after)
	}
}

func TestCronThatIsOver(t *testing.T) {
	for _, expression := range []string{"cron(0 0 1 1 ? 2020)", "cron(0 0 30 2 ? *)"} {
		s, err := Parse(expression)
		require.NoError(t, err)
		_, ok := s.Next(time.Time{}, at(t, "2026-01-01 00:00:00"))
		require.False(t, ok, expression)
	}
}

func TestRateCountsFromItsAnchor(t *testing.T) {
	s, err := Parse("rate(5 minutes)")
	require.NoError(t, err)
	anchor := at(t, "2026-01-01 00:01:00")
	for after, want := range map[string]string{
		"2025-12-31 00:00:00": "2026-01-01 00:06:00",
		"2026-01-01 00:01:00": "2026-01-01 00:06:00",
		"2026-01-01 00:05:59": "2026-01-01 00:06:00",
		"2026-01-01 00:06:00": "2026-01-01 00:11:00",
		"2026-01-02 00:00:00": "2026-01-02 00:01:00", // nothing is caught up
	} {
		next, ok := s.Next(anchor, at(t, after))
		require.True(t, ok)
		require.Equal(t, at(t, want), next, after)
	}
}

func TestDaylightSavingSkipsAndDoesNotRepeat(t *testing.T) {
	zone, err := time.LoadLocation("Europe/Berlin")
	require.NoError(t, err)
	s, err := ParseIn("cron(30 2 * * ? *)", zone)
	require.NoError(t, err)
	// 2026-03-29 02:30 does not exist; 2026-10-25 02:30 is there twice.
	next, _ := s.Next(time.Time{}, time.Date(2026, 3, 28, 12, 0, 0, 0, zone))
	require.Equal(t, "2026-03-30T02:30:00+02:00", next.Format(time.RFC3339))
	first, _ := s.Next(time.Time{}, time.Date(2026, 10, 24, 12, 0, 0, 0, zone))
	require.Equal(t, 25, first.Day())
	second, _ := s.Next(time.Time{}, first)
	require.Equal(t, "2026-10-26T02:30:00+01:00", second.Format(time.RFC3339))
}

func TestAtFiresOnce(t *testing.T) {
	s, err := ParseIn("at(2026-02-03T04:05:06)", time.UTC)
	require.NoError(t, err)
	require.True(t, s.Once())
	next, ok := s.Next(time.Time{}, at(t, "2026-01-01 00:00:00"))
	require.True(t, ok)
	require.Equal(t, at(t, "2026-02-03 04:05:06"), next)
	_, ok = s.Next(time.Time{}, next)
	require.False(t, ok)
}

func TestExpressionsThatAreRefused(t *testing.T) {
	for expression, want := range map[string]string{
		"":                            "want rate",
		"0 2 * * ? *":                 "want rate",
		"at(2026-02-03T04:05:06)":     "not a kind of schedule",
		"rate(1 minutes)":             "the unit is",
		"rate(5 minute)":              "the unit is",
		"rate(0 minutes)":             "positive",
		"rate(5 seconds)":             "the unit is",
		"rate(-5 minutes)":            "positive",
		"cron(0 2 * * *)":             "5 fields",
		"cron(0 2 * * * *)":           "must be ?",
		"cron(0 2 ? * ? *)":           "must be ?",
		"cron(60 2 * * ? *)":          "minute",
		"cron(0 24 * * ? *)":          "hour",
		"cron(0 2 0 * ? *)":           "day-of-month",
		"cron(0 2 * 13 ? *)":          "month",
		"cron(0 2 ? * 8 *)":           "day-of-week",
		"cron(0 2 ? * 2#6 *)":         "day-of-week",
		"cron(0 2 ? * FRI-MON *)":     "backwards",
		"cron(0 2 * * ? 1969)":        "year",
		"cron(0/0 2 * * ? *)":         "step",
		"cron(0 2 W * ? *)":           "day-of-month",
		"cron(0 2 99999999999 * ? *)": "day-of-month",
	} {
		_, err := Parse(expression)
		require.ErrorContains(t, err, want, expression)
	}
}

// FuzzParse: whatever parses fires strictly later than it was asked for.
func FuzzParse(f *testing.F) {
	f.Add("cron(0/15 8-18 LW JAN-JUN ? 2026)", int64(1_767_225_600))
	f.Add("cron(0 10 ? * 6L,2#3 *)", int64(1_767_225_600))
	f.Add("rate(7 days)", int64(0))
	f.Fuzz(func(t *testing.T, expression string, seconds int64) {
		s, err := Parse(expression)
		if err != nil || seconds < 0 || seconds > 7_000_000_000 {
			return
		}
		after := time.Unix(seconds, 0).UTC()
		if next, ok := s.Next(time.Unix(0, 0).UTC(), after); ok && !next.After(after) {
			t.Fatalf("%s after %v gives %v", expression, after, next)
		}
	})
}
