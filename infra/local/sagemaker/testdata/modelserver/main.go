// Command modelserver is a real, small server that keeps SageMaker's serving
// contract, for the tests of the local endpoints. Its environment says how it
// behaves: NAME is what it answers with, MODE is "", "deaf" (never ready) or
// "crash" (ends at once), GATE is a file that must exist before it is ready.
package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

func main() {
	if len(os.Args) != 2 || os.Args[1] != "serve" {
		fmt.Fprintf(os.Stderr, "want the argument serve, got %q\n", os.Args[1:])
		os.Exit(64)
	}
	if os.Getenv("MODE") == "crash" {
		fmt.Fprintln(os.Stderr, "crashing as told")
		os.Exit(3)
	}
	model, err := os.ReadFile(filepath.Join(os.Getenv("SM_MODEL_DIR"), "model.txt"))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(64)
	}
	server := &http.Server{Addr: "127.0.0.1:" + os.Getenv("SAGEMAKER_BIND_TO_PORT")}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /ping", ping)
	mux.HandleFunc("POST /invocations", func(w http.ResponseWriter, r *http.Request) { invoke(w, r, strings.TrimSpace(string(model))) })
	server.Handler = mux
	stop, cancel := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer cancel()
	go func() {
		<-stop.Done()
		drain, done := context.WithTimeout(context.Background(), 5*time.Second)
		defer done()
		_ = server.Shutdown(drain)
	}()
	if err := server.ListenAndServe(); err != http.ErrServerClosed {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func ping(w http.ResponseWriter, _ *http.Request) {
	if os.Getenv("MODE") == "deaf" {
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	if gate := os.Getenv("GATE"); gate != "" {
		if _, err := os.Stat(gate); err != nil {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	}
}

func invoke(w http.ResponseWriter, r *http.Request, model string) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	switch string(body) {
	case "die":
		os.Exit(9)
	case "bad":
		http.Error(w, "cannot read the rows", http.StatusBadRequest)
	case "broken":
		http.Error(w, "cannot predict", http.StatusInternalServerError)
	default:
		w.Header().Set("Content-Type", "text/csv")
		w.Header().Set("X-Amzn-SageMaker-Custom-Attributes", "got "+r.Header.Get("X-Amzn-SageMaker-Custom-Attributes"))
		fmt.Fprintf(w, "%s,%s,%d\n", os.Getenv("NAME"), model, os.Getpid())
	}
}
