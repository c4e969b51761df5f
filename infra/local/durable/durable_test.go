package durable

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestJSONIsReplacedWhole(t *testing.T) {
	path := filepath.Join(t.TempDir(), "deep", "state.json")
	var got map[string]int
	found, err := ReadJSON(path, &got)
	require.NoError(t, err)
	require.False(t, found)

	require.NoError(t, WriteJSON(path, map[string]int{"a": 1}))
	require.NoError(t, WriteJSON(path, map[string]int{"a": 2}))
	found, err = ReadJSON(path, &got)
	require.NoError(t, err)
	require.True(t, found)
	require.Equal(t, map[string]int{"a": 2}, got)

	entries, err := os.ReadDir(filepath.Dir(path))
	require.NoError(t, err)
	require.Len(t, entries, 1, "no temporary file is left")

	require.NoError(t, os.WriteFile(path, []byte(`{"a":`), 0o600))
	_, err = ReadJSON(path, &got)
	require.ErrorContains(t, err, path)
}

func replayed(t *testing.T, folder string, bounds Bounds) ([]string, *Journal) {
	t.Helper()
	var lines []string
	j, err := OpenJournal(folder, bounds, func(line []byte) error {
		lines = append(lines, string(line))
		return nil
	})
	require.NoError(t, err)
	return lines, j
}

func TestJournalDropsATornTail(t *testing.T) {
	folder := t.TempDir()
	bounds := Bounds{SegmentBytes: 1 << 20, Segments: 4}
	_, j := replayed(t, folder, bounds)
	require.NoError(t, j.Append([]byte(`{"n":1}`), []byte(`{"n":2}`)))
	require.NoError(t, j.Close())

	f, err := os.OpenFile(j.path(0), os.O_APPEND|os.O_WRONLY, 0o600)
	require.NoError(t, err)
	_, err = f.WriteString(`{"n":3`)
	require.NoError(t, err)
	require.NoError(t, f.Close())

	lines, j := replayed(t, folder, bounds)
	require.Equal(t, []string{`{"n":1}`, `{"n":2}`}, lines)
	require.NoError(t, j.Append([]byte(`{"n":4}`)))
	require.NoError(t, j.Close())
	lines, j = replayed(t, folder, bounds)
	require.Equal(t, []string{`{"n":1}`, `{"n":2}`, `{"n":4}`}, lines)
	require.NoError(t, j.Close())
}

func TestJournalIsBounded(t *testing.T) {
	folder := t.TempDir()
	bounds := Bounds{SegmentBytes: 20, Segments: 3}
	_, j := replayed(t, folder, bounds)
	for i := range 100 {
		require.NoError(t, j.Append(fmt.Appendf(nil, `{"number":%d}`, i)))
	}
	require.NoError(t, j.Close())
	paths, err := segments(folder)
	require.NoError(t, err)
	require.Len(t, paths, 3)
	lines, j := replayed(t, folder, bounds)
	require.Equal(t, `{"number":99}`, lines[len(lines)-1])
	require.NoError(t, j.Append([]byte(`{"number":100}`)), "goes on in the last segment")
	require.NoError(t, j.Close())
}

func TestReplayErrorNamesTheLine(t *testing.T) {
	folder := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(folder, "000000000000.jsonl"), []byte("a\nb\n"), 0o600))
	_, err := OpenJournal(folder, Bounds{1, 1}, func(line []byte) error {
		if string(line) == "b" {
			return fmt.Errorf("cannot read %q", line)
		}
		return nil
	})
	require.ErrorContains(t, err, `000000000000.jsonl line 2: cannot read "b"`)
}
