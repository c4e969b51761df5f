package trainconfig

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/santhosh-tekuri/jsonschema/v6"
)

var update = flag.Bool("update", false, "write train.schema.json")

func TestSchemaFileIsUpToDateAndAgreesWithParse(t *testing.T) {
	want, err := SchemaJSON()
	if err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile("train.schema.json", want, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	kept, err := os.ReadFile("train.schema.json")
	if err != nil || !bytes.Equal(kept, want) {
		t.Fatalf("train.schema.json is out of date (%v): go test ./shared/trainconfig -update", err)
	}
	loose, err := jsonschema.UnmarshalJSON(bytes.NewReader(want))
	if err != nil {
		t.Fatal(err)
	}
	compiler := jsonschema.NewCompiler()
	if err := compiler.AddResource("train.schema.json", loose); err != nil {
		t.Fatal(err)
	}
	schema, err := compiler.Compile("train.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	for text, valid := range map[string]bool{
		short: true, least: true, string(mustParse(t, short).Canonical()): true,
		least + "evalution: {}\n":                                               false,
		least + "training: {folds: five}\n":                                     false,
		least + "deployment: {bake: 5}\n":                                       false,
		least + "model: {type: XGBRFRegressor}\n":                               false,
		least + "evaluation: {thresholds: {auc: 0.9}}\n":                        false,
		least + "model: {params: {max_dept: 3}}\n":                              false,
		least + "model: {type: image, params: {layers: [3, 4], \"p\": true}}\n": true,
		least + "evaluation: {on_insufficient: {fairnes: pass}}":                false,
		least + "evaluation: {decide_on: luck}\n":                               false,
		least + "evaluation: {slices: [{by: [a], edges: {a: [1, 2]}}]}\n":       true,
		least + "evaluation: {slices: [{by: [a], edges: {a: 1}}]}\n":            false,
		least + "evaluation: {slices: [{by: [a], thresholds: {auc: 1}}]}\n":     false,
	} {
		asJSON, err := yaml.YAMLToJSON([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		var instance any
		if err := json.Unmarshal(asJSON, &instance); err != nil {
			t.Fatal(err)
		}
		_, parsed := Parse("train.yaml", []byte(text))
		if got := schema.Validate(instance) == nil; got != valid || (parsed == nil) != valid {
			t.Errorf("%s\nthe schema says %v, Parse says %v, want %v", text, got, parsed == nil, valid)
		}
	}
}
