package elb

import (
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluice-ml/sluice/infra/local/cloudwatch"
)

func TestMetrics(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := open(t)
		lb, group := b.balancer("web"), b.group("blue")
		for _, id := range []string{"10.0.0.1", "10.0.0.2"} {
			b.serve(id, id, 80, func(w http.ResponseWriter, r *http.Request) {
				time.Sleep(25 * time.Millisecond)
				w.WriteHeader(map[string]int{"/404": 404, "/500": 500, "/302": 302}[r.URL.Path] + map[string]int{"/": 200}[r.URL.Path])
			})
			b.register(group, id, 80)
		}
		b.register(group, "10.0.0.3", 80) // nobody: unhealthy
		listener := b.listener(lb, 80, weights(0, group, 1))
		time.Sleep(10 * time.Second)
		synctest.Wait()
		client := b.client(true)
		for _, path := range []string{"/", "/", "/", "/404", "/404", "/500", "/302", "/"} {
			b.get(client, b.url(listener)+path)
		}
		require.NoError(t, b.Flush(t.Context(), time.Now()))
		for _, c := range []struct {
			name, dimensions string
			sum, count       float64
		}{
			{"RequestCount", "LoadBalancer", 8, 8},
			{"RequestCount", "TargetGroup LoadBalancer", 8, 8},
			{"HTTPCode_Target_2XX_Count", "LoadBalancer", 4, 4},
			{"HTTPCode_Target_2XX_Count", "TargetGroup LoadBalancer", 4, 4},
			{"HTTPCode_Target_3XX_Count", "LoadBalancer", 1, 1},
			{"HTTPCode_Target_4XX_Count", "LoadBalancer", 2, 2},
			{"HTTPCode_Target_5XX_Count", "TargetGroup LoadBalancer", 1, 1},
			{"HTTPCode_ELB_5XX_Count", "LoadBalancer", 0, 0},
			{"TargetResponseTime", "LoadBalancer", 0.2, 8},
			{"TargetResponseTime", "TargetGroup LoadBalancer", 0.2, 8},
			{"RequestCountPerTarget", "TargetGroup", 4, 8},
			{"RequestCountPerTarget", "TargetGroup LoadBalancer", 4, 8},
			{"HealthyHostCount", "TargetGroup LoadBalancer", 2, 1},
			{"UnHealthyHostCount", "TargetGroup LoadBalancer", 1, 1},
		} {
			sum, count := b.metrics.total(c.name, c.dimensions)
			require.InDelta(t, c.sum, sum, 1e-9, c)
			require.Equal(t, c.count, count, c)
		}
		for _, d := range b.metrics.data {
			require.False(t, d.HighResolution)
			require.Zero(t, d.Time.Unix()%60, "a minute's data point")
			for _, one := range d.Dimensions {
				require.True(t, strings.HasPrefix(one.Value, map[string]string{"LoadBalancer": "app/web/", "TargetGroup": "targetgroup/blue/"}[one.Name]), one)
			}
		}
		require.NoError(t, b.Flush(t.Context(), time.Now().Add(time.Second)))
		_, count := b.metrics.total("HealthyHostCount", "TargetGroup LoadBalancer")
		require.Equal(t, 1.0, count, "counted every ten seconds")
	})
}

// TestMetricsReachCloudWatch: what is published is accepted, and read back by
// AWS's names.
func TestMetricsReachCloudWatch(t *testing.T) {
	var m meters
	m.add(60, series{"app/a/1", "targetgroup/b/2", "TargetResponseTime"}, roundSeconds(1234567*time.Microsecond))
	m.add(60, series{"app/a/1", "", "RequestCount"}, 1)
	var got sink
	require.NoError(t, m.flush(&got, true))
	require.Len(t, got.data, 2)
	require.Equal(t, cloudwatch.Datum{Name: "RequestCount", Unit: "Count", Time: time.Unix(60, 0).UTC(), HighResolution: true, Values: []float64{1}, Counts: []float64{1},
		Dimensions: []cloudwatch.Dimension{{Name: "LoadBalancer", Value: "app/a/1"}}}, got.data[0])
	require.Equal(t, []float64{1.23}, got.data[1].Values)
	require.Equal(t, "Seconds", got.data[1].Unit)
	require.NoError(t, m.flush(&got, true))
	require.Len(t, got.data, 2, "nothing new")
}

func TestFaults(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := open(t)
		listener, _, _ := b.two(0, 1, 1)
		client, url := b.client(true), b.url(listener)
		call := func(method, path, body string) *httptest.ResponseRecorder {
			w := httptest.NewRecorder()
			b.Admin().ServeHTTP(w, httptest.NewRequest(method, "/_sluice/balancing/faults"+path, strings.NewReader(body)))
			return w
		}
		refused := call("PUT", "/gren", `{"error_rate":1}`)
		require.Equal(t, http.StatusBadRequest, refused.Code)
		require.Contains(t, refused.Body.String(), "there is no target group")
		require.Equal(t, http.StatusNoContent, call("PUT", "/green", `{"delay":"250ms","error_rate":0.25}`).Code)
		slow, errs, all := 0, 0, 0
		for range 800 {
			began := time.Now()
			answer := b.get(client, url)
			if time.Since(began) >= 250*time.Millisecond {
				slow++
			}
			if answer.status == 500 {
				require.Contains(t, answer.body, "a drill")
				errs++
			}
			if answer.body != "blue" {
				all++
			}
		}
		require.Equal(t, all, slow, "all of green, and nobody else")
		require.InDelta(t, 0.25*float64(all), errs, 4*math.Sqrt(float64(all)*0.25*0.75))
		require.NoError(t, b.Flush(t.Context(), time.Now()))
		sum, _ := b.metrics.total("HTTPCode_Target_5XX_Count", "TargetGroup LoadBalancer")
		require.EqualValues(t, errs, sum)

		require.Equal(t, http.StatusNoContent, call("DELETE", "/green", "").Code)
		require.Zero(t, b.tally(client, url, 50)["500"])
		require.NoError(t, b.SetFault("blue", Fault{ErrorRate: 1}))
		require.NoError(t, b.SetFault("green", Fault{ErrorRate: 1}))
		require.Equal(t, 50, b.tally(client, url, 50)["500"])
		for range 20 { // over one connection, which a body that nobody read would spoil
			request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, strings.NewReader(`{"instances":[]}`))
			require.NoError(t, err)
			answer, err := client.Do(request)
			require.NoError(t, err)
			_, _ = io.Copy(io.Discard, answer.Body)
			require.NoError(t, answer.Body.Close())
			require.Equal(t, http.StatusInternalServerError, answer.StatusCode)
		}
		require.NotContains(t, b.log.String(), "panic")
		require.Equal(t, http.StatusNoContent, call("DELETE", "", "").Code)
		require.Zero(t, b.tally(client, url, 50)["500"])
		for body, want := range map[string]string{`{`: "unexpected EOF", `{"rate":1}`: "rate", `{"delay":"soon"}`: "such as 250ms", `{"delay":"2m"}`: "0 to 1m0s",
			`{"error_rate":1.5}`: "0 to 1", `{"error_rate":-1}`: "0 to 1"} {
			w := call("PUT", "/blue", body)
			require.Equal(t, http.StatusBadRequest, w.Code, body)
			require.Contains(t, w.Body.String(), want)
		}
		require.Error(t, b.SetFault("blue", Fault{ErrorRate: math.NaN()}))
	})
}

// TestUnhealthyDrill: the checks of one group fail until the drill ends, and no
// request does.
func TestUnhealthyDrill(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := open(t)
		lb, group := b.balancer("web"), b.group("blue")
		b.serve("one", "10.0.0.1", 8080, nil)
		b.register(group, "10.0.0.1", 8080)
		listener := b.listener(lb, 80, weights(0, group, 1))
		synctest.Wait()
		require.Equal(t, "healthy", strings.TrimSpace(b.health(group, "10.0.0.1", 8080)))
		w := httptest.NewRecorder()
		b.Admin().ServeHTTP(w, httptest.NewRequest(http.MethodPut, "/_sluice/balancing/faults/blue", strings.NewReader(`{"unhealthy":true}`)))
		require.Equal(t, http.StatusNoContent, w.Code)
		time.Sleep(time.Minute)
		synctest.Wait()
		require.Equal(t, "unhealthy Target.ResponseCodeMismatch", b.health(group, "10.0.0.1", 8080))
		require.Equal(t, 200, b.get(b.client(true), b.url(listener)).status, "who has only unhealthy targets is sent to them")
		require.NoError(t, b.Flush(t.Context(), time.Now()))
		sum, _ := b.metrics.total("UnHealthyHostCount", "TargetGroup LoadBalancer")
		require.Positive(t, sum)
		b.ClearFault("blue")
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		require.Equal(t, "healthy", strings.TrimSpace(b.health(group, "10.0.0.1", 8080)))
	})
}
