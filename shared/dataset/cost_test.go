package dataset_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluice-ml/sluice/shared/dataset"
	"github.com/sluice-ml/sluice/shared/ref"
)

// big is a repository with count entries on main, in a store that counts.
func big(t testing.TB, count int) *counting {
	store := &counting{Store: ref.NewMemory()}
	_, err := dataset.New(store).Import(t.Context(), dataset.Request{Branch: "main", Time: noon}, func(yield func(dataset.Entry, error) bool) {
		for n := range count {
			if !yield(realistic(n, 1), nil) {
				return
			}
		}
	})
	require.NoError(t, err)
	store.reset()
	return store
}

// realistic is an entry with texts as incompressible as S3's.
func realistic(n, version int) dataset.Entry {
	random := rand.New(rand.NewPCG(uint64(n), uint64(version)))
	hex, base := make([]byte, 32), make([]byte, 32)
	for i := range 32 {
		hex[i] = "0123456789abcdef"[random.IntN(16)]
		base[i] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._"[random.IntN(64)]
	}
	return dataset.Entry{Key: fmt.Sprintf("raw/images/%04d/part-%08d.parquet", n/1000, n), VersionID: string(base), ETag: string(hex),
		Size: int64(random.IntN(1 << 20)), Checksum: string(base[:11]) + "=", ChecksumAlgorithm: "CRC64NVME", ChecksumType: "FULL_OBJECT"}
}

// TestOneChangeTouchesOnePath counts what a change of one object costs: the
// branch, its commit and one node a level are read, the same are written.
func TestOneChangeTouchesOnePath(t *testing.T) {
	store := big(t, 60_000)
	head, err := dataset.New(store).Head(t.Context(), "main")
	require.NoError(t, err)
	require.Equal(t, 1, head.Level, "an index over the leaves")
	worst := [4]int64{}
	for n := range 400 {
		store.reset()
		_, err := dataset.New(store).Commit(t.Context(), dataset.Request{Branch: "main", Time: noon, Changes: put(realistic(n*1499%60_000, n+2))})
		require.NoError(t, err)
		for i, v := range []int64{store.reads.Load(), store.writes.Load(), store.readSize.Load(), store.wroteSize.Load()} {
			worst[i] = max(worst[i], v)
		}
	}
	t.Logf("one change of 60,000 entries, at most: %d reads, %d writes, %d bytes read, %d bytes written", worst[0], worst[1], worst[2], worst[3])
	require.LessOrEqual(t, worst[0], int64(4+2*6), "branch, commit, root, leaf; a root and a leaf of each segment")
	require.LessOrEqual(t, worst[1], int64(6), "of a segment two leaves and a root, or one that was folded; commit, branch")
	require.Less(t, worst[3], int64(100_000))
}

// TestSequentialRoundTrips runs on a fake clock where every request takes one
// second, so the elapsed time counts the requests that wait for each other.
func TestSequentialRoundTrips(t *testing.T) {
	store := big(t, 60_000)
	synctest.Test(t, func(t *testing.T) {
		store.latency = time.Second
		elapsed := func(act func(r *dataset.Repository) error) int {
			start := time.Now()
			require.NoError(t, act(dataset.New(store)))
			return int(time.Since(start) / time.Second)
		}
		require.Equal(t, 6, elapsed(func(r *dataset.Repository) error {
			_, err := r.Commit(t.Context(), dataset.Request{Branch: "main", Time: noon, Changes: put(realistic(31, 2))})
			return err
		}), "branch, commit, root, leaf; then the blobs and the commit together; then the branch")
		var scattered []dataset.Entry
		for n := range 60 {
			scattered = append(scattered, realistic(n*1000, 3))
		}
		require.Equal(t, 6, elapsed(func(r *dataset.Repository) error {
			_, err := r.Commit(t.Context(), dataset.Request{Branch: "main", Time: noon, Changes: put(scattered...)})
			return err
		}), "sixty scattered changes wait no longer than one")
		require.Equal(t, 4, elapsed(func(r *dataset.Repository) error {
			changes, err := r.Diff(t.Context(), "main~1", "main")
			require.Len(t, changes, 60)
			return err
		}), "branch, commit, parent; the segment between them")
	})
}

func TestDiffReadsOnlyWhatDiffers(t *testing.T) {
	store := big(t, 60_000)
	commit(t, dataset.New(store), "main", put(realistic(777, 9)))
	store.reset()
	changes, err := dataset.New(store).Diff(t.Context(), "main~1", "main")
	require.NoError(t, err)
	require.Len(t, changes, 1)
	require.LessOrEqual(t, store.reads.Load(), int64(2+3+2+2), "two refs; the head twice and its parent; two roots, two leaves")
}

// TestRoundTripsOverSegments counts, on a fake clock, the requests of one change
// that wait for each other, over as many segments as there may be.
func TestRoundTripsOverSegments(t *testing.T) {
	store := big(t, 60_000)
	for n := range 6 {
		var changes []dataset.Entry
		for i := range 1000 {
			changes = append(changes, realistic((i*59+n*7)%60_000, n+2))
		}
		commit(t, dataset.New(store), "main", put(changes...))
	}
	head, err := dataset.New(store).Head(t.Context(), "main")
	require.NoError(t, err)
	require.Len(t, head.Segments, 6)
	synctest.Test(t, func(t *testing.T) {
		store.latency = time.Second
		elapsed := func(act func(r *dataset.Repository) error) int {
			start := time.Now()
			require.NoError(t, act(dataset.New(store)))
			return int(time.Since(start) / time.Second)
		}
		for n := range 30 {
			require.LessOrEqual(t, elapsed(func(r *dataset.Repository) error {
				_, err := r.Commit(t.Context(), dataset.Request{Branch: "main", Time: noon, Changes: put(realistic(n*1999, 50))})
				return err
			}), 7, "branch, commit, roots, leaves; the next leaf, where an end moves; then what is written; then the branch")
		}
		store.reset()
		require.Equal(t, 4, elapsed(func(r *dataset.Repository) error {
			_, found, err := r.Entry(t.Context(), "main", realistic(30_000, 1).Key)
			require.True(t, found)
			return err
		}), "branch, commit, roots, leaves")
		require.Less(t, store.readSize.Load(), int64(1_000_000), "segments are read by pages")
		store.reset()
		require.Equal(t, 2, elapsed(func(r *dataset.Repository) error {
			total, err := r.Total(t.Context(), "main", "")
			require.EqualValues(t, 60_000, total.Objects)
			return err
		}), "totals are in the commit")
		store.latency = 0
	})
}

// TestAMergeReadsNoLeaves merges two branches of scattered changes: segments say
// what they replace.
func TestAMergeReadsNoLeaves(t *testing.T) {
	store := big(t, 60_000)
	r := dataset.New(store)
	base, err := r.Head(t.Context(), "main")
	require.NoError(t, err)
	for shift, branch := range []string{"main", "side"} {
		var changes []dataset.Entry
		for i := range 500 {
			changes = append(changes, realistic(i*113+3*shift, 2))
		}
		_, err := r.Commit(t.Context(), dataset.Request{Branch: branch, Base: base.ID, Time: noon, Changes: put(changes...)})
		require.NoError(t, err)
	}
	store.reset()
	m, err := dataset.New(store).Merge(t.Context(), dataset.MergeRequest{Branch: "main", From: "side", Time: noon, Rules: []dataset.Rule{{Glob: "**", Choice: dataset.TakeTheirs}}})
	require.NoError(t, err)
	require.True(t, m.Moved)
	require.Len(t, m.Commit.Parents, 2)
	require.Equal(t, 500, m.Commit.Stats.Changed)
	require.Less(t, store.readSize.Load(), int64(500_000), "two segments, three commits, a root; a leaf of the tree is 80,000")
	t.Logf("%d reads of %d bytes, %d writes of %d bytes", store.reads.Load(), store.readSize.Load(), store.writes.Load(), store.wroteSize.Load())
}
