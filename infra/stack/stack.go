// Package stack is Sluice on AWS, as CDK constructs: one stack per environment.
//
// Logical ids are fixed names ("Admit", "Store"), not CDK's hashes, so that
// `sam local invoke Admit`, the console and the local stack read well, and a
// rename is a visible decision.
package stack

import (
	"maps"
	"slices"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awskms"
	"github.com/aws/aws-cdk-go/awscdk/v2/awss3"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssns"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssqs"
	"github.com/aws/constructs-go/constructs/v10"
	"github.com/aws/jsii-runtime-go"

	"github.com/sluice-ml/sluice/shared/contract"
)

// Sluice is one environment's stack while it is being built.
type Sluice struct {
	stack       awscdk.Stack
	environment string
	settings    Settings

	lake, store awss3.Bucket
	alerts      awssns.Topic
	deadLetters awssqs.Queue
	signingKey  awskms.CfnKey
	training    training
	serving     *serving                      // nil: SageMaker serves every model
	own         map[string]contract.Images    // of models that bring their own images
	groups      map[string]map[string]*string // names of target groups by model and slot, of models that ECS serves
	vpc         *string
	subnets     *[]*string
	functions   map[string]*function
	machines    map[string]machine
}

// AppProps are the properties of an app that writes to the folder out. The
// resources say where their assets lie, which `sam local invoke` goes by; the CDK
// command asks for that too, `go run ./infra` must by itself.
func AppProps(out string) *awscdk.AppProps {
	return &awscdk.AppProps{
		Outdir: jsii.String(out), AnalyticsReporting: jsii.Bool(false),
		Context: &map[string]any{"aws:cdk:enable-asset-metadata": true},
	}
}

// New builds the stack of one environment.
func New(scope constructs.Construct, environment string, settings Settings) *Sluice {
	s := &Sluice{
		stack: awscdk.NewStack(scope, jsii.String("Sluice-"+environment), &awscdk.StackProps{
			Description: jsii.String("Sluice (" + environment + "): from a data upload to production traffic, gated"),
			Tags:        &map[string]*string{"sluice:environment": jsii.String(environment)},
		}),
		environment: environment,
		settings:    settings,
		groups:      map[string]map[string]*string{},
		functions:   map[string]*function{},
		machines:    map[string]machine{},
	}
	s.addStorage()
	s.addMessaging()
	s.addTraining()
	s.addServing()
	s.addFunctions()
	s.addMachines()
	s.addEvents()
	s.addAlarms()
	s.addOutputs()
	return s
}

// name prefixes a physical name with the environment's own prefix.
func (s *Sluice) name(name string) string { return "sluice-" + s.environment + "-" + name }

// arn is the ARN of a thing of ours that is named rather than referenced,
// where a reference would close a circle.
func (s *Sluice) arn(service, resource, name string, format awscdk.ArnFormat) *string {
	return s.stack.FormatArn(&awscdk.ArnComponents{
		Service: jsii.String(service), Resource: jsii.String(resource),
		ResourceName: jsii.String(name), ArnFormat: format,
	})
}

// fix gives a construct's CloudFormation resource a fixed logical id.
func fix(c constructs.IConstruct, id string) {
	element := c.Node().DefaultChild().(awscdk.CfnElement)
	element.OverrideLogicalId(jsii.String(id))
}

func (s *Sluice) addOutputs() {
	outputs := map[string]*string{
		"LakeBucket":  s.lake.BucketName(),
		"StoreBucket": s.store.BucketName(),
		"AlertsTopic": s.alerts.TopicArn(),
		"Lifecycle":   s.machines["Lifecycle"].arn,
	}
	if s.serving != nil {
		outputs["ServingURL"] = s.servingURL()
	}
	for _, id := range slices.Sorted(maps.Keys(outputs)) { // in one order, for the template's diffs
		output := awscdk.NewCfnOutput(s.stack, jsii.String(id+"Output"), &awscdk.CfnOutputProps{Value: outputs[id]})
		output.OverrideLogicalId(jsii.String(id + "Output"))
	}
}
