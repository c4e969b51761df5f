package profile

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

func TestAColumnThatSomeObjectsLackNamesThem(t *testing.T) {
	with, without := "x,s,y\n1,a,0\n2,b,1\n", "x,y\n1,0\n"
	for _, c := range []struct {
		lack, have int
		want       string
	}{
		{1, 2, `only: l0.csv lacks it, h0.csv, h1.csv have it; upload every object`},
		{3, 1, `only: l0.csv, l1.csv, l2.csv lack it, h0.csv has it; upload`},
		{9, 7, `only: l0.csv, l1.csv, l2.csv and 6 more lack it, h0.csv, h1.csv, h2.csv and 4 more have it; upload`},
	} {
		var parts []Profile
		for n := range c.have {
			parts = append(parts, Of(csv(t, fmt.Sprintf("h%d.csv", n), with), config(t, plain)))
		}
		for n := range c.lack {
			parts = append(parts, Of(csv(t, fmt.Sprintf("l%d.csv", n), without), config(t, plain)))
		}
		for size := 1; size <= len(parts); size++ { // however the objects were grouped
			var merged []Profile
			for group := range slices.Chunk(parts, size) {
				p, err := Merge(group...)
				if err != nil {
					t.Fatal(err)
				}
				merged = append(merged, p)
			}
			p, err := Merge(merged...)
			if err != nil {
				t.Fatal(err)
			}
			if got := texts(Check(config(t, plain), nil, whole(p))); !strings.Contains(got, c.want) {
				t.Errorf("%+v in groups of %d: %s", c, size, got)
			}
		}
	}
}

func TestHeadersAreBoundedAndUnknownOnesStayUnknown(t *testing.T) {
	var parts []Profile
	for n := range mostHeaders + 5 {
		parts = append(parts, Of(csv(t, fmt.Sprintf("%d.csv", n), fmt.Sprintf("x,y,c%d\n1,0,1\n", n)), config(t, plain)))
	}
	p, err := Merge(parts...)
	if err != nil || len(p.Headers) != mostHeaders || p.Check() != nil {
		t.Fatal(len(p.Headers), err, p.Check())
	}
	old := parts[0]
	old.Headers = nil
	if p, err = Merge(parts[1], old); err != nil || p.Headers != nil || p.without("x") != "" {
		t.Fatal(p.Headers, err)
	}
	old.Name("old.csv")
	if p, err = Merge(parts[1], old); err != nil || len(p.Headers) != 2 {
		t.Fatal(p.Headers, err)
	}
	for _, bad := range []Header{{}, {Columns: []string{"b", "a"}, Objects: []string{"o"}, Count: 1}, {Objects: []string{"o", "p"}, Count: 1}} {
		p.Headers = []Header{bad}
		if p.Check() == nil {
			t.Errorf("%+v passes", bad)
		}
	}
}
