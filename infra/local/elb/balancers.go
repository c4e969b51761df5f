package elb

import (
	"context"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/sluice-ml/sluice/infra/local/wire"
)

const (
	schemeInternal = "internal"
	schemeInternet = "internet-facing"
	typeALB        = "application"
	hostedZone     = "Z35SXDOTRQ7X7K" // of us-east-1's load balancers
	maxBalancers   = 50               // in a region
)

type createBalancerIn struct {
	Name           string
	Subnets        []string
	SubnetMappings []subnetMapping
	SecurityGroups []string
	Scheme         string
	Type           string
	IpAddressType  string
	Tags           []Tag
}

// subnetMapping names a subnet; the addresses one can give there are of Network
// Load Balancers.
type subnetMapping struct{ SubnetId string }

type balancerOut struct {
	LoadBalancerArn       string
	DNSName               string
	CanonicalHostedZoneId string
	CreatedTime           time.Time
	LoadBalancerName      string
	Scheme                string
	VpcId                 string
	State                 struct{ Code string }
	Type                  string
	AvailabilityZones     []zoneOut `xml:"AvailabilityZones>member"`
	SecurityGroups        []string  `xml:"SecurityGroups>member"`
	IpAddressType         string
}

type zoneOut struct{ ZoneName, SubnetId string }

type balancersOut struct {
	LoadBalancers []balancerOut `xml:"LoadBalancers>member"`
	NextMarker    string        `xml:",omitempty"`
}

func (b *loadBalancer) out(state string) balancerOut {
	out := balancerOut{LoadBalancerArn: b.ARN, DNSName: dnsName(b), CanonicalHostedZoneId: hostedZone, CreatedTime: b.Created, LoadBalancerName: b.Name,
		Scheme: b.Scheme, VpcId: b.VPC, Type: typeALB, SecurityGroups: b.SecurityGroups, IpAddressType: "ipv4"}
	out.State.Code = state
	for _, z := range b.Zones {
		out.AvailabilityZones = append(out.AvailabilityZones, zoneOut{z.Zone, z.Subnet})
	}
	return out
}

var resourceName = regexp.MustCompile(`^[a-zA-Z0-9]([a-zA-Z0-9-]{0,30}[a-zA-Z0-9])?$`)

func (s *Service) createBalancer(_ context.Context, in createBalancerIn) (*balancersOut, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	b, err := s.addBalancer(in, "")
	if err != nil {
		return nil, err
	}
	return &balancersOut{LoadBalancers: []balancerOut{b.out("provisioning")}}, nil
}

// addBalancer makes a load balancer, or gives the same one that there is; s.mu
// is held.
func (s *Service) addBalancer(in createBalancerIn, logicalID string) (*loadBalancer, error) {
	made, err := s.newLoadBalancer(in)
	if err != nil {
		return nil, err
	}
	for _, arn := range sorted(s.state.LoadBalancers) {
		b := s.state.LoadBalancers[arn]
		if b.Name != made.Name {
			continue
		}
		if b.Scheme != made.Scheme || !slices.Equal(b.Zones, made.Zones) || !slices.Equal(b.SecurityGroups, made.SecurityGroups) {
			return nil, wire.Errorf("DuplicateLoadBalancerName", "A load balancer with the same name '%s' exists, but with different settings", in.Name)
		}
		return b, nil
	}
	if len(s.state.LoadBalancers) >= maxBalancers {
		return nil, wire.Errorf("TooManyLoadBalancers", "The maximum number of load balancers has been reached: %d", maxBalancers)
	}
	made.ARN = s.arn("loadbalancer/app/" + made.Name + "/" + s.identity(logicalID))
	if err := s.checkTags(made.ARN, in.Tags); err != nil {
		return nil, err
	}
	s.state.LoadBalancers[made.ARN] = made
	s.addTags(made.ARN, in.Tags)
	if err := s.save(); err != nil {
		delete(s.state.LoadBalancers, made.ARN)
		delete(s.state.Tags, made.ARN)
		return nil, err
	}
	s.balancers[made.ARN] = newBalancer(made)
	return made, nil
}

func (s *Service) newLoadBalancer(in createBalancerIn) (*loadBalancer, error) {
	switch {
	case !resourceName.MatchString(in.Name) || strings.HasPrefix(in.Name, "internal-"):
		return nil, invalid("Load balancer name '%s' must have 1 to 32 letters, digits and inner hyphens and not begin with 'internal-'", in.Name)
	case in.Type != "" && in.Type != typeALB:
		return nil, unsupported("load balancer of the type '%s'; it has application load balancers", in.Type)
	case in.IpAddressType != "" && in.IpAddressType != "ipv4":
		return nil, unsupported("IP address type '%s'; it has ipv4", in.IpAddressType)
	case in.Scheme != "" && in.Scheme != schemeInternet && in.Scheme != schemeInternal:
		return nil, wire.Errorf("InvalidScheme", "The scheme '%s' is not valid: want internet-facing or internal", in.Scheme)
	}
	b := &loadBalancer{Name: in.Name, Scheme: in.Scheme, Created: s.config.Now().UTC().Truncate(time.Millisecond), Attributes: map[string]string{}}
	if b.Scheme == "" {
		b.Scheme = schemeInternet
	}
	if len(in.Subnets) > 0 && len(in.SubnetMappings) > 0 {
		return nil, invalid("You must specify either subnets or subnet mappings, not both")
	}
	for _, m := range in.SubnetMappings {
		in.Subnets = append(in.Subnets, m.SubnetId)
	}
	if err := s.place(b, in.Subnets); err != nil {
		return nil, err
	}
	return b, s.secure(b, in.SecurityGroups)
}

// place puts a load balancer into subnets.
func (s *Service) place(b *loadBalancer, subnets []string) error {
	zones := map[string]bool{}
	for _, id := range subnets {
		vpc, zone, ok := s.config.Subnets.Subnet(id)
		if !ok {
			return wire.Errorf("SubnetNotFound", "The subnet ID '%s' does not exist", id)
		}
		if b.VPC != "" && vpc != b.VPC || zones[zone] {
			return wire.Errorf("InvalidSubnet", "The subnet '%s' is in another VPC or in the same Availability Zone as another: want one subnet for each of several zones of a VPC", id)
		}
		b.VPC, zones[zone] = vpc, true
		b.Zones = append(b.Zones, subnetZone{id, zone})
	}
	if len(zones) < 2 {
		return invalid("At least two subnets in two different Availability Zones must be specified")
	}
	return nil
}

func (s *Service) secure(b *loadBalancer, groups []string) error {
	for _, id := range groups {
		if vpc, ok := s.config.Subnets.SecurityGroup(id); !ok || vpc != b.VPC {
			return wire.Errorf("InvalidSecurityGroup", "The security group '%s' does not exist in the VPC '%s'", id, b.VPC)
		}
		b.SecurityGroups = append(b.SecurityGroups, id)
	}
	return nil
}

type describeBalancersIn struct {
	LoadBalancerArns []string
	Names            []string
	page
}

func (s *Service) describeBalancers(_ context.Context, in describeBalancersIn) (*balancersOut, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(in.LoadBalancerArns) > 0 && len(in.Names) > 0 {
		return nil, invalid("You cannot specify both load balancer ARNs and names")
	}
	found, err := chosen(s.state.LoadBalancers, in.LoadBalancerArns, noLoadBalancer)
	if err != nil {
		return nil, err
	}
	if found, err = named(found, in.Names, func(b *loadBalancer) string { return b.Name }, func(name string) error {
		return wire.Errorf("LoadBalancerNotFound", "Load balancers '[%s]' not found", name)
	}); err != nil {
		return nil, err
	}
	found, next, err := cut(in.page, found, func(b *loadBalancer) string { return b.ARN })
	out := &balancersOut{NextMarker: next}
	for _, b := range found {
		out.LoadBalancers = append(out.LoadBalancers, b.out("active"))
	}
	return out, err
}

type balancerArnIn struct{ LoadBalancerArn string }

// deleteBalancer deletes a load balancer with its listeners and rules. One that
// is gone already is no error.
func (s *Service) deleteBalancer(_ context.Context, in balancerArnIn) (*none, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	b := s.state.LoadBalancers[in.LoadBalancerArn]
	if b == nil {
		return &none{}, nil
	}
	if value(b.Attributes, balancerSettings, deletionProtection) == "true" {
		return nil, notPermitted("Load balancer '%s' cannot be deleted because deletion protection is enabled", b.ARN)
	}
	for _, l := range s.listenersOf(b.ARN) {
		s.forgetListener(l)
	}
	s.forget(b.ARN)
	delete(s.state.LoadBalancers, b.ARN)
	delete(s.balancers, b.ARN)
	s.attach()
	return &none{}, s.save()
}

// forget drops what is kept about any resource beside it; s.mu is held.
func (s *Service) forget(arn string) {
	delete(s.state.Tags, arn)
	delete(s.state.Declared, arn)
}

type attributesOut struct {
	Attributes []Attribute `xml:"Attributes>member"`
}

func (s *Service) describeBalancerAttributes(_ context.Context, in balancerArnIn) (*attributesOut, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	b := s.state.LoadBalancers[in.LoadBalancerArn]
	if b == nil {
		return nil, noLoadBalancer(in.LoadBalancerArn)
	}
	return &attributesOut{all(b.Attributes, balancerSettings)}, nil
}

type modifyBalancerAttributesIn struct {
	LoadBalancerArn string
	Attributes      []Attribute
}

func (s *Service) modifyBalancerAttributes(_ context.Context, in modifyBalancerAttributesIn) (*attributesOut, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	b := s.state.LoadBalancers[in.LoadBalancerArn]
	if b == nil {
		return nil, noLoadBalancer(in.LoadBalancerArn)
	}
	if err := s.setBalancerAttributes(b, in.Attributes); err != nil {
		return nil, err
	}
	return &attributesOut{all(b.Attributes, balancerSettings)}, nil
}

func (s *Service) setBalancerAttributes(b *loadBalancer, attributes []Attribute) error {
	after, err := changed(b.Attributes, attributes, balancerSettings, "Load balancer")
	if err != nil {
		return err
	}
	before := b.Attributes
	b.Attributes = after
	if err := s.save(); err != nil {
		b.Attributes = before
		return err
	}
	s.balancers[b.ARN].configure(b)
	return nil
}
