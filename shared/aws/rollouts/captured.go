package rollouts

import (
	"context"

	"github.com/sluice-ml/sluice/shared/aws/s3store"
	"github.com/sluice-ml/sluice/shared/fault"
	"github.com/sluice-ml/sluice/shared/feedback"
	"github.com/sluice-ml/sluice/shared/ref"
	"github.com/sluice-ml/sluice/shared/rollout"
)

// Captured is a rollout.Gauge that adds what was captured to what another one
// measures: how a champion's and its shadow's answers compare, and how many of
// each part of the rows were right by the labels that the monitor has joined.
type Captured struct {
	Rest        rollout.Gauge
	Environment string
	Captures    feedback.Files // the store bucket
	Store       ref.Store      // the same
}

var _ rollout.Gauge = (*Captured)(nil)

// Measure implements rollout.Gauge.
func (c *Captured) Measure(ctx context.Context, q rollout.Question) (rollout.Measurements, error) {
	m, err := c.Rest.Measure(ctx, q)
	if err != nil {
		return m, err
	}
	if q.Pairs && q.Champion != "" {
		span := feedback.Span{Environment: c.Environment, Model: q.Model, From: q.From, To: q.To}
		pairs, err := feedback.Compare(ctx, c.Captures, span, q.Champion, q.Candidate)
		if err != nil {
			return m, fault.Wrap(fault.Unavailable, "compare the answers of "+q.Model, err)
		}
		m.Pairs = &pairs
	}
	if len(q.Slices) == 0 {
		return m, nil
	}
	ledger, err := ref.Read[feedback.Ledger](ctx, c.Store, feedback.LedgerKey(q.Model))
	if err != nil && !fault.Is(err, fault.NotFound) {
		return m, fault.Wrap(fault.Unavailable, "read the labels of "+q.Model, err)
	}
	m.Slices = ledger.Value.Tallies(q.Slices, q.Candidate, q.Champion, q.Serving)
	return m, nil
}

// bucket is a bucket as feedback.Files.
type bucket struct {
	store *s3store.Store
	name  string
}

func (b bucket) List(ctx context.Context, prefix string) ([]feedback.File, error) {
	infos, err := b.store.List(ctx, b.name, prefix)
	files := make([]feedback.File, len(infos))
	for i, info := range infos {
		files[i] = feedback.File{Key: info.Key, ETag: info.ETag}
	}
	return files, err
}

func (b bucket) Read(ctx context.Context, key string) ([]byte, error) {
	body, _, err := b.store.Get(ctx, b.name, key, "")
	return body, err
}
