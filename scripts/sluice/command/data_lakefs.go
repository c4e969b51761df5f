package command

import (
	"context"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sluice-ml/sluice/scripts/sluice/operator"
	"github.com/sluice-ml/sluice/shared/aws/s3store"
	"github.com/sluice-ml/sluice/shared/dataset"
	"github.com/sluice-ml/sluice/shared/fault"
	"github.com/sluice-ml/sluice/shared/lakefs"
)

// lakefsImport is a lakeFS ref.
type lakefsImport struct {
	landing
	url     string
	copyTo  string
	client  *operator.Client
	gateway *s3store.Store
	commit  lakefs.Commit
	repo    string
}

func importLakeFS(s *settings) *cobra.Command {
	var x lakefsImport
	c := &cobra.Command{
		Use: "lakefs MODEL BRANCH lakefs://REPOSITORY/REF[/PREFIX]", Short: "Commit the objects of a lakeFS ref",
		Long: `Commit the objects of a lakeFS ref: its commit is read over lakeFS's REST API,
and each object's physical address in the lake is pinned at the version that has
its size and checksum, so that it survives lakeFS's garbage collection. No byte
is moved. Keys are lakeFS's physical ones; the path is kept as the entry's
metadata lakefs.path. What a branch has not committed yet is not imported.

An object that does not lie in the lake's bucket is an error, or with --copy-to
it is fetched through lakeFS's S3 gateway and uploaded to the lake under that
prefix and its path.

The server is --url or LAKECTL_SERVER_ENDPOINT_URL, and the credentials are
LAKECTL_CREDENTIALS_ACCESS_KEY_ID and LAKECTL_CREDENTIALS_SECRET_ACCESS_KEY, as
for lakectl. This was tested with a server that answers as lakeFS's public API
description says, and was not run against lakeFS itself.`,
		Example: "  sluice data import lakefs adult main lakefs://census/v1.2/train/ --url https://lakefs.example.com",
		Args:    exactly(3),
		RunE: func(c *cobra.Command, args []string) error {
			client, repository, err := s.open(c, args)
			if err != nil {
				return err
			}
			x.client = client
			objects, prefix, err := x.objects(c, args[2])
			if err != nil {
				return err
			}
			entries := make([]dataset.Entry, len(objects))
			err = s.parallel(c, "found", len(objects), func(ctx context.Context, i int) (err error) {
				entries[i], err = x.entry(ctx, objects[i])
				return err
			})
			if err != nil {
				return err
			}
			if entries, err = distinct(entries); err != nil {
				return err
			}
			return s.land(c, client, repository, args[1], x.landing, entries, map[string]string{"source": args[2],
				"lakefs.commit": x.commit.ID, "lakefs.prefix": prefix, "lakefs.message": x.commit.Message})
		},
	}
	c.Flags().StringVar(&x.url, "url", os.Getenv("LAKECTL_SERVER_ENDPOINT_URL"), "the lakeFS server, e.g. https://lakefs.example.com")
	c.Flags().StringVar(&x.copyTo, "copy-to", "", "copy objects that lie elsewhere to the lake, under this prefix")
	x.flags(c)
	return c
}

// objects lists the ref's commit.
func (x *lakefsImport) objects(c *cobra.Command, uri string) ([]lakefs.Object, string, error) {
	repo, ref, prefix, err := lakefs.ParseURI(uri)
	if err != nil {
		return nil, "", usageError{err}
	}
	if x.url == "" {
		return nil, "", usageError{fmt.Errorf("no server: give --url, or set LAKECTL_SERVER_ENDPOINT_URL")}
	}
	access, secret := os.Getenv("LAKECTL_CREDENTIALS_ACCESS_KEY_ID"), os.Getenv("LAKECTL_CREDENTIALS_SECRET_ACCESS_KEY")
	api := operator.LakeFS(x.url, access, secret)
	x.repo, x.gateway = repo, operator.Gateway(strings.TrimSuffix(strings.TrimSuffix(x.url, "/"), "/api/v1"), access, secret)
	if x.commit, err = api.Resolve(c.Context(), repo, ref); err != nil {
		return nil, "", err
	}
	var objects []lakefs.Object
	for o, err := range api.Objects(c.Context(), repo, x.commit.ID, prefix) {
		if err != nil {
			return nil, "", err
		}
		objects = append(objects, o)
	}
	if len(objects) == 0 {
		return nil, "", fault.New(fault.NotFound, "import "+uri, "the commit %s has no objects there", x.commit.ID)
	}
	return objects, prefix, nil
}

// entry pins an object where it lies, or a copy of it.
func (x *lakefsImport) entry(ctx context.Context, o lakefs.Object) (dataset.Entry, error) {
	where := fmt.Sprintf("import lakefs://%s/%s/%s", x.repo, x.commit.ID, o.Path)
	bucket, key, onS3 := o.Location()
	var e dataset.Entry
	var err error
	switch {
	case onS3 && bucket == x.client.Lake:
		e, err = x.found(ctx, where, key, o)
	case x.copyTo == "":
		return e, fault.New(fault.Invalid, where, "it lies at %s, and a commit pins objects of the lake %s", o.PhysicalAddress, x.client.Lake).
			WithHint("copy it there through lakeFS's S3 gateway: --copy-to PREFIX/")
	default:
		e, err = x.copied(ctx, where, o)
	}
	if err != nil {
		return e, err
	}
	if e.VersionID == "" || e.VersionID == "null" {
		return e, fault.New(fault.Invalid, where, "%s has the version %q, which can be overwritten", e.Key, e.VersionID).
			WithHint("turn versioning on for the bucket, and let lakeFS write the object again, or import with a bucket that had it on")
	}
	e.Metadata = map[string]string{"lakefs.path": o.Path}
	return e, nil
}

// found is the version of an object at its physical address that has its size
// and checksum. The latest one nearly always is; lakeFS never writes a key twice.
func (x *lakefsImport) found(ctx context.Context, where, key string, o lakefs.Object) (dataset.Entry, error) {
	e, err := x.client.LakeSource().Stat(ctx, key, "")
	if err == nil && e.Size == *o.Size && e.ETag == o.Checksum {
		return e, nil
	}
	if err != nil && !fault.Is(err, fault.NotFound) {
		return e, fault.Wrap(fault.Unavailable, where, err)
	}
	stored, err := x.client.StoredVersions(ctx, key)
	if err != nil {
		return e, fault.Wrap(fault.Unavailable, where, err)
	}
	var fits []s3store.Version
	for _, v := range stored[key] {
		switch {
		case v.Size != *o.Size:
		case v.ETag == o.Checksum:
			return x.client.LakeSource().Stat(ctx, key, v.VersionID)
		default:
			fits = append(fits, v)
		}
	}
	switch {
	case len(stored[key]) == 0:
		return e, fault.New(fault.NotFound, where, "%s is gone, and the bucket has no version of it", key).
			WithHint("lakeFS's garbage collection or a lifecycle rule deleted it for good")
	case len(fits) == 1:
		// The only one of its size: an encrypted object's ETag is not its MD5.
		return x.client.LakeSource().Stat(ctx, key, fits[0].VersionID)
	}
	return e, fault.New(fault.Invalid, where, "none of the %d versions of %s has its %d bytes and its checksum %s for certain", len(stored[key]), key, *o.Size, o.Checksum).
		WithHint("somebody wrote over the object behind lakeFS's back; restore it, or leave it out with a prefix")
}

// copied is a copy of an object in the lake, made through lakeFS's S3 gateway. A
// copy that is there already is taken.
func (x *lakefsImport) copied(ctx context.Context, where string, o lakefs.Object) (dataset.Entry, error) {
	key := x.copyTo + o.Path
	e, err := x.client.LakeSource().Stat(ctx, key, "")
	if err == nil && e.Size == *o.Size && e.ETag == o.Checksum {
		return e, nil
	}
	if err != nil && !fault.Is(err, fault.NotFound) {
		return e, fault.Wrap(fault.Unavailable, where, err)
	}
	body, info, err := x.gateway.Get(ctx, x.repo, x.commit.ID+"/"+o.Path, "")
	switch {
	case err != nil:
		return e, fault.Wrap(fault.Unavailable, where, err)
	case int64(len(body)) != *o.Size || info.ETag != o.Checksum:
		return e, fault.New(fault.Invalid, where, "the gateway gives %d bytes with the ETag %s, and the API says %d and %s", len(body), info.ETag, *o.Size, o.Checksum)
	}
	put, err := x.client.Objects.Put(ctx, x.client.Lake, key, body)
	if err != nil {
		return e, err
	}
	return x.client.LakeSource().Stat(ctx, key, put.VersionID)
}
