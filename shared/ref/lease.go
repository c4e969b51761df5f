package ref

import (
	"context"
	"fmt"
	"time"

	"github.com/sluice-ml/sluice/shared/fault"
)

// Lease is the right to act alone until a time. Whoever acts on a lease stamps
// its token on what it writes: a greater token than one's own means that the
// lease was lost.
type Lease struct {
	Key    string    `json:"key"`
	Holder string    `json:"holder"`
	Token  int64     `json:"token"` // from 1; grows with every new holder, never falls
	Until  time.Time `json:"until"`
}

// leaseBody is what is stored. A released lease stays, so tokens keep growing.
type leaseBody struct {
	Holder   string    `json:"holder"`
	Token    int64     `json:"token"`
	Until    time.Time `json:"until"`
	Released bool      `json:"released"`
}

func (b leaseBody) held(now time.Time) bool { return !b.Released && now.Before(b.Until) }

// HeldError says who holds a lease. It is inside the Busy fault that Acquire
// returns.
type HeldError struct {
	Key    string
	Holder string
	Until  time.Time
}

// Error names the holder and the time.
func (e *HeldError) Error() string {
	return fmt.Sprintf("%s holds it until %s", e.Holder, e.Until.UTC().Format(time.RFC3339))
}

// Acquire takes the lease at key for ttl from now. The holder that already has
// it keeps its token and gets the new time, so a retry is harmless. A lease
// that ran out or was released is taken over with a greater token. Busy, with a
// *HeldError inside, when somebody else holds it.
func Acquire(ctx context.Context, store Store, key, holder string, ttl time.Duration, now time.Time) (Lease, error) {
	if holder == "" || ttl <= 0 {
		return Lease{}, fault.New(fault.Invalid, "acquire "+key, "holder %q, time to live %v: want a name and a positive time", holder, ttl)
	}
	body, err := Update(ctx, store, key, func(old leaseBody, _ bool) (leaseBody, error) {
		next := leaseBody{Holder: holder, Token: old.Token + 1, Until: now.Add(ttl).UTC()}
		switch {
		case old.Holder == holder && !old.Released:
			next.Token = old.Token
			next.Until = later(old.Until, next.Until)
		case old.held(now):
			return old, fault.New(fault.Busy, "acquire "+key, "%w", &HeldError{key, old.Holder, old.Until}).
				WithHint("wait until it is released or runs out, then try again")
		}
		return next, nil
	})
	return lease(key, body), err
}

// Renew extends a lease to ttl from now; it also revives one that ran out when
// nobody took it over. Conflict when it was lost: stop acting.
func Renew(ctx context.Context, store Store, l Lease, ttl time.Duration, now time.Time) (Lease, error) {
	body, err := Update(ctx, store, l.Key, func(old leaseBody, found bool) (leaseBody, error) {
		if !found || old.Token != l.Token || old.Holder != l.Holder || old.Released {
			return old, fault.New(fault.Conflict, "renew "+l.Key, "%s lost it: token %d is now %d, held by %q",
				l.Holder, l.Token, old.Token, old.Holder).WithHint("stop acting on this lease; acquire it again first")
		}
		old.Until = later(old.Until, now.Add(ttl).UTC())
		return old, nil
	})
	return lease(l.Key, body), err
}

// Release gives a lease back. One that was released before, or that somebody
// else has by now, is left alone and is not an error.
func Release(ctx context.Context, store Store, l Lease) error {
	_, err := Update(ctx, store, l.Key, func(old leaseBody, found bool) (leaseBody, error) {
		if !found || old.Token != l.Token || old.Holder != l.Holder || old.Released {
			return old, Unchanged
		}
		old.Released = true
		return old, nil
	})
	return err
}

// Holder gives the lease that is held at now; ok is false when nobody holds it.
func Holder(ctx context.Context, store Store, key string, now time.Time) (l Lease, ok bool, err error) {
	p, err := Read[leaseBody](ctx, store, key)
	if fault.Is(err, fault.NotFound) {
		return Lease{Key: key}, false, nil
	}
	return lease(key, p.Value), err == nil && p.Value.held(now), err
}

func lease(key string, b leaseBody) Lease {
	return Lease{Key: key, Holder: b.Holder, Token: b.Token, Until: b.Until}
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
