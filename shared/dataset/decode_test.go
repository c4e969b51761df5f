package dataset_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sluice-ml/sluice/shared/dataset"
	"github.com/sluice-ml/sluice/shared/fault"
	"github.com/sluice-ml/sluice/shared/ref"
)

func rich() []dataset.Entry {
	return []dataset.Entry{
		{Key: "a", VersionID: "v1", ETag: "e1", Size: 3, Checksum: "AAA=", ChecksumAlgorithm: "CRC32", ChecksumType: "FULL_OBJECT", Rows: 7,
			Schema: "s1", Metadata: map[string]string{"origin": "lab", "": "no name"}},
		{Key: "a/b", VersionID: "v2", ETag: "e2", Size: 0, Schema: "s1"},
		{Key: "é\x00\xff", VersionID: "v3", Size: 1 << 60, Rows: 1 << 40},
	}
}

func TestNodesSurviveTheRoundTrip(t *testing.T) {
	payload := dataset.EncodeLeaf(rich())
	again, err := dataset.DecodeNode(payload)
	require.NoError(t, err)
	require.Equal(t, payload, again)
	for _, payload := range [][]byte{dataset.EncodeIndex("a", "b", "c"), dataset.EncodeChanges(richChanges()), dataset.EncodeChangesIndex("a", "b")} {
		again, err = dataset.DecodeNode(payload)
		require.NoError(t, err)
		require.Equal(t, payload, again)
	}
}

// richChanges add, change and remove.
func richChanges() []dataset.Change {
	e := rich()
	other := e[1]
	other.VersionID, other.Metadata = "v9", map[string]string{"n": "1"}
	return []dataset.Change{{Key: e[0].Key, New: &e[0]}, {Key: e[1].Key, Old: &e[1], New: &other}, {Key: e[2].Key, Old: &e[2]}}
}

func TestBadNodesAreRefused(t *testing.T) {
	good := string(dataset.EncodeLeaf(rich()))
	one := entry("a", 1)
	changes := string(dataset.EncodeChanges([]dataset.Change{{Key: "a", Old: &one}, {Key: "b"}}))
	unordered := dataset.EncodeLeaf([]dataset.Entry{{Key: "b"}, {Key: "a"}})
	for name, payload := range map[string]string{
		"empty": "", "no kind": "X\x02\x00\x00", "old format": "L\x01\x00\x00", "cut off": good[:len(good)-1], "too long": good + "\x00",
		"a leaf above": "L\x02\x01\x00", "an index below": "I\x02\x00\x00", "no children": "I\x02\x01\x00", "more items than bytes": "L\x02\x00\xff\x7f",
		"unordered": string(unordered), "unordered index": string(dataset.EncodeIndex("b", "a")), "a number without end": "L\x02\x00" + strings.Repeat("\xff", 20),
		"a change of nothing": changes, "a leaf of changes in the format before": "C\x02\x00\x00", "a leaf in the format after": "L\x03\x00\x00", "changes above": "C\x03\x01\x00",
		"changes that hold more": "C\x03\x00\x01\x01a\x04", "a put without a version": "C\x03\x00\x01\x01a\x01\x00\x00\x00\x01\x00\x01\x00\x01\x00\x00\x00\x00",
		"unordered changes": string(dataset.EncodeChangesIndex("b", "a")), "changes cut off": string(dataset.EncodeChanges(richChanges())[:40]),
	} {
		_, err := dataset.DecodeNode([]byte(payload))
		require.Error(t, err, name)
	}
}

func FuzzDecodeNode(f *testing.F) {
	f.Add(dataset.EncodeLeaf(rich()))
	f.Add(dataset.EncodeLeaf(nil))
	f.Add(dataset.EncodeIndex("a", "b"))
	f.Add(dataset.EncodeChanges(richChanges()))
	f.Add(dataset.EncodeChangesIndex("a", "b"))
	f.Fuzz(func(t *testing.T, payload []byte) {
		once, err := dataset.DecodeNode(payload)
		if err != nil {
			return
		}
		twice, err := dataset.DecodeNode(once)
		require.NoError(t, err, "what was decoded encodes to what decodes")
		require.Equal(t, once, twice)
	})
}

func TestAnOlderFormatIsNamed(t *testing.T) {
	err := dataset.Unpack([]byte(`{"format":1,"parents":[]}`))
	requireKind(t, fault.Invalid, err)
	require.ErrorContains(t, err, "its format is 1, this build knows 2 and 3")
}

func TestANewerFormatIsNamed(t *testing.T) {
	body, err := dataset.Pack([]byte("payload"))
	require.NoError(t, err)
	body[3] = 4
	err = dataset.Unpack(body)
	requireKind(t, fault.Invalid, err)
	require.ErrorContains(t, err, "its format is 4, this build knows 2 and 3")
	require.ErrorContains(t, dataset.DecodeCommit([]byte(`{"format":4,"parents":[],"depth":0,"skips":[]}`)), "its format is 4, this build knows 2 and 3")
}

// TestFormatsOnDisk says what an older build sees: it reads what is of format 2,
// which the fourth byte of every object tells, and refuses the rest by its number.
func TestFormatsOnDisk(t *testing.T) {
	memory := ref.NewMemory()
	formats := func() map[byte]int {
		keys, err := memory.List(t.Context(), "")
		require.NoError(t, err)
		count := map[byte]int{}
		for _, key := range keys {
			if item, err := memory.Get(t.Context(), key); err == nil && strings.HasPrefix(string(item.Body), "SLB") {
				count[item.Body[3]]++
			}
		}
		return count
	}
	r := dataset.NewTiny(memory)
	var many []dataset.Entry
	for n := range sceneEntries {
		many = append(many, entry(sceneKey(n), 1))
	}
	commit(t, r, "main", put(many...))
	require.Zero(t, formats()[3])
	commit(t, r, "main", scattered(2, 9))
	require.Greater(t, formats()[3], 2, "the commit and its segment")
	plain := formats()[2]
	c, err := r.Compact(t.Context(), dataset.CompactRequest{Branch: "main", Time: noon})
	require.NoError(t, err)
	require.Equal(t, 2, c.Commit.Format)
	require.Greater(t, formats()[2], plain)
}

func TestBadSegmentsAreRefused(t *testing.T) {
	good := `"tree":"` + strings.Repeat("ab", 32) + `","level":0,"changes":1,"now":{},"was":{}`
	commit := func(format int, rest string) error {
		return dataset.DecodeCommit([]byte(fmt.Sprintf(`{"format":%d,"parents":[],"depth":0,"skips":[]%s}`, format, rest)))
	}
	require.NoError(t, commit(2, ""))
	require.NoError(t, commit(3, `,"segments":[{`+good+`}],"appended":true,"cursor":"k"`))
	require.NoError(t, commit(3, `,"segments":[{`+good+`,"inline":[{"key":"k","old":{"key":"k","version_id":"v"}}]}]`))
	for name, err := range map[string]error{
		"segments before their format": commit(2, `,"segments":[{`+good+`}]`),
		"none in their format":         commit(3, ""),
		"a cursor without segments":    commit(2, `,"cursor":"k"`),
		"appended without segments":    commit(2, `,"appended":true`),
		"too many":                     commit(3, `,"segments":[{`+good+strings.Repeat(`},{`+good, 16)+`}]`),
		"a bad root":                   commit(3, `,"segments":[{"tree":"abc","level":0,"changes":1}]`),
		"no changes":                   commit(3, `,"segments":[{`+strings.Replace(good, `"changes":1`, `"changes":0`, 1)+`}]`),
		"fewer inline than changes":    commit(3, `,"segments":[{`+strings.Replace(good, `"changes":1`, `"changes":2`, 1)+`,"inline":[{"key":"k","old":{"key":"k"}}]}]`),
		"a change of nothing":          commit(3, `,"segments":[{`+good+`,"inline":[{"key":"k"}]}]`),
		"a change of another key":      commit(3, `,"segments":[{`+good+`,"inline":[{"key":"k","old":{"key":"l"}}]}]`),
		"a put without a version":      commit(3, `,"segments":[{`+good+`,"inline":[{"key":"k","new":{"key":"k"}}]}]`),
	} {
		requireKind(t, fault.Invalid, err)
		require.Error(t, err, name)
	}
}

func FuzzUnpack(f *testing.F) {
	body, err := dataset.Pack([]byte("payload"))
	require.NoError(f, err)
	f.Add(body)
	f.Add([]byte("SLB\x01"))
	f.Fuzz(func(t *testing.T, body []byte) {
		if err := dataset.Unpack(body); err != nil {
			require.Equal(t, fault.Invalid, fault.KindOf(err))
		}
	})
}

func FuzzDecodeCommit(f *testing.F) {
	f.Add([]byte(`{"format":2,"parents":["x"],"tree":"y","generation":1,"depth":1,"skips":[{"commit":"x","depth":0}]}`))
	f.Add([]byte(`{"format":2,"parents":[],"depth":0,"skips":[]}`))
	f.Add([]byte(`{"format":3,"parents":[],"skips":[],"segments":[{"tree":"` + strings.Repeat("ab", 32) + `","changes":1,"inline":[{"key":"k","old":{"key":"k","version_id":"v"}}]}]}`))
	f.Fuzz(func(t *testing.T, payload []byte) {
		if err := dataset.DecodeCommit(payload); err != nil {
			require.Equal(t, fault.Invalid, fault.KindOf(err))
		}
	})
}

func FuzzParseAddress(f *testing.F) {
	for _, name := range []string{"main", "main~3", "v1.2~~2", "main@{2026-11-01T00:00Z}~1", "abcdef@{2026-11-01}", "main@{", "~", "@{}", "a~99999999999"} {
		f.Add(name)
	}
	f.Fuzz(func(t *testing.T, name string) {
		if err := dataset.ParseAddress(name); err != nil {
			require.Equal(t, fault.Invalid, fault.KindOf(err))
		}
	})
}
