package cost

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// The sums are worked out by hand from AWS's published units.
func TestPricesByHand(t *testing.T) {
	require.InDelta(t, 25.0, Total(Usage{Transitions: 1_000_000}), 1e-9)
	require.InDelta(t, 0.526+0.115, Total(Usage{TrainingSeconds: 3600, EndpointSeconds: 3600}), 1e-9)
	require.InDelta(t, 16.6667, Total(Usage{LambdaGBSeconds: 1e6}), 1e-9)
	require.Empty(t, Lines(Usage{}))
	require.Equal(t, Usage{S3Reads: 2}, Usage{S3Reads: 5, Transitions: 1}.Minus(Usage{S3Reads: 3, Transitions: 1}))
}
