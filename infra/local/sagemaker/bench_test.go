package sagemaker

import (
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// rate is the traffic under which the proxy is measured, in requests a second.
const rate = 1000

// BenchmarkProxy sends 1,000 requests a second to a variant's server, in turn
// directly and through the endpoint (routing, metering, data capture), and
// reports what the endpoint adds.
func BenchmarkProxy(b *testing.B) {
	service := newBench(b)
	service.serve(b)
	runtime := httptest.NewServer(service.Runtime())
	b.Cleanup(runtime.Close)
	service.mu.Lock()
	server := service.endpoints["e"].route.Load().named("blue").fleet.instances[0]
	service.mu.Unlock()
	var latencies [2][]time.Duration
	urls := [2]string{server.url("/invocations"), runtime.URL + "/endpoints/e/invocations"}
	b.ResetTimer()
	for range b.N {
		for way, url := range urls {
			latencies[way] = append(latencies[way], paced(b, url, rate)...)
		}
	}
	at := func(way int, q float64) float64 {
		slices.Sort(latencies[way])
		return float64(latencies[way][int(q*float64(len(latencies[way])-1))]) / 1e6
	}
	b.ReportMetric(at(0, 0.5), "direct-p50-ms")
	b.ReportMetric(at(1, 0.5)-at(0, 0.5), "added-p50-ms")
	b.ReportMetric(at(1, 0.99)-at(0, 0.99), "added-p99-ms")
}

// paced sends n requests, one each 1/rate of a second, and gives how long each
// took. A request that found no free worker counts from when it was due.
func paced(b *testing.B, url string, n int) []time.Duration {
	b.Helper()
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}}
	defer client.CloseIdleConnections()
	due, took := make(chan int, n), make([]time.Duration, n)
	began := time.Now()
	var workers sync.WaitGroup
	for range 16 {
		workers.Go(func() {
			for i := range due {
				at := began.Add(time.Duration(i) * time.Second / rate)
				time.Sleep(time.Until(at))
				answer, err := client.Post(url, "text/csv", strings.NewReader("1,2,3"))
				if err != nil {
					b.Error(err)
					return
				}
				_, err = io.Copy(io.Discard, answer.Body)
				took[i] = time.Since(at)
				_ = answer.Body.Close()
				if err != nil || answer.StatusCode != http.StatusOK {
					b.Errorf("status %s: %v", answer.Status, err)
					return
				}
			}
		})
	}
	for i := range n {
		due <- i
	}
	close(due)
	workers.Wait()
	require.False(b, b.Failed())
	return took
}
