package states_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/sluice-ml/sluice/infra/local/states"
)

const role = "arn:aws:iam::111111111111:role/role"

// open opens a service that is closed when the test ends.
func open(t *testing.T, o states.Options) *states.Service {
	t.Helper()
	o.Region, o.Account = "us-east-1", "111111111111" // as in the recordings
	s, err := states.Open(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// call calls the API and decodes its answer; the status is checked.
func call(t *testing.T, s *states.Service, operation string, in any, status int) map[string]any {
	t.Helper()
	body, err := json.Marshal(in)
	if err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequest(http.MethodPost, "/", bytes.NewReader(body))
	r.Header.Set("X-Amz-Target", "AWSStepFunctions."+operation)
	r.Header.Set("Content-Type", "application/x-amz-json-1.0")
	w := httptest.NewRecorder()
	s.Handler().ServeHTTP(w, r)
	if w.Code != status {
		t.Fatalf("%s: status %d, want %d: %s", operation, w.Code, status, w.Body)
	}
	var out map[string]any
	if err := json.Unmarshal(w.Body.Bytes(), &out); err != nil {
		t.Fatalf("%s: %v: %s", operation, err, w.Body)
	}
	return out
}

// create makes a state machine and gives its ARN.
func create(t *testing.T, s *states.Service, name, definition string) string {
	t.Helper()
	out := call(t, s, "CreateStateMachine", map[string]any{"name": name, "definition": definition, "roleArn": role}, http.StatusOK)
	return out["stateMachineArn"].(string)
}
