package feedback

import (
	"cmp"
	"slices"
	"time"

	"github.com/sluice-ml/sluice/shared/contract"
	"github.com/sluice-ml/sluice/shared/profile"
)

// Limits of the ledger.
const (
	Retention = 13 * 24 * time.Hour // CloudWatch takes no older data than 14 days
	MaxIDs    = 100_000
)

// Ledger is what is remembered of a model's predictions and labels.
type Ledger struct {
	Model string `json:"model"`
	Turn  int64  `json:"turn"` // one more with every look
	// Entries are ids, by inference id.
	Entries map[string]Entry `json:"entries"`
	// Captures are the capture files that were read, in hours that are still
	// looked at; From is the first of these hours, per slot.
	Captures map[string]Mark `json:"captures"`
	// Labels are the label files that were read: key → ETag.
	Labels map[string]string `json:"labels"`
	// Parts are the names that entries refer to by place: parts of the rows.
	Parts  []string `json:"parts,omitempty"`
	Outbox []Point  `json:"outbox,omitempty"`
	Window Window   `json:"window"`
	Totals Totals   `json:"totals"`

	slicer *slicer // of what is taken in now; nil names no parts
}

// Mark says what was read of a slot's captures.
type Mark struct {
	From  time.Time       `json:"from"` // an hour; earlier ones are closed
	Files map[string]bool `json:"files"`
}

// Entry is an inference id: a prediction that waits, a label that waits, or both
// and done.
type Entry struct {
	Slot     string    `json:"s,omitempty"` // "" while only the label is known
	Time     time.Time `json:"t"`           // of the prediction, or when the label was seen
	Positive bool      `json:"p,omitempty"`
	Labelled bool      `json:"l,omitempty"`
	Label    bool      `json:"y,omitempty"`
	Class    string    `json:"c,omitempty"`  // multiclass: what was predicted
	Truth    string    `json:"w,omitempty"`  // multiclass: what is true
	Also     *Also     `json:"a,omitempty"`  // what the shadow, or the shadowed, said
	Parts    []int     `json:"ps,omitempty"` // of the row, in Ledger.Parts
}

// Also is a second slot's answer to the same request: a champion and its shadow
// are both asked, and the label is about both.
type Also struct {
	Slot     string `json:"s"`
	Positive bool   `json:"p,omitempty"`
	Class    string `json:"c,omitempty"`
}

// Point is how many predictions of a slot were right and wrong in a period.
type Point struct {
	Slot    string    `json:"slot"`
	Time    time.Time `json:"time"` // the period's start
	Correct int64     `json:"correct"`
	Wrong   int64     `json:"wrong"`
}

// Window is a day's captured inputs.
type Window struct {
	Day     string           `json:"day,omitempty"` // UTC, yyyy-mm-dd
	Profile *profile.Profile `json:"profile,omitempty"`
	Version int              `json:"version,omitempty"` // the champion that it is compared with
}

// Totals count since the ledger began.
type Totals struct {
	Predictions    int64 `json:"predictions"`
	Labels         int64 `json:"labels"`
	Joined         int64 `json:"joined"`
	Duplicates     int64 `json:"duplicates"`
	Contradictions int64 `json:"contradictions"`
	Dropped        int64 `json:"dropped"`    // forgotten before they were joined
	Unlabelled     int64 `json:"unlabelled"` // without an inference id
	// Unlike are labels that name a class of predictions that have none.
	Unlike int64 `json:"unlike,omitempty"`
}

// Seen are the predictions of one slot.
type Seen struct {
	Slot        string
	Predictions []Prediction
}

// Join takes in predictions and labels and gives the points that they complete,
// by slot and period, oldest first. It changes l.
func (l *Ledger) Join(seen []Seen, labels []contract.Label, now time.Time, period time.Duration) []Point {
	if l.Entries == nil {
		l.Entries = map[string]Entry{}
	}
	counts := map[Point]*Point{}
	for _, s := range seen {
		for _, p := range s.Predictions {
			l.predicted(s.Slot, p, period, counts)
		}
	}
	for _, label := range labels {
		l.labelled(label, now, period, counts)
	}
	l.forget(now)
	points := make([]Point, 0, len(counts))
	for _, p := range counts {
		points = append(points, *p)
	}
	slices.SortFunc(points, func(a, b Point) int { return cmp.Or(a.Time.Compare(b.Time), cmp.Compare(a.Slot, b.Slot)) })
	return points
}

func (l *Ledger) predicted(slot string, p Prediction, period time.Duration, counts map[Point]*Point) {
	l.Totals.Predictions++
	if p.ID == "" {
		l.Totals.Unlabelled++
		return
	}
	e, known := l.Entries[p.ID]
	switch {
	case known && (e.Slot == slot || e.Also != nil):
		l.Totals.Duplicates++
		return
	case known && e.Slot != "":
		e.Also = &Also{slot, p.Positive, p.Class}
		l.Entries[p.ID] = e
		if e.Labelled {
			l.count(e.also(), period, counts)
		}
		return
	}
	e.Slot, e.Time, e.Positive, e.Class, e.Parts = slot, p.Time, p.Positive, p.Class, l.parts(p.Row)
	l.Entries[p.ID] = e
	if e.Labelled {
		l.count(e, period, counts)
	}
}

// also is the entry as the other slot answered it.
func (e Entry) also() Entry {
	e.Slot, e.Positive, e.Class = e.Also.Slot, e.Also.Positive, e.Also.Class
	return e
}

func (l *Ledger) labelled(label contract.Label, now time.Time, period time.Duration, counts map[Point]*Point) {
	l.Totals.Labels++
	truth := label.Label == 1
	e, known := l.Entries[label.InferenceID]
	if known && e.Labelled {
		if e.Label != truth || e.Truth != label.Class {
			l.Totals.Contradictions++
		} else {
			l.Totals.Duplicates++
		}
		return
	}
	if !known {
		e.Time = now.UTC()
	}
	e.Labelled, e.Label, e.Truth = true, truth, label.Class
	l.Entries[label.InferenceID] = e
	if e.Slot != "" {
		l.count(e, period, counts)
	}
	if e.Also != nil {
		l.count(e.also(), period, counts)
	}
}

func (l *Ledger) count(e Entry, period time.Duration, counts map[Point]*Point) {
	if e.Class == "" && e.Truth != "" {
		l.Totals.Unlike++
		return
	}
	l.Totals.Joined++
	key := Point{Slot: e.Slot, Time: e.Time.UTC().Truncate(period)}
	p := counts[key]
	if p == nil {
		p = &Point{Slot: key.Slot, Time: key.Time}
		counts[key] = p
	}
	if e.right() {
		p.Correct++
	} else {
		p.Wrong++
	}
}

// right says whether the prediction was. A class may be labelled 0 or 1 as a
// number, which is its name.
func (e Entry) right() bool {
	switch {
	case e.Class == "":
		return e.Positive == e.Label
	case e.Truth != "":
		return e.Class == e.Truth
	case e.Label:
		return e.Class == "1"
	}
	return e.Class == "0"
}

// done says that an entry can change nothing any more.
func (e Entry) done() bool { return e.Labelled && e.Slot != "" }

// forget drops what is too old, and the oldest of what is too much.
func (l *Ledger) forget(now time.Time) {
	for id, e := range l.Entries {
		if now.Sub(e.Time) > Retention {
			l.drop(id, e)
		}
	}
	if len(l.Entries) <= MaxIDs {
		return
	}
	ids := make([]string, 0, len(l.Entries))
	for id := range l.Entries {
		ids = append(ids, id)
	}
	slices.SortFunc(ids, func(a, b string) int {
		return cmp.Or(l.Entries[a].Time.Compare(l.Entries[b].Time), cmp.Compare(a, b))
	})
	for _, id := range ids[:len(ids)-MaxIDs] {
		l.drop(id, l.Entries[id])
	}
}

func (l *Ledger) drop(id string, e Entry) {
	if !e.done() {
		l.Totals.Dropped++
	}
	delete(l.Entries, id)
}
