package feedback

import (
	"context"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/sluice-ml/sluice/shared/contract"
	"github.com/sluice-ml/sluice/shared/rollout"
)

// MostPairs is how many rows of each slot one comparison reads; of more, the
// newest.
const MostPairs = 20_000

// Span is a window of captures: which endpoint's, and from when to when.
type Span struct {
	Environment, Model string
	From, To           time.Time
}

// Compare pairs what a champion and its shadow answered to the same rows, by
// inference id, in a window. An id that one of them has twice tells no requests
// apart, so its rows are alone, as those without an id are. Files that come later
// than a window's end are looked for too, since what they hold is older.
func Compare(ctx context.Context, captures Files, span Span, champion, shadow string) (rollout.Pairs, error) {
	theirs, cut, err := readSpan(ctx, captures, span, champion)
	if err != nil {
		return rollout.Pairs{}, err
	}
	copies, alsoCut, err := readSpan(ctx, captures, span, shadow)
	if err != nil {
		return rollout.Pairs{}, err
	}
	return pair(theirs, copies, cut || alsoCut), nil
}

func pair(theirs, copies []Prediction, cut bool) rollout.Pairs {
	result := rollout.Pairs{Cut: cut}
	champion, shadow := byID(theirs), byID(copies)
	gaps := 0.0
	for id, copied := range shadow {
		original := champion[id]
		if copied == nil || original == nil {
			continue
		}
		result.Both++
		gaps += max(copied.Score-original.Score, original.Score-copied.Score)
		if copied.Positive != original.Positive {
			result.Disagreed++
		}
	}
	result.Alone = int64(len(copies)) - result.Both
	if result.Both > 0 {
		result.Gap = gaps / float64(result.Both)
	}
	return result
}

// byID gives the predictions whose id is theirs alone; nil for an id of several.
func byID(all []Prediction) map[string]*Prediction {
	found := map[string]*Prediction{}
	for i := range all {
		id := all[i].ID
		if _, twice := found[id]; twice || id == "" {
			found[id] = nil
			continue
		}
		found[id] = &all[i]
	}
	return found
}

// lateFiles is how much later than its last request a capture file may lie.
const lateFiles = time.Hour

// readSpan reads a slot's rows of a window, newest files first. Lines that cannot
// be read are left out: the monitor tells of them.
func readSpan(ctx context.Context, captures Files, span Span, slot string) (rows []Prediction, cut bool, err error) {
	for hour := span.To.UTC().Add(lateFiles).Truncate(time.Hour); !hour.Before(span.From.UTC().Truncate(time.Hour)); hour = hour.Add(-time.Hour) {
		prefix := path.Join(contract.CapturePrefix, contract.EndpointName(span.Environment, span.Model), slot, hour.Format("2006/01/02/15")) + "/"
		files, err := captures.List(ctx, prefix)
		if err != nil {
			return nil, false, err
		}
		slices.SortFunc(files, func(a, b File) int { return strings.Compare(b.Key, a.Key) })
		for _, f := range files {
			if len(rows) >= MostPairs {
				return rows, true, nil
			}
			body, err := captures.Read(ctx, f.Key)
			if err != nil {
				return nil, false, err
			}
			found, _ := ReadCaptures(f.Key, body)
			for _, p := range found {
				if !p.Time.Before(span.From.Truncate(time.Second)) && p.Time.Before(span.To) {
					rows = append(rows, p)
				}
			}
		}
	}
	return rows, false, nil
}
