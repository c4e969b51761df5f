package command

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sluice-ml/sluice/shared/dataset"
)

// TestAddOfACheckoutNamesTheFolderBelow: its paths are whole keys.
func TestAddOfACheckoutNamesTheFolderBelow(t *testing.T) {
	folder := t.TempDir()
	inner := filepath.Join(folder, "raw", "m")
	require.NoError(t, os.MkdirAll(inner, 0o755))
	require.NoError(t, notLaidOut(folder, "raw/m/"), "no checkout was here")
	require.NoError(t, os.WriteFile(filepath.Join(folder, dataset.CheckoutJournal), nil, 0o600))
	require.ErrorContains(t, notLaidOut(folder, "raw/m/"), "a checkout made it")
	require.NoError(t, notLaidOut(folder, "raw/other/"))
	require.NoError(t, notLaidOut(inner, "raw/m/"))
}
