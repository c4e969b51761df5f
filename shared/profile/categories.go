package profile

import (
	"cmp"
	"encoding/base64"
	"hash/fnv"
	"maps"
	"math"
	"math/bits"
	"slices"
)

// maxCategories bounds how many values of a text column are counted alone, and
// maxValue how long one is.
const (
	maxCategories = 256
	maxValue      = 128
)

// Categories counts a text column's values. Counts are exact while Other is 0;
// after that a listed count is a lower bound.
type Categories struct {
	Counts map[string]int64 `json:"counts,omitempty"`
	Other  int64            `json:"other,omitempty"`
}

// categoriesOf keeps the commonest; of equals, the first in byte order.
func categoriesOf(counts map[string]int64, other int64) Categories {
	if len(counts) <= maxCategories {
		return Categories{Counts: counts, Other: other}
	}
	values := slices.SortedFunc(maps.Keys(counts), func(a, b string) int {
		return cmp.Or(cmp.Compare(counts[b], counts[a]), cmp.Compare(a, b))
	})
	out := Categories{Counts: make(map[string]int64, maxCategories), Other: other}
	for i, v := range values {
		if i < maxCategories {
			out.Counts[v] = counts[v]
		} else {
			out.Other += counts[v]
		}
	}
	return out
}

func (c Categories) merge(o Categories) Categories {
	counts := make(map[string]int64, len(c.Counts)+len(o.Counts))
	for v, n := range c.Counts {
		counts[v] = n
	}
	for v, n := range o.Counts {
		counts[v] += n
	}
	return categoriesOf(counts, c.Other+o.Other)
}

// clip bounds a value; what is cut is replaced by a hash, so long values that
// differ stay apart.
func clip(value string) string {
	if len(value) <= maxValue {
		return value
	}
	sum := base64.RawURLEncoding.EncodeToString(binary64(hash(value)))
	cut := maxValue - len(sum) - 1
	for cut > 0 && value[cut]&0xc0 == 0x80 { // not inside a UTF-8 sequence
		cut--
	}
	return value[:cut] + "#" + sum
}

func binary64(v uint64) []byte {
	b := make([]byte, 8)
	for i := range b {
		b[i] = byte(v >> (8 * i))
	}
	return b
}

// hash is FNV-1a with a finalizer that spreads its bits, the same everywhere.
func hash(value string) uint64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte(value))
	x := h.Sum64()
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

const (
	exactDistinct = 256 // hashes kept before registers are used
	registerBits  = 11
	registers     = 1 << registerBits // standard error 1.04/√2048 = 2.3 %
)

// Distinct estimates how many distinct values there are: exactly up to 256 (by
// their 64-bit hashes), beyond that by HyperLogLog (Flajolet et al., 2007).
type Distinct struct {
	Hashes    []uint64 `json:"hashes,omitempty"`    // rising
	Registers []byte   `json:"registers,omitempty"` // 2,048 once in use
}

func (d *Distinct) add(value string) { d.addHash(hash(value)) }

func (d *Distinct) addHash(h uint64) {
	if d.Registers != nil {
		d.register(h)
		return
	}
	i, found := slices.BinarySearch(d.Hashes, h)
	if found {
		return
	}
	d.Hashes = slices.Insert(d.Hashes, i, h)
	if len(d.Hashes) > exactDistinct {
		d.Registers = make([]byte, registers)
		for _, h := range d.Hashes {
			d.register(h)
		}
		d.Hashes = nil
	}
}

func (d *Distinct) register(h uint64) {
	i := h >> (64 - registerBits)
	rank := byte(bits.LeadingZeros64(h<<registerBits|1<<(registerBits-1)) + 1)
	d.Registers[i] = max(d.Registers[i], rank)
}

func (d Distinct) merge(o Distinct) Distinct {
	out := Distinct{Hashes: slices.Clone(d.Hashes), Registers: slices.Clone(d.Registers)}
	if out.Registers == nil && o.Registers != nil {
		out, o = Distinct{Registers: slices.Clone(o.Registers)}, out
	}
	for _, h := range o.Hashes {
		out.addHash(h)
	}
	if len(o.Registers) == registers && len(out.Registers) == registers {
		for i, r := range o.Registers {
			out.Registers[i] = max(out.Registers[i], r)
		}
	}
	return out
}

// Estimate is the number of distinct values.
func (d Distinct) Estimate() int64 {
	if len(d.Registers) != registers {
		return int64(len(d.Hashes))
	}
	sum, zeros := 0.0, 0
	for _, r := range d.Registers {
		sum += math.Exp2(-float64(r))
		if r == 0 {
			zeros++
		}
	}
	const alpha = 0.7213 / (1 + 1.079/registers)
	estimate := alpha * registers * registers / sum
	if estimate <= 2.5*registers && zeros > 0 { // linear counting
		estimate = registers * math.Log(float64(registers)/float64(zeros))
	}
	return int64(math.Round(estimate))
}
