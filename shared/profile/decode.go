package profile

import (
	"encoding/json"
	"fmt"
	"slices"

	"github.com/sluice-ml/sluice/shared/fault"
)

// Decode reads a profile's JSON and checks that it can be used. The error is a
// fault of kind Invalid.
func Decode(data []byte) (Profile, error) {
	const op = "read a profile"
	var p Profile
	if err := json.Unmarshal(data, &p); err != nil {
		return Profile{}, fault.New(fault.Invalid, op, "%w", err)
	}
	if err := p.Check(); err != nil {
		return Profile{}, fault.Wrap(fault.Invalid, op, err)
	}
	return p, nil
}

// Check says whether a profile that was decoded as part of something else has
// the shape that Merge and the judgements need.
func (p *Profile) Check() error {
	if p.Format != Format {
		return fmt.Errorf("its format is %d, this build knows %d", p.Format, Format)
	}
	if p.Rows < 0 || slices.Contains(p.Columns, nil) {
		return fmt.Errorf("negative rows or an empty column")
	}
	for i, c := range p.Columns {
		if i > 0 && p.Columns[i-1].Name >= c.Name {
			return fmt.Errorf("column %q is out of order", c.Name)
		}
		if err := c.check(); err != nil {
			return fmt.Errorf("column %q: %w", c.Name, err)
		}
	}
	return checkHeaders(p.Headers)
}

func (c *Column) check() error {
	if c.Kind != "" && c.Kind != "number" && c.Kind != "text" {
		return fmt.Errorf("unknown kind %q", c.Kind)
	}
	if c.Rows < 0 || c.Nulls < 0 || c.Nulls > c.Rows || c.Texts < 0 || c.Moments.Count < 0 || c.Moments.M2 < 0 {
		return fmt.Errorf("counts that cannot be")
	}
	if len(c.Summary.Points) != len(c.Summary.Weight) {
		return fmt.Errorf("%d points with %d weights", len(c.Summary.Points), len(c.Summary.Weight))
	}
	for i, w := range c.Summary.Weight {
		if w <= 0 || (i > 0 && c.Summary.Points[i-1] >= c.Summary.Points[i]) {
			return fmt.Errorf("points out of order or without weight")
		}
	}
	if n := len(c.Distinct.Registers); (n != 0 && n != registers) || !slices.IsSorted(c.Distinct.Hashes) {
		return fmt.Errorf("%d registers, or hashes out of order", n)
	}
	return nil
}
