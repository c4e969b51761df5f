package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"strings"
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

	ctx      context.Context // the test's
	answered chan asked      // what labels are wanted of; nil is nothing

	mu     sync.Mutex
	served map[string]int // answers by slot
	failed map[string]int // errors by slot; "" is no slot
	last   error
}

// drilled is where errors are counted that a drill of the load balancer made.
const drilled = "drill"

// asked is a request that was answered.
type asked struct {
	id  string
	row int
}

// drive starts live traffic, about 40 requests a second until the test ends.
func drive(t *testing.T, s *stack) *traffic {
	t.Helper()
	return driveModel(t, s, model)
}

func driveModel(t *testing.T, s *stack, model string) *traffic {
	t.Helper()
	data := table(t, "holdout.csv.gz", 0, 200)
	live := &traffic{ctx: t.Context(), model: model, served: map[string]int{}, failed: map[string]int{}}
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
		id, row := fmt.Sprintf("live-%d-%d", worker, i), i%len(l.bodies)
		slot, err := l.stack.Load().Ask(t.Context(), l.model, id, l.bodies[row])
		l.mu.Lock()
		if err != nil {
			if strings.Contains(err.Error(), "a drill:") {
				slot = drilled
			}
			l.failed[slot]++
			l.last = err
		} else {
			l.served[slot]++
			select {
			case l.answered <- asked{id, row}:
			default: // nobody wants it
			}
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
