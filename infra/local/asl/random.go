package asl

import (
	"fmt"
	"math/rand/v2"
	"sync"
)

// random is the engine's source of randomness, safe for concurrent use.
type random struct {
	mu     sync.Mutex
	source *rand.Rand
}

func newRandom(source rand.Source) *random {
	if source == nil {
		source = rand.NewPCG(rand.Uint64(), rand.Uint64())
	}
	return &random{source: rand.New(source)}
}

// float is uniform in [0, 1).
func (r *random) float() float64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.source.Float64()
}

// uuid is a random UUID, version 4.
func (r *random) uuid() string {
	r.mu.Lock()
	hi, lo := r.source.Uint64(), r.source.Uint64()
	r.mu.Unlock()
	hi = hi&^0xf000 | 0x4000
	lo = lo&^(3<<62) | 2<<62
	return fmt.Sprintf("%08x-%04x-%04x-%04x-%012x", hi>>32, hi>>16&0xffff, hi&0xffff, lo>>48, lo&0xffffffffffff)
}
