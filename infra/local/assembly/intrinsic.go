package assembly

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// maxDepth bounds the nesting of a template's values.
const maxDepth = 100

// noValue is what {"Ref": "AWS::NoValue"} gives: the property or list item that
// holds it is left out.
type noValue struct{}

// resolver replaces intrinsics by values.
type resolver struct {
	template *Template
	pseudo   map[string]any
	created  map[string]Created
	// visit, when set, is told every logical id that is referred to, and
	// references give placeholders: this is how dependencies are found.
	visit   func(logicalID string)
	judging map[string]bool // conditions being evaluated, against rings
}

func newResolver(t *Template) *resolver {
	return &resolver{template: t, pseudo: pseudoParameters(t), created: map[string]Created{}, judging: map[string]bool{}}
}

// resolve gives v with every intrinsic in it replaced; where names the place
// in errors.
func (r *resolver) resolve(v any, where string, depth int) (any, error) {
	if depth > maxDepth {
		return nil, fmt.Errorf("%s: nested more than %d deep", where, maxDepth)
	}
	switch value := v.(type) {
	case map[string]any:
		if name, argument, ok := intrinsic(value); ok {
			return r.call(name, argument, where+"."+name, depth+1)
		}
		return r.object(value, where, depth)
	case []any:
		return r.list(value, where, depth)
	case string:
		if strings.Contains(value, "{{resolve:") {
			return nil, fmt.Errorf("%s: dynamic references are not supported by the local stack: %q", where, value)
		}
	}
	return v, nil
}

func (r *resolver) object(value map[string]any, where string, depth int) (any, error) {
	out := make(map[string]any, len(value))
	for _, key := range slices.Sorted(maps.Keys(value)) {
		if strings.HasPrefix(key, "Fn::") {
			return nil, fmt.Errorf("%s: %s stands beside other keys; an intrinsic is an object with one key", where, key)
		}
		item, err := r.resolve(value[key], where+"."+key, depth+1)
		if err != nil {
			return nil, err
		}
		if _, none := item.(noValue); !none {
			out[key] = item
		}
	}
	return out, nil
}

func (r *resolver) list(value []any, where string, depth int) (any, error) {
	out := make([]any, 0, len(value))
	for i, element := range value {
		item, err := r.resolve(element, where+"["+strconv.Itoa(i)+"]", depth+1)
		if err != nil {
			return nil, err
		}
		if _, none := item.(noValue); !none {
			out = append(out, item)
		}
	}
	return out, nil
}

// intrinsic tells whether value is {"Ref": …} or {"Fn::…": …}.
func intrinsic(value map[string]any) (name string, argument any, ok bool) {
	if len(value) != 1 {
		return "", nil, false
	}
	for name, argument = range value {
	}
	return name, argument, name == "Ref" || strings.HasPrefix(name, "Fn::")
}

func (r *resolver) call(name string, argument any, where string, depth int) (any, error) {
	switch name {
	case "Ref":
		return r.ref(argument, where)
	case "Fn::GetAtt":
		return r.getAtt(argument, where)
	case "Fn::Sub":
		return r.sub(argument, where, depth)
	case "Fn::Join":
		return r.join(argument, where, depth)
	case "Fn::Select":
		return r.selectItem(argument, where, depth)
	case "Fn::Split":
		return r.split(argument, where, depth)
	case "Fn::If":
		return r.choose(argument, where, depth)
	case "Fn::FindInMap":
		return r.findInMap(argument, where, depth)
	case "Fn::GetAZs":
		region := r.template.Region
		return []any{region + "a", region + "b", region + "c"}, nil
	case "Fn::Base64":
		s, err := r.resolveText(argument, where, depth)
		return base64.StdEncoding.EncodeToString([]byte(s)), err
	}
	return nil, fmt.Errorf("%s: the local stack does not implement %s", where, name)
}

func (r *resolver) ref(argument any, where string) (any, error) {
	id, ok := argument.(string)
	if !ok {
		return nil, fmt.Errorf("%s: want a name, got %s", where, text(argument))
	}
	if id == "AWS::NoValue" {
		return noValue{}, nil
	}
	if value, ok := r.pseudo[id]; ok {
		return value, nil
	}
	if _, ok := r.template.parameters[id]; ok {
		value, err := r.template.parameterValue(id)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", where, err)
		}
		return value, nil
	}
	made, err := r.resource(id, where)
	return made.Ref, err
}

// resource gives what was made of a logical id, or a placeholder while
// dependencies are being collected.
func (r *resolver) resource(id, where string) (Created, error) {
	if _, ok := r.template.resources[id]; !ok {
		return Created{}, fmt.Errorf("%s: %q is neither a resource nor a parameter of the template", where, id)
	}
	if r.visit != nil {
		r.visit(id)
		return Created{Ref: id}, nil
	}
	made, ok := r.created[id]
	if !ok {
		return Created{}, fmt.Errorf("%s: resource %s does not exist: its condition is false", where, id)
	}
	return made, nil
}

func (r *resolver) getAtt(argument any, where string) (any, error) {
	id, attribute, err := attributeOf(argument)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", where, err)
	}
	made, err := r.resource(id, where)
	if err != nil || r.visit != nil {
		return attribute, err
	}
	value, ok := lookup(made.Attributes, attribute)
	if !ok {
		return nil, fmt.Errorf("%s: resource %s (%s) has no attribute %q in the local stack; it has %v",
			where, id, r.template.resources[id].Type, attribute, slices.Sorted(maps.Keys(made.Attributes)))
	}
	return value, nil
}

// attributeOf reads ["Id", "Attribute"] or "Id.Attribute".
func attributeOf(argument any) (id, attribute string, err error) {
	switch v := argument.(type) {
	case string:
		id, attribute, _ = strings.Cut(v, ".")
	case []any:
		if len(v) == 2 {
			id, _ = v[0].(string)
			attribute, _ = v[1].(string)
		}
	}
	if id == "" || attribute == "" {
		return "", "", fmt.Errorf("want [logical id, attribute], got %s", text(argument))
	}
	return id, attribute, nil
}

// lookup finds "A.B" as the key "A.B" or as B within A.
func lookup(attributes map[string]any, name string) (any, bool) {
	if value, ok := attributes[name]; ok {
		return value, true
	}
	head, rest, found := strings.Cut(name, ".")
	inner, ok := attributes[head].(map[string]any)
	if !found || !ok {
		return nil, false
	}
	return lookup(inner, rest)
}

// text shows a value in an error, shortened.
func text(v any) string {
	raw, err := json.Marshal(v)
	if err != nil {
		return fmt.Sprintf("%T", v)
	}
	if len(raw) > 120 {
		return string(raw[:117]) + "..."
	}
	return string(raw)
}

// scalarText gives a string, number or boolean as CloudFormation writes it.
func scalarText(v any) (string, error) {
	switch s := v.(type) {
	case string:
		return s, nil
	case json.Number:
		return s.String(), nil
	case bool:
		return strconv.FormatBool(s), nil
	case float64:
		return strconv.FormatFloat(s, 'f', -1, 64), nil
	case int:
		return strconv.Itoa(s), nil
	}
	return "", fmt.Errorf("want a string, number or boolean, got %s", text(v))
}
