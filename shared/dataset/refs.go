package dataset

import (
	"context"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/sluice-ml/sluice/shared/fault"
	"github.com/sluice-ml/sluice/shared/ref"
)

// branch is the value of a branch's pointer.
type branch struct {
	Commit string `json:"commit"`
}

var (
	refName   = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]*(/[A-Za-z0-9][A-Za-z0-9._-]*)*$`)
	commitID  = regexp.MustCompile(`^[0-9a-f]{6,64}$`)
	nameWords = "letters, digits, '.', '_' and '-', in parts separated by '/'"
)

func branchKey(name string) string { return "branches/" + name + ".json" }
func tagKey(name string) string    { return "tags/" + name + ".json" }

func checkName(what, name string) error {
	if !refName.MatchString(name) || len(name) > 200 {
		return fault.New(fault.Invalid, "name a "+what, "%q: want at most 200 %s", name, nameWords)
	}
	if what != "ref" && len(name) == 64 && commitID.MatchString(name) {
		return fault.New(fault.Invalid, "name a "+what, "%q is a commit's id", name)
	}
	return nil
}

// Head is the commit that a branch points to; NotFound when there is no such
// branch.
func (r *Repository) Head(ctx context.Context, name string) (Commit, error) {
	if err := checkName("branch", name); err != nil {
		return Commit{}, err
	}
	return r.follow(ctx, branchKey(name))
}

func (r *Repository) follow(ctx context.Context, key string) (Commit, error) {
	p, err := ref.Read[branch](ctx, r.store, key)
	if err != nil {
		return Commit{}, err
	}
	return r.readCommit(ctx, p.Value.Commit)
}

// Resolve gives the commit that a ref names: a branch, a tag, a commit's id or
// a unique prefix of at least 6 digits of it, each with ~n for the n-th first
// parent. NotFound when nothing has the name, Invalid when a prefix names many.
func (r *Repository) Resolve(ctx context.Context, name string) (Commit, error) {
	base, back, err := splitAncestor(name)
	if err != nil {
		return Commit{}, err
	}
	c, err := r.named(ctx, base)
	for ; err == nil && back > 0; back-- {
		if len(c.Parents) == 0 {
			return Commit{}, fault.New(fault.NotFound, "resolve "+name, "the dataset's first commit %s comes sooner", c.ID)
		}
		c, err = r.readCommit(ctx, c.Parents[0])
	}
	return c, err
}

func splitAncestor(name string) (base string, back int, err error) {
	base, suffix, found := strings.Cut(name, "~")
	if found {
		back, err = strconv.Atoi(suffix)
		if err != nil || back < 0 {
			return "", 0, fault.New(fault.Invalid, "resolve "+name, "%q after '~': want a number", suffix)
		}
	}
	return base, back, checkName("ref", base)
}

func (r *Repository) named(ctx context.Context, name string) (Commit, error) {
	if len(name) == 64 && commitID.MatchString(name) {
		return r.readCommit(ctx, name)
	}
	for _, key := range []string{branchKey(name), tagKey(name)} {
		c, err := r.follow(ctx, key)
		if !fault.Is(err, fault.NotFound) {
			return c, err
		}
	}
	if !commitID.MatchString(name) {
		return Commit{}, unknownRef(name)
	}
	keys, err := r.store.List(ctx, "commits/"+name)
	switch {
	case err != nil:
		return Commit{}, err
	case len(keys) == 0:
		return Commit{}, unknownRef(name)
	case len(keys) > 1:
		return Commit{}, fault.New(fault.Invalid, "resolve "+name, "%d commits start with it", len(keys)).
			WithHint("give more digits, e.g. %s", strings.TrimPrefix(keys[0], "commits/"))
	}
	return r.readCommit(ctx, strings.TrimPrefix(keys[0], "commits/"))
}

func unknownRef(name string) error {
	return fault.New(fault.NotFound, "resolve "+name, "no branch, tag or commit has that name").
		WithHint("the first upload creates branch %s; data.version in train.yaml names the ref to use", Main)
}

// Tag gives a commit a name for good. Conflict when the name is taken by
// another commit.
func (r *Repository) Tag(ctx context.Context, name, target string) (Commit, error) {
	if err := checkName("tag", name); err != nil {
		return Commit{}, err
	}
	c, err := r.Resolve(ctx, target)
	if err != nil {
		return Commit{}, err
	}
	_, err = ref.Update(ctx, r.store, tagKey(name), func(old branch, found bool) (branch, error) {
		if found && old.Commit != c.ID {
			return old, fault.New(fault.Conflict, "tag "+name, "it names commit %s already", old.Commit).
				WithHint("tags do not move: choose another name")
		}
		if found {
			return old, ref.Unchanged
		}
		return branch{Commit: c.ID}, nil
	})
	return c, err
}

// FastForward moves a branch to a commit (any ref) that descends from its head,
// and creates a branch that does not exist. When the head contains the commit
// already, nothing moves: a retry is harmless. Conflict when the two have
// diverged. It gives the head.
func (r *Repository) FastForward(ctx context.Context, name, to string) (Commit, error) {
	if err := checkName("branch", name); err != nil {
		return Commit{}, err
	}
	target, err := r.Resolve(ctx, to)
	if err != nil {
		return Commit{}, err
	}
	head := target
	_, err = ref.Update(ctx, r.store, branchKey(name), func(old branch, found bool) (branch, error) {
		head = target
		if !found {
			return branch{Commit: target.ID}, nil
		}
		present, err := r.readCommit(ctx, old.Commit)
		if err != nil {
			return old, err
		}
		return r.forward(ctx, name, present, &head)
	})
	return head, err
}

// forward decides the move from present to *head; when there is none to make it
// sets *head to present.
func (r *Repository) forward(ctx context.Context, name string, present Commit, head *Commit) (branch, error) {
	target := *head
	contained, err := r.descends(ctx, present, target)
	if err != nil {
		return branch{}, err
	}
	if contained {
		*head = present
		return branch{Commit: present.ID}, ref.Unchanged
	}
	ahead, err := r.descends(ctx, target, present)
	if err != nil {
		return branch{}, err
	}
	if !ahead {
		return branch{}, fault.New(fault.Conflict, "move branch "+name, "its head %s and commit %s have diverged",
			present.ID, target.ID).WithHint("commit the changes onto the new head and validate again")
	}
	return branch{Commit: target.ID}, nil
}

// descends says whether c is base or has it among its ancestors.
func (r *Repository) descends(ctx context.Context, c, base Commit) (bool, error) {
	frontier := []Commit{c}
	seen := map[string]bool{c.ID: true}
	for len(frontier) > 0 {
		c := frontier[len(frontier)-1]
		frontier = frontier[:len(frontier)-1]
		if c.ID == base.ID {
			return true, nil
		}
		if c.Generation <= base.Generation {
			continue
		}
		for _, id := range c.Parents {
			if seen[id] {
				continue
			}
			seen[id] = true
			parent, err := r.readCommit(ctx, id)
			if err != nil {
				return false, err
			}
			frontier = append(frontier, parent)
		}
	}
	return false, nil
}

// Branches lists the branches' names in order.
func (r *Repository) Branches(ctx context.Context) ([]string, error) {
	return r.names(ctx, "branches/")
}

// Tags lists the tags' names in order.
func (r *Repository) Tags(ctx context.Context) ([]string, error) { return r.names(ctx, "tags/") }

func (r *Repository) names(ctx context.Context, folder string) ([]string, error) {
	keys, err := r.store.List(ctx, folder)
	for i, key := range keys {
		keys[i] = strings.TrimSuffix(strings.TrimPrefix(key, folder), ".json")
	}
	slices.Sort(keys)
	return keys, err
}
