package hooks

import (
	"context"
	"strings"

	"github.com/sluice-ml/sluice/shared/aws/profiles"
	"github.com/sluice-ml/sluice/shared/aws/s3store"
	"github.com/sluice-ml/sluice/shared/contract"
	"github.com/sluice-ml/sluice/shared/dataset"
	"github.com/sluice-ml/sluice/shared/fault"
	"github.com/sluice-ml/sluice/shared/gate"
	"github.com/sluice-ml/sluice/shared/profile"
	"github.com/sluice-ml/sluice/shared/trainconfig"
)

// GateDataQuality is the name of the data-quality gate in a hook: what validate
// checks of a run's data, checked before any move of a branch. It takes the
// profile that validate kept of the commit, and else profiles the objects whose
// profiles are not kept.
const GateDataQuality = gate.NameDataQuality

// mostReasons bounds a refusal's text.
const mostReasons = 5

type quality struct {
	objects     *s3store.Store
	store, lake string // buckets
	repository  *dataset.Repository
}

func (q *quality) judge(ctx context.Context, model string, p dataset.Proposal) error {
	config, prefix, err := q.config(ctx, model)
	if err != nil {
		return err
	}
	whole, findings, err := q.measure(ctx, model, config, prefix, p.Commit.ID)
	if err != nil {
		return err
	}
	var previous *profile.Profile
	if p.Head != nil {
		if previous, err = q.kept(ctx, model, p.Head.ID); err != nil {
			return err
		}
	}
	findings = append(findings, profile.Check(config, previous, profile.Scope{Name: "the dataset", Profile: whole})...)
	report := profile.Report{Model: model, Commit: p.Commit.ID, Verdict: profile.Pass, Rows: whole.Rows, Findings: findings}
	if len(profile.Failed(findings)) > 0 {
		report.Verdict, report.Reasons = profile.Fail, profile.Reasons(findings, mostReasons)
	}
	verdict := gate.DataQuality(config, p.Commit.ID, &whole, &report)
	if verdict.Verdict == gate.Pass {
		return nil
	}
	reasons := verdict.Reasons[:min(len(verdict.Reasons), mostReasons)]
	return &dataset.Refusal{Reason: verdict.Verdict + ": " + strings.Join(reasons, "; ")}
}

// config is the model's present configuration, and the lake's prefix that its
// data lies under.
func (q *quality) config(ctx context.Context, model string) (*trainconfig.Config, string, error) {
	key := contract.ConfigKey(model)
	text, _, err := q.objects.Get(ctx, q.store, key, "")
	if fault.Is(err, fault.NotFound) {
		return nil, "", fault.New(fault.NotFound, "read the configuration of "+model, "%s is not there, and the gate %s judges by it", contract.URI(q.store, key), GateDataQuality).
			WithHint("upload a train.yaml there, or take the hook away: sluice data hooks remove MODEL HOOK")
	}
	if err != nil {
		return nil, "", err
	}
	config, err := trainconfig.Parse(key, text)
	if err != nil {
		return nil, "", err
	}
	prefix := contract.RawPrefix(model)
	if _, path, err := contract.ParseURI(config.Data.Path); err == nil && strings.HasPrefix(path, prefix) {
		prefix = path
	}
	return config, prefix, nil
}

// measure profiles a commit; the findings are of objects that are no tables.
func (q *quality) measure(ctx context.Context, model string, config *trainconfig.Config, prefix, commit string) (profile.Profile, []profile.Finding, error) {
	kept, err := q.kept(ctx, model, commit)
	if err != nil {
		return profile.Profile{}, nil, err
	}
	if kept != nil && kept.Target == config.Data.Target {
		return *kept, nil, nil
	}
	shelf := &profiles.Shelf{Store: q.objects, Bucket: q.store, Model: model, Config: config, Hash: config.Hash()}
	var whole []profile.Profile
	var findings []profile.Finding
	for e, err := range q.repository.Each(ctx, commit, prefix) {
		if err != nil {
			return profile.Profile{}, nil, err
		}
		object, p, err := shelf.Object(ctx, q.lake, contract.ObjectVersion{Key: e.Key, VersionID: e.VersionID, ETag: e.ETag, Size: e.Size})
		if err != nil {
			return profile.Profile{}, nil, err
		}
		if p == nil {
			findings = append(findings, profile.Finding{Scope: e.Key, Measure: "readable", Limit: 1, Verdict: profile.Fail, Text: object.Problem})
			continue
		}
		if whole = append(whole, *p); len(whole) == 64 { // bounds what is held
			merged, err := profile.Merge(whole...)
			if err != nil {
				return profile.Profile{}, nil, err
			}
			whole = append(whole[:0], merged)
		}
	}
	switch {
	case len(whole) == 0 && len(findings) > 0:
		return profile.Profile{}, nil, &dataset.Refusal{Reason: gate.Fail + ": " + strings.Join(profile.Reasons(findings, mostReasons), "; ")}
	case len(whole) == 0:
		return profile.Profile{}, nil, fault.New(fault.Invalid, "judge commit "+commit, "it has no tables under %s", prefix)
	}
	merged, err := profile.Merge(whole...)
	return merged, findings, err
}

// kept is the profile that validate kept of a commit; nil when there is none
// that this build can read.
func (q *quality) kept(ctx context.Context, model, commit string) (*profile.Profile, error) {
	text, _, err := q.objects.Get(ctx, q.store, profile.CommitKey(model, commit), "")
	if fault.Is(err, fault.NotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	p, err := profile.Decode(text)
	if fault.Is(err, fault.Invalid) {
		return nil, nil
	}
	return &p, err
}
