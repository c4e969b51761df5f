package lambda_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluice-ml/sluice/infra/local/assembly"
	"github.com/sluice-ml/sluice/infra/local/lambda"
	"github.com/sluice-ml/sluice/infra/local/logs"
)

// binaries holds the built test programs: <binaries>/function/bootstrap, ….
var binaries string

func TestMain(m *testing.M) {
	os.Exit(func() int {
		if built := os.Getenv("LAMBDA_TEST_BINARIES"); built != "" {
			binaries = built // of the test that started this process
			return m.Run()
		}
		dir, err := os.MkdirTemp("", "lambda-test-")
		if err != nil {
			log.Fatal(err)
		}
		defer os.RemoveAll(dir)
		for _, name := range []string{"function", "runtime"} {
			build := exec.Command("go", "build", "-o", filepath.Join(dir, name, "bootstrap"), "./testdata/"+name)
			build.Env = append(os.Environ(), "CGO_ENABLED=0")
			if out, err := build.CombinedOutput(); err != nil {
				log.Fatalf("build testdata/%s: %v\n%s", name, err, out)
			}
		}
		binaries = dir
		return m.Run()
	}())
}

// world is a service over a folder, with what stands around it.
type world struct {
	*lambda.Service
	logs    *logs.Service
	dir     string
	options lambda.Options
}

func open(t testing.TB, dir string, change ...func(*lambda.Options)) *world {
	t.Helper()
	kept, err := logs.Open(logs.Options{Dir: filepath.Join(dir, "logs"), Region: "eu-west-1", Account: "123456789012"})
	require.NoError(t, err)
	o := lambda.Options{
		Dir: filepath.Join(dir, "lambda"), Region: "eu-west-1", Account: "123456789012", Endpoint: "http://127.0.0.1:4566",
		AccessKeyID: "key", SecretKey: "secret", Logs: kept, RetryDelays: []time.Duration{time.Millisecond},
		ThrottleDelay: time.Millisecond, MemoryInterval: time.Millisecond, InitTimeout: time.Minute,
		Code: func(bucket, key string) (string, error) { return filepath.Join(binaries, key), nil },
	}
	for _, f := range change {
		f(&o)
	}
	s, err := lambda.Open(o)
	require.NoError(t, err)
	t.Cleanup(func() {
		require.NoError(t, s.Close())
		require.NoError(t, kept.Close())
	})
	return &world{Service: s, logs: kept, dir: dir, options: o}
}

// create makes a resource; properties are merged over a function's usual ones.
func (w *world) create(t testing.TB, kind, id, properties string) (assembly.Created, error) {
	t.Helper()
	return w.Creators()["AWS::Lambda::"+kind](context.Background(),
		assembly.Resource{LogicalID: id, Type: "AWS::Lambda::" + kind, Properties: json.RawMessage(properties)})
}

// function makes a function named f; extra is more properties, ",…".
func (w *world) function(t testing.TB, extra string) {
	t.Helper()
	w.named(t, "f", "function", extra)
}

func (w *world) named(t testing.TB, name, code, extra string) {
	t.Helper()
	created, err := w.create(t, "Function", "F", fmt.Sprintf(
		`{"FunctionName":%q,"Code":{"S3Bucket":"b","S3Key":%q},"Handler":"bootstrap","Runtime":"provided.al2023","Role":"r","Timeout":60%s}`, name, code, extra))
	require.NoError(t, err)
	require.Equal(t, name, created.Ref)
	require.Equal(t, "arn:aws:lambda:eu-west-1:123456789012:function:"+name, created.Attributes["Arn"])
}

func (w *world) invoke(t testing.TB, payload string) lambda.Result {
	t.Helper()
	result, err := w.Invoke(context.Background(), "f", []byte(payload))
	require.NoError(t, err)
	return result
}

// lines gives everything that a function has logged.
func (w *world) lines(t testing.TB, function string) []string {
	t.Helper()
	streams, err := w.logs.Streams("/aws/lambda/" + function)
	require.NoError(t, err)
	var out []string
	for _, stream := range streams {
		events, err := w.logs.Read("/aws/lambda/"+function, stream)
		require.NoError(t, err)
		for _, e := range events {
			out = append(out, e.Message)
		}
	}
	return out
}

// fired is a Timer that fires at once for the durations it lists when trip is
// closed, and never else.
func trippable(trip <-chan struct{}, durations ...time.Duration) lambda.Timer {
	return func(d time.Duration) (<-chan time.Time, func() bool) {
		fired := make(chan time.Time, 1)
		stopped := make(chan struct{})
		for _, one := range durations {
			if one == d {
				go func() {
					select {
					case <-trip:
						fired <- time.Now()
					case <-stopped:
					}
				}()
			}
		}
		return fired, func() bool { close(stopped); return true }
	}
}

// exists waits for a file that a child makes.
func exists(t testing.TB, file string) {
	t.Helper()
	require.Eventually(t, func() bool { _, err := os.Stat(file); return err == nil }, time.Minute, time.Millisecond)
}

func TestColdThenWarm(t *testing.T) {
	w := open(t, t.TempDir())
	w.function(t, "")
	cold := w.invoke(t, `{"Do":"print","Text":"hello"}`)
	require.JSONEq(t, `"printed"`, string(cold.Payload))
	require.True(t, cold.Cold)
	require.Positive(t, cold.Init)
	require.Positive(t, cold.MaxMemoryMB)
	require.GreaterOrEqual(t, cold.BilledMS, (cold.Init+cold.Duration)/time.Millisecond)
	warm := w.invoke(t, `{"Do":"print","Text":"again"}`)
	require.False(t, warm.Cold)
	require.Zero(t, warm.Init)

	lines := w.lines(t, "f")
	require.Len(t, lines, 11)
	require.Contains(t, lines[0], "INIT_START")
	require.Equal(t, "START RequestId: "+cold.RequestID+" Version: $LATEST", lines[1])
	require.Equal(t, []string{"hello", "without an end", "END RequestId: " + cold.RequestID}, lines[2:5])
	require.Regexp(t, `^REPORT RequestId: \S+\tDuration: [\d.]+ ms\tBilled Duration: \d+ ms\tMemory Size: 128 MB\tMax Memory Used: \d+ MB\tInit Duration: [\d.]+ ms$`, lines[5])
	require.NotContains(t, lines[10], "Init Duration")
	require.Equal(t, "START RequestId: "+warm.RequestID+" Version: $LATEST\nagain\nwithout an end\nEND RequestId: "+warm.RequestID+"\n"+lines[10]+"\n", string(warm.LogTail))
}

func TestTheEnvironmentIsExactlyLambdas(t *testing.T) {
	w := open(t, t.TempDir())
	w.function(t, `,"MemorySize":256,"Environment":{"Variables":{"SLUICE_ENVIRONMENT":"staging"}}`)
	var list []string
	require.NoError(t, json.Unmarshal(w.invoke(t, `{"Do":"environment"}`).Payload, &list))
	got := map[string]string{}
	for _, v := range list {
		name, value, _ := strings.Cut(v, "=")
		got[name] = value
	}
	require.Regexp(t, `^127\.0\.0\.1:\d+$`, got["AWS_LAMBDA_RUNTIME_API"])
	require.Regexp(t, `^\d{4}/\d\d/\d\d/\[\$LATEST\][0-9a-f]{32}$`, got["AWS_LAMBDA_LOG_STREAM_NAME"])
	require.Regexp(t, `^Root=1-[0-9a-f]{8}-[0-9a-f]{24};Parent=[0-9a-f]{16};Sampled=0$`, got["_X_AMZN_TRACE_ID"])
	code := filepath.Join(binaries, "function")
	for _, name := range []string{"AWS_LAMBDA_RUNTIME_API", "AWS_LAMBDA_LOG_STREAM_NAME", "_X_AMZN_TRACE_ID", "LD_LIBRARY_PATH", "PATH"} {
		require.NotEmpty(t, got[name])
		delete(got, name)
	}
	require.Equal(t, map[string]string{
		"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_REGION": "eu-west-1", "AWS_DEFAULT_REGION": "eu-west-1",
		"AWS_ENDPOINT_URL": "http://127.0.0.1:4566", "AWS_LAMBDA_FUNCTION_NAME": "f", "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
		"AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "256", "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand", "AWS_LAMBDA_LOG_GROUP_NAME": "/aws/lambda/f",
		"LAMBDA_TASK_ROOT": code, "LAMBDA_RUNTIME_DIR": "/var/runtime", "_HANDLER": "bootstrap", "LANG": "en_US.UTF-8", "TZ": ":UTC",
		"SLUICE_ENVIRONMENT": "staging",
	}, got)
}

// A function in a network finds load balancers by their names.
func TestAFunctionInANetworkAsksByTheStack(t *testing.T) {
	w := open(t, t.TempDir())
	w.function(t, `,"VpcConfig":{"SubnetIds":["subnet-1"],"SecurityGroupIds":["sg-1"]}`)
	require.Contains(t, string(w.invoke(t, `{"Do":"environment"}`).Payload), `"HTTP_PROXY=http://127.0.0.1:4566"`)
}

func TestTheContextOfAnInvocation(t *testing.T) {
	now := time.UnixMilli(1_700_000_000_000)
	w := open(t, t.TempDir(), func(o *lambda.Options) { o.Now = func() time.Time { return now } })
	w.function(t, "")
	result, err := w.InvokeRequest(context.Background(), lambda.Request{
		Function: "arn:aws:lambda:eu-west-1:123456789012:function:f:$LATEST", Payload: []byte(`{"Do":"context"}`),
		ClientContext: `{"client":{"app_title":"tests"}}`, Trace: "Root=1-2-3",
	})
	require.NoError(t, err)
	var got map[string]any
	require.NoError(t, json.Unmarshal(result.Payload, &got))
	require.Equal(t, "arn:aws:lambda:eu-west-1:123456789012:function:f", got["arn"])
	require.Equal(t, result.RequestID, got["id"])
	require.Equal(t, "Root=1-2-3", got["trace"])
	require.Equal(t, "tests", got["client"])
	require.EqualValues(t, now.Add(time.Minute).UnixMilli(), got["deadline"])
}

func TestFunctionErrors(t *testing.T) {
	w := open(t, t.TempDir())
	w.function(t, "")
	for _, c := range []struct{ payload, errorType, message string }{
		{`{"Do":"fail","Text":"no luck"}`, "errorString", "no luck"},
		{`{"Do":"fault","Text":"wait"}`, "Sluice.Busy", "wait"},
		{`{"Do":"panic","Text":"oh"}`, "string", "oh"},
		{`{"Do":"exit","Count":1}`, "Runtime.ExitError", "Runtime exited with error: exit status 1"},
		{`{"Do":"exit","Count":0}`, "Runtime.ExitError", "Runtime exited without providing a reason"},
	} {
		result := w.invoke(t, c.payload)
		require.Equal(t, "Unhandled", result.FunctionError, c)
		errorType, message := result.Failure()
		require.Equal(t, c.errorType, errorType)
		require.Contains(t, message, c.message)
		if c.errorType == "Runtime.ExitError" {
			require.Equal(t, "RequestId: "+result.RequestID+" Error: "+c.message, message)
			require.Contains(t, string(result.LogTail), "\tStatus: error\tError Type: Runtime.ExitError\n")
		}
		if c.errorType == "string" {
			require.Contains(t, string(result.Payload), `"stackTrace":[{`)
		}
	}
	fine := w.invoke(t, `{"Do":"echo"}`)
	require.Empty(t, fine.FunctionError, "the function recovers with a new sandbox")
	require.True(t, fine.Cold)
}

func TestTimeoutKillsOneSandboxWhileOthersRun(t *testing.T) {
	dir := t.TempDir()
	trip := make(chan struct{})
	w := open(t, dir, func(o *lambda.Options) { o.Timer = trippable(trip, 3*time.Second) })
	w.function(t, "")
	w.named(t, "g", "function", `,"Timeout":3`)
	other := make(chan lambda.Result)
	go func() {
		result, _ := w.Invoke(context.Background(), "f", []byte(fmt.Sprintf(`{"Do":"until","File":%q,"Text":%q}`, dir+"/go", dir+"/there")))
		other <- result
	}()
	stuck := make(chan lambda.Result)
	go func() {
		result, _ := w.Invoke(context.Background(), "g", []byte(fmt.Sprintf(`{"Do":"hang","File":%q}`, dir+"/hung")))
		stuck <- result
	}()
	exists(t, dir+"/there")
	exists(t, dir+"/hung")
	close(trip)
	result := <-stuck
	errorType, message := result.Failure()
	require.Equal(t, "Sandbox.Timedout", errorType)
	require.Equal(t, "RequestId: "+result.RequestID+" Error: Task timed out after 3.00 seconds", message)
	require.Regexp(t, `\d{4}-\d\d-\d\dT\S+Z `+result.RequestID+` Task timed out after 3.00 seconds\nEND RequestId`, string(result.LogTail))
	require.Contains(t, string(result.LogTail), "\tStatus: timeout\n")
	require.NoError(t, os.WriteFile(dir+"/go", nil, 0o644))
	require.JSONEq(t, `"seen"`, string((<-other).Payload))
	for _, u := range w.Usage() {
		require.Equal(t, map[string]int64{"f": 0, "g": 1}[u.Function], u.Timeouts)
	}
}

func TestMemoryLimit(t *testing.T) {
	w := open(t, t.TempDir())
	w.function(t, `,"MemorySize":128`)
	result := w.invoke(t, `{"Do":"allocate","Count":1000000}`)
	errorType, message := result.Failure()
	require.Equal(t, "Runtime.OutOfMemory", errorType)
	require.Equal(t, "RequestId: "+result.RequestID+" Error: Runtime exited with error: signal: killed", message)
	require.GreaterOrEqual(t, result.MaxMemoryMB, 128)
	require.Empty(t, w.invoke(t, `{"Do":"echo"}`).FunctionError)
	require.Empty(t, w.invoke(t, `{"Do":"allocate","Count":16}`).FunctionError)
}

func TestSandboxesRunConcurrently(t *testing.T) {
	w := open(t, t.TempDir())
	w.function(t, "")
	meeting := filepath.Join(t.TempDir(), "meeting")
	require.NoError(t, os.Mkdir(meeting, 0o755))
	payload := fmt.Sprintf(`{"Do":"meet","File":%q,"Count":3}`, meeting)
	pids := make(chan string, 3)
	for range 3 {
		go func() {
			result, err := w.Invoke(context.Background(), "f", []byte(payload))
			pids <- fmt.Sprint(string(result.Payload), err)
		}()
	}
	seen := map[string]bool{}
	for range 3 {
		seen[<-pids] = true
	}
	require.Len(t, seen, 3, "three invocations met in three processes: %v", seen)
	usage := w.Usage()
	require.EqualValues(t, 3, usage[0].ColdStarts)
	w.invoke(t, `{}`)
	require.EqualValues(t, 3, w.Usage()[0].ColdStarts)
}

func TestReservedConcurrency(t *testing.T) {
	dir := t.TempDir()
	w := open(t, dir)
	w.function(t, `,"ReservedConcurrentExecutions":1`)
	first := make(chan lambda.Result)
	go func() {
		result, _ := w.Invoke(context.Background(), "f", []byte(fmt.Sprintf(`{"Do":"until","File":%q,"Text":%q}`, dir+"/go", dir+"/there")))
		first <- result
	}()
	exists(t, dir+"/there")
	_, err := w.Invoke(context.Background(), "f", nil)
	throttled := &lambda.Throttled{}
	require.ErrorAs(t, err, &throttled)
	require.Equal(t, "ReservedFunctionConcurrentInvocationLimitExceeded", throttled.Reason)
	require.NoError(t, os.WriteFile(dir+"/go", nil, 0o644))
	require.JSONEq(t, `"seen"`, string((<-first).Payload))
	for range 5 {
		w.invoke(t, `{}`) // the place is free as soon as the caller has its result
	}
	require.EqualValues(t, 1, w.Usage()[0].Throttles)
}

func TestACallerThatLeavesDoesNotStopTheFunction(t *testing.T) {
	dir := t.TempDir()
	w := open(t, dir)
	w.function(t, "")
	ctx, cancel := context.WithCancel(context.Background())
	gone := make(chan error)
	go func() {
		_, err := w.Invoke(ctx, "f", []byte(fmt.Sprintf(`{"Do":"until","File":%q,"Text":%q}`, dir+"/go", dir+"/there")))
		gone <- err
	}()
	exists(t, dir+"/there")
	cancel()
	require.ErrorIs(t, <-gone, context.Canceled)
	require.NoError(t, os.WriteFile(dir+"/go", nil, 0o644))
	require.Eventually(t, func() bool { u := w.Usage(); return len(u) == 1 && u[0].Invocations == 1 && u[0].Errors == 0 }, time.Minute, time.Millisecond)
}

func TestInitFailures(t *testing.T) {
	sabotage := func(t *testing.T, how string, change ...func(*lambda.Options)) (lambda.Result, []string) {
		dir := t.TempDir()
		w := open(t, dir, change...)
		require.NoError(t, os.WriteFile(dir+"/sabotage", []byte(how), 0o644))
		w.function(t, fmt.Sprintf(`,"Environment":{"Variables":{"SABOTAGE":%q}}`, dir+"/sabotage"))
		return w.invoke(t, `{}`), w.lines(t, "f")
	}
	t.Run("the second init succeeds", func(t *testing.T) {
		result, lines := sabotage(t, "once")
		require.Empty(t, result.FunctionError)
		require.Regexp(t, `^INIT_REPORT Init Duration: [\d.]+ ms\tPhase: init\tStatus: error\tError Type: Runtime.ExitError$`, lines[1])
	})
	t.Run("both exit", func(t *testing.T) {
		result, _ := sabotage(t, "exit")
		errorType, message := result.Failure()
		require.Equal(t, "Runtime.ExitError", errorType)
		require.Contains(t, message, "exit status 4")
	})
	t.Run("both hang", func(t *testing.T) {
		trip := make(chan struct{})
		close(trip)
		result, lines := sabotage(t, "hang", func(o *lambda.Options) { o.Timer = trippable(trip, time.Minute, o.InitTimeout) })
		errorType, _ := result.Failure()
		require.Equal(t, "Sandbox.Timedout", errorType)
		require.Contains(t, lines[1], "Status: timeout")
	})
	t.Run("the runtime reports it", func(t *testing.T) {
		w := open(t, t.TempDir())
		w.named(t, "f", "runtime", `,"Environment":{"Variables":{"INIT_ERROR":"{\"errorType\":\"Config.Missing\",\"errorMessage\":\"no bucket\"}"}}`)
		errorType, message := w.invoke(t, `{}`).Failure()
		require.Equal(t, "Config.Missing", errorType)
		require.Equal(t, "no bucket", message)
		lines := strings.Join(w.lines(t, "f"), "\n")
		require.Contains(t, lines, `init error: 202 {"status":"OK"}`)
	})
}

func TestTheRuntimeAPIKeepsItsRules(t *testing.T) {
	w := open(t, t.TempDir())
	w.named(t, "f", "runtime", "")
	result := w.invoke(t, `"wrong"`)
	require.Equal(t, `"ok"`, string(result.Payload))
	log := string(result.LogTail)
	for _, want := range []string{
		"unknown id: 400 ", "InvalidRequestID", "next while busy: 403", "late init error: 403", "unserved: 404",
		`response: 202 {"status":"OK"}`, "twice: 400",
	} {
		require.Contains(t, log, want)
	}
	errorType, message := w.invoke(t, `"stream"`).Failure()
	require.Equal(t, "Runtime.StreamingNotServed", errorType)
	require.Contains(t, message, "streaming")
	errorType, message = w.invoke(t, `"bare"`).Failure()
	require.Equal(t, "My.Type", errorType)
	require.Equal(t, "not json", message)

	answered := w.invoke(t, `"exit after"`)
	require.Equal(t, `"answered"`, string(answered.Payload), "an answer stands though the process ended after it")
	require.True(t, w.invoke(t, `{}`).Cold)
}

func TestPayloadLimits(t *testing.T) {
	w := open(t, t.TempDir())
	w.function(t, "")
	errorType, message := w.invoke(t, `{"Do":"large","Count":6291556}`).Failure()
	require.Equal(t, "Function.ResponseSizeTooLarge", errorType)
	require.Contains(t, message, "6291556 bytes")
	require.Len(t, w.invoke(t, `{"Do":"large","Count":6291554}`).Payload, 6291556)

	_, err := w.Invoke(context.Background(), "f", make([]byte, 6291557))
	require.ErrorContains(t, err, "RequestTooLargeException")
	_, err = w.InvokeAsync(context.Background(), "f", make([]byte, 1<<20+1))
	require.ErrorContains(t, err, "RequestTooLargeException")
	_, err = w.Invoke(context.Background(), "f", []byte("{"))
	require.ErrorContains(t, err, "InvalidRequestContentException")
	for _, name := range []string{"none", "f:1", "arn:aws:lambda:us-east-1:123456789012:function:f", "arn:aws:s3:::f"} {
		_, err = w.Invoke(context.Background(), name, nil)
		require.ErrorContains(t, err, "Function not found: "+name)
	}
}

type metrics chan string

func (m metrics) PutEMF(line []byte) (bool, error) {
	if strings.Contains(string(line), "bad") {
		return true, errors.New("no namespace")
	}
	m <- string(line)
	return true, nil
}

func TestEmbeddedMetricsReachThePort(t *testing.T) {
	m := make(metrics, 8)
	w := open(t, t.TempDir(), func(o *lambda.Options) { o.Metrics = m })
	w.function(t, "")
	document := `{"_aws":{"Timestamp":1,"CloudWatchMetrics":[{"Namespace":"Sluice","Dimensions":[["Model"]],"Metrics":[{"Name":"Drift"}]}]},"Model":"m","Drift":0.1}`
	event, err := json.Marshal(map[string]string{"Do": "print", "Text": document + "\n" + `{"_aws":"bad"}` + "\n{}\nplain \"_aws\""})
	require.NoError(t, err)
	w.invoke(t, string(event))
	require.Equal(t, document, <-m)
	require.Empty(t, m)
	require.Contains(t, w.lines(t, "f"), document)
	require.Contains(t, w.lines(t, "f"), "the local stack could not take this embedded metric: no namespace")
}

func TestJSONLogFormat(t *testing.T) {
	w := open(t, t.TempDir())
	w.function(t, `,"LoggingConfig":{"LogFormat":"JSON","LogGroup":"/own/group"}`)
	w.invoke(t, `{"Do":"fault"}`)
	streams, err := w.logs.Streams("/own/group")
	require.NoError(t, err)
	events, err := w.logs.Read("/own/group", streams[0])
	require.NoError(t, err)
	var report struct {
		Type   string
		Record struct {
			Status, ErrorType string
			Metrics           map[string]float64
		}
	}
	require.NoError(t, json.Unmarshal([]byte(events[len(events)-1].Message), &report))
	require.Equal(t, "platform.report", report.Type)
	require.Equal(t, "failure", report.Record.Status)
	require.Equal(t, "Sluice.Busy", report.Record.ErrorType)
	require.Positive(t, report.Record.Metrics["initDurationMs"])
}

func TestUsageSurvives(t *testing.T) {
	dir := t.TempDir()
	w := open(t, dir)
	w.function(t, `,"MemorySize":512`)
	w.invoke(t, `{}`)
	w.invoke(t, `{"Do":"fail"}`)
	before := w.Usage()
	require.NoError(t, w.Close())
	again := open(t, dir)
	require.Equal(t, before, again.Usage())
	require.InDelta(t, float64(before[0].BilledMS)/1000*0.5, before[0].GBSeconds, 1e-9)
	require.EqualValues(t, 1, before[0].Errors)
	require.Positive(t, before[0].Warm)
}

func TestANewConfigurationReplacesSandboxes(t *testing.T) {
	w := open(t, t.TempDir())
	w.function(t, "")
	w.invoke(t, `{}`)
	w.function(t, `,"Environment":{"Variables":{"NEW":"1"}}`)
	result := w.invoke(t, `{"Do":"environment"}`)
	require.True(t, result.Cold)
	require.Contains(t, string(result.Payload), `"NEW=1"`)
}

func TestRunOnce(t *testing.T) {
	dir := filepath.Join(binaries, "function")
	result, log, err := lambda.RunOnce(context.Background(), dir, map[string]string{"A": "1"}, []byte(`{"Do":"print","Text":"seen"}`))
	require.NoError(t, err)
	require.JSONEq(t, `"printed"`, string(result.Payload))
	require.Contains(t, string(log), "seen\nwithout an end\nEND RequestId")
	ctx, cancel := context.WithCancel(context.Background())
	file := t.TempDir() + "/hung"
	go func() {
		defer cancel()
		for _, err := os.Stat(file); err != nil; _, err = os.Stat(file) {
		}
	}()
	_, _, err = lambda.RunOnce(ctx, dir, nil, []byte(fmt.Sprintf(`{"Do":"hang","File":%q}`, file)))
	require.ErrorIs(t, err, context.Canceled)
	_, _, err = lambda.RunOnce(context.Background(), t.TempDir(), nil, nil)
	require.ErrorContains(t, err, "no bootstrap")
}

// BenchmarkWarmInvoke measures a warm invocation of a function that returns at
// once: everything but the function's own work.
func BenchmarkWarmInvoke(b *testing.B) {
	w := open(b, b.TempDir())
	w.function(b, "")
	w.invoke(b, `{}`)
	for b.Loop() {
		w.invoke(b, `{}`)
	}
}

// BenchmarkColdStart measures an invocation in a new sandbox.
func BenchmarkColdStart(b *testing.B) {
	w := open(b, b.TempDir())
	for b.Loop() {
		w.function(b, "") // a new configuration has no warm sandboxes
		w.invoke(b, `{}`)
	}
}
