package conformity

import (
	"strings"
	"sync"
)

// tail keeps the last 4,000 bytes that a program said.
type tail struct {
	mutex sync.Mutex
	data  []byte
}

func (t *tail) Write(p []byte) (int, error) {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	t.data = append(t.data, p...)
	t.data = t.data[max(0, len(t.data)-4000):]
	return len(p), nil
}

func (t *tail) String() string {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	return strings.TrimSpace(string(t.data))
}
