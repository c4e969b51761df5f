package evaluation

import (
	"math"
	"math/bits"
	"slices"
)

// sortable maps a finite number to an unsigned integer of the same order. The
// two zeros are one number.
func sortable(v float64) uint64 {
	b := math.Float64bits(v + 0) // −0 + 0 is 0
	return b ^ (uint64(int64(b)>>63) | 1<<63)
}

// digits is how many bits a radix sort looks at in one go: 2,048 counters fit
// the first-level cache.
const digits = 11

// insertionMost is the most keys that an insertion sort takes.
const insertionMost = 24

// sortKeys sorts in place by most significant digits first, so that keys which
// are spread out need two passes, whatever their number of bits. scratch is as
// long as keys.
func sortKeys(keys, scratch []uint64) {
	if len(keys) <= insertionMost {
		insertionSort(keys)
		return
	}
	low, high := keys[0], keys[0]
	for _, k := range keys {
		low, high = min(low, k), max(high, k)
	}
	if low == high {
		return
	}
	width := min(digits, bits.Len(uint(len(keys))))
	shift := max(0, bits.Len64(high-low)-width)
	var ends [1 << digits]int32
	for _, k := range keys {
		ends[(k-low)>>shift]++
	}
	at, buckets := int32(0), (high-low)>>shift+1
	for d := range buckets {
		at, ends[d] = at+ends[d], at
	}
	for _, k := range keys {
		d := (k - low) >> shift
		scratch[ends[d]] = k
		ends[d]++
	}
	copy(keys, scratch)
	if shift == 0 {
		return
	}
	begin := int32(0)
	for _, end := range ends[:buckets] {
		if end-begin > 1 {
			sortKeys(keys[begin:end], scratch[begin:end])
		}
		begin = end
	}
}

func insertionSort(keys []uint64) {
	for i := 1; i < len(keys); i++ {
		k, j := keys[i], i
		for ; j > 0 && keys[j-1] > k; j-- {
			keys[j] = keys[j-1]
		}
		keys[j] = k
	}
}

// keyed is a row with its sort key.
type keyed struct {
	key uint64
	row int
}

// argsort gives the rows in rising order of value, or in falling order, equal
// values in the order of their rows. Values are finite.
func argsort(values []float64, falling bool) []int {
	flip := uint64(0)
	if falling {
		flip = ^flip
	}
	all := make([]keyed, len(values))
	varying := uint64(0)
	for i, v := range values {
		all[i] = keyed{sortable(v) ^ flip, i}
		varying |= all[i].key ^ all[0].key
	}
	if len(all) < 1<<digits {
		slices.SortStableFunc(all, func(a, b keyed) int {
			switch {
			case a.key < b.key:
				return -1
			case a.key > b.key:
				return 1
			}
			return 0
		})
	} else {
		all = radixSort(all, varying)
	}
	rows := make([]int, len(all))
	for i, k := range all {
		rows[i] = k.row
	}
	return rows
}

// radixSort sorts by least significant digits first, which is stable, and skips
// digits that are the same in every key: scores that were 32-bit have many.
func radixSort(all []keyed, varying uint64) []keyed {
	other := make([]keyed, len(all))
	for shift := bits.TrailingZeros64(varying); varying>>shift != 0; shift += digits {
		if varying>>shift&(1<<digits-1) == 0 {
			continue
		}
		var starts [1 << digits]int
		for _, k := range all {
			starts[k.key>>shift&(1<<digits-1)]++
		}
		at := 0
		for d, n := range starts {
			starts[d], at = at, at+n
		}
		for _, k := range all {
			d := k.key >> shift & (1<<digits - 1)
			other[starts[d]] = k
			starts[d]++
		}
		all, other = other, all
	}
	return all
}
