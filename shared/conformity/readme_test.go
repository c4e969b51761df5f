package conformity_test

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sluice-ml/sluice/shared/conformity"
)

var update = flag.Bool("update", false, "rewrite the contracts' tables in the README")

const readme = "../../README.md"

// tableOf is one side's items as the README has them.
func tableOf(side string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "<!-- %s items: go test ./shared/conformity -run Readme -update -->\n| item | level | rule |\n|---|---|---|\n", side)
	for _, item := range conformity.Items() {
		if item.Side() == side {
			_, name, _ := strings.Cut(item.ID, ".")
			fmt.Fprintf(&b, "| %s | %s | %s |\n", name, item.Level, item.Rule)
		}
	}
	return b.String() + "<!-- end -->\n"
}

func TestReadmeHasTheContracts(t *testing.T) {
	text, err := os.ReadFile(readme)
	require.NoError(t, err)
	changed := string(text)
	for _, side := range []string{"trainer", "server"} {
		begin := strings.Index(changed, "<!-- "+side+" items")
		require.GreaterOrEqual(t, begin, 0, side)
		length := strings.Index(changed[begin:], "<!-- end -->\n")
		require.Greater(t, length, 0, side)
		end := begin + length + len("<!-- end -->\n")
		changed = changed[:begin] + tableOf(side) + changed[end:]
	}
	if *update {
		require.NoError(t, os.WriteFile(readme, []byte(changed), 0o644))
		return
	}
	require.True(t, changed == string(text), "the README's tables are out of date: go test ./shared/conformity -run Readme -update")
}
