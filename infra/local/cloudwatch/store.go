package cloudwatch

import (
	"encoding/json"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/sluice-ml/sluice/infra/local/durable"
)

// Retention, as on AWS.
const (
	secondsKept = 3 * time.Hour
	minutesKept = 15 * 24 * time.Hour
)

// The journal holds at most this much; at 2 KB a second that is about 9 hours.
var journalBounds = durable.Bounds{SegmentBytes: 8 << 20, Segments: 8}

// store keeps metric data in memory and in a journal.
type store struct {
	mu      sync.Mutex
	now     func() time.Time
	series  map[string]*series
	journal *durable.Journal
	swept   time.Time
}

type series struct {
	metric  Metric
	streams map[string]*stream // by unit; a query without a unit adds them up
	last    time.Time
}

// stream holds buckets by their start, in seconds since 1970.
type stream struct {
	seconds map[int64]*bucket
	minutes map[int64]*bucket
}

// entry is a datum in the journal.
type entry struct {
	Namespace  string        `json:"n"`
	Name       string        `json:"m"`
	Dimensions []Dimension   `json:"d,omitempty"`
	Unix       int64         `json:"t"` // cut to the storage resolution
	Unit       string        `json:"u,omitempty"`
	High       bool          `json:"h,omitempty"`
	Values     []float64     `json:"v,omitempty"`
	Counts     []float64     `json:"c,omitempty"`
	Statistics *StatisticSet `json:"s,omitempty"`
}

func openStore(folder string, now func() time.Time) (*store, error) {
	s := &store{now: now, series: map[string]*series{}, swept: now()}
	oldest := now().Add(-minutesKept).Unix()
	journal, err := durable.OpenJournal(folder, journalBounds, func(line []byte) error {
		var e entry
		if err := json.Unmarshal(line, &e); err != nil {
			return err
		}
		if e.Unix >= oldest {
			s.apply(e)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	s.journal = journal
	s.sweep(now())
	return s, nil
}

func (s *store) close() error { return s.journal.Close() }

// put checks all the data first, so that either all of it is stored or none.
func (s *store) put(namespace string, data []Datum) error {
	now := s.now()
	entries, lines := make([]entry, len(data)), make([][]byte, len(data))
	for i, d := range data {
		if d.Time.IsZero() {
			d.Time = now
		}
		if err := d.check(now); err != nil {
			return err
		}
		entries[i] = d.entry(namespace)
		line, err := json.Marshal(entries[i])
		if err != nil {
			return fmt.Errorf("journal metric %s: %w", d.Name, err)
		}
		lines[i] = line
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.journal.Append(lines...); err != nil {
		return fmt.Errorf("journal metric data: %w", err)
	}
	for _, e := range entries {
		s.apply(e)
	}
	if now.Sub(s.swept) >= time.Minute {
		s.sweep(now)
	}
	return nil
}

func (d Datum) entry(namespace string) entry {
	unix := d.Time.Unix()
	if !d.HighResolution {
		unix = floor(unix, 60)
	}
	return entry{namespace, d.Name, Metric{Dimensions: d.Dimensions}.sorted(), unix, d.Unit, d.HighResolution, d.Values, d.Counts, d.Statistics}
}

func floor(unix, step int64) int64 { return unix - ((unix%step)+step)%step }

func (s *store) apply(e entry) {
	b := s.bucket(e)
	if e.Statistics != nil {
		b.addStatistics(*e.Statistics)
		return
	}
	for i, v := range e.Values {
		count := 1.0
		if len(e.Counts) > 0 {
			count = e.Counts[i]
		}
		b.addValue(v, count)
	}
}

func (s *store) bucket(e entry) *bucket {
	metric := Metric{e.Namespace, e.Name, e.Dimensions}
	key := metric.key()
	one, ok := s.series[key]
	if !ok {
		one = &series{metric: metric, streams: map[string]*stream{}}
		s.series[key] = one
	}
	if at := time.Unix(e.Unix, 0); at.After(one.last) {
		one.last = at
	}
	unit := e.Unit
	if unit == "" {
		unit = "None"
	}
	st, ok := one.streams[unit]
	if !ok {
		st = &stream{map[int64]*bucket{}, map[int64]*bucket{}}
		one.streams[unit] = st
	}
	buckets := st.minutes
	if e.High {
		buckets = st.seconds
	}
	b, ok := buckets[e.Unix]
	if !ok {
		b = &bucket{}
		buckets[e.Unix] = b
	}
	return b
}

// sweep rolls old seconds up to minutes and forgets old minutes.
func (s *store) sweep(now time.Time) {
	s.swept = now
	oldSecond, oldMinute := now.Add(-secondsKept).Unix(), now.Add(-minutesKept).Unix()
	for key, one := range s.series {
		for _, st := range one.streams {
			st.rollUp(oldSecond, oldMinute)
		}
		if one.last.Unix() < oldMinute {
			delete(s.series, key)
		}
	}
}

func (st *stream) rollUp(oldSecond, oldMinute int64) {
	for at, b := range st.seconds {
		if at >= floor(oldSecond, 60) {
			continue
		}
		minute := floor(at, 60)
		if st.minutes[minute] == nil {
			st.minutes[minute] = &bucket{}
		}
		st.minutes[minute].merge(b)
		delete(st.seconds, at)
	}
	for at := range st.minutes {
		if at < oldMinute {
			delete(st.minutes, at)
		}
	}
}

// grid is a run of equal periods: period i covers [start+i*step, start+(i+1)*step).
type grid struct {
	start, step int64 // seconds
	n           int
}

func (g grid) at(i int) time.Time { return time.Unix(g.start+int64(i)*g.step, 0).UTC() }

// index gives the period that holds unix, or -1.
func (g grid) index(unix int64) int {
	i := floor(unix-g.start, g.step) / g.step
	if unix < g.start || i >= int64(g.n) {
		return -1
	}
	return int(i)
}

// query adds up a metric's buckets over a grid; unit "" takes all units.
func (s *store) query(m Metric, unit string, g grid) []bucket {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make([]bucket, g.n)
	one, ok := s.series[m.key()]
	if !ok {
		return out
	}
	for u, st := range one.streams {
		if unit == "" || unit == u {
			collect(out, g, st.seconds, 1)
			collect(out, g, st.minutes, 60)
		}
	}
	return out
}

// collect walks whichever is smaller, the grid's range or the buckets.
func collect(out []bucket, g grid, buckets map[int64]*bucket, resolution int64) {
	end := g.start + int64(g.n)*g.step
	if int64(len(buckets)) < (end-g.start)/resolution {
		for at, b := range buckets {
			if i := g.index(at); i >= 0 {
				out[i].merge(b)
			}
		}
		return
	}
	for at := floor(g.start+resolution-1, resolution); at < end; at += resolution {
		if b := buckets[at]; b != nil {
			out[g.index(at)].merge(b)
		}
	}
}

type listed struct {
	metric Metric
	last   time.Time
}

// list gives every metric in the order of its key.
func (s *store) list() []listed {
	s.mu.Lock()
	defer s.mu.Unlock()
	keys := make([]string, 0, len(s.series))
	for key := range s.series {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	out := make([]listed, len(keys))
	for i, key := range keys {
		out[i] = listed{s.series[key].metric, s.series[key].last}
	}
	return out
}
