package command_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sluice-ml/sluice/scripts/sluice/command"
	"github.com/sluice-ml/sluice/shared/fault"
	"github.com/sluice-ml/sluice/shared/model/modeltest"
)

// TestWrongFilesSayKindAndNextStep: a script tells what is not there from what is
// wrong, and a person reads the path once and what to do.
func TestWrongFilesSayKindAndNextStep(t *testing.T) {
	folder := t.TempDir()
	gone := filepath.Join(folder, "gone")
	config := write(t, "train.yaml", "experiment: {name: m}\ndata: {target: y}\n")
	archive := string(modeltest.Stump(t))
	rows := write(t, "rows.csv", "age,sex\n1,Male\n2,Male\n")
	model := write(t, "model.tar.gz", archive)
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	public, err := x509.MarshalPKIXPublicKey(&private.PublicKey)
	require.NoError(t, err)
	plan := write(t, "plan.json", `{"model": "m"}`)
	require.NoError(t, os.WriteFile(filepath.Join(filepath.Dir(plan), "key.pem"), pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: public}), 0o600))
	for _, c := range []struct {
		kind fault.Kind
		want string
		args []string
	}{
		{fault.NotFound, "read " + gone + ": there is no such file (", []string{"evaluate", gone}},
		{fault.NotFound, "there is no such file", []string{"evaluate", gone + ".csv"}},
		{fault.Invalid, "read " + folder + ": it is a folder (name a file in it)", []string{"evaluate", folder}},
		{fault.Invalid, "the content is Parquet, and the name does not say so (rename it", []string{"evaluate", write(t, "x.csv", "PAR1\x15\x04")}},
		{fault.Invalid, "the file is empty; remove it, or replace it", []string{"evaluate", write(t, "x.csv", "")}},
		{fault.Invalid, "is empty or NaN in row 1 (drop the row, or score it)", []string{"evaluate", write(t, "x.csv", "label,score\n1,NaN\n0,1\n")}},
		{fault.NotFound, "there is no such file", []string{"gate", rows, "-c", gone}},
		{fault.NotFound, "there is no such file", []string{"gate", gone, "-c", config}},
		{fault.NotFound, "there is no such file", []string{"predict", "-m", gone, "-d", rows}},
		{fault.NotFound, "there is no such file", []string{"config", "check", gone}},
		{fault.Invalid, `there is no column "nosuch" (--id)`, []string{"predict", "-m", model, "-d", rows, "--id", "nosuch"}},
		{fault.Invalid, "it is cut short (copy it again, whole)", []string{"predict", "-m", write(t, "model.tar.gz", archive[:len(archive)/2]), "-d", rows}},
		{fault.Invalid, "write " + folder + ".csv: it is a folder", []string{"predict", "-m", model, "-d", rows, "-o", asFolder(t, folder+".csv")}},
		{fault.NotFound, "there is no folder " + gone, []string{"predict", "-m", model, "-d", rows, "-o", filepath.Join(gone, "o.csv")}},
		{fault.NotFound, "there is no such file", []string{"decision", "verify", gone + ".json"}},
		{fault.NotFound, "there is no decision.json in it (copy a run's there: sluice decision fetch RUN", []string{"decision", "verify", folder}},
		{fault.Invalid, "it is JSON and not a decision", []string{"decision", "verify", plan}},
		{fault.Invalid, "the folder has no Dockerfile", []string{"contract", "check", "--trainer", folder}},
		{fault.NotFound, "is neither a folder nor a program", []string{"contract", "check", gone}},
	} {
		_, err := sluice(c.args...)
		require.ErrorContains(t, err, c.want, "%v", c.args)
		require.Equal(t, c.kind, fault.KindOf(err), "%v: %v", c.args, err)
		require.Equal(t, 1, command.ExitCode(err), "%v", c.args)
	}
	for want, args := range map[string][]string{
		"--env FOO: want NAME=VALUE":        {"contract", "check", "--env", "FOO", "true"},
		"--timeout 0s: want more than 0":    {"contract", "check", "--timeout", "0s", "true"},
		"--threshold NaN: want a finite":    {"evaluate", rows, "--threshold", "nan"},
		`--group age: "age" is the --label`: {"evaluate", rows, "-l", "age", "-s", "age", "-g", "age"},
	} {
		_, err := sluice(args...)
		require.ErrorContains(t, err, want)
		require.Equal(t, 2, command.ExitCode(err))
	}
}

func asFolder(t *testing.T, path string) string {
	t.Helper()
	require.NoError(t, os.Mkdir(path, 0o750))
	t.Cleanup(func() { require.NoError(t, os.Remove(path)) })
	return path
}

// TestGateSaysWhatIsMissing: rows are asked for only where more of them would help.
func TestGateSaysWhatIsMissing(t *testing.T) {
	set := scoredRows(3000)
	config := write(t, "train.yaml", "experiment: {name: m}\ndata: {target: y, positive: \"yes\"}\nevaluation: {metrics: [auc_roc], thresholds: {auc_roc: 0.8}, fairness: {protected_attributes: [town]}}\n")
	out, err := sluice("gate", asParquet(t, set), "-c", config)
	require.ErrorContains(t, err, "the reasons above say what is missing")
	require.Equal(t, 3, command.ExitCode(err))
	require.Contains(t, out, `no column "town", which evaluation.fairness.protected_attributes names; it is missing or misnamed`)
}
