package main

import (
	"cmp"
	"context"
	"encoding/json"
	"slices"

	"github.com/sluice-ml/sluice/shared/aws/runstore"
	"github.com/sluice-ml/sluice/shared/aws/s3store"
	"github.com/sluice-ml/sluice/shared/contract"
	"github.com/sluice-ml/sluice/shared/fault"
	"github.com/sluice-ml/sluice/shared/profile"
)

// readParts reads what the profile jobs wrote, in the order of their indices,
// checks that together they cover every object of the commit once, and gives
// their profiles merged; nil when no object could be read.
func (v *validation) readParts(ctx context.Context) (*profile.Profile, error) {
	list, err := v.run.Objects(ctx)
	if err != nil {
		return nil, err
	}
	files, err := v.run.Store.List(ctx, v.run.Bucket, v.run.Key(profile.PartsPrefix)+"/")
	if err != nil {
		return nil, err
	}
	// profiles/2.json comes before profiles/10.json.
	slices.SortFunc(files, func(a, b s3store.ObjectInfo) int {
		return cmp.Or(cmp.Compare(len(a.Key), len(b.Key)), cmp.Compare(a.Key, b.Key))
	})
	var whole running
	err = batches(ctx, files, func(ctx context.Context, f s3store.ObjectInfo) (profile.Part, error) {
		return readPart(ctx, v.run, f.Key)
	},
		func(part profile.Part) error {
			merged := part.Merged
			part.Merged = nil
			v.parts = append(v.parts, part)
			if merged == nil {
				return nil
			}
			return whole.add(*merged)
		})
	if err != nil {
		return nil, err
	}
	return whole.profile, covers(v.parts, list.Objects)
}

// running is a merge that holds only what it came to so far.
type running struct{ profile *profile.Profile }

func (r *running) add(p profile.Profile) (err error) {
	all := []profile.Profile{p}
	if r.profile != nil {
		all = []profile.Profile{*r.profile, p}
	}
	if p, err = profile.Merge(all...); err == nil {
		r.profile = &p
	}
	return err
}

func readPart(ctx context.Context, run *runstore.Run, key string) (profile.Part, error) {
	var part profile.Part
	data, _, err := run.Store.Get(ctx, run.Bucket, key, "")
	if err != nil {
		return part, err
	}
	if err := json.Unmarshal(data, &part); err != nil {
		return part, fault.New(fault.Invalid, "read "+key, "%w", err)
	}
	if part.Merged != nil {
		err = part.Merged.Check()
	}
	return part, fault.Wrap(fault.Invalid, "read "+key, err)
}

func covers(parts []profile.Part, objects []contract.ObjectVersion) error {
	var covered []profile.PartObject
	for _, part := range parts {
		covered = append(covered, part.Objects...)
	}
	same := slices.EqualFunc(covered, objects, func(c profile.PartObject, o contract.ObjectVersion) bool {
		return c.Key == o.Key && c.VersionID == o.VersionID
	})
	if !same {
		return fault.New(fault.Internal, "join the profiles", "%d profile jobs cover %d objects, not the commit's %d in their order",
			len(parts), len(covered), len(objects)).WithHint("run profile for every part that ingest gave, then validate")
	}
	return nil
}
