package s3store_test

import (
	"encoding/xml"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/stretchr/testify/require"

	"github.com/sluice-ml/sluice/shared/aws/s3store"
	"github.com/sluice-ml/sluice/shared/fault"
)

// odd are keys that XML 1.0 cannot carry, or that an encoding can get wrong.
var odd = []string{"raw/a\x01\x1b[31m.csv", "raw/b + 100%.csv", "raw/c\n\t.csv", "raw/é&<.csv"}

// asS3 writes a key as S3 does with encoding-type=url: the AWS documentation's
// example is test_file(3).png as test_file%283%29.png; a space is "+".
func asS3(key string) string {
	var out strings.Builder
	for _, b := range []byte(key) {
		switch {
		case b == ' ':
			out.WriteByte('+')
		case b >= 'a' && b <= 'z', b >= 'A' && b <= 'Z', b >= '0' && b <= '9', strings.IndexByte("/._-*", b) >= 0:
			out.WriteByte(b)
		default:
			fmt.Fprintf(&out, "%%%02X", b)
		}
	}
	return out.String()
}

// paged answers listings of odd, one key a page, encoded when asked to be.
func paged(t *testing.T, odd []string, write func(key string) string) *s3store.Store {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		if q.Get("encoding-type") != "url" {
			http.Error(w, "encoding-type is missing", http.StatusBadRequest)
			return
		}
		versions := q.Has("versions")
		marker := q.Get("continuation-token")
		if versions {
			marker = q.Get("key-marker")
		}
		at := slices.Index(odd, marker) + 1
		more := at+1 < len(odd)
		if versions {
			fmt.Fprintf(w, `<ListVersionsResult><EncodingType>url</EncodingType><IsTruncated>%t</IsTruncated>`, more)
			fmt.Fprintf(w, `<Version><Key>%s</Key><VersionId>v%d</VersionId><IsLatest>true</IsLatest><Size>1</Size></Version>`, write(odd[at]), at)
			fmt.Fprintf(w, `<DeleteMarker><Key>%s</Key><VersionId>d%d</VersionId><IsLatest>false</IsLatest></DeleteMarker>`, write(odd[at]), at)
			if more {
				fmt.Fprintf(w, `<NextKeyMarker>%s</NextKeyMarker><NextVersionIdMarker>v%d</NextVersionIdMarker>`, write(odd[at]), at)
			}
			fmt.Fprint(w, `</ListVersionsResult>`)
			return
		}
		fmt.Fprintf(w, `<ListBucketResult><EncodingType>url</EncodingType><IsTruncated>%t</IsTruncated>`, more)
		fmt.Fprintf(w, `<Contents><Key>%s</Key><Size>1</Size></Contents><CommonPrefixes><Prefix>%s</Prefix></CommonPrefixes>`, write(odd[at]), write(odd[at]+"/"))
		if more { // a token is opaque and not encoded; this one holds what XML can carry
			fmt.Fprint(w, `<NextContinuationToken>`)
			_ = xml.EscapeText(w, []byte(odd[at]))
			fmt.Fprint(w, `</NextContinuationToken>`)
		}
		fmt.Fprint(w, `</ListBucketResult>`)
	}))
	t.Cleanup(server.Close)
	return s3store.New(s3.New(s3.Options{Region: "us-east-1", BaseEndpoint: aws.String(server.URL), UsePathStyle: true,
		Credentials: credentials.NewStaticCredentialsProvider("test", "test", "")}))
}

// TestListingsOfAnyKey: keys with control characters come through every listing,
// and a listing goes on after them: the markers are decoded, too.
func TestListingsOfAnyKey(t *testing.T) {
	store := paged(t, odd, asS3)
	versions, err := store.ListVersions(t.Context(), "lake", "raw/")
	require.NoError(t, err)
	var keys, swept []string
	for _, v := range versions {
		if !v.DeleteMarker {
			keys = append(keys, v.Key)
		}
	}
	require.Equal(t, odd, keys)
	require.Len(t, versions, 2*len(odd))
	for v, err := range store.EachVersion(t.Context(), "lake", "raw/") {
		require.NoError(t, err)
		swept = append(swept, v.Key)
	}
	require.Equal(t, odd, swept)
	latest, err := store.Lake("lake").Latest(t.Context(), "raw/")
	require.NoError(t, err)
	require.Equal(t, odd[0], latest[0].Key)
}

func TestListingsOfObjects(t *testing.T) {
	keys := []string{odd[1], odd[3]} // tokens go through XML as they are
	store := paged(t, keys, asS3)
	objects, err := store.List(t.Context(), "lake", "raw/")
	require.NoError(t, err)
	require.Equal(t, keys, []string{objects[0].Key, objects[1].Key})
	folders, err := store.Folders(t.Context(), "lake", "raw/")
	require.NoError(t, err)
	require.Equal(t, []string{"b + 100%.csv", "é&<.csv"}, folders)
}

// TestABrokenEncodingIsAnError: a key that says to be encoded and is not must not
// be taken for another key.
func TestABrokenEncodingIsAnError(t *testing.T) {
	store := paged(t, odd, func(string) string { return "raw/100%.csv" })
	_, err := store.ListVersions(t.Context(), "lake", "raw/")
	require.Equal(t, fault.Unavailable, fault.KindOf(err))
	require.ErrorContains(t, err, `"raw/100%.csv" is not`)
	_, err = store.List(t.Context(), "lake", "raw/")
	require.ErrorContains(t, err, `is not`)
}
