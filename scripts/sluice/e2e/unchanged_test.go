package e2e

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sagemaker"
	"github.com/aws/aws-sdk-go-v2/service/sagemaker/types"
	"github.com/stretchr/testify/require"

	"github.com/sluice-ml/sluice/scripts/sluice/operator"
	"github.com/sluice-ml/sluice/shared/contract"
)

// TestEqualWorkIsNotDoneTwice: a plan whose model is the champion ends
// unchanged, one that an earlier run trained is judged anew without training,
// and --retrain trains. Then the SageMaker Model Registry has the versions.
func TestEqualWorkIsNotDoneTwice(t *testing.T) {
	t.Parallel()
	dir := seeded(t)
	s := up(t, dir)

	drive(t, s) // a second version is judged by live traffic

	same := s.byHand(t, "same", "unchanged")
	run, err := s.ShowRun(t.Context(), same)
	require.NoError(t, err)
	require.Contains(t, run.Outcome.Reason, "was trained by run adult-income-1")
	require.False(t, s.entered(t, same, "Train", "Evaluate", "Rollout"))

	s.configure(t, strings.Replace(oneStep, "learning_rate: 0.2", "learning_rate: 0.19", 1))
	other := s.byHand(t, "other", "promoted")
	require.True(t, s.entered(t, other, "Train"))

	s.configure(t, oneStep) // back to what run 1 trained, which is not the champion any more
	back := s.byHand(t, "back", "promoted")
	require.True(t, s.entered(t, back, "Evaluate"))
	require.False(t, s.entered(t, back, "Train"))
	one, err := s.Version(t.Context(), model, 1)
	require.NoError(t, err)
	three, err := s.Version(t.Context(), model, 3)
	require.NoError(t, err)
	require.Equal(t, one.Digest, three.Digest)
	s.consistent(t, 3)

	again := sluice(t, "run", "start", model, "--retrain", "--id", "again", "--watch", "--dir", dir)
	require.Equal(t, 0, again.code, again.stderr)
	require.Contains(t, again.stderr, "Train")
	four, err := s.Version(t.Context(), model, 4)
	require.NoError(t, err)
	require.Equal(t, one.Digest, four.Digest, "the same plan gives the same bytes")

	s.reproduced(t, dir, back, other)

	eventually(t, "the Model Registry has the champion", func() bool {
		packages := s.packages(t)
		return len(packages) == 4 && packages[3].CustomerMetadataProperties["champion"] == "true"
	})
	for i, p := range s.packages(t) {
		require.Equal(t, types.ModelApprovalStatusApproved, p.ModelApprovalStatus, i)
		require.Equal(t, map[bool]string{true: "true", false: ""}[i == 3], p.CustomerMetadataProperties["champion"])
	}
}

// reproduced trains a run's model again on this machine, and then finds that
// another run's model is not the one of its plan.
func (s *stack) reproduced(t *testing.T, dir, run, another string) {
	t.Helper()
	type answer struct {
		TrainedBy   string `json:"trained_by"`
		Same        bool   `json:"same"`
		SameTrees   bool   `json:"same_trees"`
		Differences []operator.Difference
	}
	reproduce := func() (answer, ended) {
		got := sluice(t, "run", "reproduce", run, "--json", "--library", library(t), "--dir", dir)
		var a answer
		require.NoError(t, json.Unmarshal([]byte(got.stdout), &a), got.stderr)
		return a, got
	}
	a, got := reproduce()
	require.Equal(t, 0, got.code, got.stderr)
	require.Equal(t, answer{TrainedBy: "adult-income-1", Same: true, SameTrees: true, Differences: a.Differences}, a)
	for _, d := range a.Differences { // the trainer's image may be built otherwise than this command
		require.Equal(t, "go", d.What)
	}

	for _, name := range []string{contract.FileModel, contract.FileEnvironment} {
		body, found, err := s.RunJSON(t.Context(), model, another, name)
		require.NoError(t, err)
		require.True(t, found)
		_, err = s.Objects.Put(t.Context(), s.Store, contract.RunKey(model, run, name), body)
		require.NoError(t, err)
	}
	a, got = reproduce()
	require.Equal(t, 1, got.code, got.stderr)
	require.False(t, a.Same)
	require.False(t, a.SameTrees)
	require.Contains(t, a.Differences, operator.Difference{What: "params.eta", Run: "0.19", Here: "0.2"})
	require.Contains(t, got.stderr, "is not reproduced")
}

// byHand starts a run by hand and waits for its end.
func (s *stack) byHand(t *testing.T, id, status string) string {
	t.Helper()
	result, err := s.StartRun(t.Context(), model, id)
	require.NoError(t, err)
	s.ends(t, result.Run, status)
	return result.Run
}

// entered says whether a run's execution entered one of the states.
func (s *stack) entered(t *testing.T, run string, states ...string) bool {
	t.Helper()
	phases, err := s.Phases(t.Context(), run)
	require.NoError(t, err)
	for _, p := range phases {
		if slices.Contains(states, p.Name) {
			return true
		}
	}
	return false
}

// packages are the model's packages in the Model Registry, the oldest first.
func (s *stack) packages(t *testing.T) []*sagemaker.DescribeModelPackageOutput {
	t.Helper()
	client := s.sagemaker()
	list, err := client.ListModelPackages(t.Context(), &sagemaker.ListModelPackagesInput{
		ModelPackageGroupName: aws.String(contract.EndpointName("production", model)), SortOrder: types.SortOrderAscending})
	if err != nil {
		return nil // no group yet
	}
	var all []*sagemaker.DescribeModelPackageOutput
	for _, p := range list.ModelPackageSummaryList {
		out, err := client.DescribeModelPackage(t.Context(), &sagemaker.DescribeModelPackageInput{ModelPackageName: p.ModelPackageArn})
		require.NoError(t, err)
		all = append(all, out)
	}
	return all
}
