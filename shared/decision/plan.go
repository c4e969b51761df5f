package decision

import (
	"github.com/sluice-ml/sluice/shared/canonical"
	"github.com/sluice-ml/sluice/shared/contract"
)

// PlanHash names a plan's work: SHA-256 over the canonical JSON of what decides
// the bits.
func PlanHash(p contract.Plan) (string, error) {
	sum, err := canonical.Hash(map[string]any{"model": p.Model, "config_hash": p.ConfigHash, "commit": p.Dataset.Commit,
		"prefix": p.Dataset.Prefix, "seed": p.Seed, "trainer_image": p.TrainerImage, "server_image": p.ServerImage})
	return "sha256:" + sum, err
}
