package command

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sluice-ml/sluice/scripts/sluice/operator"
	"github.com/sluice-ml/sluice/shared/aws/s3store"
	"github.com/sluice-ml/sluice/shared/contract"
	"github.com/sluice-ml/sluice/shared/dataset"
	"github.com/sluice-ml/sluice/shared/delta"
	"github.com/sluice-ml/sluice/shared/fault"
)

func dataPin(s *settings) *cobra.Command {
	c := group("pin", "Commit a version of a table, so that it outlives the table's clean-ups", pinDelta(s))
	c.Long = "Commit a version of a table, so that it outlives the table's clean-ups. The\nobjects stay where they are: a pin looks at each version, and commits it."
	return c
}

// deltaPin is a version of a Delta table in the lake.
type deltaPin struct {
	landing
	version int64
	log     bool
	client  *operator.Client
	root    string // of the table: its folder in the lake, ending in "/"
	stored  map[string][]s3store.Version
}

func pinDelta(s *settings) *cobra.Command {
	var x deltaPin
	c := &cobra.Command{
		Use: "delta MODEL BRANCH TABLE", Short: "Commit the data files of a Delta table's version",
		Long: `Commit the data files of a version of the Delta table at TABLE, an
s3://LAKE/FOLDER/ or a folder of the lake. Each file's object version in the
bucket is pinned, also where a VACUUM has put a delete marker over it already, so
the commit still has all its bytes when the table has forgotten the version.

An entry has the rows that the table counts, less those that a deletion vector
marks, and metadata: partition.COLUMN, and for a deletion vector delta.deleted
(how many rows) and delta.vector (where: the vector's object, its VersionId, and
the bytes of it). Who reads the files of such a table must apply the vectors.

With --log the commit also holds the part of the log that the version needs, and
the vectors' files: check it out with --prefix FOLDER/, and the folder is a Delta
table with that version as its newest.`,
		Example: "  sluice data pin delta adult main s3://LAKE/tables/train/ --version 12",
		Args:    exactly(3),
		RunE: func(c *cobra.Command, args []string) error {
			client, repository, err := s.open(c, args)
			if err != nil {
				return err
			}
			x.client = client
			if x.root, err = folderOf(args[2], client.Lake); err != nil {
				return err
			}
			if x.version < 0 && c.Flags().Changed("version") {
				return usageError{fmt.Errorf("--version %d: want 0 or more", x.version)}
			}
			snapshot, err := delta.Read(c.Context(), client.DeltaTable(x.root), client.LakeURI(x.root), x.version)
			if err != nil {
				return err
			}
			claims, err := x.claims(c, snapshot)
			if err != nil {
				return err
			}
			entries, err := s.verify(c, client, claims)
			if err != nil {
				return err
			}
			return s.land(c, client, repository, args[1], x.landing, entries, x.source(snapshot))
		},
	}
	c.Flags().Int64Var(&x.version, "version", delta.Latest, "the table's version (default: its newest)")
	c.Flags().BoolVar(&x.log, "log", false, "commit the log and the deletion vectors too, so that a checkout is a Delta table")
	x.flags(c)
	return c
}

// folderOf is the folder of the lake that a URI or a key names; it ends in "/".
func folderOf(text, lake string) (string, error) {
	if strings.Contains(text, "://") {
		bucket, key, err := contract.ParseURI(strings.TrimSuffix(text, "/") + "/")
		if err != nil {
			return "", usageError{err}
		}
		if bucket != lake {
			return "", elsewhere(text, bucket, lake)
		}
		text = key
	}
	text = strings.Trim(text, "/")
	if text == "" {
		return "", nil
	}
	return text + "/", nil
}

func (x *deltaPin) source(s delta.Snapshot) map[string]string {
	source := map[string]string{"source": "delta " + x.client.LakeURI(x.root), "delta.version": strconv.FormatInt(s.Version, 10),
		"delta.table": s.TableID, "delta.protocol": s.Protocol.String()}
	if !s.Time.IsZero() {
		source["delta.time"] = s.Time.Format("2006-01-02T15:04:05.000Z")
	}
	if s.Operation != "" {
		source["delta.operation"] = s.Operation
	}
	return source
}

// claims finds the object versions of a snapshot's files.
func (x *deltaPin) claims(c *cobra.Command, s delta.Snapshot) ([]claim, error) {
	var err error
	if x.stored, err = x.client.StoredVersions(c.Context(), x.root); err != nil {
		return nil, err
	}
	claims := make([]claim, 0, len(s.Files))
	for _, f := range s.Files {
		k, err := x.file(c, f)
		if err != nil {
			return nil, err
		}
		claims = append(claims, k)
	}
	if !x.log {
		return claims, nil
	}
	vectors, err := x.vectors(c, s)
	if err != nil {
		return nil, err
	}
	claims = append(claims, vectors...)
	for _, name := range s.Log {
		version, err := x.find(c, name, name, -1)
		if err != nil {
			return nil, err
		}
		claims = append(claims, claim{dataset.Entry{Key: x.root + name, VersionID: version.VersionID, ETag: version.ETag, Size: version.Size}, name})
	}
	return claims, nil
}

// file is the claim of a data file.
func (x *deltaPin) file(c *cobra.Command, f delta.File) (claim, error) {
	version, err := x.find(c, f.Path, f.Where, f.Size)
	if err != nil {
		return claim{}, err
	}
	e := dataset.Entry{Key: version.Key, VersionID: version.VersionID, ETag: version.ETag, Size: f.Size, Rows: max(0, f.Rows), Metadata: map[string]string{}}
	for column, value := range f.Partition {
		e.Metadata["partition."+column] = value
	}
	if v := f.Vector; v != nil {
		e.Metadata["delta.deleted"] = strconv.FormatInt(v.Cardinality, 10)
		if e.Metadata["delta.vector"], err = x.vector(c, f); err != nil {
			return claim{}, err
		}
	}
	if len(e.Metadata) == 0 {
		e.Metadata = nil
	}
	return claim{e, f.Where}, nil
}

// mostInline is the longest inline vector that an entry's metadata holds.
const mostInline = 1024

// vector says where a deletion vector is: its object's version and the bytes of
// it, or itself.
func (x *deltaPin) vector(c *cobra.Command, f delta.File) (string, error) {
	v := f.Vector
	if v.File() == "" {
		if len(v.PathOrInlineDv) > mostInline && !x.log {
			return "", fault.New(fault.Invalid, "pin "+f.Path, "its deletion vector is inline and has %d characters, more than the %d that an entry keeps", len(v.PathOrInlineDv), mostInline).
				WithHint("pin the log with it: --log")
		}
		if len(v.PathOrInlineDv) > mostInline {
			return "in the log", nil
		}
		return "inline:" + v.PathOrInlineDv, nil
	}
	version, err := x.find(c, v.File(), f.Where, -1)
	if err != nil {
		return "", err
	}
	offset := int64(0)
	if v.Offset != nil {
		offset = *v.Offset
	}
	return fmt.Sprintf("%s#%d+%d", s3store.VersionURI(x.client.Lake, version.Key, version.VersionID), offset, v.SizeInBytes), nil
}

// vectors are the claims of the deletion vectors' files.
func (x *deltaPin) vectors(c *cobra.Command, s delta.Snapshot) ([]claim, error) {
	var claims []claim
	for _, f := range s.Files {
		if f.Vector == nil || f.Vector.File() == "" {
			continue
		}
		version, err := x.find(c, f.Vector.File(), f.Where, -1)
		if err != nil {
			return nil, err
		}
		claims = append(claims, claim{dataset.Entry{Key: version.Key, VersionID: version.VersionID, ETag: version.ETag, Size: version.Size}, f.Where})
	}
	return claims, nil
}

// find is the newest version of a table's file, of the given size where that is
// known. Delta never writes a data file's name twice, so that is the file that
// the log means.
func (x *deltaPin) find(c *cobra.Command, name, where string, size int64) (s3store.Version, error) {
	key := x.root + name
	if strings.Contains(name, "://") {
		bucket, inside, err := contract.ParseURI(name)
		if err != nil {
			return s3store.Version{}, fault.New(fault.Invalid, where, "%w", err)
		}
		if bucket != x.client.Lake {
			return s3store.Version{}, fault.New(fault.Invalid, where, "%s is a file of another bucket (a shallow clone's), and a commit pins those of the lake %s", name, x.client.Lake).
				WithHint("make a deep clone in the lake and pin that")
		}
		key = inside
		if _, known := x.stored[key]; !known {
			found, err := x.client.StoredVersions(c.Context(), key)
			if err != nil {
				return s3store.Version{}, err
			}
			x.stored[key] = found[key]
		}
	}
	for _, v := range x.stored[key] {
		if size < 0 || v.Size == size {
			return v, nil
		}
	}
	if found := x.stored[key]; len(found) > 0 {
		return s3store.Version{}, fault.New(fault.Invalid, where, "%s has %d bytes by the log, and %d in the bucket", key, size, found[0].Size).
			WithHint("somebody wrote over the table's file; restore its version from a backup")
	}
	return s3store.Version{}, fault.New(fault.NotFound, where, "%s is gone, and the bucket has no version of it", key).
		WithHint("a VACUUM deleted it before the bucket had versioning, or a lifecycle rule since; pin a newer version of the table")
}
