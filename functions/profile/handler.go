package main

import (
	"context"

	"github.com/sluice-ml/sluice/shared/aws/profiles"
	"github.com/sluice-ml/sluice/shared/aws/runstore"
	"github.com/sluice-ml/sluice/shared/aws/s3store"
	"github.com/sluice-ml/sluice/shared/contract"
	"github.com/sluice-ml/sluice/shared/fault"
	"github.com/sluice-ml/sluice/shared/profile"
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
	var found []profile.Profile
	shelf := &profiles.Shelf{Store: h.store, Bucket: h.bucket, Model: run.Plan.Model, Config: run.Config, Hash: run.Plan.ConfigHash}
	result := contract.ProfileResult{Part: in.Part.Index}
	for _, object := range objects {
		summary, p, err := shelf.Object(ctx, list.Bucket, object)
		if err != nil {
			return contract.ProfileResult{}, err
		}
		part.Objects = append(part.Objects, summary)
		if p != nil {
			found = append(found, *p)
			result.Rows += p.Rows
		}
	}
	if len(found) > 0 {
		merged, err := profile.Merge(found...)
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
