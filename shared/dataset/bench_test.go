package dataset_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluice-ml/sluice/shared/dataset"
	"github.com/sluice-ml/sluice/shared/ref"
)

// The benchmarks count requests and bytes beside time, on a store in memory that
// takes no time; what latency adds is trips × latency, and trips is measured on
// a fake clock elsewhere (TestSequentialRoundTrips). SLUICE_BENCH_ENTRIES sets
// the greatest dataset, e.g. 10000000 (which needs 4 GiB); by default 10^6.
func sizes(b *testing.B) []int {
	most := 1_000_000
	if text := os.Getenv("SLUICE_BENCH_ENTRIES"); text != "" {
		var err error
		most, err = strconv.Atoi(text)
		require.NoError(b, err, "SLUICE_BENCH_ENTRIES")
	}
	var list []int
	for n := 10_000; n <= most; n *= 10 {
		list = append(list, n)
	}
	return list
}

// benched keeps the datasets that benchmarks share, by size: they only add to
// them.
type benched struct {
	mu     sync.Mutex
	stores map[int]*counting
}

var shared = benched{stores: map[int]*counting{}}

func (s *benched) of(b *testing.B, n int) *counting {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stores[n] == nil {
		s.stores = map[int]*counting{n: big(b, n)} // one at a time, for memory
		runtime.GC()
	}
	return s.stores[n]
}

// count reports what a store saw since its reset, per operation.
func count(b *testing.B, c *counting) {
	per := float64(b.N)
	b.ReportMetric(float64(c.reads.Load())/per, "reads/op")
	b.ReportMetric(float64(c.writes.Load())/per, "writes/op")
	b.ReportMetric(float64(c.readSize.Load())/per/1000, "kB-read/op")
	b.ReportMetric(float64(c.wroteSize.Load())/per/1000, "kB-written/op")
}

// BenchmarkFirstCommit commits a dataset that is all in memory.
func BenchmarkFirstCommit(b *testing.B) {
	for _, n := range sizes(b) {
		if n > 1_000_000 {
			continue // BenchmarkImport streams
		}
		b.Run(fmt.Sprintf("entries=%d", n), func(b *testing.B) {
			entries := make([]dataset.Entry, n)
			for i := range entries {
				entries[i] = realistic(i, 1)
			}
			var store *counting
			for b.Loop() {
				store = &counting{Store: ref.NewMemory()}
				_, err := dataset.New(store).Commit(b.Context(), dataset.Request{Branch: "main", Time: noon, Changes: put(entries...)})
				require.NoError(b, err)
			}
			b.ReportMetric(float64(store.writes.Load()), "writes/op")
			b.ReportMetric(float64(store.wroteSize.Load())/1000, "kB-written/op")
			var memory runtime.MemStats
			runtime.ReadMemStats(&memory)
			b.ReportMetric(float64(memory.Sys)/1e6, "MB-process")
		})
	}
}

// BenchmarkImport commits a stream of entries, which it makes as it goes.
func BenchmarkImport(b *testing.B) {
	for _, n := range sizes(b) {
		b.Run(fmt.Sprintf("entries=%d", n), func(b *testing.B) {
			for b.Loop() {
				big(b, n)
			}
			b.ReportMetric(float64(n*b.N)/b.Elapsed().Seconds(), "entries/s")
		})
	}
}

// BenchmarkCommit commits changes to a dataset; each reading starts with an
// empty cache.
func BenchmarkCommit(b *testing.B) {
	for _, n := range sizes(b) {
		for _, changes := range []int{1, 100, 10_000} {
			for _, where := range []string{"clustered", "scattered"} {
				b.Run(fmt.Sprintf("entries=%d/changes=%d/%s", n, changes, where), func(b *testing.B) {
					store := shared.of(b, n)
					edits := make([][]dataset.Entry, b.N)
					for i := range edits {
						edits[i] = edit(n, changes, where, i)
					}
					store.reset()
					b.ResetTimer()
					for _, e := range edits {
						_, err := dataset.New(store).Commit(b.Context(), dataset.Request{Branch: "main", Time: noon, Changes: put(e...)})
						require.NoError(b, err)
					}
					count(b, store)
					b.StopTimer()
					store.latency = 100 * time.Millisecond
					start := time.Now()
					_, err := dataset.New(store).Commit(b.Context(), dataset.Request{Branch: "main", Time: noon, Changes: put(edit(n, changes, where, b.N)...)})
					require.NoError(b, err)
					b.ReportMetric(float64(time.Since(start)/store.latency), "trips")
					store.latency = 0
				})
			}
		}
	}
}

var salt = time.Now().UnixNano()

// edit gives new versions of entries: of neighbours, or of any.
func edit(n, changes int, where string, seed int) []dataset.Entry {
	random := rand.New(rand.NewPCG(uint64(seed), uint64(salt)))
	salt++
	chosen := map[int]bool{}
	first := random.IntN(max(1, n-changes))
	for len(chosen) < min(changes, n) {
		if where == "clustered" {
			chosen[first+len(chosen)] = true
		} else {
			chosen[random.IntN(n)] = true
		}
	}
	entries := make([]dataset.Entry, 0, changes)
	for i := range chosen {
		entries = append(entries, realistic(i, int(salt)))
	}
	return entries
}

// BenchmarkDiff compares two commits that differ in changes.
func BenchmarkDiff(b *testing.B) {
	for _, n := range sizes(b) {
		for _, changes := range []int{1, 1000} {
			b.Run(fmt.Sprintf("entries=%d/changes=%d/scattered", n, changes), func(b *testing.B) {
				store := shared.of(b, n)
				r := dataset.New(store)
				before, err := r.Head(b.Context(), "main")
				require.NoError(b, err)
				after, err := r.Commit(b.Context(), dataset.Request{Branch: "main", Time: noon, Changes: put(edit(n, changes, "scattered", 1)...)})
				require.NoError(b, err)
				store.reset()
				b.ResetTimer()
				for range b.N {
					found, err := dataset.New(store).Diff(b.Context(), before.ID, after.ID)
					require.NoError(b, err)
					require.Len(b, found, changes)
				}
				count(b, store)
			})
		}
	}
}

// BenchmarkMerge merges a branch of 1,000 scattered changes into one of another
// 1,000.
func BenchmarkMerge(b *testing.B) {
	for _, n := range sizes(b) {
		b.Run(fmt.Sprintf("entries=%d/changes=1000+1000", n), func(b *testing.B) {
			store := shared.of(b, n)
			r := dataset.New(store)
			base, err := r.Head(b.Context(), "main")
			require.NoError(b, err)
			side := fmt.Sprintf("side-%d", salt)
			for _, name := range []string{side, "main"} {
				_, err := r.Commit(b.Context(), dataset.Request{Branch: name, Base: base.ID, Time: noon, Changes: put(edit(n, 1000, "scattered", 1)...)})
				require.NoError(b, err)
			}
			names := make([]string, b.N)
			for i := range names {
				names[i] = fmt.Sprintf("into-%d-%d", salt, i)
				_, err := r.CreateBranch(b.Context(), names[i], "main", dataset.BranchOptions{})
				require.NoError(b, err)
			}
			store.reset()
			b.ResetTimer()
			for _, name := range names {
				_, err := dataset.New(store).Merge(b.Context(), dataset.MergeRequest{Branch: name, From: side, Time: noon, Rules: []dataset.Rule{{Glob: "**", Choice: dataset.TakeOurs}}})
				require.NoError(b, err)
			}
			count(b, store)
		})
	}
}

// BenchmarkAsOf looks a time up in long histories.
func BenchmarkAsOf(b *testing.B) {
	store := &counting{Store: ref.NewMemory()}
	r, made := dataset.New(store), 0
	for _, n := range []int{100, 1000, 10_000} {
		for ; made < n; made++ {
			_, err := r.Commit(b.Context(), dataset.Request{Branch: "main", Time: noon.Add(time.Duration(made) * time.Minute), Changes: put(entry("k", made))})
			require.NoError(b, err)
		}
		b.Run(fmt.Sprintf("commits=%d", n), func(b *testing.B) {
			random := rand.New(rand.NewPCG(1, 1))
			var all []int64
			for b.Loop() {
				store.reset()
				at := random.IntN(n)
				c, err := dataset.New(store).Resolve(b.Context(), "main@{"+noon.Add(time.Duration(at)*time.Minute).Format(time.RFC3339)+"}")
				require.NoError(b, err)
				require.Equal(b, at, c.Depth)
				all = append(all, store.reads.Load())
			}
			slices.Sort(all)
			b.ReportMetric(float64(all[len(all)/2]), "reads-median")
			b.ReportMetric(float64(all[len(all)-1]), "reads-most")
		})
	}
}

// BenchmarkWriters lets 16 writers commit to one branch over 30 ms of latency.
func BenchmarkWriters(b *testing.B) {
	for _, history := range []int{1, 5000} {
		b.Run(fmt.Sprintf("writers=16/latency=30ms/history=%d", history), func(b *testing.B) {
			store := &counting{Store: ref.NewMemory()}
			r := dataset.New(store)
			for n := range history {
				_, err := r.Commit(b.Context(), dataset.Request{Branch: "main", Time: noon, Changes: put(entry("start", n))})
				require.NoError(b, err)
			}
			store.latency = 30 * time.Millisecond
			store.reset()
			b.ResetTimer()
			const each = 4
			for round := range b.N {
				var wait sync.WaitGroup
				for w := range 16 {
					wait.Go(func() {
						r := dataset.New(store)
						for n := range each {
							key := fmt.Sprintf("%d/%d/%d", round, w, n)
							_, err := r.Commit(context.Background(), dataset.Request{Branch: "main", Time: noon, Author: strconv.Itoa(w), Changes: put(entry(key, 1))})
							if err != nil {
								b.Error(err)
							}
						}
					})
				}
				wait.Wait()
			}
			b.StopTimer()
			store.latency = 0
			head, err := r.Head(b.Context(), "main")
			require.NoError(b, err)
			require.Equal(b, history+b.N*16*each, head.Generation, "no lost update, none twice")
			b.ReportMetric(float64(b.N*16*each)/b.Elapsed().Seconds(), "commits/s")
		})
	}
}

// BenchmarkInsert adds or removes one key, which may move a node's end. It
// reports the worst of all iterations: run it with -benchtime 1000x.
func BenchmarkInsert(b *testing.B) {
	for _, n := range sizes(b) {
		b.Run(fmt.Sprintf("entries=%d", n), func(b *testing.B) {
			store := shared.of(b, n)
			var kB, reads, writes []float64
			random := rand.New(rand.NewPCG(5, uint64(n)))
			b.ResetTimer()
			for i := range b.N {
				e := realistic(random.IntN(n), 1)
				changes := dataset.Changes{Deletes: []string{e.Key}}
				if i%2 == 0 {
					e.Key += "-more"
					changes = put(e)
				}
				store.reset()
				_, err := dataset.New(store).Commit(b.Context(), dataset.Request{Branch: "main", Time: noon, Changes: changes})
				require.NoError(b, err)
				kB = append(kB, float64(store.wroteSize.Load())/1000)
				reads, writes = append(reads, float64(store.reads.Load())), append(writes, float64(store.writes.Load()))
			}
			for name, all := range map[string][]float64{"kB-written": kB, "reads": reads, "writes": writes} {
				slices.Sort(all)
				b.ReportMetric(all[len(all)/2], name+"-median")
				b.ReportMetric(all[len(all)*99/100], name+"-p99")
				b.ReportMetric(all[len(all)-1], name+"-most")
			}
		})
	}
}
