package command

import (
	"bytes"
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sluice-ml/sluice/shared/canonical"
	"github.com/sluice-ml/sluice/shared/decision"
)

// What stands in a verdict's file is a reason only while it is the file that was
// signed.
func TestExplainShowsNoVerdictThatWasAltered(t *testing.T) {
	key, err := decision.NewLocalKey()
	require.NoError(t, err)
	signed := []byte(`{"gate": "performance", "verdict": "fail", "reasons": ["auc_roc is 0.5"]}`)
	encoded, err := decision.Sign(t.Context(), key, decision.Decision{Format: decision.Format, Model: "m", Run: "m-1", PlanHash: "p", Commit: "c", ConfigHash: "h",
		Digest: "d", ServerImage: "s", Action: decision.Reject, Verdicts: []decision.Verdict{{Gate: "performance", Verdict: "fail", Reasons: []string{"signed"}, URI: "s3://b/v.json", Digest: "sha256:" + canonical.Sum(signed)}}})
	require.NoError(t, err)
	for body, want := range map[string]string{string(signed): "auc_roc is 0.5", `{"gate": "performance", "verdict": "pass"}`: "is not the one that was signed any more"} {
		o := &opened{encoded: encoded, key: key.PublicKey, source: func(context.Context, string) ([]byte, error) { return []byte(body), nil }}
		e, err := o.explain(t.Context())
		require.NoError(t, err)
		require.Equal(t, "fail", e.Verdicts[0].Verdict)
		var out bytes.Buffer
		e.print(&out)
		require.Contains(t, out.String(), want)
	}
}
