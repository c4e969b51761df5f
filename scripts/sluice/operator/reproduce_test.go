package operator

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sluice-ml/sluice/shared/training"
)

func TestDifferencesAreNamed(t *testing.T) {
	before := training.Environment{DataHash: "a", XGBoost: "3.0.0", Threads: 4, Device: "cuda", Go: "go1.26", Params: map[string]string{"eta": "0.1", "gone": "1"}}
	require.Empty(t, Differences(before, before))
	now := training.Environment{DataHash: "b", XGBoost: "3.0.0", Threads: 2, Device: "cpu", Go: "go1.26", Params: map[string]string{"eta": "0.2", "new": "1"}}
	require.Equal(t, []Difference{{"data_hash", "a", "b"}, {"threads", "4", "2"}, {"device", "cuda", "cpu"},
		{"params.eta", "0.1", "0.2"}, {"params.gone", "1", ""}, {"params.new", "", "1"}}, Differences(before, now))
}

func TestExplain(t *testing.T) {
	for want, r := range map[string]Reproduction{
		"the bytes are the same":        {Same: true, SameTrees: true},
		"the trees are the same":        {SameTrees: true, Differences: []Difference{{"go", "1", "2"}}},
		"nothing that environment.json": {},
		"1 of what environment.json":    {Differences: []Difference{{"threads", "1", "2"}}},
	} {
		require.Contains(t, r.Explain(), want)
	}
}
