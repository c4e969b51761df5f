package contract

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestAWSNamesAreReversibleAndDistinct(t *testing.T) {
	seen := map[string]string{}
	for _, model := range []string{"a", "adult-income", "adult_income", "a--b", "a__b", "a-_b", "a_-b", "a---b", "a-dd-b", "x_u-y", "A9-0_0"} {
		require.NoError(t, CheckModel(model))
		name := AWSName(model)
		require.Regexp(t, `^[a-zA-Z0-9](-*[a-zA-Z0-9])*$`, name)
		require.Equal(t, model, ModelFromAWSName(name))
		require.NotContains(t, seen, name)
		seen[name] = model
	}
}

func FuzzAWSNameRoundTrips(f *testing.F) {
	f.Add("adult_income")
	f.Fuzz(func(t *testing.T, model string) {
		if CheckModel(model) == nil {
			require.Equal(t, model, ModelFromAWSName(AWSName(model)))
		}
	})
}

func TestModelNamesThatAWSCannotHoldAreRefused(t *testing.T) {
	for _, model := range []string{"", "-a", "a-", "_a", "a b", "a/b", "ä", "..", "a.b", "aaaaaaaaaabbbbbbbbbbccccccccccddddddddddE"} {
		require.Error(t, CheckModel(model), model)
	}
}

func TestAlarmNamesRoundTrip(t *testing.T) {
	name := AlarmName("production", "adult_income", SlotGreen, "errors")
	environment, model, slot, measure, ok := ParseAlarmName(name)
	require.True(t, ok)
	require.Equal(t, []string{"production", "adult_income", SlotGreen, "errors"}, []string{environment, model, slot, measure})
	for _, other := range []string{"", "x.blue.errors", "sluice-production-m.red.errors", "sluice-production-m"} {
		_, _, _, _, ok := ParseAlarmName(other)
		require.False(t, ok, other)
	}
}

func TestParseURI(t *testing.T) {
	bucket, key, err := ParseURI("s3://b/k/x")
	require.NoError(t, err)
	require.Equal(t, "b k/x", bucket+" "+key)
	for _, uri := range []string{"", "b/k", "s3://", "s3://b", "s3:///k", "http://b/k"} {
		_, _, err := ParseURI(uri)
		require.ErrorContains(t, err, "want s3://bucket/key", uri)
	}
}

func TestReasonUnwrapsAFunctionsError(t *testing.T) {
	require.Equal(t, "read it: gone", Reason(`{"errorMessage":"read it: gone","errorType":"Sluice.NotFound"}`))
	require.Equal(t, "job train-m-1 failed: Essential container in task exited, exit code 64 (what it wrote: sluice run logs RUN)",
		Reason(`{"JobName":"train-m-1","StatusReason":"Essential container in task exited","Container":{"ExitCode":64},"Attempts":[]}`))
	for _, plain := range []string{"", "plain", `{"other":1}`, `{"errorMessage":`} {
		require.Equal(t, plain, Reason(plain))
	}
}
