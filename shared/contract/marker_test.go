package contract_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sluice-ml/sluice/shared/contract"
)

func TestMarkers(t *testing.T) {
	for name, want := range map[string]bool{
		"": true, "_SUCCESS": true, "part/x/_SUCCESS": true, "_temporary/0/a.csv": true, "a/.part-0.csv.crc": true, ".hidden/a.csv": true,
		"year=2026_$folder$": true, "folder/": true,
		"a.csv": false, "a/b_c.csv": false, "_c=1/a.csv": false, "year=2026/a.parquet": false, "empty": false,
	} {
		require.Equal(t, want, contract.IsMarker(name, 0), name)
	}
	require.False(t, contract.IsMarker("x_$folder$", 1), "it has content")
}
