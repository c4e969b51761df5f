package e2e

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sluice-ml/sluice/scripts/sluice/operator"
	"github.com/sluice-ml/sluice/shared/contract"
	"github.com/sluice-ml/sluice/shared/dataset"
)

// undeployed is the configuration of a model that this environment does not
// deploy: its runs end registered.
var undeployed = strings.Replace(config, "environments: [production]", "environments: [staging]", 1)

// TestUploadsAreCollected counts runs: duplicated events and files that come
// together make one, and what comes during a run makes exactly one more.
func TestUploadsAreCollected(t *testing.T) {
	t.Parallel()
	s := up(t, t.TempDir())
	s.configure(t, undeployed)

	version := s.upload(t, "part-0.csv", text(t, rows(t, 0, 2000)))
	results := make(chan contract.AdmitResult, 6)
	for range cap(results) {
		go func() { results <- s.created(t, "part-0.csv", version) }()
	}
	for range cap(results) {
		result := <-results
		require.Contains(t, []string{"", "adult-income-1"}, result.Run, "%+v", result)
	}
	s.ends(t, "adult-income-1", "registered")
	require.True(t, s.created(t, "part-0.csv", version).Duplicate, "a duplicate after the run's end is noticed, too")
	s.runs(t, 1)
	require.Equal(t, 1, s.head(t).Stats.Objects)

	for i, name := range []string{"part-1.csv", "part-2.csv", "part-3.csv"} {
		s.upload(t, name, text(t, rows(t, 2000+500*i, 500)))
	}
	s.enters(t, "adult-income-2", "Plan") // it takes no more files
	s.upload(t, "part-4.csv", text(t, rows(t, 4000, 500)))
	s.upload(t, "part-5.csv", text(t, rows(t, 4500, 500)))
	s.ends(t, "adult-income-2", "registered")
	var request contract.Request
	require.NoError(t, s.RunFile(t.Context(), model, "adult-income-2", contract.FileRequest, &request))
	require.Len(t, request.Objects, 3, "three files that were uploaded together are one run")
	s.ends(t, "adult-income-3", "registered")
	require.NoError(t, s.RunFile(t.Context(), model, "adult-income-3", contract.FileRequest, &request))
	require.Len(t, request.Objects, 2, "what came during a run is one follow-up")
	s.runs(t, 3)
	require.Equal(t, 6, s.head(t).Stats.Objects)
	s.readable(t)
}

// created sends the sample upload event once more, for an object that is there.
func (s *stack) created(t *testing.T, name, version string) contract.AdmitResult {
	t.Helper()
	sample, err := os.ReadFile(built(t, "events/admit-upload.json"))
	require.NoError(t, err)
	var event map[string]any
	require.NoError(t, json.Unmarshal(sample, &event))
	object := event["detail"].(map[string]any)["object"].(map[string]any)
	object["key"], object["version-id"] = contract.RawPrefix(model)+name, version
	payload, err := json.Marshal(event)
	require.NoError(t, err)
	answer, failed, err := s.Invoke(t.Context(), "admit", payload)
	require.NoError(t, err)
	require.False(t, failed, "%s", answer)
	var result contract.AdmitResult
	require.NoError(t, json.Unmarshal(answer, &result))
	return result
}

// runs asserts how many runs there ever were, and that none goes on.
func (s *stack) runs(t *testing.T, count int) {
	t.Helper()
	var runs []operator.Run
	eventually(t, "no run goes on", func() bool {
		var err error
		runs, err = s.ListRuns(t.Context(), model, 100)
		for _, run := range runs {
			if run.Status == "running" {
				return false
			}
		}
		return err == nil
	})
	require.Len(t, runs, count, "%+v", runs)
}

// head is the commit that the main branch names.
func (s *stack) head(t *testing.T) dataset.Commit {
	t.Helper()
	commit, err := s.Dataset(model).Head(t.Context(), dataset.Main)
	require.NoError(t, err)
	return commit
}
