package elb

import (
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"
)

// BenchmarkProxy sends 1,000 requests a second, on time whether or not the ones
// before were answered, straight to a target and then through a load balancer
// with weights and rules. It reports both latencies and the difference.
func BenchmarkProxy(b *testing.B) {
	config := realConfig(b.TempDir())
	s, err := Open(config)
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	target := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		_, _ = io.WriteString(w, "0.5\n")
	}))
	defer target.Close()
	through := benchListener(b, s, target.Listener.Addr().String())
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 256}}
	defer client.CloseIdleConnections()
	paced(b, client, target.URL, 500)
	paced(b, client, through, 500)
	b.ResetTimer()
	// Straight and through take turns, so that a busy moment of the machine hits both.
	var straight, proxied []time.Duration
	for done := 0; done < b.N; done += 500 {
		straight = append(straight, paced(b, client, target.URL, 500)...)
		proxied = append(proxied, paced(b, client, through, 500)...)
	}
	b.ReportMetric(0, "ns/op") // the pace, not the proxy
	for _, q := range []struct {
		name string
		at   float64
	}{{"p50", 0.5}, {"p99", 0.99}} {
		x, y := quantile(straight, q.at), quantile(proxied, q.at)
		b.ReportMetric(x, "µs-direct-"+q.name)
		b.ReportMetric(y, "µs-proxied-"+q.name)
		b.ReportMetric(y-x, "µs-overhead-"+q.name)
	}
}

func benchListener(b *testing.B, s *Service, target string) string {
	b.Helper()
	lb, err := s.createBalancer(b.Context(), createBalancerIn{Name: "web", Subnets: []string{"subnet-a", "subnet-b"}})
	if err != nil {
		b.Fatal(err)
	}
	host, portText, _ := net.SplitHostPort(target)
	port, _ := strconv.Atoi(portText)
	var pairs []any
	for _, name := range []string{"blue", "green"} {
		g, err := s.createGroup(b.Context(), createGroupIn{Name: name, Port: to(80), Protocol: "HTTP", TargetType: "ip", VpcId: "vpc-1"})
		if err != nil {
			b.Fatal(err)
		}
		arn := g.TargetGroups[0].TargetGroupArn
		if err := s.Register(b.Context(), arn, host, port); err != nil {
			b.Fatal(err)
		}
		pairs = append(pairs, arn, 50)
	}
	l, err := s.createListener(b.Context(), createListenerIn{LoadBalancerArn: lb.LoadBalancers[0].LoadBalancerArn, Port: to(80), Protocol: "HTTP", DefaultActions: weights(0, pairs...)})
	if err == nil {
		_, err = s.createRule(b.Context(), createRuleIn{ListenerArn: l.Listeners[0].ListenerArn, Priority: to(1), Conditions: []Condition{{Field: fieldPath, Values: []string{"/other/*"}}}, Actions: weights(0, pairs...)})
	}
	if err != nil {
		b.Fatal(err)
	}
	return s.Addresses()[0].URL
}

// paced sends n requests, one each millisecond, and gives their latencies.
func paced(b *testing.B, client *http.Client, url string, n int) []time.Duration {
	b.Helper()
	out := make([]time.Duration, n)
	var waiting sync.WaitGroup
	ticker := time.NewTicker(time.Millisecond)
	defer ticker.Stop()
	for i := range n {
		<-ticker.C
		waiting.Go(func() {
			began := time.Now()
			response, err := client.Get(url)
			if err != nil {
				b.Error(err)
				return
			}
			_, _ = io.Copy(io.Discard, response.Body)
			response.Body.Close()
			out[i] = time.Since(began)
			if response.StatusCode != http.StatusOK {
				b.Errorf("status %d", response.StatusCode)
			}
		})
	}
	waiting.Wait()
	return out
}

func quantile(d []time.Duration, q float64) float64 {
	sorted := slices.Sorted(slices.Values(d))
	return float64(sorted[int(q*float64(len(sorted)-1))].Nanoseconds()) / 1e3
}

// BenchmarkRoute is the choice of a rule, a group and a target, without the
// network.
func BenchmarkRoute(b *testing.B) {
	config := realConfig(b.TempDir())
	s, err := Open(config)
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	benchListener(b, s, "127.0.0.1:1")
	f := s.fronts[sorted(s.state.Listeners)[0]]
	r := httptest.NewRequest(http.MethodGet, "/invocations", nil)
	b.ReportAllocs()
	for b.Loop() {
		if f.target(r, f.group(r, f.routes.Load().find(r).forward)) == nil {
			b.Fatal("no target")
		}
	}
}
