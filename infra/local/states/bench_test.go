package states_test

import (
	"bytes"
	"net/http/httptest"
	"testing"

	"github.com/sluice-ml/sluice/infra/local/states"
)

// BenchmarkTransitions is the engine's loop with the journal of events under
// it. Its states never halt, so that there is no checkpoint.
func BenchmarkTransitions(b *testing.B) {
	s, err := states.Open(states.Options{Dir: b.TempDir(), Region: "us-east-1", Account: "111111111111"})
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	const turns = 5000
	definition := jsonata(`"A":{"Type":"Pass","Assign":{"n":0},"Next":"B"},"B":{"Type":"Pass","Assign":{"n":"{% $n + 1 %}"},"Next":"C"},
		"C":{"Type":"Choice","Choices":[{"Condition":"{% $n >= 5000 %}","Next":"D"}],"Default":"B"},"D":{"Type":"Succeed"}`)
	machine := createMachine(b, s, definition)
	runs := 0
	for b.Loop() {
		d, err := s.Start(b.Context(), states.StartRequest{MachineARN: machine})
		if err != nil {
			b.Fatal(err)
		}
		if d, err = s.Wait(b.Context(), d.ARN); err != nil || d.Error != "" {
			b.Fatalf("%+v %v", d, err)
		}
		runs++
	}
	b.ReportMetric(float64(runs*2*turns)/b.Elapsed().Seconds(), "transitions/s")
}

func post(s *states.Service, operation string, body []byte) {
	r := httptest.NewRequest("POST", "/", bytes.NewReader(body))
	r.Header.Set("X-Amz-Target", "AWSStepFunctions."+operation)
	s.Handler().ServeHTTP(httptest.NewRecorder(), r)
}
