package asl

import (
	"slices"
	"strings"
	"unicode/utf16"
)

// AWS runs on the JVM and builds some objects through a hash map, so their
// keys come out in the map's order and not in the definition's. Executions
// recorded on AWS show it for payload templates, States.JsonMerge, rows of CSV
// files and nothing else; hashOrder reproduces that order.
//
// The order is java.util.HashMap's: buckets by (h ^ h>>>16) & (n-1) with h the
// String hash, n the power of two that keeps the load at 3/4 or less (at least
// 16), insertion order within a bucket. The hash covers the key without its
// ".$" suffix.
func hashOrder(keys []string) []string {
	buckets := 16
	for len(keys) > buckets*3/4 {
		buckets *= 2
	}
	ordered := slices.Clone(keys)
	slices.SortStableFunc(ordered, func(a, b string) int {
		return int(bucket(a, buckets)) - int(bucket(b, buckets))
	})
	return ordered
}

func bucket(key string, buckets int) uint32 {
	var h uint32
	for _, unit := range utf16.Encode([]rune(strings.TrimSuffix(key, ".$"))) {
		h = 31*h + uint32(unit)
	}
	return (h ^ h>>16) & uint32(buckets-1)
}
