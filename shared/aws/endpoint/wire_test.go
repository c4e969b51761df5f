package endpoint_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/sagemaker"
	"github.com/aws/aws-sdk-go-v2/service/sagemakerruntime"
	"github.com/stretchr/testify/require"

	"github.com/sluice-ml/sluice/shared/aws/endpoint"
	"github.com/sluice-ml/sluice/shared/fault"
	"github.com/sluice-ml/sluice/shared/rollout"
	"github.com/sluice-ml/sluice/shared/rollout/rollouttest"
)

// answers serves one canned response per operation, as AWS words it.
func answers(t *testing.T, byOperation map[string]string) *endpoint.Backend {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		operation := strings.TrimPrefix(r.Header.Get("X-Amz-Target"), "SageMaker.")
		body, ok := byOperation[operation]
		if !ok {
			t.Errorf("unexpected operation %s", operation)
		}
		w.Header().Set("Content-Type", "application/x-amz-json-1.1")
		status, rest, _ := strings.Cut(body, " ")
		switch status {
		case "400":
			w.WriteHeader(http.StatusBadRequest)
		case "503":
			w.WriteHeader(http.StatusServiceUnavailable)
		}
		_, _ = io.WriteString(w, rest)
	}))
	t.Cleanup(server.Close)
	keys := credentials.NewStaticCredentialsProvider("id", "secret", "")
	backend, err := endpoint.New(
		sagemaker.New(sagemaker.Options{Region: "eu-west-1", BaseEndpoint: aws.String(server.URL), Credentials: keys, RetryMaxAttempts: 1}),
		sagemakerruntime.New(sagemakerruntime.Options{Region: "eu-west-1", BaseEndpoint: aws.String(server.URL), Credentials: keys, RetryMaxAttempts: 1}), settings())
	require.NoError(t, err)
	return backend
}

func TestErrorsHaveTheKindThatSaysWhetherToRetry(t *testing.T) {
	for name, test := range map[string]struct {
		response string
		kind     fault.Kind
	}{
		"busy":      {`400 {"__type":"ValidationException","message":"Cannot update in-progress endpoint \"arn:aws:sagemaker:eu-west-1:000000000000:endpoint/e\"."}`, fault.Busy},
		"gone":      {`400 {"__type":"ValidationException","message":"Could not find endpoint \"arn:aws:sagemaker:eu-west-1:000000000000:endpoint/e\"."}`, fault.NotFound},
		"throttled": {`400 {"__type":"ThrottlingException","message":"Rate exceeded"}`, fault.Unavailable},
		"denied":    {`400 {"__type":"AccessDeniedException","message":"not authorized to perform: sagemaker:DeleteEndpoint"}`, fault.Denied},
		"quota":     {`400 {"__type":"ResourceLimitExceeded","message":"The account-level service limit is 0 Instances"}`, fault.Denied},
		"down":      {`503 {"__type":"InternalFailure","message":"try later"}`, fault.Unavailable},
		"refused":   {`400 {"__type":"ValidationException","message":"1 validation error detected"}`, fault.Invalid},
	} {
		t.Run(name, func(t *testing.T) {
			backend := answers(t, map[string]string{"DescribeEndpoint": test.response, "DeleteEndpoint": test.response})
			_, err := backend.Retire(t.Context(), "m", "r", "blue")
			require.Equal(t, test.kind, fault.KindOf(err), "%v", err)
			err = backend.Delete(t.Context(), "m")
			if test.kind == fault.NotFound {
				require.NoError(t, err)
				return
			}
			require.Equal(t, test.kind, fault.KindOf(err), "%v", err)
		})
	}
}

func TestNetworkFailureIsUnavailable(t *testing.T) {
	server := httptest.NewServer(nil)
	server.Close()
	backend, err := endpoint.New(sagemaker.New(sagemaker.Options{Region: "eu-west-1", BaseEndpoint: aws.String(server.URL), RetryMaxAttempts: 1,
		Credentials: credentials.NewStaticCredentialsProvider("id", "secret", "")}), nil, settings())
	require.NoError(t, err)
	_, err = backend.View(t.Context(), "m")
	require.Equal(t, fault.Unavailable, fault.KindOf(err), "%v", err)
}

// InService alone proves nothing: an update that failed ends InService, on the
// old configuration and with a reason.
func TestFailedUpdateIsSeen(t *testing.T) {
	backend := answers(t, map[string]string{
		"DescribeEndpoint": `200 {"EndpointName":"e","EndpointConfigName":"old","EndpointStatus":"InService","FailureReason":"did not pass the ping health check",
			"ProductionVariants":[{"VariantName":"blue","CurrentWeight":100,"DesiredWeight":100,"CurrentInstanceCount":2,"DesiredInstanceCount":2}]}`,
		"DescribeEndpointConfig": `200 {"EndpointConfigName":"old","ProductionVariants":[{"VariantName":"blue","ModelName":"sluice-staging-m-v12-0a1b2c3d"}]}`,
	})
	view, err := backend.View(t.Context(), "m")
	require.NoError(t, err)
	require.Equal(t, rollout.View{Exists: true, Status: rollout.Ready, Detail: "InService: did not pass the ping health check", Config: "old",
		Slots: []rollout.SlotView{{Slot: "blue", Version: 12, Weight: 100, Desired: 100, Instances: 2, Wanted: 2}}}, view)
	condition, why := view.Compare("new", []rollout.Weight{{Slot: "blue", Percent: 100}})
	require.Equal(t, rollout.Different, condition)
	require.Contains(t, why, "did not pass the ping health check")
}

func TestTakenNameWithOtherContentIsRefused(t *testing.T) {
	backend := answers(t, map[string]string{
		"CreateModel":   `400 {"__type":"ValidationException","message":"Cannot create already existing model \"arn\"."}`,
		"DescribeModel": `200 {"PrimaryContainer":{"Image":"server:0","ModelDataUrl":"s3://store/1-good.tar.gz"}}`,
	})
	_, err := backend.Prepare(t.Context(), rollout.Placement{Model: "m", Rollout: "r", Artifact: artifact(1, rollouttest.Good), Slot: "blue"})
	require.ErrorContains(t, err, "exists with another image or artefact")
	require.Equal(t, fault.Invalid, fault.KindOf(err))
}

func TestSettingsAreChecked(t *testing.T) {
	for _, change := range []func(*endpoint.Settings){
		func(s *endpoint.Settings) { s.Role = "" }, func(s *endpoint.Settings) { s.InstanceCount = 0 }, func(s *endpoint.Settings) { s.MetricPeriod = 30 }} {
		s := settings()
		change(&s)
		_, err := endpoint.New(nil, nil, s)
		require.Equal(t, fault.Invalid, fault.KindOf(err))
	}
}
