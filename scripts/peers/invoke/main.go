// Command invoke measures model servers for scripts/bench_serving.py, with one and
// the same client for each.
//
//	invoke ask -n 2000 -c 1 URL CONTENT-TYPE BODY-FILE   latencies and requests/s
//	invoke start -n 20 SERVER MODEL-FOLDER               from the start to /ping
//	invoke predict -n 20 MODEL-FILE ROWS-FILE COLUMNS    shared/gbdt alone
//
// It prints a JSON object; times are in microseconds.
package main

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/sluice-ml/sluice/shared/gbdt"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "invoke:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) == 0 {
		return errors.New("want ask, start or predict")
	}
	flags := flag.NewFlagSet(args[0], flag.ContinueOnError)
	n := flags.Int("n", 1000, "how many")
	connections := flags.Int("c", 1, "connections at once")
	if err := flags.Parse(args[1:]); err != nil {
		return err
	}
	rest := flags.Args()
	var out any
	var err error
	switch {
	case args[0] == "ask" && len(rest) == 3:
		out, err = ask(rest[0], rest[1], rest[2], *n, *connections)
	case args[0] == "start" && len(rest) == 2:
		out, err = start(rest[0], rest[1], *n)
	case args[0] == "predict" && len(rest) == 3:
		out, err = predict(rest[0], rest[1], rest[2], *n)
	default:
		return fmt.Errorf("%s: wrong arguments", args[0])
	}
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(out)
}

// summary is of durations, in microseconds.
type summary struct {
	Min       float64 `json:"min"`
	P50       float64 `json:"p50"`
	P99       float64 `json:"p99"`
	PerSecond float64 `json:"per_second,omitempty"`
	Answer    string  `json:"answer,omitempty"`
}

func summarize(took []time.Duration) summary {
	slices.Sort(took)
	at := func(p float64) float64 {
		return float64(took[min(len(took)-1, int(math.Ceil(p*float64(len(took))))-1)].Nanoseconds()) / 1000
	}
	return summary{Min: at(1 / float64(len(took))), P50: at(0.5), P99: at(0.99)}
}

func ask(url, form, file string, n, connections int) (summary, error) {
	body, err := os.ReadFile(file)
	if err != nil {
		return summary{}, err
	}
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: connections}}
	var mutex sync.Mutex
	var took []time.Duration
	var answer []byte
	var failed error
	var group sync.WaitGroup
	begin := time.Now()
	for range connections {
		group.Go(func() {
			for range n / connections {
				at := time.Now()
				got, err := post(client, url, form, body)
				d := time.Since(at)
				mutex.Lock()
				took, answer = append(took, d), got
				failed = errors.Join(failed, err)
				mutex.Unlock()
				if err != nil {
					return
				}
			}
		})
	}
	group.Wait()
	whole := time.Since(begin)
	if failed != nil {
		return summary{}, failed
	}
	s := summarize(took)
	s.PerSecond = float64(len(took)) / whole.Seconds()
	s.Answer = string(answer[:min(len(answer), 200)])
	return s, nil
}

func post(client *http.Client, url, form string, body []byte) ([]byte, error) {
	response, err := client.Post(url, form, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode != http.StatusOK {
		err = fmt.Errorf("%d: %.300s", response.StatusCode, answer)
	}
	return answer, err
}

func start(server, model string, n int) (summary, error) {
	var took []time.Duration
	for range n {
		d, err := startOnce(server, model)
		if err != nil {
			return summary{}, err
		}
		took = append(took, d)
	}
	return summarize(took), nil
}

func startOnce(server, model string) (time.Duration, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	port := strconv.Itoa(listener.Addr().(*net.TCPAddr).Port)
	if err := listener.Close(); err != nil {
		return 0, err
	}
	c := exec.Command(server, "serve")
	c.Env = append(os.Environ(), "SM_MODEL_DIR="+model, "SAGEMAKER_BIND_TO_PORT="+port, "SLUICE_BIND_HOST=127.0.0.1")
	begin := time.Now()
	if err := c.Start(); err != nil {
		return 0, err
	}
	defer func() {
		_ = c.Process.Signal(syscall.SIGTERM) // it has answered, so it runs
		_ = c.Wait()
	}()
	client := &http.Client{Timeout: time.Second}
	for time.Since(begin) < time.Minute {
		response, err := client.Get("http://127.0.0.1:" + port + "/ping")
		if err == nil {
			response.Body.Close()
			if response.StatusCode == http.StatusOK {
				return time.Since(begin), nil
			}
		}
		time.Sleep(200 * time.Microsecond)
	}
	return 0, errors.New("it does not answer /ping within a minute")
}

// predictions are the times of one row and of all rows.
type predictions struct {
	One  summary `json:"one"`
	All  summary `json:"all"`
	Load summary `json:"load"`
}

func predict(model, rows, columns string, n int) (predictions, error) {
	var p predictions
	saved, err := os.ReadFile(model)
	if err != nil {
		return p, err
	}
	raw, err := os.ReadFile(rows)
	if err != nil {
		return p, err
	}
	width, err := strconv.Atoi(columns)
	if err != nil {
		return p, err
	}
	values := make([]float32, len(raw)/4)
	for i := range values {
		values[i] = math.Float32frombits(binary.LittleEndian.Uint32(raw[4*i:]))
	}
	var loads, ones, alls []time.Duration
	var forest *gbdt.Model
	for range n {
		begin := time.Now()
		if forest, err = gbdt.Load(saved); err != nil {
			return p, err
		}
		loads = append(loads, time.Since(begin))
	}
	count := len(values) / width
	out := make([]float32, count)
	const block = 100 // single rows are too short to be timed alone
	for range n {
		begin := time.Now()
		for row := range block {
			forest.Predict(values[row*width:][:width], out[:1])
		}
		ones = append(ones, time.Since(begin)/block)
		begin = time.Now()
		forest.PredictBatch(values, out)
		alls = append(alls, time.Since(begin))
	}
	p.One, p.All, p.Load = summarize(ones), summarize(alls), summarize(loads)
	return p, nil
}
