package asl

import (
	"math"
	"slices"
	"strings"

	"github.com/sluice-ml/sluice/infra/local/asl/dataset"
)

// The resources that a distributed Map reads from and writes to.
const (
	resourceList = "arn:aws:states:::s3:listObjectsV2"
	resourceGet  = "arn:aws:states:::s3:getObject"
	resourcePut  = "arn:aws:states:::s3:putObject"
)

// maxItems is the largest MaxItems.
const maxItems = 100_000_000

// The kinds of manifests.
const (
	manifestInventory = "S3_INVENTORY"
	manifestAthena    = "ATHENA_DATA"
)

// itemReader is a compiled ItemReader.
type itemReader struct {
	list      bool     // s3:listObjectsV2
	arguments template // Parameters or Arguments
	flatten   bool     // LOAD_AND_FLATTEN
	manifest  string   // "" is none
	format    dataset.Format
	headers   template // CSVHeaders when it is an expression
	maxItems  *quantity
}

// itemBatcher is a compiled ItemBatcher.
type itemBatcher struct {
	items, bytes *quantity
	input        template // BatchInput, nil when there is none
}

// resultWriter is a compiled ResultWriter.
type resultWriter struct {
	arguments      template // nil: the results stay in the state's output
	transformation string
	lines          bool // JSONL
}

// The transformations of results.
const (
	transformNone    = "NONE"
	transformCompact = "COMPACT"
	transformFlatten = "FLATTEN"
)

// datasetFields reads what only a distributed Map may have; whether this one
// is distributed is known later.
func (p *parser) datasetFields(f *fields, s *State, m *mapFields) {
	if r, ok := f.inner("ItemReader"); ok {
		m.reader = p.itemReader(r, s)
		r.done()
	}
	if b, ok := f.inner("ItemBatcher"); ok {
		m.batcher = b.itemBatcher(s)
		b.done()
	}
	if w, ok := f.inner("ResultWriter"); ok {
		m.writer = w.resultWriter(s)
		w.done()
	}
	if m.reader != nil && m.items != nil {
		f.report("Items", "The local stack does not take \"Items\" together with \"ItemReader\": point at the items with ReaderConfig's ItemsPointer")
	}
}

// inner reads a member that is an object.
func (f *fields) inner(name string) (*fields, bool) {
	v, ok := f.take(name)
	if !ok {
		return nil, false
	}
	return f.p.object(v, f.at(name))
}

func (f *fields) onlyDistributed(names ...string) {
	for _, name := range names {
		if f.has(name) {
			f.report(name, "%s is only supported for distributed Map states", name)
		}
	}
}

// oneOf reads a text that must be one of some values.
func (f *fields) oneOf(name, fallback string, values ...string) string {
	if !f.has(name) {
		return fallback
	}
	v := f.text(name)
	if !slices.Contains(values, v) {
		f.report(name, "Value is not one of [%s]", strings.Join(values, ", "))
		return fallback
	}
	return v
}

// s3Arguments reads Parameters or Arguments of a call to S3.
func (f *fields) s3Arguments(s *State, needed bool, required, optional []string) template {
	name := "Parameters"
	if s.Language == JSONata {
		name = "Arguments"
	}
	v, ok := f.take(name)
	if !ok {
		if needed {
			f.required(name)
		}
		return nil
	}
	if o, ok := v.(object); ok {
		af := &fields{p: f.p, pointer: f.at(name), o: o}
		af.s3Members(required, optional)
	} else if text, isText := v.(string); !isText || s.Language != JSONata || !strings.HasPrefix(text, "{%") {
		f.report(name, "Expected value of type Object")
	}
	if s.Language == JSONata {
		return compileJSONata(v, f.p.reporter, f.at(name), name)
	}
	return compilePathTemplate(v, f.p.reporter, f.at(name))
}

func (f *fields) s3Members(required, optional []string) {
	for _, k := range f.o.Keys() {
		if plain := variableName(k); !slices.Contains(required, plain) && !slices.Contains(optional, plain) {
			f.report(k, "The field %q is not supported by the local stack here", plain)
		}
	}
	for _, name := range required {
		if !f.has(name) && !f.has(name+".$") {
			f.p.report(f.pointer, "The field %q is required but was missing", name)
		}
	}
}

func (p *parser) itemReader(f *fields, s *State) *itemReader {
	r := &itemReader{}
	if f.required("Resource") {
		resource := f.text("Resource")
		r.list = resource == resourceList
		if !r.list && resource != resourceGet {
			f.report("Resource", "Value is not one of [%s, %s]", resourceGet, resourceList)
		}
	} else {
		f.take("Resource")
	}
	if r.list {
		r.arguments = f.s3Arguments(s, true, []string{"Bucket"}, []string{"Prefix", "ExpectedBucketOwner"})
	} else {
		r.arguments = f.s3Arguments(s, true, []string{"Bucket", "Key"}, []string{"VersionId", "ExpectedBucketOwner"})
	}
	c, ok := f.inner("ReaderConfig")
	if !ok {
		if !r.list && !f.has("ReaderConfig") {
			f.required("ReaderConfig")
		}
		return r
	}
	c.readerConfig(s, r)
	c.done()
	return r
}

func (f *fields) readerConfig(s *State, r *itemReader) {
	r.maxItems = f.quantity(s, "MaxItems", 0, maxItems)
	if r.list {
		r.flatten = f.oneOf("Transformation", transformNone, transformNone, "LOAD_AND_FLATTEN") != transformNone
		if !r.flatten {
			f.onlyWith("\"Transformation\": \"LOAD_AND_FLATTEN\"", "InputType", "CSVHeaderLocation", "CSVHeaders", "CSVDelimiter", "ItemsPointer")
			return
		}
	}
	kinds := []string{"CSV", "JSON", "JSONL", "PARQUET"}
	if !r.list {
		kinds = append(kinds, "MANIFEST")
		r.manifest = f.oneOf("ManifestType", "", manifestInventory, manifestAthena)
	}
	if r.manifest != manifestInventory {
		f.required("InputType")
	}
	r.format.Type = dataset.Type(f.oneOf("InputType", "CSV", kinds...))
	f.manifest(r)
	f.itemsPointer(r)
	f.csv(s, r)
}

// onlyWith refuses members that need another one.
func (f *fields) onlyWith(what string, names ...string) {
	for _, name := range names {
		if _, ok := f.take(name); ok {
			f.report(name, "%s is only supported with %s", name, what)
		}
	}
}

// manifest settles what kind of manifest is read: InputType MANIFEST is S3's.
func (f *fields) manifest(r *itemReader) {
	switch {
	case r.manifest == "" && r.format.Type == dataset.Manifest:
		r.manifest, r.format.Type = manifestInventory, dataset.CSV
	case r.manifest == manifestInventory && r.format.Type == dataset.Manifest:
		r.format.Type = dataset.CSV
	case r.manifest == manifestInventory && r.format.Type != dataset.CSV:
		f.report("InputType", "The local stack reads S3 inventories in CSV only")
	case r.manifest == manifestAthena && !slices.Contains([]dataset.Type{dataset.CSV, dataset.JSONL, dataset.Parquet}, r.format.Type):
		f.report("InputType", "Value is not one of [CSV, JSONL, PARQUET] for an Athena manifest")
	}
}

func (f *fields) itemsPointer(r *itemReader) {
	if r.format.Type != dataset.JSON {
		f.onlyWith("\"InputType\": \"JSON\"", "ItemsPointer")
		return
	}
	r.format.Pointer = f.text("ItemsPointer")
	if err := dataset.ValidPointer(r.format.Pointer); err != nil {
		f.report("ItemsPointer", "%s", err)
	}
}

var delimiters = map[string]rune{"COMMA": ',', "PIPE": '|', "SEMICOLON": ';', "SPACE": ' ', "TAB": '\t'}

func (f *fields) csv(s *State, r *itemReader) {
	if r.format.Type != dataset.CSV || r.manifest == manifestInventory {
		f.onlyWith("\"InputType\": \"CSV\"", "CSVHeaderLocation", "CSVHeaders", "CSVDelimiter")
		return
	}
	r.format.Order = hashOrder
	r.format.Delimiter = delimiters[f.oneOf("CSVDelimiter", "COMMA", "COMMA", "PIPE", "SEMICOLON", "SPACE", "TAB")]
	f.required("CSVHeaderLocation")
	switch f.oneOf("CSVHeaderLocation", "FIRST_ROW", "FIRST_ROW", "GIVEN") {
	case "GIVEN":
		f.required("CSVHeaders")
		f.csvHeaders(s, r)
	default:
		f.onlyWith("\"CSVHeaderLocation\": \"GIVEN\"", "CSVHeaders")
	}
}

func (f *fields) csvHeaders(s *State, r *itemReader) {
	v, ok := f.take("CSVHeaders")
	if !ok {
		return
	}
	if s.Language == JSONata {
		if t := compileJSONata(v, f.p.reporter, f.at("CSVHeaders"), "CSVHeaders"); dynamic(t) {
			r.headers = t
			return
		}
	}
	list, ok := v.([]any)
	if !ok || len(list) == 0 {
		f.report("CSVHeaders", "Expected a list of column names")
		return
	}
	names, ok := texts(list)
	if !ok {
		f.report("CSVHeaders", "Expected value of type String")
	}
	r.format.Headers = names
}

func texts(list []any) ([]string, bool) {
	out := make([]string, len(list))
	for i, e := range list {
		s, ok := e.(string)
		if !ok {
			return nil, false
		}
		out[i] = s
	}
	return out, true
}

func (f *fields) itemBatcher(s *State) *itemBatcher {
	b := &itemBatcher{
		items: f.quantity(s, "MaxItemsPerBatch", 0, math.MaxInt32),
		bytes: f.quantity(s, "MaxInputBytesPerBatch", 0, MaxPayload),
	}
	if b.items == nil && b.bytes == nil {
		f.p.report(f.pointer, "An ItemBatcher needs at least one of MaxItemsPerBatch, MaxItemsPerBatchPath, MaxInputBytesPerBatch and MaxInputBytesPerBatchPath")
	}
	if s.Language == JSONata {
		b.input = f.jsonata("BatchInput")
	} else {
		b.input = f.payloadTemplate("BatchInput")
	}
	return b
}

func (f *fields) resultWriter(s *State) *resultWriter {
	w := &resultWriter{transformation: transformNone}
	if f.o.Len() == 0 {
		f.p.report(f.pointer, "A ResultWriter needs WriterConfig, or Resource with its %s", map[Language]string{JSONata: "Arguments", JSONPath: "Parameters"}[s.Language])
	}
	exports := f.has("Resource") || f.has("Parameters") || f.has("Arguments")
	if exports {
		f.required("Resource")
		if resource := f.text("Resource"); f.has("Resource") && resource != resourcePut {
			f.report("Resource", "Value is not one of [%s]", resourcePut)
		}
		w.arguments = f.s3Arguments(s, true, []string{"Bucket"}, []string{"Prefix", "ExpectedBucketOwner"})
	}
	c, ok := f.inner("WriterConfig")
	if !ok {
		return w
	}
	w.lines = c.oneOf("OutputType", "JSON", "JSON", "JSONL") == "JSONL"
	w.transformation = c.oneOf("Transformation", transformNone, transformNone, transformCompact, transformFlatten)
	if w.lines && !exports {
		c.report("OutputType", "The local stack gives a state's output as JSON only: JSONL is for results that Resource exports")
	}
	c.done()
	return w
}
