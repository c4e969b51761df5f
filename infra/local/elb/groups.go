package elb

import (
	"context"
	"strconv"
	"strings"

	"github.com/sluice-ml/sluice/infra/local/wire"
)

const maxTargetGroups = 3000 // in a region

// checkIn is the part of a request that is about a group's health checks.
type checkIn struct {
	HealthCheckEnabled         *bool
	HealthCheckIntervalSeconds *int
	HealthCheckPath            *string
	HealthCheckPort            *string
	HealthCheckProtocol        string
	HealthCheckTimeoutSeconds  *int
	HealthyThresholdCount      *int
	UnhealthyThresholdCount    *int
	Matcher                    *Matcher
}

type createGroupIn struct {
	Name            string
	Port            *int
	Protocol        string
	ProtocolVersion string
	TargetType      string
	VpcId           string
	IpAddressType   string
	Tags            []Tag
	checkIn
}

type groupOut struct {
	TargetGroupArn             string
	TargetGroupName            string
	Protocol                   string
	ProtocolVersion            string
	Port                       int
	VpcId                      string
	HealthCheckProtocol        string
	HealthCheckPort            string
	HealthCheckEnabled         bool
	HealthCheckIntervalSeconds int
	HealthCheckTimeoutSeconds  int
	HealthyThresholdCount      int
	UnhealthyThresholdCount    int
	HealthCheckPath            string
	Matcher                    Matcher
	LoadBalancerArns           []string `xml:"LoadBalancerArns>member"`
	TargetType                 string
	IpAddressType              string
}

type groupsOut struct {
	TargetGroups []groupOut `xml:"TargetGroups>member"`
	NextMarker   string     `xml:",omitempty"`
}

// out describes a group; s.mu is held.
func (s *Service) groupOut(g *targetGroup) groupOut {
	return groupOut{TargetGroupArn: g.ARN, TargetGroupName: g.Name, Protocol: "HTTP", ProtocolVersion: "HTTP1", Port: g.Port, VpcId: g.VPC,
		HealthCheckProtocol: "HTTP", HealthCheckPort: g.Check.Port, HealthCheckEnabled: true,
		HealthCheckIntervalSeconds: g.Check.Interval, HealthCheckTimeoutSeconds: g.Check.Timeout,
		HealthyThresholdCount: g.Check.Healthy, UnhealthyThresholdCount: g.Check.Unhealthy, HealthCheckPath: g.Check.Path,
		Matcher: Matcher{g.Check.Matcher}, LoadBalancerArns: s.users(g.ARN), TargetType: "ip", IpAddressType: "ipv4"}
}

func (s *Service) createGroup(_ context.Context, in createGroupIn) (*groupsOut, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	g, err := s.addGroup(in, "")
	if err != nil {
		return nil, err
	}
	return &groupsOut{TargetGroups: []groupOut{s.groupOut(g)}}, nil
}

// addGroup makes a target group, or gives the same one that there is; s.mu is
// held.
func (s *Service) addGroup(in createGroupIn, logicalID string) (*targetGroup, error) {
	made, err := newGroup(in)
	if err != nil {
		return nil, err
	}
	for _, arn := range sorted(s.state.TargetGroups) {
		g := s.state.TargetGroups[arn]
		if g.Name != made.Name {
			continue
		}
		if g.VPC != made.VPC || g.Port != made.Port || g.Check != made.Check {
			return nil, wire.Errorf("DuplicateTargetGroupName", "A target group with the same name '%s' exists, but with different settings", in.Name)
		}
		return g, nil
	}
	if len(s.state.TargetGroups) >= maxTargetGroups {
		return nil, wire.Errorf("TooManyTargetGroups", "The maximum number of target groups has been reached: %d", maxTargetGroups)
	}
	made.ARN = s.arn("targetgroup/" + made.Name + "/" + s.identity(logicalID))
	if err := s.checkTags(made.ARN, in.Tags); err != nil {
		return nil, err
	}
	s.state.TargetGroups[made.ARN] = made
	s.addTags(made.ARN, in.Tags)
	if err := s.save(); err != nil {
		delete(s.state.TargetGroups, made.ARN)
		delete(s.state.Tags, made.ARN)
		return nil, err
	}
	s.pools[made.ARN] = s.newPool(made)
	return made, nil
}

func newGroup(in createGroupIn) (*targetGroup, error) {
	targetType := in.TargetType
	if targetType == "" {
		targetType = "instance" // AWS's default
	}
	switch {
	case !resourceName.MatchString(in.Name):
		return nil, invalid("Target group name '%s' must have 1 to 32 letters, digits and inner hyphens", in.Name)
	case targetType != "ip":
		return nil, unsupported("targets of the type '%s'; it has the TargetType ip", targetType)
	case in.Protocol == "":
		return nil, invalid("A protocol must be specified")
	case in.Protocol != "HTTP":
		return nil, unsupported("target group protocol '%s'; it has HTTP", in.Protocol)
	case in.ProtocolVersion != "" && in.ProtocolVersion != "HTTP1":
		return nil, unsupported("target group protocol version '%s'; it has HTTP1", in.ProtocolVersion)
	case in.IpAddressType != "" && in.IpAddressType != "ipv4":
		return nil, unsupported("target group IP address type '%s'; it has ipv4", in.IpAddressType)
	case in.Port == nil:
		return nil, invalid("A port must be specified")
	case *in.Port < 1 || *in.Port > 65535:
		return nil, invalid("Port '%d' is not valid: want 1 to 65535", *in.Port)
	case in.VpcId == "":
		return nil, invalid("A VPC ID must be specified for target type 'ip'")
	}
	check, err := in.checkIn.apply(defaultCheck())
	return &targetGroup{Name: in.Name, VPC: in.VpcId, Port: *in.Port, Check: check, Attributes: map[string]string{}}, err
}

// apply gives the health check with the changes made.
func (in checkIn) apply(c healthCheck) (healthCheck, error) {
	if in.HealthCheckEnabled != nil && !*in.HealthCheckEnabled {
		return c, invalid("Health check enabled must be true for target groups with target type 'ip'")
	}
	if in.HealthCheckProtocol != "" && in.HealthCheckProtocol != "HTTP" {
		return c, unsupported("health check protocol '%s'; it has HTTP", in.HealthCheckProtocol)
	}
	for _, n := range []struct {
		given     *int
		into      *int
		low, high int
		name      string
	}{
		{in.HealthCheckIntervalSeconds, &c.Interval, 5, 300, "Health check interval"}, {in.HealthCheckTimeoutSeconds, &c.Timeout, 2, 120, "Health check timeout"},
		{in.HealthyThresholdCount, &c.Healthy, 2, 10, "Healthy threshold count"}, {in.UnhealthyThresholdCount, &c.Unhealthy, 2, 10, "Unhealthy threshold count"},
	} {
		if n.given == nil {
			continue
		}
		if *n.given < n.low || *n.given > n.high {
			return c, invalid("%s '%d' must be between %d and %d inclusive", n.name, *n.given, n.low, n.high)
		}
		*n.into = *n.given
	}
	if c.Timeout >= c.Interval {
		return c, invalid("Health check interval must be greater than the timeout")
	}
	if in.HealthCheckPath != nil {
		c.Path = *in.HealthCheckPath
	}
	if !strings.HasPrefix(c.Path, "/") || len(c.Path) > 1024 {
		return c, invalid("Health check path '%s' must start with '/' and have at most 1024 characters", c.Path)
	}
	if in.HealthCheckPort != nil {
		c.Port = *in.HealthCheckPort
	}
	if port, err := strconv.Atoi(c.Port); c.Port != "traffic-port" && (err != nil || port < 1 || port > 65535) {
		return c, invalid("Health check port '%s' must be 'traffic-port' or a number from 1 to 65535", c.Port)
	}
	if in.Matcher != nil {
		c.Matcher = in.Matcher.HttpCode
	}
	return c, checkMatcher(c.Matcher)
}

type describeGroupsIn struct {
	LoadBalancerArn string
	TargetGroupArns []string
	Names           []string
	page
}

func (s *Service) describeGroups(_ context.Context, in describeGroupsIn) (*groupsOut, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	found, err := chosen(s.state.TargetGroups, in.TargetGroupArns, noTargetGroup)
	if err != nil {
		return nil, err
	}
	if found, err = named(found, in.Names, func(g *targetGroup) string { return g.Name }, func(name string) error {
		return wire.Errorf("TargetGroupNotFound", "One or more target groups not found: '%s'", name)
	}); err != nil {
		return nil, err
	}
	if in.LoadBalancerArn != "" {
		if s.state.LoadBalancers[in.LoadBalancerArn] == nil {
			return nil, noLoadBalancer(in.LoadBalancerArn)
		}
		var of []*targetGroup
		for _, g := range found {
			if users := s.users(g.ARN); len(users) > 0 && users[0] == in.LoadBalancerArn {
				of = append(of, g)
			}
		}
		found = of
	}
	found, next, err := cut(in.page, found, func(g *targetGroup) string { return g.ARN })
	out := &groupsOut{NextMarker: next}
	for _, g := range found {
		out.TargetGroups = append(out.TargetGroups, s.groupOut(g))
	}
	return out, err
}

type modifyGroupIn struct {
	TargetGroupArn string
	checkIn
}

func (s *Service) modifyGroup(_ context.Context, in modifyGroupIn) (*groupsOut, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	g := s.state.TargetGroups[in.TargetGroupArn]
	if g == nil {
		return nil, noTargetGroup(in.TargetGroupArn)
	}
	if err := s.setCheck(g, in.checkIn); err != nil {
		return nil, err
	}
	return &groupsOut{TargetGroups: []groupOut{s.groupOut(g)}}, nil
}

func (s *Service) setCheck(g *targetGroup, in checkIn) error {
	check, err := in.apply(g.Check)
	if err != nil {
		return err
	}
	before := g.Check
	g.Check = check
	if err := s.save(); err != nil {
		g.Check = before
		return err
	}
	s.pools[g.ARN].configure(g)
	return nil
}

type groupArnIn struct{ TargetGroupArn string }

// deleteGroup deletes a target group with its targets. One that is gone already
// is no error.
func (s *Service) deleteGroup(_ context.Context, in groupArnIn) (*none, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.pools[in.TargetGroupArn]
	if p == nil {
		return &none{}, nil
	}
	if len(s.users(in.TargetGroupArn)) > 0 {
		return nil, wire.Errorf("ResourceInUse", "Target group '%s' is currently in use by a listener or a rule", in.TargetGroupArn)
	}
	p.stop()
	delete(s.pools, in.TargetGroupArn)
	delete(s.state.TargetGroups, in.TargetGroupArn)
	s.forget(in.TargetGroupArn)
	return &none{}, s.save()
}

func (s *Service) describeGroupAttributes(_ context.Context, in groupArnIn) (*attributesOut, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	g := s.state.TargetGroups[in.TargetGroupArn]
	if g == nil {
		return nil, noTargetGroup(in.TargetGroupArn)
	}
	return &attributesOut{all(g.Attributes, groupAttributes)}, nil
}

type modifyGroupAttributesIn struct {
	TargetGroupArn string
	Attributes     []Attribute
}

func (s *Service) modifyGroupAttributes(_ context.Context, in modifyGroupAttributesIn) (*attributesOut, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	g := s.state.TargetGroups[in.TargetGroupArn]
	if g == nil {
		return nil, noTargetGroup(in.TargetGroupArn)
	}
	if err := s.setGroupAttributes(g, in.Attributes); err != nil {
		return nil, err
	}
	return &attributesOut{all(g.Attributes, groupAttributes)}, nil
}

func (s *Service) setGroupAttributes(g *targetGroup, attributes []Attribute) error {
	after, err := changed(g.Attributes, attributes, groupAttributes, "Target group")
	if err != nil {
		return err
	}
	before := g.Attributes
	g.Attributes = after
	if err := s.checkStickiness(g); err != nil {
		g.Attributes = before
		return err
	}
	if err := s.save(); err != nil {
		g.Attributes = before
		return err
	}
	s.pools[g.ARN].configure(g)
	return nil
}

// checkStickiness wants the actions that forward to a sticky group among several
// to be sticky too; s.mu is held.
func (s *Service) checkStickiness(g *targetGroup) error {
	var all []Action
	for _, l := range s.state.Listeners {
		all = append(all, l.Actions...)
	}
	for _, r := range s.state.Rules {
		all = append(all, r.Actions...)
	}
	for _, a := range all {
		if forwardsTo([]Action{a}, g.ARN) {
			if err := s.checkGroups(a.ForwardConfig); err != nil {
				return err
			}
		}
	}
	return nil
}
