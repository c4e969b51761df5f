package s3

import (
	"crypto/hmac"
	"crypto/sha1"
	"encoding/base64"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// presign2 presigns as boto3 does without signature_version: text is what the
// signature signs, with % for the time of expiry.
func (r rig) presign2(path, text string, expires time.Time, more url.Values) string {
	at := strconv.FormatInt(expires.Unix(), 10)
	mac := hmac.New(sha1.New, []byte("secret"))
	mac.Write([]byte(strings.Replace(text, "%", at, 1)))
	query := url.Values{"AWSAccessKeyId": {"key"}, "Expires": {at}, "Signature": {base64.StdEncoding.EncodeToString(mac.Sum(nil))}}
	for name, values := range more {
		query[name] = values
	}
	return r.url + path + "?" + query.Encode()
}

func TestVersion2PresignedRequests(t *testing.T) {
	r, soon := newRig(t), time.Now().Add(time.Minute)
	first := r.put(t, "store", "a b", "one")
	r.put(t, "store", "a b", "two")

	status, body := r.get(t, r.presign2("/store/a%20b", "GET\n\n\n%\n/store/a%20b", soon, nil))
	require.Equal(t, []any{200, "two"}, []any{status, body})
	version := *first.VersionId
	status, body = r.get(t, r.presign2("/store/a%20b", "GET\n\n\n%\n/store/a%20b?versionId="+version, soon, url.Values{"versionId": {version}}))
	require.Equal(t, []any{200, "one"}, []any{status, body})

	put := r.presign2("/store/p", "PUT\n\ntext/csv\n%\nx-amz-storage-class:STANDARD_IA\n/store/p", soon,
		url.Values{"content-type": {"text/csv"}, "x-amz-storage-class": {"STANDARD_IA"}})
	request, err := http.NewRequest(http.MethodPut, put, strings.NewReader("hi"))
	require.NoError(t, err)
	request.Close = true // a header between hops, which is not signed
	answer, err := http.DefaultClient.Do(request)
	require.NoError(t, err)
	require.NoError(t, answer.Body.Close())
	require.Equal(t, 200, answer.StatusCode)
	status, body = r.get(t, r.presign2("/store/p", "GET\n\n\n%\n/store/p?response-content-type=text/plain", soon, url.Values{"response-content-type": {"text/plain"}}))
	require.Equal(t, []any{200, "hi"}, []any{status, body})

	status, body = r.get(t, r.presign2("/store/p", "GET\n\n\n%\n/store/other", soon, nil))
	require.Equal(t, []any{403, "SignatureDoesNotMatch"}, []any{status, errorCode(t, body)})
	status, body = r.get(t, r.presign2("/store/p", "GET\n\n\n%\n/store/p", time.Now().Add(-time.Minute), nil))
	require.Equal(t, []any{403, "AccessDenied"}, []any{status, errorCode(t, body)})
	status, body = r.get(t, r.presign2("/store/p", "GET\n\n\n%\n/store/p", soon, url.Values{"AWSAccessKeyId": {"other"}}))
	require.Equal(t, []any{403, "InvalidAccessKeyId"}, []any{status, errorCode(t, body)})
	status, body = r.get(t, r.presign2("/store/p", "GET\n\n\n%\n/store/p", soon, url.Values{"Expires": {"soon"}}))
	require.Equal(t, []any{403, "AccessDenied"}, []any{status, errorCode(t, body)})
}

func TestVersion2HeadersAreRefused(t *testing.T) {
	r := newRig(t)
	request, err := http.NewRequest(http.MethodGet, r.url+"/store/k", nil)
	require.NoError(t, err)
	request.Header.Set("Authorization", "AWS key:c2lnbmF0dXJl")
	answer, err := http.DefaultClient.Do(request)
	require.NoError(t, err)
	defer answer.Body.Close()
	require.Equal(t, 400, answer.StatusCode)
	body := make([]byte, 4096)
	n, _ := answer.Body.Read(body)
	require.Contains(t, string(body[:n]), "s3v4")
}
