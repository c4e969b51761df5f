package elb

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// pool is a target group at work: it knows its targets' health and gives each
// request a target.
type pool struct {
	arn, name, full string
	service         *Service
	settings        atomic.Pointer[groupSettings]
	routable        atomic.Pointer[[]*member] // whom new requests go to
	next            atomic.Uint64             // of round robin

	mu      sync.Mutex
	check   healthCheck
	inUse   bool
	members []*member
}

// member is a target at work.
type member struct {
	id          string
	port        int
	zone        string
	outstanding atomic.Int64 // requests in flight

	// removed is done once the target is gone, with requests in flight or not.
	removed context.Context
	remove  context.CancelFunc

	// Under the pool's lock:
	health   health
	draining bool
	drains   int                // how often it began to drain
	drained  *time.Timer        // ends the draining
	unwatch  context.CancelFunc // ends the health checks; nil: there are none
}

func (s *Service) newPool(record *targetGroup) *pool {
	p := &pool{arn: record.ARN, name: record.Name, full: fullName(record.ARN), service: s, check: record.Check}
	settings := settingsOf(record)
	p.settings.Store(&settings)
	p.routable.Store(&[]*member{})
	for _, t := range record.Targets {
		p.members = append(p.members, newMember(t))
	}
	for i, t := range record.Targets {
		if !t.Draining.IsZero() {
			p.drain(p.members[i], t.Draining.Sub(s.config.Now()))
		}
	}
	return p
}

func newMember(t target) *member {
	m := &member{id: t.ID, port: t.Port, zone: t.Zone, health: registering()}
	m.removed, m.remove = context.WithCancel(context.Background())
	return m
}

// find gives a registered or draining target; p.mu is held.
func (p *pool) find(id string, port int) *member {
	for _, m := range p.members {
		if m.id == id && m.port == port {
			return m
		}
	}
	return nil
}

// add registers a target, which may have been draining.
func (p *pool) add(t target) {
	p.mu.Lock()
	defer p.mu.Unlock()
	m := p.find(t.ID, t.Port)
	if m != nil && !m.draining {
		return
	}
	if m == nil {
		m = newMember(t)
		p.members = append(p.members, m)
	} else {
		m.draining = false
		m.drained.Stop()
		m.health = registering()
	}
	p.watch(m)
	p.elect()
}

// retire takes a target out of routing and removes it after the delay. A group
// that is not in use loses it at once: removed is true.
func (p *pool) retire(id string, port int, delay time.Duration) (removed bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	m := p.find(id, port)
	if m == nil || m.draining {
		return m == nil
	}
	if !p.inUse || delay <= 0 {
		p.discard(m)
		return true
	}
	p.drain(m, delay)
	return false
}

// drain takes no more requests to a target; p.mu is held, or p is new.
func (p *pool) drain(m *member, delay time.Duration) {
	m.draining = true
	m.drains++
	drain := m.drains
	p.unwatch(m)
	m.drained = time.AfterFunc(max(delay, 0), func() { p.service.drained(p, m, drain) })
	p.elect()
}

// discard forgets a target and ends its requests; p.mu is held.
func (p *pool) discard(m *member) {
	p.unwatch(m)
	p.members = slices.DeleteFunc(p.members, func(other *member) bool { return other == m })
	m.remove()
	p.elect()
}

// use tells the pool whether a listener or rule forwards to it: only then its
// targets are checked.
func (p *pool) use(inUse bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.inUse == inUse {
		return
	}
	p.inUse = inUse
	for _, m := range p.members {
		if m.draining {
			continue
		}
		m.health = registering()
		p.watch(m)
	}
	p.elect()
}

// configure takes a change of the health check or of the attributes. What is
// known about the targets stays.
func (p *pool) configure(record *targetGroup) {
	settings := settingsOf(record)
	p.settings.Store(&settings)
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.check != record.Check {
		p.check = record.Check
		for _, m := range p.members {
			if !m.draining {
				p.watch(m)
			}
		}
	}
	p.elect()
}

// watch begins to check a target, or begins anew; p.mu is held.
func (p *pool) watch(m *member) {
	p.unwatch(m)
	if !p.inUse || p.service.context.Err() != nil {
		return
	}
	ctx, cancel := context.WithCancel(p.service.context)
	m.unwatch = cancel
	check := p.check
	p.service.working.Go(func() { p.keepChecking(ctx, m, check) })
}

func (p *pool) unwatch(m *member) {
	if m.unwatch != nil {
		m.unwatch()
		m.unwatch = nil
	}
}

func (p *pool) keepChecking(ctx context.Context, m *member, check healthCheck) {
	ticker := time.NewTicker(time.Duration(check.Interval) * time.Second)
	defer ticker.Stop()
	for ctx.Err() == nil {
		found := p.service.probe(ctx, m.id, m.port, check)
		p.judge(ctx, m, p.service.drilled(p.name, found), check)
		select {
		case <-ctx.Done():
		case <-ticker.C:
		}
	}
}

// judge takes a check's finding into account, unless the check was called off.
func (p *pool) judge(ctx context.Context, m *member, found finding, check healthCheck) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if ctx.Err() != nil {
		return
	}
	before := m.health.state
	m.health = m.health.after(found, check)
	if m.health.state != before {
		p.elect()
	}
}

// elect decides who gets new requests: the healthy, or everybody if too few are
// healthy (fail-open). p.mu is held, or p is new.
func (p *pool) elect() {
	var all, healthy []*member
	for _, m := range p.members {
		if m.draining {
			continue
		}
		all = append(all, m)
		if m.health.state == stateHealthy {
			healthy = append(healthy, m)
		}
	}
	settings := p.settings.Load()
	if len(healthy) < settings.minimumHealthy || len(healthy)*100 < settings.minimumPercent*len(all) {
		healthy = all
	}
	p.routable.Store(&healthy)
}

// choose gives a request its target; nil: there is none.
func (p *pool) choose() *member {
	members := *p.routable.Load()
	if len(members) == 0 {
		return nil
	}
	first := int((p.next.Add(1) - 1) % uint64(len(members)))
	best := members[first]
	if !p.settings.Load().leastOutstanding {
		return best
	}
	for i := 1; i < len(members); i++ {
		if m := members[(first+i)%len(members)]; m.outstanding.Load() < best.outstanding.Load() {
			best = m
		}
	}
	return best
}

// sticky gives the target that a cookie names if it may still get requests.
func (p *pool) sticky(key string) *member {
	for _, m := range *p.routable.Load() {
		if m.key() == key {
			return m
		}
	}
	return nil
}

// healthOf describes a target as clients see it; p.mu is held.
func (p *pool) healthOf(m *member) health {
	switch {
	case m.draining:
		return health{state: stateDraining, reason: reasonDraining, description: "Target deregistration is in progress"}
	case !p.inUse:
		return health{state: stateUnused, reason: reasonNotInUse, description: "Target group is not configured to receive traffic from the load balancer"}
	}
	return m.health
}

// hosts counts the healthy and the unhealthy targets.
func (p *pool) hosts() (healthy, unhealthy int, inUse bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, m := range p.members {
		switch p.healthOf(m).state {
		case stateHealthy:
			healthy++
		case stateUnhealthy:
			unhealthy++
		}
	}
	return healthy, unhealthy, p.inUse
}

// stop ends the health checks and the timers. Requests in flight go on.
func (p *pool) stop() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, m := range p.members {
		p.unwatch(m)
		if m.drained != nil {
			m.drained.Stop()
		}
	}
}
