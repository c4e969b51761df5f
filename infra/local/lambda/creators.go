package lambda

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/sluice-ml/sluice/infra/local/assembly"
)

// Creators makes the service's resources of the template.
func (s *Service) Creators() map[string]assembly.Creator {
	return map[string]assembly.Creator{
		"AWS::Lambda::Function":          s.createFunction,
		"AWS::Lambda::Permission":        s.createPermission,
		"AWS::Lambda::EventInvokeConfig": s.createEventInvokeConfig,
	}
}

func (s *Service) createFunction(_ context.Context, r assembly.Resource) (assembly.Created, error) {
	c, err := s.configure(r)
	if err != nil {
		return assembly.Created{}, err
	}
	s.put(c, c.reserved)
	return assembly.Created{Ref: c.name, Attributes: map[string]any{"Arn": c.arn}}, nil
}

// put makes a function, or gives it a new configuration: sandboxes of the old
// one end when they are idle.
func (s *Service) put(c *config, reserved *int) {
	s.mutex.Lock()
	f, ok := s.functions[c.name]
	if !ok {
		f = &function{service: s, permissions: map[string]permission{}, invoke: invokeConfig{retries: 2, maxAge: maxEventAge}}
		s.functions[c.name] = f
	}
	f.config, f.reserved = c, reserved
	retired := f.idle
	f.idle = nil
	s.mutex.Unlock()
	for _, b := range retired {
		b.stop()
	}
}

// permission is one statement of a function's resource policy.
type permission struct {
	action, principal, sourceARN, sourceAccount string
}

type permissionProperties struct {
	Action        string
	FunctionName  string
	Principal     string
	SourceArn     string
	SourceAccount string
}

func (s *Service) createPermission(_ context.Context, r assembly.Resource) (assembly.Created, error) {
	var p permissionProperties
	if err := r.Decode(&p); err != nil {
		return assembly.Created{}, err
	}
	if p.Action != "lambda:InvokeFunction" {
		return assembly.Created{}, fmt.Errorf("resource %s: Action %q: the local stack knows lambda:InvokeFunction", r.LogicalID, p.Action)
	}
	f, err := s.resolve(p.FunctionName)
	if err != nil {
		return assembly.Created{}, fmt.Errorf("resource %s: %w", r.LogicalID, err)
	}
	s.mutex.Lock()
	defer s.mutex.Unlock()
	f.permissions[r.LogicalID] = permission{p.Action, p.Principal, p.SourceArn, p.SourceAccount}
	return assembly.Created{Ref: r.LogicalID, Attributes: map[string]any{"Id": r.LogicalID}}, nil
}

// Allows says whether a function's resource policy lets a service such as
// "events.amazonaws.com" invoke it for a source, e.g. a rule's ARN. A service
// that invokes functions asks it first, as AWS would refuse the call.
func (s *Service) Allows(nameOrARN, principal, sourceARN string) bool {
	f, err := s.resolve(nameOrARN)
	if err != nil {
		return false
	}
	s.mutex.Lock()
	defer s.mutex.Unlock()
	for _, p := range f.permissions {
		account := p.sourceAccount == "" || p.sourceAccount == s.options.Account
		if p.principal == principal && account && (p.sourceARN == "" || likeARN(p.sourceARN, sourceARN)) {
			return true
		}
	}
	return false
}

// likeARN is IAM's ArnLike: '*' is any run of characters, '?' any single one.
func likeARN(pattern, arn string) bool {
	for pattern != "" {
		switch pattern[0] {
		case '*':
			for i := range len(arn) + 1 {
				if likeARN(strings.TrimLeft(pattern, "*"), arn[i:]) {
					return true
				}
			}
			return false
		case '?':
			if arn == "" {
				return false
			}
		default:
			if arn == "" || arn[0] != pattern[0] {
				return false
			}
		}
		pattern, arn = pattern[1:], arn[1:]
	}
	return arn == ""
}

// maxEventAge is how long an asynchronous event is kept at most.
const maxEventAge = 6 * time.Hour

// invokeConfig says what becomes of asynchronous events.
type invokeConfig struct {
	retries              int
	maxAge               time.Duration
	onSuccess, onFailure string // ARNs
	modified             int64  // seconds since 1970; 0: the function has AWS's defaults
}

// check refuses what AWS refuses.
func (c invokeConfig) check() error {
	switch age := int(c.maxAge / time.Second); {
	case c.retries < 0 || c.retries > 2:
		return fmt.Errorf("MaximumRetryAttempts %d: want 0 to 2", c.retries)
	case age < 60 || age > 21600:
		return fmt.Errorf("MaximumEventAgeInSeconds %d: want 60 to 21600", age)
	}
	return nil
}

type eventInvokeProperties struct {
	FunctionName             string
	Qualifier                string
	MaximumRetryAttempts     *int
	MaximumEventAgeInSeconds *int
	DestinationConfig        struct {
		OnSuccess, OnFailure struct{ Destination string }
	}
}

func (s *Service) createEventInvokeConfig(_ context.Context, r assembly.Resource) (assembly.Created, error) {
	var p eventInvokeProperties
	if err := r.Decode(&p); err != nil {
		return assembly.Created{}, err
	}
	if p.Qualifier != "$LATEST" {
		return assembly.Created{}, fmt.Errorf("resource %s: Qualifier %q: the local stack keeps $LATEST only", r.LogicalID, p.Qualifier)
	}
	c := invokeConfig{retries: value(p.MaximumRetryAttempts, 2), maxAge: time.Duration(value(p.MaximumEventAgeInSeconds, 21600)) * time.Second,
		onSuccess: p.DestinationConfig.OnSuccess.Destination, onFailure: p.DestinationConfig.OnFailure.Destination, modified: s.options.Now().Unix()}
	if err := c.check(); err != nil {
		return assembly.Created{}, fmt.Errorf("resource %s: %w", r.LogicalID, err)
	}
	f, err := s.resolve(p.FunctionName)
	if err != nil {
		return assembly.Created{}, fmt.Errorf("resource %s: %w", r.LogicalID, err)
	}
	s.mutex.Lock()
	defer s.mutex.Unlock()
	f.invoke = c
	return assembly.Created{Ref: r.LogicalID, Attributes: map[string]any{}}, nil
}
