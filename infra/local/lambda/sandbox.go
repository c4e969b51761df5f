package lambda

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"net"
	"net/http"
	"path/filepath"
	"sync"
	"time"

	"github.com/sluice-ml/sluice/infra/local/process"
)

// sandbox is one process of a function and its Runtime API. It serves one
// invocation at a time; the caller sees to that.
type sandbox struct {
	options *Options
	config  *config
	stream  string // log stream
	api     *runtimeAPI
	server  *http.Server
	process *process.Process
	output  *output
	stopped sync.Once
	idle    *time.Timer // ends it when nobody needs it

	mutex sync.Mutex
	tail  *tail // what the current invocation logs; nil between two
}

// sink takes the log lines of a stream.
type sink func(stream string, at time.Time, lines ...string)

// newStream names a sandbox's log stream as Lambda does.
func newStream(now time.Time) string {
	var b [16]byte
	_, _ = rand.Read(b[:])
	return now.UTC().Format("2006/01/02") + "/[$LATEST]" + hex.EncodeToString(b[:])
}

// start starts a process. An error means that it could not be started.
func start(o *Options, c *config, stream string, log sink, t *tail) (*sandbox, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("open a Runtime API: %w", err)
	}
	b := &sandbox{options: o, config: c, stream: stream, api: newRuntimeAPI(), tail: t}
	b.server = &http.Server{Handler: b.api, ReadHeaderTimeout: time.Minute}
	out, writer, err := newOutput(func(line string) { b.printed(line, log) })
	if err != nil {
		listener.Close()
		return nil, err
	}
	defer writer.Close()
	b.output = out
	b.process, err = process.Start(process.Spec{
		Path: filepath.Join(c.dir, "bootstrap"), Dir: c.dir, Stdout: writer, Stderr: writer,
		Env: environment(o, c, stream, listener.Addr().String()),
	})
	if err != nil {
		out.reader.Close()
		listener.Close()
		return nil, err
	}
	go func() { _ = b.server.Serve(listener) }()
	go out.run()
	return b, nil
}

// printed takes a line of the process.
func (b *sandbox) printed(line string, log sink) {
	b.mutex.Lock()
	t := b.tail
	b.mutex.Unlock()
	t.add(line)
	log(b.stream, b.options.Now(), line)
	if b.options.Metrics == nil || !mayBeEMF(line) {
		return
	}
	if _, err := b.options.Metrics.PutEMF([]byte(line)); err != nil {
		log(b.stream, b.options.Now(), "the local stack could not take this embedded metric: "+err.Error())
	}
}

func (b *sandbox) record(t *tail) {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	b.tail = t
}

// ended says whether the process has ended.
func (b *sandbox) ended() bool {
	select {
	case <-b.process.Done():
		return true
	default:
		return false
	}
}

// stop ends the process and waits until all that it printed is logged.
func (b *sandbox) stop() {
	b.stopped.Do(func() {
		_ = b.process.Kill()
		<-b.process.Done()
		_ = b.server.Close()
	})
	<-b.output.ended
}

// limits are what an invocation may use.
type limits struct {
	timeout <-chan time.Time
	seconds float64       // that timeout stands for
	stop    chan struct{} // ends the watch over memory
	memory  <-chan struct{}
}

// watch starts the watch over memory.
func (b *sandbox) watch(timeout <-chan time.Time, seconds float64) *limits {
	l := &limits{timeout: timeout, seconds: seconds, stop: make(chan struct{})}
	l.memory = b.process.LimitMemory(b.memoryLimit(), b.options.MemoryInterval, l.stop)
	return l
}

func (b *sandbox) memoryLimit() int64 { return int64(b.config.memoryMB) << 20 }

// initErrorGrace is how long a runtime has to end after it reported an init
// error.
const initErrorGrace = time.Second

// initialise waits until the runtime asks for work; the answer is nil when it
// does, and otherwise why it did not.
func (b *sandbox) initialise(id string, timeout <-chan time.Time, seconds float64) *answer {
	l := b.watch(timeout, seconds)
	defer close(l.stop)
	select {
	case <-b.api.idle:
		return nil
	case failed := <-b.api.initError:
		leave, stop := b.options.Timer(initErrorGrace)
		defer stop()
		select {
		case <-b.process.Done():
		case <-leave:
		case <-timeout:
		}
		return &failed
	case <-b.process.Done():
		return b.exited(id, b.api.initError, l)
	case <-timeout:
		return timedOut(id, seconds)
	}
}

// invoke hands in to the runtime and waits for its answer and until it asks
// for work again. When broken is true the sandbox must be stopped.
func (b *sandbox) invoke(in *invocation, timeout <-chan time.Time, seconds float64) (got answer, broken bool) {
	l := b.watch(timeout, seconds)
	defer close(l.stop)
	select {
	case <-b.api.idle: // the runtime gave up a request for work and asked again
	default:
	}
	select {
	case b.api.next <- in:
	case <-b.process.Done():
		return *b.exited(in.id, nil, l), true
	case <-timeout:
		return *timedOut(in.id, seconds), true
	}
	select {
	case got = <-b.api.answers:
	case <-b.process.Done():
		return *b.exited(in.id, b.api.answers, l), true
	case <-timeout:
		return *timedOut(in.id, seconds), true
	}
	select {
	case <-b.api.idle:
	case <-b.process.Done():
		return got, true
	case <-timeout:
		return got, true // the answer stands; the process is stuck
	}
	b.output.drain()
	if m, err := b.process.Memory(); err == nil && m.Peak > b.memoryLimit() {
		return outOfMemory(in.id), true
	}
	return got, false
}

// exited says why a process that ended did; an answer that it gave before wins.
func (b *sandbox) exited(id string, answers <-chan answer, l *limits) *answer {
	select {
	case got := <-answers: // a nil channel never gives
		return &got
	default:
	}
	select {
	case <-l.memory:
		failed := outOfMemory(id)
		return &failed
	default:
	}
	why := "Runtime exited with error: " + b.process.Status()
	if b.process.ExitCode() == 0 {
		why = "Runtime exited without providing a reason"
	}
	failed := failure("Runtime.ExitError", "RequestId: "+id+" Error: "+why)
	return &failed
}

func outOfMemory(id string) answer {
	return failure("Runtime.OutOfMemory", "RequestId: "+id+" Error: Runtime exited with error: signal: killed")
}

func timedOut(id string, seconds float64) *answer {
	failed := failure("Sandbox.Timedout", fmt.Sprintf("RequestId: %s Error: Task timed out after %.2f seconds", id, seconds))
	return &failed
}

// usedMB is the peak resident memory of the process, in MB.
func (b *sandbox) usedMB() int {
	_, _ = b.process.Memory() // fails when it has ended; what was seen before counts then
	return int((b.process.PeakSeen() + 1<<20 - 1) >> 20)
}
