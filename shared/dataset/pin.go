package dataset

import (
	"cmp"
	"context"
	"slices"
	"sync"

	"github.com/sluice-ml/sluice/shared/contract"
	"github.com/sluice-ml/sluice/shared/fault"
)

// Source is the lake that a dataset's objects lie in.
type Source interface {
	// Stat describes one version of an object; NotFound when it is gone.
	Stat(ctx context.Context, key, versionID string) (Entry, error)
	// Latest describes the latest version of every object whose key starts with
	// prefix, in key order.
	Latest(ctx context.Context, prefix string) ([]Entry, error)
}

// pinWorkers is how many objects Pin looks at at once.
const pinWorkers = 16

// Pin describes object versions as entries, in key order, after checking that
// each is there and cannot be overwritten. Empty objects are pinned like others:
// markers such as _SUCCESS, and parts that a writer left empty. When a key comes with
// several versions the newest by its sequencer is pinned. Invalid and NotFound
// name the first bad key and its version.
func Pin(ctx context.Context, source Source, versions []contract.ObjectVersion) ([]Entry, error) {
	newest := Newest(versions)
	entries := make([]Entry, len(newest))
	errs := make([]error, len(newest))
	var wait sync.WaitGroup
	slots := make(chan struct{}, pinWorkers)
	for i, v := range newest {
		slots <- struct{}{}
		wait.Go(func() {
			defer func() { <-slots }()
			entries[i], errs[i] = pin(ctx, source, v)
		})
	}
	wait.Wait()
	for _, err := range errs {
		if err != nil {
			return nil, err
		}
	}
	return entries, nil
}

func pin(ctx context.Context, source Source, v contract.ObjectVersion) (Entry, error) {
	if err := (Entry{Key: v.Key, VersionID: v.VersionID}).check(); err != nil {
		return Entry{}, err
	}
	e, err := source.Stat(ctx, v.Key, v.VersionID)
	if fault.Is(err, fault.NotFound) {
		return Entry{}, fault.New(fault.NotFound, "pin "+v.Key, "its version %s is gone: %w", v.VersionID, err).
			WithHint("it was deleted after its upload; upload it again and start a run")
	}
	if err != nil {
		return Entry{}, err
	}
	e.Key, e.VersionID = v.Key, v.VersionID
	return e, e.check()
}

// Newest keeps the newest version of each key, by sequencer, in key order; of
// equal sequencers the later in the list.
func Newest(versions []contract.ObjectVersion) []contract.ObjectVersion {
	byKey := map[string]contract.ObjectVersion{}
	for _, v := range versions {
		if old, ok := byKey[v.Key]; !ok || CompareSequencers(v.Sequencer, old.Sequencer) >= 0 {
			byKey[v.Key] = v
		}
	}
	newest := make([]contract.ObjectVersion, 0, len(byKey))
	for _, v := range byKey {
		newest = append(newest, v)
	}
	slices.SortFunc(newest, func(a, b contract.ObjectVersion) int { return cmp.Compare(a.Key, b.Key) })
	return newest
}

// CompareSequencers orders two sequencers of one key as S3's documentation says:
// the shorter is padded on the right with zeros, then both compare as text. An
// absent sequencer is older than any.
func CompareSequencers(a, b string) int {
	if a == "" || b == "" {
		return cmp.Compare(len(a), len(b))
	}
	for i := range max(len(a), len(b)) {
		if c := cmp.Compare(digit(a, i), digit(b, i)); c != 0 {
			return c
		}
	}
	return 0
}

func digit(s string, i int) byte {
	if i < len(s) {
		return s[i]
	}
	return '0'
}
