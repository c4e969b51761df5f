package training

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sluice-ml/sluice/shared/trainconfig"
)

func native(t *testing.T, params map[string]any) (map[string]string, *params, error) {
	t.Helper()
	c := trainconfig.Default()
	c.Model.Params = params
	p, err := nativeParams(c, []string{"age", "sex", "hours"}, 7, 4)
	values := map[string]string{}
	if err == nil {
		for _, param := range p.native {
			values[param.Name] = param.Value
		}
	}
	return values, p, err
}

func TestParamsGetTheirNativeNames(t *testing.T) {
	values, p, err := native(t, map[string]any{
		"n_estimators": int64(30), "learning_rate": 0.05, "reg_alpha": 1.0, "reg_lambda": int64(2), "gamma": 0.5,
		"device": "cuda", "importance_type": "gain", "enable_categorical": true, "one_drop": true,
		"monotone_constraints":    map[string]any{"hours": int64(1), "age": int64(-1)},
		"interaction_constraints": []any{[]any{"age", "hours"}, []any{"sex"}},
	})
	require.NoError(t, err)
	require.Equal(t, 30, p.rounds)
	require.Equal(t, 4, p.threads)
	require.Equal(t, map[string]string{
		"alpha": "1", "device": "cuda", "eta": "0.05", "eval_metric": "auc", "gamma": "0.5",
		"interaction_constraints": "[[0,2],[1]]", "lambda": "2", "monotone_constraints": "(-1,0,1)", "nthread": "4",
		"objective": "binary:logistic", "one_drop": "1", "seed": "7", "seed_per_iteration": "1",
	}, values)
}

func TestThreadsAndSeedCanBeConfigured(t *testing.T) {
	values, p, err := native(t, map[string]any{"n_jobs": int64(3), "random_state": int64(9)})
	require.NoError(t, err)
	require.Equal(t, 3, p.threads)
	require.Equal(t, "9", values["seed"])
	values, p, err = native(t, map[string]any{"n_jobs": int64(-1)})
	require.NoError(t, err)
	require.Equal(t, 4, p.threads)
	require.Equal(t, "4", values["nthread"])
}

func TestWrongParamsAreNamed(t *testing.T) {
	for name, c := range map[string]struct {
		value any
		want  string
	}{
		"max_deth":                {int64(3), "read model.params.max_deth: the reference trainer does not support max_deth = 3"},
		"process_type":            {"update", "does not support process_type = update"},
		"missing":                 {-999.0, "does not support missing = -999"},
		"enable_categorical":      {false, "does not support enable_categorical = false"},
		"n_estimators":            {int64(0), "it is 0: want a whole number, 1 or more"},
		"monotone_constraints":    {map[string]any{"hight": int64(1)}, `there is no feature "hight"`},
		"interaction_constraints": {[]any{[]any{"hight"}}, `there is no feature "hight"`},
	} {
		_, _, err := native(t, map[string]any{name: c.value})
		require.ErrorContains(t, err, c.want)
	}
	_, _, err := native(t, map[string]any{"monotone_constraints": []any{int64(1)}})
	require.ErrorContains(t, err, "each of 3 features")
}

func TestOtherEstimatorsAreRefused(t *testing.T) {
	for _, estimator := range []string{"XGBRFRegressor", "RandomForest"} {
		c := trainconfig.Default()
		c.Model.Type = estimator
		_, err := nativeParams(c, nil, 7, 1)
		require.ErrorContains(t, err, estimator)
	}
}

func TestEvalMetricsGetTheirNativeNames(t *testing.T) {
	for name, want := range map[string]string{"auc_roc": "auc", "pr_auc": "aucpr", "log_loss": "logloss", "error@0.3": "error@0.3"} {
		require.Equal(t, want, metric(name))
	}
}

func TestMeasure(t *testing.T) {
	// scikit-learn 1.9.1: roc_auc_score, log_loss
	s := measure([]float32{0, 1, 0, 1, 1, 0}, []float32{0.25, 0.75, 0.5, 0.5, 0.125, 0.0625})
	require.InDelta(t, 0.7222222222222222, s.AUC, 1e-12)
	require.InDelta(t, 0.68427309480681, s.LogLoss, 1e-12)
	require.Zero(t, measure([]float32{1, 1}, []float32{0.5, 0.25}).AUC)
	require.InDelta(t, 34.538776394910684, measure([]float32{1}, []float32{0}).LogLoss, 1e-9)
}
