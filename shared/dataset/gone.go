package dataset

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/sluice-ml/sluice/shared/fault"
)

// GoneError lists object versions that a move would bring back to a branch, and
// that the lake does not have any more.
type GoneError struct {
	Entries []Entry // in key order
	Looked  int     // how many versions it would bring back
}

// Error names the first few.
func (e *GoneError) Error() string {
	const most = 5
	var names []string
	for _, gone := range e.Entries[:min(most, len(e.Entries))] {
		names = append(names, fmt.Sprintf("%s at version %s", gone.Key, gone.VersionID))
	}
	if more := len(e.Entries) - len(names); more > 0 {
		names = append(names, fmt.Sprintf("%d more", more))
	}
	return fmt.Sprintf("%d of the %d object version(s) that it would bring back are gone from the lake: %s", len(e.Entries), e.Looked, strings.Join(names, ", "))
}

// AsGone gives the versions that a move was refused for; nil when err is about
// something else.
func AsGone(err error) []Entry {
	if gone, ok := errors.AsType[*GoneError](err); ok {
		return gone.Entries
	}
	return nil
}

// looker looks once at each version that a move brings back, also when the move
// is redone on a new head.
type looker struct {
	lake Source // nil looks at nothing
	op   string
	seen map[string]bool // key and version
}

func lookerOf(lake Source, op string) *looker { return &looker{lake, op, map[string]bool{}} }

// brings says whether a change brings a version that the branch did not have.
func brings(was, now *Entry) bool {
	return now != nil && (was == nil || was.VersionID != now.VersionID)
}

func (l *looker) edits(ctx context.Context, edits []edit) error {
	if l.lake == nil {
		return nil
	}
	var brought []Entry
	for _, e := range edits {
		if brings(e.was, e.put) {
			brought = append(brought, *e.put)
		}
	}
	return l.look(ctx, brought)
}

// between looks at what a branch gains by a move from one state to another.
func (l *looker) between(ctx context.Context, r *Repository, from, to state, prefix string) error {
	if l.lake == nil {
		return nil
	}
	var brought []Entry
	for c, err := range r.diff(ctx, from, to, prefix) {
		if err != nil {
			return err
		}
		if brings(c.Old, c.New) {
			brought = append(brought, *c.New.detached())
		}
	}
	return l.look(ctx, brought)
}

// look is NotFound with a GoneError when versions are gone.
func (l *looker) look(ctx context.Context, brought []Entry) error {
	brought = slices.DeleteFunc(brought, func(e Entry) bool { return l.seen[e.Key+"\x00"+e.VersionID] })
	var mu sync.Mutex
	var gone []Entry
	err := parallel(ctx, len(brought), func(ctx context.Context, i int) error {
		e := brought[i]
		_, err := l.lake.Stat(ctx, e.Key, e.VersionID)
		mu.Lock()
		defer mu.Unlock()
		switch {
		case fault.Is(err, fault.NotFound):
			gone = append(gone, e)
		case err != nil:
			return fault.Wrap(fault.Unavailable, l.op+": look whether what it brings back is there", err)
		default:
			l.seen[e.Key+"\x00"+e.VersionID] = true
		}
		return nil
	})
	if err != nil || len(gone) == 0 {
		return err
	}
	slices.SortFunc(gone, func(a, b Entry) int { return strings.Compare(a.Key, b.Key) })
	return fault.New(fault.NotFound, l.op, "%w", &GoneError{gone, len(brought)}).
		WithHint("a lifecycle rule or a person deleted them for good; leave them out with --prefix, upload them again and commit that, or bring the rest back with pins of what is gone: --despite-gone")
}
