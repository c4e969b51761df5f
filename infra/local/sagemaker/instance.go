package sagemaker

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sluice-ml/sluice/infra/local/process"
)

// instance is one server process, restarted when it ends.
type instance struct {
	fleet  *fleet
	number int

	port     atomic.Int32
	ready    atomic.Bool
	first    chan struct{} // closed when it was ready for the first time
	hopeless chan struct{} // closed when it ended too often before that
	stop     chan struct{} // closed to stop it
	done     chan struct{} // closed when it is stopped

	mu        sync.Mutex
	inflight  int
	stopping  bool
	idle      chan struct{} // closed when stopping and nothing is in flight
	lastError error
	since     time.Time // usage is accounted up to here
}

// maxCrashes is how often a server may end before it was ever ready. AWS goes on
// until the health check's deadline; nobody learns more by waiting.
const maxCrashes = 3

// maxPause bounds the pause before a restart; steady is how long a server must
// have been ready for the pause to start anew.
const (
	maxPause = 5 * time.Second
	steady   = 30 * time.Second
)

func startInstance(f *fleet, number int) *instance {
	i := &instance{fleet: f, number: number, first: make(chan struct{}), hopeless: make(chan struct{}),
		stop: make(chan struct{}), done: make(chan struct{}), idle: make(chan struct{}), since: f.service.config.Now()}
	go i.run()
	return i
}

// run keeps the server alive until it is stopped.
func (i *instance) run() {
	defer close(i.done)
	config := &i.fleet.service.config
	pause, crashes, wasReady := config.RestartPause, 0, false
	for {
		began := time.Now()
		readyNow, err := i.once(func() {
			if !wasReady {
				wasReady = true
				close(i.first)
			}
		})
		if err == nil {
			return // stopped
		}
		i.note(err)
		config.logLine("endpoint %s variant %s instance %d: %v", i.fleet.endpoint, i.fleet.variant, i.number, err)
		if crashes++; !wasReady && crashes == maxCrashes {
			close(i.hopeless)
		}
		if readyNow && time.Since(began) > steady {
			pause = config.RestartPause
		}
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-i.stop:
			timer.Stop()
			return
		}
		pause = min(2*pause, maxPause)
	}
}

func (c *Config) logLine(format string, args ...any) { fmt.Fprintf(c.Log, format+"\n", args...) }

// once runs one server process to its end. It returns nil when it was stopped,
// and otherwise why it ended.
func (i *instance) once(onReady func()) (ready bool, err error) {
	p, output, err := i.start()
	if err != nil {
		return false, err
	}
	defer output.Close()
	defer i.ready.Store(false)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	answered := make(chan struct{})
	go i.awaitPing(ctx, answered)
	for {
		select {
		case <-answered:
			answered, ready = nil, true
			i.ready.Store(true)
			onReady()
		case <-p.Done():
			return ready, fmt.Errorf("the server ended with exit code %d; its output is in %s", p.ExitCode(), output.Name())
		case <-i.stop:
			i.ready.Store(false)
			p.Stop(i.fleet.service.config.StopGrace)
			return ready, nil
		}
	}
}

func (i *instance) start() (*process.Process, *os.File, error) {
	port, err := freePort()
	if err != nil {
		return nil, nil, err
	}
	output, err := i.openLog()
	if err != nil {
		return nil, nil, err
	}
	f := i.fleet
	p, err := process.Start(process.Spec{Path: f.program, Args: append(append([]string(nil), f.args...), "serve"),
		Env: f.environment(port), Dir: f.folder, Stdout: output, Stderr: output})
	if err != nil {
		return nil, nil, errors.Join(err, output.Close())
	}
	i.port.Store(int32(port))
	return p, output, nil
}

// maxLog is the size at which a server's output file is begun anew.
const maxLog = 8 << 20

func (i *instance) openLog() (*os.File, error) {
	folder := filepath.Join(i.fleet.service.config.Dir, "logs", i.fleet.endpoint)
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return nil, err
	}
	path := filepath.Join(folder, fmt.Sprintf("%s-%d.log", i.fleet.variant, i.number))
	flags := os.O_CREATE | os.O_WRONLY | os.O_APPEND
	if info, err := os.Stat(path); err == nil && info.Size() > maxLog {
		flags |= os.O_TRUNC
	}
	return os.OpenFile(path, flags, 0o644)
}

func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, fmt.Errorf("find a free port: %w", err)
	}
	return l.Addr().(*net.TCPAddr).Port, l.Close()
}

func (i *instance) url(path string) string {
	return "http://127.0.0.1:" + strconv.Itoa(int(i.port.Load())) + path
}

// awaitPing closes answered at the first 200 from /ping. SageMaker allows each
// ping two seconds.
func (i *instance) awaitPing(ctx context.Context, answered chan<- struct{}) {
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	for {
		if i.ping(ctx) {
			close(answered)
			return
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
	}
}

func (i *instance) ping(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, i.url("/ping"), nil)
	if err != nil {
		return false
	}
	answer, err := i.fleet.service.client.Do(r)
	if err != nil {
		return false
	}
	_, _ = io.Copy(io.Discard, answer.Body)
	return answer.Body.Close() == nil && answer.StatusCode == http.StatusOK
}

func (i *instance) note(err error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.lastError = err
}

func (i *instance) failure() error {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.lastError
}

// acquire takes the instance for one request unless it is not ready or stopping.
func (i *instance) acquire() bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.stopping || !i.ready.Load() {
		return false
	}
	i.inflight++
	return true
}

func (i *instance) release() {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.inflight--; i.inflight == 0 && i.stopping {
		close(i.idle)
	}
}

// shutdown takes no more requests, waits for those in flight, then stops the
// server. It returns when the process was reaped.
func (i *instance) shutdown() {
	i.mu.Lock()
	first := !i.stopping
	i.stopping = true
	if first && i.inflight == 0 {
		close(i.idle)
	}
	i.mu.Unlock()
	if first {
		timer := time.NewTimer(i.fleet.service.config.StopGrace)
		select {
		case <-i.idle:
		case <-timer.C:
		}
		timer.Stop()
		close(i.stop)
	}
	<-i.done
}

// seconds gives the time since it was last asked.
func (i *instance) seconds(now time.Time) float64 {
	i.mu.Lock()
	defer i.mu.Unlock()
	d := now.Sub(i.since)
	i.since = now
	return max(0, d.Seconds())
}
