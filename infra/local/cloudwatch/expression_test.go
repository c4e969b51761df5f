package cloudwatch

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestExpressions(t *testing.T) {
	missing := math.NaN()
	series := map[string]vector{"a": {1, 2, 3, missing}, "b": {2, 0, missing, missing}, "m1": {10, 20, 30, 40}}
	for text, want := range map[string]vector{
		"a + b":                  {3, 2, missing, missing},
		"a / b":                  {0.5, missing, missing, missing},
		"a - -1":                 {2, 3, 4, missing},
		"-a * 2 + m1":            {8, 16, 24, missing},
		"m1 - a - 1":             {8, 17, 26, missing},
		"2 * (a + 1)":            {4, 6, 8, missing},
		"FILL(b, 0)":             {2, 0, 0, 0},
		"FILL(b, REPEAT)":        {2, 0, 0, 0},
		"FILL(b, m1)":            {2, 0, 30, 40},
		"IF(a > 1, m1, 0)":       {0, 20, 30, missing},
		"a >= 2 AND m1 < 30":     {0, 1, 0, missing},
		"a == 1 || m1 == 30":     {1, 0, 1, missing},
		"a != 1":                 {0, 1, 1, missing},
		"ABS(a - 2)":             {1, 0, 1, missing},
		"CEIL(a / 2)":            {1, 1, 2, missing},
		"FLOOR(m1 / 1.5e1)":      {0, 1, 2, 2},
		"FILL(a,0)/FILL(m1,1)*1": {0.1, 0.1, 0.1, 0},
	} {
		t.Run(text, func(t *testing.T) {
			n, err := parseExpression(text)
			require.NoError(t, err)
			v, err := n.calculate(4, series)
			require.NoError(t, err)
			require.Len(t, v.series, 4)
			for i, w := range want {
				if math.IsNaN(w) {
					require.True(t, math.IsNaN(v.series[i]), "point %d is %g", i, v.series[i])
				} else {
					require.InDelta(t, w, v.series[i], 1e-12, "point %d", i)
				}
			}
		})
	}
}

func TestBadExpressions(t *testing.T) {
	for text, want := range map[string]string{
		"":                              "ends too early",
		"a +":                           "ends too early",
		"(a":                            `want ")"`,
		"a b":                           `unexpected "b"`,
		"SEARCH(a)":                     "does not support function SEARCH",
		"ANOMALY_DETECTION_BAND(m1, 2)": "does not support function ANOMALY_DETECTION_BAND",
		"FILL(a)":                       "FILL takes 2 operands, not 1",
		"Abc + 1":                       `unexpected "Abc"`,
		"a % b":                         "cannot read",
		"SELECT AVG(x) FROM Sluice":     `unexpected "SELECT"`,
		"IF(a, 1, 2, 3)":                "IF takes 3 operands, not 4",
		"((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((a": "nested more than 64 deep",
	} {
		_, err := parseExpression(text)
		require.ErrorContains(t, err, want, text)
	}
}

func TestQuerySets(t *testing.T) {
	one := func(id, expression string) MetricDataQuery { return MetricDataQuery{ID: id, Expression: expression} }
	m := MetricDataQuery{ID: "m", MetricStat: &MetricStat{Metric: Metric{Namespace: "N", MetricName: "M"}, Period: 60, Stat: "Sum"}}
	high := m
	high.ID, high.MetricStat = "h", &MetricStat{Metric: m.MetricStat.Metric, Period: 10, Stat: "Sum"}
	for name, c := range map[string]struct {
		list []MetricDataQuery
		want string
	}{
		"circle":     {[]MetricDataQuery{one("a", "b + 1"), one("b", "a + 1")}, "refers to itself"},
		"unknown id": {[]MetricDataQuery{one("a", "z + 1")}, `no query has the id "z"`},
		"twice":      {[]MetricDataQuery{m, m}, "used twice"},
		"bad id":     {[]MetricDataQuery{one("A", "1")}, `query Id "A"`},
		"both":       {[]MetricDataQuery{{ID: "a", Expression: "1", MetricStat: m.MetricStat}}, "either MetricStat or Expression"},
		"stat":       {[]MetricDataQuery{{ID: "a", MetricStat: &MetricStat{Metric: m.MetricStat.Metric, Period: 60, Stat: "tm100.5.1"}}}, `statistic "tm100.5.1"`},
		"period":     {[]MetricDataQuery{{ID: "a", MetricStat: &MetricStat{Metric: m.MetricStat.Metric, Period: 15, Stat: "Sum"}}}, "period 15"},
	} {
		_, err := parseQueries(c.list)
		require.ErrorContains(t, err, c.want, name)
	}
	q, err := parseQueries([]MetricDataQuery{one("a", "m + h"), m, high})
	require.NoError(t, err)
	_, err = q.period("a")
	require.ErrorContains(t, err, "[10 60]")
}

func FuzzExpression(f *testing.F) {
	for _, text := range []string{"a + b", "IF(a > 1, m1, 0)", "FILL(b, REPEAT)", "-(-1)", "1e9999", "REPEAT"} {
		f.Add(text)
	}
	series := map[string]vector{"a": {1, math.NaN()}, "b": {0, 2}}
	f.Fuzz(func(t *testing.T, text string) {
		n, err := parseExpression(text)
		if err != nil {
			return
		}
		v, err := n.calculate(2, series)
		if err == nil && v.series != nil {
			for _, x := range v.series {
				if math.IsInf(x, 0) {
					t.Fatalf("%q gives %g", text, x)
				}
			}
		}
	})
}
