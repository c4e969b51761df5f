// Package iam accepts the template's roles and policies.
//
// The local stack evaluates no policy: every caller may do everything. What is
// declared is checked for shape and kept, so that a reference to a role gives its
// ARN and the admin API can show who was granted what. A missing permission
// therefore shows only on AWS.
package iam

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"

	"github.com/sluice-ml/sluice/infra/local/assembly"
)

// Service records roles and policies.
type Service struct {
	account string
	stack   string

	mu      sync.Mutex
	records map[string]Record
}

// Record is one accepted resource.
type Record struct {
	LogicalID  string          `json:"logical_id"`
	Type       string          `json:"type"`
	Name       string          `json:"name"`
	Properties json.RawMessage `json:"properties"`
}

// New makes the service for a stack's resources.
func New(account, stack string) *Service {
	return &Service{account: account, stack: stack, records: map[string]Record{}}
}

// Creators are the Creators of the IAM types.
func (s *Service) Creators() map[string]assembly.Creator {
	return map[string]assembly.Creator{
		"AWS::IAM::Role":            s.createRole,
		"AWS::IAM::Policy":          s.createPolicy,
		"AWS::IAM::ManagedPolicy":   s.createManagedPolicy,
		"AWS::IAM::InstanceProfile": s.createInstanceProfile,
	}
}

// Records gives what was accepted, by logical id.
func (s *Service) Records() map[string]Record {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := map[string]Record{}
	for id, record := range s.records {
		out[id] = record
	}
	return out
}

func (s *Service) record(r assembly.Resource, name string) string {
	if name == "" {
		name = assembly.PhysicalName(s.stack, r.LogicalID, 64)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.records[r.LogicalID] = Record{r.LogicalID, r.Type, name, r.Properties}
	return name
}

func (s *Service) arn(kind, path, name string) string {
	if path == "" {
		path = "/"
	}
	return "arn:aws:iam::" + s.account + ":" + kind + path + name
}

// document is a policy document. Its statements are kept as they are.
type document struct {
	Version   string
	ID        string `json:"Id"`
	Statement []map[string]any
}

type inlinePolicy struct {
	PolicyName     string
	PolicyDocument document
}

type role struct {
	RoleName                 string
	Path                     string
	Description              string
	AssumeRolePolicyDocument document
	ManagedPolicyArns        []string
	Policies                 []inlinePolicy
	MaxSessionDuration       int
	PermissionsBoundary      string
	Tags                     []assembly.Tag
}

func (s *Service) createRole(_ context.Context, r assembly.Resource) (assembly.Created, error) {
	var p role
	if err := r.Decode(&p); err != nil {
		return assembly.Created{}, err
	}
	if len(p.AssumeRolePolicyDocument.Statement) == 0 {
		return assembly.Created{}, fmt.Errorf("role %s: AssumeRolePolicyDocument has no Statement, so nobody can take the role", r.LogicalID)
	}
	name := s.record(r, p.RoleName)
	return assembly.Created{Ref: name, Attributes: map[string]any{
		"Arn": s.arn("role", p.Path, name), "RoleId": "AROA" + assembly.PhysicalName("", name, 0)[1:]}}, nil
}

type policy struct {
	PolicyName        string
	ManagedPolicyName string
	Path              string
	Description       string
	PolicyDocument    document
	Roles             []string
	Users             []string
	Groups            []string
}

func (s *Service) decodePolicy(r assembly.Resource) (policy, error) {
	var p policy
	if err := r.Decode(&p); err != nil {
		return policy{}, err
	}
	if len(p.PolicyDocument.Statement) == 0 {
		return policy{}, fmt.Errorf("policy %s: PolicyDocument has no Statement", r.LogicalID)
	}
	return p, nil
}

func (s *Service) createPolicy(_ context.Context, r assembly.Resource) (assembly.Created, error) {
	p, err := s.decodePolicy(r)
	if err != nil {
		return assembly.Created{}, err
	}
	name := s.record(r, p.PolicyName)
	return assembly.Created{Ref: name, Attributes: map[string]any{"Id": name}}, nil
}

func (s *Service) createManagedPolicy(_ context.Context, r assembly.Resource) (assembly.Created, error) {
	p, err := s.decodePolicy(r)
	if err != nil {
		return assembly.Created{}, err
	}
	arn := s.arn("policy", p.Path, s.record(r, p.ManagedPolicyName))
	return assembly.Created{Ref: arn, Attributes: map[string]any{"PolicyArn": arn}}, nil
}

type instanceProfile struct {
	InstanceProfileName string
	Path                string
	Roles               []string
}

func (s *Service) createInstanceProfile(_ context.Context, r assembly.Resource) (assembly.Created, error) {
	var p instanceProfile
	if err := r.Decode(&p); err != nil {
		return assembly.Created{}, err
	}
	name := s.record(r, p.InstanceProfileName)
	return assembly.Created{Ref: name, Attributes: map[string]any{"Arn": s.arn("instance-profile", p.Path, name)}}, nil
}
