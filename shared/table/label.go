package table

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/sluice-ml/sluice/shared/fault"
)

// Positive decides a target's positive value from the canonical contents of
// the target (see Column.Content; "" is ignored) and what data.positive says.
// Given, it is taken, in canonical form. Not given, it is "1" when the values
// are 0 and 1, else the greater of two text values. The error is a fault of
// kind Invalid that says to set data.positive.
func Positive(values []string, given string) (string, error) {
	if given != "" {
		return CanonicalText(strings.TrimSpace(given)), nil
	}
	distinct := slices.Clone(values)
	slices.Sort(distinct)
	distinct = slices.DeleteFunc(slices.Compact(distinct), func(v string) bool { return v == "" })
	numeric := len(distinct) > 0
	for _, v := range distinct {
		if _, form := parseNumber(v); form != formNumber {
			numeric = false
		}
	}
	switch {
	case numeric && !slices.ContainsFunc(distinct, func(v string) bool { return v != "0" && v != "1" }):
		return "1", nil
	case !numeric && len(distinct) == 2:
		return distinct[1], nil
	}
	return "", fault.New(fault.Invalid, "find the positive class",
		"the target has %s, which do not say which one is positive", some(distinct)).
		WithHint("set data.positive to the value that the model should predict, model.params.objective to multi:softprob to tell all of them apart, or model.type to XGBRegressor if they are quantities")
}

func some(values []string) string {
	const most = 8
	text := fmt.Sprintf("%d distinct values", len(values))
	if len(values) == 0 {
		return text
	}
	shown := make([]string, min(most, len(values)))
	for i := range shown {
		shown[i] = fmt.Sprintf("%q", clip(values[i]))
	}
	text += " (" + strings.Join(shown, ", ")
	if len(values) > most {
		text += ", …"
	}
	return text + ")"
}

// Labels turns a target into 1 for the positive value and 0 for every other,
// and says which value was positive. Errors are faults of kind Invalid: a
// missing target (with its row), a positive value that cannot be told or that
// no row has.
func Labels(target *Column, given string) (labels []float64, positive string, err error) {
	const op = "read the target"
	contents, err := contentsOf(target)
	if err != nil {
		return nil, "", err
	}
	if positive, err = Positive(contents, given); err != nil {
		return nil, "", fault.Wrap(fault.Invalid, op, err)
	}
	labels = make([]float64, len(contents))
	found := false
	for i, v := range contents {
		if v == positive {
			labels[i], found = 1, true
		}
	}
	if !found && given != "" {
		slices.Sort(contents)
		return nil, "", fault.New(fault.Invalid, op, "no row of column %q has the positive value %q; it has %s",
			target.Name, positive, some(slices.Compact(contents))).WithHint("correct data.positive")
	}
	return labels, positive, nil
}

// mostClasses bounds a multiclass target: beyond it the target is a number or an
// identifier.
const mostClasses = 1000

// ClassLabels turns a target into the places of its values among all of them,
// sorted: numbers in rising order before other text. Errors are faults of kind
// Invalid: a missing target (with its row), fewer than two classes or too many.
func ClassLabels(target *Column) (labels []float64, classes []string, err error) {
	const op = "read the target"
	contents, err := contentsOf(target)
	if err != nil {
		return nil, nil, err
	}
	classes = slices.Compact(slices.SortedFunc(slices.Values(contents), compareClasses))
	if len(classes) < 2 || len(classes) > mostClasses {
		return nil, nil, fault.New(fault.Invalid, op, "column %q has %s: want 2 to %d classes", target.Name, some(classes), mostClasses).
			WithHint("check data.target; for a number use XGBRegressor")
	}
	place := make(map[string]float64, len(classes))
	for k, class := range classes {
		place[class] = float64(k)
	}
	labels = make([]float64, len(contents))
	for i, content := range contents {
		labels[i] = place[content]
	}
	return labels, classes, nil
}

// compareClasses puts numbers in rising order, then other text.
func compareClasses(a, b string) int {
	x, formX := parseNumber(a)
	y, formY := parseNumber(b)
	switch numberX, numberY := formX == formNumber, formY == formNumber; {
	case numberX && numberY:
		return cmp.Or(cmp.Compare(x, y), strings.Compare(a, b))
	case numberX:
		return -1
	case numberY:
		return 1
	}
	return strings.Compare(a, b)
}

// NumberLabels are a target's numbers. Errors are faults of kind Invalid: a
// missing target, or one that is no number a model can learn (with its row).
func NumberLabels(target *Column) ([]float64, error) {
	const op = "read the target"
	if target.Kind != Number {
		return nil, fault.New(fault.Invalid, op, "column %q is %q in row %d, which is not a number", target.Name,
			clip(target.Text[target.FirstText]), target.FirstText+1).
			WithHint("mend the values, or use XGBClassifier with the objective multi:softprob to learn classes")
	}
	if _, err := contentsOf(target); err != nil {
		return nil, err
	}
	for i, v := range target.Number {
		if math.Abs(v) > math.MaxFloat32 {
			return nil, fault.New(fault.Invalid, op, "column %q is %v in row %d, which is too large for a 32-bit number", target.Name, v, i+1).
				WithHint("scale the target")
		}
	}
	return slices.Clone(target.Number), nil
}

// contentsOf are the canonical contents of a target, none of which may be
// missing.
func contentsOf(target *Column) ([]string, error) {
	contents := make([]string, target.Len())
	for i := range contents {
		if target.Null[i] {
			return nil, fault.New(fault.Invalid, "read the target", "column %q has no value in row %d", target.Name, i+1).
				WithHint("drop the rows whose outcome is not known")
		}
		contents[i] = target.Content(i)
	}
	return contents, nil
}
