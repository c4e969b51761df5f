package elb

import (
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/sluice-ml/sluice/infra/local/wire"
)

// Fault is what a drill does to a target group: each request is delayed by
// Delay on its way to the target, and the share ErrorRate (0 to 1) of them comes
// back as the target's 500. Unhealthy makes the health checks of all its targets
// fail, as by a 503, while requests are answered as ever.
type Fault struct {
	Delay     time.Duration
	ErrorRate float64
	Unhealthy bool
}

type faults struct {
	mu  sync.RWMutex
	all map[string]Fault // by the target group's name
}

func (f *faults) get(group string) (Fault, bool) {
	f.mu.RLock()
	defer f.mu.RUnlock()
	one, ok := f.all[group]
	return one, ok
}

const maxDelay = time.Minute

// SetFault replaces the fault of the target group with the name, which need not
// exist yet. It returns an error for a delay outside 0 to a minute or a rate
// outside 0 to 1.
func (s *Service) SetFault(group string, fault Fault) error {
	if fault.Delay < 0 || fault.Delay > maxDelay {
		return invalid("fault delay %s: want 0 to %s", fault.Delay, maxDelay)
	}
	if !(fault.ErrorRate >= 0 && fault.ErrorRate <= 1) {
		return invalid("fault error_rate %g: want 0 to 1", fault.ErrorRate)
	}
	s.faults.mu.Lock()
	defer s.faults.mu.Unlock()
	if s.faults.all == nil {
		s.faults.all = map[string]Fault{}
	}
	s.faults.all[group] = fault
	return nil
}

// drilled is what a check of one of the group's targets found, after the group's
// fault.
func (s *Service) drilled(group string, found finding) finding {
	if fault, ok := s.faults.get(group); ok && fault.Unhealthy {
		return finding{reasonMismatch, "Health checks failed with these codes: [503]"}
	}
	return found
}

// ClearFault removes a target group's fault.
func (s *Service) ClearFault(group string) {
	s.faults.mu.Lock()
	defer s.faults.mu.Unlock()
	delete(s.faults.all, group)
}

// ClearFaults removes every fault.
func (s *Service) ClearFaults() {
	s.faults.mu.Lock()
	defer s.faults.mu.Unlock()
	s.faults.all = nil
}

// drill applies the group's fault; done: the request was answered.
func (x *exchange) drill(w http.ResponseWriter, r *http.Request) (done bool) {
	fault, ok := x.front.service.faults.get(x.pool.name)
	if !ok {
		return false
	}
	if fault.Delay > 0 {
		timer := time.NewTimer(fault.Delay)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-r.Context().Done():
			failed(w, r, r.Context().Err())
			return true
		}
	}
	if fault.ErrorRate == 0 || x.front.service.random.Float64() >= fault.ErrorRate {
		return false
	}
	// A target reads what it is asked. Besides, the server's connection is not fit
	// for another request while a body in full duplex was not read to its end.
	if _, err := io.Copy(io.Discard, r.Body); err != nil {
		failed(w, r, err)
		return true
	}
	x.observe(http.StatusInternalServerError)
	x.stick(w.Header())
	http.Error(w, "a drill: PUT /_sluice/balancing/faults/"+x.pool.name, http.StatusInternalServerError)
	return true
}

// Admin serves fault injection: PUT and DELETE /_sluice/balancing/faults/{group}
// with {"delay":"250ms","error_rate":0.2} or {"unhealthy":true} for the target
// group of that name, and DELETE /_sluice/balancing/faults for all.
func (s *Service) Admin() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("PUT /_sluice/balancing/faults/{group}", func(w http.ResponseWriter, r *http.Request) {
		fault, err := readFault(r.Body)
		if err == nil {
			err = s.mustHave(r.PathValue("group"))
		}
		if err == nil {
			err = s.SetFault(r.PathValue("group"), fault)
		}
		if err != nil {
			wire.WriteJSONError(w, r, err)
			return
		}
		w.WriteHeader(http.StatusNoContent)
	})
	mux.HandleFunc("DELETE /_sluice/balancing/faults/{group}", func(w http.ResponseWriter, r *http.Request) {
		s.ClearFault(r.PathValue("group"))
		w.WriteHeader(http.StatusNoContent)
	})
	mux.HandleFunc("DELETE /_sluice/balancing/faults", func(w http.ResponseWriter, _ *http.Request) {
		s.ClearFaults()
		w.WriteHeader(http.StatusNoContent)
	})
	return mux
}

// mustHave refuses a drill on a target group that is not there: it would strike
// nothing.
func (s *Service) mustHave(group string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	names := []string{}
	for _, g := range s.state.TargetGroups {
		names = append(names, g.Name)
	}
	if slices.Contains(names, group) {
		return nil
	}
	slices.Sort(names)
	return invalid("there is no target group %q: want one of %q", group, names)
}

func readFault(body io.Reader) (Fault, error) {
	var in struct {
		Delay     string  `json:"delay"`      // e.g. "250ms"; "" is none
		ErrorRate float64 `json:"error_rate"` // 0 to 1
		Unhealthy bool    `json:"unhealthy"`
	}
	decoder := json.NewDecoder(io.LimitReader(body, 1<<12))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&in); err != nil {
		return Fault{}, invalid(`fault: want {"delay":"250ms","error_rate":0.2,"unhealthy":false}: %v`, err)
	}
	fault := Fault{ErrorRate: in.ErrorRate, Unhealthy: in.Unhealthy}
	if in.Delay == "" {
		return fault, nil
	}
	var err error
	if fault.Delay, err = time.ParseDuration(in.Delay); err != nil {
		return Fault{}, invalid("fault delay %q: want a duration such as 250ms", in.Delay)
	}
	return fault, nil
}
