package ref

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"
	"sync"

	"github.com/sluice-ml/sluice/shared/fault"
)

// Memory is a Store in this process. Its tags are hashes of the content, as
// S3's are, so code that only works with unique tags fails on it too.
type Memory struct {
	mu     sync.Mutex
	bodies map[string][]byte
}

var _ Store = (*Memory)(nil)

// NewMemory makes an empty store.
func NewMemory() *Memory { return &Memory{bodies: map[string][]byte{}} }

// Get implements Store.
func (m *Memory) Get(ctx context.Context, key string) (Item, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := interrupted(ctx, "read", key); err != nil {
		return Item{}, err
	}
	body, ok := m.bodies[key]
	if !ok {
		return Item{}, fault.New(fault.NotFound, "read "+key, "there is no such key")
	}
	return Item{Key: key, Body: bytes.Clone(body), Tag: tagOf(body)}, nil
}

// Create implements Store.
func (m *Memory) Create(ctx context.Context, key string, body []byte) (Tag, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := interrupted(ctx, "create", key); err != nil {
		return "", err
	}
	if _, ok := m.bodies[key]; ok {
		return "", fault.New(fault.Conflict, "create "+key, "it exists already")
	}
	m.bodies[key] = bytes.Clone(body)
	return tagOf(body), nil
}

// Swap implements Store.
func (m *Memory) Swap(ctx context.Context, key string, body []byte, tag Tag) (Tag, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := interrupted(ctx, "replace", key); err != nil {
		return "", err
	}
	if old, ok := m.bodies[key]; !ok || tagOf(old) != tag {
		return "", fault.New(fault.Conflict, "replace "+key, "somebody else changed it first")
	}
	m.bodies[key] = bytes.Clone(body)
	return tagOf(body), nil
}

// List implements Store.
func (m *Memory) List(ctx context.Context, prefix string) ([]string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := interrupted(ctx, "list", prefix); err != nil {
		return nil, err
	}
	var keys []string
	for key := range m.bodies {
		if strings.HasPrefix(key, prefix) {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	return keys, nil
}

func tagOf(body []byte) Tag {
	sum := sha256.Sum256(body)
	return Tag(hex.EncodeToString(sum[:]))
}

func interrupted(ctx context.Context, verb, key string) error {
	return fault.Wrap(fault.Unavailable, verb+" "+key, ctx.Err())
}
