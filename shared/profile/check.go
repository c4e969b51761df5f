package profile

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/sluice-ml/sluice/shared/goal"
	"github.com/sluice-ml/sluice/shared/table"
	"github.com/sluice-ml/sluice/shared/trainconfig"
)

// Verdicts of a finding.
const (
	Pass = "pass"
	Fail = "fail"
)

// Finding is one measure of one column in one scope, with its limit.
type Finding struct {
	Scope   string  `json:"scope"`  // Scope.Name
	Column  string  `json:"column"` // "" when the whole scope is meant
	Measure string  `json:"measure"`
	Value   float64 `json:"value"`
	Limit   float64 `json:"limit"`
	N       int64   `json:"n"` // rows behind the value
	Verdict string  `json:"verdict"`
	Text    string  `json:"text"` // names column, figure and limit
}

// Scope is a part of the data that is judged on its own, so that a bad upload
// is not hidden by the good rows around it.
type Scope struct {
	Name    string // e.g. "the dataset", "the new objects", an object's key
	Profile Profile
	Kind    ScopeKind
}

// ScopeKind says what can be asked of a scope.
type ScopeKind int

const (
	// Whole is the dataset that a model would learn from: every limit holds.
	Whole ScopeKind = iota
	// Added is everything that the run added: every limit holds, but a share
	// over fewer than SmallRows must miss its limit beyond doubt, and a constant
	// feature counts only over at least ConstantRows.
	Added
	// Object is one of several added objects: as Added, but it may hold one
	// class only, because people split uploads by class.
	Object
)

const (
	// SmallRows is below which a share is judged by the 99 % Wilson bound.
	SmallRows = 100
	// ConstantRows is below which a feature of an added scope may be constant:
	// in real data rare values are often absent from a few hundred rows.
	ConstantRows = 1000
)

// Check judges scopes; the first must be the Whole. previous is the profile of
// the commit before, nil when there is none. It gives a finding for every
// measure that was taken; the data passes when none says Fail.
func Check(cfg *trainconfig.Config, previous *Profile, scopes ...Scope) []Finding {
	if len(scopes) == 0 || scopes[0].Kind != Whole {
		panic("profile: Check wants the whole dataset as its first scope")
	}
	c := &checker{cfg: cfg, previous: previous, whole: &scopes[0].Profile}
	c.names()
	c.schema()
	for i := range scopes {
		c.scope = &scopes[i]
		c.checkScope()
	}
	return c.findings
}

// Judge judges scopes one at a time, for where there are too many to hold: what
// Check says of each, given the whole. It may be asked from several goroutines.
type Judge struct{ prepared checker }

// NewJudge reads the whole's names and classes. previous is as in Check; neither
// profile may change while the judge is asked.
func NewJudge(cfg *trainconfig.Config, previous, whole *Profile) *Judge {
	c := checker{cfg: cfg, previous: previous, whole: whole}
	c.names()
	c.findings = nil // Check says them, once
	return &Judge{c}
}

// Failures are what fails in a scope other than the whole.
func (j *Judge) Failures(scope Scope) []Finding {
	c := j.prepared
	c.scope = &scope
	c.checkScope()
	return Failed(c.findings)
}

// Failed keeps the findings that fail, the worst scope first: the whole, then
// the order of the scopes.
func Failed(findings []Finding) []Finding {
	return slices.DeleteFunc(slices.Clone(findings), func(f Finding) bool { return f.Verdict != Fail })
}

type checker struct {
	cfg      *trainconfig.Config
	previous *Profile
	whole    *Profile
	features []string // those that exist
	positive string   // "" when it cannot be told
	scope    *Scope
	findings []Finding
}

func (c *checker) add(column, measure string, value, limit float64, n int64, failed bool, text string, args ...any) {
	verdict := Pass
	if failed {
		verdict = Fail
	}
	name := ""
	if c.scope != nil {
		name = c.scope.Name
	}
	c.findings = append(c.findings, Finding{
		Scope: name, Column: column, Measure: measure, Value: value, Limit: limit, N: n,
		Verdict: verdict, Text: fmt.Sprintf(text, args...),
	})
}

// names checks that every column that the configuration names is there, and
// finds the positive class.
func (c *checker) names() {
	known := c.whole.Names()
	for _, name := range Features(c.cfg, known) {
		if c.known("feature", name, known) {
			c.features = append(c.features, name)
		}
	}
	if weight := c.cfg.Data.Weight; weight != "" {
		c.known("weight", weight, known)
	}
	if column := c.cfg.Data.Split.Column; column != "" {
		c.known("split column", column, known)
	}
	for _, name := range c.cfg.Evaluation.Fairness.ProtectedAttributes {
		c.known("protected attribute", name, known)
	}
	if qid := c.cfg.Data.QID; qid != "" {
		c.known("query", qid, known)
	}
	if !c.known("target", c.cfg.Data.Target, known) {
		return
	}
	if c.cfg.Goal() != goal.Binary {
		c.target()
		return
	}
	values := make([]string, 0, len(c.whole.Classes))
	for v := range c.whole.Classes {
		values = append(values, v)
	}
	positive, err := table.Positive(values, c.cfg.Data.Positive)
	if err == nil && c.whole.OtherClasses > 0 && c.cfg.Data.Positive == "" {
		err = fmt.Errorf("the target has more than %d distinct values; set data.positive", len(values))
	}
	if err != nil {
		c.add(c.cfg.Data.Target, "positive_class", float64(len(values)), 2, c.whole.Rows, true, "target %q: %v", c.cfg.Data.Target, err)
		return
	}
	c.positive = positive
}

func (c *checker) known(what, name string, known []string) bool {
	if slices.Contains(known, name) {
		return true
	}
	text := fmt.Sprintf("%s %q is not in the data", what, name)
	if nearest := trainconfig.Nearest(name, known); nearest != "" {
		text += fmt.Sprintf("; did you mean %q?", nearest)
	}
	c.add(name, "missing_column", 0, 1, c.whole.Rows, true, "%s", text)
	return false
}

// schema finds columns that only some objects have, and what became of the
// columns of the commit before.
func (c *checker) schema() {
	for _, column := range c.whole.Columns {
		if column.Rows == c.whole.Rows {
			continue
		}
		share := float64(column.Rows) / float64(max(1, c.whole.Rows))
		c.add(column.Name, "partial_column", share, 1, c.whole.Rows, true, // rows are told apart by their whole content
			"column %q is in the objects of %d of %d rows only%s; upload every object with the same columns",
			column.Name, column.Rows, c.whole.Rows, c.whole.without(column.Name))
	}
	if c.previous == nil {
		return
	}
	for _, before := range c.previous.Columns {
		now := c.whole.Column(before.Name)
		if now == nil && c.needs(before.Name) {
			c.add(before.Name, "missing_column", 0, 1, c.whole.Rows, true, "column %q, which the commit before has, is gone%s",
				before.Name, c.whole.without(before.Name))
		}
	}
}

// needs says whether training or judging reads a column. Without a list of
// features it reads them all.
func (c *checker) needs(name string) bool {
	return len(c.cfg.Data.Features) == 0 || name == c.cfg.Data.Target ||
		slices.Contains(c.cfg.Data.Features, name) || (name == c.cfg.Data.QID && name != "") ||
		slices.Contains(c.cfg.Evaluation.Fairness.ProtectedAttributes, name)
}

func (c *checker) checkScope() {
	p := &c.scope.Profile
	if p.Rows == 0 {
		c.add("", "rows", 0, 1, 0, true, "%s: no rows", c.scope.Name)
		return
	}
	needed := slices.Clone(c.features)
	if c.whole.Column(c.cfg.Data.Target) != nil {
		needed = append(needed, c.cfg.Data.Target)
	}
	for _, name := range needed {
		column := p.Column(name)
		if column == nil {
			c.add(name, "missing_column", 0, 1, p.Rows, true, "%s: column %q is missing", c.scope.Name, name)
			continue
		}
		c.kind(column)
		c.nulls(column, name == c.cfg.Data.Target)
		if name != c.cfg.Data.Target {
			c.variance(column)
		}
	}
	switch c.cfg.Goal() {
	case goal.Binary:
		c.balance(p)
	case goal.Multiclass:
		c.balances(p)
	default:
		c.varies(p)
	}
}

// kind compares a scope's column with the commit before, so one stray word in
// an upload does not silently turn a number column into text.
func (c *checker) kind(now *Column) {
	if c.previous == nil {
		return
	}
	before := c.previous.Column(now.Name)
	if before == nil || before.Kind == "" || now.Kind == "" || before.Kind == now.Kind {
		return
	}
	share := float64(now.Texts) / float64(max(1, now.Rows-now.Nulls))
	if before.Kind == "number" {
		where := ""
		if now.Example != nil {
			where = fmt.Sprintf(", first %q in row %d of %s", now.Example.Value, now.Example.Row, now.Example.Object)
		}
		c.add(now.Name, "changed_kind", share, 0, now.Rows, true,
			"%s: column %q held only numbers before and now holds %d other values%s", c.scope.Name, now.Name, now.Texts, where)
		return
	}
	// Text that happens to be all numbers in a small upload is no change.
	was := float64(before.Texts) / float64(max(1, before.Rows-before.Nulls))
	unlikely := math.Pow(1-was, float64(now.Rows-now.Nulls)) < 1e-6
	c.add(now.Name, "changed_kind", share, was, now.Rows, unlikely,
		"%s: column %q held text in %.4g of its values before and now holds only numbers", c.scope.Name, now.Name, was)
}

func (c *checker) nulls(column *Column, target bool) {
	ratio := float64(column.Nulls) / float64(max(1, column.Rows))
	if target {
		c.add(column.Name, "null_ratio", ratio, 0, column.Rows, column.Nulls > 0,
			"%s: target %q has no value in %d of %d rows; every row needs one", c.scope.Name, column.Name, column.Nulls, column.Rows)
		return
	}
	limit := c.cfg.Evaluation.DataQuality.NullRatio
	failed := ratio >= limit
	if c.small(column.Rows) {
		low, _ := wilson(column.Nulls, column.Rows)
		failed = low >= limit
	}
	c.add(column.Name, "null_ratio", ratio, limit, column.Rows, failed && column.Nulls > 0,
		"%s: column %q has no value in %.4g of its rows, the limit is below %.4g", c.scope.Name, column.Name, ratio, limit)
}

func (c *checker) small(rows int64) bool { return c.scope.Kind != Whole && rows < SmallRows }

func (c *checker) variance(column *Column) {
	if c.scope.Kind != Whole && column.Rows < ConstantRows {
		return
	}
	limit := c.cfg.Evaluation.DataQuality.FeatureVariance
	if column.Kind == "number" {
		v := column.Moments.Variance()
		c.add(column.Name, "variance", v, limit, column.Moments.Count, !(v > limit),
			"%s: feature %q has the variance %.4g, the limit is above %.4g", c.scope.Name, column.Name, v, limit)
		return
	}
	n := column.Distinct.Estimate()
	c.add(column.Name, "distinct", float64(n), 2, column.Rows, n < 2,
		"%s: feature %q has %d distinct values, at least 2 are needed to learn from it", c.scope.Name, column.Name, n)
}

func (c *checker) balance(p *Profile) {
	if c.positive == "" || p.Column(c.cfg.Data.Target) == nil || c.scope.Kind == Object {
		return
	}
	limits := c.cfg.Evaluation.DataQuality.ClassBalance
	total, positives := p.OtherClasses, p.Classes[c.positive]
	for _, n := range p.Classes {
		total += n
	}
	if total == 0 {
		return // every target is missing, which nulls has said
	}
	share := float64(positives) / float64(total)
	low, high := share, share
	if c.small(total) {
		low, high = wilson(positives, total)
	}
	limit := limits[0]
	if share > limits[1] || limits[1]-share < share-limits[0] {
		limit = limits[1]
	}
	c.add(c.cfg.Data.Target, "class_balance", share, limit, total, high < limits[0] || low > limits[1],
		"%s: in column %q, %.4g of the rows have the class %q, the limits are %.4g to %.4g", c.scope.Name, c.cfg.Data.Target, share, c.positive, limits[0], limits[1])
}

// wilson is the 99 % Wilson score interval of a share (Wilson 1927).
func wilson(k, n int64) (low, high float64) {
	const z = 2.5758293035489004 // 0.995 quantile of the normal distribution
	share, rows := float64(k)/float64(n), float64(n)
	centre := (share + z*z/(2*rows)) / (1 + z*z/rows)
	half := z / (1 + z*z/rows) * math.Sqrt(share*(1-share)/rows+z*z/(4*rows*rows))
	return max(0, centre-half), min(1, centre+half)
}

// Reasons are the texts of the failed findings, without repeats, at most most
// of them; what is cut is counted in the last.
func Reasons(findings []Finding, most int) []string {
	failed := Failed(findings)
	slices.SortStableFunc(failed, func(a, b Finding) int { return cmp.Compare(rank(a), rank(b)) })
	reasons := []string{}
	for _, f := range failed {
		if text := strings.TrimSpace(f.Text); !slices.Contains(reasons, text) {
			reasons = append(reasons, text)
		}
	}
	if len(reasons) > most {
		cut := len(reasons) - most + 1
		reasons = append(reasons[:most-1], fmt.Sprintf("and %d more, which the report lists", cut))
	}
	return reasons
}

// rank puts what explains the rest first: names and schema, then values.
func rank(f Finding) int {
	switch f.Measure {
	case "missing_column", "partial_column", "positive_class", "classes", "target_texts", "rows":
		return 0
	case "changed_kind":
		return 1
	}
	return 2
}
