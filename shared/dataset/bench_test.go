package dataset_test

import (
	"context"
	"fmt"
	"math"
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
// takes no time. What latency adds to that is measured once for each, as round
// trips: how much longer the same takes when every request does. On a fake clock,
// without other noise, TestSequentialRoundTrips counts them.
// SLUICE_BENCH_ENTRIES sets the greatest dataset, e.g. 1000000; by default 10^7,
// which takes 3 GB of memory.
func sizes(b *testing.B) []int {
	most := 10_000_000
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

// count reports what a store saw since its reset, per operation.
func count(b *testing.B, c *counting) {
	per := float64(b.N)
	b.ReportMetric(float64(c.reads.Load())/per, "reads/op")
	b.ReportMetric(float64(c.writes.Load())/per, "writes/op")
	b.ReportMetric(float64(c.readSize.Load())/per/1000, "kB-read/op")
	b.ReportMetric(float64(c.wroteSize.Load())/per/1000, "kB-written/op")
}

// measure times what prepare gives for each iteration, and once more over
// latency, by a repository with an empty cache.
func measure(b *testing.B, store *counting, prepare func() func(*dataset.Repository) error) {
	acts := make([]func(*dataset.Repository) error, b.N+1)
	for i := range acts {
		acts[i] = prepare()
	}
	store.reset()
	b.ResetTimer()
	least := time.Duration(math.MaxInt64)
	for _, act := range acts[:b.N] {
		start := time.Now()
		require.NoError(b, act(dataset.New(store)))
		least = min(least, time.Since(start))
	}
	b.StopTimer()
	count(b, store)
	store.latency = pause
	start := time.Now()
	require.NoError(b, acts[b.N](dataset.New(store)))
	added := time.Since(start) - least
	store.latency = 0
	b.ReportMetric(max(0, math.Round(float64(added)/float64(pause))), "trips")
}

// pause is a latency that outweighs the noise of an operation's own time.
const pause = 100 * time.Millisecond

// BenchmarkDataset imports a dataset of each size and works on it; each reading
// starts with an empty cache. The commits pile up, so the later ones find
// segments, fold them and compact.
func BenchmarkDataset(b *testing.B) {
	for _, n := range sizes(b) {
		b.Run(fmt.Sprintf("entries=%d", n), func(b *testing.B) {
			start := time.Now()
			store := big(b, n)
			took := time.Since(start)
			b.Run("import", func(b *testing.B) {
				b.ReportMetric(0, "ns/op") // once, whatever b.N is
				b.ReportMetric(took.Seconds(), "s")
				b.ReportMetric(float64(n)/took.Seconds(), "entries/s")
			})
			d := &benched{store, n}
			d.singles(b, "over=tree")
			for _, changes := range []int{1, 100, 1000, 10_000, 100_000} {
				for _, where := range []string{"clustered", "scattered"} {
					if changes <= n/10 {
						d.commit(b, changes, where)
						d.diff(b, changes, where)
					}
				}
			}
			for _, changes := range []int{1, 1000, 100_000} {
				if changes <= n/10 && changes*n <= 1e11 {
					d.merge(b, changes)
				}
			}
			d.singles(b, "over=segments")
			d.lookup(b)
			d.sequence(b)
		})
	}
}

// benched is a dataset of n entries on main.
type benched struct {
	store *counting
	n     int
}

func (d *benched) commit(b *testing.B, changes int, where string) {
	b.Run(fmt.Sprintf("commit/changes=%d/%s", changes, where), func(b *testing.B) {
		measure(b, d.store, func() func(*dataset.Repository) error {
			edits := edit(d.n, changes, where)
			return func(r *dataset.Repository) error {
				_, err := r.Commit(b.Context(), dataset.Request{Branch: "main", Time: noon, Changes: put(edits...)})
				return err
			}
		})
	})
}

// diff compares a commit with its parent, and with one ten commits on: of as many
// changes in all.
func (d *benched) diff(b *testing.B, changes int, where string) {
	for _, steps := range []int{1, 10} {
		if steps > 1 && (changes < steps || changes > 1000) {
			continue
		}
		r := dataset.New(d.store)
		before, err := r.Head(b.Context(), "main")
		require.NoError(b, err)
		after := before
		edits := edit(d.n, changes, where)
		for i := range steps {
			part := edits[i*changes/steps : (i+1)*changes/steps]
			after, err = r.Commit(b.Context(), dataset.Request{Branch: "diffed", Base: after.ID, Time: noon, Changes: put(part...)})
			require.NoError(b, err)
		}
		_, err = r.DeleteBranch(b.Context(), "diffed", noon)
		require.NoError(b, err)
		b.Run(fmt.Sprintf("diff/changes=%d/%s/commits=%d", changes, where, steps), func(b *testing.B) {
			measure(b, d.store, func() func(*dataset.Repository) error {
				return func(r *dataset.Repository) error {
					found, err := r.Diff(b.Context(), before.ID, after.ID)
					require.Len(b, found, changes)
					return err
				}
			})
		})
	}
}

// merge merges a branch of scattered changes into one of as many others.
func (d *benched) merge(b *testing.B, changes int) {
	b.Run(fmt.Sprintf("merge/changes=%d/scattered", changes), func(b *testing.B) {
		r := dataset.New(d.store)
		base, err := r.Head(b.Context(), "main")
		require.NoError(b, err)
		var sides [2]dataset.Commit
		for i := range sides {
			sides[i], err = r.Commit(b.Context(), dataset.Request{Branch: fmt.Sprintf("side-%d", salt), Base: base.ID, Time: noon, Changes: put(edit(d.n, changes, "scattered")...)})
			require.NoError(b, err)
		}
		measure(b, d.store, func() func(*dataset.Repository) error {
			salt++
			name := fmt.Sprintf("into-%d", salt)
			_, err := r.CreateBranch(b.Context(), name, sides[0].ID, dataset.BranchOptions{})
			require.NoError(b, err)
			return func(r *dataset.Repository) error {
				_, err := r.Merge(b.Context(), dataset.MergeRequest{Branch: name, From: sides[1].ID, Time: noon, Rules: []dataset.Rule{{Glob: "**", Choice: dataset.TakeOurs}}})
				return err
			}
		})
	})
}

// singles adds, updates and removes keys one by one, and reports the mean and the
// worst of a hundred commits for each iteration.
func (d *benched) singles(b *testing.B, over string) {
	for _, what := range []string{"insert", "update", "delete"} {
		b.Run("single/"+what+"/"+over, func(b *testing.B) {
			const times = 100
			random := rand.New(rand.NewPCG(5, uint64(d.n)))
			var kB, requests []float64
			for range b.N {
				for i := range times {
					e := realistic(random.IntN(d.n), 1+i)
					changes := put(e)
					switch what {
					case "insert":
						changes.Puts[0].Key += "-more"
					case "delete":
						changes = dataset.Changes{Deletes: []string{e.Key}}
					}
					d.store.reset()
					_, err := dataset.New(d.store).Commit(b.Context(), dataset.Request{Branch: what, Base: "main", Time: noon, Changes: changes})
					require.NoError(b, err)
					kB, requests = append(kB, float64(d.store.wroteSize.Load())/1000), append(requests, float64(d.store.reads.Load()+d.store.writes.Load()))
				}
				_, err := dataset.New(d.store).DeleteBranch(b.Context(), what, noon)
				require.NoError(b, err)
			}
			b.ReportMetric(b.Elapsed().Seconds()*1000/float64(b.N*times), "ms/commit")
			for name, all := range map[string][]float64{"kB-written": kB, "requests": requests} {
				sum := 0.0
				for _, v := range all {
					sum += v
				}
				b.ReportMetric(sum/float64(len(all)), name+"-mean")
				b.ReportMetric(slices.Max(all), name+"-most")
			}
		})
	}
}

// lookup reads single entries, and sums up and lists a folder.
func (d *benched) lookup(b *testing.B) {
	random := rand.New(rand.NewPCG(2, 2))
	key := func() string { return realistic(random.IntN(d.n), 1).Key }
	for what, look := range map[string]func(r *dataset.Repository, key string) error{
		"entry": func(r *dataset.Repository, key string) error {
			_, _, err := r.Entry(b.Context(), "main", key)
			return err
		},
		"total": func(r *dataset.Repository, key string) error {
			_, err := r.Total(b.Context(), "main", key[:len(key)-len("00000.parquet")])
			return err
		},
		"list": func(r *dataset.Repository, key string) error {
			_, err := r.List(b.Context(), "main", "raw/images/", 10)
			return err
		},
	} {
		b.Run("read/"+what, func(b *testing.B) {
			measure(b, d.store, func() func(*dataset.Repository) error {
				key := key()
				return func(r *dataset.Repository) error { return look(r, key) }
			})
		})
	}
}

// sequence commits scattered changes again and again, of one entry in 200 each
// time, until twice as many were changed as segments may hold: what it costs in
// the long run, with all folding and compaction.
func (d *benched) sequence(b *testing.B) {
	if most := os.Getenv("SLUICE_BENCH_SEQUENCE"); d.n != 100_000 && most == "" {
		return // at 10^7 entries it takes a quarter of an hour
	}
	const commits, share = 60, 200
	b.Run(fmt.Sprintf("sequence/commits=%d/changes=%d", commits, d.n/share), func(b *testing.B) {
		var all []float64
		for range b.N {
			salt++
			name := fmt.Sprintf("sequence-%d", salt)
			for range commits {
				d.store.reset()
				_, err := dataset.New(d.store).Commit(b.Context(), dataset.Request{Branch: name, Base: "main", Time: noon, Changes: put(edit(d.n, d.n/share, "scattered")...)})
				require.NoError(b, err)
				all = append(all, float64(d.store.wroteSize.Load())/1000)
			}
		}
		sum := 0.0
		for _, v := range all {
			sum += v
		}
		b.ReportMetric(sum/float64(len(all)), "kB-written-mean")
		b.ReportMetric(slices.Max(all), "kB-written-most")
	})
}

// BenchmarkFirstCommit commits a dataset that is all in memory.
func BenchmarkFirstCommit(b *testing.B) {
	for _, n := range sizes(b) {
		if n > 1_000_000 {
			continue // an import streams
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

// salt makes every changeset of a run another; runs are alike.
var salt = int64(1)

// edit gives new versions of entries: of neighbours, or of any.
func edit(n, changes int, where string) []dataset.Entry {
	random := rand.New(rand.NewPCG(1, uint64(salt)))
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
