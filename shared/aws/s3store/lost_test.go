package s3store_test

import (
	"context"
	"errors"
	"net/http"
	"testing"

	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"
	"github.com/stretchr/testify/require"

	"github.com/sluice-ml/sluice/shared/aws/s3store"
	"github.com/sluice-ml/sluice/shared/aws/s3store/s3test"
	"github.com/sluice-ml/sluice/shared/fault"
	"github.com/sluice-ml/sluice/shared/ref"
)

// flaky passes requests on to a real server, except that puts first go through
// the script: each entry fails one put, before or after it lands.
type flaky struct {
	s3store.Client
	script []mishap
	puts   int
}

type mishap struct {
	err   error
	after bool   // the put lands, its response is lost
	then  func() // what others do meanwhile
}

func (f *flaky) PutObject(ctx context.Context, in *s3.PutObjectInput, options ...func(*s3.Options)) (*s3.PutObjectOutput, error) {
	f.puts++
	if len(f.script) == 0 {
		return f.Client.PutObject(ctx, in, options...)
	}
	m := f.script[0]
	f.script = f.script[1:]
	if m.after {
		if _, err := f.Client.PutObject(ctx, in, options...); err != nil {
			return nil, err
		}
	}
	if m.then != nil {
		m.then()
	}
	return nil, m.err
}

func answer(status int, code string) error {
	return &awshttp.ResponseError{ResponseError: &smithyhttp.ResponseError{
		Response: &smithyhttp.Response{Response: &http.Response{StatusCode: status}},
		Err:      &smithy.GenericAPIError{Code: code, Message: "scripted"}}}
}

var errReset = errors.New("connection reset by peer")

func TestALostResponseIsAWin(t *testing.T) {
	for name, err := range map[string]error{"reset": errReset, "500": answer(500, "InternalError"), "503": answer(503, "SlowDown")} {
		t.Run(name, func(t *testing.T) {
			client := &flaky{Client: s3test.Client(t), script: []mishap{{err: err, after: true}}}
			store, bucket := s3store.New(client), s3test.Bucket(t)
			created, err := store.PutIfAbsent(t.Context(), bucket, "k", []byte("one"))
			require.NoError(t, err)
			require.Equal(t, 2, client.puts)
			client.script = []mishap{{err: errReset, after: true}}
			swapped, err := store.PutIfMatch(t.Context(), bucket, "k", []byte("two"), created.ETag)
			require.NoError(t, err)
			body, info, err := store.Get(t.Context(), bucket, "k", "")
			require.NoError(t, err)
			require.Equal(t, "two", string(body))
			require.Equal(t, info.VersionID, swapped.VersionID)
			versions, err := store.ListVersions(t.Context(), bucket, "k")
			require.NoError(t, err)
			require.Len(t, versions, 2, "the retry wrote nothing")
		})
	}
}

func TestALostResponseIsAWinEvenWhenOvertaken(t *testing.T) {
	plain, bucket := s3store.New(s3test.Client(t)), s3test.Bucket(t)
	first, err := plain.Put(t.Context(), bucket, "k", []byte("one"))
	require.NoError(t, err)
	overtake := func() {
		_, err := plain.Put(t.Context(), bucket, "k", []byte("three"))
		require.NoError(t, err)
	}
	store := s3store.New(&flaky{Client: s3test.Client(t), script: []mishap{{err: errReset, after: true, then: overtake}}})
	won, err := store.PutIfMatch(t.Context(), bucket, "k", []byte("two"), first.ETag)
	require.NoError(t, err)
	body, _, err := plain.Get(t.Context(), bucket, "k", won.VersionID)
	require.NoError(t, err)
	require.Equal(t, "two", string(body))
}

func TestARaceThatWasLostIsAConflict(t *testing.T) {
	plain, bucket := s3store.New(s3test.Client(t)), s3test.Bucket(t)
	first, err := plain.Put(t.Context(), bucket, "k", []byte("one"))
	require.NoError(t, err)
	overtake := func() {
		_, err := plain.Put(t.Context(), bucket, "k", []byte("two"))
		require.NoError(t, err)
	}
	store := s3store.New(&flaky{Client: s3test.Client(t), script: []mishap{{err: errReset, then: overtake}}})
	_, err = store.PutIfMatch(t.Context(), bucket, "k", []byte("mine"), first.ETag)
	require.Equal(t, fault.Conflict, fault.KindOf(err), "%v", err)
}

func TestConditionalRequestConflictIsRetried(t *testing.T) {
	busy := mishap{err: answer(409, "ConditionalRequestConflict")}
	client := &flaky{Client: s3test.Client(t), script: []mishap{busy, busy}}
	_, err := s3store.New(client).PutIfAbsent(t.Context(), s3test.Bucket(t), "k", []byte("one"))
	require.NoError(t, err)
	require.Equal(t, 3, client.puts)
}

func TestOutagesAndRefusals(t *testing.T) {
	down := mishap{err: answer(503, "SlowDown")}
	client := &flaky{Client: s3test.Client(t), script: []mishap{down, down, down, down, down, down, down}}
	bucket := s3test.Bucket(t)
	_, err := s3store.New(client).PutIfAbsent(t.Context(), bucket, "k", nil)
	require.Equal(t, fault.Unavailable, fault.KindOf(err))
	require.Equal(t, 6, client.puts)
	for _, c := range []struct {
		err  error
		kind fault.Kind
	}{
		{answer(403, "AccessDenied"), fault.Denied}, {answer(400, "InvalidArgument"), fault.Invalid},
		{answer(301, "PermanentRedirect"), fault.Invalid}, {answer(429, "SlowDown"), fault.Unavailable},
		{errReset, fault.Unavailable},
	} {
		client := &flaky{Client: s3test.Client(t), script: []mishap{{err: c.err}}}
		_, err := s3store.New(client).Put(t.Context(), bucket, "k", nil)
		require.Equal(t, c.kind, fault.KindOf(err), "%v", err)
		require.ErrorContains(t, err, "write s3://"+bucket+"/k")
	}
}

func TestUpdateCountsALostResponseOnce(t *testing.T) {
	client := &flaky{Client: s3test.Client(t)}
	refs := s3store.New(client).Refs(s3test.Bucket(t), "")
	for range 3 {
		client.script = []mishap{{err: errReset, after: true}}
		_, err := ref.Update(t.Context(), refs, "n", func(n int, _ bool) (int, error) { return n + 1, nil })
		require.NoError(t, err)
	}
	p, err := ref.Read[int](t.Context(), refs, "n")
	require.NoError(t, err)
	require.Equal(t, 3, p.Value)
}
