package elb

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/sluice-ml/sluice/infra/local/assembly"
)

// Creators makes the template's load balancers, target groups, listeners and
// rules. A resource that the template declares as it did before is left as it
// is, with the weights it has by now; one that it declares otherwise is updated.
func (s *Service) Creators() map[string]assembly.Creator {
	return map[string]assembly.Creator{
		"AWS::ElasticLoadBalancingV2::LoadBalancer": declaring(s, s.declareBalancer),
		"AWS::ElasticLoadBalancingV2::TargetGroup":  declaring(s, s.declareGroup),
		"AWS::ElasticLoadBalancingV2::Listener":     declaring(s, s.declareListener),
		"AWS::ElasticLoadBalancingV2::ListenerRule": declaring(s, s.declareRule),
	}
}

// declaring adapts a function that makes or updates what properties of type P
// declare. It gives the ARN, which the function must name before it is called
// with same, and attributes.
func declaring[P any](s *Service, declare func(p P, d declaration) (arn string, attributes map[string]any, err error)) assembly.Creator {
	return func(_ context.Context, r assembly.Resource) (assembly.Created, error) {
		var p P
		if err := r.Decode(&p); err != nil {
			return assembly.Created{}, err
		}
		canonical, err := json.Marshal(p)
		if err != nil {
			return assembly.Created{}, err
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		d := declaration{id: r.LogicalID, text: string(canonical)}
		arn, attributes, err := declare(p, d)
		if err != nil {
			return assembly.Created{}, fmt.Errorf("resource %s: %w", r.LogicalID, err)
		}
		s.state.Declared[arn] = d.text
		s.declared[arn] = true
		return assembly.Created{Ref: arn, Attributes: attributes}, s.save()
	}
}

// declaration is what the template says about a resource.
type declaration struct {
	id   string // the logical id
	text string // the properties
}

// same tells whether the resource is there and was declared in the same words.
func (s *Service) same(arn string, d declaration) bool { return s.state.Declared[arn] == d.text }

// nameOf gives a name to what the template leaves without: the same each time.
func (s *Service) nameOf(name, logicalID string) string {
	if name != "" {
		return name
	}
	short := func(text string, n int) string {
		text = strings.Map(func(r rune) rune {
			if r < '0' || r > 'z' || r > '9' && r < 'A' || r > 'Z' && r < 'a' {
				return -1
			}
			return r
		}, text)
		return text[:min(n, len(text))]
	}
	return short(s.config.Stack, 8) + "-" + short(logicalID, 8) + "-" + s.identity(logicalID)[:12]
}

type declaredBalancer struct {
	Name                   string
	Subnets                []string
	SubnetMappings         []subnetMapping
	SecurityGroups         []string
	Scheme                 string
	Type                   string
	IpAddressType          string
	LoadBalancerAttributes []Attribute
	Tags                   []Tag
}

func (s *Service) declareBalancer(p declaredBalancer, d declaration) (string, map[string]any, error) {
	name := s.nameOf(p.Name, d.id)
	b := s.state.LoadBalancers[s.arn("loadbalancer/app/"+name+"/"+s.identity(d.id))]
	in := createBalancerIn{name, p.Subnets, p.SubnetMappings, p.SecurityGroups, p.Scheme, p.Type, p.IpAddressType, p.Tags}
	switch {
	case b == nil:
		var err error
		if b, err = s.addBalancer(in, d.id); err != nil {
			return "", nil, err
		}
	case !s.same(b.ARN, d):
		made, err := s.newLoadBalancer(in)
		if err != nil {
			return "", nil, err
		}
		if made.Scheme != b.Scheme {
			return "", nil, unsupported("change of a load balancer's scheme: give it another name")
		}
		b.VPC, b.Zones, b.SecurityGroups = made.VPC, made.Zones, made.SecurityGroups
		s.retag(b.ARN, p.Tags)
	}
	if !s.same(b.ARN, d) {
		if err := s.setBalancerAttributes(b, p.LoadBalancerAttributes); err != nil {
			return "", nil, err
		}
	}
	return b.ARN, map[string]any{"LoadBalancerArn": b.ARN, "DNSName": dnsName(b), "CanonicalHostedZoneID": hostedZone, "LoadBalancerName": b.Name,
		"LoadBalancerFullName": fullName(b.ARN), "SecurityGroups": list(b.SecurityGroups)}, nil
}

// list is a list as templates use them.
func list(texts []string) []any {
	out := []any{}
	for _, text := range texts {
		out = append(out, text)
	}
	return out
}

// retag gives a resource the tags that the template declares; s.mu is held.
func (s *Service) retag(arn string, tags []Tag) {
	delete(s.state.Tags, arn)
	s.addTags(arn, tags)
}

type declaredGroup struct {
	Name                  string
	Port                  *int
	Protocol              string
	ProtocolVersion       string
	TargetType            string
	VpcId                 string
	IpAddressType         string
	TargetGroupAttributes []Attribute
	Targets               []targetIn
	Tags                  []Tag
	checkIn
}

func (s *Service) declareGroup(p declaredGroup, d declaration) (string, map[string]any, error) {
	name := s.nameOf(p.Name, d.id)
	g := s.state.TargetGroups[s.arn("targetgroup/"+name+"/"+s.identity(d.id))]
	in := createGroupIn{name, p.Port, p.Protocol, p.ProtocolVersion, p.TargetType, p.VpcId, p.IpAddressType, p.Tags, p.checkIn}
	switch {
	case g == nil:
		var err error
		if g, err = s.addGroup(in, d.id); err != nil {
			return "", nil, err
		}
	case !s.same(g.ARN, d):
		made, err := newGroup(in)
		if err == nil && (made.Port != g.Port || made.VPC != g.VPC) {
			err = unsupported("change of a target group's port or VPC: give it another name")
		}
		if err == nil {
			err = s.setCheck(g, p.checkIn)
		}
		if err != nil {
			return "", nil, err
		}
		s.retag(g.ARN, p.Tags)
	}
	if !s.same(g.ARN, d) {
		if err := s.declareSettings(g, p); err != nil {
			return "", nil, err
		}
	}
	return g.ARN, map[string]any{"TargetGroupArn": g.ARN, "TargetGroupName": g.Name, "TargetGroupFullName": fullName(g.ARN),
		"LoadBalancerArns": list(s.users(g.ARN))}, nil
}

func (s *Service) declareSettings(g *targetGroup, p declaredGroup) error {
	if err := s.setGroupAttributes(g, p.TargetGroupAttributes); err != nil || len(p.Targets) == 0 {
		return err
	}
	targets, err := targetsIn{g.ARN, p.Targets}.targets()
	if err != nil {
		return err
	}
	return s.registerLocked(g.ARN, targets)
}

type declaredListener struct {
	LoadBalancerArn string
	Port            *int
	Protocol        string
	DefaultActions  []Action
}

func (s *Service) declareListener(p declaredListener, d declaration) (string, map[string]any, error) {
	arn := strings.Replace(p.LoadBalancerArn, ":loadbalancer/", ":listener/", 1) + "/" + s.identity(d.id)
	l := s.state.Listeners[arn]
	var err error
	switch {
	case l == nil:
		for _, old := range s.listenersOf(p.LoadBalancerArn) {
			if p.Port != nil && old.Port == *p.Port && s.outdated(old.ARN) {
				s.forgetListener(old)
			}
		}
		l, err = s.addListener(createListenerIn{p.LoadBalancerArn, p.Port, p.Protocol, p.DefaultActions, nil}, d.id)
		if err == nil && l.ARN != arn {
			err = invalid("port %d has a listener already: %s", l.Port, l.ARN)
		}
	case !s.same(arn, d):
		if err = checkPort(p.Port, p.Protocol); err == nil && *p.Port != l.Port {
			err = unsupported("change of a listener's port; give it another logical id")
		}
		if err == nil {
			err = s.setDefault(l, p.DefaultActions)
		}
	}
	return arn, map[string]any{"ListenerArn": arn}, err
}

type declaredRule struct {
	ListenerArn string
	Priority    *int
	Conditions  []Condition
	Actions     []Action
}

func (s *Service) declareRule(p declaredRule, d declaration) (string, map[string]any, error) {
	arn := strings.Replace(p.ListenerArn, ":listener/", ":listener-rule/", 1) + "/" + s.identity(d.id)
	r := s.state.Rules[arn]
	var err error
	switch {
	case r == nil:
		for _, old := range s.rulesOf(p.ListenerArn) {
			if p.Priority != nil && old.Priority == *p.Priority && s.outdated(old.ARN) {
				delete(s.state.Rules, old.ARN)
				s.forget(old.ARN)
			}
		}
		_, err = s.addRule(createRuleIn{p.ListenerArn, p.Priority, p.Conditions, p.Actions, nil}, d.id)
	case !s.same(arn, d):
		if p.Priority == nil {
			return "", nil, invalid("A priority must be specified")
		}
		if err = s.checkPriority(r, *p.Priority); err == nil {
			r.Priority = *p.Priority
			err = s.setRule(r, modifyRuleIn{arn, p.Conditions, p.Actions})
		}
	}
	return arn, map[string]any{"RuleArn": arn, "IsDefault": false}, err
}

// outdated tells whether the template declared a resource once and has not done
// so since this process began.
func (s *Service) outdated(arn string) bool {
	_, declared := s.state.Declared[arn]
	return declared && !s.declared[arn]
}

// Prune deletes what an earlier template declared and this one does not. The
// stack calls it once the template is deployed. A target group that something
// still forwards to stays.
func (s *Service) Prune() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	gone := map[string]bool{}
	for _, r := range s.state.Rules {
		if s.outdated(r.ARN) {
			delete(s.state.Rules, r.ARN)
			s.forget(r.ARN)
			gone[r.Listener] = true
		}
	}
	for _, l := range s.state.Listeners {
		if s.outdated(l.ARN) || s.outdated(l.LoadBalancer) {
			s.forgetListener(l)
		} else if gone[l.ARN] {
			s.publish(l.ARN)
		}
	}
	for arn := range s.state.LoadBalancers {
		if s.outdated(arn) {
			delete(s.state.LoadBalancers, arn)
			delete(s.balancers, arn)
			s.forget(arn)
		}
	}
	for arn := range s.state.TargetGroups {
		if s.outdated(arn) && len(s.users(arn)) == 0 {
			s.pools[arn].stop()
			delete(s.pools, arn)
			delete(s.state.TargetGroups, arn)
			s.forget(arn)
		}
	}
	s.attach()
	return s.save()
}
