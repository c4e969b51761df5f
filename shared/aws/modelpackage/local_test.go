package modelpackage_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/sagemaker"
	"github.com/aws/aws-sdk-go-v2/service/sagemaker/types"
	"github.com/stretchr/testify/require"

	"github.com/sluice-ml/sluice/infra/local/cloudwatch"
	local "github.com/sluice-ml/sluice/infra/local/sagemaker"
	"github.com/sluice-ml/sluice/shared/aws/modelpackage"
	"github.com/sluice-ml/sluice/shared/fault"
	"github.com/sluice-ml/sluice/shared/tracking"
	"github.com/sluice-ml/sluice/shared/tracking/trackingtest"
)

type nothing struct{}

func (nothing) Put(string, ...cloudwatch.Datum) error { return nil }

type noObjects struct{}

func (noObjects) Put(context.Context, string, string, []byte) error { return nil }
func (noObjects) Get(context.Context, string, string) (io.ReadCloser, error) {
	return nil, errors.New("nothing is served here")
}

// registry opens a local SageMaker of its own; client goes through transport.
func registry(t *testing.T) string {
	service, err := local.Open(local.Config{Dir: t.TempDir(), Region: "eu-west-1", Account: "000000000000", Objects: noObjects{}, Metrics: nothing{}, Log: t.Output(),
		RestartPause: time.Millisecond, StopGrace: time.Second, ReadyTimeout: time.Second, UpdateTime: time.Millisecond,
		ResolveImage: func(string) (string, []string, []string, error) {
			return "", nil, nil, errors.New("nothing is served here")
		}})
	require.NoError(t, err)
	api := httptest.NewServer(service.API())
	t.Cleanup(func() { api.Close(); require.NoError(t, service.Close(context.Background())) })
	return api.URL
}

func client(url string, transport http.RoundTripper) *sagemaker.Client {
	return sagemaker.New(sagemaker.Options{Region: "eu-west-1", BaseEndpoint: &url, RetryMaxAttempts: 1, HTTPClient: &http.Client{Transport: transport},
		Credentials: credentials.NewStaticCredentialsProvider("id", "secret", "")})
}

func outbox(b *trackingtest.Bucket, c *sagemaker.Client) *tracking.Outbox {
	return &tracking.Outbox{Name: "sagemaker", Store: b, Files: b, Bucket: trackingtest.Name, Now: func() time.Time { return trackingtest.Noon },
		Versions: modelpackage.Registry{Client: c, Environment: "staging"}}
}

// packages are a group's packages, by our version.
func packages(t *testing.T, c *sagemaker.Client, model string) map[string]*sagemaker.DescribeModelPackageOutput {
	t.Helper()
	list, err := c.ListModelPackages(t.Context(), &sagemaker.ListModelPackagesInput{ModelPackageGroupName: aws.String("sluice-staging-" + model)})
	require.NoError(t, err)
	all := map[string]*sagemaker.DescribeModelPackageOutput{}
	for _, p := range list.ModelPackageSummaryList {
		out, err := c.DescribeModelPackage(t.Context(), &sagemaker.DescribeModelPackageInput{ModelPackageName: p.ModelPackageArn})
		require.NoError(t, err)
		require.NotContains(t, all, out.CustomerMetadataProperties["version"], "one package a version")
		all[out.CustomerMetadataProperties["version"]] = out
	}
	return all
}

func TestPackagesFollowTheirRuns(t *testing.T) {
	c := client(registry(t), http.DefaultTransport)
	b := trackingtest.New(t)
	b.Train("m", "m-1")
	one := b.Register("m", "m-1")
	look := func(versions, champion int) {
		t.Helper()
		for _, want := range []tracking.Result{{Tracker: "sagemaker", Model: "m", Versions: versions, Champion: champion, Refused: []string{}},
			{Tracker: "sagemaker", Model: "m", Refused: []string{}}} {
			got, err := outbox(b, c).CatchUp(t.Context(), "m", "test")
			require.NoError(t, err)
			require.Equal(t, want, got)
		}
	}
	look(1, 0)
	p := packages(t, c, "m")["1"]
	require.Equal(t, types.ModelApprovalStatusPendingManualApproval, p.ModelApprovalStatus, "the rollout goes on")
	require.Equal(t, "s3://store/runs/m/m-1/model.tar.gz", *p.InferenceSpecification.Containers[0].ModelDataUrl)
	require.Equal(t, "s3://store/runs/m/m-1/metrics.json", *p.ModelMetrics.ModelQuality.Statistics.S3Uri)
	require.Equal(t, "s3://store/runs/m/m-1/verdicts/fairness.json", *p.ModelMetrics.Bias.Report.S3Uri)

	b.Promote("m", 0, one)
	b.End("m", "m-1", "promoted")
	look(1, one)
	p = packages(t, c, "m")["1"]
	require.Equal(t, types.ModelApprovalStatusApproved, p.ModelApprovalStatus)
	require.Equal(t, map[string]string{"version": "1", "run": "m-1", "plan": "sha256:plan-m-1", "commit": "commit-m-1", "action": "ship", "outcome": "promoted",
		"decision": "s3://store/runs/m/m-1/decision.json", "digest": "sha256:model", "champion": "true"}, p.CustomerMetadataProperties)

	b.Train("m", "m-2")
	b.Register("m", "m-2")
	b.End("m", "m-2", "rolled_back")
	b.Train("m", "m-3")
	three := b.Register("m", "m-3")
	b.End("m", "m-3", "promoted")
	b.Promote("m", one, three)
	look(2, three)
	all := packages(t, c, "m")
	require.Equal(t, types.ModelApprovalStatusRejected, all["2"].ModelApprovalStatus)
	require.Contains(t, *all["2"].ApprovalDescription, "rolled back: as the test wants it")
	require.Equal(t, types.ModelApprovalStatusApproved, all["3"].ModelApprovalStatus)
	for version, want := range map[string]string{"1": "", "2": "", "3": "true"} {
		require.Equal(t, want, all[version].CustomerMetadataProperties["champion"], version)
	}
}

// cutAt ends the process at a request: before it is sent, or after, when the
// answer is lost.
type cutAt struct {
	left int
	lost bool
}

var errKilled = errors.New("killed")

func (c *cutAt) RoundTrip(request *http.Request) (*http.Response, error) {
	c.left--
	if c.left > 0 {
		return http.DefaultTransport.RoundTrip(request)
	}
	if c.left == 0 && c.lost {
		if response, err := http.DefaultTransport.RoundTrip(request); err == nil {
			_ = response.Body.Close()
		}
	}
	return nil, errKilled
}

func TestCutOffAtEachRequest(t *testing.T) {
	url := registry(t)
	whole := client(url, http.DefaultTransport)
	for _, lost := range []bool{false, true} {
		for at := 1; ; at++ {
			model := fmt.Sprintf("m%d-%t", at, lost)
			b := trackingtest.New(t)
			for n := range 2 {
				run := fmt.Sprintf("%s-%d", model, n+1)
				b.Train(model, run)
				b.Promote(model, n, b.Register(model, run))
				b.End(model, run, "promoted")
				if n == 0 {
					_, err := outbox(b, whole).CatchUp(t.Context(), model, "test")
					require.NoError(t, err)
				}
			}
			cut := &cutAt{left: at, lost: lost}
			_, err := outbox(b, client(url, cut)).CatchUp(t.Context(), model, "test")
			if cut.left > 0 {
				require.NoError(t, err)
				require.Greater(t, at, 8, "it makes that many requests at the least")
				break
			}
			require.Equal(t, fault.Unavailable, fault.KindOf(err), "%v", err)
			_, err = outbox(b, whole).CatchUp(t.Context(), model, "test")
			require.NoError(t, err)
			all := packages(t, whole, model)
			require.Len(t, all, 2)
			require.Empty(t, all["1"].CustomerMetadataProperties["champion"])
			require.Equal(t, "true", all["2"].CustomerMetadataProperties["champion"])
			require.Equal(t, types.ModelApprovalStatusApproved, all["2"].ModelApprovalStatus)
		}
	}
}
