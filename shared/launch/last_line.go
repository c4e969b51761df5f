package launch

import (
	"bytes"
	"io"
	"strings"
	"sync"
)

// longestLine is how much of a line is kept.
const longestLine = 500

// lastLine passes on what a program writes, and keeps its last line.
type lastLine struct {
	out io.Writer // nil: nobody else reads it

	mutex   sync.Mutex
	current []byte // not ended yet
	whole   string // the last that was not blank
}

func (l *lastLine) Write(p []byte) (int, error) {
	l.keep(p)
	if l.out == nil {
		return len(p), nil
	}
	return l.out.Write(p)
}

func (l *lastLine) keep(p []byte) {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	for {
		line, rest, ended := bytes.Cut(p, []byte("\n"))
		l.current = append(l.current, line[:min(len(line), longestLine-min(len(l.current), longestLine))]...)
		if !ended {
			return
		}
		if text := clean(l.current); text != "" {
			l.whole = text
		}
		l.current, p = l.current[:0], rest
	}
}

func (l *lastLine) String() string {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	if text := clean(l.current); text != "" {
		return text
	}
	return l.whole
}

func clean(line []byte) string { return strings.TrimSpace(strings.ToValidUTF8(string(line), "\uFFFD")) }
