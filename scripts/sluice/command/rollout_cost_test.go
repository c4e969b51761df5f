package command

import (
	"bytes"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluice-ml/sluice/scripts/sluice/cost"
)

func TestUsageIsScaledToAnHour(t *testing.T) {
	c := hourly(cost.Usage{Transitions: 10, LambdaRequests: 3, S3Reads: 6}, time.Minute)
	require.Len(t, c.PerHour, 3)
	require.InDelta(t, 600, c.PerHour[0].Quantity, 1e-9)
	require.InDelta(t, 600*0.025/1000+180*0.20/1e6+360*0.0004/1000, c.USDPerHour, 1e-12)
	require.InDelta(t, 10, c.Counted[0].Quantity, 0, "what was counted stays")
	var out bytes.Buffer
	printCost(&out, c)
	require.Contains(t, out.String(), "state transitions")
	require.Contains(t, out.String(), "prices of us-east-1 as of "+cost.Date)
	require.Empty(t, hourly(cost.Usage{}, time.Minute).PerHour, "nothing used costs nothing")
}
