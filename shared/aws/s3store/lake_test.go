package s3store_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluice-ml/sluice/shared/aws/s3store"
	"github.com/sluice-ml/sluice/shared/aws/s3store/s3test"
	"github.com/sluice-ml/sluice/shared/contract"
	"github.com/sluice-ml/sluice/shared/dataset"
	"github.com/sluice-ml/sluice/shared/fault"
)

func TestLake(t *testing.T) {
	store, bucket := s3store.New(s3test.Client(t)), s3test.Bucket(t)
	for _, key := range []string{"raw/m/a.csv", "raw/m/gone.csv", "raw/m/b.csv", "raw/other/c.csv", "raw/m/a.csv"} {
		_, err := store.Put(t.Context(), bucket, key, []byte(key+" content"))
		require.NoError(t, err)
	}
	require.NoError(t, store.Delete(t.Context(), bucket, "raw/m/gone.csv", ""))
	lake := store.Lake(bucket)
	latest, err := lake.Latest(t.Context(), "raw/m/")
	require.NoError(t, err)
	require.Len(t, latest, 2)
	require.Equal(t, "raw/m/a.csv", latest[0].Key)

	pinned, err := dataset.Pin(t.Context(), lake, []contract.ObjectVersion{{Key: latest[0].Key, VersionID: latest[0].VersionID}})
	require.NoError(t, err)
	require.NotEmpty(t, pinned[0].Checksum)
	require.EqualValues(t, len("raw/m/a.csv content"), pinned[0].Size)

	repository := dataset.New(store.Refs(bucket, contract.DatasetPrefix("m")))
	c, err := repository.Commit(t.Context(), dataset.Request{Branch: "main", Changes: dataset.Changes{Puts: pinned},
		Time: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)})
	require.NoError(t, err)
	entries, err := repository.Entries(t.Context(), c.ID[:8], "raw/")
	require.NoError(t, err)
	require.Equal(t, pinned, entries)

	require.NoError(t, store.Delete(t.Context(), bucket, latest[0].Key, latest[0].VersionID))
	_, err = dataset.Pin(t.Context(), lake, []contract.ObjectVersion{{Key: latest[0].Key, VersionID: latest[0].VersionID}})
	require.Equal(t, fault.NotFound, fault.KindOf(err))
	require.ErrorContains(t, err, "pin raw/m/a.csv: its version "+latest[0].VersionID+" is gone")
}
