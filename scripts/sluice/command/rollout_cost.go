package command

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"time"

	"github.com/spf13/cobra"

	"github.com/sluice-ml/sluice/scripts/sluice/cost"
	"github.com/sluice-ml/sluice/shared/report"
)

// idleCost is what was counted on the local stack for some time, at AWS's prices.
type idleCost struct {
	Seconds    float64       `json:"seconds"`
	Counted    []report.Cost `json:"counted"`
	PerHour    []report.Cost `json:"per_hour"`
	USDPerHour float64       `json:"usd_per_hour"`
	Prices     string        `json:"prices"` // their date
}

func rolloutCost(s *settings) *cobra.Command {
	var span time.Duration
	c := &cobra.Command{
		Use: "cost", Short: "Count what the running local stack uses, per hour, at AWS's prices", Args: exactly(0),
		Long: `Count what the running local stack uses for some time, and say what that would cost
on AWS per hour: state transitions, function calls, S3 and CloudWatch requests. While
a rollout bakes, that is the rollout's idle cost, and that of whatever else goes on
(schedules, labels, traffic). Servers are left out: both versions run anyway. Counts
are measured; the prices are list prices, as of the date that is printed.`,
		RunE: func(c *cobra.Command, _ []string) error {
			if span < time.Second {
				return usageError{errors.New("--for: want a second or more")}
			}
			counted, err := s.countUsage(c.Context(), span)
			if err != nil {
				return err
			}
			return s.print(c, counted, func(w io.Writer) { printCost(w, counted) })
		},
	}
	c.Flags().DurationVar(&span, "for", time.Minute, "how long to count")
	return c
}

// countUsage is what the running stack uses in a span of time.
func (s *settings) countUsage(ctx context.Context, span time.Duration) (idleCost, error) {
	var before, after struct{ Total cost.Usage }
	began := time.Now()
	if err := s.admin(ctx, http.MethodGet, "usage", nil, &before); err != nil {
		return idleCost{}, err
	}
	select {
	case <-time.After(span):
	case <-ctx.Done():
		return idleCost{}, ctx.Err()
	}
	if err := s.admin(ctx, http.MethodGet, "usage", nil, &after); err != nil {
		return idleCost{}, err
	}
	used := after.Total.Minus(before.Total)
	used.EndpointSeconds, used.TaskVCPUSeconds, used.TaskGBSeconds, used.TrainingSeconds = 0, 0, 0, 0
	return hourly(used, time.Since(began)), nil
}

// hourly scales what was used in a time to an hour.
func hourly(used cost.Usage, took time.Duration) idleCost {
	all := idleCost{Seconds: took.Seconds(), Counted: cost.Lines(used), Prices: cost.Date}
	factor := float64(time.Hour) / float64(took)
	for _, line := range all.Counted {
		line.Quantity, line.USD = line.Quantity*factor, line.USD*factor
		all.PerHour = append(all.PerHour, line)
		all.USDPerHour += line.USD
	}
	return all
}

func printCost(w io.Writer, c idleCost) {
	fmt.Fprintf(w, "%-22s%-20s%12s%14s%14s\n", "", "", "counted", "per hour", "USD per hour")
	for i, line := range c.PerHour {
		fmt.Fprintf(w, "%-22s%-20s%12.4g%14.4g%14.6f\n", line.Item, line.Unit, c.Counted[i].Quantity, math.Round(line.Quantity*1000)/1000, line.USD)
	}
	fmt.Fprintf(w, "%-42s%26s%14.6f\n", "", "in all", c.USDPerHour)
	fmt.Fprintf(w, "Counted for %.0f s. List prices of us-east-1 as of %s, servers left out.\n", c.Seconds, c.Prices)
}
