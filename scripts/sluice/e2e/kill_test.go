package e2e

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestAStackKilledInTheMiddleOfARolloutCarriesOn(t *testing.T) {
	dir := seeded(t)
	s := up(t, dir)
	s.consistent(t, 1)
	live := drive(t, s)
	name := s.start(t, "kill")
	s.shared(t)
	s.kill(t)
	s = up(t, dir)
	live.stack.Store(s)
	s.ends(t, name, "promoted")
	s.consistent(t, 2)
}

// shared waits until both the champion and the candidate have a part of the
// traffic.
func (s *stack) shared(t *testing.T) {
	t.Helper()
	eventually(t, "the candidate has a part of the traffic", func() bool {
		endpoint, err := s.ShowEndpoint(t.Context(), model)
		if err != nil || len(endpoint.Variants) != 2 {
			return false
		}
		share := endpoint.Share(endpoint.Variants[0].Slot)
		return share > 0 && share < 1
	})
	require.NotNil(t, s)
}
