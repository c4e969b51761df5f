// Package kmstest is a KMS key in memory, behind the SDK's client methods, with
// KMS's rules: a real ECDSA P-256 key, digests of 32 bytes only, and an
// exception for a signature that does not match.
package kmstest

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"fmt"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"
	"github.com/aws/smithy-go"
	"github.com/stretchr/testify/require"

	"github.com/sluice-ml/sluice/shared/aws/kmssign"
)

// ARN is the key's ARN.
const ARN = "arn:aws:kms:us-east-1:123456789012:key/1"

// Client holds one key, whose id is "key". Err, when set, fails every call.
type Client struct {
	Err error
	key *ecdsa.PrivateKey
}

var _ kmssign.Client = (*Client)(nil)

// New makes a client with a fresh key.
func New(t testing.TB) *Client {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	return &Client{key: key}
}

func (c *Client) check(id *string, digest []byte, kind types.MessageType, algorithm types.SigningAlgorithmSpec) error {
	if c.Err != nil {
		return c.Err
	}
	if aws.ToString(id) != "key" {
		return &types.NotFoundException{Message: aws.String(fmt.Sprintf("key %q does not exist", aws.ToString(id)))}
	}
	if kind != types.MessageTypeDigest || len(digest) != 32 || algorithm != types.SigningAlgorithmSpecEcdsaSha256 {
		return &smithy.GenericAPIError{Code: "ValidationException", Message: "want a 32-byte digest and ECDSA_SHA_256"}
	}
	return nil
}

// Sign implements kmssign.Client.
func (c *Client) Sign(_ context.Context, in *kms.SignInput, _ ...func(*kms.Options)) (*kms.SignOutput, error) {
	if err := c.check(in.KeyId, in.Message, in.MessageType, in.SigningAlgorithm); err != nil {
		return nil, err
	}
	signature, err := ecdsa.SignASN1(rand.Reader, c.key, in.Message)
	return &kms.SignOutput{KeyId: aws.String(ARN), Signature: signature, SigningAlgorithm: in.SigningAlgorithm}, err
}

// Verify implements kmssign.Client.
func (c *Client) Verify(_ context.Context, in *kms.VerifyInput, _ ...func(*kms.Options)) (*kms.VerifyOutput, error) {
	if err := c.check(in.KeyId, in.Message, in.MessageType, in.SigningAlgorithm); err != nil {
		return nil, err
	}
	if !ecdsa.VerifyASN1(&c.key.PublicKey, in.Message, in.Signature) {
		return nil, &types.KMSInvalidSignatureException{}
	}
	return &kms.VerifyOutput{KeyId: aws.String(ARN), SignatureValid: true}, nil
}
