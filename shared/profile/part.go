package profile

import (
	"fmt"

	"github.com/sluice-ml/sluice/shared/canonical"
	"github.com/sluice-ml/sluice/shared/contract"
)

// Part is what one profile job found: profiles/<index>.json under a run.
type Part struct {
	Index   int          `json:"index"`
	Objects []PartObject `json:"objects"` // as listed in DatasetObjects
	// Merged is the profile of all objects that could be read; nil when none
	// could.
	Merged *Profile `json:"merged,omitempty"`
}

// PartObject is one object of a part.
type PartObject struct {
	Key       string `json:"key"`
	VersionID string `json:"version_id"`
	Rows      int64  `json:"rows"`
	Profile   string `json:"profile,omitempty"` // S3 URI
	// Problem says why the object could not be read as a table; such data is
	// rejected, it is no failure of the run.
	Problem string `json:"problem,omitempty"`
}

// PartFile is the name of a part's file under a run's prefix.
func PartFile(index int) string { return fmt.Sprintf("profiles/%d.json", index) }

// PartsPrefix is where a run's parts lie, under its prefix.
const PartsPrefix = "profiles/"

// ObjectKey is where the profile of one object version, made with one
// configuration, is kept in the store bucket.
func ObjectKey(model, key, versionID, configHash string) (string, error) {
	name, err := canonical.Hash([]any{Format, key, versionID, configHash})
	if err != nil {
		return "", err
	}
	return contract.DatasetPrefix(model) + "profiles/" + name + ".json", nil
}

// CommitKey is where the profile of a whole commit that passed is kept in the
// store bucket: what the next commit is compared with.
func CommitKey(model, commit string) string {
	return contract.DatasetPrefix(model) + "profiles/commits/" + commit + ".json"
}
