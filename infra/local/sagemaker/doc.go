// Package sagemaker is the local stack's SageMaker: models, endpoint
// configurations, endpoints, the runtime that invokes them, and the model
// registry.
//
// The words are AWS's:
//
//   - a model is an image, an artefact (model.tar.gz) and an environment;
//   - an endpoint configuration names production variants; a variant is a model
//     with a number of instances and a weight, its share of the traffic being
//     weight / sum of weights;
//   - a shadow variant gets copies of a production variant's requests; its answers
//     are measured and captured and then thrown away;
//   - an endpoint serves one configuration. It is Creating, InService, Updating,
//     RollingBack, Failed, UpdateRollbackFailed or Deleting; while it is busy
//     every change is refused ("Cannot update in-progress endpoint").
//     SystemUpdating never occurs here: nobody patches this machine's hosts;
//   - an instance is one server process of a variant, found by the stack's
//     ResolveImage, with the artefact extracted at SM_MODEL_DIR and its port in
//     SAGEMAKER_BIND_TO_PORT. It must answer GET /ping with 200 before it gets
//     traffic, is restarted with growing pauses when it ends, and is stopped
//     with SIGTERM, then SIGKILL after 30 seconds.
//
// An update builds the new variants beside the old ones and moves all traffic
// at once when every new instance answers. If one never does, the endpoint goes
// through RollingBack and ends InService on the old configuration, with a
// FailureReason. A variant whose model and settings did not change keeps its
// processes, where AWS would replace them by equal ones.
//
// A configuration with a shadow variant has one of it and one production
// variant. A copy is sent beside the request, in the background, with a context
// of its own: its failure, its latency and its absence never reach the caller. A
// shadow's weight over the production variant's is the share of requests that is
// copied, at most all. What a shadow is too slow for is dropped (more than
// mirrorsInFlight copies under way at once) and counted in the usage. A shadow
// cannot be invoked by name.
//
// Everything is kept in one state file. After a kill, Recover starts the
// servers again and finishes, or rolls back, an update that was under way.
//
// Fault injection (SetFault, /_sluice/faults/) is the stack's own, in the
// manner of AWS FIS, for drills: the delay and the errors happen between
// container and caller, so that metrics count them. Faults are not kept over a
// restart.
//
// Not built, and refused by name: serverless and asynchronous variants,
// inference components, pipelines of containers, multi-model containers,
// deployment guardrails (DeploymentConfig), auto scaling, explainers and
// streaming responses. VpcConfig, EnableNetworkIsolation, KMS keys and roles are
// kept and described but not enforced.
package sagemaker
