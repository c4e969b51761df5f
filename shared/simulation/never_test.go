package simulation

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestWhatNeverComesIsCalledNever(t *testing.T) {
	scene := Default(10)
	scene.LabelCoverage = 0
	thin := Thin(parsed(t, "bake: 5m"), scene)
	require.Contains(t, thin, "never gets the candidate's 50 labelled requests that it takes to judge accuracy")
	require.NotContains(t, thin, "days")
}

func TestAnEffectIsANumber(t *testing.T) {
	for _, text := range []string{"nan", "xNaN", "inf", "-Inf"} {
		var e Effect
		require.ErrorContains(t, e.Parse("error_rate="+text), text+" is not a number", text)
	}
}
