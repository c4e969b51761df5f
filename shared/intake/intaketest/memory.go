// Package intaketest has an intake.Inbox in memory, and what every one must pass.
package intaketest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/sluice-ml/sluice/shared/fault"
	"github.com/sluice-ml/sluice/shared/intake"
	"github.com/sluice-ml/sluice/shared/ref"
)

// Memory is a ref.Store and an intake.Inbox in this process.
type Memory struct {
	now     func() time.Time
	mu      sync.Mutex
	objects map[string]object
}

type object struct {
	body []byte
	at   time.Time
}

var (
	_ ref.Store    = (*Memory)(nil)
	_ intake.Inbox = (*Memory)(nil)
)

// New makes an empty store; now is the clock that tells when objects come.
func New(now func() time.Time) *Memory { return &Memory{now: now, objects: map[string]object{}} }

func tagOf(body []byte) ref.Tag {
	sum := sha256.Sum256(body)
	return ref.Tag(hex.EncodeToString(sum[:]))
}

// Get implements ref.Store.
func (m *Memory) Get(_ context.Context, key string) (ref.Item, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	o, ok := m.objects[key]
	if !ok {
		return ref.Item{}, fault.New(fault.NotFound, "read "+key, "there is no such key")
	}
	return ref.Item{Key: key, Body: bytes.Clone(o.body), Tag: tagOf(o.body)}, nil
}

// Create implements ref.Store.
func (m *Memory) Create(_ context.Context, key string, body []byte) (ref.Tag, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, ok := m.objects[key]; ok {
		return "", fault.New(fault.Conflict, "create "+key, "it exists already")
	}
	m.objects[key] = object{bytes.Clone(body), m.now()}
	return tagOf(body), nil
}

// Swap implements ref.Store.
func (m *Memory) Swap(_ context.Context, key string, body []byte, tag ref.Tag) (ref.Tag, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if old, ok := m.objects[key]; !ok || tagOf(old.body) != tag {
		return "", fault.New(fault.Conflict, "replace "+key, "somebody else changed it first")
	}
	m.objects[key] = object{bytes.Clone(body), m.now()}
	return tagOf(body), nil
}

// List implements ref.Store.
func (m *Memory) List(ctx context.Context, prefix string) ([]string, error) {
	all, err := m.Arrivals(ctx, prefix)
	var keys []string
	for _, a := range all {
		keys = append(keys, a.Key)
	}
	return keys, err
}

// Arrivals implements intake.Inbox. Its times have whole seconds, as S3's.
func (m *Memory) Arrivals(_ context.Context, prefix string) ([]intake.Arrival, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var all []intake.Arrival
	for key, o := range m.objects {
		if strings.HasPrefix(key, prefix) {
			all = append(all, intake.Arrival{Key: key, Time: o.at.Truncate(time.Second)})
		}
	}
	slices.SortFunc(all, func(a, b intake.Arrival) int { return strings.Compare(a.Key, b.Key) })
	return all, nil
}

// Remove implements intake.Inbox.
func (m *Memory) Remove(_ context.Context, prefix string, gone func(key string) bool) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for key := range m.objects {
		if strings.HasPrefix(key, prefix) && gone(key) {
			delete(m.objects, key)
		}
	}
	return nil
}
