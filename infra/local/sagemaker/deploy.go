package sagemaker

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"
)

// endpoint is an endpoint's record and what runs for it.
type endpoint struct {
	record *endpointRecord       // guarded by Service.mu
	fleets map[string]*fleet     // by variant; guarded by Service.mu
	route  atomic.Pointer[route] // what invocations follow; nil before the first deployment
}

func newEndpoint(r *endpointRecord) *endpoint {
	return &endpoint{record: r, fleets: map[string]*fleet{}}
}

// busy says whether a change is under way.
func (r *endpointRecord) busy() bool {
	return slices.Contains([]string{Creating, Updating, RollingBack, Deleting}, r.Status)
}

// begin keeps a change of the endpoint and starts carrying it out; s.mu is held.
func (s *Service) begin(e *endpoint, status string, target *deployment) error {
	now := s.config.Now().UTC()
	target.Started = now
	e.record.Status, e.record.Pending, e.record.Modified = status, target, now
	if err := s.save(); err != nil {
		return err
	}
	s.working.Go(func() { s.deploy(e) })
	return nil
}

// deploy builds the pending deployment beside the current one, then moves the
// traffic, or rolls back.
func (s *Service) deploy(e *endpoint) {
	s.mu.Lock()
	target, old := e.record.Pending, e.fleets
	name := e.record.Name
	s.mu.Unlock()

	fleets, err := s.build(name, target, old)
	badly := false
	if err == nil && old != nil && s.config.UpdateFault != nil {
		var fails bool
		if fails, badly = s.config.UpdateFault(name); fails {
			err = errors.New("injected fault")
		}
	}
	if err == nil && s.config.UpdateTime > 0 {
		err = pause(s.context, s.config.UpdateTime)
	}
	if s.context.Err() != nil { // closing: the record stays as it is, for Recover
		s.discard(fleets, old)
		return
	}
	if err != nil {
		s.rollBack(e, fleets, err)
		if badly {
			s.failRollBack(e)
		}
		return
	}
	s.commit(e, target, fleets)
}

func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// build starts what the target needs and old does not have, and waits until
// every instance answers. It returns what it started even with an error.
func (s *Service) build(name string, target *deployment, old map[string]*fleet) (map[string]*fleet, error) {
	fleets := map[string]*fleet{}
	for _, v := range target.all() {
		f := old[v.Name]
		if !f.serves(v) {
			var err error
			if f, err = s.newFleet(s.context, name, v); err != nil {
				return fleets, err
			}
		}
		fleets[v.Name] = f
		f.grow(v.Count)
	}
	for _, v := range target.all() {
		if err := fleets[v.Name].await(s.context); err != nil {
			return fleets, err
		}
	}
	return fleets, nil
}

// commit makes the target current. The record is kept before traffic moves: a
// kill in between starts the target's servers.
func (s *Service) commit(e *endpoint, target *deployment, fleets map[string]*fleet) {
	s.mu.Lock()
	old := e.fleets
	r := e.record
	r.Current, r.Pending, r.Status, r.FailureReason, r.Modified = target, nil, InService, "", s.config.Now().UTC()
	if err := s.save(); err != nil {
		s.logf("endpoint %s: keep its state: %v", r.Name, err)
	}
	e.fleets = fleets
	e.route.Store(s.newRoute(r.Name, target, fleets))
	s.mu.Unlock()

	s.discard(old, fleets)
	for _, v := range target.all() {
		fleets[v.Name].shrink(v.Count)
	}
	s.mu.Lock()
	s.sweepFolders()
	s.mu.Unlock()
}

// discard stops the fleets that are not among the kept ones.
func (s *Service) discard(fleets, kept map[string]*fleet) {
	var gone []*fleet
	for name, f := range fleets {
		if kept[name] != f {
			gone = append(gone, f)
		}
	}
	stopAll(gone)
}

// rollBack undoes a failed deployment. A failed creation ends Failed, a failed
// update InService on the current configuration, or UpdateRollbackFailed when
// that does not answer either.
func (s *Service) rollBack(e *endpoint, fleets map[string]*fleet, why error) {
	s.mu.Lock()
	r, old := e.record, e.fleets
	s.logf("endpoint %s: deployment of %s failed: %v", r.Name, r.Pending.Config, why)
	r.FailureReason = why.Error()
	created := r.Current != nil
	if created {
		r.Status = RollingBack
		s.keep(r)
	}
	s.mu.Unlock()

	s.discard(fleets, old)
	if created {
		s.finishRollBack(e)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	r.Current, r.Pending, r.Status = r.Pending, nil, Failed
	s.keep(r)
}

// keep saves a record with its time; s.mu is held.
func (s *Service) keep(r *endpointRecord) {
	r.Modified = s.config.Now().UTC()
	if err := s.save(); err != nil {
		s.logf("endpoint %s: keep its state: %v", r.Name, err)
	}
}

func (s *Service) finishRollBack(e *endpoint) {
	s.mu.Lock()
	current, fleets := e.record.Current, e.fleets
	s.mu.Unlock()
	status := InService
	for _, v := range current.all() {
		if f := fleets[v.Name]; f == nil || !s.awaitHealthy(f) {
			status = UpdateRollbackFailed
		} else {
			f.shrink(v.Count)
		}
	}
	if s.context.Err() != nil {
		return // closing: Recover finishes
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	e.record.Pending, e.record.Status = nil, status
	s.keep(e.record)
	s.sweepFolders()
}

// failRollBack makes of a roll-back one that failed too, on request.
func (s *Service) failRollBack(e *endpoint) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if e.record.Status == InService {
		e.record.Status = UpdateRollbackFailed
		s.keep(e.record)
	}
}

// awaitHealthy waits, as long as for a first start, until an instance answers.
func (s *Service) awaitHealthy(f *fleet) bool {
	ctx, cancel := context.WithTimeout(s.context, f.timeout())
	defer cancel()
	for !f.healthy() {
		if pause(ctx, 20*time.Millisecond) != nil {
			return false
		}
	}
	return true
}

// Recover starts the servers of every endpoint again, and finishes what a kill
// interrupted: an update goes on (or rolls back), a deletion ends. It returns
// when the servers of current deployments have answered or have had their time;
// the error names those that have not. They are restarted further on.
func (s *Service) Recover(ctx context.Context) error {
	s.mu.Lock()
	var all []*endpoint
	for _, e := range s.endpoints {
		all = append(all, e)
	}
	s.mu.Unlock()
	problems := make(chan error, len(all))
	for _, e := range all {
		go func() { problems <- s.recover(ctx, e) }()
	}
	var err error
	for range all {
		err = errors.Join(err, <-problems)
	}
	return err
}

func (s *Service) recover(ctx context.Context, e *endpoint) error {
	s.mu.Lock()
	r := e.record
	status, current, pending := r.Status, r.Current, r.Pending
	s.mu.Unlock()
	switch {
	case status == Deleting:
		s.finishDelete(e)
		return nil
	case status == Failed:
		return nil
	}
	problem := s.resume(ctx, e, current)
	switch {
	case status == RollingBack:
		s.working.Go(func() { s.finishRollBack(e) })
	case pending != nil:
		s.working.Go(func() { s.deploy(e) })
	}
	return problem
}

// resume starts a deployment that is current already.
func (s *Service) resume(ctx context.Context, e *endpoint, current *deployment) error {
	if current == nil {
		return nil
	}
	fleets := map[string]*fleet{}
	var problems error
	for _, v := range current.all() {
		f, err := s.newFleet(ctx, e.record.Name, v)
		if err != nil {
			problems = errors.Join(problems, fmt.Errorf("endpoint %s: %w", e.record.Name, err))
			continue
		}
		f.grow(v.Count)
		fleets[v.Name] = f
	}
	s.mu.Lock()
	e.fleets = fleets
	e.route.Store(s.newRoute(e.record.Name, current, fleets))
	s.mu.Unlock()
	for _, f := range fleets {
		if err := f.await(ctx); err != nil {
			problems = errors.Join(problems, fmt.Errorf("endpoint %s: %w", e.record.Name, err))
		}
	}
	return problems
}
