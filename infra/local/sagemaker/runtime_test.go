package sagemaker

import (
	"bufio"
	"bytes"
	"encoding/json"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sagemakerruntime"
	"github.com/aws/aws-sdk-go-v2/service/sagemakerruntime/types"
	"github.com/stretchr/testify/require"
)

func TestModelErrors(t *testing.T) {
	b := newBench(t)
	b.serve(t)
	for body, want := range map[string]struct {
		status  int32
		message string
	}{
		"bad":    {400, "Received client error (400) from primary with message \"cannot read the rows\n\"."},
		"broken": {500, "Received server error (500) from primary with message \"cannot predict\n\"."},
	} {
		_, err := b.call(t, body, "green")
		var e *types.ModelError
		require.ErrorAs(t, err, &e)
		require.Equal(t, want.status, *e.OriginalStatusCode)
		require.Contains(t, *e.Message, want.message)
		require.Contains(t, *e.OriginalMessage, "cannot")
	}
	_, err := b.call(t, "1", "green")
	require.NoError(t, err)
	require.NoError(t, b.Flush(t.Context(), time.Now()))
	for metric, want := range map[string]float64{"Invocations": 3, "Invocation4XXErrors": 1, "Invocation5XXErrors": 1} {
		sum, samples := b.metrics.sum(metric, "green")
		require.Equal(t, want, sum, metric)
		require.Equal(t, 3.0, samples, metric)
	}
	latency, samples := b.metrics.sum("ModelLatency", "green")
	require.Equal(t, 3.0, samples)
	require.Greater(t, latency, 0.0)
	require.True(t, b.metrics.data[0].HighResolution, "enhanced metrics at 10 seconds")
	require.Zero(t, b.metrics.data[0].Time.Unix()%10)
	require.Equal(t, VariantUsage{Endpoint: "e", Variant: "green", Requests: 3, Failed4XX: 1, Failed5XX: 1, InstanceSeconds: b.Usage()[1].InstanceSeconds}, b.Usage()[1])
	require.Greater(t, b.Usage()[1].InstanceSeconds, 0.0)

	_, err = b.runtime.InvokeEndpoint(t.Context(), &sagemakerruntime.InvokeEndpointInput{EndpointName: aws.String("none"), Body: []byte("1")})
	require.ErrorContains(t, err, "Endpoint none of account 000000000000 not found.")
	_, err = b.runtime.InvokeEndpoint(t.Context(), &sagemakerruntime.InvokeEndpointInput{EndpointName: aws.String("e"), Body: []byte("1"), TargetModel: aws.String("m")})
	require.ErrorContains(t, err, "does not support the header X-Amzn-SageMaker-Target-Model")
}

func TestFaults(t *testing.T) {
	b := newBench(t)
	b.serve(t)
	put := func(body string) int {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPut, b.admin.URL+"/_sluice/faults/e/green", strings.NewReader(body))
		require.NoError(t, err)
		answer, err := http.DefaultClient.Do(r)
		require.NoError(t, err)
		require.NoError(t, answer.Body.Close())
		return answer.StatusCode
	}
	require.Equal(t, http.StatusNoContent, put(`{"delay":"30ms","error_rate":0.5}`))
	failed := 0
	for range 60 {
		if _, err := b.call(t, "1", "green"); err != nil {
			require.ErrorContains(t, err, "injected fault")
			failed++
		}
	}
	require.InDelta(t, 30, failed, 3*3.9) // seeded; the standard deviation is 3.9
	_, err := b.call(t, "1", "blue")
	require.NoError(t, err, "the other variant is as it was")
	require.NoError(t, b.Flush(t.Context(), time.Now()))
	latency, samples := b.metrics.sum("ModelLatency", "green")
	require.GreaterOrEqual(t, latency/samples, 30_000.0, "microseconds")
	errors5, _ := b.metrics.sum("Invocation5XXErrors", "green")
	require.Equal(t, float64(failed), errors5)

	for _, body := range []string{`{"delay":"soon"}`, `{"error_rate":2}`, `{"delay":"2m"}`, `{"latency":"1s"}`, `x`} {
		require.Equal(t, http.StatusBadRequest, put(body), body)
	}
	missing, err := http.NewRequestWithContext(t.Context(), http.MethodPut, b.admin.URL+"/_sluice/faults/nosuch/green", strings.NewReader(`{"error_rate":1}`))
	require.NoError(t, err)
	refused, err := http.DefaultClient.Do(missing)
	require.NoError(t, err)
	require.NoError(t, refused.Body.Close())
	require.Equal(t, http.StatusBadRequest, refused.StatusCode, "there is no such endpoint")
	r, err := http.NewRequestWithContext(t.Context(), http.MethodDelete, b.admin.URL+"/_sluice/faults/e/green", nil)
	require.NoError(t, err)
	answer, err := http.DefaultClient.Do(r)
	require.NoError(t, err)
	require.NoError(t, answer.Body.Close())
	for range 20 {
		_, err := b.call(t, "1", "green")
		require.NoError(t, err)
	}
}

func TestCapture(t *testing.T) {
	b := newBench(t)
	b.serve(t)
	_, err := b.call(t, "39,State-gov", "green")
	require.NoError(t, err)
	_, err = b.call(t, "bad", "green")
	require.Error(t, err, "a failed request is not captured")
	require.NoError(t, b.Flush(t.Context(), time.Now()))
	require.Empty(t, b.objects.under("store/capture/"), "too young")
	b.objects.away = true
	require.ErrorContains(t, b.Flush(t.Context(), time.Now().Add(time.Minute)), "the bucket is away")
	b.objects.away = false
	require.NoError(t, b.Flush(t.Context(), time.Now().Add(time.Minute)))
	files := b.objects.under("store/capture/")
	require.Len(t, files, 1)
	for key, body := range files {
		require.Regexp(t, regexp.MustCompile(`^store/capture/e/green/\d{4}/\d\d/\d\d/\d\d/\d\d-\d\d-\d{3}-[0-9a-f-]{36}\.jsonl$`), key)
		require.Equal(t, 1, bytes.Count(body, []byte("\n")))
		var r captureRecord
		decoder := json.NewDecoder(bytes.NewReader(body))
		decoder.DisallowUnknownFields()
		require.NoError(t, decoder.Decode(&r))
		require.Equal(t, &captured{"text/csv", "INPUT", "39,State-gov", "CSV"}, r.CaptureData.EndpointInput)
		require.Equal(t, "OUTPUT", r.CaptureData.EndpointOutput.Mode)
		require.True(t, strings.HasPrefix(r.CaptureData.EndpointOutput.Data, "candidate,m1,"))
		require.Equal(t, "row-1", r.EventMetadata.InferenceID)
		require.Equal(t, []string{"trace=7"}, r.EventMetadata.CustomAttributes)
		require.Equal(t, "0", r.EventVersion)
	}
}

func TestCaptureByCount(t *testing.T) {
	b := newBench(t)
	b.serve(t)
	for range captureBatch {
		_, err := b.call(t, "1", "blue")
		require.NoError(t, err)
	}
	require.Eventually(t, func() bool { return len(b.objects.under("store/capture/")) == 1 }, 5*time.Second, time.Millisecond)
	for _, body := range b.objects.under("store/capture/") {
		lines := 0
		for scanner := bufio.NewScanner(bytes.NewReader(body)); scanner.Scan(); lines++ {
		}
		require.Equal(t, captureBatch, lines)
	}
}

func TestCaptureEncoding(t *testing.T) {
	h := &CaptureHeader{CsvContentTypes: []string{"text/csv"}, JSONContentTypes: []string{"application/json"}}
	header := func(kind string) http.Header { return http.Header{"Content-Type": {kind}} }
	require.Equal(t, "CSV", h.observe("INPUT", header("text/csv; charset=utf-8"), []byte("1,2")).Encoding)
	require.Equal(t, "JSON", h.observe("INPUT", header("application/json"), []byte(`{}`)).Encoding)
	require.Equal(t, captured{"application/x-parquet", "INPUT", "AAE=", "BASE64"}, *h.observe("INPUT", header("application/x-parquet"), []byte{0, 1}))
	require.Equal(t, "BASE64", h.observe("INPUT", header("text/csv"), []byte{0xff}).Encoding, "not UTF-8")
	require.Equal(t, "BASE64", (*CaptureHeader)(nil).observe("INPUT", header("text/csv"), []byte("1")).Encoding)
}

func TestChoose(t *testing.T) {
	r := &route{variants: []routed{{name: "a", weight: 0}, {name: "b", weight: 1}, {name: "c", weight: 3}, {name: "d", weight: 0}}, total: 4}
	for u, want := range map[float64]string{0: "b", 0.2499: "b", 0.25: "c", 0.9999999999999999: "c", 1: "c"} {
		require.Equal(t, want, r.choose(u).name, "%g", u)
	}
}

func TestMicros(t *testing.T) {
	for d, want := range map[time.Duration]float64{0: 0, 999 * time.Microsecond: 999, 1234 * time.Microsecond: 1230, 30_549 * time.Microsecond: 30500, -time.Second: 0} {
		require.InDelta(t, want, micros(d), 1e-9)
	}
}
