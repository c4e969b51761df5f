package dataset

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/sluice-ml/sluice/shared/fault"
)

// Content reads the lake's objects.
type Content interface {
	// Open reads one version of an object; NotFound when it is gone.
	Open(ctx context.Context, key, versionID string) (io.ReadCloser, error)
}

// CheckoutRequest asks for a ref's objects as files.
type CheckoutRequest struct {
	Ref    string
	Prefix string // only keys that start with it; up to its last "/" it is left off the files' names
	Folder string // is made when it does not exist
	Force  bool   // replace files that differ and that no checkout made
	Verify bool   // read the files that an earlier checkout made again, too
}

// CheckedOut is what a checkout did.
type CheckedOut struct {
	Commit    string `json:"commit"`
	Files     int    `json:"files"`
	Bytes     int64  `json:"bytes"`
	Fetched   int    `json:"fetched"`
	Kept      int    `json:"kept"`       // were there already
	Removed   int    `json:"removed"`    // an earlier checkout made them, and the ref does not hold them
	BySize    int    `json:"by_size"`    // of those fetched, only their size could be checked
	BySum     int    `json:"by_sum"`     // of those fetched, verified by checksum
	FetchedBy int64  `json:"fetched_by"` // bytes fetched
}

// fetchTries is how often an object is fetched whose content comes damaged.
const fetchTries = 3

// Checkout makes a folder hold the objects of a ref, several at once. Every file
// is verified by checksum, or where there is none by size, before it appears
// under its name; a journal in the folder lets a checkout that was cut off go on
// where it stopped, and one of another ref fetch only what differs. Conflict
// names files that differ and that no checkout made: nothing is touched then.
// NotFound names a pinned version that is gone, or a prefix that no key has; Busy
// says that another checkout is writing to the folder.
func (r *Repository) Checkout(ctx context.Context, content Content, q CheckoutRequest) (CheckedOut, error) {
	c, err := r.Resolve(ctx, q.Ref)
	if err != nil {
		return CheckedOut{}, err
	}
	files, err := r.files(ctx, c, q.Prefix)
	if err != nil {
		return CheckedOut{}, err
	}
	root, err := openFolder(q.Folder)
	if err != nil {
		return CheckedOut{}, err
	}
	defer root.Close()
	unlock, err := LockFolder(root, "check out into "+root.Name())
	if err != nil {
		return CheckedOut{}, err
	}
	defer unlock()
	j, err := openJournal(root)
	if err != nil {
		return CheckedOut{}, err
	}
	defer j.close()
	k := &checkout{request: q, root: root, journal: j, content: content, done: CheckedOut{Commit: c.ID, Files: len(files)}}
	err = k.run(ctx, files)
	return k.done, err
}

// openFolder opens the folder to check out into, and makes it where it is not
// there. Invalid says what stands in its way.
func openFolder(name string) (*os.Root, error) {
	op := "check out into " + name
	for at := filepath.Clean(name); ; at = filepath.Dir(at) {
		info, err := os.Stat(at)
		switch {
		case err == nil && !info.IsDir():
			return nil, fault.New(fault.Invalid, op, "%s is a file, and a checkout fills a folder", at).
				WithHint("name a folder; one that does not exist is made")
		case err == nil:
			return openedFolder(op, name)
		}
		if link, err := os.Readlink(at); err == nil {
			return nil, fault.New(fault.Invalid, op, "%s is a symbolic link to %s, which is not there", at, link).
				WithHint("make the folder that it means, or name another")
		}
		if at == filepath.Dir(at) {
			return openedFolder(op, name)
		}
	}
}

func openedFolder(op, name string) (*os.Root, error) {
	err := os.MkdirAll(name, 0o755)
	if err != nil {
		return nil, fault.New(fault.Invalid, op, "the folder cannot be made: %w", err).WithHint("name a folder in a place that you may write to")
	}
	root, err := os.OpenRoot(name)
	if err != nil {
		return nil, fault.New(fault.Invalid, op, "the folder cannot be opened: %w", err).WithHint("name a folder that you may read and write")
	}
	return root, nil
}

// file is an entry with the path it goes to, below the folder.
type file struct {
	Entry
	path string
}

func (r *Repository) files(ctx context.Context, c Commit, prefix string) ([]file, error) {
	var files []file
	var cannot []string
	taken := map[string]bool{}
	above := prefix[:strings.LastIndexByte(prefix, '/')+1]
	for e, err := range r.entries(ctx, r.stateOf(&c), under(prefix)) {
		if err != nil {
			return nil, err
		}
		name := e.Key[len(above):]
		local, err := filepath.Localize(name)
		if err != nil || wrongKey(name) != "" || strings.HasPrefix(name, journalName) || strings.HasSuffix(name, partial) || longPart(name) {
			cannot = append(cannot, e.Key)
			continue
		}
		files, taken[name] = append(files, file{e, local}), true
	}
	if len(cannot) > 0 {
		return nil, fault.New(fault.Invalid, "check out "+c.ID[:12], "%d key(s) cannot be files' names here, a part is longer than %d bytes or the name is the checkout's own: %q",
			len(cannot), mostPart, cannot[:min(3, len(cannot))]).
			WithHint("nothing was touched; check out a --prefix that leaves them out, or take them out of a branch: sluice data commit MODEL BRANCH --remove KEY")
	}
	if prefix != "" && len(files) == 0 {
		return nil, fault.New(fault.NotFound, "check out "+c.ID[:12], "no key of it begins with %q", prefix).
			WithHint("sluice data ls lists its keys; nothing was touched")
	}
	for _, f := range files {
		for dir := path.Dir(filepath.ToSlash(f.path)); dir != "."; dir = path.Dir(dir) {
			if taken[dir] {
				return nil, fault.New(fault.Invalid, "check out "+f.Key, "%s is an object too, so it cannot be a folder", above+dir).
					WithHint("check out a --prefix that leaves one of them out")
			}
		}
	}
	return files, nil
}

// mostPart is how many bytes file systems allow a part of a path (NAME_MAX).
const mostPart = 255

func longPart(name string) bool {
	return slices.ContainsFunc(strings.Split(name, "/"), func(part string) bool { return len(part) > mostPart })
}

// temporary is what a file is called until it is whole: its name and more, or,
// where that would be too long, a hash of its name.
func temporary(name string) string {
	folder, base := filepath.Split(name)
	if len(base)+len(partial) > mostPart {
		sum := sha256.Sum256([]byte(base))
		base = hex.EncodeToString(sum[:])
	}
	return folder + base + partial
}

type checkout struct {
	request CheckoutRequest
	root    *os.Root
	journal *journal
	content Content

	mu   sync.Mutex
	done CheckedOut
}

func (k *checkout) run(ctx context.Context, files []file) error {
	fetch, err := k.plan(ctx, files)
	if err != nil {
		return err
	}
	if err := k.sweep(files); err != nil {
		return err
	}
	err = parallel(ctx, len(fetch), func(ctx context.Context, i int) error { return k.fetch(ctx, fetch[i]) })
	if failed := k.journal.compact(); err == nil {
		err = failed
	}
	return err
}

// plan decides what to fetch, and touches nothing.
func (k *checkout) plan(ctx context.Context, files []file) ([]file, error) {
	wanted, foreign := make([]bool, len(files)), make([]bool, len(files))
	err := parallel(ctx, len(files), func(_ context.Context, i int) (err error) {
		wanted[i], foreign[i], err = k.look(files[i])
		return err
	})
	if err != nil {
		return nil, err
	}
	var fetch []file
	var theirs []string
	for i, f := range files {
		k.done.Bytes += f.Size
		switch {
		case foreign[i] && !k.request.Force:
			theirs = append(theirs, f.path)
		case wanted[i]:
			fetch = append(fetch, f)
		default:
			k.done.Kept++
		}
	}
	if len(theirs) > 0 {
		return nil, fault.New(fault.Conflict, "check out to "+k.request.Folder, "%d file(s) differ and no checkout made them: %s", len(theirs),
			strings.Join(theirs[:min(3, len(theirs))], ", ")).WithHint("move them away, or replace them with --force")
	}
	return fetch, nil
}

// look says whether a file is wanted, and whether one stands in its place that
// no checkout made.
func (k *checkout) look(f file) (wanted, foreign bool, err error) {
	info, err := k.root.Lstat(f.path)
	if os.IsNotExist(err) {
		return true, false, nil
	}
	if err != nil {
		return false, false, k.failed(f, err)
	}
	if !info.Mode().IsRegular() {
		return false, false, fault.New(fault.Conflict, "check out "+f.Key, "%s is there and is no file", f.path).WithHint("move it away")
	}
	made, version := k.journal.made(f.path, info)
	if made && version == f.VersionID && !k.request.Verify {
		return false, false, nil
	}
	if info.Size() == f.Size {
		p := newProof(f.Entry)
		if err := k.read(f, p); err != nil {
			return false, false, err
		}
		verdict := p.outcome()
		if verdict == identical || (verdict == sameSize && made && version == f.VersionID) {
			return false, false, k.journal.note(f, info)
		}
	}
	return true, !made, nil
}

func (k *checkout) read(f file, into io.Writer) error {
	r, err := k.root.Open(f.path)
	if err != nil {
		return k.failed(f, err)
	}
	defer r.Close()
	_, err = io.Copy(into, r)
	return k.failed(f, err)
}

func (k *checkout) failed(f file, err error) error {
	return fault.Wrap(fault.Invalid, "check out "+f.Key, err)
}

// sweep removes the files that an earlier checkout made, that nobody changed
// since, and that are not wanted any more.
func (k *checkout) sweep(files []file) error {
	wanted := make(map[string]bool, len(files))
	for _, f := range files {
		wanted[f.path] = true
	}
	for name := range k.journal.lines {
		if wanted[name] {
			continue
		}
		info, err := k.root.Lstat(name)
		if err == nil {
			if made, _ := k.journal.made(name, info); made {
				err = k.root.Remove(name)
				k.done.Removed++
			}
		}
		if err != nil && !os.IsNotExist(err) {
			return fault.Wrap(fault.Invalid, "remove "+name, err)
		}
		k.journal.forget(name)
	}
	return nil
}

// fetch brings one file, under another name until it is verified.
func (k *checkout) fetch(ctx context.Context, f file) error {
	if err := k.root.MkdirAll(filepath.Dir(f.path), 0o755); err != nil {
		return k.failed(f, err)
	}
	temporary := temporary(f.path)
	verdict, err := k.tries(ctx, f)
	if err != nil {
		_ = k.root.Remove(temporary) // nothing half-written stays, also when it is interrupted
		return err
	}
	if verdict == different {
		_ = k.root.Remove(temporary)
		return fault.New(fault.Invalid, "check out "+f.Key, "what came %d times is not what version %s was when it was pinned", fetchTries, f.VersionID).
			WithHint("its content or its entry was altered; compare: sluice data show MODEL REF --prefix %s", f.Key)
	}
	info, err := k.root.Stat(temporary)
	if err != nil {
		return k.failed(f, err)
	}
	// The line goes first: without its file it says nothing, but a file without
	// its line might be somebody's.
	if err := k.journal.note(f, info); err != nil {
		return err
	}
	k.count(f, verdict)
	return k.failed(f, k.root.Rename(temporary, f.path))
}

// tries downloads a file until it is what was pinned, or often enough.
func (k *checkout) tries(ctx context.Context, f file) (verdict outcome, err error) {
	for range fetchTries {
		p := newProof(f.Entry)
		if err := k.download(ctx, f, p); err != nil {
			return verdict, err
		}
		if verdict = p.outcome(); verdict != different {
			break
		}
	}
	return verdict, nil
}

// partial ends the name of a file that is not whole yet.
const partial = ".sluice-partial"

func (k *checkout) download(ctx context.Context, f file, p *proof) error {
	body, err := k.content.Open(ctx, f.Key, f.VersionID)
	if fault.Is(err, fault.NotFound) {
		return fault.New(fault.NotFound, "check out "+f.Key, "its pinned version %s is gone: %w", f.VersionID, err).
			WithHint("%s pins it, and a lifecycle rule or a person deleted it: sluice data audit MODEL %s tells which rule would; check out a ref or a --prefix without it, or put the object there again and commit it",
				k.request.Ref, k.request.Ref)
	}
	if err != nil {
		return err
	}
	defer body.Close()
	w, err := k.root.OpenFile(temporary(f.path), os.O_CREATE|os.O_TRUNC|os.O_WRONLY, fs.FileMode(0o644))
	if err != nil {
		return k.failed(f, err)
	}
	if _, err := io.Copy(io.MultiWriter(w, p), body); err != nil {
		_ = w.Close()
		return fault.Wrap(fault.Unavailable, "check out "+f.Key, err)
	}
	return k.failed(f, w.Close())
}

func (k *checkout) count(f file, verdict outcome) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.done.Fetched++
	k.done.FetchedBy += f.Size
	if verdict == identical {
		k.done.BySum++
	} else {
		k.done.BySize++
	}
}
