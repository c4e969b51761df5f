package main

import (
	"bufio"
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sluice-ml/sluice/shared/aws/s3store"
	"github.com/sluice-ml/sluice/shared/aws/s3store/s3test"
	"github.com/sluice-ml/sluice/shared/model"
	"github.com/sluice-ml/sluice/shared/model/modeltest"
)

func TestMain(m *testing.M) { s3test.Main(m) }

type roundTripper struct {
	client interface {
		Do(*http.Request) (*http.Response, error)
	}
}

func (r roundTripper) RoundTrip(request *http.Request) (*http.Response, error) {
	request.RequestURI = ""
	return r.client.Do(request)
}

// world is the real program and a real S3 server behind an endpoint.
type world struct {
	program     string
	store       *s3store.Store
	bucket      string
	environment []string
}

func newWorld(t *testing.T) *world {
	t.Helper()
	program := filepath.Join(t.TempDir(), "server")
	build := exec.Command("go", "build", "-o", program, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	output, err := build.CombinedOutput()
	require.NoError(t, err, string(output))
	client := s3test.Client(t)
	keys, err := client.Options().Credentials.Retrieve(t.Context())
	require.NoError(t, err)
	endpoint := httptest.NewServer(&httputil.ReverseProxy{
		Transport: roundTripper{client.Options().HTTPClient},
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(&url.URL{Scheme: "http", Host: "s3"})
			r.Out.Host = r.In.Host
		},
	})
	t.Cleanup(endpoint.Close)
	return &world{program: program, store: s3store.New(client), bucket: s3test.Bucket(t), environment: []string{
		"AWS_ENDPOINT_URL=" + endpoint.URL, "AWS_REGION=us-east-1", "AWS_ACCESS_KEY_ID=" + keys.AccessKeyID, "AWS_SECRET_ACCESS_KEY=" + keys.SecretAccessKey,
		"AWS_EC2_METADATA_DISABLED=true", "SLUICE_BIND_HOST=127.0.0.1", "SAGEMAKER_BIND_TO_PORT=0"}}
}

func (w *world) command(environment ...string) *exec.Cmd {
	command := exec.Command(w.program, "serve")
	command.Env = append(append([]string{}, w.environment...), environment...)
	return command
}

var listening = regexp.MustCompile(`on (127\.0\.0\.1:\d+), ready`)

// start starts the program and gives its first line and its address.
func start(t *testing.T, command *exec.Cmd) (line, address string) {
	t.Helper()
	out, err := command.StdoutPipe()
	require.NoError(t, err)
	command.Stderr = t.Output()
	require.NoError(t, command.Start())
	t.Cleanup(func() {
		_ = command.Process.Signal(syscall.SIGTERM)
		require.NoError(t, command.Wait(), "SIGTERM drains it")
	})
	line, err = bufio.NewReader(out).ReadString('\n')
	require.NoError(t, err)
	found := listening.FindStringSubmatch(line)
	require.NotNil(t, found, line)
	return line, found[1]
}

func ask(t *testing.T, address, row string) string {
	t.Helper()
	answer, err := http.Post("http://"+address+"/invocations", "text/csv", strings.NewReader(row))
	require.NoError(t, err)
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, answer.StatusCode, string(body))
	return string(body)
}

// TestServer runs the real program against a real S3 server, which changes the
// working directory: the program is built once, before.
func TestServer(t *testing.T) {
	w := newWorld(t)
	t.Run("the model comes from S3", w.theModelComesFromS3)
	t.Run("a model that cannot be served", w.aModelThatCannotBeServed)
}

func (w *world) theModelComesFromS3(t *testing.T) {
	first, err := w.store.Put(t.Context(), w.bucket, "models/m/model.tar.gz", modeltest.Stump(t))
	require.NoError(t, err)
	require.NotEmpty(t, first.VersionID)
	_, err = w.store.Put(t.Context(), w.bucket, "models/m/model.tar.gz", []byte("a later version that is no model"))
	require.NoError(t, err)
	uri := s3store.VersionURI(w.bucket, "models/m/model.tar.gz", first.VersionID)
	line, address := start(t, w.command("SLUICE_MODEL="+uri, "SM_MODEL_DIR=/not/looked/at"))
	require.Contains(t, line, "serving model stump (1 trees) from "+uri)
	fromS3 := ask(t, address, "40,Male\n")

	folder := t.TempDir()
	require.NoError(t, model.Extract(modeltest.Stump(t), folder))
	_, address = start(t, w.command("SM_MODEL_DIR="+folder))
	require.Equal(t, ask(t, address, "40,Male\n"), fromS3)
}

func (w *world) aModelThatCannotBeServed(t *testing.T) {
	_, err := w.store.Put(t.Context(), w.bucket, "bad", []byte("no archive"))
	require.NoError(t, err)
	for uri, want := range map[string][]string{
		"s3://" + w.bucket + "/missing":                                  {"s3://" + w.bucket + "/missing"},
		"s3://" + w.bucket + "/bad":                                      {"s3://" + w.bucket + "/bad", "gzip"},
		"https://example.org/m.tar.gz":                                   {"SLUICE_MODEL", "want", "s3://BUCKET/KEY"},
		"s3://" + w.bucket:                                               {"SLUICE_MODEL", "want s3://bucket/key"},
		"s3://" + w.bucket + "/bad?versionId=00000000000000000000000000": {"/bad?versionId=0000"},
	} {
		command := w.command("SLUICE_MODEL=" + uri)
		var problems bytes.Buffer
		command.Stderr = &problems
		require.Error(t, command.Run(), uri)
		require.Equal(t, 1, command.ProcessState.ExitCode())
		for _, text := range want {
			require.Contains(t, problems.String(), text)
		}
		t.Log(problems.String())
	}
}
