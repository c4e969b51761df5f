package dataset_test

import (
	"bytes"
	"context"
	"crypto/md5"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/iotest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluice-ml/sluice/shared/dataset"
	"github.com/sluice-ml/sluice/shared/fault"
	"github.com/sluice-ml/sluice/shared/ref"
)

// shelf is a Content in memory, by key and version, that counts.
type shelf struct {
	mu     sync.Mutex
	bodies map[string]string
	opened int
	served int
	most   int // fails from there on, when above 0
}

var errPlug = errors.New("the plug was pulled")

func (s *shelf) Open(_ context.Context, key, version string) (io.ReadCloser, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.opened++; s.most > 0 && s.opened > s.most {
		return nil, errPlug
	}
	body, ok := s.bodies[key+"@"+version]
	if !ok {
		return nil, fault.New(fault.NotFound, "open", "no such version")
	}
	s.served++
	return io.NopCloser(bytes.NewReader([]byte(body))), nil
}

// add shelves a version and gives its entry. proof is "sha256", "md5" (an
// ETag), "kms" (an ETag that is no MD5) or "".
func (s *shelf) add(key, version, body, proof string) dataset.Entry {
	s.bodies[key+"@"+version] = body
	e := dataset.Entry{Key: key, VersionID: version, Size: int64(len(body)), ETag: "e"}
	switch proof {
	case "sha256":
		sum := sha256.Sum256([]byte(body))
		e.Checksum, e.ChecksumAlgorithm, e.ChecksumType = base64.StdEncoding.EncodeToString(sum[:]), "SHA256", "FULL_OBJECT"
	case "md5":
		sum := md5.Sum([]byte(body))
		e.ETag = hex.EncodeToString(sum[:])
	case "kms":
		e.ETag = "00112233445566778899aabbccddeeff"
	}
	return e
}

func shelved(t *testing.T) (*shelf, *dataset.Repository) {
	s, r := &shelf{bodies: map[string]string{}}, dataset.New(ref.NewMemory())
	var entries []dataset.Entry
	for n := range 40 {
		proof := []string{"sha256", "md5", "kms", ""}[n%4]
		entries = append(entries, s.add(fmt.Sprintf("raw/m/d%d/f%02d", n%3, n), "v1", fmt.Sprintf("content %d", n), proof))
	}
	commit(t, r, "main", put(entries...))
	commit(t, r, "main", dataset.Changes{Puts: []dataset.Entry{s.add("raw/m/d0/f00", "v2", "content X", "sha256")}, Deletes: []string{"raw/m/d1/f01"}})
	return s, r
}

func checkedOut(t *testing.T, folder string) map[string]string {
	files := map[string]string{}
	require.NoError(t, filepath.WalkDir(folder, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		body, err := os.ReadFile(path)
		name, _ := filepath.Rel(folder, path)
		files[filepath.ToSlash(name)] = string(body)
		return err
	}))
	delete(files, ".sluice-checkout.jsonl")
	return files
}

func TestCheckout(t *testing.T) {
	s, r := shelved(t)
	folder := filepath.Join(t.TempDir(), "new", "folder")
	q := dataset.CheckoutRequest{Ref: "main~1", Prefix: "raw/m/", Folder: folder}
	done, err := r.Checkout(t.Context(), s, q)
	require.NoError(t, err)
	require.Equal(t, []int{40, 40, 0, 20, 20}, []int{done.Files, done.Fetched, done.Kept, done.BySum, done.BySize})
	require.Equal(t, "content 0", checkedOut(t, folder)["d0/f00"])
	require.Len(t, checkedOut(t, folder), 40)

	q.Ref, s.opened = "main", 0
	done, err = r.Checkout(t.Context(), s, q)
	require.NoError(t, err)
	require.Equal(t, []int{39, 1, 38, 1}, []int{done.Files, done.Fetched, done.Kept, done.Removed})
	require.Equal(t, 1, s.opened, "only what differs")
	require.Equal(t, "content X", checkedOut(t, folder)["d0/f00"])
	require.NotContains(t, checkedOut(t, folder), "d1/f01")
}

func TestACutOffCheckoutGoesOn(t *testing.T) {
	s, r := shelved(t)
	q := dataset.CheckoutRequest{Ref: "main", Folder: t.TempDir()}
	for {
		s.opened, s.most = 0, 7
		done, err := r.Checkout(t.Context(), s, q)
		if err == nil {
			require.Positive(t, done.Kept)
			require.Equal(t, 39, s.served, "finished files are not fetched again")
			break
		}
		require.ErrorIs(t, err, errPlug)
		require.Less(t, s.served, 39)
	}
	files := checkedOut(t, q.Folder)
	require.Equal(t, "content 7", files["raw/m/d1/f07"])
	require.Len(t, files, 39, "no partial file is left")
}

// plug ends a checkout's context at the n-th object, as Ctrl-C does, in the middle
// of its body.
type plug struct {
	*shelf
	left atomic.Int64
	end  func()
}

func (p *plug) Open(ctx context.Context, key, version string) (io.ReadCloser, error) {
	body, err := p.shelf.Open(ctx, key, version)
	if err != nil || p.left.Add(-1) >= 0 {
		return body, err
	}
	p.end()
	return io.NopCloser(io.MultiReader(io.LimitReader(body, 3), iotest.ErrReader(ctx.Err()))), nil
}

// TestAnInterruptedCheckoutLeavesNothingHalfWritten, and says what it did.
func TestAnInterruptedCheckoutLeavesNothingHalfWritten(t *testing.T) {
	for n := range 12 {
		s, r := shelved(t)
		ctx, cancel := context.WithCancel(t.Context())
		p := &plug{shelf: s, end: cancel}
		p.left.Store(int64(n))
		q := dataset.CheckoutRequest{Ref: "main", Folder: t.TempDir()}
		done, err := r.Checkout(ctx, p, q)
		require.Error(t, err)
		files := checkedOut(t, q.Folder)
		require.Len(t, files, done.Fetched, "%d: %v", n, files)
		for name, body := range files {
			require.Contains(t, []string{s.bodies[name+"@v1"], s.bodies[name+"@v2"]}, body, "whole")
		}
		again, err := r.Checkout(t.Context(), s, q)
		require.NoError(t, err)
		require.Equal(t, []int{39, done.Fetched}, []int{again.Files, again.Kept}, "it goes on")
	}
}

func TestCheckoutKeepsOthersFiles(t *testing.T) {
	s, r := shelved(t)
	q := dataset.CheckoutRequest{Ref: "main~1", Prefix: "raw/m/", Folder: t.TempDir()}
	require.NoError(t, os.MkdirAll(filepath.Join(q.Folder, "d0"), 0o755))
	mine := filepath.Join(q.Folder, "d0", "f00")
	require.NoError(t, os.WriteFile(mine, []byte("my notes"), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(q.Folder, "d0", "f12"), []byte("content 12"), 0o600))
	_, err := r.Checkout(t.Context(), s, q)
	requireKind(t, fault.Conflict, err)
	require.ErrorContains(t, err, "1 file(s) differ and no checkout made them: d0/f00")
	require.Zero(t, s.opened, "nothing is touched")
	q.Force = true
	done, err := r.Checkout(t.Context(), s, q)
	require.NoError(t, err)
	require.Equal(t, 1, done.Kept, "the same content is not fetched")

	q.Force = false
	require.NoError(t, os.WriteFile(mine, []byte("content !"), 0o600))
	require.NoError(t, os.Chtimes(mine, time.Time{}, noon))
	q.Ref = "main"
	_, err = r.Checkout(t.Context(), s, q)
	requireKind(t, fault.Conflict, err)
	require.NoError(t, os.WriteFile(mine, []byte("content X"), 0o600))
	_, err = r.Checkout(t.Context(), s, q)
	require.NoError(t, err, "edited to what the ref holds")
}

func TestCheckoutRefuses(t *testing.T) {
	s, r := shelved(t)
	body := s.bodies["raw/m/d0/f03@v1"]
	s.bodies["raw/m/d0/f03@v1"] = "altered"
	s.bodies["raw/m/d0/f00@v2"] = "content Y"
	_, err := r.Checkout(t.Context(), s, dataset.CheckoutRequest{Ref: "main", Prefix: "raw/m/d0/f00", Folder: t.TempDir()})
	requireKind(t, fault.Invalid, err)
	require.ErrorContains(t, err, "check out raw/m/d0/f00: what came 3 times is not what version v2 was")
	_, err = r.Checkout(t.Context(), s, dataset.CheckoutRequest{Ref: "main", Prefix: "raw/m/d0/f03", Folder: t.TempDir()})
	requireKind(t, fault.Invalid, err)
	s.bodies["raw/m/d0/f03@v1"] = body
	delete(s.bodies, "raw/m/d0/f00@v2")
	_, err = r.Checkout(t.Context(), s, dataset.CheckoutRequest{Ref: "main", Folder: t.TempDir()})
	requireKind(t, fault.NotFound, err)
	require.ErrorContains(t, err, "its pinned version v2 is gone")
	for _, key := range []string{"../up", "/root", "a//b", "a/", "raw", ".sluice-checkout.jsonl", "x.sluice-partial", "nul\x00", "long/" + strings.Repeat("x", 256)} {
		c, err := dataset.CommitUnchecked(t.Context(), r, dataset.Request{Branch: "main", Changes: put(s.add(key, "v1", "x", "")), Time: noon})
		require.NoError(t, err, "a build from before keys were checked made such commits")
		folder := t.TempDir()
		_, err = r.Checkout(t.Context(), s, dataset.CheckoutRequest{Ref: c.ID, Folder: folder})
		requireKind(t, fault.Invalid, err)
		require.Empty(t, checkedOut(t, folder), "early: nothing is fetched")
		commit(t, r, "main", dataset.Changes{Deletes: []string{key}})
	}
}

// TestAMistypedPrefixEmptiesNothing: it is refused before the folder is touched.
func TestAMistypedPrefixEmptiesNothing(t *testing.T) {
	s, r := shelved(t)
	folder := t.TempDir()
	_, err := r.Checkout(t.Context(), s, dataset.CheckoutRequest{Ref: "main", Folder: folder})
	require.NoError(t, err)
	before := checkedOut(t, folder)
	require.NotEmpty(t, before)
	_, err = r.Checkout(t.Context(), s, dataset.CheckoutRequest{Ref: "main", Prefix: "raw/m/nosuch/", Folder: folder})
	requireKind(t, fault.NotFound, err)
	require.ErrorContains(t, err, `no key of it begins with "raw/m/nosuch/"`)
	require.Equal(t, before, checkedOut(t, folder))
}

func TestCheckoutStaysInItsFolder(t *testing.T) {
	s, r := shelved(t)
	outside, folder := t.TempDir(), t.TempDir()
	require.NoError(t, os.Symlink(outside, filepath.Join(folder, "d0")))
	_, err := r.Checkout(t.Context(), s, dataset.CheckoutRequest{Ref: "main", Prefix: "raw/m/", Folder: folder})
	require.Error(t, err)
	require.Empty(t, checkedOut(t, outside))
}
