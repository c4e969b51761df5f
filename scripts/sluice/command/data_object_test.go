package command

import (
	"context"
	"testing"

	"github.com/spf13/cobra"
	"github.com/stretchr/testify/require"

	"github.com/sluice-ml/sluice/shared/dataset"
	"github.com/sluice-ml/sluice/shared/fault"
)

// keyed is a lake whose latest versions are known, each called v1.
type keyed []string

func (k keyed) Latest(_ context.Context, prefix string) ([]dataset.Entry, error) {
	var found []dataset.Entry
	for _, key := range k {
		if key == prefix {
			found = append(found, dataset.Entry{Key: key, VersionID: "v1"})
		}
	}
	return found, nil
}

func (k keyed) Stat(_ context.Context, key, version string) (dataset.Entry, error) {
	for _, known := range k {
		if known == key && version == "v1" {
			return dataset.Entry{Key: key, VersionID: version}, nil
		}
	}
	return dataset.Entry{}, fault.New(fault.NotFound, "look at "+key, "gone")
}

// TestObjectsByKeyAndVersion: a key may hold an "@" as well.
func TestObjectsByKeyAndVersion(t *testing.T) {
	c := &cobra.Command{}
	c.SetContext(t.Context())
	lake := keyed{"a", "a@b.csv", "a@v1"}
	for text, want := range map[string][2]string{
		"a": {"a", "v1"}, "a@": {"a", "v1"}, "a@v9": {"a", "v9"}, "a@b.csv": {"a@b.csv", "v1"},
		"a@b.csv@": {"a@b.csv", "v1"}, "a@b.csv@v1": {"a@b.csv", "v1"}, "a@v1@": {"a@v1", "v1"},
	} {
		key, version, err := objectOf(c, lake, text)
		require.NoError(t, err, text)
		require.Equal(t, want, [2]string{key, version}, text)
	}
	_, _, err := objectOf(c, lake, "a@v1")
	require.Equal(t, fault.Invalid, fault.KindOf(err))
	require.ErrorContains(t, err, "write a@v1@ for the key's latest version")
	_, _, err = objectOf(c, lake, "none")
	require.Equal(t, fault.NotFound, fault.KindOf(err))
}
