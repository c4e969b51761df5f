// Package upload brings a local folder's files to the lake and says how a branch
// changes by it.
//
// A file is left alone when a journal in the folder says that it has the size and
// the time of modification with which the branch's version was made, so most
// files are not read. Any other is read and compared by checksum with the
// branch's version, and uploaded when it differs. An upload that is cut off goes
// on where it stopped: what was uploaded stands in the journal.
package upload

import (
	"cmp"
	"context"
	"errors"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/sluice-ml/sluice/shared/dataset"
	"github.com/sluice-ml/sluice/shared/fault"
)

// MaxFile is the largest file that is uploaded, S3's limit of one request: 5 GiB.
const MaxFile = 5 << 30

// Sink takes objects; a lake is one.
type Sink interface {
	// Put writes an object and describes the version that it made.
	Put(ctx context.Context, key string, body []byte) (dataset.Entry, error)
	// Stat describes a version; NotFound when it is gone.
	Stat(ctx context.Context, key, versionID string) (dataset.Entry, error)
}

// Request says what goes where.
type Request struct {
	Folder string
	Prefix string                   // of the keys: a file's path below the folder follows it
	Held   map[string]dataset.Entry // what the branch holds below the prefix, by key
	Keep   bool                     // keep what the branch holds and the folder does not
	DryRun bool                     // upload nothing, and write no journal
	Verify bool                     // read also the files that the journal knows
	// Parallel calls do for 0…count-1, some at once, and gives an error of theirs.
	Parallel func(what string, count int, do func(ctx context.Context, i int) error) error
	Now      func() time.Time
}

// Result is how the branch changes. With DryRun its puts have no VersionId.
type Result struct {
	Changes   dataset.Changes `json:"-"`
	Files     int             `json:"files"`
	Added     int             `json:"added"`
	Changed   int             `json:"changed"`
	Removed   int             `json:"removed"`
	Unchanged int             `json:"unchanged"`
	Read      int             `json:"read"`     // files that were read, because the journal did not know them
	Uploaded  int             `json:"uploaded"` // files
	Bytes     int64           `json:"bytes"`    // uploaded
	// LeftOut are files that look like a checkout's own: .sluice-… and ….sluice-partial.
	LeftOut []string `json:"left_out,omitempty"`
}

// file is a file of the folder.
type file struct {
	path string // below the folder, with "/"
	size int64  // bytes
	time time.Time
}

type run struct {
	Request
	sink    Sink
	journal *journal
	large   sync.Mutex // large files are held in memory one at a time
	mu      sync.Mutex
	result  Result
}

// Run uploads what differs. Invalid names a file that cannot be an object of a
// dataset; errors of the sink are passed on, with what was done so far, and a run
// can be repeated after them.
func Run(ctx context.Context, sink Sink, q Request) (Result, error) {
	root, err := os.OpenRoot(q.Folder)
	if err != nil {
		return Result{}, fault.Wrap(fault.Invalid, "upload "+q.Folder, err)
	}
	defer root.Close()
	unlock, err := dataset.LockFolder(root, "upload "+q.Folder)
	if err != nil {
		return Result{}, err
	}
	defer unlock()
	files, leftOut, err := walk(q.Folder)
	if err != nil {
		return Result{}, err
	}
	for _, f := range files {
		if err := dataset.CheckKey(q.Prefix + f.path); err != nil {
			return Result{}, fault.Wrap(fault.Invalid, "upload "+filepath.Join(q.Folder, f.path), err)
		}
	}
	j, err := openJournal(q.Folder, q.Prefix, q.DryRun)
	if err != nil {
		return Result{}, err
	}
	r := &run{Request: q, sink: sink, journal: j, result: Result{Files: len(files), LeftOut: leftOut}}
	changed := make([]*dataset.Entry, len(files))
	err = q.Parallel("compared", len(files), func(ctx context.Context, i int) (err error) {
		changed[i], err = r.file(ctx, files[i])
		return err
	})
	if closed := j.close(files, err == nil); err == nil {
		err = closed
	}
	if err != nil {
		return r.result, err
	}
	present := make(map[string]bool, len(files))
	for i, f := range files {
		present[q.Prefix+f.path] = true
		if changed[i] != nil {
			r.result.Changes.Puts = append(r.result.Changes.Puts, *changed[i])
		}
	}
	for key := range q.Held {
		if !present[key] && !q.Keep {
			r.result.Changes.Deletes = append(r.result.Changes.Deletes, key)
		}
	}
	slices.Sort(r.result.Changes.Deletes)
	r.result.Removed = len(r.result.Changes.Deletes)
	return r.result, nil
}

// walk lists a folder's files. What is neither file nor folder is refused: DVC
// would follow it, and a version could not.
func walk(folder string) (files []file, leftOut []string, err error) {
	err = filepath.WalkDir(folder, func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() {
			return nil
		}
		relative, err := filepath.Rel(folder, name)
		if err != nil {
			return err
		}
		if base := path.Base(filepath.ToSlash(relative)); strings.HasPrefix(base, ".sluice-") || strings.HasSuffix(base, ".sluice-partial") {
			if !journals[base] {
				leftOut = append(leftOut, filepath.ToSlash(relative))
			}
			return nil // ours
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		if !info.Mode().IsRegular() {
			return fault.New(fault.Invalid, "upload "+name, "it is no file (%s)", info.Mode().Type()).WithHint("put a file in its place, or take it out of the folder")
		}
		if info.Size() > MaxFile {
			return fault.New(fault.Invalid, "upload "+name, "it has %d bytes, more than the %d of one request", info.Size(), int64(MaxFile)).
				WithHint("upload it in parts with aws s3 cp, then: sluice data commit MODEL BRANCH --object KEY --base BRANCH")
		}
		files = append(files, file{filepath.ToSlash(relative), info.Size(), info.ModTime()})
		return nil
	})
	if err != nil {
		return nil, nil, fault.Wrap(fault.Invalid, "upload "+folder, err)
	}
	slices.SortFunc(files, func(a, b file) int { return cmp.Compare(a.path, b.path) })
	return files, leftOut, nil
}

// journals are the files that uploads and checkouts keep for themselves, of which
// nobody needs to hear.
var journals = map[string]bool{JournalName: true, JournalName + ".new": true, dataset.CheckoutJournal: true, dataset.CheckoutJournal + ".new": true}

// file gives the entry that a file puts; nil when the branch holds it already.
func (r *run) file(ctx context.Context, f file) (*dataset.Entry, error) {
	held, known := r.Held[r.Prefix+f.path]
	made, noted := r.journal.made(f)
	noted = noted && !r.Verify
	if noted && known && made == held.VersionID {
		r.count(func(x *Result) { x.Unchanged++ })
		return nil, nil
	}
	if noted {
		e, err := r.sink.Stat(ctx, r.Prefix+f.path, made)
		if err == nil {
			r.count(func(x *Result) { x.put(known) })
			return &e, nil
		}
		if !fault.Is(err, fault.NotFound) {
			return nil, err
		}
	}
	return r.compare(ctx, f, held, known)
}

func (x *Result) put(known bool) {
	if known {
		x.Changed++
	} else {
		x.Added++
	}
}

func (r *run) count(with func(*Result)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	with(&r.result)
}

// large is from which size on files are held in memory one at a time.
const large = 16 << 20

// compare reads a file and uploads it unless its content is what the branch
// holds.
func (r *run) compare(ctx context.Context, f file, held dataset.Entry, known bool) (*dataset.Entry, error) {
	if r.DryRun && (!known || held.Size != f.size) {
		r.count(func(x *Result) { x.put(known) })
		return &dataset.Entry{Key: r.Prefix + f.path, Size: f.size}, nil
	}
	if f.size > large {
		r.large.Lock()
		defer r.large.Unlock()
	}
	began := r.Now()
	body, err := r.read(f)
	if err != nil {
		return nil, err
	}
	r.count(func(x *Result) { x.Read++ })
	if known && same(held, body) {
		r.count(func(x *Result) { x.Unchanged++ })
		return nil, r.journal.note(f, held.VersionID, began)
	}
	e := dataset.Entry{Key: r.Prefix + f.path, Size: f.size}
	if !r.DryRun {
		if e, err = r.sink.Put(ctx, e.Key, body); err != nil {
			return nil, err
		}
		if err := r.journal.note(f, e.VersionID, began); err != nil {
			return nil, err
		}
		r.count(func(x *Result) { x.Uploaded, x.Bytes = x.Uploaded+1, x.Bytes+f.size })
	}
	r.count(func(x *Result) { x.put(known) })
	return &e, nil
}

// read reads a file that nobody writes meanwhile.
func (r *run) read(f file) ([]byte, error) {
	name := filepath.Join(r.Folder, filepath.FromSlash(f.path))
	body, err := os.ReadFile(name)
	if err != nil {
		return nil, fault.New(fault.Invalid, "upload "+name, "%w", err)
	}
	info, err := os.Lstat(name)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fault.New(fault.Invalid, "upload "+name, "%w", err)
	}
	if err != nil || info.Size() != f.size || !info.ModTime().Equal(f.time) || int64(len(body)) != f.size {
		return nil, fault.New(fault.Conflict, "upload "+name, "somebody writes it").WithHint("upload the folder again when it is at rest")
	}
	return body, nil
}
