package stack

import (
	"encoding/json"

	"github.com/aws/aws-cdk-go/awscdk/v2/awsevents"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslambda"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslogs"
	"github.com/aws/aws-cdk-go/awscdk/v2/awss3"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsscheduler"
	"github.com/aws/jsii-runtime-go"
)

// addEvents connects what happens to what reacts.
func (s *Sluice) addEvents() {
	created := func(bucket awss3.Bucket, key map[string]any) map[string]any {
		return map[string]any{
			"source": []any{"aws.s3"}, "detail-type": []any{"Object Created"},
			"detail": map[string]any{
				"bucket": map[string]any{"name": []any{bucket.BucketName()}},
				"object": map[string]any{"key": []any{key}},
			},
		}
	}
	s.ruleToFunction("Uploads", "An upload under raw/ asks for a run", created(s.lake, map[string]any{"prefix": "raw/"}), "Admit")
	s.ruleToFunction("Configured", "A configuration may be what uploads wait for", created(s.store, map[string]any{"wildcard": "configs/*/train.yaml"}), "Admit")
	s.ruleToFunction("Labels", "Labels that arrive late are joined with what was served", created(s.lake, map[string]any{"prefix": "labels/"}), "Monitor")
	s.ruleToFunction("AlarmFired", "An alarm on a variant rolls its rollout back", map[string]any{
		"source": []any{"aws.cloudwatch"}, "detail-type": []any{"CloudWatch Alarm State Change"},
		"detail": map[string]any{
			"alarmName": []any{map[string]any{"prefix": "sluice-" + s.environment + "-"}},
			"state":     map[string]any{"value": []any{"ALARM"}},
		},
	}, "Rollback")
	s.ruleToFunction("RunEnded", "A run that ended is copied to trackers", map[string]any{
		"source": []any{"aws.states"}, "detail-type": []any{"Step Functions Execution Status Change"},
		"detail": map[string]any{
			"status":          []any{"SUCCEEDED", "FAILED", "TIMED_OUT", "ABORTED"},
			"stateMachineArn": []any{s.machines["Lifecycle"].arn},
		},
	}, "Track")
	s.rule("ExecutionFailed", "A failed execution is told to people", map[string]any{
		"source": []any{"aws.states"}, "detail-type": []any{"Step Functions Execution Status Change"},
		"detail": map[string]any{
			"status":          []any{"FAILED", "TIMED_OUT", "ABORTED"},
			"stateMachineArn": []any{s.machines["Lifecycle"].arn, s.machines["Rollout"].arn, s.machines["Monitoring"].arn},
		},
	}, s.alerts.TopicArn())
	s.addSchedules()
}

func (s *Sluice) ruleToFunction(id, does string, pattern map[string]any, function string) {
	f := s.functions[function]
	rule := s.rule(id, does, pattern, f.FunctionArn())
	awslambda.NewCfnPermission(s.stack, jsii.String(id+"Permission"), &awslambda.CfnPermissionProps{
		Action:       jsii.String("lambda:InvokeFunction"),
		FunctionName: f.FunctionArn(),
		Principal:    jsii.String("events.amazonaws.com"),
		SourceArn:    rule.AttrArn(),
	})
}

func (s *Sluice) rule(id, does string, pattern map[string]any, target *string) awsevents.CfnRule {
	return awsevents.NewCfnRule(s.stack, jsii.String(id), &awsevents.CfnRuleProps{
		Name:         jsii.String(s.name(kebab(id))),
		Description:  jsii.String(does),
		State:        jsii.String("ENABLED"),
		EventPattern: pattern,
		Targets: &[]any{&awsevents.CfnRule_TargetProperty{
			Id:               jsii.String("target"),
			Arn:              target,
			RetryPolicy:      &awsevents.CfnRule_RetryPolicyProperty{MaximumEventAgeInSeconds: jsii.Number(3600), MaximumRetryAttempts: jsii.Number(20)},
			DeadLetterConfig: &awsevents.CfnRule_DeadLetterConfigProperty{Arn: s.deadLetters.QueueArn()},
		}},
	})
}

// addSchedules asks for a run of every model daily at 02:00 UTC (admit starts
// none when nothing is new), watches served models and catches up with trackers every 15
// minutes.
func (s *Sluice) addSchedules() {
	role := awsiam.NewRole(s.stack, jsii.String("ScheduleRole"), &awsiam.RoleProps{
		AssumedBy: awsiam.NewServicePrincipal(jsii.String("scheduler.amazonaws.com"), nil),
	})
	fix(role, "ScheduleRole")
	s.grant(role,
		allow("lambda:InvokeFunction").on(*s.functions["Admit"].FunctionArn(), *s.functions["Track"].FunctionArn()),
		allow("states:StartExecution").on(*s.machines["Monitoring"].arn),
		allow("sqs:SendMessage").on(*s.deadLetters.QueueArn()),
	)
	for _, model := range s.settings.ModelNames() {
		s.schedule("Daily"+pascal(model), "daily-"+model, "cron(0 2 * * ? *)", s.functions["Admit"].FunctionArn(), role, map[string]any{
			"operation": "start", "model": model,
			"cause": map[string]any{"kind": "schedule", "id": "<aws.scheduler.scheduled-time>"},
		})
	}
	s.schedule("MonitorSchedule", "monitor", "rate(15 minutes)", s.machines["Monitoring"].arn, role, map[string]any{"models": s.settings.ModelNames()})
	s.schedule("TrackSchedule", "track", "rate(15 minutes)", s.functions["Track"].FunctionArn(), role, map[string]any{})
}

func (s *Sluice) schedule(id, name, expression string, target *string, role awsiam.Role, input any) {
	text, err := json.Marshal(input)
	if err != nil {
		panic(err) // only plain values are passed here
	}
	// The scheduler's context words stand in angle brackets, which Marshal escapes.
	text = unescapeAngles(text)
	awsscheduler.NewCfnSchedule(s.stack, jsii.String(id), &awsscheduler.CfnScheduleProps{
		Name:                       jsii.String(s.name(name)),
		ScheduleExpression:         jsii.String(expression),
		ScheduleExpressionTimezone: jsii.String("UTC"),
		State:                      jsii.String("ENABLED"),
		FlexibleTimeWindow:         &awsscheduler.CfnSchedule_FlexibleTimeWindowProperty{Mode: jsii.String("OFF")},
		Target: &awsscheduler.CfnSchedule_TargetProperty{
			Arn: target, RoleArn: role.RoleArn(), Input: jsii.String(string(text)),
			RetryPolicy:      &awsscheduler.CfnSchedule_RetryPolicyProperty{MaximumEventAgeInSeconds: jsii.Number(3600), MaximumRetryAttempts: jsii.Number(2)},
			DeadLetterConfig: &awsscheduler.CfnSchedule_DeadLetterConfigProperty{Arn: s.deadLetters.QueueArn()},
		},
	})
}

// retention is how long logs are kept.
func (s *Sluice) retention() awslogs.RetentionDays {
	switch s.settings.LogRetentionDays {
	case 7:
		return awslogs.RetentionDays_ONE_WEEK
	case 90:
		return awslogs.RetentionDays_THREE_MONTHS
	case 365:
		return awslogs.RetentionDays_ONE_YEAR
	}
	return awslogs.RetentionDays_ONE_MONTH
}
