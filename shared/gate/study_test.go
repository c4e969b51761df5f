package gate

import (
	"flag"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/sluice-ml/sluice/shared/evaluation"
	"github.com/sluice-ml/sluice/shared/predictions"
	"github.com/sluice-ml/sluice/shared/trainconfig"
)

// The study says by simulation how often gates are wrong and what they catch.
// A small part of it, with a fixed seed, runs with the other tests;
//
//	go test ./shared/gate -run TestStudy -study.draws 4000 -study.write -timeout 1h
//
// runs all of it and writes STUDY.md.
var (
	studyDraws = flag.Int("study.draws", 150, "draws of each row of the study")
	studyWrite = flag.Bool("study.write", false, "run every row and write STUDY.md")
)

// population is two normal distributions: a negative row's evidence is N(0, 1),
// a positive one's N(μ, 1), so the AUC is Φ(μ/√2). The score is the true
// probability, so the model is calibrated.
type population struct{ mu, prevalence float64 }

func normalCDF(x float64) float64 { return math.Erfc(-x/math.Sqrt2) / 2 }

// withAUC is the population of an AUC.
func withAUC(auc, prevalence float64) population {
	return population{2 * math.Erfinv(2*auc-1), prevalence}
}

func (p population) score(x float64) float64 {
	return 1 / (1 + math.Exp(-(p.mu*x - p.mu*p.mu/2 + math.Log(p.prevalence/(1-p.prevalence)))))
}

// row draws a label and the evidence.
func (p population) row(r *rand.Rand) (label, x float64) {
	if r.Float64() < p.prevalence {
		return 1, r.NormFloat64() + p.mu
	}
	return 0, r.NormFloat64()
}

// truth is a metric's value in the whole population.
func (p population) truth(metric string) float64 {
	cut := p.mu/2 - math.Log(p.prevalence/(1-p.prevalence))/p.mu // where the score is ½
	recall, fpr, pi := normalCDF(p.mu-cut), normalCDF(-cut), p.prevalence
	tp, fp, fn := pi*recall, (1-pi)*fpr, pi*(1-recall)
	switch metric {
	case "auc_roc":
		return normalCDF(p.mu / math.Sqrt2)
	case "recall":
		return recall
	case "precision":
		return tp / (tp + fp)
	case "f1_score":
		return 2 * tp / (2*tp + fp + fn)
	case "accuracy":
		return tp + (1-pi)*(1-fpr)
	}
	return p.integral(metric)
}

// integral adds up over a fine grid of the evidence what has no closed form.
func (p population) integral(metric string) float64 {
	const step = 1e-3
	sum, density := 0.0, func(x float64) float64 { return math.Exp(-x*x/2) / math.Sqrt(2*math.Pi) }
	for x := -9.0; x < 9+p.mu; x += step {
		pos, neg, s := p.prevalence*density(x-p.mu), (1-p.prevalence)*density(x), p.score(x)
		switch metric {
		case "log_loss":
			sum -= (pos*math.Log(s) + neg*math.Log1p(-s)) * step
		case "brier":
			sum += (pos*(1-s)*(1-s) + neg*s*s) * step
		case "pr_auc":
			tp, fp := p.prevalence*normalCDF(p.mu-x), (1-p.prevalence)*normalCDF(-x)
			if tp+fp > 0 {
				sum += density(x-p.mu) * step * tp / (tp + fp)
			}
		}
	}
	return sum
}

// rowIDs are made once: the study draws a billion rows.
var rowIDs = sync.OnceValue(func() []string {
	ids := make([]string, 50_000)
	for i := range ids {
		ids[i] = strconv.Itoa(i)
	}
	return ids
})

// sampled is n rows of each population, with the population's name as the
// attribute "group".
func sampled(r *rand.Rand, n int, groups ...population) *predictions.Set {
	set := &predictions.Set{Attributes: map[string][]string{}}
	for g, p := range groups {
		for range n {
			label, x := p.row(r)
			set.Label, set.Score = append(set.Label, label), append(set.Score, p.score(x))
		}
		set.Attributes["group"] = append(set.Attributes["group"], slices.Repeat([]string{strconv.Itoa(g)}, n)...)
	}
	set.RowID = rowIDs()[:len(set.Label)]
	return set
}

// both is n rows scored by a candidate and a champion of the same AUCs or not,
// whose evidence agrees with the correlation.
func both(r *rand.Rand, n int, candidate, champion population, correlation float64) *predictions.Set {
	set := sampled(r, 0)
	for range n {
		label, x := candidate.row(r)
		noise := x - label*candidate.mu
		y := label*champion.mu + correlation*noise + math.Sqrt(1-correlation*correlation)*r.NormFloat64()
		set.Label = append(set.Label, label)
		set.Score, set.Champion = append(set.Score, candidate.score(x)), append(set.Champion, champion.score(y))
	}
	set.RowID = rowIDs()[:n]
	return set
}

// scenario is one row of the study: what a gate says of one draw.
type scenario struct {
	gate, what string
	rows       int
	small      bool // it runs with the other tests too
	// most is the greatest share of fail that is stated; 0: nothing is stated.
	most float64
	// mostPass is the same of pass, where the truth is on the wrong side.
	mostPass float64
	draw     func(r *rand.Rand) string
}

// rates are the shares of verdicts.
type rates struct{ pass, fail, insufficient float64 }

func (s scenario) run(draws int) rates {
	counts := make([]map[string]int, runtime.GOMAXPROCS(0))
	var all sync.WaitGroup
	for w := range counts {
		counts[w] = map[string]int{}
		all.Go(func() {
			for d := w; d < draws; d += len(counts) {
				counts[w][s.draw(rand.New(rand.NewPCG(uint64(d), 0x57d7)))]++
			}
		})
	}
	all.Wait()
	out := rates{}
	for _, c := range counts {
		out.pass += float64(c[Pass]) / float64(draws)
		out.fail += float64(c[Fail]) / float64(draws)
		out.insufficient += float64(c[Insufficient]) / float64(draws)
	}
	return out
}

func studied(t testing.TB, text string) *trainconfig.Evaluation {
	return &config(t, text).Evaluation
}

// limited is a configuration with one threshold at a value.
func limited(t testing.TB, metric string, limit float64, more string) *trainconfig.Evaluation {
	return studied(t, fmt.Sprintf("metrics: [%s], thresholds: {%[1]s: %v}%s", metric, limit, more))
}

func TestStudy(t *testing.T) {
	text := &strings.Builder{}
	for _, part := range []struct {
		title     string
		scenarios []scenario
	}{
		{"Nothing is wrong: how often a gate fails all the same", calibrationStudy(t)},
		{"The truth is at the limit, or just behind it: how often a gate passes all the same", falsePasses(t)},
		{"Something is wrong: what a gate catches", powerStudy(t)},
		{"The plain rule, for comparison", naiveStudy()},
	} {
		fmt.Fprintf(text, "\n## %s\n\n| gate | rows | truth | pass | fail | insufficient | stated |\n|---|--:|---|--:|--:|--:|---|\n", part.title)
		for _, s := range part.scenarios {
			if !s.small && !*studyWrite {
				continue
			}
			draws := *studyDraws
			if s.most == 0 && s.mostPass == 0 {
				draws /= 4
			}
			got := s.run(draws)
			stated := ""
			stated += s.holds(t, "fail", got.fail, s.most)
			stated += s.holds(t, "pass", got.pass, s.mostPass)
			fmt.Fprintf(text, "| %s | %d | %s | %.3f | %.3f | %.3f | %s |\n", s.gate, s.rows, s.what, got.pass, got.fail, got.insufficient, stated)
		}
	}
	if *studyWrite {
		if err := os.WriteFile("STUDY.md", []byte(fmt.Sprintf(studyHead, *studyDraws, *studyDraws)+text.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

const studyHead = `# How often gates are wrong, and what they catch

By simulation, %d draws of each row that states a rate, a quarter of that of the
others. Written by

    go test ./shared/gate -run TestStudy -study.draws %d -study.write -timeout 1h

which fails when a stated rate is exceeded by more than three standard errors. Rows
come from two normal distributions with a known AUC; scores are the true
probabilities. Labels are drawn too, so prevalence varies as it does in life. The
confidence is 0.95: the error, 5 %%, is shared by both ends of an interval and by
everything that one gate judges, so a fail by chance is stated at 2.5 %% for what is
judged alone, and at 5 %% for a whole gate.

"insufficient" is neither: by default a person looks. It is what an honest gate says
of the truth at the limit, however many rows there are.
`

// holds checks a share against what is stated.
func (s scenario) holds(t *testing.T, what string, got, stated float64) string {
	if stated == 0 {
		return ""
	}
	slack := 3 * math.Sqrt(stated*(1-stated)/float64(*studyDraws))
	if got > stated+slack {
		t.Errorf("%s gate, %d rows, %s: %s in %.4f of %d draws, stated at most %.3f", s.gate, s.rows, s.what, what, got, *studyDraws, stated)
	}
	return fmt.Sprintf("%s ≤ %.3f ", what, stated)
}

// calibrationStudy: the truth is good enough, at the limit at worst.
func calibrationStudy(t *testing.T) []scenario {
	var out []scenario
	for _, prevalence := range []float64{0.05, 0.3, 0.5} {
		for _, n := range []int{300, 1000, 5000} {
			for _, auc := range []float64{0.7, 0.9} {
				p, e := withAUC(auc, prevalence), limited(t, "auc_roc", auc, "")
				out = append(out, scenario{"performance", fmt.Sprintf("AUC %v = limit, prevalence %v", auc, prevalence), n, n == 300 && prevalence == 0.3, 0.025, 0,
					func(r *rand.Rand) string { return Performance(e, sampled(r, n, p), 1).Verdict }})
			}
		}
	}
	p := withAUC(0.85, 0.3)
	for _, metric := range []string{"pr_auc", "precision", "recall", "f1_score", "accuracy", "log_loss", "brier"} {
		for _, n := range []int{300, 3000} {
			e := limited(t, metric, p.truth(metric), "")
			out = append(out, scenario{"performance", fmt.Sprintf("%s %.3f = limit", metric, p.truth(metric)), n, n == 300 && metric != "pr_auc", 0.025, 0,
				func(r *rand.Rand) string { return Performance(e, sampled(r, n, p), 1).Verdict }})
		}
	}
	for _, n := range []int{200, 1000} {
		e := limited(t, "auc_roc", 0.85, ", slices: [{by: [group]}]")
		out = append(out, scenario{"performance, 10 slices", "AUC 0.85 = limit in each", 10 * n, n == 200, 0.05, 0,
			func(r *rand.Rand) string { return Performance(e, sampled(r, n, repeated(p, 10)...), 1).Verdict }})
	}
	for _, groups := range []int{2, 5, 10} {
		for _, n := range []int{100, 300, 1000} {
			for _, auc := range []float64{0.75, 0.9} {
				p := withAUC(auc, 0.3)
				out = append(out, fair(t, fmt.Sprintf("%d groups of AUC %v, limit 0.05", groups, auc), n, n == 100 && groups == 5, 0.05, repeated(p, groups)))
			}
		}
	}
	for _, n := range []int{300, 2000} {
		out = append(out, fair(t, "2 groups, AUC 0.85 and 0.80, limit 0.05", n, n == 300, 0.05, []population{p, withAUC(0.8, 0.3)}))
	}
	for _, n := range []int{300, 2000} {
		for _, correlation := range []float64{0, 0.9} {
			out = append(out, challenged(t, fmt.Sprintf("AUC 0.84 against 0.85, margin 0.01, correlation %v", correlation), n, n == 300, 0.025, 0, withAUC(0.84, 0.3), p, correlation))
		}
	}
	for _, n := range []int{300, 2000} {
		out = append(out, tested("paired DeLong, p < 0.05", n, 0.05, true), tested("unpaired DeLong, p < 0.05", n, 0.05, false))
	}
	return out
}

func repeated(p population, n int) []population {
	out := make([]population, n)
	for i := range out {
		out[i] = p
	}
	return out
}

func fair(t *testing.T, what string, n int, small bool, most float64, groups []population) scenario {
	e := studied(t, "fairness: {protected_attributes: [group], max_disparity: 0.05}")
	return scenario{"fairness", what, n * len(groups), small, most, 0,
		func(r *rand.Rand) string { return Fairness(e, sampled(r, n, groups...)).Verdict }}
}

func challenged(t *testing.T, what string, n int, small bool, most, mostPass float64, candidate, champion population, correlation float64) scenario {
	e := studied(t, "champion: {margin: 0.01}")
	return scenario{"champion", what, n, small, most, mostPass,
		func(r *rand.Rand) string {
			return Champion(e, both(r, n, candidate, champion, correlation), true).Verdict
		}}
}

// tested is a test of no difference where there is none: fail is an alarm.
func tested(what string, n int, most float64, paired bool) scenario {
	p := withAUC(0.85, 0.3)
	return scenario{what, "two scorings of AUC 0.85", n, n == 300, most, 0, func(r *rand.Rand) string {
		set := both(r, n, p, p, 0.7)
		a, err1 := evaluation.PlacementsOf(sampleOf(set))
		b, err2 := evaluation.PlacementsOf(evaluation.Sample{Label: set.Label, Score: set.Champion})
		d, err3 := evaluation.Paired(a, b)
		if !paired {
			other := sampled(r, n, p)
			second, err := evaluation.DeLong(other.Label, other.Score)
			d, err2 = evaluation.Unpaired(a.AUC(), second), err
		}
		switch {
		case err1 != nil || err2 != nil || err3 != nil:
			return Insufficient
		case d.PValue(0) < 0.05:
			return Fail
		}
		return Pass
	}}
}

// falsePasses: the truth misses the limit, so a pass is wrong.
func falsePasses(t *testing.T) []scenario {
	var out []scenario
	for _, n := range []int{300, 1000, 5000} {
		p, e := withAUC(0.85, 0.3), limited(t, "auc_roc", 0.8500001, "")
		out = append(out, scenario{"performance", "AUC 0.85 just misses", n, n == 300, 0, 0.025,
			func(r *rand.Rand) string { return Performance(e, sampled(r, n, p), 1).Verdict }})
		out = append(out, challenged(t, "AUC 0.84 against 0.85 just misses the margin, correlation 0.9", n, n == 300, 0, 0.025, withAUC(0.84, 0.3), p, 0.9))
		s := fair(t, "2 groups, AUC 0.85 and 0.80, just miss 0.05", n, n == 300, 0, []population{p, withAUC(0.7999, 0.3)})
		s.mostPass = 0.025
		out = append(out, s)
	}
	return out
}

// powerStudy: the truth misses the limit clearly; nothing is stated.
func powerStudy(t *testing.T) []scenario {
	var out []scenario
	for _, short := range []float64{0.02, 0.05, 0.1} {
		for _, n := range []int{300, 1000, 5000, 20000} {
			p, e := withAUC(0.85-short, 0.3), limited(t, "auc_roc", 0.85, "")
			out = append(out, scenario{"performance", fmt.Sprintf("AUC %.2f, limit 0.85", 0.85-short), n, false, 0, 0,
				func(r *rand.Rand) string { return Performance(e, sampled(r, n, p), 1).Verdict }})
		}
	}
	for _, gap := range []float64{0.1, 0.15, 0.2} {
		for _, n := range []int{100, 300, 1000, 5000} {
			groups := append(repeated(withAUC(0.9, 0.3), 4), withAUC(0.9-gap, 0.3))
			out = append(out, fair(t, fmt.Sprintf("5 groups, one %v below AUC 0.9, limit 0.05", gap), n, false, 0, groups))
		}
	}
	for _, worse := range []float64{0.02, 0.03, 0.05} {
		for _, n := range []int{300, 1000, 5000, 20000} {
			out = append(out, challenged(t, fmt.Sprintf("AUC %.2f against 0.85, margin 0.01, correlation 0.9", 0.85-worse), n, false, 0, 0, withAUC(0.85-worse, 0.3), withAUC(0.85, 0.3), 0.9))
		}
	}
	for _, n := range []int{300, 1000, 5000, 20000} {
		out = append(out, challenged(t, "equal AUCs of 0.85, margin 0.01, correlation 0.9", n, false, 0, 0, withAUC(0.85, 0.3), withAUC(0.85, 0.3), 0.9))
	}
	return out
}

// naiveStudy is the rule that gates are written by elsewhere: the greatest gap
// of the groups' AUCs must not exceed 0.05. No group differs.
func naiveStudy() []scenario {
	var out []scenario
	for _, groups := range []int{2, 5, 10} {
		for _, n := range []int{100, 300, 1000, 5000} {
			p := withAUC(0.75, 0.3)
			out = append(out, scenario{"a gap of points above 0.05 fails", fmt.Sprintf("%d groups of AUC 0.75", groups), n * groups, false, 0, 0, func(r *rand.Rand) string {
				least, greatest := 1.0, 0.0
				for range groups {
					s := sampled(r, n, p)
					a, err := evaluation.ROCAUC(sampleOf(s))
					if err != nil {
						return Insufficient
					}
					least, greatest = min(least, a), max(greatest, a)
				}
				if greatest-least > 0.05 {
					return Fail
				}
				return Pass
			}})
		}
	}
	return out
}
