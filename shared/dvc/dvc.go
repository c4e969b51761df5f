// Package dvc reads and writes the files in which DVC keeps dataset versions,
// as far as they name versions that a bucket keeps.
//
// The words are DVC's:
//
//   - A .dvc file has one stage: outs are the files it tracks, deps are where
//     they came from. dvc.lock has many stages, each with its outs.
//   - An out or a dep is one file, or a folder with its files.
//   - Cloud versioning pins the VersionIds of a bucket in place of a cache of
//     hashed files. `dvc import-url --version-aware` pins them in deps, by URL;
//     a remote with `version_aware = true` pins them in outs at `dvc push`,
//     under `cloud` and the remote's name. The remote's URL is in .dvc/config.
//   - A target is what a file pins: one dep or one out.
//
// Decoding is strict, as DVC's own: an unknown field is an error, and so is
// what cannot be pinned on S3. Errors are faults of kind Invalid that name file,
// line and field; no retry can help. Nothing here reads files or the network.
package dvc

import (
	"fmt"
	"path"
	"strings"

	"github.com/sluice-ml/sluice/shared/fault"
)

// MaxBytes bounds a DVC file that Parse takes in: about 300,000 objects.
const MaxBytes = 64 << 20

// Pin is one object version of a target.
type Pin struct {
	Line      int    // of the file
	Rel       string // path below a folder's target; "" when the target is one file
	VersionID string
	ETag      string // as S3 gives it, without quotes; "" where not told
	MD5       string // of the content; "" where not told
	Size      int64  // bytes; -1 where not told
}

// Target is a dep or an out, and the object versions that stand for it.
type Target struct {
	File   string // the name of the file it stands in
	Line   int
	Field  string // e.g. "outs[0]", "stages.train.outs[1]"
	Stage  string // of dvc.lock
	Path   string // as the file gives it: a path of the repository, or a URL
	Dir    string // what Path is relative to, below the file's own folder: the file's wdir
	Remote string // whose versions the pins are; "" when Path is a URL itself
	Folder bool
	Pins   []Pin // none: it is not cloud-versioned, see Check
}

// Check says why a target cannot be imported: nothing pins its versions.
func (t Target) Check() error {
	if len(t.Pins) > 0 {
		return nil
	}
	err := fault.New(fault.Invalid, fmt.Sprintf("read %s:%d", t.File, t.Line), "%s: %s has no version ids: DVC keeps it by hash, not in a versioned bucket", t.Field, t.Path)
	if t.isURL() {
		return err.WithHint("import it again with: dvc import-url --version-aware %s", t.Path)
	}
	return err.WithHint("give its remote cloud versioning and push: dvc remote modify REMOTE version_aware true && dvc push")
}

func (t Target) isURL() bool { return strings.Contains(t.Path, "://") }

// Parse reads a .dvc file or a dvc.lock; the name decides which. Targets come
// in the file's order.
func Parse(name string, text []byte) ([]Target, error) {
	d := &decoder{file: name}
	root, err := d.document(text)
	if err != nil {
		return nil, err
	}
	switch base := path.Base(strings.ReplaceAll(name, `\`, "/")); {
	case base == "dvc.lock":
		return d.lock(root)
	case strings.HasSuffix(base, ".dvc"):
		return d.stage(root)
	}
	return nil, fault.New(fault.Invalid, "read "+name, "it is neither a .dvc file nor a dvc.lock").
		WithHint("dvc.yaml pins no versions; name the dvc.lock beside it")
}
