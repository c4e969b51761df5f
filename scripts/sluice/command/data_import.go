package command

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sluice-ml/sluice/scripts/sluice/operator"
	"github.com/sluice-ml/sluice/shared/aws/s3store"
	"github.com/sluice-ml/sluice/shared/dataset"
	"github.com/sluice-ml/sluice/shared/dvc"
	"github.com/sluice-ml/sluice/shared/fault"
)

func dataImport(s *settings) *cobra.Command {
	c := group("import", "Commit dataset versions that another tool keeps on S3", importDVC(s), importLakeFS(s))
	c.Long = "Commit dataset versions that another tool keeps on S3. The objects stay where\nthey are: an import looks at each version, and pins it."
	return c
}

// dvcImport is which of a DVC file's targets are imported, and from where.
type dvcImport struct {
	landing
	remotes []string
	outs    []string
	stages  []string
	seen    map[string]bool // the "--out PATH" and "--stage NAME" that the files have
}

// unused refuses an --out or a --stage that no file has.
func (x *dvcImport) unused(files []string) error {
	for flag, values := range map[string][]string{"--out": x.outs, "--stage": x.stages} {
		for _, value := range values {
			if !x.seen[flag+" "+value] {
				return fault.New(fault.Invalid, "import "+strings.Join(files, " "), "no file of these has what %s %s names", flag, value).
					WithHint("outs are spelled as in the file; only a dvc.lock has stages, a .dvc file has none; without the flag all is imported")
			}
		}
	}
	return nil
}

// note keeps what a file has.
func (x *dvcImport) note(targets []dvc.Target) {
	if x.seen == nil {
		x.seen = map[string]bool{}
	}
	for _, t := range targets {
		x.seen["--out "+t.Path], x.seen["--stage "+t.Stage] = true, true
	}
}

func importDVC(s *settings) *cobra.Command {
	var x dvcImport
	c := &cobra.Command{
		Use: "dvc MODEL BRANCH FILE...", Short: "Commit what DVC's cloud-versioned .dvc files and dvc.lock pin",
		Long: `Commit what DVC's cloud-versioned files pin: a .dvc file that
    dvc import-url --version-aware s3://LAKE/PREFIX
wrote (it pins its source), and a .dvc file or dvc.lock whose outs were pushed to
a remote with version_aware = true. The remote's URL comes from the repository's
.dvc/config and .dvc/config.local, or from --remote.

The object versions must lie in the lake's bucket. Each is looked at and compared
with the size and the ETag that the file gives; no byte is moved.`,
		Example: "  sluice data import dvc adult main data/train.dvc\n  sluice data import dvc adult main dvc.lock --stage featurize --out features",
		Args:    atLeast(3),
		RunE: func(c *cobra.Command, args []string) error {
			client, repository, err := s.open(c, args)
			if err != nil {
				return err
			}
			var claims []claim
			for _, name := range args[2:] {
				more, err := x.claims(client.Lake, name)
				if err != nil {
					return err
				}
				claims = append(claims, more...)
			}
			if err := x.unused(args[2:]); err != nil {
				return err
			}
			entries, err := s.verify(c, client, claims)
			if err != nil {
				return err
			}
			return s.land(c, client, repository, args[1], x.landing, entries, map[string]string{"source": "dvc " + strings.Join(args[2:], " ")})
		},
	}
	c.Flags().StringArrayVar(&x.remotes, "remote", nil, "NAME=s3://BUCKET/PREFIX of a DVC remote; repeat")
	c.Flags().StringArrayVar(&x.outs, "out", nil, "only this out or dep, as the file spells its path; repeat (default: all)")
	c.Flags().StringArrayVar(&x.stages, "stage", nil, "only this stage of a dvc.lock; repeat (default: all)")
	x.flags(c)
	return c
}

func atLeast(n int) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		if len(args) < n {
			return usageError{fmt.Errorf("want at least %d arguments, got %d: %s", n, len(args), c.UseLine())}
		}
		return nil
	}
}

// claims reads a DVC file.
func (x *dvcImport) claims(lake, name string) ([]claim, error) {
	text, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	targets, err := dvc.Parse(name, text)
	if err != nil {
		return nil, err
	}
	x.note(targets)
	targets = slices.DeleteFunc(targets, func(t dvc.Target) bool {
		return len(x.outs) > 0 && !slices.Contains(x.outs, t.Path) || t.Stage != "" && len(x.stages) > 0 && !slices.Contains(x.stages, t.Stage)
	})
	if len(targets) == 0 {
		return nil, fault.New(fault.Invalid, "import "+name, "it has no such stage or out").WithHint("leave --stage and --out off to import all of it")
	}
	config, folder, err := x.repository(name)
	if err != nil {
		return nil, err
	}
	var claims []claim
	for _, t := range targets {
		if err := t.Check(); err != nil {
			return nil, err
		}
		objects, err := t.Locate(folder, config)
		if err != nil {
			return nil, err
		}
		for _, o := range objects {
			if o.Bucket != lake {
				return nil, elsewhere(o.Where, o.Bucket, lake)
			}
			claims = append(claims, claim{entryOf(o), o.Where})
		}
	}
	return claims, nil
}

// entryOf is what DVC says of an object. Where the ETag is the content's MD5, it
// says it twice.
func entryOf(o dvc.Object) dataset.Entry {
	e := dataset.Entry{Key: o.Key, VersionID: o.VersionID, ETag: o.ETag, Size: o.Size}
	if o.MD5 != "" && o.MD5 != o.ETag {
		e.Metadata = map[string]string{"md5": o.MD5}
	}
	return e
}

func elsewhere(where, bucket, lake string) error {
	return fault.New(fault.Invalid, where, "its versions lie in the bucket %s, and a commit pins those of the lake %s", bucket, lake).
		WithHint("copy them there (aws s3 sync) and import from there")
}

// repository finds the DVC repository that a file belongs to: its remotes, and
// the file's folder below its root. A file outside of any needs no repository as
// long as it names no remote.
func (x *dvcImport) repository(name string) (dvc.Config, string, error) {
	config := dvc.Config{Remotes: map[string]string{}}
	absolute, err := filepath.Abs(name)
	if err != nil {
		return config, "", err
	}
	root := filepath.Dir(absolute)
	for !isFolder(filepath.Join(root, ".dvc")) && filepath.Dir(root) != root {
		root = filepath.Dir(root)
	}
	folder := "."
	if isFolder(filepath.Join(root, ".dvc")) {
		if folder, err = filepath.Rel(root, filepath.Dir(absolute)); err != nil {
			return config, "", err
		}
		for _, file := range []string{"config", "config.local"} {
			path := filepath.Join(root, ".dvc", file)
			text, err := os.ReadFile(path)
			if errors.Is(err, fs.ErrNotExist) {
				continue
			}
			if err == nil {
				err = dvc.ParseConfig(&config, path, text)
			}
			if err != nil {
				return config, "", err
			}
		}
	}
	for _, text := range x.remotes {
		remote, url, ok := cut(text)
		if !ok || url == "" {
			return config, "", usageError{fmt.Errorf("--remote %q: want NAME=s3://BUCKET/PREFIX", text)}
		}
		config.Remotes[remote] = url
	}
	return config, filepath.ToSlash(folder), nil
}

func isFolder(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

func dataExport(s *settings) *cobra.Command {
	c := group("export", "Write a version for another tool to fetch from S3", exportDVC(s))
	c.Long = "Write a version for another tool to fetch from S3. The objects stay where they\nare."
	return c
}

func exportDVC(s *settings) *cobra.Command {
	var prefix string
	var force bool
	c := &cobra.Command{
		Use: "dvc MODEL REF FILE.dvc", Short: "Write a .dvc file that pins a version's objects",
		Long: `Write a .dvc file that pins a version's objects, as
    dvc import-url --version-aware --no-download
would: dvc pull fetches just these versions into a folder of the file's name,
dvc commit then makes the working copy's hashes DVC's own, and dvc update moves
on to the bucket's latest. The file tracks one folder of the bucket: the deepest
that holds the whole version, or --prefix.

` + addresses,
		Example: "  sluice data export dvc adult v1.2 data/train.dvc --prefix raw/adult/train/ && cd data && dvc pull train.dvc",
		Args:    exactly(3),
		RunE: func(c *cobra.Command, args []string) error {
			client, repository, err := s.open(c, args)
			if err != nil {
				return err
			}
			name := args[2]
			out, ok := strings.CutSuffix(filepath.Base(name), ".dvc")
			if !ok {
				return usageError{fmt.Errorf("%q: want a file that ends in .dvc", name)}
			}
			commit, err := repository.Resolve(c.Context(), args[1])
			if err != nil {
				return err
			}
			if !c.Flags().Changed("prefix") {
				if prefix, err = deepest(c, repository, commit); err != nil {
					return err
				}
			}
			x := dvc.Export{Bucket: client.Lake, Prefix: prefix, Out: out, Desc: fmt.Sprintf("%s of dataset %s, commit %s", args[1], args[0], commit.ID)}
			text, err := dvc.Format(x, repository.Each(c.Context(), commit.ID, prefix))
			if err != nil {
				return err
			}
			if err := allThere(c, client, repository, commit, prefix); err != nil {
				return err
			}
			if err := writeNew(name, text, force); err != nil {
				return err
			}
			return s.exported(c, repository, commit, prefix, name)
		},
	}
	c.Flags().StringVar(&prefix, "prefix", "", `the folder of the bucket to track, ending in "/", or one object's key`)
	c.Flags().BoolVar(&force, "force", false, "replace the file if it is there")
	return c
}

// allThere is NotFound where the lake does not have a version that a commit pins:
// nobody could fetch what the file says. It costs a listing of the versions.
func allThere(c *cobra.Command, client *operator.Client, repository *dataset.Repository, commit dataset.Commit, prefix string) error {
	stored, err := client.StoredVersions(c.Context(), prefix)
	if err != nil {
		return err
	}
	for e, err := range repository.Each(c.Context(), commit.ID, prefix) {
		if err != nil {
			return err
		}
		if !slices.ContainsFunc(stored[e.Key], func(v s3store.Version) bool { return v.VersionID == e.VersionID }) {
			return fault.New(fault.NotFound, "export "+e.Key, "its pinned version %s is gone, so that dvc pull could not fetch it", e.VersionID).
				WithHint("a lifecycle rule or a person deleted it for good; export a --prefix or a REF without it, or put the object there again and commit it")
		}
	}
	return nil
}

// deepest is the deepest folder that holds all of a commit: that of its first
// key, as far up as the commit's objects ask.
func deepest(c *cobra.Command, repository *dataset.Repository, commit dataset.Commit) (string, error) {
	items, err := repository.List(c.Context(), commit.ID, "", 2)
	for err == nil && len(items) == 1 && items[0].Folder {
		prefix := items[0].Name
		if items, err = repository.List(c.Context(), commit.ID, prefix, 2); err == nil && (len(items) != 1 || !items[0].Folder) {
			return prefix, nil
		}
	}
	return "", err
}

// writeNew writes a file whole or not at all.
func writeNew(name string, text []byte, force bool) error {
	if _, err := os.Lstat(name); err == nil && !force {
		return fault.New(fault.Conflict, "write "+name, "it is there already").WithHint("replace it with --force")
	}
	temporary := name + ".sluice-partial"
	err := os.WriteFile(temporary, text, 0o644)
	if err == nil {
		err = os.Rename(temporary, name)
	}
	if err != nil {
		_ = os.Remove(temporary)
		return fault.New(fault.Invalid, "write "+name, "%w", err)
	}
	return nil
}

func (s *settings) exported(c *cobra.Command, repository *dataset.Repository, commit dataset.Commit, prefix, name string) error {
	total, err := repository.Total(c.Context(), commit.ID, prefix)
	if err != nil {
		return err
	}
	view := struct {
		File   string         `json:"file"`
		Commit string         `json:"commit"`
		Prefix string         `json:"prefix"`
		Total  dataset.Totals `json:"total"`
	}{name, commit.ID, prefix, total}
	return s.print(c, view, func(w io.Writer) {
		fmt.Fprintf(w, "%s pins %d objects, %d bytes, of commit %.12s\n", name, total.Objects, total.Bytes, commit.ID)
	})
}
