package stack

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/url"
	"os"
	"slices"
	"time"

	"github.com/sluice-ml/sluice/shared/contract"
)

// Settings are what cdk.json's context (or -c on the command line) says.
type Settings struct {
	Environments          []string         `json:"environments"`
	Architecture          string           `json:"architecture"`   // "x86_64" or "arm64"
	BuildDirectory        string           `json:"buildDirectory"` // holds functions/<name>/bootstrap and images/<name>/
	Models                map[string]Brake `json:"models"`
	MetricPeriodSeconds   int              `json:"metricPeriodSeconds"`   // 10 or 60
	BalancerPeriodSeconds int              `json:"balancerPeriodSeconds"` // load balancers' metrics: AWS has 60, the local stack 10 too
	QuietSeconds          int              `json:"quietSeconds"`          // uploads must pause this long
	EndpointInstanceType  string           `json:"endpointInstanceType"`  // e.g. "ml.m5.large"
	EndpointInstanceCount int              `json:"endpointInstanceCount"` // per variant
	TrainingInstanceType  string           `json:"trainingInstanceType"`  // with a GPU, e.g. "g4dn.xlarge"
	MaxTrainingVCPUs      int              `json:"maxTrainingVcpus"`      // per compute environment
	LogRetentionDays      int              `json:"logRetentionDays"`
	AlertEmail            string           `json:"alertEmail"`    // subscribes to the topic; may be empty
	PrometheusURL         string           `json:"prometheusUrl"` // rollouts are measured by it; empty is CloudWatch alone
	MLflowURI             string           `json:"mlflowUri"`     // a tracking server that runs are copied to; empty is none
}

// Brake holds the limits of a model's alarms: the fast brake that works at any
// moment, so wider than the rollout's own limits.
type Brake struct {
	ErrorRate  float64 `json:"errorRate"`  // share of 5xx answers, 0..1
	LatencyP99 string  `json:"latencyP99"` // as Go writes durations, "500ms"
	Accuracy   float64 `json:"accuracy"`   // least accuracy of labelled answers, 0..1
	Backend    string  `json:"backend"`    // who serves it: "sagemaker" (also "") or "ecs"
	// Images are the model's own trainer and server; nil is Sluice's.
	Images *OwnImages `json:"images"`
}

const backendECS = "ecs"

// ReadSettings reads the context of the cdk.json file at path and lays the
// overrides (JSON text or plain words, by key) over it.
func ReadSettings(path string, overrides map[string]any) (Settings, error) {
	var file struct {
		Context map[string]any `json:"context"`
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return Settings{}, fmt.Errorf("read %s: %w (run from the repository's top folder)", path, err)
	}
	if err := json.Unmarshal(data, &file); err != nil {
		return Settings{}, fmt.Errorf("read %s: %w", path, err)
	}
	merged := maps.Clone(file.Context)
	for key, value := range overrides {
		if _, known := file.Context[key]; known {
			merged[key] = parsed(value)
		}
	}
	text, err := json.Marshal(merged)
	if err != nil {
		return Settings{}, err
	}
	var s Settings
	if err := json.Unmarshal(text, &s); err != nil {
		return Settings{}, fmt.Errorf("%s: context: %w", path, err)
	}
	return s, s.check(path)
}

// parsed gives a command-line context value, which arrives as text, its JSON type.
func parsed(value any) any {
	text, ok := value.(string)
	if !ok {
		return value
	}
	var v any
	if json.Unmarshal([]byte(text), &v) == nil {
		return v
	}
	return text
}

func (s Settings) check(path string) error {
	bad := func(key string, value any, want string) error {
		return fmt.Errorf("%s: context %q is %v: want %s", path, key, value, want)
	}
	for _, e := range s.Environments {
		if e != "staging" && e != "production" {
			return bad("environments", s.Environments, `"staging" or "production"`)
		}
	}
	switch {
	case len(s.Environments) == 0:
		return bad("environments", s.Environments, "at least one environment")
	case s.Architecture != "x86_64" && s.Architecture != "arm64":
		return bad("architecture", s.Architecture, `"x86_64" or "arm64"`)
	case s.MetricPeriodSeconds != 10 && s.MetricPeriodSeconds != 60:
		return bad("metricPeriodSeconds", s.MetricPeriodSeconds, "10 or 60")
	case s.BalancerPeriodSeconds != 10 && s.BalancerPeriodSeconds != 60:
		return bad("balancerPeriodSeconds", s.BalancerPeriodSeconds, "60, or 10 on the local stack")
	case s.QuietSeconds < 1 || s.QuietSeconds > 3600:
		return bad("quietSeconds", s.QuietSeconds, "1 to 3600")
	case s.EndpointInstanceCount < 1:
		return bad("endpointInstanceCount", s.EndpointInstanceCount, "1 or more")
	case s.MaxTrainingVCPUs < 4:
		return bad("maxTrainingVcpus", s.MaxTrainingVCPUs, "4 or more")
	case len(s.Models) == 0:
		return bad("models", "empty", "at least one model with its alarm limits")
	}
	if u, err := url.Parse(s.PrometheusURL); s.PrometheusURL != "" && (err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https") {
		return bad("prometheusUrl", fmt.Sprintf("%q", s.PrometheusURL), `an address such as "http://prometheus.internal:9090", or ""`)
	}
	if s.MLflowURI != "" {
		if err := contract.CheckMLflowURI(s.MLflowURI); err != nil {
			return fmt.Errorf("%s: context \"mlflowUri\": %w", path, err)
		}
	}
	for _, model := range s.ModelNames() {
		if err := contract.CheckModel(model); err != nil {
			return fmt.Errorf("%s: context \"models\": %w", path, err)
		}
		brake := s.Models[model]
		if brake.ErrorRate <= 0 || brake.ErrorRate >= 1 {
			return bad("models."+model+".errorRate", brake.ErrorRate, "a share between 0 and 1")
		}
		if brake.Accuracy < 0 || brake.Accuracy >= 1 {
			return bad("models."+model+".accuracy", brake.Accuracy, "a share from 0 to 1")
		}
		if brake.Backend != "" && brake.Backend != "sagemaker" && brake.Backend != backendECS {
			return bad("models."+model+".backend", fmt.Sprintf("%q", brake.Backend), `"sagemaker" or "ecs"`)
		}
		if d, err := time.ParseDuration(brake.LatencyP99); err != nil || d <= 0 {
			return bad("models."+model+".latencyP99", fmt.Sprintf("%q", brake.LatencyP99), `a duration such as "500ms"`)
		}
	}
	if err := s.checkOwn(); err != nil {
		return fmt.Errorf("%s: context \"models\": %w", path, err)
	}
	if err := s.checkECS(); err != nil {
		return fmt.Errorf("%s: context \"models\": %w", path, err)
	}
	return nil
}

// ModelNames lists the models in order.
func (s Settings) ModelNames() []string { return slices.Sorted(maps.Keys(s.Models)) }
