// Package catalog answers a rollout's questions about versions from the store
// bucket: what the champion alias names, whether a signed decision allows a
// version to ship, and a real row to try it with.
package catalog

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/sluice-ml/sluice/shared/aws/runstore"
	"github.com/sluice-ml/sluice/shared/aws/s3store"
	"github.com/sluice-ml/sluice/shared/contract"
	"github.com/sluice-ml/sluice/shared/decision"
	"github.com/sluice-ml/sluice/shared/fault"
	"github.com/sluice-ml/sluice/shared/registry"
	"github.com/sluice-ml/sluice/shared/rollout"
	"github.com/sluice-ml/sluice/shared/table"
)

// Catalog implements rollout.Catalog.
type Catalog struct {
	Store       *s3store.Store
	Bucket      string // the store bucket
	Environment string
	Verifier    decision.Verifier
	Now         func() time.Time
}

var _ rollout.Catalog = (*Catalog)(nil)

func (c *Catalog) registry() *registry.Registry { return registry.New(c.Store.Refs(c.Bucket, "")) }

// Champion implements rollout.Catalog.
func (c *Catalog) Champion(ctx context.Context, model string) (int, error) {
	alias, err := c.registry().Alias(ctx, model, registry.Champion)
	if fault.Is(err, fault.NotFound) {
		return 0, nil
	}
	return alias.Version, err
}

// Promote implements rollout.Catalog.
func (c *Catalog) Promote(ctx context.Context, model string, from, to int, fence int64) error {
	return c.move(ctx, model, registry.Step{From: from, To: to, Fence: fence, Reason: "its rollout was promoted"})
}

// Revert implements rollout.Catalog.
func (c *Catalog) Revert(ctx context.Context, model string, from, to int, fence int64) error {
	return c.move(ctx, model, registry.Step{From: from, To: to, Fence: fence, Back: true, Reason: "a provisional promotion was reverted"})
}

func (c *Catalog) move(ctx context.Context, model string, step registry.Step) error {
	_, err := c.registry().Move(ctx, model, registry.Champion, step, c.Now())
	return err
}

// Approved implements rollout.Catalog: the decision must be signed, to ship,
// of this environment, and about just this run, plan, image and artefact, whose
// bytes are hashed again here.
func (c *Catalog) Approved(ctx context.Context, step contract.RolloutStep) (rollout.Approved, error) {
	v, err := c.registry().Version(ctx, step.Model, step.Version)
	if err != nil {
		return rollout.Approved{}, err
	}
	encoded, _, err := c.Store.GetURI(ctx, step.Decision)
	if err != nil {
		return rollout.Approved{}, err
	}
	d, err := decision.Open(ctx, c.Verifier, encoded)
	if err != nil {
		return rollout.Approved{}, err
	}
	if err := c.matches(d, v, step); err != nil {
		return rollout.Approved{}, err
	}
	bucket, key, version, err := s3store.ParseURI(v.Artifact)
	if err != nil {
		return rollout.Approved{}, err
	}
	digest, _, err := c.Store.Digest(ctx, bucket, key, version)
	if err != nil {
		return rollout.Approved{}, err
	}
	if err := d.Require(step.Model, step.Run, v.PlanHash, digest); err != nil {
		return rollout.Approved{}, err
	}
	run, err := runstore.Open(ctx, c.Store, c.Bucket, contract.StepInput{Model: v.Model, Run: v.Run, Plan: v.Plan})
	if err != nil {
		return rollout.Approved{}, err
	}
	if err := d.RequirePlan(run.Plan); err != nil {
		return rollout.Approved{}, err
	}
	policy, err := rollout.NewPolicy(run.Config)
	return rollout.Approved{Policy: policy, Artifact: rollout.Artifact{Version: v.Version, URI: v.Artifact, Digest: digest, Image: v.Image}}, err
}

func (c *Catalog) matches(d decision.Decision, v contract.Version, step contract.RolloutStep) error {
	for _, pair := range []struct{ what, got, want string }{
		{"run", v.Run, step.Run}, {"decision's environment", d.Environment, c.Environment},
		{"decision's server image", d.ServerImage, v.Image}, {"decision's artefact", d.Artifact, v.Artifact}} {
		if pair.got != pair.want {
			return fault.New(fault.Denied, "ship version "+contract.VersionKey(v.Model, v.Version), "the %s is %q, not %q", pair.what, pair.got, pair.want).
				WithHint("nothing ships without a decision of its own; run the lifecycle again")
		}
	}
	return nil
}

// How much is read of the object that a row is taken from: the beginning of a
// text file, and at most what fits a function's memory.
const (
	headBytes   = 256 << 10
	maxRowBytes = 64 << 20
)

// Row implements rollout.Catalog: the first row of the smallest object that the
// version learned from, as JSON without the target.
func (c *Catalog) Row(ctx context.Context, model string, version int) (rollout.Row, error) {
	v, err := c.registry().Version(ctx, model, version)
	if err != nil {
		return rollout.Row{}, err
	}
	run, err := runstore.Open(ctx, c.Store, c.Bucket, contract.StepInput{Model: v.Model, Run: v.Run, Plan: v.Plan})
	if err != nil {
		return rollout.Row{}, err
	}
	list, err := run.Objects(ctx)
	if err != nil {
		return rollout.Row{}, err
	}
	object := slices.MinFunc(list.Objects, func(a, b contract.ObjectVersion) int { return int(min(max(a.Size-b.Size, -1), 1)) })
	reader, err := c.Store.ReaderAt(ctx, list.Bucket, object.Key, object.VersionID)
	if err != nil {
		return rollout.Row{}, err
	}
	rows, err := firstRows(ctx, object.Key, reader, reader.Size())
	if err != nil {
		return rollout.Row{}, err
	}
	row, err := request(rows, run.Config.Data.Target)
	row.Goal = run.Config.Goal()
	return row, err
}

// firstRows reads the beginning of a text file, and the whole of any other and
// of one whose beginning does not stand alone.
func firstRows(ctx context.Context, name string, r io.ReaderAt, size int64) (*table.Table, error) {
	kind := strings.ToLower(path.Ext(name))
	if size > headBytes && slices.Contains([]string{".csv", ".jsonl", ".ndjson"}, kind) {
		head := make([]byte, headBytes)
		if _, err := r.ReadAt(head, 0); err != nil && err != io.EOF {
			return nil, fault.Wrap(fault.Unavailable, "read the beginning of "+name, err)
		}
		head = head[:bytes.LastIndexByte(head, '\n')+1]
		if rows, err := table.Read(ctx, name, bytes.NewReader(head), int64(len(head)), table.Options{}); err == nil && rows.Rows() > 0 {
			return rows, nil
		}
	}
	return table.Read(ctx, name, r, size, table.Options{MaxBytes: maxRowBytes})
}

// request makes an invocation of a table's first row.
func request(rows *table.Table, target string) (rollout.Row, error) {
	if rows.Rows() == 0 {
		return rollout.Row{}, fault.New(fault.Invalid, "take a row of "+rows.Name, "it has none")
	}
	instance := map[string]any{}
	for i := range rows.Columns {
		column := &rows.Columns[i]
		switch {
		case column.Name == target:
		case column.Null[0]:
			instance[column.Name] = nil
		case column.Kind == table.Number:
			instance[column.Name] = column.Number[0]
		default:
			instance[column.Name] = column.Text[0]
		}
	}
	body, err := json.Marshal(map[string]any{"instances": []any{instance}})
	if err != nil {
		return rollout.Row{}, fault.New(fault.Internal, "make a request of "+rows.Name, "%w", err)
	}
	return rollout.Row{ContentType: "application/json", Body: body}, nil
}
