package kmssign_test

import (
	"crypto/sha256"
	"errors"
	"path/filepath"
	"testing"

	"github.com/aws/smithy-go"
	"github.com/stretchr/testify/require"

	"github.com/sluice-ml/sluice/shared/aws/kmssign"
	"github.com/sluice-ml/sluice/shared/aws/kmssign/kmstest"
	"github.com/sluice-ml/sluice/shared/decision"
	"github.com/sluice-ml/sluice/shared/fault"
)

func TestSignAndVerify(t *testing.T) {
	key := kmssign.New(kmstest.New(t), "key")
	digest := sha256.Sum256([]byte("a decision"))
	id, signature, err := key.Sign(t.Context(), digest[:])
	require.NoError(t, err)
	require.Equal(t, kmstest.ARN, id)
	require.NoError(t, key.Verify(t.Context(), digest[:], signature))
	other := sha256.Sum256([]byte("another"))
	require.Equal(t, fault.Denied, fault.KindOf(key.Verify(t.Context(), other[:], signature)))
	require.Equal(t, fault.Denied, fault.KindOf(kmssign.New(kmstest.New(t), "key").Verify(t.Context(), digest[:], signature)))
}

func TestErrors(t *testing.T) {
	client := kmstest.New(t)
	digest := sha256.Sum256(nil)
	_, _, err := kmssign.New(client, "none").Sign(t.Context(), digest[:])
	require.Equal(t, fault.NotFound, fault.KindOf(err))
	require.ErrorContains(t, err, "SLUICE_KEY_ID")
	_, _, err = kmssign.New(client, "key").Sign(t.Context(), []byte("not a digest"))
	require.Equal(t, fault.Invalid, fault.KindOf(err))
	for code, kind := range map[string]fault.Kind{"AccessDeniedException": fault.Denied, "ThrottlingException": fault.Unavailable,
		"KMSInternalException": fault.Unavailable, "DisabledException": fault.Invalid} {
		client.Err = &smithy.GenericAPIError{Code: code}
		require.Equal(t, kind, fault.KindOf(kmssign.New(client, "key").Verify(t.Context(), digest[:], nil)), code)
	}
	client.Err = errors.New("connection refused")
	require.Equal(t, fault.Unavailable, fault.KindOf(kmssign.New(client, "key").Verify(t.Context(), digest[:], nil)))
}

func TestAKeyInAFileStandsInForKMS(t *testing.T) {
	path := filepath.Join(t.TempDir(), "key.pem")
	made, err := decision.NewLocalKey()
	require.NoError(t, err)
	require.NoError(t, made.Write(path))
	key, err := kmssign.FromEnvironment(t.Context(), "file:"+path)
	require.NoError(t, err)
	digest := sha256.Sum256([]byte("a decision"))
	id, signature, err := key.Sign(t.Context(), digest[:])
	require.NoError(t, err)
	require.Equal(t, made.Fingerprint(), id)
	require.NoError(t, key.Verify(t.Context(), digest[:], signature))
	_, err = kmssign.FromEnvironment(t.Context(), "file:"+path+".none")
	require.Equal(t, fault.NotFound, fault.KindOf(err))
}
