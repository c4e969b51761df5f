package intake

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"sync"

	"github.com/sluice-ml/sluice/shared/contract"
	"github.com/sluice-ml/sluice/shared/dataset"
	"github.com/sluice-ml/sluice/shared/fault"
	"github.com/sluice-ml/sluice/shared/ref"
)

const (
	maxTaken    = 1024 // keys that a shard remembers, so 262,144 a model
	maxVersions = 8    // versions of a key that it remembers
	workers     = 16   // requests at once
)

// shard is what a model remembers of the keys with one first byte of their hash.
type shard struct {
	Keys []takenKey `json:"keys"` // oldest first
}

// takenKey is what is remembered of a key.
type takenKey struct {
	Key       string   `json:"k"`           // the first 8 bytes of its hash, in hexadecimal
	Sequencer string   `json:"s,omitempty"` // the newest
	Versions  []string `json:"v"`           // as Key, oldest first; those that were the newest once
}

func shortSum(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:8])
}

// shardKey is where a model remembers a key; it has 256 of them.
func shardKey(model string, v contract.ObjectVersion) string {
	return fmt.Sprintf("intake/%s/taken/%s.json", model, shortSum(v.Key)[:2])
}

// before says why what is remembered makes a version no news; "" when it does
// not.
func (s *shard) before(v contract.ObjectVersion) string {
	at := s.find(shortSum(v.Key))
	if at < 0 {
		return ""
	}
	k := s.Keys[at]
	age := dataset.CompareSequencers(v.Sequencer, k.Sequencer)
	switch {
	case slices.Contains(k.Versions, shortSum(v.VersionID)), age == 0 && v.Sequencer != "": // two writes of a key differ in it
		return takenBefore
	case age < 0:
		return newerBefore
	}
	return ""
}

func (s *shard) find(key string) int {
	return slices.IndexFunc(s.Keys, func(k takenKey) bool { return k.Key == key })
}

// add remembers versions; false when nothing is new.
func (s *shard) add(versions []contract.ObjectVersion) bool {
	changed := false
	at := make(map[string]int, len(s.Keys))
	for n, k := range s.Keys {
		at[k.Key] = n
	}
	for _, v := range versions {
		key, version := shortSum(v.Key), shortSum(v.VersionID)
		n, known := at[key]
		if !known {
			n = len(s.Keys)
			at[key] = n
			s.Keys = append(s.Keys, takenKey{Key: key})
		}
		k := &s.Keys[n]
		older := dataset.CompareSequencers(v.Sequencer, k.Sequencer) < 0 // which its sequencer tells for ever
		if older || slices.Contains(k.Versions, version) {
			continue
		}
		changed = true
		k.Versions = append(k.Versions, version)
		k.Versions = k.Versions[max(0, len(k.Versions)-maxVersions):]
		k.Sequencer = v.Sequencer
	}
	s.Keys = s.Keys[max(0, len(s.Keys)-maxTaken):]
	return changed
}

// remember keeps versions as taken. A repeated call changes nothing.
func (i *Intake) remember(ctx context.Context, model string, versions []contract.ObjectVersion) error {
	byShard := map[string][]contract.ObjectVersion{}
	for _, v := range versions {
		key := shardKey(model, v)
		byShard[key] = append(byShard[key], v)
	}
	return each(byShard, func(key string, versions []contract.ObjectVersion) error {
		_, err := ref.Update(ctx, i.Store, key, func(s shard, _ bool) (shard, error) {
			if !s.add(versions) {
				return s, ref.Unchanged
			}
			return s, nil
		})
		return err
	})
}

// memory reads what is remembered, each shard once.
type memory struct {
	i      *Intake
	state  State
	shards map[string]shard
}

func (i *Intake) memory(state State) *memory {
	return &memory{i: i, state: state, shards: map[string]shard{}}
}

// load reads the shards that versions need.
func (m *memory) load(ctx context.Context, versions ...contract.ObjectVersion) error {
	missing := map[string]bool{}
	for _, v := range versions {
		if key := shardKey(m.state.Model, v); !m.has(key) {
			missing[key] = true
		}
	}
	var mu sync.Mutex
	return each(missing, func(key string, _ bool) error {
		p, err := ref.Read[shard](ctx, m.i.Store, key)
		if err != nil && !fault.Is(err, fault.NotFound) {
			return err
		}
		mu.Lock()
		defer mu.Unlock()
		m.shards[key] = p.Value
		return nil
	})
}

func (m *memory) has(key string) bool { _, ok := m.shards[key]; return ok }

// before says why a version is no news; "" when it is. Its shard is loaded.
func (m *memory) before(v contract.ObjectVersion) string {
	if reason := m.state.before(v); reason != "" {
		return reason
	}
	s := m.shards[shardKey(m.state.Model, v)]
	return s.before(v)
}

// each calls do for every entry, some at once, and gives the first error by key.
// One alone is called where it is.
func each[V any](entries map[string]V, do func(string, V) error) error {
	keys := make([]string, 0, len(entries))
	for key := range entries {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	if len(keys) == 1 {
		return do(keys[0], entries[keys[0]])
	}
	errs := make([]error, len(keys))
	var wait sync.WaitGroup
	slots := make(chan struct{}, workers)
	for n, key := range keys {
		slots <- struct{}{}
		wait.Go(func() {
			defer func() { <-slots }()
			errs[n] = do(key, entries[key])
		})
	}
	wait.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
