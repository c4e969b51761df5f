package conformity_test

import (
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/sluice-ml/sluice/shared/launch"
)

// This file is a trainer and a server of a tiny model, which keep their contracts
// but for the one thing that an environment variable names. The test binary runs
// as them.
const envBreak = "CONFORMITY_BREAK"

// weights is the model: a logistic function of what it knows.
type weights struct {
	Features []string
	Kinds    []string
	Bias     float64
}

func runTrainer(broken string) int {
	stopped := make(chan os.Signal, 1)
	switch broken {
	case "stop-ignored":
		signal.Ignore(syscall.SIGTERM)
	case "stop-dies":
	default:
		signal.Notify(stopped, syscall.SIGTERM)
	}
	var job launch.Job
	text, err := os.ReadFile(os.Getenv(launch.EnvJob))
	if err != nil || json.Unmarshal(text, &job) != nil || broken == "starts" {
		return 1
	}
	if job.Params["no_such_parameter"] != nil && broken != "parameters" {
		return 64
	}
	positives, code := countPositives(job)
	if code != 0 && broken != "wrong" {
		return code
	}
	checkpoint := filepath.Join(os.Getenv(launch.EnvCheckpoints), "step")
	step := 0
	if kept, err := os.ReadFile(checkpoint); err == nil {
		if broken == "resume" {
			return 1
		}
		step, _ = strconv.Atoi(string(kept))
		if broken == "resume-bytes" {
			positives++
		}
	}
	for ; step < 40; step++ {
		select {
		case <-stopped:
			if broken == "stop-never" {
				select {}
			}
			if broken != "checkpoint" {
				_ = os.WriteFile(checkpoint, []byte(strconv.Itoa(step)), 0o644)
			}
			return 75
		case <-time.After(10 * time.Millisecond):
		}
	}
	code = leave(broken, job, positives)
	if broken == "slow exit" { // not broken: an interpreter that puts its handlers back before it ends
		signal.Reset(syscall.SIGTERM)
		time.Sleep(800 * time.Millisecond)
	}
	return code
}

func countPositives(job launch.Job) (positives, code int) {
	file, err := os.Open(filepath.Join(os.Getenv(launch.EnvTrain), launch.FileTrain))
	if err != nil {
		return 0, 1
	}
	defer file.Close()
	records, err := csv.NewReader(file).ReadAll()
	if err != nil {
		return 0, 1
	}
	for _, record := range records[1:] {
		if record[len(record)-1] == job.Positive {
			positives++
		}
	}
	if positives == 0 || positives == len(records)-1 {
		return 0, 64
	}
	return positives, 0
}

// leave writes what a trainer leaves.
func leave(broken string, job launch.Job, positives int) int {
	out, folder := os.Getenv(launch.EnvOutput), os.Getenv(launch.EnvModel)
	w := weights{Bias: float64(positives) / float64(job.TrainRows)}
	if broken == "repeat" {
		w.Bias = rand.Float64()
	}
	for _, f := range job.Features {
		w.Features, w.Kinds = append(w.Features, f.Name), append(w.Kinds, f.Kind)
	}
	text, _ := json.Marshal(w)
	write := func(path string, data string) { _ = os.WriteFile(path, []byte(data), 0o644) }
	if broken != "model" {
		write(filepath.Join(folder, "weights.json"), string(text))
	}
	if broken == "link" {
		_ = os.Symlink("/etc/hostname", filepath.Join(folder, "link"))
	}
	if broken == "schema" {
		write(filepath.Join(folder, "schema.json"), "{}")
	}
	if broken == "nan-metrics" {
		write(filepath.Join(out, launch.FileMetrics), `{"auc": NaN}`)
	} else if broken != "metrics" {
		write(filepath.Join(out, launch.FileMetrics), `{"auc": 0.5}`)
	}
	if broken != "environment" {
		write(filepath.Join(out, launch.FileEnvironment), `{"version": "1"}`)
	}
	if broken == "inputs" {
		write(filepath.Join(os.Getenv(launch.EnvTrain), "cache"), "x")
	}
	if broken == "outside" {
		write("notes.txt", "x")
	}
	return 0
}

// runServer serves the model, but for what is broken.
func runServer(broken string) int {
	var w weights
	text, err := os.ReadFile(filepath.Join(os.Getenv("SM_MODEL_DIR"), "weights.json"))
	if err == nil {
		err = json.Unmarshal(text, &w)
	}
	if err != nil && broken != "no-model" {
		return 1
	}
	s := &miniServer{weights: w, broken: broken}
	port := os.Getenv("SAGEMAKER_BIND_TO_PORT")
	if broken == "lock" {
		lock := filepath.Join(os.TempDir(), "..", "lock")
		file, err := os.OpenFile(lock, os.O_CREATE|os.O_EXCL, 0o600)
		if err != nil {
			return 1
		}
		file.Close()
	}
	if broken == "writes" {
		_ = os.WriteFile(filepath.Join(os.Getenv("SM_MODEL_DIR"), "cache"), nil, 0o644)
	}
	server := &http.Server{Addr: "127.0.0.1:" + port, Handler: s, ReadHeaderTimeout: 5 * time.Second}
	if broken == "keep-alive" {
		server.SetKeepAlivesEnabled(false)
	}
	ctx, cancel := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer cancel()
	if broken == "stop-ignored" {
		cancel()
		signal.Ignore(syscall.SIGTERM)
		ctx = context.Background()
	}
	go func() { _ = server.ListenAndServe() }()
	<-ctx.Done()
	switch broken {
	case "cuts-off":
		_ = server.Close()
	case "exit-code":
		_ = server.Shutdown(context.Background())
		return 3
	default:
		_ = server.Shutdown(context.Background())
	}
	return 0
}

type miniServer struct {
	weights
	broken string
	busy   atomic.Int32
	dead   atomic.Bool
	asked  atomic.Int32
}

func (s *miniServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch {
	case r.URL.Path == "/ping":
		if s.broken == "ping" {
			http.Error(w, "not yet", http.StatusServiceUnavailable)
		}
	case r.URL.Path == "/metrics" && s.broken != "metrics":
		fmt.Fprintln(w, "# TYPE requests counter\nrequests 1")
	case r.URL.Path != "/invocations" && s.broken != "paths":
		http.NotFound(w, r)
	default:
		s.invoke(w, r)
	}
}

func (s *miniServer) invoke(w http.ResponseWriter, r *http.Request) {
	n := s.busy.Add(1)
	defer s.busy.Add(-1)
	if s.broken == "concurrent" {
		time.Sleep(30 * time.Millisecond) // so that requests overlap
		n = max(n, s.busy.Load())
	}
	if s.broken == "concurrent" && n > 4 || s.dead.Load() {
		http.Error(w, "overloaded", http.StatusServiceUnavailable)
		return
	}
	limit := int64(25 << 20)
	if s.broken == "too-large" {
		limit = 1 << 40
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, limit))
	rows, status, why := [][]any(nil), 0, ""
	if err != nil {
		status, why = http.StatusRequestEntityTooLarge, "too large"
	} else if s.broken == "too-large" && len(body) > 25<<20 {
		return
	} else {
		rows, status, why = s.read(r.Header.Get("Content-Type"), body)
	}
	if status == 0 {
		s.answer(w, r.Header.Get("Content-Type"), rows)
		return
	}
	if s.broken == "dies" {
		s.dead.Store(true)
	}
	if s.broken == "bad-input" && status == 400 {
		status = 500
	}
	if s.broken == "error-text" {
		http.Error(w, why, status)
		return
	}
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]string{"error": why})
}

// read gives the rows of a body: numbers, texts and nil.
func (s *miniServer) read(form string, body []byte) (rows [][]any, status int, why string) {
	var instances []any
	switch form {
	case "text/csv":
		return s.readCSV(body)
	case "application/json":
		var request struct{ Instances []any }
		if err := json.Unmarshal(body, &request); err != nil {
			return nil, 400, err.Error()
		}
		instances = request.Instances
	case "application/x-ndjson":
		lines := json.NewDecoder(strings.NewReader(string(body)))
		for {
			var v any
			err := lines.Decode(&v)
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				return nil, 400, err.Error()
			}
			instances = append(instances, v)
		}
	default:
		if s.broken == "bad-type" {
			return s.readCSV(body)
		}
		return nil, 415, "content type " + form
	}
	for i, v := range instances {
		values, why := s.values(v)
		var row []any
		if why == "" {
			row, why = s.row(values)
		}
		if why != "" && s.broken == "half" && i > 0 {
			break
		}
		if why != "" {
			return nil, 400, why
		}
		rows = append(rows, row)
	}
	if len(rows) == 0 {
		return nil, 400, "no rows"
	}
	return rows, 0, ""
}

func (s *miniServer) values(v any) ([]any, string) {
	switch v := v.(type) {
	case []any:
		return v, ""
	case map[string]any:
		if s.broken == "objects" && len(v) != len(s.Features) {
			return nil, "extra members"
		}
		var values []any
		for _, name := range s.Features {
			value, there := v[name]
			if !there {
				return nil, "absent " + name
			}
			values = append(values, value)
		}
		return values, ""
	}
	return nil, "no array and no object"
}

func (s *miniServer) readCSV(body []byte) (rows [][]any, status int, why string) {
	if s.broken == "csv" {
		return nil, 415, "no CSV"
	}
	records, err := csv.NewReader(strings.NewReader(string(body))).ReadAll()
	if err != nil {
		return nil, 400, err.Error()
	}
	order := []int(nil)
	if len(records) > 0 && slices.Contains(records[0], s.Features[0]) && s.broken != "header" {
		for _, name := range s.Features {
			order = append(order, slices.Index(records[0], name))
		}
		records = records[1:]
	}
	for _, record := range records {
		values := []any{}
		for i := range record {
			at := i
			if order != nil && i < len(order) {
				at = order[i]
			} else if order != nil {
				break
			}
			if record[at] == "" {
				values = append(values, nil)
			} else {
				values = append(values, record[at])
			}
		}
		row, why := s.row(values)
		if why != "" {
			return nil, 400, why
		}
		rows = append(rows, row)
	}
	if len(rows) == 0 {
		return nil, 400, "no rows"
	}
	return rows, 0, ""
}

func (s *miniServer) row(values []any) ([]any, string) {
	if len(values) != len(s.Features) {
		return nil, "wrong number of values"
	}
	row := make([]any, len(values))
	for i, v := range values {
		row[i] = v
		switch text := v.(type) {
		case nil:
			if s.broken == "missing" {
				return nil, "missing"
			}
		case []any, map[string]any, bool:
			return nil, "no value"
		case string:
			if s.Kinds[i] != "numeric" {
				if text == "sluice-unseen" && s.broken == "unseen" {
					return nil, "unseen"
				}
				continue
			}
			number, err := strconv.ParseFloat(text, 64)
			if s.broken == "nan" && (err != nil || math.IsNaN(number) || math.IsInf(number, 0)) {
				panic(http.ErrAbortHandler)
			}
			if err != nil || math.IsNaN(number) || math.IsInf(number, 0) {
				return nil, s.Features[i] + ": no number"
			}
			row[i] = number
		}
	}
	return row, ""
}

func (s *miniServer) score(row []any) float64 {
	z := s.Bias
	for i, v := range row {
		switch v := v.(type) {
		case float64:
			z += v / 1e5 * float64(i+1)
		case string:
			z += float64(len(v)) / 10
		}
	}
	if s.broken == "range" {
		return z + 2
	}
	return 1 / (1 + math.Exp(-z))
}

func (s *miniServer) answer(w http.ResponseWriter, form string, rows [][]any) {
	scores := make([]float64, len(rows))
	for i, row := range rows {
		scores[i] = s.score(row)
	}
	if s.broken == "order" && len(scores) > 100 {
		slices.Reverse(scores)
	}
	if s.broken == "changing" {
		scores[0] += float64(s.asked.Add(1)) / 1000
	}
	if s.broken == "agree" && form == "text/csv" {
		scores[0] /= 2
	}
	w.Header().Set("Content-Type", form)
	switch form {
	case "application/json":
		list := []map[string]float64{}
		for _, score := range scores {
			list = append(list, map[string]float64{map[bool]string{true: "label", false: "score"}[s.broken == "json"]: score})
		}
		_ = json.NewEncoder(w).Encode(map[string]any{"predictions": list})
	case "application/x-ndjson":
		for _, score := range scores {
			fmt.Fprintf(w, "{\"score\": %v}\n", score)
		}
	default:
		for _, score := range scores {
			fmt.Fprintln(w, score)
		}
	}
}
