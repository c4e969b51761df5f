package stack

import (
	"context"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestEveryServiceNamesTheNearest: what a service does not serve is refused by
// name, with the nearest thing that it does serve.
func TestEveryServiceNamesTheNearest(t *testing.T) {
	s, err := Up(context.Background(), Options{Assembly: buildAssembly(t), Stack: "Demo", Dir: filepath.Join(t.TempDir(), "stack")})
	require.NoError(t, err)
	defer func() { require.NoError(t, s.Close()) }()
	target := func(name string) map[string]string { return map[string]string{"X-Amz-Target": name} }
	form := map[string]string{"Content-Type": "application/x-www-form-urlencoded"}
	cbor := map[string]string{"Smithy-Protocol": "rpc-v2-cbor"}
	for _, c := range []struct {
		service, method, path, body string
		header                      map[string]string
		want                        string
	}{
		{"states", "POST", "/", "{}", target("AWSStepFunctions.StartSyncExecution"), "StartExecution"},
		{"states", "POST", "/", `{"executionArns":"x"}`, target("AWSStepFunctions.StopExecution"), `unknown field \"executionArns\"; the nearest member here is executionArn`},
		{"events", "POST", "/", "{}", target("AWSEvents.PutPartnerEvents"), "PutEvents"},
		{"logs", "POST", "/", "{}", target("Logs_20140328.FilterLogEvent"), "FilterLogEvents"},
		{"kms", "POST", "/", "{}", target("TrentService.VerifyMac"), "Verify"},
		{"sqs", "POST", "/", "{}", target("AmazonSQS.SendMessages"), "SendMessage"},
		{"sagemaker", "POST", "/", "{}", target("SageMaker.DescribeEndpoints"), "DescribeEndpoint"},
		{"sagemaker", "POST", "/endpoints/e/invocations-response-stream", "{}", nil, "POST /endpoints/{name}/invocations"},
		{"monitoring", "POST", "/", "{}", target("GraniteServiceVersion20100801.PutMetricAlarms"), "PutMetricAlarm"},
		{"monitoring", "POST", "/service/GraniteServiceVersion20100801/operation/PutMetric", "", cbor, "PutMetric"},
		{"monitoring", "POST", "/", `{"Namespaces":"x"}`, target("GraniteServiceVersion20100801.PutMetricData"), "the nearest member here is Namespace"},
		{"sns", "POST", "/", "Action=PublishBatch&Version=2010-03-31", form, "Publish"},
		{"sns", "POST", "/", "Action=Publish&Version=2010-03-31&TopicArns=x", form, "TopicArn"},
		{"sts", "POST", "/", "Action=GetSessionToken&Version=2011-06-15", form, "GetCallerIdentity"},
		{"batch", "POST", "/v1/submitjobs", "{}", nil, "submitjob"},
		{"lambda", "POST", "/2015-03-31/functions/f/invocation", "{}", nil, "POST /2015-03-31/functions/{name}/invocations"},
		{"scheduler", "GET", "/schedule", "", nil, "GET /schedules"},
		{"schedule", "GET", "/schedules", "", nil, "scheduler"},
	} {
		r, err := http.NewRequestWithContext(t.Context(), c.method, s.URL()+c.path, strings.NewReader(c.body))
		require.NoError(t, err)
		r.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=key/20260101/us-east-1/"+c.service+"/aws4_request, SignedHeaders=host, Signature=x")
		for name, value := range c.header {
			r.Header.Set(name, value)
		}
		response, err := http.DefaultClient.Do(r)
		require.NoError(t, err)
		body, err := io.ReadAll(response.Body)
		require.NoError(t, err)
		require.NoError(t, response.Body.Close())
		require.GreaterOrEqual(t, response.StatusCode, 400, c.path)
		require.Contains(t, string(body), "; the nearest ", "%s %s", c.service, c.body)
		require.Contains(t, string(body), c.want, "%s %s", c.service, c.body)
	}
}
