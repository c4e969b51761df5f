package ecs

import (
	"context"
	"slices"
	"strings"

	"github.com/sluice-ml/sluice/infra/local/wire"
)

func checkTags(tags []tag) error {
	seen := map[string]bool{}
	for _, t := range tags {
		if t.Key == "" || len(t.Key) > 128 || len(t.Value) > 256 || strings.HasPrefix(strings.ToLower(t.Key), "aws:") || seen[t.Key] {
			return invalid("tag %q: want distinct keys of 1 to 128 characters without aws:, values of at most 256", t.Key)
		}
		seen[t.Key] = true
	}
	if len(tags) > 50 {
		return invalid("%d tags: AWS allows 50", len(tags))
	}
	return nil
}

// tagged finds the tags of an ARN, and how they are kept. Callers hold the mutex.
func (s *Service) tagged(arn string) (tags *[]tag, keep func() error, err error) {
	kind, name, _ := strings.Cut(strings.TrimPrefix(arn, s.arn("")), "/")
	switch kind {
	case "cluster":
		if c := s.clusters[name]; c != nil && c.Status == active {
			return &c.Tags, s.keepClusters, nil
		}
		return nil, nil, wire.Errorf("ClusterNotFoundException", "Cluster not found.")
	case "service":
		if v := s.services[arn]; v != nil {
			return &v.Detail.Tags, func() error { return s.keepService(v) }, nil
		}
		return nil, nil, wire.Errorf("ServiceNotFoundException", "Service not found.")
	case "task":
		if t := s.tasks[name[strings.LastIndexByte(name, '/')+1:]]; t != nil && t.Detail.TaskArn == arn {
			return &t.Detail.Tags, func() error { return s.keepTask(t) }, nil
		}
	case "task-definition":
		if d := s.definitionNamed(arn); d != nil {
			return &d.Input.Tags, func() error { return s.keepFamily(d.family(), s.families[d.family()]) }, nil
		}
	}
	return nil, nil, invalid("The specified resource %q was not found: want the ARN of a cluster, service, task or task definition.", arn)
}

type tagInput struct {
	ResourceArn string `json:"resourceArn"`
	Tags        []tag  `json:"tags"`
}

type empty struct{}

func (s *Service) tagResource(_ context.Context, in tagInput) (empty, error) {
	return empty{}, s.retag(in.ResourceArn, func(tags []tag) []tag {
		for _, t := range in.Tags {
			tags = slices.DeleteFunc(tags, func(old tag) bool { return old.Key == t.Key })
			tags = append(tags, t)
		}
		return tags
	})
}

type untagInput struct {
	ResourceArn string   `json:"resourceArn"`
	TagKeys     []string `json:"tagKeys"`
}

func (s *Service) untagResource(_ context.Context, in untagInput) (empty, error) {
	return empty{}, s.retag(in.ResourceArn, func(tags []tag) []tag {
		return slices.DeleteFunc(tags, func(t tag) bool { return contains(in.TagKeys, t.Key) })
	})
}

// retag changes tags, all or none.
func (s *Service) retag(arn string, change func([]tag) []tag) error {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	tags, keep, err := s.tagged(arn)
	if err != nil {
		return err
	}
	old := *tags
	changed := change(slices.Clone(old))
	if err := checkTags(changed); err != nil {
		return err
	}
	*tags = changed
	if err := keep(); err != nil {
		*tags = old
		return err
	}
	return nil
}

type tagsOutput struct {
	Tags []tag `json:"tags"`
}

func (s *Service) listTagsForResource(_ context.Context, in struct {
	ResourceArn string `json:"resourceArn"`
}) (tagsOutput, error) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	tags, _, err := s.tagged(in.ResourceArn)
	if err != nil {
		return tagsOutput{}, err
	}
	return tagsOutput{append([]tag{}, *tags...)}, nil
}
