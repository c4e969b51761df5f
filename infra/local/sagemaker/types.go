package sagemaker

import (
	"encoding/json"
	"slices"
	"strconv"
	"time"
)

// epoch is a time on the wire: seconds since 1970, with milliseconds.
type epoch time.Time

func (e epoch) MarshalJSON() ([]byte, error) {
	return strconv.AppendFloat(nil, float64(time.Time(e).UnixMilli())/1000, 'f', 3, 64), nil
}

type tag struct{ Key, Value string }

// Container is a model's container. Mode may be SingleModel.
type Container struct {
	Image             string            `json:"Image"`
	ModelDataURL      string            `json:"ModelDataUrl,omitempty"`
	Environment       map[string]string `json:"Environment,omitempty"`
	Mode              string            `json:"Mode,omitempty"`
	ContainerHostname string            `json:"ContainerHostname,omitempty"`
}

// Model is a model's record.
type Model struct {
	ModelName              string          `json:"ModelName"`
	PrimaryContainer       *Container      `json:"PrimaryContainer"`
	ExecutionRoleArn       string          `json:"ExecutionRoleArn,omitempty"`
	EnableNetworkIsolation bool            `json:"EnableNetworkIsolation"`
	VpcConfig              json.RawMessage `json:"VpcConfig,omitempty"`
	Created                time.Time       `json:"Created"`
}

// ProductionVariant is a variant of an endpoint configuration.
type ProductionVariant struct {
	VariantName                                 string   `json:"VariantName"`
	ModelName                                   string   `json:"ModelName"`
	InitialInstanceCount                        int      `json:"InitialInstanceCount"`
	InstanceType                                string   `json:"InstanceType"`
	InitialVariantWeight                        *float32 `json:"InitialVariantWeight,omitempty"` // nil is 1
	ContainerStartupHealthCheckTimeoutInSeconds int      `json:"ContainerStartupHealthCheckTimeoutInSeconds,omitempty"`
	ModelDataDownloadTimeoutInSeconds           int      `json:"ModelDataDownloadTimeoutInSeconds,omitempty"`
	VolumeSizeInGB                              int      `json:"VolumeSizeInGB,omitempty"`
}

func (v ProductionVariant) weight() float32 {
	if v.InitialVariantWeight == nil {
		return 1
	}
	return *v.InitialVariantWeight
}

// DataCaptureConfig says which requests are kept, and where.
type DataCaptureConfig struct {
	EnableCapture             bool            `json:"EnableCapture"`
	InitialSamplingPercentage int             `json:"InitialSamplingPercentage"`
	DestinationS3Uri          string          `json:"DestinationS3Uri"`
	CaptureOptions            []CaptureOption `json:"CaptureOptions"`
	CaptureContentTypeHeader  *CaptureHeader  `json:"CaptureContentTypeHeader,omitempty"`
	KmsKeyID                  string          `json:"KmsKeyId,omitempty"`
}

// CaptureOption's mode is Input, Output or InputAndOutput.
type CaptureOption struct {
	CaptureMode string `json:"CaptureMode"`
}

// CaptureHeader lists the content types that are captured as they are; all
// others are captured in base64.
type CaptureHeader struct {
	CsvContentTypes  []string `json:"CsvContentTypes,omitempty"`
	JSONContentTypes []string `json:"JsonContentTypes,omitempty"`
}

// MetricsConfig sets how often invocation metrics are published.
type MetricsConfig struct {
	EnableEnhancedMetrics           bool `json:"EnableEnhancedMetrics"`
	EnableDetailedObservability     bool `json:"EnableDetailedObservability,omitempty"`
	MetricPublishFrequencyInSeconds int  `json:"MetricPublishFrequencyInSeconds,omitempty"` // 0 is 60
}

// frequency is the seconds between two data points of an invocation metric.
// Without enhanced metrics the setting is for utilization metrics only, and
// invocation metrics stay at 60.
func (m *MetricsConfig) frequency() int64 {
	if m == nil || !m.EnableEnhancedMetrics || m.MetricPublishFrequencyInSeconds == 0 {
		return 60
	}
	return int64(m.MetricPublishFrequencyInSeconds)
}

// EndpointConfig is an endpoint configuration's record.
type EndpointConfig struct {
	EndpointConfigName string              `json:"EndpointConfigName"`
	ProductionVariants []ProductionVariant `json:"ProductionVariants"`
	// ShadowProductionVariants is one variant, beside one production variant, or none.
	ShadowProductionVariants []ProductionVariant `json:"ShadowProductionVariants,omitempty"`
	DataCaptureConfig        *DataCaptureConfig  `json:"DataCaptureConfig,omitempty"`
	MetricsConfig            *MetricsConfig      `json:"MetricsConfig,omitempty"`
	KmsKeyID                 string              `json:"KmsKeyId,omitempty"`
	Created                  time.Time           `json:"Created"`
}

// Statuses of an endpoint.
const (
	Creating             = "Creating"
	InService            = "InService"
	Updating             = "Updating"
	RollingBack          = "RollingBack"
	Failed               = "Failed"
	UpdateRollbackFailed = "UpdateRollbackFailed"
	Deleting             = "Deleting"
)

// endpointRecord is what is kept of an endpoint. Current serves; Pending is
// what a change in progress is building.
type endpointRecord struct {
	Name          string      `json:"name"`
	Status        string      `json:"status"`
	FailureReason string      `json:"failure_reason,omitempty"`
	Created       time.Time   `json:"created"`
	Modified      time.Time   `json:"modified"`
	Current       *deployment `json:"current,omitempty"`
	Pending       *deployment `json:"pending,omitempty"`
}

// deployment is a configuration with everything resolved, so that deleting a
// model or a configuration does not touch what is running.
type deployment struct {
	Config   string             `json:"config"`
	Started  time.Time          `json:"started"`
	Variants []variant          `json:"variants"`
	Shadows  []variant          `json:"shadows,omitempty"`
	Capture  *DataCaptureConfig `json:"capture,omitempty"`
	Metrics  *MetricsConfig     `json:"metrics,omitempty"`
}

type variant struct {
	Name           string  `json:"name"`
	Model          Model   `json:"model"`
	InstanceType   string  `json:"instance_type"`
	Weight         float32 `json:"weight"`
	Count          int     `json:"count"`
	StartupSeconds int     `json:"startup_seconds,omitempty"` // how long /ping may take; 0 is Config.ReadyTimeout
}

// variant finds a variant of either kind.
func (d *deployment) variant(name string) *variant {
	if d == nil {
		return nil
	}
	for _, list := range [][]variant{d.Variants, d.Shadows} {
		for i := range list {
			if list[i].Name == name {
				return &list[i]
			}
		}
	}
	return nil
}

// all is every variant that runs, shadows last.
func (d *deployment) all() []variant { return slices.Concat(d.Variants, d.Shadows) }

func (d *deployment) totalWeight() (sum float64) {
	for _, v := range d.Variants {
		sum += float64(v.Weight)
	}
	return sum
}

func (d *deployment) clone() *deployment {
	out := *d
	out.Variants, out.Shadows = slices.Clone(d.Variants), slices.Clone(d.Shadows)
	return &out
}
