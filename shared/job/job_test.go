package job

import (
	"bytes"
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sluice-ml/sluice/shared/fault"
)

func TestExitCodes(t *testing.T) {
	require.Equal(t, 0, ExitCode(nil))
	require.Equal(t, 1, ExitCode(errors.New("odd")))
	for kind, want := range map[fault.Kind]int{
		fault.Invalid: 64, fault.NotFound: 64, fault.Denied: 64,
		fault.Conflict: 75, fault.Busy: 75, fault.Unavailable: 75, fault.Internal: 1,
	} {
		require.Equal(t, want, ExitCode(fmt.Errorf("around: %w", fault.New(kind, "do", "why"))), kind)
	}
}

func TestReport(t *testing.T) {
	var out bytes.Buffer
	require.Equal(t, 64, report(&out, "trainer", fault.New(fault.Invalid, "read it", "it is wrong")))
	require.Equal(t, "trainer: read it: it is wrong\n", out.String())
	out.Reset()
	require.Equal(t, 0, report(&out, "trainer", nil))
	require.Empty(t, out.String())
}
