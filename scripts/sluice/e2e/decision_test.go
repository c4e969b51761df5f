package e2e

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sluice-ml/sluice/shared/predictions"
)

// TestADecisionHoldsAndNothingThatItBindsCanBeChanged checks a real run's
// decision in the store and in copies, and tampers with a copy of each thing
// that it binds.
func TestADecisionHoldsAndNothingThatItBindsCanBeChanged(t *testing.T) {
	t.Parallel()
	s := up(t, seeded(t))
	const run = "adult-income-1"
	copies := filepath.Join(t.TempDir(), run)
	for _, args := range [][]string{
		{"decision", "verify", run}, {"decision", "replay", run}, {"decision", "explain", run}, {"decision", "fetch", run, copies},
	} {
		got := sluice(t, append(args, "--endpoint", s.url)...)
		require.Equal(t, 0, got.code, "%v: %s%s", args, got.stdout, got.stderr)
	}
	absent := sluice(t, "decision", "verify", "adult-income-9", "--endpoint", s.url)
	require.Equal(t, 1, absent.code)
	require.Contains(t, absent.stderr, `run "adult-income-9" has no decision`)
	s.stop(t) // copies need no deployment

	verified := sluice(t, "decision", "verify", copies)
	require.Equal(t, 0, verified.code, "%s%s", verified.stdout, verified.stderr)
	require.NotContains(t, verified.stdout, "DIFFERS")
	replayed := sluice(t, "decision", "replay", filepath.Join(copies, "decision.json"))
	require.Equal(t, 0, replayed.code, "%s%s", replayed.stdout, replayed.stderr)
	explained := sluice(t, "decision", "explain", copies)
	require.Equal(t, 0, explained.code)
	for _, want := range []string{"ships: every gate passed", "auc_disparity of sex=Female and sex=Male", "at least 0.6", "no champion yet", "latency_p99_ms"} {
		require.Contains(t, explained.stdout, want)
	}

	for name, c := range map[string]struct {
		file    string
		tamper  func([]byte) []byte
		command string
		names   []string
	}{
		"the artefact's bytes": {"model.tar.gz", flipped, "verify", []string{"model artefact"}},
		"no artefact":          {"model.tar.gz", nil, "verify", []string{"model artefact", "is not in"}},
		"the seed":             {"plan.json", replaced(`"seed":7`, `"seed":8`), "verify", []string{"plan"}},
		"the commit":           {"plan.json", replaced(`"commit":"`, `"commit":"0`), "verify", []string{"commit", "plan"}},
		"the trainer image":    {"plan.json", replaced(`"trainer_image":"`, `"trainer_image":"x`), "verify", []string{"trainer image"}},
		"the server image":     {"plan.json", replaced(`"server_image":"`, `"server_image":"x`), "verify", []string{"server image"}},
		"the environment":      {"plan.json", replaced(`"environment":"production"`, `"environment":"staging"`), "verify", []string{"environment"}},
		"a threshold":          {"train.yaml", replaced("auc_roc: 0.6", "auc_roc: 0.5"), "verify", []string{"configuration"}},
		"a verdict":            {"verdicts/fairness.json", replaced(`"verdict":"pass"`, `"verdict":"fail"`), "verify", []string{"verdict of fairness"}},
		"a measurement":        {"verdicts/performance.json", replaced(`"value":0.`, `"value":0.1`), "verify", []string{"verdict of performance"}},
		"the payload":          {"decision.json", payload(`"action":"ship"`, `"action":"hold"`), "verify", []string{"signature", "action"}},
		"the digest":           {"decision.json", payload(`"digest":"sha256:`, `"digest":"sha256:0`), "verify", []string{"signature", "model artefact"}},
		"no signature":         {"decision.json", signatures(nil), "verify", []string{"signature"}},
		"another's signature":  {"decision.json", signatures([]byte("forged")), "verify", []string{"signature"}},
		"the predictions":      {"evaluation/predictions.parquet", worse(t), "replay", []string{"is not judged the same again"}},
		"the latencies":        {"evaluation/latency.json", replaced(`"requests": `, `"requests": 1`), "replay", []string{"is not judged the same again"}},
		"swapped predictions":  {"evaluation/predictions.parquet", worse(t), "verify", []string{"evaluation/predictions.parquet"}},
		"swapped latencies":    {"evaluation/latency.json", replaced(`"requests": `, `"requests": 1`), "verify", []string{"evaluation/latency.json"}},
		"a profile that went":  {"profile.json", nil, "verify", []string{"profile.json"}},
		"no profile":           {"profile.json", nil, "replay", []string{"is not judged the same again"}},
		"the recorded value":   {"verdicts/performance.json", replaced(`"value":0.`, `"value":0.1`), "replay", []string{"is not judged the same again"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			folder := tampered(t, copies, c.file, c.tamper)
			got := sluice(t, "decision", c.command, folder)
			require.Equal(t, 1, got.code, "%s%s", got.stdout, got.stderr)
			require.Contains(t, got.stdout, "DIFFERS")
			for _, want := range c.names {
				require.Contains(t, got.stdout+got.stderr, want)
			}
		})
	}
}

// TestAFolderIsSignedWithALocalKey judges and signs copies without a deployment,
// and checks them with the public key alone.
func TestAFolderIsSignedWithALocalKey(t *testing.T) {
	t.Parallel()
	s := up(t, seeded(t))
	folder, key := filepath.Join(t.TempDir(), "copy"), filepath.Join(t.TempDir(), "key.pem")
	require.Equal(t, 0, sluice(t, "decision", "fetch", "adult-income-1", folder, "--endpoint", s.url).code)
	s.stop(t)
	for _, file := range []string{"decision.json", "key.pem"} {
		require.NoError(t, os.Remove(filepath.Join(folder, file)))
	}
	made := sluice(t, "decision", "key", key)
	require.Equal(t, 0, made.code, made.stderr)
	require.Contains(t, made.stdout, "only you may read it")
	require.Equal(t, 1, sluice(t, "decision", "key", key).code, "a key is never written over")
	got := sluice(t, "decision", "sign", folder, "--key", key)
	require.Equal(t, 0, got.code, "%s%s", got.stdout, got.stderr)
	require.Equal(t, 1, sluice(t, "decision", "sign", folder, "--key", key).code, "nor is a decision")
	for _, command := range []string{"verify", "replay"} {
		checked := sluice(t, "decision", command, folder, "--public-key", key+".pub")
		require.Equal(t, 0, checked.code, "%s%s", checked.stdout, checked.stderr)
	}
	other := filepath.Join(t.TempDir(), "other.pem")
	require.Equal(t, 0, sluice(t, "decision", "key", other).code)
	denied := sluice(t, "decision", "verify", folder, "--public-key", other+".pub")
	require.Equal(t, 1, denied.code)
	require.Contains(t, denied.stderr, "signature")
	require.Equal(t, 1, sluice(t, "decision", "verify", folder, "--public-key", key).code, "the private key is not to be handed around")
}

// tampered copies the folder with one file changed; without tamper it is gone.
func tampered(t *testing.T, folder, file string, tamper func([]byte) []byte) string {
	t.Helper()
	to := filepath.Join(t.TempDir(), "copy")
	out, err := exec.Command("cp", "-a", folder, to).CombinedOutput()
	require.NoError(t, err, "%s", out)
	path := filepath.Join(to, file)
	if tamper == nil {
		require.NoError(t, os.Remove(path))
		return to
	}
	before, err := os.ReadFile(path)
	require.NoError(t, err)
	after := tamper(bytes.Clone(before))
	require.NotEqual(t, before, after, "nothing was tampered with in %s: %.300s", file, before)
	require.NoError(t, os.WriteFile(path, after, 0o600))
	return to
}

func flipped(body []byte) []byte {
	body[len(body)/2] ^= 1
	return body
}

// replaced changes text, whatever white space the JSON is written with.
func replaced(old, now string) func([]byte) []byte {
	return func(body []byte) []byte {
		text := string(body)
		for _, spaced := range []string{old, strings.Replace(old, `":`, `": `, 1)} {
			if strings.Contains(text, spaced) {
				return []byte(strings.Replace(text, spaced, now, 1))
			}
		}
		return body
	}
}

// payload changes what an envelope holds and leaves its signature.
func payload(old, now string) func([]byte) []byte {
	return envelope(func(e map[string]any, body []byte) []byte { return replaced(old, now)(body) })
}

func signatures(sig []byte) func([]byte) []byte {
	return envelope(func(e map[string]any, body []byte) []byte {
		e["signatures"] = []any{}
		if sig != nil {
			e["signatures"] = []any{map[string]any{"keyid": "k", "sig": sig}}
		}
		return body
	})
}

func envelope(change func(e map[string]any, payload []byte) []byte) func([]byte) []byte {
	return func(body []byte) []byte {
		var typed struct{ Payload []byte }
		e := map[string]any{}
		for _, into := range []any{&typed, &e} {
			if err := json.Unmarshal(body, into); err != nil {
				return body
			}
		}
		e["payload"] = change(e, typed.Payload)
		out, err := json.Marshal(e)
		if err != nil {
			return body
		}
		return out
	}
}

// worse takes the scores of every second row away from the truth.
func worse(t *testing.T) func([]byte) []byte {
	return func(body []byte) []byte {
		set, err := predictions.Read(bytes.NewReader(body), int64(len(body)))
		require.NoError(t, err)
		for i := range set.Score {
			if i%2 == 0 {
				set.Score[i] = 1 - set.Score[i]
			}
		}
		var out bytes.Buffer
		require.NoError(t, predictions.Write(&out, set))
		return out.Bytes()
	}
}
