package training

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sluice-ml/sluice/shared/contract"
)

// TestBinsAndValuesGiveTheSameBytes: rows that XGBoost reads part by part into
// bins give the very files that a matrix of their values gives.
func TestBinsAndValuesGiveTheSameBytes(t *testing.T) {
	for _, c := range []struct {
		estimator, target string
		params            map[string]any
	}{
		{"XGBRegressor", "amount", map[string]any{"n_estimators": 20, "n_jobs": 2}},
		{"XGBRegressor", "amount", map[string]any{"n_estimators": 20, "n_jobs": 2, "max_bin": 16, "subsample": 0.7}},
		{"XGBClassifier", "kind", map[string]any{"n_estimators": 20, "n_jobs": 2, "objective": "multi:softprob", "grow_policy": "lossguide"}},
	} {
		for _, weight := range []string{"", "weight"} {
			config := goalConfigOf(t, c.estimator, c.target, c.params)
			config.Data.Weight = weight
			set := goalsData(t, config)
			var files [2]*memory
			for i, batch := range []int{0, 1} {
				files[i] = newMemory()
				trainer := trainer(t, files[i])
				trainer.Batch = batch
				require.NoError(t, trainer.Train(t.Context(), plan(config), config, set))
			}
			for _, name := range []string{contract.FileModel, contract.FileFolds, contract.FileMetrics} {
				require.NotEmpty(t, files[0].files[name])
				require.Equal(t, files[0].files[name], files[1].files[name], "%s %v %s", c.estimator, c.params, name)
			}
		}
	}
}
