package faults

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestSkipTimesAndPatterns(t *testing.T) {
	i := &Injector{Seed: 1}
	_, err := i.Add(Rule{On: Function, Target: "sluice-*-plan", Do: Timeout, Skip: 1, Times: 2})
	require.NoError(t, err)
	var struck []bool
	for range 5 {
		struck = append(struck, i.Strikes(Function, Timeout, "sluice-staging-plan"))
	}
	require.Equal(t, []bool{false, true, true, false, false}, struck)
	require.False(t, i.Strikes(Function, Fail, "sluice-staging-plan"))
	require.False(t, i.Strikes(Function, Timeout, "other"))
	require.Equal(t, 3, i.Rules()[0].Met)
	require.True(t, i.Remove("1"))
	require.False(t, i.Remove("1"))
	require.False(t, (*Injector)(nil).Strikes(Function, Fail, "x"), "none")
}

// TestSameSeedSameStrikes: which calls are struck follows from the seed.
func TestSameSeedSameStrikes(t *testing.T) {
	strikes := func(seed uint64) string {
		i := &Injector{Seed: seed}
		_, err := i.Add(Rule{On: Event, Target: "*", Do: Drop, Share: 0.5})
		require.NoError(t, err)
		out := ""
		for range 64 {
			out += fmt.Sprint(i.Strikes(Event, Drop, "Object Created"))
		}
		return out
	}
	require.Equal(t, strikes(7), strikes(7))
	require.NotEqual(t, strikes(7), strikes(8))
	require.Contains(t, strikes(7), "true")
	require.Contains(t, strikes(7), "false")
}

func TestBadRules(t *testing.T) {
	for want, r := range map[string]Rule{
		`on is "disk": want function, api, event or update`:                  {On: "disk", Target: "x", Do: Fail},
		`do is "lose": want fail, timeout, throttle for a fault on function`: {On: Function, Target: "x", Do: Lose},
		`target "nosuch:Thing": no service is called "nosuch"; want one of batch, ecs, elasticloadbalancing, events, kms, lambda, logs, monitoring, s3, sagemaker, scheduler, sns, sqs, states, sts, with :Operation behind it or not`: {On: API, Target: "nosuch:Thing", Do: Lose},
		`target is missing: want a name, or a pattern such as *`: {On: Function, Do: Fail},
		`skip -1, times 0: want none below 0`:                    {On: Function, Target: "x", Do: Fail, Skip: -1},
		`share is 2: want 0 to 1`:                                {On: Function, Target: "x", Do: Fail, Share: 2},
		`target "[": syntax error in pattern`:                    {On: Function, Target: "[", Do: Fail},
		`by is "5s": only delay and reorder have it`:             {On: Event, Target: "x", Do: Drop, By: "5s"},
		`by is "soon": want a duration such as 5s, at most 1h`:   {On: Event, Target: "x", Do: Delay, By: "soon"},
	} {
		_, err := new(Injector).Add(r)
		require.EqualError(t, err, want)
	}
}

func TestClockJumps(t *testing.T) {
	i, noon := &Injector{}, time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	now := i.Clock(func() time.Time { return noon })
	i.Jump(2 * time.Hour)
	i.Jump(-time.Minute)
	require.Equal(t, noon.Add(119*time.Minute), now())
}

// TestCalls: each protocol gets its own words, and a lost answer was done.
func TestCalls(t *testing.T) {
	done := 0
	i := &Injector{}
	server := func(service string) *httptest.Server {
		s := httptest.NewServer(i.Calls(service, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			done++
			body, _ := io.ReadAll(r.Body)
			_, _ = w.Write(append([]byte("done "), body...))
		})))
		t.Cleanup(s.Close)
		return s
	}
	ask := func(url, path string, header map[string]string, body string) (int, string, error) {
		r, err := http.NewRequest(http.MethodPost, url+path, strings.NewReader(body))
		require.NoError(t, err)
		for name, value := range header {
			r.Header.Set(name, value)
		}
		answer, err := http.DefaultClient.Do(r)
		if err != nil {
			return 0, "", err
		}
		defer answer.Body.Close()
		text, err := io.ReadAll(answer.Body)
		return answer.StatusCode, string(text), err
	}
	add := func(target, do string) {
		i.Clear()
		_, err := i.Add(Rule{On: API, Target: target, Do: do, Times: 1})
		require.NoError(t, err)
	}
	form := map[string]string{"Content-Type": "application/x-www-form-urlencoded"}
	for _, test := range []struct {
		service, target, path string
		header                map[string]string
		body                  string
		status                int
		contains              string
	}{
		{"states", "states:StartExecution", "/", map[string]string{"X-Amz-Target": "AWSStepFunctions.StartExecution"}, "{}", 400, "ThrottlingException"},
		{"s3", "s3:POST /bucket/models/*", "/bucket/models/a/b", nil, "", 503, "<Code>SlowDown</Code>"},
		{"sns", "sns:Publish", "/", form, "Action=Publish&Message=x", 400, "<Code>Throttling</Code>"},
		{"lambda", "lambda", "/2015-03-31/functions/f/invocations", nil, "{}", 429, "TooManyRequestsException"},
		{"monitoring", "monitoring:PutMetricData", "/service/GraniteServiceVersion20100801/operation/PutMetricData", map[string]string{"Smithy-Protocol": "rpc-v2-cbor"}, "", 400, "ThrottlingException"},
	} {
		s, before := server(test.service), done
		add(test.target, Throttle)
		status, text, err := ask(s.URL, test.path, test.header, test.body)
		require.NoError(t, err)
		require.Equal(t, test.status, status, test.target)
		require.Contains(t, text, test.contains)
		require.Equal(t, before, done, "nothing was done")
		status, text, err = ask(s.URL, test.path, test.header, test.body)
		require.NoError(t, err)
		require.Equal(t, 200, status, "it is over")
		require.Equal(t, "done "+test.body, text, "the body is whole")
	}
	s, before := server("states"), done
	add("states", Lose)
	_, _, err := ask(s.URL, "/", nil, "{}")
	require.Error(t, err, "no answer comes")
	require.Equal(t, before+1, done, "but it was done")
	add("*", Fail)
	status, text, err := ask(s.URL, "/", nil, "{}")
	require.NoError(t, err)
	require.Equal(t, 500, status)
	require.Contains(t, text, "InternalFailure")
}

func TestAdmin(t *testing.T) {
	i := &Injector{Seed: 3}
	s := httptest.NewServer(i.Admin("/"))
	defer s.Close()
	send := func(method, path, body string) (int, string) {
		r, err := http.NewRequest(method, s.URL+path, strings.NewReader(body))
		require.NoError(t, err)
		answer, err := http.DefaultClient.Do(r)
		require.NoError(t, err)
		defer answer.Body.Close()
		text, err := io.ReadAll(answer.Body)
		require.NoError(t, err)
		return answer.StatusCode, string(text)
	}
	status, text := send("POST", "/rules", `{"on":"event","target":"*","do":"delay","by":"5s"}`)
	require.Equal(t, 200, status, text)
	require.Contains(t, text, `"id":"1"`)
	status, text = send("POST", "/rules", `{"on":"event","target":"*","how":"delay"}`)
	require.Equal(t, 400, status)
	require.Contains(t, text, `unknown field \"how\"`)
	_, text = send("GET", "/rules", "")
	require.Contains(t, text, `"seed":3`)
	status, _ = send("DELETE", "/rules/7", "")
	require.Equal(t, 400, status)
	status, _ = send("DELETE", "/rules/1", "")
	require.Equal(t, 204, status)
	status, text = send("PUT", "/clock", `{"jump":"1h"}`)
	require.Equal(t, 200, status)
	require.Contains(t, text, "1h0m0s")
	status, _ = send("PUT", "/clock", `{"jump":"soon"}`)
	require.Equal(t, 400, status)
	require.Equal(t, time.Hour, i.Offset())
}
