// Package report renders one run as a self-contained HTML page: what happened
// and why, every verdict with its figures, the ROC curve, how groups are
// treated, and the canary's weights and error rates over time. No script, no
// font and no picture is fetched: the page can be mailed or archived.
package report

import (
	"embed"
	"fmt"
	"html/template"
	"io"
	"math"
	"slices"
	"strconv"
	"time"
)

// Data is what a page shows. Empty parts are left out of the page.
type Data struct {
	Model, Run, Environment string
	Status                  string // contract.Outcome.Status
	Reason                  string
	Cause                   string
	Version                 int
	Started, Finished       time.Time

	Commit   string
	Objects  int
	Rows     int64
	PlanHash string
	Digest   string // of the model artefact

	Phases   []Phase
	Findings []Finding
	Verdicts []Verdict
	ROC      []Curve
	Steps    []Step
	Traffic  []Traffic
	Costs    []Cost
	CostNote string
}

// Phase is one state of the lifecycle and how long it took.
type Phase struct {
	Name     string
	Start    time.Time
	Duration time.Duration
}

// Finding is one check of the data.
type Finding struct{ Column, Measure, Value, Limit, Verdict, Text string }

// Verdict is a gate's.
type Verdict struct {
	Gate, Verdict string
	Reasons       []string
	Measurements  []Measurement
}

// Measurement is one figure behind a verdict, with its interval. NaN and
// infinities are shown as "–".
type Measurement struct {
	Name, Group      string
	Value, Low, High float64
	Limit            string
	N                int64
	Verdict          string
}

// Curve is one line of a chart: X and Y of equal length.
type Curve struct {
	Name string
	X, Y []float64
}

// Step is one bake of the rollout.
type Step struct {
	At                  time.Time
	Weight              float64 // the candidate's share, percent
	Candidate, Champion Side
	Verdict, Reason     string
}

// Side is what one variant did during a bake. Figures nobody measured are NaN.
type Side struct {
	Requests  float64
	ErrorRate float64 // share, 0..1
	P99MS     float64
	Accuracy  float64 // share, 0..1
}

// Traffic is what a variant served in the whole rollout.
type Traffic struct {
	Variant          string
	Requests, Failed int64
}

// Cost is one line of what the run would have cost on AWS.
type Cost struct {
	Item     string
	Quantity float64
	Unit     string
	USD      float64
}

//go:embed page.html.tmpl
var files embed.FS

var page = template.Must(template.New("page.html.tmpl").Funcs(template.FuncMap{
	"number":   number,
	"percent":  percent,
	"duration": func(d time.Duration) string { return d.Round(10 * time.Millisecond).String() },
	"clock":    func(t time.Time) string { return t.UTC().Format("15:04:05") },
	"stamp":    func(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 UTC") },
	"usd":      func(v float64) string { return fmt.Sprintf("$%.6f", v) },
	"tone":     tone,
	"roc":      rocChart,
	"weights":  weightChart,
	"errors":   errorChart,
	"phases":   phaseChart,
}).ParseFS(files, "page.html.tmpl"))

// Render writes the page.
func Render(w io.Writer, d Data) error {
	if err := page.Execute(w, d); err != nil {
		return fmt.Errorf("render the report of run %s: %w", d.Run, err)
	}
	return nil
}

// Total is the sum of the costs.
func (d Data) Total() float64 {
	sum := 0.0
	for _, c := range d.Costs {
		sum += c.USD
	}
	return sum
}

// Failed are the findings that did not pass.
func (d Data) Failed() []Finding {
	return slices.DeleteFunc(slices.Clone(d.Findings), func(f Finding) bool { return f.Verdict == "pass" })
}

// Passed are the others.
func (d Data) Passed() []Finding {
	return slices.DeleteFunc(slices.Clone(d.Findings), func(f Finding) bool { return f.Verdict != "pass" })
}

// Elapsed is from the first event to the last.
func (d Data) Elapsed() time.Duration { return d.Finished.Sub(d.Started) }

func number(v float64) string {
	switch {
	case math.IsNaN(v) || math.IsInf(v, 0):
		return "–"
	case v == math.Trunc(v) && math.Abs(v) < 1e9:
		return strconv.FormatFloat(v, 'f', 0, 64)
	case math.Abs(v) >= 100:
		return strconv.FormatFloat(v, 'f', 1, 64)
	}
	return strconv.FormatFloat(v, 'f', 4, 64)
}

func percent(v float64) string {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return "–"
	}
	return strconv.FormatFloat(100*v, 'f', 2, 64) + " %"
}

// tone is the colour class of a verdict or status.
func tone(word string) string {
	switch word {
	case "pass", "promoted", "advance", "registered":
		return "good"
	case "insufficient", "hold", "held", "unknown":
		return "unsure"
	case "", "reported", "skipped":
		return ""
	}
	return "bad"
}
