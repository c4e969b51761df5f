package cloudwatch

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"
)

// The values were worked out by hand from 1, 2, …, 10 and their definitions.
func TestTrimmedStatistics(t *testing.T) {
	var ten, few, blind bucket
	for v := 1.0; v <= 10; v++ {
		ten.addValue(v, 1)
	}
	few.addValue(7, 3)
	blind.addStatistics(StatisticSet{SampleCount: 4, Sum: 10, Minimum: 1, Maximum: 4})
	for text, want := range map[string]float64{
		"tm90":            5,   // 1…9
		"tm95":            5.5, // less than one sample is cut
		"TM(10%:90%)":     5.5, // 2…9
		"TM(2:4)":         3.5, // above 2, up to 4
		"TM(:4)":          2.5,
		"TM(8:)":          9.5,
		"TM(90%:)":        10,
		"TM(0%:50%)":      3,
		"tc90":            9,
		"TC(2:4)":         2,
		"ts90":            45,
		"TS(80%:)":        19,
		"wm90":            5.4, // ten becomes nine
		"WM(20%:80%)":     5.5, // 3,3,3,4,5,6,7,8,8,8
		"WM(3:8)":         5.5, // 3,3,3,4,5,6,7,8,8,8
		"IQM":             5.5, // 3…8
		"PR(:3)":          30,  // percent
		"PR(3:5)":         20,
		"PR(20:)":         0,
		"TC(20:30)":       0,
		"tm99.9":          5.5,
		"TS(-5:2.5)":      3,
		"TM( 10% : 90% )": 5.5,
	} {
		s, err := parseStatistic(text)
		require.NoError(t, err, text)
		got, ok := s.of(&ten)
		require.True(t, ok, text)
		require.InDelta(t, want, got, 1e-9, text)
		_, ok = s.of(&blind)
		require.False(t, ok, "%s of a statistic set", text)
		require.Zero(t, s.significantSamples())
	}
	tm, err := parseStatistic("TM(20:30)")
	require.NoError(t, err)
	_, ok := tm.of(&ten)
	require.False(t, ok, "no mean of nothing")
	for _, text := range []string{"tm", "tm101", "tm-1", "TM()", "TM(:)", "TM(5:2)", "TM(10%:50)", "TM(10%:101%)", "PR(10%:20%)", "pr90", "IQM50", "TM(1:2:3)", "XM(1:2)", "TM(a:b)", "tm1e3"} {
		_, err := parseStatistic(text)
		require.ErrorContains(t, err, "want SampleCount", text)
	}
	s, err := parseStatistic("IQM")
	require.NoError(t, err)
	same, ok := s.of(&few)
	require.True(t, ok)
	require.Equal(t, 7.0, same)
}

func FuzzTrim(f *testing.F) {
	for _, seed := range []string{"tm90", "TM(10%:90%)", "WM(:4)", "PR(1:2)", "IQM", "TC(5:"} {
		f.Add(seed)
	}
	var b bucket
	for _, v := range []float64{-3, 0, 1, 1, 7.5} {
		b.addValue(v, 2)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if trim := parseTrim(text); trim != nil {
			v, ok := trim.of(&b)
			require.False(t, ok && math.IsNaN(v), text)
		}
	})
}
