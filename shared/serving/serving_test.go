package serving_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluice-ml/sluice/shared/model"
	"github.com/sluice-ml/sluice/shared/model/modeltest"
	"github.com/sluice-ml/sluice/shared/serving"
)

const (
	low, high, men = "0.26894143", "0.7310586", "0.880797" // sigmoid of -1, 1 and 2
)

func server(t testing.TB) *serving.Server {
	t.Helper()
	artifact, err := model.Unpack(modeltest.Stump(t))
	require.NoError(t, err)
	return serving.New(artifact, 2000, time.Now)
}

func post(t testing.TB, s *serving.Server, contentType, body string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequest(http.MethodPost, "/invocations", strings.NewReader(body))
	r.Header.Set("Content-Type", contentType)
	w := httptest.NewRecorder()
	s.Handler().ServeHTTP(w, r)
	return w
}

func TestInvocations(t *testing.T) {
	s := server(t)
	for name, c := range map[string]struct{ contentType, body, want string }{
		"csv":                {"text/csv", "40,Male\n20,Male\n", men + "\n" + low + "\n"},
		"csv, missing":       {"text/csv; charset=utf-8", ",Female\r\n40,\r\n", low + "\n" + high + "\n"},
		"csv, header":        {"text/csv", "sex,note,age\nMale,\"a, b\",40\n", men + "\n"},
		"csv, no last break": {"text/csv", "40,Female", high + "\n"},
		"json objects":       {"application/json", `{"instances": [{"age": 40, "sex": "Male", "x": 1}, {"age": null, "sex": null}]}`, `{"predictions":[{"score":` + men + `},{"score":` + low + `}]}` + "\n"},
		"json arrays":        {"application/json", `{"instances": [[40, "Male"], ["20", "Female"]]}`, `{"predictions":[{"score":` + men + `},{"score":` + low + `}]}` + "\n"},
		"ndjson":             {"application/x-ndjson", "{\"age\":40,\"sex\":\"Male\"}\n\n[20,null]\n", `{"score":` + men + "}\n" + `{"score":` + low + "}\n"},
		"unknown category":   {"text/csv", "40,Other", high + "\n"},
	} {
		t.Run(name, func(t *testing.T) {
			w := post(t, s, c.contentType, c.body)
			require.Equal(t, http.StatusOK, w.Code, w.Body)
			require.Equal(t, c.want, w.Body.String())
			require.Equal(t, strings.Split(c.contentType, ";")[0], strings.Split(w.Header().Get("Content-Type"), ";")[0])
		})
	}
}

func TestWhatAClientSentWrong(t *testing.T) {
	s := server(t)
	for name, c := range map[string]struct {
		contentType, body string
		status            int
		want              string
	}{
		"no type":          {"", "40,Male", 415, "want text/csv, application/json or application/x-ndjson"},
		"other type":       {"image/png", "40,Male", 415, `content type \"image/png\"`},
		"empty csv":        {"text/csv", "", 400, "there are no instances"},
		"only a header":    {"text/csv", "age,sex\n", 400, "there are no instances"},
		"empty json":       {"application/json", `{"instances": []}`, 400, "there are no instances"},
		"not json":         {"application/json", `instances`, 400, "the body is not"},
		"bad number":       {"text/csv", "40,Male\nforty,Male\n", 400, `{"error":"line 2: feature \"age\": \"forty\" is not a number","feature":"age"}`},
		"too few values":   {"text/csv", "40\n", 400, "line 1: 1 values: want 2 (the features in order, or a header line that names them all)"},
		"other than head":  {"text/csv", "age,sex\n40,Male,x\n", 400, "line 2: 3 values: want 2 (as the header has)"},
		"bad quote":        {"text/csv", "40,\"Male\n", 400, "parse error"},
		"absent feature":   {"application/json", `{"instances": [[1,null],{"age": 40}]}`, 400, `instance 1: feature \"sex\" is absent`},
		"broken line":      {"application/x-ndjson", "[40,\"Male\"]\n[4", 400, "line 2: it is not JSON"},
		"bad line":         {"application/x-ndjson", "[40]\n", 400, "line 1: 1 values: want 2"},
		"too large a body": {"text/csv", strings.Repeat("40,Male\n", 300), 413, "the body has more than 2000 bytes"},
	} {
		t.Run(name, func(t *testing.T) {
			w := post(t, s, c.contentType, c.body)
			require.Equal(t, c.status, w.Code, w.Body)
			require.Contains(t, w.Body.String(), c.want)
			require.Equal(t, "application/json", w.Header().Get("Content-Type"))
		})
	}
}

type panicking struct{}

func (panicking) Read([]byte) (int, error) { panic("a bug") }

func TestAPanicIsAnswered(t *testing.T) {
	s := server(t)
	r := httptest.NewRequest(http.MethodPost, "/invocations", panicking{})
	r.Header.Set("Content-Type", "text/csv")
	w := httptest.NewRecorder()
	s.Handler().ServeHTTP(w, r)
	require.Equal(t, http.StatusInternalServerError, w.Code)
	require.Contains(t, w.Body.String(), "the server failed on this request: a bug")
	require.Equal(t, http.StatusOK, post(t, s, "text/csv", "40,Male\n").Code, "it goes on")
}

func TestMethodsPingAndMetrics(t *testing.T) {
	s := server(t)
	get := func(path string) *httptest.ResponseRecorder {
		w := httptest.NewRecorder()
		s.Handler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
		return w
	}
	require.Equal(t, http.StatusMethodNotAllowed, get("/invocations").Code)
	require.Equal(t, http.StatusNotFound, get("/").Code)
	require.Equal(t, http.StatusOK, get("/ping").Code)
	post(t, s, "text/csv", "40,Male\n41,Male\n")
	post(t, s, "text/csv", "x")
	metrics := get("/metrics").Body.String()
	for _, line := range []string{
		`sluice_model_info{model="stump",xgboost="3.2.0",trees="1"} 1`,
		`sluice_requests_total{code="200"} 1`, `sluice_requests_total{code="400"} 1`,
		`sluice_instances_total 2`, `sluice_request_seconds_count 2`, `sluice_request_seconds_bucket{le="+Inf"} 2`,
	} {
		require.Contains(t, metrics, line+"\n")
	}
	s.Drain()
	require.Equal(t, http.StatusServiceUnavailable, get("/ping").Code)
}

// slowBody gives its bytes once release is closed.
type slowBody struct {
	release <-chan struct{}
	rest    io.Reader
}

func (b slowBody) Read(p []byte) (int, error) {
	<-b.release
	return b.rest.Read(p)
}

func TestServeDrains(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	ctx, stop := context.WithCancel(t.Context())
	served := make(chan error, 1)
	s := server(t)
	go func() { served <- s.Serve(ctx, listener) }()

	release := make(chan struct{})
	answered := make(chan string, 1)
	url := fmt.Sprintf("http://%s/invocations", listener.Addr())
	started := make(chan struct{})
	go func() {
		r, _ := http.NewRequest(http.MethodPost, url, io.MultiReader(strings.NewReader("40,"), onRead(started), slowBody{release, strings.NewReader("Male\n")}))
		r.Header.Set("Content-Type", "text/csv")
		response, err := http.DefaultClient.Do(r)
		if err != nil {
			answered <- err.Error()
			return
		}
		defer response.Body.Close()
		body, _ := io.ReadAll(response.Body)
		answered <- string(body)
	}()
	<-started
	// The request is under way once a second one has been answered after it.
	require.Eventually(t, func() bool {
		response, err := http.Get(fmt.Sprintf("http://%s/ping", listener.Addr()))
		return err == nil && response.Body.Close() == nil && response.StatusCode == http.StatusOK
	}, 10*time.Second, time.Millisecond)
	stop()
	close(release)
	require.Equal(t, men+"\n", <-answered)
	require.NoError(t, <-served)
}

// onRead closes started when it is first read, and is empty.
func onRead(started chan struct{}) io.Reader { return reader(func() { close(started) }) }

type reader func()

func (r reader) Read([]byte) (int, error) {
	r()
	return 0, io.EOF
}

func FuzzInvocations(f *testing.F) {
	f.Add("text/csv", "age,sex\n40,Male\n")
	f.Add("application/json", `{"instances":[[1,"Male"],{"age":1,"sex":null}]}`)
	f.Add("application/x-ndjson", "[1,null]\n")
	s := server(f)
	f.Fuzz(func(t *testing.T, contentType, body string) {
		require.NotEqual(t, http.StatusInternalServerError, post(t, s, contentType, body).Code)
	})
}

func BenchmarkInvocationsOneInstance(b *testing.B) {
	s := server(b)
	handler := s.Handler()
	for b.Loop() {
		r := httptest.NewRequest(http.MethodPost, "/invocations", strings.NewReader("40,Male\n"))
		r.Header.Set("Content-Type", "text/csv")
		handler.ServeHTTP(httptest.NewRecorder(), r)
	}
}
