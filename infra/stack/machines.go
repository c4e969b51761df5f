package stack

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslogs"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsstepfunctions"
	"github.com/aws/jsii-runtime-go"
)

// definitions is where the state machines are, from the repository's top.
const definitions = "statemachines"

// machine is a deployed state machine.
type machine struct {
	awsstepfunctions.CfnStateMachine
	arn *string
}

func (s *Sluice) lifecycleARN() *string { return s.machineARN("lifecycle") }

// machineARN is by name: functions and machines refer to each other in circles.
func (s *Sluice) machineARN(name string) *string {
	return s.arn("states", "stateMachine", s.name(name), awscdk.ArnFormat_COLON_RESOURCE_NAME)
}

func (s *Sluice) addMachines() {
	executions := func(name string) string {
		return *s.arn("states", "execution", s.name(name)+":*", awscdk.ArnFormat_COLON_RESOURCE_NAME)
	}
	startsAndWaits := func(name string) []statement {
		return []statement{
			allow("states:StartExecution").on(*s.machineARN(name)),
			allow("states:DescribeExecution", "states:StopExecution").on(executions(name)),
			allow("events:PutTargets", "events:PutRule", "events:DescribeRule").on(*s.arn("events", "rule", "StepFunctionsGetEventsForStepFunctionsExecutionRule", awscdk.ArnFormat_SLASH_RESOURCE_NAME)),
		}
	}
	s.machines["Rollout"] = s.addMachine("Rollout", "rollout", startsAndWaits("rollout")...)
	s.machines["Lifecycle"] = s.addMachine("Lifecycle", "lifecycle", append(startsAndWaits("rollout"),
		allow("batch:SubmitJob").on(append([]string{*s.training.queue.AttrJobQueueArn(), *s.training.trainer.Ref(), *s.training.evaluator.Ref()}, s.training.ownJobs...)...),
		allow("batch:DescribeJobs", "batch:TerminateJob").on("*"),
		allow("events:PutTargets", "events:PutRule", "events:DescribeRule").on(*s.arn("events", "rule", "StepFunctionsGetEventsForBatchJobsRule", awscdk.ArnFormat_SLASH_RESOURCE_NAME)),
	)...)
	s.machines["Monitoring"] = s.addMachine("Monitoring", "monitor")
}

// addMachine makes a state machine from statemachines/<name>.asl.json.
// Placeholders ${XArn} stand for the function X and a few other things; one
// that names nothing is an error here, not a surprise in the account.
func (s *Sluice) addMachine(id, name string, grants ...statement) machine {
	path := filepath.Join(definitions, name+".asl.json")
	text, err := os.ReadFile(path)
	if err != nil {
		panic(fmt.Sprintf("read the state machine: %v (run from the repository's top folder)", err))
	}
	role := awsiam.NewRole(s.stack, jsii.String(id+"Role"), &awsiam.RoleProps{
		AssumedBy: awsiam.NewServicePrincipal(jsii.String("states.amazonaws.com"), nil),
	})
	fix(role, id+"Role")
	substitutions, invoked := s.substitutions(path, string(text))
	if len(invoked) > 0 {
		grants = append(grants, allow("lambda:InvokeFunction").on(invoked...))
	}
	s.grant(role, append(grants,
		allow("sns:Publish").on(*s.alerts.TopicArn()),
		allow("logs:CreateLogDelivery", "logs:GetLogDelivery", "logs:UpdateLogDelivery", "logs:DeleteLogDelivery", "logs:ListLogDeliveries", "logs:PutResourcePolicy", "logs:DescribeResourcePolicies", "logs:DescribeLogGroups").on("*"),
		allow("xray:PutTraceSegments", "xray:PutTelemetryRecords", "xray:GetSamplingRules", "xray:GetSamplingTargets").on("*"),
	)...)
	logs := awslogs.NewLogGroup(s.stack, jsii.String(id+"MachineLogs"), &awslogs.LogGroupProps{
		LogGroupName:  jsii.String("/aws/vendedlogs/states/" + s.name(name)),
		Retention:     s.retention(),
		RemovalPolicy: awscdk.RemovalPolicy_DESTROY,
	})
	fix(logs, id+"MachineLogs")
	made := awsstepfunctions.NewCfnStateMachine(s.stack, jsii.String(id), &awsstepfunctions.CfnStateMachineProps{
		StateMachineName:        jsii.String(s.name(name)),
		StateMachineType:        jsii.String("STANDARD"),
		RoleArn:                 role.RoleArn(),
		DefinitionString:        jsii.String(string(text)),
		DefinitionSubstitutions: substitutions,
		LoggingConfiguration: &awsstepfunctions.CfnStateMachine_LoggingConfigurationProperty{
			Level:                jsii.String("ERROR"),
			IncludeExecutionData: jsii.Bool(true),
			Destinations: &[]any{&awsstepfunctions.CfnStateMachine_LogDestinationProperty{
				CloudWatchLogsLogGroup: &awsstepfunctions.CfnStateMachine_CloudWatchLogsLogGroupProperty{LogGroupArn: logs.LogGroupArn()},
			}},
		},
		TracingConfiguration: &awsstepfunctions.CfnStateMachine_TracingConfigurationProperty{Enabled: jsii.Bool(true)},
	})
	// The permissions must be there before the service checks them.
	made.Node().AddDependency(role)
	if strings.Contains(string(text), `"TimeoutSeconds": "{%`) {
		// cfn-lint's schema does not know that a time-out may be a JSONata
		// expression; the definition is checked by infra/local/asl.
		made.AddMetadata(jsii.String("cfn-lint"), map[string]any{"config": map[string]any{"ignore_checks": []string{"E3601"}}})
	}
	return machine{made, made.AttrArn()}
}

// substitutions finds what each placeholder of a definition stands for, and
// the functions that the machine invokes.
func (s *Sluice) substitutions(path, text string) (values map[string]*string, invoked []string) {
	known := map[string]*string{
		"TopicArn":        s.alerts.TopicArn(),
		"QueueArn":        s.training.queue.AttrJobQueueArn(),
		"TrainerJobArn":   s.training.trainer.Ref(),
		"EvaluatorJobArn": s.training.evaluator.Ref(),
		"RolloutArn":      s.machineARN("rollout"),
		"Environment":     jsii.String(s.environment),
	}
	values = map[string]*string{}
	for _, name := range placeholders(text) {
		if f, ok := s.functions[strings.TrimSuffix(name, "Arn")]; ok {
			values[name] = f.FunctionArn()
			invoked = append(invoked, *f.FunctionArn())
			continue
		}
		value, ok := known[name]
		if !ok {
			panic(fmt.Sprintf("%s: ${%s} stands for nothing in the stack", path, name))
		}
		values[name] = value
	}
	return values, invoked
}

// placeholders lists the ${Name} of a definition, each once, in order.
func placeholders(text string) []string {
	names := []string{}
	seen := map[string]bool{}
	for {
		_, rest, found := strings.Cut(text, "${")
		name, after, closed := strings.Cut(rest, "}")
		if !found || !closed {
			return names
		}
		if !seen[name] {
			seen[name] = true
			names = append(names, name)
		}
		text = after
	}
}
