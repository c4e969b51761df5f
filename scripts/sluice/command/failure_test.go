package command

import (
	"bytes"
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/spf13/cobra"
	"github.com/stretchr/testify/require"

	"github.com/sluice-ml/sluice/scripts/sluice/operator"
	"github.com/sluice-ml/sluice/shared/aws/s3store"
	"github.com/sluice-ml/sluice/shared/aws/s3store/s3test"
)

// fails runs the whole command as main does and gives what a person, or with
// --json a script, reads of its failure.
func (b *bench) fails(args ...string) (code int, stderr string) {
	root := Root()
	dialed := &settings{environment: "staging", dial: func(context.Context, operator.Target) (*operator.Client, error) { return b.client, nil }}
	root.RemoveCommand(find(root, "data"), find(root, "rollout"))
	root.AddCommand(dataCommand(dialed), rolloutCommand(dialed))
	var out, failed bytes.Buffer
	root.SetOut(&out)
	root.SetErr(&failed)
	code = Run(b.t.Context(), root, args, &failed)
	return code, failed.String()
}

// eating is a lake with a lifecycle rule; the S3 server of these tests has none.
type eating struct{ s3store.RuleReader }

func (eating) GetBucketLifecycleConfiguration(context.Context, *s3.GetBucketLifecycleConfigurationInput, ...func(*s3.Options)) (*s3.GetBucketLifecycleConfigurationOutput, error) {
	return &s3.GetBucketLifecycleConfigurationOutput{Rules: []types.LifecycleRule{{ID: aws.String("tidy"), Status: types.ExpirationStatusEnabled,
		Filter:                      &types.LifecycleRuleFilter{Prefix: aws.String("raw/m/eaten/")},
		NoncurrentVersionExpiration: &types.NoncurrentVersionExpiration{NoncurrentDays: aws.Int32(30)}}}}, nil
}

func (b *bench) versioning(status types.BucketVersioningStatus) {
	_, err := s3test.Client(b.t).PutBucketVersioning(b.t.Context(), &s3.PutBucketVersioningInput{Bucket: &b.client.Lake,
		VersioningConfiguration: &types.VersioningConfiguration{Status: status}})
	require.NoError(b.t, err)
}

// TestErrorsNameTheRefThePathAndTheWayOut holds the real output of the command
// against what it must name. Each is told to a person and to a script.
func TestErrorsNameTheRefThePathAndTheWayOut(t *testing.T) {
	b := newBench(t)
	b.client.Rules = s3store.NewRules(eating{s3test.Client(t)}, time.Now)
	gone := b.upload("raw/m/gone.csv", "1")
	b.upload("raw/m/a.csv", "1")
	first := b.commit("main")
	for _, branch := range []string{"ours", "theirs"} {
		version := b.upload("raw/m/a.csv", branch)
		b.commit(branch, "--base", "main", "--object", "raw/m/a.csv@"+version)
	}
	_, err := b.run("branch", "protect", "m", "main")
	require.NoError(t, err)
	// Commits enough for two whose ids start with the same six digits do not come
	// by themselves, so the second is a copy of the first under another name.
	twin := first.ID[:8] + strings.Repeat("0", 56)
	_, err = b.client.Objects.Put(t.Context(), b.client.Store, "datasets/m/commits/"+twin, []byte("x"))
	require.NoError(t, err)
	require.NoError(t, b.client.Objects.Delete(t.Context(), b.client.Lake, "raw/m/gone.csv", gone))
	b.upload("raw/m/eaten/b.csv", "2")
	b.versioning(types.BucketVersioningStatusSuspended)
	b.upload("raw/m/null.csv", "3")
	b.versioning(types.BucketVersioningStatusEnabled)
	unversioned := newBench(t)
	unversioned.versioning(types.BucketVersioningStatusSuspended)
	unversioned.upload("raw/m/a.csv", "1")

	for _, c := range []struct {
		name  string
		on    *bench
		args  []string
		code  int
		kind  string
		retry bool
		names []string // the ref, the path, why
		hint  []string // the way out
	}{
		{"an unknown ref", b, []string{"show", "m", "nope"}, 1, "NotFound", false,
			[]string{"resolve nope", "no branch, tag or commit has that name"}, []string{"sluice data branch list m", "sluice data tag list m"}},
		{"an unknown branch", b, []string{"merge", "m", "nope", "main"}, 1, "NotFound", false,
			[]string{"branch nope", "no such branch"}, []string{"sluice data branch list m"}},
		{"an ambiguous ref", b, []string{"show", "m", first.ID[:7]}, 1, "Invalid", false,
			[]string{"resolve " + first.ID[:7], "ambiguous: 2 commits"}, []string{"give more digits", first.ID, twin}},
		{"a merge conflict", b, []string{"merge", "m", "ours", "theirs"}, 1, "Conflict", false,
			[]string{"merge theirs into ours", "raw/m/a.csv: base version ", "ours version ", "theirs version "}, []string{"--resolve 'raw/m/a.csv=theirs'"}},
		{"a protected branch", b, []string{"commit", "m", "main", "--remove", "raw/m/a.csv"}, 1, "Denied", false,
			[]string{"branch main", "protected"}, []string{"merge that one", "sluice data branch protect m main --off"}},
		{"a pinned version that is gone", b, []string{"checkout", "m", "main", t.TempDir(), "--prefix", "raw/m/gone"}, 1, "NotFound", false,
			[]string{"check out raw/m/gone.csv", gone, "is gone"}, []string{"main pins it", "sluice data audit m main", "without it"}},
		{"a version to pin that is gone", b, []string{"commit", "m", "side", "--object", "raw/m/gone.csv@" + gone}, 1, "NotFound", false,
			[]string{"commit to side", "pin raw/m/gone.csv", gone, "is gone"}, []string{"upload it again"}},
		{"a null version", b, []string{"commit", "m", "side", "--object", "raw/m/null.csv@null"}, 1, "Invalid", false,
			[]string{"commit to side", "pin raw/m/null.csv", `version "null"`}, []string{"upload the object again", "copy it onto itself"}},
		{"a bucket without versioning", unversioned, []string{"commit", "m", "main"}, 1, "Invalid", false,
			[]string{"commit to main", unversioned.client.Lake, "versioning is Suspended"}, []string{"aws s3api put-bucket-versioning --bucket " + unversioned.client.Lake}},
		{"a lifecycle rule that would eat the data", b, []string{"commit", "m", "side", "--object", "raw/m/eaten/b.csv"}, 1, "Invalid", false,
			[]string{"commit to side", "pin raw/m/eaten/b.csv", `"tidy"`, "raw/m/eaten/*", "30 day(s)"}, []string{"leaves raw/m/eaten/b.csv out", "delete it"}},
		{"a model that cannot be", b, []string{"show", "x/y"}, 2, "Usage", false, []string{"x/y", "want 1 to 40 letters"}, nil},
		{"a wrong command line", b, []string{"show"}, 2, "Usage", false, []string{"want 1 to 2 arguments, got 0"}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			code, text := c.on.fails(append([]string{"data"}, c.args...)...)
			require.Equal(t, c.code, code, text)
			for _, want := range append(c.names, c.hint...) {
				require.Contains(t, text, want)
			}
			require.Regexp(t, `\Asluice: [^\n]+\n\z`, text)
			require.NotRegexp(t, `\(.*MODEL`, text, "the advice names the model")
			code, text = c.on.fails(append([]string{"--json", "data"}, c.args...)...)
			require.Equal(t, c.code, code)
			var f failure
			decoder := json.NewDecoder(strings.NewReader(text))
			decoder.DisallowUnknownFields()
			require.NoError(t, decoder.Decode(&f), text)
			require.False(t, decoder.More())
			require.Equal(t, []any{c.kind, c.retry, c.code}, []any{f.Error.Kind, f.Error.Retry, f.Exit}, text)
			for _, want := range c.names {
				require.Contains(t, f.Error.Message, want)
			}
			for _, want := range c.hint {
				require.Contains(t, f.Error.Hint, want)
			}
			require.Equal(t, c.name == "a merge conflict", len(f.Error.Conflicts) == 1)
		})
	}
}

func find(root *cobra.Command, name string) *cobra.Command {
	for _, c := range root.Commands() {
		if c.Name() == name {
			return c
		}
	}
	return nil
}
