package elb

import (
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"
)

// routes is what a listener does with requests: rules by priority, the last of
// which is the default. It is never changed, only replaced.
type routes struct{ rules []route }

type route struct {
	conditions []matcher // all must hold
	action     action
}

// action is one of forward, fixed and redirect.
type action struct {
	forward  *forward
	fixed    *FixedResponse
	redirect *Redirect
}

// forward shares requests among pools.
type forward struct {
	groups []share
	total  int           // of the weights
	sticky time.Duration // how long a client stays at a group; 0: not
}

type share struct {
	pool   *pool
	weight int
}

// compile makes a listener's routes; s.mu is held. What it reads was checked
// when it was kept.
func (s *Service) compile(l *listener) *routes {
	var out routes
	for _, r := range s.rulesOf(l.ARN) {
		out.rules = append(out.rules, route{matchers(r.Conditions), s.compileAction(r.Actions)})
	}
	out.rules = append(out.rules, route{nil, s.compileAction(l.Actions)})
	return &out
}

func (s *Service) compileAction(actions []Action) action {
	last := actions[len(actions)-1]
	switch last.Type {
	case typeFixed:
		return action{fixed: last.FixedResponseConfig}
	case typeRedirect:
		return action{redirect: last.RedirectConfig}
	}
	f := &forward{}
	for _, g := range last.ForwardConfig.TargetGroups {
		if p := s.pools[g.TargetGroupArn]; p != nil {
			f.groups = append(f.groups, share{p, *g.Weight})
			f.total += *g.Weight
		}
	}
	if sticky := last.ForwardConfig.TargetGroupStickinessConfig; sticky != nil && sticky.Enabled {
		f.sticky = time.Duration(*sticky.DurationSeconds) * time.Second
	}
	return action{forward: f}
}

// find gives the action for a request.
func (r *routes) find(request *http.Request) action {
	for _, one := range r.rules {
		if !slices.ContainsFunc(one.conditions, func(m matcher) bool { return !m(request) }) {
			return one.action
		}
	}
	return action{} // not reached: the default has no conditions
}

// draw picks a group by weight, for a number from 0 to below f.total.
func (f *forward) draw(n int) *pool {
	for _, g := range f.groups {
		if n -= g.weight; n < 0 {
			return g.pool
		}
	}
	return nil
}

// weighted gives the group with the ARN if it has a weight above 0: a client
// does not stick to a group that is meant to get nothing.
func (f *forward) weighted(arn string) *pool {
	for _, g := range f.groups {
		if g.pool.arn == arn && g.weight > 0 {
			return g.pool
		}
	}
	return nil
}

// matcher tells whether a request fulfils one condition.
type matcher func(*http.Request) bool

func matchers(conditions []Condition) []matcher {
	var out []matcher
	for _, c := range conditions {
		out = append(out, c.matcher())
	}
	return out
}

func (c Condition) matcher() matcher {
	switch c.Field {
	case fieldPath:
		return anyPattern(c.PathPatternConfig.Values, false, func(r *http.Request) []string { return []string{r.URL.EscapedPath()} })
	case fieldHost:
		return anyPattern(c.HostHeaderConfig.Values, true, func(r *http.Request) []string { return []string{hostname(r.Host)} })
	case fieldHeader:
		name := http.CanonicalHeaderKey(c.HttpHeaderConfig.HttpHeaderName)
		return anyPattern(c.HttpHeaderConfig.Values, true, func(r *http.Request) []string { return r.Header[name] })
	case fieldMethod:
		values := c.HttpRequestMethodConfig.Values
		return func(r *http.Request) bool { return slices.Contains(values, r.Method) }
	case fieldSource:
		return sourceMatcher(c.SourceIpConfig.Values)
	}
	return queryMatcher(c.QueryStringConfig.Values)
}

func anyPattern(values []string, fold bool, of func(*http.Request) []string) matcher {
	var patterns []pattern
	for _, v := range values {
		patterns = append(patterns, newPattern(v, fold, false))
	}
	return func(r *http.Request) bool {
		for _, candidate := range of(r) {
			if slices.ContainsFunc(patterns, func(p pattern) bool { return p.matches(candidate) }) {
				return true
			}
		}
		return false
	}
}

func sourceMatcher(values []string) matcher {
	var networks []netip.Prefix
	for _, v := range values {
		if p, err := netip.ParsePrefix(v); err == nil { // checked when it was kept
			networks = append(networks, p.Masked())
		}
	}
	return func(r *http.Request) bool {
		from, err := netip.ParseAddr(clientIP(r))
		return err == nil && slices.ContainsFunc(networks, func(p netip.Prefix) bool { return p.Contains(from) })
	}
}

func queryMatcher(pairs []QueryPair) matcher {
	type compiled struct {
		key   *pattern
		value pattern
	}
	var want []compiled
	for _, p := range pairs {
		c := compiled{value: newPattern(p.Value, true, true)}
		if p.Key != nil {
			key := newPattern(*p.Key, true, true)
			c.key = &key
		}
		want = append(want, c)
	}
	return func(r *http.Request) bool {
		values, _ := url.ParseQuery(r.URL.RawQuery) // what cannot be read matches nothing
		for key, some := range values {
			for _, c := range want {
				if (c.key == nil || c.key.matches(key)) && slices.ContainsFunc(some, c.value.matches) {
					return true
				}
			}
		}
		return false
	}
}

// hostname cuts the port off a Host header.
func hostname(host string) string {
	if name, _, err := net.SplitHostPort(host); err == nil {
		return name
	}
	return strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
}

func clientIP(r *http.Request) string {
	ip, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	return ip
}
