package delta

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/url"
	"path"
	"strings"

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
	before := 0
	err := parquet.Nested(ctx, bytes.NewReader(text), int64(len(text)), limits, wanted, func(rows int, leaves map[string]*parquet.Leaf) error {
		for i := range rows {
			a := action{where: fmt.Sprintf("%s:%d", name, before+i+1)}
			err := fields(leaves).action(i, &a)
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
		before += rows
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

// fields are the leaves of one group of a checkpoint's rows, by their paths.
type fields map[string]*parquet.Leaf

// has says whether a row has a value at a path.
func (f fields) has(name string, row int) bool {
	leaf, ok := f[name]
	return ok && leaf.Starts == nil && !leaf.Null[row]
}

func (f fields) text(name string, row int) (string, error) {
	if !f.has(name, row) {
		return "", nil
	}
	if f[name].Text == nil {
		return "", fmt.Errorf("%s: want text, got a number", name)
	}
	return f[name].Text[row], nil
}

// number is nil where the row has none.
func (f fields) number(name string, row int) (*int64, error) {
	if !f.has(name, row) {
		return nil, nil
	}
	if f[name].Whole == nil {
		return nil, fmt.Errorf("%s: want a whole number, got text", name)
	}
	return &f[name].Whole[row], nil
}

// items gives the texts of the one leaf whose path starts with a list's or map's
// name and ends with end; a null among them is nil.
func (f fields) items(name, end string, row int) ([]*string, error) {
	for path, leaf := range f {
		if !strings.HasPrefix(path, name+".") || !strings.HasSuffix(path, end) {
			continue
		}
		if leaf.Starts == nil || (leaf.Text == nil && len(leaf.Null) > 0) {
			return nil, fmt.Errorf("%s: want a list of texts at %s", name, path)
		}
		from, to := leaf.Span(row)
		items := make([]*string, 0, to-from)
		for i := from; i < to; i++ {
			if leaf.Null[i] {
				items = append(items, nil)
			} else {
				items = append(items, &leaf.Text[i])
			}
		}
		return items, nil
	}
	return nil, nil
}

func (f fields) list(name string, row int) ([]string, error) {
	items, err := f.items(name, "", row)
	var out []string
	for _, v := range items {
		if v != nil {
			out = append(out, *v)
		}
	}
	return out, err
}

func (f fields) mapping(name string, row int) (map[string]*string, error) {
	keys, err := f.items(name, ".key", row)
	if err != nil {
		return nil, err
	}
	values, err := f.items(name, ".value", row)
	if err != nil {
		return nil, err
	}
	if len(keys) != len(values) {
		return nil, fmt.Errorf("%s: a row has %d keys and %d values", name, len(keys), len(values))
	}
	out := make(map[string]*string, len(keys))
	for i, key := range keys {
		if key != nil {
			out[*key] = values[i]
		}
	}
	return out, nil
}
