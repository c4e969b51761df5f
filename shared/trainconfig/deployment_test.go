package trainconfig

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// Policies that can certainly not work are refused with the field and the reason.
func TestPoliciesThatCannotWork(t *testing.T) {
	for _, c := range []struct{ deployment, want string }{
		{"{min_requests: 999999999999}", "deployment.min_requests: 999999999999 requests do not come before the deadline of "},
		{"{max_failures: 1000000}", "deployment.max_failures: 1000000 failed bakes of "},
		{"{steps: [50, 100], approve_at: [50], hold_deadline: 0s}", "deployment.hold_deadline: 0s leaves nobody time to approve the steps [50]"},
		{"{steps: [0.0000001, 100]}", "deployment.steps[0]: 1e-07 % is finer than a backend's weights, 0.0001 % at least"},
		{"{limits: {latency_p99: -5ms}}", "deployment.limits.latency_p99: -5ms is not above zero"},
	} {
		_, err := Parse("train.yaml", []byte(goalLeast+"data: {target: y}\nmodel: {type: XGBClassifier}\ndeployment: "+c.deployment+"\n"))
		require.ErrorContains(t, err, c.want)
		require.NotContains(t, err.Error(), "evaluation.latency", "a value that is not in the file is not blamed")
	}
	for _, fine := range []string{"{max_failures: 5}", "{steps: [50, 100], approve_at: [50]}", "{steps: [0.1, 100]}", "{freeze: [{from: 2026-12-24, to: 2026-12-27}]}"} {
		mustParse(t, goalLeast+"data: {target: y}\nmodel: {type: XGBClassifier}\ndeployment: "+fine+"\n")
	}
}
