package dataset_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sluice-ml/sluice/shared/dataset"
	"github.com/sluice-ml/sluice/shared/fault"
	"github.com/sluice-ml/sluice/shared/ref"
)

func TestLifecycleRulesThatWouldEatTheData(t *testing.T) {
	r := dataset.New(ref.NewMemory())
	entries := []dataset.Entry{entry("logs/a", 1), entry("raw/m/a", 1), entry("raw/m/b", 50)}
	commit(t, r, "main", put(entries...))
	for name, c := range map[string]struct {
		rule    dataset.LifecycleRule
		objects int
	}{
		"the whole bucket": {dataset.LifecycleRule{ID: "all", Days: 30}, 3},
		"a prefix":         {dataset.LifecycleRule{ID: "raw", Prefix: "raw/", Days: 1, Newer: 3}, 2},
		"another prefix":   {dataset.LifecycleRule{ID: "tmp", Prefix: "tmp/", Days: 1}, 0},
		"large ones":       {dataset.LifecycleRule{ID: "large", Days: 1, LargerThan: 149}, 1},
		"small ones":       {dataset.LifecycleRule{ID: "small", Days: 1, SmallerThan: 150}, 2},
		"tagged ones":      {dataset.LifecycleRule{ID: "tagged", Days: 1, Tagged: true}, 3},
	} {
		dangers, err := r.AuditLifecycle(t.Context(), []dataset.LifecycleRule{c.rule}, "main")
		require.NoError(t, err, name)
		err = dataset.CheckLifecycle([]dataset.LifecycleRule{c.rule}, entries)
		if c.objects == 0 {
			require.Empty(t, dangers, name)
			require.NoError(t, err, name)
			continue
		}
		require.Equal(t, c.objects, dangers[0].Objects, name)
		requireKind(t, fault.Invalid, err)
		require.ErrorContains(t, err, "pin "+dangers[0].First+`: lifecycle rule "`+c.rule.ID)
	}
}
