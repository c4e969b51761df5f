package report

import (
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sluice-ml/sluice/shared/goal"
	"github.com/sluice-ml/sluice/shared/predictions"
)

// predicted makes rows of a goal.
func predicted(g goal.Goal, n int, weighted bool) *predictions.Set {
	r := rand.New(rand.NewPCG(3, uint64(g)))
	s := &predictions.Set{Goal: g, Attributes: map[string][]string{}}
	if g == goal.Multiclass {
		s.Classes, s.Probability = []string{"a", "b", hostile}, make([][]float64, 3)
	}
	for i := range n {
		s.RowID = append(s.RowID, fmt.Sprint("k#", i))
		if weighted {
			s.Weight = append(s.Weight, float64(i/10%3))
		}
		switch g {
		case goal.Multiclass:
			label, sum := r.IntN(3), 0.0
			s.Label = append(s.Label, float64(label))
			for k := range 3 {
				p := math.Exp(r.NormFloat64())
				if k == label {
					p *= 6
				}
				s.Probability[k], sum = append(s.Probability[k], p), sum+p
			}
			for k := range 3 {
				s.Probability[k][i] /= sum
			}
		case goal.Ranking:
			s.Query = append(s.Query, fmt.Sprint("q", i/10))
			s.Label = append(s.Label, float64(r.IntN(4)))
			s.Score = append(s.Score, s.Label[i]+2*r.NormFloat64())
		default:
			s.Label = append(s.Label, 200+30*r.NormFloat64())
			s.Score = append(s.Score, 40+0.8*s.Label[i]+15*r.NormFloat64())
		}
	}
	return s
}

// figuresOf is how many plots each goal has.
var figuresOf = map[goal.Goal]int{goal.Regression: 3, goal.Multiclass: 10, goal.Ranking: 2}

func pageOf(t testing.TB, g goal.Goal, weighted bool) string {
	d := full()
	d.Scores, d.Predictions = nil, predicted(g, 3000, weighted)
	return render(t, d)
}

func TestThePageOfEveryGoal(t *testing.T) {
	rest := full()
	rest.Scores = nil
	base := strings.Count(render(t, rest), `class="plot `)
	for g, plots := range figuresOf {
		for _, weighted := range []bool{false, true} {
			page := pageOf(t, g, weighted)
			wellFormed(t, page)
			require.Equal(t, base+plots, strings.Count(page, `class="plot `), g)
			require.NotContains(t, page, "<script")
			require.NotContains(t, page, "NaN")
			require.Equal(t, weighted && g != goal.Ranking, strings.Contains(page, "counts once here"), g)
		}
	}
}

// TestFewRowsOfAGoalAreDrawnOrLeftOut: none is a reason to fail.
func TestFewRowsOfAGoalAreDrawnOrLeftOut(t *testing.T) {
	for g := range figuresOf {
		for _, n := range []int{1, 2, 7, 40} {
			d := full()
			d.Scores, d.Predictions = nil, predicted(g, n, false)
			page := render(t, d)
			wellFormed(t, page)
			require.NotContains(t, page, "NaN", "%s, %d rows", g, n)
		}
	}
	require.Nil(t, goalFigures(nil, 0.95))
	require.Nil(t, goalFigures(&predictions.Set{Goal: goal.Regression}, 0.95), "no rows")
	constant := &predictions.Set{Goal: goal.Regression, RowID: []string{"a", "b"}, Label: []float64{1, 1}, Score: []float64{1, 1}}
	require.Len(t, goalFigures(constant, 0.95), 3)
}

// TestGoalPagesInABrowser lays out the page of each goal on a phone and a desk,
// and prints it.
func TestGoalPagesInABrowser(t *testing.T) {
	folder := t.TempDir()
	for g := range figuresOf {
		path := filepath.Join(folder, "page.html")
		require.NoError(t, os.WriteFile(path, []byte(pageOf(t, g, true)), 0o600))
		for _, width := range []string{"390", "1280"} {
			frame := filepath.Join(folder, "probe.html")
			require.NoError(t, os.WriteFile(frame, []byte(strings.ReplaceAll(probe, "WIDTH", width)), 0o600))
			seen := chromium(t, frame, "--window-size=1400,1000", "--virtual-time-budget=5000", "--dump-dom")
			result := regexp.MustCompile(`PLOTS (\d+) SECTIONS (\d+) PROBLEMS (.*) END`).FindStringSubmatch(seen)
			require.NotNil(t, result, "%.400s", seen)
			require.Equal(t, "[]", result[3], "%s, %s px wide", g, width)
		}
		printed := filepath.Join(folder, "page.pdf")
		chromium(t, path, "--no-pdf-header-footer", "--print-to-pdf="+printed)
		pdf, err := os.ReadFile(printed)
		require.NoError(t, err)
		require.True(t, strings.HasPrefix(string(pdf), "%PDF"))
	}
}
