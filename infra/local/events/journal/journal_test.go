package journal

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func open(t *testing.T, path string) *Journal[map[string]int] {
	t.Helper()
	j, err := Open[map[string]int](path)
	require.NoError(t, err)
	return j
}

func TestEntriesSurviveWithoutClose(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sub", "j.jsonl")
	j := open(t, path)
	require.NoError(t, j.Put("a", map[string]int{"n": 1}))
	require.NoError(t, j.Put("b", map[string]int{"n": 2}))
	require.NoError(t, j.Put("a", map[string]int{"n": 3}))
	require.NoError(t, j.Remove("b"))
	require.NoError(t, j.Remove("never"))
	require.Equal(t, map[string]map[string]int{"a": {"n": 3}}, open(t, path).All())
}

func TestAnUnfinishedLastLineIsDropped(t *testing.T) {
	path := filepath.Join(t.TempDir(), "j.jsonl")
	j := open(t, path)
	require.NoError(t, j.Put("a", map[string]int{"n": 1}))
	whole, err := os.ReadFile(path)
	require.NoError(t, err)
	require.NoError(t, j.Put("b", map[string]int{"n": 2}))
	both, err := os.ReadFile(path)
	require.NoError(t, err)
	for cut := len(whole); cut < len(both); cut++ {
		require.NoError(t, os.WriteFile(path, both[:cut], 0o644))
		require.Equal(t, 1, open(t, path).Len(), "cut at byte %d", cut)
	}
}

func TestADamagedLineIsAnError(t *testing.T) {
	path := filepath.Join(t.TempDir(), "j.jsonl")
	require.NoError(t, os.WriteFile(path, []byte("{\"id\":\"a\",\"entry\":{}}\nnonsense\n"), 0o644))
	_, err := Open[map[string]int](path)
	require.ErrorContains(t, err, "line 2 is damaged")
}

func TestTheFileIsCompacted(t *testing.T) {
	path := filepath.Join(t.TempDir(), "j.jsonl")
	j := open(t, path)
	require.NoError(t, j.Put("keep", map[string]int{"n": 1}))
	for i := range compactAfter * 2 {
		id := fmt.Sprint(i)
		require.NoError(t, j.Put(id, empty()))
		require.NoError(t, j.Remove(id))
	}
	raw, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Less(t, strings.Count(string(raw), "\n"), compactAfter+4)
	require.Equal(t, 1, open(t, path).Len())
	require.NoError(t, j.Close())
	require.ErrorContains(t, j.Put("x", empty()), "closed")
}

func empty() map[string]int { return map[string]int{} }

// FuzzOpen: a journal of any content opens or is refused, and what opens can be
// written and opened again.
func FuzzOpen(f *testing.F) {
	f.Add([]byte("{\"id\":\"a\",\"entry\":{\"n\":1}}\n{\"id\":\"a\",\"removed\":true}\n{\"id\":"))
	f.Add([]byte("\n"))
	f.Fuzz(func(t *testing.T, content []byte) {
		path := filepath.Join(t.TempDir(), "j")
		require.NoError(t, os.WriteFile(path, content, 0o644))
		j, err := Open[map[string]int](path)
		if err != nil {
			return
		}
		require.NoError(t, j.Put("new", map[string]int{"n": 7}))
		require.Equal(t, j.Len(), open(t, path).Len())
	})
}
