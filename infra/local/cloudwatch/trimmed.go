package cloudwatch

import (
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Trimmed statistics look at a part of a distribution: TM the mean of it, WM the
// mean with what lies outside moved to its edges, TC the count of it, TS its sum,
// PR its share in percent; IQM is TM(25%:75%). The part is tm90 (what is not
// above the 90th percentile) or TM(10%:90%), TM(150:1000), with an open side for
// none: above the lower bound, and up to the upper one.
// https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/Statistics-definitions.html

// bound is one side of a part: a value, or a percentile of the distribution.
type bound struct {
	given      bool
	value      float64
	percentile bool
}

// trim is a parsed trimmed statistic.
type trim struct {
	kind     string // TM, WM, TC, TS, PR
	low, top bound
}

var (
	trimmedShort = regexp.MustCompile(`^(tm|wm|tc|ts)([0-9]{1,2}(?:\.[0-9]{1,10})?)$`)
	trimmedLong  = regexp.MustCompile(`^(TM|WM|TC|TS|PR)\(([^:()]*):([^:()]*)\)$`)
	number       = regexp.MustCompile(`^-?[0-9]+(?:\.[0-9]{1,10})?$`)
)

// parseTrim reads a trimmed statistic; nil when the text is none.
func parseTrim(text string) *trim {
	if text == "IQM" {
		return &trim{"TM", bound{true, 25, true}, bound{true, 75, true}}
	}
	if m := trimmedShort.FindStringSubmatch(text); m != nil {
		p, err := strconv.ParseFloat(m[2], 64)
		if err != nil {
			return nil
		}
		return &trim{strings.ToUpper(m[1]), bound{}, bound{true, p, true}}
	}
	m := trimmedLong.FindStringSubmatch(text)
	if m == nil {
		return nil
	}
	low, lowOK := parseBound(m[2])
	top, topOK := parseBound(m[3])
	t := &trim{m[1], low, top}
	switch {
	case !lowOK || !topOK || (!low.given && !top.given):
		return nil
	case low.given && top.given && (low.percentile != top.percentile || low.value >= top.value):
		return nil
	case t.kind == "PR" && (low.percentile || top.percentile):
		return nil // a rank of values
	}
	return t
}

func parseBound(text string) (bound, bool) {
	text = strings.TrimSpace(text)
	if text == "" {
		return bound{}, true
	}
	digits, percentile := strings.CutSuffix(text, "%")
	if !number.MatchString(digits) {
		return bound{}, false
	}
	v, err := strconv.ParseFloat(digits, 64)
	if err != nil || (percentile && (v < 0 || v > 100)) {
		return bound{}, false
	}
	return bound{true, v, percentile}, true
}

// cut is how many samples lie below the part, and above it.
func (t *trim) cut(values []weighted, count float64) (below, above float64) {
	for _, w := range values {
		if t.low.given && !t.low.percentile && w.value <= t.low.value {
			below += w.count
		}
		if t.top.given && !t.top.percentile && w.value > t.top.value {
			above += w.count
		}
	}
	// Whole samples are cut, the same number on both sides of an even part.
	if t.low.given && t.low.percentile {
		below = math.Floor(t.low.value/100*count + 1e-9)
	}
	if t.top.given && t.top.percentile {
		above = math.Floor((1-t.top.value/100)*count + 1e-9)
	}
	return below, above
}

// edges are the values that WM moves what is cut to: the bounds, or the outermost
// values of the part.
func (t *trim) edges(kept []weighted) (low, top float64) {
	low, top = t.low.value, t.top.value
	if len(kept) > 0 && t.low.percentile {
		low = kept[0].value
	}
	if len(kept) > 0 && t.top.percentile {
		top = kept[len(kept)-1].value
	}
	return low, top
}

// of is the statistic of a bucket. ok is false when the distribution is not
// known, or when the part is empty and its mean is asked for.
func (t *trim) of(b *bucket) (value float64, ok bool) {
	if b.blind || b.count == 0 {
		return 0, false
	}
	values := join(slices.Clone(b.values))
	below, above := t.cut(values, b.count)
	kept := between(values, below, b.count-above)
	count, sum := 0.0, 0.0
	for _, w := range kept {
		count += w.count
		sum += w.value * w.count
	}
	switch t.kind {
	case "TC":
		return count, true
	case "TS":
		return sum, true
	case "PR":
		return 100 * count / b.count, true
	}
	if count == 0 {
		return 0, false
	}
	if t.kind == "WM" {
		low, top := t.edges(kept)
		return (sum + below*low + above*top) / b.count, true
	}
	return sum / count, true
}

// between gives the samples from one rank to another, of values that are sorted.
func between(values []weighted, from, to float64) []weighted {
	var out []weighted
	seen := 0.0
	for _, w := range values {
		count := min(seen+w.count, to) - max(seen, from)
		if count > 0 {
			out = append(out, weighted{w.value, count})
		}
		seen += w.count
	}
	return out
}

// nearestRank gives the p-th percentile of values that are sorted and joined.
func nearestRank(values []weighted, count, p float64) float64 {
	rank, seen := p/100*count, 0.0
	for _, w := range values {
		seen += w.count
		if seen >= rank-1e-9*count {
			return w.value
		}
	}
	return values[len(values)-1].value
}
