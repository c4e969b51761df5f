package operator

import (
	"context"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/sluice-ml/sluice/shared/aws/s3store"
	"github.com/sluice-ml/sluice/shared/lakefs"
)

// LakeFS is a client of a lakeFS server's REST API.
func LakeFS(url, accessKey, secretKey string) lakefs.Client {
	return lakefs.Client{URL: url, AccessKey: accessKey, SecretKey: secretKey, HTTP: &http.Client{Timeout: 5 * time.Minute}, Wait: wait}
}

func wait(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

// Gateway speaks to a lakeFS server as the S3 server that it also is: buckets are
// repositories, and keys start with a ref.
func Gateway(url, accessKey, secretKey string) *s3store.Store {
	return s3store.New(s3.New(s3.Options{BaseEndpoint: aws.String(url), UsePathStyle: true, Region: LocalRegion,
		Credentials: credentials.NewStaticCredentialsProvider(accessKey, secretKey, "")}))
}
