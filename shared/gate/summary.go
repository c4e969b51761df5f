package gate

import (
	"fmt"

	"github.com/sluice-ml/sluice/shared/contract"
)

// maxReasons bounds what goes back to the state machine.
const maxReasons = 10

// Summary is what a gate answers: the verdict and at most ten reasons. uri is
// where the whole verdict lies.
func (v Verdict) Summary(uri string) contract.VerdictSummary {
	reasons := v.Reasons
	if len(reasons) > maxReasons {
		reasons = append(reasons[:maxReasons-1:maxReasons-1], fmt.Sprintf("and %d more, which the verdict lists", len(v.Reasons)-maxReasons+1))
	}
	return contract.VerdictSummary{Gate: v.Gate, Verdict: v.Verdict, Reasons: reasons, URI: uri}
}
