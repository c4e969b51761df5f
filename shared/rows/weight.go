package rows

import (
	"math"

	"github.com/sluice-ml/sluice/shared/fault"
	"github.com/sluice-ml/sluice/shared/split"
	"github.com/sluice-ml/sluice/shared/table"
	"github.com/sluice-ml/sluice/shared/trainconfig"
)

const opWeight = "read the weights"

// weigh reads how much every row counts. A weight is a number from 0 up; a row
// that weighs 2 counts as two, in learning and in judging alike.
func (s *Set) weigh(data trainconfig.Data) error {
	if data.Weight == "" {
		return nil
	}
	c, ok := s.Table.Column(data.Weight)
	if !ok {
		return fault.New(fault.Invalid, opWeight, "there is no column %q among %q", data.Weight, s.names()).WithHint("correct data.weight")
	}
	if c.Kind == table.Text {
		return s.badWeight(c, c.FirstText, "is no number")
	}
	for i, v := range c.Number {
		switch {
		case c.Null[i]:
			return s.badWeight(c, i, "is no weight: every row needs one")
		case v < 0:
			return s.badWeight(c, i, "is below 0")
		case v > math.MaxFloat32:
			return s.badWeight(c, i, "is above 3.4e38")
		}
	}
	s.Weight = c.Number
	return s.checkQueryWeights(c)
}

// checkQueryWeights: ranking is learnt and judged by whole queries, so what
// weighs is the query, and XGBoost takes one weight for each.
func (s *Set) checkQueryWeights(c *table.Column) error {
	first := map[string]int{}
	for i, query := range s.Query {
		at, known := first[query]
		if !known {
			first[query] = i
		} else if s.Weight[i] != s.Weight[at] {
			return fault.New(fault.Invalid, opWeight, "%s: column %q: %v, and %v in %s of the same query %q", s.Table.Place(i), c.Name, s.Weight[i], s.Weight[at], s.Table.Place(at), query).
				WithHint("ranking weighs whole queries: write the same weight into every row of a query")
		}
	}
	return nil
}

func (s *Set) badWeight(c *table.Column, row int, why string) error {
	return fault.New(fault.Invalid, opWeight, "%s: column %q: %q %s", s.Table.Place(row), c.Name, c.Original(row), why).
		WithHint("write a number from 0 up into every row; 0 leaves a row out of learning and judging")
}

// checkWeights: a side whose rows all weigh 0 is no side.
func (s *Set) checkWeights(data trainconfig.Data) error {
	if s.Weight == nil {
		return nil
	}
	for _, side := range []split.Side{split.Train, split.Validation, split.Test} {
		which, heavy := s.On(side), false
		for _, row := range which {
			heavy = heavy || s.Weight[row] > 0
		}
		if len(which) > 0 && !heavy {
			return fault.New(fault.Invalid, opWeight, "column %q is 0 in all %d rows of the %s side, the first being %s", data.Weight, len(which), side, s.Table.Place(which[0])).
				WithHint("give some of these rows a weight above 0, or remove data.weight")
		}
	}
	return nil
}
