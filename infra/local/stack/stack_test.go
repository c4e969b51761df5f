package stack

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/aws/aws-sdk-go-v2/service/sfn/types"
	"github.com/stretchr/testify/require"
)

// TestMain is also the stack that tests kill: a process of its own.
func TestMain(m *testing.M) {
	if dir := os.Getenv("STACK_TEST_DIR"); dir != "" {
		if err := child(dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	var err error
	if testdata, err = filepath.Abs("testdata"); err != nil { // S3 changes the working directory
		panic(err)
	}
	code := m.Run()
	if dir, err := built(); err == nil {
		_ = os.RemoveAll(dir)
	}
	os.Exit(code)
}

var testdata string

// built is the test's assembly with its programs in place, made once.
var built = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "sluice-stack-test-")
	if err != nil {
		return "", err
	}
	if err := os.CopyFS(dir, os.DirFS(filepath.Join(testdata, "assembly"))); err != nil {
		return dir, err
	}
	for program, source := range map[string]string{"asset.0123456789abcdef/bootstrap": "record", "asset.00112233/train": "train"} {
		build := exec.Command("go", "build", "-o", filepath.Join(dir, program), ".")
		build.Dir = filepath.Join(testdata, source)
		build.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := build.CombinedOutput(); err != nil {
			return dir, fmt.Errorf("build %s: %w\n%s", source, err, out)
		}
	}
	return dir, nil
})

func child(dir string) error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	s, err := Up(ctx, Options{Assembly: os.Getenv("STACK_TEST_ASSEMBLY"), Stack: "Demo", Dir: dir,
		Log: slog.New(slog.NewTextHandler(os.Stderr, nil))})
	if err != nil {
		return err
	}
	outputs, err := json.Marshal(s.Outputs())
	if err != nil {
		return err
	}
	fmt.Printf("READY %s %s\n", s.URL(), outputs)
	<-ctx.Done()
	return s.Close()
}

// stackProcess is a stack in a child process.
type stackProcess struct {
	cmd     *exec.Cmd
	url     string
	outputs map[string]string
}

func startStack(t *testing.T, assembly, dir string) *stackProcess {
	t.Helper()
	p := &stackProcess{cmd: exec.Command(os.Args[0])}
	p.cmd.Env = append(os.Environ(), "STACK_TEST_DIR="+dir, "STACK_TEST_ASSEMBLY="+assembly)
	p.cmd.Stderr = testWriter{t}
	out, err := p.cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, p.cmd.Start())
	t.Cleanup(func() { _ = p.cmd.Process.Kill(); _ = p.cmd.Wait() })
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if fields := strings.SplitN(lines.Text(), " ", 3); fields[0] == "READY" {
			p.url = fields[1]
			require.NoError(t, json.Unmarshal([]byte(fields[2]), &p.outputs))
			go func() { _, _ = io.Copy(io.Discard, out) }()
			return p
		}
	}
	t.Fatal("the stack did not come up")
	return nil
}

func (p *stackProcess) kill(t *testing.T) {
	t.Helper()
	require.NoError(t, p.cmd.Process.Signal(syscall.SIGKILL))
	_ = p.cmd.Wait()
}

func (p *stackProcess) sfn() *sfn.Client {
	return sfn.New(sfn.Options{Region: "us-east-1", BaseEndpoint: aws.String(p.url),
		Credentials: credentials.NewStaticCredentialsProvider(AccessKeyID, SecretAccessKey, "")})
}

func (p *stackProcess) s3() *s3.Client { return s3Client(p.url) }

type testWriter struct{ t *testing.T }

func (w testWriter) Write(p []byte) (int, error) {
	w.t.Log(strings.TrimSpace(string(p)))
	return len(p), nil
}

func s3Client(url string) *s3.Client {
	return s3.New(s3.Options{Region: "us-east-1", BaseEndpoint: aws.String(url),
		Credentials: credentials.NewStaticCredentialsProvider(AccessKeyID, SecretAccessKey, "")})
}

func buildAssembly(t *testing.T) string {
	t.Helper()
	dir, err := built()
	require.NoError(t, err)
	return dir
}

func put(t *testing.T, client *s3.Client, bucket, key, body string) {
	t.Helper()
	_, err := client.PutObject(context.Background(), &s3.PutObjectInput{Bucket: &bucket, Key: &key, Body: strings.NewReader(body)})
	require.NoError(t, err)
}

// await polls for an object that functions write, and gives its content.
func await(t *testing.T, client *s3.Client, bucket, key string) string {
	t.Helper()
	var content string
	require.Eventually(t, func() bool {
		got, err := client.GetObject(context.Background(), &s3.GetObjectInput{Bucket: &bucket, Key: &key})
		if err != nil {
			return false
		}
		defer got.Body.Close()
		raw, err := io.ReadAll(got.Body)
		content = string(raw)
		return err == nil
	}, time.Minute, 20*time.Millisecond, "no object %s", key)
	return content
}

// executions lists the executions of the test's machine by status.
func executions(t *testing.T, p *stackProcess) map[types.ExecutionStatus]int {
	t.Helper()
	list, err := p.sfn().ListExecutions(context.Background(), &sfn.ListExecutionsInput{StateMachineArn: aws.String(p.outputs["MachineArn"])})
	require.NoError(t, err)
	count := map[types.ExecutionStatus]int{}
	for _, execution := range list.Executions {
		count[execution.Status]++
	}
	return count
}

func TestAnUploadReachesFunctionAndMachineAndSurvivesAKill(t *testing.T) {
	assembly, dir := buildAssembly(t), filepath.Join(t.TempDir(), "stack")
	p := startStack(t, assembly, dir)
	lake, store := p.outputs["LakeName"], p.outputs["StoreName"]
	put(t, p.s3(), lake, "raw/m/one.csv", "hello")
	require.Equal(t, "5 bytes", await(t, p.s3(), store, "rule/raw/m/one.csv"))
	require.Equal(t, "5 bytes", await(t, p.s3(), store, "machine/raw/m/one.csv"))

	for round := range 3 { // killed right after the answer: the event must not be lost
		key := fmt.Sprintf("raw/m/killed-%d.csv", round)
		put(t, p.s3(), lake, key, "12345678")
		p.kill(t)
		p = startStack(t, assembly, dir)
		require.Equal(t, lake, p.outputs["LakeName"])
		require.Equal(t, "8 bytes", await(t, p.s3(), store, "rule/"+key))
		require.Equal(t, "8 bytes", await(t, p.s3(), store, "machine/"+key))
	}
	require.Eventually(t, func() bool { return executions(t, p)[types.ExecutionStatusSucceeded] == 4 }, time.Minute, 20*time.Millisecond)
	require.Len(t, executions(t, p), 1, "one execution for each upload, however often its event came")
	require.Equal(t, "5 bytes", await(t, p.s3(), store, "rule/raw/m/one.csv"))

	var health Health
	answer, err := http.Get(p.url + "/_sluice/health")
	require.NoError(t, err)
	defer answer.Body.Close()
	require.NoError(t, json.NewDecoder(answer.Body).Decode(&health))
	require.Equal(t, "ready", health.Status)
	require.Equal(t, "Demo", health.Stack)
}

// A job that is running when the stack is killed is lost with its host, as a Spot
// reclaim is: the job's retry strategy runs it again. One that is running when the
// stack is stopped in order can write its checkpoint, and runs again in the same
// attempt. The execution that waits for it never knows.
func TestATrainingJobSurvivesTheEndOfTheStack(t *testing.T) {
	t.Run("killed", func(t *testing.T) {
		trainThrough(t, func(t *testing.T, p *stackProcess) { p.kill(t) }, "trained in attempt 2")
	})
	t.Run("shut down", func(t *testing.T) {
		p := trainThrough(t, func(t *testing.T, p *stackProcess) {
			require.NoError(t, p.cmd.Process.Signal(syscall.SIGTERM))
			require.NoError(t, p.cmd.Wait(), "an orderly shutdown exits with 0")
		}, "trained in attempt 1")
		require.Equal(t, "of attempt 1", await(t, p.s3(), p.outputs["StoreName"], "train/checkpoint"))
	})
}

func trainThrough(t *testing.T, end func(*testing.T, *stackProcess), want string) *stackProcess {
	assembly, dir, ctx := buildAssembly(t), filepath.Join(t.TempDir(), "stack"), context.Background()
	p := startStack(t, assembly, dir)
	store := p.outputs["StoreName"]
	started, err := p.sfn().StartExecution(ctx, &sfn.StartExecutionInput{StateMachineArn: aws.String(p.outputs["TrainerArn"]), Name: aws.String("one")})
	require.NoError(t, err)
	await(t, p.s3(), store, "train/begun")
	end(t, p)
	p = startStack(t, assembly, dir)
	require.Equal(t, want, await(t, p.s3(), store, "train/model"))
	var ended *sfn.DescribeExecutionOutput
	require.Eventually(t, func() bool {
		ended, err = p.sfn().DescribeExecution(ctx, &sfn.DescribeExecutionInput{ExecutionArn: started.ExecutionArn})
		return err == nil && ended.Status != types.ExecutionStatusRunning
	}, time.Minute, 20*time.Millisecond)
	require.Equal(t, types.ExecutionStatusSucceeded, ended.Status)
	require.JSONEq(t, `{"status":"SUCCEEDED"}`, *ended.Output)
	return p
}

func TestUpRefusesWithoutLeavingAnythingRunning(t *testing.T) {
	ctx := context.Background()
	assembly := t.TempDir()
	require.NoError(t, os.CopyFS(assembly, os.DirFS(filepath.Join(testdata, "assembly"))))
	dir := filepath.Join(t.TempDir(), "stack")
	_, err := Up(ctx, Options{Assembly: assembly, Stack: "Nope", Dir: dir})
	require.ErrorContains(t, err, `stack "Nope": not in the cloud assembly`)
	_, err = Up(ctx, Options{Assembly: t.TempDir(), Stack: "Demo", Dir: dir})
	require.ErrorContains(t, err, "cdk synth")
	_, err = Up(ctx, Options{Stack: "Demo", Dir: dir})
	require.ErrorContains(t, err, "Options needs Assembly and Dir")
	// the function's asset is not there: found while deploying, after everything was opened
	_, err = Up(ctx, Options{Assembly: assembly, Stack: "Demo", Dir: dir})
	require.ErrorContains(t, err, "create resource Record (AWS::Lambda::Function)")
	_, err = Up(ctx, Options{Assembly: assembly, Stack: "Demo", Dir: dir})
	require.ErrorContains(t, err, "create resource Record", "the directory must be free again")
}
