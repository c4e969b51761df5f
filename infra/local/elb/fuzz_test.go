package elb

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path"
	"strings"
	"testing"
	"time"
)

// FuzzAPI: no form makes the API panic, and what is refused is a client's error.
func FuzzAPI(f *testing.F) {
	f.Add("Action=CreateTargetGroup&Version=2015-12-01&Name=a&Port=80&Protocol=HTTP&TargetType=ip&VpcId=vpc-1&Matcher.HttpCode=200-299&Tags.member.1.Key=k&Tags.member.1.Value=v")
	f.Add("Action=CreateListener&LoadBalancerArn=LB&Port=80&Protocol=HTTP&DefaultActions.member.1.Type=forward&DefaultActions.member.1.ForwardConfig.TargetGroups.member.1.TargetGroupArn=TG")
	f.Add("Action=CreateRule&ListenerArn=L&Priority=1&Conditions.member.1.Field=http-header&Conditions.member.1.HttpHeaderConfig.HttpHeaderName=x&Conditions.member.1.HttpHeaderConfig.Values.member.1=*&Actions.member.1.Type=redirect&Actions.member.1.RedirectConfig.StatusCode=HTTP_301&Actions.member.1.RedirectConfig.Port=1")
	f.Add("Action=SetRulePriorities&RulePriorities.member.1.RuleArn=R&RulePriorities.member.1.Priority=x")
	f.Add("Action=DescribeTargetHealth&TargetGroupArn=TG&Targets.member.1.Id=10.0.0.1&Targets=&Targets.member..=1")
	f.Add("Action=ModifyTargetGroupAttributes&TargetGroupArn=TG&Attributes.member.1.Key=stickiness.enabled&Attributes.member.1.Value=true")
	config := realConfig(f.TempDir())
	network := newMemory()
	config.Listen, config.Dial = network.Listen, network.Dial
	s, err := Open(config)
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { _ = s.Close() })
	if err := furnish(s); err != nil {
		f.Fatal(err)
	}
	group, err := s.createGroup(f.Context(), createGroupIn{Name: "blue", Port: to(80), Protocol: "HTTP", TargetType: "ip", VpcId: "vpc-1"})
	if err != nil {
		f.Fatal(err)
	}
	arns := strings.NewReplacer("=LB", "="+sorted(s.state.LoadBalancers)[0], "=TG", "="+group.TargetGroups[0].TargetGroupArn,
		"=L&", "="+sorted(s.state.Listeners)[0]+"&")
	handler := s.Handler()
	f.Fuzz(func(t *testing.T, form string) {
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/", strings.NewReader(arns.Replace(form))))
		if w.Code != http.StatusOK && w.Code != http.StatusBadRequest {
			t.Fatalf("%d %s", w.Code, w.Body)
		}
	})
}

// FuzzCondition: a condition that is accepted compiles, matches without panic,
// and is accepted again as it is kept.
func FuzzCondition(f *testing.F) {
	f.Add(`{"Field":"path-pattern","Values":["/a*?"]}`, "/abc", "x=y")
	f.Add(`{"Field":"query-string","QueryStringConfig":{"Values":[{"Key":"k","Value":"\\*v*"}]}}`, "/", "k=*v")
	f.Add(`{"Field":"source-ip","SourceIpConfig":{"Values":["10.0.0.0/8"]}}`, "/", "")
	f.Add(`{"Field":"http-header","HttpHeaderConfig":{"HttpHeaderName":"Host2","Values":["*"]}}`, "/", "")
	f.Fuzz(func(t *testing.T, text, path, query string) {
		var c Condition
		if json.Unmarshal([]byte(text), &c) != nil {
			return
		}
		checked, err := checkConditions([]Condition{c})
		if err != nil {
			return
		}
		r := &http.Request{Method: "GET", Host: "a.b", RemoteAddr: "10.0.0.1:1", URL: &url.URL{Path: path, RawQuery: query}, Header: http.Header{}}
		checked[0].matcher()(r)
		again, err := checkConditions(checked)
		if err != nil || !sameJSON(again, checked) {
			t.Fatalf("kept as %+v: %v", checked, err)
		}
	})
}

// FuzzPattern: without the wildcards in brackets, our patterns are path.Match's,
// where * does not stop at slashes.
func FuzzPattern(f *testing.F) {
	f.Add("a*b?c", "axxbyc")
	f.Add("*", "")
	f.Add("**?", "x")
	f.Fuzz(func(t *testing.T, text, candidate string) {
		plain := func(s string) bool { return !strings.ContainsAny(s, "[]\\/") && isASCII(s) }
		if !plain(text) || !plain(candidate) {
			newPattern(text, true, true).matches(candidate)
			return
		}
		want, err := path.Match(text, candidate)
		if err != nil {
			t.Fatal(err)
		}
		if got := newPattern(text, false, false).matches(candidate); got != want {
			t.Fatalf("%q matches %q: got %t, want %t", text, candidate, got, want)
		}
	})
}

func isASCII(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r > 127 })
}

// FuzzCookie: nobody but us makes a cookie that says something.
func FuzzCookie(f *testing.F) {
	var c cookies
	var key []byte
	if err := c.open(&key); err != nil {
		f.Fatal(err)
	}
	now := time.Unix(1000, 0)
	good := c.seal(targetCookie, "group target", now.Add(time.Minute))
	f.Add(good)
	f.Add(good[:len(good)-2])
	f.Fuzz(func(t *testing.T, value string) {
		if what, ok := c.unseal(targetCookie, value, now); ok && (what != "group target" || strings.TrimRight(value, "\r\n") == "") {
			t.Fatalf("%q says %q", value, what)
		}
	})
}

// FuzzMatcher: an accepted matcher matches something from 200 to 499 and nothing
// else.
func FuzzMatcher(f *testing.F) {
	f.Add("200-204,301")
	f.Add("+200")
	f.Fuzz(func(t *testing.T, matcher string) {
		if checkMatcher(matcher) != nil {
			return
		}
		found := false
		for code := range 1000 {
			if matches(matcher, code) {
				found = true
				if code < 200 || code > 499 {
					t.Fatalf("%q matches %d", matcher, code)
				}
			}
		}
		if !found {
			t.Fatalf("%q matches nothing", matcher)
		}
	})
}
