package report

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluice-ml/sluice/shared/contract"
	"github.com/sluice-ml/sluice/shared/decision"
	"github.com/sluice-ml/sluice/shared/drift"
	"github.com/sluice-ml/sluice/shared/gate"
	"github.com/sluice-ml/sluice/shared/profile"
	"github.com/sluice-ml/sluice/shared/rollout"
	"github.com/sluice-ml/sluice/shared/trainconfig"
	"github.com/sluice-ml/sluice/shared/training"
)

var noon = time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)

// hostile is text that breaks pages: markup, an end of a style sheet, quotes, a
// right-to-left override, control characters, broken UTF-8, a template, length.
const hostile = "<script>alert('x')</script></style></title>\"'`{{.}}\u202eevil\u0000\u001b[31m\xff<img src=x onerror=alert(1)>&amp;"

func scores(n int) *Scores {
	r := rand.New(rand.NewPCG(7, 7))
	s := &Scores{Attributes: map[string][]string{}, Protected: []string{"sex", hostile}, MinGroup: 30}
	for i := range n {
		label := float64(i % 3 / 2)
		s.Label = append(s.Label, label)
		s.Score = append(s.Score, 1/(1+math.Exp(-r.NormFloat64()-2*label+1)))
		s.Champion = append(s.Champion, 1/(1+math.Exp(-r.NormFloat64()-label+1)))
		s.Attributes["sex"] = append(s.Attributes["sex"], []string{"Female", "Male"}[r.IntN(2)])
		s.Attributes[hostile] = append(s.Attributes[hostile], fmt.Sprint(hostile, r.IntN(3)))
	}
	return s
}

func verdicts() []gate.Verdict {
	config, err := trainconfig.Parse("train.yaml", []byte("experiment: {name: m}\ndata: {target: y}\nevaluation: {thresholds: {auc_roc: 0.7}}\n"))
	if err != nil {
		panic(err)
	}
	performance := gate.Verdict{Gate: gate.NamePerformance, Verdict: gate.Fail, Reasons: []string{hostile}, Measurements: []gate.Measurement{
		{Name: "auc_roc", Value: 0.92, Low: 0.91, High: 0.93, Confidence: 0.975, Limit: 0.9, Wants: "at least", N: 900, Verdict: gate.Pass},
		{Name: "auc_roc", Group: "age=" + hostile, Value: 0.8, Low: 0.7, High: 0.85, Confidence: 0.975, Limit: 0.9, Wants: "at least", N: 100, Verdict: gate.Fail},
		{Name: "log_loss", Value: math.NaN(), Low: math.Inf(-1), High: math.Inf(1), Verdict: gate.Reported},
		{Name: "recall", Value: 0.6, Low: 0.5, High: 0.7, Verdict: gate.Reported}}}
	fairness := gate.Verdict{Gate: gate.NameFairness, Verdict: gate.Insufficient, Measurements: []gate.Measurement{
		{Name: "auc_disparity", Group: "sex=Female and sex=Male", Value: 0.05, Low: 0.01, High: 0.12, Confidence: 0.95, Limit: 0.1, Wants: "at most", N: 900, Verdict: gate.Insufficient},
		{Name: "demographic_parity_ratio", Group: "sex", Value: 0.4, Low: 0.4, High: 0.4, Verdict: gate.Reported}}}
	for i := range 10_000 {
		fairness.Skipped = append(fairness.Skipped, gate.Skipped{Group: fmt.Sprint("city=", hostile, i), N: i, Reason: "fewer than 100 rows"})
	}
	return []gate.Verdict{performance, fairness,
		{Gate: gate.NameRobustness, Verdict: gate.Pass, Measurements: []gate.Measurement{{Name: "auc_drop", Group: "noise=0.1", Value: 0.01, Low: 0, High: 0.02, Confidence: 0.95, Limit: 0.05, Wants: "at most", N: 900, Verdict: gate.Pass}}},
		{Gate: gate.NameChampion, Verdict: gate.Pass, Measurements: []gate.Measurement{{Name: "auc_difference", Group: "candidate less champion", Value: 0.01, Low: -0.001, High: 0.02, Confidence: 0.95, Limit: -0.01, Wants: "at least", N: 900, Verdict: gate.Pass}}},
		{Gate: "novel", Verdict: gate.Pass, Measurements: []gate.Measurement{{Name: "rmse", Value: 3, Low: 2, High: 4, Limit: 5, Wants: "at most", Verdict: gate.Pass}}},
		gate.Latency(config, nil)}
}

func state() *rollout.State {
	p99 := 12.5
	look := &rollout.Measurements{Candidate: rollout.Variant{Requests: 50, Errors: 20, P99MS: &p99, Labels: 40, Correct: 30}, Champion: &rollout.Variant{Requests: 500}}
	return &rollout.State{Rollout: "m-2-rollout", Model: "m", Run: "m-2", Phase: rollout.RolledBack, Outcome: "rolled_back", Started: noon,
		Policy: rollout.Policy{Steps: []float64{10, 100}, ErrorRate: 0.02, LatencyP99: trainconfig.Duration(250 * time.Millisecond), Accuracy: 0.8}, Notices: []string{hostile},
		Candidate: rollout.Place{Version: 2, Slot: "blue"}, Champion: rollout.Place{Version: 1, Slot: "green"}, History: []rollout.Record{
			{Time: noon, Phase: rollout.Acquired, Reason: "leased"}, {Time: noon.Add(time.Second), Phase: rollout.Baking, Weight: 10, Reason: "read back"},
			{Time: noon.Add(11 * time.Second), Phase: rollout.Baking, Weight: 10, Verdict: rollout.Fail, Reason: hostile, Measurements: look,
				Findings: []rollout.Finding{{Measure: "error_rate", Verdict: rollout.Fail, Value: 0.4, Limit: 0.02, Low: 0.3, High: 0.5, Reason: hostile}}},
			{Time: noon.Add(12 * time.Second), Phase: rollout.RollingBack, Weight: 10, Reason: "paused by a person"},
			{Time: noon.Add(13 * time.Second), Phase: rollout.RolledBack, Reason: "read back"}}}
}

func full() Data {
	p := profile.Profile{Rows: 900, Target: hostile, Classes: map[string]int64{hostile: 300, "no": 600}, Columns: []*profile.Column{
		{Name: hostile, Kind: "text", Rows: 900, Categories: profile.Categories{Counts: map[string]int64{hostile: 500, "b": 400}}},
		{Name: "age", Kind: "number", Rows: 900, Nulls: 9, Moments: profile.Moments{Count: 891, Mean: math.MaxFloat64, M2: math.MaxFloat64, Max: math.MaxFloat64}, Summary: profile.Summary{Exact: true, Points: []float64{1, 2}, Weight: []int64{400, 491}}},
		{Name: "empty", Rows: 900, Nulls: 900}}}
	return Data{
		Model: "m", Run: "m-2" + hostile, Environment: "production", Status: "rolled_back", Reason: hostile, Cause: hostile, Version: 2,
		Started: noon, Finished: noon.Add(time.Minute), Made: noon.Add(time.Hour), Problems: []string{hostile},
		Plan:       &contract.Plan{Hash: "sha256:p", Config: hostile, TrainerImage: hostile, Champion: &contract.Version{Version: 1, Run: "m-1"}},
		Decision:   &decision.Decision{Action: "ship", Digest: "sha256:d", Evidence: []decision.Evidence{{Name: hostile, Digest: "sha256:e"}}},
		Environs:   &training.Environment{XGBoost: hostile},
		Verdicts:   verdicts(),
		Scores:     scores(900),
		Importance: []Importance{{hostile, 0.75, 9}, {"age", 0.25, 3}, {"none", math.NaN(), 0}},
		Profile:    &p, Validation: &profile.Report{Rows: 900, Objects: 1, Verdict: "fail", Findings: []profile.Finding{{Column: hostile, Measure: "null_ratio", Value: 0.33, Limit: 0.05, Verdict: "fail", Text: hostile}}},
		Drift: &drift.Report{Threshold: 0.2, Features: []drift.Feature{{Name: hostile, PSI: 0.4, Verdict: "fail", Rows: 900, Bins: []drift.Bin{{Label: hostile, Expected: 0.5, Actual: 0.2}}}, {Name: "age", PSI: math.NaN(), Verdict: "insufficient", Reason: "too few"}}}, DriftFrom: "m-1",
		Latency: &contract.Latency{Requests: 100, BoundsMS: []float64{1, 2, 4}, Counts: []int64{10, 70, 19, 1}, P50MS: 1.5, P90MS: 3, P99MS: 4, MaxMS: 9},
		Rollout: state(), Alarm: noon.Add(11 * time.Second),
		Phases:  []Phase{{"Train", noon, 20 * time.Second}, {hostile, noon.Add(20 * time.Second), 0}},
		Traffic: []Traffic{{hostile, 10, 1}}, Costs: []Cost{{"Lambda", 1, "GB-s", 0.00002}, {"S3", 2, "requests", 0.00001}},
	}
}

func render(t testing.TB, d Data) string {
	var b strings.Builder
	require.NoError(t, Render(&b, d))
	return b.String()
}

// sectionIDs are the sections of a page, in order.
func sectionIDs(page string) []string {
	var out []string
	for _, m := range regexp.MustCompile(`<section id="([a-z]+)"`).FindAllStringSubmatch(page, -1) {
		out = append(out, m[1])
	}
	return out
}

func TestEverySectionIsThereWhenItsDataIs(t *testing.T) {
	page := render(t, full())
	var all []string
	for _, s := range sections(full()) {
		all = append(all, s.ID)
	}
	require.Equal(t, all, sectionIDs(page))
	for _, want := range []string{"clears it by 0.0100", "misses it by 0.0500", "0.0200 short of sure", "10\u202f000 not judged", "Alarm to verified", "2.0 s", "Candidate less champion",
		"ROC curve", "Precision over recall", "Calibration", "Scores by class", "sluice report", "population stability index"} {
		if want == "sluice report" {
			continue // a hostile run's name is never put into a command
		}
		require.Contains(t, page, want)
	}
	require.NotContains(t, page, "sluice decision verify m-2")
	require.Less(t, len(page), 1_000_000, "10 000 groups included")
}

func TestNothingIsInvented(t *testing.T) {
	require.Empty(t, sectionIDs(render(t, Data{})))
	require.Equal(t, []string{"data"}, sectionIDs(render(t, Data{Validation: full().Validation})))
	for name, s := range map[string]*Scores{
		"labels of a regression": {Label: []float64{1.5, 2}, Score: []float64{0.5, 0.6}}, "one class": {Label: []float64{1, 1}, Score: []float64{0.5, 0.6}},
		"scores that are no probability": {Label: []float64{0, 1}, Score: []float64{5, 6}}, "NaN": {Label: []float64{0, 1}, Score: []float64{math.NaN(), 1}},
		"none": {}, "unaligned": {Label: []float64{0, 1}, Score: []float64{1}},
	} {
		require.Empty(t, sectionIDs(render(t, Data{Scores: s})), name)
	}
	for _, l := range []contract.Latency{{Requests: 5, BoundsMS: []float64{1}, Counts: []int64{5}}, {Requests: 5, Counts: []int64{5}}, {Requests: 1, BoundsMS: []float64{-1}, Counts: []int64{1, 0}}} {
		require.NotContains(t, render(t, Data{Latency: &l}), "Time to answer")
	}
}

// TestThePageIsOneSafeDocument checks what holds of every page: well-formed, no
// script, nothing fetched, everything escaped and named for who cannot see it.
func TestThePageIsOneSafeDocument(t *testing.T) {
	live := full()
	live.Status, live.Refresh, live.Rollout.Phase, live.Rollout.Outcome = "running", 5, rollout.Baking, ""
	for name, d := range map[string]Data{"full": full(), "empty": {}, "live": live} {
		t.Run(name, func(t *testing.T) {
			page := render(t, d)
			for _, never := range []string{"<script", "<img", "<link", "<iframe", "@import", "url(", "src=", "javascript:", "NaN", "Inf", "%!", "\x1b", "\x00", "<no value>"} {
				require.NotContains(t, strings.ReplaceAll(page, "&lt;img src=x", ""), never)
			}
			require.NotRegexp(t, `href="[^#]`, page, "links stay within the page")
			require.True(t, strings.HasPrefix(page, "<!doctype html>\n<html lang=\"en\">"))
			wellFormed(t, page)
			require.Equal(t, strings.Count(page, `<div class="plot`), strings.Count(page, `<svg role="img" aria-label="`), "every plot has a name")
			require.Equal(t, name == "live", strings.Contains(page, `http-equiv="refresh" content="5"`))
		})
	}
	require.Contains(t, render(t, live), "Rolling out")
	require.Contains(t, render(t, live), "this step is judged at")
}

// wellFormed reads the page as XML does, with HTML's two void elements.
func wellFormed(t *testing.T, page string) {
	decoder := xml.NewDecoder(strings.NewReader(page))
	decoder.Strict = false
	decoder.AutoClose = []string{"meta"}
	decoder.Entity = xml.HTMLEntity
	depth := 0
	for {
		token, err := decoder.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		require.NoError(t, err)
		switch token.(type) {
		case xml.StartElement:
			depth++
		case xml.EndElement:
			depth--
		}
	}
	require.Zero(t, depth)
	for _, name := range []string{"section", "div", "table", "tr", "svg", "figure", "details", "bdi", "dl", "tbody"} {
		require.Equal(t, len(regexp.MustCompile("<"+name+`[\s>]`).FindAllString(page, -1)), strings.Count(page, "</"+name+">"), name)
	}
}

func TestTotalAddsUp(t *testing.T) {
	require.InDelta(t, 0.00003, full().Total(), 1e-12)
	require.Equal(t, time.Minute, full().Elapsed())
}

func FuzzText(f *testing.F) {
	f.Add(hostile)
	f.Fuzz(func(t *testing.T, s string) {
		page := render(t, Data{Run: s, Reason: s, Verdicts: []gate.Verdict{{Gate: s, Verdict: s, Reasons: []string{s}, Measurements: []gate.Measurement{{Name: s, Group: s, Wants: s, Verdict: s}}}}})
		require.NotContains(t, page, "<script")
		wellFormed(t, page)
	})
}
