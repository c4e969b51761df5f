package s3

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/credentials"
	sdk "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/stretchr/testify/require"
)

// TestALargeBodyThatIsRefused: the gateway refuses before it has read the body,
// and what it said must reach the client, whatever the body's size.
func TestALargeBodyThatIsRefused(t *testing.T) {
	r := newRig(t)
	r.put(t, "lake", "k", "there")
	for _, size := range []int{1 << 10, 256 << 10, 300 << 10, 16 << 20} {
		body := bytes.Repeat([]byte("x"), size)
		var wait sync.WaitGroup
		for range 4 {
			wait.Go(func() {
				_, err := r.client.PutObject(t.Context(), &sdk.PutObjectInput{Bucket: aws.String("lake"), Key: aws.String("k"),
					Body: bytes.NewReader(body), IfNoneMatch: aws.String("*")})
				if code(err) != "PreconditionFailed" || status(err) != http.StatusPreconditionFailed {
					t.Errorf("a refused body of %d bytes: %v", size, err)
				}
				_, err = r.client.PutObject(t.Context(), &sdk.PutObjectInput{Bucket: aws.String("lake"), Key: aws.String("k"),
					Body: bytes.NewReader(body), IfMatch: aws.String(`"0123"`)})
				if code(err) != "PreconditionFailed" {
					t.Errorf("a refused body of %d bytes: %v", size, err)
				}
				_, err = r.client.PutObject(t.Context(), &sdk.PutObjectInput{Bucket: aws.String("none"), Key: aws.String("k"), Body: bytes.NewReader(body)})
				if code(err) != "NoSuchBucket" {
					t.Errorf("a body of %d bytes for no bucket: %v", size, err)
				}
			})
		}
		wait.Wait()
	}
	badly := sdk.New(sdk.Options{Region: "us-east-1", BaseEndpoint: aws.String(r.url), UsePathStyle: true, RetryMaxAttempts: 1,
		Credentials: credentials.NewStaticCredentialsProvider("key", "wrong", "")})
	_, err := badly.PutObject(t.Context(), &sdk.PutObjectInput{Bucket: aws.String("lake"), Key: aws.String("k"), Body: bytes.NewReader(make([]byte, 4<<20))})
	require.Equal(t, "SignatureDoesNotMatch", code(err), "%v", err)
}

// TestAClientThatReadsLast writes all of its body before it reads anything.
func TestAClientThatReadsLast(t *testing.T) {
	r := newRig(t)
	r.put(t, "lake", "k", "there")
	at, err := url.Parse(r.url)
	require.NoError(t, err)
	body := strings.Repeat("x", 8<<20)
	request, err := http.NewRequestWithContext(context.Background(), http.MethodPut, r.url+"/lake/k", nil)
	require.NoError(t, err)
	sum := sha256.Sum256([]byte(body))
	request.Header.Set("X-Amz-Content-Sha256", hex.EncodeToString(sum[:]))
	request.Header.Set("If-None-Match", "*")
	require.NoError(t, v4.NewSigner().SignHTTP(t.Context(), aws.Credentials{AccessKeyID: "key", SecretAccessKey: "secret"}, request,
		hex.EncodeToString(sum[:]), "s3", "us-east-1", time.Now()))

	conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", at.Host)
	require.NoError(t, err)
	defer conn.Close()
	_, err = fmt.Fprintf(conn, "PUT /lake/k HTTP/1.1\r\nHost: %s\r\nContent-Length: %d\r\n", at.Host, len(body))
	require.NoError(t, err)
	require.NoError(t, request.Header.Write(conn))
	_, err = io.WriteString(conn, "\r\n"+body)
	require.NoError(t, err, "the whole body is taken")
	answer, err := http.ReadResponse(bufio.NewReader(conn), request)
	require.NoError(t, err)
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	require.NoError(t, err)
	require.Equal(t, http.StatusPreconditionFailed, answer.StatusCode, "%s", text)
	require.Contains(t, string(text), "PreconditionFailed")
}
