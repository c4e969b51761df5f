package stack

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/jsii-runtime-go"
	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "rewrite the golden templates from what the app synthesizes now")

// root is the repository's top folder, where the app runs.
const root = "../.."

// synthesize runs the app into a temporary folder with stand-in programs: the
// template depends on the programs by their hashes only, which the golden
// files neutralise.
func synthesize(t *testing.T) (out string, settings Settings) {
	t.Helper()
	t.Chdir(root)
	settings, err := ReadSettings("cdk.json", nil)
	require.NoError(t, err)
	settings.BuildDirectory = t.TempDir()
	for _, folder := range []string{"admit", "plan", "ingest", "profile", "validate", "decide", "register", "shift", "analyze", "promote", "rollback", "monitor", "track"} {
		standIn(t, settings.BuildDirectory, "functions", folder, "bootstrap")
	}
	for _, g := range gates {
		standIn(t, settings.BuildDirectory, "functions", "gates/"+g.folder, "bootstrap")
	}
	for _, image := range []string{"trainer", "evaluator", "server"} {
		standIn(t, settings.BuildDirectory, "images", image, "Dockerfile")
	}
	out = t.TempDir()
	app := awscdk.NewApp(AppProps(out))
	for _, environment := range settings.Environments {
		New(app, environment, settings)
	}
	app.Synth(nil)
	return out, settings
}

func standIn(t *testing.T, parts ...string) {
	t.Helper()
	path := filepath.Join(parts...)
	require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
	require.NoError(t, os.WriteFile(path, []byte(parts[len(parts)-2]), 0o755))
}

var assetHash = regexp.MustCompile(`[0-9a-f]{64}`)

func TestTemplatesMatchTheirGoldenFiles(t *testing.T) {
	defer jsii.Close()
	golden, err := filepath.Abs("testdata")
	require.NoError(t, err)
	out, settings := synthesize(t)
	for _, environment := range settings.Environments {
		name := "Sluice-" + environment + ".template.json"
		text, err := os.ReadFile(filepath.Join(out, name))
		require.NoError(t, err)
		text = assetHash.ReplaceAll(text, []byte("<asset>"))
		path := filepath.Join(golden, name)
		if *update {
			require.NoError(t, os.MkdirAll(golden, 0o755))
			require.NoError(t, os.WriteFile(path, text, 0o644))
			continue
		}
		want, err := os.ReadFile(path)
		require.NoError(t, err, "make golden writes it")
		var wantValue, gotValue any
		require.NoError(t, json.Unmarshal(want, &wantValue))
		require.NoError(t, json.Unmarshal(text, &gotValue))
		require.Equal(t, wantValue, gotValue, "%s changed; if that is meant: make golden", name)
		checkPolicy(t, gotValue.(map[string]any))
	}
}

// checkPolicy holds rules that every template must keep, whatever its golden
// file says.
func checkPolicy(t *testing.T, template map[string]any) {
	t.Helper()
	for id, raw := range template["Resources"].(map[string]any) {
		resource := raw.(map[string]any)
		properties, _ := resource["Properties"].(map[string]any)
		switch resource["Type"] {
		case "AWS::Lambda::Function":
			require.Equal(t, "provided.al2023", properties["Runtime"], id)
			require.Contains(t, resource["Metadata"], "aws:asset:path", "%s: sam local invoke finds the program by it", id)
			for _, want := range []string{"Role", "Timeout", "MemorySize", "DeadLetterConfig", "LoggingConfig", "TracingConfig"} {
				require.Contains(t, properties, want, id)
			}
		case "AWS::S3::Bucket":
			require.Equal(t, "Enabled", properties["VersioningConfiguration"].(map[string]any)["Status"], id)
			require.Contains(t, properties, "BucketEncryption", id)
			require.NotContains(t, mustJSON(t, properties), "NoncurrentVersionExpiration", "%s would lose pinned versions", id)
		case "AWS::Logs::LogGroup":
			require.Contains(t, properties, "RetentionInDays", id)
		case "AWS::IAM::Policy":
			checkLeastPrivilege(t, id, properties)
		}
	}
}

// unscoped are the actions that AWS offers no narrower resource for.
var unscoped = regexp.MustCompile(`^(xray:|logs:(CreateLogDelivery|GetLogDelivery|UpdateLogDelivery|DeleteLogDelivery|ListLogDeliveries|PutResourcePolicy|DescribeResourcePolicies|DescribeLogGroups)$|cloudwatch:(GetMetricData|DescribeAlarms|PutMetricData)$|batch:(DescribeJobs|TerminateJob)$|ecr:GetAuthorizationToken$)`)

func checkLeastPrivilege(t *testing.T, id string, properties map[string]any) {
	t.Helper()
	document := properties["PolicyDocument"].(map[string]any)
	for _, raw := range document["Statement"].([]any) {
		statement := raw.(map[string]any)
		for _, action := range listed(statement["Action"]) {
			require.NotContains(t, action, "*", "%s: an action with a wildcard", id)
			if statement["Resource"] == "*" {
				require.Regexp(t, unscoped, action, "%s: allowed on every resource", id)
			}
		}
	}
}

func listed(v any) []string {
	if one, ok := v.(string); ok {
		return []string{one}
	}
	all := []string{}
	for _, item := range v.([]any) {
		all = append(all, item.(string))
	}
	return all
}

func mustJSON(t *testing.T, v any) string {
	t.Helper()
	text, err := json.Marshal(v)
	require.NoError(t, err)
	return string(text)
}
