package lambda

import (
	"bytes"
	"strings"
	"sync"
)

// mayBeEMF spares the metrics port the lines that are certainly no documents of
// the embedded metric format, which are JSON objects with an "_aws" member.
func mayBeEMF(line string) bool {
	return strings.HasPrefix(strings.TrimLeft(line, " \t"), "{") && strings.Contains(line, `"_aws"`)
}

// maxTail is how much of an invocation's log a caller can ask for, in bytes.
const maxTail = 4096

// tail keeps the end of what an invocation logs. A nil tail keeps nothing.
type tail struct {
	mutex sync.Mutex
	text  []byte
	whole bool // keep everything
}

func (t *tail) add(lines ...string) {
	if t == nil {
		return
	}
	t.mutex.Lock()
	defer t.mutex.Unlock()
	for _, line := range lines {
		t.text = append(append(t.text, line...), '\n')
	}
	if over := len(t.text) - maxTail; over > 0 && !t.whole {
		t.text = append(t.text[:0], t.text[over:]...)
	}
}

func (t *tail) bytes() []byte {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	return bytes.Clone(t.text)
}
