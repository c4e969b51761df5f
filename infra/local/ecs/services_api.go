package ecs

import (
	"cmp"
	"context"
	"encoding/json"
	"slices"
	"strings"

	"github.com/sluice-ml/sluice/infra/local/wire"
)

// serviceInput is CreateService's input, and with members of its own what
// UpdateService and AWS::ECS::Service take.
type serviceInput struct {
	Cluster                       string                   `json:"cluster"`
	ServiceName                   string                   `json:"serviceName"`
	TaskDefinition                string                   `json:"taskDefinition"`
	LoadBalancers                 []loadBalancer           `json:"loadBalancers"`
	ServiceRegistries             []json.RawMessage        `json:"serviceRegistries"`
	DesiredCount                  *int                     `json:"desiredCount"`
	ClientToken                   string                   `json:"clientToken"` // a service is named: the name makes the call idempotent
	LaunchType                    string                   `json:"launchType"`
	CapacityProviderStrategy      []weight                 `json:"capacityProviderStrategy"`
	PlatformVersion               string                   `json:"platformVersion"`
	Role                          string                   `json:"role"`
	DeploymentConfiguration       *deploymentConfiguration `json:"deploymentConfiguration"`
	PlacementConstraints          []json.RawMessage        `json:"placementConstraints"`
	PlacementStrategy             []json.RawMessage        `json:"placementStrategy"`
	NetworkConfiguration          *network                 `json:"networkConfiguration"`
	HealthCheckGracePeriodSeconds *int                     `json:"healthCheckGracePeriodSeconds"`
	SchedulingStrategy            string                   `json:"schedulingStrategy"`
	DeploymentController          *controller              `json:"deploymentController"`
	Tags                          []tag                    `json:"tags"`
	EnableECSManagedTags          *bool                    `json:"enableECSManagedTags"`
	PropagateTags                 string                   `json:"propagateTags"`
	EnableExecuteCommand          *bool                    `json:"enableExecuteCommand"`
	AvailabilityZoneRebalancing   string                   `json:"availabilityZoneRebalancing"` // there is one zone
	ServiceConnectConfiguration   json.RawMessage          `json:"serviceConnectConfiguration"`
	VolumeConfigurations          []json.RawMessage        `json:"volumeConfigurations"`
	VpcLatticeConfigurations      []json.RawMessage        `json:"vpcLatticeConfigurations"`
}

type serviceOutput struct {
	Service serviceDetail `json:"service"`
}

// check refuses what a rolling service on Fargate cannot have here.
func (in *serviceInput) check() error {
	if c := in.DeploymentController; c != nil && c.Type != "ECS" {
		return refused("deploymentController "+c.Type, "it has ECS, the rolling deployment")
	}
	switch {
	case in.SchedulingStrategy != "" && in.SchedulingStrategy != "REPLICA":
		return refused("schedulingStrategy "+in.SchedulingStrategy, "Fargate has REPLICA")
	case in.LaunchType != "" && in.LaunchType != "FARGATE":
		return refused("launchType "+in.LaunchType, "it has FARGATE")
	case in.LaunchType != "" && len(in.CapacityProviderStrategy) > 0:
		return invalid("Specifying both a launch type and capacity provider strategy is not supported. Remove one and try again.")
	case len(in.PlacementConstraints)+len(in.PlacementStrategy) > 0:
		return invalid("Placement constraints and strategies are not supported with FARGATE launch type.")
	case len(in.ServiceRegistries) > 0 || len(in.ServiceConnectConfiguration) > 0 || len(in.VpcLatticeConfigurations) > 0:
		return refused("serviceRegistries, serviceConnectConfiguration and vpcLatticeConfigurations", "use loadBalancers")
	case len(in.VolumeConfigurations) > 0:
		return refused("volumeConfigurations", "a container has a folder of its own (HOME, TMPDIR), and S3")
	case in.EnableExecuteCommand != nil && *in.EnableExecuteCommand:
		return refused("enableExecuteCommand", "tasks are processes of this machine: use its own tools")
	case in.PlatformVersion != "" && in.PlatformVersion != "LATEST" && in.PlatformVersion != platformVersion:
		return refused("platformVersion "+in.PlatformVersion, "it has LATEST, which is "+platformVersion)
	case !contains([]string{"", "NONE", "SERVICE", "TASK_DEFINITION"}, in.PropagateTags):
		return invalid("propagateTags %q: want NONE, SERVICE or TASK_DEFINITION", in.PropagateTags)
	case in.DesiredCount != nil && (*in.DesiredCount < 0 || *in.DesiredCount > 5000):
		return invalid("desiredCount %d: want 0 to 5000", *in.DesiredCount)
	case in.HealthCheckGracePeriodSeconds != nil && *in.HealthCheckGracePeriodSeconds < 0:
		return invalid("healthCheckGracePeriodSeconds %d: want 0 or more", *in.HealthCheckGracePeriodSeconds)
	}
	if err := checkProviders(in.CapacityProviderStrategy); err != nil {
		return err
	}
	if err := checkTags(in.Tags); err != nil {
		return err
	}
	if in.NetworkConfiguration != nil {
		if err := in.NetworkConfiguration.check(); err != nil {
			return err
		}
	}
	return in.DeploymentConfiguration.check()
}

// check wants what awsvpc mode needs.
func (n *network) check() error {
	if n == nil || n.AwsvpcConfiguration == nil {
		return invalid("Network Configuration must be provided when networkMode 'awsvpc' is specified.")
	}
	if len(n.AwsvpcConfiguration.Subnets) == 0 {
		return invalid("subnets can not be empty.")
	}
	if a := n.AwsvpcConfiguration.AssignPublicIP; a != "" && a != "ENABLED" && a != "DISABLED" {
		return invalid("assignPublicIp %q: want ENABLED or DISABLED", a)
	}
	return nil
}

// checkBalancers wants every load balancer to be a target group that something
// forwards to, and a port that the task definition maps.
func (s *Service) checkBalancers(list []loadBalancer, d *definition) error {
	if len(list) > 5 {
		return invalid("loadBalancers has %d entries: AWS allows 5", len(list))
	}
	for _, b := range list {
		switch {
		case b.LoadBalancerName != "" || b.TargetGroupArn == "":
			return refused("a loadBalancer without targetGroupArn (Classic Load Balancer)", "give the targetGroupArn of an Application Load Balancer's target group")
		case len(b.AdvancedConfiguration) > 0:
			return refused("loadBalancers.advancedConfiguration", "it is of blue/green deployments; it has ROLLING")
		case s.options.LoadBalancing == nil:
			return refused("loadBalancers", "no load balancing is connected")
		}
		c := d.container(b.ContainerName)
		if c == nil {
			return invalid("The container %s does not exist in the task definition.", b.ContainerName)
		}
		if !slices.ContainsFunc(c.PortMappings, func(p portMapping) bool { return p.ContainerPort == b.ContainerPort }) {
			return invalid("The container %s did not have a container port %d defined.", b.ContainerName, b.ContainerPort)
		}
		inUse, ok := s.options.LoadBalancing.TargetGroupExists(b.TargetGroupArn)
		if !ok {
			return invalid("The target group %s does not exist.", b.TargetGroupArn)
		}
		if !inUse {
			return invalid("The target group with targetGroupArn %s does not have an associated load balancer.", b.TargetGroupArn)
		}
	}
	return nil
}

func (s *Service) createService(_ context.Context, in serviceInput) (serviceOutput, error) {
	if in.DesiredCount == nil {
		return serviceOutput{}, invalid("Desired count can not be null.")
	}
	v, err := s.create(in)
	if err != nil {
		return serviceOutput{}, err
	}
	s.mutex.Lock()
	defer s.mutex.Unlock()
	return serviceOutput{s.describe(v, true)}, nil
}

// create makes a service and wakes its scheduler.
func (s *Service) create(in serviceInput) (*service, error) {
	if err := checkName("serviceName", in.ServiceName); err != nil {
		return nil, err
	}
	if err := in.check(); err != nil {
		return nil, err
	}
	if err := in.NetworkConfiguration.check(); err != nil {
		return nil, err
	}
	if err := in.DeploymentConfiguration.merged(usualDeployment()).blocked(); err != nil {
		return nil, err
	}
	s.mutex.Lock()
	d, err := s.runnable(in.TaskDefinition)
	s.mutex.Unlock()
	if err == nil {
		err = s.checkBalancers(in.LoadBalancers, d) // asks the load balancer: not under the lock
	}
	if err != nil {
		return nil, err
	}
	s.mutex.Lock()
	defer s.mutex.Unlock()
	cluster, err := s.activeCluster(in.Cluster)
	if err != nil {
		return nil, err
	}
	arn := s.arn("service/" + cluster + "/" + in.ServiceName)
	if old := s.services[arn]; old != nil && old.Detail.Status == draining {
		return nil, invalid("Unable to Start a service that is still Draining.")
	} else if old != nil && old.Detail.Status == active {
		return nil, invalid("Creation of service was not idempotent.")
	}
	v := &service{Detail: serviceDetail{ServiceArn: arn, ServiceName: in.ServiceName, ClusterArn: s.clusterArn(cluster), CreatedAt: s.now()}}
	v.fill(in, s.root())
	if len(v.Detail.CapacityProviderStrategy) == 0 && in.LaunchType == "" {
		v.Detail.CapacityProviderStrategy = s.clusters[cluster].DefaultStrategy
	}
	if len(v.Detail.CapacityProviderStrategy) == 0 {
		v.Detail.LaunchType = "FARGATE"
	}
	s.newDeployment(v, d.ARN)
	if err := s.keepService(v); err != nil {
		return nil, err
	}
	s.services[arn] = v
	s.wake()
	return v, nil
}

// fill sets what a new service is given.
func (v *service) fill(in serviceInput, creator string) {
	d := &v.Detail
	none := []json.RawMessage{}
	d.Status, d.SchedulingStrategy, d.DeploymentController = active, "REPLICA", controller{"ECS"}
	d.PlatformVersion, d.PlatformFamily, d.CreatedBy = platformVersion, "Linux", creator
	d.ServiceRegistries, d.PlacementConstraints, d.PlacementStrategy = none, none, none
	d.LoadBalancers = append([]loadBalancer{}, in.LoadBalancers...)
	d.DesiredCount = 1 // CloudFormation's default; the API wants a count
	if in.DesiredCount != nil {
		d.DesiredCount = *in.DesiredCount
	}
	d.CapacityProviderStrategy, d.RoleArn = in.CapacityProviderStrategy, in.Role
	d.DeploymentConfiguration = in.DeploymentConfiguration.merged(usualDeployment())
	d.NetworkConfiguration, d.Tags = in.NetworkConfiguration, in.Tags
	if in.HealthCheckGracePeriodSeconds != nil {
		d.HealthCheckGracePeriodSeconds = *in.HealthCheckGracePeriodSeconds
	}
	d.EnableECSManagedTags = in.EnableECSManagedTags != nil && *in.EnableECSManagedTags
	d.PropagateTags = cmp.Or(in.PropagateTags, "NONE")
	d.AvailabilityZoneRebalancing = cmp.Or(in.AvailabilityZoneRebalancing, "DISABLED")
}

type updateServiceInput struct {
	serviceInput
	Service            string `json:"service"`
	ForceNewDeployment bool   `json:"forceNewDeployment"`
}

func (s *Service) updateService(_ context.Context, in updateServiceInput) (serviceOutput, error) {
	for name, given := range map[string]bool{"serviceName": in.ServiceName != "", "launchType": in.LaunchType != "", "role": in.Role != "",
		"schedulingStrategy": in.SchedulingStrategy != "", "tags": in.Tags != nil, "clientToken": in.ClientToken != ""} {
		if given {
			return serviceOutput{}, wire.Errorf("ValidationException", "UpdateService has no member %s", name)
		}
	}
	v, err := s.update(in)
	if err != nil {
		return serviceOutput{}, err
	}
	s.mutex.Lock()
	defer s.mutex.Unlock()
	return serviceOutput{s.describe(v, true)}, nil
}

// update changes a service: all of it, or nothing.
func (s *Service) update(in updateServiceInput) (*service, error) {
	if err := in.check(); err != nil {
		return nil, err
	}
	s.mutex.Lock()
	v, err := s.activeService(in.Cluster, in.Service)
	var d *definition
	balancers := in.LoadBalancers
	if err == nil {
		if d, err = s.runnable(cmp.Or(in.TaskDefinition, v.Detail.TaskDefinition)); in.TaskDefinition == "" {
			d, err = s.definitionNamed(v.Detail.TaskDefinition), nil // it may be INACTIVE meanwhile
		}
		if balancers == nil {
			balancers = v.Detail.LoadBalancers
		}
	}
	s.mutex.Unlock()
	if err == nil {
		err = s.checkBalancers(balancers, d)
	}
	if err != nil {
		return nil, err
	}
	s.mutex.Lock()
	defer s.mutex.Unlock()
	if v.Detail.Status != active {
		return nil, wire.Errorf("ServiceNotActiveException", "Service was not ACTIVE.")
	}
	if err := in.DeploymentConfiguration.merged(v.Detail.DeploymentConfiguration).blocked(); err != nil {
		return nil, err
	}
	s.change(v, in, d, balancers)
	if err := s.keepService(v); err != nil {
		return nil, err
	}
	s.notify()
	s.wake()
	return v, nil
}

// change applies a checked update; the mutex is held. A deployment begins when
// what tasks are made from changes, or when it is forced.
func (s *Service) change(v *service, in updateServiceInput, d *definition, balancers []loadBalancer) {
	before := v.Detail
	if in.DesiredCount != nil && *in.DesiredCount != v.Detail.DesiredCount {
		v.Detail.DesiredCount, v.Steady = *in.DesiredCount, false
		s.serviceAction(v, "INFO", "SERVICE_DESIRED_COUNT_UPDATED", "")
	}
	v.Detail.DeploymentConfiguration = in.DeploymentConfiguration.merged(before.DeploymentConfiguration)
	v.Detail.LoadBalancers = balancers
	if in.HealthCheckGracePeriodSeconds != nil {
		v.Detail.HealthCheckGracePeriodSeconds = *in.HealthCheckGracePeriodSeconds
	}
	if in.NetworkConfiguration != nil {
		v.Detail.NetworkConfiguration = in.NetworkConfiguration
	}
	if in.CapacityProviderStrategy != nil {
		v.Detail.CapacityProviderStrategy, v.Detail.LaunchType = in.CapacityProviderStrategy, ""
	}
	if in.PropagateTags != "" {
		v.Detail.PropagateTags = in.PropagateTags
	}
	if in.EnableECSManagedTags != nil {
		v.Detail.EnableECSManagedTags = *in.EnableECSManagedTags
	}
	v.Detail.AvailabilityZoneRebalancing = cmp.Or(in.AvailabilityZoneRebalancing, before.AvailabilityZoneRebalancing)
	if in.ForceNewDeployment || d.ARN != before.TaskDefinition || !same(before.LoadBalancers, v.Detail.LoadBalancers) ||
		!same(before.NetworkConfiguration, v.Detail.NetworkConfiguration) || !same(before.CapacityProviderStrategy, v.Detail.CapacityProviderStrategy) {
		s.newDeployment(v, d.ARN)
	}
}

// activeService takes a name or an ARN. Callers hold the mutex.
func (s *Service) activeService(cluster, named string) (*service, error) {
	name, err := s.activeCluster(cluster)
	if err != nil {
		return nil, err
	}
	v := s.services[s.serviceArn(name, named)]
	if v == nil {
		return nil, wire.Errorf("ServiceNotFoundException", "Service not found.")
	}
	if v.Detail.Status != active {
		return nil, wire.Errorf("ServiceNotActiveException", "Service was not ACTIVE.")
	}
	return v, nil
}

func (s *Service) serviceArn(cluster, named string) string {
	if strings.HasPrefix(named, "arn:") {
		return named
	}
	return s.arn("service/" + cluster + "/" + named)
}

type describeServicesInput struct {
	Cluster  string   `json:"cluster"`
	Services []string `json:"services"`
	Include  []string `json:"include"`
}

type describeServicesOutput struct {
	Services []serviceDetail `json:"services"`
	Failures []failure       `json:"failures"`
}

func (s *Service) describeServices(_ context.Context, in describeServicesInput) (describeServicesOutput, error) {
	if err := included(in.Include, "TAGS"); err != nil {
		return describeServicesOutput{}, err
	}
	if len(in.Services) < 1 || len(in.Services) > 10 {
		return describeServicesOutput{}, invalid("services has %d entries: want 1 to 10", len(in.Services))
	}
	s.mutex.Lock()
	defer s.mutex.Unlock()
	cluster, err := s.activeCluster(in.Cluster)
	if err != nil {
		return describeServicesOutput{}, err
	}
	out := describeServicesOutput{Services: []serviceDetail{}, Failures: []failure{}}
	for _, named := range in.Services {
		arn := s.serviceArn(cluster, named)
		if v := s.services[arn]; v != nil && v.cluster() == cluster {
			out.Services = append(out.Services, s.describe(v, len(in.Include) > 0))
			continue
		}
		out.Failures = append(out.Failures, missing(arn))
	}
	return out, nil
}

type listServicesInput struct {
	Cluster                string `json:"cluster"`
	LaunchType             string `json:"launchType"`
	SchedulingStrategy     string `json:"schedulingStrategy"`
	ResourceManagementType string `json:"resourceManagementType"`
	listInput
}

type listServicesOutput struct {
	ServiceArns []string `json:"serviceArns"`
	NextToken   string   `json:"nextToken,omitempty"`
}

func (s *Service) listServices(_ context.Context, in listServicesInput) (listServicesOutput, error) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	cluster, err := s.activeCluster(in.Cluster)
	if err != nil {
		return listServicesOutput{}, err
	}
	all := []string{}
	for _, v := range s.sortedServices() {
		if v.cluster() == cluster && v.Detail.Status != inactive && (in.LaunchType == "" || in.LaunchType == v.Detail.LaunchType) &&
			contains([]string{"", "REPLICA"}, in.SchedulingStrategy) && contains([]string{"", "CUSTOMER"}, in.ResourceManagementType) {
			all = append(all, v.Detail.ServiceArn)
		}
	}
	arns, next, err := page(all, in.listInput, 10)
	return listServicesOutput{arns, next}, err
}

type deleteServiceInput struct {
	Cluster string `json:"cluster"`
	Service string `json:"service"`
	Force   bool   `json:"force"`
}

func (s *Service) deleteService(_ context.Context, in deleteServiceInput) (serviceOutput, error) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	v, err := s.activeService(in.Cluster, in.Service)
	if err != nil {
		return serviceOutput{}, err
	}
	if v.Detail.DesiredCount > 0 && !in.Force {
		return serviceOutput{}, invalid("The service cannot be stopped while it is scaled above 0.")
	}
	v.Detail.Status, v.Detail.DesiredCount = draining, 0
	if err := s.keepService(v); err != nil {
		return serviceOutput{}, err
	}
	s.notify()
	s.wake()
	return serviceOutput{s.describe(v, true)}, nil
}
