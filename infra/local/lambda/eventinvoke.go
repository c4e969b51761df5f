package lambda

import (
	"cmp"
	"net/http"
	"strconv"
	"time"

	"github.com/sluice-ml/sluice/infra/local/wire"
)

// eventInvoke is the configuration of asynchronous events as the API has it.
type eventInvoke struct {
	FunctionArn              string  `json:",omitempty"`
	LastModified             float64 `json:",omitempty"` // seconds since 1970
	MaximumRetryAttempts     *int
	MaximumEventAgeInSeconds *int
	DestinationConfig        struct {
		OnSuccess, OnFailure struct {
			Destination string `json:",omitempty"`
		}
	}
}

func (s *Service) putEventInvoke(f *function, body []byte, _ *http.Request) (any, error) {
	return s.changeEventInvoke(f, body, invokeConfig{retries: 2, maxAge: maxEventAge})
}

func (s *Service) updateEventInvoke(f *function, body []byte, _ *http.Request) (any, error) {
	s.mutex.Lock()
	base, found := f.invoke, f.invoke.modified != 0
	s.mutex.Unlock()
	if !found {
		return nil, noEventInvoke(f)
	}
	return s.changeEventInvoke(f, body, base)
}

// changeEventInvoke lays what the body names over a configuration.
func (s *Service) changeEventInvoke(f *function, body []byte, c invokeConfig) (any, error) {
	var in eventInvoke
	if err := wire.DecodeStrict(body, &in); err != nil {
		return nil, err
	}
	set(&c.retries, in.MaximumRetryAttempts)
	if in.MaximumEventAgeInSeconds != nil {
		c.maxAge = time.Duration(*in.MaximumEventAgeInSeconds) * time.Second
	}
	c.onSuccess = cmp.Or(in.DestinationConfig.OnSuccess.Destination, c.onSuccess)
	c.onFailure = cmp.Or(in.DestinationConfig.OnFailure.Destination, c.onFailure)
	if err := c.check(); err != nil {
		return nil, invalidParameter("%v", err)
	}
	c.modified = s.options.Now().Unix()
	s.mutex.Lock()
	defer s.mutex.Unlock()
	f.invoke = c
	return f.eventInvoke(), nil
}

// eventInvoke describes the configuration. Callers hold the mutex.
func (f *function) eventInvoke() eventInvoke {
	age := int(f.invoke.maxAge / time.Second)
	out := eventInvoke{FunctionArn: f.config.arn + ":$LATEST", LastModified: float64(f.invoke.modified), MaximumRetryAttempts: &f.invoke.retries, MaximumEventAgeInSeconds: &age}
	out.DestinationConfig.OnSuccess.Destination = f.invoke.onSuccess
	out.DestinationConfig.OnFailure.Destination = f.invoke.onFailure
	return out
}

func noEventInvoke(f *function) error {
	return &wire.Error{Code: "ResourceNotFoundException", Status: http.StatusNotFound,
		Message: "The function " + f.config.arn + ":$LATEST doesn't have an EventInvokeConfig"}
}

func (s *Service) getEventInvoke(f *function, _ []byte, _ *http.Request) (any, error) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	if f.invoke.modified == 0 {
		return nil, noEventInvoke(f)
	}
	return f.eventInvoke(), nil
}

func (s *Service) deleteEventInvoke(f *function, _ []byte, _ *http.Request) (any, error) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	if f.invoke.modified == 0 {
		return nil, noEventInvoke(f)
	}
	f.invoke = invokeConfig{retries: 2, maxAge: maxEventAge}
	return nil, nil
}

func (s *Service) listEventInvoke(f *function, _ []byte, r *http.Request) (any, error) {
	if most := r.URL.Query().Get("MaxItems"); most != "" {
		if n, err := strconv.Atoi(most); err != nil || n < 1 {
			return nil, invalidParameter("MaxItems %q: want a number from 1", most)
		}
	}
	s.mutex.Lock()
	defer s.mutex.Unlock()
	list := []eventInvoke{}
	if f.invoke.modified != 0 {
		list = append(list, f.eventInvoke())
	}
	return map[string]any{"FunctionEventInvokeConfigs": list}, nil
}
