// Package report renders a run as one self-contained HTML page: what became of
// it and why, every gate's estimate, interval and limit, the curves behind them,
// how groups and slices are treated, the data and its drift, the rollout step by
// step, and how to repeat and check it all. No script, no font and no picture is
// fetched: the page can be mailed, printed and archived.
//
// The words of the page:
//
//   - A section is shown when the run left the data for it, and not otherwise:
//     nothing is invented for a run that ended early, or whose goal has no such
//     measure.
//   - A dot and its line are an estimate and its interval; the short dashed
//     stroke is the limit.
//   - Blue is the candidate, grey the champion (and, of rows, the other class).
//     Green, red and amber are verdicts and nothing else, and always come with
//     their word.
//
// Plots are SVG without a viewBox, in percent of their own width, so that text
// keeps its size on a phone and in print. Whatever the data says is escaped,
// isolated from the direction of the text around it, and clipped.
package report

import (
	"embed"
	"fmt"
	"html/template"
	"io"
	"time"

	"github.com/sluice-ml/sluice/shared/contract"
	"github.com/sluice-ml/sluice/shared/decision"
	"github.com/sluice-ml/sluice/shared/drift"
	"github.com/sluice-ml/sluice/shared/gate"
	"github.com/sluice-ml/sluice/shared/predictions"
	"github.com/sluice-ml/sluice/shared/profile"
	"github.com/sluice-ml/sluice/shared/rollout"
	"github.com/sluice-ml/sluice/shared/training"
)

// Data is what a page shows. Empty parts are left out of the page.
type Data struct {
	Model, Run, Environment string
	Status                  string // contract.Outcome.Status, or "running"
	Reason                  string
	Cause                   string
	Version                 int
	Started, Finished       time.Time
	Made                    time.Time // of the page
	Refresh                 int       // seconds after which a browser reads the page again; 0 is never
	Problems                []string  // what could not be read, for people

	Plan        *contract.Plan
	Decision    *decision.Decision
	Signer      string                // who signed, as the envelope says
	Environs    *training.Environment // libraries, threads, device
	ArtifactURI string

	Verdicts   []gate.Verdict // in the gates' order
	Confidence float64        // of intervals that the page adds itself; 0 is 0.95
	Scores     *Scores
	// Predictions are of a goal other than binary; Scores is then nil.
	Predictions *predictions.Set
	Importance  []Importance
	Profile     *profile.Profile
	Validation  *profile.Report
	Drift       *drift.Report // against the data that the champion learned from
	DriftFrom   string        // the champion's run
	Latency     *contract.Latency

	Rollout *rollout.State
	Alarm   time.Time // when the alarm that ended the rollout went off; zero is none, or not known

	Phases   []Phase
	Traffic  []Traffic
	Costs    []Cost
	CostNote string
}

// Scores are what the candidate, and the champion, said about rows whose truth is
// known. Index i of each column is one row.
type Scores struct {
	Label    []float64 // 1 is the positive class, 0 the other
	Score    []float64
	Champion []float64 // nil when there is none
	Weight   []float64 // nil when every row counts once; the areas and differences are weighted, the curves count rows
	// Attributes are columns of the rows as text; Protected names those whose
	// groups are shown.
	Attributes map[string][]string
	Protected  []string
	MinGroup   int // groups with fewer rows are listed only
}

// Importance is what one feature brought to the model.
type Importance struct {
	Feature string
	Gain    float64 // share of the loss that its splits took away, 0..1
	Splits  int64
}

// Phase is one state of the lifecycle and how long it took.
type Phase struct {
	Name     string
	Start    time.Time
	Duration time.Duration
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

// Total is the sum of the costs.
func (d Data) Total() float64 {
	sum := 0.0
	for _, c := range d.Costs {
		sum += c.USD
	}
	return sum
}

// Elapsed is from the first event to the last.
func (d Data) Elapsed() time.Duration { return d.Finished.Sub(d.Started) }

func (d Data) confidence() float64 {
	if d.Confidence > 0 && d.Confidence < 1 {
		return d.Confidence
	}
	return 0.95
}

//go:embed page
var files embed.FS

var pages = template.Must(template.New("").Funcs(template.FuncMap{
	"text": text, "word": word, "tone": tone, "mark": mark, "number": number, "percent": percent, "count": countOf,
	"duration": duration, "clock": clock, "stamp": stamp, "usd": usd,
}).ParseFS(files, "page/*.tmpl"))

// section is one part of the page: its template and what goes into it.
type section struct {
	ID, Title string
	Lead      string // what it shows and how to read it
	View      any    // nil is left out
	Body      template.HTML
}

// page is the whole of it.
type page struct {
	Data
	Style    template.CSS
	Head     head
	Sections []section
}

// Render writes the page.
func Render(w io.Writer, d Data) error {
	style, err := files.ReadFile("page/style.css")
	if err != nil {
		return fmt.Errorf("render the report of run %s: %w", d.Run, err)
	}
	p := page{Data: d, Style: template.CSS(style), Head: headOf(d)}
	for _, s := range sections(d) {
		if s.View == nil {
			continue
		}
		var b body
		if err := pages.ExecuteTemplate(&b, s.ID, s.View); err != nil {
			return fmt.Errorf("render %s of the report of run %s: %w", s.ID, d.Run, err)
		}
		s.Body = template.HTML(b.String()) // html/template made it
		p.Sections = append(p.Sections, s)
	}
	if err := pages.ExecuteTemplate(w, "page.tmpl", p); err != nil {
		return fmt.Errorf("render the report of run %s: %w", d.Run, err)
	}
	return nil
}

// sections are all the parts, in the page's order. A part without data has no
// view.
func sections(d Data) []section {
	return []section{
		{ID: "gates", Title: "Gates", View: gatesView(d),
			Lead: "Each gate’s measurement that is nearest to its limit. A verdict is taken on the whole interval: it passes when all of it is on the right side."},
		{ID: "rollout", Title: "Rollout", View: rolloutView(d),
			Lead: "How traffic moved from the champion to the candidate, what each look measured, and why it went on or back."},
		{ID: "performance", Title: "Performance", View: performanceView(d),
			Lead: "On held-out rows that the model has not seen, scored by the serving image over HTTP."},
		{ID: "champion", Title: "Against the champion", View: championView(d),
			Lead: "Both scored the same rows, so they are compared row by row."},
		{ID: "groups", Title: "Groups", View: groupsView(d),
			Lead: "How well the model ranks the people of each group, and how it decides about them."},
		{ID: "slices", Title: "Slices", View: slicesView(d),
			Lead: "The same measures within parts of the rows, corrected together: a model may be good on average and bad somewhere."},
		{ID: "robustness", Title: "Robustness", View: gateView(d, gate.NameRobustness),
			Lead: "What noise of so many standard deviations in every numeric feature costs, against the same rows undisturbed."},
		{ID: "features", Title: "Features", View: featuresView(d),
			Lead: "Each feature’s share of the loss that the trees’ splits took away while training. It says what the model uses, not what causes what."},
		{ID: "data", Title: "Data", View: dataView(d),
			Lead: "Every column of the commit that the run is of, and every check of it."},
		{ID: "drift", Title: "Drift", View: driftView(d),
			Lead: "How far each feature has moved from the data that the champion learned from: the population stability index over the champion’s deciles or commonest values. By custom below 0.1 is stable and above 0.2 has drifted."},
		{ID: "latency", Title: "Latency", View: latencyView(d),
			Lead: "How long the server took for each request of the evaluation, on the machine that evaluated."},
		{ID: "more", Title: "Other gates", View: otherGatesView(d), Lead: "Measurements of gates that have no section of their own."},
		{ID: "time", Title: "Time and cost", View: timeView(d), Lead: "When each state of the run began, and how long it took."},
		{ID: "lineage", Title: "Lineage", View: lineageView(d),
			Lead: "What this run was made from and made. Each hash is of the bytes themselves."},
	}
}
