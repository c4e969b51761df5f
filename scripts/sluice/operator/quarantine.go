package operator

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/sluice-ml/sluice/shared/contract"
	"github.com/sluice-ml/sluice/shared/fault"
	"github.com/sluice-ml/sluice/shared/rollout"
)

// Quarantined reads a model's candidates that were rolled back, newest first.
func (c *Client) Quarantined(ctx context.Context, model string) ([]rollout.Quarantined, error) {
	refs := c.Objects.Refs(c.Store, "")
	keys, err := refs.List(ctx, contract.QuarantinePrefix(model))
	if err != nil {
		return nil, fmt.Errorf("list the quarantine of %q: %w", model, err)
	}
	list := []rollout.Quarantined{}
	for _, key := range keys {
		digest, ok := strings.CutSuffix(strings.TrimPrefix(key, contract.QuarantinePrefix(model)), ".json")
		if !ok {
			continue
		}
		q, err := c.rollouts().Isolated(ctx, model, digest)
		if err != nil {
			return nil, err
		}
		list = append(list, q)
	}
	slices.SortFunc(list, func(a, b rollout.Quarantined) int { return b.Time.Compare(a.Time) })
	return list, nil
}

// ReleaseQuarantined lets what a version was made of be rolled out again, and says
// whether somebody had released it before.
func (c *Client) ReleaseQuarantined(ctx context.Context, model string, version int, by string) (released rollout.Quarantined, before bool, err error) {
	list, err := c.Quarantined(ctx, model)
	if err != nil {
		return rollout.Quarantined{}, false, err
	}
	for _, q := range list {
		if q.Version == version {
			records := c.rollouts()
			records.Now = time.Now
			released, err = records.ReleaseQuarantined(ctx, model, q.Digest, by)
			return released, q.Released != nil, err
		}
	}
	return rollout.Quarantined{}, false, fault.New(fault.NotFound, "release a candidate of "+model, "version %d is not in quarantine", version).
		WithHint("sluice rollout quarantine %s lists what is", model)
}
