package ecs

import (
	"cmp"
	"context"
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/sluice-ml/sluice/infra/local/wire"
)

// cluster is a cluster's record.
type cluster struct {
	Name              string
	Status            string // ACTIVE or INACTIVE
	Settings          []nameValue
	CapacityProviders []string
	DefaultStrategy   []weight
	Tags              []tag
}

// clusterInput is CreateCluster's input, and the properties of AWS::ECS::Cluster.
type clusterInput struct {
	ClusterName                     string          `json:"clusterName"`
	Tags                            []tag           `json:"tags"`
	Settings                        []nameValue     `json:"settings"`        // CreateCluster's
	ClusterSettings                 []nameValue     `json:"clusterSettings"` // CloudFormation's
	CapacityProviders               []string        `json:"capacityProviders"`
	DefaultCapacityProviderStrategy []weight        `json:"defaultCapacityProviderStrategy"`
	Configuration                   json.RawMessage `json:"configuration"`
	ServiceConnectDefaults          json.RawMessage `json:"serviceConnectDefaults"`
}

type clusterDetail struct {
	ClusterArn                        string      `json:"clusterArn"`
	ClusterName                       string      `json:"clusterName"`
	Status                            string      `json:"status"`
	RegisteredContainerInstancesCount int         `json:"registeredContainerInstancesCount"`
	RunningTasksCount                 int         `json:"runningTasksCount"`
	PendingTasksCount                 int         `json:"pendingTasksCount"`
	ActiveServicesCount               int         `json:"activeServicesCount"`
	Statistics                        []nameValue `json:"statistics"`
	Tags                              []tag       `json:"tags"`
	Settings                          []nameValue `json:"settings"`
	CapacityProviders                 []string    `json:"capacityProviders"`
	DefaultCapacityProviderStrategy   []weight    `json:"defaultCapacityProviderStrategy"`
}

type clusterOutput struct {
	Cluster clusterDetail `json:"cluster"`
}

const defaultCluster = "default"

func (s *Service) clusterArn(name string) string { return s.arn("cluster/" + name) }

// clusterName takes a name or an ARN; "" is the default cluster.
func (s *Service) clusterName(named string) string {
	return strings.TrimPrefix(cmp.Or(named, defaultCluster), s.clusterArn(""))
}

// activeCluster gives the name of a cluster that is there. Callers hold the mutex.
func (s *Service) activeCluster(named string) (string, error) {
	name := s.clusterName(named)
	if c := s.clusters[name]; c == nil {
		return "", wire.Errorf("ClusterNotFoundException", "Cluster not found.")
	} else if c.Status != active {
		return "", wire.Errorf("ClusterNotFoundException", "The referenced cluster was inactive.")
	}
	return name, nil
}

func checkProviders(strategy []weight) error {
	for _, w := range strategy {
		if err := checkProvider(w.CapacityProvider); err != nil {
			return err
		}
		if w.Weight < 0 || w.Weight > 1000 || w.Base < 0 || w.Base > 100000 {
			return invalid("capacityProviderStrategy: weight %d, base %d: want 0 to 1000 and 0 to 100000", w.Weight, w.Base)
		}
	}
	return nil
}

func checkProvider(name string) error {
	if name != "FARGATE" && name != "FARGATE_SPOT" {
		return refused("capacity provider "+name, "it has FARGATE and FARGATE_SPOT")
	}
	return nil
}

func (in clusterInput) check() error {
	if len(in.Configuration) > 0 || len(in.ServiceConnectDefaults) > 0 {
		return refused("configuration and serviceConnectDefaults of a cluster", "leave them out")
	}
	for _, p := range in.CapacityProviders {
		if err := checkProvider(p); err != nil {
			return err
		}
	}
	for _, setting := range append(in.Settings, in.ClusterSettings...) {
		if setting.Name != "containerInsights" {
			return invalid("setting %q: AWS has containerInsights", setting.Name)
		}
	}
	if err := checkTags(in.Tags); err != nil {
		return err
	}
	return checkProviders(in.DefaultCapacityProviderStrategy)
}

func (s *Service) createCluster(_ context.Context, in clusterInput) (clusterOutput, error) {
	in.ClusterName = cmp.Or(in.ClusterName, defaultCluster)
	if err := checkName("clusterName", in.ClusterName); err != nil {
		return clusterOutput{}, err
	}
	if err := in.check(); err != nil {
		return clusterOutput{}, err
	}
	s.mutex.Lock()
	defer s.mutex.Unlock()
	if c := s.clusters[in.ClusterName]; c == nil || c.Status != active {
		s.clusters[in.ClusterName] = &cluster{Name: in.ClusterName, Status: active, Settings: append(in.Settings, in.ClusterSettings...), Tags: in.Tags,
			CapacityProviders: in.CapacityProviders, DefaultStrategy: in.DefaultCapacityProviderStrategy}
		if err := s.keepClusters(); err != nil {
			return clusterOutput{}, err
		}
	}
	return clusterOutput{s.describeCluster(s.clusters[in.ClusterName], []string{"TAGS", "SETTINGS", "STATISTICS"})}, nil
}

// describeCluster counts; the mutex is held.
func (s *Service) describeCluster(c *cluster, include []string) clusterDetail {
	d := clusterDetail{ClusterArn: s.clusterArn(c.Name), ClusterName: c.Name, Status: c.Status,
		Statistics: []nameValue{}, Tags: []tag{}, Settings: []nameValue{},
		CapacityProviders: append([]string{}, c.CapacityProviders...), DefaultCapacityProviderStrategy: append([]weight{}, c.DefaultStrategy...)}
	for _, t := range s.tasks {
		if t.Cluster != c.Name {
			continue
		}
		switch {
		case t.Detail.LastStatus == running:
			d.RunningTasksCount++
		case t.starting():
			d.PendingTasksCount++
		}
	}
	services := 0
	for _, v := range s.services {
		if v.cluster() == c.Name && v.Detail.Status != inactive {
			services++
		}
	}
	d.ActiveServicesCount = services
	if contains(include, "TAGS") {
		d.Tags = append(d.Tags, c.Tags...)
	}
	if contains(include, "SETTINGS") {
		d.Settings = append(d.Settings, c.Settings...)
	}
	if contains(include, "STATISTICS") {
		d.Statistics = append(d.Statistics,
			nameValue{"runningFargateTasksCount", strconv.Itoa(d.RunningTasksCount)},
			nameValue{"pendingFargateTasksCount", strconv.Itoa(d.PendingTasksCount)},
			nameValue{"activeServiceCount", strconv.Itoa(services)})
	}
	return d
}

type describeClustersInput struct {
	Clusters []string `json:"clusters"`
	Include  []string `json:"include"`
}

type describeClustersOutput struct {
	Clusters []clusterDetail `json:"clusters"`
	Failures []failure       `json:"failures"`
}

func (s *Service) describeClusters(_ context.Context, in describeClustersInput) (describeClustersOutput, error) {
	if err := included(in.Include, "TAGS", "SETTINGS", "STATISTICS", "ATTACHMENTS", "CONFIGURATIONS"); err != nil {
		return describeClustersOutput{}, err
	}
	if len(in.Clusters) == 0 {
		in.Clusters = []string{defaultCluster}
	}
	s.mutex.Lock()
	defer s.mutex.Unlock()
	out := describeClustersOutput{Clusters: []clusterDetail{}, Failures: []failure{}}
	for _, named := range in.Clusters {
		name := s.clusterName(named)
		if c := s.clusters[name]; c != nil {
			out.Clusters = append(out.Clusters, s.describeCluster(c, in.Include))
			continue
		}
		out.Failures = append(out.Failures, missing(s.clusterArn(name)))
	}
	return out, nil
}

type listInput struct {
	MaxResults int    `json:"maxResults"`
	NextToken  string `json:"nextToken"`
}

type listClustersOutput struct {
	ClusterArns []string `json:"clusterArns"`
	NextToken   string   `json:"nextToken,omitempty"`
}

func (s *Service) listClusters(_ context.Context, in listInput) (listClustersOutput, error) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	all := []string{}
	for _, name := range slices.Sorted(maps.Keys(s.clusters)) {
		if s.clusters[name].Status == active {
			all = append(all, s.clusterArn(name))
		}
	}
	arns, next, err := page(all, in, 100)
	return listClustersOutput{arns, next}, err
}

// page cuts a list; a token is the number of entries before the page.
func page(all []string, in listInput, usual int) (some []string, next string, err error) {
	start := 0
	if in.NextToken != "" {
		if start, err = strconv.Atoi(in.NextToken); err != nil || start < 0 {
			return nil, "", invalid("Invalid token %q", in.NextToken)
		}
	}
	if in.MaxResults < 0 || in.MaxResults > 100 {
		return nil, "", invalid("maxResults %d: want 1 to 100", in.MaxResults)
	}
	start = min(start, len(all))
	end := min(start+cmp.Or(in.MaxResults, usual), len(all))
	if end < len(all) {
		next = strconv.Itoa(end)
	}
	return all[start:end], next, nil
}

type deleteClusterInput struct {
	Cluster string `json:"cluster"`
}

func (s *Service) deleteCluster(_ context.Context, in deleteClusterInput) (clusterOutput, error) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	name, err := s.activeCluster(in.Cluster)
	if err != nil {
		return clusterOutput{}, err
	}
	d := s.describeCluster(s.clusters[name], nil)
	if d.ActiveServicesCount > 0 {
		return clusterOutput{}, wire.Errorf("ClusterContainsServicesException", "The Cluster cannot be deleted while Services are active.")
	}
	if slices.ContainsFunc(slices.Collect(maps.Values(s.tasks)), func(t *task) bool { return t.Cluster == name && !t.over() }) {
		return clusterOutput{}, wire.Errorf("ClusterContainsTasksException", "The Cluster cannot be deleted while Tasks are active.")
	}
	s.clusters[name].Status = inactive
	if err := s.keepClusters(); err != nil {
		s.clusters[name].Status = active
		return clusterOutput{}, err
	}
	d.Status = inactive
	return clusterOutput{d}, nil
}
