package s3

import (
	"fmt"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/stretchr/testify/require"
)

// TestPagesSeeWrites: what is written, deleted or hidden between two pages of a
// listing of versions shows on the later page, although pages without writes
// between them are cut from one walk.
func TestPagesSeeWrites(t *testing.T) {
	r := newRig(t)
	for n := range 9 {
		r.put(t, "store", fmt.Sprintf("p/%d", n), "x")
	}
	bucket, gone := aws.String("store"), r.put(t, "store", "p/7", "y").VersionId
	between := []func(){
		func() {},
		func() { r.put(t, "store", "p/5a", "new") },
		func() {
			_, err := r.client.DeleteObject(t.Context(), &sdk.DeleteObjectInput{Bucket: bucket, Key: aws.String("p/7"), VersionId: gone})
			require.NoError(t, err)
		},
		func() {
			_, err := r.client.DeleteObject(t.Context(), &sdk.DeleteObjectInput{Bucket: bucket, Key: aws.String("p/8")})
			require.NoError(t, err)
		},
	}
	var keys []string
	markers := 0
	in := &sdk.ListObjectVersionsInput{Bucket: bucket, Prefix: aws.String("p/"), MaxKeys: aws.Int32(2)}
	for page := 0; ; page++ {
		out, err := r.client.ListObjectVersions(t.Context(), in)
		require.NoError(t, err)
		for _, v := range out.Versions {
			keys = append(keys, *v.Key)
		}
		if markers += len(out.DeleteMarkers); !*out.IsTruncated {
			break
		}
		in.KeyMarker, in.VersionIdMarker = out.NextKeyMarker, out.NextVersionIdMarker
		if page < len(between) {
			between[page]()
		}
	}
	require.Equal(t, []string{"p/0", "p/1", "p/2", "p/3", "p/4", "p/5", "p/5a", "p/6", "p/7", "p/8"}, keys)
	require.Equal(t, 1, markers)
}
