package evaluation

import (
	"math/big"
	"math/bits"
	"runtime"
	"sync"
	"sync/atomic"
)

// The AUC and its variance need only four sums over the rows: of each
// positive row's doubled count of negatives below it (ties count once), and of
// each negative row's of positives above it, and of their squares. They are
// whole numbers, so they are added exactly, in any order and on any number of
// cores, and the same rows always give the same bits.

// wide is an unsigned number of 128 bits.
type wide struct{ high, low uint64 }

func (w *wide) add(v wide) {
	var carry uint64
	w.low, carry = bits.Add64(w.low, v.low, 0)
	w.high, _ = bits.Add64(w.high, v.high, carry)
}

// addSquares adds n·v².
func (w *wide) addSquares(n, v uint64) {
	high, low := bits.Mul64(v, v)
	scaledHigh, scaledLow := bits.Mul64(low, n)
	w.add(wide{scaledHigh + high*n, scaledLow})
}

func (w *wide) big() *big.Int {
	v := new(big.Int).Lsh(new(big.Int).SetUint64(w.high), 64)
	return v.Or(v, new(big.Int).SetUint64(w.low))
}

// wins are the sums over one class.
type wins struct {
	sum     uint64 // fits for 4·10⁹ rows
	squares wide
}

func (w *wins) take(rows, doubled uint64) {
	w.sum += rows * doubled
	w.squares.addSquares(rows, doubled)
}

func (w *wins) merge(v wins) {
	w.sum += v.sum
	w.squares.add(v.squares)
}

// variance is the sample variance of the doubled counts.
func (w *wins) variance(rows int) float64 {
	n, sum := big.NewInt(int64(rows)), new(big.Int).SetUint64(w.sum)
	spread := new(big.Int).Mul(n, w.squares.big())
	spread.Sub(spread, sum.Mul(sum, sum)) // n Σv² − (Σv)²
	v, _ := new(big.Float).SetInt(spread).Float64()
	return v / float64(rows) / float64(rows-1)
}

// sorter counts pairs. Keys are spread over buckets by their highest bits, the
// positive rows' and the negative rows' apart; then each bucket is sorted and
// merged on its own.
type sorter struct {
	label, score []float64
	workers      int
	low          uint64 // the least key
	shift        int
	buckets      int
	keys         []uint64 // by class, then bucket
	// starts of each bucket's keys, by class, with the end after the last.
	starts [2][]int
	// cursors of each worker, by class and bucket.
	cursors [][2][]int
}

const (
	negative = 0
	positive = 1
)

// rowsPerWorker is how many rows are worth another core.
const rowsPerWorker = 250_000

// countPairs gives the sums over the positive and the negative rows. ok is
// false when a label or score is not one that Sample.Check accepts.
func countPairs(label, score []float64) (sums [2]wins, rows [2]int, ok bool) {
	s := sorter{label: label, score: score, workers: max(1, min(runtime.GOMAXPROCS(0), len(label)/rowsPerWorker))}
	if !s.scan() {
		return sums, rows, false
	}
	s.histogram()
	s.spread()
	sums = s.merge()
	return sums, [2]int{s.starts[negative][s.buckets], s.starts[positive][s.buckets] - s.starts[positive][0]}, true
}

// each runs f once per worker with its share of n things.
func (s *sorter) each(n int, f func(worker, begin, end int)) {
	if s.workers == 1 {
		f(0, 0, n)
		return
	}
	var all sync.WaitGroup
	for w := range s.workers {
		all.Go(func() { f(w, n*w/s.workers, n*(w+1)/s.workers) })
	}
	all.Wait()
}

// scan checks the rows and finds the range of the keys.
func (s *sorter) scan() bool {
	lows, highs, bad := make([]uint64, s.workers), make([]uint64, s.workers), make([]bool, s.workers)
	s.each(len(s.label), func(worker, begin, end int) {
		low, high, wrong := ^uint64(0), uint64(0), false
		for i := begin; i < end; i++ {
			l, v := s.label[i], s.score[i]
			if (l != 0 && l != 1) || v-v != 0 { // ±Inf − ±Inf and NaN − NaN are NaN
				wrong = true
			}
			k := sortable(v)
			low, high = min(low, k), max(high, k)
		}
		lows[worker], highs[worker], bad[worker] = low, high, wrong
	})
	s.low = lows[0]
	high := highs[0]
	for w := range s.workers {
		if bad[w] {
			return false
		}
		s.low, high = min(s.low, lows[w]), max(high, highs[w])
	}
	width := min(digits, max(0, bits.Len(uint(len(s.label)))-10)) // about a thousand keys a bucket
	s.shift = max(0, bits.Len64(high-s.low)-width)
	s.buckets = int((high-s.low)>>s.shift) + 1
	return true
}

// histogram finds where each worker puts its keys.
func (s *sorter) histogram() {
	s.cursors = make([][2][]int, s.workers)
	s.each(len(s.label), func(worker, begin, end int) {
		counts := make([]int, 2*s.buckets)
		for i := begin; i < end; i++ {
			bucket := int((sortable(s.score[i]) - s.low) >> s.shift)
			counts[int(s.label[i])*s.buckets+bucket]++
		}
		s.cursors[worker] = [2][]int{counts[:s.buckets], counts[s.buckets:]}
	})
	at := 0
	for class := range s.starts {
		s.starts[class] = make([]int, s.buckets+1)
		for b := range s.buckets {
			s.starts[class][b] = at
			for w := range s.cursors {
				n := s.cursors[w][class][b]
				s.cursors[w][class][b] = at
				at += n
			}
		}
		s.starts[class][s.buckets] = at
	}
}

func (s *sorter) spread() {
	s.keys = make([]uint64, len(s.label))
	s.each(len(s.label), func(worker, begin, end int) {
		cursors := &s.cursors[worker]
		for i := begin; i < end; i++ {
			k := sortable(s.score[i])
			at := &cursors[int(s.label[i])][(k-s.low)>>s.shift]
			s.keys[*at] = k
			*at++
		}
	})
}

// merge sorts the buckets and adds up their pairs.
func (s *sorter) merge() (sums [2]wins) {
	results := make([][2]wins, s.workers)
	var next atomic.Int64
	s.each(s.workers, func(worker, _, _ int) {
		var scratch []uint64
		for {
			b := int(next.Add(1)) - 1
			if b >= s.buckets {
				return
			}
			for class := range 2 {
				keys := s.keys[s.starts[class][b]:s.starts[class][b+1]]
				if len(keys) > len(scratch) {
					scratch = make([]uint64, len(keys)+len(keys)/4)
				}
				sortKeys(keys, scratch)
			}
			s.count(b, &results[worker])
		}
	})
	for _, r := range results {
		sums[negative].merge(r[negative])
		sums[positive].merge(r[positive])
	}
	return sums
}

// count adds the pairs of one sorted bucket.
func (s *sorter) count(b int, sums *[2]wins) {
	neg := s.keys[s.starts[negative][b]:s.starts[negative][b+1]]
	pos := s.keys[s.starts[positive][b]:s.starts[positive][b+1]]
	below := uint64(s.starts[negative][b])                                 // negatives under the run
	above := uint64(s.starts[positive][s.buckets] - s.starts[positive][b]) // positives from the run on
	for len(pos) > 0 || len(neg) > 0 {
		k := runKey(pos, neg)
		p, n := run(pos, k), run(neg, k)
		pos, neg = pos[p:], neg[n:]
		above -= uint64(p)
		if p > 0 {
			sums[positive].take(uint64(p), 2*below+uint64(n))
		}
		if n > 0 {
			sums[negative].take(uint64(n), 2*above+uint64(p))
		}
		below += uint64(n)
	}
}

func runKey(pos, neg []uint64) uint64 {
	if len(pos) == 0 || (len(neg) > 0 && neg[0] < pos[0]) {
		return neg[0]
	}
	return pos[0]
}

func run(keys []uint64, k uint64) int {
	n := 0
	for n < len(keys) && keys[n] == k {
		n++
	}
	return n
}
