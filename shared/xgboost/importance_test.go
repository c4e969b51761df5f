package xgboost_test

import (
	"encoding/json"
	"fmt"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sluice-ml/sluice/shared/xgboost"
	"github.com/sluice-ml/sluice/shared/xgboost/xgboosttest"
)

// TestImportanceIsPythons: scripts/golden/importance.py.
func TestImportanceIsPythons(t *testing.T) {
	var golden struct {
		Scores map[string]map[string]float64
	}
	data, err := os.ReadFile("testdata/importance.json")
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(data, &golden))
	model, err := os.ReadFile("testdata/importance.ubj")
	require.NoError(t, err)
	booster, err := xgboosttest.Open(t).LoadBooster(model)
	require.NoError(t, err)
	defer booster.Close()
	for _, kind := range xgboost.ImportanceTypes() {
		got, err := booster.Importance(kind)
		require.NoError(t, err)
		require.Len(t, got, 5, "the constant feature is left out")
		for position, score := range got {
			require.Equal(t, golden.Scores[kind][fmt.Sprint("f", position)], score, "%s of feature %d", kind, position)
		}
	}
	_, err = booster.Importance("luck")
	require.ErrorContains(t, err, "score the features by luck")
}
