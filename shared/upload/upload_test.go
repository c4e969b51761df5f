package upload_test

import (
	"context"
	"crypto/md5"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluice-ml/sluice/shared/dataset"
	"github.com/sluice-ml/sluice/shared/fault"
	"github.com/sluice-ml/sluice/shared/upload"
)

// lake is a versioned bucket in memory; it fails after some puts when told to.
type lake struct {
	mu       sync.Mutex
	versions map[string]dataset.Entry // by key and version
	puts     int
	failAt   int
}

func newLake() *lake { return &lake{versions: map[string]dataset.Entry{}} }

func (l *lake) Put(_ context.Context, key string, body []byte) (dataset.Entry, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.puts++; l.puts == l.failAt {
		return dataset.Entry{}, fault.New(fault.Unavailable, "write "+key, "the network is down")
	}
	sum := md5.Sum(body)
	e := dataset.Entry{Key: key, VersionID: fmt.Sprint("v", l.puts), ETag: hex.EncodeToString(sum[:]), Size: int64(len(body))}
	l.versions[key+" "+e.VersionID] = e
	return e, nil
}

func (l *lake) Stat(_ context.Context, key, version string) (dataset.Entry, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	e, ok := l.versions[key+" "+version]
	if !ok {
		return e, fault.New(fault.NotFound, "look at "+key, "gone")
	}
	return e, nil
}

// world is a folder, a lake and what the branch holds.
type world struct {
	t      *testing.T
	folder string
	lake   *lake
	held   map[string]dataset.Entry
	now    time.Time
}

func newWorld(t *testing.T) *world {
	return &world{t, t.TempDir(), newLake(), map[string]dataset.Entry{}, time.Unix(2_000_000, 0)}
}

// file writes a file whose time is long past.
func (w *world) file(name, text string) {
	path := filepath.Join(w.folder, name)
	require.NoError(w.t, os.MkdirAll(filepath.Dir(path), 0o755))
	require.NoError(w.t, os.WriteFile(path, []byte(text), 0o600))
	w.now = w.now.Add(time.Hour)
	require.NoError(w.t, os.Chtimes(path, w.now, w.now))
}

func one(_ string, count int, do func(context.Context, int) error) error {
	for i := range count {
		if err := do(context.Background(), i); err != nil {
			return err
		}
	}
	return nil
}

func (w *world) request() upload.Request {
	return upload.Request{Folder: w.folder, Prefix: "p/", Held: w.held, Parallel: one, Now: func() time.Time { return w.now.Add(time.Hour) }}
}

// run uploads, and moves the branch as its result says.
func (w *world) run(change func(*upload.Request)) (upload.Result, error) {
	q := w.request()
	if change != nil {
		change(&q)
	}
	r, err := upload.Run(w.t.Context(), w.lake, q)
	if err == nil && !q.DryRun {
		for _, e := range r.Changes.Puts {
			w.held[e.Key] = e
		}
		for _, key := range r.Changes.Deletes {
			delete(w.held, key)
		}
	}
	return r, err
}

func (w *world) must(change func(*upload.Request)) upload.Result {
	w.t.Helper()
	r, err := w.run(change)
	require.NoError(w.t, err)
	return r
}

func counts(r upload.Result) []int {
	return []int{r.Added, r.Changed, r.Removed, r.Unchanged, r.Read, r.Uploaded}
}

func TestUploadsWhatDiffers(t *testing.T) {
	w := newWorld(t)
	for n := range 5 {
		w.file(fmt.Sprintf("d/%d.csv", n), fmt.Sprintf("row %d\n", n))
	}
	w.file("empty", "")
	require.Equal(t, []int{6, 0, 0, 0, 6, 6}, counts(w.must(nil)))
	require.Equal(t, []int{0, 0, 0, 6, 0, 0}, counts(w.must(nil)), "the journal knows them all")
	w.file("d/0.csv", "row 0\n")
	require.Equal(t, []int{0, 0, 0, 6, 1, 0}, counts(w.must(nil)), "touched: read, and the same")
	w.file("d/1.csv", "row X\n")
	w.file("new", "n")
	require.NoError(t, os.Remove(filepath.Join(w.folder, "d", "2.csv")))
	dry := func(q *upload.Request) { q.DryRun = true }
	require.Equal(t, []int{1, 1, 1, 4, 1, 0}, counts(w.must(dry)))
	require.Equal(t, []int{1, 1, 0, 4, 2, 2}, counts(w.must(func(q *upload.Request) { q.Keep = true })))
	require.Equal(t, []int{0, 0, 1, 6, 0, 0}, counts(w.must(nil)))
	require.Equal(t, []string{"p/d/0.csv", "p/d/1.csv", "p/d/3.csv", "p/d/4.csv", "p/empty", "p/new"}, slices.Sorted(maps.Keys(w.held)))
	require.NoError(t, os.Remove(filepath.Join(w.folder, upload.JournalName)))
	require.Equal(t, []int{0, 0, 0, 6, 6, 0}, counts(w.must(nil)), "without a journal it compares")
}

// TestGoesOn: what an upload that failed had uploaded is committed by the next,
// and not uploaded again, whichever put failed; a journal that was cut off in the
// middle of a line costs that file's comparison.
func TestGoesOn(t *testing.T) {
	for fail := 1; fail <= 6; fail++ {
		w := newWorld(t)
		for n := range 6 {
			w.file(fmt.Sprint(n), fmt.Sprint("row ", n))
		}
		w.lake.failAt = fail
		_, err := w.run(nil)
		require.Equal(t, fault.Unavailable, fault.KindOf(err))
		r := w.must(nil)
		require.Equal(t, []int{6, 0, 0, 0, 7 - fail, 7 - fail}, counts(r))
		require.Len(t, w.held, 6)
	}
	w := newWorld(t)
	w.file("a", "a")
	w.file("b", "b")
	w.must(nil)
	journal := filepath.Join(w.folder, upload.JournalName)
	text, err := os.ReadFile(journal)
	require.NoError(t, err)
	for cut := range len(text) {
		require.NoError(t, os.WriteFile(journal, text[:cut], 0o600))
		r := w.must(nil)
		require.Equal(t, []int{2, 0}, []int{r.Unchanged, r.Uploaded}, cut)
	}
}

// TestVersionsThatWentAway: a version that the journal names and the lake lost is
// uploaded again.
func TestVersionsThatWentAway(t *testing.T) {
	w := newWorld(t)
	w.file("a", "a")
	w.must(nil)
	clear(w.held)
	require.Equal(t, []int{1, 0, 0, 0, 0, 0}, counts(w.must(nil)), "another branch: the version is there")
	clear(w.held)
	clear(w.lake.versions)
	require.Equal(t, []int{1, 0, 0, 0, 1, 1}, counts(w.must(nil)))
	other := func(q *upload.Request) { q.Prefix = "q/" }
	clear(w.held)
	require.Equal(t, 1, w.must(other).Uploaded, "the journal is of another prefix")
}

// TestYoungFiles: a file that was written just now may be written again within
// one tick of the clock, so its time proves nothing yet.
func TestYoungFiles(t *testing.T) {
	w := newWorld(t)
	w.file("a", "a")
	young := func(q *upload.Request) { q.Now = func() time.Time { return w.now.Add(time.Millisecond) } }
	w.must(young)
	require.NoError(t, os.WriteFile(filepath.Join(w.folder, "a"), []byte("b"), 0o600))
	require.NoError(t, os.Chtimes(filepath.Join(w.folder, "a"), w.now, w.now))
	require.Equal(t, []int{0, 1, 0, 0, 1, 1}, counts(w.must(nil)))
}

// TestVerifies: content that changed under its size and time is found by reading it.
func TestVerifies(t *testing.T) {
	w := newWorld(t)
	w.file("a", "a")
	w.file("b", "b")
	w.must(nil)
	path := filepath.Join(w.folder, "b")
	info, err := os.Stat(path)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(path, []byte("X"), 0o600))
	require.NoError(t, os.Chtimes(path, info.ModTime(), info.ModTime()))
	require.Equal(t, []int{0, 0, 0, 2, 0, 0}, counts(w.must(nil)))
	verify := func(q *upload.Request) { q.Verify = true }
	require.Equal(t, []int{0, 1, 0, 1, 2, 1}, counts(w.must(verify)))
	require.Equal(t, []int{0, 0, 0, 2, 2, 0}, counts(w.must(verify)))
}

// TestTellsWhatItLeavesOut: but not of the journals.
func TestTellsWhatItLeavesOut(t *testing.T) {
	w := newWorld(t)
	w.file("a", "a")
	w.file("d/b.csv.sluice-partial", "half")
	w.file(dataset.CheckoutJournal, "{}")
	require.Equal(t, []string{"d/b.csv.sluice-partial"}, w.must(nil).LeftOut)
}

// TestOneAtATime: a second upload of a folder does nothing while the first runs.
func TestOneAtATime(t *testing.T) {
	w := newWorld(t)
	w.file("a", "a")
	first := func(_ string, count int, do func(context.Context, int) error) error {
		_, err := upload.Run(t.Context(), w.lake, w.request())
		require.Equal(t, fault.Busy, fault.KindOf(err))
		return one("", count, do)
	}
	require.Equal(t, 1, w.must(func(q *upload.Request) { q.Parallel = first }).Uploaded)
	require.Equal(t, 1, w.lake.puts)
}

func TestRefuses(t *testing.T) {
	w := newWorld(t)
	w.file("a", "a")
	require.NoError(t, os.Symlink("a", filepath.Join(w.folder, "link")))
	_, err := w.run(nil)
	require.ErrorContains(t, err, "link: it is no file")
	require.NoError(t, os.Remove(filepath.Join(w.folder, "link")))
	_, err = upload.Run(t.Context(), w.lake, upload.Request{Folder: filepath.Join(w.folder, "none"), Parallel: one, Now: time.Now})
	require.True(t, errors.Is(err, os.ErrNotExist), "%v", err)
	grow := func(_ string, count int, do func(context.Context, int) error) error {
		w.file("a", "written meanwhile")
		return one("", count, do)
	}
	_, err = w.run(func(q *upload.Request) { q.Parallel = grow })
	require.ErrorContains(t, err, "somebody writes it")
	require.Equal(t, fault.Conflict, fault.KindOf(err))
	large := filepath.Join(w.folder, "large")
	require.NoError(t, os.WriteFile(large, nil, 0o600))
	require.NoError(t, os.Truncate(large, upload.MaxFile+1))
	_, err = w.run(nil)
	require.ErrorContains(t, err, "more than the 5368709120 of one request")
}

// FuzzJournal: whatever stands in the journal, the branch ends up with the
// folder's content, for a journal that does not name a version that is another
// file's.
func FuzzJournal(f *testing.F) {
	f.Add([]byte(`{"prefix":"p/"}` + "\n" + `{"path":"a","size":1,"time":1,"version":"v9"}` + "\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		w := newWorld(t)
		w.file("a", "a")
		require.NoError(t, os.WriteFile(filepath.Join(w.folder, upload.JournalName), text, 0o600))
		w.must(nil)
		require.Equal(t, "0cc175b9c0f1b6a831c399e269772661", w.held["p/a"].ETag)
	})
}

// TestProvesByChecksum: the check values of the CRC catalogue, and SHA-256's of
// FIPS 180's "abc". A CRC alone proves no equality: two files may have one.
func TestProvesByChecksum(t *testing.T) {
	for _, c := range []struct{ text, algorithm, kind, sum string }{
		{"123456789", "CRC64NVME", "FULL_OBJECT", "rosUhgp5mIg="},
		{"123456789", "CRC32", "FULL_OBJECT", "y/Q5Jg=="},
		{"abc", "SHA256", "", "ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0="},
	} {
		w := newWorld(t)
		w.file("a", c.text)
		held := dataset.Entry{Key: "p/a", VersionID: "v", Size: int64(len(c.text)), Checksum: c.sum, ChecksumAlgorithm: c.algorithm, ChecksumType: c.kind}
		w.held["p/a"] = held
		if c.algorithm != "SHA256" {
			require.Equal(t, 1, w.must(nil).Uploaded, c.algorithm)
			require.NoError(t, os.Remove(filepath.Join(w.folder, upload.JournalName)))
			md := md5.Sum([]byte(c.text))
			held.ETag = hex.EncodeToString(md[:])
			w.held["p/a"] = held
		}
		require.Equal(t, 1, w.must(nil).Unchanged, c.algorithm)
		held.Checksum = "AAAA" + held.Checksum[4:]
		w.held["p/a"] = held
		require.NoError(t, os.Remove(filepath.Join(w.folder, upload.JournalName)))
		require.Equal(t, 1, w.must(nil).Uploaded, c.algorithm)
		held.ChecksumType, held.ETag = "COMPOSITE", "" // proves nothing here
		w.held["p/a"] = held
		require.NoError(t, os.Remove(filepath.Join(w.folder, upload.JournalName)))
		require.Equal(t, 1, w.must(nil).Uploaded, c.algorithm)
	}
}
