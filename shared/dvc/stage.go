package dvc

import (
	"path"
	"strings"

	"github.com/goccy/go-yaml/ast"
)

// lockSchema is the only schema of dvc.lock that DVC 2 and 3 write.
const lockSchema = "2.0"

// record is what deps and outs have in common, and files below them.
type record struct {
	pin    Pin
	remote string
	path   string
	files  []record
	folder bool
	repo   bool // the dep is of another Git repository
	db     bool // the dep is a query of a database
	at     node
}

// stage reads a .dvc file.
func (d *decoder) stage(root node) ([]Target, error) {
	dir := "."
	var deps, outs []record
	err := d.fields(root, map[string]reader{
		"md5": d.hash(new(string)), "wdir": d.optional(&dir), "desc": d.string(new(string)),
		"frozen": d.boolean, "locked": d.boolean, "always_changed": d.boolean, "meta": nil,
		"deps": d.records(&deps), "outs": d.records(&outs),
	})
	if err != nil {
		return nil, err
	}
	if len(deps) == 0 && len(outs) == 0 {
		return nil, d.fail(root, "it has no outs").WithHint("track something: dvc add PATH")
	}
	// An import pins its source; the outs are only what came of it.
	from := outs
	if len(deps) > 0 {
		from = deps
	}
	return d.targets(from, "", dir)
}

func (d *decoder) optional(into *string) reader {
	return func(n node) error {
		if n.Type() == ast.NullType {
			return nil
		}
		return d.string(into)(n)
	}
}

// lock reads a dvc.lock. Only outs are its stages' own: deps are outs of other
// stages, or tracked by a .dvc file.
func (d *decoder) lock(root node) ([]Target, error) {
	var schema string
	var targets []Target
	err := d.fields(root, map[string]reader{
		"schema": func(n node) error {
			if err := d.string(&schema)(n); err != nil {
				return err
			}
			if schema != lockSchema {
				return d.fail(n, "schema %q: want %q", schema, lockSchema).WithHint("let DVC 2 or later write it: dvc repro")
			}
			return nil
		},
		"datasets": nil,
		"stages": func(n node) error {
			pairs, err := d.mapping(n)
			if err != nil {
				return err
			}
			for _, pair := range pairs {
				name, err := d.text(node{pair.Key, n.field})
				if err != nil {
					return err
				}
				of, err := d.lockStage(node{pair.Value, join(n.field, name)}, name)
				if err != nil {
					return err
				}
				targets = append(targets, of...)
			}
			return nil
		},
	})
	if err == nil && schema == "" {
		err = d.fail(root, "it has no schema: want schema: %q", lockSchema)
	}
	return targets, err
}

func (d *decoder) lockStage(n node, name string) ([]Target, error) {
	var outs, deps []record
	err := d.fields(n, map[string]reader{"cmd": nil, "params": nil, "deps": d.records(&deps), "outs": d.records(&outs)})
	if err != nil {
		return nil, err
	}
	return d.targets(outs, name, ".")
}

func (d *decoder) records(into *[]record) reader {
	return func(n node) error {
		return d.each(n, func(item node) error {
			r, err := d.record(item, "path")
			*into = append(*into, r)
			return err
		})
	}
}

// record reads a dep or an out, or with "relpath" one of its files.
func (d *decoder) record(n node, name string) (record, error) {
	r := record{pin: Pin{Line: n.line(), Size: -1}, at: n}
	known := map[string]reader{
		name:  d.string(&r.path),
		"md5": d.hash(&r.pin.MD5), "etag": d.hash(&r.pin.ETag), "checksum": d.hash(new(string)),
		"size": d.whole(&r.pin.Size), "nfiles": d.whole(new(int64)), "isexec": d.boolean,
		"version_id": d.version(&r.pin), "cloud": d.cloud(&r),
	}
	if name == "path" {
		var ignored string
		for field, read := range map[string]reader{
			"hash": d.hashName, "files": d.filesOf(&r), "cache": d.boolean, "persist": d.boolean, "push": d.boolean,
			"remote": d.string(&ignored), "fs_config": nil, "desc": d.string(&ignored), "type": d.string(&ignored), "labels": nil, "meta": nil,
			"repo": func(node) error { r.repo = true; return nil }, "db": func(node) error { r.db = true; return nil }, "dataset": nil,
		} {
			known[field] = read
		}
	}
	if err := d.fields(n, known); err != nil {
		return r, err
	}
	if r.path == "" && !r.db {
		return r, d.fail(n, "it has no %s", name)
	}
	return r, nil
}

func (d *decoder) hashName(n node) error {
	var name string
	if err := d.string(&name)(n); err != nil {
		return err
	}
	if name != "md5" {
		return d.fail(n, "unknown hash %q", name).WithHint("DVC 3 writes md5")
	}
	return nil
}

func (d *decoder) filesOf(r *record) reader {
	return func(n node) error {
		r.folder = true
		return d.each(n, func(item node) error {
			f, err := d.record(item, "relpath")
			if err != nil {
				return err
			}
			if !clean(f.path) {
				return d.fail(item, "relpath %q: want a path below the folder", f.path)
			}
			r.files = append(r.files, f)
			return nil
		})
	}
}

// clean says whether a path stays below where it starts and has one spelling.
func clean(name string) bool {
	return name != "" && name != "." && path.Clean(name) == name && !strings.HasPrefix(name, "/") && name != ".." && !strings.HasPrefix(name, "../") &&
		!strings.ContainsRune(name, 0)
}

func (d *decoder) version(p *Pin) reader {
	return func(n node) error {
		if err := d.string(&p.VersionID)(n); err != nil {
			return err
		}
		p.Line = n.line()
		switch p.VersionID {
		case "":
			return d.fail(n, "the version id is empty")
		case "null":
			return d.fail(n, `the version id is "null", which can be overwritten`).
				WithHint("turn versioning on for the bucket, upload the object again, then: dvc push, or dvc update")
		}
		return nil
	}
}

// cloud reads the versions that a remote pinned; DVC allows one remote.
func (d *decoder) cloud(r *record) reader {
	return func(n node) error {
		pairs, err := d.mapping(n)
		if err != nil {
			return err
		}
		if len(pairs) > 1 {
			return d.fail(n, "it names %d remotes: DVC allows one", len(pairs))
		}
		if len(pairs) == 0 {
			return nil
		}
		if r.remote, err = d.text(node{pairs[0].Key, n.field}); err != nil {
			return err
		}
		return d.fields(node{pairs[0].Value, join(n.field, r.remote)}, map[string]reader{
			"md5": d.hash(&r.pin.MD5), "etag": d.hash(&r.pin.ETag), "checksum": d.hash(new(string)),
			"size": d.whole(&r.pin.Size), "nfiles": d.whole(new(int64)), "isexec": d.boolean, "version_id": d.version(&r.pin),
		})
	}
}

func (d *decoder) targets(from []record, stage, dir string) ([]Target, error) {
	targets := make([]Target, 0, len(from))
	for _, r := range from {
		t, err := d.target(r)
		if err != nil {
			return nil, err
		}
		t.Stage, t.Dir = stage, dir
		targets = append(targets, t)
	}
	return targets, nil
}

// target checks that a record pins all of its files or none, in one remote.
func (d *decoder) target(r record) (Target, error) {
	switch {
	case r.repo:
		return Target{}, d.fail(r.at, "it is an import from another DVC repository (dvc import)").
			WithHint("import that repository's own .dvc file")
	case r.db:
		return Target{}, d.fail(r.at, "it is a query of a database (dvc import-db), which has no versions")
	}
	t := Target{File: d.file, Line: r.at.line(), Field: r.at.field, Path: r.path, Remote: r.remote, Folder: r.folder}
	if !r.folder {
		if r.pin.VersionID != "" {
			t.Pins = []Pin{r.pin}
		}
		return t, nil
	}
	seen := map[string]bool{}
	for i, f := range r.files {
		switch {
		case seen[f.path]:
			return t, d.fail(f.at, "relpath %q comes twice", f.path)
		case i > 0 && (f.pin.VersionID == "") != (r.files[0].pin.VersionID == ""):
			return t, d.fail(f.at, "relpath %q has no version_id, and others of %s have one", unpinned(f, r.files[0]).path, r.path).
				WithHint("push it: dvc push")
		case f.remote != r.files[0].remote:
			return t, d.fail(f.at, "its versions are of remote %q, and those before it of %q: want one", f.remote, r.files[0].remote)
		}
		seen[f.path] = true
		if f.pin.VersionID != "" {
			f.pin.Rel = f.path
			t.Pins = append(t.Pins, f.pin)
		}
		t.Remote = f.remote
	}
	return t, nil
}

func unpinned(a, b record) record {
	if a.pin.VersionID == "" {
		return a
	}
	return b
}
