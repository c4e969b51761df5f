package intake

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sluice-ml/sluice/shared/contract"
	"github.com/sluice-ml/sluice/shared/ref"
)

func TestInboxKeys(t *testing.T) {
	v := contract.ObjectVersion{Key: "raw/m/images/0001 ü.jpg", VersionID: "3HL4kqtJlcpXroDTDmJ.rmSpXd3dIbrHY", ETag: "d41d8cd98f00b204e9800998ecf8427e",
		Size: 12345678901, Sequencer: "0062E99A88DC407460"}
	key := inboxKey("m", v)
	require.True(t, strings.HasPrefix(key, "intake/m/inbox/"), key)
	require.Equal(t, key, inboxKey("m", v))
	back, ok := parseName("m", key)
	require.True(t, ok)
	require.Equal(t, v, back)
	for _, size := range []int{1, 100, 150, 500, 600, 700, 1000} {
		v.Key = "raw/m/" + strings.Repeat("k", size)
		key := inboxKey("m", v)
		require.LessOrEqual(t, len(key), maxKey)
		for part := range strings.SplitSeq(key, "/") {
			require.LessOrEqual(t, len(part), 255, "a file system's limit")
		}
		back, ok := parseName("m", key)
		require.Equal(t, size <= 600, ok, "%d: %s", size, key)
		if ok {
			require.Equal(t, v, back)
		}
	}
	for _, foreign := range []string{"", "intake/m/inbox/", "intake/m/inbox/ab/notes.txt", "intake/m/inbox/ab/.1", "intake/m/inbox/ab/!!.1",
		strings.Replace(key, "/m/", "/n/", 1), strings.Replace(key, "inbox/", "inbox/0", 1), key + ".1"} {
		_, ok := parseName("m", foreign)
		require.False(t, ok, foreign)
	}
}

func FuzzInboxKey(f *testing.F) {
	f.Add("a.csv", "v1", "etag", "00", int64(3), "intake/m/inbox/ab/AAAA.1")
	f.Fuzz(func(t *testing.T, name, version, etag, sequencer string, size int64, key string) {
		v := contract.ObjectVersion{Key: "raw/m/" + name, VersionID: version, ETag: etag, Size: size, Sequencer: sequencer}
		made := inboxKey("m", v)
		if len(made) > maxKey {
			t.Fatalf("%d bytes", len(made))
		}
		if back, ok := parseName("m", made); ok && back != v {
			t.Fatalf("%+v became %+v", v, back)
		} else if !ok && !strings.HasSuffix(made, inBody) {
			t.Fatalf("%s is not read", made)
		}
		if back, ok := parseName("m", key); ok && inboxKey("m", back) != key {
			t.Fatalf("%s is another's name", key)
		}
	})
}

func TestWhatIsTakenIsRemembered(t *testing.T) {
	i := &Intake{Store: ref.NewMemory()}
	version := func(n int, id, sequencer string) contract.ObjectVersion {
		return contract.ObjectVersion{Key: fmt.Sprintf("raw/m/%d", n), VersionID: id, Sequencer: sequencer}
	}
	ask := func(v contract.ObjectVersion) string {
		m := i.memory(State{Model: "m"})
		require.NoError(t, m.load(t.Context(), v))
		return m.before(v)
	}
	var many []contract.ObjectVersion
	for n := range 5000 {
		many = append(many, version(n, "v1", "05"))
	}
	for range 2 {
		require.NoError(t, i.remember(t.Context(), "m", many))
	}
	keys, err := i.Store.List(t.Context(), "intake/m/taken/")
	require.NoError(t, err)
	require.Len(t, keys, 256)
	require.Equal(t, takenBefore, ask(version(7, "v1", "05")))
	require.Equal(t, takenBefore, ask(version(7, "v1", "")), "an event that tells less is about the same version")
	require.Equal(t, newerBefore, ask(version(7, "v0", "04")))
	require.Empty(t, ask(version(7, "v2", "06")))
	require.Empty(t, ask(version(5000, "v1", "05")))
	require.NoError(t, i.remember(t.Context(), "m", []contract.ObjectVersion{version(7, "v2", "06")}))
	require.Equal(t, takenBefore, ask(version(7, "v1", "05")))
	require.Equal(t, newerBefore, ask(version(7, "v1.5", "055")))
}

func TestMemoryIsBounded(t *testing.T) {
	var s shard
	for n := range 3 * maxTaken {
		require.True(t, s.add([]contract.ObjectVersion{{Key: fmt.Sprint(n), VersionID: "v"}}))
	}
	require.Len(t, s.Keys, maxTaken)
	require.Equal(t, shortSum(fmt.Sprint(3*maxTaken-1)), s.Keys[maxTaken-1].Key, "the newest are kept")
	last := s.Keys[0]
	for n := range 3 * maxVersions {
		s.add([]contract.ObjectVersion{{Key: fmt.Sprint(2 * maxTaken), VersionID: fmt.Sprint(n)}})
	}
	require.Equal(t, last.Key, s.Keys[0].Key)
	require.Len(t, s.Keys[0].Versions, maxVersions)
}

func TestEachGivesTheFirstError(t *testing.T) {
	err := each(map[string]int{"a": 1, "b": 2, "c": 3}, func(key string, n int) error {
		if n > 1 {
			return fmt.Errorf("%s fails", key)
		}
		return nil
	})
	require.EqualError(t, err, "b fails")
	require.NoError(t, each(map[string]int{}, func(string, int) error { return context.Canceled }))
}
