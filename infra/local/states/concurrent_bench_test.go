package states_test

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strconv"
	"sync"
	"syscall"
	"testing"

	"github.com/sluice-ml/sluice/infra/local/asl"
	"github.com/sluice-ml/sluice/infra/local/states"
)

// together is a Lambda whose calls return when so many are under way at once:
// the executions that call it do run concurrently.
type together struct {
	mu      sync.Mutex
	missing int
	all     chan struct{}
}

func (w *together) Invoke(ctx context.Context, _ string, payload []byte) (states.InvokeResult, error) {
	w.mu.Lock()
	if w.missing--; w.missing == 0 {
		close(w.all)
	}
	w.mu.Unlock()
	select {
	case <-ctx.Done():
		return states.InvokeResult{}, ctx.Err()
	case <-w.all:
		return states.InvokeResult{Payload: payload}, nil
	}
}

const crowd = 1000

// BenchmarkConcurrentExecutions starts 1,000 executions of eight states each,
// with a Wait of a second, a task, and a Parallel of two branches, journal
// included. All are in their task at the same time. peak-MB is the process's
// largest resident memory; heap-MB what is live when all are in their task.
func BenchmarkConcurrentExecutions(b *testing.B) {
	for b.Loop() {
		crowdOnce(b)
	}
	b.ReportMetric(crowd*float64(b.N)/b.Elapsed().Seconds(), "executions/s")
	b.ReportMetric(peakMemory(b), "peak-MB")
}

func crowdOnce(b *testing.B) {
	lambda := &together{missing: crowd, all: make(chan struct{})}
	s, err := states.Open(states.Options{Dir: b.TempDir(), Region: "us-east-1", Account: "111111111111", Lambda: lambda})
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	machine := createMachine(b, s, jsonata(`"A":{"Type":"Pass","Assign":{"n":"{% $states.input.n %}"},"Next":"W"},"W":{"Type":"Wait","Seconds":1,"Next":"T"},
		"T":{"Type":"Task","Resource":"arn:aws:states:::lambda:invoke","Arguments":{"FunctionName":"f","Payload":{"n":"{% $n %}"}},"Output":"{% $states.result.Payload %}","Next":"C"},
		"C":{"Type":"Choice","Choices":[{"Condition":"{% $states.input.n = $n %}","Next":"P"}],"Default":"F"},"F":{"Type":"Fail"},
		"P":{"Type":"Parallel","Next":"S","Branches":[{"StartAt":"X","States":{"X":{"Type":"Pass","End":true}}},{"StartAt":"Y","States":{"Y":{"Type":"Pass","End":true}}}]},"S":{"Type":"Succeed"}`))
	arns := make([]string, crowd)
	for i := range arns {
		d, err := s.Start(b.Context(), states.StartRequest{MachineARN: machine, Input: `{"n":` + strconv.Itoa(i) + `}`})
		if err != nil {
			b.Fatal(err)
		}
		arns[i] = d.ARN
	}
	<-lambda.all
	var live runtime.MemStats
	runtime.ReadMemStats(&live)
	b.ReportMetric(float64(live.HeapAlloc)/1e6, "heap-MB")
	for _, arn := range arns {
		if d, err := s.Wait(b.Context(), arn); err != nil || d.Status != asl.Succeeded {
			b.Fatalf("%+v %v", d, err)
		}
	}
}

func createMachine(b *testing.B, s *states.Service, definition string) string {
	body, err := json.Marshal(map[string]any{"name": "m", "definition": definition, "roleArn": role})
	if err != nil {
		b.Fatal(err)
	}
	r := httptest.NewRequest(http.MethodPost, "/", bytes.NewReader(body))
	r.Header.Set("X-Amz-Target", "AWSStepFunctions.CreateStateMachine")
	w := httptest.NewRecorder()
	s.Handler().ServeHTTP(w, r)
	if w.Code != http.StatusOK {
		b.Fatal(w.Body)
	}
	return "arn:aws:states:us-east-1:111111111111:stateMachine:m"
}

// peakMemory is the largest resident memory of this process so far, in MB.
func peakMemory(b *testing.B) float64 {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		b.Fatal(err)
	}
	bytes := float64(usage.Maxrss)
	if runtime.GOOS == "linux" {
		bytes *= 1024 // kB there, bytes elsewhere
	}
	return bytes / 1e6
}
