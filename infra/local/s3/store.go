package s3

import (
	"context"
	"errors"
	"net/http"
	"strings"

	sdk "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/versity/versitygw/s3err"
	"github.com/versity/versitygw/s3response"
)

// PutObject writes an object and announces it.
func (n *notifying) PutObject(ctx context.Context, in s3response.PutObjectInput) (s3response.PutObjectOutput, error) {
	return n.write(ctx, in, reasonPut)
}

// write writes an object in the storage class of the request and announces it.
func (n *notifying) write(ctx context.Context, in s3response.PutObjectInput, reason string) (s3response.PutObjectOutput, error) {
	metadata, err := stamped(in.Metadata, requestedClass(ctx))
	if err != nil {
		return s3response.PutObjectOutput{}, err
	}
	in.Metadata = metadata
	if err := n.retainByDefault(ctx, &in); err != nil {
		return s3response.PutObjectOutput{}, err
	}
	i := intent{Bucket: text(in.Bucket), Key: text(in.Key), Reason: reason}
	id, err := n.begin(i)
	if err != nil {
		return s3response.PutObjectOutput{}, err
	}
	done := n.keys.hold(i.Bucket, i.Key, in.IfMatch != nil || in.IfNoneMatch != nil)
	out := s3response.PutObjectOutput{}
	if in.IfNoneMatch, err = n.precondition(ctx, i, in.IfMatch, in.IfNoneMatch); err == nil {
		out, err = n.Posix.PutObject(ctx, in)
	}
	done()
	c := change{Key: i.Key, VersionID: out.VersionID, ETag: out.ETag}
	if out.Size != nil {
		c.Size = *out.Size
	}
	n.end(ctx, id, i, []change{c}, err)
	return out, err
}

// precondition puts right what the store does where the latest version is a
// delete marker: there is no object then, so If-Match fails and If-None-Match
// "*" holds. It gives the If-None-Match that is left for the store to judge. The
// caller holds the key alone.
func (n *notifying) precondition(ctx context.Context, i intent, ifMatch, ifNoneMatch *string) (*string, error) {
	if ifMatch == nil && text(ifNoneMatch) != "*" {
		return ifNoneMatch, nil
	}
	_, err := n.Posix.HeadObject(ctx, &sdk.HeadObjectInput{Bucket: &i.Bucket, Key: &i.Key})
	apiError, ok := errors.AsType[s3err.S3Error](err)
	switch {
	case !ok || apiError.StatusCode() != http.StatusNotFound:
		return ifNoneMatch, nil // there is an object, or a fault that is the store's to report
	case ifMatch != nil:
		return nil, s3err.GetAPIError(s3err.ErrNoSuchKey)
	}
	return nil, nil
}

// CompleteMultipartUpload makes an object of its parts and announces it.
func (n *notifying) CompleteMultipartUpload(ctx context.Context, in *sdk.CompleteMultipartUploadInput) (s3response.CompleteMultipartUploadResult, string, error) {
	i := intent{Bucket: text(in.Bucket), Key: text(in.Key), Reason: reasonMultipart}
	id, err := n.begin(i)
	if err != nil {
		return s3response.CompleteMultipartUploadResult{}, "", err
	}
	done := n.keys.hold(i.Bucket, i.Key, in.IfMatch != nil || in.IfNoneMatch != nil)
	out, version := s3response.CompleteMultipartUploadResult{}, ""
	if in.IfNoneMatch, err = n.precondition(ctx, i, in.IfMatch, in.IfNoneMatch); err == nil {
		out, version, err = n.Posix.CompleteMultipartUpload(ctx, in)
	}
	if err == nil {
		err = n.retainUpload(ctx, i.Bucket, i.Key)
	}
	done()
	var written []change
	if err == nil && id != "" {
		written = n.look(ctx, i, version)
	}
	n.end(ctx, id, i, written, err)
	return out, version, err
}

// look reads back size and ETag of an object that was just written.
func (n *notifying) look(ctx context.Context, i intent, version string) []change {
	in := &sdk.HeadObjectInput{Bucket: &i.Bucket, Key: &i.Key}
	if version != "" {
		in.VersionId = &version
	}
	head, err := n.Posix.HeadObject(ctx, in)
	if err != nil { // gone again already: announce it without its size
		n.o.Log.Warn("an object was gone before it was announced", "bucket", i.Bucket, "key", i.Key, "error", err)
		return []change{{Key: i.Key, VersionID: version}}
	}
	c := change{Key: i.Key, VersionID: version, ETag: text(head.ETag)}
	if head.ContentLength != nil {
		c.Size = *head.ContentLength
	}
	return []change{c}
}

// DeleteObject deletes an object, or puts a delete marker, and announces it.
func (n *notifying) DeleteObject(ctx context.Context, in *sdk.DeleteObjectInput) (*sdk.DeleteObjectOutput, error) {
	i := intent{Bucket: text(in.Bucket), Key: text(in.Key), VersionID: text(in.VersionId), Reason: reasonDelete}
	id, err := n.begin(i)
	if err != nil {
		return nil, err
	}
	done := n.keys.hold(i.Bucket, i.Key, true)
	out := &sdk.DeleteObjectOutput{}
	if err = n.mayDelete(ctx, i); err == nil {
		out, err = n.Posix.DeleteObject(ctx, in)
	}
	done()
	var written []change
	if err == nil {
		marker := out.DeleteMarker != nil && *out.DeleteMarker
		written = append(written, deletion(i.Key, i.VersionID, text(out.VersionId), marker))
	}
	n.end(ctx, id, i, written, err)
	return out, err
}

func deletion(key, asked, version string, marker bool) change {
	if marker && asked == "" {
		return change{Key: key, VersionID: version, Deleted: markerCreated}
	}
	return change{Key: key, VersionID: asked, Deleted: permanentlyDeleted}
}

// DeleteObjects deletes many objects, each as DeleteObject does.
func (n *notifying) DeleteObjects(ctx context.Context, in *sdk.DeleteObjectsInput) (s3response.DeleteResult, error) {
	out := s3response.DeleteResult{Deleted: []types.DeletedObject{}, Error: []types.Error{}}
	for _, object := range in.Delete.Objects {
		deleted, err := n.DeleteObject(ctx, &sdk.DeleteObjectInput{Bucket: in.Bucket, Key: object.Key, VersionId: object.VersionId, IfMatch: object.ETag})
		if err != nil {
			out.Error = append(out.Error, s3err.ObjectDeleteError(object.Key, object.VersionId, err))
			continue
		}
		entry := types.DeletedObject{Key: object.Key, VersionId: object.VersionId, DeleteMarker: deleted.DeleteMarker}
		if deleted.DeleteMarker != nil && *deleted.DeleteMarker {
			entry.DeleteMarkerVersionId = deleted.VersionId
		}
		out.Deleted = append(out.Deleted, entry)
	}
	return out, nil
}

func text(s *string) string {
	if s == nil {
		return ""
	}
	// The server reuses its requests' buffers, so what outlives a request is copied.
	return strings.Clone(*s)
}
