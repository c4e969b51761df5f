// Package lakefs reads a lakeFS repository at a ref over its REST API (v1, as the
// public OpenAPI description has it): the commit that a ref names, the objects of
// that commit, and where in the object store they lie.
//
// The words are lakeFS's: a repository has branches, tags and commits, all of
// them refs; an object has a path in the repository, and a physical address in
// the object store, whose key lakeFS makes up and never writes twice. Objects
// that were imported keep the address that they had.
//
// Errors are faults: NotFound for a repository, ref or object that is not there;
// Denied for credentials that may not; Invalid for an answer that is not the
// API's; Unavailable for a server or network that fails, after the retries, and
// only there another try can help.
package lakefs

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/sluice-ml/sluice/shared/fault"
)

// Doer sends a request; *http.Client is one.
type Doer interface {
	Do(*http.Request) (*http.Response, error)
}

// Client speaks to one lakeFS server.
type Client struct {
	URL       string // of the server, e.g. https://lakefs.example.com, with or without /api/v1
	AccessKey string
	SecretKey string
	HTTP      Doer
	// Wait pauses between tries of a request.
	Wait func(ctx context.Context, d time.Duration) error
}

// Commit is what a ref names.
type Commit struct {
	ID           string            `json:"id"`
	Parents      []string          `json:"parents"`
	Committer    string            `json:"committer"`
	Message      string            `json:"message"`
	CreationDate int64             `json:"creation_date"` // Unix seconds
	MetaRangeID  string            `json:"meta_range_id"`
	Metadata     map[string]string `json:"metadata"`
}

// Object is an object of a commit.
type Object struct {
	Path            string            `json:"path"`
	PathType        string            `json:"path_type"`
	PhysicalAddress string            `json:"physical_address"` // e.g. s3://bucket/key
	Checksum        string            `json:"checksum"`         // an MD5 in hex, or the store's ETag
	Size            *int64            `json:"size_bytes"`
	Mtime           int64             `json:"mtime"` // Unix seconds
	Metadata        map[string]string `json:"metadata"`
	ContentType     string            `json:"content_type"`
}

type pagination struct {
	HasMore    bool   `json:"has_more"`
	NextOffset string `json:"next_offset"`
}

const (
	perPage   = 1000     // what the API allows at most
	maxAnswer = 64 << 20 // bytes of one answer
	tries     = 5
	firstWait = 200 * time.Millisecond
)

// Resolve gives the commit that a ref of a repository names: a branch's head, a
// tag's commit, or a commit by its id.
func (c Client) Resolve(ctx context.Context, repository, ref string) (Commit, error) {
	var page struct {
		Results []Commit `json:"results"`
	}
	what := fmt.Sprintf("read lakefs://%s/%s", repository, ref)
	err := c.get(ctx, what, []string{"repositories", repository, "refs", ref, "commits"}, url.Values{"amount": {"1"}}, &page)
	if err != nil {
		return Commit{}, err
	}
	if len(page.Results) == 0 || page.Results[0].ID == "" {
		return Commit{}, fault.New(fault.Invalid, what, "results[0].id: the answer names no commit").WithHint("is %s a lakeFS server's URL?", c.URL)
	}
	return page.Results[0], nil
}

// Objects walks the objects of a commit whose paths start with prefix, in the
// order of their paths. An error ends it.
func (c Client) Objects(ctx context.Context, repository, commit, prefix string) iter.Seq2[Object, error] {
	what := fmt.Sprintf("list lakefs://%s/%s/%s", repository, commit, prefix)
	return func(yield func(Object, error) bool) {
		after, last := "", ""
		for {
			page, err := c.page(ctx, what, repository, commit, prefix, after)
			if err != nil {
				yield(Object{}, err)
				return
			}
			for i, o := range page.Results {
				if err := o.check(what, i, last); err != nil {
					yield(Object{}, err)
					return
				}
				if last = o.Path; !yield(o, nil) {
					return
				}
			}
			if !page.Pagination.HasMore {
				return
			}
			if page.Pagination.NextOffset <= after {
				yield(Object{}, fault.New(fault.Invalid, what, "pagination.next_offset: %q after %q does not move on", page.Pagination.NextOffset, after))
				return
			}
			after = page.Pagination.NextOffset
		}
	}
}

type objectPage struct {
	Pagination pagination `json:"pagination"`
	Results    []Object   `json:"results"`
}

func (c Client) page(ctx context.Context, what, repository, commit, prefix, after string) (objectPage, error) {
	var page objectPage
	query := url.Values{"amount": {strconv.Itoa(perPage)}, "presign": {"false"}, "user_metadata": {"true"}, "prefix": {prefix}, "after": {after}}
	err := c.get(ctx, what, []string{"repositories", repository, "refs", commit, "objects", "ls"}, query, &page)
	return page, err
}

// check says what is wrong with an object of a listing.
func (o Object) check(what string, i int, last string) error {
	fail := func(field, why string, args ...any) error {
		return fault.New(fault.Invalid, what, "results[%d].%s: %s", i, field, fmt.Sprintf(why, args...))
	}
	switch {
	case o.PathType != "object":
		return fail("path_type", "%q: want object", o.PathType)
	case o.Path == "":
		return fail("path", "it is empty")
	case o.Path <= last:
		return fail("path", "%q comes after %q: want them in order", o.Path, last)
	case o.PhysicalAddress == "":
		return fail("physical_address", "%s has none", o.Path)
	case o.Size == nil || *o.Size < 0:
		return fail("size_bytes", "%s has none", o.Path)
	}
	return nil
}

// Location is an object's bucket and key; ok is false when it does not lie on S3.
func (o Object) Location() (bucket, key string, ok bool) {
	rest, ok := strings.CutPrefix(o.PhysicalAddress, "s3://")
	if !ok {
		return "", "", false
	}
	bucket, key, ok = strings.Cut(rest, "/")
	return bucket, key, ok && bucket != "" && key != ""
}

// get asks for a JSON answer, again when the server or the network fails.
func (c Client) get(ctx context.Context, what string, parts []string, query url.Values, into any) error {
	target, err := c.target(parts, query)
	if err != nil {
		return err
	}
	pause := firstWait
	for try := 1; ; try++ {
		err = c.once(ctx, what, target, into)
		if try == tries || !fault.Is(err, fault.Unavailable) || ctx.Err() != nil {
			return err
		}
		if err := c.Wait(ctx, pause); err != nil {
			return err
		}
		pause *= 2
	}
}

func (c Client) target(parts []string, query url.Values) (string, error) {
	base, err := url.Parse(c.URL)
	if err != nil || base.Host == "" || (base.Scheme != "http" && base.Scheme != "https") {
		return "", fault.New(fault.Invalid, "ask lakeFS", "%q is no server's URL", c.URL).WithHint("e.g. https://lakefs.example.com")
	}
	for i, part := range parts {
		if part == "" {
			return "", fault.New(fault.Invalid, "ask lakeFS", "the repository or the ref is empty").WithHint("name them as lakefs://REPOSITORY/REF")
		}
		parts[i] = url.PathEscape(part)
	}
	root := strings.TrimSuffix(strings.TrimSuffix(base.Scheme+"://"+base.Host+base.EscapedPath(), "/"), "/api/v1")
	return root + "/api/v1/" + strings.Join(parts, "/") + "?" + query.Encode(), nil
}

func (c Client) once(ctx context.Context, what, target string, into any) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, target, nil)
	if err != nil {
		return fault.New(fault.Invalid, what, "%w", err)
	}
	request.SetBasicAuth(c.AccessKey, c.SecretKey)
	request.Header.Set("Accept", "application/json")
	answer, err := c.HTTP.Do(request)
	if err != nil {
		return fault.New(fault.Unavailable, what, "%w", err).
			WithHint("does a lakeFS server run at %s, and can this machine reach it? Name another with --url or LAKECTL_SERVER_ENDPOINT_URL", c.URL)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(io.LimitReader(answer.Body, maxAnswer+1))
	switch {
	case err != nil:
		return fault.New(fault.Unavailable, what, "%w", err)
	case len(body) > maxAnswer:
		return fault.New(fault.Invalid, what, "the answer is longer than %d bytes", maxAnswer)
	case answer.StatusCode != http.StatusOK:
		return refusal(what, answer.StatusCode, body)
	}
	if err := json.NewDecoder(bytes.NewReader(body)).Decode(into); err != nil {
		return fault.New(fault.Invalid, what, "the answer is not lakeFS's: %w", err).WithHint("is %s a lakeFS server's URL?", c.URL)
	}
	return nil
}

// refusal is the fault of an answer other than 200; lakeFS says why in message.
func refusal(what string, status int, body []byte) error {
	var problem struct {
		Message string `json:"message"`
	}
	if json.Unmarshal(body, &problem) != nil || problem.Message == "" {
		problem.Message = http.StatusText(status)
	}
	switch {
	case status == http.StatusUnauthorized || status == http.StatusForbidden:
		return fault.New(fault.Denied, what, "lakeFS answers %d: %s", status, problem.Message).
			WithHint("set LAKECTL_CREDENTIALS_ACCESS_KEY_ID and LAKECTL_CREDENTIALS_SECRET_ACCESS_KEY to credentials that may read the repository")
	case status == http.StatusNotFound:
		return fault.New(fault.NotFound, what, "lakeFS answers %d: %s", status, problem.Message).
			WithHint("list what there is: lakectl repo list, lakectl branch list")
	case status == http.StatusTooManyRequests || status >= 500:
		return fault.New(fault.Unavailable, what, "lakeFS answers %d: %s", status, problem.Message)
	}
	return fault.New(fault.Invalid, what, "lakeFS answers %d: %s", status, problem.Message)
}

// ParseURI splits lakefs://REPOSITORY/REF/PREFIX; the prefix may be absent. A ref
// with a "/" in its name cannot be written so.
func ParseURI(uri string) (repository, ref, prefix string, err error) {
	rest, ok := strings.CutPrefix(uri, "lakefs://")
	repository, rest, _ = strings.Cut(rest, "/")
	ref, prefix, _ = strings.Cut(rest, "/")
	if !ok || repository == "" || ref == "" {
		return "", "", "", fault.New(fault.Invalid, "read "+uri, "want lakefs://REPOSITORY/REF or lakefs://REPOSITORY/REF/PREFIX")
	}
	return repository, ref, prefix, nil
}
