package sagemaker

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sagemaker"
	"github.com/aws/aws-sdk-go-v2/service/sagemaker/types"
	"github.com/stretchr/testify/require"
)

// killed opens a second service on a copy of the first one's folder, as it is
// now: what a kill -9 would leave.
func killed(t *testing.T, first *bench) *bench {
	t.Helper()
	copied := filepath.Join(t.TempDir(), "copy")
	require.NoError(t, os.CopyFS(copied, os.DirFS(first.dir)))
	return openBench(t, copied, first.objects)
}

func TestKillDuringCreation(t *testing.T) {
	first := newBench(t)
	gate := filepath.Join(t.TempDir(), "gate")
	first.model(t, "gated", map[string]string{"GATE": gate})
	first.config(t, "c1", production("blue", "gated", 1))
	_, err := first.client.CreateEndpoint(t.Context(), &sagemaker.CreateEndpointInput{EndpointName: aws.String("e"), EndpointConfigName: aws.String("c1")})
	require.NoError(t, err)
	second := killed(t, first)
	require.Equal(t, types.EndpointStatusCreating, second.describe(t).EndpointStatus)
	require.NoError(t, second.Recover(t.Context()))
	require.NoError(t, os.WriteFile(gate, nil, 0o600))
	require.Equal(t, "c1", *second.await(t, types.EndpointStatusInService).EndpointConfigName)
	_, err = second.call(t, "1", "")
	require.NoError(t, err)
}

func TestKillDuringDeletion(t *testing.T) {
	first := newBench(t)
	first.serve(t)
	first.Service.mu.Lock()
	first.Service.state.Endpoints["e"].Status = Deleting
	err := first.Service.save() // what deleteEndpoint keeps before it stops anything
	first.Service.state.Endpoints["e"].Status = InService
	first.Service.mu.Unlock()
	require.NoError(t, err)
	second := killed(t, first)
	require.NoError(t, second.Recover(t.Context()))
	_, err = second.client.DescribeEndpoint(t.Context(), &sagemaker.DescribeEndpointInput{EndpointName: aws.String("e")})
	require.ErrorContains(t, err, "Could not find endpoint")
	third := openBench(t, second.dir, first.objects)
	require.Empty(t, third.endpoints)
}

func TestKillDuringRollBack(t *testing.T) {
	first := newBench(t)
	first.serve(t)
	first.gated(t)
	first.Service.mu.Lock()
	target, err := first.Service.resolve("c2")
	require.NoError(t, err)
	r := first.Service.state.Endpoints["e"]
	r.Status, r.Pending, r.FailureReason = RollingBack, target, "it did not answer"
	err = first.Service.save() // what rollBack keeps before it stops anything
	r.Status, r.Pending, r.FailureReason = InService, nil, ""
	first.Service.mu.Unlock()
	require.NoError(t, err)
	second := killed(t, first)
	require.NoError(t, second.Recover(t.Context()))
	got := second.await(t, types.EndpointStatusInService)
	require.Equal(t, "c1", *got.EndpointConfigName)
	require.Equal(t, "it did not answer", *got.FailureReason)
}

// The new variant never answers, and meanwhile the old one has died for good.
func TestUpdateRollbackFailed(t *testing.T) {
	b := newBench(t)
	gate := filepath.Join(t.TempDir(), "gate")
	require.NoError(t, os.WriteFile(gate, nil, 0o600))
	b.model(t, "mortal", map[string]string{"GATE": gate})
	b.config(t, "c1", production("blue", "mortal", 1))
	_, err := b.client.CreateEndpoint(t.Context(), &sagemaker.CreateEndpointInput{EndpointName: aws.String("e"), EndpointConfigName: aws.String("c1")})
	require.NoError(t, err)
	b.await(t, types.EndpointStatusInService)
	require.NoError(t, os.Remove(gate))
	_, err = b.call(t, "die", "")
	require.Error(t, err)

	b.Service.config.ReadyTimeout = 300 * time.Millisecond
	b.model(t, "deaf", map[string]string{"MODE": "deaf"})
	b.config(t, "c2", production("blue", "deaf", 1))
	require.NoError(t, b.update(t, "c2"))
	got := b.await(t, types.EndpointStatusUpdateRollbackFailed)
	require.Contains(t, *got.FailureReason, "did not pass the ping health check")

	b.Service.config.ReadyTimeout = 20 * time.Second
	b.model(t, "cure", nil)
	b.config(t, "c3", production("blue", "cure", 1))
	require.NoError(t, b.update(t, "c3"), "it can be repaired by an update")
	b.await(t, types.EndpointStatusInService)
	r, err := b.call(t, "1", "")
	require.NoError(t, err)
	require.True(t, strings.HasPrefix(r.body, "cure,"))
}

// An endpoint whose server does not come back is named, and does not keep the
// others from serving.
func TestRecoverNamesWhatDoesNotAnswer(t *testing.T) {
	first := newBench(t)
	first.serve(t)
	first.objects.mu.Lock()
	delete(first.objects.all, "store/m.tar.gz")
	first.objects.mu.Unlock()
	second := killed(t, first)
	require.NoError(t, second.Recover(t.Context()), "the extracted artefact is still there")
	_, err := second.call(t, "1", "")
	require.NoError(t, err)

	third := killed(t, first)
	require.NoError(t, os.RemoveAll(filepath.Join(third.dir, "models")))
	require.ErrorContains(t, third.Recover(t.Context()), "endpoint e: Failed to download model data")
	require.Equal(t, types.EndpointStatusInService, third.describe(t).EndpointStatus)
	_, err = third.call(t, "1", "")
	require.Equal(t, "ServiceUnavailable", code(t, err))
}
