package decision

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io/fs"
	"os"

	"github.com/sluice-ml/sluice/shared/fault"
)

// LocalKey signs with a private key that is kept in a file, where there is no
// KMS. It is ECDSA P-256, so whoever checks need not know which of the two it was.
type LocalKey struct {
	private *ecdsa.PrivateKey
	*PublicKey
}

var (
	_ Signer   = (*LocalKey)(nil)
	_ Verifier = (*LocalKey)(nil)
)

const (
	pemPrivate = "PRIVATE KEY" // PKCS #8
	// others may neither read nor write a private key's file.
	forOthers = 0o077
)

// NewLocalKey makes a new key pair.
func NewLocalKey() (*LocalKey, error) {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fault.New(fault.Internal, "make a key", "%w", err)
	}
	return localKey(private)
}

func localKey(private *ecdsa.PrivateKey) (*LocalKey, error) {
	der, err := x509.MarshalPKIXPublicKey(&private.PublicKey)
	if err != nil {
		return nil, fault.New(fault.Internal, "spell a public key", "%w", err)
	}
	return &LocalKey{private, &PublicKey{&private.PublicKey, der}}, nil
}

// ParseLocalKey reads a private key as PEM (PKCS #8, ECDSA P-256). Invalid says
// what it is instead; never what is in it.
func ParseLocalKey(data []byte) (*LocalKey, error) {
	const op = "read the private key of decisions"
	block, _ := pem.Decode(data)
	if block == nil {
		return nil, fault.New(fault.Invalid, op, "it is no PEM").WithHint("make one: sluice decision key FILE")
	}
	if block.Type != pemPrivate {
		return nil, fault.New(fault.Invalid, op, "it is a %s; want a %s", block.Type, pemPrivate).WithHint("make one: sluice decision key FILE")
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, fault.New(fault.Invalid, op, "it is damaged, or not PKCS #8")
	}
	private, ok := parsed.(*ecdsa.PrivateKey)
	if !ok || private.Curve != elliptic.P256() {
		return nil, fault.New(fault.Invalid, op, "it is a %T; want ECDSA P-256", parsed).WithHint("make one: sluice decision key FILE")
	}
	return localKey(private)
}

// ReadLocalKey reads a private key's file. Denied when others may read or write
// it, NotFound when there is none.
func ReadLocalKey(path string) (*LocalKey, error) {
	const op = "read the private key of decisions"
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fault.New(fault.NotFound, op, "there is no %s", path).WithHint("make one: sluice decision key %s", path)
	}
	if err != nil {
		return nil, fault.New(fault.Invalid, op, "%w", err)
	}
	if mode := info.Mode().Perm(); mode&forOthers != 0 {
		return nil, fault.New(fault.Denied, op, "%s may be used by others (mode %04o)", path, mode).WithHint("chmod 600 %s; if others could read it, make a new one", path)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fault.New(fault.Invalid, op, "%w", err)
	}
	key, err := ParseLocalKey(data)
	if err != nil {
		return nil, fault.Wrap(fault.Invalid, path, err)
	}
	return key, nil
}

// Write keeps the private key in a new file that only its owner may use, and the
// public key beside it, as path + ".pub". Conflict when either is there: a key is
// never written over.
func (k *LocalKey) Write(path string) error {
	const op = "keep a key"
	der, err := x509.MarshalPKCS8PrivateKey(k.private)
	if err != nil {
		return fault.New(fault.Internal, op, "%w", err)
	}
	if err := create(path+".pub", k.PEM(), 0o644); err != nil {
		return err
	}
	if err := create(path, pem.EncodeToMemory(&pem.Block{Type: pemPrivate, Bytes: der}), 0o600); err != nil {
		return errors.Join(err, os.Remove(path+".pub"))
	}
	return nil
}

// create writes a file that is not there yet, whole.
func create(path string, data []byte, mode fs.FileMode) error {
	const op = "keep a key"
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if errors.Is(err, fs.ErrExist) {
		return fault.New(fault.Conflict, op, "%s is there already", path).WithHint("name another file, or move the old key away: what it signed is checked with it")
	}
	if err != nil {
		return fault.New(fault.Invalid, op, "%w", err)
	}
	_, err = file.Write(data)
	if err = errors.Join(err, file.Sync(), file.Close()); err != nil {
		return fault.New(fault.Unavailable, op, "%w", errors.Join(err, os.Remove(path)))
	}
	return nil
}

// Sign implements Signer. The key's id is its public half's fingerprint.
func (k *LocalKey) Sign(_ context.Context, digest []byte) (string, []byte, error) {
	signature, err := ecdsa.SignASN1(rand.Reader, k.private, digest)
	if err != nil {
		return "", nil, fault.New(fault.Internal, "sign a decision", "%w", err)
	}
	return k.Fingerprint(), signature, nil
}
