package stack

import (
	"fmt"
	"time"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awscloudwatch"
	"github.com/aws/jsii-runtime-go"

	"github.com/sluice-ml/sluice/shared/contract"
)

// addAlarms declares three alarms for each slot of each model's endpoint. They
// are the brake that works at any moment; the rollout's own analysis is finer.
func (s *Sluice) addAlarms() {
	for _, model := range s.settings.ModelNames() {
		brake := s.settings.Models[model]
		p99, err := time.ParseDuration(brake.LatencyP99)
		if err != nil {
			panic(err) // Settings.check has parsed it
		}
		for _, slot := range []string{contract.SlotBlue, contract.SlotGreen} {
			if brake.Backend == backendECS {
				s.balancerAlarms(model, slot, brake, p99)
				s.accuracyAlarm(model, slot, brake)
				continue
			}
			s.alarm(model, slot, "errors", fmt.Sprintf("More than %g %% of the answers are 5xx", 100*brake.ErrorRate),
				">", brake.ErrorRate, 2, 1,
				s.metric("failed", "AWS/SageMaker", "Invocation5XXErrors", model, slot, "Sum", false),
				s.metric("asked", "AWS/SageMaker", "Invocations", model, slot, "Sum", false),
				// One failure among a few requests is no evidence.
				expression("rate", "IF(asked >= 20, failed / asked, 0)", "share of 5xx answers"),
			)
			// SageMaker measures in microseconds.
			s.alarm(model, slot, "latency", "The 99th percentile of the model's latency is over "+brake.LatencyP99,
				">", float64(p99.Microseconds()), 3, 2,
				s.metric("p99", "AWS/SageMaker", "ModelLatency", model, slot, "p99", true),
			)
			s.accuracyAlarm(model, slot, brake)
		}
	}
}

// accuracyAlarm is the same whoever serves: the monitor publishes the metric.
func (s *Sluice) accuracyAlarm(model, slot string, brake Brake) {
	if brake.Accuracy > 0 {
		s.alarm(model, slot, "accuracy", fmt.Sprintf("Labelled answers are right in fewer than %g %%", 100*brake.Accuracy),
			"<", brake.Accuracy, 3, 3,
			s.metric("accuracy", contract.MetricNamespace, "Accuracy", model, slot, "Average", true))
	}
}

// balancerAlarms are a slot's where a load balancer measures it: by whole periods,
// in seconds, with refused connections as errors too.
func (s *Sluice) balancerAlarms(model, slot string, brake Brake, p99 time.Duration) {
	metric := func(id, name, statistic string, returned bool) any {
		return s.metricOf(id, "AWS/ApplicationELB", name, statistic, s.settings.BalancerPeriodSeconds, returned,
			"TargetGroup", s.groups[model][slot], "LoadBalancer", awscdk.Token_AsString(s.serving.balancer.GetAtt(jsii.String("LoadBalancerFullName"), awscdk.ResolutionTypeHint_STRING), nil))
	}
	s.alarm(model, slot, "errors", fmt.Sprintf("More than %g %% of the answers are 5xx", 100*brake.ErrorRate), ">", brake.ErrorRate, 2, 1,
		metric("failed", contract.MetricTarget5XX, "Sum", false), metric("refused", contract.MetricRefused, "Sum", false),
		metric("asked", contract.MetricRequests, "Sum", false),
		// One failure among a few requests is no evidence; and what did not happen
		// is not published.
		expression("rate", "IF(asked >= 20, (FILL(failed, 0) + FILL(refused, 0)) / asked, 0)", "share of failed requests"))
	s.alarm(model, slot, "latency", "The 99th percentile of the model's latency is over "+brake.LatencyP99, ">", p99.Seconds(), 3, 2,
		metric("p99", contract.MetricResponseTime, "p99", true))
	// Requests that no target could take are the load balancer's errors, not the
	// group's, so the alarm on errors does not see them. A slot without tasks has
	// neither; one that joins has three periods to get healthy.
	s.alarm(model, slot, "health", "No task of the slot passes its health check", ">", 0, 3, 3,
		metric("healthy", contract.MetricHealthy, "Maximum", false), metric("unhealthy", contract.MetricUnhealthy, "Minimum", false),
		expression("dead", "IF(unhealthy > 0 AND healthy < 1, 1, 0)", "1 when only unhealthy tasks are left"))
}

// alarm fires when breaching of the last periods breach. Missing data is
// "missing": a slot without traffic is unknown, neither good nor bad.
func (s *Sluice) alarm(model, slot, measure, does, comparison string, limit float64, periods, breaching int, metrics ...any) {
	operator := map[string]string{">": "GreaterThanThreshold", "<": "LessThanThreshold"}[comparison]
	awscloudwatch.NewCfnAlarm(s.stack, jsii.String("Alarm"+pascal(model)+pascal(slot)+pascal(measure)), &awscloudwatch.CfnAlarmProps{
		AlarmName:          jsii.String(contract.AlarmName(s.environment, model, slot, measure)),
		AlarmDescription:   jsii.String(does + " (" + model + ", " + slot + ")"),
		ActionsEnabled:     jsii.Bool(true),
		AlarmActions:       &[]any{s.alerts.TopicArn()},
		ComparisonOperator: jsii.String(operator),
		Threshold:          jsii.Number(limit),
		EvaluationPeriods:  jsii.Number(periods),
		DatapointsToAlarm:  jsii.Number(breaching),
		TreatMissingData:   jsii.String("missing"),
		Metrics:            &metrics,
	})
}

func (s *Sluice) metric(id, namespace, name, model, slot, statistic string, returned bool) any {
	return s.metricOf(id, namespace, name, statistic, s.settings.MetricPeriodSeconds, returned,
		"EndpointName", jsii.String(contract.EndpointName(s.environment, model)), "VariantName", jsii.String(slot))
}

// metricOf is a metric with two dimensions.
func (s *Sluice) metricOf(id, namespace, name, statistic string, period int, returned bool, one string, oneIs *string, two string, twoIs *string) any {
	dimension := func(name string, value *string) any {
		return &awscloudwatch.CfnAlarm_DimensionProperty{Name: jsii.String(name), Value: value}
	}
	return &awscloudwatch.CfnAlarm_MetricDataQueryProperty{
		Id: jsii.String(id),
		MetricStat: &awscloudwatch.CfnAlarm_MetricStatProperty{
			Metric: &awscloudwatch.CfnAlarm_MetricProperty{
				Namespace: jsii.String(namespace), MetricName: jsii.String(name),
				Dimensions: &[]any{dimension(one, oneIs), dimension(two, twoIs)},
			},
			Period: jsii.Number(period),
			Stat:   jsii.String(statistic),
		},
		ReturnData: jsii.Bool(returned),
	}
}

func expression(id, formula, label string) any {
	return &awscloudwatch.CfnAlarm_MetricDataQueryProperty{
		Id: jsii.String(id), Expression: jsii.String(formula), Label: jsii.String(label), ReturnData: jsii.Bool(true),
	}
}
