package states

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"sync"

	"github.com/sluice-ml/sluice/infra/local/asl"
	"github.com/sluice-ml/sluice/infra/local/wire"
)

// tokens are the tasks that wait for SendTaskSuccess or SendTaskFailure.
type tokens struct {
	mu      sync.Mutex
	waiting map[string]*waiter
}

type waiter struct {
	end  chan taskEnd // holds one
	beat func()
}

type taskEnd struct {
	output json.RawMessage
	err    *asl.TaskError
}

func (t *tokens) add(token string, beat func()) *waiter {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.waiting == nil {
		t.waiting = map[string]*waiter{}
	}
	w := &waiter{end: make(chan taskEnd, 1), beat: beat}
	t.waiting[token] = w
	return w
}

// drop forgets a token unless another attempt has it by now.
func (t *tokens) drop(token string, w *waiter) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.waiting[token] == w {
		delete(t.waiting, token)
	}
}

// take gives the waiter of a token; a token ends a task once.
func (t *tokens) take(token string, keep bool) (*waiter, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	w, ok := t.waiting[token]
	if raw, err := base64.RawURLEncoding.DecodeString(token); !ok && (err != nil || len(raw) != sha256.Size) {
		return nil, wire.Errorf("InvalidToken", "Invalid Token: 'Invalid token'") // the engine never made it
	}
	if !ok {
		return nil, wire.Errorf("TaskTimedOut", "Task Timed Out: 'Provided task does not exist anymore'")
	}
	if !keep {
		delete(t.waiting, token)
	}
	return w, nil
}

func (t *tokens) finish(token string, end taskEnd) error {
	w, err := t.take(token, false)
	if err == nil {
		w.end <- end
	}
	return err
}

func (t *tokens) heartbeat(token string) error {
	w, err := t.take(token, true)
	if err == nil {
		w.beat()
	}
	return err
}
