// Command modelserver is a model container for the endpoint's tests. The file
// behaviour in its model folder says what it does: good answers, dead never
// starts, hung never gets healthy, mute fails every request, flaky every second
// one, once only its fifth, odd answers what no model server answers, strict
// refuses, slow takes half a second, stuck never answers, contrary decides
// otherwise than good, unfair only where a row says that sex is Female.
package main

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"
)

func main() {
	body, err := os.ReadFile(filepath.Join(os.Getenv("SM_MODEL_DIR"), "behaviour"))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	behaviour := strings.TrimSpace(string(body))
	if behaviour == "dead" {
		os.Exit(3)
	}
	var requests atomic.Int64
	http.HandleFunc("GET /ping", func(w http.ResponseWriter, _ *http.Request) {
		if behaviour == "hung" {
			http.Error(w, "still loading", http.StatusServiceUnavailable)
		}
	})
	http.HandleFunc("POST /invocations", func(w http.ResponseWriter, r *http.Request) {
		n := requests.Add(1)
		body, _ := io.ReadAll(r.Body)
		switch {
		case behaviour == "stuck":
			<-r.Context().Done()
		case behaviour == "contrary", behaviour == "unfair" && strings.Contains(string(body), "Female"):
			fmt.Fprintln(w, `{"predictions":[{"score":0.75}]}`)
		case behaviour == "mute", behaviour == "flaky" && n%2 == 0, behaviour == "once" && n == 5:
			http.Error(w, `{"error":"broken"}`, http.StatusInternalServerError)
		case behaviour == "strict":
			http.Error(w, `{"error":"feature age is missing"}`, http.StatusBadRequest)
		case behaviour == "odd":
			fmt.Fprintln(w, `{"predictions":[{"score":1.5}]}`)
		default:
			if behaviour == "slow" {
				time.Sleep(500 * time.Millisecond)
			}
			fmt.Fprintln(w, `{"predictions":[{"score":0.25}]}`)
		}
	})
	fmt.Fprintln(os.Stderr, http.ListenAndServe("127.0.0.1:"+os.Getenv("SAGEMAKER_BIND_TO_PORT"), nil))
	os.Exit(1)
}
