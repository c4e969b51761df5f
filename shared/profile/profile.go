// Package profile sums up a table in statistics that merge: the profile of a
// dataset is the merge of its objects' profiles, whoever computed them.
//
// The words:
//
//   - A profile has one column profile for each column and the row count. Every
//     part of it has a bounded size, whatever the data.
//   - A summary holds a column's numbers as weighted points: exactly while there
//     are at most 512 distinct values, else as 512 order statistics.
//   - Categories count a text column's commonest values; the rest are counted
//     together.
//   - Check judges a profile against the limits of train.yaml and gives findings.
//
// Merging in the same order gives the same bits. Counts and exact summaries do
// not depend on the order at all.
package profile

import (
	"maps"
	"slices"

	"github.com/sluice-ml/sluice/shared/fault"
	"github.com/sluice-ml/sluice/shared/table"
	"github.com/sluice-ml/sluice/shared/trainconfig"
)

// Format is the version of a profile's JSON; one of another format is not read.
const Format = 1

// Profile sums up rows.
type Profile struct {
	Format  int       `json:"format"`
	Rows    int64     `json:"rows"`
	Target  string    `json:"target"`
	Columns []*Column `json:"columns"` // sorted by name
	// Classes counts the target's values, in canonical form.
	Classes map[string]int64 `json:"classes"`
	// OtherClasses counts the rows of a target with too many values to list.
	OtherClasses int64 `json:"other_classes,omitempty"`
	// Headers says which objects came with which columns, where all objects are
	// known; the first is the first object's. Profiles from before it was kept
	// have none.
	Headers []Header `json:"headers,omitempty"`
}

// Column sums up one column.
type Column struct {
	Name string `json:"name"`
	// Kind is "number" when every value that is there is a number, "text" when
	// one is not, "" when every value is missing.
	Kind string `json:"kind"`
	Rows int64  `json:"rows"` // of the objects that have the column
	// Nulls counts missing values; Texts those that are no numbers.
	Nulls int64 `json:"nulls"`
	Texts int64 `json:"texts"`
	// Example is the first value that is not a number, as it stood in the file.
	Example *Example `json:"example,omitempty"`

	Moments    Moments    `json:"moments"` // of the values that are numbers
	Summary    Summary    `json:"summary"` // of a number column
	Categories Categories `json:"categories"`
	Distinct   Distinct   `json:"distinct"`
}

// Example is a value and where it stood.
type Example struct {
	Value  string `json:"value"`
	Object string `json:"object"`
	Row    int    `json:"row"` // from 1, the header not counted
}

// Column finds a column by name, nil when there is none.
func (p *Profile) Column(name string) *Column {
	i, found := slices.BinarySearchFunc(p.Columns, name, func(c *Column, name string) int {
		return compareStrings(c.Name, name)
	})
	if !found {
		return nil
	}
	return p.Columns[i]
}

// Names are the columns' names in order.
func (p *Profile) Names() []string {
	names := make([]string, len(p.Columns))
	for i, c := range p.Columns {
		names[i] = c.Name
	}
	return names
}

// Features are the columns that a model may learn from: those that the
// configuration names, else every column that is not reserved (the target, the
// weight, the query, and what rows are parted by).
func Features(cfg *trainconfig.Config, columns []string) []string {
	if len(cfg.Data.Features) > 0 {
		return slices.Clone(cfg.Data.Features)
	}
	return slices.DeleteFunc(slices.Clone(columns), cfg.Data.Reserved)
}

// Of profiles a table.
func Of(t *table.Table, cfg *trainconfig.Config) Profile {
	p := Profile{Format: Format, Rows: int64(t.Rows()), Target: cfg.Data.Target, Classes: map[string]int64{}}
	for i := range t.Columns {
		p.Columns = append(p.Columns, columnOf(&t.Columns[i], t.Name))
	}
	slices.SortFunc(p.Columns, func(a, b *Column) int { return compareStrings(a.Name, b.Name) })
	if target := p.Column(cfg.Data.Target); target != nil {
		p.Classes, p.OtherClasses = target.values()
	}
	p.Name(t.Name)
	return p
}

func columnOf(c *table.Column, object string) *Column {
	out := &Column{Name: c.Name, Rows: int64(c.Len())}
	if c.Kind == table.Number {
		out.numbers(c)
		return out
	}
	out.Kind = "text"
	if c.FirstText >= 0 {
		out.Example = &Example{Value: clip(c.Text[c.FirstText]), Object: object, Row: c.FirstText + 1}
	}
	counts := map[string]int64{}
	for i, null := range c.Null {
		if null {
			out.Nulls++
			continue
		}
		counts[c.Text[i]]++
	}
	canonical := map[string]int64{}
	for _, text := range slices.Sorted(maps.Keys(counts)) {
		n, content := counts[text], table.CanonicalText(text)
		if v, ok := table.ParseNumber(text); ok {
			out.Moments.addMany(v, n)
		} else {
			out.Texts += n
		}
		canonical[clip(content)] += n
		out.Distinct.add(content)
	}
	out.Categories = categoriesOf(canonical, 0)
	return out
}

func (out *Column) numbers(c *table.Column) {
	values := make([]float64, 0, len(c.Number))
	for i, v := range c.Number {
		if c.Null[i] {
			out.Nulls++
			continue
		}
		values = append(values, v)
		out.Moments.add(v)
	}
	if len(values) > 0 {
		out.Kind = "number"
	}
	out.Summary = summaryOf(values)
	last := ""
	for i, v := range values { // summaryOf sorted them
		if i > 0 && v == values[i-1] {
			continue
		}
		if content := table.FormatNumber(v); content != last {
			out.Distinct.add(content)
			last = content
		}
	}
}

// values counts the canonical values of a column of either kind.
func (c *Column) values() (map[string]int64, int64) {
	if c.Kind == "text" {
		return maps.Clone(c.Categories.Counts), c.Categories.Other
	}
	if c.Summary.Exact {
		return c.Summary.counts(), 0
	}
	return map[string]int64{}, c.Moments.Count
}

// Merge joins profiles of the same target, in the order given. The error is a
// fault of kind Invalid: nothing to merge, another format or target.
func Merge(profiles ...Profile) (Profile, error) {
	const op = "merge profiles"
	if len(profiles) == 0 {
		return Profile{}, fault.New(fault.Invalid, op, "there are none")
	}
	columns := map[string]*Column{}
	out := Profile{Format: Format, Target: profiles[0].Target, Classes: map[string]int64{}, Headers: mergeHeaders(profiles)}
	for _, p := range profiles {
		if p.Format != Format || p.Target != out.Target {
			return Profile{}, fault.New(fault.Invalid, op, "format %d and target %q do not go with format %d and target %q",
				p.Format, p.Target, Format, out.Target)
		}
		out.Rows += p.Rows
		for _, c := range p.Columns {
			if columns[c.Name] == nil {
				columns[c.Name] = c
			} else {
				columns[c.Name] = mergeColumns(columns[c.Name], c)
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(columns)) {
		out.Columns = append(out.Columns, columns[name])
	}
	if target := out.Column(out.Target); target != nil {
		out.Classes, out.OtherClasses = target.values()
	}
	return out, nil
}

// mergeColumns makes a new column; its arguments stay as they are.
func mergeColumns(a, b *Column) *Column {
	out := &Column{
		Name: a.Name, Kind: mergeKinds(a.Kind, b.Kind), Rows: a.Rows + b.Rows,
		Nulls: a.Nulls + b.Nulls, Texts: a.Texts + b.Texts, Example: a.Example,
		Moments: a.Moments.merge(b.Moments), Distinct: a.Distinct.merge(b.Distinct),
	}
	if out.Example == nil {
		out.Example = b.Example
	}
	if out.Kind == "text" {
		out.Categories = a.categories().merge(b.categories())
		return out
	}
	out.Summary = a.Summary.merge(b.Summary)
	return out
}

func mergeKinds(a, b string) string {
	if a == "" || a == b {
		return b
	}
	if b == "" {
		return a
	}
	return "text"
}

// categories are those of a text column, or a number column seen as text.
func (c *Column) categories() Categories {
	if c.Kind == "text" {
		return c.Categories
	}
	counts, other := c.values()
	return categoriesOf(counts, other)
}

func compareStrings(a, b string) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}
