package command

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"os/user"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/sluice-ml/sluice/scripts/sluice/operator"
	"github.com/sluice-ml/sluice/shared/contract"
	"github.com/sluice-ml/sluice/shared/dataset"
	"github.com/sluice-ml/sluice/shared/fault"
)

const addresses = `REF is a branch, a tag, a commit's id or its first 4 digits or more, and then any of
~N (the N-th first parent) and @{TIME} (as of then): main, v1.2, main~3,
3f9a2c, main@{2026-11-01T00:00Z}. The default is main. A branch or a tag of that
name counts before a commit whose id begins so.`

func dataCommand(s *settings) *cobra.Command {
	c := group("data", "Dataset versions: commit, branch, tag, diff, merge, check out",
		dataLog(s), dataShow(s), dataLs(s), dataDiff(s), dataAdd(s), dataCommit(s), dataMerge(s), dataCompact(s),
		dataPick(s, "revert", "Undo a commit's changes in a new commit", (*dataset.Repository).Revert),
		dataPick(s, "cherry-pick", "Repeat a commit's changes in a new commit", (*dataset.Repository).CherryPick),
		dataRestore(s), dataCheckout(s), dataBranch(s), dataTag(s), dataHooks(s), dataHold(s), dataAudit(s), dataCost(s), dataTier(s), dataGC(s),
		dataImport(s), dataExport(s), dataPin(s))
	c.Long = "Versions of a model's dataset. A commit pins object versions and copies none\n(add uploads, and import lakefs --copy-to copies). Only gc --lake deletes any, where that is allowed.\n\n" + addresses
	s.nameModel(c)
	return c
}

// open connects to the deployment and opens the dataset of the first argument.
func (s *settings) open(c *cobra.Command, args []string) (*operator.Client, *dataset.Repository, error) {
	client, err := s.connect(c.Context())
	if err != nil {
		return nil, nil, err
	}
	if err := contract.CheckModel(args[0]); err != nil {
		return nil, nil, usageError{err}
	}
	if client.Notice == nil {
		client.Notice = func(hook string, err error) {
			fmt.Fprintf(c.ErrOrStderr(), "sluice: hook %s gave no answer, and is set to let that pass: %v\n", hook, err)
		}
	}
	s.opened = openDataset{client, client.Dataset(args[0]), args[0]}
	return client, s.opened.repository, nil
}

// openExisting is open for a command to which a dataset without any commit would
// look like one with nothing to do.
func (s *settings) openExisting(c *cobra.Command, args []string) (*operator.Client, *dataset.Repository, error) {
	client, repository, err := s.open(c, args)
	if err == nil {
		err = s.needDataset(c)
	}
	return client, repository, err
}

// commitView is what a person or a script wants of a commit.
type commitView struct {
	ID         string            `json:"id"`
	Parents    []string          `json:"parents"`
	Tree       string            `json:"tree"`
	Time       time.Time         `json:"time"`
	Author     string            `json:"author"`
	Message    string            `json:"message"`
	Generation int               `json:"generation"`
	Metadata   map[string]string `json:"metadata,omitempty"`
	Stats      dataset.Stats     `json:"stats"`
}

func viewOf(c dataset.Commit) commitView {
	return commitView{c.ID, c.Parents, c.Tree, c.Time, c.Author, c.Message, c.Generation, c.Metadata, c.Stats}
}

func printCommit(w io.Writer, v commitView) {
	fmt.Fprintf(w, "commit\t%s\n", v.ID)
	for _, parent := range v.Parents {
		fmt.Fprintf(w, "parent\t%s\n", parent)
	}
	fmt.Fprintf(w, "time\t%s\nauthor\t%s\nmessage\t%s\nobjects\t%d\nbytes\t%d\n", v.Time.Format(time.RFC3339), shown(v.Author), shown(v.Message),
		v.Stats.Objects, v.Stats.Bytes)
	if v.Stats.Counted > 0 {
		fmt.Fprintf(w, "rows\t%d, in %d of %d objects\n", v.Stats.Rows, v.Stats.Counted, v.Stats.Objects)
	}
	fmt.Fprintf(w, "changes\t%d added, %d changed, %d removed\n", v.Stats.Added, v.Stats.Changed, v.Stats.Removed)
	for _, name := range slices.Sorted(maps.Keys(v.Metadata)) {
		fmt.Fprintf(w, "%s\t%s\n", shown(name), shown(v.Metadata[name]))
	}
}

func dataLog(s *settings) *cobra.Command {
	var most int
	c := &cobra.Command{
		Use: "log MODEL [REF]", Short: "List a dataset's commits, newest first", Long: addresses, Args: between(1, 2),
		RunE: func(c *cobra.Command, args []string) error {
			if most < 0 {
				return usageError{fmt.Errorf("-n %d: want 0 or more; 0 is all", most)}
			}
			_, repository, err := s.open(c, args)
			if err != nil {
				return err
			}
			commits, err := repository.Log(c.Context(), refOf(args), most)
			if err != nil {
				return err
			}
			list := make([]commitView, len(commits))
			for i, commit := range commits {
				list[i] = viewOf(commit)
			}
			return s.print(c, list, func(w io.Writer) {
				fmt.Fprintln(w, "COMMIT\tTIME\tOBJECTS\tBYTES\tADDED\tCHANGED\tREMOVED\tMESSAGE")
				for _, v := range list {
					fmt.Fprintf(w, "%.12s\t%s\t%d\t%d\t%d\t%d\t%d\t%s\n", v.ID, v.Time.Format(time.DateTime), v.Stats.Objects, v.Stats.Bytes,
						v.Stats.Added, v.Stats.Changed, v.Stats.Removed, shown(v.Message))
				}
			})
		},
	}
	c.Flags().IntVarP(&most, "most", "n", 20, "how many at the most; 0 is all")
	return c
}

func refOf(args []string) string {
	if len(args) > 1 {
		return args[1]
	}
	return dataset.Main
}

func between(least, most int) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		if len(args) < least || len(args) > most {
			return usageError{fmt.Errorf("want %d to %d arguments, got %d: %s", least, most, len(args), c.UseLine())}
		}
		return nil
	}
}

func dataShow(s *settings) *cobra.Command {
	var prefix string
	c := &cobra.Command{
		Use: "show MODEL [REF]", Short: "Show a commit and the object versions it pins", Long: addresses, Args: between(1, 2),
		RunE: func(c *cobra.Command, args []string) error {
			_, repository, err := s.open(c, args)
			if err != nil {
				return err
			}
			commit, err := repository.Resolve(c.Context(), refOf(args))
			if err != nil {
				return err
			}
			if err := needPrefix(c, repository, "show "+refOf(args), prefix, refOf(args)); err != nil {
				return err
			}
			entries, err := repository.Entries(c.Context(), commit.ID, prefix)
			if err != nil {
				return err
			}
			view := struct {
				commitView
				Entries []dataset.Entry `json:"entries"`
			}{viewOf(commit), entries}
			return s.print(c, view, func(w io.Writer) {
				printCommit(w, view.commitView)
				fmt.Fprintln(w, "\nKEY\tVERSION\tBYTES\tCHECKSUM")
				for _, e := range entries {
					fmt.Fprintf(w, "%s\t%s\t%d\t%s %s\n", shown(e.Key), e.VersionID, e.Size, e.ChecksumAlgorithm, e.Checksum)
				}
			})
		},
	}
	c.Flags().StringVar(&prefix, "prefix", "", "only keys that start with this")
	return c
}

func dataLs(s *settings) *cobra.Command {
	var prefix string
	var most int
	c := &cobra.Command{
		Use: "ls MODEL [REF]", Short: "List a version's folders and objects below a prefix, with their sums", Long: addresses, Args: between(1, 2),
		RunE: func(c *cobra.Command, args []string) error {
			if most < 0 {
				return usageError{fmt.Errorf("-n %d: want 0 or more; 0 is all", most)}
			}
			_, repository, err := s.open(c, args)
			if err != nil {
				return err
			}
			commit, err := repository.Resolve(c.Context(), refOf(args))
			if err != nil {
				return err
			}
			if err := needPrefix(c, repository, "list "+refOf(args), prefix, refOf(args)); err != nil {
				return err
			}
			items, err := repository.List(c.Context(), commit.ID, prefix, most)
			if err != nil {
				return err
			}
			total, err := repository.Total(c.Context(), commit.ID, prefix)
			if err != nil {
				return err
			}
			view := struct {
				Commit string         `json:"commit"`
				Items  []dataset.Item `json:"items"`
				Total  dataset.Totals `json:"total"`
			}{commit.ID, items, total}
			return s.print(c, view, func(w io.Writer) {
				fmt.Fprintln(w, "OBJECTS\tBYTES\tNAME")
				for _, i := range items {
					fmt.Fprintf(w, "%d\t%d\t%s\n", i.Objects, i.Bytes, shown(i.Name))
				}
				fmt.Fprintf(w, "%d\t%d\tin all\n", total.Objects, total.Bytes)
			})
		},
	}
	c.Flags().StringVar(&prefix, "prefix", "", "only keys that start with this")
	c.Flags().IntVarP(&most, "most", "n", 1000, "how many lines at the most; 0 is all")
	return c
}

// needPrefix is NotFound where none of the refs has a key that begins with a
// prefix, as of checkout: it may be mistyped.
func needPrefix(c *cobra.Command, repository *dataset.Repository, op, prefix string, refs ...string) error {
	if prefix == "" {
		return nil
	}
	for _, ref := range refs {
		total, err := repository.Total(c.Context(), ref, prefix)
		if err != nil || total.Objects > 0 {
			return err
		}
	}
	return fault.New(fault.NotFound, op, "no key of %s begins with %q", strings.Join(refs, " or "), prefix).
		WithHint("keys are spelled in full, e.g. raw/MODEL/part.csv; list them: sluice data ls MODEL %s", refs[0])
}

// madeView is the head that a command left, and whether it moved the branch there.
type madeView struct {
	commitView
	Moved bool `json:"moved"`
}

// made prints what came of a commit.
func (s *settings) made(c *cobra.Command, branch string, m dataset.Merged) error {
	view := madeView{viewOf(m.Commit), m.Moved}
	return s.print(c, view, func(w io.Writer) {
		if !m.Moved {
			fmt.Fprintf(w, "nothing to commit: branch %s holds it all already\n", branch)
		}
		printCommit(w, view.commitView)
	})
}

// existingBase is the error of a --base that names nothing, also where it would not
// be used because the branch exists. That it is not used is told: no error, because
// a command that is run again finds the branch that it made.
func existingBase(c *cobra.Command, repository *dataset.Repository, branch, base string) error {
	if base == "" {
		return nil
	}
	if _, err := repository.Resolve(c.Context(), base); err != nil {
		return fault.Wrap(fault.Invalid, "start at --base "+base, err)
	}
	if _, err := repository.Head(c.Context(), branch); err == nil {
		fmt.Fprintf(c.ErrOrStderr(), "sluice: branch %s exists and goes on from its head: --base %s is not used\n", branch, base)
	}
	return nil
}

// setPrefix refuses a --prefix that is given and empty, where that does not mean
// everything, and one below which no key can lie.
func setPrefix(c *cobra.Command, prefix string) error {
	switch {
	case prefix == "" && c.Flags().Changed("prefix"):
		return usageError{errors.New(`--prefix "": want a prefix of keys, e.g. raw/MODEL/; without the flag it is the model's raw prefix`)}
	case strings.HasPrefix(prefix, "/"):
		return usageError{fmt.Errorf(`--prefix %q: no key of a dataset begins with "/": leave it off`, prefix)}
	}
	return nil
}

// about is what a new commit says of itself.
type about struct {
	message string
	author  string
	meta    []string
}

func (a *about) flags(c *cobra.Command) {
	c.Flags().StringVarP(&a.message, "message", "m", "", "what the commit is for")
	c.Flags().StringVar(&a.author, "author", whoami(), "who makes it")
	c.Flags().StringArrayVar(&a.meta, "meta", nil, "NAME=VALUE kept in the commit, e.g. the git commit; repeat")
}

func whoami() string {
	if u, err := user.Current(); err == nil {
		return u.Username
	}
	return "operator"
}

func (a *about) metadata() (map[string]string, error) {
	metadata := map[string]string{}
	for _, text := range a.meta {
		name, value, ok := cut(text)
		if !ok {
			return nil, usageError{fmt.Errorf("--meta %q: want NAME=VALUE", text)}
		}
		metadata[name] = value
	}
	if len(metadata) == 0 {
		return nil, nil
	}
	return metadata, nil
}
