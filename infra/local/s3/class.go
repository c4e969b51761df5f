package s3

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"time"

	sdk "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/valyala/fasthttp"
	"github.com/versity/versitygw/backend"
	"github.com/versity/versitygw/backend/posix"
	"github.com/versity/versitygw/s3err"
	"github.com/versity/versitygw/s3response"
)

// classKey is the entry of an object's user metadata that holds its storage
// class where it is not STANDARD. User metadata is the one thing that the store
// keeps together with the object's bytes through versions, copies and multipart
// uploads; a header cannot carry this name, so no client can see or set it.
const classKey = "storage class"

// metadataAttribute is where the store keeps an object's user metadata, as JSON.
const metadataAttribute = "metadata"

// classes are the storage classes of general purpose buckets.
var classes = []types.StorageClass{types.StorageClassStandard, types.StorageClassReducedRedundancy, types.StorageClassStandardIa,
	types.StorageClassOnezoneIa, types.StorageClassIntelligentTiering, types.StorageClassGlacier,
	types.StorageClassDeepArchive, types.StorageClassGlacierIr}

var errStorageClass = s3err.APIError{Code: "InvalidStorageClass", Description: "The storage class you specified is not valid",
	HTTPStatusCode: http.StatusBadRequest}

// requestHeader gives a header of the request that the gateway works on, or the
// query parameter that presigned URLs carry in its place.
func requestHeader(ctx context.Context, name string) string {
	request, ok := ctx.(*fasthttp.RequestCtx)
	if !ok {
		return ""
	}
	if value := request.Request.Header.Peek(name); len(value) > 0 {
		return string(value)
	}
	return string(request.QueryArgs().Peek(strings.ToLower(name)))
}

// stamped gives the metadata with the storage class that the request asks for.
func stamped(metadata map[string]string, class types.StorageClass) (map[string]string, error) {
	if class == "" || class == types.StorageClassStandard {
		return metadata, nil
	}
	if !slices.Contains(classes, class) {
		return nil, errStorageClass
	}
	out := map[string]string{classKey: string(class)}
	for name, value := range metadata {
		out[name] = value
	}
	return out, nil
}

// requestedClass is the x-amz-storage-class of the request.
func requestedClass(ctx context.Context) types.StorageClass {
	return types.StorageClass(requestHeader(ctx, "X-Amz-Storage-Class"))
}

// takeClass removes the class from the metadata and gives it as the headers of
// an object do: "" for STANDARD.
func takeClass(metadata map[string]string) types.StorageClass {
	class := types.StorageClass(metadata[classKey])
	delete(metadata, classKey)
	return class
}

// archived objects have to be restored before they can be read.
func archived(class types.StorageClass) bool {
	return class == types.StorageClassGlacier || class == types.StorageClassDeepArchive
}

// classAt reads the class of the object, version or upload that lies at a path
// of the store: STANDARD where it has none.
func (n *notifying) classAt(bucket, path string) types.StorageClass {
	raw, err := n.attributes.RetrieveAttribute(nil, bucket, path, metadataAttribute)
	if err != nil {
		return types.StorageClassStandard
	}
	var metadata map[string]string
	if json.Unmarshal(raw, &metadata) != nil || metadata[classKey] == "" {
		return types.StorageClassStandard
	}
	return types.StorageClass(metadata[classKey])
}

// versionPath is where the store keeps a version that is not the latest, below
// the folder of versions.
func versionPath(key, version string) string {
	sum := fmt.Sprintf("%x", sha256.Sum256([]byte(key)))
	return filepath.Join(sum[:2], sum[2:4], sum[4:6], sum, version)
}

// uploadPath is where the store keeps a multipart upload, below the bucket.
func uploadPath(key, upload string) string {
	return filepath.Join(posix.MetaTmpMultipartDir, fmt.Sprintf("%x", sha256.Sum256([]byte(key))), upload)
}

// HeadObject tells about an object, with its storage class.
func (n *notifying) HeadObject(ctx context.Context, in *sdk.HeadObjectInput) (*sdk.HeadObjectOutput, error) {
	asked := *in
	asked.IfModifiedSince, asked.IfUnmodifiedSince = wholeSeconds(in.IfModifiedSince, in.IfUnmodifiedSince)
	null := text(in.VersionId) == nullVersion && n.latestIsNull(text(in.Bucket), text(in.Key))
	if null {
		asked.VersionId = nil // the store looks for the null version among the old ones only
	}
	out, err := n.Posix.HeadObject(ctx, &asked)
	if out == nil || err != nil {
		return out, err
	}
	if null {
		out.VersionId = in.VersionId
	}
	out.StorageClass = takeClass(out.Metadata)
	lock := n.objectLock(ctx, text(in.Bucket), text(in.Key), text(in.VersionId))
	out.ObjectLockMode, out.ObjectLockRetainUntilDate, out.ObjectLockLegalHoldStatus = lock.mode, lock.until, lock.hold
	return out, nil
}

// latestIsNull tells whether the key's latest version has no id.
func (n *notifying) latestIsNull(bucket, key string) bool {
	_, err := n.attributes.RetrieveAttribute(nil, bucket, key, "etag")
	if err != nil {
		return false
	}
	id, err := n.attributes.RetrieveAttribute(nil, bucket, key, "version-id")
	return err != nil || string(id) == nullVersion
}

// RestoreObject is refused: nothing here is archived in truth.
func (n *notifying) RestoreObject(context.Context, *sdk.RestoreObjectInput) error {
	return s3err.APIError{Code: "NotImplemented", HTTPStatusCode: http.StatusNotImplemented,
		Description: "the local stack does not implement RestoreObject: put the object again, in a storage class that can be read"}
}

// GetObject reads an object. One in an archive class would have to be restored
// first, which the local stack does not do.
func (n *notifying) GetObject(ctx context.Context, in *sdk.GetObjectInput) (*sdk.GetObjectOutput, error) {
	asked := *in
	asked.IfModifiedSince, asked.IfUnmodifiedSince = wholeSeconds(in.IfModifiedSince, in.IfUnmodifiedSince)
	out, err := n.Posix.GetObject(ctx, &asked)
	if out == nil || err != nil {
		return out, err
	}
	out.StorageClass = takeClass(out.Metadata)
	if archived(out.StorageClass) {
		if out.Body != nil {
			_ = out.Body.Close()
		}
		return nil, s3err.GetAPIError(s3err.ErrInvalidObjectState)
	}
	lock := n.objectLock(ctx, text(in.Bucket), text(in.Key), text(in.VersionId))
	out.ObjectLockMode, out.ObjectLockRetainUntilDate, out.ObjectLockLegalHoldStatus = lock.mode, lock.until, lock.hold
	return out, nil
}

// wholeSeconds moves the bounds of date conditions, which have whole seconds, so
// that the store's comparison with a file's nanoseconds gives what a comparison
// with the Last-Modified header would.
func wholeSeconds(modifiedSince, unmodifiedSince *time.Time) (*time.Time, *time.Time) {
	if modifiedSince != nil {
		t := modifiedSince.Add(time.Second - time.Nanosecond)
		modifiedSince = &t
	}
	if unmodifiedSince != nil {
		t := unmodifiedSince.Add(time.Second)
		unmodifiedSince = &t
	}
	return modifiedSince, unmodifiedSince
}

// GetObjectAttributes tells about an object in XML.
func (n *notifying) GetObjectAttributes(ctx context.Context, in *sdk.GetObjectAttributesInput) (s3response.GetObjectAttributesResponse, error) {
	out, err := n.Posix.GetObjectAttributes(ctx, in)
	if err != nil {
		return out, err
	}
	out.StorageClass = types.StorageClassStandard
	version := text(in.VersionId)
	if version == "" {
		version = text(out.VersionId)
	}
	if class := n.classOf(text(in.Bucket), text(in.Key), version); class != "" {
		out.StorageClass = class
	}
	return out, nil
}

// classOf reads the class of one version of an object; "" is the latest.
func (n *notifying) classOf(bucket, key, version string) types.StorageClass {
	latest, err := n.attributes.RetrieveAttribute(nil, bucket, key, "version-id")
	if version == "" || (err == nil && string(latest) == version) || (err != nil && version == nullVersion && n.latestIsNull(bucket, key)) {
		return n.classAt(bucket, key)
	}
	return n.classAt(filepath.Join(n.versions, bucket), versionPath(key, version))
}

// CreateMultipartUpload begins an upload; the class goes with its metadata.
func (n *notifying) CreateMultipartUpload(ctx context.Context, in s3response.CreateMultipartUploadInput) (s3response.InitiateMultipartUploadResult, error) {
	metadata, err := stamped(in.Metadata, requestedClass(ctx))
	if err != nil {
		return s3response.InitiateMultipartUploadResult{}, err
	}
	in.Metadata = metadata
	return n.Posix.CreateMultipartUpload(ctx, in)
}

// ListParts lists the parts of an upload.
func (n *notifying) ListParts(ctx context.Context, in *sdk.ListPartsInput) (s3response.ListPartsResult, error) {
	out, err := n.Posix.ListParts(ctx, in)
	if err != nil {
		return out, err
	}
	out.StorageClass = n.classAt(text(in.Bucket), uploadPath(text(in.Key), text(in.UploadId)))
	if out.ChecksumAlgorithm == "null" { // the store's word for none, which S3 does not know
		out.ChecksumAlgorithm, out.ChecksumType = "", ""
	}
	return out, nil
}

var _ backend.Backend = (*notifying)(nil)
