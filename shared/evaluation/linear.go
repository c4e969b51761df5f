package evaluation

import (
	"math"
	"strings"
)

// Linear is a metric to first order: its value, and how far each unit (a row; of
// ranking, a query) moves it. The influences sum to 0, and their squares to the
// variance, so metrics of the same units are compared in pairs by subtracting
// influences (Hampel 1974).
type Linear struct {
	Name      string
	Value     float64
	Influence []float64
}

// Variance of the value.
func (l Linear) Variance() float64 {
	var sum accumulator
	for _, d := range l.Influence {
		sum.add(d * d)
	}
	return sum.total()
}

// linearMean is the mean of a value per unit. Its variance is the usual one,
// over n − 1.
func linearMean(name string, values []float64) Linear {
	var sum accumulator
	for _, v := range values {
		sum.add(v)
	}
	n := float64(len(values))
	l := Linear{Name: name, Value: sum.total() / n, Influence: make([]float64, len(values))}
	scale := math.Sqrt(n/(n-1)) / n
	for i, v := range values {
		l.Influence[i] = scale * (v - l.Value)
	}
	return l
}

// root is the square root of a mean.
func (l Linear) root(name string) Linear {
	out := Linear{Name: name, Value: math.Sqrt(l.Value), Influence: make([]float64, len(l.Influence))}
	for i, d := range l.Influence {
		if out.Value > 0 {
			out.Influence[i] = d / (2 * out.Value)
		}
	}
	return out
}

// MeanLinear is the mean of a metric over several scorings of the same units:
// units are what is uncertain, not the scorings.
func MeanLinear(all ...Linear) (Linear, error) {
	if len(all) == 0 {
		return Linear{}, invalid("nothing to take the mean of")
	}
	out := Linear{Name: all[0].Name, Influence: make([]float64, len(all[0].Influence))}
	for _, l := range all {
		if err := all[0].sameUnits(l); err != nil {
			return Linear{}, err
		}
		out.Value += l.Value / float64(len(all))
		for i, d := range l.Influence {
			out.Influence[i] += d / float64(len(all))
		}
	}
	return out, nil
}

func (l Linear) sameUnits(other Linear) error {
	if len(l.Influence) != len(other.Influence) || l.Name != other.Name {
		return invalid("%s of %d and %s of %d are not of the same rows", l.Name, len(l.Influence), other.Name, len(other.Influence))
	}
	return nil
}

// PairedLinear is a − b of the same metric for the same units, whose errors go
// together. Errors are faults of kind Invalid.
func PairedLinear(a, b Linear) (value, variance float64, err error) {
	if err := a.sameUnits(b); err != nil {
		return 0, 0, err
	}
	var sum accumulator
	for i := range a.Influence {
		d := a.Influence[i] - b.Influence[i]
		sum.add(d * d)
	}
	return a.Value - b.Value, sum.total(), nil
}

// Around is the normal interval of a value at a confidence.
func Around(value, variance, confidence float64) (low, high float64) {
	return around(value, variance, confidence)
}

// PairedIncrease is by which share the metric a is greater than b, a/b − 1, for
// the same units: 0.1 is a tenth more. The interval is normal in ln(a / b). It
// needs both above 0; errors are faults of kind Invalid.
func PairedIncrease(a, b Linear, confidence float64) (value, low, high float64, err error) {
	if err := a.sameUnits(b); err != nil {
		return 0, 0, 0, err
	}
	if !(a.Value > 0) || !(b.Value > 0) {
		return 0, 0, 0, invalid("%s is %v and %v; both must be above 0 to say by which share one is greater", a.Name, a.Value, b.Value)
	}
	var sum accumulator
	for i := range a.Influence {
		d := a.Influence[i]/a.Value - b.Influence[i]/b.Value
		sum.add(d * d)
	}
	ratio := math.Log(a.Value / b.Value)
	low, high = around(ratio, sum.total(), confidence)
	return math.Expm1(ratio), math.Expm1(low), math.Expm1(high), nil
}

// CompareLinear tests in pairs whether a metric differs between two scorings of
// the same units, by the normal interval of the difference. The error is a fault
// of kind Invalid.
func CompareLinear(a, b Linear, confidence float64) (Comparison, error) {
	c := Comparison{Name: a.Name, First: a.Value, Second: b.Value, Confidence: confidence, Method: ByInfluence}
	var variance float64
	var err error
	if c.Difference, variance, err = PairedLinear(a, b); err != nil {
		return c, err
	}
	c.Method = strings.TrimSuffix(ByInfluence, ", logit")
	c.Low, c.High = around(c.Difference, variance, confidence)
	c.P = Difference{Value: c.Difference, Variance: variance}.PValue(0)
	if !finite(c.Low + c.High) {
		return c, invalid("the spread of %s cannot be told from so few rows", a.Name)
	}
	return c, nil
}

// DisparityOfMeans is how far a metric of two groups of different rows lies
// apart, |a − b|, with its normal interval.
func DisparityOfMeans(a, b Linear, confidence float64) (value, low, high float64) {
	d := a.Value - b.Value
	l, h := around(d, a.Variance()+b.Variance(), confidence)
	low, high = magnitude(l, h)
	return math.Abs(d), low, high
}

// magnitude is the interval of |x| for x in an interval.
func magnitude(low, high float64) (float64, float64) {
	if low <= 0 && high >= 0 {
		return 0, math.Max(-low, high)
	}
	a, b := math.Abs(low), math.Abs(high)
	return math.Min(a, b), math.Max(a, b)
}

// DisparityOfShares is how far two shares of different rows lie apart, with the
// interval of Newcombe (1998, method 10): the distances to the ends of Wilson's
// intervals are added as squares, so that shares of 0 and 1 are not certain. The
// error is a fault of kind Invalid when a share has no rows.
func DisparityOfShares(a, b Share, confidence float64) (value, low, high float64, err error) {
	lowA, highA, err := a.Wilson(confidence)
	if err != nil {
		return 0, 0, 0, err
	}
	lowB, highB, err := b.Wilson(confidence)
	if err != nil {
		return 0, 0, 0, err
	}
	d := a.Value - b.Value
	low, high = absolute(d-math.Hypot(a.Value-lowA, highB-b.Value), d+math.Hypot(highA-a.Value, b.Value-lowB))
	return math.Abs(d), low, high, nil
}
