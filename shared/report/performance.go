package report

import (
	"fmt"

	"github.com/sluice-ml/sluice/shared/evaluation"
	"github.com/sluice-ml/sluice/shared/gate"
)

// performance is the section of the model's quality on all rows.
type performance struct {
	Tables  []dotTable
	Figures []figure
	Skipped *skipped
}

func performanceView(d Data) any {
	var p performance
	if v, ok := verdictOf(d, gate.NamePerformance); ok {
		var whole []gate.Measurement
		for _, m := range v.Measurements {
			if m.Group == "" {
				whole = append(whole, m)
			}
		}
		p.Tables = tables(v, whole, "measure")
	}
	if d.Scores.usable() {
		p.Figures = figures(d.Scores, d.confidence())
	}
	p.Figures = append(p.Figures, goalFigures(d.Predictions, d.confidence())...)
	if len(p.Tables)+len(p.Figures) == 0 {
		return nil
	}
	return p
}

// figures are the four views of binary scores.
func figures(s *Scores, confidence float64) []figure {
	all, positives, negatives := cuts(s.Label, s.Score)
	var champion []cut
	if s.compared() {
		champion, _, _ = cuts(s.Label, s.Champion)
	}
	out := []figure{rocFigure(s, all, champion, positives, negatives, confidence), prFigure(s, all, champion, positives, negatives, confidence)}
	if f, ok := calibrationFigure(s, confidence); ok {
		out = append(out, f)
	}
	return append(out, scoreFigure(s))
}

func percentTick(v float64) string { return fmt.Sprintf("%.0f %%", 100*v) }

var unit = scale{0, 1}

// named measures one scoring, for a legend.
func named(what, metric string, sample evaluation.Sample, confidence float64) string {
	e, err := evaluation.Measure(metric, sample, confidence)
	if err != nil {
		return what
	}
	return fmt.Sprintf("%s: %s (%s to %s)", what, number(e.Value), number(e.Low), number(e.High))
}

func rocFigure(s *Scores, all, champion []cut, positives, negatives int, confidence float64) figure {
	c := roc(all, positives, negatives, confidence)
	label := named("candidate", evaluation.MetricAUC, s.sample(), confidence)
	p := plot{x: unit, y: unit, title: "ROC curve", words: "area, " + label}
	p.axes(5, 5, percentTick, percentTick)
	p.path("chance", []float64{0, 1}, []float64{0, 1}, false)
	p.band("band", c.upperX, c.upperY, c.lowerX, c.lowerY)
	keys := []key{{"candidate", label}}
	if champion != nil {
		old := roc(champion, positives, negatives, confidence)
		p.path("line champion", old.x, old.y, false)
		keys = append(keys, key{"champion", named("champion", evaluation.MetricAUC, s.champions(), confidence)})
	}
	p.path("line candidate", c.x, c.y, false)
	return figure{Title: "ROC curve", Y: "true positive rate", X: "false positive rate", Keys: keys, Plot: p.svg("square"),
		Note: fmt.Sprintf("Area under the curve with its %s interval. Shaded: where each point’s two rates lie, together at %s. Dashed: chance.%s", percent(confidence), percent(confidence), s.counted())}
}

func prFigure(s *Scores, all, champion []cut, positives, negatives int, confidence float64) figure {
	c := precisionRecall(all, positives, confidence)
	label := named("candidate", evaluation.MetricPRAUC, s.sample(), confidence)
	p := plot{x: unit, y: unit, title: "Precision over recall", words: "average precision, " + label}
	p.axes(5, 5, percentTick, percentTick)
	base := ratio(positives, positives+negatives)
	p.path("chance", []float64{0, 1}, []float64{base, base}, false)
	p.band("band", c.upperX, c.upperY, c.lowerX, c.lowerY)
	keys := []key{{"candidate", label}}
	if champion != nil {
		old := precisionRecall(champion, positives, confidence)
		p.path("line champion", old.x, old.y, false)
		keys = append(keys, key{"champion", named("champion", evaluation.MetricPRAUC, s.champions(), confidence)})
	}
	p.path("line candidate", c.x, c.y, false)
	return figure{Title: "Precision over recall", Y: "precision", X: "recall", Keys: keys, Plot: p.svg("square"),
		Note: fmt.Sprintf("Average precision with its %s interval. Dashed: chance, the %s of rows that are positive.", percent(confidence), percent(base))}
}

// calibrationBins is in how many parts of equal size rows are cut by their score.
const calibrationBins = 10

func calibrationFigure(s *Scores, confidence float64) (figure, bool) {
	off, bins, err := evaluation.CalibrationErrorByMass(s.sample(), calibrationBins)
	if err != nil {
		return figure{}, false
	}
	p := plot{x: unit, y: unit, title: "Calibration", words: fmt.Sprintf("calibration error %s over %d bins", number(off), len(bins))}
	p.axes(5, 5, percentTick, percentTick)
	p.path("chance", []float64{0, 1}, []float64{0, 1}, false)
	var xs, ys []float64
	for _, b := range bins {
		n := int(b.Weight + 0.5)
		low, high, err := evaluation.Wilson(int(b.Label*b.Weight+0.5), n, confidence)
		if err != nil {
			continue
		}
		xs, ys = append(xs, b.Score), append(ys, b.Label)
		p.dot("candidate", b.Score, b.Label, low, high, 0)
	}
	p.path("line candidate thin", xs, ys, false)
	return figure{Title: "Calibration", Y: "share that is positive", X: "predicted probability", Plot: p.svg("square"),
		Keys: []key{{"candidate", "candidate: calibration error " + number(off)}},
		Note: fmt.Sprintf("Rows in %d bins of equal size by score; lines are %s intervals (Wilson). Dashed: as predicted.", len(bins), percent(confidence))}, true
}

// scoreBins is the resolution of the histogram of scores.
const scoreBins = 25

func scoreFigure(s *Scores) figure {
	positive, negative := histogram(s.Label, s.Score, scoreBins)
	most := 0.0
	for k := range scoreBins {
		most = max(most, positive[k], negative[k])
	}
	p := plot{x: unit, y: scale{-most * 1.05, most * 1.05}, title: "Scores by class",
		words: fmt.Sprintf("most positive rows in one bin %s, most negative %s", percent(maxOf(positive)), percent(maxOf(negative)))}
	ys := p.y.ticks(5)
	yt := make([]string, len(ys))
	for i, v := range ys {
		yt[i] = percentTick(max(v, -v))
	}
	xs := unit.ticks(5)
	p.grid(xs, ys, tickText(xs, percentTick), yt)
	for k := range scoreBins {
		from, to := float64(k)/scoreBins, float64(k+1)/scoreBins
		p.bar("fill candidate", from, to, 0, positive[k])
		p.bar("fill champion", from, to, 0, -negative[k])
	}
	positives, negatives := s.sample().Totals()
	return figure{Title: "Scores by class", Y: "share of the class’s rows", X: "predicted probability", Plot: p.svg("square"),
		Keys: []key{{"candidate fill", fmt.Sprintf("%s positive rows, upwards", count(int(positives)))}, {"champion fill", fmt.Sprintf("%s negative rows, downwards", count(int(negatives)))}},
		Note: "The farther the two hills lie apart, the better the model tells the classes."}
}

func maxOf(values []float64) float64 {
	most := 0.0
	for _, v := range values {
		most = max(most, v)
	}
	return most
}

// championView shows the gate's comparison, and that of the other measures that
// can be compared row by row.
func championView(d Data) any {
	view, _ := gateView(d, gate.NameChampion).(measures)
	if d.Scores.usable() && d.Scores.compared() {
		if t, ok := differences(d.Scores, d.confidence()); ok {
			view.Tables = append(view.Tables, t)
		}
	}
	if len(view.Tables) == 0 {
		return nil
	}
	return view
}

// differences are measures of the candidate less those of the champion, on the
// same rows.
func differences(s *Scores, confidence float64) (dotTable, bool) {
	var all []estimate
	for _, name := range []string{evaluation.MetricAccuracy, evaluation.MetricLogLoss, evaluation.MetricBrier} {
		c, err := evaluation.Compare(name, s.sample(), s.champions(), confidence, evaluation.Resampling{})
		if err == nil {
			all = append(all, estimate{label: word(name), value: c.Difference, low: c.Low, high: c.High, n: len(s.Label), confidence: confidence})
		}
	}
	if len(all) == 0 {
		return dotTable{}, false
	}
	t := dots("Candidate less champion, shown and not judged", "measure", all, number, nil).note(all)
	t.Note += " Above 0 is better of the accuracy, below 0 of the losses."
	return t, true
}
