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
func synthesize(t *testing.T, overrides map[string]any) (out string, settings Settings) {
	t.Helper()
	t.Chdir(root)
	settings, err := ReadSettings("cdk.json", overrides)
	require.NoError(t, err)
	settings.BuildDirectory = t.TempDir()
	for _, folder := range []string{"admit", "plan", "ingest", "profile", "validate", "decide", "register", "shift", "analyze", "promote", "rollback", "monitor", "track", "probe"} {
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
	golden, err := filepath.Abs("testdata")
	require.NoError(t, err)
	out, settings := synthesize(t, nil)
	for _, environment := range settings.Environments {
		name := "Sluice-" + environment + ".template.json"
		compare(t, filepath.Join(out, name), filepath.Join(golden, name))
	}
}

// A model that ECS serves, beside one that SageMaker serves.
func TestTemplateWithECSMatchesItsGoldenFile(t *testing.T) {
	golden, err := filepath.Abs("testdata")
	require.NoError(t, err)
	out, _ := synthesize(t, map[string]any{"environments": []any{"staging"}, "models": map[string]any{
		"adult-income": map[string]any{"errorRate": 0.05, "latencyP99": "500ms", "accuracy": 0.75},
		"churn":        map[string]any{"backend": "ecs", "errorRate": 0.05, "latencyP99": "250ms", "accuracy": 0.8}}})
	compare(t, filepath.Join(out, "Sluice-staging.template.json"), filepath.Join(golden, "Sluice-staging-ecs.template.json"))
}

// compare wants a template to be its golden file, but for assets' hashes.
func compare(t *testing.T, synthesized, golden string) {
	t.Helper()
	text, err := os.ReadFile(synthesized)
	require.NoError(t, err)
	text = assetHash.ReplaceAll(text, []byte("<asset>"))
	if *update {
		require.NoError(t, os.MkdirAll(filepath.Dir(golden), 0o755))
		require.NoError(t, os.WriteFile(golden, text, 0o644))
		return
	}
	want, err := os.ReadFile(golden)
	require.NoError(t, err, "make golden writes it")
	var wantValue, gotValue any
	require.NoError(t, json.Unmarshal(want, &wantValue))
	require.NoError(t, json.Unmarshal(text, &gotValue))
	require.Equal(t, wantValue, gotValue, "%s changed; if that is meant: make golden", filepath.Base(golden))
	checkPolicy(t, gotValue.(map[string]any))
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
var unscoped = regexp.MustCompile(`^(xray:|logs:(CreateLogDelivery|GetLogDelivery|UpdateLogDelivery|DeleteLogDelivery|ListLogDeliveries|PutResourcePolicy|DescribeResourcePolicies|DescribeLogGroups)$|cloudwatch:(GetMetricData|DescribeAlarms|PutMetricData)$|batch:(DescribeJobs|TerminateJob)$|ecr:GetAuthorizationToken$|ecs:(Describe|Register)TaskDefinition$|elasticloadbalancing:Describe(Rules|Tags|TargetHealth)$|ec2:(Create|Describe|Delete)NetworkInterfaces?$)`)

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

// TestMain ends the CDK's helper process once, after every template.
func TestMain(m *testing.M) {
	code := m.Run()
	jsii.Close()
	os.Exit(code)
}
