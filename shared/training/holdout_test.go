package training

import (
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sluice-ml/sluice/shared/contract"
	"github.com/sluice-ml/sluice/shared/model"
	"github.com/sluice-ml/sluice/shared/rows"
	"github.com/sluice-ml/sluice/shared/trainconfig"
)

// attempt is a run whose rows are encoded.
func attempt(t *testing.T, config *trainconfig.Config, set *rows.Set) (*run, *matrix) {
	t.Helper()
	of := trainer(t, newMemory())
	r := &run{library: of.Library, store: of.Store, out: io.Discard, plan: plan(config), config: config, set: set, scratch: t.TempDir(), batch: 2000}
	t.Cleanup(r.close)
	train, err := r.prepare(t.Context(), 2)
	require.NoError(t, err)
	return r, train
}

// TestAHoldOutTrainsOnce: the only fold's best rounds are, byte for byte, what
// training again for so many rounds gives; where they would not be, it does.
func TestAHoldOutTrainsOnce(t *testing.T) {
	for params, once := range map[string]bool{
		"": true,
		"subsample: 0.6, colsample_bytree: 0.7, colsample_bynode: 0.8":         true,
		"tree_method: approx, subsample: 0.8":                                  true,
		"num_parallel_tree: 3, subsample: 0.5":                                 true,
		"grow_policy: lossguide, max_leaves: 6, monotone_constraints: [-1, 0]": true,
		"booster: dart, rate_drop: 0.3":                                        false,
	} {
		t.Run(params, func(t *testing.T) {
			for _, onDisk := range []bool{false, true} {
				text := strings.Replace(partings()["hold-out"], "n_jobs: 2", strings.TrimSuffix("n_jobs: 2, "+params, ", "), 1)
				config := parse(t, strings.Replace(text, "n_estimators: 15", "n_estimators: 40", 1))
				objects := inThree(t, false)
				set := load(t, config, objects)
				if onDisk {
					if strings.Contains(params, "approx") || strings.Contains(params, "dart") {
						continue // XGBoost has them in memory only
					}
					set = loadOnDisk(t, config, objects)
				}
				r, train := attempt(t, config, set)
				metrics, trees, err := r.crossValidate(t.Context(), train)
				require.NoError(t, err)
				require.Less(t, metrics.Rounds, 40, "it stopped early")
				require.Equal(t, once, trees != nil)
				if once {
					same(t, r, train, metrics.Rounds, trees)
				}
			}
		})
	}
	for estimator, target := range map[string]string{"XGBRegressor": "amount", "XGBClassifier": "kind", "XGBRanker": "grade"} {
		t.Run(estimator, func(t *testing.T) {
			params := map[string]any{"n_estimators": 30, "subsample": 0.7}
			if target == "kind" {
				params["objective"] = "multi:softprob"
			}
			config := goalConfigOf(t, estimator, target, params)
			config.Training.Folds = 1
			r, train := attempt(t, config, goalsData(t, config))
			metrics, trees, err := r.crossValidate(t.Context(), train)
			require.NoError(t, err)
			require.NotNil(t, trees)
			same(t, r, train, metrics.Rounds, trees)
		})
	}
}

func same(t *testing.T, r *run, train *matrix, rounds int, trees []byte) {
	t.Helper()
	again, err := r.learner().final(t.Context(), r.learnt(train), rounds)
	require.NoError(t, err)
	require.True(t, string(again) == string(trees), "%d rounds: %d and %d bytes", rounds, len(again), len(trees))
}

// smallest is a model of one tree.
func smallest(t *testing.T) []byte {
	t.Helper()
	config := parse(t, fmt.Sprintf(strings.Replace(salesConfig, "n_estimators: 15", "n_estimators: 1", 1), ", features: [price]", 2, ""))
	store := newMemory()
	require.NoError(t, trainer(t, store).Train(t.Context(), plan(config), config, load(t, config, sales(200))))
	trees, err := model.Trees(store.files[contract.FileModel])
	require.NoError(t, err)
	return trees
}
