package command

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/sluice-ml/sluice/shared/evaluation"
	"github.com/sluice-ml/sluice/shared/gate"
)

// evaluated is what sluice evaluate says of a file.
type evaluated struct {
	options *evaluateOptions

	File       string               `json:"file"`
	Label      string               `json:"label"`
	Positive   string               `json:"positive"`
	Score      string               `json:"score"`
	Weight     string               `json:"weight,omitempty"`
	Rows       int                  `json:"rows"`
	Positives  int                  `json:"positives"`
	Threshold  float64              `json:"threshold"`
	Confidence float64              `json:"confidence"`
	Seed       int64                `json:"seed"`
	Metrics    []measured           `json:"metrics"`
	Confusion  evaluation.Confusion `json:"confusion"`
	Bins       *calibrationBins     `json:"calibration,omitempty"`
	Curves     *curves              `json:"curves,omitempty"`
	Groups     []grouping           `json:"groups,omitempty"`
	Comparison *comparison          `json:"comparison,omitempty"`
}

// measured is an estimate, or why there is none.
type measured struct {
	evaluation.Estimate
	Insufficient string // the reason
}

// view is what JSON shows.
func (m measured) view() any {
	if m.Insufficient != "" {
		return struct {
			Name         string `json:"name"`
			Verdict      string `json:"verdict"`
			Insufficient string `json:"insufficient"`
		}{m.Name, gate.Insufficient, m.Insufficient}
	}
	return m.Estimate
}

type calibrationBins struct {
	Width []evaluation.CalibrationBin `json:"equal_width"`
	Mass  []evaluation.CalibrationBin `json:"equal_mass"`
}

type curves struct {
	ROC             curve `json:"roc"`              // x: false positive rate, y: true positive rate
	PrecisionRecall curve `json:"precision_recall"` // x: recall, y: precision
}

type curve struct {
	X         []float64  `json:"x"`
	Y         []float64  `json:"y"`
	Threshold []*float64 `json:"threshold"` // null is above every score
}

func curveOf(c evaluation.Curve) curve {
	out := curve{X: c.X, Y: c.Y}
	for _, v := range c.Threshold {
		if math.IsInf(v, 0) {
			out.Threshold = append(out.Threshold, nil)
			continue
		}
		out.Threshold = append(out.Threshold, &v)
	}
	return out
}

// overall are the metrics of all rows, in the order they are shown.
func overall() []string {
	return []string{evaluation.MetricAUC, evaluation.MetricPartialAUC, evaluation.MetricPRAUC, evaluation.MetricPrecision, evaluation.MetricRecall,
		evaluation.MetricF1, evaluation.MetricAccuracy, evaluation.MetricLogLoss, evaluation.MetricBrier,
		evaluation.MetricCalibration, evaluation.MetricCalibrationByMass}
}

func (r *evaluated) estimate(metric string, s evaluation.Sample) (evaluation.Estimate, error) {
	o := r.options
	switch metric {
	case evaluation.MetricPartialAUC:
		return evaluation.MeasurePartialAUC(s, o.maxFPR, o.confidence, o.resampling())
	case evaluation.MetricCalibration, evaluation.MetricCalibrationByMass:
		return evaluation.MeasureCalibration(s, o.bins, metric == evaluation.MetricCalibrationByMass, o.confidence, o.resampling())
	}
	return evaluation.Measure(metric, s, o.confidence)
}

// measure takes every metric of all rows. Only a file that no metric could be
// taken of is an error.
func (r *evaluated) measure(s evaluation.Sample) error {
	if err := s.Check(); err != nil {
		return err
	}
	for _, label := range s.Label {
		r.Positives += int(label)
	}
	absent := oneClass(s)
	constant := slices.Max(s.Score) == slices.Min(s.Score)
	for _, name := range overall() {
		m := measured{Estimate: evaluation.Estimate{Name: name}}
		e, err := r.estimate(name, s)
		switch {
		case absent != "":
			m.Insufficient = absent
		case err != nil:
			m.Insufficient = reasonOf(err)
		case constant && (name == evaluation.MetricAUC || name == evaluation.MetricPRAUC || name == evaluation.MetricPartialAUC):
			m.Insufficient = fmt.Sprintf("all %d scores are %v, which rank nothing", len(s.Score), s.Score[0])
		default:
			m.Estimate = e
		}
		r.Metrics = append(r.Metrics, m)
	}
	var err error
	if r.Confusion, err = evaluation.Confuse(s, r.Threshold); err != nil {
		return err
	}
	r.calibration(s)
	return r.addCurves(s)
}

// oneClass says which class no row that counts is of, "" where both are there. One
// class alone tells nothing of how a model parts two, whatever can be computed.
func oneClass(s evaluation.Sample) string {
	positive, negative := s.Totals()
	absent := "negative"
	switch {
	case positive > 0 && negative > 0:
		return ""
	case negative > 0:
		absent = "positive"
	}
	return fmt.Sprintf("no row of %d is %s; both classes are needed", len(s.Label), absent)
}

// reasonOf leaves the operation out of a message.
func reasonOf(err error) string { return strings.TrimPrefix(err.Error(), "evaluate: ") }

func (r *evaluated) calibration(s evaluation.Sample) {
	_, width, err := evaluation.CalibrationError(s, r.options.bins)
	if err != nil {
		return // the metric says why
	}
	if _, mass, err := evaluation.CalibrationErrorByMass(s, r.options.bins); err == nil {
		r.Bins = &calibrationBins{width, mass}
	}
}

func (r *evaluated) addCurves(s evaluation.Sample) error {
	if !r.options.curves {
		return nil
	}
	roc, err := evaluation.ROC(s)
	if err != nil {
		return fmt.Errorf("draw the curves: %w", err)
	}
	pr, err := evaluation.PrecisionRecall(s)
	if err != nil {
		return fmt.Errorf("draw the curves: %w", err)
	}
	r.Curves = &curves{curveOf(roc), curveOf(pr)}
	return nil
}

// comparison is of two scorings.
type comparison struct {
	With    string     `json:"with"`
	Paired  bool       `json:"paired"`
	Rows    int        `json:"rows"` // of the second
	Metrics []compared `json:"metrics"`
}

type compared struct {
	evaluation.Comparison
	AdjustedP    float64 // Holm, over the metrics
	Insufficient string  // the reason
}

func (r *evaluated) compareWith(ctx context.Context, file *scored) error {
	o := r.options
	names := o.columns
	names.weight = ""
	if r.Positives > 0 { // else no row has the value to look for
		names.positive = file.positive
	}
	if o.compareBy != "" {
		names.score = o.compareBy
	}
	path := o.compare
	if path == "" {
		path = file.file
	}
	other, err := readScored(ctx, path, names, o.threshold)
	if err != nil {
		return err
	}
	r.Comparison = &comparison{With: path + " " + names.score, Paired: !o.unpaired, Rows: len(other.sample.Label)}
	if o.unpaired {
		return r.compareUnpaired(file, other)
	}
	second := other.sample
	second.Weight = file.sample.Weight
	if o.compare != "" {
		if second, err = file.match(other, o.id); err != nil {
			return err
		}
	}
	return r.comparePaired(file.sample, second)
}

func (r *evaluated) comparePaired(a, b evaluation.Sample) error {
	for _, name := range []string{evaluation.MetricAUC, evaluation.MetricPRAUC, evaluation.MetricPrecision, evaluation.MetricRecall,
		evaluation.MetricF1, evaluation.MetricAccuracy, evaluation.MetricLogLoss, evaluation.MetricBrier} {
		c := compared{}
		var err error
		if absent := oneClass(a); absent != "" {
			c.Name, c.Insufficient = name, absent
		} else if c.Comparison, err = evaluation.Compare(name, a, b, r.Confidence, r.options.resampling()); err != nil {
			c.Insufficient = reasonOf(err)
		}
		r.Comparison.Metrics = append(r.Comparison.Metrics, c)
	}
	return r.Comparison.adjust()
}

func (r *evaluated) compareUnpaired(file, other *scored) error {
	a, err := evaluation.AUCOf(file.sample)
	if err != nil {
		return fmt.Errorf("%s: %w", file.file, err)
	}
	b, err := evaluation.AUCOf(other.sample)
	if err != nil {
		return fmt.Errorf("%s: %w", other.file, err)
	}
	d := evaluation.Unpaired(a, b)
	c := evaluation.Comparison{Name: evaluation.MetricAUC, First: a.Value, Second: b.Value, Difference: d.Value,
		Confidence: r.Confidence, P: d.PValue(0), Method: "DeLong, unpaired"}
	c.Low, c.High = d.Interval(r.Confidence)
	r.Comparison.Metrics = []compared{{Comparison: c}}
	return r.Comparison.adjust()
}

// adjust fills in the adjusted p-values.
func (c *comparison) adjust() error {
	var p []float64
	for _, m := range c.Metrics {
		if m.Insufficient == "" {
			p = append(p, m.P)
		}
	}
	adjusted, err := evaluation.Holm(p)
	if err != nil {
		return err
	}
	for i := range c.Metrics {
		if c.Metrics[i].Insufficient == "" {
			c.Metrics[i].AdjustedP, adjusted = adjusted[0], adjusted[1:]
		}
	}
	return nil
}
