package lambda

import (
	"fmt"
	"os"
	"sync"
	"syscall"

	"github.com/sluice-ml/sluice/infra/local/logs"
)

// output reads what a process prints, line by line. Standard output and error
// share one pipe, as Lambda merges them.
//
// The Runtime API and the pipe are two channels, so a response may arrive
// before the lines that were printed ahead of it; drain takes whatever the pipe
// holds at that moment, which makes the log's order the program's.
type output struct {
	reader *os.File
	raw    syscall.RawConn
	mutex  sync.Mutex // held while bytes are taken and handed on
	lines  *logs.Lines
	buffer []byte
	ended  chan struct{}
}

// newOutput makes the pipe; the child gets writer, which the caller closes.
func newOutput(emit func(line string)) (o *output, writer *os.File, err error) {
	reader, writer, err := os.Pipe()
	if err != nil {
		return nil, nil, fmt.Errorf("make the pipe of a sandbox: %w", err)
	}
	raw, err := reader.SyscallConn()
	if err != nil {
		return nil, nil, fmt.Errorf("make the pipe of a sandbox: %w", err)
	}
	o = &output{reader: reader, raw: raw, lines: logs.NewLines(emit), buffer: make([]byte, 32<<10), ended: make(chan struct{})}
	return o, writer, nil
}

// run reads until every writer has closed the pipe.
func (o *output) run() {
	defer close(o.ended)
	defer o.reader.Close()
	for more := true; more; {
		err := o.raw.Read(func(fd uintptr) bool {
			taken := false
			taken, more = o.take(int(fd))
			return taken || !more
		})
		if err != nil {
			break
		}
	}
	o.lines.Flush()
}

// take hands on what the pipe holds now; more is false at its end.
func (o *output) take(fd int) (taken, more bool) {
	o.mutex.Lock()
	defer o.mutex.Unlock()
	for {
		n, err := syscall.Read(fd, o.buffer)
		switch {
		case err == syscall.EINTR:
			continue
		case err == syscall.EAGAIN:
			return taken, true
		case err != nil || n == 0:
			return taken, false
		}
		taken = true
		_, _ = o.lines.Write(o.buffer[:n]) // Lines never fail
	}
}

// drain hands on everything that was printed so far, a last line without an
// end included.
func (o *output) drain() {
	_ = o.raw.Control(func(fd uintptr) { o.take(int(fd)) })
	o.lines.Flush()
}
