package s3store

import (
	"errors"
	"net/http"

	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/smithy-go"

	"github.com/sluice-ml/sluice/shared/fault"
)

// errRetry marks S3's 409 ConditionalRequestConflict: nothing landed, the same
// request may be sent again.
var errRetry = errors.New("a conditional request on the same key was in progress")

// classify gives an SDK error its place, kind and next step; nil stays nil.
func classify(op string, err error) error {
	if err == nil {
		return nil
	}
	code, status := codeOf(err)
	switch {
	case code == "NoSuchBucket":
		return fault.New(fault.NotFound, op, "%w", err).
			WithHint("the bucket does not exist: check SLUICE_LAKE_BUCKET and SLUICE_STORE_BUCKET, or deploy the stack")
	case status == http.StatusNotFound:
		return fault.New(fault.NotFound, op, "there is no such object or version: %w", err)
	case status == http.StatusMethodNotAllowed:
		return fault.New(fault.NotFound, op, "that version is a delete marker: %w", err)
	case status == http.StatusPreconditionFailed:
		return fault.New(fault.Conflict, op, "somebody else wrote it first: %w", err)
	case status == http.StatusConflict:
		return fault.New(fault.Unavailable, op, "%w: %w", errRetry, err)
	case status == http.StatusForbidden:
		return fault.New(fault.Denied, op, "%w", err).
			WithHint("the role's policy must allow it; without s3:ListBucket a missing key shows as this too")
	case code == "PermanentRedirect" || code == "AuthorizationHeaderMalformed":
		return fault.New(fault.Invalid, op, "%w", err).WithHint("the bucket is in another region: check AWS_REGION")
	case status == 0, status == http.StatusRequestTimeout, status == http.StatusTooManyRequests, status >= 500,
		code == "RequestTimeout", code == "SlowDown":
		return fault.New(fault.Unavailable, op, "%w", err)
	}
	return fault.New(fault.Invalid, op, "%w", err)
}

// codeOf is S3's error code and HTTP status; 0 when no response came.
func codeOf(err error) (code string, status int) {
	if api, ok := errors.AsType[smithy.APIError](err); ok {
		code = api.ErrorCode()
	}
	if response, ok := errors.AsType[*awshttp.ResponseError](err); ok {
		status = response.HTTPStatusCode()
	}
	return code, status
}

func isNoBucket(err error) bool {
	code, _ := codeOf(err)
	return code == "NoSuchBucket"
}
