package command

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluice-ml/sluice/scripts/sluice/operator"
	"github.com/sluice-ml/sluice/shared/aws/s3store"
	"github.com/sluice-ml/sluice/shared/aws/s3store/s3test"
	"github.com/sluice-ml/sluice/shared/dataset"
)

func TestMain(m *testing.M) { s3test.Main(m) }

// bench runs sluice data commands against a real S3 server in this process.
type bench struct {
	t      *testing.T
	client *operator.Client
	said   bytes.Buffer // on the standard error, by run
}

func newBench(t *testing.T) *bench {
	lake, s3 := s3test.Bucket(t), s3test.Client(t)
	return &bench{t: t, client: &operator.Client{Environment: "staging", Lake: lake, Store: s3test.Bucket(t), Objects: s3store.New(s3),
		Rules: s3store.NewRules(s3, time.Now), Locks: s3store.NewLocks(s3, lake), Tiers: s3store.NewTiers(s3, lake)}}
}

func (b *bench) upload(key, body string) (version string) {
	info, err := b.client.Objects.Put(b.t.Context(), b.client.Lake, key, []byte(body))
	require.NoError(b.t, err)
	return info.VersionID
}

func (b *bench) run(args ...string) (string, error) {
	s := &settings{environment: "staging", dial: func(context.Context, operator.Target) (*operator.Client, error) { return b.client, nil }}
	root := group("sluice", "", dataCommand(s))
	root.PersistentFlags().BoolVar(&s.json, "json", false, "")
	root.SilenceErrors, root.SilenceUsage = true, true
	var out bytes.Buffer
	root.SetOut(&out)
	b.said.Reset()
	root.SetErr(&b.said)
	root.SetArgs(append([]string{"data"}, args...))
	err := root.ExecuteContext(b.t.Context())
	return out.String(), err
}

// get runs a command with --json and reads what it prints.
func (b *bench) get(into any, args ...string) {
	b.t.Helper()
	out, err := b.run(append(args, "--json")...)
	require.NoError(b.t, err)
	require.NoError(b.t, json.Unmarshal([]byte(out), into), out)
}

func (b *bench) commit(args ...string) commitView {
	b.t.Helper()
	var v commitView
	b.get(&v, append([]string{"commit", "m"}, args...)...)
	return v
}

func TestDataCommands(t *testing.T) {
	b := newBench(t)
	for n := range 12 {
		b.upload(fmt.Sprintf("raw/m/d%d/f%02d.csv", n%2, n), fmt.Sprintf("row %d\n", n))
	}
	first := b.commit("main", "-m", "first", "--meta", "git=abc")
	require.Equal(t, 12, first.Stats.Objects)
	require.Equal(t, "abc", first.Metadata["git"])
	require.Equal(t, first.ID, b.commit("main").ID, "nothing changed")

	version := b.upload("raw/m/d0/f00.csv", "row zero\n")
	require.NoError(t, b.client.Objects.Delete(t.Context(), b.client.Lake, "raw/m/d1/f01.csv", ""))
	second := b.commit("fix", "--base", "main", "--author", "me")
	require.Equal(t, []int{0, 1, 1}, []int{second.Stats.Added, second.Stats.Changed, second.Stats.Removed})
	var stats struct{ Changed, Removed int }
	b.get(&stats, "diff", "m", "main", "fix", "--summary")
	require.Equal(t, 1, stats.Removed)
	out, err := b.run("diff", "m", "main", "fix", "--prefix", "raw/m/d0/")
	require.NoError(t, err)
	require.Equal(t, "changed  raw/m/d0/f00.csv  6 to 9 bytes\n0 added, 1 changed, 0 removed, 0 renamed; +3 bytes\n", out)
	out, err = b.run("ls", "m", "fix", "--prefix", "raw/m/")
	require.NoError(t, err)
	require.Equal(t, "OBJECTS  BYTES  NAME\n6        40     raw/m/d0/\n5        31     raw/m/d1/\n11       71     in all\n", out)

	for _, args := range [][]string{{"branch", "protect", "m", "main"}, {"merge", "m", "main", "fix"}, {"tag", "create", "m", "v1", "main~1"},
		{"branch", "create", "m", "short", "v1", "--ttl", "1h"}, {"branch", "expire", "m"}, {"branch", "list", "m"}, {"log", "m", "main"},
		{"show", "m", "v1"}, {"audit", "m"}, {"tag", "list", "m"}, {"branch", "delete", "m", "short"}} {
		_, err := b.run(args...)
		require.NoError(t, err, args)
	}
	b.checkout(version)
	b.refuse()
	b.collect()
}

// collect finds no garbage: everything is young. What it does with garbage is
// tested in package dataset.
func (b *bench) collect() {
	var found dataset.Collection
	b.get(&found, "gc", "m", "--runs=false")
	require.Empty(b.t, found.Garbage)
	require.Positive(b.t, found.Kept)
	b.get(&found, "gc", "m", "--runs=false", "--plan")
	require.Empty(b.t, found.Plan)
	_, err := b.run("gc", "m", "--cancel")
	require.NoError(b.t, err)
	for want, args := range map[string][]string{
		"no collection is planned": {"gc", "m", "--runs=false", "--apply"},
		"one of":                   {"gc", "m", "--plan", "--apply"},
		"want at least 1h0m0s":     {"gc", "m", "--runs=false", "--grace", "1m"},
	} {
		_, err := b.run(args...)
		require.ErrorContains(b.t, err, want)
	}
	sweeper := b.client.Sweeper("m")
	stored, err := sweeper.Versions(b.t.Context(), "commits/")
	require.NoError(b.t, err)
	require.NotEmpty(b.t, stored[0].VersionID)
	require.WithinDuration(b.t, time.Now(), stored[0].Stored, time.Hour)
	require.NoError(b.t, sweeper.Delete(b.t.Context(), stored[0].Key, stored[0].VersionID))
	left, err := sweeper.Versions(b.t.Context(), "commits/")
	require.NoError(b.t, err)
	require.Len(b.t, left, len(stored)-1, "gone for good, without a delete marker")
	require.Error(b.t, sweeper.Delete(b.t.Context(), stored[1].Key, ""))
}

func (b *bench) checkout(version string) {
	folder := b.t.TempDir()
	var done struct{ Fetched, Kept, Removed int }
	b.get(&done, "checkout", "m", "v1", folder, "--prefix", "raw/m/")
	require.Equal(b.t, 12, done.Fetched)
	b.get(&done, "checkout", "m", "main", folder, "--prefix", "raw/m/")
	require.Equal(b.t, []int{1, 10, 1}, []int{done.Fetched, done.Kept, done.Removed})
	body, err := os.ReadFile(filepath.Join(folder, "d0", "f00.csv"))
	require.NoError(b.t, err)
	require.Equal(b.t, "row zero\n", string(body))

	list := filepath.Join(b.t.TempDir(), "list.jsonl")
	require.NoError(b.t, os.WriteFile(list, fmt.Appendf(nil, "{\"key\":\"raw/m/d0/f00.csv\",\"version_id\":%q}\n\n", version), 0o600))
	b.commit("listed", "--base", "v1", "--list", list, "--remove", "raw/m/d0/f02.csv")
	event := filepath.Join(b.t.TempDir(), "event.json")
	require.NoError(b.t, os.WriteFile(event, fmt.Appendf(nil, `{"id":"1","source":"aws.s3","detail-type":"Object Created","detail":{"bucket":{"name":%q},`+
		`"object":{"key":"raw/m/d0/f00.csv","version-id":%q,"size":9}}}`, b.client.Lake, version), 0o600))
	b.commit("evented", "--base", "v1", "--event", event)
	b.commit("removed", "--base", "v1", "--remove", "raw/m/d0/f00.csv")
}

func (b *bench) refuse() {
	out, err := b.run("merge", "m", "removed", "evented", "--json")
	require.ErrorContains(b.t, err, "1 conflict(s); raw/m/d0/f00.csv")
	require.Contains(b.t, out, `"conflicts": [`)
	var merged mergedView
	b.get(&merged, "merge", "m", "removed", "evented", "--resolve", "raw/**=theirs")
	require.Len(b.t, merged.Resolved, 1)
	require.True(b.t, merged.Moved)
	var undone mergedView
	b.get(&undone, "revert", "m", "removed", "removed")
	require.NotEqual(b.t, merged.Commit.ID, undone.Commit.ID)
	b.get(&undone, "cherry-pick", "m", "removed", "evented", "--resolve", "**=theirs")
	require.True(b.t, undone.Moved)
	var restored commitView
	b.get(&restored, "restore", "m", "removed", "v1")
	require.Equal(b.t, 12, restored.Stats.Objects)

	bad := filepath.Join(b.t.TempDir(), "bad.jsonl")
	require.NoError(b.t, os.WriteFile(bad, []byte("{\"key\":\"a\",\"version_id\":\"v\"}\n{\"key\":\"b\"}\n"), 0o600))
	for _, c := range []struct {
		want string
		args []string
	}{
		{"it is protected", []string{"commit", "m", "main", "--remove", "raw/m/d0/f00.csv"}},
		{"it is protected", []string{"branch", "delete", "m", "main"}},
		{"no branch, tag or commit has that name", []string{"show", "m", "nope"}},
		{"is its first commit", []string{"show", "m", "removed~2~9"}},
		{"tags do not move", []string{"tag", "create", "m", "v1", "main"}},
		{"the lake has no object raw/m/none", []string{"commit", "m", "x", "--object", "raw/m/none"}},
		{"version 01ARZ3NDEKTSV4RRFFQ69G5FAV of raw/m/d0/f00.csv is gone", []string{"commit", "m", "x", "--object", "raw/m/d0/f00.csv@01ARZ3NDEKTSV4RRFFQ69G5FAV"}},
		{"bad.jsonl:2: want", []string{"commit", "m", "x", "--list", bad}},
		{"use it alone", []string{"commit", "m", "x", "--prefix", "raw/", "--remove", "a"}},
		{"want NAME=VALUE", []string{"commit", "m", "x", "--meta", "x"}},
		{"want ours, theirs, newest or fail", []string{"merge", "m", "main", "v1", "--resolve", "**=mine"}},
		{"--ttl -1h0m0s", []string{"branch", "create", "m", "x", "--ttl", "-1h"}},
		{"want 2 argument(s), got 1", []string{"commit", "m"}},
	} {
		_, err := b.run(c.args...)
		require.ErrorContains(b.t, err, c.want, c.args)
	}
}

// TestWritersOnS3 lets writers commit to one branch of a real S3 server, whose
// conditional writes they race for. None is lost, none is there twice.
func TestWritersOnS3(t *testing.T) {
	b := newBench(t)
	const writers, each = 6, 4
	var wait sync.WaitGroup
	for w := range writers {
		wait.Go(func() {
			repository := b.client.Dataset("m")
			for n := range each {
				key := fmt.Sprintf("w%d/%d", w, n)
				_, err := repository.Commit(t.Context(), dataset.Request{Branch: "main", Time: time.Now(), Author: key,
					Changes: dataset.Changes{Puts: []dataset.Entry{{Key: key, VersionID: "v", Size: 1}}}})
				if err != nil {
					t.Errorf("%s: %v", key, err)
				}
			}
		})
	}
	wait.Wait()
	repository := b.client.Dataset("m")
	log, err := repository.Log(t.Context(), "main", 0)
	require.NoError(t, err)
	require.Len(t, log, writers*each)
	entries, err := repository.Entries(t.Context(), "main", "")
	require.NoError(t, err)
	require.Len(t, entries, writers*each)
}

// TestALargeCommitOnS3 makes a tree of several levels there and reads it back.
func TestALargeCommitOnS3(t *testing.T) {
	b := newBench(t)
	const count = 20_000
	var changes dataset.Changes
	for n := range count {
		changes.Puts = append(changes.Puts, dataset.Entry{Key: fmt.Sprintf("raw/m/%05d", n), VersionID: fmt.Sprint("v", n), Size: 1})
	}
	made, err := b.client.Dataset("m").Commit(t.Context(), dataset.Request{Branch: "main", Changes: changes, Time: time.Now()})
	require.NoError(t, err)
	require.Equal(t, 1, made.Level)
	entries, err := b.client.Dataset("m").Entries(t.Context(), "main", "raw/m/19")
	require.NoError(t, err)
	require.Equal(t, changes.Puts[19_000:], entries)
	objects, err := b.client.Objects.List(t.Context(), b.client.Store, "datasets/m/blobs/")
	require.NoError(t, err)
	require.Less(t, len(objects), 45)
}
