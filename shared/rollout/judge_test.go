package rollout

import (
	"encoding/json"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluice-ml/sluice/shared/fault"
	"github.com/sluice-ml/sluice/shared/trainconfig"
)

// The intervals are statsmodels'; scripts/golden/rollout_intervals.py made them.
func TestIntervalsAreStatsmodels(t *testing.T) {
	body, err := os.ReadFile("testdata/intervals.json")
	require.NoError(t, err)
	var golden struct {
		Wilson []struct {
			Hits, N   int64
			Low, High float64
		}
		Newcombe []struct {
			A, B      [2]int64
			Low, High float64
		}
	}
	require.NoError(t, json.Unmarshal(body, &golden))
	require.Len(t, golden.Newcombe, 121)
	for _, g := range golden.Wilson {
		low, high := wilson(g.Hits, g.N)
		require.InDelta(t, g.Low, low, 1e-12, "%+v", g)
		require.InDelta(t, g.High, high, 1e-12, "%+v", g)
	}
	for _, g := range golden.Newcombe {
		low, high := dropInterval(g.A[0], g.A[1], g.B[0], g.B[1])
		require.InDelta(t, g.Low, low, 1e-12, "%+v", g)
		require.InDelta(t, g.High, high, 1e-12, "%+v", g)
	}
}

func minutesOf(n int) trainconfig.Duration {
	return trainconfig.Duration(time.Duration(n) * time.Minute)
}

func policy() Policy {
	return Policy{Steps: []float64{10, 100}, Bake: minutesOf(5), Deadline: minutesOf(60), LatencyP99: trainconfig.Duration(500 * time.Millisecond),
		ErrorRate: 0.01, Accuracy: 0.85, MinRequests: 50, MaxFailures: 3}
}

func variant(requests, errors int64, p99 float64, labels, correct int64) Variant {
	return Variant{Requests: requests, Errors: errors, P99MS: &p99, Labels: labels, Correct: correct}
}

func TestJudge(t *testing.T) {
	good := variant(1000, 0, 100, 1000, 900)
	with := func(change func(*Policy)) Policy { p := policy(); change(&p); return p }
	for name, test := range map[string]struct {
		policy    Policy
		candidate Variant
		champion  *Variant
		problem   string
		verdict   string
		shared    bool
		reason    string
	}{
		"all is well":                   {policy(), good, &good, "", Pass, false, ""},
		"no champion":                   {policy(), good, nil, "", Pass, false, ""},
		"errors":                        {policy(), variant(1000, 100, 100, 1000, 900), &good, "", Fail, false, "error_rate 0.1 is above 0.01"},
		"slow":                          {policy(), variant(1000, 0, 501, 1000, 900), &good, "", Fail, false, "latency_p99 501 ms is above 500 ms"},
		"wrong":                         {policy(), variant(1000, 0, 100, 1000, 800), &good, "", Fail, false, "accuracy 0.8 is below 0.85"},
		"at the limits":                 {policy(), variant(1000, 10, 500, 1000, 850), &good, "", Pass, false, ""},
		"one error in fifty":            {policy(), variant(50, 1, 100, 1000, 900), &good, "", Insufficient, false, "error_rate 0.02 is above, but not certainly, 0.01"},
		"accuracy just below":           {policy(), variant(1000, 0, 100, 100, 84), &good, "", Insufficient, false, "accuracy 0.84 is below, but not certainly, 0.85"},
		"no requests":                   {policy(), Variant{Labels: 1000, Correct: 900}, &good, "", Insufficient, false, "error_rate is not known: 0 requests, 50 are needed; latency_p99 is not known: 0 requests, 50 are needed"},
		"no latency":                    {policy(), Variant{Requests: 100, Labels: 1000, Correct: 900}, &good, "", Insufficient, false, "latency_p99 is not known: 100 requests but no latency"},
		"no labels":                     {policy(), variant(1000, 0, 100, 49, 49), &good, "", Insufficient, false, "accuracy is not known: 49 labels, 50 are needed"},
		"accuracy is off":               {with(func(p *Policy) { p.Accuracy = 0 }), variant(1000, 0, 100, 0, 0), &good, "", Pass, false, ""},
		"the source is broken":          {policy(), good, &good, "throttled", Insufficient, false, "no measurements: throttled"},
		"both fail":                     {policy(), variant(1000, 100, 100, 1000, 900), ptr(variant(1000, 200, 100, 1000, 900)), "", Insufficient, true, "error_rate 0.1 is above 0.01; the champion's is 0.2 too"},
		"both slow, and it fails alone": {policy(), variant(1000, 100, 900, 1000, 900), ptr(variant(1000, 0, 900, 1000, 900)), "", Fail, false, "error_rate 0.1 is above 0.01"},
		"the champion fails otherwise":  {policy(), variant(1000, 100, 100, 1000, 900), ptr(variant(1000, 0, 900, 1000, 900)), "", Fail, false, "error_rate 0.1 is above 0.01"},
		"the champion has too few":      {policy(), variant(1000, 100, 100, 1000, 900), ptr(variant(10, 10, 100, 0, 0)), "", Fail, false, "error_rate 0.1 is above 0.01"},
		"failure beats not knowing":     {policy(), variant(1000, 100, 100, 0, 0), &good, "", Fail, false, "error_rate 0.1 is above 0.01"},
		"more errors than requests":     {policy(), variant(100, 120, 100, 1000, 900), &good, "", Fail, false, "error_rate 1 is above 0.01"},
		"trigger: a drop":               {with(drop(0.05, false)), variant(1000, 0, 100, 10000, 8600), ptr(variant(1000, 0, 100, 10000, 9500)), "", Fail, false, "accuracy_drop 0.09 is above 0.05"},
		"trigger: a drop within noise":  {with(drop(0.05, false)), variant(1000, 0, 100, 100, 87), ptr(variant(1000, 0, 100, 100, 93)), "", Insufficient, false, "accuracy_drop 0.06 is above, but not certainly, 0.05"},
		"trigger: small drop":           {with(drop(0.05, false)), variant(1000, 0, 100, 1000, 900), ptr(variant(1000, 0, 100, 1000, 910)), "", Pass, false, ""},
		"trigger: nothing to compare":   {with(drop(0.05, false)), good, ptr(variant(1000, 0, 100, 10, 9)), "", Insufficient, false, "accuracy_drop is not known: 10 labels of one slot, 50 are needed"},
		"trigger: no champion":          {with(drop(0.05, false)), good, nil, "", Pass, false, ""},
		"trigger: latency":              {with(func(p *Policy) { p.Trigger = trainconfig.Trigger{Measure: "latency_p99", Limit: 0.09} }), good, &good, "", Insufficient, true, "latency_p99 100 ms is above 90 ms; the champion's is 100 ms too"},
		"trigger: latency, or equal": {with(func(p *Policy) {
			p.Trigger = trainconfig.Trigger{Measure: "latency_p99", Limit: 0.1, OrEqual: true}
		}), good, nil, "", Fail, false, "latency_p99 100 ms is above 100 ms"},
	} {
		t.Run(name, func(t *testing.T) {
			j := Judge(test.policy, Measurements{Candidate: test.candidate, Champion: test.champion, Problem: test.problem})
			require.Equal(t, test.verdict, j.Verdict, "%+v", j)
			require.Equal(t, test.shared, j.Shared)
			if test.reason != "" {
				require.Equal(t, test.reason, j.Reason)
			}
			_, err := json.Marshal(j.Findings)
			require.NoError(t, err)
		})
	}
}

func ptr(v Variant) *Variant { return &v }

func drop(limit float64, orEqual bool) func(*Policy) {
	return func(p *Policy) {
		p.Trigger = trainconfig.Trigger{Measure: "accuracy_drop", Limit: limit, OrEqual: orEqual}
	}
}

func TestPolicyOfTheDefaultConfiguration(t *testing.T) {
	cfg, err := trainconfig.Parse("train.yaml", []byte("experiment: {name: m}\ndata: {path: s3://lake/raw/m/, target: y}\nmodel: {type: XGBClassifier}\n"))
	require.NoError(t, err)
	p, err := NewPolicy(cfg)
	require.NoError(t, err)
	require.Equal(t, Policy{Steps: []float64{10, 20, 30, 40, 50, 60, 70, 80, 90, 100}, Bake: minutesOf(5), Deadline: minutesOf(120),
		LatencyP99: trainconfig.Duration(500 * time.Millisecond), ErrorRate: 0.01, Accuracy: 0.85, MinRequests: 50, MaxFailures: 3}, p)
}

func TestBadPolicies(t *testing.T) {
	for want, change := range map[string]func(*Policy){
		"deployment.steps ends at 0":                                    func(p *Policy) { p.Steps = nil },
		"deployment.steps[1] is 10":                                     func(p *Policy) { p.Steps = []float64{10, 10, 100} },
		"deployment.steps[0] is 0":                                      func(p *Policy) { p.Steps = []float64{0, 100} },
		"deployment.steps ends at 50":                                   func(p *Policy) { p.Steps = []float64{50} },
		"deployment.bake is 0s":                                         func(p *Policy) { p.Bake = 0 },
		"deployment.deadline is 10m0s, but 2 steps that take 5m0s each": func(p *Policy) { p.Deadline = minutesOf(10) },
		"after a shadow of 30m0s, take longer": func(p *Policy) {
			p.Shadow, p.Deadline = trainconfig.Shadow{Duration: minutesOf(30), Sample: 100, MaxDisagreement: 1}, minutesOf(35)
		},
		"deployment.shadow.sample is 0":    func(p *Policy) { p.Shadow = trainconfig.Shadow{Duration: 1, MaxDisagreement: 1} },
		"deployment.shadow.duration is 0s": func(p *Policy) { p.ShadowOnly, p.Steps = true, nil },
		"deployment.strategy is shadow, which has no steps": func(p *Policy) {
			p.ShadowOnly, p.Shadow = true, trainconfig.Shadow{Duration: 1, Sample: 1, MaxDisagreement: 1}
		},
		"deployment.slices: evaluation.slices has none": func(p *Policy) { p.Slices.MinLabels = 1 },
		"deployment.min_requests is 0":                  func(p *Policy) { p.MinRequests = 0 },
		"deployment.max_failures is 0":                  func(p *Policy) { p.MaxFailures = 0 },
		"deployment.limits.latency_p99 is 0s":           func(p *Policy) { p.LatencyP99 = 0 },
		"deployment.limits.error_rate is 2":             func(p *Policy) { p.ErrorRate = 2 },
		"deployment.limits.accuracy is -1":              func(p *Policy) { p.Accuracy = -1 },
	} {
		p := policy()
		change(&p)
		err := p.Check()
		require.ErrorContains(t, err, want)
		require.Equal(t, fault.Invalid, fault.KindOf(err))
	}
	_, err := NewPolicy(&trainconfig.Config{Deployment: trainconfig.Deployment{Rollback: trainconfig.Rollback{Trigger: "sadness > 3"}}})
	require.ErrorContains(t, err, "deployment.rollback.trigger")
}
