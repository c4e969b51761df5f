package conformity

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sluice-ml/sluice/shared/fault"
)

// Content types of the serving contract.
const (
	typeCSV   = "text/csv"
	typeJSON  = "application/json"
	typeLines = "application/x-ndjson"
)

// running is a server that was started for the check.
type running struct {
	url    string
	port   string
	home   string
	cmd    *exec.Cmd
	exited chan struct{}
	output *tail
	client *http.Client
}

// start starts a server on a model's folder. The error is of kind Invalid when
// the program cannot be started.
func (c *serverCheck) start(folder string) (*running, error) {
	port, err := freePort()
	if err != nil {
		return nil, fault.New(fault.Internal, "find a free port", "%w", err)
	}
	home, err := os.MkdirTemp(c.root, "home-*")
	if err != nil {
		return nil, fault.New(fault.Internal, "make a folder for the check", "%w", err)
	}
	temporary := home + "-tmp"
	if err := os.MkdirAll(temporary, 0o755); err != nil {
		return nil, fault.New(fault.Internal, "make a folder for the check", "%w", err)
	}
	r := &running{url: "http://127.0.0.1:" + port, port: port, home: home, exited: make(chan struct{}), output: new(tail),
		client: &http.Client{Timeout: answerTime, Transport: &http.Transport{MaxIdleConnsPerHost: concurrent}}}
	r.cmd = exec.Command(c.Argv[0], append(slices.Clone(c.Argv[1:]), "serve")...)
	r.cmd.Env = append(append(os.Environ(), c.Env...), "SM_MODEL_DIR="+folder, "SAGEMAKER_BIND_TO_PORT="+port, "SLUICE_BIND_HOST=127.0.0.1",
		"HOME="+home, "TMPDIR="+temporary)
	r.cmd.Dir = home
	r.cmd.Stdout, r.cmd.Stderr = r.output, r.output
	r.cmd.WaitDelay = time.Second
	dieWithParent(r.cmd)
	if err := r.cmd.Start(); err != nil {
		return nil, fault.New(fault.Invalid, "start the server", "%w", err)
	}
	go func() {
		_ = r.cmd.Wait() // how it ended is in ProcessState
		close(r.exited)
	}()
	return r, nil
}

func freePort() (string, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	_, port, err := net.SplitHostPort(listener.Addr().String())
	return port, errors.Join(err, listener.Close())
}

// await waits until the server answers /ping with 200; said is why it does not.
func (r *running) await(ctx context.Context, limit time.Duration) (said string) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	ticker := time.NewTicker(10 * time.Millisecond)
	defer ticker.Stop()
	last := "nothing listens on port " + r.port
	for {
		if status, _, err := r.get(ctx, "/ping"); err == nil && status == http.StatusOK {
			return ""
		} else if err == nil {
			last = fmt.Sprintf("GET /ping is %d", status)
		}
		select {
		case <-ctx.Done():
			return fmt.Sprintf("after %v %s", limit, last)
		case <-r.exited:
			return fmt.Sprintf("it ended by itself: %v", r.cmd.ProcessState)
		case <-ticker.C:
		}
	}
}

func (r *running) get(ctx context.Context, path string) (int, []byte, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, r.url+path, nil)
	if err != nil {
		return 0, nil, err
	}
	return r.do(request)
}

func (r *running) do(request *http.Request) (int, []byte, error) {
	response, err := r.client.Do(request)
	if err != nil {
		return 0, nil, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	return response.StatusCode, body, err
}

func (r *running) post(ctx context.Context, form string, body []byte) (int, []byte, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, r.url+"/invocations", bytes.NewReader(body))
	if err != nil {
		return 0, nil, err
	}
	request.Header.Set("Content-Type", form)
	return r.do(request)
}

// scores asks for scores, want of them; said is what is wrong with the answer.
func (r *running) scores(ctx context.Context, form string, body []byte, want int) (scores []float64, said string) {
	status, answer, err := r.post(ctx, form, body)
	switch {
	case err != nil:
		return nil, err.Error()
	case status != http.StatusOK:
		return nil, fmt.Sprintf("%d: %.200s", status, bytes.TrimSpace(answer))
	}
	if scores, err = readScores(form, answer); err != nil {
		return nil, fmt.Sprintf("%v; it answers %.200q", err, answer)
	}
	if len(scores) != want {
		return nil, fmt.Sprintf("%d scores for %d rows", len(scores), want)
	}
	return scores, ""
}

func readScores(form string, answer []byte) ([]float64, error) {
	type scored struct {
		Score *float64 `json:"score"`
	}
	var list []scored
	switch form {
	case typeCSV:
		var scores []float64
		for line := range strings.Lines(string(answer)) {
			v, err := strconv.ParseFloat(strings.TrimSpace(line), 64)
			if err != nil {
				return nil, fmt.Errorf("%q is no number", strings.TrimSpace(line))
			}
			scores = append(scores, v)
		}
		return scores, nil
	case typeJSON:
		var whole struct{ Predictions []scored }
		if err := json.Unmarshal(answer, &whole); err != nil {
			return nil, err
		}
		list = whole.Predictions
	default:
		lines := json.NewDecoder(bytes.NewReader(answer))
		for {
			var one scored
			if err := lines.Decode(&one); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				return nil, err
			}
			list = append(list, one)
		}
	}
	scores := make([]float64, len(list))
	for i, one := range list {
		if one.Score == nil {
			return nil, fmt.Errorf("answer %d has no member score", i+1)
		}
		scores[i] = *one.Score
	}
	return scores, nil
}

// end asks the server to end and makes it; took is 0 when it had to be killed.
func (r *running) end(now func() time.Time) (took time.Duration, ended bool) {
	begin := now()
	_ = r.cmd.Process.Signal(terminate) // it may have ended already
	select {
	case <-r.exited:
		return now().Sub(begin), true
	case <-time.After(stopTime):
		r.kill()
		return 0, false
	}
}

func (r *running) kill() {
	_ = r.cmd.Process.Kill() // it may have ended already
	<-r.exited
}

// wrote names a file that the server left in its home, where it also works.
func (r *running) wrote() string {
	entries, _ := filepath.Glob(filepath.Join(r.home, "*"))
	if len(entries) > 0 {
		return filepath.Base(entries[0])
	}
	return ""
}
