package contract

import (
	"encoding/json"
	"fmt"
	"time"
)

// CauseRetrain is the kind of a start by hand that trains even where the plan has
// a model already.
const CauseRetrain = "retrain"

// Cause says why a run was started. Its kind and id derive names, so that a
// duplicate cause starts nothing twice.
type Cause struct {
	Kind string `json:"kind"` // "upload", "schedule", "drift", "manual" or CauseRetrain
	ID   string `json:"id"`   // e.g. the event's id, the schedule's time
}

// ObjectVersion is one object as an event or a listing saw it.
type ObjectVersion struct {
	Key       string `json:"key"`
	VersionID string `json:"version_id"`
	ETag      string `json:"etag,omitempty"`
	Size      int64  `json:"size"`
	Sequencer string `json:"sequencer,omitempty"`
}

// RunInput starts the lifecycle state machine. The execution's name is Run.
type RunInput struct {
	Model string `json:"model"`
	Run   string `json:"run"`
	Cause Cause  `json:"cause"`
}

// AdmitRequest is a call that is not an EventBridge event: "start" by hand or
// from drift, "settle", "why" and "finish" by the lifecycle state machine.
type AdmitRequest struct {
	Operation string   `json:"operation"` // "start", "settle", "why" or "finish"
	Model     string   `json:"model"`
	Run       string   `json:"run,omitempty"`
	Cause     Cause    `json:"cause,omitzero"`
	Outcome   *Outcome `json:"outcome,omitempty"` // finish; why: of a job that failed, with what Batch says
}

// AdmitResult answers "start" and EventBridge events.
type AdmitResult struct {
	Model     string `json:"model"`
	Run       string `json:"run"`       // the run that will take this in; "" when nothing was to do
	Started   bool   `json:"started"`   // this call started the execution
	Duplicate bool   `json:"duplicate"` // it had been seen before
	Reason    string `json:"reason"`
}

// SettleResult answers "settle": uploads are still arriving (wait and ask
// again) or the request is closed and written.
type SettleResult struct {
	Settled     bool   `json:"settled"`
	WaitSeconds int    `json:"wait_seconds"` // when not settled; at least 1
	Request     string `json:"request"`      // S3 URI of Request
	Objects     int    `json:"objects"`
}

// Request is what admit collected for a run: the object versions that were
// seen since the last one. Empty for schedule and manual runs.
type Request struct {
	RunInput
	Objects []ObjectVersion `json:"objects"`
}

// Outcome is how a run ended.
type Outcome struct {
	// Status: "promoted", "rolled_back", "rejected" (a gate failed), "held" (a
	// gate was insufficient), "invalid" (what it was given to learn from is wrong:
	// its uploads are not taken again; of a wrong configuration they are, so that
	// one is "failed"), "registered" (this
	// environment does not deploy the model), "unchanged" (the champion was
	// trained from this very plan), "dry_run", "shadowed" (a shadow that passed, and
	// nothing followed), or "failed".
	Status   string `json:"status"`
	Reason   string `json:"reason"`
	Version  int    `json:"version,omitempty"`
	Decision string `json:"decision,omitempty"` // S3 URI
	Error    string `json:"error,omitempty"`    // ASL error name when failed
}

// Reason is the readable part of an execution error's cause: a function's error
// comes as JSON around its own message, a Batch job's as the job's description.
func Reason(cause string) string {
	var failure struct {
		ErrorMessage          string `json:"errorMessage"`
		JobName, StatusReason string
		Container             struct {
			ExitCode *int
			Reason   string
		}
	}
	if json.Unmarshal([]byte(cause), &failure) != nil {
		return cause
	}
	switch {
	case failure.ErrorMessage != "":
		return failure.ErrorMessage
	case failure.JobName == "":
		return cause
	}
	text := "job " + failure.JobName + " failed: " + failure.StatusReason
	if failure.Container.ExitCode != nil {
		text += fmt.Sprintf(", exit code %d", *failure.Container.ExitCode)
	}
	if failure.Container.Reason != "" {
		text += ", " + failure.Container.Reason
	}
	return text + " (what it wrote: sluice run logs RUN)"
}

// StepInput is the input of every lifecycle function after settle. Members
// that a function does not need are ignored by it.
type StepInput struct {
	Model    string           `json:"model"`
	Run      string           `json:"run"`
	Cause    Cause            `json:"cause,omitzero"`
	Request  string           `json:"request,omitempty"` // plan
	Plan     string           `json:"plan,omitempty"`    // all after plan: S3 URI of Plan
	Part     *Part            `json:"part,omitempty"`    // profile
	Gate     string           `json:"gate,omitempty"`
	Verdicts []VerdictSummary `json:"verdicts,omitempty"` // decide
	Decision string           `json:"decision,omitempty"` // register: S3 URI
}

// Plan is what a run will do, fully resolved. plan writes it; ingest adds the
// commit and seals it with its hash, which names the work.
type Plan struct {
	Model       string    `json:"model"`
	Run         string    `json:"run"`
	Environment string    `json:"environment"`
	Cause       Cause     `json:"cause"`
	Created     time.Time `json:"created"`

	Config     string `json:"config"`      // S3 URI, with ?versionId=
	ConfigHash string `json:"config_hash"` // of the canonical configuration
	Request    string `json:"request"`

	Dataset Dataset `json:"dataset"`

	Seed         int64  `json:"seed"`
	TrainerImage string `json:"trainer_image"`
	ServerImage  string `json:"server_image"`

	// Champion is the serving version to compare with; nil for the first.
	Champion *Version `json:"champion,omitempty"`

	// Hash names the work: SHA-256 over the canonical JSON of what decides the
	// bits (model, config_hash, dataset commit, seed, images). Set by ingest.
	Hash string `json:"hash"`
}

// Dataset names the data of a plan.
type Dataset struct {
	Bucket  string `json:"bucket"`  // the lake
	Prefix  string `json:"prefix"`  // e.g. "raw/adult-income/"
	Ref     string `json:"ref"`     // what data.version asked for, e.g. "main"
	Branch  string `json:"branch"`  // where ingest committed: "incoming/<run>", or Ref
	Commit  string `json:"commit"`  // commit id
	Objects string `json:"objects"` // S3 URI of DatasetObjects
	Count   int    `json:"count"`
	Bytes   int64  `json:"bytes"`
}

// DatasetObjects lists a commit's entries for readers that need them all: the
// trainer, the evaluator. Sorted by key.
type DatasetObjects struct {
	Commit  string          `json:"commit"`
	Bucket  string          `json:"bucket"`
	Objects []ObjectVersion `json:"objects"`
}

// Part is one profile job: a slice [First, First+Count) of DatasetObjects.
type Part struct {
	Index int `json:"index"`
	First int `json:"first"`
	Count int `json:"count"`
}

// PlanResult answers plan.
type PlanResult struct {
	Plan       string `json:"plan"` // S3 URI
	ConfigHash string `json:"config_hash"`
	Deploys    bool   `json:"deploys"` // a rollout follows: train.yaml and the stack both name the model here

	// The job definitions of a model that brings its own images; "" is the
	// stack's own.
	TrainerJob   string `json:"trainer_job"`
	EvaluatorJob string `json:"evaluator_job"`
}

// Images are what a model with images of its own is trained and served by. The
// URIs name content: what is in an image decides its tag.
type Images struct {
	Trainer      string `json:"trainer"`       // image URI, the one of TrainerJob
	Server       string `json:"server"`        // image URI
	TrainerJob   string `json:"trainer_job"`   // Batch job definition, ARN with its revision
	EvaluatorJob string `json:"evaluator_job"` // the same
}

// IngestResult answers ingest.
type IngestResult struct {
	Plan     string `json:"plan"`
	PlanHash string `json:"plan_hash"`
	Commit   string `json:"commit"`
	Count    int    `json:"count"`
	Bytes    int64  `json:"bytes"`
	Parts    []Part `json:"parts"` // at least one

	Trained   string `json:"trained"`   // the run whose model, of the same plan, this one adopted; "" when it is to train
	Unchanged string `json:"unchanged"` // why there is nothing to do once the data is validated; "" when there is
}

// ProfileResult answers profile: profiles/<part>.json under the run.
type ProfileResult struct {
	Part    int    `json:"part"`
	Rows    int64  `json:"rows"`
	Profile string `json:"profile"`
}

// ValidateResult answers validate. A failed validation is not an error.
type ValidateResult struct {
	Verdict string   `json:"verdict"` // "pass" or "fail"
	Reasons []string `json:"reasons"` // each names column, figure and limit; at most 20
	Report  string   `json:"report"`  // S3 URI
	Rows    int64    `json:"rows"`
}

// VerdictSummary answers each gate.
type VerdictSummary struct {
	Gate    string   `json:"gate"`
	Verdict string   `json:"verdict"` // "pass", "fail" or "insufficient"
	Reasons []string `json:"reasons"` // at most 10
	URI     string   `json:"uri"`     // the whole verdict
}

// DecideResult answers decide.
type DecideResult struct {
	Decision string   `json:"decision"` // S3 URI of the signed decision
	Action   string   `json:"action"`   // "ship", "reject" or "hold"
	Reasons  []string `json:"reasons"`
	Told     bool     `json:"told"` // people have the message, with what to do
}

// RegisterResult answers register.
type RegisterResult struct {
	Version Version `json:"version"`
}

// Version is a registered model version.
type Version struct {
	Model    string    `json:"model"`
	Version  int       `json:"version"`
	Run      string    `json:"run"`
	Plan     string    `json:"plan"` // S3 URI
	PlanHash string    `json:"plan_hash"`
	Artifact string    `json:"artifact"` // S3 URI of model.tar.gz
	Digest   string    `json:"digest"`   // "sha256:…" of the artefact
	Image    string    `json:"image"`    // server image
	Decision string    `json:"decision"` // S3 URI
	Created  time.Time `json:"created"`
}

// RolloutInput starts the rollout state machine.
type RolloutInput struct {
	Model    string `json:"model"`
	Run      string `json:"run"`
	Version  int    `json:"version"`
	Decision string `json:"decision"`
}

// RolloutStep is the input of every rollout function. Operation is for shift:
// "acquire", "prepare", "shift", "verify", "release", and what people say:
// "pause", "resume", "approve" or "force"; for promote: "" or "observe"; for
// rollback: "" or "revert". Reason is then who says it and why.
type RolloutStep struct {
	Operation string `json:"operation,omitempty"`
	Model     string `json:"model"`
	Run       string `json:"run,omitempty"`
	Version   int    `json:"version,omitempty"`
	Decision  string `json:"decision,omitempty"`
	Rollout   string `json:"rollout"` // the execution's name; the lease's holder
	Reason    string `json:"reason,omitempty"`
	Token     string `json:"token,omitempty"` // of the task that waits for the end of a bake
}

// RolloutCommand answers every rollout function: what the state machine does
// next. Choice states branch on Action only.
type RolloutCommand struct {
	// Action: "prepare", "shift", "verify", "bake", "analyze", "promote",
	// "rollback", "release" or "done".
	Action      string  `json:"action"`
	WaitSeconds int     `json:"wait_seconds"` // before Action; 0 is at once
	Weight      float64 `json:"weight"`       // the candidate's share in percent
	Phase       string  `json:"phase"`
	Outcome     string  `json:"outcome"` // "", "promoted", "rolled_back", "dry_run" or "shadowed"
	Reason      string  `json:"reason"`
}

// Label is one line of labels/<model>/….jsonl: the truth about a served
// prediction, however late.
type Label struct {
	InferenceID string    `json:"inference_id"`
	Label       float64   `json:"label"` // 1 is the positive class
	Time        time.Time `json:"time,omitzero"`
	// Class is the true class's name where the model is multiclass; Label is then
	// not looked at.
	Class string `json:"class,omitempty"`
}

// Latency is the evaluator's histogram: Counts[i] requests took at most
// BoundsMS[i] (and more than the bound before); the last count is the rest.
type Latency struct {
	Requests int64     `json:"requests"`
	BoundsMS []float64 `json:"bounds_ms"`
	Counts   []int64   `json:"counts"`
	MeanMS   float64   `json:"mean_ms"`
	P50MS    float64   `json:"p50_ms"`
	P90MS    float64   `json:"p90_ms"`
	P99MS    float64   `json:"p99_ms"`
	MaxMS    float64   `json:"max_ms"`
	Errors   int64     `json:"errors"`
}
