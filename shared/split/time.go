package split

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Times are the rows' places in time, which only have to be compared: equal
// times are never parted.
type Times struct {
	At []int64 // nanoseconds since 1970 where Dates, else NumberTime
	// Dates says that the times are dates, not mere numbers.
	Dates bool
}

// Spacing is how much lies unused between two sides in time: so many rows, or
// so long. It keeps what was known of a row's near future out of its past.
type Spacing struct {
	Rows     int
	Duration time.Duration // only between dates
}

// layouts are those that a date may be written in; without a zone it is UTC.
func layouts() []string {
	return []string{time.RFC3339Nano, "2006-01-02", "2006-01-02T15:04:05.999999999", "2006-01-02 15:04:05.999999999Z07:00",
		"2006-01-02 15:04:05.999999999", "2006-01-02T15:04", "2006-01-02 15:04"}
}

// ParseDate reads a date, or a date and time, in ISO 8601's order, as
// nanoseconds since 1970; without a zone it is UTC. The years are 1678 to 2261.
func ParseDate(text string) (int64, bool) {
	text = strings.TrimSpace(text)
	if len(text) < 10 || text[4] != '-' {
		return 0, false
	}
	for _, layout := range layouts() {
		if t, err := time.Parse(layout, text); err == nil {
			return t.UnixNano(), t.Year() > 1677 && t.Year() < 2262
		}
	}
	return 0, false
}

// NumberTime is a number's place among Times that are no dates: the greater
// number is later.
func NumberTime(v float64) int64 {
	bits := int64(math.Float64bits(v + 0)) // minus zero is zero
	if bits < 0 {
		return math.MinInt64 - bits
	}
	return bits
}

// Text is a time as people read it.
func (t Times) Text(at int64) string {
	if t.Dates {
		return time.Unix(0, at).UTC().Format("2006-01-02T15:04:05.999999999Z")
	}
	if at < 0 {
		at = math.MinInt64 - at
	}
	return strconv.FormatFloat(math.Float64frombits(uint64(at)), 'g', -1, 64)
}

// Cuts are where sides begin in time. Validation == Test is no validation side.
type Cuts struct{ Validation, Test int64 }

// CutsAt finds the cuts that give the sides these shares of the rows, as near
// as whole rows allow. A cut that would part equal times moves before them.
func (t Times) CutsAt(train, validation float64) Cuts {
	order := t.order()
	begin := func(share float64) int64 {
		place := int(math.Round(share * float64(len(order))))
		return t.At[order[min(place, len(order)-1)]]
	}
	return Cuts{Validation: begin(train), Test: begin(train + validation)}
}

// Sides puts the rows before cuts.Validation on the training side, those from
// there to before cuts.Test on the validation side, and the others on the test
// side; what is closer than gap to the next cut is left out. The error says
// which side has no rows.
func (t Times) Sides(cuts Cuts, gap Spacing) ([]Side, error) {
	sides := make([]Side, len(t.At))
	for row, at := range t.At {
		switch {
		case at >= cuts.Test:
			sides[row] = Test
		case at >= cuts.Validation:
			sides[row] = Validation
		}
	}
	for _, cut := range []int64{cuts.Validation, cuts.Test} {
		for _, row := range t.near(cut, gap) {
			sides[row] = Gap
		}
	}
	wanted := []Side{Train, Validation, Test}
	if cuts.Validation == cuts.Test {
		wanted = []Side{Train, Test}
	}
	for _, side := range wanted {
		if !slices.Contains(sides, side) {
			return nil, fmt.Errorf("no row is left for the %s side: validation begins at %s and test at %s, and the gap is %s",
				side, t.Text(cuts.Validation), t.Text(cuts.Test), gap)
		}
	}
	return sides, nil
}

// String is "100 rows" or "24h0m0s".
func (s Spacing) String() string {
	if s.Duration > 0 {
		return s.Duration.String()
	}
	return strconv.Itoa(s.Rows) + " rows"
}

// near lists the rows before a cut that are closer to it than a gap.
func (t Times) near(cut int64, gap Spacing) []int {
	if gap == (Spacing{}) {
		return nil
	}
	var before []int
	for row, at := range t.At {
		if at < cut && (gap.Rows > 0 || at >= cut-int64(gap.Duration)) {
			before = append(before, row)
		}
	}
	if gap.Rows > 0 {
		t.sort(before)
		before = before[max(0, len(before)-gap.Rows):]
	}
	return before
}

func (t Times) order() []int {
	order := make([]int, len(t.At))
	for i := range order {
		order[i] = i
	}
	t.sort(order)
	return order
}

func (t Times) sort(rows []int) {
	slices.SortFunc(rows, func(a, b int) int {
		if t.At[a] != t.At[b] {
			if t.At[a] < t.At[b] {
				return -1
			}
			return 1
		}
		return a - b
	})
}

// Forward makes k folds that chain forward, as scikit-learn's TimeSeriesSplit
// does: in order of time the rows are cut into k+1 blocks, the first one taking
// what does not divide; fold i holds block i+1 out and learns from all that
// lies before it by more than the gap. A cut that would part equal times moves
// before them. The first block is held out by none. The error says which fold
// is left without rows.
func (t Times) Forward(k int, gap Spacing) (*Assignment, error) {
	n := len(t.At)
	if k < 2 || n <= k {
		return nil, fmt.Errorf("%d folds of %d rows: want at least 2 folds, and more rows than folds", k, n)
	}
	order := t.order()
	size := n / (k + 1)
	f := &Assignment{K: k, Held: make([]int, n), from: make([]int, n)}
	cuts := make([]int64, k)
	for i := range cuts {
		cuts[i] = t.At[order[n-(k-i)*size]]
	}
	for row, at := range t.At {
		after, _ := slices.BinarySearch(cuts, at+1) // cuts at or before the row
		f.Held[row], f.from[row] = after-1, after
	}
	for fold, cut := range cuts {
		for _, row := range t.near(cut, gap) {
			f.from[row] = max(f.from[row], fold+1)
		}
	}
	return f, t.checkForward(f)
}

func (t Times) checkForward(f *Assignment) error {
	for fold := range f.K {
		learns, held := f.Of(fold)
		if len(learns) == 0 || len(held) == 0 {
			return fmt.Errorf("fold %d of %d would learn from %d rows and hold %d out: there are too few different times for so many folds, or the gap is too long",
				fold+1, f.K, len(learns), len(held))
		}
	}
	return nil
}

// Span is the first and the last time of some rows, of which there is one at
// least.
func (t Times) Span(rows []int) (first, last int64) {
	first, last = t.At[rows[0]], t.At[rows[0]]
	for _, row := range rows {
		first, last = min(first, t.At[row]), max(last, t.At[row])
	}
	return first, last
}
