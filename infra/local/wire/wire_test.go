package wire_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/sluice-ml/sluice/infra/local/wire"
)

// TestRefusals: what is not served is refused by name, with the nearest.
func TestRefusals(t *testing.T) {
	type input struct {
		JobName string `json:"jobName"`
		Inner   struct{ Queue string }
	}
	handler := wire.JSON("Test", map[string]wire.Operation{
		"SubmitJob": wire.Op(func(_ context.Context, in input) (input, error) { return in, nil }),
		"ListJobs":  wire.Op(func(context.Context, struct{}) (any, error) { return nil, nil }),
	})
	for _, c := range []struct {
		target, body string
		status       int
		want         string
	}{
		{"T.SubmitJob", `{"jobName":"x"}`, 200, `{"jobName":"x","Inner":{"Queue":""}}`},
		{"T.ListJobs", ``, 200, `{}`},
		{"T.SubmitJobs", `{}`, 400, `the local stack's Test does not serve operation \"SubmitJobs\"; the nearest operation here is SubmitJob`},
		{"", `{}`, 400, `"UnknownOperationException"`},
		{"T.SubmitJob", `{"jobNam":"x"}`, 400, `unknown field \"jobNam\"; the nearest member here is jobName`},
		{"T.SubmitJob", `{"Inner":{"Queues":"x"}}`, 400, `unknown field \"Queues\"; the nearest member here is Queue`},
		{"T.SubmitJob", `{"jobName":1}`, 400, "cannot unmarshal number"},
		{"T.SubmitJob", `{`, 400, "ValidationException"},
	} {
		r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(c.body))
		r.Header.Set("X-Amz-Target", c.target)
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		if w.Code != c.status || !strings.Contains(w.Body.String(), c.want) {
			t.Errorf("%s %s: %d %s, want %d %s", c.target, c.body, w.Code, w.Body, c.status, c.want)
		}
	}
}
