package sagemaker

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
)

type createModelInput struct {
	ModelName              string
	PrimaryContainer       *Container
	ExecutionRoleArn       string
	EnableNetworkIsolation bool
	VpcConfig              json.RawMessage
	Tags                   []tag
}

type modelName struct{ ModelName string }
type modelArn struct{ ModelArn string }
type nothing struct{}

func (s *Service) createModel(_ context.Context, in createModelInput) (*modelArn, error) {
	if err := checkName("modelName", in.ModelName); err != nil {
		return nil, err
	}
	if err := in.PrimaryContainer.check(); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	arn := s.arn("model", in.ModelName)
	if s.state.Models[in.ModelName] != nil {
		return nil, invalid("Cannot create already existing model %q.", arn)
	}
	s.state.Models[in.ModelName] = &Model{in.ModelName, in.PrimaryContainer, in.ExecutionRoleArn, in.EnableNetworkIsolation, in.VpcConfig, s.config.Now().UTC()}
	return &modelArn{arn}, s.save()
}

func (c *Container) check() error {
	switch {
	case c == nil:
		return invalid("PrimaryContainer is required: the local stack serves models of one container")
	case c.Image == "":
		return invalid("PrimaryContainer.Image is required")
	case c.Mode != "" && c.Mode != "SingleModel":
		return invalid("PrimaryContainer.Mode %q: the local stack serves SingleModel", c.Mode)
	}
	if c.ModelDataURL == "" {
		return nil
	}
	_, key, err := parseURI(c.ModelDataURL)
	if err != nil || !strings.HasSuffix(key, ".tar.gz") {
		return invalid("ModelDataUrl %q: want s3://bucket/key.tar.gz", c.ModelDataURL)
	}
	return nil
}

type describeModelOutput struct {
	ModelName              string
	ModelArn               string
	PrimaryContainer       *Container
	ExecutionRoleArn       string `json:",omitempty"`
	EnableNetworkIsolation bool
	VpcConfig              json.RawMessage `json:",omitempty"`
	CreationTime           epoch
}

func (s *Service) describeModel(_ context.Context, in modelName) (*describeModelOutput, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	m := s.state.Models[in.ModelName]
	if m == nil {
		return nil, s.noModel(in.ModelName)
	}
	return &describeModelOutput{m.ModelName, s.arn("model", m.ModelName), m.PrimaryContainer, m.ExecutionRoleArn, m.EnableNetworkIsolation, m.VpcConfig, epoch(m.Created)}, nil
}

func (s *Service) noModel(name string) error {
	return invalid("Could not find model %q.", s.arn("model", name))
}

func (s *Service) deleteModel(_ context.Context, in modelName) (*nothing, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state.Models[in.ModelName] == nil {
		return nil, s.noModel(in.ModelName)
	}
	delete(s.state.Models, in.ModelName)
	return &nothing{}, s.save()
}

type createEndpointConfigInput struct {
	EndpointConfigName       string
	ProductionVariants       []ProductionVariant
	ShadowProductionVariants []ProductionVariant
	DataCaptureConfig        *DataCaptureConfig
	MetricsConfig            *MetricsConfig
	KmsKeyID                 string `json:"KmsKeyId"`
	Tags                     []tag
}

type configName struct{ EndpointConfigName string }
type configArn struct{ EndpointConfigArn string }

func (s *Service) createEndpointConfig(_ context.Context, in createEndpointConfigInput) (*configArn, error) {
	c := &EndpointConfig{in.EndpointConfigName, in.ProductionVariants, in.ShadowProductionVariants, in.DataCaptureConfig, in.MetricsConfig, in.KmsKeyID, s.config.Now().UTC()}
	if err := c.check(); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	arn := s.arn("endpoint-config", c.EndpointConfigName)
	if s.state.Configs[c.EndpointConfigName] != nil {
		return nil, invalid("Cannot create already existing endpoint configuration %q.", arn)
	}
	for _, v := range slices.Concat(c.ProductionVariants, c.ShadowProductionVariants) {
		if s.state.Models[v.ModelName] == nil {
			return nil, s.noModel(v.ModelName)
		}
	}
	s.state.Configs[c.EndpointConfigName] = c
	return &configArn{arn}, s.save()
}

func (c *EndpointConfig) check() error {
	if err := checkName("endpointConfigName", c.EndpointConfigName); err != nil {
		return err
	}
	if n := len(c.ProductionVariants); n < 1 || n > 10 {
		return invalid("ProductionVariants has %d members: want 1 to 10", n)
	}
	if n, m := len(c.ShadowProductionVariants), len(c.ProductionVariants); n > 1 || n == 1 && m > 1 {
		return invalid("ShadowProductionVariants has %d members beside %d of ProductionVariants: want one of each", n, m)
	}
	seen, sum := map[string]bool{}, float32(0)
	for i, v := range slices.Concat(c.ProductionVariants, c.ShadowProductionVariants) {
		if err := v.check(); err != nil {
			return err
		}
		if seen[v.VariantName] {
			return invalid("VariantName %q is used twice", v.VariantName)
		}
		seen[v.VariantName] = true
		if i < len(c.ProductionVariants) {
			sum += v.weight()
		}
	}
	if sum <= 0 {
		return invalid("the variants' weights are all zero: nothing would be served")
	}
	return c.checkRest()
}

func (v ProductionVariant) check() error {
	if err := checkName("variantName", v.VariantName); err != nil {
		return err
	}
	switch {
	case v.ModelName == "":
		return invalid("variant %s: ModelName is required: inference components are not supported here", v.VariantName)
	case !strings.HasPrefix(v.InstanceType, "ml."):
		return invalid("variant %s: InstanceType %q: want ml.<family>.<size>", v.VariantName, v.InstanceType)
	case v.InitialInstanceCount < 1:
		return invalid("variant %s: InitialInstanceCount %d: want at least 1", v.VariantName, v.InitialInstanceCount)
	case !(v.weight() >= 0):
		return invalid("variant %s: InitialVariantWeight %g: want at least 0", v.VariantName, v.weight())
	case v.ContainerStartupHealthCheckTimeoutInSeconds != 0 && (v.ContainerStartupHealthCheckTimeoutInSeconds < 60 || v.ContainerStartupHealthCheckTimeoutInSeconds > 3600):
		return invalid("variant %s: ContainerStartupHealthCheckTimeoutInSeconds %d: want 60 to 3600", v.VariantName, v.ContainerStartupHealthCheckTimeoutInSeconds)
	}
	return nil
}

func (c *EndpointConfig) checkRest() error {
	if m := c.MetricsConfig; m != nil {
		if m.EnableDetailedObservability {
			return invalid("MetricsConfig.EnableDetailedObservability: the local stack publishes no per-container metrics; leave it off")
		}
		if !slices.Contains([]int{0, 10, 30, 60, 120, 180, 240, 300}, m.MetricPublishFrequencyInSeconds) {
			return invalid("MetricPublishFrequencyInSeconds %d: want 10, 30, 60, 120, 180, 240 or 300", m.MetricPublishFrequencyInSeconds)
		}
	}
	d := c.DataCaptureConfig
	if d == nil {
		return nil
	}
	if _, _, err := parseURI(d.DestinationS3Uri); err != nil {
		return invalid("DataCaptureConfig.DestinationS3Uri: %v", err)
	}
	if d.InitialSamplingPercentage < 0 || d.InitialSamplingPercentage > 100 {
		return invalid("DataCaptureConfig.InitialSamplingPercentage %d: want 0 to 100", d.InitialSamplingPercentage)
	}
	if len(d.CaptureOptions) == 0 {
		return invalid("DataCaptureConfig.CaptureOptions is empty: want Input, Output or both")
	}
	for _, o := range d.CaptureOptions {
		if !slices.Contains([]string{"Input", "Output", "InputAndOutput"}, o.CaptureMode) {
			return invalid("CaptureMode %q: want Input, Output or InputAndOutput", o.CaptureMode)
		}
	}
	return nil
}

func (s *Service) noConfig(name string) error {
	return invalid("Could not find endpoint configuration %q.", s.arn("endpoint-config", name))
}

type describeEndpointConfigOutput struct {
	EndpointConfigName       string
	EndpointConfigArn        string
	ProductionVariants       []ProductionVariant
	ShadowProductionVariants []ProductionVariant `json:",omitempty"`
	DataCaptureConfig        *DataCaptureConfig  `json:",omitempty"`
	MetricsConfig            *MetricsConfig      `json:",omitempty"`
	KmsKeyID                 string              `json:"KmsKeyId,omitempty"`
	CreationTime             epoch
}

func (s *Service) describeEndpointConfig(_ context.Context, in configName) (*describeEndpointConfigOutput, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.state.Configs[in.EndpointConfigName]
	if c == nil {
		return nil, s.noConfig(in.EndpointConfigName)
	}
	return &describeEndpointConfigOutput{c.EndpointConfigName, s.arn("endpoint-config", c.EndpointConfigName), c.ProductionVariants, c.ShadowProductionVariants,
		c.DataCaptureConfig, c.MetricsConfig, c.KmsKeyID, epoch(c.Created)}, nil
}

// deleteEndpointConfig allows deleting a configuration in use, as AWS does; the
// endpoint then serves on but cannot be updated.
func (s *Service) deleteEndpointConfig(_ context.Context, in configName) (*nothing, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state.Configs[in.EndpointConfigName] == nil {
		return nil, s.noConfig(in.EndpointConfigName)
	}
	delete(s.state.Configs, in.EndpointConfigName)
	return &nothing{}, s.save()
}
