package kms

import (
	"crypto/ecdsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/json"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"
	"github.com/stretchr/testify/require"

	"github.com/sluice-ml/sluice/infra/local/assembly"
)

func open(t *testing.T, dir string) (*Service, *kms.Client) {
	t.Helper()
	s, err := Open(Config{Dir: dir, Region: "eu-west-1", Account: "000000000000"})
	require.NoError(t, err)
	server := httptest.NewServer(s.Handler())
	t.Cleanup(server.Close)
	return s, kms.New(kms.Options{Region: "eu-west-1", BaseEndpoint: aws.String(server.URL), RetryMaxAttempts: 1,
		Credentials: credentials.NewStaticCredentialsProvider("id", "secret", "")})
}

func create(t *testing.T, s *Service, kind, id, properties string) (assembly.Created, error) {
	t.Helper()
	return s.Creators()[kind](t.Context(), assembly.Resource{LogicalID: id, Type: kind, Properties: json.RawMessage(properties)})
}

const signing = `{"KeySpec":"ECC_NIST_P256","KeyUsage":"SIGN_VERIFY","KeyPolicy":{"Version":"2012-10-17"}}`

func TestSignAndVerify(t *testing.T) {
	dir := t.TempDir()
	s, client := open(t, dir)
	made, err := create(t, s, "AWS::KMS::Key", "Signer", signing)
	require.NoError(t, err)
	_, err = create(t, s, "AWS::KMS::Alias", "SignerAlias", `{"AliasName":"alias/sluice","TargetKeyId":"`+made.Attributes["Arn"].(string)+`"}`)
	require.NoError(t, err)

	message := []byte("the decision")
	sum := sha256.Sum256(message)
	raw, err := client.Sign(t.Context(), &kms.SignInput{KeyId: aws.String("alias/sluice"), Message: message, SigningAlgorithm: types.SigningAlgorithmSpecEcdsaSha256})
	require.NoError(t, err)
	require.Equal(t, made.Attributes["Arn"], *raw.KeyId)
	digested, err := client.Sign(t.Context(), &kms.SignInput{KeyId: aws.String(made.Ref), Message: sum[:], MessageType: types.MessageTypeDigest, SigningAlgorithm: types.SigningAlgorithmSpecEcdsaSha256})
	require.NoError(t, err)

	restarted, again := open(t, dir)
	same, err := create(t, restarted, "AWS::KMS::Key", "Signer", signing)
	require.NoError(t, err)
	require.Equal(t, made, same, "the key survives a restart")
	public, err := again.GetPublicKey(t.Context(), &kms.GetPublicKeyInput{KeyId: aws.String("arn:aws:kms:eu-west-1:000000000000:alias/sluice")})
	require.NoError(t, err)
	parsed, err := x509.ParsePKIXPublicKey(public.PublicKey)
	require.NoError(t, err)
	for _, signature := range [][]byte{raw.Signature, digested.Signature} {
		require.True(t, ecdsa.VerifyASN1(parsed.(*ecdsa.PublicKey), sum[:], signature), "checked without KMS")
		for _, in := range []*kms.VerifyInput{{Message: message}, {Message: sum[:], MessageType: types.MessageTypeDigest}} {
			in.KeyId, in.Signature, in.SigningAlgorithm = aws.String(made.Ref), signature, types.SigningAlgorithmSpecEcdsaSha256
			out, err := again.Verify(t.Context(), in)
			require.NoError(t, err)
			require.True(t, out.SignatureValid)
		}
	}
	_, err = again.Verify(t.Context(), &kms.VerifyInput{KeyId: aws.String(made.Ref), Message: []byte("another"), Signature: raw.Signature, SigningAlgorithm: types.SigningAlgorithmSpecEcdsaSha256})
	var bad *types.KMSInvalidSignatureException
	require.ErrorAs(t, err, &bad)

	info, err := os.Stat(filepath.Join(dir, "keys.json"))
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
}

func TestRefusals(t *testing.T) {
	s, client := open(t, t.TempDir())
	signer, err := create(t, s, "AWS::KMS::Key", "Signer", signing)
	require.NoError(t, err)
	symmetric, err := create(t, s, "AWS::KMS::Key", "Bucket", `{"EnableKeyRotation":true,"KeyPolicy":{}}`)
	require.NoError(t, err)
	off, err := create(t, s, "AWS::KMS::Key", "Off", `{"KeySpec":"ECC_NIST_P256","KeyUsage":"SIGN_VERIFY","Enabled":false}`)
	require.NoError(t, err)

	ecdsa := types.SigningAlgorithmSpecEcdsaSha256
	for want, in := range map[string]*kms.SignInput{
		"NotFoundException":            {KeyId: aws.String("alias/none"), Message: []byte("x"), SigningAlgorithm: ecdsa},
		"Invalid arn":                  {KeyId: aws.String(strings.Replace(signer.Attributes["Arn"].(string), "eu-west-1", "us-east-1", 1)), Message: []byte("x"), SigningAlgorithm: ecdsa},
		"InvalidKeyUsageException":     {KeyId: aws.String(symmetric.Ref), Message: []byte("x"), SigningAlgorithm: ecdsa},
		"DisabledException":            {KeyId: aws.String(off.Ref), Message: []byte("x"), SigningAlgorithm: ecdsa},
		"1 to 4096 bytes":              {KeyId: aws.String(signer.Ref), Message: make([]byte, 4097), SigningAlgorithm: ecdsa},
		"invalid length for algorithm": {KeyId: aws.String(signer.Ref), Message: []byte("short"), MessageType: types.MessageTypeDigest, SigningAlgorithm: ecdsa},
		"the local stack has ECDSA":    {KeyId: aws.String(signer.Ref), Message: []byte("x"), SigningAlgorithm: types.SigningAlgorithmSpecRsassaPssSha256},
		"GrantTokens":                  {KeyId: aws.String(signer.Ref), Message: []byte("x"), SigningAlgorithm: ecdsa, GrantTokens: []string{"g"}},
	} {
		_, err := client.Sign(t.Context(), in)
		require.ErrorContains(t, err, want)
	}
	_, err = client.Encrypt(t.Context(), &kms.EncryptInput{KeyId: aws.String(symmetric.Ref), Plaintext: []byte("x")})
	require.ErrorContains(t, err, `does not serve operation "Encrypt"`)
	described, err := client.DescribeKey(t.Context(), &kms.DescribeKeyInput{KeyId: aws.String(symmetric.Ref)})
	require.NoError(t, err)
	require.Equal(t, types.KeySpecSymmetricDefault, described.KeyMetadata.KeySpec)

	for properties, want := range map[string]string{
		`{"KeySpec":"RSA_2048","KeyUsage":"SIGN_VERIFY"}`:                               `KeySpec "RSA_2048"`,
		`{"KeySpec":"ECC_NIST_P256","KeyUsage":"SIGN_VERIFY","EnableKeyRotation":true}`: "EnableKeyRotation is for symmetric keys",
		`{"Origin":"EXTERNAL"}`: `Origin "EXTERNAL"`,
		`{"MultiRegion":true}`:  "MultiRegion",
	} {
		_, err := create(t, s, "AWS::KMS::Key", "K", properties)
		require.ErrorContains(t, err, want)
	}
	_, err = create(t, s, "AWS::KMS::Alias", "A", `{"AliasName":"alias/aws/s3","TargetKeyId":"`+symmetric.Ref+`"}`)
	require.ErrorContains(t, err, "not alias/aws/")
	_, err = create(t, s, "AWS::KMS::Alias", "A", `{"AliasName":"alias/a","TargetKeyId":"none"}`)
	require.ErrorContains(t, err, "does not exist")
}

// Another key spec under the same logical id replaces the key; the old one
// still verifies what it signed.
func TestReplacement(t *testing.T) {
	s, client := open(t, t.TempDir())
	old, err := create(t, s, "AWS::KMS::Key", "K", signing)
	require.NoError(t, err)
	fresh, err := create(t, s, "AWS::KMS::Key", "K", `{}`)
	require.NoError(t, err)
	require.NotEqual(t, old.Ref, fresh.Ref)
	_, err = client.GetPublicKey(t.Context(), &kms.GetPublicKeyInput{KeyId: aws.String(old.Ref)})
	require.NoError(t, err)
}
