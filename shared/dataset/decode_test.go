package dataset_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sluice-ml/sluice/shared/dataset"
	"github.com/sluice-ml/sluice/shared/fault"
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
	payload = dataset.EncodeIndex("a", "b", "c")
	again, err = dataset.DecodeNode(payload)
	require.NoError(t, err)
	require.Equal(t, payload, again)
}

func TestBadNodesAreRefused(t *testing.T) {
	good := string(dataset.EncodeLeaf(rich()))
	unordered := dataset.EncodeLeaf([]dataset.Entry{{Key: "b"}, {Key: "a"}})
	for name, payload := range map[string]string{
		"empty": "", "no kind": "X\x02\x00\x00", "old format": "L\x01\x00\x00", "cut off": good[:len(good)-1], "too long": good + "\x00",
		"a leaf above": "L\x02\x01\x00", "an index below": "I\x02\x00\x00", "no children": "I\x02\x01\x00", "more items than bytes": "L\x02\x00\xff\x7f",
		"unordered": string(unordered), "unordered index": string(dataset.EncodeIndex("b", "a")), "a number without end": "L\x02\x00" + strings.Repeat("\xff", 20),
	} {
		_, err := dataset.DecodeNode([]byte(payload))
		require.Error(t, err, name)
	}
}

func FuzzDecodeNode(f *testing.F) {
	f.Add(dataset.EncodeLeaf(rich()))
	f.Add(dataset.EncodeLeaf(nil))
	f.Add(dataset.EncodeIndex("a", "b"))
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
