package kms

import (
	"context"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"

	"github.com/sluice-ml/sluice/infra/local/wire"
)

// maxRaw is KMS's limit on a RAW message; longer ones are signed by digest.
const maxRaw = 4096

type signInput struct {
	KeyID            string `json:"KeyId"`
	Message          []byte
	MessageType      string // "" is RAW
	SigningAlgorithm string
}

type signOutput struct {
	KeyID            string `json:"KeyId"`
	Signature        []byte
	SigningAlgorithm string
}

// digest gives what is signed: the SHA-256 of a RAW message, or the DIGEST.
func digest(message []byte, kind, with string) ([]byte, error) {
	if with != algorithm {
		return nil, wire.Errorf("ValidationException", "SigningAlgorithm %q: the local stack has %s", with, algorithm)
	}
	switch kind {
	case "", "RAW":
		if len(message) == 0 || len(message) > maxRaw {
			return nil, wire.Errorf("ValidationException", "a RAW Message has 1 to %d bytes, not %d: send its digest", maxRaw, len(message))
		}
		sum := sha256.Sum256(message)
		return sum[:], nil
	case "DIGEST":
		if len(message) != sha256.Size {
			return nil, wire.Errorf("ValidationException", "Digest is invalid length for algorithm %s: want %d bytes, not %d", with, sha256.Size, len(message))
		}
		return message, nil
	}
	return nil, wire.Errorf("ValidationException", "MessageType %q: want RAW or DIGEST", kind)
}

func (s *Service) sign(_ context.Context, in signInput) (*signOutput, error) {
	k, private, err := s.private(in.KeyID)
	if err != nil {
		return nil, err
	}
	hash, err := digest(in.Message, in.MessageType, in.SigningAlgorithm)
	if err != nil {
		return nil, err
	}
	signature, err := ecdsa.SignASN1(rand.Reader, private, hash)
	if err != nil {
		return nil, err
	}
	return &signOutput{s.arn(k.ID), signature, algorithm}, nil
}

type verifyInput struct {
	KeyID            string `json:"KeyId"`
	Message          []byte
	MessageType      string
	Signature        []byte
	SigningAlgorithm string
}

type verifyOutput struct {
	KeyID            string `json:"KeyId"`
	SignatureValid   bool
	SigningAlgorithm string
}

// verify answers only for a good signature; a bad one is an error, as on AWS.
func (s *Service) verify(_ context.Context, in verifyInput) (*verifyOutput, error) {
	k, private, err := s.private(in.KeyID)
	if err != nil {
		return nil, err
	}
	hash, err := digest(in.Message, in.MessageType, in.SigningAlgorithm)
	if err != nil {
		return nil, err
	}
	if !ecdsa.VerifyASN1(&private.PublicKey, hash, in.Signature) {
		return nil, wire.Errorf("KMSInvalidSignatureException", "the signature is not one of key %s over this message", s.arn(k.ID))
	}
	return &verifyOutput{s.arn(k.ID), true, algorithm}, nil
}

type keyInput struct {
	KeyID string `json:"KeyId"`
}

type publicKeyOutput struct {
	KeyID                 string `json:"KeyId"`
	PublicKey             []byte // DER SubjectPublicKeyInfo
	KeySpec               string
	CustomerMasterKeySpec string
	KeyUsage              string
	SigningAlgorithms     []string
}

func (s *Service) getPublicKey(_ context.Context, in keyInput) (*publicKeyOutput, error) {
	k, private, err := s.private(in.KeyID)
	if err != nil {
		return nil, err
	}
	der, err := x509.MarshalPKIXPublicKey(&private.PublicKey)
	if err != nil {
		return nil, err
	}
	return &publicKeyOutput{s.arn(k.ID), der, k.Spec, k.Spec, k.Usage, []string{algorithm}}, nil
}

type keyMetadata struct {
	AWSAccountID          string `json:"AWSAccountId"`
	KeyID                 string `json:"KeyId"`
	Arn                   string
	CreationDate          float64 // seconds since 1970
	Description           string
	Enabled               bool
	KeyState              string
	KeyManager            string
	KeySpec               string
	CustomerMasterKeySpec string
	KeyUsage              string
	Origin                string
	MultiRegion           bool
	SigningAlgorithms     []string `json:",omitempty"`
	EncryptionAlgorithms  []string `json:",omitempty"`
}

type describeKeyOutput struct{ KeyMetadata keyMetadata }

func (s *Service) describeKey(_ context.Context, in keyInput) (*describeKeyOutput, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	k, err := s.find(in.KeyID)
	if err != nil {
		return nil, err
	}
	m := keyMetadata{AWSAccountID: s.config.Account, KeyID: k.ID, Arn: s.arn(k.ID), CreationDate: float64(k.Created.Unix()), Description: k.Description,
		Enabled: k.Enabled, KeyState: "Disabled", KeyManager: "CUSTOMER", KeySpec: k.Spec, CustomerMasterKeySpec: k.Spec, KeyUsage: k.Usage, Origin: "AWS_KMS"}
	if k.Enabled {
		m.KeyState = "Enabled"
	}
	if k.Usage == usageSign {
		m.SigningAlgorithms = []string{algorithm}
	} else {
		m.EncryptionAlgorithms = []string{specSymmetric}
	}
	return &describeKeyOutput{m}, nil
}
