package main

import (
	"context"
	"encoding/json"
	"errors"

	"github.com/sluice-ml/sluice/shared/aws/runstore"
	"github.com/sluice-ml/sluice/shared/aws/s3store"
	"github.com/sluice-ml/sluice/shared/contract"
	"github.com/sluice-ml/sluice/shared/fault"
	"github.com/sluice-ml/sluice/shared/profile"
	"github.com/sluice-ml/sluice/shared/table"
)

type handler struct {
	store  *s3store.Store
	bucket string
}

// handle writes profiles/<part>.json. It may run many times for one part: equal
// objects give equal profiles.
func (h handler) handle(ctx context.Context, in contract.StepInput) (contract.ProfileResult, error) {
	run, err := runstore.Open(ctx, h.store, h.bucket, in)
	if err != nil {
		return contract.ProfileResult{}, err
	}
	list, err := run.Objects(ctx)
	if err != nil {
		return contract.ProfileResult{}, err
	}
	objects, err := slice(list.Objects, in.Part)
	if err != nil {
		return contract.ProfileResult{}, err
	}
	part := profile.Part{Index: in.Part.Index}
	var profiles []profile.Profile
	result := contract.ProfileResult{Part: in.Part.Index}
	for _, object := range objects {
		summary, p, err := h.object(ctx, run, list.Bucket, object)
		if err != nil {
			return contract.ProfileResult{}, err
		}
		part.Objects = append(part.Objects, summary)
		if p != nil {
			profiles = append(profiles, *p)
			result.Rows += p.Rows
		}
	}
	if len(profiles) > 0 {
		merged, err := profile.Merge(profiles...)
		if err != nil {
			return contract.ProfileResult{}, err
		}
		part.Merged = &merged
	}
	result.Profile, err = run.WriteJSON(ctx, profile.PartFile(part.Index), part)
	return result, err
}

func slice(objects []contract.ObjectVersion, part *contract.Part) ([]contract.ObjectVersion, error) {
	if part == nil {
		return nil, fault.New(fault.Invalid, "choose the objects", "the input names no part")
	}
	if part.Index < 0 || part.First < 0 || part.Count < 1 || part.First > len(objects) || part.Count > len(objects)-part.First {
		return nil, fault.New(fault.Invalid, "choose the objects", "part %d is objects %d to %d of %d",
			part.Index, part.First, part.First+part.Count-1, len(objects))
	}
	return objects[part.First : part.First+part.Count], nil
}

// object gives an object's profile, from the cache when it is there. What
// cannot be read as a table has a problem and no profile.
func (h handler) object(ctx context.Context, run *runstore.Run, lake string, o contract.ObjectVersion) (profile.PartObject, *profile.Profile, error) {
	summary := profile.PartObject{Key: o.Key, VersionID: o.VersionID}
	key, err := profile.ObjectKey(run.Plan.Model, o.Key, o.VersionID, run.Plan.ConfigHash)
	if err != nil {
		return summary, nil, err
	}
	summary.Profile = contract.URI(h.bucket, key)
	p, err := h.cached(ctx, key, o.Key)
	if fault.Is(err, fault.NotFound) {
		p, err = h.fresh(ctx, run, lake, o, key)
	}
	if unreadable, ok := errors.AsType[*problem](err); ok {
		summary.Problem, summary.Profile = unreadable.Error(), ""
		return summary, nil, nil
	}
	if err != nil {
		return summary, nil, err
	}
	summary.Rows = p.Rows
	return summary, p, nil
}

func (h handler) cached(ctx context.Context, key, object string) (*profile.Profile, error) {
	data, _, err := h.store.Get(ctx, h.bucket, key, "")
	if err != nil {
		return nil, err
	}
	p, err := profile.Decode(data)
	p.Name(object)
	return &p, err
}

// problem is the content's fault, as opposed to the storage's.
type problem struct{ error }

func (h handler) fresh(ctx context.Context, run *runstore.Run, lake string, o contract.ObjectVersion, key string) (*profile.Profile, error) {
	r, err := h.store.ReaderAt(ctx, lake, o.Key, o.VersionID)
	if err != nil {
		return nil, err
	}
	t, err := table.Read(ctx, o.Key, r, r.Size(), table.Options{})
	if fault.Is(err, fault.Invalid) {
		return nil, &problem{err}
	}
	if err != nil {
		return nil, err
	}
	p := profile.Of(t, run.Config)
	body, err := json.Marshal(p)
	if err != nil {
		return nil, fault.Wrap(fault.Internal, "encode a profile", err)
	}
	_, err = h.store.PutOnce(ctx, h.bucket, key, append(body, '\n'))
	return &p, err
}
