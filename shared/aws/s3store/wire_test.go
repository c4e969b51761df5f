package s3store_test

import (
	"io"
	"net/http"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/stretchr/testify/require"

	"github.com/sluice-ml/sluice/shared/aws/s3store"
	"github.com/sluice-ml/sluice/shared/aws/s3store/s3test"
)

// lossy is an HTTP client whose first PUT response never arrives.
type lossy struct {
	s3.HTTPClient
	puts int
}

func (l *lossy) Do(r *http.Request) (*http.Response, error) {
	response, err := l.HTTPClient.Do(r)
	if r.Method != http.MethodPut || err != nil {
		return response, err
	}
	l.puts++
	if l.puts == 1 {
		_ = response.Body.Close()
		return nil, io.ErrUnexpectedEOF
	}
	return response, nil
}

// TestTheSDKDoesNotRetryConditionalWrites: if it did, it would see the 412 of
// its own second attempt, and one put would be two here and none of ours.
func TestTheSDKDoesNotRetryConditionalWrites(t *testing.T) {
	options := s3test.Client(t).Options()
	wire := &lossy{HTTPClient: options.HTTPClient}
	options.HTTPClient = wire
	store, bucket := s3store.New(s3.New(options)), s3test.Bucket(t)
	info, err := store.PutIfAbsent(t.Context(), bucket, "k", []byte("one"))
	require.NoError(t, err)
	require.Equal(t, 2, wire.puts)
	head, err := store.Head(t.Context(), bucket, "k", "")
	require.NoError(t, err)
	require.Equal(t, head.VersionID, info.VersionID)
	require.NotEmpty(t, head.Metadata[s3store.WriteIDKey])
}
