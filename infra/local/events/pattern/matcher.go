package pattern

import (
	"encoding/json"
	"fmt"
	"math/big"
	"net/netip"
	"slices"
	"strings"
)

// matcher is one item of a leaf array.
type matcher struct {
	holds  func(value any) bool // value is string, json.Number, bool or nil
	absent bool                 // {"exists": false}: holds when the field is not there
}

func compileLeaf(items []any, path string) ([]matcher, error) {
	if len(items) == 0 {
		return nil, fmt.Errorf("%s is an empty array; empty arrays are not allowed", name(path))
	}
	matchers := make([]matcher, 0, len(items))
	for _, item := range items {
		m, err := compileItem(item)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name(path), err)
		}
		matchers = append(matchers, m)
	}
	return matchers, nil
}

func compileItem(item any) (matcher, error) {
	switch v := item.(type) {
	case map[string]any:
		if len(v) != 1 {
			return matcher{}, fmt.Errorf("a match expression must have exactly one operator, got %d", len(v))
		}
		for operator, operand := range v {
			return compileOperator(operator, operand)
		}
	case []any:
		return matcher{}, fmt.Errorf("a match value must be a string, number, true, false, null or an operator, not an array")
	}
	return matcher{holds: equal(item)}, nil
}

// equal compares as EventBridge does: numbers by how they are written, so 300
// and 300.0 are different.
func equal(want any) func(any) bool { return func(got any) bool { return got == want } }

func compileOperator(operator string, operand any) (matcher, error) {
	switch operator {
	case "exists":
		want, ok := operand.(bool)
		if !ok {
			return matcher{}, fmt.Errorf("exists takes true or false")
		}
		return matcher{holds: func(any) bool { return want }, absent: !want}, nil
	case "anything-but":
		return compileAnythingBut(operand)
	case "numeric":
		return compileNumeric(operand)
	case "cidr":
		return compileCIDR(operand)
	}
	test, err := compileText(operator, operand)
	return matcher{holds: test}, err
}

// compileText compiles the operators that look at strings only.
func compileText(operator string, operand any) (func(any) bool, error) {
	if object, ok := operand.(map[string]any); ok && (operator == "prefix" || operator == "suffix") {
		folded, ok := object["equals-ignore-case"].(string)
		if !ok || len(object) != 1 {
			return nil, fmt.Errorf("%s takes a string or {\"equals-ignore-case\": string}", operator)
		}
		return onText(func(s string) bool { return affix(operator, strings.ToLower(s), strings.ToLower(folded)) }), nil
	}
	want, isText := operand.(string)
	switch operator {
	case "prefix", "suffix", "equals-ignore-case", "wildcard":
		if !isText {
			return nil, fmt.Errorf("%s takes a string", operator)
		}
	default:
		return nil, fmt.Errorf("unrecognized match type %s", operator)
	}
	switch operator {
	case "equals-ignore-case":
		return onText(func(s string) bool { return strings.EqualFold(s, want) }), nil
	case "wildcard":
		parts, err := compileWildcard(want)
		return onText(func(s string) bool { return matchWildcard(parts, s) }), err
	}
	return onText(func(s string) bool { return affix(operator, s, want) }), nil
}

func affix(operator, s, want string) bool {
	if operator == "prefix" {
		return strings.HasPrefix(s, want)
	}
	return strings.HasSuffix(s, want)
}

func onText(test func(string) bool) func(any) bool {
	return func(value any) bool {
		s, ok := value.(string)
		return ok && test(s)
	}
}

// compileAnythingBut compiles {"anything-but": value | [values] | {operator:
// string | [strings]}}. It needs the field to be there.
func compileAnythingBut(operand any) (matcher, error) {
	if object, ok := operand.(map[string]any); ok {
		return anythingButOperator(object)
	}
	values, ok := operand.([]any)
	if !ok {
		values = []any{operand}
	}
	if len(values) == 0 {
		return matcher{}, fmt.Errorf("anything-but takes at least one value")
	}
	texts, numbers := 0, 0
	for _, v := range values {
		switch v.(type) {
		case string:
			texts++
		case json.Number:
			numbers++
		}
	}
	if texts != len(values) && numbers != len(values) {
		return matcher{}, fmt.Errorf("anything-but takes strings or numbers, all of one kind")
	}
	return matcher{holds: func(got any) bool { return !slices.Contains(values, got) }}, nil
}

func anythingButOperator(object map[string]any) (matcher, error) {
	if len(object) != 1 {
		return matcher{}, fmt.Errorf("anything-but takes exactly one operator, got %d", len(object))
	}
	var tests []func(any) bool
	for operator, operand := range object {
		operands, ok := operand.([]any)
		if !ok {
			operands = []any{operand}
		}
		if len(operands) == 0 {
			return matcher{}, fmt.Errorf("anything-but %s takes at least one string", operator)
		}
		for _, item := range operands {
			if s, ok := item.(string); !ok || (s == "" && (operator == "prefix" || operator == "suffix")) {
				return matcher{}, fmt.Errorf("anything-but %s takes strings that are not empty", operator)
			}
			test, err := compileText(operator, item)
			if err != nil {
				return matcher{}, err
			}
			tests = append(tests, test)
		}
	}
	return matcher{holds: func(got any) bool {
		return !slices.ContainsFunc(tests, func(test func(any) bool) bool { return test(got) })
	}}, nil
}

// compileNumeric compiles ["op", number] and ["lower op", number, "upper op",
// number], with numbers within ±5e9 as AWS has it.
func compileNumeric(operand any) (matcher, error) {
	terms, ok := operand.([]any)
	if !ok || (len(terms) != 2 && len(terms) != 4) {
		return matcher{}, fmt.Errorf("numeric takes [operator, number] or [operator, number, operator, number]")
	}
	var tests []func(*big.Rat) bool
	var bounds []*big.Rat
	for i := 0; i < len(terms); i += 2 {
		operator, _ := terms[i].(string)
		number, isNumber := terms[i+1].(json.Number)
		if !isNumber || !slices.Contains([]string{"=", "<", "<=", ">", ">="}, operator) {
			return matcher{}, fmt.Errorf("numeric takes the operators = < <= > >= each before a number")
		}
		bound, ok := rational(number)
		if !ok {
			return matcher{}, fmt.Errorf("numeric takes numbers between -5e9 and 5e9, got %s", number)
		}
		bounds = append(bounds, bound)
		tests = append(tests, comparison(operator, bound))
	}
	if len(terms) == 4 {
		lower, upper := terms[0].(string), terms[2].(string)
		if lower[0] != '>' || upper[0] != '<' || bounds[0].Cmp(bounds[1]) >= 0 {
			return matcher{}, fmt.Errorf("numeric range must give a lower bound and then a greater upper bound")
		}
	}
	return matcher{holds: func(value any) bool {
		number, ok := value.(json.Number)
		if !ok {
			return false
		}
		got, ok := rational(number)
		return ok && !slices.ContainsFunc(tests, func(test func(*big.Rat) bool) bool { return !test(got) })
	}}, nil
}

func comparison(operator string, bound *big.Rat) func(*big.Rat) bool {
	return func(got *big.Rat) bool {
		switch c := got.Cmp(bound); operator {
		case "=":
			return c == 0
		case "<":
			return c < 0
		case "<=":
			return c <= 0
		case ">":
			return c > 0
		default:
			return c >= 0
		}
	}
}

// rational reads a number exactly; ok is false outside ±5e9 and for exponents
// too small to mean anything.
func rational(n json.Number) (*big.Rat, bool) {
	f, err := n.Float64()
	if err != nil || f < -5e9 || f > 5e9 || len(n) > 64 {
		return nil, false
	}
	if _, exponent, found := strings.Cut(strings.ToLower(string(n)), "e"); found && len(exponent) > 4 {
		return nil, false
	}
	return new(big.Rat).SetString(string(n))
}

func compileCIDR(operand any) (matcher, error) {
	s, ok := operand.(string)
	if !ok {
		return matcher{}, fmt.Errorf("cidr takes a string")
	}
	network, err := netip.ParsePrefix(s)
	if err != nil {
		return matcher{}, fmt.Errorf("cidr %q: want address/bits", s)
	}
	return matcher{holds: onText(func(s string) bool {
		address, err := netip.ParseAddr(s)
		return err == nil && network.Contains(address)
	})}, nil
}
