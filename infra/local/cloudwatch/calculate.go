package cloudwatch

import (
	"fmt"
	"math"
)

// vector is a time series over a grid; NaN marks a missing data point.
type vector []float64

// value is what an expression gives: a time series, or a number.
type value struct {
	series vector // nil for a number
	number float64
}

func (v value) at(i int) float64 {
	if v.series == nil {
		return v.number
	}
	return v.series[i]
}

// calculate evaluates an expression over a grid of n periods. Where an operand
// has no data point, neither has the result; so too where it is not a finite
// number (a division by zero). A comparison gives 1 or 0.
func (n *node) calculate(length int, series map[string]vector) (value, error) {
	switch n.op {
	case "number":
		return value{number: n.number}, nil
	case "id":
		s, ok := series[n.id]
		if !ok {
			return value{}, fmt.Errorf("no query has the id %q", n.id)
		}
		return value{series: s}, nil
	case "FILL":
		return n.fill(length, series)
	case "REPEAT":
		return value{}, fmt.Errorf("REPEAT stands only as FILL's second operand")
	}
	operands := make([]value, len(n.operands))
	for i, o := range n.operands {
		v, err := o.calculate(length, series)
		if err != nil {
			return value{}, err
		}
		operands[i] = v
	}
	return n.pointwise(length, operands), nil
}

func (n *node) pointwise(length int, operands []value) value {
	scalar := true
	for _, o := range operands {
		scalar = scalar && o.series == nil
	}
	if scalar {
		return value{number: n.apply(operands, 0)}
	}
	out := make(vector, length)
	for i := range out {
		out[i] = missingUnlessFinite(n.apply(operands, i))
	}
	return value{series: out}
}

func missingUnlessFinite(v float64) float64 {
	if math.IsInf(v, 0) {
		return math.NaN()
	}
	return v
}

func (n *node) apply(operands []value, i int) float64 {
	if n.op == "IF" {
		condition := operands[0].at(i)
		switch {
		case math.IsNaN(condition):
			return math.NaN()
		case condition != 0:
			return operands[1].at(i)
		default:
			return operands[2].at(i)
		}
	}
	a := operands[0].at(i)
	if len(operands) == 1 {
		return unary(n.op, a)
	}
	b := operands[1].at(i)
	if math.IsNaN(a) || math.IsNaN(b) {
		return math.NaN()
	}
	return binary(n.op, a, b)
}

func unary(op string, a float64) float64 {
	switch op {
	case "negate":
		return -a
	case "ABS":
		return math.Abs(a)
	case "CEIL":
		return math.Ceil(a)
	default: // FLOOR
		return math.Floor(a)
	}
}

func binary(op string, a, b float64) float64 {
	switch op {
	case "+":
		return a + b
	case "-":
		return a - b
	case "*":
		return a * b
	case "/":
		return a / b
	case "AND":
		return truth(a != 0 && b != 0)
	case "OR":
		return truth(a != 0 || b != 0)
	case "==":
		return truth(a == b)
	case "!=":
		return truth(a != b)
	case "<":
		return truth(a < b)
	case "<=":
		return truth(a <= b)
	case ">":
		return truth(a > b)
	default: // ">="
		return truth(a >= b)
	}
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

// fill replaces missing data points: by a number, by another series' point, or
// (REPEAT) by the last point before it.
func (n *node) fill(length int, series map[string]vector) (value, error) {
	from, err := n.operands[0].calculate(length, series)
	if err != nil {
		return value{}, err
	}
	if from.series == nil {
		return value{}, fmt.Errorf("FILL's first operand is a number: it wants a time series")
	}
	repeat := n.operands[1].op == "REPEAT"
	var with value
	if !repeat {
		if with, err = n.operands[1].calculate(length, series); err != nil {
			return value{}, err
		}
	}
	out, last := make(vector, length), math.NaN()
	for i, v := range from.series {
		switch {
		case !math.IsNaN(v):
			last = v
		case repeat:
			v = last
		default:
			v = with.at(i)
		}
		out[i] = v
	}
	return value{series: out}, nil
}
