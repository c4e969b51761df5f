package settings_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluice-ml/sluice/shared/fault"
	"github.com/sluice-ml/sluice/shared/settings"
)

func env(pairs map[string]string) *settings.Reader {
	return settings.Env(func(name string) (string, bool) { v, ok := pairs[name]; return v, ok })
}

func TestValuesAndFallbacks(t *testing.T) {
	r := env(map[string]string{"BUCKET": "store", "QUIET": "1.5", "COUNT": "2", "ENV": "staging", "EMPTY": ""})
	require.Equal(t, "store", r.Require("BUCKET"))
	require.Equal(t, 1500*time.Millisecond, r.Seconds("QUIET", time.Minute))
	require.Equal(t, time.Minute, r.Seconds("EMPTY", time.Minute))
	require.Equal(t, 2, r.Int("COUNT", 1, 1))
	require.Equal(t, 7, r.Int("ABSENT", 7, 1))
	require.Equal(t, "staging", r.OneOf("ENV", "staging", "production"))
	require.Equal(t, "x", r.Optional("ABSENT", "x"))
	require.NoError(t, r.Err())
}

func TestErrNamesEveryProblem(t *testing.T) {
	r := env(map[string]string{"EMPTY": "", "QUIET": "soon", "NEGATIVE": "-1", "NAN": "NaN", "COUNT": "0", "ENV": "prod"})
	r.Require("ABSENT")
	r.Require("EMPTY")
	r.Seconds("QUIET", 0)
	r.Seconds("NEGATIVE", 0)
	r.Seconds("NAN", 0)
	r.Int("COUNT", 1, 1)
	r.OneOf("ENV", "staging", "production")
	err := r.Err()
	require.Equal(t, fault.Invalid, fault.KindOf(err))
	for _, want := range []string{"ABSENT is not set", "EMPTY is not set", `QUIET is "soon"`, `NEGATIVE is "-1"`,
		`NAN is "NaN"`, `COUNT is "0"`, `ENV is "prod": want one of staging, production`} {
		require.ErrorContains(t, err, want)
	}
}
