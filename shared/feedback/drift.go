package feedback

import (
	"bytes"
	"context"
	"encoding/csv"
	"slices"
	"time"

	"github.com/sluice-ml/sluice/shared/drift"
	"github.com/sluice-ml/sluice/shared/fault"
	"github.com/sluice-ml/sluice/shared/profile"
	"github.com/sluice-ml/sluice/shared/table"
	"github.com/sluice-ml/sluice/shared/trainconfig"
)

// Baseline is what captured inputs are compared with: the data that the
// champion learned from.
type Baseline struct {
	Version  int
	Features []string // in the model's order
	Profile  *profile.Profile
	Config   *trainconfig.Config
}

// Watch adds a day's captured rows to the window and compares it with the
// baseline. A new day or a new champion starts a new window. Rows of another
// shape than the baseline's features are left out and counted.
func (w *Window) Watch(ctx context.Context, seen []Seen, b *Baseline, now time.Time) (report drift.Report, odd int, err error) {
	day := now.UTC().Format(time.DateOnly)
	if w.Day != day || w.Version != b.Version {
		*w = Window{Day: day, Version: b.Version}
	}
	body, rows, odd := capturedCSV(seen, b.Features, day)
	if rows > 0 {
		t, err := table.Read(ctx, "captured inputs.csv", bytes.NewReader(body), int64(len(body)), table.Options{})
		if err != nil {
			return drift.Report{}, odd, err
		}
		if err := w.add(profile.Of(t, b.Config)); err != nil {
			return drift.Report{}, odd, err
		}
	}
	if w.Profile == nil {
		return drift.Report{Threshold: drift.Threshold, Verdict: "insufficient", Features: []drift.Feature{}}, odd, nil
	}
	return drift.Compare(b.Profile, w.Profile, b.Features, drift.Threshold), odd, nil
}

func (w *Window) add(p profile.Profile) error {
	if w.Profile != nil {
		merged, err := profile.Merge(*w.Profile, p)
		if err != nil {
			return fault.Wrap(fault.Internal, "add to the day's profile", err)
		}
		p = merged
	}
	w.Profile = &p
	return nil
}

// capturedCSV is the rows of a day as a table.
func capturedCSV(seen []Seen, features []string, day string) (body []byte, rows, odd int) {
	var out bytes.Buffer
	w := csv.NewWriter(&out)
	_ = w.Write(features) // a buffer takes everything
	for _, s := range seen {
		for _, p := range s.Predictions {
			if p.Time.UTC().Format(time.DateOnly) != day {
				continue
			}
			record, ok := p.Row.ordered(features)
			if !ok {
				odd++
				continue
			}
			_ = w.Write(record)
			rows++
		}
	}
	w.Flush()
	return out.Bytes(), rows, odd
}

// ordered gives the values in the features' order.
func (r Row) ordered(features []string) ([]string, bool) {
	if r.Names == nil {
		return r.Values, len(r.Values) == len(features)
	}
	record := make([]string, len(features))
	for i, name := range features {
		at := slices.Index(r.Names, name)
		if at < 0 || at >= len(r.Values) {
			return nil, false
		}
		record[i] = r.Values[at]
	}
	return record, true
}
