package trainconfig

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestFreeze(t *testing.T) {
	weekend := Freeze{"Fri 16:00", "Mon 08:00", "Europe/Berlin"}
	night := Freeze{"22:00", "06:00", ""}
	holidays := Freeze{"2026-12-20 00:00", "2027-01-04 00:00", "America/New_York"}
	for _, test := range []struct {
		freeze Freeze
		at     string
		until  string // "" is not frozen
	}{
		{weekend, "2026-11-20T14:59:00Z", ""},
		{weekend, "2026-11-20T15:00:00Z", "2026-11-23T07:00:00Z"},
		{weekend, "2026-11-22T12:00:00Z", "2026-11-23T07:00:00Z"},
		{weekend, "2026-11-23T07:00:00Z", ""},
		{weekend, "2026-03-28T12:00:00Z", "2026-03-30T06:00:00Z"}, // summer time began
		{night, "2026-11-20T21:59:59Z", ""},
		{night, "2026-11-20T22:00:00Z", "2026-11-21T06:00:00Z"},
		{night, "2026-11-21T05:59:59Z", "2026-11-21T06:00:00Z"},
		{night, "2026-11-21T06:00:00Z", ""},
		{Freeze{"2026-12-24", "2026-12-27", ""}, "2026-12-23T23:59:00Z", ""},
		{Freeze{"2026-12-24", "2026-12-27", ""}, "2026-12-24T00:00:00Z", "2026-12-27T00:00:00Z"},
		{holidays, "2026-12-20T04:59:00Z", ""},
		{holidays, "2026-12-20T05:00:00Z", "2027-01-04T05:00:00Z"},
		{holidays, "2027-01-04T05:00:00Z", ""},
	} {
		at, err := time.Parse(time.RFC3339, test.at)
		require.NoError(t, err)
		until, frozen := test.freeze.Until(at)
		require.Equal(t, test.until != "", frozen, "%+v at %s", test.freeze, test.at)
		if frozen {
			require.Equal(t, test.until, until.UTC().Format(time.RFC3339), "%+v at %s", test.freeze, test.at)
		}
	}
}

func TestFreezesInARow(t *testing.T) {
	at := time.Date(2026, 11, 20, 17, 0, 0, 0, time.UTC) // a Friday
	until, frozen := Frozen([]Freeze{{"Sat 00:00", "Mon 00:00", ""}, {"Fri 16:00", "Sat 06:00", ""}, {"Mon 00:00", "Mon 09:00", ""}}, at)
	require.True(t, frozen)
	require.Equal(t, "2026-11-23T09:00:00Z", until.Format(time.RFC3339))
}

func TestFreezeBadInput(t *testing.T) {
	for want, f := range map[string]Freeze{
		`"Friday 16:00" is not a time: write Fri 16:00, 16:00 or 2026-12-20 16:00`:                                           {"Friday 16:00", "Mon 08:00", ""},
		`"25:00" is not a time: write Fri 16:00, 16:00 or 2026-12-20 16:00`:                                                  {"22:00", "25:00", ""},
		`"Mars" is not a time zone: write an IANA name such as Europe/Berlin`:                                                {"22:00", "06:00", "Mars"},
		`from "22:00" to "Mon 06:00" mixes two kinds of times: write both with a weekday, both with a date, or both without`: {"22:00", "Mon 06:00", ""},
		`from 00:00 to 24:00 is always on, so no step could ever begin`:                                                      {"00:00", "24:00", ""},
		`from and to are the same time`:                                                                                      {"22:00", "22:00", ""},
		`from "2026-12-20 00:00" is not before to "2026-12-19 00:00"`:                                                        {"2026-12-20 00:00", "2026-12-19 00:00", ""},
	} {
		require.EqualError(t, f.Check(), want)
		_, frozen := f.Until(time.Now())
		require.False(t, frozen)
	}
	require.EqualError(t, CheckFreezes([]Freeze{{"06:00", "22:00", ""}, {"22:00", "06:00", ""}}), "the freezes leave no time in which a step may begin")
	require.NoError(t, CheckFreezes([]Freeze{{"Fri 16:00", "Mon 08:00", ""}, {"22:00", "06:00", ""}}))
	require.NoError(t, CheckFreezes(nil))
}

func FuzzFreeze(f *testing.F) {
	f.Add("Fri 16:00", "Mon 08:00", "Europe/Berlin", int64(1795000000))
	f.Add("22:00", "06:00", "", int64(0))
	f.Fuzz(func(t *testing.T, from, to, zone string, at int64) {
		if at < 0 || at > 4e9 {
			return
		}
		freeze := Freeze{from, to, zone}
		now := time.Unix(at, 0)
		if until, frozen := freeze.Until(now); frozen {
			require.NoError(t, freeze.Check())
			require.True(t, until.After(now))
			_, still := freeze.Until(until)
			require.False(t, still, "%+v is still on at its end", freeze)
		}
	})
}
