package metrics_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluice-ml/sluice/shared/aws/metrics"
)

func TestNewest(t *testing.T) {
	from, to := metrics.Newest(`{"version":"1.0","period":60,"evaluatedDatapoints":[{"timestamp":"2026-03-02T10:00:00.000+0000","value":9},{"timestamp":"2026-03-02T10:02:00.000+0000"},{"timestamp":"2026-03-02T10:01:00.000+0000","value":1}]}`)
	require.Equal(t, time.Date(2026, 3, 2, 10, 2, 0, 0, time.UTC), from)
	require.Equal(t, from.Add(time.Minute), to)
	for _, text := range []string{"", "{}", "null", `{"period":60}`, `{"period":60,"evaluatedDatapoints":[{"timestamp":"soon"}]}`, `{"period":-1,"evaluatedDatapoints":[{"timestamp":"2026-03-02T10:00:00.000+0000"}]}`} {
		from, to := metrics.Newest(text)
		require.True(t, from.IsZero() && to.IsZero(), text)
	}
}
