package stack

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"

	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go"

	"github.com/sluice-ml/sluice/infra/local/asl"
	"github.com/sluice-ml/sluice/infra/local/assembly"
	"github.com/sluice-ml/sluice/infra/local/wire"
)

// datasets lets distributed Map states read their items from S3 and write
// their results there.
type datasets struct{ client *s3.Client }

func (d datasets) List(ctx context.Context, ref asl.ObjectRef, each func(asl.ListedObject) bool) error {
	if err := owned(ref); err != nil {
		return err
	}
	pages := s3.NewListObjectsV2Paginator(d.client, &s3.ListObjectsV2Input{Bucket: &ref.Bucket, Prefix: &ref.Key})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return javaError(err)
		}
		for _, o := range page.Contents {
			listed := asl.ListedObject{Key: *o.Key, StorageClass: string(o.StorageClass)}
			if o.ETag != nil {
				listed.ETag = *o.ETag
			}
			if o.LastModified != nil {
				listed.LastModified = *o.LastModified
			}
			if o.Size != nil {
				listed.Size = *o.Size
			}
			if listed.StorageClass == "" {
				listed.StorageClass = "STANDARD"
			}
			if !each(listed) {
				return nil
			}
		}
	}
	return nil
}

func (d datasets) Get(ctx context.Context, ref asl.ObjectRef) (io.ReadCloser, error) {
	if err := owned(ref); err != nil {
		return nil, err
	}
	out, err := d.client.GetObject(ctx, &s3.GetObjectInput{Bucket: &ref.Bucket, Key: &ref.Key, VersionId: optional(ref.Version)})
	if err != nil {
		return nil, javaError(err)
	}
	return out.Body, nil
}

func (d datasets) Put(ctx context.Context, ref asl.ObjectRef, body []byte) error {
	if err := owned(ref); err != nil {
		return err
	}
	contentType := "application/json"
	_, err := d.client.PutObject(ctx, &s3.PutObjectInput{Bucket: &ref.Bucket, Key: &ref.Key, Body: bytes.NewReader(body), ContentType: &contentType})
	return javaError(err)
}

// owned checks ExpectedBucketOwner: every bucket here belongs to the one
// account.
func owned(ref asl.ObjectRef) error {
	if ref.Owner == "" || ref.Owner == assembly.AccountID {
		return nil
	}
	return fmt.Errorf("Access Denied (Service: S3, Status Code: %d, Request ID: %s)", http.StatusForbidden, wire.RequestID())
}

// javaError writes an error of S3 as Step Functions does, which calls it
// through the AWS SDK for Java.
func javaError(err error) error {
	api, isAPI := errors.AsType[smithy.APIError](err)
	response, isResponse := errors.AsType[*awshttp.ResponseError](err)
	if !isAPI || !isResponse {
		return err
	}
	return fmt.Errorf("%s (Service: S3, Status Code: %d, Request ID: %s)", api.ErrorMessage(), response.HTTPStatusCode(), wire.RequestID())
}
