package report

import (
	"fmt"
	"html"
	"math"
	"slices"

	"github.com/sluice-ml/sluice/shared/evaluation"
	"github.com/sluice-ml/sluice/shared/goal"
	"github.com/sluice-ml/sluice/shared/predictions"
)

// goalFigures are the views of predictions that are not of two classes: of a
// regression predicted against actual, the residuals and their distribution; of
// several classes the table of them, each one's ROC curve and calibration; of a
// ranking how well its queries are ordered. What cannot be drawn of these rows is
// left out.
func goalFigures(set *predictions.Set, confidence float64) []figure {
	if set == nil || set.Check() != nil {
		return nil
	}
	if rows := evaluation.Counting(set.Weight); rows != nil {
		set = set.Take(rows)
	}
	switch set.Goal {
	case goal.Regression:
		return regressionFigures(set, confidence)
	case goal.Multiclass:
		return classFigures(set, confidence)
	case goal.Ranking:
		return rankingFigures(set, confidence)
	}
	return nil
}

// counts says how curves take rows that weigh.
func counts(set *predictions.Set) string {
	if set.Weight == nil {
		return ""
	}
	return " Each row that weighs more than 0 counts once here; the measures above are weighted."
}

// deciles cuts rows by a value into parts of equal size, ten at most; fewer where
// rows are few.
func deciles(value []float64) [][]int {
	order := make([]int, len(value))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int {
		switch {
		case value[a] < value[b]:
			return -1
		case value[a] > value[b]:
			return 1
		}
		return 0
	})
	parts := min(10, len(value)/5)
	var out [][]int
	for k := range parts {
		out = append(out, order[k*len(order)/parts:(k+1)*len(order)/parts])
	}
	return out
}

// sampled are about n of the rows, evenly spread over their order.
func sampled(rows, n int) []int {
	step := max(1, (rows+n-1)/n)
	var out []int
	for i := 0; i < rows; i += step {
		out = append(out, i)
	}
	return out
}

// mostDots is how many rows a cloud of points shows.
const mostDots = 400

func regressionFigures(set *predictions.Set, confidence float64) []figure {
	return []figure{actualFigure(set, confidence), residualFigure(set, confidence), errorFigure(set)}
}

func (p *plot) cloud(xs, ys []float64) {
	for _, i := range sampled(len(xs), mostDots) {
		fmt.Fprintf(&p.under, `<circle class="fill candidate" style="opacity:.35" cx="%s" cy="%s" r="2"/>`, p.px(xs[i]), p.py(ys[i]))
	}
}

// means draws the mean of a value in each decile with its interval.
func (p *plot) means(set *predictions.Set, of func(label, score float64) float64, confidence float64) {
	for _, rows := range deciles(set.Score) {
		part := set.Take(rows)
		values := make([]float64, len(rows))
		for i := range values {
			values[i] = of(part.Label[i], part.Score[i])
		}
		// The mean of v is the mean residual of v against 0.
		e, err := evaluation.Values{Label: values, Score: make([]float64, len(rows)), Weight: part.Weight}.Measure(evaluation.MetricMeanResidual, confidence)
		if err != nil {
			continue
		}
		said := evaluation.Values{Label: part.Score, Score: make([]float64, len(rows)), Weight: part.Weight}
		if x, err := said.Metric(evaluation.MetricMeanResidual); err == nil {
			p.dot("candidate", x, e.Value, e.Low, e.High, 0)
		}
	}
}

func actualFigure(set *predictions.Set, confidence float64) figure {
	both := spanning(append(slices.Clone(set.Label), set.Score...)...)
	p := plot{x: both, y: both, title: "Actual over predicted", words: fmt.Sprintf("%s rows, with the mean of each tenth by prediction", count(len(set.Label)))}
	p.axes(5, 5, nil, nil)
	p.path("chance", []float64{both.low, both.high}, []float64{both.low, both.high}, false)
	p.cloud(set.Score, set.Label)
	p.means(set, func(label, _ float64) float64 { return label }, confidence)
	return figure{Title: "Actual over predicted", Y: "actual", X: "predicted", Plot: p.svg("square"),
		Keys: []key{{"candidate", "the mean of each tenth of the rows by prediction"}},
		Note: fmt.Sprintf("Calibration: the dots lie on the dashed line where the model says what is so. Lines are %s intervals of means. Behind them %s of %s rows.%s",
			percent(confidence), count(len(sampled(len(set.Label), mostDots))), count(len(set.Label)), counts(set))}
}

func residuals(set *predictions.Set) []float64 {
	out := make([]float64, len(set.Label))
	for i := range out {
		out[i] = set.Label[i] - set.Score[i]
	}
	return out
}

func residualFigure(set *predictions.Set, confidence float64) figure {
	rest := residuals(set)
	p := plot{x: spanning(set.Score...), y: spanning(rest...), title: "Residuals", words: "actual less predicted over the prediction"}
	p.axes(5, 5, nil, nil)
	p.path("chance", []float64{p.x.low, p.x.high}, []float64{0, 0}, false)
	p.cloud(set.Score, rest)
	p.means(set, func(label, score float64) float64 { return label - score }, confidence)
	return figure{Title: "Residuals over the prediction", Y: "actual less predicted", X: "predicted", Plot: p.svg("square"),
		Keys: []key{{"candidate", "the mean of each tenth of the rows by prediction"}},
		Note: "Above the dashed line the model says too little, below it too much. A funnel is an error that grows with the prediction." + counts(set)}
}

// errorFigure is the distribution of the residuals, its ends beyond the 1st and
// the 99th percentile gathered in the outer bars.
func errorFigure(set *predictions.Set) figure {
	rest := slices.Sorted(slices.Values(residuals(set)))
	at := func(share float64) float64 { return rest[int(share*float64(len(rest)-1))] }
	low, high := at(0.01), at(0.99)
	if !(high > low) {
		low, high = low-0.5, high+0.5
	}
	bars := make([]float64, scoreBins)
	for _, v := range rest {
		k := int((v - low) / (high - low) * scoreBins)
		bars[min(scoreBins-1, max(0, k))] += 1 / float64(len(rest))
	}
	p := plot{x: scale{low, high}, y: scale{0, 1.05 * maxOf(bars)}, title: "Errors", words: fmt.Sprintf("half of the residuals are from %s to %s", number(at(0.25)), number(at(0.75)))}
	p.axes(5, 5, nil, percentTick)
	for k, v := range bars {
		width := (high - low) / scoreBins
		p.bar("fill candidate", low+float64(k)*width, low+float64(k+1)*width, 0, v)
	}
	if low < 0 && high > 0 {
		p.upright(0, "right", 0)
	}
	return figure{Title: "Distribution of the errors", Y: "share of rows", X: "actual less predicted", Plot: p.svg("square"),
		Keys: []key{{"candidate fill", fmt.Sprintf("half of them from %s to %s", number(at(0.25)), number(at(0.75)))}},
		Note: "The hundredth of the rows at either end is in the outer bars." + counts(set)}
}

func rankingFigures(set *predictions.Set, confidence float64) []figure {
	of := evaluation.Queries{Label: set.Label, Score: set.Score, Query: set.Query, Weight: set.Weight}
	queries, out := of.Judged()
	var values []float64
	for _, rows := range queries {
		one := evaluation.Queries{}
		for _, i := range rows {
			one.Label, one.Score, one.Query = append(one.Label, set.Label[i]), append(one.Score, set.Score[i]), append(one.Query, set.Query[i])
		}
		if v, err := one.Metric(evaluation.MetricNDCG); err == nil {
			values = append(values, v)
		}
	}
	if len(values) == 0 {
		return nil
	}
	return []figure{ndcgFigure(of, values, out, confidence), placesFigure(of, confidence)}
}

func ndcgFigure(of evaluation.Queries, values []float64, out int, confidence float64) figure {
	bars := make([]float64, 20)
	for _, v := range values {
		bars[min(19, int(20*v))] += 1 / float64(len(values))
	}
	p := plot{x: unit, y: scale{0, 1.05 * maxOf(bars)}, title: "NDCG of each query", words: fmt.Sprintf("%s queries", count(len(values)))}
	p.axes(5, 5, nil, percentTick)
	for k, v := range bars {
		p.bar("fill candidate", float64(k)/20, float64(k+1)/20, 0, v)
	}
	label := "mean NDCG"
	if e, err := of.Measure(evaluation.MetricNDCG, confidence); err == nil {
		label = fmt.Sprintf("mean %s (%s to %s)", number(e.Value), number(e.Low), number(e.High))
		p.upright(e.Value, "mean", 0)
	}
	return figure{Title: "NDCG of each query", Y: "share of queries", X: "NDCG", Plot: p.svg("square"), Keys: []key{{"candidate fill", label}},
		Note: fmt.Sprintf("1 is the best order there could be. %s queries; %s others tell nothing about an order, or weigh 0.", count(len(values)), count(out))}
}

// placesFigure is NDCG and MAP by how many places are looked at.
func placesFigure(of evaluation.Queries, confidence float64) figure {
	places := []int{1, 2, 3, 5, 10, 20}
	p := plot{x: scale{-0.5, float64(len(places)) - 0.5}, y: unit, title: "By places", words: "NDCG and MAP of the first places"}
	ys, xs, xt := unit.ticks(5), []float64{}, []string{}
	for k, n := range places {
		xs, xt = append(xs, float64(k)), append(xt, fmt.Sprint(n))
	}
	p.grid(xs, ys, xt, tickText(ys, nil))
	for k, n := range places {
		for j, metric := range []string{evaluation.MetricNDCG, evaluation.MetricMAP} {
			if e, err := of.Measure(fmt.Sprintf("%s@%d", metric, n), confidence); err == nil {
				p.dot([]string{"candidate", "champion"}[j], float64(k), e.Value, e.Low, e.High, 8*j-4)
			}
		}
	}
	return figure{Title: "By how many places are looked at", Y: "mean over queries", X: "first places", Plot: p.svg("square"),
		Keys: []key{{"candidate", "NDCG"}, {"champion", "MAP"}}, Note: fmt.Sprintf("Lines are %s intervals over queries.", percent(confidence))}
}

// mostCurves is how many classes are drawn on their own.
const mostCurves = 8

func classFigures(set *predictions.Set, confidence float64) []figure {
	of := evaluation.Classes{Names: set.Classes, Label: set.Label, Probability: set.Probability, Weight: set.Weight}
	out := []figure{}
	if len(set.Classes) <= 2*mostCurves {
		out = append(out, confusionFigure(of, counts(set)))
	}
	for k, rows := range of.Rows() {
		if k == mostCurves {
			break
		}
		if rows == 0 || rows == len(set.Label) {
			continue
		}
		s := &Scores{Score: set.Probability[k], Weight: set.Weight, Label: make([]float64, len(set.Label))}
		for i, label := range set.Label {
			if int(label) == k {
				s.Label[i] = 1
			}
		}
		all, positives, negatives := cuts(s.Label, s.Score)
		figures := []figure{rocFigure(s, all, nil, positives, negatives, confidence), prFigure(s, all, nil, positives, negatives, confidence)}
		if f, ok := calibrationFigure(s, confidence); ok {
			figures = append(figures, f)
		}
		for _, f := range figures {
			f.Title += ": " + text(set.Classes[k]) + " against the rest"
			out = append(out, f)
		}
	}
	return out
}

// confusionFigure is the share of each class's rows by what they are predicted as.
func confusionFigure(of evaluation.Classes, note string) figure {
	table := of.Table()
	n := float64(len(table))
	p := plot{x: scale{0, n}, y: scale{0, n}, title: "Confusion matrix", words: "the share of each class’s rows by the class that is predicted"}
	xs, ys, names := []float64{}, []float64{}, []string{}
	for k, name := range of.Names {
		xs, ys, names = append(xs, float64(k)+0.5), append(ys, n-float64(k)-0.5), append(names, short(name))
	}
	p.grid(xs, ys, names, names)
	for k, line := range table {
		rows := 0
		for _, c := range line {
			rows += c
		}
		for j, c := range line {
			share := ratio(c, max(1, rows))
			top := n - float64(k)
			fmt.Fprintf(&p.under, `<rect class="fill candidate" style="opacity:%.2f" x="%s" y="%s" width="%s" height="%s"/>`,
				0.06+0.36*share, p.px(float64(j)), p.py(top), pc(100/n-0.4), pc(100/n-0.4))
			fmt.Fprintf(&p.over, `<text class="tick" x="%s" y="%s" dy=".32em" text-anchor="middle">%s</text>`,
				p.px(float64(j)+0.5), p.py(top-0.5), html.EscapeString(cell(share, c, len(table))))
		}
	}
	return figure{Title: "Confusion matrix", Y: "actual class", X: "predicted class", Plot: p.svg("square"),
		Note: "In each line the share of that class’s rows; right answers are on the diagonal from the upper left." + note}
}

func cell(share float64, rows, classes int) string {
	if classes <= 4 {
		return fmt.Sprintf("%.0f %% (%d)", math.Round(100*share), rows)
	}
	return fmt.Sprintf("%.0f", math.Round(100*share))
}

// short is a class's name as an axis can hold it.
func short(name string) string {
	runes := []rune(text(name))
	if len(runes) > 6 {
		return string(runes[:5]) + "…"
	}
	return string(runes)
}
