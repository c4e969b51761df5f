package endpoint_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/sagemaker"
	"github.com/aws/aws-sdk-go-v2/service/sagemakerruntime"
	"github.com/stretchr/testify/require"

	"github.com/sluice-ml/sluice/infra/local/cloudwatch"
	local "github.com/sluice-ml/sluice/infra/local/sagemaker"
	"github.com/sluice-ml/sluice/shared/aws/endpoint"
	"github.com/sluice-ml/sluice/shared/fault"
	"github.com/sluice-ml/sluice/shared/rollout"
	"github.com/sluice-ml/sluice/shared/rollout/rollouttest"
)

var serverBinary = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "modelserver-*")
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "modelserver")
	output, err := exec.Command("go", "build", "-o", path, "./testdata/modelserver").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("build the model server: %w: %s", err, output)
	}
	return path, nil
})

func TestMain(m *testing.M) {
	code := m.Run()
	if path, err := serverBinary(); err == nil {
		_ = os.RemoveAll(filepath.Dir(path))
	}
	os.Exit(code)
}

// artefacts is a bucket whose keys <version>-<behaviour>.tar.gz hold a model
// that behaves so.
type artefacts struct{ t *testing.T }

func (a artefacts) Get(_ context.Context, _, key string) (io.ReadCloser, error) {
	_, behaviour, _ := strings.Cut(strings.TrimSuffix(key, ".tar.gz"), "-")
	var out bytes.Buffer
	zipped := gzip.NewWriter(&out)
	archive := tar.NewWriter(zipped)
	require.NoError(a.t, archive.WriteHeader(&tar.Header{Name: "behaviour", Mode: 0o644, Size: int64(len(behaviour))}))
	_, err := archive.Write([]byte(behaviour))
	require.NoError(a.t, err)
	require.NoError(a.t, archive.Close())
	require.NoError(a.t, zipped.Close())
	return io.NopCloser(&out), nil
}

func (artefacts) Put(context.Context, string, string, []byte) error { return nil }

type noMetrics struct{}

func (noMetrics) Put(string, ...cloudwatch.Datum) error { return nil }

// clients opens a local SageMaker of its own.
func clients(t *testing.T) (*sagemaker.Client, *sagemakerruntime.Client) {
	binary, err := serverBinary()
	require.NoError(t, err)
	service, err := local.Open(local.Config{Dir: t.TempDir(), Region: "eu-west-1", Account: "000000000000", Objects: artefacts{t}, Metrics: noMetrics{},
		Log: t.Output(), RestartPause: 10 * time.Millisecond, StopGrace: 5 * time.Second, ReadyTimeout: 2 * time.Second, UpdateTime: 300 * time.Millisecond,
		ResolveImage: func(string) (string, []string, []string, error) { return binary, nil, nil, nil }})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, service.Close(context.Background())) })
	api, runtime := httptest.NewServer(service.API()), httptest.NewServer(service.Runtime())
	t.Cleanup(func() { api.Close(); runtime.Close() })
	keys := credentials.NewStaticCredentialsProvider("id", "secret", "")
	return sagemaker.New(sagemaker.Options{Region: "eu-west-1", BaseEndpoint: aws.String(api.URL), Credentials: keys, RetryMaxAttempts: 1}),
		sagemakerruntime.New(sagemakerruntime.Options{Region: "eu-west-1", BaseEndpoint: aws.String(runtime.URL), Credentials: keys, RetryMaxAttempts: 1})
}

func settings() endpoint.Settings {
	return endpoint.Settings{Environment: "staging", Role: "arn:aws:iam::000000000000:role/models", InstanceType: "ml.m5.large", InstanceCount: 1,
		MetricPeriod: 10, Capture: "s3://store/capture"}
}

func artifact(version int, behaviour rollouttest.Kind) rollout.Artifact {
	return rollout.Artifact{Version: version, URI: fmt.Sprintf("s3://store/%d-%s.tar.gz", version, behaviour), Digest: "sha256:0", Image: "server:1"}
}

var row = rollout.Row{ContentType: "application/json", Body: []byte(`{"instances":[{"age":39}]}`)}

// TestLocalStack passes the suite with the SDK's own clients against the local
// SageMaker, which runs real server processes.
func TestLocalStack(t *testing.T) {
	rollouttest.Run(t, func(t *testing.T) rollouttest.Fixture {
		control, runtime := clients(t)
		backend, err := endpoint.New(control, runtime, settings())
		require.NoError(t, err)
		return rollouttest.Fixture{Backend: backend, Artifact: artifact, Row: row, Wait: func() { time.Sleep(5 * time.Millisecond) }}
	})
}

func TestSmokeReadsTheAnswer(t *testing.T) {
	control, runtime := clients(t)
	backend, err := endpoint.New(control, runtime, settings())
	require.NoError(t, err)
	for i, test := range []struct{ behaviour, want string }{
		{"odd", "prediction 0 is not a score from 0 to 1"},
		{"strict", "feature age is missing"},
	} {
		model := fmt.Sprint("m", i)
		_, err = backend.Prepare(t.Context(), rollout.Placement{Model: model, Rollout: "r", Artifact: artifact(1, rollouttest.Kind(test.behaviour)), Slot: "blue"})
		require.NoError(t, err)
		require.Eventually(t, func() bool {
			view, err := backend.View(t.Context(), model)
			return err == nil && view.Status == rollout.Ready
		}, 20*time.Second, 5*time.Millisecond)
		err = backend.Smoke(t.Context(), model, "blue", row)
		require.ErrorContains(t, err, test.want)
		require.Equal(t, fault.Invalid, fault.KindOf(err))
	}
}

func TestEndpointConfigurationSaysWhatIsKeptAndMeasured(t *testing.T) {
	control, runtime := clients(t)
	backend, err := endpoint.New(control, runtime, settings())
	require.NoError(t, err)
	name, err := backend.Prepare(t.Context(), rollout.Placement{Model: "m", Rollout: "r", Artifact: artifact(1, rollouttest.Good), Slot: "blue"})
	require.NoError(t, err)
	config, err := control.DescribeEndpointConfig(t.Context(), &sagemaker.DescribeEndpointConfigInput{EndpointConfigName: &name})
	require.NoError(t, err)
	require.Equal(t, "s3://store/capture", *config.DataCaptureConfig.DestinationS3Uri)
	require.EqualValues(t, 100, *config.DataCaptureConfig.InitialSamplingPercentage)
	require.Len(t, config.DataCaptureConfig.CaptureOptions, 2)
	require.True(t, *config.MetricsConfig.EnableEnhancedMetrics)
	require.EqualValues(t, 10, config.MetricsConfig.MetricPublishFrequencyInSeconds)
}
