package prometheus

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluice-ml/sluice/shared/fault"
	"github.com/sluice-ml/sluice/shared/rollout"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// rest gives labels only.
type rest struct{ err error }

func (r rest) Measure(_ context.Context, q rollout.Question) (rollout.Measurements, error) {
	return rollout.Measurements{From: q.From, To: q.To, Candidate: rollout.Variant{Requests: 7, Labels: 10, Correct: 9}, Champion: &rollout.Variant{Labels: 90, Correct: 80}}, r.err
}

// canned answers every query that contains a text.
type canned struct {
	status  int
	answers map[string]string
	err     error
	asked   []string
}

func (c *canned) Do(r *http.Request) (*http.Response, error) {
	if c.err != nil {
		return nil, c.err
	}
	if err := r.ParseForm(); err != nil {
		return nil, err
	}
	query := r.PostForm.Get("query")
	c.asked = append(c.asked, query+" at "+r.PostForm.Get("time"))
	body := `{"status":"success","data":{"resultType":"matrix","result":[]}}`
	for contained, answer := range c.answers {
		if strings.Contains(query, contained) {
			body = answer
		}
	}
	return &http.Response{StatusCode: max(c.status, 200), Status: fmt.Sprint(max(c.status, 200)), Body: io.NopCloser(strings.NewReader(body))}, nil
}

// matrix is an answer with these series: labels, and values at seconds after noon.
func matrix(series ...string) string {
	return `{"status":"success","data":{"resultType":"matrix","result":[` + strings.Join(series, ",") + `]}}`
}

func counter(labels string, points ...float64) string {
	var values []string
	for i := 0; i < len(points); i += 2 {
		values = append(values, fmt.Sprintf(`[%v,"%v"]`, float64(noon.Unix())+points[i], points[i+1]))
	}
	return fmt.Sprintf(`{"metric":%s,"values":[%s]}`, labels, strings.Join(values, ","))
}

func question() rollout.Question {
	return rollout.Question{Model: "m", Candidate: "green", Champion: "blue", From: noon, To: noon.Add(time.Minute), Slow: 20 * time.Millisecond}
}

func gauge(c *canned) *Gauge {
	return &Gauge{URL: "http://prometheus:9090/", Client: c, Rest: rest{}, Stale: 30 * time.Second}
}

func TestCountsIncrementsAndResets(t *testing.T) {
	c := &canned{answers: map[string]string{
		`requests_total{model="m",slot="green"}`: matrix(
			counter(`{"code":"200","instance":"a"}`, -5, 100, 10, 130, 25, 20, 60, 50), // restarted between 10 and 25
			counter(`{"code":"500","instance":"a"}`, 40, 3, 60, 4),                     // began in the window
			counter(`{"code":"200","instance":"b"}`, -10, 5, 59, 6)),
		`seconds_bucket{model="m",slot="green"}`: matrix(
			counter(`{"le":"0.01","instance":"a"}`, -5, 100, 60, 150), counter(`{"le":"0.025","instance":"a"}`, -5, 100, 60, 190),
			counter(`{"le":"+Inf","instance":"a"}`, -5, 100, 60, 200)),
		`requests_total{model="m",slot="blue"}`: matrix(counter(`{"code":"200"}`, -5, 1, 58, 11)),
	}}
	m, err := gauge(c).Measure(t.Context(), question())
	require.NoError(t, err)
	require.EqualValues(t, 30+20+30+4+1, m.Candidate.Requests)
	require.EqualValues(t, 4, m.Candidate.Errors)
	require.EqualValues(t, 10, *m.Candidate.Slow, "beyond the bound of 25 ms, the next one")
	require.InDelta(t, 25, *m.Candidate.P99MS, 1e-9, "beyond the last bound it is that")
	require.EqualValues(t, 10, m.Candidate.Labels, "labels stay the other gauge's")
	require.EqualValues(t, 10, m.Champion.Requests)
	require.Nil(t, m.Champion.P99MS)
	require.Contains(t, c.asked, `sluice_requests_total{model="m",slot="green"}[90000ms] at `+fmt.Sprint(noon.Add(time.Minute).Unix())+".000")
}

func TestIncrementsNeitherOverlapNorLeaveOut(t *testing.T) {
	points := []float64{-5, 0}
	total := 0.0
	for at := 5.0; at <= 300; at += 5 {
		total += at
		points = append(points, at, total)
	}
	q := question()
	q.Increment, q.Champion = true, ""
	sum := int64(0)
	for to := 17; to <= 300; to += 17 {
		until := 0
		for until+2 < len(points) && points[until+2] <= float64(to) {
			until += 2
		}
		c := &canned{answers: map[string]string{"requests_total": matrix(counter(`{"code":"200"}`, points[:until+2]...))}}
		g := gauge(c)
		g.Stale = 10 * time.Minute
		q.To = noon.Add(time.Duration(to) * time.Second)
		m, err := g.Measure(t.Context(), q)
		require.NoError(t, err)
		sum += m.Candidate.Requests
		require.InDelta(t, points[until+1], float64(sum), 0)
		q.From = m.To
	}
	require.Positive(t, sum)
}

func TestBrokenSources(t *testing.T) {
	fresh := matrix(counter(`{"code":"200"}`, 58, 1))
	for want, c := range map[string]*canned{
		"no route to host":                      {err: errors.New("no route to host")},
		"the answer is not the query API's":     {status: 404, answers: map[string]string{"requests": "<html>"}},
		"bad_data: parse error":                 {status: 400, answers: map[string]string{"requests": `{"status":"error","errorType":"bad_data","error":"parse error"}`}},
		`result type "vector": want a matrix`:   {answers: map[string]string{"requests": `{"status":"success","data":{"resultType":"vector","result":[]}}`}},
		"has no sample of it in the 30s before": {},
		"-1 at 1.772366458e+09 is not a count":  {answers: map[string]string{"requests": matrix(counter(`{}`, 58, -1))}},
		"does not follow":                       {answers: map[string]string{"requests": matrix(counter(`{}`, 58, 1, 57, 2)), "bucket": fresh}},
	} {
		_, err := gauge(c).Measure(t.Context(), question())
		require.ErrorContains(t, err, want)
		require.Equal(t, fault.Unavailable, fault.KindOf(err))
	}
	g := gauge(&canned{})
	g.Rest = rest{errors.New("throttled")}
	_, err := g.Measure(t.Context(), question())
	require.EqualError(t, err, "throttled")
}

func TestQuantile(t *testing.T) {
	inf := func(n float64) bound { return bound{math.Inf(1), n} }
	require.Nil(t, quantile(nil, 0.99))
	require.Nil(t, quantile([]bound{{1, 0}, inf(0)}, 0.99))
	require.InDelta(t, 990, *quantile([]bound{{1, 100}, inf(100)}, 0.99), 1e-9)
	require.InDelta(t, 1000, *quantile([]bound{{1, 50}, inf(100)}, 0.99), 1e-9)
	require.InDelta(t, 1500, *quantile([]bound{{1, 50}, {2, 100}, inf(100)}, 0.75), 1e-9)
	require.Nil(t, slower([]bound{{1, 50}, inf(100)}, 2), "the buckets end below the limit")
	require.EqualValues(t, 0, *slower(nil, 2))
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte(matrix(counter(`{"code":"200"}`, -5, 100, 10, 130))))
	f.Add([]byte(`{"status":"success","data":{"resultType":"matrix","result":[{"metric":{},"values":[[1,"NaN"]]}]}}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		all, err := decode(body)
		if err != nil {
			return
		}
		for _, s := range all {
			require.GreaterOrEqual(t, s.increase(noon, noon.Add(time.Hour)), 0.0)
		}
	})
}
