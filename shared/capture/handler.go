package capture

import (
	"bytes"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"

	"github.com/sluice-ml/sluice/shared/contract"
)

// Wrap records the successful answers of POST /invocations, names the slot in
// every answer, and adds its own counts to GET /metrics.
func (r *Recorder) Wrap(next http.Handler, slot string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) {
		w.Header().Set(contract.HeaderSlot, slot)
		switch {
		case request.Method == http.MethodPost && request.URL.Path == "/invocations":
			r.invocation(next, w, request)
		case request.Method == http.MethodGet && request.URL.Path == "/metrics":
			next.ServeHTTP(w, request)
			r.write(w)
		default:
			next.ServeHTTP(w, request)
		}
	})
}

func (r *Recorder) invocation(next http.Handler, w http.ResponseWriter, request *http.Request) {
	one := record{id: request.Header.Get(contract.HeaderInference), at: r.Now(), inType: request.Header.Get("Content-Type")}
	in := &kept{most: r.MaxBody}
	out := &answer{ResponseWriter: w, kept: kept{most: r.MaxBody}, status: http.StatusOK}
	request.Body = copied{request.Body, in}
	next.ServeHTTP(out, request)
	switch {
	case out.status/100 != 2:
		return
	case in.over || out.over || len(one.id) > contract.MaxInferenceID:
		r.drop(TooLarge, 1)
		return
	}
	one.outType, one.input, one.output = w.Header().Get("Content-Type"), in.Bytes(), out.Bytes()
	r.add(one)
}

// kept is a body's bytes, none when there are more than most.
type kept struct {
	bytes.Buffer
	most int
	over bool
}

func (k *kept) keep(p []byte) {
	if k.over = k.over || k.Len()+len(p) > k.most; k.over {
		k.Buffer = bytes.Buffer{}
		return
	}
	k.Buffer.Write(p)
}

// copied is a request's body that is kept as it is read.
type copied struct {
	io.ReadCloser
	kept *kept
}

func (c copied) Read(p []byte) (int, error) {
	n, err := c.ReadCloser.Read(p)
	c.kept.keep(p[:n])
	return n, err
}

// answer passes an answer on and keeps it.
type answer struct {
	http.ResponseWriter
	kept
	status int
}

// WriteHeader implements http.ResponseWriter.
func (a *answer) WriteHeader(status int) {
	a.status = status
	a.ResponseWriter.WriteHeader(status)
}

// Write implements http.ResponseWriter.
func (a *answer) Write(p []byte) (int, error) {
	a.keep(p)
	return a.ResponseWriter.Write(p)
}

// Unwrap lets http.ResponseController reach the connection.
func (a *answer) Unwrap() http.ResponseWriter { return a.ResponseWriter }

// Counts are records written, dropped by reason, and the bytes that wait.
func (r *Recorder) Counts() (written int64, dropped map[string]int64, waiting int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.written, maps.Clone(r.dropped), r.bytes
}

// write gives the counts as Prometheus text.
func (r *Recorder) write(w io.Writer) {
	written, dropped, waiting := r.Counts()
	fmt.Fprintf(w, "# HELP sluice_captures_written_total Captured requests that are in S3.\n# TYPE sluice_captures_written_total counter\nsluice_captures_written_total %d\n", written)
	fmt.Fprintf(w, "# HELP sluice_captures_dropped_total Requests that were answered and not captured.\n# TYPE sluice_captures_dropped_total counter\n")
	for _, reason := range slices.Sorted(maps.Keys(dropped)) {
		fmt.Fprintf(w, "sluice_captures_dropped_total{reason=%q} %d\n", reason, dropped[reason])
	}
	fmt.Fprintf(w, "# HELP sluice_captures_waiting_bytes Captured requests that are not in S3 yet.\n# TYPE sluice_captures_waiting_bytes gauge\nsluice_captures_waiting_bytes %d\n", waiting)
}
