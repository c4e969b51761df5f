package s3

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/stretchr/testify/require"
)

// Nothing is left out in silence: encryption, access control lists and
// subresources that are not served are refused by name.
func TestRefusals(t *testing.T) {
	r, ctx := newRig(t), context.Background()
	put := func(change func(*sdk.PutObjectInput)) error {
		in := &sdk.PutObjectInput{Bucket: store, Key: aws.String("k"), Body: strings.NewReader("x")}
		change(in)
		_, err := r.client.PutObject(ctx, in)
		return err
	}
	require.NoError(t, put(func(in *sdk.PutObjectInput) { in.ServerSideEncryption = types.ServerSideEncryptionAes256 }))
	require.NoError(t, put(func(in *sdk.PutObjectInput) { in.ACL = types.ObjectCannedACLBucketOwnerFullControl }))
	err := put(func(in *sdk.PutObjectInput) { in.ServerSideEncryption = types.ServerSideEncryptionAwsKms })
	require.Equal(t, "NotImplemented", code(err))
	require.ErrorContains(t, err, "encryption with KMS keys; the nearest here is AES256")
	require.Equal(t, "InvalidArgument", code(put(func(in *sdk.PutObjectInput) { in.ServerSideEncryption = "ROT13" })))
	require.Equal(t, "AccessControlListNotSupported", code(put(func(in *sdk.PutObjectInput) { in.ACL = types.ObjectCannedACLPublicRead })))
	_, err = r.client.GetBucketCors(ctx, &sdk.GetBucketCorsInput{Bucket: store})
	require.Equal(t, "NotImplemented", code(err))
	require.ErrorContains(t, err, "the subresource cors")
}

func TestUnknownAccessKey(t *testing.T) {
	s := &Service{o: Options{AccessKey: "sluice"}}
	request := httptest.NewRequest(http.MethodGet, "/", nil)
	request.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=AKIAX/20260301/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=0")
	require.Equal(t, "InvalidAccessKeyId", s.refusal(request).Code)
	require.Nil(t, s.refusal(httptest.NewRequest(http.MethodGet, "/b?X-Amz-Credential=sluice%2F20260301%2Fus-east-1%2Fs3%2Faws4_request", nil)))
	require.Equal(t, "NotImplemented", s.refusal(httptest.NewRequest(http.MethodGet, "/b?website", nil)).Code)
}
