package ecsbackend

import (
	"errors"
	"math"
	"strings"
	"testing"

	"github.com/aws/smithy-go"
	"github.com/stretchr/testify/require"

	"github.com/sluice-ml/sluice/shared/fault"
)

func TestPercentagesAsWeights(t *testing.T) {
	for _, c := range []struct {
		percent     float64
		blue, green int32
	}{{0, 999, 0}, {100, 0, 999}, {50, 1, 1}, {10, 9, 1}, {12.5, 7, 1}, {0.5, 199, 1}, {0.1, 999, 1}, {1, 99, 1}, {99.9, 1, 999}, {33.3, 667, 333}} {
		weights, err := integers(map[string]float64{"blue": 100 - c.percent, "green": c.percent})
		require.NoError(t, err)
		require.Equal(t, map[string]int32{"blue": c.blue, "green": c.green}, weights, c.percent)
	}
	only, err := integers(map[string]float64{"green": 100})
	require.NoError(t, err)
	require.Equal(t, map[string]int32{"green": 999}, only)
	for percent, want := range map[float64]string{0.05: "the least share is 0.1 %", -1: "want 0 to 100", math.NaN(): "want 0 to 100", 101: "want 0 to 100"} {
		_, err := integers(map[string]float64{"blue": 100 - percent, "green": percent})
		require.ErrorContains(t, err, want)
	}
	_, err = integers(map[string]float64{"blue": 0, "green": 0})
	require.ErrorContains(t, err, "all weights are 0")
}

// Every share from 0.1 % up in steps of a hundredth of a percent is at most 0.026
// points off, and nobody's weight is 0 or more than a load balancer takes.
func TestWeightsAreNearTheirPercentages(t *testing.T) {
	worst := 0.0
	for hundredths := 10; hundredths <= 9990; hundredths += 3 {
		p := float64(hundredths) / 100
		weights, err := integers(map[string]float64{"blue": 100 - p, "green": p})
		require.NoError(t, err, p)
		for _, w := range weights {
			require.True(t, w >= 1 && w <= largest, "%v: %v", p, weights)
		}
		worst = max(worst, math.Abs(float64(weights["green"])/float64(weights["green"]+weights["blue"])*100-p))
	}
	require.Less(t, worst, 0.026)
	t.Logf("at most %.4f points off", worst)
}

func FuzzShares(f *testing.F) {
	f.Add("blue 99.5 green 0.5")
	f.Add("2026-03-01T12:00:00Z blue 1")
	f.Fuzz(func(t *testing.T, tag string) {
		read := shares(strings.Fields(tag))
		if len(read) == 0 {
			return
		}
		again := shares(strings.Fields(text(read)))
		for slot, v := range read {
			if again[slot] != v && !math.IsNaN(v) {
				t.Fatalf("%q: %v, then %v", tag, read, again)
			}
		}
	})
}

func TestErrorKinds(t *testing.T) {
	for code, want := range map[string]fault.Kind{
		"ThrottlingException": fault.Unavailable, "Throttling": fault.Unavailable, "ServerException": fault.Unavailable, "AccessDeniedException": fault.Denied,
		"AccessDenied": fault.Denied, "RuleNotFound": fault.Invalid, "ServiceNotFoundException": fault.Invalid, "ClusterNotFoundException": fault.Invalid,
		"InvalidParameterException": fault.Invalid, "UpdateInProgressException": fault.Busy, "TooManyUniqueTargetGroupsPerLoadBalancer": fault.Denied,
	} {
		require.Equal(t, want, fault.KindOf(classify("op", &smithy.GenericAPIError{Code: code})), code)
	}
	require.Equal(t, fault.Busy, fault.KindOf(classify("op", &smithy.GenericAPIError{Code: "ClientException",
		Message: "Too many concurrent attempts to create a new revision of the specified family."})))
	require.Equal(t, fault.Unavailable, fault.KindOf(classify("op", &smithy.GenericAPIError{Code: "x", Fault: smithy.FaultServer})))
	require.Equal(t, fault.Unavailable, fault.KindOf(classify("op", errors.New("connection reset"))))
	require.NoError(t, classify("op", nil))
}
