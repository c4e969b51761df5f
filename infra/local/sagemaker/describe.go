package sagemaker

import "context"

type deployedImage struct {
	SpecifiedImage string
	ResolvedImage  string
	ResolutionTime epoch
}

type variantSummary struct {
	VariantName          string
	DeployedImages       []deployedImage
	CurrentWeight        float32
	DesiredWeight        float32
	CurrentInstanceCount int
	DesiredInstanceCount int
}

type pendingVariant struct {
	VariantName          string
	DeployedImages       []deployedImage
	DesiredWeight        float32
	DesiredInstanceCount int
	InstanceType         string
}

type pendingSummary struct {
	EndpointConfigName       string
	ProductionVariants       []pendingVariant
	ShadowProductionVariants []pendingVariant `json:",omitempty"`
	StartTime                epoch
}

type captureSummary struct {
	EnableCapture             bool
	CaptureStatus             string
	CurrentSamplingPercentage int
	DestinationS3Uri          string
	KmsKeyID                  string `json:"KmsKeyId"`
}

type describeEndpointOutput struct {
	EndpointName             string
	EndpointArn              string
	EndpointConfigName       string
	EndpointStatus           string
	FailureReason            string           `json:",omitempty"`
	ProductionVariants       []variantSummary `json:",omitempty"`
	ShadowProductionVariants []variantSummary `json:",omitempty"`
	PendingDeploymentSummary *pendingSummary  `json:",omitempty"`
	DataCaptureConfig        *captureSummary  `json:",omitempty"`
	MetricsConfig            *MetricsConfig   `json:",omitempty"`
	CreationTime             epoch
	LastModifiedTime         epoch
}

// describeEndpoint shows the configuration that serves, and what is pending
// apart from it, so that a client cannot take the one for the other.
func (s *Service) describeEndpoint(_ context.Context, in endpointName) (*describeEndpointOutput, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.endpoints[in.EndpointName]
	if e == nil {
		return nil, s.noEndpoint(in.EndpointName)
	}
	r := e.record
	out := &describeEndpointOutput{EndpointName: r.Name, EndpointArn: s.arn("endpoint", r.Name), EndpointStatus: r.Status,
		FailureReason: r.FailureReason, CreationTime: epoch(r.Created), LastModifiedTime: epoch(r.Modified)}
	shown := r.Current
	if shown == nil {
		shown = r.Pending
	}
	out.EndpointConfigName, out.MetricsConfig = shown.Config, shown.Metrics
	if d := shown.Capture; d != nil {
		out.DataCaptureConfig = &captureSummary{d.EnableCapture, "Stopped", d.InitialSamplingPercentage, d.DestinationS3Uri, d.KmsKeyID}
		if d.EnableCapture {
			out.DataCaptureConfig.CaptureStatus = "Started"
		}
	}
	if r.Current != nil {
		out.ProductionVariants, out.ShadowProductionVariants = r.summaries(r.Current.Variants), r.summaries(r.Current.Shadows)
	}
	if p := r.Pending; p != nil && (r.Current == nil || p.Config != r.Current.Config) {
		out.PendingDeploymentSummary = p.summary()
	}
	return out, nil
}

// summaries gives each current variant; what is desired differs from what is
// while a change of weights is under way.
func (r *endpointRecord) summaries(variants []variant) []variantSummary {
	var out []variantSummary
	for _, v := range variants {
		one := variantSummary{v.Name, images(v, r.Current), v.Weight, v.Weight, v.Count, v.Count}
		if r.Pending != nil && r.Pending.Config == r.Current.Config && r.Status == Updating {
			if want := r.Pending.variant(v.Name); want != nil {
				one.DesiredWeight, one.DesiredInstanceCount = want.Weight, want.Count
			}
		}
		out = append(out, one)
	}
	return out
}

func images(v variant, d *deployment) []deployedImage {
	image := v.Model.PrimaryContainer.Image
	return []deployedImage{{image, image, epoch(d.Started)}}
}

func (d *deployment) summary() *pendingSummary {
	out := &pendingSummary{EndpointConfigName: d.Config, StartTime: epoch(d.Started)}
	for _, v := range d.Variants {
		out.ProductionVariants = append(out.ProductionVariants, pendingVariant{v.Name, images(v, d), v.Weight, v.Count, v.InstanceType})
	}
	for _, v := range d.Shadows {
		out.ShadowProductionVariants = append(out.ShadowProductionVariants, pendingVariant{v.Name, images(v, d), v.Weight, v.Count, v.InstanceType})
	}
	return out
}
