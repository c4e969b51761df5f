package rollouts_test

import (
	"context"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/stretchr/testify/require"

	"github.com/sluice-ml/sluice/shared/aws/rollouts"
	"github.com/sluice-ml/sluice/shared/contract"
	"github.com/sluice-ml/sluice/shared/fault"
)

var variables = map[string]string{contract.EnvEnvironment: "staging", contract.EnvStore: "store", contract.EnvKeyID: "key", contract.EnvTopicARN: "arn:topic",
	contract.EnvEndpointRole: "arn:role", contract.EnvInstanceType: "ml.m5.large", contract.EnvInstanceCount: "2", contract.EnvMetricPeriod: "10"}

func lookup(m map[string]string) func(string) (string, bool) {
	return func(name string) (string, bool) { v, ok := m[name]; return v, ok }
}

func TestEnvironmentIsRead(t *testing.T) {
	e, err := rollouts.Read(lookup(variables))
	require.NoError(t, err)
	require.Equal(t, 10*time.Second, e.Period)
	require.EqualValues(t, 2, e.Endpoint.InstanceCount)
	require.EqualValues(t, 10, e.Endpoint.MetricPeriod)
	require.Equal(t, "s3://store/capture", e.Endpoint.Capture)
}

func TestEveryMissingVariableIsNamed(t *testing.T) {
	_, err := rollouts.Read(lookup(nil))
	for name := range variables {
		if name != contract.EnvInstanceCount && name != contract.EnvMetricPeriod {
			require.ErrorContains(t, err, name)
		}
	}
	bad := maps.Clone(variables)
	bad[contract.EnvInstanceCount] = "none"
	_, err = rollouts.Read(lookup(bad))
	require.ErrorContains(t, err, contract.EnvInstanceCount)
}

func TestPeopleAreTold(t *testing.T) {
	var sent url.Values
	status := http.StatusOK
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		sent, _ = url.ParseQuery(string(body))
		w.Header().Set("Content-Type", "text/xml")
		w.WriteHeader(status)
		_, _ = io.WriteString(w, `<PublishResponse xmlns="http://sns.amazonaws.com/doc/2010-03-31/"><PublishResult><MessageId>1</MessageId></PublishResult></PublishResponse>`)
	}))
	defer server.Close()
	people := rollouts.People{Topic: "arn:aws:sns:eu-west-1:000000000000:people", Client: sns.New(sns.Options{Region: "eu-west-1", BaseEndpoint: aws.String(server.URL),
		RetryMaxAttempts: 1, Credentials: credentials.NewStaticCredentialsProvider("id", "secret", "")})}
	require.NoError(t, people.Tell(t.Context(), "adult_income", "rolling back"))
	require.Equal(t, "rolling back", sent.Get("Message"))
	require.Equal(t, "Sluice: adult_income", sent.Get("Subject"))
	status = http.StatusInternalServerError
	require.Equal(t, fault.Unavailable, fault.KindOf(people.Tell(t.Context(), "m", "x")))
}

func TestSleepEndsWithTheContext(t *testing.T) {
	require.NoError(t, rollouts.Sleep(t.Context(), time.Nanosecond))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, rollouts.Sleep(ctx, time.Hour), context.Canceled)
}
