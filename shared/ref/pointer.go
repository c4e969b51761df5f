package ref

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	mathrand "math/rand/v2"
	"time"

	"github.com/sluice-ml/sluice/shared/fault"
)

// Format is the pointer format that this package writes and the only one it
// reads.
const Format = 1

// attempts bounds how often Update redoes a change that lost a race.
const attempts = 100

// Unchanged is what a change returns to leave the pointer as it is.
var Unchanged = errors.New("leave the pointer unchanged")

// Pointer is a value as it was read.
type Pointer[T any] struct {
	Value    T
	Sequence int64 // 1 when created, one more with every move
	Tag      Tag
}

// envelope is a pointer's body. The nonce makes every body unlike any other.
type envelope struct {
	Format   int             `json:"format"`
	Sequence int64           `json:"sequence"`
	Nonce    string          `json:"nonce"`
	Value    json.RawMessage `json:"value"`
}

// Read gives the pointer at key; NotFound when there is none, Invalid when the
// object there is not a pointer.
func Read[T any](ctx context.Context, store Store, key string) (Pointer[T], error) {
	item, err := store.Get(ctx, key)
	if err != nil {
		return Pointer[T]{}, err
	}
	return decode[T](item)
}

// Update moves the pointer at key to what change returns for its present value
// and redoes both when somebody else moved it in between, so change may be
// called many times and must have no effects. found is false, and old the zero
// value, when there is no pointer yet. When change returns Unchanged, nothing is
// written and Update gives old; any other error ends Update and is returned as
// it is. Conflict means that a hundred tries in a row lost: retry later.
func Update[T any](ctx context.Context, store Store, key string, change func(old T, found bool) (T, error)) (T, error) {
	var zero T
	for attempt := range attempts {
		value, err := try(ctx, store, key, change)
		if !fault.Is(err, fault.Conflict) || errors.As(err, new(changeError)) {
			return value, unwrapChange(err)
		}
		if err := pause(ctx, attempt); err != nil {
			return zero, fault.Wrap(fault.Unavailable, "move "+key, err)
		}
	}
	return zero, fault.New(fault.Conflict, "move "+key, "lost %d races in a row", attempts).
		WithHint("many writers move this pointer at once; try again later")
}

// changeError marks an error as the caller's own, so a Conflict inside it is
// not taken for a lost race.
type changeError struct{ error }

func (e changeError) Unwrap() error { return e.error }

func unwrapChange(err error) error {
	if own, ok := errors.AsType[changeError](err); ok {
		return own.error
	}
	return err
}

func try[T any](ctx context.Context, store Store, key string, change func(T, bool) (T, error)) (value T, err error) {
	old, err := Read[T](ctx, store, key)
	found := err == nil
	if err != nil && !fault.Is(err, fault.NotFound) {
		return value, err
	}
	value, err = change(old.Value, found)
	if errors.Is(err, Unchanged) {
		return reread(ctx, store, key, old, found)
	}
	if err != nil {
		return value, changeError{err}
	}
	body, err := encode(value, old.Sequence+1)
	if err != nil {
		return value, err
	}
	if found {
		_, err = store.Swap(ctx, key, body, old.Tag)
	} else {
		_, err = store.Create(ctx, key, body)
	}
	return value, err
}

// reread gives the untouched old value: change may have edited its own copy in
// place before it returned Unchanged.
func reread[T any](ctx context.Context, store Store, key string, old Pointer[T], found bool) (T, error) {
	if !found {
		return old.Value, nil
	}
	again, err := Read[T](ctx, store, key)
	return again.Value, err
}

func encode[T any](value T, sequence int64) ([]byte, error) {
	raw, err := json.Marshal(value)
	if err != nil {
		return nil, fault.New(fault.Internal, "encode a pointer", "%w", err)
	}
	body, err := json.Marshal(envelope{Format: Format, Sequence: sequence, Nonce: rand.Text(), Value: raw})
	if err != nil {
		return nil, fault.New(fault.Internal, "encode a pointer", "%w", err)
	}
	return append(body, '\n'), nil
}

func decode[T any](item Item) (Pointer[T], error) {
	op := "read the pointer " + item.Key
	var e envelope
	decoder := json.NewDecoder(bytes.NewReader(item.Body))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&e); err != nil {
		return Pointer[T]{}, invalid(op, "%w", err)
	}
	if e.Format != Format {
		return Pointer[T]{}, invalid(op, "its format is %d, this build knows %d", e.Format, Format)
	}
	if e.Sequence < 1 || e.Nonce == "" || len(e.Value) == 0 {
		return Pointer[T]{}, invalid(op, "sequence, nonce or value is missing")
	}
	p := Pointer[T]{Sequence: e.Sequence, Tag: item.Tag}
	if err := json.Unmarshal(e.Value, &p.Value); err != nil {
		return Pointer[T]{}, invalid(op, "value: %w", err)
	}
	return p, nil
}

func invalid(op, why string, args ...any) error {
	return fault.New(fault.Invalid, op, why, args...).
		WithHint("something other than Sluice wrote this object; restore its previous version")
}

// pause waits a random time that grows with the attempt: 0–2 ms at first, at
// most 0–256 ms.
func pause(ctx context.Context, attempt int) error {
	most := time.Millisecond << min(attempt+1, 8)
	timer := time.NewTimer(mathrand.N(most))
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
