package command

import (
	"bytes"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sluice-ml/sluice/scripts/sluice/operator"
	"github.com/sluice-ml/sluice/shared/audit"
	"github.com/sluice-ml/sluice/shared/fault"
	"github.com/sluice-ml/sluice/shared/xgboost"
)

// TestReplaySaysFirstThatADecisionDoesNotHold: a table of equal verdicts must not be
// read as if an altered decision were good.
func TestReplaySaysFirstThatADecisionDoesNotHold(t *testing.T) {
	altered := audit.Verification{Checks: []audit.Check{{What: "signature", Problem: "it is not of this key"}, {What: "plan", Holds: true}}}
	same := audit.Replay{Same: true, Recorded: "ship", Again: "ship"}
	var out bytes.Buffer
	printReplay(&out, same, broken(altered))
	require.Regexp(t, `^DIFFERS: check the decision on run .*: it does not hold: signature \(`, out.String())
	out.Reset()
	printReplay(&out, same, broken(audit.Verification{Checks: altered.Checks[1:]}))
	require.NotContains(t, out.String(), "DIFFERS")
}

func TestReproduceSaysThatTheLibraryOrTheRunIsNotThere(t *testing.T) {
	t.Setenv(xgboost.EnvLibrary, "")
	folder := t.TempDir()
	_, err := openXGBoost(folder, true)
	require.EqualError(t, err, "open XGBoost's library: there is no libxgboost.so in "+folder+" (make xgboost puts it into .sluice/cache/xgboost/lib)")
	require.True(t, fault.Is(err, fault.NotFound))

	err = operator.NoRun("reproduce", "nosuch-1")
	require.EqualError(t, err, `reproduce run "nosuch-1": no such run (list them: sluice run list)`)
	require.True(t, fault.Is(err, fault.NotFound) && errors.Is(err, operator.ErrNoRun))
}
