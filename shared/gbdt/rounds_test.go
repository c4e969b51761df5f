package gbdt

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestBestRound(t *testing.T) {
	m, err := Load(golden(t)["partition.json"])
	require.NoError(t, err)
	require.Equal(t, 8, m.Rounds())
	_, ok := m.BestRound()
	require.False(t, ok)
	m, err = Load(edited(t, "partition.json", func(learner, _ map[string]any) {
		learner["attributes"] = map[string]any{"best_iteration": "5", "best_score": "0.1"}
	}))
	require.NoError(t, err)
	best, ok := m.BestRound()
	require.True(t, ok)
	require.Equal(t, 5, best)
}

// TestSlicesAddUp: the trees of two slices are those of the whole.
func TestSlicesAddUp(t *testing.T) {
	m, err := Load(golden(t)["dart-softprob.json"])
	require.NoError(t, err)
	head, err := m.Slice(0, 3)
	require.NoError(t, err)
	rest, err := m.Slice(3, m.Rounds())
	require.NoError(t, err)
	require.Equal(t, m.Trees(), head.Trees()+rest.Trees())
	middle, err := rest.Slice(1, 2)
	require.NoError(t, err)
	require.Equal(t, m.Groups(), middle.Trees())
	rows := float32s(golden(t)["rows.f32"])
	direct, err := m.Slice(4, 5)
	require.NoError(t, err)
	want, got := make([]float32, len(rows)/8*4), make([]float32, len(rows)/8*4)
	direct.Margins(rows, want)
	middle.Margins(rows, got)
	require.Equal(t, want, got)
	for _, bad := range [][2]int{{-1, 1}, {2, 1}, {0, 9}} {
		_, err := m.Slice(bad[0], bad[1])
		require.ErrorContains(t, err, "it has 8")
	}
}
