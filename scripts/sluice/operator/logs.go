package operator

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	logtypes "github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs/types"
	"github.com/aws/aws-sdk-go-v2/service/sfn/types"
)

// LogLine is one thing that happened in a run.
type LogLine struct {
	Time   time.Time `json:"time"`
	Source string    `json:"source"` // "lifecycle", "rollout", or the job's name
	Text   string    `json:"text"`
}

// Logs gives a run's events and its jobs' output, in time order. What a job
// wrote is left out where its log group cannot be found (a retention that has
// passed is not an error).
func (c *Client) Logs(ctx context.Context, run string) ([]LogLine, error) {
	if _, err := c.ShowRun(ctx, run); err != nil {
		return nil, err
	}
	lines := []LogLine{}
	var streams []string
	err := c.history(ctx, c.ExecutionARN(run), func(e types.HistoryEvent) {
		if text := describeEvent(e); text != "" {
			lines = append(lines, LogLine{aws.ToTime(e.Timestamp), "lifecycle", text})
		}
		if d := e.TaskSucceededEventDetails; d != nil && aws.ToString(d.ResourceType) == "batch" {
			streams = append(streams, logStream(aws.ToString(d.Output)))
		}
		if d := e.TaskFailedEventDetails; d != nil && aws.ToString(d.ResourceType) == "batch" {
			streams = append(streams, logStream(aws.ToString(d.Cause)))
		}
	})
	if err != nil {
		return nil, err
	}
	rollout := strings.Replace(c.machineARN("rollout"), ":stateMachine:", ":execution:", 1) + ":" + run + "-rollout"
	if err := c.history(ctx, rollout, func(e types.HistoryEvent) {
		if text := describeEvent(e); text != "" {
			lines = append(lines, LogLine{aws.ToTime(e.Timestamp), "rollout", text})
		}
	}); err != nil {
		var missing *types.ExecutionDoesNotExist
		if !errors.As(err, &missing) {
			return nil, err
		}
	}
	for _, stream := range streams {
		output, err := c.jobOutput(ctx, stream)
		if err != nil {
			return nil, err
		}
		lines = append(lines, output...)
	}
	slices.SortStableFunc(lines, func(a, b LogLine) int { return a.Time.Compare(b.Time) })
	return lines, nil
}

// logStream reads the stream's name from a Batch job's description.
func logStream(job string) string {
	var description struct {
		Container struct{ LogStreamName string }
	}
	if json.Unmarshal([]byte(job), &description) != nil {
		return ""
	}
	return description.Container.LogStreamName
}

func (c *Client) jobOutput(ctx context.Context, stream string) ([]LogLine, error) {
	if stream == "" {
		return nil, nil
	}
	lines := []LogLine{}
	source, _, _ := strings.Cut(stream, "/")
	pages := cloudwatchlogs.NewFilterLogEventsPaginator(c.logs, &cloudwatchlogs.FilterLogEventsInput{
		LogGroupName: aws.String("/sluice/" + c.Environment + "/jobs"), LogStreamNames: []string{stream},
	})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		var missing *logtypes.ResourceNotFoundException
		if errors.As(err, &missing) {
			return lines, nil
		}
		if err != nil {
			return nil, err
		}
		for _, e := range page.Events {
			lines = append(lines, LogLine{time.UnixMilli(aws.ToInt64(e.Timestamp)), source, strings.TrimRight(aws.ToString(e.Message), "\n")})
		}
	}
	return lines, nil
}

// describeEvent puts an execution event in words; "" for those that say
// nothing to a person.
func describeEvent(e types.HistoryEvent) string {
	switch {
	case e.StateEnteredEventDetails != nil:
		return "enters " + aws.ToString(e.StateEnteredEventDetails.Name)
	case e.TaskFailedEventDetails != nil:
		return "failed: " + aws.ToString(e.TaskFailedEventDetails.Error) + ": " + aws.ToString(e.TaskFailedEventDetails.Cause)
	case e.TaskTimedOutEventDetails != nil:
		return "timed out: " + aws.ToString(e.TaskTimedOutEventDetails.Cause)
	case e.ExecutionFailedEventDetails != nil:
		return "the run failed: " + aws.ToString(e.ExecutionFailedEventDetails.Error) + ": " + aws.ToString(e.ExecutionFailedEventDetails.Cause)
	case e.ExecutionSucceededEventDetails != nil:
		return "ends: " + aws.ToString(e.ExecutionSucceededEventDetails.Output)
	}
	return ""
}
