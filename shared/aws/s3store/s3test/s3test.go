// Package s3test runs a real S3 server (versitygw on a temporary directory) in
// the test process, so that tests of conditional writes and versions meet a
// server that was not written by us.
package s3test

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/stretchr/testify/require"
	"github.com/versity/versitygw/backend/meta"
	"github.com/versity/versitygw/backend/posix"
	"github.com/versity/versitygw/embedgw"
)

const (
	access = "test"
	secret = "test-secret"
)

// server is the one gateway that a process can run.
type server struct {
	client *s3.Client
	dir    string
	cancel context.CancelFunc
	done   chan error
	mu     sync.Mutex
	made   int
}

var start = sync.OnceValues(startServer)

// Main runs a package's tests and stops the server; call it from TestMain. The
// server changes the process's working directory: keep test data under absolute
// paths.
func Main(m *testing.M) {
	code := m.Run()
	if s, err := start(); err == nil {
		s.cancel()
		<-s.done
		_ = os.RemoveAll(s.dir)
	}
	os.Exit(code)
}

// Client gives an SDK client of the server.
func Client(t testing.TB) *s3.Client {
	s, err := start()
	require.NoError(t, err)
	return s.client
}

// Bucket makes a new, versioned bucket and gives its name.
func Bucket(t testing.TB) string {
	s, err := start()
	require.NoError(t, err)
	s.mu.Lock()
	s.made++
	name := fmt.Sprintf("test-bucket-%d", s.made)
	s.mu.Unlock()
	_, err = s.client.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: &name})
	require.NoError(t, err)
	_, err = s.client.PutBucketVersioning(t.Context(), &s3.PutBucketVersioningInput{Bucket: &name,
		VersioningConfiguration: &types.VersioningConfiguration{Status: types.BucketVersioningStatusEnabled}})
	require.NoError(t, err)
	return name
}

func startServer() (*server, error) {
	dir, err := os.MkdirTemp("", "s3test")
	if err != nil {
		return nil, err
	}
	for _, sub := range []string{"data", "versions", "sidecar"} {
		if err := os.Mkdir(filepath.Join(dir, sub), 0o755); err != nil {
			return nil, err
		}
	}
	backend, err := openBackend(dir)
	if err != nil {
		return nil, err
	}
	socket := filepath.Join(dir, "socket")
	ctx, cancel := context.WithCancel(context.Background())
	s := &server{client: clientOf(socket), dir: dir, cancel: cancel, done: make(chan error, 1)}
	go func() {
		s.done <- embedgw.RunVersityGW(ctx, backend, &embedgw.Config{RootUserAccess: access, RootUserSecret: secret,
			Region: "us-east-1", Ports: []string{socket}, MaxConnections: 1000, MaxRequests: 1000,
			MultipartMaxParts: 10000, Quiet: true, KeepAlive: true})
	}()
	return s, s.ready()
}

func openBackend(dir string) (*posix.Posix, error) {
	data := filepath.Join(dir, "data")
	options := posix.PosixOpts{VersioningDir: filepath.Join(dir, "versions")}
	if err := (meta.XattrMeta{}).Test(data); err == nil {
		return posix.New(data, meta.XattrMeta{}, options)
	}
	options.SideCarDir = filepath.Join(dir, "sidecar")
	sidecar, err := meta.NewSideCar(options.SideCarDir)
	if err != nil {
		return nil, err
	}
	return posix.New(data, sidecar, options)
}

func clientOf(socket string) *s3.Client {
	transport := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", socket)
	}, MaxIdleConnsPerHost: 64}
	return s3.New(s3.Options{Region: "us-east-1", BaseEndpoint: aws.String("http://s3.test"), UsePathStyle: true,
		HTTPClient:  &http.Client{Transport: transport},
		Credentials: credentials.NewStaticCredentialsProvider(access, secret, "")})
}

// ready polls until the server answers: it tells nobody that it listens.
func (s *server) ready() error {
	deadline := time.Now().Add(30 * time.Second)
	for {
		_, err := s.client.ListBuckets(context.Background(), &s3.ListBucketsInput{})
		if err == nil {
			return nil
		}
		if time.Now().After(deadline) || !strings.Contains(err.Error(), "dial") {
			return fmt.Errorf("start the S3 server: %w", err)
		}
		select {
		case err := <-s.done:
			return fmt.Errorf("the S3 server ended: %w", err)
		case <-time.After(5 * time.Millisecond):
		}
	}
}
