package command_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sluice-ml/sluice/scripts/sluice/command"
	"github.com/sluice-ml/sluice/shared/simulation"
)

const trained = "experiment: {name: a}\ndata: {target: y}\nevaluation: {thresholds: {auc_roc: 0.5}}\n"

func simulate(t *testing.T, deployment string, args ...string) (string, error) {
	t.Helper()
	policy := write(t, "train.yaml", trained+deployment)
	return sluice(append([]string{"rollout", "simulate", "--policy", policy}, args...)...)
}

func TestRolloutSimulate(t *testing.T) {
	out, err := simulate(t, "deployment: {analysis: {mode: sequential}}", "--traffic", "50", "--effect", "error_rate=+0.1", "--runs", "20")
	require.NoError(t, err)
	require.Regexp(t, `policy +.*train.yaml: sequential tests, alpha 0.01; steps 10 20 30 40 50 60 70 80 90 100 %, bake 5m, deadline 2h\n`, out)
	require.Regexp(t, `effect +error_rate=\+0.1\n`, out)
	require.Regexp(t, `promoted +0 +0.0 % +0.0 to 16.1 %`, out)
	require.Regexp(t, `rolled back on evidence +20 +100.0 % +83.9 to 100.0 %`, out)
	require.Regexp(t, `  by error_rate_rise +20 +100.0 %`, out)
	require.Regexp(t, `rollback +3m(\d+s)? +3m +3m`, out)
	require.NotContains(t, out, "too thin")
}

func TestRolloutSimulateCompares(t *testing.T) {
	out, err := simulate(t, "", "--traffic", "20", "--runs", "5", "--compare", "--json", "--incident", "5m", "--outage", "1m", "--diurnal", "0.5")
	require.NoError(t, err)
	var answer struct {
		Scene   simulation.Scene
		Seed    uint64
		Results []simulation.Summary
	}
	require.NoError(t, json.Unmarshal([]byte(out), &answer))
	require.Equal(t, uint64(1), answer.Seed)
	require.Equal(t, 20.0, answer.Scene.Traffic)
	require.Equal(t, 0.1, answer.Scene.Incident.ErrorRate)
	var names []string
	for _, r := range answer.Results {
		names = append(names, r.Rule)
		require.Equal(t, 5, r.Promoted.Runs+r.RolledBack.Runs+r.Expired.Runs)
	}
	require.Equal(t, []string{"this policy", "three strikes", "Flagger 5/10", "Flagger 10/5", "Kayenta"}, names)
}

func TestRolloutSimulateSaysThatTrafficIsTooThin(t *testing.T) {
	out, err := simulate(t, "deployment: {analysis: {mode: sequential}}", "--traffic", "0.2", "--runs", "5")
	require.NoError(t, err)
	require.Regexp(t, `too thin +at 0.2 requests/s the first step \(10 %\) needs .* of traffic, .*; the deadline is 2h, so hardly any candidate can be promoted`, out)
	require.Regexp(t, `expired at a deadline +5 +100.0 %`, out)
}

func TestRolloutSimulateNotesAShortBake(t *testing.T) {
	out, err := simulate(t, "deployment: {bake: 10s}", "--traffic", "50", "--runs", "2")
	require.NoError(t, err)
	require.Regexp(t, `note +a bake of 10s is shorter than the metrics' period of 1m`, out)
	out, err = simulate(t, "deployment: {bake: 10s}", "--traffic", "50", "--runs", "2", "--metric-period", "10s")
	require.NoError(t, err)
	require.NotContains(t, out, "note")
}

func TestRolloutSimulateRefuses(t *testing.T) {
	for _, c := range []struct {
		name, deployment string
		args             []string
		want             string
		code             int
	}{
		{"no traffic", "", nil, "--traffic is missing: how many requests per second does the endpoint get? (see: sluice rollout simulate --help)", 2},
		{"negative traffic", "", []string{"--traffic", "-1"}, "the traffic is -1 requests/s: want above 0, at most 100000", 2},
		{"no runs", "", []string{"--traffic", "1", "--runs", "0"}, "--runs 0: want 1 to 1000000", 2},
		{"an unknown effect", "", []string{"--traffic", "1", "--effect", "eror_rate=+1"}, `"eror_rate" is none of accuracy, error_rate, latency, slow_rate`, 2},
		{"an effect that cannot be", "", []string{"--traffic", "1", "--effect", "accuracy=-0.95"}, "the candidate cannot be so: the accuracy is -0.05: want 0 to 1", 2},
		{"a policy with a mistake", "deployment: {steps: [20, 10, 100]}", []string{"--traffic", "1"}, "train.yaml:4:", 1},
		{"an unknown key", "deployment:\n  bakes: 5m\n", []string{"--traffic", "1"}, "train.yaml:5:", 1},
		{"a policy that never rolls back", "deployment: {rollback: {enabled: false}}", []string{"--traffic", "1"}, "deployment.rollback.enabled is false", 1},
	} {
		_, err := simulate(t, c.deployment, c.args...)
		require.ErrorContains(t, err, c.want, c.name)
		require.Equal(t, c.code, command.ExitCode(err), c.name)
	}
	_, err := sluice("rollout", "simulate", "--traffic", "5")
	require.ErrorContains(t, err, "--policy is missing: name a train.yaml")
	_, err = sluice("rollout", "simulate", "--traffic", "5", "--policy", "nowhere.yaml")
	require.ErrorContains(t, err, "read the policy: open nowhere.yaml")
	_, err = sluice("rollout", "simulate", "--study", "--runs", "0")
	require.ErrorContains(t, err, "--runs 0: want 1 or more")
}

func TestRolloutSimulateShadows(t *testing.T) {
	out, err := simulate(t, "deployment: {strategy: shadow, limits: {accuracy: 0}}", "--traffic", "20", "--runs", "20")
	require.NoError(t, err)
	require.Regexp(t, `policy +.*: limits; a shadow of 30m by 100 % of the requests; nothing is promoted, deadline 2h\n`, out)
	require.Regexp(t, `passed its shadow +20 +100.0 %`, out)
	require.Regexp(t, `bad answers until the decision +0.0 +0.0 +0.0\n`, out)

	out, err = simulate(t, "deployment: {strategy: shadow, limits: {accuracy: 0}}", "--traffic", "20", "--runs", "20", "--effect", "accuracy=-0.3")
	require.NoError(t, err)
	require.Regexp(t, `rolled back on evidence +20 +100.0 %`, out)
	require.Regexp(t, `  by disagreement +20 +100.0 %`, out)
	require.Regexp(t, `bad answers within 4h +0.0 +0.0 +0.0\n`, out, "a shadow serves nobody")

	out, err = simulate(t, "deployment: {steps: [50, 100], shadow: {duration: 10m}, limits: {accuracy: 0}}", "--traffic", "20", "--runs", "20")
	require.NoError(t, err)
	require.Regexp(t, `limits; a shadow of 10m by 100 % of the requests; steps 50 100 %`, out)
	require.Regexp(t, `promoted +20 +100.0 %`, out)

	_, err = simulate(t, "deployment: {strategy: shadow}", "--traffic", "20", "--compare")
	require.ErrorContains(t, err, "none of the other rules has shadows")
}
