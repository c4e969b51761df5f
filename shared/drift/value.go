package drift

import (
	"github.com/sluice-ml/sluice/shared/profile"
	"github.com/sluice-ml/sluice/shared/table"
)

func number(v float64) string { return table.FormatNumber(v) }

// countsUpTo counts the numbers among a text column's listed values.
func countsUpTo(c *profile.Column) func(float64) int64 {
	return func(edge float64) int64 {
		var sum int64
		for text, n := range c.Categories.Counts {
			if v, ok := table.ParseNumber(text); ok && v <= edge {
				sum += n
			}
		}
		return sum
	}
}

// categoryCount counts a value in a column of either kind.
func categoryCount(c *profile.Column) func(string) int64 {
	if c.Kind == "text" {
		return func(name string) int64 { return c.Categories.Counts[name] }
	}
	points := map[string]int64{}
	for i, v := range c.Summary.Points {
		points[table.FormatNumber(v)] += c.Summary.Weight[i]
	}
	return func(name string) int64 { return points[name] }
}
