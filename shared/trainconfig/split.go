package trainconfig

import (
	"encoding/json"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sluice-ml/sluice/shared/split"
	"github.com/sluice-ml/sluice/shared/table"
)

// What data.split.by may be; "" is by row.
const (
	ByGroup = "group"
	ByTime  = "time"
)

// Gap is what lies unused between two sides or folds in time: a number of rows
// (100) or a duration (24h).
type Gap struct {
	Rows     int
	Duration Duration
}

// MarshalJSON writes a number of rows, or a duration as text.
func (g Gap) MarshalJSON() ([]byte, error) {
	if g.Duration != 0 {
		return json.Marshal(g.Duration)
	}
	return json.Marshal(g.Rows)
}

// MarshalYAML writes as MarshalJSON does.
func (g Gap) MarshalYAML() (any, error) {
	if g.Duration != 0 {
		return g.Duration, nil
	}
	return g.Rows, nil
}

// Reserved says whether a column is not learnt from unless it is named among
// data.features: the target, and the columns that say how rows count and how
// they are parted.
func (d *Data) Reserved(column string) bool {
	return column == d.Target || (column != "" && (column == d.Weight || column == d.Split.Column || column == d.QID))
}

func (d *decoder) gap(n *node, path string, out *Gap) {
	switch {
	case n.kind == kindNumber && n.whole && n.integer >= 0 && n.integer < math.MaxInt32:
		out.Rows = int(n.integer)
	case n.kind == kindString:
		d.duration(n, path, &out.Duration)
	default:
		d.wrong(n, path, "a number of rows such as 100, or a duration such as 24h")
	}
}

// deriveSplit: where cuts are given, the shares are not.
func (d *decoder) deriveSplit(s *Split) {
	for path, share := range map[string]*float64{"train": &s.Train, "validation": &s.Validation, "test": &s.Test} {
		if s.TestFrom != "" && !d.has("data.split."+path) {
			*share = 0
		}
	}
}

// HasValidation says whether there is to be a validation side.
func (s *Split) HasValidation() bool { return s.Validation > 0 || s.ValidationFrom != "" }

func (d *decoder) checkSplit(c *Data) {
	s := &c.Split
	if s.By != "" {
		d.among("data.split.by", s.By, []string{ByGroup, ByTime})
	}
	switch {
	case s.By != "" && s.Column == "":
		d.failAt("data.split.column", "missing; name the column that the rows are parted by, e.g. customer_id or created_at")
	case s.By == "" && s.Column != "":
		d.failAt("data.split.column", "a column without by; write by: group or by: time")
	case s.Column != "" && s.Column == c.Target:
		d.failAt("data.split.column", "%q is the target; name another column", clip(s.Column))
	}
	if s.By != ByTime {
		for path, given := range map[string]bool{"gap": s.Gap != Gap{}, "validation_from": s.ValidationFrom != "", "test_from": s.TestFrom != ""} {
			if given {
				d.failAt("data.split."+path, "only a split by time has it; write by: time, or remove it")
			}
		}
	}
	d.notNegative("data.split.gap", s.Gap.Duration)
	if s.TestFrom == "" && s.ValidationFrom == "" {
		d.checkShares(s)
		return
	}
	d.checkCuts(s)
}

func (d *decoder) checkShares(s *Split) {
	d.within("data.split.train", s.Train, 0, 1)
	d.within("data.split.validation", s.Validation, 0, 1)
	d.within("data.split.test", s.Test, 0, 1)
	if sum := s.Train + s.Validation + s.Test; !(math.Abs(sum-1) <= 1e-9) {
		d.failAt("data.split", "train %v + validation %v + test %v = %v; they must sum to 1", s.Train, s.Validation, s.Test, sum)
	} else if s.Train == 0 || s.Test == 0 {
		d.failAt("data.split", "train %v and test %v must both be above 0: without test rows nothing can be judged", s.Train, s.Test)
	}
}

func (d *decoder) checkCuts(s *Split) {
	for path, share := range map[string]float64{"train": s.Train, "validation": s.Validation, "test": s.Test} {
		if share != 0 {
			d.failAt("data.split."+path, "a share beside test_from, which says where the test side begins; remove one")
		}
	}
	test, dates, ok := d.cut("data.split.test_from", s.TestFrom)
	if s.ValidationFrom == "" || !ok {
		return
	}
	validation, alike, ok := d.cut("data.split.validation_from", s.ValidationFrom)
	switch {
	case !ok:
	case alike != dates:
		d.failAt("data.split.validation_from", "%q and test_from %q are not both dates or both numbers", clip(s.ValidationFrom), clip(s.TestFrom))
	case validation >= test:
		d.failAt("data.split.validation_from", "%s is not before test_from %s", clip(s.ValidationFrom), clip(s.TestFrom))
	}
}

// cut reads where a side begins.
func (d *decoder) cut(path, text string) (at int64, dates, ok bool) {
	if text == "" {
		d.failAt(path, "missing; say where the test side begins, e.g. 2026-01-01")
		return 0, false, false
	}
	at, dates, ok = ParseCut(text)
	if !ok {
		d.failAt(path, "%q is no time; write a date such as 2026-01-31 or 2026-01-31T12:00:00Z, or a number where the column holds numbers", clip(text))
	}
	return at, dates, ok
}

// ParseCut reads validation_from or test_from: a date, as nanoseconds since
// 1970, or a number, as split.NumberTime orders it.
func ParseCut(text string) (at int64, dates, ok bool) {
	if at, ok = split.ParseDate(text); ok {
		return at, true, true
	}
	v, ok := table.ParseNumber(strings.TrimSpace(text))
	return split.NumberTime(v), false, ok
}

// Spacing is the gap as package split takes it.
func (g Gap) Spacing() split.Spacing {
	return split.Spacing{Rows: g.Rows, Duration: time.Duration(g.Duration)}
}

func (d *decoder) checkWeight(c *Data) {
	if c.Weight == "" {
		return
	}
	if c.Weight == c.Target {
		d.failAt("data.weight", "%q is the target; name the column that says how much a row counts", clip(c.Weight))
	}
	if i := slices.Index(c.Features, c.Weight); i >= 0 {
		d.failAt("data.features["+strconv.Itoa(i)+"]", "%q is data.weight; what says how much a row counts is not learnt from", clip(c.Weight))
	}
}
