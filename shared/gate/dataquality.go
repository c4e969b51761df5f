package gate

import (
	"slices"

	"github.com/sluice-ml/sluice/shared/profile"
	"github.com/sluice-ml/sluice/shared/trainconfig"
)

// DataQuality judges the data that the candidate learnt from, once more and
// from the profile itself, and holds validate's report against it: the same
// commit, and passed. commit is the plan's.
func DataQuality(c *trainconfig.Config, commit string, p *profile.Profile, report *profile.Report) Verdict {
	v := newVerdict(NameDataQuality, c.Evaluation.DataQuality)
	if p == nil || report == nil {
		v.insufficient("the data was not profiled and validated")
		return *v
	}
	if report.Commit != commit || report.Rows != p.Rows {
		v.insufficient("the validation is of commit %.12s with %d rows, the candidate learnt from commit %.12s with %d rows",
			report.Commit, report.Rows, commit, p.Rows)
		return *v
	}
	findings := profile.Check(c, nil, profile.Scope{Name: "the dataset", Profile: *p})
	for _, f := range report.Findings {
		if !slices.Contains(findings, f) {
			findings = append(findings, f)
		}
	}
	for _, f := range findings {
		v.Measurements = append(v.Measurements, measurementOf(f))
		v.Verdict = Worse(v.Verdict, f.Verdict)
	}
	v.Reasons = append(v.Reasons, profile.Reasons(findings, maxReasons)...)
	if report.Verdict != profile.Pass && v.Verdict == Pass {
		v.Verdict, v.Reasons = Fail, slices.Clone(report.Reasons)
	}
	return *v
}

func measurementOf(f profile.Finding) Measurement {
	m := Measurement{Name: f.Measure, Group: f.Column, Value: f.Value, Low: f.Value, High: f.Value, Limit: f.Limit, N: int(f.N), Verdict: f.Verdict}
	if f.Scope != "the dataset" && f.Scope != "" {
		m.Group = f.Column + " of " + f.Scope
	}
	return m
}
