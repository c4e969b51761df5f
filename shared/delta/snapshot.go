package delta

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/sluice-ml/sluice/shared/fault"
)

// Read gives a table at a version; at its newest for Latest. table names it in
// errors.
func Read(ctx context.Context, store Store, table string, version int64) (Snapshot, error) {
	names, err := store.List(ctx, LogFolder)
	if err != nil {
		return Snapshot{}, err
	}
	index := indexOf(names)
	if version == Latest && index.latest >= 0 {
		version = index.latest
	}
	way, err := index.route(table, version)
	if err != nil {
		return Snapshot{}, err
	}
	r := &replay{files: map[string]File{}}
	if way.from != nil {
		if err := r.checkpoint(ctx, store, *way.from); err != nil {
			return Snapshot{}, err
		}
	}
	if err := r.commits(ctx, store, way.commits); err != nil {
		return Snapshot{}, err
	}
	return r.snapshot(fmt.Sprintf("version %d of %s", version, table), version)
}

// replay is the state of a table while its log is read.
type replay struct {
	protocol *Protocol
	meta     *metaData
	info     *commitInfo // of the last commit that was read
	files    map[string]File
	log      []string
}

// readers is how many of the log's files are read at once.
const readers = 16

// readAll reads files, several at once, and gives them in their order.
func readAll(ctx context.Context, store Store, names []string) ([][]byte, error) {
	texts, errs := make([][]byte, len(names)), make([]error, len(names))
	slots := make(chan struct{}, readers)
	var wait sync.WaitGroup
	for i, name := range names {
		slots <- struct{}{}
		wait.Go(func() {
			defer func() { <-slots }()
			texts[i], errs[i] = store.Read(ctx, name)
		})
	}
	wait.Wait()
	for i, err := range errs {
		if fault.Is(err, fault.NotFound) {
			return nil, fault.New(fault.NotFound, "read "+names[i], "it is gone: %w", err).
				WithHint("the log is being cleaned up, or was damaged: read the table again")
		}
		if err != nil {
			return nil, err
		}
	}
	return texts, nil
}

// commits applies commits in order; it reads a few hundred of them at a time.
func (r *replay) commits(ctx context.Context, store Store, names []string) error {
	for chunk := range slices.Chunk(names, 256) {
		texts, err := readAll(ctx, store, chunk)
		if err != nil {
			return err
		}
		for i, text := range texts {
			actions, err := parseActions(chunk[i], text)
			if err == nil {
				err = r.commit(actions)
			}
			if err != nil {
				return err
			}
		}
	}
	r.log = append(r.log, names...)
	return nil
}

// commit applies the actions of one version. Their order within it says nothing,
// so what it removes goes first.
func (r *replay) commit(actions []action) error {
	r.info = nil
	for _, a := range actions {
		if a.Sidecar != nil || a.Checkpoint != nil {
			return fault.New(fault.Invalid, "read "+a.where, "an action of a checkpoint stands in a commit")
		}
		if a.Remove == nil {
			continue
		}
		name, err := decodePath(a.Remove.Path)
		if err != nil {
			return fault.New(fault.Invalid, "read "+a.where, "remove.path: %w", err)
		}
		if r.files[name].Vector.ID() == a.Remove.Vector.ID() {
			delete(r.files, name)
		}
	}
	added := map[string]bool{}
	for _, a := range actions {
		r.describe(a)
		if a.Add == nil {
			continue
		}
		f, err := a.file()
		if err != nil {
			return err
		}
		if added[f.Path] {
			return fault.New(fault.Invalid, "read "+a.where, "add.path: %s is added twice in one version", f.Path)
		}
		added[f.Path], r.files[f.Path] = true, f
	}
	return nil
}

// describe takes in what an action says of the table.
func (r *replay) describe(a action) {
	if a.Protocol != nil {
		r.protocol = a.Protocol
	}
	if a.MetaData != nil {
		r.meta = a.MetaData
	}
	if a.Commit != nil {
		r.info = a.Commit
	}
}

func (a action) file() (File, error) {
	name, err := decodePath(a.Add.Path)
	if err != nil {
		return File{}, fault.New(fault.Invalid, "read "+a.where, "add.path: %w", err)
	}
	rows, err := a.Add.rows()
	if err != nil {
		return File{}, fault.New(fault.Invalid, "read "+a.where, "add.%w", err)
	}
	f := File{Path: name, Size: *a.Add.Size, Rows: rows, Vector: a.Add.Vector, Where: a.where, Partition: map[string]string{}}
	for column, value := range a.Add.PartitionValues {
		if value != nil && *value != "" { // Delta writes null as either
			f.Partition[column] = *value
		}
	}
	return f, nil
}

func (r *replay) snapshot(table string, version int64) (Snapshot, error) {
	switch {
	case r.protocol == nil:
		return Snapshot{}, fault.New(fault.Invalid, "read "+table, "its log has no protocol action")
	case r.meta == nil:
		return Snapshot{}, fault.New(fault.Invalid, "read "+table, "its log has no metaData action")
	}
	if err := r.protocol.check(table); err != nil {
		return Snapshot{}, err
	}
	logical, err := r.meta.logical()
	if err != nil {
		return Snapshot{}, fault.New(fault.Invalid, "read "+table, "metaData.schemaString: %w", err)
	}
	s := Snapshot{Version: version, TableID: r.meta.ID, Name: r.meta.Name, Schema: r.meta.SchemaString, PartitionColumns: r.meta.PartitionColumns,
		Protocol: *r.protocol, Log: r.log}
	if r.info != nil {
		s.Time, s.Operation = r.info.time(), r.info.operation()
	}
	for _, name := range slices.Sorted(maps.Keys(r.files)) {
		f := r.files[name]
		if len(logical) > 0 {
			f.Partition = renamed(f.Partition, logical)
		}
		s.Files = append(s.Files, f)
	}
	return s, nil
}

func renamed(values, names map[string]string) map[string]string {
	out := map[string]string{}
	for column, value := range values {
		if name, ok := names[column]; ok {
			column = name
		}
		out[column] = value
	}
	return out
}

func (i *commitInfo) time() time.Time {
	var milliseconds int64
	if json.Unmarshal(i.Timestamp, &milliseconds) != nil {
		return time.Time{} // the action is free text to readers
	}
	return time.UnixMilli(milliseconds).UTC()
}

func (i *commitInfo) operation() string {
	var name string
	if json.Unmarshal(i.Operation, &name) != nil {
		return ""
	}
	return name
}

// logical maps the physical names of top-level columns to their own, for a table
// with column mapping; it is empty for one without.
func (m *metaData) logical() (map[string]string, error) {
	if mode := m.Configuration["delta.columnMapping.mode"]; mode == "" || mode == "none" {
		return nil, nil
	}
	var schema struct {
		Fields []struct {
			Name     string `json:"name"`
			Metadata struct {
				Physical string `json:"delta.columnMapping.physicalName"`
			} `json:"metadata"`
		} `json:"fields"`
	}
	if err := json.Unmarshal([]byte(m.SchemaString), &schema); err != nil {
		return nil, err
	}
	names := map[string]string{}
	for _, f := range schema.Fields {
		if f.Metadata.Physical != "" {
			names[f.Metadata.Physical] = f.Name
		}
	}
	return names, nil
}
