package outside

import (
	"encoding/json"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sluice-ml/sluice/shared/lakefs/lakefstest"
)

func peers(t *testing.T) string {
	t.Helper()
	needed(t, ".sluice/cache/peers/PACKAGES", "scripts/fetch-outside.sh")
	return needed(t, ".sluice/cache/peers/bin/python", "scripts/fetch-outside.sh")
}

// TestPeers: DVC and delta-rs write to the stack's lake, and each other's files
// and sluice's are read by both sides.
func TestPeers(t *testing.T) {
	interpreter := peers(t)
	program := build(t)
	stack := up(t, program, filepath.Join(t.TempDir(), "stack"))
	defer stack.stop(t)
	interpret(t, interpreter, []string{"AWS_ENDPOINT_URL=" + stack.URL, "AWS_ACCESS_KEY_ID=sluice", "AWS_SECRET_ACCESS_KEY=sluice-local", "AWS_DEFAULT_REGION=us-east-1",
		"AWS_REGION=us-east-1", "AWS_ALLOW_HTTP=true", "DVC_NO_ANALYTICS=1"}, "peers.py", program, stack.Outputs["LakeBucketOutput"], t.TempDir())
}

// TestLakeFSClient: lakeFS's own Python client reads what the server of our tests
// answers, so its shapes are lakeFS's. A real server could not be had.
func TestLakeFSClient(t *testing.T) {
	interpreter := peers(t)
	r := &lakefstest.Repository{Name: "census", Refs: map[string]string{"main": "c0ffee"}, PerPage: 3}
	for _, path := range []string{"a.csv", "b c.csv", "d/größe.csv", "d/x.csv", "e.csv", "f.csv", "g.csv"} {
		r.Objects = append(r.Objects, lakefstest.Object{Path: path, PhysicalAddress: "s3://lake/data/" + path, Checksum: "0cc1", Size: int64(len(path)),
			Metadata: map[string]string{"k": "v"}})
	}
	expected, err := json.Marshal(r.Objects)
	require.NoError(t, err)
	interpret(t, interpreter, nil, "lakefs.py", lakefstest.New(t, r), lakefstest.AccessKey, lakefstest.SecretKey, string(expected))
}
