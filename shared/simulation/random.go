package simulation

import (
	"math"
	"math/rand/v2"

	"gonum.org/v1/gonum/stat/distuv"
)

// source is a run's own random numbers.
type source struct {
	pcg *rand.PCG
	*rand.Rand
}

func newSource(seed, run uint64) source {
	pcg := rand.NewPCG(seed, run)
	return source{pcg, rand.New(pcg)}
}

// poisson counts the arrivals of a process with this mean.
func (s source) poisson(mean float64) int64 {
	if mean <= 0 {
		return 0
	}
	return int64(distuv.Poisson{Lambda: mean, Src: s.pcg}.Rand())
}

// binomial counts what happens with chance p in n trials.
func (s source) binomial(n int64, p float64) int64 {
	switch {
	case n <= 0 || p <= 0:
		return 0
	case p >= 1:
		return n
	case p > 0.5:
		return n - s.binomial(n, 1-p)
	case float64(n)*p > 20:
		return int64(distuv.Binomial{N: float64(n), P: p, Src: s.pcg}.Rand())
	}
	hits, per := int64(0), math.Log1p(-p) // skips from one hit to the next
	for at := int64(0); ; hits++ {
		skip := math.Log(1-s.Float64()) / per
		if at += int64(min(skip, 1e15)) + 1; at > n {
			return hits
		}
	}
}

// ordered is the k-th smallest of n uniform numbers.
func (s source) ordered(k, n int64) float64 {
	return distuv.Beta{Alpha: float64(k), Beta: float64(n - k + 1), Src: s.pcg}.Rand()
}
