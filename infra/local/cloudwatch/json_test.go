package cloudwatch

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// askJSON makes a request as the AWS CLI does.
func askJSON(t testing.TB, h http.Handler, operation, body string) (*httptest.ResponseRecorder, map[string]any) {
	t.Helper()
	r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(body))
	r.Header.Set("Content-Type", "application/x-amz-json-1.0")
	r.Header.Set("X-Amz-Target", "GraniteServiceVersion20100801."+operation)
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	var out map[string]any
	require.NoError(t, json.Unmarshal(w.Body.Bytes(), &out), w.Body)
	return w, out
}

func TestJSONProtocol(t *testing.T) {
	h := newBench(t).Handler()
	at := start.Add(-2 * time.Minute).Truncate(time.Minute).Unix()
	body, err := json.Marshal(map[string]any{"Namespace": "N", "MetricData": []any{
		map[string]any{"MetricName": "M", "Timestamp": at, "Value": 1, "Unit": nil},
		map[string]any{"MetricName": "M", "Timestamp": float64(at) + 0.5, "Value": 2.5}}})
	require.NoError(t, err)
	w, _ := askJSON(t, h, "PutMetricData", string(body))
	require.Equal(t, http.StatusOK, w.Code, w.Body)
	body, err = json.Marshal(map[string]any{"Namespace": "N", "MetricName": "M", "StartTime": at, "EndTime": at + 60, "Period": 60, "Statistics": []string{"Sum"}})
	require.NoError(t, err)
	w, out := askJSON(t, h, "GetMetricStatistics", string(body))
	require.Equal(t, "application/x-amz-json-1.0", w.Header().Get("Content-Type"))
	require.Equal(t, map[string]any{"Label": "M", "Datapoints": []any{map[string]any{"Timestamp": float64(at), "Sum": 3.5}}}, out)

	for _, c := range []struct{ operation, body, code, kind, why string }{
		{"GetDashboard", `{}`, "UnknownOperationException", "UnknownOperationException", `"GetDashboard"`},
		{"PutMetricData", `{"Namespace":`, "SerializationException", "SerializationException", "EOF"},
		{"PutMetricData", `{} x`, "SerializationException", "SerializationException", "follows"},
		{"PutMetricData", `{"Namespace": 1e999}`, "SerializationException", "SerializationException", "Namespace: the number 1e999 is too large"},
		{"PutMetricData", `{"Namspace": "N"}`, "InvalidParameterValueException", "InvalidParameterValue", "Namspace"},
		{"SetAlarmState", `{"AlarmName":"a","StateValue":"OK","StateReason":"r"}`, "ResourceNotFound", "ResourceNotFound", ""},
	} {
		w, out := askJSON(t, h, c.operation, c.body)
		require.GreaterOrEqual(t, w.Code, 400, c.body)
		require.Equal(t, c.code, out["__type"], c.body)
		require.Equal(t, c.kind+";Sender", w.Header().Get("X-Amzn-Query-Error"), c.body)
		require.Contains(t, out["message"], c.why)
	}
}

func FuzzJSONRequest(f *testing.F) {
	f.Add(`{"MetricDataQueries":[{"Id":"a","Expression":"1.5"}],"StartTime":1e9,"EndTime":1000000060}`)
	f.Add(`{"Namespace":null,"MetricData":[[[-0]]]}`)
	s := &Service{config: Config{Now: func() time.Time { return start }}, store: &store{now: func() time.Time { return start }, series: map[string]*series{}}}
	h := handler(map[string]cborOperation{"GetMetricData": op(s.getMetricData), "ListMetrics": op(s.listMetrics)})
	f.Fuzz(func(t *testing.T, body string) {
		for _, name := range []string{"GetMetricData", "ListMetrics"} {
			if w, _ := askJSON(t, h, name, body); w.Code >= 500 {
				t.Errorf("%s: %s", body, w.Body)
			}
		}
	})
}
