package command

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/sluice-ml/sluice/scripts/sluice/operator"
	"github.com/sluice-ml/sluice/shared/contract"
	"github.com/sluice-ml/sluice/shared/dataset"
	"github.com/sluice-ml/sluice/shared/fault"
	"github.com/sluice-ml/sluice/shared/intake"
)

// cut splits NAME=VALUE at its first "=".
func cut(text string) (name, value string, ok bool) {
	name, value, ok = strings.Cut(text, "=")
	return name, value, ok && name != ""
}

// selection is where a commit's object versions come from.
type selection struct {
	prefix  string
	objects []string
	lists   []string
	events  []string
	removes []string
}

func (x *selection) empty() bool {
	return x.prefix == "" && len(x.objects)+len(x.lists)+len(x.events)+len(x.removes) == 0
}

func dataCommit(s *settings) *cobra.Command {
	var x selection
	var note about
	var base string
	var despite bool
	c := &cobra.Command{
		Use: "commit MODEL BRANCH", Short: "Pin object versions of the lake in a new commit",
		Long: `Pin object versions of the lake in a new commit on a branch.

Without any of --prefix, --object, --list, --event and --remove, it takes what
lies under the model's raw prefix now: new and changed objects are pinned, and
those that are gone are removed. Changes that change nothing make no commit.

Keys must be able to be files' paths: "/" at an end, "//", "." or ".." between
slashes, a NUL and what is no UTF-8 are refused. Empty objects are pinned like
others (_SUCCESS and the like). A prefix leaves out folder markers, which are empty
and end in "/", and Sluice's own files (.sluice-*).`,
		Args: exactly(2),
		RunE: func(c *cobra.Command, args []string) error {
			client, repository, err := s.open(c, args)
			if err != nil {
				return err
			}
			if err := setPrefix(c, x.prefix); err != nil {
				return err
			}
			if x.empty() {
				x.prefix = contract.RawPrefix(args[0])
			}
			if x.prefix != "" && len(x.objects)+len(x.lists)+len(x.events)+len(x.removes) > 0 {
				return usageError{fmt.Errorf("--prefix takes everything below it: use it alone")}
			}
			metadata, err := note.metadata()
			if err == nil {
				err = existingBase(c, repository, args[1], base)
			}
			if err == nil {
				err = x.known(c, repository, args[1], base)
			}
			if err != nil {
				return err
			}
			changes, err := x.changes(c, s, client, repository, args[1], base)
			if err == nil && c.Flags().Changed("prefix") && len(changes.Puts)+len(changes.Deletes) == 0 {
				err = x.misses(c, repository, args[1], client.Lake)
			}
			if err == nil && !despite {
				err = safeFromRules(c, client, changes.Puts)
			}
			if err != nil {
				return fault.Wrap(fault.KindOf(err), "commit to "+args[1], unversioned(c, client, err))
			}
			made, err := repository.CommitMoved(c.Context(), dataset.Request{Branch: args[1], Base: base, Changes: changes,
				Message: note.message, Author: note.author, Time: time.Now(), Metadata: metadata})
			if err != nil {
				return err
			}
			return s.made(c, args[1], made)
		},
	}
	f := c.Flags()
	f.StringVar(&x.prefix, "prefix", "", "make the branch equal to what lies under this prefix of the lake now")
	f.StringArrayVar(&x.objects, "object", nil, "KEY@VERSIONID to pin, or KEY (or KEY@) for its latest version; repeat")
	f.StringArrayVar(&x.lists, "list", nil, `a file of JSON lines {"key": …, "version_id": …}; - is the standard input; repeat`)
	f.StringArrayVar(&x.events, "event", nil, "a file with an EventBridge event of an upload; repeat")
	f.StringArrayVar(&x.removes, "remove", nil, "KEY to take out; repeat")
	f.StringVar(&base, "base", "", "the REF a new branch starts at (default: an empty dataset)")
	f.BoolVar(&despite, "despite-lifecycle", false, "pin also what a lifecycle rule of the lake would delete")
	note.flags(c)
	return c
}

// misses is NotFound where neither the lake nor the branch, which changes nothing
// below the prefix, has a key there: it may be mistyped.
func (x *selection) misses(c *cobra.Command, repository *dataset.Repository, branch, lake string) error {
	total, err := repository.Total(c.Context(), branch, x.prefix)
	if err == nil && total.Objects > 0 || err != nil && !fault.Is(err, fault.NotFound) {
		return err
	}
	return fault.New(fault.NotFound, "list "+contract.URI(lake, x.prefix), "neither the lake nor branch %s has a key that begins so", branch).
		WithHint("upload first, or mend the prefix; keys are spelled in full, e.g. raw/MODEL/part.csv")
}

// unversioned tells of the bucket, when it is that which keeps no versions.
func unversioned(c *cobra.Command, client *operator.Client, err error) error {
	if !fault.Is(err, fault.Invalid) {
		return err
	}
	if bucket := client.Rules.Versioned(c.Context(), client.Lake); fault.Is(bucket, fault.Invalid) {
		return bucket
	}
	return err
}

// safeFromRules refuses to pin what a lifecycle rule of the lake would delete.
func safeFromRules(c *cobra.Command, client *operator.Client, entries []dataset.Entry) error {
	rules, err := client.Rules.Of(c.Context(), client.Lake)
	if err != nil {
		return err
	}
	return dataset.CheckLifecycle(rules, entries)
}

func dataAudit(s *settings) *cobra.Command {
	return &cobra.Command{
		Use: "audit MODEL [REF]", Short: "Tell which of the lake's lifecycle rules would delete versions that REF pins", Long: addresses, Args: between(1, 2),
		RunE: func(c *cobra.Command, args []string) error {
			client, repository, err := s.open(c, args)
			if err != nil {
				return err
			}
			rules, err := client.Rules.Of(c.Context(), client.Lake)
			if err != nil {
				return err
			}
			if _, err := repository.Resolve(c.Context(), refOf(args)); err != nil {
				return err // also where no rule could endanger anything
			}
			dangers, err := repository.AuditLifecycle(c.Context(), rules, refOf(args))
			if err != nil {
				return err
			}
			return s.print(c, dangers, func(w io.Writer) {
				for _, d := range dangers {
					fmt.Fprintf(w, "%d objects, %d bytes\tfrom %s on\t%s\n", d.Objects, d.Bytes, shown(d.First), d.Rule)
				}
				fmt.Fprintf(w, "%d of the lake's lifecycle rules would delete versions that %s pins\n", len(dangers), refOf(args))
			})
		},
	}
}

// changes resolves a selection to what the commit does.
func (x *selection) changes(c *cobra.Command, s *settings, client *operator.Client, repository *dataset.Repository, branch, base string) (dataset.Changes, error) {
	lake := client.LakeSource()
	if x.prefix != "" {
		return repository.Listed(c.Context(), lake, branch, base, x.prefix)
	}
	var found located
	for _, text := range x.objects {
		key, version, err := objectOf(c, lake, text)
		if err != nil {
			return dataset.Changes{}, err
		}
		found.add("pin "+key, contract.ObjectVersion{Key: key, VersionID: version})
	}
	for _, name := range x.lists {
		if err := readList(c.InOrStdin(), name, &found); err != nil {
			return dataset.Changes{}, err
		}
	}
	for _, name := range x.events {
		text, err := os.ReadFile(name)
		if err != nil {
			return dataset.Changes{}, err
		}
		upload, err := intake.ParseEvent(text, client.Lake)
		if err == nil && upload.Ignored != "" {
			err = fault.New(fault.Invalid, "read the event", "the upload does not count: %s", upload.Ignored)
		}
		if err != nil {
			return dataset.Changes{}, fmt.Errorf("%s: %w", name, err)
		}
		found.add(name, upload.Version)
	}
	puts, err := s.verify(c, client, found.claims())
	return dataset.Changes{Puts: puts, Deletes: x.removes}, err
}

// objectOf reads KEY, KEY@VERSIONID or KEY@, which is KEY's latest version also
// where KEY has an "@". What can be read both ways is refused.
func objectOf(c *cobra.Command, lake dataset.Source, text string) (key, version string, err error) {
	key, version, pinned := cutLast(text, "@")
	if !pinned || version == "" {
		version, err = latest(c, lake, key)
		return key, version, err
	}
	whole, err := latest(c, lake, text)
	switch {
	case fault.Is(err, fault.NotFound):
		return key, version, nil // verify says when it is gone
	case err != nil:
		return "", "", err
	}
	if _, err := lake.Stat(c.Context(), key, version); err == nil {
		return "", "", fault.New(fault.Invalid, "pin "+text, "it is a key of the lake, and version %s of %s", version, key).
			WithHint("write %s@ for the key's latest version, or pin the other by --list", text)
	}
	return text, whole, nil
}

func cutLast(text, separator string) (before, after string, found bool) {
	at := strings.LastIndex(text, separator)
	if at < 0 {
		return text, "", false
	}
	return text[:at], text[at+len(separator):], true
}

// latest is the id of a key's latest version.
func latest(c *cobra.Command, lake dataset.Source, key string) (string, error) {
	entries, err := lake.Latest(c.Context(), key)
	if err != nil {
		return "", err
	}
	for _, e := range entries {
		if e.Key == key {
			return e.VersionID, nil
		}
	}
	return "", fault.New(fault.NotFound, "pin "+key, "the lake has no object %s", key).WithHint("upload it first; keys are spelled in full, e.g. raw/MODEL/part.csv")
}

// located are object versions and who names them.
type located struct {
	versions []contract.ObjectVersion
	where    map[[2]string]string // by key and version
}

func (l *located) add(where string, v contract.ObjectVersion) {
	if l.where == nil {
		l.where = map[[2]string]string{}
	}
	l.versions = append(l.versions, v)
	l.where[[2]string{v.Key, v.VersionID}] = where
}

// claims are the newest versions of the keys.
func (l *located) claims() []claim {
	var claims []claim
	for _, v := range dataset.Newest(l.versions) {
		claims = append(claims, claim{dataset.Entry{Key: v.Key, VersionID: v.VersionID, Size: -1}, l.where[[2]string{v.Key, v.VersionID}]})
	}
	return claims
}

// known refuses to remove a key that the branch, or where it would start, does not
// hold: it may be misspelt.
func (x *selection) known(c *cobra.Command, repository *dataset.Repository, branch, base string) error {
	if len(x.removes) == 0 {
		return nil
	}
	at := branch
	if _, err := repository.Head(c.Context(), branch); fault.Is(err, fault.NotFound) && base != "" {
		at = base
	} else if err != nil {
		return err
	}
	for _, key := range x.removes {
		_, found, err := repository.Entry(c.Context(), at, key)
		if err != nil {
			return err
		}
		if !found {
			return fault.New(fault.NotFound, "remove "+key, "%s holds no such key", at).
				WithHint("keys are spelled in full, e.g. raw/MODEL/part.csv; list them: sluice data ls MODEL %s", at)
		}
	}
	return nil
}

// readList reads JSON lines of object versions; an error names file and line.
func readList(stdin io.Reader, name string, into *located) error {
	text, err := readAll(stdin, name)
	if err != nil {
		return err
	}
	number := 0
	for raw := range bytes.Lines(text) {
		number++
		if len(bytes.TrimSpace(raw)) == 0 {
			continue
		}
		var v contract.ObjectVersion
		decoder := json.NewDecoder(bytes.NewReader(raw))
		if err := decoder.Decode(&v); err != nil {
			return fault.New(fault.Invalid, fmt.Sprintf("%s:%d", name, number), "%w", err)
		}
		if v.Key == "" || v.VersionID == "" {
			return fault.New(fault.Invalid, fmt.Sprintf("%s:%d", name, number), `want {"key": …, "version_id": …}, got %s`, bytes.TrimSpace(raw))
		}
		into.add(fmt.Sprintf("%s:%d", name, number), v)
	}
	return nil
}

func readAll(stdin io.Reader, name string) ([]byte, error) {
	if name == "-" {
		return io.ReadAll(stdin)
	}
	return os.ReadFile(name)
}
