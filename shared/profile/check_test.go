package profile

import (
	"fmt"
	"strings"
	"testing"
)

func whole(p Profile) Scope { return Scope{Name: "the dataset", Profile: p} }

func texts(findings []Finding) string {
	return strings.Join(Reasons(findings, 50), "\n")
}

// rows repeats a row of CSV.
func rows(row string, n int) string { return strings.Repeat(row+"\n", n) }

func TestGoodDataPassesWithEveryMeasureListed(t *testing.T) {
	p := Of(csv(t, "a.csv", people(500, 1)), config(t, plain))
	findings := Check(config(t, plain), nil, whole(p))
	if failed := Failed(findings); len(failed) > 0 {
		t.Errorf("%+v", failed)
	}
	measured := map[string]bool{}
	for _, f := range findings {
		measured[f.Column+"."+f.Measure] = true
	}
	for _, want := range []string{"age.null_ratio", "age.variance", "job.null_ratio", "job.distinct", "y.null_ratio", "y.class_balance"} {
		if !measured[want] {
			t.Errorf("%s was not measured: %v", want, measured)
		}
	}
}

func TestEachLimit(t *testing.T) {
	good := "x,s,y\n" + rows("1,a,0", 50) + rows("2,b,1", 50)
	for _, c := range []struct{ name, config, data, want string }{
		{"nulls", plain, "x,s,y\n" + rows("1,a,0", 50) + rows("2,b,1", 44) + rows(",b,1", 6), `column "x" has no value in 0.06 of its rows, the limit is below 0.05`},
		{"nulls at the limit", plain, "x,s,y\n" + rows("1,a,0", 50) + rows("2,b,1", 45) + rows("2,,1", 5), `column "s" has no value in 0.05 of its rows`},
		{"constant number", plain, "x,s,y\n" + rows("1,a,0", 50) + rows("1,b,1", 50), `feature "x" has the variance 0, the limit is above 1e-06`},
		{"constant text", plain, "x,s,y\n" + rows("1,a,0", 50) + rows("2,a,1", 50), `feature "s" has 1 distinct values, at least 2`},
		{"empty column", plain, "x,s,y\n" + rows("1,,0", 50) + rows("2,,1", 50), `column "s" has no value in 1 of its rows`},
		{"balance low", plain, "x,s,y\n" + rows("1,a,0", 90) + rows("2,b,1", 10), `0.1 of the rows have the class "1", the limits are 0.2 to 0.8`},
		{"balance high", plain, "x,s,y\n" + rows("1,a,0", 10) + rows("2,b,1", 90), `0.9 of the rows have the class "1"`},
		{"balance of text", plain, "x,s,y\n" + rows("1,a,no", 90) + rows("2,b,yes", 10), `0.1 of the rows have the class "yes"`},
		{"one class", plain, "x,s,y\n" + rows("1,a,0", 50) + rows("2,b,0", 50), `0 of the rows have the class "1"`},
		{"one text class", plain, "x,s,y\n" + rows("1,a,no", 50) + rows("2,b,no", 50), `target "y": find the positive class: the target has 1 distinct values ("no")`},
		{"three classes", plain, "x,s,y\n" + rows("1,a,u", 50) + rows("2,b,v", 50) + "1,a,w\n", "set data.positive"},
		{"missing target", plain, "x,s,y\n" + rows("1,a,0", 50) + rows("2,b,1", 50) + "1,a,\n", `target "y" has no value in 1 of 101 rows`},
		{"unknown feature", "data: {target: y, features: [x, ss]}\n", good, `feature "ss" is not in the data; did you mean "s"?`},
		{"unknown target", "data: {target: yy}\n", good, `target "yy" is not in the data; did you mean "y"?`},
		{"unknown attribute", plain + "evaluation: {fairness: {protected_attributes: [sx]}}\n", good, `protected attribute "sx" is not in the data; did you mean "s"?`},
		{"given positive", "data: {target: y, positive: 2}\n", good, `0 of the rows have the class "2"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			cfg := config(t, c.config)
			got := texts(Check(cfg, nil, whole(Of(csv(t, "a.csv", c.data), cfg))))
			if !strings.Contains(got, c.want) {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
	cfg := config(t, plain)
	if got := texts(Check(cfg, nil, whole(Of(csv(t, "a.csv", good), cfg)))); got != "" {
		t.Errorf("the good data: %s", got)
	}
}

func TestABadUploadIsNotHiddenByAnOldDataset(t *testing.T) {
	cfg := config(t, plain)
	old := Of(csv(t, "old.csv", people(20_000, 1)), cfg)
	for _, c := range []struct{ name, data, want string }{
		{"nulls", "age,job,y\n" + rows(",clerk,0", 60) + rows("30,cook,1", 60), `the new objects: column "age" has no value in 0.5`},
		{"few rows, all null", "age,job,y\n" + rows(",clerk,0", 6) + rows(",cook,1", 6), `the new objects: column "age" has no value in 1`},
		{"one class", "age,job,y\n" + rows("20,clerk,0", 100) + rows("30,cook,0", 100), `the new objects: in column "y", 0 of the rows have the class "1"`},
		{"words among numbers", people(200, 9) + "old,cook,1\n", `the new objects: column "age" held only numbers before and now holds 1 other values, first "old" in row 201 of new.csv`},
		{"numbers among words", strings.NewReplacer("clerk", "1", "smith", "2", "cook", "3").Replace(people(200, 9)), `column "job" held text in 1 of its values before and now holds only numbers`},
		{"constant", "age,job,y\n" + rows("20,clerk,0", 600) + rows("20,cook,1", 600), `the new objects: feature "age" has the variance 0`},
		{"column gone", "job,y\n" + rows("clerk,0", 60) + rows("cook,1", 60), `column "age" is in the objects of 20000 of 20120 rows only`},
		{"column more", "age,job,y,z\n" + rows("20,clerk,0,1", 60) + rows("30,cook,1,2", 60), `column "z" is in the objects of 120 of 20120 rows only`},
	} {
		t.Run(c.name, func(t *testing.T) {
			added := Of(csv(t, "new.csv", c.data), cfg)
			merged, err := Merge(old, added)
			if err != nil {
				t.Fatal(err)
			}
			if c.name == "nulls" {
				if got := Failed(Check(cfg, &old, whole(merged))); len(got) > 0 {
					t.Fatalf("the whole alone should hide it: %+v", got)
				}
			}
			got := texts(Check(cfg, &old, whole(merged), Scope{"the new objects", added, Added}, Scope{"new.csv", added, Object}))
			if !strings.Contains(got, c.want) {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
}

func TestSmallGoodUploadsPass(t *testing.T) {
	cfg := config(t, plain)
	old := Of(csv(t, "old.csv", people(20_000, 1)), cfg)
	for n, data := range []string{
		"age,job,y\n20,clerk,0\n", "age,job,y\n,clerk,0\n30,cook,1\n40,cook,1\n", people(30, 5), people(150, 6),
	} {
		added := Of(csv(t, "new.csv", data), cfg)
		merged, _ := Merge(old, added)
		got := texts(Check(cfg, &old, whole(merged), Scope{"the new objects", added, Added}, Scope{"new.csv", added, Object}))
		if got != "" {
			t.Errorf("upload %d: %s", n, got)
		}
	}
}

func TestOnlyNamedFeaturesAreJudged(t *testing.T) {
	cfg := config(t, "data: {target: y, features: [age]}\n")
	p := Of(csv(t, "old.csv", strings.ReplaceAll(people(200, 1), "\n", ",z\n")), cfg)
	before := p
	before.Columns = append(before.Columns[:len(before.Columns):len(before.Columns)], &Column{Name: "zz", Kind: "text", Rows: 1})
	if got := texts(Check(cfg, &before, whole(p))); got != "" {
		t.Error(got)
	}
}

func TestReasonsAreBounded(t *testing.T) {
	var findings []Finding
	for i := range 30 {
		findings = append(findings, Finding{Verdict: Fail, Measure: "null_ratio", Text: fmt.Sprint("reason ", i)})
	}
	findings = append(findings, Finding{Verdict: Fail, Measure: "missing_column", Text: "first"}, Finding{Verdict: Pass, Text: "fine"})
	got := Reasons(findings, 20)
	if len(got) != 20 || got[0] != "first" || got[19] != "and 12 more, which the report lists" {
		t.Errorf("%d: %v", len(got), got)
	}
}
