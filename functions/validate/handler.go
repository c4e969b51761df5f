package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"

	"github.com/sluice-ml/sluice/shared/aws/hooks"
	"github.com/sluice-ml/sluice/shared/aws/runstore"
	"github.com/sluice-ml/sluice/shared/aws/s3store"
	"github.com/sluice-ml/sluice/shared/contract"
	"github.com/sluice-ml/sluice/shared/dataset"
	"github.com/sluice-ml/sluice/shared/fault"
	"github.com/sluice-ml/sluice/shared/profile"
)

// mostReasons bounds what goes back to the state machine.
const mostReasons = 20

type handler struct {
	store  *s3store.Store
	bucket string
	hooks  hooks.Invoker // may be nil where no hook is a function
}

// handle judges and, on a pass, publishes: profile, report, the commit's
// profile, then the branch. A try that died anywhere is redone from the start
// with the same outcome. A hook that refuses the move fails the data; one that
// gives no answer fails the step, and the uploads stay for the next run.
func (h handler) handle(ctx context.Context, in contract.StepInput) (contract.ValidateResult, error) {
	run, err := runstore.Open(ctx, h.store, h.bucket, in)
	if err != nil {
		return contract.ValidateResult{}, err
	}
	repository := hooks.Open(hooks.Hooks{Functions: h.hooks, Objects: h.store, Bucket: h.bucket, Notice: notice}, in.Model, run.Plan.Dataset.Bucket)
	v := &validation{handler: h, run: run, repository: repository}
	report, err := v.judge(ctx)
	if err != nil {
		return contract.ValidateResult{}, err
	}
	uri, err := run.WriteJSON(ctx, contract.FileValidation, report)
	if err != nil {
		return contract.ValidateResult{}, err
	}
	if report.Verdict == profile.Pass {
		err := v.publish(ctx)
		if refusal, refused := errors.AsType[*dataset.Refusal](err); refused {
			report.Verdict, report.Reasons = profile.Fail, []string{strings.TrimSuffix(err.Error(), ".")}
			report.Findings = append(report.Findings, profile.Finding{Scope: "the dataset", Measure: "hook", Limit: 1, Verdict: profile.Fail, Text: refusal.Reason})
			_, err = run.WriteJSON(ctx, contract.FileValidation, report)
		}
		if err != nil {
			return contract.ValidateResult{}, err
		}
	}
	return contract.ValidateResult{Verdict: report.Verdict, Reasons: report.Reasons, Report: uri, Rows: report.Rows}, nil
}

// notice leaves word of a hook that gave no answer and is configured not to matter.
func notice(hook string, err error) { slog.Warn("a hook gave no answer", "hook", hook, "error", err) }

type validation struct {
	handler
	run        *runstore.Run
	repository *dataset.Repository
	parts      []profile.Part // without their profiles
	whole      profile.Profile
}

func (v *validation) judge(ctx context.Context) (profile.Report, error) {
	plan := v.run.Plan
	report := profile.Report{Model: plan.Model, Run: plan.Run, Commit: plan.Dataset.Commit, Verdict: profile.Pass,
		Reasons: []string{}, Added: []string{}, Findings: []profile.Finding{}}
	merged, err := v.readParts(ctx)
	if err != nil {
		return report, err
	}
	if report.Base, report.Added, err = v.added(ctx); err != nil {
		return report, err
	}
	report.Findings = unreadable(v.parts)
	for _, part := range v.parts {
		report.Objects += len(part.Objects)
	}
	if merged != nil {
		v.whole, report.Rows = *merged, merged.Rows
		findings, err := v.check(ctx, report)
		if err != nil {
			return report, err
		}
		report.Findings = append(report.Findings, findings...)
		if _, err := v.run.WriteJSON(ctx, contract.FileProfile, v.whole); err != nil {
			return report, err
		}
	}
	if len(profile.Failed(report.Findings)) > 0 {
		report.Verdict, report.Reasons = profile.Fail, profile.Reasons(report.Findings, mostReasons)
	}
	return report, nil
}

func (v *validation) check(ctx context.Context, report profile.Report) ([]profile.Finding, error) {
	previous, err := v.previous(ctx, report.Base)
	if err != nil {
		return nil, err
	}
	whole := profile.Scope{Name: "the dataset", Profile: v.whole}
	objects := v.readable(report.Added)
	if len(objects) == 0 || len(objects) == 1 && report.Base == "" {
		return profile.Check(v.run.Config, previous, whole), nil
	}
	added, single, err := v.objects(ctx, profile.NewJudge(v.run.Config, previous, &v.whole), objects)
	if err != nil {
		return nil, err
	}
	scopes := []profile.Scope{whole}
	if report.Base != "" {
		scopes = append(scopes, profile.Scope{Name: "the added objects", Profile: added, Kind: profile.Added})
	}
	return append(profile.Check(v.run.Config, previous, scopes...), single...), nil
}

// added lists what the run's commit changed since the one before it, not since
// the branch's head: a retry may find the head moved here already.
func (v *validation) added(ctx context.Context) (base string, keys []string, err error) {
	commit, err := v.repository.Resolve(ctx, v.run.Plan.Dataset.Commit)
	if err != nil {
		return "", nil, err
	}
	keys = []string{}
	if len(commit.Parents) == 0 {
		entries, err := v.repository.Entries(ctx, commit.ID, v.run.Plan.Dataset.Prefix)
		for _, e := range entries {
			keys = append(keys, e.Key)
		}
		return "", keys, err
	}
	changes, err := v.repository.Diff(ctx, commit.Parents[0], commit.ID)
	for _, c := range changes {
		if c.New != nil && strings.HasPrefix(c.Key, v.run.Plan.Dataset.Prefix) {
			keys = append(keys, c.Key)
		}
	}
	return commit.Parents[0], keys, err
}

// previous is the profile of the commit before; nil when there is none, or none
// that this build can read.
func (v *validation) previous(ctx context.Context, base string) (*profile.Profile, error) {
	if base == "" {
		return nil, nil
	}
	data, _, err := v.store.Get(ctx, v.bucket, profile.CommitKey(v.run.Plan.Model, base), "")
	if fault.Is(err, fault.NotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	p, err := profile.Decode(data)
	if fault.Is(err, fault.Invalid) {
		return nil, nil
	}
	return &p, err
}

// publish keeps the commit's profile for the next run and moves the branch that
// the data was meant for, after its pre-merge hooks. Runs on a tag or an old
// commit publish nothing.
func (v *validation) publish(ctx context.Context) error {
	plan := v.run.Plan
	body, err := json.Marshal(v.whole)
	if err != nil {
		return fault.Wrap(fault.Internal, "encode a profile", err)
	}
	if _, err := v.store.Put(ctx, v.bucket, profile.CommitKey(plan.Model, plan.Dataset.Commit), append(body, '\n')); err != nil {
		return err
	}
	if !strings.HasPrefix(plan.Dataset.Branch, "incoming/") {
		return nil
	}
	_, err = v.repository.FastForward(ctx, plan.Dataset.Ref, plan.Dataset.Commit)
	return fault.Wrap(fault.Unavailable, fmt.Sprintf("publish commit %.12s", plan.Dataset.Commit), err)
}
