// Package scoring judges a model the way production will use it: it starts the
// model server with the artefact and asks it for scores over HTTP.
//
// It asks for the test split's rows as they are (the scores that most gates
// judge), for copies whose numeric features are disturbed by Gaussian noise (robustness),
// for the champion's scores of the same rows, and for single rows one after
// the other (latency).
package scoring

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/sluice-ml/sluice/shared/fault"
	"github.com/sluice-ml/sluice/shared/model"
)

const (
	startTime = 60 * time.Second // for a server to answer /ping
	stopTime  = 30 * time.Second // for it to drain: what SageMaker gives
	pollTime  = 10 * time.Millisecond
	// askTime is how long a server may take to answer: SageMaker gives up then.
	askTime = 60 * time.Second
)

// Program is the model server's program, as its image has it.
type Program struct {
	Path string
	Args []string // before "serve"
	Dir  string   // where artefacts are unpacked; "" is the system's place
}

// server is a running model server with one artefact.
type server struct {
	url    string
	folder string
	cmd    *exec.Cmd
	exited chan struct{}
	output tail
	// askTime is the most that one answer may take.
	askTime time.Duration
}

// start unpacks an artefact and starts a server on it, which answers /ping when
// start returns. Stop it. The error is of kind Invalid when the artefact is
// wrong, and Internal when the server does not come up.
func (p Program) start(ctx context.Context, artifact []byte) (*server, error) {
	folder, err := os.MkdirTemp(p.Dir, "model-*")
	if err != nil {
		return nil, fault.New(fault.Internal, "start the model server", "%w", err)
	}
	s := &server{folder: folder, exited: make(chan struct{}), askTime: askTime}
	if err := model.Extract(artifact, folder); err != nil {
		s.stop()
		return nil, err
	}
	if err := s.launch(p); err != nil {
		s.stop()
		return nil, fault.New(fault.Internal, "start the model server", "%w", err).WithHint("set SLUICE_SERVER_PROGRAM to the server's program")
	}
	if err := s.awaitPing(ctx); err != nil {
		s.stop()
		return nil, err
	}
	return s, nil
}

func (s *server) launch(program Program) error {
	port, err := freePort()
	if err != nil {
		return err
	}
	s.url = "http://127.0.0.1:" + port
	s.cmd = exec.Command(program.Path, append(slices.Clone(program.Args), "serve")...)
	s.cmd.Env = append(os.Environ(), "SM_MODEL_DIR="+s.folder, "SAGEMAKER_BIND_TO_PORT="+port, "SLUICE_BIND_HOST=127.0.0.1")
	s.cmd.Stdout, s.cmd.Stderr = &s.output, &s.output
	dieWithParent(s.cmd)
	if err := s.cmd.Start(); err != nil {
		s.cmd = nil
		return err
	}
	go func() {
		_ = s.cmd.Wait() // why it ended is in its output
		close(s.exited)
	}()
	return nil
}

func freePort() (string, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	_, port, err := net.SplitHostPort(listener.Addr().String())
	return port, errors.Join(err, listener.Close())
}

func (s *server) awaitPing(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startTime)
	defer cancel()
	ticker := time.NewTicker(pollTime)
	defer ticker.Stop()
	for {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url+"/ping", nil)
		if err != nil {
			return fault.New(fault.Internal, "ping the model server", "%w", err)
		}
		if response, err := http.DefaultClient.Do(request); err == nil {
			response.Body.Close()
			if response.StatusCode == http.StatusOK {
				return nil
			}
		}
		select {
		case <-ctx.Done():
			return fault.New(fault.Unavailable, "start the model server", "it does not answer /ping: %w; it said: %s", ctx.Err(), s.output.String())
		case <-s.exited:
			return fault.New(fault.Internal, "start the model server", "it ended at once; it said: %s", s.output.String())
		case <-ticker.C:
		}
	}
}

// stop ends the server as SageMaker does, and removes its artefact.
func (s *server) stop() {
	defer os.RemoveAll(s.folder)
	if s.cmd == nil {
		return
	}
	_ = s.cmd.Process.Signal(syscall.SIGTERM) // it may have ended already
	select {
	case <-s.exited:
	case <-time.After(stopTime):
		_ = s.cmd.Process.Kill()
		<-s.exited
	}
}

// tail keeps the last 2,000 bytes that a process said.
type tail struct {
	mutex sync.Mutex
	data  []byte
}

func (t *tail) Write(p []byte) (int, error) {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	t.data = append(t.data, p...)
	t.data = t.data[max(0, len(t.data)-2000):]
	return len(p), nil
}

func (t *tail) String() string {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	return strings.TrimSpace(string(t.data))
}

// post sends instances as JSON lines and gives the body of the answer.
func (s *server) post(ctx context.Context, instances []byte) (status int, body []byte, err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, s.askTime, fmt.Errorf("it did not answer within %v, where SageMaker gives up", s.askTime))
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, s.url+"/invocations", bytes.NewReader(instances))
	if err != nil {
		return 0, nil, err
	}
	request.Header.Set("Content-Type", "application/x-ndjson")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0, nil, late(ctx, err)
	}
	defer response.Body.Close()
	body, err = io.ReadAll(response.Body)
	return response.StatusCode, body, late(ctx, err)
}

// late is err, or that a request took too long.
func late(ctx context.Context, err error) error {
	if err != nil && ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

func refused(status int, body []byte) error {
	return fault.New(fault.Invalid, "ask the model server for scores", "it answers %d: %s", status, fmt.Sprintf("%.500s", bytes.TrimSpace(body)))
}
