package evaluation

// Metric names as configurations write them.
const (
	MetricAUC       = "auc_roc"
	MetricPRAUC     = "pr_auc"
	MetricPrecision = "precision"
	MetricRecall    = "recall"
	MetricF1        = "f1_score"
	MetricAccuracy  = "accuracy"
	MetricLogLoss   = "log_loss"
	MetricBrier     = "brier"
)

// Metrics that are measured and cannot be given a threshold.
const (
	MetricPartialAUC        = "partial_auc"
	MetricCalibration       = "calibration_error"
	MetricCalibrationByMass = "calibration_error_by_mass"
)

// Threshold is the score from which a row is predicted positive where nothing
// else is said.
const Threshold = 0.5

// statistic computes a metric over any weights of the rows of one sample. The
// error says that the metric is not defined for them.
func statistic(metric string, s Sample) (func(weight func(int) float64) (float64, error), error) {
	ofConfusion := func(of func(Confusion) (float64, error)) func(func(int) float64) (float64, error) {
		return func(w func(int) float64) (float64, error) { return of(confuse(s, s.threshold(), w)) }
	}
	switch metric {
	case MetricAUC, MetricPRAUC:
		if err := s.twoClasses(); err != nil {
			return nil, err
		}
		r := rank(s)
		if metric == MetricAUC {
			return func(w func(int) float64) (float64, error) { return r.auc(w), nil }, nil
		}
		return func(w func(int) float64) (float64, error) { return r.averagePrecision(w), nil }, nil
	case MetricLogLoss, MetricBrier:
		loss := lossOf(metric)
		return func(w func(int) float64) (float64, error) { return weightedMean(s, w, loss), nil }, s.probabilities()
	case MetricPrecision:
		return ofConfusion(Confusion.Precision), s.Check()
	case MetricRecall:
		return ofConfusion(Confusion.Recall), s.Check()
	case MetricF1:
		return ofConfusion(Confusion.F1), s.Check()
	case MetricAccuracy:
		return ofConfusion(Confusion.Accuracy), s.Check()
	}
	return nil, invalid("unknown metric %q", metric)
}

func lossOf(metric string) func(label, p float64) float64 {
	if metric == MetricLogLoss {
		return logLoss
	}
	return brier
}

// Metric computes a metric by its name. Errors are faults of kind Invalid.
func Metric(metric string, s Sample) (float64, error) {
	of, err := statistic(metric, s)
	if err != nil {
		return 0, err
	}
	value, err := of(s.weight)
	if err == nil && !finite(value) {
		err = invalid("%s is %v", metric, value)
	}
	return value, err
}

// Ways to make an interval.
const (
	ByDeLong    = "DeLong"
	ByWilson    = "Wilson"
	ByExact     = "exact" // Clopper and Pearson
	ByMean      = "normal"
	ByBootstrap = "bootstrap"
	// ByDeLongLogit is DeLong's variance in ln(AUC / (1 − AUC)).
	ByDeLongLogit = "DeLong, logit"
	// ByBasicBootstrap turns the draws over at the value.
	ByBasicBootstrap = "basic bootstrap"
)

// Estimate is a metric with its interval.
type Estimate struct {
	Name       string  `json:"name"`
	Value      float64 `json:"value"`
	Low        float64 `json:"low"`
	High       float64 `json:"high"`
	Confidence float64 `json:"confidence"`
	Method     string  `json:"method"` // how Low and High were made
}

// mostVisits bounds the work of a bootstrap that needs more draws than asked
// for: draws times rows.
const mostVisits = 1_000_000_000

// Measure computes a metric with its interval. Errors are faults of kind
// Invalid. The intervals:
//
//   - auc_roc: DeLong's variance, on the logit scale.
//   - precision, recall, accuracy: the exact interval of the share of rows, which
//     misses at most as often as it says.
//   - f1_score: F = 2J / (1 + J), where J is the share TP of TP + FP + FN, so
//     the exact interval of J gives F's.
//   - log_loss, brier: means over rows, with the normal interval of a mean.
//   - pr_auc: the stratified bootstrap, at least r.Draws, and as many as the
//     confidence needs up to twenty times that or a billion rows.
//
// Weighted rows count as Kish's effective number of them.
func Measure(metric string, s Sample, confidence float64, r Resampling) (Estimate, error) {
	e := Estimate{Name: metric, Confidence: confidence}
	if err := checkConfidence(confidence); err != nil {
		return e, err
	}
	if metric == MetricAUC {
		return e, e.auc(s)
	}
	var err error
	if e.Value, err = Metric(metric, s); err != nil {
		return e, err
	}
	switch metric {
	case MetricLogLoss, MetricBrier:
		err = e.mean(s, lossOf(metric))
	case MetricPRAUC:
		e.Method = ByBootstrap
		r.Draws = enoughDraws(confidence, r.Draws, max(r.Draws, min(20*r.Draws, mostVisits/len(s.Label))))
		e.Low, e.High, err = Bootstrap(metric, s, confidence, r)
	default:
		err = e.share(s)
	}
	return e, err
}

// MeasurePartialAUC is the partial AUC with its bootstrap interval.
func MeasurePartialAUC(s Sample, maxFPR, confidence float64, r Resampling) (Estimate, error) {
	e := Estimate{Name: MetricPartialAUC, Confidence: confidence, Method: ByBootstrap}
	s = s.falling()
	of, err := partialAUC(s, maxFPR)
	if err != nil {
		return e, err
	}
	if e.Value, err = of(s.weight); err != nil {
		return e, err
	}
	values, err := r.draw(s, confidence, of)
	if err != nil {
		return e, err
	}
	e.Low, e.High = percentiles(values, confidence)
	return e, nil
}

func (e *Estimate) auc(s Sample) error {
	a, err := AUCOf(s)
	if err != nil {
		return err
	}
	e.Value, e.Method = a.Value, ByDeLongLogit
	e.Low, e.High = a.Logit(e.Confidence)
	return nil
}

// AUCOf is DeLong for rows that may have weights.
func AUCOf(s Sample) (AUC, error) {
	if s.Weight == nil {
		return DeLong(s.Label, s.Score)
	}
	p, err := PlacementsOf(s)
	if err != nil {
		return AUC{}, err
	}
	return p.AUC(), nil
}

func (e *Estimate) mean(s Sample, loss func(label, p float64) float64) error {
	value, variance := linearised(len(s.Label), s.weight, func(i int) float64 { return loss(s.Label[i], s.Score[i]) })
	e.Low, e.High = around(value, variance, e.Confidence)
	e.Low, e.Method = max(0, e.Low), ByMean
	if !finite(e.High) {
		return invalid("the spread of %s cannot be told from one row", e.Name)
	}
	return nil
}

// share gives the interval of a metric that is a share of rows, or follows from
// one.
func (e *Estimate) share(s Sample) error {
	c := confuse(s, s.threshold(), s.weight)
	predicted := func(i int) bool { return s.Score[i] >= s.threshold() }
	truly := func(i int) bool { return s.Label[i] == 1 }
	part, whole, among := c.TP+c.TN, c.TP+c.TN+c.FP+c.FN, func(int) bool { return true }
	switch e.Name {
	case MetricPrecision:
		part, whole, among = c.TP, c.TP+c.FP, predicted
	case MetricRecall:
		part, whole, among = c.TP, c.TP+c.FN, truly
	case MetricF1:
		part, whole, among = c.TP, c.TP+c.FP+c.FN, func(i int) bool { return predicted(i) || truly(i) }
	}
	var err error
	e.Method = ByExact
	if e.Low, e.High, err = s.shareInterval(exact, part, whole, among, e.Confidence); err == nil && e.Name == MetricF1 {
		e.Low, e.High = 2*e.Low/(1+e.Low), 2*e.High/(1+e.High)
	}
	return err
}

// shareInterval is the interval of weights part of whole, over as many rows as
// those among them are worth.
func (s Sample) shareInterval(by func(k, n, confidence float64) (float64, float64, error), part, whole float64, among func(int) bool, confidence float64) (low, high float64, err error) {
	rows := whole
	if s.Weight != nil {
		only := Sample{}
		for i, w := range s.Weight {
			if among(i) {
				only.Label, only.Weight = append(only.Label, s.Label[i]), append(only.Weight, w)
			}
		}
		rows = only.effective()
		part *= rows / whole
	}
	return by(min(part, rows), rows, confidence)
}
