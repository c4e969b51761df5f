package main

import (
	"context"
	"encoding/json"
	"time"

	"github.com/sluice-ml/sluice/shared/aws/s3store"
	"github.com/sluice-ml/sluice/shared/canonical"
	"github.com/sluice-ml/sluice/shared/contract"
	"github.com/sluice-ml/sluice/shared/decision"
	"github.com/sluice-ml/sluice/shared/fault"
	"github.com/sluice-ml/sluice/shared/judging"
	"github.com/sluice-ml/sluice/shared/trainconfig"
)

// signingKey makes and checks signatures with the same key.
type signingKey interface {
	decision.Signer
	decision.Verifier
}

type handler struct {
	store  *s3store.Store
	bucket string
	key    signingKey
	people people
	now    func() time.Time
}

// handle gives the run's decision. The first one that was signed stays: a retry
// checks and answers it.
func (h handler) handle(ctx context.Context, in contract.StepInput) (contract.DecideResult, error) {
	var plan contract.Plan
	if err := h.store.GetJSON(ctx, in.Plan, &plan); err != nil {
		return contract.DecideResult{}, err
	}
	if plan.Model != in.Model || plan.Run != in.Run || plan.Hash == "" {
		return contract.DecideResult{}, fault.New(fault.Invalid, "decide run "+in.Run,
			"%s is the plan of run %q of %q, with the hash %q", in.Plan, plan.Run, plan.Model, plan.Hash)
	}
	key := contract.RunKey(in.Model, in.Run, contract.FileDecision)
	encoded, _, err := h.store.Get(ctx, h.bucket, key, "")
	if fault.Is(err, fault.NotFound) {
		encoded, err = h.sign(ctx, in, plan, key)
	}
	if err != nil {
		return contract.DecideResult{}, err
	}
	d, err := decision.Open(ctx, h.key, encoded)
	if err != nil {
		return contract.DecideResult{}, err
	}
	if d.Run != in.Run || d.Model != in.Model || d.PlanHash != plan.Hash {
		return contract.DecideResult{}, fault.New(fault.Invalid, "decide run "+in.Run,
			"%s holds the decision on run %q of %q, plan %s", contract.URI(h.bucket, key), d.Run, d.Model, d.PlanHash)
	}
	return h.quarantined(ctx, d, contract.DecideResult{Decision: contract.URI(h.bucket, key), Action: d.Action, Reasons: d.Reasons})
}

// sign makes the decision and stores it; when another attempt was first, that
// one counts.
func (h handler) sign(ctx context.Context, in contract.StepInput, plan contract.Plan, key string) ([]byte, error) {
	d, err := h.decide(ctx, in, plan)
	if err != nil {
		return nil, err
	}
	encoded, err := decision.Sign(ctx, h.key, d)
	if err != nil {
		return nil, err
	}
	_, err = h.store.PutIfAbsent(ctx, h.bucket, key, encoded)
	if fault.Is(err, fault.Conflict) {
		encoded, _, err = h.store.Get(ctx, h.bucket, key, "")
	}
	return encoded, err
}

func (h handler) decide(ctx context.Context, in contract.StepInput, plan contract.Plan) (decision.Decision, error) {
	verdicts, err := h.verdicts(ctx, in, plan)
	if err != nil {
		return decision.Decision{}, err
	}
	action, reasons, err := decision.Judge(trainconfig.Gates(), verdicts)
	if err != nil {
		return decision.Decision{}, err
	}
	artifact := contract.RunKey(in.Model, in.Run, contract.FileModel)
	digest, _, err := h.store.Digest(ctx, h.bucket, artifact, "")
	if err != nil {
		return decision.Decision{}, err
	}
	evidence, err := h.evidence(ctx, in)
	if err != nil {
		return decision.Decision{}, err
	}
	return decision.Decision{Format: decision.Format, Model: plan.Model, Run: plan.Run, Environment: plan.Environment, Plan: in.Plan,
		PlanHash: plan.Hash, Commit: plan.Dataset.Commit, ConfigHash: plan.ConfigHash, TrainerImage: plan.TrainerImage,
		ServerImage: plan.ServerImage, Artifact: contract.URI(h.bucket, artifact), Digest: digest, Verdicts: verdicts,
		Evidence: evidence, Action: action, Reasons: reasons, Time: h.now().UTC()}, nil
}

// evidence takes the digest of every file that gates read. One that is not there
// is left out: a gate that needed it has said so.
func (h handler) evidence(ctx context.Context, in contract.StepInput) ([]decision.Evidence, error) {
	var out []decision.Evidence
	for _, name := range judging.Files() {
		key := contract.RunKey(in.Model, in.Run, name)
		digest, info, err := h.store.Digest(ctx, h.bucket, key, "")
		if fault.Is(err, fault.NotFound) {
			continue
		}
		if err != nil {
			return nil, err
		}
		out = append(out, decision.Evidence{Name: name, URI: s3store.VersionURI(h.bucket, key, info.VersionID), Digest: digest})
	}
	return out, nil
}

// verdicts reads what each gate wrote, and does not take the summary's word.
func (h handler) verdicts(ctx context.Context, in contract.StepInput, plan contract.Plan) ([]decision.Verdict, error) {
	body, _, err := h.store.GetURI(ctx, plan.Config)
	if err != nil {
		return nil, err
	}
	config, err := trainconfig.Parse(plan.Config, body)
	if err != nil {
		return nil, err
	}
	verdicts := []decision.Verdict{}
	for _, summary := range in.Verdicts {
		v, err := h.verdict(ctx, in, summary)
		if err != nil {
			return nil, err
		}
		v.OnInsufficient = config.Evaluation.OnInsufficient[v.Gate]
		verdicts = append(verdicts, v)
	}
	return verdicts, nil
}

func (h handler) verdict(ctx context.Context, in contract.StepInput, summary contract.VerdictSummary) (decision.Verdict, error) {
	key := contract.RunKey(in.Model, in.Run, contract.VerdictFile(summary.Gate))
	body, info, err := h.store.Get(ctx, h.bucket, key, "")
	if err != nil {
		return decision.Verdict{}, err
	}
	uri := s3store.VersionURI(h.bucket, key, info.VersionID)
	var written struct {
		Gate    string   `json:"gate"`
		Verdict string   `json:"verdict"`
		Reasons []string `json:"reasons"`
	}
	if err := json.Unmarshal(body, &written); err != nil {
		return decision.Verdict{}, fault.New(fault.Invalid, "read "+uri, "%w", err)
	}
	if written.Gate != summary.Gate || written.Verdict != summary.Verdict {
		return decision.Verdict{}, fault.New(fault.Invalid, "decide run "+in.Run, "gate %q answered %q, but %s says %q of gate %q",
			summary.Gate, summary.Verdict, uri, written.Verdict, written.Gate)
	}
	if written.Reasons == nil {
		written.Reasons = []string{}
	}
	return decision.Verdict{Gate: written.Gate, Verdict: written.Verdict, Reasons: written.Reasons, URI: uri,
		Digest: "sha256:" + canonical.Sum(body)}, nil
}
