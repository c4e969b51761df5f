package sagemaker

import (
	"context"
	"encoding/json"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sagemaker"
	"github.com/aws/aws-sdk-go-v2/service/sagemaker/types"
	"github.com/aws/aws-sdk-go-v2/service/sagemakerruntime"
	"github.com/stretchr/testify/require"
)

// shadowed makes endpoint "e" with the production variant blue and the shadow green.
func (b *bench) shadowed(t testing.TB, weight float32) {
	t.Helper()
	b.model(t, "champion", nil)
	b.model(t, "candidate", nil)
	require.NoError(t, b.shadowConfig(t.Context(), "c1", []types.ProductionVariant{production("blue", "champion", 100)}, production("green", "candidate", weight)))
	_, err := b.client.CreateEndpoint(t.Context(), &sagemaker.CreateEndpointInput{EndpointName: aws.String("e"), EndpointConfigName: aws.String("c1")})
	require.NoError(t, err)
	b.await(t, types.EndpointStatusInService)
}

func (b *bench) shadowConfig(ctx context.Context, name string, serve []types.ProductionVariant, shadows ...types.ProductionVariant) error {
	_, err := b.client.CreateEndpointConfig(ctx, &sagemaker.CreateEndpointConfigInput{EndpointConfigName: &name, ProductionVariants: serve, ShadowProductionVariants: shadows,
		MetricsConfig: &types.MetricsConfig{EnableEnhancedMetrics: aws.Bool(true), MetricPublishFrequencyInSeconds: 10},
		DataCaptureConfig: &types.DataCaptureConfig{EnableCapture: aws.Bool(true), InitialSamplingPercentage: aws.Int32(100), DestinationS3Uri: aws.String("s3://store/capture"),
			CaptureOptions:           []types.CaptureOption{{CaptureMode: types.CaptureModeInput}, {CaptureMode: types.CaptureModeOutput}},
			CaptureContentTypeHeader: &types.CaptureContentTypeHeader{CsvContentTypes: []string{"text/csv"}}}})
	return err
}

func (b *bench) requests(variant string) VariantUsage {
	for _, u := range b.Usage() {
		if u.Variant == variant {
			return u
		}
	}
	return VariantUsage{}
}

func (b *bench) copies(t testing.TB, n int64) {
	t.Helper()
	require.Eventually(t, func() bool { return b.requests("green").Requests >= n }, 20*time.Second, 2*time.Millisecond)
}

func TestAShadowIsAskedAndNeverAnswers(t *testing.T) {
	b := newBench(t)
	b.shadowed(t, 100)
	for range 20 {
		r, err := b.call(t, "1", "")
		require.NoError(t, err)
		require.Equal(t, "blue", r.variant)
		require.True(t, strings.HasPrefix(r.body, "champion,"), r.body)
	}
	b.copies(t, 20)
	require.EqualValues(t, 20, b.requests("blue").Requests)
	require.NoError(t, b.Flush(t.Context(), time.Now().Add(time.Minute)))
	for _, variant := range []string{"blue", "green"} {
		sum, _ := b.metrics.sum("Invocations", variant)
		require.Equal(t, 20.0, sum, variant)
	}
	files := b.objects.under("store/capture/e/green/")
	require.Len(t, files, 1)
	for _, body := range files {
		for _, line := range strings.Split(strings.TrimSpace(string(body)), "\n") {
			var r captureRecord
			require.NoError(t, json.Unmarshal([]byte(line), &r))
			require.Equal(t, "row-1", r.EventMetadata.InferenceID, "the caller's name for it joins the two answers")
			require.Contains(t, r.CaptureData.EndpointOutput.Data, "candidate")
		}
	}
	require.Len(t, b.objects.under("store/capture/e/blue/"), 1)
}

func TestAShadowCannotBeInvokedByName(t *testing.T) {
	b := newBench(t)
	b.shadowed(t, 100)
	_, err := b.call(t, "1", "green")
	require.ErrorContains(t, err, "Variant green not found")
	_, err = b.call(t, "1", "blue")
	require.NoError(t, err)
	b.copies(t, 1)
}

func TestAShadowsWeightIsTheShareThatIsCopied(t *testing.T) {
	b := newBench(t)
	b.shadowed(t, 25)
	for range 400 {
		_, err := b.call(t, "1", "")
		require.NoError(t, err)
	}
	b.copies(t, 60)
	require.InDelta(t, 100, float64(b.requests("green").Requests), 40)
	require.NoError(t, b.weigh(t, map[string]float32{"green": 0}))
	out := b.await(t, types.EndpointStatusInService)
	require.Zero(t, *out.ShadowProductionVariants[0].CurrentWeight)
	require.EqualValues(t, 100, *out.ProductionVariants[0].CurrentWeight)
	before := b.requests("green").Requests
	_, err := b.call(t, "1", "")
	require.NoError(t, err)
	require.Equal(t, before, b.requests("green").Requests)
}

// A shadow that fails, is slow or hangs is seen in its own metrics alone.
func TestAShadowsTroubleNeverReachesTheCaller(t *testing.T) {
	b := newBench(t)
	b.shadowed(t, 100)
	require.NoError(t, b.SetFault("e", "green", Fault{ErrorRate: 1}))
	for range 10 {
		_, err := b.call(t, "1", "")
		require.NoError(t, err)
	}
	b.copies(t, 10)
	require.EqualValues(t, 10, b.requests("green").Failed5XX)
	require.Zero(t, b.requests("blue").Failed5XX)

	require.NoError(t, b.SetFault("e", "green", Fault{Delay: time.Minute}))
	for range mirrorsInFlight + 10 { // none of them waits for a copy: a minute each would not end
		_, err := b.call(t, "1", "")
		require.NoError(t, err)
	}
	require.EqualValues(t, 10, b.requests("green").Dropped, "what a hung shadow cannot take is dropped")
	require.EqualValues(t, 10, b.requests("green").Requests)
	require.EqualValues(t, mirrorsInFlight+20, b.requests("blue").Requests)
}

func TestAShadowComesAndGoesByUpdates(t *testing.T) {
	b := newBench(t)
	b.shadowed(t, 100)
	described, err := b.client.DescribeEndpointConfig(t.Context(), &sagemaker.DescribeEndpointConfigInput{EndpointConfigName: aws.String("c1")})
	require.NoError(t, err)
	require.Len(t, described.ShadowProductionVariants, 1)
	require.Equal(t, "candidate", *described.ShadowProductionVariants[0].ModelName)
	out := b.describe(t)
	require.Len(t, out.ProductionVariants, 1)
	require.Equal(t, "green", *out.ShadowProductionVariants[0].VariantName)

	b.config(t, "c2", production("blue", "champion", 90), production("green", "candidate", 10))
	_, err = b.client.UpdateEndpoint(t.Context(), &sagemaker.UpdateEndpointInput{EndpointName: aws.String("e"), EndpointConfigName: aws.String("c2"), RetainAllVariantProperties: aws.Bool(true)})
	require.NoError(t, err)
	out = b.await(t, types.EndpointStatusInService)
	require.Empty(t, out.ShadowProductionVariants)
	require.EqualValues(t, 100, *out.ProductionVariants[0].CurrentWeight, "retained")
	require.EqualValues(t, 10, *out.ProductionVariants[1].CurrentWeight, "a shadow's weight is no share of traffic, so it is not retained")
	_, err = b.call(t, "1", "green")
	require.NoError(t, err)
}

func TestShadowConfigurationsThatAWSRefuses(t *testing.T) {
	b := newBench(t)
	b.model(t, "m", nil)
	blue, green, red := production("blue", "m", 1), production("green", "m", 1), production("red", "m", 1)
	for name, test := range map[string]struct {
		serve, shadows []types.ProductionVariant
		want           string
	}{
		"two-shadows":    {[]types.ProductionVariant{blue}, []types.ProductionVariant{green, red}, "want one of each"},
		"two-production": {[]types.ProductionVariant{blue, green}, []types.ProductionVariant{red}, "want one of each"},
		"one-name":       {[]types.ProductionVariant{blue}, []types.ProductionVariant{blue}, "used twice"},
		"no-model":       {[]types.ProductionVariant{blue}, []types.ProductionVariant{production("green", "none", 1)}, "Could not find model"},
	} {
		require.ErrorContains(t, b.shadowConfig(t.Context(), name, test.serve, test.shadows...), test.want, name)
	}
}

// A kill and a start again leave the shadow where it was.
func TestAShadowIsRecovered(t *testing.T) {
	b := newBench(t)
	b.objects.all["store/m2.tar.gz"] = targz(t, map[string]string{"model.txt": "m2"})
	b.model(t, "champion", nil)
	_, err := b.client.CreateModel(t.Context(), &sagemaker.CreateModelInput{ModelName: aws.String("candidate"), ExecutionRoleArn: aws.String("arn:aws:iam::000000000000:role/r"),
		PrimaryContainer: &types.ContainerDefinition{Image: aws.String("server:1"), ModelDataUrl: aws.String("s3://store/m2.tar.gz"), Environment: map[string]string{"NAME": "candidate"}}})
	require.NoError(t, err)
	require.NoError(t, b.shadowConfig(t.Context(), "c1", []types.ProductionVariant{production("blue", "champion", 100)}, production("green", "candidate", 100)))
	_, err = b.client.CreateEndpoint(t.Context(), &sagemaker.CreateEndpointInput{EndpointName: aws.String("e"), EndpointConfigName: aws.String("c1")})
	require.NoError(t, err)
	b.await(t, types.EndpointStatusInService)
	folders, err := filepath.Glob(filepath.Join(b.dir, "models", "*"))
	require.NoError(t, err)
	require.Len(t, folders, 2, "a shadow's artefact is in use")
	require.NoError(t, b.Close(context.Background()))
	again := openBench(t, b.dir, b.objects)
	require.NoError(t, again.Recover(t.Context()))
	_, err = again.runtime.InvokeEndpoint(t.Context(), &sagemakerruntime.InvokeEndpointInput{EndpointName: aws.String("e"), Body: []byte("1"), ContentType: aws.String("text/csv")})
	require.NoError(t, err)
	again.copies(t, 1)
}

// BenchmarkShadow sends 1,000 requests a second to an endpoint, without a shadow,
// with one that answers and with one that hangs, and reports what callers wait.
func BenchmarkShadow(b *testing.B) {
	for _, kind := range []string{"none", "answers", "hangs"} {
		b.Run(kind, func(b *testing.B) {
			service := newBench(b)
			service.shadowed(b, map[bool]float32{true: 100}[kind != "none"])
			if kind == "hangs" {
				require.NoError(b, service.SetFault("e", "green", Fault{Delay: time.Minute}))
			}
			server := httptest.NewServer(service.Runtime())
			b.Cleanup(server.Close)
			var took []time.Duration
			b.ResetTimer()
			for range b.N {
				took = append(took, paced(b, server.URL+"/endpoints/e/invocations", rate)...)
			}
			slices.Sort(took)
			at := func(q float64) float64 { return float64(took[int(q*float64(len(took)-1))]) / 1e6 }
			b.ReportMetric(at(0.5), "p50-ms")
			b.ReportMetric(at(0.99), "p99-ms")
		})
	}
}
