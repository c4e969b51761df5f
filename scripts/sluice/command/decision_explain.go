package command

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/sluice-ml/sluice/scripts/sluice/operator"
	"github.com/sluice-ml/sluice/shared/canonical"
	"github.com/sluice-ml/sluice/shared/contract"
	"github.com/sluice-ml/sluice/shared/decision"
	"github.com/sluice-ml/sluice/shared/fault"
	"github.com/sluice-ml/sluice/shared/gate"
	"github.com/sluice-ml/sluice/shared/judging"
)

func decisionExplain(s *settings) *cobra.Command {
	var keyFile string
	c := &cobra.Command{
		Use: "explain RUN|FILE", Short: "Say why a run was shipped, rejected or held: every gate, measurement and limit", Args: exactly(1),
		RunE: func(c *cobra.Command, args []string) error {
			o, err := s.openDecision(c.Context(), args[0], keyFile)
			if err != nil {
				return err
			}
			e, err := o.explain(c.Context())
			if err != nil {
				return err
			}
			return s.print(c, e, e.print)
		},
	}
	trustFlag(c, &keyFile)
	return c
}

// explanation is a decision with the whole verdicts behind it.
type explanation struct {
	Decision decision.Decision `json:"decision"`
	Verdicts []gate.Verdict    `json:"verdicts"`
}

func (o *opened) explain(ctx context.Context) (*explanation, error) {
	d, err := decision.Open(ctx, o.key, o.encoded)
	if err != nil {
		return nil, err
	}
	e := &explanation{Decision: d}
	for _, bound := range d.Verdicts {
		v := gate.Verdict{}
		body, err := o.source(ctx, bound.URI)
		switch {
		case fault.Is(err, fault.NotFound):
			v = gate.Verdict{Gate: bound.Gate, Verdict: bound.Verdict, Reasons: append(bound.Reasons, "the whole verdict is not there any more: "+bound.URI)}
		case err != nil:
			return nil, err
		case "sha256:"+canonical.Sum(body) != bound.Digest:
			v = gate.Verdict{Gate: bound.Gate, Verdict: bound.Verdict, Reasons: append(bound.Reasons, "the whole verdict is not the one that was signed any more, and is not shown: "+bound.URI+" (sluice decision verify says what differs)")}
		default:
			if err := json.Unmarshal(body, &v); err != nil {
				return nil, fmt.Errorf("%s: %w", bound.URI, err)
			}
		}
		e.Verdicts = append(e.Verdicts, v)
	}
	return e, nil
}

// why says what an action means, and what a person may do.
func why(d decision.Decision) string {
	switch d.Action {
	case decision.Ship:
		return "ships: every gate passed, or is configured to pass when it cannot tell."
	case decision.Reject:
		return "is rejected: a gate failed, or is configured to fail when it cannot tell. Improve the model or its data, and start a run."
	}
	return "is held: no gate failed, but one could not tell. More rows would; or set evaluation.on_insufficient, and start a run."
}

func (e *explanation) print(w io.Writer) {
	d := e.Decision
	fmt.Fprintf(w, "Run %s of %s %s\n\n", d.Run, d.Model, why(d))
	fmt.Fprintf(w, "decided\t%s, for %s\nplan\t%s\ndata\tcommit %s\nconfiguration\t%s\nmodel\t%s\ntrainer\t%s\nserver\t%s\n",
		d.Time.UTC().Format(time.DateTime), d.Environment, d.PlanHash, d.Commit, d.ConfigHash, d.Digest, d.TrainerImage, d.ServerImage)
	for _, one := range d.Evidence {
		fmt.Fprintf(w, "read\t%s\t%s\n", one.Name, one.Digest)
	}
	for i, v := range e.Verdicts {
		fmt.Fprintln(w)
		printVerdict(w, v)
		if v.Verdict == gate.Insufficient {
			fmt.Fprintf(w, "  insufficient means %s here (evaluation.on_insufficient.%s)\n", d.Verdicts[i].OnInsufficient, v.Gate)
		}
	}
}

func decisionFetch(s *settings) *cobra.Command {
	return &cobra.Command{
		Use: "fetch RUN FOLDER", Short: "Copy a decision and everything that it binds, to check it anywhere", Args: exactly(2),
		Long: `Copy a run's decision, plan, configuration, model artefact, verdicts, predictions
and profile, each at the version that the decision names, and the public key
(key.pem). verify, explain and replay then need no deployment:

  sluice decision fetch adult-income-7 ./adult-income-7
  sluice decision verify ./adult-income-7

Whoever can alter the copies can alter key.pem too: compare its fingerprint, which
verify prints, or name the key that you trust with --public-key.`,
		RunE: func(c *cobra.Command, args []string) error {
			client, err := s.connect(c.Context())
			if err != nil {
				return err
			}
			files, err := fetchDecision(c.Context(), client, args[0], args[1])
			if err != nil {
				return err
			}
			return s.print(c, map[string]any{"folder": args[1], "files": files}, func(w io.Writer) {
				for _, name := range files {
					fmt.Fprintln(w, filepath.Join(args[1], name))
				}
			})
		},
	}
}

// fetchDecision writes the copies, the decision last.
func fetchDecision(ctx context.Context, client *operator.Client, run, folder string) ([]string, error) {
	encoded, err := client.Decision(ctx, run)
	if err != nil {
		return nil, err
	}
	d, err := decision.Unverified(encoded)
	if err != nil {
		return nil, err
	}
	key, err := client.DecisionKey(ctx)
	if err != nil {
		return nil, err
	}
	planBody, err := client.Fetch(ctx, d.Plan)
	if err != nil {
		return nil, err
	}
	var plan contract.Plan
	if err := json.Unmarshal(planBody, &plan); err != nil {
		return nil, fmt.Errorf("%s: %w", d.Plan, err)
	}
	uris := map[string]string{contract.FileModel: d.Artifact, fileConfig: plan.Config}
	for _, v := range d.Verdicts {
		uris[contract.VerdictFile(v.Gate)] = v.URI
	}
	for _, name := range judging.Files() {
		if e, ok := d.Bound(name); ok {
			uris[name] = e.URI
		} else if !d.BindsEvidence() {
			uris[name] = contract.URI(client.Store, contract.RunKey(d.Model, d.Run, name))
		}
	}
	w := fetched{folder: folder}
	for name, uri := range uris {
		body, err := client.Fetch(ctx, uri)
		if fault.Is(err, fault.NotFound) {
			continue // a gate says what it lacked
		}
		if err != nil {
			return nil, err
		}
		w.write(name, body)
	}
	w.write(contract.FilePlan, planBody)
	w.write(fileKey, key.PEM())
	w.write(contract.FileDecision, encoded)
	slices.Sort(w.written)
	return w.written, w.err
}

// fetched writes files until one cannot be.
type fetched struct {
	folder  string
	written []string
	err     error
}

func (f *fetched) write(name string, body []byte) {
	if f.err != nil {
		return
	}
	path := filepath.Join(f.folder, name)
	if f.err = os.MkdirAll(filepath.Dir(path), 0o755); f.err == nil {
		f.err = os.WriteFile(path, body, 0o644)
	}
	f.written = append(f.written, name)
}
