package stack

import (
	"path/filepath"
	"strconv"
	"strings"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslambda"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslogs"
	"github.com/aws/jsii-runtime-go"

	"github.com/sluice-ml/sluice/shared/contract"
)

// function is a deployed Lambda and the role it runs as.
type function struct {
	awslambda.Function
	role awsiam.Role
}

// spec says what a function is: its construct id, its folder under functions/,
// and how much of the machine and the account it may use.
type spec struct {
	id, folder, does string
	seconds          float64
	memoryMB         float64
	environment      map[string]*string
	grants           []statement
	inside           bool // the network of the models that ECS serves
}

func (s *Sluice) addFunctions() {
	s.addEndpointRole()
	for _, f := range s.specs() {
		s.functions[f.id] = s.addFunction(f)
	}
}

// specs is the list of all Lambdas, in the order of an upload's path.
func (s *Sluice) specs() []spec {
	endpoint := map[string]*string{
		contract.EnvInstanceType:  jsii.String(s.settings.EndpointInstanceType),
		contract.EnvInstanceCount: jsii.String(strconv.Itoa(s.settings.EndpointInstanceCount)),
		contract.EnvServerImage:   s.training.serverImage.ImageUri(),
		contract.EnvKeyID:         s.signingKey.AttrArn(),
		contract.EnvTopicARN:      s.alerts.TopicArn(),
	}
	// IAM is not regional, so its ARNs name no region.
	endpoint[contract.EnvEndpointRole] = awscdk.Fn_Join(jsii.String(""), &[]*string{
		jsii.String("arn:"), s.stack.Partition(), jsii.String(":iam::"), s.stack.Account(), jsii.String(":role/" + s.name("endpoint")),
	})
	if s.settings.PrometheusURL != "" {
		endpoint[contract.EnvPrometheusURL] = jsii.String(s.settings.PrometheusURL)
	}
	verify := allow("kms:Verify", "kms:GetPublicKey").on(*s.signingKey.AttrArn())
	shifts := []statement{
		s.reads("runs", "configs", "models", "rollouts", "datasets"), s.writes("rollouts"), s.lists(s.store), verify,
		allow("sns:Publish").on(*s.alerts.TopicArn()),
		allow("s3:GetObject", "s3:GetObjectVersion").on(s.in(s.lake, "raw/*")), // the row of the smoke test
		allow("states:SendTaskSuccess").on(*s.machineARN("rollout")),           // wakes the execution that waits for the end of a bake
		allow("sagemaker:DescribeEndpoint", "sagemaker:UpdateEndpoint", "sagemaker:UpdateEndpointWeightsAndCapacities", "sagemaker:CreateEndpoint", "sagemaker:DeleteEndpoint", "sagemaker:InvokeEndpoint",
			"sagemaker:CreateEndpointConfig", "sagemaker:DescribeEndpointConfig", "sagemaker:DeleteEndpointConfig",
			"sagemaker:CreateModel", "sagemaker:DescribeModel", "sagemaker:DeleteModel").on(s.endpoints("endpoint", "endpoint-config", "model")...),
		allow("iam:PassRole").on(*endpoint[contract.EnvEndpointRole]).when(map[string]any{"StringEquals": map[string]any{"iam:PassedToService": "sagemaker.amazonaws.com"}}),
	}
	looks := append([]statement{}, shifts[:6]...)
	if s.serving != nil {
		endpoint[contract.EnvECS] = s.servingEnvironment()
		shifts = append(shifts, s.movesServing()...)
		looks = append(looks, s.looksAtServing()...)
	}
	images := map[string]*string{
		contract.EnvModels:       jsii.String(strings.Join(s.settings.ModelNames(), ",")),
		contract.EnvTrainerImage: s.training.trainerImage.ImageUri(),
		contract.EnvServerImage:  s.training.serverImage.ImageUri(),
	}
	if own := s.ownEnvironment(); own != nil {
		images[contract.EnvImages] = own
	}
	// The functions that a dataset's hooks may name: sluice data hooks set.
	hooks := allow("lambda:InvokeFunction").on(*s.arn("lambda", "function", s.name("hook-*"), awscdk.ArnFormat_COLON_RESOURCE_NAME))
	lifecycle := s.lifecycleARN()
	specs := []spec{
		{id: "Admit", folder: "admit", does: "Turns uploads, schedules, drift and requests into one run at a time per model", seconds: 300, memoryMB: 1024, // a request may have 10⁵ objects
			environment: map[string]*string{contract.EnvLifecycleARN: lifecycle, contract.EnvQuietPeriod: jsii.String(strconv.Itoa(s.settings.QuietSeconds))},
			grants: []statement{
				s.reads("intake", "runs", "configs"), s.writes("intake", "runs"), s.lists(s.store), s.lists(s.lake),
				allow("s3:DeleteObjectVersion").on(s.in(s.store, "intake/*/inbox/*")), // what a run took
				allow("s3:GetObject", "s3:GetObjectVersion").on(s.in(s.lake, "raw/*")),
				allow("states:StartExecution").on(*lifecycle),
				allow("states:DescribeExecution").on(*s.arn("states", "execution", s.name("lifecycle")+":*", awscdk.ArnFormat_COLON_RESOURCE_NAME)),
			}},
		{id: "Plan", folder: "plan", does: "Resolves what a run will do: configuration, images, seed, champion", seconds: 60, memoryMB: 256, environment: images,
			grants: []statement{s.reads("configs", "runs", "models", "datasets"), s.writes("runs"), s.lists(s.store)}},
		{id: "Ingest", folder: "ingest", does: "Commits exactly the object versions that were seen, and seals the plan", seconds: 300, memoryMB: 1024,
			grants: []statement{
				s.reads("configs", "runs", "datasets"), s.writes("runs", "datasets"), s.lists(s.store), s.lists(s.lake),
				allow("s3:GetObject", "s3:GetObjectVersion", "s3:GetObjectAttributes", "s3:GetObjectVersionAttributes").on(s.in(s.lake, "raw/*")),
				allow("s3:GetLifecycleConfiguration", "s3:GetBucketVersioning").on(*s.lake.BucketArn()), // would a rule delete what is pinned?
				hooks,
			}},
		{id: "Profile", folder: "profile", does: "Profiles a part of the commit's objects", seconds: 300, memoryMB: 2048,
			grants: []statement{
				s.reads("configs", "runs", "datasets"), s.writes("runs", "datasets"), s.lists(s.store),
				allow("s3:GetObject", "s3:GetObjectVersion").on(s.in(s.lake, "raw/*")),
			}},
		{id: "Validate", folder: "validate", does: "Judges the data; on pass the dataset's main branch moves", seconds: 600, memoryMB: 1024, // a commit may have 10⁵ objects
			grants: []statement{s.reads("configs", "runs", "datasets"), s.writes("runs", "datasets"), s.lists(s.store), hooks,
				allow("s3:GetObject", "s3:GetObjectVersion").on(s.in(s.lake, "raw/*"))}}, // the data-quality gate as a hook
	}
	for _, gate := range gates {
		specs = append(specs, spec{id: "Gate" + gate.id, folder: "gates/" + gate.folder, does: "Judges " + gate.does, seconds: 300, memoryMB: 2048,
			grants: []statement{s.reads("configs", "runs", "models"), s.writes("runs"), s.lists(s.store)}})
	}
	if s.serving != nil {
		specs = append(specs, s.probeSpec())
	}
	key := map[string]*string{contract.EnvKeyID: s.signingKey.AttrArn()}
	deciding := map[string]*string{contract.EnvKeyID: s.signingKey.AttrArn(), contract.EnvTopicARN: s.alerts.TopicArn()}
	return append(specs,
		spec{id: "Decide", folder: "decide", does: "Binds plan, model and verdicts into a signed decision", seconds: 60, memoryMB: 512, environment: deciding,
			grants: []statement{s.reads("configs", "runs", "models", "rollouts"), s.writes("runs"), s.lists(s.store), allow("kms:Sign", "kms:Verify", "kms:GetPublicKey").on(*s.signingKey.AttrArn()),
				allow("sns:Publish").on(*s.alerts.TopicArn())}}, // that a candidate is in quarantine
		spec{id: "Register", folder: "register", does: "Gives a decided model its version number", seconds: 60, memoryMB: 512, environment: key,
			grants: []statement{s.reads("runs", "models"), s.writes("models", "runs"), s.lists(s.store), verify}},
		spec{id: "Shift", folder: "shift", does: "Prepares the candidate and moves traffic to it, step by step", seconds: 120, memoryMB: 256, environment: endpoint, grants: shifts},
		spec{id: "Analyze", folder: "analyze", does: "Compares candidate and champion after each bake", seconds: 60, memoryMB: 512, environment: endpoint,
			grants: append([]statement{s.reads("capture", "monitor"), allow("cloudwatch:GetMetricData", "cloudwatch:DescribeAlarms").on("*"), allow("sagemaker:DescribeEndpoint", "sagemaker:DescribeEndpointConfig").on(s.endpoints("endpoint", "endpoint-config")...)}, looks...)},
		spec{id: "Promote", folder: "promote", does: "Makes the candidate the champion and retires the old one; observes provisional promotions", seconds: 300, memoryMB: 256, environment: endpoint,
			grants: append([]statement{s.reads("capture", "monitor"), s.writes("models"), allow("cloudwatch:GetMetricData", "cloudwatch:DescribeAlarms").on("*")}, shifts...)},
		spec{id: "Rollback", folder: "rollback", does: "Puts the champion back at 100 % and verifies it", seconds: 300, memoryMB: 256, environment: endpoint,
			grants: append([]statement{s.writes("models")}, shifts...)},
		spec{id: "Monitor", folder: "monitor", does: "Joins captured predictions with late labels; watches drift", seconds: 300, memoryMB: 1024,
			environment: map[string]*string{"SLUICE_ADMIT_FUNCTION": jsii.String(s.name("admit"))},
			grants: []statement{
				s.reads("capture", "configs", "runs", "models", "monitor", "rollouts", "datasets"), s.writes("monitor"), s.lists(s.store), s.lists(s.lake),
				allow("s3:GetObject", "s3:GetObjectVersion").on(s.in(s.lake, "labels/*")),
				allow("cloudwatch:PutMetricData").on("*").when(map[string]any{"StringEquals": map[string]any{"cloudwatch:namespace": contract.MetricNamespace}}),
				allow("lambda:InvokeFunction").on(*s.arn("lambda", "function", s.name("admit"), awscdk.ArnFormat_COLON_RESOURCE_NAME)),
				allow("sagemaker:DescribeEndpoint").on(s.endpoints("endpoint")...),
			}},
		s.trackSpec(),
	)
}

// trackSpec is the function that copies our records to trackers.
func (s *Sluice) trackSpec() spec {
	f := spec{id: "Track", folder: "track", does: "Copies what became of runs, versions and champions to model registries and trackers", seconds: 300, memoryMB: 256,
		grants: []statement{
			s.reads("configs", "runs", "models", "tracking"), s.writes("tracking"), s.lists(s.store),
			allow("sagemaker:CreateModelPackageGroup", "sagemaker:CreateModelPackage", "sagemaker:DescribeModelPackage", "sagemaker:ListModelPackages", "sagemaker:UpdateModelPackage").
				on(s.endpoints("model-package-group", "model-package")...),
			allow("ecr:BatchGetImage", "ecr:DescribeImages").on(*s.training.serverImage.Repository().RepositoryArn()), // SageMaker looks at a package's image as its maker
		}}
	if s.settings.MLflowURI != "" {
		f.environment = map[string]*string{contract.EnvMLflowURI: jsii.String(s.settings.MLflowURI)}
	}
	return f
}

// gate names a gate's construct id, folder and what it judges.
type gate struct{ id, folder, does string }

var gates = [...]gate{
	{"Performance", "performance", "the model's metrics against their thresholds"},
	{"Fairness", "fairness", "how the model treats groups of people"},
	{"Robustness", "robustness", "how much noise the model stands"},
	{"DataQuality", "dataquality", "the data the model learned from"},
	{"Champion", "champion", "the model against the one that serves, on the same rows"},
	{"Latency", "latency", "how fast the model answers"},
}

func (s *Sluice) addFunction(f spec) *function {
	logs := awslogs.NewLogGroup(s.stack, jsii.String(f.id+"Logs"), &awslogs.LogGroupProps{
		LogGroupName:  jsii.String("/aws/lambda/" + s.functionName(f)),
		Retention:     s.retention(),
		RemovalPolicy: awscdk.RemovalPolicy_DESTROY,
	})
	fix(logs, f.id+"Logs")
	role := awsiam.NewRole(s.stack, jsii.String(f.id+"Role"), &awsiam.RoleProps{
		AssumedBy:   awsiam.NewServicePrincipal(jsii.String("lambda.amazonaws.com"), nil),
		Description: jsii.String("Sluice " + f.folder + ": " + f.does),
	})
	fix(role, f.id+"Role")
	environment := map[string]*string{
		contract.EnvEnvironment:  jsii.String(s.environment),
		contract.EnvLake:         s.lake.BucketName(),
		contract.EnvStore:        s.store.BucketName(),
		contract.EnvMetricPeriod: jsii.String(strconv.Itoa(s.settings.MetricPeriodSeconds)),
	}
	for name, value := range f.environment {
		environment[name] = value
	}
	architecture := awslambda.Architecture_X86_64()
	if s.settings.Architecture == "arm64" {
		architecture = awslambda.Architecture_ARM_64()
	}
	made := awslambda.NewFunction(s.stack, jsii.String(f.id), &awslambda.FunctionProps{
		FunctionName:    jsii.String(s.functionName(f)),
		Description:     jsii.String(f.does),
		Runtime:         awslambda.Runtime_PROVIDED_AL2023(),
		Architecture:    architecture,
		Handler:         jsii.String("bootstrap"),
		Code:            awslambda.Code_FromAsset(jsii.String(filepath.Join(s.settings.BuildDirectory, "functions", f.folder)), nil),
		Role:            role,
		Timeout:         awscdk.Duration_Seconds(jsii.Number(f.seconds)),
		MemorySize:      jsii.Number(f.memoryMB),
		Environment:     &environment,
		LogGroup:        logs,
		Tracing:         awslambda.Tracing_ACTIVE,
		DeadLetterQueue: s.deadLetters,
	})
	fix(made, f.id)
	if f.inside {
		resource := made.Node().DefaultChild().(awslambda.CfnFunction)
		resource.AddPropertyOverride(jsii.String("VpcConfig"), map[string]any{"SubnetIds": *s.subnets, "SecurityGroupIds": []any{s.probeGroup()}})
	}
	s.grant(role, append(f.grants, allow("logs:CreateLogStream", "logs:PutLogEvents").on(*logs.LogGroupArn()))...)
	return &function{made, role}
}

// functionName is a Lambda's physical name: its folder with the environment's prefix.
func (s *Sluice) functionName(f spec) string {
	if f.folder == "gates/dataquality" {
		return s.name("gate-data-quality")
	}
	if base, isGate := strings.CutPrefix(f.folder, "gates/"); isGate {
		return s.name("gate-" + base)
	}
	return s.name(f.folder)
}

func (s *Sluice) addEndpointRole() {
	role := awsiam.NewRole(s.stack, jsii.String("EndpointRole"), &awsiam.RoleProps{
		RoleName:    jsii.String(s.name("endpoint")),
		AssumedBy:   awsiam.NewServicePrincipal(jsii.String("sagemaker.amazonaws.com"), nil),
		Description: jsii.String("What Sluice's model servers run as"),
	})
	fix(role, "EndpointRole")
	s.grant(role,
		allow("s3:GetObject").on(s.in(s.store, "runs/*")),
		allow("s3:PutObject").on(s.in(s.store, contract.CapturePrefix+"*")),
		allow("s3:ListBucket").on(*s.store.BucketArn()),
		allow("logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents", "logs:DescribeLogStreams").on(*s.arn("logs", "log-group", "/aws/sagemaker/*", awscdk.ArnFormat_COLON_RESOURCE_NAME)),
		allow("cloudwatch:PutMetricData").on("*"),
		allow("ecr:GetAuthorizationToken").on("*"),
		allow("ecr:BatchCheckLayerAvailability", "ecr:GetDownloadUrlForLayer", "ecr:BatchGetImage").on(*s.training.serverImage.Repository().RepositoryArn()),
	)
}
