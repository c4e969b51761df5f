package s3

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"time"

	sdk "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/versity/versitygw/backend"
	"github.com/versity/versitygw/s3err"
	"github.com/versity/versitygw/s3response"
)

// copySource is the object that a copy reads.
type copySource struct{ bucket, key, version string }

var errNotInActiveTier = s3err.APIError{Code: "ObjectNotInActiveTierError", HTTPStatusCode: http.StatusForbidden,
	Description: "The source object of the COPY action is not in the active tier and is only stored in Amazon S3 Glacier."}

// CopyObject copies an object and announces the copy. A copy is a read and a
// write of its own: the store's copies of an object onto itself change the old
// version in place, keep no storage class and know no conditions on what is
// overwritten.
func (n *notifying) CopyObject(ctx context.Context, in s3response.CopyObjectInput) (s3response.CopyObjectOutput, error) {
	bucket, key, version, err := backend.ParseCopySource(text(in.CopySource))
	if err != nil {
		return s3response.CopyObjectOutput{}, err
	}
	from := copySource{bucket, key, version}
	source, err := n.openSource(ctx, from, in)
	if err != nil {
		return s3response.CopyObjectOutput{}, err
	}
	defer source.Body.Close()
	put, err := n.copied(ctx, from, source, in)
	if err != nil {
		return s3response.CopyObjectOutput{}, err
	}
	written, err := n.write(ctx, put, reasonCopy)
	if err != nil {
		return s3response.CopyObjectOutput{}, err
	}
	head, err := n.Posix.HeadObject(ctx, &sdk.HeadObjectInput{Bucket: in.Bucket, Key: in.Key, VersionId: orNil(written.VersionID)})
	if err != nil {
		return s3response.CopyObjectOutput{}, err
	}
	return s3response.CopyObjectOutput{VersionId: orNil(written.VersionID), CopySourceVersionId: source.VersionId,
		CopyObjectResult: &s3response.CopyObjectResult{ETag: &written.ETag, LastModified: head.LastModified,
			ChecksumCRC32: written.ChecksumCRC32, ChecksumCRC32C: written.ChecksumCRC32C, ChecksumSHA1: written.ChecksumSHA1,
			ChecksumSHA256: written.ChecksumSHA256, ChecksumCRC64NVME: written.ChecksumCRC64NVME, ChecksumType: written.ChecksumType,
			ChecksumSHA512: written.ChecksumSHA512, ChecksumMD5: written.ChecksumMD5, ChecksumXXHASH64: written.ChecksumXXHASH64,
			ChecksumXXHASH3: written.ChecksumXXHASH3, ChecksumXXHASH128: written.ChecksumXXHASH128}}, nil
}

func orNil(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

// openSource opens what is copied, judges the conditions on it, and refuses what
// S3 refuses to copy.
func (n *notifying) openSource(ctx context.Context, from copySource, in s3response.CopyObjectInput) (*sdk.GetObjectOutput, error) {
	if owner := text(in.ExpectedSourceBucketOwner); owner != "" && owner != n.o.Account {
		return nil, s3err.GetAPIError(s3err.ErrAccessDenied)
	}
	whole := ""
	source, err := n.Posix.GetObject(ctx, &sdk.GetObjectInput{Bucket: &from.bucket, Key: &from.key, VersionId: orNil(from.version),
		Range: &whole, ChecksumMode: types.ChecksumModeEnabled})
	if err != nil {
		return nil, err
	}
	source.StorageClass = takeClass(source.Metadata)
	err = sourceConditions(text(source.ETag), *source.LastModified, in)
	switch {
	case err != nil:
	case archived(source.StorageClass):
		err = errNotInActiveTier
	case *source.ContentLength > maxCopy:
		err = s3err.GetCopySourceObjectTooLargeErr(maxCopy)
	case from.bucket == text(in.Bucket) && from.key == text(in.Key) && from.version == "" && !n.changes(ctx, source, in):
		err = s3err.GetAPIError(s3err.ErrInvalidCopyDest)
	}
	if err != nil {
		_ = source.Body.Close()
		return nil, err
	}
	return source, nil
}

// changes tells whether a copy of an object onto itself is anything but the same
// object again.
func (n *notifying) changes(ctx context.Context, source *sdk.GetObjectOutput, in s3response.CopyObjectInput) bool {
	class := requestedClass(ctx)
	return in.MetadataDirective == types.MetadataDirectiveReplace || text(in.WebsiteRedirectLocation) != "" ||
		(class != "" && class != source.StorageClass && (class != types.StorageClassStandard || source.StorageClass != "")) ||
		requestHeader(ctx, "X-Amz-Server-Side-Encryption") != ""
}

// sourceConditions judges x-amz-copy-source-if-*. Where two of them are given,
// the entity tag decides, as S3 documents; every failure is a 412.
func sourceConditions(etag string, modified time.Time, in s3response.CopyObjectInput) error {
	etag, modified = bareETag(etag), modified.Truncate(time.Second)
	match := func(condition string) bool { return condition == "*" || bareETag(condition) == etag }
	switch {
	case in.CopySourceIfMatch != nil && !match(*in.CopySourceIfMatch):
		return s3err.GetPreconditionFailedErr("x-amz-copy-source-If-Match")
	case in.CopySourceIfMatch == nil && in.CopySourceIfUnmodifiedSince != nil && modified.After(*in.CopySourceIfUnmodifiedSince):
		return s3err.GetPreconditionFailedErr("x-amz-copy-source-If-Unmodified-Since")
	case in.CopySourceIfNoneMatch != nil && match(*in.CopySourceIfNoneMatch):
		return s3err.GetPreconditionFailedErr("x-amz-copy-source-If-None-Match")
	case in.CopySourceIfNoneMatch == nil && in.CopySourceIfModifiedSince != nil && !modified.After(*in.CopySourceIfModifiedSince):
		return s3err.GetPreconditionFailedErr("x-amz-copy-source-If-Modified-Since")
	}
	return nil
}

// copied gives the write that a copy is.
func (n *notifying) copied(ctx context.Context, from copySource, source *sdk.GetObjectOutput, in s3response.CopyObjectInput) (s3response.PutObjectInput, error) {
	put := s3response.PutObjectInput{Bucket: in.Bucket, Key: in.Key, Body: source.Body, ContentLength: source.ContentLength,
		ContentType: in.ContentType, ContentEncoding: in.ContentEncoding, ContentDisposition: in.ContentDisposition,
		ContentLanguage: in.ContentLanguage, CacheControl: in.CacheControl, Expires: in.Expires, Metadata: in.Metadata,
		WebsiteRedirectLocation: in.WebsiteRedirectLocation, ChecksumAlgorithm: in.ChecksumAlgorithm, Tagging: in.Tagging,
		ObjectLockMode: in.ObjectLockMode, ObjectLockRetainUntilDate: in.ObjectLockRetainUntilDate,
		ObjectLockLegalHoldStatus: in.ObjectLockLegalHoldStatus,
		IfMatch:                   orNil(bareETag(requestHeader(ctx, "If-Match"))), IfNoneMatch: orNil(bareETag(requestHeader(ctx, "If-None-Match")))}
	if in.MetadataDirective != types.MetadataDirectiveReplace {
		put.ContentType, put.ContentEncoding, put.ContentDisposition = source.ContentType, source.ContentEncoding, source.ContentDisposition
		put.ContentLanguage, put.CacheControl, put.Expires, put.Metadata = source.ContentLanguage, source.CacheControl, source.ExpiresString, source.Metadata
	}
	if put.ChecksumAlgorithm == "" {
		put.ChecksumAlgorithm = checksumOf(source)
	}
	if in.TaggingDirective != types.TaggingDirectiveReplace {
		tags, err := n.tagsOf(ctx, from)
		if err != nil {
			return put, err
		}
		put.Tagging = &tags
	}
	return put, nil
}

// tagsOf gives an object's tags as x-amz-tagging writes them.
func (n *notifying) tagsOf(ctx context.Context, from copySource) (string, error) {
	tags, err := n.Posix.GetObjectTagging(ctx, from.bucket, from.key, from.version)
	if err != nil {
		if none := s3err.GetAPIError(s3err.ErrBucketTaggingNotFound); err.Error() == none.Error() {
			return "", nil
		}
		return "", err
	}
	values := url.Values{}
	for name, value := range tags {
		values.Set(name, value)
	}
	return values.Encode(), nil
}

// checksumOf gives the algorithm of the checksum that the source keeps.
func checksumOf(source *sdk.GetObjectOutput) types.ChecksumAlgorithm {
	for algorithm, value := range map[types.ChecksumAlgorithm]*string{
		types.ChecksumAlgorithmCrc32: source.ChecksumCRC32, types.ChecksumAlgorithmCrc32c: source.ChecksumCRC32C,
		types.ChecksumAlgorithmSha1: source.ChecksumSHA1, types.ChecksumAlgorithmSha256: source.ChecksumSHA256,
		types.ChecksumAlgorithmCrc64nvme: source.ChecksumCRC64NVME,
	} {
		if value != nil {
			return algorithm
		}
	}
	return ""
}

// bareETag is an entity tag without its quotes.
func bareETag(tag string) string { return strings.Trim(tag, `"`) }
