package command

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sluice-ml/sluice/shared/contract"
)

// What cannot be found is told with its kind, by every command about a rollout.
func TestRolloutCommandsSayWhatIsNotThere(t *testing.T) {
	b := newBench(t)
	_, err := b.client.Objects.Put(t.Context(), b.client.Store, contract.ConfigKey("m"), []byte("x"))
	require.NoError(t, err)
	for _, test := range []struct {
		kind string
		exit int
		args []string
	}{
		{"NotFound", 1, []string{"status", "m"}}, {"NotFound", 1, []string{"watch", "m"}}, {"NotFound", 1, []string{"promote", "m"}},
		{"NotFound", 1, []string{"pause", "m"}}, {"NotFound", 1, []string{"resume", "m"}}, {"NotFound", 1, []string{"approve", "m"}},
		{"NotFound", 1, []string{"revert", "m"}}, {"NotFound", 1, []string{"abort", "m"}}, {"NotFound", 1, []string{"history", "nosuch"}},
		{"NotFound", 1, []string{"explain", "m-1-rollout"}}, {"NotFound", 1, []string{"release", "m", "3"}},
		{"Usage", 2, []string{"status", "Bad Name!"}}, {"Usage", 2, []string{"history", "Bad Name!"}}, {"Usage", 2, []string{"release", "m", "x"}},
		{"Usage", 2, []string{"status"}},
	} {
		code, stderr := b.fails(append([]string{"rollout", "--json"}, test.args...)...)
		require.Equal(t, test.exit, code, "%v: %s", test.args, stderr)
		var f failure
		require.NoError(t, json.Unmarshal([]byte(stderr), &f), stderr)
		require.Equal(t, test.kind, f.Error.Kind, "%v: %s", test.args, stderr)
	}
}
