// Command app is a real, small program for the tests of the local ECS. Its first
// argument says what it does: "serve" answers on the port that it is told until
// SIGTERM, "stubborn" does so and ignores SIGTERM, "exit N" ends with a code,
// "env" prints its environment, "eat" takes memory until it is killed, "wait"
// sleeps until a signal, "check FILE" fails unless the file is there.
package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"syscall"
	"time"
)

func main() {
	switch os.Args[1] {
	case "serve":
		serve(true)
	case "stubborn":
		signal.Ignore(syscall.SIGTERM)
		serve(false)
	case "exit":
		code, _ := strconv.Atoi(os.Args[2])
		os.Exit(code)
	case "env":
		for _, v := range os.Environ() {
			fmt.Println(v)
		}
	case "eat":
		var all [][]byte
		for {
			block := make([]byte, 8<<20)
			for i := range block {
				block[i] = 1
			}
			all = append(all, block)
			if len(all) > 512 {
				os.Exit(3)
			}
		}
	case "wait":
		signals := make(chan os.Signal, 1)
		signal.Notify(signals, syscall.SIGTERM)
		<-signals
	case "check":
		if _, err := os.Stat(os.Args[2]); err != nil {
			os.Exit(1)
		}
	}
}

// serve answers /ping with 200 once the file GATE is there, or at once without
// it, and /who with its process id.
func serve(stoppable bool) {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /ping", func(w http.ResponseWriter, _ *http.Request) {
		if gate := os.Getenv("GATE"); gate != "" {
			if _, err := os.Stat(gate); err != nil {
				w.WriteHeader(http.StatusServiceUnavailable)
			}
		}
	})
	mux.HandleFunc("GET /who", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, os.Getenv("NAME"), " ", os.Getpid()) })
	server := &http.Server{Addr: "127.0.0.1:" + os.Getenv("SAGEMAKER_BIND_TO_PORT"), Handler: mux}
	if stoppable {
		stop, cancel := signal.NotifyContext(context.Background(), syscall.SIGTERM)
		defer cancel()
		go func() {
			<-stop.Done()
			drain, done := context.WithTimeout(context.Background(), 5*time.Second)
			defer done()
			_ = server.Shutdown(drain)
		}()
	}
	fmt.Println("serving", os.Getenv("NAME"))
	if err := server.ListenAndServe(); err != http.ErrServerClosed {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
