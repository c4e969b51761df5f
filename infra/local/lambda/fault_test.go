package lambda

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// list strikes as it is told, once each.
type list map[string]bool

func (l list) Strike(_, how string) bool {
	struck := l[how]
	delete(l, how)
	return struck
}

func TestFailuresOnRequest(t *testing.T) {
	o := Options{Faults: list{"timeout": true}}
	c := &config{name: "f", timeout: 3e9}
	r, struck := o.failure(c, "id")
	require.True(t, struck)
	kind, message := r.Failure()
	require.Equal(t, "Sandbox.Timedout", kind)
	require.Equal(t, "RequestId: id Error: Task timed out after 3.00 seconds", message)
	_, struck = o.failure(c, "id")
	require.False(t, struck)
	o.Faults = list{"fail": true}
	r, struck = o.failure(c, "id")
	require.True(t, struck)
	require.Equal(t, "Unhandled", r.FunctionError)
	require.False(t, (&Options{}).struck("f", "throttle"))
}
