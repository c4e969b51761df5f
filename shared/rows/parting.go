package rows

import (
	"github.com/sluice-ml/sluice/shared/fault"
	"github.com/sluice-ml/sluice/shared/split"
	"github.com/sluice-ml/sluice/shared/table"
	"github.com/sluice-ml/sluice/shared/trainconfig"
)

// Parting says how the rows came to their sides: what metrics.json keeps.
type Parting struct {
	By     string        `json:"by"` // "row", "group" or "time"
	Column string        `json:"column,omitempty"`
	Gap    string        `json:"gap,omitempty"`
	Sides  []SideSummary `json:"sides"` // those that have rows, in order
}

// SideSummary is one side's rows.
type SideSummary struct {
	Side   string  `json:"side"`
	Rows   int     `json:"rows"`
	Weight float64 `json:"weight,omitempty"` // their sum, where rows have weights
	Groups int     `json:"groups,omitempty"` // by group: how many
	From   string  `json:"from,omitempty"`   // by time: the first
	To     string  `json:"to,omitempty"`     // by time: the last
}

const opSplit = "split the rows"

// column finds a column that the configuration names at path.
func (s *Set) column(name, path string) (*table.Column, error) {
	c, ok := s.Table.Column(name)
	if !ok {
		return nil, fault.New(fault.Invalid, opSplit, "there is no column %q among %q", name, s.names()).WithHint("correct %s", path)
	}
	return c, nil
}

// part gives every row its side, by group or by time; by row they have theirs.
func (s *Set) part(data trainconfig.Data, seed int64) error {
	switch data.Split.By {
	case trainconfig.ByGroup:
		return s.partByGroup(data, seed)
	case trainconfig.ByTime:
		return s.partByTime(data)
	}
	return nil
}

func (s *Set) partByGroup(data trainconfig.Data, seed int64) error {
	c, err := s.column(data.Split.Column, "data.split.column")
	if err != nil {
		return err
	}
	splitter := split.Splitter{Seed: seed, Train: data.Split.Train, Validation: data.Split.Validation}
	s.Group = make([]string, c.Len())
	known := map[string]string{} // one copy of each name
	sides := map[string]split.Side{}
	for i := range s.Group {
		if c.Null[i] {
			return fault.New(fault.Invalid, opSplit, "%s: column %q has no value, so the row is of no group", s.Table.Place(i), c.Name).
				WithHint("fill it in, or leave the row out")
		}
		name, seen := known[c.Exact(i)]
		if !seen {
			name = c.Exact(i)
			known[name], sides[name] = name, splitter.GroupSide(name)
		}
		s.Group[i], s.Side[i] = name, sides[name]
	}
	return nil
}

func (s *Set) partByTime(data trainconfig.Data) error {
	c, err := s.column(data.Split.Column, "data.split.column")
	if err != nil {
		return err
	}
	if s.Times, err = s.times(c); err != nil {
		return err
	}
	if data.Split.Gap.Duration > 0 && !s.Times.Dates {
		return fault.New(fault.Invalid, opSplit, "column %q holds numbers, and the gap %s is for dates", c.Name, data.Split.Gap.Spacing()).
			WithHint("write data.split.gap as a number of rows")
	}
	cuts := s.Times.CutsAt(data.Split.Train, data.Split.Validation)
	if data.Split.TestFrom != "" {
		if cuts, err = s.cutsFrom(data.Split, c.Name); err != nil {
			return err
		}
	}
	if s.Side, err = s.Times.Sides(cuts, data.Split.Gap.Spacing()); err != nil {
		return fault.New(fault.Invalid, opSplit, "column %q: %w", c.Name, err).WithHint("correct data.split, or add rows")
	}
	return nil
}

// cutsFrom reads validation_from and test_from.
func (s *Set) cutsFrom(given trainconfig.Split, column string) (split.Cuts, error) {
	var cuts split.Cuts
	for _, c := range []struct {
		text string
		at   *int64
	}{{given.TestFrom, &cuts.Test}, {given.ValidationFrom, &cuts.Validation}} {
		if c.text == "" {
			continue
		}
		at, dates, ok := trainconfig.ParseCut(c.text)
		if !ok || dates != s.Times.Dates {
			return cuts, fault.New(fault.Invalid, opSplit, "%q cannot be compared with column %q, whose first value is %s", c.text, column, s.Times.Text(s.Times.At[0])).
				WithHint("write data.split.test_from and validation_from as the column's values are")
		}
		*c.at = at
	}
	if given.ValidationFrom == "" {
		cuts.Validation = cuts.Test
	}
	return cuts, nil
}

// times reads a column of dates or of numbers.
func (s *Set) times(c *table.Column) (split.Times, error) {
	t := split.Times{At: make([]int64, c.Len()), Dates: c.Kind == table.Text}
	for i := range t.At {
		switch {
		case c.Null[i]:
			return t, fault.New(fault.Invalid, opSplit, "%s: column %q has no value, so the row has no place in time", s.Table.Place(i), c.Name).
				WithHint("fill it in, or leave the row out")
		case !t.Dates:
			t.At[i] = split.NumberTime(c.Number[i])
			continue
		}
		at, ok := split.ParseDate(c.Text[i])
		if !ok {
			return t, fault.New(fault.Invalid, opSplit, "%s: column %q: %q is no time", s.Table.Place(i), c.Name, c.Text[i]).
				WithHint("write every date as 2026-01-31 or 2026-01-31T12:00:00Z, or only numbers")
		}
		t.At[i] = at
	}
	return t, nil
}

// Parting sums up the sides. The error is of kind Internal: a group is on two
// sides, or a time of one side lies in another's.
func (s *Set) Parting(data trainconfig.Data) (Parting, error) {
	p := Parting{By: "row", Column: data.Split.Column}
	if data.Split.By != "" {
		p.By = data.Split.By
	}
	if gap := data.Split.Gap.Spacing(); gap != (split.Spacing{}) {
		p.Gap = gap.String()
	}
	sideOf := map[string]split.Side{}
	var latest int64
	for _, side := range []split.Side{split.Train, split.Validation, split.Test, split.Gap} {
		which := s.On(side)
		if len(which) == 0 {
			continue
		}
		sum := SideSummary{Side: side.String(), Rows: len(which)}
		for _, row := range which {
			if s.Weight != nil {
				sum.Weight += s.Weight[row]
			}
			if s.Group == nil {
				continue
			}
			before, seen := sideOf[s.Group[row]]
			if seen && before != side {
				return p, fault.New(fault.Internal, opSplit, "group %q is on two sides, %s and %s", s.Group[row], before, side)
			}
			if !seen {
				sideOf[s.Group[row]] = side
				sum.Groups++
			}
		}
		if s.Times.At != nil {
			first, last := s.Times.Span(which)
			if side != split.Gap && len(p.Sides) > 0 && first <= latest {
				return p, fault.New(fault.Internal, opSplit, "the %s side begins at %s, before the side before it ends, at %s", side, s.Times.Text(first), s.Times.Text(latest))
			}
			latest, sum.From, sum.To = last, s.Times.Text(first), s.Times.Text(last)
		}
		p.Sides = append(p.Sides, sum)
	}
	return p, nil
}
