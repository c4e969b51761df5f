// Package lakefstest answers as a lakeFS server would, as far as an import asks:
// the shapes are of lakeFS's public OpenAPI description. It is no lakeFS, and was
// not compared with one.
package lakefstest

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"sort"
	"strconv"
	"strings"
	"testing"
)

// What the server accepts.
const (
	AccessKey = "AKIAIOSFODNN7EXAMPLE"
	SecretKey = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
)

// Object is an object of the one commit of every repository.
type Object struct {
	Path, PhysicalAddress, Checksum string
	Body                            []byte // what the S3 gateway serves
	Size                            int64
	Metadata                        map[string]string
}

// Repository is what a server has.
type Repository struct {
	Name    string
	Refs    map[string]string // to the commit's id
	Objects []Object
	PerPage int // objects of a page at most
	// Failures are statuses that the server answers first, one a request.
	Failures []int
}

// New starts a server; it ends with the test.
func New(t testing.TB, r *Repository) string {
	sort.Slice(r.Objects, func(a, b int) bool { return r.Objects[a].Path < r.Objects[b].Path })
	server := httptest.NewServer(http.HandlerFunc(r.serve))
	t.Cleanup(server.Close)
	return server.URL
}

func (r *Repository) serve(w http.ResponseWriter, q *http.Request) {
	if len(r.Failures) > 0 {
		status := r.Failures[0]
		r.Failures = r.Failures[1:]
		fail(w, status, "the server has other things to do")
		return
	}
	path, api := strings.CutPrefix(q.URL.Path, "/api/v1/repositories/")
	if !api {
		r.gateway(w, q)
		return
	}
	if user, secret, ok := q.BasicAuth(); !ok || user != AccessKey || secret != SecretKey {
		fail(w, http.StatusUnauthorized, "error authenticating request")
		return
	}
	parts := strings.SplitN(path, "/", 4)
	if len(parts) != 4 || parts[0] != r.Name || parts[1] != "refs" {
		fail(w, http.StatusNotFound, "repository not found")
		return
	}
	commit, known := r.commit(parts[2])
	switch {
	case !known:
		fail(w, http.StatusNotFound, "ref not found")
	case parts[3] == "commits":
		answer(w, map[string]any{"pagination": map[string]any{"has_more": true, "next_offset": commit, "results": 1, "max_per_page": 1000},
			"results": []any{map[string]any{"id": commit, "parents": []string{}, "committer": "someone", "message": "all of it", "creation_date": 1700000000,
				"meta_range_id": "m", "metadata": map[string]string{}, "generation": 1, "version": 1}}})
	case parts[3] == "objects/ls":
		r.list(w, q)
	default:
		fail(w, http.StatusNotFound, "not found")
	}
}

func (r *Repository) commit(ref string) (string, bool) {
	if id, ok := r.Refs[ref]; ok {
		return id, true
	}
	for _, id := range r.Refs {
		if id == ref {
			return id, true
		}
	}
	return "", false
}

func (r *Repository) list(w http.ResponseWriter, q *http.Request) {
	amount, err := strconv.Atoi(q.URL.Query().Get("amount"))
	if err != nil || amount > 1000 {
		fail(w, http.StatusBadRequest, "amount")
		return
	}
	amount = min(amount, r.PerPage)
	found, more, last := []any{}, false, ""
	for _, o := range r.Objects {
		if !strings.HasPrefix(o.Path, q.URL.Query().Get("prefix")) || o.Path <= q.URL.Query().Get("after") {
			continue
		}
		if more = len(found) == amount; more {
			break
		}
		last = o.Path
		found = append(found, map[string]any{"path": o.Path, "path_type": "object", "physical_address": o.PhysicalAddress, "checksum": o.Checksum,
			"size_bytes": o.Size, "mtime": 1700000000, "metadata": o.Metadata, "content_type": "application/octet-stream"})
	}
	if !more {
		last = ""
	}
	answer(w, map[string]any{"pagination": map[string]any{"has_more": more, "next_offset": last, "results": len(found), "max_per_page": 1000}, "results": found})
}

// gateway serves objects as S3 does: bucket REPOSITORY, key COMMIT/PATH.
func (r *Repository) gateway(w http.ResponseWriter, q *http.Request) {
	if !strings.Contains(q.Header.Get("Authorization"), "Credential="+AccessKey+"/") {
		w.WriteHeader(http.StatusForbidden)
		return
	}
	parts := strings.SplitN(strings.TrimPrefix(q.URL.Path, "/"), "/", 3)
	if len(parts) == 3 && parts[0] == r.Name {
		for _, o := range r.Objects {
			if _, known := r.commit(parts[1]); known && o.Path == parts[2] {
				w.Header().Set("ETag", `"`+o.Checksum+`"`)
				w.Header().Set("Content-Length", strconv.Itoa(len(o.Body)))
				_, _ = w.Write(o.Body)
				return
			}
		}
	}
	w.WriteHeader(http.StatusNotFound)
}

func fail(w http.ResponseWriter, status int, message string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]string{"message": message})
}

func answer(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v)
}
