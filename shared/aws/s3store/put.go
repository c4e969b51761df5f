package s3store

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	mathrand "math/rand/v2"
	"path"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/sluice-ml/sluice/shared/contract"
	"github.com/sluice-ml/sluice/shared/fault"
)

// WriteIDKey is the metadata key under which every conditional write stamps a
// random id, so that a lost response can be told from a lost race.
const WriteIDKey = "sluice-write-id"

// putAttempts bounds the tries of one conditional write.
const putAttempts = 6

// Put writes an object whether or not there is one. A retry of a lost response
// may leave two equal versions.
func (s *Store) Put(ctx context.Context, bucket, key string, body []byte) (ObjectInfo, error) {
	out, err := s.client.PutObject(ctx, putInput(bucket, key, body))
	if err != nil {
		return ObjectInfo{}, classify("write "+contract.URI(bucket, key), err)
	}
	return putInfo(key, body, out), nil
}

// PutHashed is Put with SHA-256 as the object's checksum.
func (s *Store) PutHashed(ctx context.Context, bucket, key string, body []byte) (ObjectInfo, error) {
	in := putInput(bucket, key, body)
	in.ChecksumAlgorithm = types.ChecksumAlgorithmSha256
	out, err := s.client.PutObject(ctx, in)
	if err != nil {
		return ObjectInfo{}, classify("write "+contract.URI(bucket, key), err)
	}
	return putInfo(key, body, out), nil
}

// PutJSON writes v as indented JSON and gives the object's URI.
func (s *Store) PutJSON(ctx context.Context, bucket, key string, v any) (uri string, err error) {
	body, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return "", fault.New(fault.Internal, "encode "+contract.URI(bucket, key), "%w", err)
	}
	_, err = s.Put(ctx, bucket, key, append(body, '\n'))
	return contract.URI(bucket, key), err
}

// PutIfAbsent creates an object; Conflict when the key exists.
func (s *Store) PutIfAbsent(ctx context.Context, bucket, key string, body []byte) (ObjectInfo, error) {
	in := putInput(bucket, key, body)
	in.IfNoneMatch = aws.String("*")
	return s.putConditional(ctx, in, body)
}

// PutIfMatch replaces an object whose ETag is still etag (without quotes);
// Conflict when it is not, or when the object is gone.
func (s *Store) PutIfMatch(ctx context.Context, bucket, key string, body []byte, etag string) (ObjectInfo, error) {
	in := putInput(bucket, key, body)
	in.IfMatch = aws.String(`"` + etag + `"`)
	return s.putConditional(ctx, in, body)
}

// PutOnce creates an object whose content is a function of its key: when it
// exists with the same body, that is success too. Conflict when the bodies
// differ.
func (s *Store) PutOnce(ctx context.Context, bucket, key string, body []byte) (ObjectInfo, error) {
	info, err := s.PutIfAbsent(ctx, bucket, key, body)
	if !fault.Is(err, fault.Conflict) {
		return info, err
	}
	there, info, getErr := s.Get(ctx, bucket, key, "")
	if getErr != nil {
		return ObjectInfo{}, getErr
	}
	if !bytes.Equal(there, body) {
		return ObjectInfo{}, err
	}
	return info, nil
}

// putConditional sends one write until its fate is known. The SDK must not
// retry on its own: a second attempt after a lost response answers 412, and only
// who knows that there was a first one can tell what that means.
func (s *Store) putConditional(ctx context.Context, in *s3.PutObjectInput, body []byte) (ObjectInfo, error) {
	op := "write " + contract.URI(*in.Bucket, *in.Key)
	in.Metadata = map[string]string{WriteIDKey: rand.Text()}
	mayHaveLanded := false
	var err error
	for attempt := range putAttempts {
		in.Body = bytes.NewReader(body)
		out, sdkErr := s.client.PutObject(ctx, in, once)
		if sdkErr == nil {
			return putInfo(*in.Key, body, out), nil
		}
		err = classify(op, sdkErr)
		if lostRace(err, in) {
			return s.settle(ctx, in, err, mayHaveLanded)
		}
		if !fault.Is(err, fault.Unavailable) {
			return ObjectInfo{}, err
		}
		mayHaveLanded = mayHaveLanded || !errors.Is(err, errRetry)
		if attempt == putAttempts-1 || backoff(ctx, attempt) != nil {
			break
		}
	}
	return ObjectInfo{}, err
}

// lostRace is true for 412, and for 404 on a write that wanted to replace
// something; a missing bucket is neither.
func lostRace(err error, in *s3.PutObjectInput) bool {
	if fault.Is(err, fault.Conflict) {
		return true
	}
	return fault.Is(err, fault.NotFound) && in.IfMatch != nil && !isNoBucket(err)
}

// settle tells "I won" from "I lost" by the write id. When an earlier attempt
// may have landed and the object has moved on since, the versions above the one
// that was replaced are searched for it.
func (s *Store) settle(ctx context.Context, in *s3.PutObjectInput, lost error, mayHaveLanded bool) (ObjectInfo, error) {
	conflict := &fault.Error{Op: "write " + contract.URI(*in.Bucket, *in.Key), Kind: fault.Conflict, Err: lost}
	info, err := s.Head(ctx, *in.Bucket, *in.Key, "")
	if err == nil && info.Metadata[WriteIDKey] == in.Metadata[WriteIDKey] {
		return info, nil
	}
	if err != nil && !fault.Is(err, fault.NotFound) {
		return ObjectInfo{}, err
	}
	if !mayHaveLanded {
		return ObjectInfo{}, conflict
	}
	versions, err := s.ListVersions(ctx, *in.Bucket, *in.Key)
	if err != nil {
		return ObjectInfo{}, err
	}
	for _, v := range versions {
		if v.Key != *in.Key || v.DeleteMarker || v.VersionID == "" {
			continue
		}
		if in.IfMatch != nil && `"`+v.ETag+`"` == *in.IfMatch {
			break
		}
		info, err := s.Head(ctx, *in.Bucket, v.Key, v.VersionID)
		if err == nil && info.Metadata[WriteIDKey] == in.Metadata[WriteIDKey] {
			return info, nil
		}
	}
	return ObjectInfo{}, conflict
}

func putInput(bucket, key string, body []byte) *s3.PutObjectInput {
	return &s3.PutObjectInput{Bucket: &bucket, Key: &key, Body: bytes.NewReader(body), ContentType: contentType(key)}
}

func contentType(key string) *string {
	switch path.Ext(key) {
	case ".json":
		return aws.String("application/json")
	case ".yaml":
		return aws.String("application/yaml")
	case ".gz":
		return aws.String("application/gzip")
	}
	return nil
}

func putInfo(key string, body []byte, out *s3.PutObjectOutput) ObjectInfo {
	return ObjectInfo{Key: key, VersionID: aws.ToString(out.VersionId), ETag: unquote(out.ETag), Size: int64(len(body)),
		Checksum: firstChecksum(string(out.ChecksumType), out.ChecksumCRC64NVME, out.ChecksumSHA256, out.ChecksumSHA1, out.ChecksumCRC32C, out.ChecksumCRC32)}
}

func once(o *s3.Options) { o.Retryer = aws.NopRetryer{} }

// backoff waits a random time of up to 50 ms, doubling with each attempt to at
// most 1.6 s.
func backoff(ctx context.Context, attempt int) error {
	timer := time.NewTimer(mathrand.N(50*time.Millisecond<<min(attempt, 5)) + time.Millisecond)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
