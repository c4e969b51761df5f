package sagemaker

import "sync"

// mirrorsInFlight is how many copies one shadow may have under way at once. A
// shadow that hangs holds so many bodies, not all that ever came.
const mirrorsInFlight = 64

// mirrors counts the copies under way, by endpoint and shadow.
type mirrors struct {
	mu       sync.Mutex
	inFlight map[[2]string]int
}

// begin takes a place for a copy; false when there is none.
func (m *mirrors) begin(key [2]string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.inFlight == nil {
		m.inFlight = map[[2]string]int{}
	}
	if m.inFlight[key] >= mirrorsInFlight {
		return false
	}
	m.inFlight[key]++
	return true
}

func (m *mirrors) end(key [2]string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.inFlight[key]--; m.inFlight[key] == 0 {
		delete(m.inFlight, key)
	}
}

// mirror sends a copy of a request to the endpoint's shadow, if it has one and
// the sample wants this request, and comes back at once. Nothing of the copy can
// reach the caller: it has its own header and the service's context, and its
// answer ends in the shadow's metrics and captured data.
func (s *Service) mirror(in *invocation) {
	shadow := in.route.shadow
	if shadow == nil || s.random.Float64()*in.route.total >= shadow.weight || s.context.Err() != nil {
		return
	}
	key := [2]string{in.endpoint, shadow.name}
	if !s.mirrors.begin(key) {
		s.usage.drop(in.endpoint, shadow.name)
		return
	}
	copied := &invocation{endpoint: in.endpoint, began: in.began, body: in.body, header: in.header.Clone(), route: in.route, variant: shadow, copied: true}
	s.working.Go(func() {
		defer s.mirrors.end(key)
		if a := s.ask(s.context, copied); s.shadows(in.endpoint, shadow) {
			s.record(copied, a)
		}
	})
}

// shadows says that a shadow is still there: one that was taken away, or whose
// service is closing, has not failed when it does not answer.
func (s *Service) shadows(name string, shadow *routed) bool {
	s.mu.Lock()
	e := s.endpoints[name]
	s.mu.Unlock()
	if e == nil || s.context.Err() != nil {
		return false
	}
	r := e.route.Load()
	return r != nil && r.shadow != nil && r.shadow.fleet == shadow.fleet
}
