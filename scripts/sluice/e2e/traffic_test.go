package e2e

import (
	"encoding/json"
	"fmt"
	"maps"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// traffic asks the endpoint all the time, also while no stack is there.
type traffic struct {
	model  string
	bodies [][]byte
	stack  atomic.Pointer[stack]

	mu     sync.Mutex
	served map[string]int // answers by slot
	failed map[string]int // errors by slot; "" is no slot
	last   error
}

// drive starts live traffic, about 40 requests a second until the test ends.
func drive(t *testing.T, s *stack) *traffic {
	t.Helper()
	return driveModel(t, s, model)
}

func driveModel(t *testing.T, s *stack, model string) *traffic {
	t.Helper()
	data := table(t, "holdout.csv.gz", 0, 200)
	live := &traffic{model: model, served: map[string]int{}, failed: map[string]int{}}
	for _, row := range data[1:] {
		instance := map[string]string{}
		for i, name := range data[0] {
			if name != "income" {
				instance[name] = row[i]
			}
		}
		body, err := json.Marshal(map[string]any{"instances": []any{instance}})
		require.NoError(t, err)
		live.bodies = append(live.bodies, body)
	}
	live.stack.Store(s)
	stop := make(chan struct{})
	var group sync.WaitGroup
	for worker := range 2 {
		group.Go(func() { live.ask(t, worker, stop) })
	}
	t.Cleanup(func() { close(stop); group.Wait() })
	return live
}

func (l *traffic) ask(t *testing.T, worker int, stop <-chan struct{}) {
	ticker := time.NewTicker(50 * time.Millisecond)
	defer ticker.Stop()
	for i := worker; ; i++ {
		select {
		case <-stop:
			return
		case <-ticker.C:
		}
		slot, err := l.stack.Load().Ask(t.Context(), l.model, fmt.Sprintf("live-%d-%d", worker, i), l.bodies[i%len(l.bodies)])
		l.mu.Lock()
		if err != nil {
			l.failed[slot]++
			l.last = err
		} else {
			l.served[slot]++
		}
		l.mu.Unlock()
	}
}

// counts are the answers and errors so far, by slot.
func (l *traffic) counts() (served, failed map[string]int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return maps.Clone(l.served), maps.Clone(l.failed)
}
