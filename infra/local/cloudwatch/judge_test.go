package cloudwatch

import (
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// pattern turns "0 - X" (oldest first) into data points around threshold 1.
func pattern(text string) []datapoint {
	var out []datapoint
	for i, mark := range strings.Fields(text) {
		p := datapoint{at: start.Add(time.Duration(i) * time.Minute), samples: 1}
		switch mark {
		case "X":
			p.value = 2
		case "-":
			p.value, p.samples = math.NaN(), 0
		}
		out = append(out, p)
	}
	return out
}

// The two tables of AWS's "Configuring how CloudWatch alarms treat missing
// data", and the cases in its text about premature alarms.
func TestJudgeMissingDataTables(t *testing.T) {
	const retain = "retain"
	modes := []string{"missing", "ignore", "breaching", "notBreaching"}
	for _, c := range []struct {
		m      int
		points string
		want   [4]string
	}{
		{3, "0 - X - X", [4]string{"OK", "OK", "OK", "OK"}},
		{3, "0 - - - -", [4]string{"OK", "OK", "OK", "OK"}},
		{3, "- - - - -", [4]string{"INSUFFICIENT_DATA", retain, "ALARM", "OK"}},
		{3, "0 X X - X", [4]string{"ALARM", "ALARM", "ALARM", "ALARM"}},
		{3, "- - X - -", [4]string{"ALARM", retain, "ALARM", "OK"}},
		{2, "0 - X - X", [4]string{"ALARM", "ALARM", "ALARM", "ALARM"}},
		{2, "0 0 X 0 X", [4]string{"ALARM", "ALARM", "ALARM", "ALARM"}},
		{2, "0 - X - -", [4]string{"OK", "OK", "ALARM", "OK"}},
		{2, "- - - - 0", [4]string{"OK", "OK", "ALARM", "OK"}},
		{2, "- - - X -", [4]string{"ALARM", retain, "ALARM", "OK"}},
		// Not immediately into ALARM: the next point may be fine.
		{3, "- - - - X", [4]string{retain, retain, "ALARM", "OK"}},
		{3, "- - - X -", [4]string{retain, retain, "ALARM", "OK"}},
		{3, "- - - X 0", [4]string{"OK", "OK", "OK", "OK"}},
		{1, "- - - - X", [4]string{"ALARM", "ALARM", "ALARM", "ALARM"}},
	} {
		for i, mode := range modes {
			t.Run(fmt.Sprintf("%d of 3, %s, %s", c.m, c.points, mode), func(t *testing.T) {
				r := rule{operator: "GreaterThanThreshold", threshold: 1, n: 3, m: c.m, treat: mode}
				v := r.judge(pattern(c.points))
				if c.want[i] == retain {
					require.True(t, v.retain, "state %s", v.state)
					return
				}
				require.False(t, v.retain)
				require.Equal(t, State(c.want[i]), v.state)
			})
		}
	}
}

func TestJudgeOperators(t *testing.T) {
	for operator, want := range map[string][3]bool{ // at 0, 1 and 2, threshold 1
		"GreaterThanThreshold":          {false, false, true},
		"GreaterThanOrEqualToThreshold": {false, true, true},
		"LessThanThreshold":             {true, false, false},
		"LessThanOrEqualToThreshold":    {true, true, false},
	} {
		for v, breach := range want {
			require.Equal(t, breach, rule{operator: operator, threshold: 1}.breaches(float64(v)), "%s %d", operator, v)
		}
	}
}

func TestLowSampleCount(t *testing.T) {
	p99, err := parseStatistic("p99")
	require.NoError(t, err)
	require.Equal(t, 1000.0, p99.significantSamples())
	p10, err := parseStatistic("p10")
	require.NoError(t, err)
	require.Equal(t, 100.0, p10.significantSamples())

	r := rule{operator: "GreaterThanThreshold", threshold: 1, n: 1, m: 1, lowSample: 1000}
	few := []datapoint{{value: 2, samples: 999}}
	require.True(t, r.judge(few).retain)
	few[0].samples = 1000
	require.Equal(t, Alarm, r.judge(few).state)
}
