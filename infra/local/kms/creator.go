package kms

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/sluice-ml/sluice/infra/local/assembly"
)

// Creators makes the template's keys and aliases.
func (s *Service) Creators() map[string]assembly.Creator {
	return map[string]assembly.Creator{"AWS::KMS::Key": s.createKey, "AWS::KMS::Alias": s.createAlias}
}

type keyProperties struct {
	Description                    string
	Enabled                        *bool
	EnableKeyRotation              bool // symmetric only; there is nothing to rotate here
	RotationPeriodInDays           int
	KeyPolicy                      json.RawMessage
	KeySpec                        string
	KeyUsage                       string
	Origin                         string
	PendingWindowInDays            int
	BypassPolicyLockoutSafetyCheck bool
	Tags                           []struct{ Key, Value string }
}

func (p *keyProperties) check() error {
	if p.KeySpec == "" {
		p.KeySpec = specSymmetric
	}
	if p.KeyUsage == "" {
		p.KeyUsage = usageEncrypt
	}
	switch {
	case p.Origin != "" && p.Origin != "AWS_KMS":
		return fmt.Errorf("Origin %q: the local stack has AWS_KMS", p.Origin) //nolint:staticcheck // a property's name
	case p.KeySpec == specP256 && p.KeyUsage == usageSign && p.EnableKeyRotation:
		return fmt.Errorf("EnableKeyRotation is for symmetric keys, not for %s", p.KeySpec) //nolint:staticcheck // a property's name
	case p.KeySpec == specP256 && p.KeyUsage == usageSign, p.KeySpec == specSymmetric && p.KeyUsage == usageEncrypt:
		return nil
	}
	return fmt.Errorf("KeySpec %q with KeyUsage %q: the local stack has %s with %s and %s with %s", //nolint:staticcheck // a property's name
		p.KeySpec, p.KeyUsage, specP256, usageSign, specSymmetric, usageEncrypt)
}

// createKey keeps the key of a logical id over restarts. Another spec or usage
// makes a new key, as CloudFormation replaces it; the old one stays, so that
// what it signed can be verified by its id.
func (s *Service) createKey(_ context.Context, r assembly.Resource) (assembly.Created, error) {
	var p keyProperties
	if err := r.Decode(&p); err != nil {
		return assembly.Created{}, err
	}
	if err := p.check(); err != nil {
		return assembly.Created{}, fmt.Errorf("resource %s (%s): %w", r.LogicalID, r.Type, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	k := s.made(r.LogicalID, p.KeySpec, p.KeyUsage)
	if k == nil {
		k = &key{LogicalID: r.LogicalID, Spec: p.KeySpec, Usage: p.KeyUsage}
		if err := s.newKey(k); err != nil {
			return assembly.Created{}, fmt.Errorf("resource %s: make its key: %w", r.LogicalID, err)
		}
	}
	k.Description, k.Policy, k.Enabled = p.Description, p.KeyPolicy, p.Enabled == nil || *p.Enabled
	arn := s.arn(k.ID)
	return assembly.Created{Ref: k.ID, Attributes: map[string]any{"Arn": arn, "KeyId": k.ID}}, s.save()
}

func (s *Service) made(logicalID, spec, usage string) *key {
	for _, k := range s.state.Keys {
		if k.LogicalID == logicalID && k.Spec == spec && k.Usage == usage {
			return k
		}
	}
	return nil
}

func (s *Service) createAlias(_ context.Context, r assembly.Resource) (assembly.Created, error) {
	var p struct {
		AliasName   string
		TargetKeyID string `json:"TargetKeyId"`
	}
	if err := r.Decode(&p); err != nil {
		return assembly.Created{}, err
	}
	if !strings.HasPrefix(p.AliasName, "alias/") || strings.HasPrefix(p.AliasName, "alias/aws/") {
		return assembly.Created{}, fmt.Errorf("resource %s: AliasName %q: want alias/<name>, not alias/aws/", r.LogicalID, p.AliasName)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	k, err := s.find(p.TargetKeyID)
	if err != nil {
		return assembly.Created{}, fmt.Errorf("resource %s: %w", r.LogicalID, err)
	}
	s.state.Aliases[p.AliasName] = k.ID
	return assembly.Created{Ref: p.AliasName, Attributes: map[string]any{"Arn": s.aliasARN(p.AliasName)}}, s.save()
}
