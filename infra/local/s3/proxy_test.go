package s3

import (
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestHeadersAreSpelledAsS3Does(t *testing.T) {
	recorder := httptest.NewRecorder()
	w := &asWritten{ResponseWriter: recorder}
	w.Header().Set("x-amz-meta-write-id", "7")
	w.Header()["X-Amz-Request-Id"] = []string{"A", "A"}
	w.Header().Set("ETag", `"e"`)
	w.WriteHeader(http.StatusOK)
	require.Equal(t, http.Header{"x-amz-meta-write-id": {"7"}, "X-Amz-Request-Id": {"A"}, "Etag": {`"e"`}}, recorder.Result().Header)
}

// TestOpeningPrintsNothing: the standard output is the program's.
func TestOpeningPrintsNothing(t *testing.T) {
	read, write, err := os.Pipe()
	require.NoError(t, err)
	stdout := os.Stdout
	os.Stdout = write
	_, err = openStore(t.TempDir())
	os.Stdout = stdout
	require.NoError(t, err)
	require.NoError(t, write.Close())
	printed, err := io.ReadAll(read)
	require.NoError(t, err)
	require.Empty(t, string(printed))
}
