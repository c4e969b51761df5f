package conformity

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"path/filepath"
	"time"
)

// keepAlive sends two requests on one connection.
func (c *serverCheck) keepAlive(ctx context.Context, r *running) string {
	conn, err := c.dial(ctx, r)
	if err != nil {
		return err.Error()
	}
	defer func() { _ = conn.Close() }()
	answers := bufio.NewReader(conn)
	for i := range 2 {
		if err := c.send(conn, r, c.lines(c.rows[:1])); err != nil {
			return fmt.Sprintf("request %d: %v", i+1, err)
		}
		response, err := http.ReadResponse(answers, nil)
		if err != nil {
			return fmt.Sprintf("request %d on the connection: %v", i+1, err)
		}
		_, err = bytes.NewBuffer(nil).ReadFrom(response.Body)
		response.Body.Close()
		if err != nil || response.StatusCode != http.StatusOK {
			return fmt.Sprintf("request %d on the connection: %d, %v", i+1, response.StatusCode, err)
		}
	}
	return ""
}

func (c *serverCheck) dial(ctx context.Context, r *running) (net.Conn, error) {
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "tcp", "127.0.0.1:"+r.port)
	if err == nil {
		err = conn.SetDeadline(c.Now().Add(stopTime))
	}
	return conn, err
}

func head(r *running, length int) string {
	return fmt.Sprintf("POST /invocations HTTP/1.1\r\nHost: 127.0.0.1:%s\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n", r.port, typeLines, length)
}

func (c *serverCheck) send(conn net.Conn, r *running, body []byte) error {
	_, err := conn.Write(append([]byte(head(r, len(body))), body...))
	return err
}

// ends stops the server while a request is under way: its head and half of its
// body are sent before SIGTERM, the rest after it.
func (c *serverCheck) ends(ctx context.Context, r *running, want int) {
	said := ""
	body := c.lines(c.rows)
	conn, err := c.dial(ctx, r)
	if err == nil {
		defer func() { _ = conn.Close() }()
		_, err = conn.Write(append([]byte(head(r, len(body))), body[:len(body)/2]...))
	}
	if err != nil {
		said = err.Error()
	}
	for range 5 { // by now it has seen the half request too
		if why := r.await(ctx, answerTime); why != "" {
			said = why
		}
	}
	pause(ctx, 200*time.Millisecond)
	answered := make(chan string, 1)
	go func() {
		pause(ctx, 300*time.Millisecond) // the signal comes first
		answered <- c.rest(conn, body[len(body)/2:], want)
	}()
	r.client.CloseIdleConnections()
	took, ended := r.end(c.Now)
	if why := <-answered; said == "" {
		said = why
	}
	c.note("server.drains", said)
	if !ended {
		c.note("server.stops", fmt.Sprintf("it still ran %v after SIGTERM", stopTime))
		c.skip("it had to be killed", "server.exit_code")
	} else {
		c.note("server.stops", "")
		code := ""
		if r.cmd.ProcessState.ExitCode() != 0 {
			code = fmt.Sprintf("it ended after %v with %v", took.Round(time.Millisecond), r.cmd.ProcessState)
		}
		c.note("server.exit_code", code)
	}
	c.note("server.read_only", c.changed(r))
}

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// rest sends the rest of a body and reads the answer.
func (c *serverCheck) rest(conn net.Conn, rest []byte, want int) string {
	if conn == nil {
		return "it took no connection"
	}
	if _, err := conn.Write(rest); err != nil {
		return "a request under way was cut off: " + err.Error()
	}
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		return "a request under way was not answered: " + err.Error()
	}
	defer response.Body.Close()
	var answer bytes.Buffer
	if _, err := answer.ReadFrom(response.Body); err != nil || response.StatusCode != http.StatusOK {
		return fmt.Sprintf("a request under way was answered %d: %.100s %v", response.StatusCode, answer.Bytes(), err)
	}
	if scores, err := readScores(typeLines, answer.Bytes()); err != nil || len(scores) != want {
		return fmt.Sprintf("a request under way was answered with %d scores of %d: %v", len(scores), want, err)
	}
	return ""
}

// changed says what a server did to the model's folder or wrote into its home.
func (c *serverCheck) changed(r *running) string {
	if said := differs(c.pristine, filepath.Join(c.root, "model")); said != "" {
		return said
	}
	if name := r.wrote(); name != "" {
		return "it wrote " + name + " into its home, which is its working folder"
	}
	return ""
}

// isError says whether an answer is {"error": "…"}.
func isError(answer []byte) bool {
	var body struct{ Error string }
	return json.Unmarshal(answer, &body) == nil && body.Error != ""
}
