package delta

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/url"
	"path"
	"slices"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"

	"github.com/sluice-ml/sluice/shared/fault"
	"github.com/sluice-ml/sluice/shared/parquet"
)

// limits bound a checkpoint's file; Delta's writers keep one far below.
var limits = parquet.Limits{MaxCells: 1 << 31, MaxBytes: 8 << 30}

// checkpoint takes in the state that a checkpoint sums up.
func (r *replay) checkpoint(ctx context.Context, store Store, c checkpoint) error {
	sidecars, err := r.part(ctx, store, c, c.files)
	if err != nil {
		return err
	}
	for i, s := range sidecars {
		if sidecars[i].Path, err = sidecarName(s.Path); err != nil {
			return fault.New(fault.Invalid, "read "+c.files[0], "sidecar.path: %w", err)
		}
	}
	for _, s := range sidecars {
		more, err := r.sidecar(ctx, store, c, s)
		if err == nil && len(more) > 0 {
			err = fault.New(fault.Invalid, "read "+s.Path, "a sidecar names sidecars")
		}
		if err != nil {
			return err
		}
	}
	if r.protocol == nil || r.meta == nil {
		return fault.New(fault.Invalid, "read "+c.files[0], "the checkpoint has no protocol or no metaData action").
			WithHint("it is damaged; an earlier version of the table may still be read")
	}
	return nil
}

func (r *replay) sidecar(ctx context.Context, store Store, c checkpoint, s sidecar) ([]sidecar, error) {
	text, err := store.Read(ctx, s.Path)
	switch {
	case fault.Is(err, fault.NotFound):
		return nil, fault.New(fault.NotFound, "read "+c.files[0], "its sidecar %s is gone: %w", s.Path, err)
	case err != nil:
		return nil, err
	case s.Size > 0 && int64(len(text)) != s.Size:
		return nil, fault.New(fault.Invalid, "read "+s.Path, "it has %d bytes, and %s says %d", len(text), c.files[0], s.Size)
	}
	r.log = append(r.log, s.Path)
	return r.take(ctx, s.Path, text, c.version)
}

// part reads the files of a checkpoint and gives the sidecars that they name.
func (r *replay) part(ctx context.Context, store Store, c checkpoint, names []string) ([]sidecar, error) {
	texts, err := readAll(ctx, store, names)
	if err != nil {
		return nil, err
	}
	var sidecars []sidecar
	for i, text := range texts {
		more, err := r.take(ctx, names[i], text, c.version)
		if err != nil {
			return nil, err
		}
		sidecars = append(sidecars, more...)
	}
	r.log = append(r.log, names...)
	return sidecars, nil
}

// sidecarName is a sidecar's file: always in the table's own folder of them,
// however its path is written.
func sidecarName(text string) (string, error) {
	decoded, err := url.PathUnescape(text)
	if err != nil {
		return "", err
	}
	const folder = LogFolder + "_sidecars/"
	name := path.Base(decoded)
	if strings.Contains(decoded, "/") && !strings.HasSuffix(decoded, folder+name) || !clean(name) {
		return "", fmt.Errorf("%q is not in %s", decoded, folder)
	}
	return folder + name, nil
}

// take takes in the actions of one file of a checkpoint.
func (r *replay) take(ctx context.Context, name string, text []byte, version int64) ([]sidecar, error) {
	var sidecars []sidecar
	apply := func(a action) error {
		r.describe(a)
		switch {
		case a.Sidecar != nil:
			sidecars = append(sidecars, *a.Sidecar)
		case a.Checkpoint != nil && a.Checkpoint.Version != version:
			return fault.New(fault.Invalid, "read "+a.where, "checkpointMetadata.version is %d, and the file's name says %d", a.Checkpoint.Version, version)
		case a.Add != nil:
			f, err := a.file()
			if err != nil {
				return err
			}
			if old, twice := r.files[f.Path]; twice {
				return fault.New(fault.Invalid, "read "+a.where, "add.path: %s stands at %s too", f.Path, old.Where)
			}
			r.files[f.Path] = f
		}
		return nil
	}
	if strings.HasSuffix(name, ".json") {
		actions, err := parseActions(name, text)
		for i := 0; err == nil && i < len(actions); i++ {
			err = apply(actions[i])
		}
		return sidecars, err
	}
	row := 0
	err := parquet.Records(ctx, bytes.NewReader(text), int64(len(text)), limits, wanted, func(batch arrow.RecordBatch) error {
		b := batchOf(batch)
		for i := range int(batch.NumRows()) {
			row++
			a := action{where: fmt.Sprintf("%s:%d", name, row)}
			err := b.action(i, &a)
			if err == nil {
				err = a.check()
			}
			if err != nil {
				return fault.New(fault.Invalid, "read "+a.where, "%w", err)
			}
			if err := apply(a); err != nil {
				return err
			}
		}
		return nil
	})
	if inner, ok := errors.AsType[*fault.Error](err); err != nil && !ok {
		return nil, fault.New(fault.Invalid, "read "+name, "%w", err).WithHint("the checkpoint is damaged: restore its version in the bucket, or pin a version before it")
	} else if ok {
		return nil, inner
	}
	return sidecars, nil
}

// wanted says which columns of a checkpoint are read. Tombstones, transactions
// and statistics by column are not.
func wanted(path string) bool {
	for _, prefix := range []string{"add.path", "add.size", "add.partitionValues.", "add.deletionVector.", "protocol.", "metaData.", "sidecar.", "checkpointMetadata.version"} {
		if strings.HasPrefix(path, prefix) {
			return true
		}
	}
	return path == "add.stats" || path == "add.stats_parsed.numRecords"
}

// fields are the columns of one group of a checkpoint, by their dotted paths.
type fields map[string]column

// column has a value where it and every group around it do.
type column struct {
	arrow.Array
	around []arrow.Array
}

func batchOf(batch arrow.RecordBatch) fields {
	f := fields{}
	for i, values := range batch.Columns() {
		f.walk(batch.ColumnName(i), column{Array: values})
	}
	return f
}

func (f fields) walk(name string, c column) {
	f[name] = c
	s, ok := c.Array.(*array.Struct)
	if !ok {
		return
	}
	around := append(slices.Clone(c.around), c.Array)
	for i, child := range s.DataType().(*arrow.StructType).Fields() {
		f.walk(name+"."+child.Name, column{s.Field(i), around})
	}
}

// has says whether a row has a value at a path.
func (f fields) has(name string, row int) bool {
	c, ok := f[name]
	if !ok || c.IsNull(row) {
		return false
	}
	for _, group := range c.around {
		if group.IsNull(row) {
			return false
		}
	}
	return true
}

// texts are Arrow's columns of text, of every width.
type texts interface {
	arrow.Array
	Value(int) string
}

func (f fields) text(name string, row int) (string, error) {
	if !f.has(name, row) {
		return "", nil
	}
	column, ok := f[name].Array.(texts)
	if !ok {
		return "", fmt.Errorf("%s: want text, got %s", name, f[name].DataType())
	}
	return strings.Clone(column.Value(row)), nil
}

// number is nil where the row has none.
func (f fields) number(name string, row int) (*int64, error) {
	if !f.has(name, row) {
		return nil, nil
	}
	var n int64
	switch column := f[name].Array.(type) {
	case *array.Int64:
		n = column.Value(row)
	case *array.Int32:
		n = int64(column.Value(row))
	default:
		return nil, fmt.Errorf("%s: want a whole number, got %s", name, f[name].DataType())
	}
	return &n, nil
}

// listOf gives the texts of a list; a null among them is nil.
func listOf(name string, values arrow.Array, start, end int64) ([]*string, error) {
	column, ok := values.(texts)
	if !ok {
		return nil, fmt.Errorf("%s: want texts, got %s", name, values.DataType())
	}
	if start < 0 || end < start || end > int64(column.Len()) {
		return nil, fmt.Errorf("%s: its offsets are damaged", name)
	}
	var out []*string
	for i := start; i < end; i++ {
		if column.IsNull(int(i)) {
			out = append(out, nil)
			continue
		}
		text := strings.Clone(column.Value(int(i)))
		out = append(out, &text)
	}
	return out, nil
}

func (f fields) list(name string, row int) ([]string, error) {
	if !f.has(name, row) {
		return nil, nil
	}
	column, ok := f[name].Array.(array.ListLike)
	if !ok {
		return nil, fmt.Errorf("%s: want a list, got %s", name, f[name].DataType())
	}
	start, end := column.ValueOffsets(row)
	values, err := listOf(name, column.ListValues(), start, end)
	var out []string
	for _, v := range values {
		if v != nil {
			out = append(out, *v)
		}
	}
	return out, err
}

func (f fields) mapping(name string, row int) (map[string]*string, error) {
	if !f.has(name, row) {
		return nil, nil
	}
	column, ok := f[name].Array.(*array.Map)
	if !ok {
		return nil, fmt.Errorf("%s: want a map, got %s", name, f[name].DataType())
	}
	start, end := column.ValueOffsets(row)
	keys, err := listOf(name, column.Keys(), start, end)
	if err != nil {
		return nil, err
	}
	values, err := listOf(name, column.Items(), start, end)
	if err != nil {
		return nil, err
	}
	out := map[string]*string{}
	for i, key := range keys {
		if key != nil {
			out[*key] = values[i]
		}
	}
	return out, nil
}
