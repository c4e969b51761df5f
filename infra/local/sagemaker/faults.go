package sagemaker

import (
	"bytes"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/sluice-ml/sluice/infra/local/wire"
)

// Fault is what a drill does to a variant's answers: each is delayed by Delay,
// the share ErrorRate (0 to 1) of them becomes a 500, and of the rest the share
// WrongRate is wrong: every number from 0 to 1 becomes what it lacks to 1.
type Fault struct {
	Delay     time.Duration
	ErrorRate float64
	WrongRate float64
}

type faults struct {
	mu  sync.Mutex
	all map[[2]string]Fault
}

func (f *faults) get(endpoint, variant string) (Fault, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	one, ok := f.all[[2]string{endpoint, variant}]
	return one, ok
}

// maxDelay keeps a drill's delay under the container's own time limit.
const maxDelay = time.Minute

// SetFault replaces a variant's fault. It may be set before the variant exists.
// It returns an error for a delay outside 0 to a minute or a rate outside 0 to 1.
func (s *Service) SetFault(endpoint, variant string, fault Fault) error {
	if fault.Delay < 0 || fault.Delay > maxDelay {
		return invalid("fault delay %s: want 0 to %s", fault.Delay, maxDelay)
	}
	if !(fault.ErrorRate >= 0 && fault.ErrorRate <= 1) {
		return invalid("fault error_rate %g: want 0 to 1", fault.ErrorRate)
	}
	if !(fault.WrongRate >= 0 && fault.WrongRate <= 1) {
		return invalid("fault wrong_rate %g: want 0 to 1", fault.WrongRate)
	}
	s.faults.mu.Lock()
	defer s.faults.mu.Unlock()
	if s.faults.all == nil {
		s.faults.all = map[[2]string]Fault{}
	}
	s.faults.all[[2]string{endpoint, variant}] = fault
	return nil
}

// ClearFault removes a variant's fault; ClearFaults removes all.
func (s *Service) ClearFault(endpoint, variant string) {
	s.faults.mu.Lock()
	defer s.faults.mu.Unlock()
	delete(s.faults.all, [2]string{endpoint, variant})
}

// ClearFaults removes every fault.
func (s *Service) ClearFaults() {
	s.faults.mu.Lock()
	defer s.faults.mu.Unlock()
	s.faults.all = nil
}

type faultJSON struct {
	Delay     string  `json:"delay"`      // e.g. "250ms"; "" is none
	ErrorRate float64 `json:"error_rate"` // 0 to 1
	WrongRate float64 `json:"wrong_rate"` // 0 to 1
}

// Admin serves fault injection: PUT and DELETE
// /_sluice/faults/{endpoint}/{variant} with {"delay":"250ms","error_rate":0.2,"wrong_rate":0.1},
// and DELETE /_sluice/faults for all.
func (s *Service) Admin() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("PUT /_sluice/faults/{endpoint}/{variant}", func(w http.ResponseWriter, r *http.Request) {
		fault, err := readFault(r.Body)
		if err == nil {
			err = s.mustServe(r.PathValue("endpoint"))
		}
		if err == nil {
			err = s.SetFault(r.PathValue("endpoint"), r.PathValue("variant"), fault)
		}
		if err != nil {
			wire.WriteJSONError(w, r, err)
			return
		}
		w.WriteHeader(http.StatusNoContent)
	})
	mux.HandleFunc("DELETE /_sluice/faults/{endpoint}/{variant}", func(w http.ResponseWriter, r *http.Request) {
		s.ClearFault(r.PathValue("endpoint"), r.PathValue("variant"))
		w.WriteHeader(http.StatusNoContent)
	})
	mux.HandleFunc("DELETE /_sluice/faults", func(w http.ResponseWriter, _ *http.Request) {
		s.ClearFaults()
		w.WriteHeader(http.StatusNoContent)
	})
	return mux
}

// mustServe refuses a drill on an endpoint that is not there: it would strike
// nothing.
func (s *Service) mustServe(endpoint string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.endpoints[endpoint] != nil {
		return nil
	}
	return invalid("there is no endpoint %q: want one of %q; for a slot that ECS serves: sluice fault target GROUP", endpoint, slices.Sorted(maps.Keys(s.endpoints)))
}

func readFault(body io.Reader) (Fault, error) {
	var in faultJSON
	decoder := json.NewDecoder(io.LimitReader(body, 1<<12))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&in); err != nil {
		return Fault{}, invalid(`fault: want {"delay":"250ms","error_rate":0.2}: %v`, err)
	}
	fault := Fault{ErrorRate: in.ErrorRate, WrongRate: in.WrongRate}
	if in.Delay == "" {
		return fault, nil
	}
	var err error
	if fault.Delay, err = time.ParseDuration(in.Delay); err != nil {
		return Fault{}, invalid("fault delay %q: want a duration such as 250ms", in.Delay)
	}
	return fault, nil
}

// number is a decimal that stands alone, as scores do in JSON and CSV.
var number = regexp.MustCompile(`(^|[\s,:\[])(0?\.\d+(?:[eE]-?\d+)?|[01](?:\.0+)?|\d(?:\.\d+)?[eE]-\d+)([\s,\]}]|$)`)

// wrong turns every number from 0 to 1 of an answer around.
func wrong(body []byte) []byte {
	for range 2 { // neighbours share the character between them
		body = number.ReplaceAllFunc(body, func(found []byte) []byte {
			parts := number.FindSubmatch(found)
			value, err := strconv.ParseFloat(string(parts[2]), 64)
			if err != nil || value > 1 {
				return found
			}
			turned := strconv.AppendFloat(nil, 1-value, 'f', -1, 32)
			return slices.Concat(parts[1], []byte("\x00"), turned, []byte("\x00"), parts[3])
		})
	}
	return bytes.ReplaceAll(body, []byte("\x00"), nil)
}
