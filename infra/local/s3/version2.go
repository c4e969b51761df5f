package s3

import (
	"crypto/hmac"
	"crypto/sha1"
	"crypto/subtle"
	"encoding/base64"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"github.com/sluice-ml/sluice/infra/local/wire"
)

// Signature Version 2 is what boto3 presigns URLs with in us-east-1 unless it is
// told signature_version='s3v4'. Such URLs are served: their signature is judged
// here, and the request goes to the gateway signed anew in Version 4. Requests
// signed with Version 2 in the header are refused, as S3's newer regions do.

// signedParameters are the query parameters that Version 2 signs.
var signedParameters = []string{"accelerate", "acl", "analytics", "cors", "delete", "inventory", "lifecycle", "location", "logging",
	"metrics", "notification", "object-lock", "partNumber", "policy", "replication", "requestPayment", "response-cache-control",
	"response-content-disposition", "response-content-encoding", "response-content-language", "response-content-type",
	"response-expires", "restore", "select", "select-type", "storageClass", "tagging", "torrent", "uploadId", "uploads",
	"versionId", "versioning", "versions", "website"}

// asVersion4 gives the request as the gateway understands it: itself, unless it
// is presigned with Version 2.
func (s *Service) asVersion4(r *http.Request) (*http.Request, *wire.Error) {
	if strings.HasPrefix(r.Header.Get("Authorization"), "AWS ") {
		return r, &wire.Error{Code: "InvalidRequest", Status: http.StatusBadRequest,
			Message: "The authorization mechanism you have provided is not supported. Please use AWS4-HMAC-SHA256. (Signature Version 2 is served in presigned URLs only; in boto3, use Config(signature_version='s3v4'))"}
	}
	query := r.URL.Query()
	if !query.Has("AWSAccessKeyId") || !query.Has("Signature") {
		return r, nil
	}
	headers := version2Headers(r.Header, query)
	if err := s.checkVersion2(r, query, headers); err != nil {
		return r, err
	}
	out := r.Clone(r.Context())
	out.Header = headers
	for name := range query {
		if lower := strings.ToLower(name); strings.HasPrefix(lower, "x-amz-") || slices.Contains([]string{"awsaccesskeyid", "signature", "expires", "content-type", "content-md5"}, lower) {
			query.Del(name)
		}
	}
	out.URL.RawQuery = strings.ReplaceAll(query.Encode(), "+", "%20")
	out.Header.Del("X-Amz-Security-Token") // the stack's own credentials have none
	out.Header.Set("X-Amz-Content-Sha256", "UNSIGNED-PAYLOAD")
	if err := s.sign(out); err != nil {
		return r, &wire.Error{Code: "InternalError", Status: http.StatusInternalServerError, Message: err.Error()}
	}
	return out, nil
}

// sign signs a request in Version 4: the host and the headers that S3 wants
// signed, and none that the way to the gateway may change.
func (s *Service) sign(r *http.Request) error {
	bare := r.Clone(r.Context())
	bare.Header, bare.ContentLength = http.Header{}, 0
	for name, values := range r.Header {
		if strings.HasPrefix(strings.ToLower(name), "x-amz-") {
			bare.Header[name] = values
		}
	}
	signer := v4.NewSigner(func(o *v4.SignerOptions) { o.DisableURIPathEscaping = true })
	err := signer.SignHTTP(r.Context(), aws.Credentials{AccessKeyID: s.o.AccessKey, SecretAccessKey: s.o.SecretKey}, bare,
		"UNSIGNED-PAYLOAD", "s3", s.o.Region, time.Now()) // the gateway compares with this machine's clock
	r.Header.Set("Authorization", bare.Header.Get("Authorization"))
	r.Header.Set("X-Amz-Date", bare.Header.Get("X-Amz-Date"))
	return err
}

// version2Headers gives the request's headers with those that Version 2 carries
// in the query.
func version2Headers(header http.Header, query url.Values) http.Header {
	out := header.Clone()
	for name, values := range query {
		if lower := strings.ToLower(name); strings.HasPrefix(lower, "x-amz-") || lower == "content-type" || lower == "content-md5" {
			out.Set(name, values[0])
		}
	}
	return out
}

func (s *Service) checkVersion2(r *http.Request, query url.Values, headers http.Header) *wire.Error {
	if query.Get("AWSAccessKeyId") != s.o.AccessKey {
		return &wire.Error{Code: "InvalidAccessKeyId", Status: http.StatusForbidden, Message: "The AWS Access Key Id you provided does not exist in our records."}
	}
	expires, err := strconv.ParseInt(query.Get("Expires"), 10, 64)
	if err != nil {
		return &wire.Error{Code: "AccessDenied", Status: http.StatusForbidden, Message: "Query-string authentication requires the Signature, Expires and AWSAccessKeyId parameters"}
	}
	if s.o.Now().Unix() > expires {
		return &wire.Error{Code: "AccessDenied", Status: http.StatusForbidden, Message: "Request has expired"}
	}
	mac := hmac.New(sha1.New, []byte(s.o.SecretKey))
	_, _ = mac.Write([]byte(version2Text(r, query, headers)))
	want := base64.StdEncoding.EncodeToString(mac.Sum(nil))
	if subtle.ConstantTimeCompare([]byte(want), []byte(query.Get("Signature"))) != 1 {
		return &wire.Error{Code: "SignatureDoesNotMatch", Status: http.StatusForbidden,
			Message: "The request signature we calculated does not match the signature you provided. Check your key and signing method."}
	}
	return nil
}

// version2Text is the text that a Version 2 signature signs, for a request in
// path style.
func version2Text(r *http.Request, query url.Values, headers http.Header) string {
	var b strings.Builder
	for _, line := range []string{r.Method, headers.Get("Content-Md5"), headers.Get("Content-Type"), query.Get("Expires")} {
		b.WriteString(line + "\n")
	}
	var names []string
	for name := range headers {
		if lower := strings.ToLower(name); strings.HasPrefix(lower, "x-amz-") {
			names = append(names, lower)
		}
	}
	slices.Sort(names)
	for _, name := range names {
		b.WriteString(name + ":" + strings.Join(headers.Values(name), ",") + "\n")
	}
	b.WriteString(r.URL.EscapedPath())
	separator := "?"
	for _, name := range signedParameters {
		if !query.Has(name) {
			continue
		}
		b.WriteString(separator + name)
		if value := query.Get(name); value != "" {
			b.WriteString("=" + value)
		}
		separator = "&"
	}
	return b.String()
}
