// Package kmssign signs and checks digests with one asymmetric KMS key
// (ECC_NIST_P256, ECDSA_SHA_256). The private key never leaves KMS. Where there is
// no KMS, a key in a file does the same: its id is "file:" and the path.
package kmssign

import (
	"context"
	"errors"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"
	"github.com/aws/smithy-go"

	"github.com/sluice-ml/sluice/shared/contract"
	"github.com/sluice-ml/sluice/shared/decision"
	"github.com/sluice-ml/sluice/shared/fault"
)

// Client is what this package needs of the KMS SDK.
type Client interface {
	Sign(context.Context, *kms.SignInput, ...func(*kms.Options)) (*kms.SignOutput, error)
	Verify(context.Context, *kms.VerifyInput, ...func(*kms.Options)) (*kms.VerifyOutput, error)
}

// Key is one KMS key.
type Key struct {
	client Client
	id     string
}

var (
	_ decision.Signer   = (*Key)(nil)
	_ decision.Verifier = (*Key)(nil)
)

// New uses the key with an id or ARN.
func New(client Client, id string) *Key { return &Key{client, id} }

// Signing makes and checks signatures with the same key.
type Signing interface {
	decision.Signer
	decision.Verifier
}

// localPrefix begins the id of a key in a file.
const localPrefix = "file:"

// FromEnvironment uses the key with an id or ARN, by the SDK's default chain; or
// the local key in a file, when the id is "file:/path/to/key.pem".
func FromEnvironment(ctx context.Context, id string) (Signing, error) {
	if path, local := strings.CutPrefix(id, localPrefix); local {
		return decision.ReadLocalKey(path)
	}
	cfg, err := config.LoadDefaultConfig(ctx)
	if err != nil {
		return nil, fault.New(fault.Invalid, "read the AWS configuration", "%w", err)
	}
	return New(kms.NewFromConfig(cfg), id), nil
}

// Sign implements decision.Signer: it signs a SHA-256 digest. The signature is
// ASN.1 DER and another one each time.
func (k *Key) Sign(ctx context.Context, digest []byte) (string, []byte, error) {
	out, err := k.client.Sign(ctx, &kms.SignInput{KeyId: &k.id, Message: digest, MessageType: types.MessageTypeDigest,
		SigningAlgorithm: types.SigningAlgorithmSpecEcdsaSha256})
	if err != nil {
		return "", nil, classify("sign with key "+k.id, err)
	}
	return aws.ToString(out.KeyId), out.Signature, nil
}

// Verify implements decision.Verifier.
func (k *Key) Verify(ctx context.Context, digest, signature []byte) error {
	out, err := k.client.Verify(ctx, &kms.VerifyInput{KeyId: &k.id, Message: digest, MessageType: types.MessageTypeDigest,
		Signature: signature, SigningAlgorithm: types.SigningAlgorithmSpecEcdsaSha256})
	if _, bad := errors.AsType[*types.KMSInvalidSignatureException](err); bad || (err == nil && !out.SignatureValid) {
		return fault.New(fault.Denied, "check a signature", "it is not key %s's", k.id)
	}
	return classify("check a signature by key "+k.id, err)
}

func classify(op string, err error) error {
	if err == nil {
		return nil
	}
	api, ok := errors.AsType[smithy.APIError](err)
	if !ok {
		return fault.New(fault.Unavailable, op, "%w", err)
	}
	switch api.ErrorCode() {
	case "NotFoundException":
		return fault.New(fault.NotFound, op, "%w", err).WithHint("the stack sets %s; deploy it again", contract.EnvKeyID)
	case "AccessDeniedException":
		return fault.New(fault.Denied, op, "%w", err).WithHint("the role needs kms:Sign and kms:Verify on the key")
	case "ThrottlingException", "DependencyTimeoutException", "KMSInternalException", "KeyUnavailableException":
		return fault.New(fault.Unavailable, op, "%w", err)
	}
	if api.ErrorFault() == smithy.FaultServer {
		return fault.New(fault.Unavailable, op, "%w", err)
	}
	return fault.New(fault.Invalid, op, "%w", err)
}
