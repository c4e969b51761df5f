package prometheus

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/sluice-ml/sluice/shared/contract"
	"github.com/sluice-ml/sluice/shared/fault"
)

// Doer is what is used of an HTTP client.
type Doer interface {
	Do(*http.Request) (*http.Response, error)
}

// sample is a counter's value at a time.
type sample struct {
	at    time.Time
	value float64
}

// series is one counter of one process.
type series struct {
	labels  map[string]string
	samples []sample // in time order
}

// answer is the query API's.
type answer struct {
	Status    string `json:"status"`
	ErrorType string `json:"errorType"`
	Error     string `json:"error"`
	Data      struct {
		ResultType string `json:"resultType"`
		Result     []struct {
			Metric map[string]string    `json:"metric"`
			Values [][2]json.RawMessage `json:"values"`
		} `json:"result"`
	} `json:"data"`
}

// maxAnswer bounds what is read of an answer.
const maxAnswer = 64 << 20

// samples gives the raw samples that a selector has in the window that ends at
// to. Every error is Unavailable: a source that does not answer, or not
// sensibly, says nothing about a rollout.
func (g *Gauge) samples(ctx context.Context, selector string, window time.Duration, to time.Time) ([]series, error) {
	query := fmt.Sprintf("%s[%dms]", selector, window.Milliseconds())
	op := "ask Prometheus for " + query
	target := strings.TrimSuffix(g.URL, "/") + "/api/v1/query"
	form := url.Values{"query": {query}, "time": {strconv.FormatFloat(float64(to.UnixMilli())/1000, 'f', 3, 64)}}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, target, strings.NewReader(form.Encode()))
	if err != nil {
		return nil, fault.New(fault.Unavailable, op, "%w", err)
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	response, err := g.Client.Do(request)
	if err != nil {
		return nil, fault.New(fault.Unavailable, op, "%w", err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	if err != nil {
		return nil, fault.New(fault.Unavailable, op, "%w", err)
	}
	all, err := decode(body)
	if err != nil {
		return nil, fault.New(fault.Unavailable, op, "%s from %s: %w", response.Status, g.URL, err).
			WithHint("check %s, and that it is Prometheus's address", contract.EnvPrometheusURL)
	}
	return all, nil
}

// decode reads an answer with a matrix.
func decode(body []byte) ([]series, error) {
	var a answer
	if err := json.Unmarshal(body, &a); err != nil {
		return nil, fmt.Errorf("the answer is not the query API's: %w", err)
	}
	switch {
	case a.Status == "error":
		return nil, fmt.Errorf("%s: %s", a.ErrorType, a.Error)
	case a.Status != "success" || a.Data.ResultType != "matrix":
		return nil, fmt.Errorf("status %q, result type %q: want a matrix", a.Status, a.Data.ResultType)
	}
	var all []series
	for _, one := range a.Data.Result {
		s := series{labels: one.Metric}
		for _, pair := range one.Values {
			read, err := decodeSample(pair)
			if err != nil {
				return nil, fmt.Errorf("a sample of %v: %w", one.Metric, err)
			}
			if n := len(s.samples); n > 0 && !read.at.After(s.samples[n-1].at) {
				return nil, fmt.Errorf("a sample of %v: %v does not follow %v", one.Metric, read.at, s.samples[n-1].at)
			}
			s.samples = append(s.samples, read)
		}
		all = append(all, s)
	}
	return all, nil
}

// decodeSample reads [1436780400.781, "12"].
func decodeSample(pair [2]json.RawMessage) (sample, error) {
	var seconds float64
	var text string
	if err := json.Unmarshal(pair[0], &seconds); err != nil {
		return sample{}, err
	}
	if err := json.Unmarshal(pair[1], &text); err != nil {
		return sample{}, err
	}
	value, err := strconv.ParseFloat(text, 64)
	if err != nil || !(value >= 0) || math.IsInf(value, 0) || !(math.Abs(seconds) < 1e11) {
		return sample{}, fmt.Errorf("%s at %v is not a count", text, seconds)
	}
	return sample{time.UnixMilli(int64(math.Round(seconds * 1000))).UTC(), value}, nil
}
