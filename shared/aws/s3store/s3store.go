// Package s3store reads and writes S3 objects by bucket, key and version.
//
// Errors are faults: a missing object or version is NotFound, a lost
// conditional write is Conflict, a refused request is Denied, and throttles,
// server errors and network failures are Unavailable, after the retries that
// are safe. Objects are held in memory whole, except through ReaderAt; nothing
// here uses multipart uploads, so a Put is at most 5 GiB.
package s3store

import (
	"context"
	"encoding/json"
	"io"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/sluice-ml/sluice/shared/contract"
	"github.com/sluice-ml/sluice/shared/fault"
)

// Client is what a Store needs of the S3 SDK.
type Client interface {
	GetObject(context.Context, *s3.GetObjectInput, ...func(*s3.Options)) (*s3.GetObjectOutput, error)
	HeadObject(context.Context, *s3.HeadObjectInput, ...func(*s3.Options)) (*s3.HeadObjectOutput, error)
	PutObject(context.Context, *s3.PutObjectInput, ...func(*s3.Options)) (*s3.PutObjectOutput, error)
	DeleteObject(context.Context, *s3.DeleteObjectInput, ...func(*s3.Options)) (*s3.DeleteObjectOutput, error)
	DeleteObjects(context.Context, *s3.DeleteObjectsInput, ...func(*s3.Options)) (*s3.DeleteObjectsOutput, error)
	ListObjectsV2(context.Context, *s3.ListObjectsV2Input, ...func(*s3.Options)) (*s3.ListObjectsV2Output, error)
	ListObjectVersions(context.Context, *s3.ListObjectVersionsInput, ...func(*s3.Options)) (*s3.ListObjectVersionsOutput, error)
}

// Store is safe for concurrent use.
type Store struct{ client Client }

// New makes a store over a client.
func New(client Client) *Store { return &Store{client: client} }

// FromEnvironment uses the SDK's default chain for credentials, region and
// endpoint. An endpoint of its own (AWS_ENDPOINT_URL) is asked in path style:
// it need not answer to bucket subdomains.
func FromEnvironment(ctx context.Context) (*Store, error) {
	client, err := ClientFromEnvironment(ctx)
	if err != nil {
		return nil, err
	}
	return New(client), nil
}

// ClientFromEnvironment is the SDK's client that FromEnvironment uses.
func ClientFromEnvironment(ctx context.Context) (*s3.Client, error) {
	cfg, err := config.LoadDefaultConfig(ctx)
	if err != nil {
		return nil, fault.New(fault.Invalid, "read the AWS configuration", "%w", err)
	}
	return s3.NewFromConfig(cfg, func(o *s3.Options) { o.UsePathStyle = o.BaseEndpoint != nil }), nil
}

// ObjectInfo says what an object is. VersionID is "" in a bucket that was never
// versioned and "null" for a version from before versioning was on. ETag has no
// quotes.
type ObjectInfo struct {
	Key          string
	VersionID    string
	ETag         string
	Size         int64 // bytes
	Metadata     map[string]string
	LastModified time.Time
	Checksum     Checksum
}

// Checksum is what S3 knows of an object's content: base64, and "FULL_OBJECT"
// or "COMPOSITE". Its zero value means that S3 told none.
type Checksum struct {
	Algorithm string // e.g. "CRC64NVME", "SHA256"
	Type      string
	Value     string
}

// Get reads a whole object; the latest version when versionID is "".
func (s *Store) Get(ctx context.Context, bucket, key, versionID string) ([]byte, ObjectInfo, error) {
	out, err := s.client.GetObject(ctx, &s3.GetObjectInput{Bucket: &bucket, Key: &key, VersionId: optional(versionID)})
	if err != nil {
		return nil, ObjectInfo{}, classify("read "+VersionURI(bucket, key, versionID), err)
	}
	defer out.Body.Close()
	body, err := io.ReadAll(out.Body)
	if err != nil {
		return nil, ObjectInfo{}, fault.New(fault.Unavailable, "read "+VersionURI(bucket, key, versionID), "%w", err)
	}
	return body, ObjectInfo{Key: key, VersionID: aws.ToString(out.VersionId), ETag: unquote(out.ETag),
		Size: int64(len(body)), Metadata: out.Metadata, LastModified: aws.ToTime(out.LastModified)}, nil
}

// GetURI reads the object that an S3 URI names, with ?versionId= when it has
// one.
func (s *Store) GetURI(ctx context.Context, uri string) ([]byte, ObjectInfo, error) {
	bucket, key, version, err := ParseURI(uri)
	if err != nil {
		return nil, ObjectInfo{}, err
	}
	return s.Get(ctx, bucket, key, version)
}

// GetJSON decodes the JSON object at an S3 URI; Invalid when it is not JSON of
// that shape. Unknown members are ignored.
func (s *Store) GetJSON(ctx context.Context, uri string, into any) error {
	body, _, err := s.GetURI(ctx, uri)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(body, into); err != nil {
		return fault.New(fault.Invalid, "read "+uri, "%w", err)
	}
	return nil
}

// Head describes an object; the latest version when versionID is "".
func (s *Store) Head(ctx context.Context, bucket, key, versionID string) (ObjectInfo, error) {
	out, err := s.client.HeadObject(ctx, &s3.HeadObjectInput{Bucket: &bucket, Key: &key,
		VersionId: optional(versionID), ChecksumMode: types.ChecksumModeEnabled})
	if err != nil {
		return ObjectInfo{}, classify("look at "+VersionURI(bucket, key, versionID), err)
	}
	return ObjectInfo{Key: key, VersionID: aws.ToString(out.VersionId), ETag: unquote(out.ETag),
		Size: aws.ToInt64(out.ContentLength), Metadata: out.Metadata, LastModified: aws.ToTime(out.LastModified),
		Checksum: checksumOf(out)}, nil
}

func checksumOf(out *s3.HeadObjectOutput) Checksum {
	return firstChecksum(string(out.ChecksumType), out.ChecksumCRC64NVME, out.ChecksumSHA256, out.ChecksumSHA1, out.ChecksumCRC32C, out.ChecksumCRC32)
}

// firstChecksum prefers the checksum over the whole object that S3 computes by
// default.
func firstChecksum(kind string, crc64nvme, sha256, sha1, crc32c, crc32 *string) Checksum {
	known := []struct {
		algorithm types.ChecksumAlgorithm
		value     *string
	}{
		{types.ChecksumAlgorithmCrc64nvme, crc64nvme},
		{types.ChecksumAlgorithmSha256, sha256},
		{types.ChecksumAlgorithmSha1, sha1},
		{types.ChecksumAlgorithmCrc32c, crc32c},
		{types.ChecksumAlgorithmCrc32, crc32},
	}
	for _, k := range known {
		if k.value != nil {
			return Checksum{string(k.algorithm), kind, *k.value}
		}
	}
	return Checksum{}
}

// Delete removes one version for good, or, with versionID "", puts a delete
// marker on top. What is already gone is not an error.
func (s *Store) Delete(ctx context.Context, bucket, key, versionID string) error {
	_, err := s.client.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: &bucket, Key: &key, VersionId: optional(versionID)})
	err = classify("delete "+VersionURI(bucket, key, versionID), err)
	if fault.Is(err, fault.NotFound) && !isNoBucket(err) {
		return nil
	}
	return err
}

const versionMark = "?versionId="

// VersionURI is the S3 URI of one version of a key; of the latest when
// versionID is "".
func VersionURI(bucket, key, versionID string) string {
	uri := contract.URI(bucket, key)
	if versionID != "" {
		uri += versionMark + versionID
	}
	return uri
}

// ParseURI undoes VersionURI. Invalid names the URI.
func ParseURI(uri string) (bucket, key, versionID string, err error) {
	bucket, key, err = contract.ParseURI(uri)
	if err == nil && key == "" {
		err = fault.New(fault.Invalid, "S3 URI "+uri, "it has no key")
	}
	if err != nil {
		return "", "", "", fault.Wrap(fault.Invalid, "read an S3 URI", err)
	}
	if at := strings.LastIndex(key, versionMark); at >= 0 {
		key, versionID = key[:at], key[at+len(versionMark):]
	}
	return bucket, key, versionID, nil
}

func optional(text string) *string {
	if text == "" {
		return nil
	}
	return &text
}

func unquote(etag *string) string { return strings.Trim(aws.ToString(etag), `"`) }
