package training

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sluice-ml/sluice/shared/fault"
)

// A metric that the target's values do not define chooses no round: mape of rows
// that are 0 is infinite.
func TestAMetricThatIsNotDefinedIsRefused(t *testing.T) {
	for _, patience := range []int{5, 0} {
		config := goalConfigOf(t, "XGBRegressor", "amount", map[string]any{"n_estimators": 3})
		config.Training.EvalMetric, config.Training.EarlyStoppingRounds = "mape", patience
		set := goalsData(t, config)
		for i := range set.Label {
			set.Label[i] = 0
		}
		err := trainer(t, newMemory()).Train(t.Context(), plan(config), config, set)
		require.Equal(t, fault.Invalid, fault.KindOf(err), "%v", err)
		require.ErrorContains(t, err, "mape of the rows that are held out is")
	}
}
