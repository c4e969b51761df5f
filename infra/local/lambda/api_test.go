package lambda_test

import (
	"archive/zip"
	"context"
	"encoding/base64"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/stretchr/testify/require"

	"github.com/sluice-ml/sluice/infra/local/lambda"
)

func client(t *testing.T, w *world) *sdk.Client {
	t.Helper()
	server := httptest.NewServer(w.Handler())
	t.Cleanup(server.Close)
	return sdk.New(sdk.Options{
		Region: "eu-west-1", BaseEndpoint: aws.String(server.URL), RetryMaxAttempts: 1,
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: "key", SecretAccessKey: "secret"}, nil
		}),
	})
}

func TestTheSDKInvokes(t *testing.T) {
	w := open(t, t.TempDir())
	w.function(t, `,"Description":"d","Tags":[{"Key":"k","Value":"v"}],"ReservedConcurrentExecutions":2`)
	c, ctx := client(t, w), context.Background()

	out, err := c.Invoke(ctx, &sdk.InvokeInput{FunctionName: aws.String("f"), Payload: []byte(`{"Do":"context"}`), LogType: types.LogTypeTail,
		ClientContext: aws.String(base64.StdEncoding.EncodeToString([]byte(`{"client":{"app_title":"sdk"}}`)))})
	require.NoError(t, err)
	require.Nil(t, out.FunctionError)
	require.EqualValues(t, 200, out.StatusCode)
	require.Contains(t, string(out.Payload), `"client":"sdk"`)
	log, err := base64.StdEncoding.DecodeString(*out.LogResult)
	require.NoError(t, err)
	require.Contains(t, string(log), "REPORT RequestId: ")

	out, err = c.Invoke(ctx, &sdk.InvokeInput{FunctionName: aws.String("123456789012:function:f"), Qualifier: aws.String("$LATEST"), Payload: []byte(`{"Do":"fail","Text":"x"}`)})
	require.NoError(t, err)
	require.Equal(t, "Unhandled", *out.FunctionError)
	require.JSONEq(t, `{"errorType":"errorString","errorMessage":"x"}`, string(out.Payload))

	calls := filepath.Join(t.TempDir(), "calls")
	out, err = c.Invoke(ctx, &sdk.InvokeInput{FunctionName: aws.String("f"), InvocationType: types.InvocationTypeEvent, Payload: []byte(`{"Do":"attempts","File":"` + calls + `"}`)})
	require.NoError(t, err)
	require.EqualValues(t, 202, out.StatusCode)
	exists(t, calls)

	out, err = c.Invoke(ctx, &sdk.InvokeInput{FunctionName: aws.String("f"), InvocationType: types.InvocationTypeDryRun})
	require.NoError(t, err)
	require.EqualValues(t, 204, out.StatusCode)
}

func TestTheSDKDescribes(t *testing.T) {
	w := open(t, t.TempDir())
	w.function(t, `,"Description":"d","Tags":[{"Key":"k","Value":"v"}],"ReservedConcurrentExecutions":2,"DeadLetterConfig":{"TargetArn":"arn:aws:sqs:::q"}`)
	w.named(t, "g", "function", "")
	c, ctx := client(t, w), context.Background()
	got, err := c.GetFunction(ctx, &sdk.GetFunctionInput{FunctionName: aws.String("f")})
	require.NoError(t, err)
	require.Equal(t, "d", *got.Configuration.Description)
	require.Equal(t, map[string]string{"k": "v"}, got.Tags)
	require.EqualValues(t, 2, *got.Concurrency.ReservedConcurrentExecutions)
	require.Equal(t, types.StateActive, got.Configuration.State)
	require.EqualValues(t, 60, *got.Configuration.Timeout)
	require.Equal(t, "arn:aws:sqs:::q", *got.Configuration.DeadLetterConfig.TargetArn)
	configuration, err := c.GetFunctionConfiguration(ctx, &sdk.GetFunctionConfigurationInput{FunctionName: aws.String("f")})
	require.NoError(t, err)
	require.Equal(t, got.Configuration.CodeSha256, configuration.CodeSha256)

	pages := sdk.NewListFunctionsPaginator(c, &sdk.ListFunctionsInput{MaxItems: aws.Int32(1)})
	var names []string
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		require.NoError(t, err)
		for _, f := range page.Functions {
			names = append(names, *f.FunctionName)
		}
	}
	require.Equal(t, []string{"f", "g"}, names)
}

func TestTheSDKSeesErrors(t *testing.T) {
	w := open(t, t.TempDir())
	w.function(t, `,"ReservedConcurrentExecutions":0`)
	c, ctx := client(t, w), context.Background()
	missing := &types.ResourceNotFoundException{}
	_, err := c.Invoke(ctx, &sdk.InvokeInput{FunctionName: aws.String("none")})
	require.ErrorAs(t, err, &missing)
	require.Equal(t, "Function not found: none", *missing.Message)
	_, err = c.Invoke(ctx, &sdk.InvokeInput{FunctionName: aws.String("none"), InvocationType: types.InvocationTypeEvent})
	require.ErrorAs(t, err, &missing)
	_, err = c.Invoke(ctx, &sdk.InvokeInput{FunctionName: aws.String("none"), InvocationType: types.InvocationTypeDryRun})
	require.ErrorAs(t, err, &missing)
	_, err = c.GetFunction(ctx, &sdk.GetFunctionInput{FunctionName: aws.String("none")})
	require.ErrorAs(t, err, &missing)
	throttled := &types.TooManyRequestsException{}
	_, err = c.Invoke(ctx, &sdk.InvokeInput{FunctionName: aws.String("f")})
	require.ErrorAs(t, err, &throttled)
	require.Equal(t, types.ThrottleReasonReservedFunctionConcurrentInvocationLimitExceeded, throttled.Reason)
	large := &types.RequestTooLargeException{}
	_, err = c.Invoke(ctx, &sdk.InvokeInput{FunctionName: aws.String("f"), Payload: make([]byte, 7<<20)})
	require.ErrorAs(t, err, &large)
	_, err = c.DeleteFunction(ctx, &sdk.DeleteFunctionInput{FunctionName: aws.String("f")})
	require.ErrorContains(t, err, "does not serve DELETE /2015-03-31/functions/f")
}

func TestHeadersThatMakeNoSense(t *testing.T) {
	w := open(t, t.TempDir())
	w.function(t, "")
	for header, value := range map[string]string{"X-Amz-Invocation-Type": "Later", "X-Amz-Log-Type": "All", "X-Amz-Client-Context": "!"} {
		r := httptest.NewRequest(http.MethodPost, "/2015-03-31/functions/f/invocations", strings.NewReader("{}"))
		r.Header.Set(header, value)
		answer := httptest.NewRecorder()
		w.Handler().ServeHTTP(answer, r)
		require.Equal(t, 400, answer.Code, header)
		require.Contains(t, answer.Body.String(), header)
	}
}

func TestFunctionsThatAreRefused(t *testing.T) {
	w := open(t, t.TempDir(), func(o *lambda.Options) {
		o.Code = func(bucket, key string) (string, error) { return filepath.Join(binaries, key), nil }
	})
	other, mine := "arm64", "x86_64"
	if runtime.GOARCH == "arm64" {
		other, mine = mine, other
	}
	for properties, want := range map[string]string{
		`"Architectures":["` + other + `"]`:              "Architectures [" + other + "]: this machine is " + mine,
		`"Runtime":"python3.13"`:                         `Runtime "python3.13"`,
		`"PackageType":"Image"`:                          `PackageType "Image"`,
		`"VpcConfig":{"Ipv6":true}`:                      `unknown field "Ipv6"`,
		`"Layers":[]`:                                    `unknown field "Layers"`,
		`"MemorySize":64`:                                "MemorySize 64: want 128 to 10240",
		`"Timeout":901`:                                  "Timeout 901",
		`"ReservedConcurrentExecutions":-1`:              "ReservedConcurrentExecutions -1",
		`"EphemeralStorage":{"Size":100}`:                "EphemeralStorage.Size 100",
		`"FunctionName":"a b"`:                           `FunctionName "a b"`,
		`"LoggingConfig":{"LogFormat":"XML"}`:            `LoggingConfig.LogFormat "XML"`,
		`"TracingConfig":{"Mode":"On"}`:                  `TracingConfig.Mode "On"`,
		`"Environment":{"Variables":{"AWS_REGION":"x"}}`: "AWS_REGION is reserved",
		`"Environment":{"Variables":{"1":"x"}}`:          `"1"`,
		`"Environment":{"Variables":{"A1":"` + strings.Repeat("x", 4095) + `"}}`: "AWS allows 4096",
		`"Code":{"S3Bucket":"b","S3Key":"none"}`:                                 "no such file",
		`"Code":{"ImageUri":"i"}`:                                                "ImageUri",
		`"Code":{"S3Bucket":"b","S3Key":"."}`:                                    "no bootstrap",
	} {
		base := map[bool]string{true: `"Runtime":"provided.al2023",`}[!strings.HasPrefix(properties, `"Runtime"`)]
		code := map[bool]string{true: `"Code":{"S3Bucket":"b","S3Key":"function"},`}[!strings.HasPrefix(properties, `"Code"`)]
		_, err := w.create(t, "Function", "Broken", "{"+base+code+properties+"}")
		require.ErrorContains(t, err, want, properties)
		require.ErrorContains(t, err, "Broken", properties)
	}
	require.Empty(t, w.Functions())
}

func TestPermissionsAndConfigurationsThatAreRefused(t *testing.T) {
	w := open(t, t.TempDir())
	w.function(t, "")
	for _, c := range []struct{ kind, properties, want string }{
		{"Permission", `{"Action":"lambda:InvokeFunctionUrl","FunctionName":"f","Principal":"*"}`, "InvokeFunctionUrl"},
		{"Permission", `{"Action":"lambda:InvokeFunction","FunctionName":"none","Principal":"*"}`, "not found: none"},
		{"Permission", `{"Action":"lambda:InvokeFunction","FunctionName":"f","Principal":"*","PrincipalOrgID":"o"}`, "PrincipalOrgID"},
		{"EventInvokeConfig", `{"FunctionName":"f","Qualifier":"1"}`, `Qualifier "1"`},
		{"EventInvokeConfig", `{"FunctionName":"f","Qualifier":"$LATEST","MaximumRetryAttempts":3}`, "MaximumRetryAttempts 3"},
		{"EventInvokeConfig", `{"FunctionName":"f","Qualifier":"$LATEST","MaximumEventAgeInSeconds":59}`, "MaximumEventAgeInSeconds 59"},
		{"EventInvokeConfig", `{"FunctionName":"none","Qualifier":"$LATEST"}`, "not found: none"},
	} {
		_, err := w.create(t, c.kind, "Broken", c.properties)
		require.ErrorContains(t, err, c.want, c)
		require.ErrorContains(t, err, "Broken", c)
	}
}

func TestPermissions(t *testing.T) {
	w := open(t, t.TempDir())
	w.function(t, "")
	const rule = "arn:aws:events:eu-west-1:123456789012:rule/uploads"
	require.False(t, w.Allows("f", "events.amazonaws.com", rule))
	_, err := w.create(t, "Permission", "P", `{"Action":"lambda:InvokeFunction","FunctionName":"arn:aws:lambda:eu-west-1:123456789012:function:f",
		"Principal":"events.amazonaws.com","SourceArn":"`+rule+`"}`)
	require.NoError(t, err)
	require.True(t, w.Allows("f", "events.amazonaws.com", rule))
	require.False(t, w.Allows("f", "events.amazonaws.com", rule+"2"))
	require.False(t, w.Allows("f", "s3.amazonaws.com", rule))
	require.False(t, w.Allows("g", "events.amazonaws.com", rule))
}

// pack makes a zip file with the function's bootstrap under a name.
func pack(t *testing.T, entry string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "code.zip")
	f, err := os.Create(file)
	require.NoError(t, err)
	archive := zip.NewWriter(f)
	header := &zip.FileHeader{Name: entry, Method: zip.Deflate}
	header.SetMode(0o755)
	into, err := archive.CreateHeader(header)
	require.NoError(t, err)
	from, err := os.Open(filepath.Join(binaries, "function", "bootstrap"))
	require.NoError(t, err)
	_, err = io.Copy(into, from)
	require.NoError(t, err)
	require.NoError(t, from.Close())
	require.NoError(t, archive.Close())
	require.NoError(t, f.Close())
	return file
}

func TestAZipFileIsUnpacked(t *testing.T) {
	file := pack(t, "bootstrap")
	w := open(t, t.TempDir(), func(o *lambda.Options) { o.Code = func(string, string) (string, error) { return file, nil } })
	for range 2 {
		w.function(t, "")
		require.Empty(t, w.invoke(t, `{}`).FunctionError)
	}
}

func TestAZipFileThatLeadsOutIsRefused(t *testing.T) {
	file := pack(t, "../bootstrap")
	w := open(t, t.TempDir(), func(o *lambda.Options) { o.Code = func(string, string) (string, error) { return file, nil } })
	_, err := w.create(t, "Function", "F", `{"Runtime":"provided.al2023","Code":{"S3Bucket":"b","S3Key":"k"}}`)
	require.ErrorContains(t, err, `entry "../bootstrap" leads out`)
}
