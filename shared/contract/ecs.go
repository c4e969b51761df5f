package contract

// ECS is what the rollout functions know of the models that ECS serves.
type ECS struct {
	Cluster            string              `json:"cluster"`            // name
	URL                string              `json:"url"`                // of the load balancer's listener
	Probe              string              `json:"probe"`              // the function that asks it, from within its network
	PropagationSeconds float64             `json:"propagationSeconds"` // from a change of a rule until every node follows it
	PeriodSeconds      float64             `json:"periodSeconds"`      // of the load balancer's metrics; 0 is 60
	Models             map[string]ECSModel `json:"models"`
}

// ECSModel is what the stack declares for one model, in ARNs.
type ECSModel struct {
	Rule   string            `json:"rule"`   // the listener rule that forwards by weight
	Groups map[string]string `json:"groups"` // target groups by slot
}

// ProbeRequest is a POST to the load balancer, and ProbeAnswer what came back.
// Bodies are base64 in JSON.
type ProbeRequest struct {
	Path    string            `json:"path"` // e.g. "/invocations"
	Headers map[string]string `json:"headers"`
	Body    []byte            `json:"body"`
}

// ProbeAnswer is an HTTP answer, whatever its status.
type ProbeAnswer struct {
	Status int    `json:"status"`
	Body   []byte `json:"body"`
}
