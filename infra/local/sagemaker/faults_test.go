package sagemaker

import (
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sagemaker/types"
	"github.com/stretchr/testify/require"
)

func TestWrongAnswers(t *testing.T) {
	for answer, want := range map[string]string{
		`{"predictions":[{"score":0.25},{"score":1},{"score":0}]}`: `{"predictions":[{"score":0.75},{"score":0},{"score":1}]}`,
		"0.1\n0.9\n1\n":                 "0.9\n0.1\n0\n",
		"[0.5, 1e-1, 17, 2.5, \"0.3\"]": "[0.5, 0.9, 17, 2.5, \"0.3\"]",
		"no numbers":                    "no numbers",
	} {
		require.Equal(t, want, string(wrong([]byte(answer))))
	}
}

// TestUpdatesFailOnRequest: an update that fails ends in service on the old
// configuration; one whose roll-back fails as well says so, and the next update
// mends it.
func TestUpdatesFailOnRequest(t *testing.T) {
	b := newBench(t)
	b.serve(t)
	b.config(t, "c2", production("blue", "candidate", 1))
	failing, badly := true, false
	b.Service.config.UpdateFault = func(endpoint string) (bool, bool) { return failing && endpoint == "e", badly }
	require.NoError(t, b.update(t, "c2"))
	after := b.await(t, types.EndpointStatusInService)
	require.Equal(t, "c1", aws.ToString(after.EndpointConfigName))
	require.Contains(t, aws.ToString(after.FailureReason), "injected fault")
	badly = true
	require.NoError(t, b.update(t, "c2"))
	b.await(t, types.EndpointStatusUpdateRollbackFailed)
	_, err := b.call(t, "x", "")
	require.NoError(t, err, "what served goes on serving")
	failing = false
	require.NoError(t, b.update(t, "c2"))
	require.Equal(t, "c2", aws.ToString(b.await(t, types.EndpointStatusInService).EndpointConfigName))
}

func TestWrongAnswersAreServed(t *testing.T) {
	b := newBench(t)
	b.serve(t)
	require.NoError(t, b.SetFault("e", "green", Fault{WrongRate: 1}))
	require.ErrorContains(t, b.SetFault("e", "green", Fault{WrongRate: 2}), "wrong_rate 2: want 0 to 1")
	_, err := b.call(t, "x", "green")
	require.NoError(t, err)
}
