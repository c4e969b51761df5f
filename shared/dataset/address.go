package dataset

import (
	"context"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/sluice-ml/sluice/shared/fault"
	"github.com/sluice-ml/sluice/shared/ref"
)

// step is one suffix of an address: ~n, or @{time}.
type step struct {
	back int
	time *time.Time
}

// Resolve gives the commit that an address names. It starts with a branch, a
// tag, a commit's id or a unique prefix of at least 4 digits of it, which may be
// upper case; then ~n goes
// to the n-th first parent (~ to the first), and @{2026-11-01T00:00Z} to the
// newest commit on the line of first parents that is not younger (a time written to
// the second means up to that second's end); both may be
// repeated. NotFound when nothing has the name, Invalid when a prefix names
// many or a suffix cannot be read. A whole id is the commit; else a branch or a
// tag of the name counts before commits whose ids begin so.
func (r *Repository) Resolve(ctx context.Context, name string) (Commit, error) {
	base, steps, err := parseAddress(name)
	if err != nil {
		return Commit{}, err
	}
	c, err := r.named(ctx, base)
	for _, s := range steps {
		if err != nil {
			break
		}
		if s.time != nil {
			c, err = r.asOf(ctx, name, c, *s.time)
		} else {
			c, err = r.back(ctx, name, c, s.back)
		}
	}
	if err != nil {
		return Commit{}, err
	}
	return c, nil
}

func parseAddress(name string) (base string, steps []step, err error) {
	at := strings.IndexAny(name, "~@")
	if at < 0 {
		return name, nil, checkName("ref", name)
	}
	base = name[:at]
	for rest := name[at:]; rest != ""; {
		var s step
		if rest[0] == '~' {
			s, rest, err = parseBack(name, rest[1:])
		} else {
			s, rest, err = parseTime(name, rest)
		}
		if err != nil {
			return "", nil, err
		}
		steps = append(steps, s)
	}
	return base, steps, checkName("ref", base)
}

func parseBack(name, rest string) (step, string, error) {
	end := strings.IndexAny(rest, "~@")
	if end < 0 {
		end = len(rest)
	}
	if end == 0 {
		return step{back: 1}, rest, nil
	}
	n, err := strconv.ParseUint(rest[:end], 10, 31)
	if err != nil {
		return step{}, "", fault.New(fault.Invalid, "resolve "+name, "%q after '~': want a number", rest[:end])
	}
	return step{back: int(n)}, rest[end:], nil
}

// timeLayouts are what @{…} may hold, as log prints it and as JSON has it.
var timeLayouts = []string{time.RFC3339Nano, time.DateTime, "2006-01-02T15:04Z07:00", time.DateOnly}

// wholeSecond ends a time that was written to the second: as of then is up to the
// end of that second, so that what log prints names the commit that it prints.
var wholeSecond = regexp.MustCompile(`:[0-9]{2}:[0-9]{2}(Z|[+-][0-9]{2}:[0-9]{2})?$`)

func parseTime(name, rest string) (step, string, error) {
	text, after, closed := strings.Cut(strings.TrimPrefix(rest, "@{"), "}")
	if !strings.HasPrefix(rest, "@{") || !closed {
		return step{}, "", fault.New(fault.Invalid, "resolve "+name, "%q: want @{time}, e.g. @{2026-11-01T00:00Z}", rest)
	}
	if after != "" && after[0] != '~' && after[0] != '@' {
		return step{}, "", fault.New(fault.Invalid, "resolve "+name, "%q after '}': want ~n, @{time} or nothing", after)
	}
	for _, layout := range timeLayouts {
		if t, err := time.Parse(layout, text); err == nil {
			if wholeSecond.MatchString(text) && (layout == time.DateTime || layout == time.RFC3339Nano) {
				t = t.Add(time.Second - time.Nanosecond)
			}
			return step{time: &t}, after, nil
		}
	}
	return step{}, "", fault.New(fault.Invalid, "resolve "+name, "%q is no time: want e.g. 2026-11-01T00:00Z, 2026-11-01 12:30:05 (UTC, as log prints it) or 2026-11-01 (midnight UTC)", text)
}

// named finds what an address starts with.
func (r *Repository) named(ctx context.Context, name string) (Commit, error) {
	if id := strings.ToLower(name); wholeID.MatchString(id) {
		c, err := r.readCommit(ctx, id)
		if fault.Is(err, fault.NotFound) {
			return c, unknownRef(name)
		}
		return c, err
	}
	b, err := ref.Read[branch](ctx, r.store, branchKey(name))
	if err != nil && !fault.Is(err, fault.NotFound) {
		return Commit{}, err
	}
	isBranch := err == nil && !b.Value.gone()
	if isBranch && name == Main {
		return r.readCommit(ctx, b.Value.Commit) // no tag may be called so
	}
	t, err := ref.Read[tag](ctx, r.store, tagKey(name))
	if err != nil && !fault.Is(err, fault.NotFound) {
		return Commit{}, err
	}
	isTag := err == nil && t.Value.Deleted == nil
	switch {
	case isBranch && isTag && b.Value.Commit != t.Value.Commit:
		return Commit{}, fault.New(fault.Invalid, "resolve "+name, "it is ambiguous: a branch of that name is at %s, a tag at %s", b.Value.Commit, t.Value.Commit).
			WithHint("use the commit's id, or delete one of the two")
	case isBranch:
		return r.readCommit(ctx, b.Value.Commit)
	case isTag:
		return r.readCommit(ctx, t.Value.Commit)
	}
	return r.abbreviated(ctx, name, b.Value, t.Value)
}

// abbreviated finds a commit by a prefix of its id.
func (r *Repository) abbreviated(ctx context.Context, name string, b branch, t tag) (Commit, error) {
	var keys []string
	if commitID.MatchString(strings.ToLower(name)) {
		var err error
		if keys, err = r.store.List(ctx, commits+strings.ToLower(name)); err != nil {
			return Commit{}, err
		}
	}
	switch {
	case len(keys) == 1:
		return r.readCommit(ctx, strings.TrimPrefix(keys[0], commits))
	case len(keys) > 1:
		for i, key := range keys {
			keys[i] = strings.TrimPrefix(key, commits)
		}
		return Commit{}, fault.New(fault.Invalid, "resolve "+name, "it is ambiguous: %d commits start with it", len(keys)).
			WithHint("give more digits: %s", strings.Join(keys[:min(3, len(keys))], " or "))
	case b.gone():
		return Commit{}, wasDeleted("branch", name, b.Commit, *b.Deleted)
	case t.Deleted != nil:
		return Commit{}, wasDeleted("tag", name, t.Commit, *t.Deleted)
	case shortID.MatchString(strings.ToLower(name)):
		return Commit{}, fault.New(fault.NotFound, "resolve "+name, "no branch or tag has that name, and it is too short for a commit's id").
			WithHint("give at least %d digits of the id: sluice data log MODEL lists them", leastID)
	}
	return Commit{}, unknownRef(name)
}

func wasDeleted(what, name, commit string, at time.Time) error {
	return fault.New(fault.NotFound, "resolve "+name, "the %s was deleted at %s", what, at.Format(time.RFC3339)).
		WithHint("its commit was %s", commit)
}

func unknownRef(name string) error {
	return fault.New(fault.NotFound, "resolve "+name, "no branch, tag or commit has that name").
		WithHint("list them: sluice data branch list MODEL, sluice data tag list MODEL; the first upload creates branch %s, and data.version in train.yaml names the ref to use", Main)
}
