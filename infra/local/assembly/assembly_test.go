package assembly

import (
	"archive/zip"
	"context"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

func write(t *testing.T, path, content string) {
	t.Helper()
	require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
	require.NoError(t, os.WriteFile(path, []byte(content), 0o644))
}

func makeAssembly(t *testing.T) string {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "manifest.json"), `{"version":"54.0.0","artifacts":{
		"Demo.assets":{"type":"cdk:asset-manifest","properties":{"file":"Demo.assets.json"}},
		"Demo":{"type":"aws:cloudformation:stack","environment":"aws://unknown-account/unknown-region","properties":{"templateFile":"Demo.template.json"}},
		"Other":{"type":"aws:cloudformation:stack","environment":"aws://1/eu-west-1","properties":{"templateFile":"Demo.template.json","stackName":"Renamed"}},
		"assembly-Stage":{"type":"cdk:cloud-assembly","properties":{"directoryName":"assembly-Stage"}},
		"Tree":{"type":"cdk:tree","properties":{"file":"tree.json"}}}}`)
	write(t, filepath.Join(dir, "assembly-Stage/manifest.json"), `{"artifacts":{
		"StageInner":{"type":"aws:cloudformation:stack","displayName":"Stage/Inner","properties":{"templateFile":"x.json","stackName":"Stage-Inner"}}}}`)
	write(t, filepath.Join(dir, "assembly-Stage/x.json"), `{"Resources":{"A":{"Type":"T"}}}`)
	write(t, filepath.Join(dir, "Demo.template.json"), `{"Resources":{"A":{"Type":"T"}}}`)
	write(t, filepath.Join(dir, "Demo.assets.json"), `{"version":"54.0.0","files":{
		"aaa":{"source":{"path":"asset.aaa","packaging":"zip"},"destinations":{"d":{"bucketName":"b","objectKey":"aaa.zip"}}},
		"bbb":{"source":{"path":"asset.bbb.zip","packaging":"file"},"destinations":{"d":{"bucketName":"b","objectKey":"bbb.zip"}}},
		"ccc":{"source":{"path":"asset.ccc"},"destinations":{"d":{"bucketName":"b","objectKey":"ccc.zip"}}}},
		"dockerImages":{"ddd":{"source":{"directory":"asset.ddd"},"destinations":{"d":{"repositoryName":"r","imageTag":"ddd"}}}}}`)
	write(t, filepath.Join(dir, "asset.aaa/bootstrap"), "code")
	write(t, filepath.Join(dir, "asset.ddd/Dockerfile"), "FROM scratch")
	zipFile(t, filepath.Join(dir, "asset.bbb.zip"), map[string]string{"bootstrap": "zipped", "lib/x": "y"})
	return dir
}

func zipFile(t *testing.T, path string, files map[string]string) {
	t.Helper()
	f, err := os.Create(path)
	require.NoError(t, err)
	w := zip.NewWriter(f)
	for name, content := range files {
		header := &zip.FileHeader{Name: name, Method: zip.Deflate}
		header.SetMode(0o755)
		entry, err := w.CreateHeader(header)
		require.NoError(t, err)
		_, err = entry.Write([]byte(content))
		require.NoError(t, err)
	}
	require.NoError(t, w.Close())
	require.NoError(t, f.Close())
}

func TestStackIsChosenByName(t *testing.T) {
	a, err := Open(makeAssembly(t))
	require.NoError(t, err)
	require.Equal(t, []string{"Demo", "Renamed", "Stage-Inner"}, a.Stacks())
	demo, err := a.Stack("Demo")
	require.NoError(t, err)
	require.Equal(t, DefaultRegion, demo.Region)
	renamed, err := a.Stack("Renamed")
	require.NoError(t, err)
	require.Equal(t, "eu-west-1", renamed.Region)
	_, err = a.Stack("Stage/Inner")
	require.NoError(t, err)
	_, err = a.Stack("Nope")
	require.ErrorContains(t, err, "which has Demo, Renamed, Stage-Inner")
	_, err = Open(t.TempDir())
	require.ErrorContains(t, err, "cdk synth")
}

func TestAssetsAreFoundByKeyAndImageTag(t *testing.T) {
	dir := makeAssembly(t)
	a, err := Open(dir)
	require.NoError(t, err)
	demo, err := a.Stack("Demo")
	require.NoError(t, err)
	cache := filepath.Join(t.TempDir(), "cache")

	folder, err := demo.Assets.Folder("aaa.zip", cache)
	require.NoError(t, err)
	require.Equal(t, filepath.Join(dir, "asset.aaa"), folder)
	for range 2 { // the second time it is there already
		folder, err = demo.Assets.Folder("bbb.zip", cache)
		require.NoError(t, err)
		content, err := os.ReadFile(filepath.Join(folder, "bootstrap"))
		require.NoError(t, err)
		require.Equal(t, "zipped", string(content))
		info, err := os.Stat(filepath.Join(folder, "bootstrap"))
		require.NoError(t, err)
		require.NotZero(t, info.Mode()&0o100, "bootstrap must stay executable")
	}
	_, err = demo.Assets.Folder("ccc.zip", cache)
	require.ErrorContains(t, err, "synthesize the CDK app again")
	_, err = demo.Assets.Folder("zzz.zip", cache)
	require.ErrorContains(t, err, "not in the stack's asset manifest")

	image, err := demo.Assets.Image("000000000000.dkr.ecr.us-east-1.amazonaws.com/cdk-assets:ddd")
	require.NoError(t, err)
	require.Equal(t, Image{Dir: filepath.Join(dir, "asset.ddd"), Dockerfile: "Dockerfile"}, image)
	_, err = demo.Assets.Image("docker.io/library/xgboost:1")
	require.ErrorContains(t, err, "pulls no images")
}

func TestHostileZipsAreRefused(t *testing.T) {
	dir := t.TempDir()
	archive := filepath.Join(dir, "evil.zip")
	zipFile(t, archive, map[string]string{"../evil": "x"})
	_, err := unzip(archive, filepath.Join(dir, "cache"))
	require.ErrorContains(t, err, "leads out of the archive")
	_, err = os.Stat(filepath.Join(dir, "evil"))
	require.ErrorIs(t, err, os.ErrNotExist)
}

// testdata/cdk was synthesized by aws-cdk-lib 2.265.0: a bucket with a policy, a
// function, a state machine and a rule from one to the other.
func TestAStackThatCDKMade(t *testing.T) {
	a, err := Open(filepath.Join("testdata", "cdk"))
	require.NoError(t, err)
	require.Equal(t, []string{"Demo"}, a.Stacks())
	demo, err := a.Stack("Demo")
	require.NoError(t, err)
	r := &recorder{properties: map[string]map[string]any{}}
	creators := map[string]Creator{}
	for _, kind := range demo.Types() {
		creators[kind] = r.create
	}
	d, err := Deploy(context.Background(), demo, creators)
	require.NoError(t, err)
	require.Len(t, d.Resources, 10)
	require.Less(t, slices.Index(r.order, "EchoServiceRoleDefaultPolicy6F0ACA5F"), slices.Index(r.order, "Echo11F3FB29"))
	rule := r.properties["Uploads4F6EB0FD"]
	require.Equal(t, map[string]any{"bucket": map[string]any{"name": []any{"ref-Lake5F1B88EA"}}},
		rule["EventPattern"].(map[string]any)["detail"])
	code := r.properties["Echo11F3FB29"]["Code"].(map[string]any)
	require.Equal(t, "cdk-hnb659fds-assets-000000000000-us-east-1", code["S3Bucket"])
	_, err = demo.Assets.File(code["S3Key"].(string))
	require.ErrorContains(t, err, "synthesize the CDK app again", "the asset is known, and is not kept with the test")
}
