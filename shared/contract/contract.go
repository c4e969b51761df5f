// Package contract is what the deployables agree on: the environment variables
// the stack sets, where things lie in the buckets, and the JSON that passes
// between functions and state machines. States pass references and small
// summaries, never data.
package contract

import (
	"fmt"
	"net/url"
	"path"
	"regexp"
	"strings"
)

// Environment variables that the stack sets and the functions read.
const (
	EnvEnvironment   = "SLUICE_ENVIRONMENT"    // "staging" or "production"
	EnvLake          = "SLUICE_LAKE_BUCKET"    // uploads: raw/ and labels/
	EnvStore         = "SLUICE_STORE_BUCKET"   // everything Sluice writes
	EnvLifecycleARN  = "SLUICE_LIFECYCLE_ARN"  // the lifecycle state machine
	EnvTopicARN      = "SLUICE_TOPIC_ARN"      // where people are told
	EnvKeyID         = "SLUICE_KEY_ID"         // the KMS key that signs decisions, or "file:" and the path of a local one
	EnvTrainerImage  = "SLUICE_TRAINER_IMAGE"  // image URI; its digest goes into the plan
	EnvServerImage   = "SLUICE_SERVER_IMAGE"   // image URI of the model server
	EnvEndpointRole  = "SLUICE_ENDPOINT_ROLE"  // role ARN that SageMaker models run as
	EnvInstanceType  = "SLUICE_INSTANCE_TYPE"  // e.g. "ml.m5.large"
	EnvInstanceCount = "SLUICE_INSTANCE_COUNT" // instances per variant, e.g. "1"
	EnvMetricPeriod  = "SLUICE_METRIC_PERIOD"  // seconds: 10 or 60; alarms and analysis use it
	EnvPrometheusURL = "SLUICE_PROMETHEUS_URL" // rollouts are measured by it; without it by CloudWatch alone
	EnvMLflowURI     = "SLUICE_MLFLOW_URI"     // an MLflow tracking server's address; without it none is written to
	EnvModels        = "SLUICE_MODELS"         // the models that have alarms here, separated by commas
	EnvQuietPeriod   = "SLUICE_QUIET_SECONDS"  // how long uploads must pause before a run starts
	EnvModel         = "SLUICE_MODEL"          // model server: S3 URI of model.tar.gz, for hosts that do not unpack it
	EnvCapture       = "SLUICE_CAPTURE"        // model server: S3 URI of the folder that what it was asked is kept under; without it nothing is
	EnvCaptureEvery  = "SLUICE_CAPTURE_EVERY"  // model server: seconds until a request is written there
	EnvSlot          = "SLUICE_SLOT"           // model server: the slot that it serves, where captures are kept
	EnvECS           = "SLUICE_ECS"            // ECS, as JSON: the models that ECS serves and how; without it SageMaker serves all
	EnvProbeURL      = "SLUICE_PROBE_URL"      // the one address that the probe asks
	EnvPlan          = "SLUICE_PLAN"           // trainer and evaluator: S3 URI of the sealed plan
	EnvImages        = "SLUICE_IMAGES"         // plan: the models that bring their own images, as JSON of name to Images
)

// MetricNamespace holds Sluice's own metrics: Accuracy (0..1, dimensions
// EndpointName and VariantName) and Drift (PSI, dimension Model).
const MetricNamespace = "Sluice"

// MetricCapturesLost counts predictions that were answered and not captured, with
// the dimensions EndpointName and VariantName.
const MetricCapturesLost = "CapturesLost"

// Metrics of a load balancer's target group, which alarms and the analysis of
// models that ECS serves go by.
const (
	MetricRequests     = "RequestCount"
	MetricTarget5XX    = "HTTPCode_Target_5XX_Count"
	MetricRefused      = "TargetConnectionErrorCount"
	MetricResponseTime = "TargetResponseTime" // seconds
	MetricHealthy      = "HealthyHostCount"
	MetricUnhealthy    = "UnHealthyHostCount"
)

// What the stack and the ECS backend agree on.
const (
	ServerContainer = "server"                // the model server's container
	ServerPort      = 8080                    // its port
	HeaderModel     = "X-Sluice-Model"        // says to the load balancer whose request it is
	HeaderSlot      = "X-Sluice-Slot"         // takes the request to a slot, whatever its weight; in an answer, the slot that gave it
	HeaderInference = "X-Sluice-Inference-Id" // the caller's name of a request, which its label says again
	MaxInferenceID  = 64                      // as SageMaker's
)

// The two variant slots of an endpoint. The champion lives in one, the
// candidate takes the other, and promotion swaps their roles; so alarms can be
// declared once, per slot.
const (
	SlotBlue  = "blue"
	SlotGreen = "green"
)

// OtherSlot is the slot that the candidate takes.
func OtherSlot(slot string) string {
	if slot == SlotBlue {
		return SlotGreen
	}
	return SlotBlue
}

// CheckMLflowURI returns an error that says what is wrong with a tracking
// server's address.
func CheckMLflowURI(address string) error {
	u, err := url.Parse(address)
	switch {
	case err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https":
		return fmt.Errorf("MLflow address %q: want one such as \"https://mlflow.internal\"", withoutUser(u, address))
	case u.User != nil:
		return fmt.Errorf("MLflow address %q: it holds credentials, which would be in the template for all to read: "+
			"leave them out, and let the server admit Sluice by its network", u.Scheme+"://…@"+u.Host)
	case u.RawQuery != "" || u.Fragment != "":
		return fmt.Errorf("MLflow address %q: want no query and no fragment", address)
	}
	return nil
}

// withoutUser is an address as it may be shown: one that may hold credentials
// and cannot be taken apart is not.
func withoutUser(u *url.URL, address string) string {
	if u == nil || u.User != nil || strings.Contains(address, "@") {
		return "…"
	}
	return address
}

// endpointRoom is what "sluice-production-" leaves of SageMaker's 63 characters.
const endpointRoom = 45

// CheckModel returns an error that says what is wrong with a model's name.
func CheckModel(name string) error {
	if !modelName(name) {
		return fmt.Errorf("model name %q: want 1 to 40 letters, digits, '-' and '_', starting and ending with a letter or digit", name)
	}
	if len(AWSName(name)) > endpointRoom {
		return fmt.Errorf("model name %q: its AWS name %q is longer than %d characters; use fewer of '_'", name, AWSName(name), endpointRoom)
	}
	return nil
}

// modelName says whether a name has the characters of one. Every call of a function
// asks, and a model check asks a hundred million times.
func modelName(name string) bool {
	if len(name) < 1 || len(name) > 40 {
		return false
	}
	for i := range len(name) {
		c := name[i]
		joins := c == '-' || c == '_'
		if !joins && (c < '0' || c > '9') && (c < 'A' || c > 'Z') && (c < 'a' || c > 'z') || joins && (i == 0 || i == len(name)-1) {
			return false
		}
	}
	return true
}

var joiners = regexp.MustCompile(`[-_]+`)

// AWSName maps a model's name to what every AWS name allows (letters, digits
// and hyphens), reversibly: "-" stays, "_" becomes "--", and any longer run is
// spelled out between "---" marks, d for '-' and u for '_'.
func AWSName(model string) string {
	if !strings.ContainsAny(model, "-_") {
		return model
	}
	return joiners.ReplaceAllStringFunc(model, func(run string) string {
		switch run {
		case "-":
			return "-"
		case "_":
			return "--"
		}
		return "---" + strings.NewReplacer("-", "d", "_", "u").Replace(run) + "---"
	})
}

var awsJoiners = regexp.MustCompile(`---[du]+---|--|-`)

// ModelFromAWSName undoes AWSName.
func ModelFromAWSName(name string) string {
	return awsJoiners.ReplaceAllStringFunc(name, func(run string) string {
		switch run {
		case "-":
			return "-"
		case "--":
			return "_"
		}
		return strings.NewReplacer("d", "-", "u", "_").Replace(strings.Trim(run, "-"))
	})
}

// EndpointName is a model's endpoint in an environment.
func EndpointName(environment, model string) string {
	return "sluice-" + environment + "-" + AWSName(model)
}

// BucketName is the lake's or the store's physical name.
func BucketName(environment, bucket, account, region string) string {
	return "sluice-" + environment + "-" + bucket + "-" + account + "-" + region
}

// AlarmName is the alarm on one measure ("errors", "latency", "accuracy", "health") of
// one slot of a model's endpoint.
func AlarmName(environment, model, slot, measure string) string {
	return EndpointName(environment, model) + "." + slot + "." + measure
}

// ParseAlarmName undoes AlarmName.
func ParseAlarmName(name string) (environment, model, slot, measure string, ok bool) {
	parts := strings.Split(name, ".")
	if len(parts) != 3 || (parts[1] != SlotBlue && parts[1] != SlotGreen) {
		return "", "", "", "", false
	}
	rest, found := strings.CutPrefix(parts[0], "sluice-")
	if !found {
		return "", "", "", "", false
	}
	environment, encoded, found := strings.Cut(rest, "-")
	return environment, ModelFromAWSName(encoded), parts[1], parts[2], found
}

// Keys in the lake bucket.

// RawPrefix is where a model's uploads arrive: raw/<model>/.
func RawPrefix(model string) string { return "raw/" + model + "/" }

// LabelsPrefix is where labels for served predictions arrive, as JSON Lines of
// Label: labels/<model>/.
func LabelsPrefix(model string) string { return "labels/" + model + "/" }

// Keys in the store bucket.

func ConfigKey(model string) string     { return "configs/" + model + "/train.yaml" }
func IntakeKey(model string) string     { return "intake/" + model + ".json" }
func DatasetPrefix(model string) string { return "datasets/" + model + "/" }

// LakePrefix is what all datasets share about the objects of the lake. No model's
// name starts with "_".
const LakePrefix = "datasets/_lake/"

// RunKey is a key under a run's prefix, e.g. RunKey("m", "m-3", "plan.json").
func RunKey(model, run string, name ...string) string {
	return path.Join(append([]string{"runs", model, run}, name...)...)
}

// VersionKey holds a registered model version's record, created once.
func VersionKey(model string, version int) string {
	return fmt.Sprintf("models/%s/versions/%d.json", model, version)
}

// AliasKey is a movable name of a model version, e.g. "champion".
func AliasKey(model, alias string) string { return "models/" + model + "/aliases/" + alias + ".json" }

func RolloutStateKey(model string) string { return "rollouts/" + model + "/state.json" }
func RolloutTokenKey(model string) string { return "rollouts/" + model + "/token.json" } // of the execution that waits for the end of a bake
func RolloutLeaseKey(model string) string { return "rollouts/" + model + "/lease.json" }

// RolloutHistoryKey keeps a finished rollout's last state.
func RolloutHistoryKey(model, rollout string) string {
	return RolloutHistoryPrefix(model) + rollout + ".json"
}

// QuarantinePrefix is where a model's candidates are that were rolled back.
func QuarantinePrefix(model string) string { return "rollouts/" + model + "/quarantine/" }

// QuarantineKey keeps what is known of a candidate that was rolled back, by the
// digest of its archive.
func QuarantineKey(model, digest string) string {
	return QuarantinePrefix(model) + strings.TrimPrefix(digest, "sha256:") + ".json"
}

// RolloutHistoryPrefix is where a model's finished rollouts are.
func RolloutHistoryPrefix(model string) string { return "rollouts/" + model + "/history/" }

// CapturePrefix is where an endpoint's captured requests lie:
// capture/<endpoint>/<variant>/yyyy/mm/dd/hh/….jsonl, as SageMaker writes them.
const CapturePrefix = "capture/"

// SmokeInference starts the inference id of a smoke test's request, which is
// captured like any other but is nobody's.
const SmokeInference = "sluice-smoke-"

// Names of the files under a run's prefix.
const (
	FileRequest     = "request.json"     // what admit collected
	FilePlan        = "plan.json"        // the plan; sealed by ingest
	FileProfile     = "profile.json"     // merged profile of the commit
	FileValidation  = "validation.json"  // validate's report
	FileModel       = "model.tar.gz"     // what SageMaker mounts
	FileMetrics     = "metrics.json"     // the trainer's own metrics
	FileFolds       = "folds.parquet"    // out-of-fold predictions
	FileEnvironment = "environment.json" // everything that could change the bits
	FileAdopted     = "adopted.json"     // whose model this is, when an earlier run of the same plan trained it
	FilePredictions = "evaluation/predictions.parquet"
	FilePerturbed   = "evaluation/perturbed.parquet"
	FileLatency     = "evaluation/latency.json"
	FileDecision    = "decision.json"
	FileFailure     = "failure.json" // why an attempt of a job did not end well: a JobFailure
	FileRecord      = "run.json"     // the run's outcome, written last
)

// VerdictFile is where a gate keeps its verdict under the run's prefix.
func VerdictFile(gate string) string { return "verdicts/" + gate + ".json" }

// URI is the S3 URI of a key.
func URI(bucket, key string) string { return "s3://" + bucket + "/" + key }

// ParseURI splits an S3 URI.
func ParseURI(uri string) (bucket, key string, err error) {
	rest, ok := strings.CutPrefix(uri, "s3://")
	bucket, key, found := strings.Cut(rest, "/")
	if !ok || !found || bucket == "" {
		return "", "", fmt.Errorf("S3 URI %q: want s3://bucket/key", uri)
	}
	return bucket, key, nil
}
