package asl

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strconv"

	"github.com/sluice-ml/sluice/infra/local/asl/dataset"
)

// read gets the dataset from S3, beside the loop.
func (d *distributed) read() *Failure {
	r := d.a.state.mapping.reader
	s := d.a.newScope(d.effective)
	arguments, f := r.arguments.fill(s)
	if f != nil {
		return f
	}
	job := &reading{format: r.format, reader: r, objects: d.a.exec.engine.Objects, limit: maxItems}
	if job.ref, f = d.objectRef(arguments, map[bool]string{true: "Prefix", false: "Key"}[r.list]); f != nil {
		return f
	}
	if r.headers != nil {
		if f := d.headers(s, job); f != nil {
			return f
		}
	}
	switch {
	case d.maxItems < 0:
		return d.readerFailed("field MaxItems must be positive")
	case job.objects == nil:
		return d.readerFailed("this local stack has no S3 to read the dataset from")
	case d.maxItems > 0:
		job.limit = int(min(d.maxItems, maxItems))
	}
	if err := d.background(job.run); err != nil {
		return d.readerFailed(err.Error())
	}
	d.items = job.items
	return nil
}

func (d *distributed) readerFailed(cause string) *Failure {
	d.a.inner = true
	return failure(ErrItemReaderFailed, cause)
}

// headers evaluates CSVHeaders, an expression in JSONata.
func (d *distributed) headers(s *scope, job *reading) *Failure {
	v, f := s.typed(d.a.state.mapping.reader.headers, "ItemReader/ReaderConfig/CSVHeaders", "array")
	if f != nil {
		return f
	}
	names, ok := texts(v.([]any))
	if !ok || len(names) == 0 {
		return d.readerFailed("CSVHeaders must be a list of strings, but was: " + encode(v))
	}
	job.format.Headers = names
	return nil
}

// objectRef takes the members of Parameters or Arguments of a call to S3.
func (d *distributed) objectRef(arguments any, key string) (ObjectRef, *Failure) {
	var ref ObjectRef
	o, ok := arguments.(object)
	if !ok {
		return ref, d.a.runtime("The arguments of the call to S3 must be an object, but were: %s", encode(arguments))
	}
	for _, m := range []struct {
		name string
		into *string
	}{{"Bucket", &ref.Bucket}, {key, &ref.Key}, {"VersionId", &ref.Version}, {"ExpectedBucketOwner", &ref.Owner}} {
		v, given := o.Get(m.name)
		if !given {
			continue
		}
		if *m.into, ok = v.(string); !ok {
			return ref, d.a.runtime("The argument %q of the call to S3 must be a string, but was: %s", m.name, encode(v))
		}
	}
	if ref.Bucket == "" || key == "Key" && ref.Key == "" {
		return ref, d.a.runtime("The call to S3 needs a bucket and a key: %s", encode(arguments))
	}
	return ref, nil
}

// reading is the work of an ItemReader.
type reading struct {
	reader  *itemReader
	format  dataset.Format
	objects Objects
	ref     ObjectRef
	limit   int
	items   []dataset.Item
}

func (r *reading) run(ctx context.Context) error {
	switch {
	case r.reader.flatten:
		return r.flatten(ctx)
	case r.reader.list:
		return r.objects.List(ctx, r.ref, func(o ListedObject) bool {
			return r.take(dataset.Item{Value: listed(o), Source: "S3://" + r.ref.Bucket})
		})
	case r.reader.manifest == manifestInventory:
		return r.inventory(ctx)
	case r.reader.manifest == manifestAthena:
		return r.athena(ctx)
	}
	return r.file(ctx, r.ref)
}

// take adds an item; false when no more are wanted.
func (r *reading) take(item dataset.Item) bool {
	r.items = append(r.items, item)
	return len(r.items) < r.limit
}

func (r *reading) full() bool { return len(r.items) >= r.limit }

// file reads the items of one object.
func (r *reading) file(ctx context.Context, ref ObjectRef) error {
	body, err := r.objects.Get(ctx, ref)
	if err != nil {
		return err
	}
	defer body.Close()
	source := "S3://" + ref.Bucket + "/" + ref.Key
	return r.format.Read(body, func(item dataset.Item) bool {
		item.Source = source
		return r.take(item)
	})
}

// flatten reads the items of every object that is listed.
func (r *reading) flatten(ctx context.Context) error {
	var keys []string
	if err := r.objects.List(ctx, r.ref, func(o ListedObject) bool {
		keys = append(keys, o.Key)
		return len(keys) < maxItems
	}); err != nil {
		return err
	}
	return r.files(ctx, slices.Collect(func(yield func(dataset.Location) bool) {
		for _, k := range keys {
			if !yield(dataset.Location{Bucket: r.ref.Bucket, Key: k}) {
				return
			}
		}
	}))
}

func (r *reading) files(ctx context.Context, all []dataset.Location) error {
	for _, l := range all {
		if r.full() {
			return nil
		}
		if err := r.file(ctx, ObjectRef{Bucket: l.Bucket, Key: l.Key, Owner: r.ref.Owner}); err != nil {
			return fmt.Errorf("s3://%s/%s: %w", l.Bucket, l.Key, err)
		}
	}
	return nil
}

// inventory reads the files that an S3 inventory's manifest names.
func (r *reading) inventory(ctx context.Context) error {
	inventory, err := readManifest(ctx, r, dataset.ReadInventory)
	if err != nil {
		return err
	}
	r.format = dataset.Format{Type: dataset.CSV, Headers: inventory.Columns, Order: hashOrder}
	all := make([]dataset.Location, len(inventory.Keys))
	for i, key := range inventory.Keys {
		all[i] = dataset.Location{Bucket: inventory.Bucket, Key: key}
	}
	return r.files(ctx, all)
}

// athena reads the files that an Athena query's manifest names.
func (r *reading) athena(ctx context.Context) error {
	all, err := readManifest(ctx, r, dataset.ReadLocations)
	if err != nil {
		return err
	}
	return r.files(ctx, all)
}

func readManifest[T any](ctx context.Context, r *reading, read func(io.Reader) (T, error)) (T, error) {
	var none T
	body, err := r.objects.Get(ctx, r.ref)
	if err != nil {
		return none, err
	}
	defer body.Close()
	return read(body)
}

// listed is an object of a bucket as an item. AWS writes the time as Java
// writes a double.
func listed(o ListedObject) []byte {
	b := append([]byte(`{"Etag":`), appendString(nil, o.ETag)...)
	b = appendString(append(b, `,"Key":`...), o.Key)
	b = append(append(b, `,"LastModified":`...), javaDouble(float64(o.LastModified.Unix()))...)
	b = strconv.AppendInt(append(b, `,"Size":`...), o.Size, 10)
	return append(appendString(append(b, `,"StorageClass":`...), o.StorageClass), '}')
}

// javaDouble writes a number as Double.toString does: from ten million on with
// an exponent, and always with a fraction.
func javaDouble(f float64) string {
	if f > -1e7 && f < 1e7 {
		return strconv.FormatFloat(f, 'f', 1, 64)
	}
	digits := strconv.FormatFloat(f, 'e', -1, 64) // d.ddde+dd
	mantissa, exponent := digits[:len(digits)-4], digits[len(digits)-2:]
	if len(mantissa) == 1 {
		mantissa += ".0"
	}
	n, _ := strconv.Atoi(exponent)
	return mantissa + "E" + strconv.Itoa(n)
}
