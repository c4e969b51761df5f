package canonical_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sluice-ml/sluice/shared/canonical"
)

func TestOneSpelling(t *testing.T) {
	body, err := canonical.JSON(map[string]any{"b": 1.5, "a": []any{"<&>", nil, true}, "é": 1e21, "B": int64(1) << 62})
	require.NoError(t, err)
	require.Equal(t, `{"B":4611686018427387904,"a":["<&>",null,true],"b":1.5,"é":1e+21}`, string(body))
	type pair struct {
		Z int `json:"z"`
		A int `json:"a"`
	}
	one, err := canonical.Hash(pair{1, 2})
	require.NoError(t, err)
	two, err := canonical.Hash(map[string]int{"a": 2, "z": 1})
	require.NoError(t, err)
	require.Equal(t, one, two)
	// printf '{"a":2,"z":1}' | sha256sum
	require.Equal(t, one, two)
	require.Equal(t, "c2985c5ba6f7d2a55e768f92490ca09388e95bc4cccb9fdf11b15f4d42f93e73", one)
	_, err = canonical.JSON(func() {})
	require.Error(t, err)
}
