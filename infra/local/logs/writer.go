package logs

import (
	"bytes"
	"sync"
	"time"
)

// maxEvent is CloudWatch's limit on one event, in bytes; a longer line is cut
// into several events.
const maxEvent = 1 << 20

// Lines turns a byte stream into whole lines: each complete line is handed to
// emit without its line end. It is safe for concurrent use.
type Lines struct {
	mutex   sync.Mutex
	pending []byte
	emit    func(line string)
}

// NewLines makes a line splitter over emit.
func NewLines(emit func(line string)) *Lines { return &Lines{emit: emit} }

// Write takes more bytes; it never fails.
func (l *Lines) Write(p []byte) (int, error) {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	l.pending = append(l.pending, p...)
	for {
		end := bytes.IndexByte(l.pending, '\n')
		if end < 0 && len(l.pending) < maxEvent {
			return len(p), nil
		}
		if end < 0 || end > maxEvent {
			end = maxEvent
			l.emit(string(l.pending[:end]))
			l.pending = l.pending[end:]
			continue
		}
		l.emit(string(bytes.TrimSuffix(l.pending[:end], []byte{'\r'})))
		l.pending = l.pending[end+1:]
	}
}

// Flush emits what is left of a line without an end.
func (l *Lines) Flush() {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	if len(l.pending) > 0 {
		l.emit(string(l.pending))
		l.pending = nil
	}
}

// Writer gives a stream as a byte stream of lines; the group and the stream are
// made at once, so that a job that prints nothing has a stream as well. Flush
// it when the program has ended. A line that cannot be stored is dropped: a
// full disk must not stop the program that prints.
func (s *Service) Writer(group, stream string) (*Lines, error) {
	if err := s.append(group, stream, nil); err != nil {
		return nil, err
	}
	return NewLines(func(line string) {
		_ = s.Append(group, stream, s.now(), line)
	}), nil
}

func (s *Service) now() time.Time { return s.options.Now() }
