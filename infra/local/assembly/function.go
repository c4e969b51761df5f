package assembly

import (
	"fmt"
	"strconv"
	"strings"
)

// resolveText resolves v, which must give a scalar, as text.
func (r *resolver) resolveText(v any, where string, depth int) (string, error) {
	value, err := r.resolve(v, where, depth+1)
	if err != nil {
		return "", err
	}
	s, err := scalarText(value)
	if err != nil {
		return "", fmt.Errorf("%s: %w", where, err)
	}
	return s, nil
}

// arguments checks that an intrinsic got a list of at least low and at most
// high items.
func arguments(argument any, low, high int, where, want string) ([]any, error) {
	list, ok := argument.([]any)
	if !ok || len(list) < low || len(list) > high {
		return nil, fmt.Errorf("%s: want %s, got %s", where, want, text(argument))
	}
	return list, nil
}

// sub implements both forms of Fn::Sub: a text, or [text, {name: value}].
func (r *resolver) sub(argument any, where string, depth int) (any, error) {
	template, ok := argument.(string)
	names := map[string]any{}
	if !ok {
		list, err := arguments(argument, 2, 2, where, "a text or [text, {name: value}]")
		if err != nil {
			return nil, err
		}
		template, ok = list[0].(string)
		given, isMap := list[1].(map[string]any)
		if !ok || !isMap {
			return nil, fmt.Errorf("%s: want a text or [text, {name: value}], got %s", where, text(argument))
		}
		names = given
	}
	return r.substitute(template, names, where, depth)
}

func (r *resolver) substitute(template string, names map[string]any, where string, depth int) (any, error) {
	var out strings.Builder
	for {
		before, rest, found := strings.Cut(template, "${")
		out.WriteString(before)
		if !found {
			return out.String(), nil
		}
		name, after, closed := strings.Cut(rest, "}")
		if !closed {
			return nil, fmt.Errorf("%s: ${ without } in %q", where, "${"+rest)
		}
		template = after
		if literal, ok := strings.CutPrefix(name, "!"); ok {
			out.WriteString("${" + literal + "}")
			continue
		}
		value, err := r.variable(strings.TrimSpace(name), names, where, depth)
		if err != nil {
			return nil, err
		}
		out.WriteString(value)
	}
}

// variable gives ${name}: one of Fn::Sub's own, a Ref, or Id.Attribute.
func (r *resolver) variable(name string, names map[string]any, where string, depth int) (string, error) {
	where += " ${" + name + "}"
	if value, ok := names[name]; ok {
		return r.resolveText(value, where, depth)
	}
	if strings.Contains(name, ".") {
		return r.resolveText(map[string]any{"Fn::GetAtt": name}, where, depth)
	}
	return r.resolveText(map[string]any{"Ref": name}, where, depth)
}

func (r *resolver) join(argument any, where string, depth int) (any, error) {
	list, err := arguments(argument, 2, 2, where, "[delimiter, list]")
	if err != nil {
		return nil, err
	}
	delimiter, ok := list[0].(string)
	if !ok {
		return nil, fmt.Errorf("%s: the delimiter is %s, want a text", where, text(list[0]))
	}
	items, err := r.resolveList(list[1], where, depth)
	if err != nil {
		return nil, err
	}
	parts := make([]string, len(items))
	for i, item := range items {
		if parts[i], err = scalarText(item); err != nil {
			return nil, fmt.Errorf("%s[%d]: %w", where, i, err)
		}
	}
	return strings.Join(parts, delimiter), nil
}

func (r *resolver) resolveList(v any, where string, depth int) ([]any, error) {
	value, err := r.resolve(v, where, depth+1)
	if err != nil {
		return nil, err
	}
	list, ok := value.([]any)
	if !ok {
		if r.visit != nil { // a placeholder stands for a list attribute
			return []any{}, nil
		}
		return nil, fmt.Errorf("%s: want a list, got %s", where, text(value))
	}
	return list, nil
}

func (r *resolver) selectItem(argument any, where string, depth int) (any, error) {
	list, err := arguments(argument, 2, 2, where, "[index, list]")
	if err != nil {
		return nil, err
	}
	position, err := r.resolveText(list[0], where, depth)
	if err != nil {
		return nil, err
	}
	items, err := r.resolveList(list[1], where, depth)
	if err != nil {
		return nil, err
	}
	if r.visit != nil {
		return "", nil // placeholders have no parts to choose from
	}
	index, err := strconv.Atoi(position)
	if err != nil || index < 0 || index >= len(items) {
		return nil, fmt.Errorf("%s: index %q is outside the list of %d items", where, position, len(items))
	}
	return items[index], nil
}

func (r *resolver) split(argument any, where string, depth int) (any, error) {
	list, err := arguments(argument, 2, 2, where, "[delimiter, text]")
	if err != nil {
		return nil, err
	}
	delimiter, ok := list[0].(string)
	if !ok || delimiter == "" {
		return nil, fmt.Errorf("%s: the delimiter is %s, want a text", where, text(list[0]))
	}
	whole, err := r.resolveText(list[1], where, depth)
	if err != nil {
		return nil, err
	}
	var parts []any
	for _, part := range strings.Split(whole, delimiter) {
		parts = append(parts, part)
	}
	return parts, nil
}

func (r *resolver) findInMap(argument any, where string, depth int) (any, error) {
	list, err := arguments(argument, 3, 3, where, "[map, key, second key] (DefaultValue is not supported)")
	if err != nil {
		return nil, err
	}
	var found any = r.template.mappings
	for i := range list {
		key, err := r.resolveText(list[i], where, depth)
		if err != nil {
			return nil, err
		}
		level, ok := found.(map[string]any)
		if !ok {
			return nil, fmt.Errorf("%s: the mapping is not three levels deep", where)
		}
		if found, ok = level[key]; !ok {
			return nil, fmt.Errorf("%s: the mappings have no key %q", where, key)
		}
	}
	return found, nil
}
