package endpoint

import (
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sluice-ml/sluice/shared/rollout"
)

var allowed = regexp.MustCompile(`^[a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}$`)

func TestNamesFitAndTellVersionsApart(t *testing.T) {
	seen := map[string]bool{}
	for _, model := range []string{"m", "adult-income", "adult_income", strings.Repeat("a", 40), strings.Repeat("a_", 19) + "ab", strings.Repeat("a_", 19) + "ac"} {
		for _, version := range []int{1, 99999} {
			for _, digest := range []string{"sha256:1", "sha256:2"} {
				name := modelName("production", model, rollout.Artifact{Version: version, Digest: digest})
				require.Regexp(t, allowed, name)
				require.Equal(t, version, versionOf(name))
				require.False(t, seen[name], name)
				seen[name] = true
			}
		}
	}
	for _, foreign := range []string{"", "m", "m-v0-00000000", "m-v3", "m-v3-zzzzzzzz", "m-v99999999999-00000000"} {
		require.Zero(t, versionOf(foreign), foreign)
	}
}

func FuzzNames(f *testing.F) {
	f.Add("adult_income", 3, "sha256:1")
	f.Fuzz(func(t *testing.T, model string, version int, digest string) {
		if !regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9_-]{0,38}[A-Za-z0-9])?$`).MatchString(model) || version < 1 || version > 99_999_999 {
			return
		}
		name := modelName("staging", model, rollout.Artifact{Version: version, Digest: digest})
		require.Regexp(t, allowed, name)
		require.Equal(t, version, versionOf(name))
	})
}
