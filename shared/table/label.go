package table

import (
	"fmt"
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
		WithHint("set data.positive to the value that the model should predict")
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
	contents := make([]string, target.Len())
	for i := range contents {
		if target.Null[i] {
			return nil, "", fault.New(fault.Invalid, op, "column %q has no value in row %d", target.Name, i+1).
				WithHint("drop the rows whose outcome is not known")
		}
		contents[i] = target.Content(i)
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
