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
// Everything is kept in one state file. After a kill, Recover starts the
// servers again and finishes, or rolls back, an update that was under way.
//
// Fault injection (SetFault, /_sluice/faults/) is the stack's own, in the
// manner of AWS FIS, for drills: the delay and the errors happen between
// container and caller, so that metrics count them. Faults are not kept over a
// restart.
//
// Not built, and refused by name: shadow, serverless and asynchronous variants,
// inference components, pipelines of containers, multi-model containers,
// deployment guardrails (DeploymentConfig), auto scaling, explainers and
// streaming responses. VpcConfig, EnableNetworkIsolation, KMS keys and roles are
// kept and described but not enforced.
package sagemaker
