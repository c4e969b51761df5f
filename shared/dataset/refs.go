package dataset

import (
	"context"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/sluice-ml/sluice/shared/fault"
	"github.com/sluice-ml/sluice/shared/ref"
)

// branch is the value of a branch's pointer. A deleted one stays as a tombstone:
// its sequence number must not start again.
type branch struct {
	Commit    string     `json:"commit"`
	Protected bool       `json:"protected,omitempty"` // moves by merging only
	Expires   *time.Time `json:"expires,omitempty"`   // when Expire deletes it
	Deleted   *time.Time `json:"deleted,omitempty"`
}

func (b branch) gone() bool { return b.Deleted != nil }

// at is the branch moved to a commit; a deleted one begins anew there.
func (b branch) at(commit string) branch {
	if b.gone() {
		return branch{Commit: commit}
	}
	b.Commit = commit
	return b
}

// tag is the value of a tag's pointer. A deleted one keeps its commit, so that
// the name never comes to mean another.
type tag struct {
	Commit  string     `json:"commit"`
	Deleted *time.Time `json:"deleted,omitempty"`
}

var (
	refName   = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]*(/[A-Za-z0-9][A-Za-z0-9._-]*)*$`)
	commitID  = regexp.MustCompile(`^[0-9a-f]{4,64}$`) // or the start of one
	shortID   = regexp.MustCompile(`^[0-9a-f]{1,3}$`)
	wholeID   = regexp.MustCompile(`^[0-9a-f]{64}$`)
	nameWords = "letters, digits, '.', '_' and '-', in parts separated by '/'"
)

// leastID is how many digits of a commit's id name it, at the least.
const leastID = 4

// CheckBranch says what is wrong with a branch's name; Invalid.
func CheckBranch(name string) error { return checkName("branch", name) }

// CheckTag says what is wrong with a tag's name; Invalid.
func CheckTag(name string) error { return checkName("tag", name) }

// CheckAddress says what is wrong with an address (see Resolve), whatever the
// dataset holds; Invalid.
func CheckAddress(name string) error {
	_, _, err := parseAddress(name)
	return err
}

func branchKey(name string) string { return "branches/" + name + ".json" }
func tagKey(name string) string    { return "tags/" + name + ".json" }

func checkName(what, name string) error {
	if !refName.MatchString(name) || len(name) > 200 {
		return fault.New(fault.Invalid, "name a "+what, "%q: want at most 200 %s", name, nameWords)
	}
	if what != "ref" && wholeID.MatchString(strings.ToLower(name)) {
		return fault.New(fault.Invalid, "name a "+what, "%q is a commit's id", name)
	}
	return nil
}

func protected(name string) error {
	return fault.New(fault.Denied, "move branch "+name, "it is protected").
		WithHint("commit to another branch and merge that one, or lift the protection: sluice data branch protect MODEL %s --off", name)
}

func noBranch(name string) error {
	return fault.New(fault.NotFound, "read branch "+name, "there is no such branch").
		WithHint("list them: sluice data branch list MODEL")
}

// Head is the commit that a branch points to; NotFound when there is no such
// branch.
func (r *Repository) Head(ctx context.Context, name string) (Commit, error) {
	if err := checkName("branch", name); err != nil {
		return Commit{}, err
	}
	p, err := ref.Read[branch](ctx, r.store, branchKey(name))
	switch {
	case fault.Is(err, fault.NotFound):
		return Commit{}, noBranch(name)
	case err != nil:
		return Commit{}, err
	case p.Value.gone():
		return Commit{}, fault.New(fault.NotFound, "read branch "+name, "it was deleted at %s", p.Value.Deleted.Format(time.RFC3339)).
			WithHint("bring it back: sluice data branch create MODEL %s %s", name, p.Value.Commit)
	}
	return r.readCommit(ctx, p.Value.Commit)
}

// Tag gives a commit a name for good. Conflict when the name is, or ever was,
// another commit's.
func (r *Repository) Tag(ctx context.Context, name, target string) (Commit, error) {
	if err := checkName("tag", name); err != nil {
		return Commit{}, err
	}
	c, err := r.source(ctx, target)
	if err != nil {
		return Commit{}, err
	}
	if b, err := ref.Read[branch](ctx, r.store, branchKey(name)); name == Main || err == nil && !b.Value.gone() {
		return c, taken("tag "+name, "branch", b.Value.Commit)
	}
	_, err = ref.Update(ctx, r.store, tagKey(name), func(old tag, found bool) (tag, error) {
		switch {
		case !found:
			return tag{Commit: c.ID}, r.shadows(ctx, "tag "+name, name)
		case found && old.Commit != c.ID:
			return old, fault.New(fault.Conflict, "tag "+name, "it names commit %s already", old.Commit).
				WithHint("tags do not move, not even deleted ones: choose another name")
		case found && old.Deleted == nil:
			return old, ref.Unchanged
		}
		return tag{Commit: c.ID}, nil
	})
	return c, err
}

// taken refuses a name that the other kind of ref has: an address must not change
// its meaning when somebody makes a branch.
func taken(op, kind, commit string) error {
	return fault.New(fault.Conflict, op, "there is a %s of that name, at commit %s", kind, commit).WithHint("choose another name")
}

// shadows refuses a new name that begins a commit's id, which an address could
// mean until then. A ref that was there first keeps its meaning.
func (r *Repository) shadows(ctx context.Context, op, name string) error {
	if !commitID.MatchString(strings.ToLower(name)) {
		return nil
	}
	keys, err := r.store.List(ctx, commits+strings.ToLower(name))
	if err != nil || len(keys) == 0 {
		return err
	}
	return fault.New(fault.Conflict, op, "commit %s begins so, and %q would not mean it any more", strings.TrimPrefix(keys[0], commits), name).
		WithHint("choose another name")
}

// free refuses the name of a branch that begins where it begins a commit's id. One
// that existed before, and was deleted, may come back.
func (r *Repository) free(ctx context.Context, name string, old branch, found bool) error {
	if found || old.gone() {
		return nil
	}
	return r.shadows(ctx, "begin branch "+name, name)
}

// DeleteTag takes a tag away. Its name stays bound to its commit: Tag can only
// bring that one back. NotFound when there is no such tag; deleting it twice is
// harmless.
func (r *Repository) DeleteTag(ctx context.Context, name string, now time.Time) error {
	if err := checkName("tag", name); err != nil {
		return err
	}
	_, err := ref.Update(ctx, r.store, tagKey(name), func(old tag, found bool) (tag, error) {
		switch {
		case !found:
			return old, fault.New(fault.NotFound, "delete tag "+name, "there is no such tag").
				WithHint("list them: sluice data tag list MODEL")
		case old.Deleted != nil:
			return old, ref.Unchanged
		}
		now = now.UTC()
		return tag{old.Commit, &now}, nil
	})
	return err
}

// FastForward moves a branch to a commit (any ref) that descends from its head,
// and creates a branch that does not exist. When the head contains the commit
// already, nothing moves: a retry is harmless. Conflict when the two have
// diverged. It gives the head. A protected branch may be moved so.
func (r *Repository) FastForward(ctx context.Context, name, to string) (Commit, error) {
	if err := checkName("branch", name); err != nil {
		return Commit{}, err
	}
	target, err := r.source(ctx, to)
	if err != nil {
		return Commit{}, err
	}
	head := target
	_, err = ref.Update(ctx, r.store, branchKey(name), func(old branch, found bool) (branch, error) {
		head = target
		if !found || old.gone() {
			if err := r.free(ctx, name, old, found); err != nil {
				return old, err
			}
			return old.at(target.ID), r.ask(ctx, Proposal{name, nil, target, true})
		}
		present, err := r.readCommit(ctx, old.Commit)
		if err != nil {
			return old, err
		}
		if head, err = r.forward(ctx, name, present, target); err != nil || head.ID == present.ID {
			return old, orUnchanged(err)
		}
		return old.at(head.ID), r.ask(ctx, Proposal{name, &present, head, true})
	})
	return head, err
}

// forward is the younger of two commits; Conflict when neither descends from the
// other.
func (r *Repository) forward(ctx context.Context, name string, present, target Commit) (Commit, error) {
	if contained, err := r.descends(ctx, present, target); err != nil || contained {
		return present, err
	}
	ahead, err := r.descends(ctx, target, present)
	if err == nil && !ahead {
		err = fault.New(fault.Conflict, "move branch "+name, "its head %s and commit %s have diverged", present.ID, target.ID).
			WithHint("commit the changes onto the new head and validate again, or merge")
	}
	return target, err
}

// Branches lists the branches' names in order, without the deleted.
func (r *Repository) Branches(ctx context.Context) ([]string, error) {
	list, err := r.BranchList(ctx)
	names := make([]string, len(list))
	for i, b := range list {
		names[i] = b.Name
	}
	return names, err
}

// BranchInfo is a branch as it stands.
type BranchInfo struct {
	Name      string     `json:"name"`
	Commit    string     `json:"commit"`
	Protected bool       `json:"protected"`
	Expires   *time.Time `json:"expires,omitempty"`
}

// BranchList lists the branches in the order of their names, without the
// deleted.
func (r *Repository) BranchList(ctx context.Context) ([]BranchInfo, error) {
	return living(ctx, r, "branches/", func(name string, b branch) (BranchInfo, bool) {
		return BranchInfo{name, b.Commit, b.Protected, b.Expires}, !b.gone()
	})
}

// TagInfo is a tag.
type TagInfo struct {
	Name   string `json:"name"`
	Commit string `json:"commit"`
}

// TagList lists the tags in the order of their names, without the deleted.
func (r *Repository) TagList(ctx context.Context) ([]TagInfo, error) {
	return living(ctx, r, "tags/", func(name string, t tag) (TagInfo, bool) { return TagInfo{name, t.Commit}, t.Deleted == nil })
}

// Tags lists the tags' names in order, without the deleted.
func (r *Repository) Tags(ctx context.Context) ([]string, error) {
	list, err := r.TagList(ctx)
	names := make([]string, len(list))
	for i, t := range list {
		names[i] = t.Name
	}
	return names, err
}

// living reads the pointers of a folder and gives those that show wants shown.
func living[T, V any](ctx context.Context, r *Repository, folder string, show func(name string, value T) (V, bool)) ([]V, error) {
	keys, err := r.store.List(ctx, folder)
	if err != nil {
		return nil, err
	}
	for i, key := range keys {
		keys[i] = strings.TrimSuffix(strings.TrimPrefix(key, folder), ".json")
	}
	slices.Sort(keys)
	values := make([]T, len(keys))
	err = parallel(ctx, len(keys), func(ctx context.Context, i int) error {
		p, err := ref.Read[T](ctx, r.store, folder+keys[i]+".json")
		values[i] = p.Value
		return err
	})
	if err != nil {
		return nil, err
	}
	list := []V{}
	for i, name := range keys {
		if v, ok := show(name, values[i]); ok {
			list = append(list, v)
		}
	}
	return list, nil
}
