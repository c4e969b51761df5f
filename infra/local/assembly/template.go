package assembly

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/sluice-ml/sluice/infra/local/nearest"
)

// Template is one stack's template, parsed but not resolved.
type Template struct {
	Name   string            // the stack's name
	Region string            // what AWS::Region gives
	Values map[string]string // parameter values that take the place of defaults
	Assets *Assets

	parameters map[string]parameter
	mappings   map[string]any
	conditions map[string]any
	resources  map[string]declaration
	outputs    map[string]output
}

type parameter struct {
	Type          string `json:"Type"`
	Default       any    `json:"Default"`
	AllowedValues []any  `json:"AllowedValues"`
	Description   string `json:"Description"`
	NoEcho        any    `json:"NoEcho"`
	Pattern       string `json:"AllowedPattern"`
	Constraint    string `json:"ConstraintDescription"`
	MinLength     any    `json:"MinLength"`
	MaxLength     any    `json:"MaxLength"`
	MinValue      any    `json:"MinValue"`
	MaxValue      any    `json:"MaxValue"`
}

type declaration struct {
	Type                string         `json:"Type"`
	Properties          map[string]any `json:"Properties"`
	DependsOn           any            `json:"DependsOn"`
	Condition           string         `json:"Condition"`
	Metadata            map[string]any `json:"Metadata"`
	DeletionPolicy      string         `json:"DeletionPolicy"`
	UpdateReplacePolicy string         `json:"UpdateReplacePolicy"`
}

type output struct {
	Value       any            `json:"Value"`
	Condition   string         `json:"Condition"`
	Description string         `json:"Description"`
	Export      map[string]any `json:"Export"`
}

// sections is the top level of a template. Rules are CDK's check of its own
// bootstrap stack, which has no meaning here.
type sections struct {
	Version     string                     `json:"AWSTemplateFormatVersion"`
	Description string                     `json:"Description"`
	Metadata    map[string]any             `json:"Metadata"`
	Parameters  map[string]parameter       `json:"Parameters"`
	Mappings    map[string]any             `json:"Mappings"`
	Conditions  map[string]any             `json:"Conditions"`
	Rules       map[string]any             `json:"Rules"`
	Resources   map[string]json.RawMessage `json:"Resources"`
	Outputs     map[string]output          `json:"Outputs"`
}

// ParseTemplate reads a template's JSON. A section or a resource attribute that
// the local stack does not know is an error that names it.
func ParseTemplate(raw []byte) (*Template, error) {
	var s sections
	if err := decode(raw, &s); err != nil {
		return nil, fmt.Errorf("the local stack cannot honour the template: %w", err)
	}
	if len(s.Resources) == 0 {
		return nil, fmt.Errorf("the template declares no resources")
	}
	resources := map[string]declaration{}
	for id, body := range s.Resources {
		var d declaration
		if err := decode(body, &d); err != nil {
			return nil, fmt.Errorf("the local stack cannot honour resource %s: %w", id, err)
		}
		if d.Type == "" {
			return nil, fmt.Errorf("resource %s has no Type", id)
		}
		resources[id] = d
	}
	return &Template{
		Name: "Stack", Region: DefaultRegion, Values: map[string]string{}, Assets: newAssets(),
		parameters: s.Parameters, mappings: s.Mappings, conditions: s.Conditions,
		resources: resources, outputs: s.Outputs,
	}, nil
}

// decode is strict, and keeps numbers as they were written.
func decode(raw []byte, into any) error {
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.DisallowUnknownFields()
	decoder.UseNumber()
	return nearest.Member(decoder.Decode(into), into)
}

// Types lists the resource types the template declares, in order.
func (t *Template) Types() []string {
	types := map[string]bool{}
	for _, d := range t.resources {
		types[d.Type] = true
	}
	return slices.Sorted(maps.Keys(types))
}

// dependsOn reads DependsOn: one logical id or a list of them.
func (d declaration) dependsOn() ([]string, error) {
	switch v := d.DependsOn.(type) {
	case nil:
		return nil, nil
	case string:
		return []string{v}, nil
	case []any:
		ids := make([]string, 0, len(v))
		for _, item := range v {
			id, ok := item.(string)
			if !ok {
				return nil, fmt.Errorf("DependsOn holds %s, want logical ids", text(item))
			}
			ids = append(ids, id)
		}
		return ids, nil
	}
	return nil, fmt.Errorf("DependsOn is %s, want a logical id or a list of them", text(d.DependsOn))
}

// parameterValue gives a parameter's value: the one that was set, else the
// default. An SSM parameter has no value here.
func (t *Template) parameterValue(name string) (any, error) {
	p := t.parameters[name]
	if strings.HasPrefix(p.Type, "AWS::SSM::Parameter::") {
		return nil, fmt.Errorf("parameter %s is read from SSM (%s), which the local stack does not have", name, p.Type)
	}
	var value any = p.Default
	if set, ok := t.Values[name]; ok {
		value = set
	}
	if value == nil {
		return nil, fmt.Errorf("parameter %s has no value: give it a default in the CDK app", name)
	}
	scalar, err := scalarText(value)
	if err != nil {
		return nil, fmt.Errorf("parameter %s: %w", name, err)
	}
	if len(p.AllowedValues) > 0 && !slices.ContainsFunc(p.AllowedValues, func(v any) bool {
		allowed, err := scalarText(v)
		return err == nil && allowed == scalar
	}) {
		return nil, fmt.Errorf("parameter %s is %q, want one of %s", name, scalar, text(p.AllowedValues))
	}
	if p.Type == "CommaDelimitedList" || strings.HasPrefix(p.Type, "List<") {
		var items []any
		for _, item := range strings.Split(scalar, ",") {
			items = append(items, strings.TrimSpace(item))
		}
		return items, nil
	}
	return scalar, nil
}
