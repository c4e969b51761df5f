package ecs

import (
	"cmp"
	"context"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/sluice-ml/sluice/infra/local/wire"
)

// Handler serves the ECS API (AWS JSON 1.1, AmazonEC2ContainerServiceV20141113).
func (s *Service) Handler() http.Handler {
	return wire.JSON("ECS", map[string]wire.Operation{
		"CreateCluster":              wire.Op(s.createCluster),
		"DescribeClusters":           wire.Op(s.describeClusters),
		"ListClusters":               wire.Op(s.listClusters),
		"DeleteCluster":              wire.Op(s.deleteCluster),
		"RegisterTaskDefinition":     wire.Op(s.registerTaskDefinition),
		"DescribeTaskDefinition":     wire.Op(s.describeTaskDefinition),
		"ListTaskDefinitions":        wire.Op(s.listTaskDefinitions),
		"ListTaskDefinitionFamilies": wire.Op(s.listFamilies),
		"DeregisterTaskDefinition":   wire.Op(s.deregisterTaskDefinition),
		"CreateService":              wire.Op(s.createService),
		"UpdateService":              wire.Op(s.updateService),
		"DescribeServices":           wire.Op(s.describeServices),
		"ListServices":               wire.Op(s.listServices),
		"DeleteService":              wire.Op(s.deleteService),
		"RunTask":                    wire.Op(s.runTask),
		"StopTask":                   wire.Op(s.stopTask),
		"DescribeTasks":              wire.Op(s.describeTasks),
		"ListTasks":                  wire.Op(s.listTasks),
		"TagResource":                wire.Op(s.tagResource),
		"UntagResource":              wire.Op(s.untagResource),
		"ListTagsForResource":        wire.Op(s.listTagsForResource),
	})
}

func serviceNotFound() error { return wire.Errorf("ServiceNotFoundException", "Service not found.") }

type listDefinitionsInput struct {
	FamilyPrefix string `json:"familyPrefix"`
	Status       string `json:"status"`
	Sort         string `json:"sort"`
	listInput
}

type listDefinitionsOutput struct {
	TaskDefinitionArns []string `json:"taskDefinitionArns"`
	NextToken          string   `json:"nextToken,omitempty"`
}

// listTaskDefinitions lists revisions, ACTIVE ones unless told otherwise. Its
// familyPrefix is, as on AWS, a whole family.
func (s *Service) listTaskDefinitions(_ context.Context, in listDefinitionsInput) (listDefinitionsOutput, error) {
	status := cmp.Or(in.Status, active)
	if status != active && status != inactive {
		return listDefinitionsOutput{}, invalid("status %q: want ACTIVE or INACTIVE", in.Status)
	}
	s.mutex.Lock()
	defer s.mutex.Unlock()
	all := []string{}
	for _, family := range slices.Sorted(maps.Keys(s.families)) {
		if in.FamilyPrefix != "" && family != in.FamilyPrefix {
			continue
		}
		for _, d := range s.families[family] {
			if d.status() == status {
				all = append(all, d.ARN)
			}
		}
	}
	switch in.Sort {
	case "", "ASC":
	case "DESC":
		slices.Reverse(all)
	default:
		return listDefinitionsOutput{}, invalid("sort %q: want ASC or DESC", in.Sort)
	}
	arns, next, err := page(all, in.listInput, 100)
	return listDefinitionsOutput{arns, next}, err
}

type listFamiliesOutput struct {
	Families  []string `json:"families"`
	NextToken string   `json:"nextToken,omitempty"`
}

func (s *Service) listFamilies(_ context.Context, in struct {
	FamilyPrefix string `json:"familyPrefix"`
	Status       string `json:"status"`
	listInput
}) (listFamiliesOutput, error) {
	if !contains([]string{"", active, inactive, "ALL"}, in.Status) {
		return listFamiliesOutput{}, invalid("status %q: want ACTIVE, INACTIVE or ALL", in.Status)
	}
	s.mutex.Lock()
	defer s.mutex.Unlock()
	all := []string{}
	for _, family := range slices.Sorted(maps.Keys(s.families)) {
		status := inactive
		if slices.ContainsFunc(s.families[family], func(d *definition) bool { return d.status() == active }) {
			status = active
		}
		if strings.HasPrefix(family, in.FamilyPrefix) && contains([]string{"", "ALL", status}, in.Status) {
			all = append(all, family)
		}
	}
	families, next, err := page(all, in.listInput, 100)
	return listFamiliesOutput{families, next}, err
}
