package stack

import (
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sluice-ml/sluice/infra/local/elb"
)

func TestRequestsGoToTheServiceTheyWereSignedFor(t *testing.T) {
	answer := func(name string) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, name) })
	}
	door := &frontDoor{services: map[string]http.Handler{"s3": answer("s3"), "sagemaker": answer("sagemaker")},
		runtime: answer("runtime"), admin: answer("admin"), count: func(string, *http.Request) {}}
	signed := func(service string) string {
		return "AWS4-HMAC-SHA256 Credential=key/20260101/us-east-1/" + service + "/aws4_request, SignedHeaders=host, Signature=x"
	}
	for _, c := range []struct {
		path, authorization string
		status              int
		want                string
	}{
		{"/bucket//odd/../key", signed("s3"), 200, "s3"},
		{"/k?X-Amz-Credential=key%2F20260101%2Fus-east-1%2Fs3%2Faws4_request", "", 200, "s3"},
		{"/k?AWSAccessKeyId=key&Expires=1&Signature=x", "", 200, "s3"},
		{"/k", "AWS key:signature", 200, "s3"},
		{"/", signed("sagemaker"), 200, "sagemaker"},
		{"/endpoints/e/invocations", signed("sagemaker"), 200, "runtime"},
		{"/_sluice/health", "", 200, "admin"},
		{"/", signed("dynamodb"), 501, `the local stack does not serve the service \"dynamodb\"; it serves s3, sagemaker`},
		{"/", "", 403, "MissingAuthenticationToken"},
		{"/", "Basic abc", 403, "MissingAuthenticationToken"},
	} {
		request := httptest.NewRequest("GET", "/", nil)
		request.URL.Path, request.URL.RawQuery = c.path, ""
		if parsed, err := request.URL.Parse(c.path); err == nil && parsed.RawQuery != "" {
			request.URL = parsed
		}
		if c.authorization != "" {
			request.Header.Set("Authorization", c.authorization)
		}
		recorder := httptest.NewRecorder()
		door.ServeHTTP(recorder, request)
		require.Equal(t, c.status, recorder.Code, c.path)
		require.Contains(t, recorder.Body.String(), c.want, c.path)
	}
}

func TestRequestsForABalancersHost(t *testing.T) {
	door := &frontDoor{count: func(string, *http.Request) {}, balancer: func(host string) (http.Handler, bool) {
		return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) }), host == "web-1.elb.localhost:4566"
	}}
	for host, want := range map[string]int{"web-1.elb.localhost:4566": http.StatusTeapot, "127.0.0.1:4566": http.StatusForbidden} {
		request := httptest.NewRequest("GET", "/_sluice", nil) // its paths are all its own
		request.Host = host
		recorder := httptest.NewRecorder()
		door.ServeHTTP(recorder, request)
		require.Equal(t, want, recorder.Code, host)
	}
}

type oneTask struct{}

func (oneTask) Address(id string, port int) (string, bool) { return "127.0.0.1:5", id == "10.0.0.1" }

// TestTasksAreKnownLate: the load balancers are there before the tasks.
func TestTasksAreKnownLate(t *testing.T) {
	s := &Services{}
	_, ok := taskNetwork{s}.Address("10.0.0.1", 80)
	require.False(t, ok)
	var tasks elb.Network = oneTask{}
	s.tasks.Store(&tasks)
	address, ok := taskNetwork{s}.Address("10.0.0.1", 80)
	require.True(t, ok)
	require.Equal(t, "127.0.0.1:5", address)
}

func FuzzSignedFor(f *testing.F) {
	f.Add("AWS4-HMAC-SHA256 Credential=key/20260101/us-east-1/s3/aws4_request, SignedHeaders=host")
	f.Add("Credential=,")
	f.Fuzz(func(t *testing.T, header string) {
		r := httptest.NewRequest("GET", "/", nil)
		r.Header["Authorization"] = []string{header}
		_, _ = signedFor(r)
	})
}

func TestATakenPortNamesItsHolder(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer taken.Close()
	_, err = listen(taken.Addr().(*net.TCPAddr).Port)
	require.ErrorContains(t, err, "is taken by process "+strconv.Itoa(os.Getpid()))
	require.ErrorContains(t, err, "choose another port")
}

func TestADirectoryBelongsToOneStack(t *testing.T) {
	dir := t.TempDir()
	release, err := lock(dir)
	require.NoError(t, err)
	_, err = lock(dir)
	require.ErrorContains(t, err, "in use by the stack with process id "+strconv.Itoa(os.Getpid()))
	release()
	release, err = lock(dir)
	require.NoError(t, err)
	release()
}

// A service that is not there answers in the protocol of its clients, so that
// they show the message.
func TestUnservedServicesAnswerInTheirProtocol(t *testing.T) {
	door := &frontDoor{services: map[string]http.Handler{}, count: func(string, *http.Request) {}}
	for name, want := range map[string]string{"ec2": "<Response><Errors><Error><Code>NotImplemented</Code>", "iam": "<ErrorResponse><Error><Type>Sender</Type><Code>NotImplemented</Code>"} {
		r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader("Action=DescribeVpcs"))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded; charset=utf-8")
		r.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=sluice/20260301/us-east-1/"+name+"/aws4_request, SignedHeaders=host, Signature=0")
		w := httptest.NewRecorder()
		door.ServeHTTP(w, r)
		if w.Code != http.StatusNotImplemented || !strings.Contains(w.Body.String(), want) {
			t.Errorf("%s: %d %s", name, w.Code, w.Body)
		}
	}
}
