// Package network accepts the template's EC2 networking: VPCs, subnets, routes,
// gateways, endpoints and security groups.
//
// Nothing of it is built: functions, jobs and servers of the local stack run on
// this machine's own network, and no security group keeps anybody out. What is
// declared is checked as EC2 would check it (every id must exist and be of the
// right kind, a subnet must lie within its VPC and overlap no other), given an
// id, and kept for the admin API.
package network

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"net/netip"
	"sync"

	"github.com/sluice-ml/sluice/infra/local/assembly"
)

// Service records a stack's network.
type Service struct {
	region string
	stack  string

	mu      sync.Mutex
	records map[string]Record // by id
}

// Record is one accepted resource.
type Record struct {
	ID         string          `json:"id"`
	LogicalID  string          `json:"logical_id"`
	Type       string          `json:"type"`
	Properties json.RawMessage `json:"properties"`

	vpc  string       // of a subnet, route table or security group
	cidr netip.Prefix // of a VPC or subnet
}

// New makes the service for a stack's resources.
func New(region, stack string) *Service {
	return &Service{region: region, stack: stack, records: map[string]Record{}}
}

// Records gives what was accepted, by id.
func (s *Service) Records() map[string]Record {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.records)
}

// Creators are the Creators of the EC2 types.
func (s *Service) Creators() map[string]assembly.Creator {
	return map[string]assembly.Creator{
		"AWS::EC2::VPC":                         creator(s, s.vpc),
		"AWS::EC2::Subnet":                      creator(s, s.subnet),
		"AWS::EC2::InternetGateway":             creator(s, s.internetGateway),
		"AWS::EC2::VPCGatewayAttachment":        creator(s, s.attachment),
		"AWS::EC2::RouteTable":                  creator(s, s.routeTable),
		"AWS::EC2::Route":                       creator(s, s.route),
		"AWS::EC2::SubnetRouteTableAssociation": creator(s, s.association),
		"AWS::EC2::VPCEndpoint":                 creator(s, s.endpoint),
		"AWS::EC2::SecurityGroup":               creator(s, s.securityGroup),
	}
}

// creator adapts a function that checks properties of type P and completes the
// resource's record.
func creator[P any](s *Service, accept func(P, *Record) (attributes map[string]any, err error)) assembly.Creator {
	return func(_ context.Context, r assembly.Resource) (assembly.Created, error) {
		var p P
		if err := r.Decode(&p); err != nil {
			return assembly.Created{}, err
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		record := Record{LogicalID: r.LogicalID, Type: r.Type, Properties: r.Properties}
		record.ID = s.id(r)
		attributes, err := accept(p, &record)
		if err != nil {
			return assembly.Created{}, fmt.Errorf("%s: %w", r.LogicalID, err)
		}
		s.records[record.ID] = record
		return assembly.Created{Ref: record.ID, Attributes: attributes}, nil
	}
}

// id is the resource's id, the same each time the stack is brought up.
func (s *Service) id(r assembly.Resource) string {
	prefixes := map[string]string{"AWS::EC2::VPC": "vpc", "AWS::EC2::Subnet": "subnet", "AWS::EC2::InternetGateway": "igw",
		"AWS::EC2::VPCGatewayAttachment": "attach", "AWS::EC2::RouteTable": "rtb", "AWS::EC2::Route": "r",
		"AWS::EC2::SubnetRouteTableAssociation": "rtbassoc", "AWS::EC2::VPCEndpoint": "vpce", "AWS::EC2::SecurityGroup": "sg"}
	sum := sha256.Sum256([]byte(s.stack + "\x00" + r.LogicalID))
	return prefixes[r.Type] + "-" + hex.EncodeToString(sum[:])[:17]
}

// need finds a resource of a type by id.
func (s *Service) need(property, id, kind string) (Record, error) {
	record, ok := s.records[id]
	if !ok || record.Type != kind {
		return Record{}, fmt.Errorf("%s is %q, which is no %s of this stack", property, id, kind)
	}
	return record, nil
}

func prefix(property, cidr string) (netip.Prefix, error) {
	p, err := netip.ParsePrefix(cidr)
	if err != nil || p != p.Masked() {
		return netip.Prefix{}, fmt.Errorf("%s is %q, want a network such as 10.0.0.0/16", property, cidr)
	}
	return p, nil
}
