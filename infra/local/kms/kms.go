// Package kms is the local stack's KMS: keys that sign and verify (ECDSA on
// P-256 with SHA-256) and symmetric keys that buckets and logs can name.
// Aliases name keys. Private keys lie in one file that only its owner can read.
//
// Key policies are kept but not enforced: there is one caller on this machine.
// Encryption, grants, imported keys, multi-Region keys and every other key spec
// are refused by name.
package kms

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/sluice-ml/sluice/infra/local/durable"
	"github.com/sluice-ml/sluice/infra/local/wire"
)

// Config is what the service needs.
type Config struct {
	Dir     string // keys.json, mode 0600
	Region  string
	Account string
	Now     func() time.Time
}

const (
	specP256      = "ECC_NIST_P256"
	specSymmetric = "SYMMETRIC_DEFAULT"
	usageSign     = "SIGN_VERIFY"
	usageEncrypt  = "ENCRYPT_DECRYPT"
	algorithm     = "ECDSA_SHA_256"
)

// key is one key as kept on disk.
type key struct {
	ID          string          `json:"id"`
	LogicalID   string          `json:"logical_id"`
	Spec        string          `json:"spec"`
	Usage       string          `json:"usage"`
	Description string          `json:"description,omitempty"`
	Enabled     bool            `json:"enabled"`
	Policy      json.RawMessage `json:"policy,omitempty"`
	Created     time.Time       `json:"created"`
	PKCS8       []byte          `json:"pkcs8,omitempty"` // the private key; none for a symmetric one
}

type state struct {
	Keys    []*key            `json:"keys"`
	Aliases map[string]string `json:"aliases"` // "alias/name" → key id
}

// Service is a KMS. It is safe for concurrent use.
type Service struct {
	config Config
	mu     sync.Mutex
	state  state
}

// Open reads the keys kept under c.Dir.
func Open(c Config) (*Service, error) {
	if c.Now == nil {
		c.Now = time.Now
	}
	s := &Service{config: c, state: state{Aliases: map[string]string{}}}
	if _, err := durable.ReadJSON(s.path(), &s.state); err != nil {
		return nil, fmt.Errorf("open kms: %w", err)
	}
	return s, nil
}

func (s *Service) path() string { return filepath.Join(s.config.Dir, "keys.json") }

func (s *Service) save() error { return durable.WriteJSON(s.path(), s.state) }

// Handler serves the API, AWS JSON 1.1.
func (s *Service) Handler() http.Handler {
	return wire.JSON("KMS", map[string]wire.Operation{
		"Sign":         wire.Op(s.sign),
		"Verify":       wire.Op(s.verify),
		"GetPublicKey": wire.Op(s.getPublicKey),
		"DescribeKey":  wire.Op(s.describeKey),
	})
}

func (s *Service) arn(id string) string {
	return fmt.Sprintf("arn:aws:kms:%s:%s:key/%s", s.config.Region, s.config.Account, id)
}

func (s *Service) aliasARN(name string) string {
	return fmt.Sprintf("arn:aws:kms:%s:%s:%s", s.config.Region, s.config.Account, name)
}

// find takes a key id, a key ARN, an alias or an alias ARN; s.mu is held.
func (s *Service) find(id string) (*key, error) {
	name := id
	if strings.HasPrefix(id, "arn:") {
		name = id[strings.LastIndexByte(id, ':')+1:]
		if id != s.arn(strings.TrimPrefix(name, "key/")) && id != s.aliasARN(name) {
			return nil, &wire.Error{Code: "NotFoundException", Message: fmt.Sprintf("Invalid arn %s", id)}
		}
	}
	name = strings.TrimPrefix(name, "key/")
	if target, ok := s.state.Aliases[name]; ok {
		name = target
	}
	for _, k := range s.state.Keys {
		if k.ID == name {
			return k, nil
		}
	}
	if strings.HasPrefix(name, "alias/") {
		return nil, wire.Errorf("NotFoundException", "Alias %s is not found.", s.aliasARN(name))
	}
	return nil, wire.Errorf("NotFoundException", "Key '%s' does not exist", s.arn(name))
}

// private gives the signing key of an enabled SIGN_VERIFY key.
func (s *Service) private(id string) (*key, *ecdsa.PrivateKey, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	k, err := s.find(id)
	if err != nil {
		return nil, nil, err
	}
	if k.Usage != usageSign {
		return nil, nil, wire.Errorf("InvalidKeyUsageException", "%s key usage is %s which is not valid for signing.", s.arn(k.ID), k.Usage)
	}
	if !k.Enabled {
		return nil, nil, wire.Errorf("DisabledException", "%s is disabled.", s.arn(k.ID))
	}
	parsed, err := x509.ParsePKCS8PrivateKey(k.PKCS8)
	if err != nil {
		return nil, nil, fmt.Errorf("read the private key of %s: %w", s.arn(k.ID), err)
	}
	private, ok := parsed.(*ecdsa.PrivateKey)
	if !ok {
		return nil, nil, fmt.Errorf("the private key of %s is a %T", s.arn(k.ID), parsed)
	}
	return k, private, nil
}

// newKey makes a key and keeps it; s.mu is held.
func (s *Service) newKey(k *key) error {
	var random [16]byte
	if _, err := rand.Read(random[:]); err != nil {
		return err
	}
	k.ID = fmt.Sprintf("%x-%x-%x-%x-%x", random[:4], random[4:6], random[6:8], random[8:10], random[10:])
	k.Created = s.config.Now().UTC()
	if k.Spec == specP256 {
		private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			return err
		}
		if k.PKCS8, err = x509.MarshalPKCS8PrivateKey(private); err != nil {
			return errors.Join(errors.New("encode the private key"), err)
		}
	}
	s.state.Keys = append(s.state.Keys, k)
	return nil
}
