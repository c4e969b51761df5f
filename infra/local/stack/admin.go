package stack

import (
	"encoding/json"
	"net/http"

	"github.com/sluice-ml/sluice/infra/local/assembly"
	"github.com/sluice-ml/sluice/infra/local/sts"
	"github.com/sluice-ml/sluice/infra/local/wire"
)

// adminPrefix is where the admin API lies on the front door.
const adminPrefix = "/_sluice/"

// taskMetadata is where containers of ECS tasks find their metadata.
const taskMetadata = adminPrefix + "v4"

func (s *Stack) frontDoor() http.Handler {
	return &frontDoor{services: s.services.handlers(), runtime: s.services.SageMaker.Runtime(), admin: s.admin(),
		balancer: s.services.ELB.Host, count: s.services.meter.count, faulty: s.faults.Calls}
}

// handlers serves the services, by the name that requests are signed for.
func (s *Services) handlers() map[string]http.Handler {
	return map[string]http.Handler{
		"s3":         s.S3.Handler(),
		"lambda":     s.Lambda.Handler(),
		"events":     s.Events.Handler(),
		"scheduler":  s.Scheduler.Handler(),
		"logs":       s.Logs.Handler(),
		"monitoring": s.CloudWatch.Handler(),
		"states":     s.States.Handler(),
		"batch":      s.Batch.Handler(),
		"sagemaker":  s.SageMaker.API(),
		"kms":        s.KMS.Handler(),
		"sqs":        s.SQS.Handler(),
		"sns":        s.SNS.Handler(),
		"sts":        sts.Handler(assembly.AccountID),

		"elasticloadbalancing": s.ELB.Handler(),
		"ecs":                  s.ECS.Handler(),
	}
}

// admin serves the admin API. A browser page has no business here.
func (s *Stack) admin() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+adminPrefix+"health", s.health)
	mux.HandleFunc("GET "+adminPrefix+"resources", s.resources)
	mux.HandleFunc("GET "+adminPrefix+"usage", s.usage)
	mux.HandleFunc("POST "+adminPrefix+"jobs/{id}/reclaim", s.reclaim)
	rules := s.faults.Admin(adminPrefix + "faults/")
	mux.Handle(adminPrefix+"faults/rules", rules)
	mux.Handle(adminPrefix+"faults/rules/", rules)
	mux.Handle(adminPrefix+"faults/clock", rules)
	mux.HandleFunc("DELETE "+adminPrefix+"faults", s.clearFaults)
	mux.Handle(adminPrefix+"faults/", s.services.SageMaker.Admin())
	mux.Handle(adminPrefix+"balancing/", s.services.ELB.Admin())
	mux.HandleFunc("POST "+adminPrefix+"tasks/{id}/reclaim", s.reclaimTask)
	mux.Handle("GET "+taskMetadata+"/", http.StripPrefix(taskMetadata, s.services.ECS.Metadata()))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Origin") != "" {
			wire.WriteJSONError(w, r, &wire.Error{Code: "AccessDenied", Status: http.StatusForbidden, Message: "the admin API does not answer web pages"})
			return
		}
		mux.ServeHTTP(w, r)
	})
}

// Health is the answer of /_sluice/health.
type Health struct {
	Status    string  `json:"status"` // "ready"
	Stack     string  `json:"stack"`
	URL       string  `json:"url"`
	UpSeconds float64 `json:"up_seconds"`
	// Waiting counts deliveries of rules and schedules that are not confirmed.
	Waiting int `json:"waiting"`
}

func (s *Stack) health(w http.ResponseWriter, _ *http.Request) {
	writeJSON(w, Health{Status: "ready", Stack: s.template.Name, URL: s.URL(), UpSeconds: s.options.Now().Sub(s.started).Seconds(),
		Waiting: s.services.Events.Waiting() + s.services.Scheduler.Waiting()})
}

func (s *Stack) resources(w http.ResponseWriter, _ *http.Request) {
	writeJSON(w, map[string]any{"stack": s.template.Name, "outputs": s.deployment.Outputs, "resources": s.deployment.Resources,
		"iam": s.services.IAM.Records(), "network": s.services.Network.Records(),
		"listeners": s.services.ELB.Addresses()})
}

func (s *Stack) usage(w http.ResponseWriter, _ *http.Request) {
	writeJSON(w, map[string]any{"total": s.services.Usage(), "lambda": s.services.Lambda.Usage(), "batch": s.services.Batch.Usage(), "sagemaker": s.services.SageMaker.Usage(), "ecs": s.services.ECS.Usage()})
}

// reclaim takes a running job's host away, as a Spot reclaim does.
func (s *Stack) reclaim(w http.ResponseWriter, r *http.Request) {
	if err := s.services.Batch.Reclaim(r.PathValue("id")); err != nil {
		wire.WriteJSONError(w, r, err)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// clearFaults ends every drill: rules, and what variants and target groups do.
func (s *Stack) clearFaults(w http.ResponseWriter, _ *http.Request) {
	s.faults.Clear()
	s.services.SageMaker.ClearFaults()
	s.services.ELB.ClearFaults()
	w.WriteHeader(http.StatusNoContent)
}

// reclaimTask takes a running task's capacity away, as Fargate Spot does.
func (s *Stack) reclaimTask(w http.ResponseWriter, r *http.Request) {
	if err := s.services.ECS.Reclaim(r.PathValue("id")); err != nil {
		wire.WriteJSONError(w, r, err)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

func writeJSON(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	_ = encoder.Encode(v)
}
