package main

import (
	"cmp"
	"context"
	"encoding/json"
	"slices"

	"github.com/sluice-ml/sluice/shared/aws/runstore"
	"github.com/sluice-ml/sluice/shared/contract"
	"github.com/sluice-ml/sluice/shared/fault"
	"github.com/sluice-ml/sluice/shared/profile"
)

// readParts reads what the profile jobs wrote, in the order of their indices,
// and checks that together they cover every object of the commit once.
func readParts(ctx context.Context, run *runstore.Run) ([]profile.Part, error) {
	list, err := run.Objects(ctx)
	if err != nil {
		return nil, err
	}
	files, err := run.Store.List(ctx, run.Bucket, run.Key(profile.PartsPrefix)+"/")
	if err != nil {
		return nil, err
	}
	parts := make([]profile.Part, len(files))
	for i, file := range files {
		if parts[i], err = readPart(ctx, run, file.Key); err != nil {
			return nil, err
		}
	}
	slices.SortFunc(parts, func(a, b profile.Part) int { return cmp.Compare(a.Index, b.Index) })
	return parts, covers(parts, list.Objects)
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
