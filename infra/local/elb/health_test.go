package elb

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

func TestHealthAfterChecks(t *testing.T) {
	bad, timeout := finding{reasonMismatch, "codes"}, finding{reasonTimeout, "time"}
	good := finding{}
	check := healthCheck{Healthy: 3, Unhealthy: 2}
	for name, c := range map[string]struct {
		findings      []finding
		state, reason string
	}{
		"nothing yet":                      {nil, stateInitial, reasonRegistering},
		"the first success is enough":      {[]finding{good}, stateHealthy, ""},
		"one failure tells nothing":        {[]finding{bad}, stateInitial, reasonChecking},
		"two failures":                     {[]finding{bad, timeout}, stateUnhealthy, reasonTimeout},
		"a success after one failure":      {[]finding{bad, good}, stateHealthy, ""},
		"healthy takes two failures":       {[]finding{good, bad}, stateHealthy, ""},
		"healthy, then two failures":       {[]finding{good, bad, bad}, stateUnhealthy, reasonMismatch},
		"failures must be in a row":        {[]finding{good, bad, good, bad}, stateHealthy, ""},
		"unhealthy takes three successes":  {[]finding{bad, bad, good, good}, stateUnhealthy, reasonMismatch},
		"unhealthy, then three successes":  {[]finding{bad, bad, good, good, good}, stateHealthy, ""},
		"successes must be in a row":       {[]finding{bad, bad, good, good, bad, good, good}, stateUnhealthy, reasonMismatch},
		"the reason is the latest failure": {[]finding{bad, bad, timeout}, stateUnhealthy, reasonTimeout},
	} {
		h := registering()
		for _, f := range c.findings {
			h = h.after(f, check)
		}
		require.Equal(t, c.state, h.state, name)
		require.Equal(t, c.reason, h.reason, name)
	}
}

func TestMatchers(t *testing.T) {
	for matcher, codes := range map[string]map[int]bool{
		"200":         {200: true, 201: false},
		"200,204":     {200: true, 204: true, 202: false},
		"200-299":     {200: true, 299: true, 300: false, 199: false},
		"200,301-302": {200: true, 301: true, 302: true, 303: false},
	} {
		require.NoError(t, checkMatcher(matcher))
		for code, want := range codes {
			require.Equal(t, want, matches(matcher, code), "%s %d", matcher, code)
		}
	}
	for _, wrong := range []string{"", "200,", "a", "199", "500", "299-200", "200-", "200-299-300", "200 "} {
		require.ErrorContains(t, checkMatcher(wrong), "must be within '200-499'", wrong)
	}
}

// TestHealthOverTime: a target's way from registration to removal, second by
// second.
func TestHealthOverTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := open(t)
		lb, group := b.balancer("web"), b.group("blue")
		server := b.serve("one", "10.0.0.1", 8080, nil)
		b.register(group, "10.0.0.1", 8080)
		require.Equal(t, "unused Target.NotInUse", b.health(group, "10.0.0.1", 8080))
		require.Equal(t, "unused Target.NotRegistered", b.health(group, "10.0.0.2", 8080))
		inUse, ok := b.TargetGroupExists(group)
		require.True(t, ok && !inUse)

		server.ill.Store(true)
		b.listener(lb, 80, weights(0, group, 1))
		inUse, _ = b.TargetGroupExists(group)
		require.True(t, inUse)
		synctest.Wait()
		require.Equal(t, "initial Elb.InitialHealthChecking", b.health(group, "10.0.0.1", 8080))
		time.Sleep(5 * time.Second)
		synctest.Wait()
		require.Equal(t, "unhealthy Target.ResponseCodeMismatch", b.health(group, "10.0.0.1", 8080))
		out, err := b.describeTargetHealth(t.Context(), targetsIn{TargetGroupArn: group})
		require.NoError(t, err)
		require.Equal(t, "Health checks failed with these codes: [503]", out.TargetHealthDescriptions[0].TargetHealth.Description)

		server.ill.Store(false)
		time.Sleep(10 * time.Second)
		synctest.Wait()
		require.Equal(t, "unhealthy Target.ResponseCodeMismatch", b.health(group, "10.0.0.1", 8080), "two successes of three")
		time.Sleep(5 * time.Second)
		synctest.Wait()
		require.Equal(t, "healthy", b.health(group, "10.0.0.1", 8080))

		require.NoError(t, b.Deregister(t.Context(), group, "10.0.0.1", 8080))
		require.Equal(t, "draining Target.DeregistrationInProgress", b.health(group, "10.0.0.1", 8080))
		time.Sleep(299 * time.Second)
		require.Equal(t, "draining Target.DeregistrationInProgress", b.health(group, "10.0.0.1", 8080))
		time.Sleep(time.Second)
		synctest.Wait()
		require.Equal(t, "unused Target.NotRegistered", b.health(group, "10.0.0.1", 8080))
		require.Empty(t, b.state.TargetGroups[group].Targets)
		require.NoError(t, b.Deregister(t.Context(), group, "10.0.0.1", 8080), "again, as AWS")
	})
}

// TestWhatFails: no listener, an address of nobody, silence, nonsense.
func TestWhatFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := open(t)
		lb, group := b.balancer("web"), b.group("blue")
		b.raw(7001, func(c net.Conn, r *bufio.Reader) { _, _ = io.Copy(io.Discard, r) })
		b.raw(7002, func(c net.Conn, r *bufio.Reader) {
			_, _ = http.ReadRequest(r)
			_, _ = c.Write([]byte("nonsense\r\n\r\n"))
		})
		b.network.silent["127.0.0.1:7003"] = true
		for _, port := range []int{7000, 7001, 7002, 7003} {
			b.register(group, "127.0.0.1", port)
		}
		b.register(group, "10.0.9.9", 80) // no task has the address
		b.listener(lb, 80, weights(0, group, 1))
		time.Sleep(15 * time.Second)
		synctest.Wait()
		for port, want := range map[int]string{7000: reasonFailed, 7001: reasonTimeout, 7002: reasonFailed, 7003: reasonTimeout} {
			require.Equal(t, "unhealthy "+want, b.health(group, "127.0.0.1", port), port)
		}
		require.Equal(t, "unhealthy "+reasonFailed, b.health(group, "10.0.9.9", 80))
	})
}

// TestChangedCheck: another path and port are asked at once.
func TestChangedCheck(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := open(t)
		lb, group := b.balancer("web"), b.group("blue")
		b.serve("one", "127.0.0.1", 8080, nil)
		b.raw(9000, func(c net.Conn, r *bufio.Reader) {
			request, err := http.ReadRequest(r)
			if err == nil && request.URL.String() == "/deep%2Fer?full=1" && request.Host == "127.0.0.1:9000" && request.UserAgent() == "ELB-HealthChecker/2.0" {
				_, _ = c.Write([]byte("HTTP/1.1 204 No Content\r\n\r\n"))
			}
		})
		b.register(group, "127.0.0.1", 8080)
		b.listener(lb, 80, weights(0, group, 1))
		synctest.Wait()
		require.Equal(t, "healthy", b.health(group, "127.0.0.1", 8080))

		_, err := b.modifyGroup(t.Context(), modifyGroupIn{group, checkIn{HealthCheckPort: to("9000"), HealthCheckPath: to("/deep%2Fer?full=1")}})
		require.NoError(t, err)
		time.Sleep(5 * time.Second)
		synctest.Wait()
		require.Equal(t, "unhealthy Target.ResponseCodeMismatch", b.health(group, "127.0.0.1", 8080), "204 is not 200")
		_, err = b.modifyGroup(t.Context(), modifyGroupIn{group, checkIn{Matcher: &Matcher{"200-299"}}})
		require.NoError(t, err)
		time.Sleep(10 * time.Second)
		synctest.Wait()
		require.Equal(t, "healthy", b.health(group, "127.0.0.1", 8080))
	})
}
