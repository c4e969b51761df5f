package simulation

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluice-ml/sluice/shared/rollout"
	"github.com/sluice-ml/sluice/shared/trainconfig"
)

func pol(t *testing.T, text string) rollout.Policy {
	c, err := trainconfig.Parse("train.yaml", []byte("experiment: {name: a}\ndata: {target: y}\nevaluation: {thresholds: {auc_roc: 0.5}}\n"+text))
	require.NoError(t, err)
	p, err := rollout.NewPolicy(c.Deployment)
	require.NoError(t, err)
	return p
}

func TestExplore(t *testing.T) {
	if os.Getenv("EXPLORE") == "" {
		return
	}
	runs, _ := strconv.Atoi(os.Getenv("EXPLORE"))
	def := pol(t, "")
	seq := pol(t, "deployment: {analysis: {mode: sequential}}")
	ten := Sluice("sequential 10s", seq)
	ten.Period = 10 * time.Second
	rules := []Rule{Sluice("default", def), Sluice("sequential", seq), ten, ThreeStrikes(def), Flagger(flaggerHowItWorks), Flagger(flaggerTutorial), Kayenta()}
	effects := []string{"none", "error_rate=+0.008", "error_rate=+0.02", "error_rate=+0.05", "error_rate=+0.3", "slow_rate=+0.02", "slow_rate=+0.2", "latency=x1.5", "accuracy=-0.05", "accuracy=-0.1", "accuracy=-0.3"}
	if e := os.Getenv("EFFECTS"); e != "" {
		effects = strings.Split(e, ",")
	}
	for _, e := range effects {
		for _, traffic := range []float64{1, 10, 100, 1000} {
			s := Default(traffic)
			if e != "none" {
				require.NoError(t, s.Effect.Parse(e))
			}
			for _, r := range rules {
				if only := os.Getenv("ONLY"); only != "" && !strings.Contains(r.Name, only) {
					continue
				}
				from := time.Now()
				m, err := Many(s, r, 1, runs)
				require.NoError(t, err)
				fmt.Printf("%-18s %5g %-16s prom %.3f back %.3f exp %.3f detect %5.0f (p90 %5.0f) promote %6.0f bad %9.0f  %v ms/run\n", e, traffic, r.Name, m.Promoted.Rate, m.RolledBack.Rate, m.Expired.Rate,
					m.Detect.Median, m.Detect.P90, m.Promote.Median, m.Excess.Mean, time.Since(from).Milliseconds()*2/int64(runs))
			}
		}
	}
}
