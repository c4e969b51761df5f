package ecs

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"

	"github.com/sluice-ml/sluice/infra/local/assembly"
)

// Creators makes the service's resources of the template. A service's tasks start
// with Recover, when everything else of the template is there; AwaitStable waits
// for them.
func (s *Service) Creators() map[string]assembly.Creator {
	return map[string]assembly.Creator{
		"AWS::ECS::Cluster":        s.declareCluster,
		"AWS::ECS::TaskDefinition": s.declareDefinition,
		"AWS::ECS::Service":        s.declareService,
	}
}

// declared is what a template says of a service, to find what has changed since.
type declared struct{ Properties json.RawMessage }

func (s *Service) declareCluster(ctx context.Context, r assembly.Resource) (assembly.Created, error) {
	var in clusterInput
	if err := r.Decode(&in); err != nil {
		return assembly.Created{}, err
	}
	in.ClusterName = cmp.Or(in.ClusterName, r.LogicalID)
	if _, err := s.createCluster(ctx, in); err != nil {
		return assembly.Created{}, fmt.Errorf("resource %s: %w", r.LogicalID, err)
	}
	return assembly.Created{Ref: in.ClusterName, Attributes: map[string]any{"Arn": s.clusterArn(in.ClusterName)}}, nil
}

func (s *Service) declareDefinition(_ context.Context, r assembly.Resource) (assembly.Created, error) {
	var in registerInput
	if err := r.Decode(&in); err != nil {
		return assembly.Created{}, err
	}
	in.Family = cmp.Or(in.Family, r.LogicalID)
	if err := in.complete(s.options.Region); err != nil {
		return assembly.Created{}, fmt.Errorf("resource %s (task definition %s): %w", r.LogicalID, in.Family, err)
	}
	d, err := s.registerOnce(in)
	if err != nil {
		return assembly.Created{}, err
	}
	return assembly.Created{Ref: d.ARN, Attributes: map[string]any{"TaskDefinitionArn": d.ARN}}, nil
}

// serviceProperties are AWS::ECS::Service's.
type serviceProperties struct {
	serviceInput
	ForceNewDeployment *struct {
		EnableForceNewDeployment bool
		ForceNewDeploymentNonce  string // another one is another template
	}
}

func (s *Service) declareService(_ context.Context, r assembly.Resource) (assembly.Created, error) {
	var p serviceProperties
	if err := r.Decode(&p); err != nil {
		return assembly.Created{}, err
	}
	p.ServiceName = cmp.Or(p.ServiceName, r.LogicalID)
	v, err := s.declare(p, r.Properties)
	if err != nil {
		return assembly.Created{}, fmt.Errorf("resource %s (service %s): %w", r.LogicalID, p.ServiceName, err)
	}
	return assembly.Created{Ref: v.Detail.ServiceArn, Attributes: map[string]any{"Name": p.ServiceName, "ServiceArn": v.Detail.ServiceArn}}, nil
}

// declare makes a service, or changes one that was made from another template.
// One that is as its template said is left alone, with what UpdateService changed.
func (s *Service) declare(p serviceProperties, properties json.RawMessage) (*service, error) {
	s.mutex.Lock()
	v, err := s.activeService(p.Cluster, p.ServiceName)
	s.mutex.Unlock()
	if err == nil {
		s.mutex.Lock()
		s.declared[v.Detail.ServiceArn] = true
		s.mutex.Unlock()
	}
	if err == nil && v.Declared != nil && same(v.Declared.Properties, properties) {
		return v, nil
	}
	if err == nil {
		in := updateServiceInput{serviceInput: p.serviceInput, Service: p.ServiceName}
		if in.LoadBalancers == nil {
			in.LoadBalancers = []loadBalancer{} // the template has none any more
		}
		in.ForceNewDeployment = p.ForceNewDeployment != nil && p.ForceNewDeployment.EnableForceNewDeployment
		v, err = s.update(in)
	} else {
		v, err = s.create(p.serviceInput)
	}
	if err != nil {
		return nil, err
	}
	s.mutex.Lock()
	defer s.mutex.Unlock()
	v.Declared = &declared{properties}
	s.declared[v.Detail.ServiceArn], s.awaited[v.Detail.ServiceArn] = true, v.primary().Detail.ID
	return v, s.keepService(v)
}
