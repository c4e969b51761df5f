package stack

import (
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/aws/aws-sdk-go-v2/service/sfn/types"
	"github.com/stretchr/testify/require"
)

// rowsMachine waits a second for each row of a CSV file and exports the results.
const rowsMachine = `{"QueryLanguage": "JSONata", "StartAt": "Each", "States": {"Each": {"Type": "Map", "Label": "rows", "MaxConcurrency": 20, "End": true,
  "ItemReader": {"Resource": "arn:aws:states:::s3:getObject", "Arguments": {"Bucket": "{% $states.input.bucket %}", "Key": "{% $states.input.key %}"},
    "ReaderConfig": {"InputType": "CSV", "CSVHeaderLocation": "FIRST_ROW"}},
  "ItemProcessor": {"ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"}, "StartAt": "Wait", "States": {"Wait": {"Type": "Wait", "Seconds": 1, "End": true}}},
  "ResultWriter": {"Resource": "arn:aws:states:::s3:putObject", "Arguments": {"Bucket": "{% $states.input.bucket %}", "Prefix": "out"},
    "WriterConfig": {"OutputType": "JSON", "Transformation": "COMPACT"}}}}}`

func ended(t *testing.T, client *sfn.Client, arn string) *sfn.DescribeExecutionOutput {
	t.Helper()
	var out *sfn.DescribeExecutionOutput
	require.Eventually(t, func() bool {
		var err error
		out, err = client.DescribeExecution(context.Background(), &sfn.DescribeExecutionInput{ExecutionArn: &arn})
		return err == nil && out.Status != types.ExecutionStatusRunning
	}, time.Minute, 20*time.Millisecond)
	return out
}

// children are the child executions of a map run that ended, with when they did.
func children(t *testing.T, client *sfn.Client, run string) map[string]time.Time {
	t.Helper()
	list, err := client.ListExecutions(context.Background(), &sfn.ListExecutionsInput{MapRunArn: &run, StatusFilter: types.ExecutionStatusSucceeded})
	require.NoError(t, err)
	out := map[string]time.Time{}
	for _, e := range list.Executions {
		out[*e.Name] = *e.StopDate
	}
	return out
}

// A distributed Map over a file in S3 survives kill -9: what was done is not
// done again, and the results are all there.
func TestADistributedMapSurvivesAKill(t *testing.T) {
	assembly, dir, ctx := buildAssembly(t), filepath.Join(t.TempDir(), "stack"), context.Background()
	p := startStack(t, assembly, dir)
	store := p.outputs["StoreName"]
	var rows strings.Builder
	rows.WriteString("n,square\n")
	for n := range 60 {
		fmt.Fprintf(&rows, "%d,%d\n", n, n*n)
	}
	put(t, p.s3(), store, "in/rows.csv", rows.String())
	machine, err := p.sfn().CreateStateMachine(ctx, &sfn.CreateStateMachineInput{Name: aws.String("rows"), Definition: aws.String(rowsMachine), RoleArn: aws.String("arn:aws:iam::000000000000:role/rows")})
	require.NoError(t, err)
	started, err := p.sfn().StartExecution(ctx, &sfn.StartExecutionInput{StateMachineArn: machine.StateMachineArn, Input: aws.String(fmt.Sprintf(`{"bucket":%q,"key":"in/rows.csv"}`, store))})
	require.NoError(t, err)
	run := ""
	var before map[string]time.Time
	require.Eventually(t, func() bool {
		runs, err := p.sfn().ListMapRuns(ctx, &sfn.ListMapRunsInput{ExecutionArn: started.ExecutionArn})
		if err != nil || len(runs.MapRuns) == 0 {
			return false
		}
		run = *runs.MapRuns[0].MapRunArn
		before = children(t, p.sfn(), run)
		return len(before) >= 20
	}, time.Minute, 20*time.Millisecond)
	require.Less(t, len(before), 60, "the kill must come in the middle")
	put(t, p.s3(), store, "in/rows.csv", "n\nchanged\n") // the run goes on with the rows that it had read
	p.kill(t)
	p = startStack(t, assembly, dir)
	out := ended(t, p.sfn(), *started.ExecutionArn)
	require.Equal(t, types.ExecutionStatusSucceeded, out.Status, aws.ToString(out.Cause))
	after := children(t, p.sfn(), run)
	require.Len(t, after, 60)
	for name, stop := range before {
		require.Equal(t, stop, after[name], "a child that had ended was done again")
	}
	described, err := p.sfn().DescribeMapRun(ctx, &sfn.DescribeMapRunInput{MapRunArn: &run})
	require.NoError(t, err)
	require.Equal(t, types.MapRunStatusSucceeded, described.Status)
	require.Equal(t, int64(60), described.ItemCounts.Succeeded)

	var result struct {
		MapRunArn           string
		ResultWriterDetails struct{ Bucket, Key string }
	}
	require.NoError(t, json.Unmarshal([]byte(*out.Output), &result))
	require.Equal(t, run, result.MapRunArn)
	var manifest struct {
		ResultFiles struct {
			SUCCEEDED []struct {
				Key  string
				Size int
			}
		}
	}
	require.NoError(t, json.Unmarshal([]byte(await(t, p.s3(), store, result.ResultWriterDetails.Key)), &manifest))
	require.Len(t, manifest.ResultFiles.SUCCEEDED, 1)
	text := await(t, p.s3(), store, manifest.ResultFiles.SUCCEEDED[0].Key)
	require.Len(t, text, manifest.ResultFiles.SUCCEEDED[0].Size)
	var items []map[string]string
	require.NoError(t, json.Unmarshal([]byte(text), &items))
	require.Len(t, items, 60)
	require.Equal(t, map[string]string{"n": "59", "square": "3481"}, items[59])
	failures(t, p, store)
}

// failures: an object, version or owner that is not there fails the reader with
// the error's text.
func failures(t *testing.T, p *stackProcess, store string) {
	t.Helper()
	ctx := context.Background()
	versions, err := p.s3().ListObjectVersions(ctx, &s3.ListObjectVersionsInput{Bucket: &store, Prefix: aws.String("in/")})
	require.NoError(t, err)
	require.Len(t, versions.Versions, 2)
	first := *versions.Versions[1].VersionId
	for i, c := range []struct{ arguments, cause, output string }{
		{fmt.Sprintf(`{"Bucket":%q,"Key":"in/none"}`, store), "The specified key does not exist. (Service: S3, Status Code: 404, Request ID: ", ""},
		{`{"Bucket":"nobody-has-this","Key":"k"}`, "(Service: S3, Status Code: 404, Request ID: ", ""},
		{fmt.Sprintf(`{"Bucket":%q,"Key":"in/rows.csv","ExpectedBucketOwner":"111111111111"}`, store), "Access Denied (Service: S3, Status Code: 403", ""},
		{fmt.Sprintf(`{"Bucket":%q,"Key":"in/rows.csv","ExpectedBucketOwner":"000000000000","VersionId":%q}`, store, first), "", `60`},
		{fmt.Sprintf(`{"Bucket":%q,"Key":"in/rows.csv"}`, store), "", `1`},
	} {
		definition := `{"QueryLanguage":"JSONata","StartAt":"Each","States":{"Each":{"Type":"Map","End":true,"Output":"{% $count($states.result) %}","ItemReader":{"Resource":"arn:aws:states:::s3:getObject","Arguments":` + c.arguments + `,
			"ReaderConfig":{"InputType":"CSV","CSVHeaderLocation":"FIRST_ROW"}},"ItemProcessor":{"ProcessorConfig":{"Mode":"DISTRIBUTED","ExecutionType":"EXPRESS"},"StartAt":"P","States":{"P":{"Type":"Pass","End":true}}}}}}`
		m, err := p.sfn().CreateStateMachine(ctx, &sfn.CreateStateMachineInput{Name: aws.String(fmt.Sprintf("fails-%d", i)), Definition: &definition, RoleArn: aws.String("arn:aws:iam::000000000000:role/rows")})
		require.NoError(t, err)
		started, err := p.sfn().StartExecution(ctx, &sfn.StartExecutionInput{StateMachineArn: m.StateMachineArn})
		require.NoError(t, err)
		out := ended(t, p.sfn(), *started.ExecutionArn)
		if c.output != "" {
			require.Equal(t, c.output, aws.ToString(out.Output), aws.ToString(out.Cause))
			continue
		}
		require.Equal(t, "States.ItemReaderFailed", aws.ToString(out.Error), c.arguments)
		require.Contains(t, *out.Cause, c.cause, c.arguments)
	}
}
