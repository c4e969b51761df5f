package sagemaker

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
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
	"github.com/aws/aws-sdk-go-v2/service/sagemaker/types"
	"github.com/aws/aws-sdk-go-v2/service/sagemakerruntime"
	"github.com/aws/smithy-go"
	"github.com/stretchr/testify/require"

	"github.com/sluice-ml/sluice/infra/local/cloudwatch"
)

// serverBinary is testdata/modelserver, built once for the package's tests.
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

// objects is a bucket in memory.
type objects struct {
	mu   sync.Mutex
	all  map[string][]byte
	away bool // Put fails
}

func (o *objects) Get(_ context.Context, bucket, key string) (io.ReadCloser, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	body, ok := o.all[bucket+"/"+key]
	if !ok {
		return nil, fmt.Errorf("s3://%s/%s: NoSuchKey", bucket, key)
	}
	return io.NopCloser(bytes.NewReader(body)), nil
}

func (o *objects) Put(_ context.Context, bucket, key string, body []byte) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.away {
		return errors.New("the bucket is away")
	}
	o.all[bucket+"/"+key] = body
	return nil
}

func (o *objects) under(prefix string) map[string][]byte {
	o.mu.Lock()
	defer o.mu.Unlock()
	out := map[string][]byte{}
	for key, body := range o.all {
		if strings.HasPrefix(key, prefix) {
			out[key] = body
		}
	}
	return out
}

// recorder takes metrics.
type recorder struct {
	mu   sync.Mutex
	data []cloudwatch.Datum
}

func (r *recorder) Put(namespace string, data ...cloudwatch.Datum) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if namespace != "AWS/SageMaker" {
		return fmt.Errorf("namespace %q", namespace)
	}
	r.data = append(r.data, data...)
	return nil
}

// sum adds up value × count of a variant's metric.
func (r *recorder) sum(metric, variant string) (sum, samples float64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, d := range r.data {
		if d.Name != metric || d.Dimensions[1].Value != variant {
			continue
		}
		for i, v := range d.Values {
			sum += v * d.Counts[i]
			samples += d.Counts[i]
		}
	}
	return sum, samples
}

type bench struct {
	*Service
	dir     string
	objects *objects
	metrics *recorder
	client  *sagemaker.Client
	runtime *sagemakerruntime.Client
	admin   *httptest.Server
}

func targz(t testing.TB, files map[string]string) []byte {
	t.Helper()
	var out bytes.Buffer
	zipped := gzip.NewWriter(&out)
	archive := tar.NewWriter(zipped)
	for name, content := range files {
		require.NoError(t, archive.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(content))}))
		_, err := archive.Write([]byte(content))
		require.NoError(t, err)
	}
	require.NoError(t, archive.Close())
	require.NoError(t, zipped.Close())
	return out.Bytes()
}

func newBench(t testing.TB) *bench {
	t.Helper()
	o := &objects{all: map[string][]byte{"store/m.tar.gz": targz(t, map[string]string{"model.txt": "m1"})}}
	return openBench(t, t.TempDir(), o)
}

func openBench(t testing.TB, dir string, o *objects) *bench {
	t.Helper()
	binary, err := serverBinary()
	require.NoError(t, err)
	b := &bench{dir: dir, objects: o, metrics: &recorder{}}
	b.Service, err = Open(Config{Dir: dir, Region: "eu-west-1", Account: "000000000000", Seed: &[2]uint64{1, 2}, Objects: o, Metrics: b.metrics, Log: t.Output(),
		RestartPause: 10 * time.Millisecond, StopGrace: 5 * time.Second, ReadyTimeout: 20 * time.Second,
		ResolveImage: func(image string) (string, []string, []string, error) {
			if image != "server:1" {
				return "", nil, nil, fmt.Errorf("no such image %s", image)
			}
			return binary, nil, []string{"FROM_IMAGE=yes"}, nil
		}})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, b.Close(context.Background())) })
	api, runtime := httptest.NewServer(b.API()), httptest.NewServer(b.Runtime())
	b.admin = httptest.NewServer(b.Admin())
	t.Cleanup(func() { api.Close(); runtime.Close(); b.admin.Close() })
	keys := credentials.NewStaticCredentialsProvider("id", "secret", "")
	b.client = sagemaker.New(sagemaker.Options{Region: "eu-west-1", BaseEndpoint: aws.String(api.URL), Credentials: keys, RetryMaxAttempts: 1})
	b.runtime = sagemakerruntime.New(sagemakerruntime.Options{Region: "eu-west-1", BaseEndpoint: aws.String(runtime.URL), Credentials: keys, RetryMaxAttempts: 1})
	return b
}

func (b *bench) model(t testing.TB, name string, environment map[string]string) {
	t.Helper()
	if environment == nil {
		environment = map[string]string{}
	}
	environment["NAME"] = name
	_, err := b.client.CreateModel(t.Context(), &sagemaker.CreateModelInput{ModelName: aws.String(name), ExecutionRoleArn: aws.String("arn:aws:iam::000000000000:role/r"),
		PrimaryContainer: &types.ContainerDefinition{Image: aws.String("server:1"), ModelDataUrl: aws.String("s3://store/m.tar.gz"), Environment: environment}})
	require.NoError(t, err)
}

func production(name, model string, weight float32) types.ProductionVariant {
	return types.ProductionVariant{VariantName: aws.String(name), ModelName: aws.String(model), InitialInstanceCount: aws.Int32(1),
		InstanceType: "ml.m5.large", InitialVariantWeight: aws.Float32(weight)}
}

func (b *bench) config(t testing.TB, name string, variants ...types.ProductionVariant) {
	t.Helper()
	_, err := b.client.CreateEndpointConfig(t.Context(), &sagemaker.CreateEndpointConfigInput{EndpointConfigName: aws.String(name), ProductionVariants: variants,
		MetricsConfig: &types.MetricsConfig{EnableEnhancedMetrics: aws.Bool(true), MetricPublishFrequencyInSeconds: 10},
		DataCaptureConfig: &types.DataCaptureConfig{EnableCapture: aws.Bool(true), InitialSamplingPercentage: aws.Int32(100), DestinationS3Uri: aws.String("s3://store/capture"),
			CaptureOptions:           []types.CaptureOption{{CaptureMode: types.CaptureModeInput}, {CaptureMode: types.CaptureModeOutput}},
			CaptureContentTypeHeader: &types.CaptureContentTypeHeader{CsvContentTypes: []string{"text/csv"}}}})
	require.NoError(t, err)
}

func (b *bench) describe(t testing.TB) *sagemaker.DescribeEndpointOutput {
	t.Helper()
	out, err := b.client.DescribeEndpoint(t.Context(), &sagemaker.DescribeEndpointInput{EndpointName: aws.String("e")})
	require.NoError(t, err)
	return out
}

// await polls until the endpoint has the status.
func (b *bench) await(t testing.TB, status types.EndpointStatus) *sagemaker.DescribeEndpointOutput {
	t.Helper()
	var last *sagemaker.DescribeEndpointOutput
	require.Eventually(t, func() bool {
		last = b.describe(t)
		return last.EndpointStatus == status
	}, 30*time.Second, 5*time.Millisecond)
	return last
}

// serve makes endpoint "e" with variants blue (90) and green (10).
func (b *bench) serve(t testing.TB) {
	t.Helper()
	b.model(t, "champion", nil)
	b.model(t, "candidate", nil)
	b.config(t, "c1", production("blue", "champion", 90), production("green", "candidate", 10))
	_, err := b.client.CreateEndpoint(t.Context(), &sagemaker.CreateEndpointInput{EndpointName: aws.String("e"), EndpointConfigName: aws.String("c1")})
	require.NoError(t, err)
	b.await(t, types.EndpointStatusInService)
}

func (b *bench) update(t testing.TB, config string) error {
	t.Helper()
	_, err := b.client.UpdateEndpoint(t.Context(), &sagemaker.UpdateEndpointInput{EndpointName: aws.String("e"), EndpointConfigName: aws.String(config)})
	return err
}

func (b *bench) weigh(t testing.TB, weights map[string]float32) error {
	t.Helper()
	in := &sagemaker.UpdateEndpointWeightsAndCapacitiesInput{EndpointName: aws.String("e")}
	for name, w := range weights {
		in.DesiredWeightsAndCapacities = append(in.DesiredWeightsAndCapacities, types.DesiredWeightAndCapacity{VariantName: aws.String(name), DesiredWeight: aws.Float32(w)})
	}
	_, err := b.client.UpdateEndpointWeightsAndCapacities(t.Context(), in)
	return err
}

type invocationResult struct {
	variant, body, attributes string
}

func (b *bench) call(t testing.TB, body string, target string) (invocationResult, error) {
	t.Helper()
	in := &sagemakerruntime.InvokeEndpointInput{EndpointName: aws.String("e"), Body: []byte(body), ContentType: aws.String("text/csv"),
		InferenceId: aws.String("row-1"), CustomAttributes: aws.String("trace=7")}
	if target != "" {
		in.TargetVariant = aws.String(target)
	}
	out, err := b.runtime.InvokeEndpoint(t.Context(), in)
	if err != nil {
		return invocationResult{}, err
	}
	return invocationResult{aws.ToString(out.InvokedProductionVariant), string(out.Body), aws.ToString(out.CustomAttributes)}, nil
}

func code(t testing.TB, err error) string {
	t.Helper()
	var api smithy.APIError
	require.ErrorAs(t, err, &api)
	return api.ErrorCode()
}
