package evaluation

import (
	"math/rand/v2"
	"testing"
)

// The intervals of models that are off by as much everywhere, and of one that is
// calibrated, hold the truth about as often as they say. Drawn within classes they
// held the first in 1 of 40 samples.
func TestCalibrationIntervalsCoverAboutAsOftenAsTheySay(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	for _, c := range []struct {
		name   string
		truth  float64
		scores []float64
		off    float64
		flat   float64 // the share of positives whatever the score; 0 is score + off
	}{
		{name: "two scores", truth: 0.09, scores: []float64{0.5, 0.52}, flat: 0.6},
		{name: "off by 0.1", truth: 0.1, scores: []float64{0.05, 0.15, 0.25, 0.35, 0.45, 0.55, 0.65, 0.75}, off: 0.1},
		{name: "calibrated", truth: 0, scores: []float64{0.05, 0.25, 0.45, 0.65, 0.85}},
	} {
		for _, byMass := range []bool{false, true} {
			const samples = 100
			held := 0
			for n := range samples {
				var s Sample
				for range 600 {
					score := c.scores[random.IntN(len(c.scores))]
					label, p := 0.0, score+c.off
					if c.flat > 0 {
						p = c.flat
					}
					if random.Float64() < p {
						label = 1
					}
					s.Score, s.Label = append(s.Score, score), append(s.Label, label)
				}
				e, err := MeasureCalibration(s, 10, byMass, 0.95, Resampling{Draws: 200, Seed: int64(n)})
				if err != nil {
					t.Fatal(err)
				}
				if e.Low <= c.truth && c.truth <= e.High {
					held++
				}
			}
			if held < 84 {
				t.Errorf("%s, by mass %v: %d of %d intervals hold the truth", c.name, byMass, held, samples)
			}
		}
	}
}

// Equal scores have an interval too: that of their share of positives.
func TestOneScoreIsNotCertain(t *testing.T) {
	s := Sample{Label: make([]float64, 1000), Score: make([]float64, 1000)}
	for i := range s.Score {
		s.Score[i] = 0.4
		s.Label[i] = float64(i % 2)
	}
	e, err := MeasureCalibration(s, 10, false, 0.95, Resampling{Draws: 500, Seed: 1})
	if err != nil || e.High-e.Low < 0.04 || e.High-e.Low > 0.09 {
		t.Errorf("%+v, %v: want about 0.1 ± 0.031", e, err)
	}
}
