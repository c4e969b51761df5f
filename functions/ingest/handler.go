package main

import (
	"context"
	"encoding/json"
	"log/slog"
	"slices"
	"strings"

	"github.com/sluice-ml/sluice/shared/aws/hooks"
	"github.com/sluice-ml/sluice/shared/aws/s3store"
	"github.com/sluice-ml/sluice/shared/contract"
	"github.com/sluice-ml/sluice/shared/dataset"
	"github.com/sluice-ml/sluice/shared/decision"
	"github.com/sluice-ml/sluice/shared/fault"
	"github.com/sluice-ml/sluice/shared/trained"
)

const (
	partObjects = 16  // how many objects one profile job reads at least
	maxParts    = 512 // profile jobs: Step Functions keeps 25,000 events and passes 256 KiB
)

// fileObjects holds contract.DatasetObjects under the run's prefix.
const fileObjects = "objects.json"

type handler struct {
	store  *s3store.Store
	bucket string
	rules  *s3store.Rules
	hooks  hooks.Invoker // may be nil where no hook is a function
}

// handle commits the run's uploads and seals its plan, and finds the model that
// the plan may have already. A plan that is sealed stays as it is.
func (h handler) handle(ctx context.Context, in contract.StepInput) (contract.IngestResult, error) {
	body, info, err := h.store.GetURI(ctx, in.Plan)
	if err != nil {
		return contract.IngestResult{}, err
	}
	var plan contract.Plan
	if err := json.Unmarshal(body, &plan); err != nil {
		return contract.IngestResult{}, fault.New(fault.Invalid, "read "+in.Plan, "%w", err)
	}
	if plan.Model != in.Model || plan.Run != in.Run {
		return contract.IngestResult{}, fault.New(fault.Invalid, "ingest run "+in.Run, "%s is the plan of run %q of %q", in.Plan, plan.Run, plan.Model)
	}
	if plan.Hash == "" {
		if plan, err = h.seal(ctx, in.Plan, plan, info.ETag); err != nil {
			return contract.IngestResult{}, err
		}
	}
	result := contract.IngestResult{Plan: in.Plan, PlanHash: plan.Hash, Commit: plan.Dataset.Commit, Count: plan.Dataset.Count,
		Bytes: plan.Dataset.Bytes, Parts: parts(plan.Dataset.Count), Unchanged: trained.Unchanged(plan)}
	if result.Unchanged == "" {
		result.Trained, err = h.adopt(ctx, plan)
	}
	return result, err
}

// notice leaves word of a hook that gave no answer and is configured not to matter.
func notice(hook string, err error) { slog.Warn("a hook gave no answer", "hook", hook, "error", err) }

// seal fills in the dataset and the hash. When another attempt of the same step
// sealed the plan first, that one counts.
func (h handler) seal(ctx context.Context, uri string, plan contract.Plan, etag string) (contract.Plan, error) {
	repository := hooks.Open(hooks.Hooks{Functions: h.hooks, Objects: h.store, Bucket: h.bucket, Notice: notice}, plan.Model, plan.Dataset.Bucket)
	commit, err := h.commit(ctx, repository, plan)
	if err != nil {
		return plan, err
	}
	if err := h.describe(ctx, repository, &plan, commit); err != nil {
		return plan, err
	}
	if plan.Hash, err = decision.PlanHash(plan); err != nil {
		return plan, err
	}
	body, err := json.MarshalIndent(plan, "", "  ")
	if err != nil {
		return plan, fault.New(fault.Internal, "encode the plan", "%w", err)
	}
	_, err = h.store.PutIfMatch(ctx, h.bucket, contract.RunKey(plan.Model, plan.Run, contract.FilePlan), append(body, '\n'), etag)
	if fault.Is(err, fault.Conflict) {
		var sealed contract.Plan
		if getErr := h.store.GetJSON(ctx, uri, &sealed); getErr != nil || sealed.Hash == "" {
			return plan, err
		}
		return sealed, nil
	}
	return plan, err
}

// commit puts the run's uploads on its own branch, from main's head, and gives
// the commit to learn from: that one, or the ref that the configuration pins.
func (h handler) commit(ctx context.Context, repository *dataset.Repository, plan contract.Plan) (dataset.Commit, error) {
	base, err := repository.Head(ctx, dataset.Main)
	first := fault.Is(err, fault.NotFound)
	if err != nil && !first {
		return dataset.Commit{}, err
	}
	entries, err := h.uploads(ctx, plan, first)
	if err != nil {
		return dataset.Commit{}, err
	}
	incoming := "incoming/" + plan.Run
	made, err := repository.Commit(ctx, dataset.Request{Branch: incoming, Base: base.ID, Changes: dataset.Changes{Puts: entries},
		Message: "run " + plan.Run + " (" + plan.Cause.Kind + " " + plan.Cause.ID + ")", Author: "sluice", Time: plan.Created})
	if err != nil || plan.Dataset.Branch == incoming {
		return made, err
	}
	return repository.Resolve(ctx, plan.Dataset.Ref)
}

// uploads pins the versions of the run's request. A run without any, of a
// dataset without any, takes what lies in the lake.
func (h handler) uploads(ctx context.Context, plan contract.Plan, first bool) ([]dataset.Entry, error) {
	var request contract.Request
	if err := h.store.GetJSON(ctx, plan.Request, &request); err != nil {
		return nil, err
	}
	lake := h.store.Lake(plan.Dataset.Bucket)
	versions := request.Objects
	if len(versions) == 0 && first {
		latest, err := lake.Latest(ctx, contract.RawPrefix(plan.Model))
		if err != nil {
			return nil, err
		}
		versions = counted(latest, contract.RawPrefix(plan.Model))
		if len(versions) == 0 {
			return nil, fault.New(fault.NotFound, "ingest run "+plan.Run, "there is no data yet").
				WithHint("upload files to %s", contract.URI(plan.Dataset.Bucket, contract.RawPrefix(plan.Model)))
		}
	}
	return h.pin(ctx, plan.Dataset.Bucket, versions)
}

// pin refuses versions that would not last: those of a bucket that keeps none,
// and those that one of its lifecycle rules would delete.
func (h handler) pin(ctx context.Context, bucket string, versions []contract.ObjectVersion) ([]dataset.Entry, error) {
	if slices.ContainsFunc(versions, func(v contract.ObjectVersion) bool { return v.VersionID == "" || v.VersionID == "null" }) {
		if err := h.rules.Versioned(ctx, bucket); err != nil {
			return nil, err
		}
	}
	entries, err := dataset.Pin(ctx, h.store.Lake(bucket), versions)
	if err != nil || len(entries) == 0 {
		return entries, err
	}
	// A dataset may hold empty objects; an upload to learn from may not be one.
	if at := slices.IndexFunc(entries, func(e dataset.Entry) bool { return e.Size == 0 }); at >= 0 {
		return nil, fault.New(fault.Invalid, "pin "+entries[at].Key, "its version %s is empty (0 bytes)", entries[at].VersionID).
			WithHint("upload the object again with its content, or delete it")
	}
	return entries, h.audit(ctx, bucket, entries)
}

// audit holds the bucket's lifecycle rules against what a run stands on: also
// what older commits pinned, for a rule may be younger than they are.
func (h handler) audit(ctx context.Context, bucket string, entries []dataset.Entry) error {
	rules, err := h.rules.Of(ctx, bucket)
	if err != nil {
		return err
	}
	return fault.Wrap(fault.Invalid, "check the lifecycle rules of "+bucket, dataset.CheckLifecycle(rules, entries))
}

// counted leaves out what admit ignores: folders and markers.
func counted(entries []dataset.Entry, prefix string) []contract.ObjectVersion {
	var versions []contract.ObjectVersion
	for _, e := range entries {
		name := strings.TrimPrefix(e.Key, prefix)
		if contract.IsMarker(name, e.Size) {
			continue
		}
		versions = append(versions, contract.ObjectVersion{Key: e.Key, VersionID: e.VersionID, ETag: e.ETag, Size: e.Size})
	}
	return versions
}

// describe writes the list of the commit's objects and sums it up in the plan.
func (h handler) describe(ctx context.Context, repository *dataset.Repository, plan *contract.Plan, commit dataset.Commit) error {
	entries, err := repository.Entries(ctx, commit.ID, plan.Dataset.Prefix)
	if err != nil {
		return err
	}
	objects := counted(entries, plan.Dataset.Prefix)
	if len(objects) == 0 {
		return fault.New(fault.Invalid, "ingest run "+plan.Run, "commit %s has no objects under %s", commit.ID, plan.Dataset.Prefix).
			WithHint("check data.path and data.version in the configuration")
	}
	if err := h.audit(ctx, plan.Dataset.Bucket, entries); err != nil {
		return err
	}
	list := contract.DatasetObjects{Commit: commit.ID, Bucket: plan.Dataset.Bucket, Objects: objects}
	plan.Dataset.Bytes = 0
	for _, o := range objects {
		plan.Dataset.Bytes += o.Size
	}
	plan.Dataset.Commit, plan.Dataset.Count = commit.ID, len(objects)
	plan.Dataset.Objects, err = h.store.PutJSON(ctx, h.bucket, contract.RunKey(plan.Model, plan.Run, fileObjects), list)
	return err
}

// parts cuts count objects into slices of partObjects, or of more where there
// would be too many.
func parts(count int) []contract.Part {
	size := max(partObjects, (count+maxParts-1)/maxParts)
	var parts []contract.Part
	for first := 0; first < count; first += size {
		parts = append(parts, contract.Part{Index: len(parts), First: first, Count: min(size, count-first)})
	}
	return parts
}
