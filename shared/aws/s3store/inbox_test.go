package s3store_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sluice-ml/sluice/shared/aws/s3store"
	"github.com/sluice-ml/sluice/shared/aws/s3store/s3test"
	"github.com/sluice-ml/sluice/shared/intake"
	"github.com/sluice-ml/sluice/shared/intake/intaketest"
	"github.com/sluice-ml/sluice/shared/ref"
)

func TestInboxPassesTheSuite(t *testing.T) {
	store := s3store.New(s3test.Client(t))
	intaketest.Run(t, 1234, func(t *testing.T) (ref.Store, intake.Inbox) {
		bucket := s3test.Bucket(t)
		return store.Refs(bucket, ""), store.Inbox(bucket)
	})
}

func TestRemovingLeavesNothing(t *testing.T) {
	store, bucket := s3store.New(s3test.Client(t)), s3test.Bucket(t)
	_, err := store.PutIfAbsent(t.Context(), bucket, "p/a", []byte("x"))
	require.NoError(t, err)
	require.NoError(t, store.Inbox(bucket).Remove(t.Context(), "p/", func(string) bool { return true }))
	versions, err := store.ListVersions(t.Context(), bucket, "p/")
	require.NoError(t, err)
	require.Empty(t, versions, "no delete marker")
}

func TestBelow(t *testing.T) {
	store, bucket := s3store.New(s3test.Client(t)), s3test.Bucket(t)
	for _, key := range []string{"intake/a.json", "intake/b/inbox/x", "intake/a/inbox/x", "intake/a/inbox/y", "other"} {
		_, err := store.Put(t.Context(), bucket, key, []byte("x"))
		require.NoError(t, err)
	}
	names, err := store.Below(t.Context(), bucket, "intake/")
	require.NoError(t, err)
	require.Equal(t, []string{"a.json", "a/", "b/"}, names)
}
