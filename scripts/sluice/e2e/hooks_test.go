package e2e

import (
	"encoding/json"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sluice-ml/sluice/shared/dataset"
)

// hooked is an assembly with a function for hooks beside the others, and a
// lifecycle rule that deletes old versions of some of the lake's objects.
func hooked(t *testing.T) string {
	t.Helper()
	copied := filepath.Join(t.TempDir(), "cdk.out")
	out, err := exec.Command("cp", "-a", assembly(t), copied).CombinedOutput()
	require.NoError(t, err, "%s", out)
	build := exec.Command("go", "build", "-o", filepath.Join(copied, "asset.hook", "bootstrap"), "./testdata/hook")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	out, err = build.CombinedOutput()
	require.NoError(t, err, "%s", out)

	edit(t, filepath.Join(copied, "Sluice-production.template.json"), func(template map[string]any) {
		resources := template["Resources"].(map[string]any)
		hook := maps.Clone(resources["Validate"].(map[string]any))
		properties := maps.Clone(hook["Properties"].(map[string]any))
		code := maps.Clone(properties["Code"].(map[string]any))
		code["S3Key"] = "hook.zip"
		properties["Code"], properties["FunctionName"], properties["Timeout"] = code, "sluice-production-hook-owners", 2
		hook["Properties"] = properties
		delete(hook, "Metadata")
		resources["HookOwners"] = hook
		lake := resources["Lake"].(map[string]any)["Properties"].(map[string]any)
		rules := lake["LifecycleConfiguration"].(map[string]any)
		rules["Rules"] = append(rules["Rules"].([]any), map[string]any{"Id": "tidy", "Status": "Enabled", "Prefix": "raw/adult-income/eaten/",
			"NoncurrentVersionExpiration": map[string]any{"NoncurrentDays": 30}})
	})
	edit(t, filepath.Join(copied, "Sluice-production.assets.json"), func(assets map[string]any) {
		assets["files"].(map[string]any)["hook"] = map[string]any{"source": map[string]any{"path": "asset.hook", "packaging": "zip"},
			"destinations": map[string]any{"here": map[string]any{"bucketName": "assets", "objectKey": "hook.zip"}}}
	})
	return copied
}

func edit(t *testing.T, path string, change func(map[string]any)) {
	t.Helper()
	raw, err := os.ReadFile(path)
	require.NoError(t, err)
	var document map[string]any
	require.NoError(t, json.Unmarshal(raw, &document))
	change(document)
	raw, err = json.Marshal(document)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(path, raw, 0o600))
}

// TestHooksAndRulesGuardTheData asks a real function, by the command and by the
// pipeline, and has ingest read the bucket's lifecycle rules.
func TestHooksAndRulesGuardTheData(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := upOf(t, dir, hooked(t))
	data := func(args ...string) ended { return sluice(t, append([]string{"data", "--dir", dir}, args...)...) }
	done := func(args ...string) {
		t.Helper()
		got := data(args...)
		require.Equal(t, 0, got.code, "%v: %s", args, got.stderr)
	}
	put := func(branch, name string, more ...string) {
		t.Helper()
		_, err := s.Objects.Put(t.Context(), s.Lake, "raw/shop/"+name, []byte("x"))
		require.NoError(t, err)
		done(append([]string{"commit", "shop", branch, "--object", "raw/shop/" + name}, more...)...)
	}
	put("main", "first.csv")
	done("branch", "protect", "shop", "main")
	done("hooks", "set", "shop", "owners", "--branch", "main", "--lambda", "sluice-production-hook-owners", "--timeout", "60s")
	for name, want := range map[string]string{
		"refused": "hook owners (function sluice-production-hook-owners) refuses commit",
		"crash":   "it failed: Runtime.ExitError",
		"slow":    "Task timed out after 2.00 seconds",
		"garbled": `got "\"perhaps\""`,
	} {
		put(name, name+".csv", "--base", "main")
		got := data("merge", "shop", "main", name)
		require.Equal(t, 1, got.code, "%s: %s%s", name, got.stdout, got.stderr)
		require.Contains(t, got.stderr, "move branch main: hook owners")
		require.Contains(t, got.stderr, want)
		if name == "refused" {
			require.Contains(t, got.stderr, "merge of shop into main brings raw/shop/refused.csv (see s3://"+s.Store+"/datasets/shop/changesets/")
		}
	}
	got := data("merge", "shop", "main", "refused", "--no-hooks")
	require.Equal(t, 2, got.code, "there is no way around")
	put("fine", "fine.csv", "--base", "main")
	done("merge", "shop", "main", "fine")
	done("hooks", "set", "shop", "owners", "--on-error", "allow")
	require.Equal(t, 1, data("merge", "shop", "main", "refused").code, "its own no still counts")
	got = data("merge", "shop", "main", "crash")
	require.Equal(t, 0, got.code, got.stderr)
	require.Contains(t, got.stderr, "hook owners gave no answer, and is set to let that pass")

	// What else asks the stack for runs under way and for the lake's versions.
	for _, args := range [][]string{{"cost", "shop"}, {"gc", "shop"}, {"gc", "shop", "--lake", "--allow", "raw/shop/"}, {"gc", "shop", "--lake"},
		{"tier", "shop", "--to", "GLACIER_IR", "--older-than", "0d"}, {"hold", "list", "shop"}, {"audit", "shop"}} {
		done(args...)
	}

	s.configure(t, oneStep)
	done("hooks", "set", model, "owners", "--branch", "main", "--lambda", "sluice-production-hook-owners")
	s.upload(t, "refused.csv", text(t, rows(t, 0, 3000)))
	run := s.ends(t, model+"-1", "invalid")
	require.Contains(t, run.Outcome.Reason, "refuses commit")
	require.Contains(t, run.Outcome.Reason, "merge of adult-income into main brings raw/adult-income/refused.csv")
	_, err := s.Dataset(model).Head(t.Context(), dataset.Main)
	require.Error(t, err, "main was not made")
	s.upload(t, "eaten/part.csv", text(t, rows(t, 0, 300)))
	run = s.ends(t, model+"-2", "invalid")
	require.Contains(t, run.Outcome.Reason, `pin raw/adult-income/eaten/part.csv: lifecycle rule "tidy" deletes versions of raw/adult-income/eaten/* 30 day(s) after they are replaced`)
	require.Contains(t, run.Outcome.Reason, "give the rule a filter that leaves raw/adult-income/eaten/part.csv out")
}
