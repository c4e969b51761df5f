package table

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sluice-ml/sluice/shared/parquet"
)

func TestLongNumbersKeepTheirDigits(t *testing.T) {
	for name, text := range map[string]string{
		"a.csv":   "id\n9007199254740993\n9007199254740992\n7.0\n1e20\n",
		"a.jsonl": "{\"id\": 9007199254740993}\n{\"id\": 9007199254740992}\n{\"id\": 7.0}\n{\"id\": 1e20}\n",
	} {
		got, err := Read(t.Context(), name, bytes.NewReader([]byte(text)), int64(len(text)), Options{})
		require.NoError(t, err)
		for _, from := range []*Table{got, got.Narrow("id")} {
			c, ok := from.Column("id")
			require.True(t, ok)
			for i, want := range []string{"9007199254740993", "9007199254740992", "7", "100000000000000000000"} {
				require.Equal(t, want, c.Exact(i), name)
			}
		}
	}
	mixed, _ := infer("id", []string{"-009007199254740993", "7.0", "x"})
	require.Equal(t, "-9007199254740993", mixed.Exact(0))
	require.Equal(t, "7", mixed.Exact(1))
	require.Equal(t, "x", mixed.Exact(2))
}

// Spaces around a value do not count, whatever the format: the model server does
// not look at them either.
func TestSpacesAroundValuesDoNotCount(t *testing.T) {
	var file bytes.Buffer
	require.NoError(t, parquet.Write(&file, []parquet.Column{{Name: "city", Text: []string{" Rome", "Rome\u00a0", "Rome"}}}))
	for name, body := range map[string][]byte{"a.parquet": file.Bytes(), "a.csv": []byte("city,n\n\" Rome\",1\n\"Rome\u00a0\",2\nRome,3\n"),
		"a.jsonl": []byte("{\"city\": \" Rome\"}\n{\"city\": \"Rome\u00a0\"}\n{\"city\": \"Rome\"}\n")} {
		got, err := Read(t.Context(), name, bytes.NewReader(body), int64(len(body)), Options{})
		require.NoError(t, err)
		c, _ := got.Column("city")
		for i := range 3 {
			require.Equal(t, "Rome", c.Content(i), "%s row %d", name, i+1)
		}
	}
}
