package elb

import (
	"cmp"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// state is the state file. Health is not kept: it is found out again.
type state struct {
	LoadBalancers map[string]*loadBalancer `json:"load_balancers"` // by ARN, like all of these
	TargetGroups  map[string]*targetGroup  `json:"target_groups"`
	Listeners     map[string]*listener     `json:"listeners"`
	Rules         map[string]*rule         `json:"rules"`
	// Tags are of all four, by ARN.
	Tags map[string][]Tag `json:"tags"`
	// Declared is what the template said about a resource when it was last
	// deployed, by ARN: a deployment that says the same changes nothing.
	Declared  map[string]string `json:"declared"`
	CookieKey []byte            `json:"cookie_key"`
}

func newState() state {
	return state{map[string]*loadBalancer{}, map[string]*targetGroup{}, map[string]*listener{}, map[string]*rule{},
		map[string][]Tag{}, map[string]string{}, nil}
}

type loadBalancer struct {
	ARN            string            `json:"arn"`
	Name           string            `json:"name"`
	Scheme         string            `json:"scheme"`
	VPC            string            `json:"vpc"`
	Zones          []subnetZone      `json:"zones"`
	SecurityGroups []string          `json:"security_groups"`
	Created        time.Time         `json:"created"`
	Attributes     map[string]string `json:"attributes"` // those that were set
}

type subnetZone struct {
	Subnet string `json:"subnet"`
	Zone   string `json:"zone"`
}

type targetGroup struct {
	ARN        string            `json:"arn"`
	Name       string            `json:"name"`
	VPC        string            `json:"vpc"`
	Port       int               `json:"port"`
	Check      healthCheck       `json:"check"`
	Attributes map[string]string `json:"attributes"` // those that were set
	Targets    []target          `json:"targets"`
}

// target is a registered target, or one that drains.
type target struct {
	ID       string    `json:"id"`
	Port     int       `json:"port"`
	Zone     string    `json:"zone,omitempty"`
	Draining time.Time `json:"draining"` // until when; zero: it does not
}

type listener struct {
	ARN          string   `json:"arn"`
	LoadBalancer string   `json:"load_balancer"`
	Port         int      `json:"port"`
	LocalPort    int      `json:"local_port"` // on 127.0.0.1
	DefaultRule  string   `json:"default_rule"`
	Actions      []Action `json:"actions"`
}

type rule struct {
	ARN        string      `json:"arn"`
	Listener   string      `json:"listener"`
	Priority   int         `json:"priority"`
	Conditions []Condition `json:"conditions"`
	Actions    []Action    `json:"actions"`
}

func sorted[T any](m map[string]T) []string { return slices.Sorted(maps.Keys(m)) }

// arn is of a resource such as "loadbalancer/app/name/hash".
func (s *Service) arn(resource string) string {
	return fmt.Sprintf("arn:aws:elasticloadbalancing:%s:%s:%s", s.config.Region, s.config.Account, resource)
}

// resource is an ARN's last part: "loadbalancer/app/name/hash".
func resource(arn string) string { return arn[strings.LastIndexByte(arn, ':')+1:] }

// fullName is a load balancer's or target group's name in metrics:
// "app/name/hash" or "targetgroup/name/hash".
func fullName(arn string) string { return strings.TrimPrefix(resource(arn), "loadbalancer/") }

// identity is the 16 digits that end an ARN: random ones, or for a resource of
// the template those of its logical id, which are the same each time.
func (s *Service) identity(logicalID string) string {
	if logicalID == "" {
		var b [8]byte
		_, _ = rand.Read(b[:]) // it does not fail
		return hex.EncodeToString(b[:])
	}
	sum := sha256.Sum256([]byte(s.config.Stack + "\x00" + logicalID))
	return hex.EncodeToString(sum[:8])
}

// rulesOf gives a listener's rules by priority; s.mu is held.
func (s *Service) rulesOf(listener string) []*rule {
	var out []*rule
	for _, r := range s.state.Rules {
		if r.Listener == listener {
			out = append(out, r)
		}
	}
	slices.SortFunc(out, func(a, b *rule) int { return cmp.Compare(a.Priority, b.Priority) })
	return out
}

// listenersOf gives a load balancer's listeners by port; s.mu is held.
func (s *Service) listenersOf(balancer string) []*listener {
	var out []*listener
	for _, l := range s.state.Listeners {
		if l.LoadBalancer == balancer {
			out = append(out, l)
		}
	}
	slices.SortFunc(out, func(a, b *listener) int { return cmp.Compare(a.Port, b.Port) })
	return out
}

// users gives the load balancers whose listeners or rules forward to a target
// group: one at most. s.mu is held.
func (s *Service) users(group string) []string {
	found := map[string]bool{}
	for _, l := range s.state.Listeners {
		if forwardsTo(l.Actions, group) {
			found[l.LoadBalancer] = true
		}
	}
	for _, r := range s.state.Rules {
		if l := s.state.Listeners[r.Listener]; l != nil && forwardsTo(r.Actions, group) {
			found[l.LoadBalancer] = true
		}
	}
	return sorted(found)
}
