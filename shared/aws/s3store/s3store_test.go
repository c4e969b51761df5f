package s3store_test

import (
	"bytes"
	"io"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sluice-ml/sluice/shared/aws/s3store"
	"github.com/sluice-ml/sluice/shared/aws/s3store/s3test"
	"github.com/sluice-ml/sluice/shared/fault"
	"github.com/sluice-ml/sluice/shared/ref"
	"github.com/sluice-ml/sluice/shared/ref/reftest"
)

func TestMain(m *testing.M) { s3test.Main(m) }

func TestRefsPassTheSuite(t *testing.T) {
	store := s3store.New(s3test.Client(t))
	reftest.Run(t, func(t *testing.T) ref.Store { return store.Refs(s3test.Bucket(t), "some/prefix/") })
}

func TestVersionsByURI(t *testing.T) {
	store, bucket := s3store.New(s3test.Client(t)), s3test.Bucket(t)
	first, err := store.Put(t.Context(), bucket, "raw/m/a.csv", []byte("one"))
	require.NoError(t, err)
	require.NotEmpty(t, first.VersionID)
	second, err := store.Put(t.Context(), bucket, "raw/m/a.csv", []byte("second"))
	require.NoError(t, err)
	require.NotEqual(t, first.VersionID, second.VersionID)

	body, info, err := store.GetURI(t.Context(), s3store.VersionURI(bucket, "raw/m/a.csv", first.VersionID))
	require.NoError(t, err)
	require.Equal(t, "one", string(body))
	require.Equal(t, first.VersionID, info.VersionID)
	body, info, err = store.GetURI(t.Context(), "s3://"+bucket+"/raw/m/a.csv")
	require.NoError(t, err)
	require.Equal(t, "second", string(body))
	require.Equal(t, second.ETag, info.ETag)

	versions, err := store.ListVersions(t.Context(), bucket, "raw/")
	require.NoError(t, err)
	require.Len(t, versions, 2)
	require.Equal(t, second.VersionID, versions[0].VersionID)
	require.True(t, versions[0].IsLatest)

	head, err := store.Head(t.Context(), bucket, "raw/m/a.csv", first.VersionID)
	require.NoError(t, err)
	require.EqualValues(t, 3, head.Size)
	require.NotEmpty(t, head.Checksum.Value)
	require.NotEmpty(t, head.Checksum.Algorithm)
}

func TestDeleteLeavesHistory(t *testing.T) {
	store, bucket := s3store.New(s3test.Client(t)), s3test.Bucket(t)
	put, err := store.Put(t.Context(), bucket, "k", []byte("one"))
	require.NoError(t, err)
	require.NoError(t, store.Delete(t.Context(), bucket, "k", ""))
	_, _, err = store.Get(t.Context(), bucket, "k", "")
	require.Equal(t, fault.NotFound, fault.KindOf(err))
	body, _, err := store.Get(t.Context(), bucket, "k", put.VersionID)
	require.NoError(t, err)
	require.Equal(t, "one", string(body))
	versions, err := store.ListVersions(t.Context(), bucket, "k")
	require.NoError(t, err)
	require.True(t, versions[0].DeleteMarker)
	_, _, err = store.Get(t.Context(), bucket, "k", versions[0].VersionID)
	require.Equal(t, fault.NotFound, fault.KindOf(err), "%v", err)
	require.NoError(t, store.Delete(t.Context(), bucket, "k", put.VersionID))
	_, _, err = store.Get(t.Context(), bucket, "k", put.VersionID)
	require.Equal(t, fault.NotFound, fault.KindOf(err), "%v", err)
}

func TestConditionalWrites(t *testing.T) {
	store, bucket := s3store.New(s3test.Client(t)), s3test.Bucket(t)
	first, err := store.PutIfAbsent(t.Context(), bucket, "k", []byte("one"))
	require.NoError(t, err)
	_, err = store.PutIfAbsent(t.Context(), bucket, "k", []byte("two"))
	require.Equal(t, fault.Conflict, fault.KindOf(err), "%v", err)
	_, err = store.PutIfMatch(t.Context(), bucket, "k", []byte("two"), first.ETag)
	require.NoError(t, err)
	_, err = store.PutIfMatch(t.Context(), bucket, "k", []byte("three"), first.ETag)
	require.Equal(t, fault.Conflict, fault.KindOf(err), "%v", err)
	_, err = store.PutOnce(t.Context(), bucket, "k", []byte("two"))
	require.NoError(t, err)
	_, err = store.PutOnce(t.Context(), bucket, "k", []byte("other"))
	require.Equal(t, fault.Conflict, fault.KindOf(err), "%v", err)
}

func TestReaderAtPinsItsVersion(t *testing.T) {
	store, bucket := s3store.New(s3test.Client(t)), s3test.Bucket(t)
	content := bytes.Repeat([]byte("0123456789"), 100)
	_, err := store.Put(t.Context(), bucket, "k", content)
	require.NoError(t, err)
	r, err := store.ReaderAt(t.Context(), bucket, "k", "")
	require.NoError(t, err)
	_, err = store.Put(t.Context(), bucket, "k", []byte("replaced"))
	require.NoError(t, err)
	require.EqualValues(t, 1000, r.Size())
	p := make([]byte, 10)
	n, err := r.ReadAt(p, 995)
	require.Equal(t, io.EOF, err)
	require.Equal(t, "56789", string(p[:n]))
	_, err = r.ReadAt(p, 1000)
	require.Equal(t, io.EOF, err)
	all, err := io.ReadAll(io.NewSectionReader(r, 0, r.Size()))
	require.NoError(t, err)
	require.Equal(t, content, all)
}

func TestMissingThings(t *testing.T) {
	store, bucket := s3store.New(s3test.Client(t)), s3test.Bucket(t)
	_, _, err := store.Get(t.Context(), bucket, "none", "")
	require.Equal(t, fault.NotFound, fault.KindOf(err))
	require.ErrorContains(t, err, "read s3://"+bucket+"/none")
	_, _, err = store.Get(t.Context(), "no-such-bucket", "none", "")
	require.Equal(t, fault.NotFound, fault.KindOf(err))
	require.ErrorContains(t, err, "SLUICE_STORE_BUCKET")
	_, err = store.PutIfMatch(t.Context(), "no-such-bucket", "none", nil, "0123")
	require.Equal(t, fault.NotFound, fault.KindOf(err))
	for _, uri := range []string{"", "k", "s3://", "s3://b", "s3://b/", "https://b/k"} {
		_, _, err = store.GetURI(t.Context(), uri)
		require.Equal(t, fault.Invalid, fault.KindOf(err), uri)
	}
}

func FuzzParseURI(f *testing.F) {
	f.Add("s3://b/k?versionId=v")
	f.Fuzz(func(t *testing.T, uri string) {
		bucket, key, version, err := s3store.ParseURI(uri)
		if err == nil && version != "" {
			require.Equal(t, uri, s3store.VersionURI(bucket, key, version))
		}
	})
}
