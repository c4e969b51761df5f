package elb

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"
)

// Target states and their reasons, as DescribeTargetHealth gives them.
const (
	stateInitial   = "initial"
	stateHealthy   = "healthy"
	stateUnhealthy = "unhealthy"
	stateUnused    = "unused"
	stateDraining  = "draining"

	reasonRegistering   = "Elb.RegistrationInProgress"
	reasonChecking      = "Elb.InitialHealthChecking"
	reasonMismatch      = "Target.ResponseCodeMismatch"
	reasonTimeout       = "Target.Timeout"
	reasonFailed        = "Target.FailedHealthChecks"
	reasonNotRegistered = "Target.NotRegistered"
	reasonNotInUse      = "Target.NotInUse"
	reasonDraining      = "Target.DeregistrationInProgress"
)

// healthCheck is how a target group finds out whether its targets are well.
type healthCheck struct {
	Path      string `json:"path"`
	Port      string `json:"port"` // a number or "traffic-port"
	Interval  int    `json:"interval"`
	Timeout   int    `json:"timeout"` // seconds, like Interval
	Healthy   int    `json:"healthy"` // successes in a row that make an unhealthy target healthy
	Unhealthy int    `json:"unhealthy"`
	Matcher   string `json:"matcher"`
}

// defaultCheck is AWS's, for HTTP and targets of the type ip.
func defaultCheck() healthCheck {
	return healthCheck{Path: "/", Port: "traffic-port", Interval: 30, Timeout: 5, Healthy: 5, Unhealthy: 2, Matcher: "200"}
}

// health is what is known about a target.
type health struct {
	state, reason, description string
	streak                     int // results in a row that speak against the state
}

func registering() health {
	return health{state: stateInitial, reason: reasonRegistering, description: "Target registration is in progress"}
}

// finding is the outcome of one check; an empty reason is a success.
type finding struct{ reason, description string }

// after gives the health after one more check. A target's first success makes it
// healthy at once; otherwise it takes as many results in a row as the group says.
func (h health) after(f finding, check healthCheck) health {
	ok := f.reason == ""
	if ok == (h.state == stateHealthy) && h.state != stateInitial {
		h.streak = 0
		if !ok {
			h.reason, h.description = f.reason, f.description
		}
		return h
	}
	h.streak++
	switch {
	case ok && (h.state == stateInitial || h.streak >= check.Healthy):
		return health{state: stateHealthy}
	case !ok && h.streak >= check.Unhealthy:
		return health{state: stateUnhealthy, reason: f.reason, description: f.description}
	case h.state == stateInitial:
		h.reason, h.description = reasonChecking, "Initial health checks in progress"
	}
	return h
}

// checkAddress is where a target's health is checked.
func (c healthCheck) checkPort(traffic int) int {
	if port, err := strconv.Atoi(c.Port); err == nil {
		return port
	}
	return traffic
}

// probe checks a target once.
func (s *Service) probe(ctx context.Context, id string, port int, check healthCheck) finding {
	ctx, cancel := context.WithTimeout(ctx, time.Duration(check.Timeout)*time.Second)
	defer cancel()
	port = check.checkPort(port)
	address, err := s.address(id, port)
	if err != nil {
		return finding{reasonFailed, "Health checks failed"}
	}
	path, query, _ := strings.Cut(check.Path, "?")
	target := &url.URL{Scheme: "http", Host: address, Path: path, RawPath: path, RawQuery: query}
	if unescaped, err := url.PathUnescape(path); err == nil {
		target.Path = unescaped
	}
	request := (&http.Request{Method: http.MethodGet, URL: target, Host: net.JoinHostPort(id, strconv.Itoa(port)),
		Header: http.Header{"User-Agent": {"ELB-HealthChecker/2.0"}, "Accept-Encoding": {"gzip, compressed"}}, Close: true}).WithContext(ctx)
	response, err := s.proxy.checks.RoundTrip(request)
	if err != nil {
		return failure(err)
	}
	defer response.Body.Close()
	if _, err := io.Copy(io.Discard, io.LimitReader(response.Body, 1<<20)); err != nil {
		return failure(err)
	}
	if !matches(check.Matcher, response.StatusCode) {
		return finding{reasonMismatch, fmt.Sprintf("Health checks failed with these codes: [%d]", response.StatusCode)}
	}
	return finding{}
}

func failure(err error) finding {
	var timeout net.Error
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, os.ErrDeadlineExceeded) || errors.As(err, &timeout) && timeout.Timeout() {
		return finding{reasonTimeout, "Request timed out"}
	}
	return finding{reasonFailed, "Health checks failed"}
}

// matches tells whether a code is one of a matcher's: "200", "200,204", "200-299".
func matches(matcher string, code int) bool {
	for part := range strings.SplitSeq(matcher, ",") {
		low, high, isRange := strings.Cut(part, "-")
		if !isRange {
			high = low
		}
		from, _ := strconv.Atoi(low)
		to, _ := strconv.Atoi(high)
		if code >= from && code <= to {
			return true
		}
	}
	return false
}

// checkMatcher refuses what is no list of codes and ranges within 200 to 499.
func checkMatcher(matcher string) error {
	for part := range strings.SplitSeq(matcher, ",") {
		low, high, isRange := strings.Cut(part, "-")
		if !isRange {
			high = low
		}
		from, err1 := strconv.Atoi(low)
		to, err2 := strconv.Atoi(high)
		if err1 != nil || err2 != nil || from < 200 || to > 499 || from > to {
			return invalid("Health check matcher HTTP code '%s' must be within '200-499' inclusive: codes such as 200,204 or a range such as 200-299", matcher)
		}
	}
	return nil
}
