// Command modelserver is a model container for the backend's tests. It behaves as
// the name of its model says, s3://bucket/<version>-<behaviour>.tar.gz: good
// answers with its version as the score's thousandths, dead never starts, hung
// never gets healthy, mute fails every request, flaky every second one, once
// only its fifth, odd answers what no model server answers, strict refuses.
package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"os/signal"
	"path"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
)

func main() {
	version, behaviour, _ := strings.Cut(strings.TrimSuffix(path.Base(os.Getenv("SLUICE_MODEL")), ".tar.gz"), "-")
	if behaviour == "dead" {
		os.Exit(3)
	}
	time.Sleep(250 * time.Millisecond) // a model takes a while to load
	var requests atomic.Int64
	http.HandleFunc("GET /ping", func(w http.ResponseWriter, _ *http.Request) {
		if behaviour == "hung" {
			http.Error(w, "still loading", http.StatusServiceUnavailable)
		}
	})
	http.HandleFunc("POST /invocations", func(w http.ResponseWriter, _ *http.Request) {
		n := requests.Add(1)
		switch {
		case behaviour == "mute", behaviour == "flaky" && n%2 == 0, behaviour == "once" && n == 5:
			http.Error(w, `{"error":"broken"}`, http.StatusInternalServerError)
		case behaviour == "strict":
			http.Error(w, `{"error":"feature age is missing"}`, http.StatusBadRequest)
		case behaviour == "odd":
			fmt.Fprintln(w, `{"predictions":[{"score":1.5}]}`)
		default:
			fmt.Fprintf(w, `{"predictions":[{"score":0.%s}]}`+"\n", fmt.Sprintf("%03s", version))
		}
	})
	server := &http.Server{Addr: "127.0.0.1:" + os.Getenv("SAGEMAKER_BIND_TO_PORT"), ReadHeaderTimeout: time.Minute}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	go func() {
		<-ctx.Done()
		_ = server.Shutdown(context.Background())
	}()
	fmt.Fprintln(os.Stderr, server.ListenAndServe())
	<-ctx.Done() // requests in progress end first
}
