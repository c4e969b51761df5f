package lakefs_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluice-ml/sluice/shared/fault"
	"github.com/sluice-ml/sluice/shared/lakefs"
	"github.com/sluice-ml/sluice/shared/lakefs/lakefstest"
)

func client(url string) lakefs.Client {
	return lakefs.Client{URL: url, AccessKey: lakefstest.AccessKey, SecretKey: lakefstest.SecretKey, HTTP: http.DefaultClient,
		Wait: func(context.Context, time.Duration) error { return nil }}
}

func repository(objects int) *lakefstest.Repository {
	r := &lakefstest.Repository{Name: "repo", Refs: map[string]string{"main": "c0ffee", "a b": "beef"}, PerPage: 7}
	for n := range objects {
		path := fmt.Sprintf("d%d/größe %02d.csv", n%3, n)
		r.Objects = append(r.Objects, lakefstest.Object{Path: path, PhysicalAddress: fmt.Sprintf("s3://lake/ns/data/%02d", n), Checksum: "e", Size: int64(n)})
	}
	return r
}

func list(t *testing.T, c lakefs.Client, ref, prefix string) ([]lakefs.Object, error) {
	var found []lakefs.Object
	for o, err := range c.Objects(t.Context(), "repo", ref, prefix) {
		if err != nil {
			return found, err
		}
		found = append(found, o)
	}
	return found, nil
}

// TestReadsARef: every page is read, in order, once; a server that fails is asked
// again.
func TestReadsARef(t *testing.T) {
	r := repository(30)
	url := lakefstest.New(t, r)
	for _, root := range []string{url, url + "/", url + "/api/v1"} {
		commit, err := client(root).Resolve(t.Context(), "repo", "main")
		require.NoError(t, err)
		require.Equal(t, "c0ffee", commit.ID)
	}
	commit, err := client(url).Resolve(t.Context(), "repo", "a b")
	require.NoError(t, err)
	require.Equal(t, "beef", commit.ID)
	r.Failures = []int{503, 429, 500}
	found, err := list(t, client(url), "c0ffee", "")
	require.NoError(t, err)
	require.Len(t, found, 30)
	found, err = list(t, client(url), "main", "d1/")
	require.NoError(t, err)
	require.Len(t, found, 10)
	bucket, key, ok := found[0].Location()
	require.Equal(t, []any{"lake", "ns/data/01", true}, []any{bucket, key, ok})
}

func TestSaysWhatIsWrong(t *testing.T) {
	r := repository(3)
	url := lakefstest.New(t, r)
	_, err := client(url).Resolve(t.Context(), "repo", "nowhere")
	require.ErrorContains(t, err, "read lakefs://repo/nowhere: lakeFS answers 404: ref not found")
	require.Equal(t, fault.NotFound, fault.KindOf(err))
	_, err = client(url).Resolve(t.Context(), "other", "main")
	require.Equal(t, fault.NotFound, fault.KindOf(err))
	wrong := client(url)
	wrong.SecretKey = "x"
	_, err = wrong.Resolve(t.Context(), "repo", "main")
	require.ErrorContains(t, err, "LAKECTL_CREDENTIALS_ACCESS_KEY_ID")
	require.Equal(t, fault.Denied, fault.KindOf(err))
	for _, bad := range []string{"", "lakefs.example.com", "ftp://x", "https://"} {
		_, err = client(bad).Resolve(t.Context(), "repo", "main")
		require.ErrorContains(t, err, "is no server's URL")
	}
	_, err = client(url).Resolve(t.Context(), "", "main")
	require.ErrorContains(t, err, "is empty")
	r.Failures = []int{500, 500, 500, 500, 500}
	_, err = client(url).Resolve(t.Context(), "repo", "main")
	require.Equal(t, fault.Unavailable, fault.KindOf(err))
	r.Failures = []int{418}
	_, err = client(url).Resolve(t.Context(), "repo", "main")
	require.ErrorContains(t, err, "lakeFS answers 418")
}

// TestNobodyListens: the error says what to look at.
func TestNobodyListens(t *testing.T) {
	server := httptest.NewServer(http.NotFoundHandler())
	server.Close()
	_, err := client(server.URL).Resolve(t.Context(), "repo", "main")
	require.Equal(t, fault.Unavailable, fault.KindOf(err))
	require.ErrorContains(t, err, "does a lakeFS server run at "+server.URL)
	require.ErrorContains(t, err, "LAKECTL_SERVER_ENDPOINT_URL")
}

// told answers every request with one body.
type told string

func (b told) Do(*http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: http.StatusOK, Body: io.NopCloser(strings.NewReader(string(b)))}, nil
}

const one = `{"path":"a","path_type":"object","physical_address":"s3://b/k","checksum":"e","size_bytes":1,"mtime":1}`

func TestRefusesOtherAnswers(t *testing.T) {
	c := client("http://x")
	for body, want := range map[string]string{
		"<html>": "the answer is not lakeFS's",
		`{"pagination":{"has_more":true,"next_offset":""},"results":[` + one + `]}`:    `pagination.next_offset: "" after "" does not move on`,
		`{"results":[` + one + `,` + one + `]}`:                                        `results[1].path: "a" comes after "a"`,
		`{"results":[` + strings.Replace(one, `"object"`, `"common_prefix"`, 1) + `]}`: `results[0].path_type: "common_prefix"`,
		`{"results":[` + strings.Replace(one, `"size_bytes":1,`, ``, 1) + `]}`:         `results[0].size_bytes: a has none`,
		`{"results":[` + strings.Replace(one, `s3://b/k`, ``, 1) + `]}`:                `results[0].physical_address: a has none`,
		`{"results":[` + strings.Replace(one, `"a"`, `""`, 1) + `]}`:                   `results[0].path: it is empty`,
		`{"results":[` + strings.Replace(one, `1,"mtime"`, `"1","mtime"`, 1) + `]}`:    `size_bytes`,
	} {
		c.HTTP = told(body)
		_, err := list(t, c, "main", "")
		require.ErrorContains(t, err, want)
		require.Equal(t, fault.Invalid, fault.KindOf(err))
	}
	c.HTTP = told(`{"results":[]}`)
	_, err := c.Resolve(t.Context(), "repo", "main")
	require.ErrorContains(t, err, "results[0].id: the answer names no commit")
}

func TestParseURI(t *testing.T) {
	repository, ref, prefix, err := lakefs.ParseURI("lakefs://r/main/a/b")
	require.NoError(t, err)
	require.Equal(t, []string{"r", "main", "a/b"}, []string{repository, ref, prefix})
	for _, bad := range []string{"", "s3://r/main", "lakefs://r", "lakefs://r/", "lakefs:///main"} {
		_, _, _, err := lakefs.ParseURI(bad)
		require.ErrorContains(t, err, "want lakefs://REPOSITORY/REF")
	}
}

func FuzzAnswer(f *testing.F) {
	f.Add(`{"pagination":{"has_more":true,"next_offset":"a"},"results":[` + one + `]}`)
	f.Fuzz(func(t *testing.T, body string) {
		c := client("http://x")
		c.HTTP = told(body)
		_, _ = c.Resolve(t.Context(), "repo", "main")
		for o, err := range c.Objects(t.Context(), "repo", "main", "") {
			if err != nil {
				require.Equal(t, fault.Invalid, fault.KindOf(err))
				return
			}
			require.NotEmpty(t, o.Path)
			require.NotNil(t, o.Size)
			_, _, _ = o.Location()
		}
	})
}
