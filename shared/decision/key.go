package decision

import (
	"context"
	"crypto/ecdsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"

	"github.com/sluice-ml/sluice/shared/fault"
)

// PublicKey checks signatures without KMS, anywhere.
type PublicKey struct {
	key *ecdsa.PublicKey
	der []byte
}

var _ Verifier = (*PublicKey)(nil)

const pemType = "PUBLIC KEY"

// ParsePublicKey reads a key as KMS gives it out (DER SubjectPublicKeyInfo of an
// ECDSA key), or the same as PEM. Invalid says what it is instead.
func ParsePublicKey(data []byte) (*PublicKey, error) {
	const op = "read the public key of decisions"
	if block, _ := pem.Decode(data); block != nil {
		if block.Type == pemPrivate {
			return nil, fault.New(fault.Invalid, op, "it is the private key; want the public one").WithHint("it lies beside it, with .pub; keep the private key to yourself")
		}
		if block.Type != pemType {
			return nil, fault.New(fault.Invalid, op, "it is a %s; want a %s", block.Type, pemType)
		}
		data = block.Bytes
	}
	parsed, err := x509.ParsePKIXPublicKey(data) // KMS gives it without PEM around it
	if err != nil {
		return nil, fault.New(fault.Invalid, op, "it is not a PEM public key").WithHint("want PEM, as sluice decision fetch and sluice decision key write it")
	}
	key, ok := parsed.(*ecdsa.PublicKey)
	if !ok {
		return nil, fault.New(fault.Invalid, op, "it is a %T; decisions are signed with ECDSA", parsed)
	}
	return &PublicKey{key, data}, nil
}

// PEM is the key as a text file.
func (k *PublicKey) PEM() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: pemType, Bytes: k.der})
}

// Fingerprint is "sha256:…" of the DER form: what to compare with the key that
// one trusts.
func (k *PublicKey) Fingerprint() string {
	sum := sha256.Sum256(k.der)
	return "sha256:" + hex.EncodeToString(sum[:])
}

// Verify implements Verifier.
func (k *PublicKey) Verify(_ context.Context, digest, signature []byte) error {
	if !ecdsa.VerifyASN1(k.key, digest, signature) {
		return fault.New(fault.Denied, "check a signature", "it is not that of the key %s", k.Fingerprint())
	}
	return nil
}
