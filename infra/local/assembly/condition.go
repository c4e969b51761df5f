package assembly

import "fmt"

// choose implements Fn::If. Only the branch that is taken is resolved.
func (r *resolver) choose(argument any, where string, depth int) (any, error) {
	list, err := arguments(argument, 3, 3, where, "[condition, value if true, value if false]")
	if err != nil {
		return nil, err
	}
	name, ok := list[0].(string)
	if !ok {
		return nil, fmt.Errorf("%s: want a condition's name, got %s", where, text(list[0]))
	}
	holds, err := r.condition(name, where, depth)
	if err != nil {
		return nil, err
	}
	if holds {
		return r.resolve(list[1], where, depth+1)
	}
	return r.resolve(list[2], where, depth+1)
}

// condition evaluates one of the template's Conditions.
func (r *resolver) condition(name, where string, depth int) (bool, error) {
	body, ok := r.template.conditions[name]
	if !ok {
		return false, fmt.Errorf("%s: the template has no condition %q", where, name)
	}
	if r.judging[name] {
		return false, fmt.Errorf("%s: condition %q depends on itself", where, name)
	}
	r.judging[name] = true
	defer delete(r.judging, name)
	return r.judge(body, where+" (condition "+name+")", depth+1)
}

// judge evaluates a condition function.
func (r *resolver) judge(body any, where string, depth int) (bool, error) {
	if depth > maxDepth {
		return false, fmt.Errorf("%s: nested more than %d deep", where, maxDepth)
	}
	object, ok := body.(map[string]any)
	if !ok || len(object) != 1 {
		return false, fmt.Errorf("%s: want Fn::Equals, Fn::And, Fn::Or, Fn::Not or Condition, got %s", where, text(body))
	}
	for name, argument := range object {
		where := where + "." + name
		switch name {
		case "Condition":
			other, ok := argument.(string)
			if !ok {
				return false, fmt.Errorf("%s: want a condition's name, got %s", where, text(argument))
			}
			return r.condition(other, where, depth)
		case "Fn::Equals":
			return r.equals(argument, where, depth)
		case "Fn::Not":
			list, err := arguments(argument, 1, 1, where, "a list of one condition")
			if err != nil {
				return false, err
			}
			holds, err := r.judge(list[0], where, depth+1)
			return !holds, err
		case "Fn::And":
			return r.all(argument, true, where, depth)
		case "Fn::Or":
			return r.all(argument, false, where, depth)
		}
	}
	return false, fmt.Errorf("%s: want Fn::Equals, Fn::And, Fn::Or, Fn::Not or Condition, got %s", where, text(body))
}

// all gives the conjunction of the conditions when want is true, and their
// disjunction when it is false.
func (r *resolver) all(argument any, want bool, where string, depth int) (bool, error) {
	list, err := arguments(argument, 2, 10, where, "a list of 2 to 10 conditions")
	if err != nil {
		return false, err
	}
	result := want
	for _, item := range list {
		holds, err := r.judge(item, where, depth+1)
		if err != nil {
			return false, err
		}
		if holds != want {
			result = !want
		}
	}
	return result, nil
}

func (r *resolver) equals(argument any, where string, depth int) (bool, error) {
	list, err := arguments(argument, 2, 2, where, "two values")
	if err != nil {
		return false, err
	}
	left, err := r.resolveText(list[0], where, depth)
	if err != nil {
		return false, err
	}
	right, err := r.resolveText(list[1], where, depth)
	return left == right, err
}
