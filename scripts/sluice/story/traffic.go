package story

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"sync"
	"time"

	"github.com/sluice-ml/sluice/scripts/sluice/operator"
	"github.com/sluice-ml/sluice/shared/contract"
)

// Served counts what live traffic got from one variant.
type Served struct {
	Requests int64 `json:"requests"`
	Failed   int64 `json:"failed"`
}

// traffic replays held-out rows against the endpoint at a steady rate and
// delivers their labels some time later, as production does.
type traffic struct {
	client *operator.Client
	model  string
	rows   table
	truth  []float64
	bodies [][]byte
	rate   int // requests a second

	mu      sync.Mutex
	served  map[string]Served // by variant; "" is no variant: the endpoint itself refused
	pending []contract.Label
	lastErr error
	cancel  context.CancelFunc
	done    sync.WaitGroup
}

// newTraffic prepares one JSON request per row.
func newTraffic(client *operator.Client, model string, rows table, target, positive string, rate int) (*traffic, error) {
	y, err := rows.column(target)
	if err != nil {
		return nil, err
	}
	t := &traffic{client: client, model: model, rows: rows, rate: rate, served: map[string]Served{}}
	for _, row := range rows.rows {
		instance := map[string]string{}
		for i, name := range rows.header {
			if i != y {
				instance[name] = row[i]
			}
		}
		body, err := json.Marshal(map[string]any{"instances": []any{instance}})
		if err != nil {
			return nil, err
		}
		label := 0.0
		if row[y] == positive {
			label = 1
		}
		t.bodies, t.truth = append(t.bodies, body), append(t.truth, label)
	}
	return t, nil
}

// start begins to send; stop ends it.
func (t *traffic) start(ctx context.Context) {
	ctx, t.cancel = context.WithCancel(ctx)
	t.done.Add(2)
	go t.send(ctx)
	go t.deliverLabels(ctx)
}

// stop ends the traffic and waits for what is on the way.
func (t *traffic) stop() {
	if t.cancel == nil {
		return // it was never started
	}
	t.cancel()
	t.done.Wait()
}

// send keeps the rate with a few workers, so that a slow variant does not slow
// the others down.
func (t *traffic) send(ctx context.Context) {
	defer t.done.Done()
	const workers = 16
	work := make(chan int)
	var group sync.WaitGroup
	for range workers {
		group.Go(func() {
			for i := range work {
				t.ask(ctx, i)
			}
		})
	}
	ticker := time.NewTicker(time.Second / time.Duration(t.rate))
	defer ticker.Stop()
	for i := 0; ; i++ {
		select {
		case <-ctx.Done():
			close(work)
			group.Wait()
			return
		case <-ticker.C:
			select {
			case work <- i:
			case <-ctx.Done():
			}
		}
	}
}

// ask sends request number i and keeps its label for later.
func (t *traffic) ask(ctx context.Context, i int) {
	row := i % len(t.bodies)
	id := fmt.Sprintf("live-%d", i)
	variant, err := t.client.Ask(ctx, t.model, id, t.bodies[row])
	if ctx.Err() != nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	s := t.served[variant]
	s.Requests++
	if err != nil {
		s.Failed++
		t.lastErr = err
	} else {
		t.pending = append(t.pending, contract.Label{InferenceID: id, Label: t.truth[row], Time: time.Now().UTC()})
	}
	t.served[variant] = s
}

// deliverLabels uploads the labels of what was answered, every two seconds.
func (t *traffic) deliverLabels(ctx context.Context) {
	defer t.done.Done()
	ticker := time.NewTicker(2 * time.Second)
	defer ticker.Stop()
	for n := 0; ; n++ {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		t.mu.Lock()
		labels := t.pending
		t.pending = nil
		t.mu.Unlock()
		if len(labels) == 0 {
			continue
		}
		var lines bytes.Buffer
		encoder := json.NewEncoder(&lines)
		for _, label := range labels {
			if err := encoder.Encode(label); err != nil {
				t.fail(err)
				return
			}
		}
		key := contract.LabelsPrefix(t.model) + fmt.Sprintf("%d.jsonl", time.Now().UnixNano())
		if _, err := t.client.Objects.Put(ctx, t.client.Lake, key, lines.Bytes()); err != nil && ctx.Err() == nil {
			t.fail(fmt.Errorf("upload labels: %w", err))
		}
	}
}

func (t *traffic) fail(err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.lastErr = err
}

// counts is what was served so far, by variant, and the last error.
func (t *traffic) counts() (map[string]Served, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return maps.Clone(t.served), t.lastErr
}

// since subtracts an earlier count.
func since(now, before map[string]Served) map[string]Served {
	out := map[string]Served{}
	for variant, s := range now {
		d := Served{s.Requests - before[variant].Requests, s.Failed - before[variant].Failed}
		if d.Requests > 0 {
			out[variant] = d
		}
	}
	return out
}

// Replay sends the rows of a gzipped CSV file to a model's endpoint at a steady
// rate (requests a second) and uploads their labels, until ctx ends; each tells
// the counts every few seconds.
func Replay(ctx context.Context, client *operator.Client, r Rows, each func(served map[string]Served, last error)) error {
	rows, err := readTable(r.File)
	if err != nil {
		return err
	}
	t, err := newTraffic(client, r.Model, rows, r.Target, r.Positive, r.Rate)
	if err != nil {
		return err
	}
	t.start(ctx)
	defer t.stop()
	ticker := time.NewTicker(5 * time.Second)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			each(t.counts())
			return nil
		case <-ticker.C:
			each(t.counts())
		}
	}
}

// Rows say what to replay.
type Rows struct {
	Model, File      string
	Target, Positive string // the column with the truth, and its positive value
	Rate             int    // requests a second
}
