package command

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sluice-ml/sluice/shared/audit"
	"github.com/sluice-ml/sluice/shared/decision"
	"github.com/sluice-ml/sluice/shared/fault"
)

// Names of files in a folder of copies, beside those of the run itself.
const (
	fileKey    = "key.pem"
	fileConfig = "train.yaml"
)

func decisionCommand(s *settings) *cobra.Command {
	c := group("decision", "Check, explain and repeat the signed decisions of runs",
		decisionVerify(s), decisionExplain(s), decisionReplay(s), decisionFetch(s), decisionKey(s), decisionSign(s))
	c.Long = `A decision is the signed record that binds a run's plan, data, configuration,
images, model artefact and every gate's verdict. Nothing ships without one.

RUN names a run of the deployment that this command speaks to. FILE is a copy:
decision.json, or its folder, as sluice decision fetch makes it; then nothing is
asked of any deployment.`
	return c
}

// opened is a decision with the way to everything that it binds.
type opened struct {
	encoded []byte
	source  audit.Source
	key     *decision.PublicKey
	where   string // of the key
}

// open finds a decision: of files that are here, else of the deployment.
func (s *settings) openDecision(ctx context.Context, name, keyFile string) (*opened, error) {
	info, err := os.Stat(name)
	switch {
	case err == nil && info.IsDir():
		return openFolder(name, filepath.Join(name, "decision.json"), keyFile)
	case err == nil:
		return openFolder(filepath.Dir(name), name, keyFile)
	case !errors.Is(err, os.ErrNotExist) || strings.ContainsAny(name, `/\`) || strings.HasSuffix(name, ".json"):
		return nil, fileFault("read", name, err)
	}
	client, err := s.connect(ctx)
	if err != nil {
		return nil, err
	}
	o := &opened{source: client.Fetch}
	if o.encoded, err = client.Decision(ctx, name); err != nil {
		return nil, err
	}
	if keyFile != "" {
		return o, o.readKey(keyFile)
	}
	o.where = "KMS of " + client.Environment
	o.key, err = client.DecisionKey(ctx)
	return o, err
}

func openFolder(folder, path, keyFile string) (*opened, error) {
	encoded, err := readFile(path)
	if fault.Is(err, fault.NotFound) {
		return nil, fault.New(fault.NotFound, "read "+folder, "there is no %s in it", filepath.Base(path)).
			WithHint("copy a run's there: sluice decision fetch RUN %s", folder)
	}
	if err != nil {
		return nil, err
	}
	d, err := decision.Unverified(encoded) // only to know where its files are
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	o := &opened{encoded: encoded, source: folderSource(folder, strings.TrimSuffix(d.Plan, "plan.json"))}
	if keyFile == "" {
		keyFile = filepath.Join(folder, fileKey)
	}
	return o, o.readKey(keyFile)
}

func (o *opened) readKey(path string) error {
	body, err := readFile(path)
	if fault.Is(err, fault.NotFound) {
		return fault.New(fault.NotFound, "read the public key of decisions", "there is no public key %s", path).
			WithHint("name the one that you trust with --public-key; sluice decision fetch writes it")
	}
	if err != nil {
		return err
	}
	o.where = path
	if o.key, err = decision.ParsePublicKey(body); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}

// folderSource reads a run's files from a folder that is laid out as its prefix.
// The configuration, which lies elsewhere in the store, is train.yaml there.
func folderSource(folder, prefix string) audit.Source {
	return func(_ context.Context, uri string) ([]byte, error) {
		const op = "read a copy"
		plain, _, _ := strings.Cut(uri, "?")
		name, ok := strings.CutPrefix(plain, prefix)
		ok = ok && !strings.Contains(name, "://")
		if !ok && strings.HasSuffix(plain, "/"+fileConfig) {
			name, ok = fileConfig, true
		}
		if !ok || !filepath.IsLocal(name) {
			return nil, fault.New(fault.NotFound, op, "%s is no file of the run in %s", uri, folder)
		}
		body, err := os.ReadFile(filepath.Join(folder, name))
		if errors.Is(err, os.ErrNotExist) {
			return nil, fault.New(fault.NotFound, op, "%s is not in %s", name, folder).WithHint("copy it there: sluice decision fetch RUN FOLDER")
		}
		return body, fault.Wrap(fault.Unavailable, op, err)
	}
}

// trustFlag names the public key that decisions are checked with.
func trustFlag(c *cobra.Command, file *string) {
	c.Flags().StringVar(file, "public-key", "", "the public key to trust, PEM (default: the deployment's KMS key; for copies, key.pem beside them)")
}

func decisionVerify(s *settings) *cobra.Command {
	var keyFile string
	c := &cobra.Command{
		Use: "verify RUN|FILE", Short: "Check a decision's signature and everything that it binds; exit 1 when something differs", Args: exactly(1),
		Long: `Check that a decision is the one that was signed, and that everything it binds is
still what the gates judged: the plan's hash is taken again, and so are those of
the configuration, the model artefact's bytes, every verdict and every file that the
gates read (predictions, latencies, profile); commit, images and the rest are
compared; the action must follow from the verdicts.

With copies and --public-key nothing is asked of any deployment.

Exit codes: 0 everything holds; 1 something does not, or cannot be read.`,
		RunE: func(c *cobra.Command, args []string) error {
			o, err := s.openDecision(c.Context(), args[0], keyFile)
			if err != nil {
				return err
			}
			v, err := audit.Verify(c.Context(), o.source, o.key, o.encoded)
			if err != nil {
				return err
			}
			view := struct {
				audit.Verification
				Key string `json:"key"`
			}{v, o.key.Fingerprint()}
			if err := s.print(c, view, func(w io.Writer) { printVerification(w, v, o) }); err != nil {
				return err
			}
			return broken(v)
		},
	}
	trustFlag(c, &keyFile)
	return c
}

// broken is the error of a decision that does not hold.
func broken(v audit.Verification) error {
	var names []string
	for _, c := range v.Checks {
		if !c.Holds {
			names = append(names, c.What)
		}
	}
	if len(names) == 0 {
		return nil
	}
	return fault.New(fault.Invalid, "check the decision on run "+v.Decision.Run, "it does not hold: %s", strings.Join(names, ", "))
}

func printVerification(w io.Writer, v audit.Verification, o *opened) {
	fmt.Fprintf(w, "run %s of %s: %s\nkey %s from %s\n", v.Decision.Run, v.Decision.Model, v.Decision.Action, o.key.Fingerprint(), o.where)
	for _, c := range v.Checks {
		if c.Holds {
			fmt.Fprintf(w, "  holds\t%s\t%s\n", c.What, c.Bound)
		} else {
			fmt.Fprintf(w, "  DIFFERS\t%s\t%s: %s\n", c.What, c.Bound, c.Problem)
		}
	}
}

func decisionReplay(s *settings) *cobra.Command {
	var keyFile string
	c := &cobra.Command{
		Use: "replay RUN|FILE", Short: "Make every verdict again from the stored predictions; exit 1 when one differs", Args: exactly(1),
		Long: `Judge a run again: every gate reads what it read then, with the configuration that
the plan pins, and must come to the recorded verdict, measurement by measurement.
Numbers may differ by one part in 10⁹, the last digits that another processor
rounds another way.

A gate that was changed since then may differ too: then the words say how.

Exit codes: 0 the same; 1 a difference, or something cannot be read.`,
		RunE: func(c *cobra.Command, args []string) error {
			o, err := s.openDecision(c.Context(), args[0], keyFile)
			if err != nil {
				return err
			}
			v, err := audit.Verify(c.Context(), o.source, o.key, o.encoded)
			if err != nil {
				return err
			}
			r, err := v.Replay(c.Context(), o.source)
			if err != nil {
				return err
			}
			holds := broken(v)
			view := struct {
				audit.Replay
				Holds bool `json:"holds"` // the signature, and everything that the decision binds
			}{r, holds == nil}
			if err := s.print(c, view, func(w io.Writer) { printReplay(w, r, holds) }); err != nil {
				return err
			}
			if !r.Same {
				return fmt.Errorf("run %s is not judged the same again", v.Decision.Run)
			}
			return holds
		},
	}
	trustFlag(c, &keyFile)
	return c
}

// printReplay shows every verdict made again; first that the decision does not hold,
// where it does not: equal verdicts then say nothing of what was signed.
func printReplay(w io.Writer, r audit.Replay, holds error) {
	if holds != nil {
		fmt.Fprintf(w, "DIFFERS: %v (sluice decision verify says how)\n", holds)
	}
	for _, g := range r.Gates {
		fmt.Fprintf(w, "%s\trecorded %s\tagain %s\t%d measurements\n", g.Gate, g.Recorded, g.Again, len(g.Verdict.Measurements))
		for _, d := range g.Differences {
			fmt.Fprintf(w, "  DIFFERS: %s\n", d)
		}
	}
	fmt.Fprintf(w, "action\trecorded %s\tagain %s\t\n", r.Recorded, r.Again)
}
