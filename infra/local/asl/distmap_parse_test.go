package asl_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/sluice-ml/sluice/infra/local/asl"
)

const getJSON = `"ItemReader":{"Resource":"arn:aws:states:::s3:getObject","ReaderConfig":{"InputType":"JSON"},"Parameters":{"Bucket":"b","Key":"k"}}`

// reader is an ItemReader of getObject with a ReaderConfig.
func reader(config string) string {
	return `"ItemReader":{"Resource":"arn:aws:states:::s3:getObject","Parameters":{"Bucket":"b","Key":"k"},"ReaderConfig":{` + config + `}}`
}

// TestDistributedMapRefused: what AWS refuses of a distributed Map's fields is
// refused, at its place.
func TestDistributedMapRefused(t *testing.T) {
	for _, c := range []struct{ language, mode, fields, pointer, message string }{
		{"JSONPath", "INLINE", getJSON, "/ItemReader", "only supported for distributed"},
		{"JSONPath", "INLINE", `"ItemBatcher":{"MaxItemsPerBatch":2}`, "/ItemBatcher", "only supported for distributed"},
		{"JSONPath", "INLINE", `"ResultWriter":{"WriterConfig":{"OutputType":"JSON","Transformation":"NONE"}}`, "/ResultWriter", "only supported for distributed"},
		{"JSONPath", "", `"ItemReader":{"ReaderConfig":{"InputType":"JSON"},"Parameters":{"Bucket":"b","Key":"k"}}`, "/ItemReader", "[Resource]"},
		{"JSONPath", "", `"ItemReader":{"Resource":"arn:aws:states:::s3:headObject","Parameters":{"Bucket":"b","Key":"k"}}`, "/ItemReader/Resource", "not one of"},
		{"JSONPath", "", `"ItemReader":{"Resource":"arn:aws:states:::s3:getObject","ReaderConfig":{"InputType":"JSON"}}`, "/ItemReader", "[Parameters]"},
		{"JSONPath", "", `"ItemReader":{"Resource":"arn:aws:states:::s3:getObject","ReaderConfig":{"InputType":"JSON"},"Arguments":{"Bucket":"b","Key":"k"}}`, "/ItemReader/Arguments", "not supported"},
		{"JSONata", "", `"ItemReader":{"Resource":"arn:aws:states:::s3:getObject","ReaderConfig":{"InputType":"JSON"},"Parameters":{"Bucket":"b","Key":"k"}}`, "/ItemReader/Parameters", "not supported"},
		{"JSONPath", "", `"ItemReader":{"Resource":"arn:aws:states:::s3:getObject","Parameters":{"Bucket":"b","Key":"k"}}`, "/ItemReader", "[ReaderConfig]"},
		{"JSONPath", "", `"ItemReader":{"Resource":"arn:aws:states:::s3:getObject","ReaderConfig":{"InputType":"JSON"},"Parameters":{"Bucket":"b"}}`, "/ItemReader/Parameters", `"Key" is required`},
		{"JSONPath", "", `"ItemReader":{"Resource":"arn:aws:states:::s3:getObject","ReaderConfig":{"InputType":"JSON"},"Parameters":{"Bucket":"b","Key":"k","Range":"x"}}`, "/ItemReader/Parameters/Range", "not supported"},
		{"JSONPath", "", `"ItemReader":{"Resource":"arn:aws:states:::s3:listObjectsV2","Parameters":{"Bucket":"b","Key":"k"}}`, "/ItemReader/Parameters/Key", "not supported"},
		{"JSONPath", "", `"ItemReader":{"Resource":"arn:aws:states:::s3:listObjectsV2","Parameters":{"Bucket":"b"},"ReaderConfig":{"InputType":"JSON"}}`, "/ItemReader/ReaderConfig/InputType", "LOAD_AND_FLATTEN"},
		{"JSONPath", "", `"ItemReader":{"Resource":"arn:aws:states:::s3:listObjectsV2","Parameters":{"Bucket":"b"},"ReaderConfig":{"Transformation":"LOAD_AND_FLATTEN"}}`, "/ItemReader/ReaderConfig", "[InputType]"},
		{"JSONPath", "", reader(`"MaxItems":1`), "/ItemReader/ReaderConfig", "[InputType]"},
		{"JSONPath", "", reader(`"InputType":"XML"`), "/ItemReader/ReaderConfig/InputType", "not one of [CSV, JSON, JSONL, PARQUET, MANIFEST]"},
		{"JSONPath", "", reader(`"InputType":"CSV"`), "/ItemReader/ReaderConfig", "[CSVHeaderLocation]"},
		{"JSONPath", "", reader(`"InputType":"CSV","CSVHeaderLocation":"LAST"`), "/ItemReader/ReaderConfig/CSVHeaderLocation", "FIRST_ROW, GIVEN"},
		{"JSONPath", "", reader(`"InputType":"CSV","CSVHeaderLocation":"GIVEN"`), "/ItemReader/ReaderConfig", "[CSVHeaders]"},
		{"JSONPath", "", reader(`"InputType":"CSV","CSVHeaderLocation":"GIVEN","CSVHeaders":[]`), "/ItemReader/ReaderConfig/CSVHeaders", "column names"},
		{"JSONPath", "", reader(`"InputType":"CSV","CSVHeaderLocation":"GIVEN","CSVHeaders":["a",1]`), "/ItemReader/ReaderConfig/CSVHeaders", "String"},
		{"JSONPath", "", reader(`"InputType":"CSV","CSVHeaderLocation":"FIRST_ROW","CSVHeaders":["a"]`), "/ItemReader/ReaderConfig/CSVHeaders", "GIVEN"},
		{"JSONPath", "", reader(`"InputType":"CSV","CSVHeaderLocation":"FIRST_ROW","CSVDelimiter":"DASH"`), "/ItemReader/ReaderConfig/CSVDelimiter", "COMMA"},
		{"JSONPath", "", reader(`"InputType":"JSON","CSVHeaders":["a"]`), "/ItemReader/ReaderConfig/CSVHeaders", "CSV"},
		{"JSONPath", "", reader(`"InputType":"JSONL","ItemsPointer":"/a"`), "/ItemReader/ReaderConfig/ItemsPointer", "JSON"},
		{"JSONPath", "", reader(`"InputType":"JSON","ItemsPointer":"a"`), "/ItemReader/ReaderConfig/ItemsPointer", "begin with /"},
		{"JSONPath", "", reader(`"InputType":"JSON","ManifestType":"ATHENA_DATA"`), "/ItemReader/ReaderConfig/InputType", "Athena"},
		{"JSONPath", "", reader(`"InputType":"PARQUET","ManifestType":"S3_INVENTORY"`), "/ItemReader/ReaderConfig/InputType", "CSV only"},
		{"JSONPath", "", reader(`"InputType":"JSON","MaxItems":100000001`), "/ItemReader/ReaderConfig/MaxItems", "range"},
		{"JSONPath", "", reader(`"InputType":"JSON","MaxItems":1,"MaxItemsPath":"$.n"`), "/ItemReader/ReaderConfig/MaxItems", "Only one"},
		{"JSONata", "", strings.Replace(reader(`"InputType":"JSON","MaxItemsPath":"$.n"`), "Parameters", "Arguments", 1), "/ItemReader/ReaderConfig/MaxItemsPath", "not supported"},
		{"JSONata", "", `"Items":[1],` + strings.Replace(getJSON, "Parameters", "Arguments", 1), "/Items", "ItemsPointer"},
		{"JSONPath", "", `"ItemBatcher":{}`, "/ItemBatcher", "at least one of"},
		{"JSONPath", "", `"ItemBatcher":{"BatchInput":{"a":1}}`, "/ItemBatcher", "at least one of"},
		{"JSONPath", "", `"ItemBatcher":{"MaxItemsPerBatch":-1}`, "/ItemBatcher/MaxItemsPerBatch", "range"},
		{"JSONPath", "", `"ItemBatcher":{"MaxInputBytesPerBatch":262145}`, "/ItemBatcher/MaxInputBytesPerBatch", "range"},
		{"JSONPath", "", `"ItemBatcher":{"MaxItemsPerBatch":1,"MaxItemsPerBatchPath":"$.n"}`, "/ItemBatcher/MaxItemsPerBatch", "Only one"},
		{"JSONPath", "", `"ItemBatcher":{"MaxItemsPerBatch":1,"Max":1}`, "/ItemBatcher/Max", "not supported"},
		{"JSONPath", "", `"ResultWriter":{}`, "/ResultWriter", "needs WriterConfig"},
		{"JSONPath", "", `"ResultWriter":{"Resource":"arn:aws:states:::s3:putObject"}`, "/ResultWriter", "[Parameters]"},
		{"JSONPath", "", `"ResultWriter":{"Parameters":{"Bucket":"b"}}`, "/ResultWriter", "[Resource]"},
		{"JSONPath", "", `"ResultWriter":{"Resource":"arn:aws:states:::s3:getObject","Parameters":{"Bucket":"b"}}`, "/ResultWriter/Resource", "not one of"},
		{"JSONPath", "", `"ResultWriter":{"WriterConfig":{"OutputType":"CSV","Transformation":"NONE"}}`, "/ResultWriter/WriterConfig/OutputType", "JSON, JSONL"},
		{"JSONPath", "", `"ResultWriter":{"WriterConfig":{"OutputType":"JSON","Transformation":"ZIP"}}`, "/ResultWriter/WriterConfig/Transformation", "NONE, COMPACT, FLATTEN"},
		{"JSONPath", "", `"ResultWriter":{"WriterConfig":{"OutputType":"JSONL","Transformation":"NONE"}}`, "/ResultWriter/WriterConfig/OutputType", "JSONL is for results"},
		{"JSONPath", "", `"Label":"a b"`, "/Label", "white space"},
		{"JSONPath", "", `"Label":""`, "/Label", "1 to 40"},
		{"JSONPath", "", `"Label":"` + strings.Repeat("a", 41) + `"`, "/Label", "1 to 40"},
		{"JSONPath", "", `"ItemReader":7`, "/ItemReader", "Object"},
	} {
		mode := `{"Mode":"DISTRIBUTED","ExecutionType":"STANDARD"}`
		if c.mode != "" {
			mode = `{"Mode":"` + c.mode + `"}`
		}
		definition := `{"QueryLanguage":"` + c.language + `","StartAt":"A","States":{"A":{"Type":"Map",` + c.fields + `,"End":true,"ItemProcessor":{"ProcessorConfig":` + mode + `,"StartAt":"B","States":{"B":{"Type":"Succeed"}}}}}}`
		wantRefused(t, definition, "/States/A"+c.pointer, c.message)
	}
}

// TestExpressRefused: an Express child cannot wait for a job or a token.
func TestExpressRefused(t *testing.T) {
	for states, pointer := range map[string]string{
		`"B":{"Type":"Task","Resource":"arn:aws:states:::batch:submitJob.sync","End":true}`:                                                                                    "/B/Resource",
		`"B":{"Type":"Task","Resource":"arn:aws:states:::lambda:invoke.waitForTaskToken","End":true}`:                                                                          "/B/Resource",
		`"B":{"Type":"Parallel","Branches":[{"StartAt":"C","States":{"C":{"Type":"Task","Resource":"arn:aws:states:::states:startExecution.sync:2","End":true}}}],"End":true}`: "/B/Branches/0/States/C/Resource",
		`"B":{"Type":"Map","ItemProcessor":{"ProcessorConfig":{"Mode":"DISTRIBUTED","ExecutionType":"EXPRESS"},"StartAt":"C","States":{"C":{"Type":"Succeed"}}},"End":true}`:   "/B",
		`"B":{"Type":"Map","ItemProcessor":{"StartAt":"C","States":{"C":{"Type":"Task","Resource":"arn:aws:states:::lambda:invoke.waitForTaskToken","End":true}}},"End":true}`: "/B/ItemProcessor/States/C/Resource",
	} {
		definition := `{"StartAt":"A","States":{"A":{"Type":"Map","End":true,"ItemProcessor":{"ProcessorConfig":{"Mode":"DISTRIBUTED","ExecutionType":"EXPRESS"},"StartAt":"B","States":{` + states + `}}}}}`
		wantRefused(t, definition, "/States/A/ItemProcessor/States"+pointer, "Express child executions do not support")
	}
}

func wantRefused(t *testing.T, definition, pointer, message string) {
	t.Helper()
	_, err := asl.Parse([]byte(definition), nil)
	refused, ok := errors.AsType[*asl.DefinitionError](err)
	if !ok {
		t.Errorf("the definition was accepted: %v\n%s", err, definition)
		return
	}
	for _, p := range refused.Problems {
		if p.Pointer == pointer && strings.Contains(p.Message, message) {
			return
		}
	}
	t.Errorf("want %q at %s, got %v", message, pointer, err)
}
