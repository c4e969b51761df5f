package elb

import (
	"math"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// two makes a listener that shares requests among two groups of one target each.
func (b *bench) two(sticky, blue, green int) (listener, blueARN, greenARN string) {
	lb := b.balancer("web")
	blueARN, greenARN = b.group("blue"), b.group("green")
	b.serve("blue", "10.0.0.1", 8080, nil)
	b.serve("green", "10.0.0.2", 8080, nil)
	b.register(blueARN, "10.0.0.1", 8080)
	b.register(greenARN, "10.0.0.2", 8080)
	listener = b.listener(lb, 80, weights(sticky, blueARN, blue, greenARN, green))
	settle()
	return listener, blueARN, greenARN
}

// tally counts what n requests get.
func (b *bench) tally(client *http.Client, url string, n int, headers ...string) map[string]int {
	b.t.Helper()
	got := map[string]int{}
	for range n {
		answer := b.get(client, url, headers...)
		what := answer.body
		if answer.status != http.StatusOK {
			what = strconv.Itoa(answer.status)
		}
		got[what]++
	}
	return got
}

// TestWeightsHold: shares are within four standard deviations of the weights'.
func TestWeightsHold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := open(t)
		listener, blue, green := b.two(0, 90, 10)
		client, url := b.client(true), b.url(listener)
		const n = 2000
		check := func(share float64) {
			got := b.tally(client, url, n)
			require.InDelta(t, share*n, got["green"], 4*math.Sqrt(n*share*(1-share)), got)
			require.Equal(t, n, got["blue"]+got["green"], got)
		}
		check(0.1)
		modify := func(actions []Action) {
			_, err := b.modifyListener(t.Context(), modifyListenerIn{ListenerArn: listener, DefaultActions: actions})
			require.NoError(t, err)
			settle()
		}
		modify(weights(0, blue, 1, green, 2))
		check(2.0 / 3)
		modify(weights(0, blue, 999, green, 0))
		check(0)
		modify(weights(0, blue, 0, green, 0))
		require.Equal(t, map[string]int{"503": 20}, b.tally(client, url, 20), "nobody has a weight")
		modify(weights(0, green, 0))
		require.Equal(t, map[string]int{"503": 20}, b.tally(client, url, 20))

		modify(weights(0, blue, 1, green, 1))
		require.NoError(t, b.Deregister(t.Context(), green, "10.0.0.2", 8080))
		got := b.tally(client, url, n)
		require.InDelta(t, n/2, got["503"], 4*math.Sqrt(n/4), "a group without targets keeps its share")
		require.Equal(t, n, got["blue"]+got["503"], got)
	})
}

// TestPropagation: what is read back is new at once, what is done is not.
func TestPropagation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := open(t, func(c *Config) { c.PropagationDelay = 5 * time.Second })
		listener, blue, green := b.two(0, 1, 0)
		time.Sleep(5 * time.Second)
		client, url := b.client(true), b.url(listener)
		out, err := b.createRule(t.Context(), createRuleIn{ListenerArn: listener, Priority: to(10), Conditions: []Condition{{Field: fieldPath, Values: []string{"/x"}}},
			Actions: weights(0, blue, 0, green, 1)})
		require.NoError(t, err)
		rule := out.Rules[0].RuleArn
		require.Equal(t, "blue", b.get(client, url+"/x").body)
		time.Sleep(5*time.Second + 1)
		require.Equal(t, "green", b.get(client, url+"/x").body)
		require.Equal(t, "blue", b.get(client, url+"/y").body)

		_, err = b.modifyRule(t.Context(), modifyRuleIn{RuleArn: rule, Actions: weights(0, blue, 1, green, 0)})
		require.NoError(t, err)
		read, err := b.describeRules(t.Context(), describeRulesIn{RuleArns: []string{rule}})
		require.NoError(t, err)
		require.Equal(t, 1, *read.Rules[0].Actions[0].ForwardConfig.TargetGroups[0].Weight)
		time.Sleep(4 * time.Second)
		_, err = b.modifyListener(t.Context(), modifyListenerIn{ListenerArn: listener, DefaultActions: weights(0, green, 1)})
		require.NoError(t, err)
		require.Equal(t, "green", b.get(client, url+"/x").body)
		time.Sleep(time.Second + 1)
		require.Equal(t, "blue", b.get(client, url+"/x").body, "the first change is there")
		require.Equal(t, "blue", b.get(client, url+"/y").body, "and the second is not")
		time.Sleep(4 * time.Second)
		require.Equal(t, "green", b.get(client, url+"/y").body)
		_, err = b.deleteRule(t.Context(), ruleArnIn{rule})
		require.NoError(t, err)
		time.Sleep(5*time.Second + 1)
		require.Equal(t, "green", b.get(client, url+"/x").body)
	})
}

// cookies gives the name=value pairs that an answer sets.
func cookiesOf(answer reply) (pairs []string, names []string) {
	for _, c := range (&http.Response{Header: answer.header}).Cookies() {
		pairs, names = append(pairs, c.Name+"="+c.Value), append(names, c.Name)
	}
	return pairs, names
}

func TestGroupStickiness(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := open(t)
		listener, blue, green := b.two(60, 1, 1)
		client, url := b.client(true), b.url(listener)
		first := b.get(client, url)
		pairs, names := cookiesOf(first)
		require.Equal(t, []string{"AWSALBTG", "AWSALBTGCORS"}, names)
		require.Regexp(t, `; Expires=.* GMT; Path=/$`, first.header.Values("Set-Cookie")[0])
		require.Regexp(t, `; SameSite=None$`, first.header.Values("Set-Cookie")[1])
		stays := func(cookie string) bool {
			got := b.tally(client, url, 40, "Cookie", cookie)
			return got[first.body] == 40
		}
		require.True(t, stays("other=1; "+pairs[0]))
		require.True(t, stays(pairs[1]))
		require.False(t, stays("AWSALBTG=forged"), "a cookie that we did not make says nothing")
		require.False(t, stays("AWSALB="+strings.TrimPrefix(pairs[0], "AWSALBTG=")), "nor does one of another kind")

		weight := map[string]int{"blue": 1, "green": 1}
		weight[first.body] = 0
		_, err := b.modifyListener(t.Context(), modifyListenerIn{ListenerArn: listener, DefaultActions: weights(60, blue, weight["blue"], green, weight["green"])})
		require.NoError(t, err)
		settle()
		require.Zero(t, b.tally(client, url, 40, "Cookie", pairs[0])[first.body], "its group has no weight any more")
		_, err = b.modifyListener(t.Context(), modifyListenerIn{ListenerArn: listener, DefaultActions: weights(60, blue, 1, green, 1)})
		require.NoError(t, err)
		settle()
		require.True(t, stays(pairs[0]))
		time.Sleep(time.Minute)
		require.False(t, stays(pairs[0]), "it has expired")
	})
}

func TestTargetStickiness(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := open(t)
		lb, group := b.balancer("web"), b.group("blue")
		servers := map[string]*backend{}
		for _, name := range []string{"10.0.0.1", "10.0.0.2", "10.0.0.3"} {
			servers[name] = b.serve(name, name, 8080, nil)
			b.register(group, name, 8080)
		}
		listener := b.listener(lb, 80, weights(0, group, 1))
		_, err := b.modifyGroupAttributes(t.Context(), modifyGroupAttributesIn{group, []Attribute{{stickyEnabled, "true"}, {stickySeconds, "120"}, {"stickiness.type", "lb_cookie"}}})
		require.NoError(t, err)
		settle()
		client, url := b.client(true), b.url(listener)
		first := b.get(client, url)
		pairs, names := cookiesOf(first)
		require.Equal(t, []string{"AWSALB", "AWSALBCORS"}, names)
		time.Sleep(100 * time.Second)
		again := b.get(client, url, "Cookie", pairs[0])
		require.Equal(t, first.body, again.body)
		pairs, _ = cookiesOf(again)
		time.Sleep(100 * time.Second)
		require.Equal(t, map[string]int{first.body: 12}, b.tally(client, url, 12, "Cookie", pairs[0]), "each answer renews it")

		servers[first.body].ill.Store(true)
		time.Sleep(10 * time.Second)
		synctest.Wait()
		elsewhere := b.get(client, url, "Cookie", pairs[0])
		require.NotEqual(t, first.body, elsewhere.body)
		moved, _ := cookiesOf(elsewhere)
		require.Equal(t, map[string]int{elsewhere.body: 12}, b.tally(client, url, 12, "Cookie", moved[0]))
		require.NoError(t, b.Deregister(t.Context(), group, elsewhere.body, 8080))
		require.Zero(t, b.tally(client, url, 12, "Cookie", moved[0])[elsewhere.body], "what drains gets no new requests")
	})
}

func TestRoundRobinAndFailOpen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := open(t)
		lb, group := b.balancer("web"), b.group("blue")
		servers := []*backend{b.serve("a", "10.0.0.1", 80, nil), b.serve("b", "10.0.0.2", 80, nil), b.serve("c", "10.0.0.3", 80, nil)}
		for _, id := range []string{"10.0.0.1", "10.0.0.2", "10.0.0.3"} {
			b.register(group, id, 80)
		}
		listener := b.listener(lb, 80, weights(0, group, 1))
		settle()
		client, url := b.client(true), b.url(listener)
		ill := func(which ...bool) {
			for i, one := range which {
				servers[i].ill.Store(one)
			}
			time.Sleep(20 * time.Second)
			synctest.Wait()
		}
		require.Equal(t, map[string]int{"a": 10, "b": 10, "c": 10}, b.tally(client, url, 30))
		ill(true, false, false)
		require.Equal(t, map[string]int{"b": 15, "c": 15}, b.tally(client, url, 30))
		ill(true, true, true)
		require.Equal(t, map[string]int{"a": 10, "b": 10, "c": 10}, b.tally(client, url, 30), "all are unhealthy: all get requests")
		ill(true, true, false)
		require.Equal(t, map[string]int{"c": 30}, b.tally(client, url, 30))
		set := func(key, value string) {
			_, err := b.modifyGroupAttributes(t.Context(), modifyGroupAttributesIn{group, []Attribute{{key, value}}})
			require.NoError(t, err)
		}
		set(minimumHealthyCount, "2")
		require.Equal(t, map[string]int{"a": 10, "b": 10, "c": 10}, b.tally(client, url, 30), "fewer than the minimum are healthy")
		set(minimumHealthyCount, "1")
		require.Equal(t, map[string]int{"c": 30}, b.tally(client, url, 30))
		set(minimumHealthyShare, "34")
		require.Len(t, b.tally(client, url, 30), 3, "33 % are fewer than 34 %")
		set(minimumHealthyShare, "33")
		require.Equal(t, map[string]int{"c": 30}, b.tally(client, url, 30))
	})
}

func TestLeastOutstanding(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := open(t)
		lb, group := b.balancer("web"), b.group("blue")
		release := make(chan struct{})
		b.serve("slow", "10.0.0.1", 80, func(w http.ResponseWriter, _ *http.Request) { <-release })
		quick := b.serve("quick", "10.0.0.2", 80, nil)
		b.register(group, "10.0.0.1", 80)
		b.register(group, "10.0.0.2", 80)
		_, err := b.modifyGroupAttributes(t.Context(), modifyGroupAttributesIn{group, []Attribute{{algorithm, "least_outstanding_requests"}}})
		require.NoError(t, err)
		listener := b.listener(lb, 80, weights(0, group, 1))
		settle()
		url := b.url(listener)
		done := make(chan struct{})
		go func() { // the first goes to slow and stays there
			defer close(done)
			response, err := b.client(false).Get(url)
			if err == nil {
				response.Body.Close()
			}
		}()
		synctest.Wait()
		require.Equal(t, map[string]int{"quick": 20}, b.tally(b.client(true), url, 20))
		require.EqualValues(t, 20, quick.requests.Load())
		close(release)
		<-done
	})
}

// TestDraining: a request in flight ends, new ones go elsewhere, and what takes
// longer than the delay is cut off.
func TestDraining(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := open(t)
		lb, group := b.balancer("web"), b.group("blue")
		release := make(chan struct{}, 2)
		b.serve("old", "10.0.0.1", 80, func(w http.ResponseWriter, r *http.Request) {
			select {
			case <-release:
				_, _ = w.Write([]byte("old"))
			case <-r.Context().Done():
			}
		})
		b.serve("new", "10.0.0.2", 80, nil)
		b.register(group, "10.0.0.1", 80)
		_, err := b.modifyGroupAttributes(t.Context(), modifyGroupAttributesIn{group, []Attribute{{deregistrationDelay, "30"}}})
		require.NoError(t, err)
		listener := b.listener(lb, 80, weights(0, group, 1))
		settle()
		url := b.url(listener)
		answers := make(chan reply, 2)
		for range 2 {
			go func() { answers <- b.get(b.client(false), url) }()
		}
		synctest.Wait()
		b.register(group, "10.0.0.2", 80)
		settle()
		require.NoError(t, b.Deregister(t.Context(), group, "10.0.0.1", 80))
		require.Equal(t, map[string]int{"new": 10}, b.tally(b.client(true), url, 10))
		time.Sleep(20 * time.Second)
		release <- struct{}{}
		require.Equal(t, "old", (<-answers).body, "in flight: it may end")
		time.Sleep(10 * time.Second)
		require.Equal(t, 502, (<-answers).status, "the delay is over")
		synctest.Wait()
		require.Equal(t, "unused Target.NotRegistered", b.health(group, "10.0.0.1", 80))
	})
}

// TestTakenBack: a draining target that is registered again stays, though its
// first draining would have ended meanwhile.
func TestTakenBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := open(t)
		_, _, group := b.front(80, func(http.ResponseWriter, *http.Request) {})
		settle()
		require.NoError(t, b.Deregister(t.Context(), group, "10.0.0.1", 8080))
		time.Sleep(200 * time.Second)
		b.register(group, "10.0.0.1", 8080)
		synctest.Wait()
		require.Equal(t, "healthy", b.health(group, "10.0.0.1", 8080))
		time.Sleep(200 * time.Second)
		require.Equal(t, "healthy", b.health(group, "10.0.0.1", 8080))
		require.NoError(t, b.Deregister(t.Context(), group, "10.0.0.1", 8080))
		time.Sleep(200 * time.Second)
		require.Equal(t, "draining Target.DeregistrationInProgress", b.health(group, "10.0.0.1", 8080))
		p := b.pools[group]
		b.drained(p, p.members[0], 1) // the first draining's timer, which fired just before it was stopped
		require.Equal(t, "draining Target.DeregistrationInProgress", b.health(group, "10.0.0.1", 8080))
	})
}

func TestConditions(t *testing.T) {
	for _, c := range []struct {
		condition Condition
		yes, no   []string // "METHOD URL|Header: value"
	}{
		{Condition{Field: fieldPath, PathPatternConfig: &Values{[]string{"/img/*", "/a?c"}}},
			[]string{"GET /img/", "GET /img/x/y?q", "GET /abc"}, []string{"GET /IMG/x", "GET /img", "GET /ac", "GET /abcd", "GET /x?/img/y"}},
		{Condition{Field: fieldHost, HostHeaderConfig: &Values{[]string{"*.example.com", "api.x"}}},
			[]string{"GET /|Host: a.EXAMPLE.com", "GET /|Host: a.b.example.com:8080", "GET /|Host: api.x"}, []string{"GET /|Host: example.com", "GET /|Host: api.x.y"}},
		{Condition{Field: fieldHeader, HttpHeaderConfig: &HeaderMatch{"user-agent", []string{"*chrome*", "safari"}}},
			[]string{"GET /|User-Agent: Mozilla CHROME 1", "GET /|User-Agent: x|User-Agent: Safari"}, []string{"GET /", "GET /|User-Agent: safari2"}},
		{Condition{Field: fieldMethod, HttpRequestMethodConfig: &Values{[]string{"GET", "PURGE"}}},
			[]string{"GET /", "PURGE /"}, []string{"POST /", "HEAD /"}},
		{Condition{Field: fieldQuery, QueryStringConfig: &QueryMatch{[]QueryPair{{to("version"), "v1"}, {nil, "*example*"}, {to("a"), `\*x\?`}}}},
			[]string{"GET /?VERSION=V1", "GET /?z=1&version=v1", "GET /?any=an%20Example", "GET /?a=*x%3F"}, []string{"GET /", "GET /?version=v12", "GET /?version", "GET /?a=bxc"}},
		{Condition{Field: fieldSource, SourceIpConfig: &Values{[]string{"192.0.2.0/24", "2001:db8::/32"}}},
			[]string{"GET /|From: 192.0.2.9:1", "GET /|From: [2001:db8::1]:1"}, []string{"GET /|From: 192.0.3.9:1", "GET /|From: 192.0.3.9:1|X-Forwarded-For: 192.0.2.1"}},
	} {
		checked, err := checkConditions([]Condition{c.condition})
		require.NoError(t, err)
		match := checked[0].matcher()
		for _, request := range c.yes {
			require.True(t, match(parse(request)), "%s: %s", c.condition.Field, request)
		}
		for _, request := range c.no {
			require.False(t, match(parse(request)), "%s: %s", c.condition.Field, request)
		}
	}
}

func parse(text string) *http.Request {
	parts := strings.Split(text, "|")
	method, url, _ := strings.Cut(parts[0], " ")
	r := httptest.NewRequest(method, url, nil)
	for _, header := range parts[1:] {
		name, value, _ := strings.Cut(header, ": ")
		switch name {
		case "Host":
			r.Host = value
		case "From":
			r.RemoteAddr = value
		default:
			r.Header.Add(name, value)
		}
	}
	return r
}

// TestRulesByPriority: the first rule that matches decides, whatever the order of
// creation, and priorities can be exchanged.
func TestRulesByPriority(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := open(t)
		lb := b.balancer("web")
		fixed := func(body string) []Action {
			return []Action{{Type: typeFixed, FixedResponseConfig: &FixedResponse{StatusCode: "200", MessageBody: body}}}
		}
		listener := b.listener(lb, 80, fixed("default"))
		rule := func(priority int, body string, conditions ...Condition) string {
			out, err := b.createRule(t.Context(), createRuleIn{ListenerArn: listener, Priority: &priority, Conditions: conditions, Actions: fixed(body)})
			require.NoError(t, err)
			return out.Rules[0].RuleArn
		}
		wide := rule(20, "wide", Condition{Field: fieldPath, Values: []string{"/*"}})
		narrow := rule(10, "narrow", Condition{Field: fieldPath, Values: []string{"/x*"}}, Condition{Field: fieldMethod, HttpRequestMethodConfig: &Values{[]string{"GET"}}})
		settle()
		client, url := b.client(true), b.url(listener)
		require.Equal(t, "narrow", b.get(client, url+"/xy").body)
		require.Equal(t, "wide", b.get(client, url+"/y").body)
		out, err := b.setPriorities(t.Context(), prioritiesIn{[]rulePriority{{wide, to(10)}, {narrow, to(20)}}})
		require.NoError(t, err)
		require.Equal(t, []string{"10", "20"}, []string{out.Rules[0].Priority, out.Rules[1].Priority})
		settle()
		require.Equal(t, "wide", b.get(client, url+"/xy").body)
	})
}

// TestByHost: a load balancer answers to its DNS name wherever that is asked.
func TestByHost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := open(t)
		lb, listener, _ := b.front(8080, nil)
		fixed := []Action{{Type: typeFixed, FixedResponseConfig: &FixedResponse{StatusCode: "200", MessageBody: "other"}}}
		other := b.listener(lb, 9000, fixed)
		name := b.Addresses()[0].DNSName
		require.Regexp(t, `^web-[0-9a-f]{10}\.elb\.localhost$`, name)
		handler, ok := b.Host(strings.ToUpper(name) + ":4566")
		require.True(t, ok)
		require.Same(t, b.fronts[listener], handler, "the lowest port")
		eighty := b.listener(lb, 80, fixed)
		handler, _ = b.Host(name)
		require.Same(t, b.fronts[eighty], handler)
		for _, nobody := range []string{"", "127.0.0.1:4566", "x.elb.localhost", "elb.localhost", name + ".com"} {
			_, ok := b.Host(nobody)
			require.False(t, ok, nobody)
		}
		_, err := b.deleteListener(t.Context(), listenerArnIn{other})
		require.NoError(t, err)
		_, err = b.deleteBalancer(t.Context(), balancerArnIn{lb})
		require.NoError(t, err)
		_, ok = b.Host(name)
		require.False(t, ok)
	})
}
