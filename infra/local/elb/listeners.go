package elb

import (
	"context"
	"strings"

	"github.com/sluice-ml/sluice/infra/local/wire"
)

const maxListeners = 50 // of a load balancer

type createListenerIn struct {
	LoadBalancerArn string
	Port            *int
	Protocol        string
	DefaultActions  []Action
	Tags            []Tag
}

type listenerOut struct {
	ListenerArn     string
	LoadBalancerArn string
	Port            int
	Protocol        string
	DefaultActions  []Action `xml:"DefaultActions>member"`
}

type listenersOut struct {
	Listeners  []listenerOut `xml:"Listeners>member"`
	NextMarker string        `xml:",omitempty"`
}

func (l *listener) out() listenerOut {
	return listenerOut{l.ARN, l.LoadBalancer, l.Port, "HTTP", l.Actions}
}

func (s *Service) createListener(_ context.Context, in createListenerIn) (*listenersOut, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	l, err := s.addListener(in, "")
	if err != nil {
		return nil, err
	}
	return &listenersOut{Listeners: []listenerOut{l.out()}}, nil
}

// addListener makes a listener and opens its port, or gives the same one that
// there is; s.mu is held.
func (s *Service) addListener(in createListenerIn, logicalID string) (*listener, error) {
	if s.state.LoadBalancers[in.LoadBalancerArn] == nil {
		return nil, noLoadBalancer(in.LoadBalancerArn)
	}
	if err := checkPort(in.Port, in.Protocol); err != nil {
		return nil, err
	}
	actions, err := s.checkFor(in.LoadBalancerArn, in.DefaultActions)
	if err != nil {
		return nil, err
	}
	others := s.listenersOf(in.LoadBalancerArn)
	for _, l := range others {
		if l.Port != *in.Port {
			continue
		}
		if !sameJSON(l.Actions, actions) {
			return nil, wire.Errorf("DuplicateListener", "A listener already exists on this port for this load balancer '%s'", in.LoadBalancerArn)
		}
		return l, nil
	}
	if len(others) >= maxListeners {
		return nil, wire.Errorf("TooManyListeners", "The maximum number of listeners has been reached on load balancer '%s': %d", in.LoadBalancerArn, maxListeners)
	}
	arn := strings.Replace(in.LoadBalancerArn, ":loadbalancer/", ":listener/", 1) + "/" + s.identity(logicalID)
	l := &listener{ARN: arn, LoadBalancer: in.LoadBalancerArn, Port: *in.Port, Actions: actions,
		DefaultRule: strings.Replace(arn, ":listener/", ":listener-rule/", 1) + "/" + s.identity(defaultOf(logicalID))}
	if err := s.checkTags(arn, in.Tags); err != nil {
		return nil, err
	}
	return l, s.start(l, in.Tags)
}

// defaultOf is the logical id that a template's listener would give to its
// default rule.
func defaultOf(logicalID string) string {
	if logicalID == "" {
		return ""
	}
	return logicalID + "/default"
}

// start keeps a new listener and opens its port; s.mu is held.
func (s *Service) start(l *listener, tags []Tag) error {
	s.state.Listeners[l.ARN] = l
	s.addTags(l.ARN, tags)
	err := s.listen(l)
	if err == nil {
		err = s.save()
	}
	if err != nil {
		s.forgetListener(l)
		return err
	}
	s.attach()
	return nil
}

func checkPort(port *int, protocol string) error {
	switch {
	case port == nil:
		return invalid("A port must be specified")
	case *port < 1 || *port > 65535:
		return invalid("Port '%d' is not valid: want 1 to 65535", *port)
	case protocol == "":
		return invalid("A protocol must be specified")
	case protocol == "HTTPS":
		return unsupported("HTTPS listeners; it has the Protocol HTTP")
	case protocol != "HTTP":
		return wire.Errorf("UnsupportedProtocol", "The protocol '%s' is not supported: the local stack has HTTP", protocol)
	}
	return nil
}

// checkFor is checkActions for a load balancer, which shares no target group with
// another; s.mu is held.
func (s *Service) checkFor(balancer string, actions []Action) ([]Action, error) {
	checked, err := s.checkActions(actions)
	if err != nil {
		return nil, err
	}
	return checked, s.checkAssociation(balancer, checked)
}

type describeListenersIn struct {
	LoadBalancerArn string
	ListenerArns    []string
	page
}

func (s *Service) describeListeners(_ context.Context, in describeListenersIn) (*listenersOut, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if (in.LoadBalancerArn == "") == (len(in.ListenerArns) == 0) {
		return nil, invalid("You must specify either listener ARNs or a load balancer ARN")
	}
	var found []*listener
	var err error
	if in.LoadBalancerArn == "" {
		found, err = chosen(s.state.Listeners, in.ListenerArns, noListener)
	} else if s.state.LoadBalancers[in.LoadBalancerArn] == nil {
		err = noLoadBalancer(in.LoadBalancerArn)
	} else {
		found = s.listenersOf(in.LoadBalancerArn)
	}
	if err != nil {
		return nil, err
	}
	found, next, err := cut(in.page, found, func(l *listener) string { return l.ARN })
	out := &listenersOut{NextMarker: next}
	for _, l := range found {
		out.Listeners = append(out.Listeners, l.out())
	}
	return out, err
}

type modifyListenerIn struct {
	ListenerArn    string
	Port           *int
	Protocol       string
	DefaultActions []Action
}

func (s *Service) modifyListener(_ context.Context, in modifyListenerIn) (*listenersOut, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	l := s.state.Listeners[in.ListenerArn]
	if l == nil {
		return nil, noListener(in.ListenerArn)
	}
	if in.Protocol != "" {
		if err := checkPort(&l.Port, in.Protocol); err != nil {
			return nil, err
		}
	}
	if in.Port != nil && *in.Port != l.Port {
		return nil, unsupported("change of a listener's port (%d to %d); delete the listener and create another", l.Port, *in.Port)
	}
	if in.DefaultActions != nil {
		if err := s.setDefault(l, in.DefaultActions); err != nil {
			return nil, err
		}
	}
	return &listenersOut{Listeners: []listenerOut{l.out()}}, nil
}

// setDefault replaces a listener's default actions; s.mu is held.
func (s *Service) setDefault(l *listener, actions []Action) error {
	checked, err := s.checkFor(l.LoadBalancer, actions)
	if err != nil {
		return err
	}
	before := l.Actions
	l.Actions = checked
	if err := s.save(); err != nil {
		l.Actions = before
		return err
	}
	s.attach()
	s.publish(l.ARN)
	return nil
}

type listenerArnIn struct{ ListenerArn string }

func (s *Service) deleteListener(_ context.Context, in listenerArnIn) (*none, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	l := s.state.Listeners[in.ListenerArn]
	if l == nil {
		return nil, noListener(in.ListenerArn)
	}
	s.forgetListener(l)
	s.attach()
	return &none{}, s.save()
}

// forgetListener closes a listener and drops it with its rules; s.mu is held.
func (s *Service) forgetListener(l *listener) {
	s.unlisten(l.ARN)
	for _, r := range s.rulesOf(l.ARN) {
		delete(s.state.Rules, r.ARN)
		s.forget(r.ARN)
	}
	delete(s.state.Listeners, l.ARN)
	s.forget(l.ARN)
}
