package cost

import (
	"math"
	"testing"
)

func near(a, b float64) bool { return math.Abs(a-b) < 1e-9*max(1, math.Abs(b)) }

// The expected sums are worked out by hand from the price list.
func TestStoragePrices(t *testing.T) {
	for _, c := range []struct {
		class string
		bytes int64
		want  float64
	}{
		{"", 1 << 30, 0.023},
		{"STANDARD", 100 << 30, 2.3},
		{"STANDARD_IA", 1 << 30, 0.0125},
		{"STANDARD_IA", 1, 0.0125 / 8192},           // 128 KiB at least
		{"GLACIER_IR", 64 << 10, 0.004 / 8192},      // the same
		{"GLACIER", 0, 0.0036/32768 + 0.023/131072}, // 32 KiB and an index of 8 KiB
		{"DEEP_ARCHIVE", 1 << 40, 1.01376 + 0.00099/32768 + 0.023/131072},
	} {
		class, ok := ClassOf(c.class)
		if got := class.Month(c.bytes); !ok || !near(got, c.want) {
			t.Errorf("%s of %d bytes: %g, want %g", c.class, c.bytes, got, c.want)
		}
	}
	if _, ok := ClassOf("SNOW"); ok {
		t.Error("SNOW has a price")
	}
}

func TestAMoveBreaksEven(t *testing.T) {
	standard, _ := ClassOf("STANDARD")
	ia, _ := ClassOf("STANDARD_IA")
	var m Move
	for range 1000 {
		m.Add(standard, ia, 1<<30)
	}
	if !near(m.NowMonth, 23) || !near(m.ThenMonth, 12.501) || !near(m.Once, 0.01) || m.Even != 0.01 || !near(m.ReadAll, 10) || m.LeastDays != 30 {
		t.Errorf("%+v", m)
	}
	var small Move
	small.Add(standard, ia, 1<<10)
	if small.Even != -1 {
		t.Errorf("moving 1 KiB saves nothing: %+v", small)
	}
}
