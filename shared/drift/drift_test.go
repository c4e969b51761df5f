package drift

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"strings"
	"testing"

	"github.com/sluice-ml/sluice/shared/profile"
	"github.com/sluice-ml/sluice/shared/table"
	"github.com/sluice-ml/sluice/shared/trainconfig"
)

func profileOf(t testing.TB, values []any) *profile.Profile {
	t.Helper()
	var b bytes.Buffer
	b.WriteString("x,y\n")
	for i, v := range values {
		if v == nil {
			v = ""
		}
		fmt.Fprintf(&b, "%v,%d\n", v, i%2)
	}
	cfg, err := trainconfig.Parse("c", []byte("experiment: {name: m}\ndata: {target: y}\n"))
	if err != nil {
		t.Fatal(err)
	}
	tab, err := table.Read(context.Background(), "a.csv", bytes.NewReader(b.Bytes()), int64(b.Len()), table.Options{})
	if err != nil {
		t.Fatal(err)
	}
	p := profile.Of(tab, cfg)
	return &p
}

func TestIndexAgreesWithNumpy(t *testing.T) {
	data, err := os.ReadFile("testdata/psi.json")
	if err != nil {
		t.Fatal(err)
	}
	var cases []struct {
		Name             string
		Expected, Actual []any
		PSI              float64
	}
	if err := json.Unmarshal(data, &cases); err != nil {
		t.Fatal(err)
	}
	for _, c := range cases {
		r := Compare(profileOf(t, c.Expected), profileOf(t, c.Actual), []string{"x"}, Threshold)
		if math.Abs(r.PSI-c.PSI) > 1e-12 {
			t.Errorf("%s: %.15g, want %.15g", c.Name, r.PSI, c.PSI)
		}
		want := "pass"
		if c.PSI > Threshold {
			want = "fail"
		}
		if r.Verdict != want || r.Worst != "x" {
			t.Errorf("%s: %s of %q, want %s", c.Name, r.Verdict, r.Worst, want)
		}
	}
}

func numbers(n, from int) []any {
	out := make([]any, n)
	for i := range out {
		out[i] = from + i%50
	}
	return out
}

func TestTooLittleEvidenceIsInsufficient(t *testing.T) {
	r := Compare(profileOf(t, numbers(1000, 0)), profileOf(t, numbers(60, 40)), []string{"x", "gone"}, Threshold)
	if r.Verdict != "insufficient" || r.Worst != "" || r.Features[0].Reason != "too few rows for its bins" ||
		r.Features[1].Reason != "the column is not in both profiles" {
		t.Errorf("%+v", r)
	}
}

func TestKindsThatChangeAreDrift(t *testing.T) {
	words := make([]any, 1000)
	for i := range words {
		words[i] = strings.Repeat("w", 1+i%3)
	}
	n, w := profileOf(t, numbers(1000, 0)), profileOf(t, words)
	for _, r := range []Report{Compare(n, w, []string{"x"}, Threshold), Compare(w, n, []string{"x"}, Threshold)} {
		if r.Verdict != "fail" || math.IsInf(r.PSI, 0) {
			t.Errorf("%+v", r)
		}
	}
	mixed := profileOf(t, append(numbers(1000, 0), "one"))
	if r := Compare(n, mixed, []string{"x"}, Threshold); r.Verdict != "pass" {
		t.Errorf("one word among numbers: %+v", r)
	}
}
