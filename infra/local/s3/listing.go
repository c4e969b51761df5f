package s3

import (
	"context"
	"encoding/base64"
	"io/fs"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"

	sdk "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/valyala/fasthttp"
	"github.com/versity/versitygw/backend"
	"github.com/versity/versitygw/s3err"
	"github.com/versity/versitygw/s3response"
)

// encoding is how a listing writes keys. XML 1.0 cannot carry every character
// that a key may have, so clients ask for encoding-type=url.
type encoding struct{ url bool }

var errEncodingType = s3err.APIError{Code: "InvalidArgument", Description: "Invalid Encoding Method specified in Request",
	HTTPStatusCode: http.StatusBadRequest}

// requestedEncoding reads encoding-type of the request.
func requestedEncoding(ctx context.Context) (encoding, error) {
	request, ok := ctx.(*fasthttp.RequestCtx)
	if !ok || !request.QueryArgs().Has("encoding-type") {
		return encoding{}, nil
	}
	if value := string(request.QueryArgs().Peek("encoding-type")); value != string(types.EncodingTypeUrl) {
		return encoding{}, errEncodingType
	}
	return encoding{url: true}, nil
}

// kind is what the listing says of its encoding.
func (e encoding) kind() types.EncodingType {
	if e.url {
		return types.EncodingTypeUrl
	}
	return ""
}

// key writes one key or prefix as S3 does: a form's encoding that leaves "/".
func (e encoding) key(s string) string {
	if !e.url {
		return s
	}
	return strings.ReplaceAll(url.QueryEscape(s), "%2F", "/")
}

func (e encoding) pointer(s *string) *string {
	if s == nil || !e.url {
		return s
	}
	encoded := e.key(*s)
	return &encoded
}

func (e encoding) prefixes(list []types.CommonPrefix) {
	for i := range list {
		list[i].Prefix = e.pointer(list[i].Prefix)
	}
}

func (e encoding) objects(list []s3response.Object) {
	for i := range list {
		list[i].Key = e.pointer(list[i].Key)
	}
}

// withClass reads listed objects with their storage class.
func (n *notifying) withClass(bucket string, owner bool) backend.GetObjFunc {
	read := n.FileToObj(bucket, owner)
	return func(path string, entry fs.DirEntry) (s3response.Object, error) {
		object, err := read(path, entry)
		if err == nil {
			object.StorageClass = types.ObjectStorageClass(n.classAt(bucket, path))
		}
		return object, err
	}
}

// ListObjects lists keys, version 1 of the API.
func (n *notifying) ListObjects(ctx context.Context, in *sdk.ListObjectsInput) (s3response.ListObjectsResult, error) {
	e, err := requestedEncoding(ctx)
	if err != nil {
		return s3response.ListObjectsResult{}, err
	}
	out, err := n.ListObjectsParametrized(ctx, in, n.withClass)
	if err != nil {
		return out, err
	}
	out.EncodingType = e.kind()
	for _, s := range []**string{&out.Prefix, &out.Marker, &out.NextMarker, &out.Delimiter} {
		*s = e.pointer(*s)
	}
	e.objects(out.Contents)
	e.prefixes(out.CommonPrefixes)
	return out, nil
}

var errContinuationToken = s3err.APIError{Code: "InvalidArgument", Description: "The continuation token provided is incorrect",
	HTTPStatusCode: http.StatusBadRequest}

// ListObjectsV2 lists keys. Its continuation tokens are the store's, which are
// keys, made opaque so that any key can go through XML.
func (n *notifying) ListObjectsV2(ctx context.Context, in *sdk.ListObjectsV2Input) (s3response.ListObjectsV2Result, error) {
	e, err := requestedEncoding(ctx)
	if err != nil {
		return s3response.ListObjectsV2Result{}, err
	}
	token := text(in.ContinuationToken)
	key, err := base64.RawURLEncoding.DecodeString(token)
	if err != nil {
		return s3response.ListObjectsV2Result{}, errContinuationToken
	}
	asked, marker := *in, string(key)
	asked.ContinuationToken = &marker
	out, err := n.ListObjectsV2Parametrized(ctx, &asked, n.withClass)
	if err != nil {
		return out, err
	}
	out.EncodingType, out.ContinuationToken = e.kind(), backend.GetPtrFromString(token)
	if next := text(out.NextContinuationToken); next != "" {
		opaque := base64.RawURLEncoding.EncodeToString([]byte(next))
		out.NextContinuationToken = &opaque
	}
	for _, s := range []**string{&out.Prefix, &out.StartAfter, &out.Delimiter} {
		*s = e.pointer(*s)
	}
	e.objects(out.Contents)
	e.prefixes(out.CommonPrefixes)
	return out, nil
}

// encodeVersions writes a listing of versions with classes and in the encoding.
func (n *notifying) encodeVersions(e encoding, bucket string, out *s3response.ListVersionsResult) {
	out.EncodingType = e.kind()
	for i := range out.Versions {
		v := &out.Versions[i]
		path, folder := text(v.Key), bucket
		if v.IsLatest == nil || !*v.IsLatest {
			path, folder = versionPath(text(v.Key), text(v.VersionId)), filepath.Join(n.versions, bucket)
		}
		v.StorageClass = types.ObjectVersionStorageClass(n.classAt(folder, path))
		v.Key = e.pointer(v.Key)
	}
	for i := range out.DeleteMarkers {
		out.DeleteMarkers[i].Key = e.pointer(out.DeleteMarkers[i].Key)
	}
	for _, s := range []**string{&out.Prefix, &out.KeyMarker, &out.NextKeyMarker, &out.Delimiter} {
		*s = e.pointer(*s)
	}
	e.prefixes(out.CommonPrefixes)
}

// ListMultipartUploads lists the uploads that are under way.
func (n *notifying) ListMultipartUploads(ctx context.Context, in *sdk.ListMultipartUploadsInput) (s3response.ListMultipartUploadsResult, error) {
	e, err := requestedEncoding(ctx)
	if err != nil {
		return s3response.ListMultipartUploadsResult{}, err
	}
	out, err := n.Posix.ListMultipartUploads(ctx, in)
	if err != nil {
		return out, err
	}
	out.EncodingType = string(e.kind())
	for i := range out.Uploads {
		upload := &out.Uploads[i]
		upload.StorageClass = n.classAt(out.Bucket, uploadPath(upload.Key, upload.UploadID))
		upload.Key = e.key(upload.Key)
	}
	for i := range out.CommonPrefixes {
		out.CommonPrefixes[i].Prefix = e.key(out.CommonPrefixes[i].Prefix)
	}
	out.Prefix, out.Delimiter = e.key(out.Prefix), e.key(out.Delimiter)
	out.KeyMarker, out.NextKeyMarker = e.key(out.KeyMarker), e.key(out.NextKeyMarker)
	return out, nil
}
