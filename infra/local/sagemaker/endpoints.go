package sagemaker

import (
	"context"
	"slices"
	"strings"
	"time"
)

type endpointName struct{ EndpointName string }
type endpointArn struct{ EndpointArn string }

type createEndpointInput struct {
	EndpointName       string
	EndpointConfigName string
	Tags               []tag
}

func (s *Service) createEndpoint(_ context.Context, in createEndpointInput) (*endpointArn, error) {
	if err := checkName("endpointName", in.EndpointName); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	arn := s.arn("endpoint", in.EndpointName)
	if s.endpoints[in.EndpointName] != nil {
		return nil, invalid("Cannot create already existing endpoint %q.", arn)
	}
	target, err := s.resolve(in.EndpointConfigName)
	if err != nil {
		return nil, err
	}
	e := newEndpoint(&endpointRecord{Name: in.EndpointName, Created: s.config.Now().UTC()})
	s.endpoints[in.EndpointName], s.state.Endpoints[in.EndpointName] = e, e.record
	return &endpointArn{arn}, s.begin(e, Creating, target)
}

// resolve turns a configuration into a deployment; s.mu is held.
func (s *Service) resolve(name string) (*deployment, error) {
	c := s.state.Configs[name]
	if c == nil {
		return nil, s.noConfig(name)
	}
	d := &deployment{Config: name, Capture: c.DataCaptureConfig, Metrics: c.MetricsConfig}
	for i, v := range slices.Concat(c.ProductionVariants, c.ShadowProductionVariants) {
		m := s.state.Models[v.ModelName]
		if m == nil {
			return nil, s.noModel(v.ModelName)
		}
		list := &d.Variants
		if i >= len(c.ProductionVariants) {
			list = &d.Shadows
		}
		*list = append(*list, variant{v.VariantName, *m, v.InstanceType, v.weight(), v.InitialInstanceCount, v.ContainerStartupHealthCheckTimeoutInSeconds})
	}
	return d, nil
}

type updateEndpointInput struct {
	EndpointName                     string
	EndpointConfigName               string
	RetainAllVariantProperties       bool
	ExcludeRetainedVariantProperties []variantProperty
	RetainDeploymentConfig           bool
}

type variantProperty struct{ VariantPropertyType string }

func (s *Service) updateEndpoint(_ context.Context, in updateEndpointInput) (*endpointArn, error) {
	if err := in.check(); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	e, err := s.changeable(in.EndpointName)
	if err != nil {
		return nil, err
	}
	target, err := s.resolve(in.EndpointConfigName)
	if err != nil {
		return nil, err
	}
	if in.RetainAllVariantProperties {
		in.retain(e.record.Current, target)
	}
	if target.totalWeight() <= 0 {
		return nil, invalid("the variants' weights are all zero after retaining variant properties: nothing would be served")
	}
	return &endpointArn{s.arn("endpoint", in.EndpointName)}, s.begin(e, Updating, target)
}

func (in updateEndpointInput) check() error {
	if in.RetainDeploymentConfig {
		return invalid("RetainDeploymentConfig: the local stack has no deployment configurations")
	}
	if len(in.ExcludeRetainedVariantProperties) > 0 && !in.RetainAllVariantProperties {
		return invalid("ExcludeRetainedVariantProperties wants RetainAllVariantProperties")
	}
	for _, p := range in.ExcludeRetainedVariantProperties {
		if !slices.Contains([]string{"DesiredInstanceCount", "DesiredWeight", "DataCaptureConfig"}, p.VariantPropertyType) {
			return invalid("VariantPropertyType %q: want DesiredInstanceCount, DesiredWeight or DataCaptureConfig", p.VariantPropertyType)
		}
	}
	return nil
}

// retain carries over what the current variants have; variants that are new, or
// were of the other kind, keep what their configuration says.
func (in updateEndpointInput) retain(current, target *deployment) {
	keep := func(property string) bool {
		return !slices.Contains(in.ExcludeRetainedVariantProperties, variantProperty{property})
	}
	for _, kind := range []struct{ target, current []variant }{{target.Variants, current.Variants}, {target.Shadows, current.Shadows}} {
		for i := range kind.target {
			v := &kind.target[i]
			at := slices.IndexFunc(kind.current, func(old variant) bool { return old.Name == v.Name })
			if at < 0 {
				continue
			}
			if keep("DesiredWeight") {
				v.Weight = kind.current[at].Weight
			}
			if keep("DesiredInstanceCount") {
				v.Count = kind.current[at].Count
			}
		}
	}
	if keep("DataCaptureConfig") {
		target.Capture = current.Capture
	}
}

// changeable gives an endpoint that takes a change; s.mu is held. The current
// configuration must still exist: AWS looks it up too.
func (s *Service) changeable(name string) (*endpoint, error) {
	e := s.endpoints[name]
	if e == nil {
		return nil, s.noEndpoint(name)
	}
	arn := s.arn("endpoint", name)
	switch {
	case e.record.busy():
		return nil, invalid("Cannot update in-progress endpoint %q.", arn)
	case e.record.Status == Failed:
		return nil, invalid("Cannot update failed endpoint %q: it can only be deleted.", arn)
	case s.state.Configs[e.record.Current.Config] == nil:
		return nil, s.noConfig(e.record.Current.Config)
	}
	return e, nil
}

func (s *Service) noEndpoint(name string) error {
	return invalid("Could not find endpoint %q.", s.arn("endpoint", name))
}

type updateWeightsInput struct {
	EndpointName                string
	DesiredWeightsAndCapacities []desired
}

type desired struct {
	VariantName          string
	DesiredWeight        *float32
	DesiredInstanceCount *int
}

// updateWeights changes weights and instance counts, asynchronously.
func (s *Service) updateWeights(_ context.Context, in updateWeightsInput) (*endpointArn, error) {
	if len(in.DesiredWeightsAndCapacities) == 0 {
		return nil, invalid("DesiredWeightsAndCapacities is empty")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	e, err := s.changeable(in.EndpointName)
	if err != nil {
		return nil, err
	}
	target := e.record.Current.clone()
	for _, d := range in.DesiredWeightsAndCapacities {
		v := target.variant(d.VariantName)
		if v == nil {
			return nil, invalid("The variant name(s) %q is/are not present within endpoint configuration %q.", d.VariantName, target.Config)
		}
		if d.DesiredWeight != nil {
			if !(*d.DesiredWeight >= 0) {
				return nil, invalid("variant %s: DesiredWeight %g: want at least 0", d.VariantName, *d.DesiredWeight)
			}
			v.Weight = *d.DesiredWeight
		}
		if d.DesiredInstanceCount != nil {
			if *d.DesiredInstanceCount < 1 {
				return nil, invalid("variant %s: DesiredInstanceCount %d: want at least 1", d.VariantName, *d.DesiredInstanceCount)
			}
			v.Count = *d.DesiredInstanceCount
		}
	}
	if target.totalWeight() <= 0 {
		return nil, invalid("the variants' weights would all be zero: nothing would be served")
	}
	return &endpointArn{s.arn("endpoint", in.EndpointName)}, s.begin(e, Updating, target)
}

// deleteEndpoint stops the servers in the background.
func (s *Service) deleteEndpoint(_ context.Context, in endpointName) (*nothing, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.endpoints[in.EndpointName]
	if e == nil {
		return nil, s.noEndpoint(in.EndpointName)
	}
	if e.record.busy() {
		return nil, invalid("Cannot update in-progress endpoint %q.", s.arn("endpoint", in.EndpointName))
	}
	e.record.Status, e.record.Modified = Deleting, s.config.Now().UTC()
	if err := s.save(); err != nil {
		return nil, err
	}
	e.route.Store(nil)
	s.working.Go(func() { s.finishDelete(e) })
	return &nothing{}, nil
}

func (s *Service) finishDelete(e *endpoint) {
	s.mu.Lock()
	fleets := e.fleets
	s.mu.Unlock()
	s.discard(fleets, nil)
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.endpoints, e.record.Name)
	delete(s.state.Endpoints, e.record.Name)
	s.keep(e.record)
	s.sweepFolders()
}

type listInput struct {
	MaxResults   *int
	NameContains string
	NextToken    string
	SortBy       string
	SortOrder    string
	StatusEquals string
}

// listed is one entry of a listing.
type listed struct {
	name             string
	created, changed time.Time
	status           string
}

// page filters, sorts and cuts a listing. The token is the last name given.
func (in listInput) page(all []listed) (page []listed, next string, err error) {
	limit := 10
	if in.MaxResults != nil {
		limit = *in.MaxResults
	}
	if limit < 1 || limit > 100 {
		return nil, "", invalid("MaxResults %d: want 1 to 100", limit)
	}
	compare, err := in.order()
	if err != nil {
		return nil, "", err
	}
	all = slices.DeleteFunc(all, func(l listed) bool {
		return !strings.Contains(l.name, in.NameContains) || in.StatusEquals != "" && in.StatusEquals != l.status
	})
	slices.SortFunc(all, compare)
	if in.NextToken != "" {
		i := slices.IndexFunc(all, func(l listed) bool { return l.name == in.NextToken })
		if i < 0 {
			return nil, "", invalid("NextToken %q is not valid any more", in.NextToken)
		}
		all = all[i+1:]
	}
	if len(all) > limit {
		return all[:limit], all[limit-1].name, nil
	}
	return all, "", nil
}

func (in listInput) order() (func(a, b listed) int, error) {
	var by func(a, b listed) int
	switch in.SortBy {
	case "", "CreationTime":
		by = func(a, b listed) int { return a.created.Compare(b.created) }
	case "Name":
		by = func(a, b listed) int { return 0 }
	case "Status":
		by = func(a, b listed) int { return strings.Compare(a.status, b.status) }
	default:
		return nil, invalid("SortBy %q: want Name, CreationTime or Status", in.SortBy)
	}
	sign := 1
	switch in.SortOrder {
	case "", "Descending":
		sign = -1
	case "Ascending":
	default:
		return nil, invalid("SortOrder %q: want Ascending or Descending", in.SortOrder)
	}
	return func(a, b listed) int {
		if c := by(a, b); c != 0 {
			return sign * c
		}
		return sign * strings.Compare(a.name, b.name)
	}, nil
}

type endpointSummary struct {
	EndpointName     string
	EndpointArn      string
	EndpointStatus   string
	CreationTime     epoch
	LastModifiedTime epoch
}

type listEndpointsOutput struct {
	Endpoints []endpointSummary
	NextToken string `json:",omitempty"`
}

func (s *Service) listEndpoints(_ context.Context, in listInput) (*listEndpointsOutput, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []listed
	for name, e := range s.endpoints {
		all = append(all, listed{name, e.record.Created, e.record.Modified, e.record.Status})
	}
	page, next, err := in.page(all)
	if err != nil {
		return nil, err
	}
	out := &listEndpointsOutput{Endpoints: []endpointSummary{}, NextToken: next}
	for _, l := range page {
		out.Endpoints = append(out.Endpoints, endpointSummary{l.name, s.arn("endpoint", l.name), l.status, epoch(l.created), epoch(l.changed)})
	}
	return out, nil
}

type configSummary struct {
	EndpointConfigName string
	EndpointConfigArn  string
	CreationTime       epoch
}

type listConfigsOutput struct {
	EndpointConfigs []configSummary
	NextToken       string `json:",omitempty"`
}

func (s *Service) listEndpointConfigs(_ context.Context, in listInput) (*listConfigsOutput, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []listed
	for name, c := range s.state.Configs {
		all = append(all, listed{name: name, created: c.Created})
	}
	page, next, err := in.page(all)
	if err != nil {
		return nil, err
	}
	out := &listConfigsOutput{EndpointConfigs: []configSummary{}, NextToken: next}
	for _, l := range page {
		out.EndpointConfigs = append(out.EndpointConfigs, configSummary{l.name, s.arn("endpoint-config", l.name), epoch(l.created)})
	}
	return out, nil
}
