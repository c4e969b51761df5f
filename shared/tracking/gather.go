package tracking

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"path"
	"slices"
	"strconv"

	"github.com/sluice-ml/sluice/shared/contract"
	"github.com/sluice-ml/sluice/shared/decision"
	"github.com/sluice-ml/sluice/shared/fault"
	"github.com/sluice-ml/sluice/shared/gate"
	"github.com/sluice-ml/sluice/shared/intake"
	"github.com/sluice-ml/sluice/shared/trainconfig"
)

// Files reads the store bucket. Errors are faults.
type Files interface {
	// Folders gives the names directly below a prefix that ends in "/".
	Folders(ctx context.Context, prefix string) ([]string, error)
	// Read reads an object by its S3 URI, with ?versionId= when it has one;
	// NotFound when there is none.
	Read(ctx context.Context, uri string) ([]byte, error)
}

// artefacts are the small files of a run that a tracker gets.
var artefacts = [...]string{contract.FileRecord, contract.FilePlan, contract.FileMetrics, contract.FileEnvironment,
	contract.FileValidation, contract.FileDecision}

// gather reads a run; NotFound while it has no record. A run that ended early
// has less: what it never reached is left out.
func (o *Outbox) gather(ctx context.Context, model, name string) (Run, error) {
	var record intake.Record
	if err := o.read(ctx, o.uri(model, name, contract.FileRecord), &record); err != nil {
		return Run{}, err
	}
	run := Run{Model: model, Name: name, Started: record.Opened, Ended: record.Finished, Outcome: record.Outcome.Status,
		Params: map[string]string{}, Tags: map[string]string{"sluice.outcome": record.Outcome.Status, "sluice.cause": record.Cause.Kind}}
	run.Note = fmt.Sprintf("Run %s ended %s: %s. The whole report: `sluice report %s`", name, record.Outcome.Status, record.Outcome.Reason, name)
	if record.Outcome.Version > 0 {
		run.Tags["sluice.version"] = strconv.Itoa(record.Outcome.Version)
	}
	for _, part := range []func(context.Context, *Run) error{o.plan, o.metrics, o.verdicts, o.decision, o.files} {
		if err := part(ctx, &run); err != nil && !fault.Is(err, fault.NotFound) {
			return Run{}, err
		}
	}
	return run, nil
}

func (o *Outbox) uri(model, run, file string) string {
	return contract.URI(o.Bucket, contract.RunKey(model, run, file))
}

func (o *Outbox) read(ctx context.Context, uri string, into any) error {
	body, err := o.Files.Read(ctx, uri)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(body, into); err != nil {
		return fault.New(fault.Invalid, "read "+uri, "%w", err)
	}
	return nil
}

// plan gives tags, and the configuration's leaves as parameters.
func (o *Outbox) plan(ctx context.Context, run *Run) error {
	var plan contract.Plan
	if err := o.read(ctx, o.uri(run.Model, run.Name, contract.FilePlan), &plan); err != nil {
		return err
	}
	tags := map[string]string{"sluice.plan": plan.Hash, "sluice.commit": plan.Dataset.Commit, "sluice.environment": plan.Environment,
		"sluice.config": plan.Config, "sluice.config_hash": plan.ConfigHash, "sluice.trainer_image": plan.TrainerImage,
		"sluice.server_image": plan.ServerImage, "sluice.artifacts": o.uri(run.Model, run.Name, "") + "/"}
	for name, value := range tags {
		if value != "" {
			run.Tags[name] = value
		}
	}
	text, err := o.Files.Read(ctx, plan.Config)
	if err != nil {
		return err
	}
	config, err := trainconfig.Parse(plan.Config, text)
	if err != nil {
		return err
	}
	var leaves any
	decoder := json.NewDecoder(bytes.NewReader(config.Canonical()))
	decoder.UseNumber()
	if err := decoder.Decode(&leaves); err != nil {
		return fault.New(fault.Internal, "read "+plan.Config, "%w", err)
	}
	flatten("", leaves, run.Params)
	return nil
}

// flatten gives the leaves of JSON by their paths, "model.params.eta". An array
// is a leaf, as JSON.
func flatten(at string, v any, into map[string]string) {
	switch v := v.(type) {
	case map[string]any:
		for name, inner := range v {
			flatten(join(at, name), inner, into)
		}
	case nil:
	case []any:
		text, err := json.Marshal(v)
		if err == nil && len(v) > 0 {
			into[at] = string(text)
		}
	default:
		into[at] = fmt.Sprint(v)
	}
}

func join(at, name string) string {
	if at == "" {
		return name
	}
	return at + "." + name
}

// metrics reads metrics.json, which is the trainer's own and may be any JSON: a
// number is a metric by its path, and the places of an array are its steps.
func (o *Outbox) metrics(ctx context.Context, run *Run) error {
	var all any
	if err := o.read(ctx, o.uri(run.Model, run.Name, contract.FileMetrics), &all); err != nil {
		return err
	}
	run.Metrics = append(run.Metrics, measured("", 0, all)...)
	return nil
}

func measured(at string, step int, v any) []Metric {
	var list []Metric
	switch v := v.(type) {
	case map[string]any:
		for _, name := range slices.Sorted(maps.Keys(v)) {
			list = append(list, measured(join(at, name), step, v[name])...)
		}
	case []any:
		for i, inner := range v {
			list = append(list, measured(at, i, inner)...)
		}
	case float64:
		if !math.IsNaN(v) && !math.IsInf(v, 0) {
			list = append(list, Metric{Name: at, Step: step, Value: v})
		}
	}
	return list
}

// verdicts gives a tag for each gate that spoke, and what it measured of all
// rows; groups are in the artefacts.
func (o *Outbox) verdicts(ctx context.Context, run *Run) error {
	for _, name := range trainconfig.Gates() {
		var v gate.Verdict
		err := o.read(ctx, o.uri(run.Model, run.Name, contract.VerdictFile(name)), &v)
		if fault.Is(err, fault.NotFound) {
			continue
		}
		if err != nil {
			return err
		}
		run.Tags["sluice.gate."+name] = v.Verdict
		for _, m := range v.Measurements {
			if m.Group == "" && !math.IsNaN(m.Value) && !math.IsInf(m.Value, 0) {
				run.Metrics = append(run.Metrics, Metric{Name: "gate." + name + "." + m.Name, Value: m.Value})
			}
		}
	}
	return nil
}

func (o *Outbox) decision(ctx context.Context, run *Run) error {
	uri := o.uri(run.Model, run.Name, contract.FileDecision)
	d, err := o.decided(ctx, uri)
	if err != nil {
		return err
	}
	run.Tags["sluice.decision"], run.Tags["sluice.action"], run.Tags["sluice.digest"] = uri, d.Action, d.Digest
	return nil
}

// decided reads a decision without checking its signature: that is for who acts
// on it.
func (o *Outbox) decided(ctx context.Context, uri string) (decision.Decision, error) {
	var e decision.Envelope
	var d decision.Decision
	if err := o.read(ctx, uri, &e); err != nil {
		return d, err
	}
	if err := json.Unmarshal(e.Payload, &d); err != nil {
		return d, fault.New(fault.Invalid, "read "+uri, "payload: %w", err)
	}
	return d, nil
}

func (o *Outbox) files(ctx context.Context, run *Run) error {
	for _, name := range artefacts {
		data, err := o.Files.Read(ctx, o.uri(run.Model, run.Name, name))
		if fault.Is(err, fault.NotFound) {
			continue
		}
		if err != nil {
			return err
		}
		run.Files = append(run.Files, File{Name: path.Base(name), Data: data})
	}
	return nil
}

// links are the files of a version's run that exist once it is registered.
var links = [...]string{contract.FileMetrics, contract.FileProfile, contract.FileValidation, contract.VerdictFile(gate.NameFairness),
	contract.VerdictFile(gate.NameDataQuality)}

// describe adds to a version's record what its run left.
func (o *Outbox) describe(ctx context.Context, v contract.Version) (Version, error) {
	full := Version{Version: v, Links: map[string]string{}}
	d, err := o.decided(ctx, v.Decision)
	if err != nil {
		return full, err
	}
	full.Action, full.Commit = d.Action, d.Commit
	var record intake.Record
	err = o.read(ctx, o.uri(v.Model, v.Run, contract.FileRecord), &record)
	if err != nil && !fault.Is(err, fault.NotFound) {
		return full, err
	}
	full.Outcome, full.Reason = record.Outcome.Status, record.Outcome.Reason
	for _, name := range links {
		full.Links[name] = o.uri(v.Model, v.Run, name)
	}
	return full, nil
}
