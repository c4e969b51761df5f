package trainconfig

import (
	"encoding/json"
	"reflect"

	"github.com/sluice-ml/sluice/shared/goal"
)

// SchemaJSON is a JSON Schema (draft 2020-12) of train.yaml for editors: keys,
// types and known values. Parse checks all of that and more.
func SchemaJSON() ([]byte, error) {
	schema := schemaOf(reflect.TypeFor[Config](), "")
	schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
	schema["title"] = "Sluice train.yaml"
	schema["required"] = []string{"experiment", "data"}
	freeParams(schema["properties"].(map[string]any)["model"].(map[string]any))
	out, err := json.MarshalIndent(schema, "", "  ")
	return append(out, '\n'), err
}

// freeParams lets params be anything where an image of the model's own reads them.
func freeParams(model map[string]any) {
	properties := model["properties"].(map[string]any)
	strict := properties["params"]
	properties["params"] = map[string]any{"type": "object", "additionalProperties": schemaOf(reflect.TypeFor[any](), "")}
	model["if"] = map[string]any{"properties": map[string]any{"type": map[string]any{"const": TypeImage}}, "required": []string{"type"}}
	model["then"] = map[string]any{}
	model["else"] = map[string]any{"properties": map[string]any{"params": strict}}
}

// schemaEnums are the known values of text fields, by path; items of lists and
// values of mappings have the path of the list or mapping.
func schemaEnums() map[string][]string {
	return map[string][]string{
		"experiment.framework":              {"xgboost"},
		"data.split.by":                     {ByGroup, ByTime},
		"model.type":                        append(Estimators(), TypeImage),
		"evaluation.metrics":                goal.AllMetrics(),
		"evaluation.decide_on":              {"interval", "point"},
		"evaluation.on_insufficient":        {"hold", "pass", "fail"},
		"deployment.strategy":               {"canary", "blue_green", "shadow"},
		"deployment.environments":           {"staging", "production"},
		"deployment.on_deadline":            {"rollback", "proceed"},
		"deployment.analysis.mode":          {"limits", "sequential"},
		"deployment.slices.on_unknown":      {"hold", "tell"},
		"keys:evaluation.thresholds":        goal.AllMetrics(),
		"keys:evaluation.slices.thresholds": goal.AllMetrics(),
		"keys:evaluation.on_insufficient":   Gates(),
		"keys:model.params":                 Params(),
	}
}

func schemaOf(t reflect.Type, path string) map[string]any {
	if t == reflect.TypeFor[Duration]() {
		return map[string]any{"type": "string", "description": "a duration such as 500ms, 30s, 5m or 2h"}
	}
	switch t {
	case reflect.TypeFor[Gap]():
		return map[string]any{"type": []string{"integer", "string"}, "minimum": 0, "description": "a number of rows such as 100, or a duration such as 24h"}
	case reflect.TypeFor[Size]():
		return map[string]any{"type": "string", "description": "a size such as 512MiB or 8GiB"}
	case reflect.TypeFor[ClassWeight]():
		return map[string]any{"anyOf": []any{
			map[string]any{"type": "string", "enum": []string{balanced}},
			map[string]any{"type": "object", "additionalProperties": map[string]any{"type": "number", "minimum": 0}},
		}}
	}
	switch t.Kind() {
	case reflect.Struct:
		properties := map[string]any{}
		for i := range t.NumField() {
			key := t.Field(i).Tag.Get("yaml")
			properties[key] = schemaOf(t.Field(i).Type, join(path, key))
		}
		return map[string]any{"type": "object", "properties": properties, "additionalProperties": false}
	case reflect.Map:
		return schemaOfMap(t, path)
	case reflect.Slice:
		return map[string]any{"type": "array", "items": schemaOf(t.Elem(), path)}
	case reflect.Array:
		return map[string]any{"type": "array", "items": schemaOf(t.Elem(), path), "minItems": t.Len(), "maxItems": t.Len()}
	case reflect.Int, reflect.Int64:
		return map[string]any{"type": "integer"}
	case reflect.Float64:
		return map[string]any{"type": "number"}
	case reflect.Bool:
		return map[string]any{"type": "boolean"}
	case reflect.String:
		return schemaOfText(path)
	}
	return map[string]any{"type": []string{"number", "string", "boolean", "array"}} // a model parameter
}

func schemaOfMap(t reflect.Type, path string) map[string]any {
	value := schemaOf(t.Elem(), path)
	properties := map[string]any{}
	for _, key := range schemaEnums()["keys:"+path] {
		properties[key] = value
	}
	if len(properties) == 0 { // any name will do
		return map[string]any{"type": "object", "additionalProperties": value}
	}
	return map[string]any{"type": "object", "properties": properties, "additionalProperties": false}
}

// schemaOfText lets through numbers and booleans where any text will do: YAML
// writes the version 2.1 and the positive value 1 without quotes.
func schemaOfText(path string) map[string]any {
	if known := schemaEnums()[path]; known != nil {
		return map[string]any{"type": "string", "enum": known}
	}
	return map[string]any{"type": []string{"string", "number", "boolean"}}
}
