package feedback

import (
	"context"
	"fmt"
	"path"
	"strings"
	"time"

	"github.com/sluice-ml/sluice/shared/contract"
	"github.com/sluice-ml/sluice/shared/drift"
	"github.com/sluice-ml/sluice/shared/fault"
	"github.com/sluice-ml/sluice/shared/ref"
	"github.com/sluice-ml/sluice/shared/trainconfig"
)

// File is an object in a listing.
type File struct {
	Key  string
	ETag string
}

// Files is a bucket. Its errors are faults.
type Files interface {
	List(ctx context.Context, prefix string) ([]File, error)
	Read(ctx context.Context, key string) ([]byte, error)
}

// Publisher takes accuracy and drift.
type Publisher interface {
	// PutAccuracy counts what it is given: the same points twice count twice.
	PutAccuracy(ctx context.Context, model string, points []Point, now time.Time) (tooOld int64, err error)
	PutDrift(ctx context.Context, model string, psi float64, at time.Time) error
}

// Monitor watches the models of one environment.
type Monitor struct {
	Environment string
	Store       ref.Store // of the store bucket
	Captures    Files     // the store bucket
	Labels      Files     // the lake
	Publisher   Publisher
	// Baseline gives the champion's; nil when no version was promoted yet.
	Baseline func(ctx context.Context, model string) (*Baseline, error)
	// Slices are the parts of the rows that rollouts of the model watch; nil is
	// that there are none.
	Slices func(ctx context.Context, model string) ([]trainconfig.Slice, error)
	// Retrain asks for a run because of drift; the same id asks once.
	Retrain func(ctx context.Context, model, id string) error
	Period  time.Duration // of the published points: 10 or 60 s
	Now     func() time.Time
}

// Result is what one look at a model found.
type Result struct {
	Model       string       `json:"model"`
	Predictions int          `json:"predictions"` // newly captured
	Labels      int          `json:"labels"`      // newly read
	Joined      int64        `json:"joined"`
	TooOld      int64        `json:"too_old"` // joined, but older than CloudWatch takes
	Waiting     int          `json:"waiting"` // ids that wait for a label or a prediction
	Totals      Totals       `json:"totals"`
	Drift       *DriftResult `json:"drift,omitempty"`
	OddRows     int          `json:"odd_rows,omitempty"` // captured rows of another shape than the model's
	Problems    []string     `json:"problems,omitempty"` // lines that could not be read; the first 20
}

// DriftResult is the day's drift in short.
type DriftResult struct {
	Verdict string  `json:"verdict"`
	Worst   string  `json:"worst"`
	PSI     float64 `json:"psi"`
	Rows    int64   `json:"rows"`
	Retrain string  `json:"retrain,omitempty"` // the cause's id that was asked for
}

// LedgerKey is where a model's ledger lies in the store bucket.
func LedgerKey(model string) string { return "monitor/" + model + "/ledger.json" }

func leaseKey(model string) string { return "monitor/" + model + "/lease.json" }

// leaseTime outlives the longest function call.
const leaseTime = 15 * time.Minute

// Watch looks at one model: new captures and labels become accuracy, the day's
// inputs become drift. Busy when another call is at it: try again later. Any
// other call may be repeated; what was counted before is not counted again.
func (m *Monitor) Watch(ctx context.Context, model, holder string) (Result, error) {
	if err := contract.CheckModel(model); err != nil {
		return Result{}, fault.Wrap(fault.Invalid, "monitor a model", err)
	}
	lease, err := ref.Acquire(ctx, m.Store, leaseKey(model), holder, leaseTime, m.Now())
	if err != nil {
		return Result{}, err
	}
	result, err := m.watch(ctx, model)
	if released := ref.Release(ctx, m.Store, lease); err == nil {
		err = released
	}
	return result, err
}

func (m *Monitor) watch(ctx context.Context, model string) (Result, error) {
	result := Result{Model: model}
	if err := m.publish(ctx, model, &result); err != nil { // what a crash left behind
		return result, err
	}
	baseline, err := m.Baseline(ctx, model)
	if err != nil {
		return result, err
	}
	ledger, report, err := m.takeIn(ctx, model, baseline, &result)
	if err != nil {
		return result, err
	}
	result.Totals = ledger.Totals
	for _, e := range ledger.Entries {
		if !e.done() {
			result.Waiting++
		}
	}
	if err := m.publish(ctx, model, &result); err != nil {
		return result, err
	}
	return result, m.judge(ctx, model, ledger.Window, report, &result)
}

// takeIn reads what is new and saves the ledger with what it counted.
func (m *Monitor) takeIn(ctx context.Context, model string, baseline *Baseline, result *Result) (Ledger, drift.Report, error) {
	var report drift.Report
	before, err := ref.Read[Ledger](ctx, m.Store, LedgerKey(model))
	if err != nil && !fault.Is(err, fault.NotFound) {
		return Ledger{}, report, err
	}
	next := before.Value
	next.Model = model
	seen, err := m.captures(ctx, &next, result)
	if err != nil {
		return next, report, err
	}
	labels, err := m.labels(ctx, &next, result)
	if err != nil {
		return next, report, err
	}
	if next.slicer, err = m.slicer(ctx, model, baseline); err != nil {
		return next, report, err
	}
	now := m.Now()
	joined := next.Totals.Joined
	next.Outbox = append(next.Outbox, next.Join(seen, labels, now, m.Period)...)
	result.Joined = next.Totals.Joined - joined
	if baseline != nil {
		if report, result.OddRows, err = next.Window.Watch(ctx, seen, baseline, now); err != nil {
			return next, report, err
		}
	}
	next.Turn++
	saved, err := ref.Update(ctx, m.Store, LedgerKey(model), func(old Ledger, _ bool) (Ledger, error) {
		if old.Turn != before.Value.Turn {
			return old, fault.New(fault.Conflict, "save the ledger of "+model, "another call moved it meanwhile")
		}
		return next, nil
	})
	return saved, report, err
}

// slicer says which parts a captured row belongs to.
func (m *Monitor) slicer(ctx context.Context, model string, baseline *Baseline) (*slicer, error) {
	if m.Slices == nil {
		return nil, nil
	}
	by, err := m.Slices(ctx, model)
	if len(by) == 0 || err != nil {
		return nil, err
	}
	s := &slicer{by: by}
	if baseline != nil {
		s.features = baseline.Features
	}
	return s, nil
}

// publish empties the outbox.
func (m *Monitor) publish(ctx context.Context, model string, result *Result) error {
	p, err := ref.Read[Ledger](ctx, m.Store, LedgerKey(model))
	if fault.Is(err, fault.NotFound) || err == nil && len(p.Value.Outbox) == 0 {
		return nil
	}
	if err != nil {
		return err
	}
	tooOld, err := m.Publisher.PutAccuracy(ctx, model, p.Value.Outbox, m.Now())
	if err != nil {
		return err
	}
	result.TooOld += tooOld
	_, err = ref.Update(ctx, m.Store, LedgerKey(model), func(old Ledger, _ bool) (Ledger, error) {
		old.Outbox = nil
		return old, nil
	})
	return err
}

// judge publishes the day's drift and asks for a run when it is too much.
func (m *Monitor) judge(ctx context.Context, model string, w Window, report drift.Report, result *Result) error {
	if w.Profile == nil {
		return nil
	}
	result.Drift = &DriftResult{Verdict: report.Verdict, Worst: report.Worst, PSI: report.PSI, Rows: w.Profile.Rows}
	if report.Verdict == "" || report.Worst == "" {
		return nil
	}
	if err := m.Publisher.PutDrift(ctx, model, report.PSI, m.Now()); err != nil {
		return err
	}
	if report.Verdict != "fail" {
		return nil
	}
	result.Drift.Retrain = w.Day
	return m.Retrain(ctx, model, w.Day)
}

// How far back captures are looked for: late files of closed hours, and what
// was there before the first look.
const (
	lateCaptures  = 2 * time.Hour
	firstCaptures = 24 * time.Hour
)

// captures reads the new capture files of both slots.
func (m *Monitor) captures(ctx context.Context, l *Ledger, result *Result) ([]Seen, error) {
	if l.Captures == nil {
		l.Captures = map[string]Mark{}
	}
	now := m.Now().UTC()
	var seen []Seen
	for _, slot := range []string{contract.SlotBlue, contract.SlotGreen} {
		s := Seen{Slot: slot}
		mark := l.Captures[slot]
		if mark.From.IsZero() {
			mark = Mark{From: now.Add(-firstCaptures).Truncate(time.Hour)}
		}
		if oldest := now.Add(-Retention).Truncate(time.Hour); mark.From.Before(oldest) {
			mark.From = oldest
		}
		kept := Mark{From: now.Add(-lateCaptures).Truncate(time.Hour), Files: map[string]bool{}}
		for hour := mark.From; !hour.After(now); hour = hour.Add(time.Hour) {
			prefix := path.Join(contract.CapturePrefix, contract.EndpointName(m.Environment, l.Model), slot, hour.Format("2006/01/02/15")) + "/"
			files, err := m.Captures.List(ctx, prefix)
			if err != nil {
				return nil, err
			}
			for _, f := range files {
				name := hour.Format("2006010215/") + strings.TrimPrefix(f.Key, prefix)
				if !hour.Before(kept.From) {
					kept.Files[name] = true
				}
				if mark.Files[name] {
					continue
				}
				body, err := m.Captures.Read(ctx, f.Key)
				if err != nil {
					return nil, err
				}
				predictions, problems := ReadCaptures(f.Key, body)
				s.Predictions = append(s.Predictions, predictions...)
				result.problems(problems)
			}
		}
		l.Captures[slot] = kept
		result.Predictions += len(s.Predictions)
		seen = append(seen, s)
	}
	return seen, nil
}

// labels reads the label files that are new or have changed.
func (m *Monitor) labels(ctx context.Context, l *Ledger, result *Result) ([]contract.Label, error) {
	files, err := m.Labels.List(ctx, contract.LabelsPrefix(l.Model))
	if err != nil {
		return nil, err
	}
	read := map[string]string{}
	var all []contract.Label
	for _, f := range files {
		if !strings.HasSuffix(f.Key, ".jsonl") {
			continue
		}
		read[f.Key] = f.ETag
		if l.Labels[f.Key] == f.ETag {
			continue
		}
		body, err := m.Labels.Read(ctx, f.Key)
		if err != nil {
			return nil, err
		}
		labels, problems := ReadLabels(f.Key, body)
		all = append(all, labels...)
		result.problems(problems)
	}
	l.Labels = read
	result.Labels = len(all)
	return all, nil
}

func (r *Result) problems(more []string) {
	r.Problems = append(r.Problems, more...)
	if len(r.Problems) > 20 {
		r.Problems = append(r.Problems[:19], fmt.Sprintf("and %d more", len(r.Problems)-19))
	}
}
