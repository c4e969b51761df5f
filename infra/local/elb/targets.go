package elb

import (
	"context"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"time"

	"github.com/sluice-ml/sluice/infra/local/wire"
)

// AWS's limits on targets.
// https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-limits.html
const maxTargets = 1000 // in a target group

// key names a target within its group.
func (m *member) key() string { return net.JoinHostPort(m.id, strconv.Itoa(m.port)) }

// Register adds a target to a target group, or takes it back while it drains;
// one that is registered already stays as it is. id is an IP address. Errors are
// *wire.Error: TargetGroupNotFound, ValidationError, InvalidTarget,
// TooManyTargets; no retry helps.
func (s *Service) Register(_ context.Context, targetGroupArn, id string, port int) error {
	return s.register(targetGroupArn, []target{{ID: id, Port: port}})
}

// Deregister lets a target drain: it gets no new requests and is gone after the
// group's deregistration delay. A target that is not registered is no error;
// TargetGroupNotFound is the only one.
func (s *Service) Deregister(_ context.Context, targetGroupArn, id string, port int) error {
	return s.deregister(targetGroupArn, []target{{ID: id, Port: port}})
}

// TargetHealth gives a target's state (initial, healthy, unhealthy, unused,
// draining) and AWS's reason code, which is empty for a healthy one. A target
// that is not registered is unused with the reason Target.NotRegistered.
// TargetGroupNotFound is the only error.
func (s *Service) TargetHealth(targetGroupArn, id string, port int) (state, reason string, err error) {
	s.mu.Lock()
	p := s.pools[targetGroupArn]
	s.mu.Unlock()
	if p == nil {
		return "", "", noTargetGroup(targetGroupArn)
	}
	h := p.describe(id, port)
	return h.state, h.reason, nil
}

// TargetGroupExists tells whether there is such a target group, and whether a
// listener or a rule forwards to it.
func (s *Service) TargetGroupExists(arn string) (inUse, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.users(arn)) > 0, s.state.TargetGroups[arn] != nil
}

func (p *pool) describe(id string, port int) health {
	p.mu.Lock()
	defer p.mu.Unlock()
	if m := p.find(id, port); m != nil {
		return p.healthOf(m)
	}
	return health{state: stateUnused, reason: reasonNotRegistered, description: "Target is not registered to the target group"}
}

func (s *Service) register(arn string, targets []target) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.registerLocked(arn, targets)
}

// registerLocked is register with s.mu held.
func (s *Service) registerLocked(arn string, targets []target) error {
	record := s.state.TargetGroups[arn]
	if record == nil {
		return noTargetGroup(arn)
	}
	after := slices.Clone(record.Targets)
	for i, t := range targets {
		if t.Port == 0 {
			t.Port = record.Port
			targets[i].Port = t.Port
		}
		if err := checkTarget(t); err != nil {
			return err
		}
		at := slices.IndexFunc(after, t.same)
		if at < 0 {
			after = append(after, t)
		} else {
			after[at].Draining = time.Time{}
		}
	}
	if len(after) > maxTargets {
		return wire.Errorf("TooManyTargets", "target group '%s' cannot have more than %d targets", arn, maxTargets)
	}
	before := record.Targets
	record.Targets = after
	if err := s.save(); err != nil {
		record.Targets = before
		return err
	}
	for _, t := range targets {
		s.pools[arn].add(t)
	}
	return nil
}

func (t target) same(other target) bool { return t.ID == other.ID && t.Port == other.Port }

// private are the networks that targets of the type ip may be in, and this
// machine, which AWS's load balancers know nothing of.
// https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-target-groups.html#target-type
var private = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("100.64.0.0/10"),
	netip.MustParsePrefix("172.16.0.0/12"), netip.MustParsePrefix("192.168.0.0/16"), netip.MustParsePrefix("127.0.0.0/8")}

func checkTarget(t target) error {
	address, err := netip.ParseAddr(t.ID)
	if err != nil || !address.Is4() {
		return invalid("The IP address '%s' is not a valid IPv4 address", t.ID)
	}
	if !slices.ContainsFunc(private, func(p netip.Prefix) bool { return p.Contains(address) }) {
		return wire.Errorf("InvalidTarget", "The IP address '%s' is not within a private network: the local stack reaches targets on this machine", t.ID)
	}
	if t.Port < 1 || t.Port > 65535 {
		return invalid("Port '%d' is not valid: want 1 to 65535", t.Port)
	}
	return nil
}

func (s *Service) deregister(arn string, targets []target) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	record, p := s.state.TargetGroups[arn], s.pools[arn]
	if record == nil {
		return noTargetGroup(arn)
	}
	delay := p.settings.Load().deregistration
	until := s.config.Now().Add(delay).UTC()
	for _, t := range targets {
		if t.Port == 0 {
			t.Port = record.Port
		}
		at := slices.IndexFunc(record.Targets, t.same)
		if at < 0 {
			continue
		}
		if p.retire(t.ID, t.Port, delay) {
			record.Targets = slices.Delete(slices.Clone(record.Targets), at, at+1)
		} else if record.Targets[at].Draining.IsZero() {
			record.Targets[at].Draining = until
		}
	}
	return s.save()
}

// drained removes a target whose draining number drain is over. A target that
// was registered again meanwhile stays.
func (s *Service) drained(p *pool, m *member, drain int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p.mu.Lock()
	over := m.draining && m.drains == drain && s.context.Err() == nil
	if over {
		p.discard(m)
	}
	p.mu.Unlock()
	record := s.state.TargetGroups[p.arn]
	if !over || record == nil {
		return
	}
	record.Targets = slices.DeleteFunc(slices.Clone(record.Targets), func(t target) bool { return t.ID == m.id && t.Port == m.port })
	if err := s.save(); err != nil {
		s.logf("elb: keep that %s left %s: %v", m.key(), p.name, err)
	}
}

// address gives where a target is dialled. A private address that the network
// does not know is of nothing on this machine.
func (s *Service) address(id string, port int) (string, error) {
	if address, ok := s.config.Network.Address(id, port); ok {
		return address, nil
	}
	if ip, err := netip.ParseAddr(id); err != nil || !ip.IsLoopback() {
		return "", errNoHost
	}
	return net.JoinHostPort(id, strconv.Itoa(port)), nil
}
