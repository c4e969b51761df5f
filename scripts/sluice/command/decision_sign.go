package command

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/sluice-ml/sluice/shared/canonical"
	"github.com/sluice-ml/sluice/shared/contract"
	"github.com/sluice-ml/sluice/shared/decision"
	"github.com/sluice-ml/sluice/shared/fault"
	"github.com/sluice-ml/sluice/shared/judging"
	"github.com/sluice-ml/sluice/shared/trainconfig"
)

func decisionSign(s *settings) *cobra.Command {
	var keyFile string
	c := &cobra.Command{
		Use: "sign FOLDER --key FILE", Short: "Judge a run's files in a folder and sign the decision with a local key", Args: exactly(1),
		Long: `Do what the gates and decide do, on this machine and without a deployment: judge
plan.json, train.yaml, model.tar.gz and the evaluator's files in FOLDER (laid out as
sluice decision fetch does), write every verdict, and sign the decision that follows
with the key that sluice decision key made. The public key is put beside it.

  sluice decision key ~/decisions.pem
  sluice decision sign ./adult-income-7 --key ~/decisions.pem
  sluice decision verify ./adult-income-7 --public-key ~/decisions.pem.pub

A decision that is there is not written over. Whether it ships, rejects or holds,
signing it is success: exit 0.`,
		RunE: func(c *cobra.Command, args []string) error {
			if keyFile == "" {
				return usageError{errors.New("--key is missing: the private key's file (sluice decision key FILE makes one)")}
			}
			key, err := decision.ReadLocalKey(keyFile)
			if err != nil {
				return err
			}
			d, err := signFolder(c.Context(), args[0], key, time.Now())
			if err != nil {
				return err
			}
			return s.print(c, d, func(w io.Writer) {
				fmt.Fprintf(w, "Run %s of %s %s\n", d.Run, d.Model, why(d))
				fmt.Fprintf(w, "signed\t%s\nkey\t%s\n", filepath.Join(args[0], contract.FileDecision), key.Fingerprint())
			})
		},
	}
	c.Flags().StringVar(&keyFile, "key", "", "the private key's file (required)")
	return c
}

// signFolder judges a run's files and keeps verdicts, key and decision, the
// decision last.
func signFolder(ctx context.Context, folder string, key *decision.LocalKey, now time.Time) (decision.Decision, error) {
	if _, err := os.Stat(filepath.Join(folder, contract.FileDecision)); !errors.Is(err, fs.ErrNotExist) {
		return decision.Decision{}, fmt.Errorf("%s holds a decision already: move it away to sign another", folder)
	}
	source := folderSource(folder, "")
	d, run, err := openRun(ctx, source)
	if err != nil {
		return d, err
	}
	w := fetched{folder: folder}
	for _, name := range trainconfig.Gates() {
		v, err := judging.Judge(ctx, name, run)
		if err != nil {
			return d, err
		}
		body, err := json.Marshal(judging.Keep(v, run.Plan))
		if err != nil {
			return d, err
		}
		w.write(contract.VerdictFile(name), body)
		d.Verdicts = append(d.Verdicts, decision.Verdict{Gate: name, Verdict: v.Verdict, Reasons: v.Reasons, URI: contract.VerdictFile(name),
			Digest: "sha256:" + canonical.Sum(body), OnInsufficient: run.Config.Evaluation.OnInsufficient[name]})
	}
	if d.Action, d.Reasons, err = decision.Judge(trainconfig.Gates(), d.Verdicts); err != nil {
		return d, err
	}
	d.Time = now.UTC()
	encoded, err := decision.Sign(ctx, key, d)
	if err != nil {
		return d, err
	}
	w.write(fileKey, key.PEM())
	w.write(contract.FileDecision, encoded)
	return d, w.err
}

// openRun reads a run's plan and configuration from a source of names alone, and
// takes the digests of everything else that the decision binds.
func openRun(ctx context.Context, source func(context.Context, string) ([]byte, error)) (decision.Decision, judging.Run, error) {
	run := judging.Run{Read: source}
	d := decision.Decision{Format: decision.Format, Plan: contract.FilePlan, Artifact: contract.FileModel}
	body, err := source(ctx, contract.FilePlan)
	if err != nil {
		return d, run, err
	}
	if err := json.Unmarshal(body, &run.Plan); err != nil {
		return d, run, fmt.Errorf("%s: %w", contract.FilePlan, err)
	}
	if body, err = source(ctx, fileConfig); err != nil {
		return d, run, err
	}
	if run.Config, err = trainconfig.Parse(fileConfig, body); err != nil {
		return d, run, err
	}
	p := run.Plan
	d.Model, d.Run, d.Environment, d.PlanHash, d.Commit = p.Model, p.Run, p.Environment, p.Hash, p.Dataset.Commit
	d.ConfigHash, d.TrainerImage, d.ServerImage = p.ConfigHash, p.TrainerImage, p.ServerImage
	if found := run.Config.Hash(); found != p.ConfigHash {
		return d, run, fmt.Errorf("%s has the hash %s, and the plan is of %s: it is another configuration", fileConfig, found, p.ConfigHash)
	}
	if body, err = source(ctx, contract.FileModel); err != nil {
		return d, run, err
	}
	d.Digest = "sha256:" + canonical.Sum(body)
	for _, name := range judging.Files() {
		body, err := source(ctx, name)
		if fault.Is(err, fault.NotFound) {
			continue // a gate says what it lacked
		}
		if err != nil {
			return d, run, err
		}
		d.Evidence = append(d.Evidence, decision.Evidence{Name: name, URI: name, Digest: "sha256:" + canonical.Sum(body)})
	}
	return d, run, d.RequirePlan(p)
}
