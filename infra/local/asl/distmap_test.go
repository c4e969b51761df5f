package asl_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sluice-ml/sluice/infra/local/asl"
)

// bucket is S3 in memory: "bucket/key" → body.
type bucket struct {
	mu      sync.Mutex
	objects map[string]string
	asked   []asl.ObjectRef
	refuses string // a key that cannot be written
}

func (b *bucket) List(_ context.Context, ref asl.ObjectRef, each func(asl.ListedObject) bool) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	var keys []string
	for k := range b.objects {
		if strings.HasPrefix(k, ref.Bucket+"/"+ref.Key) {
			keys = append(keys, strings.TrimPrefix(k, ref.Bucket+"/"))
		}
	}
	slices.Sort(keys)
	for _, k := range keys {
		if !each(asl.ListedObject{Key: k, ETag: `"e"`, LastModified: time.Unix(1789180622, 0), Size: int64(len(b.objects[ref.Bucket+"/"+k])), StorageClass: "STANDARD"}) {
			return nil
		}
	}
	return nil
}

func (b *bucket) Get(_ context.Context, ref asl.ObjectRef) (io.ReadCloser, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.asked = append(b.asked, ref)
	text, ok := b.objects[ref.Bucket+"/"+ref.Key]
	if !ok {
		return nil, errors.New("The specified key does not exist.")
	}
	return io.NopCloser(strings.NewReader(text)), nil
}

func (b *bucket) Put(_ context.Context, ref asl.ObjectRef, body []byte) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.refuses != "" && strings.HasSuffix(ref.Key, b.refuses) {
		return errors.New("Access Denied")
	}
	b.objects[ref.Bucket+"/"+ref.Key] = string(body)
	return nil
}

func runWith(t *testing.T, definition, input string, tasks asl.Tasks, objects asl.Objects) ran {
	t.Helper()
	machine, err := asl.Parse([]byte(definition), nil)
	if err != nil {
		t.Fatal(err)
	}
	var r ran
	synctest.Test(t, func(t *testing.T) {
		engine := asl.NewEngine(asl.Options{Tasks: tasks, Objects: objects, Region: "eu-west-1", Account: "111111111111"})
		x, err := engine.Prepare(asl.Spec{Machine: machine, Input: input, Start: time.Now(), ARN: "arn:aws:states:eu-west-1:111111111111:execution:m:run", Name: "run", MachineName: "m",
			MachineARN: "arn:aws:states:eu-west-1:111111111111:stateMachine:m", Event: func(e asl.Event) { r.events = append(r.events, e) }})
		if err != nil {
			t.Fatal(err)
		}
		if r.Result, err = x.Run(t.Context()); err != nil {
			t.Fatal(err)
		}
	})
	return r
}

// each is a machine of one distributed Map whose children pass their input on.
func each(language, fields string) string {
	return `{"QueryLanguage":"` + language + `","StartAt":"A","States":{"A":{"Type":"Map",` + fields + `,"End":true,"ItemProcessor":{"ProcessorConfig":{"Mode":"DISTRIBUTED","ExecutionType":"STANDARD"},"StartAt":"B","States":{"B":{"Type":"Pass","End":true}}}}}}`
}

func gzipped(text string) string {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, _ = w.Write([]byte(text))
	_ = w.Close()
	return b.String()
}

// TestItemReader: what AWS's recordings and guide show of each kind of dataset.
func TestItemReader(t *testing.T) {
	objects := map[string]string{
		"b/array.json":    `[{"verdict":"true","n":1.50},{"verdict":"false"}]`,
		"b/object.json":   `{"a":{"x":1},"b":2}`,
		"b/nested.json":   `{"data":{"rows":[1,2,3]}}`,
		"b/lines.jsonl":   "{\"a\":1}\n{\"a\":2}\n",
		"b/rows.csv":      "H1,\nValue4,Value5,Value6\n,,,\ntrue,1,'HelloWorld'\nNull,None,\n   ,\n",
		"b/typed.csv":     "0,True,{}\nValue4,Value5,Value6\n",
		"b/pipe.csv":      "x|y\n1|2\n",
		"b/p/1.json":      `[1,2]`,
		"b/p/2.json":      `[3]`,
		"b/manifest.json": `{"destinationBucket":"arn:aws:s3:::inv","fileFormat":"CSV","fileSchema":"Bucket, Key","files":[{"key":"1.csv.gz"},{"key":"2.csv.gz"}]}`,
		"inv/1.csv.gz":    gzipped("\"lake\",\"raw/a\"\n\"lake\",\"raw/b\"\n"),
		"inv/2.csv.gz":    gzipped("\"lake\",\"raw/c\"\n"),
		"b/athena.csv":    "s3://b/pipe.csv\n",
	}
	for _, c := range []struct{ key, config, want string }{
		{"array.json", `"InputType":"JSON"`, `[{"verdict":"true","n":1.50},{"verdict":"false"}]`},
		{"array.json", `"InputType":"JSON","MaxItems":1`, `[{"verdict":"true","n":1.50}]`},
		{"array.json", `"InputType":"JSON","MaxItems":0`, `[{"verdict":"true","n":1.50},{"verdict":"false"}]`},
		{"array.json", `"InputType":"JSON","MaxItemsPath":"$.one"`, `[{"verdict":"true","n":1.50}]`},
		{"object.json", `"InputType":"JSON"`, `[{"Key":"a","Value":{"x":1}},{"Key":"b","Value":2}]`},
		{"nested.json", `"InputType":"JSON","ItemsPointer":"/data/rows"`, `[1,2,3]`},
		{"lines.jsonl", `"InputType":"JSONL"`, `[{"a":1},{"a":2}]`},
		{"rows.csv", `"InputType":"CSV","CSVHeaderLocation":"FIRST_ROW"`, `[{"":"Value5","H1":"Value4"},{"":"","H1":""},{"":"1","H1":"true"},{"":"None","H1":"Null"},{"":"","H1":"   "}]`},
		{"typed.csv", `"InputType":"CSV","CSVHeaderLocation":"FIRST_ROW"`, `[{"0":"Value4","{}":"Value6","True":"Value5"}]`},
		{"typed.csv", `"InputType":"CSV","CSVHeaderLocation":"GIVEN","CSVHeaders":["H1"]`, `[{"H1":"0"},{"H1":"Value4"}]`},
		{"pipe.csv", `"InputType":"CSV","CSVHeaderLocation":"FIRST_ROW","CSVDelimiter":"PIPE"`, `[{"x":"1","y":"2"}]`},
		{"manifest.json", `"InputType":"MANIFEST"`, `[{"Bucket":"lake","Key":"raw/a"},{"Bucket":"lake","Key":"raw/b"},{"Bucket":"lake","Key":"raw/c"}]`},
		{"manifest.json", `"ManifestType":"S3_INVENTORY","MaxItems":2`, `[{"Bucket":"lake","Key":"raw/a"},{"Bucket":"lake","Key":"raw/b"}]`},
		{"athena.csv", `"ManifestType":"ATHENA_DATA","InputType":"CSV","CSVHeaderLocation":"FIRST_ROW","CSVDelimiter":"PIPE"`, `[{"x":"1","y":"2"}]`},
	} {
		definition := each("JSONPath", `"ItemsPath":"$.ignored","ItemReader":{"Resource":"arn:aws:states:::s3:getObject","Parameters":{"Bucket.$":"$.bucket","Key":"`+c.key+`"},"ReaderConfig":{`+c.config+`}}`)
		r := runWith(t, definition, `{"bucket":"b","one":1}`, nil, &bucket{objects: objects})
		if r.Output != c.want {
			t.Errorf("%s %s:\ngot  %s %v\nwant %s", c.key, c.config, r.Output, r.Result, c.want)
		}
		if *r.events[2].Details.Length != 0 || r.events[len(r.events)-2].Previous != 5 {
			t.Errorf("%s: the recorded histories have length 0, and the exit after MapRunSucceeded: %s", c.key, r.types())
		}
	}
	list := `"ItemReader":{"Resource":"arn:aws:states:::s3:listObjectsV2","Arguments":{"Bucket":"{% $states.input.bucket %}","Prefix":"p/"}`
	r := runWith(t, each("JSONata", list+`}`), `{"bucket":"b"}`, nil, &bucket{objects: objects})
	if want := `[{"Etag":"\"e\"","Key":"p/1.json","LastModified":1.789180622E9,"Size":5,"StorageClass":"STANDARD"},{"Etag":"\"e\"","Key":"p/2.json","LastModified":1.789180622E9,"Size":3,"StorageClass":"STANDARD"}]`; r.Output != want {
		t.Errorf("got %s\nwant %s", r.Output, want)
	}
	flat := list + `,"ReaderConfig":{"InputType":"JSON","Transformation":"LOAD_AND_FLATTEN","MaxItems":"{% 2 %}"}},
		"ItemSelector":{"v":"{% $states.context.Map.Item.Value %}","i":"{% $states.context.Map.Item.Index %}","from":"{% $states.context.Map.Item.Source %}"}`
	r = runWith(t, each("JSONata", flat), `{"bucket":"b"}`, nil, &bucket{objects: objects})
	if want := `[{"v":1,"i":0,"from":"S3://b/p/1.json"},{"v":2,"i":1,"from":"S3://b/p/1.json"}]`; r.Output != want {
		t.Errorf("got %s %v", r.Output, r.Result)
	}
}

// TestItemReaderFails: the histories that AWS recorded of readers that fail.
func TestItemReaderFails(t *testing.T) {
	objects := map[string]string{"b/scalar.json": `7`, "b/twice.csv": "a,a\n", "b/rows.csv": "a\n1\n", "b/orc.json": `{"fileFormat":"ORC"}`}
	runFailed := "ExecutionStarted MapStateEntered MapStateStarted MapRunStarted MapRunFailed MapStateFailed ExecutionFailed"
	for _, c := range []struct{ key, config, name, cause, types string }{
		{"scalar.json", `"InputType":"JSON"`, asl.ErrItemReaderFailed, "Attempting to map over non-iterable node.", runFailed},
		{"twice.csv", `"InputType":"CSV","CSVHeaderLocation":"FIRST_ROW"`, asl.ErrItemReaderFailed, "CSV headers cannot contain duplicates.", runFailed},
		{"none.json", `"InputType":"JSON"`, asl.ErrItemReaderFailed, "The specified key does not exist.", runFailed},
		{"rows.csv", `"InputType":"CSV","CSVHeaderLocation":"FIRST_ROW","MaxItemsPath":"$.negative"`, asl.ErrItemReaderFailed, "field MaxItems must be positive", runFailed},
		{"rows.csv", `"InputType":"CSV","CSVHeaderLocation":"FIRST_ROW","MaxItemsPath":"$.half"`, asl.ErrRuntime,
			"An error occurred while executing the state 'A' (entered at the event id #2). The MaxItemsPath field refers to value \"1.5\" which is not a valid integer: $.half",
			"ExecutionStarted MapStateEntered MapStateStarted ExecutionFailed"},
		{"orc.json", `"InputType":"MANIFEST"`, asl.ErrItemReaderFailed, `the local stack does not read inventories in the format "ORC": have S3 write CSV`, runFailed},
	} {
		definition := each("JSONPath", `"ItemReader":{"Resource":"arn:aws:states:::s3:getObject","Parameters":{"Bucket":"b","Key":"`+c.key+`"},"ReaderConfig":{`+c.config+`}}`)
		r := runWith(t, definition, `{"negative":-1,"half":1.5}`, nil, &bucket{objects: objects})
		if r.Status != asl.Failed || *r.Error != c.name || *r.Cause != c.cause || r.types() != c.types {
			t.Errorf("%s %s: %+v %s\n%s", c.key, c.config, r.Result, *r.Cause, r.types())
		}
	}
	r := runWith(t, `{"StartAt":"A","States":{"A":{"Type":"Map","ItemReader":{"Resource":"arn:aws:states:::s3:getObject","Parameters":{"Bucket":"b","Key":"none"},"ReaderConfig":{"InputType":"JSON"}},
		"Catch":[{"ErrorEquals":["States.ItemReaderFailed"],"Next":"C"}],"End":true,"ItemProcessor":{"ProcessorConfig":{"Mode":"DISTRIBUTED","ExecutionType":"STANDARD"},"StartAt":"B","States":{"B":{"Type":"Pass","End":true}}}},
		"C":{"Type":"Pass","End":true}}}`, `{}`, nil, &bucket{objects: objects})
	if r.Output != `{"Error":"States.ItemReaderFailed","Cause":"The specified key does not exist."}` {
		t.Errorf("caught: %+v", r.Result)
	}
}

// TestReaderArguments: version and owner reach S3.
func TestReaderArguments(t *testing.T) {
	b := &bucket{objects: map[string]string{"b/k": `[1]`}}
	runWith(t, each("JSONata", `"ItemReader":{"Resource":"arn:aws:states:::s3:getObject","Arguments":"{% {'Bucket': 'b', 'Key': 'k', 'VersionId': 'v', 'ExpectedBucketOwner': 'o'} %}","ReaderConfig":{"InputType":"JSON"}}`), `{}`, nil, b)
	if len(b.asked) != 1 || b.asked[0] != (asl.ObjectRef{Bucket: "b", Key: "k", Version: "v", Owner: "o"}) {
		t.Errorf("asked for %+v", b.asked)
	}
	r := runWith(t, each("JSONPath", `"ItemReader":{"Resource":"arn:aws:states:::s3:getObject","Parameters":{"Bucket":"b","Key.$":"$.n"},"ReaderConfig":{"InputType":"JSON"}}`), `{"n":7}`, nil, b)
	if r.Status != asl.Failed || *r.Error != asl.ErrRuntime {
		t.Errorf("a key that is a number: %+v", r.Result)
	}
}

// TestItemBatcher: batches are as full as both limits allow.
func TestItemBatcher(t *testing.T) {
	for _, c := range []struct{ language, batcher, input, want string }{
		{"JSONPath", `{"MaxItemsPerBatch":2}`, `[1,2,3]`, `[{"Items":[1,2]},{"Items":[3]}]`},
		{"JSONPath", `{"MaxItemsPerBatch":2,"BatchInput":{"at.$":"$[0]","c":"x"}}`, `[1,2,3]`, `[{"BatchInput":{"c":"x","at":1},"Items":[1,2]},{"BatchInput":{"c":"x","at":1},"Items":[3]}]`},
		{"JSONPath", `{"MaxInputBytesPerBatch":15}`, `[1,2,3,4]`, `[{"Items":[1,2]},{"Items":[3,4]}]`}, // {"Items":[1,2]} has 15 bytes
		{"JSONPath", `{"MaxInputBytesPerBatch":14}`, `[1,2]`, `[{"Items":[1]},{"Items":[2]}]`},
		{"JSONPath", `{"MaxInputBytesPerBatch":17,"MaxItemsPerBatch":2}`, `[1,2,3]`, `[{"Items":[1,2]},{"Items":[3]}]`},
		{"JSONata", `{"MaxItemsPerBatch":"{% 1 + 1 %}","BatchInput":"{% $count($states.input) %}"}`, `[1,2,3]`, `[{"BatchInput":3,"Items":[1,2]},{"BatchInput":3,"Items":[3]}]`},
		{"JSONPath", `{"MaxItemsPerBatch":0}`, `[1,2,3]`, `[{"Items":[1,2,3]}]`},
		{"JSONPath", `{"MaxItemsPerBatch":2}`, `[]`, `[]`},
	} {
		r := runWith(t, each(c.language, `"ItemBatcher":`+c.batcher), c.input, nil, nil)
		if r.Output != c.want {
			t.Errorf("%s of %s: got %s %v, want %s", c.batcher, c.input, r.Output, r.Result, c.want)
		}
	}
	r := runWith(t, each("JSONPath", `"ItemBatcher":{"MaxInputBytesPerBatch":20},"ToleratedFailurePercentage":100`), `["short","much longer than that"]`, nil, nil)
	if r.Status != asl.Failed || *r.Error != asl.ErrDataLimitExceeded || !strings.HasSuffix(r.types(), "MapRunFailed MapStateFailed ExecutionFailed") {
		t.Errorf("an item larger than a batch: %+v %s", r.Result, r.types())
	}
}

// TestLargeItem: an item of 262,144 bytes is a child's input, a larger one
// fails the run.
func TestLargeItem(t *testing.T) {
	for size, want := range map[int]asl.Status{asl.MaxPayload: asl.Succeeded, asl.MaxPayload + 1: asl.Failed} {
		b := &bucket{objects: map[string]string{"b/k": `["` + strings.Repeat("x", size-2) + `"]`}}
		definition := strings.Replace(each("JSONPath", getJSON), `{"Bucket":"b","Key":"k"}`, `{"Bucket":"b","Key":"k"}`, 1)
		definition = strings.Replace(definition, `"B":{"Type":"Pass","End":true}`, `"B":{"Type":"Pass","Result":1,"End":true}`, 1)
		r := runWith(t, definition, `{}`, nil, b)
		if r.Status != want || want == asl.Failed && *r.Error != asl.ErrDataLimitExceeded {
			t.Errorf("%d bytes: %+v", size, r.Result)
		}
	}
}

const worker = `"ItemProcessor":{"ProcessorConfig":{"Mode":"DISTRIBUTED","ExecutionType":"STANDARD"},"StartAt":"C","States":{
	"C":{"Type":"Choice","Choices":[{"Condition":"{% $states.input = 0 %}","Next":"F"}],"Default":"S"},"F":{"Type":"Fail","Error":"Zero","Cause":"no \"number\""},"S":{"Type":"Succeed","Output":"{% [$states.input] %}"}}}`

// TestResultWriter: the files have AWS's names and shapes.
func TestResultWriter(t *testing.T) {
	for _, c := range []struct{ config, file, want string }{
		{`,"WriterConfig":{"OutputType":"JSON","Transformation":"COMPACT"}`, "SUCCEEDED_0.json", `[[1],[2]]`},
		{`,"WriterConfig":{"OutputType":"JSON","Transformation":"FLATTEN"}`, "SUCCEEDED_0.json", `[1,2]`},
		{`,"WriterConfig":{"OutputType":"JSONL","Transformation":"COMPACT"}`, "SUCCEEDED_0.json", "[1]\n[2]\n"},
		{``, "FAILED_0.json", `[{"Cause":"no \"number\"","Error":"Zero","ExecutionArn":"arn:aws:states:eu-west-1:111111111111:execution:m/L:N","Input":"0","InputDetails":{"Included":true},"Name":"N","RedriveCount":0,"RedriveStatus":"REDRIVABLE_BY_MAP_RUN","StartDate":"2000-01-01T00:00:00.000Z","StateMachineArn":"arn:aws:states:eu-west-1:111111111111:stateMachine:m/L","Status":"FAILED","StopDate":"2000-01-01T00:00:00.000Z"}]`},
		{`,"WriterConfig":{"OutputType":"JSON","Transformation":"COMPACT"}`, "FAILED_0.json", `[{"Cause":"no \"number\"","Error":"Zero","ExecutionArn":"arn:aws:states:eu-west-1:111111111111:execution:m/L:N","Input":"0","InputDetails":{"Included":true},"Name":"N","RedriveCount":0,"RedriveStatus":"REDRIVABLE_BY_MAP_RUN","StartDate":"2000-01-01T00:00:00.000Z","StateMachineArn":"arn:aws:states:eu-west-1:111111111111:stateMachine:m/L","Status":"FAILED","StopDate":"2000-01-01T00:00:00.000Z"}]`},
	} {
		b := &bucket{objects: map[string]string{}}
		definition := jsonata(`"A":{"Type":"Map","Items":[0,1,2],"Label":"L","ToleratedFailureCount":1,"End":true,"ResultWriter":{"Resource":"arn:aws:states:::s3:putObject","Arguments":{"Bucket":"out","Prefix":"{% 'runs' %}"}` + c.config + `},` + worker + `}`)
		r := runWith(t, definition, `{}`, nil, b)
		var output struct {
			MapRunArn           string
			ResultWriterDetails struct{ Bucket, Key string }
		}
		if err := json.Unmarshal([]byte(r.Output), &output); err != nil {
			t.Fatalf("%v: %+v", err, r.Result)
		}
		folder := "runs/" + output.MapRunArn[strings.LastIndexByte(output.MapRunArn, ':')+1:] + "/"
		if output.ResultWriterDetails.Bucket != "out" || output.ResultWriterDetails.Key != folder+"manifest.json" {
			t.Errorf("the output is %s", r.Output)
		}
		got := b.objects["out/"+folder+c.file]
		var records []struct{ Name string }
		if json.Unmarshal([]byte(got), &records) == nil && len(records) == 1 {
			got = strings.ReplaceAll(got, records[0].Name, "N")
		}
		if got != c.want {
			t.Errorf("%s: %s is\n%s, want\n%s", c.config, c.file, got, c.want)
		}
		manifest := fmt.Sprintf(`{"DestinationBucket":"out","MapRunArn":"%s","ResultFiles":{"FAILED":[{"Key":"%sFAILED_0.json","Size":%d}],"PENDING":[],"SUCCEEDED":[{"Key":"%sSUCCEEDED_0.json","Size":%d}]}}`,
			output.MapRunArn, folder, len(b.objects["out/"+folder+"FAILED_0.json"]), folder, len(b.objects["out/"+folder+"SUCCEEDED_0.json"]))
		if got := b.objects["out/"+folder+"manifest.json"]; got != manifest {
			t.Errorf("the manifest is\n%s, want\n%s", got, manifest)
		}
	}
}

// TestWriterConfig: without a bucket the results stay in the state's output.
func TestWriterConfig(t *testing.T) {
	for transformation, want := range map[string]string{"COMPACT": `[[1],[2]]`, "FLATTEN": `[1,2]`} {
		r := runWith(t, jsonata(`"A":{"Type":"Map","Items":[1,2],"End":true,"ResultWriter":{"WriterConfig":{"OutputType":"JSON","Transformation":"`+transformation+`"}},`+worker+`}`), `{}`, nil, nil)
		if r.Output != want {
			t.Errorf("%s: %s", transformation, r.Output)
		}
	}
	r := runWith(t, jsonata(`"A":{"Type":"Map","Items":[1],"End":true,"ResultWriter":{"WriterConfig":{"OutputType":"JSON","Transformation":"NONE"}},`+worker+`}`), `{}`, nil, nil)
	if !strings.HasPrefix(r.Output, `[{"ExecutionArn":"arn:aws:states:eu-west-1:111111111111:execution:m/`) || !strings.Contains(r.Output, `"Output":"[1]"`) {
		t.Errorf("NONE: %s", r.Output)
	}
}

// TestResultWriterOfFailedRun: a run that fails is exported too, with the
// children that it cut short; a write that fails fails the state.
func TestResultWriterOfFailedRun(t *testing.T) {
	hangs := taskFunc(func(ctx context.Context, call asl.TaskCall) (json.RawMessage, *asl.TaskError) {
		if string(call.Arguments) == "0" {
			return nil, &asl.TaskError{Name: "Zero"}
		}
		return hang(ctx, call)
	})
	b := &bucket{objects: map[string]string{}}
	definition := jsonata(`"A":{"Type":"Map","Items":[1,0,2],"MaxConcurrency":2,"End":true,"ResultWriter":{"Resource":"arn:aws:states:::s3:putObject","Arguments":{"Bucket":"out"}},
		"ItemProcessor":{"ProcessorConfig":{"Mode":"DISTRIBUTED","ExecutionType":"STANDARD"},"StartAt":"T","States":{"T":{"Type":"Task","Resource":"arn:aws:states:::lambda:invoke","Arguments":"{% $states.input %}","End":true}}}}`)
	r := runWith(t, definition, `{}`, hangs, b)
	if r.Status != asl.Failed || *r.Error != asl.ErrExceedTolerated {
		t.Fatalf("%+v", r.Result)
	}
	var files []string
	for k, body := range b.objects {
		name := k[strings.LastIndexByte(k, '/')+1:]
		files = append(files, name)
		if name == "PENDING_0.json" && (!strings.Contains(body, `"Input":"1"`) || !strings.Contains(body, `"Status":"ABORTED"`) || strings.Contains(body, `"Input":"2"`)) {
			t.Errorf("pending: %s", body)
		}
	}
	slices.Sort(files)
	if got := strings.Join(files, " "); got != "FAILED_0.json PENDING_0.json manifest.json" {
		t.Errorf("files %s", got)
	}
	b = &bucket{objects: map[string]string{}, refuses: "manifest.json"}
	r = runWith(t, jsonata(`"A":{"Type":"Map","Items":[1],"End":true,"ResultWriter":{"Resource":"arn:aws:states:::s3:putObject","Arguments":{"Bucket":"out"}},`+worker+`}`), `{}`, nil, b)
	if r.Status != asl.Failed || *r.Error != asl.ErrResultWriterFailed || *r.Cause != "Access Denied" || !strings.HasSuffix(r.types(), "MapRunStarted MapRunFailed MapStateFailed ExecutionFailed") {
		t.Errorf("%+v %s", r.Result, r.types())
	}
}

// TestExpressTimesOut: an Express child has five minutes.
func TestExpressTimesOut(t *testing.T) {
	r := runWith(t, `{"StartAt":"A","States":{"A":{"Type":"Map","End":true,"ToleratedFailureCount":1,"ItemProcessor":{"ProcessorConfig":{"Mode":"DISTRIBUTED","ExecutionType":"EXPRESS"},"StartAt":"W","States":{"W":{"Type":"Wait","SecondsPath":"$","End":true}}}}}}`, `[1,301,299]`, nil, nil)
	if r.Output != `[1,299]` {
		t.Errorf("%+v", r.Result)
	}
}

// TestChildHistoryIsFull: a child that has too many events fails, the
// execution does not.
func TestChildHistoryIsFull(t *testing.T) {
	r := runWith(t, `{"StartAt":"A","States":{"A":{"Type":"Map","End":true,"ToleratedFailureCount":1,"ItemProcessor":{"ProcessorConfig":{"Mode":"DISTRIBUTED","ExecutionType":"STANDARD"},"StartAt":"C","States":{
		"C":{"Type":"Choice","Choices":[{"Variable":"$","NumericEquals":0,"Next":"P"}],"Default":"S"},"P":{"Type":"Pass","Next":"C"},"S":{"Type":"Succeed"}}}}}}`, `[0,1]`, nil, nil)
	if r.Status != asl.Succeeded || r.Output != `[1]` {
		t.Errorf("%+v", r.Result)
	}
}

// TestNestedRunsEnd: a run within a child ends with it.
func TestNestedMapRuns(t *testing.T) {
	inner := `"ItemProcessor":{"ProcessorConfig":{"Mode":"DISTRIBUTED","ExecutionType":"STANDARD"},"StartAt":"I","States":{"I":{"Type":"Pass","End":true}}}`
	r := runWith(t, `{"StartAt":"A","States":{"A":{"Type":"Map","End":true,"ItemProcessor":{"ProcessorConfig":{"Mode":"DISTRIBUTED","ExecutionType":"STANDARD"},"StartAt":"B","States":{"B":{"Type":"Map","End":true,`+inner+`}}}}}}`, `[[1,2],[],[3]]`, nil, nil)
	if r.Output != `[[1,2],[],[3]]` {
		t.Errorf("%+v", r.Result)
	}
}
