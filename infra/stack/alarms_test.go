package stack

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sluice-ml/sluice/shared/contract"
)

// alarmProperties are what an alarm of the template says.
type alarmProperties struct {
	AlarmName         string
	AlarmActions      []any
	ActionsEnabled    bool
	TreatMissingData  string
	EvaluationPeriods int
	DatapointsToAlarm int
	Metrics           []struct {
		ID         string `json:"Id"`
		Expression string
		ReturnData bool
		MetricStat *struct {
			Period int
			Metric struct {
				Namespace  string
				MetricName string
				Dimensions []struct {
					Name  string
					Value any
				}
			}
		}
	}
}

// Every slot of every model has an alarm for each way of failing that a rollout
// judges, under the names that the rollback function reads and the rule lets
// through, on the slot's own metrics: slots are what alarms follow, because they
// stay when versions come and go.
func TestEverySlotHasTheAlarmsThatRollBack(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("testdata", "Sluice-staging-ecs.template.json"))
	require.NoError(t, err)
	var template struct {
		Resources map[string]struct {
			Type       string
			Properties json.RawMessage
		}
	}
	require.NoError(t, json.Unmarshal(text, &template))
	var rule struct {
		State        string
		EventPattern struct {
			Source []string `json:"source"`
			Detail struct {
				AlarmName []map[string]string      `json:"alarmName"`
				State     struct{ Value []string } `json:"state"`
			} `json:"detail"`
		}
	}
	require.NoError(t, json.Unmarshal(template.Resources["AlarmFired"].Properties, &rule))
	require.Equal(t, "ENABLED", rule.State)
	require.Equal(t, []string{"ALARM"}, rule.EventPattern.Detail.State.Value)

	found := map[string]bool{}
	for id, r := range template.Resources {
		if r.Type != "AWS::CloudWatch::Alarm" {
			continue
		}
		var a alarmProperties
		require.NoError(t, json.Unmarshal(r.Properties, &a))
		environment, model, slot, measure, ok := contract.ParseAlarmName(a.AlarmName)
		require.True(t, ok, "%s: the rollback function does not know whose alarm %s is", id, a.AlarmName)
		require.Equal(t, "staging", environment)
		require.True(t, strings.HasPrefix(a.AlarmName, rule.EventPattern.Detail.AlarmName[0]["prefix"]), id)
		require.True(t, a.ActionsEnabled, id)
		require.Equal(t, "missing", a.TreatMissingData, "%s: a slot without traffic is neither good nor bad", id)
		require.LessOrEqual(t, a.DatapointsToAlarm, a.EvaluationPeriods, id)
		checkAlarmMetrics(t, id, model, slot, a)
		found[model+" "+slot+" "+measure] = true
	}
	var want []string
	for _, model := range []string{"adult-income", "churn"} {
		for _, slot := range []string{contract.SlotBlue, contract.SlotGreen} {
			for _, measure := range []string{"errors", "latency", "accuracy"} {
				want = append(want, model+" "+slot+" "+measure)
			}
			if model == "churn" { // SageMaker's invocations fail with the variant's own 5xx when nothing serves
				want = append(want, model+" "+slot+" health")
			}
		}
	}
	require.Equal(t, slices.Sorted(slices.Values(want)), slices.Sorted(maps.Keys(found)))
}

// checkAlarmMetrics wants every metric to be the slot's, and one answer.
func checkAlarmMetrics(t *testing.T, id, model, slot string, a alarmProperties) {
	t.Helper()
	returned := 0
	for _, m := range a.Metrics {
		if m.ReturnData {
			returned++
		}
		if m.MetricStat == nil {
			require.NotEmpty(t, m.Expression, id)
			continue
		}
		require.Equal(t, 60, m.MetricStat.Period, "%s: what every account's metrics come in", id)
		of := map[string]any{}
		for _, d := range m.MetricStat.Metric.Dimensions {
			of[d.Name] = d.Value
		}
		if m.MetricStat.Metric.Namespace == "AWS/ApplicationELB" {
			group, err := json.Marshal(of["TargetGroup"])
			require.NoError(t, err)
			require.Contains(t, string(group), "Group"+pascal(model)+pascal(slot), id)
			require.Contains(t, of, "LoadBalancer", id)
			continue
		}
		require.Equal(t, map[string]any{"EndpointName": contract.EndpointName("staging", model), "VariantName": slot}, of, id)
	}
	require.Equal(t, 1, returned, "%s: an alarm watches one series", id)
}
