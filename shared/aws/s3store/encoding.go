package s3store

import (
	"context"
	"net/url"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/sluice-ml/sluice/shared/fault"
)

// encoded is a client whose listings ask for encoding-type=url and decode what
// comes, markers too. A key may hold characters that XML 1.0 cannot, such as
// control characters: without it a listing that has one cannot be read at all. A
// server that does not say that it encodes is taken at its word.
type encoded struct{ Client }

// ListObjectsV2 lists keys as they are.
func (c encoded) ListObjectsV2(ctx context.Context, in *s3.ListObjectsV2Input, options ...func(*s3.Options)) (*s3.ListObjectsV2Output, error) {
	asked := *in
	asked.EncodingType = types.EncodingTypeUrl
	out, err := c.Client.ListObjectsV2(ctx, &asked, options...)
	if err != nil || out.EncodingType != types.EncodingTypeUrl {
		return out, err
	}
	d := decoder{}
	for _, text := range []**string{&out.Prefix, &out.Delimiter, &out.StartAfter} { // tokens are not encoded
		d.decode(text)
	}
	for i := range out.Contents {
		d.decode(&out.Contents[i].Key)
	}
	for i := range out.CommonPrefixes {
		d.decode(&out.CommonPrefixes[i].Prefix)
	}
	return out, d.err
}

// ListObjectVersions lists keys as they are.
func (c encoded) ListObjectVersions(ctx context.Context, in *s3.ListObjectVersionsInput, options ...func(*s3.Options)) (*s3.ListObjectVersionsOutput, error) {
	asked := *in
	asked.EncodingType = types.EncodingTypeUrl
	out, err := c.Client.ListObjectVersions(ctx, &asked, options...)
	if err != nil || out.EncodingType != types.EncodingTypeUrl {
		return out, err
	}
	d := decoder{}
	for _, text := range []**string{&out.Prefix, &out.Delimiter, &out.KeyMarker, &out.NextKeyMarker} {
		d.decode(text)
	}
	for i := range out.Versions {
		d.decode(&out.Versions[i].Key)
	}
	for i := range out.DeleteMarkers {
		d.decode(&out.DeleteMarkers[i].Key)
	}
	for i := range out.CommonPrefixes {
		d.decode(&out.CommonPrefixes[i].Prefix)
	}
	return out, d.err
}

// decoder undoes S3's encoding of keys, which is that of forms: "+" is a space.
type decoder struct{ err error }

func (d *decoder) decode(text **string) {
	if *text == nil || d.err != nil {
		return
	}
	plain, err := url.QueryUnescape(**text)
	if err != nil {
		d.err = fault.New(fault.Unavailable, "read a listing", "the server says that its keys are URL-encoded, and %q is not", **text)
		return
	}
	*text = &plain
}
