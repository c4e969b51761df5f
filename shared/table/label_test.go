package table

import (
	"fmt"
	"strings"
	"testing"
)

func TestLabels(t *testing.T) {
	for _, c := range []struct{ cells, given, positive, labels, want string }{
		{"0 1 1.0", "", "1", "[0 1 1]", ""},
		{"<=50K >50K <=50K", "", ">50K", "[0 1 0]", ""},
		{"no yes", "no", "no", "[1 0]", ""},
		{"1 2 3", "2.0", "2", "[0 1 0]", ""},
		{"1 2", "", "", "", `2 distinct values ("1", "2"), which do not say which one is positive`},
		{"a b c", "", "", "", "set data.positive"},
		{"a a", "", "", "", `1 distinct values ("a")`},
		{"a b", "c", "", "", `no row of column "y" has the positive value "c"; it has 2 distinct values ("a", "b")`},
		{"a NA", "", "", "", `column "y" has no value in row 2`},
		{"0 0", "", "1", "[0 0]", ""},
	} {
		table := mustRead(t, "a.csv", "y\n"+strings.ReplaceAll(c.cells, " ", "\n")+"\n")
		y, _ := table.Column("y")
		labels, positive, err := Labels(y, c.given)
		if c.want != "" {
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%s: %v", c.cells, err)
			}
			continue
		}
		if err != nil || positive != c.positive || fmt.Sprint(labels) != c.labels {
			t.Errorf("%s: %v %q %v", c.cells, labels, positive, err)
		}
	}
}
