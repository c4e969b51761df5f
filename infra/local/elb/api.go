package elb

import (
	"context"
	"net/http"
	"slices"
	"strings"

	"github.com/sluice-ml/sluice/infra/local/query"
	"github.com/sluice-ml/sluice/infra/local/wire"
)

// Handler serves the API, AWS Query.
func (s *Service) Handler() http.Handler {
	return query.Handler("Elastic Load Balancing", "http://elasticloadbalancing.amazonaws.com/doc/2015-12-01/", map[string]query.Operation{
		"CreateLoadBalancer":             query.Struct(s.createBalancer),
		"DescribeLoadBalancers":          query.Struct(s.describeBalancers),
		"DeleteLoadBalancer":             query.Struct(s.deleteBalancer),
		"DescribeLoadBalancerAttributes": query.Struct(s.describeBalancerAttributes),
		"ModifyLoadBalancerAttributes":   query.Struct(s.modifyBalancerAttributes),
		"CreateTargetGroup":              query.Struct(s.createGroup),
		"DescribeTargetGroups":           query.Struct(s.describeGroups),
		"ModifyTargetGroup":              query.Struct(s.modifyGroup),
		"DeleteTargetGroup":              query.Struct(s.deleteGroup),
		"DescribeTargetGroupAttributes":  query.Struct(s.describeGroupAttributes),
		"ModifyTargetGroupAttributes":    query.Struct(s.modifyGroupAttributes),
		"RegisterTargets":                query.Struct(s.registerTargets),
		"DeregisterTargets":              query.Struct(s.deregisterTargets),
		"DescribeTargetHealth":           query.Struct(s.describeTargetHealth),
		"CreateListener":                 query.Struct(s.createListener),
		"DescribeListeners":              query.Struct(s.describeListeners),
		"ModifyListener":                 query.Struct(s.modifyListener),
		"DeleteListener":                 query.Struct(s.deleteListener),
		"CreateRule":                     query.Struct(s.createRule),
		"DescribeRules":                  query.Struct(s.describeRules),
		"ModifyRule":                     query.Struct(s.modifyRule),
		"DeleteRule":                     query.Struct(s.deleteRule),
		"SetRulePriorities":              query.Struct(s.setPriorities),
		"AddTags":                        query.Struct(s.addTagsCall),
		"DescribeTags":                   query.Struct(s.describeTags),
		"RemoveTags":                     query.Struct(s.removeTags),
	})
}

const (
	maxTags    = 50 // of a resource
	maxTagARNs = 20 // in one DescribeTags
)

// exists wants a resource of any of the four kinds; s.mu is held.
func (s *Service) exists(arn string) error {
	kind, _, _ := strings.Cut(resource(arn), "/")
	_, isRule := s.ruleByARN(arn)
	switch {
	case kind == "loadbalancer" && s.state.LoadBalancers[arn] == nil:
		return noLoadBalancer(arn)
	case kind == "targetgroup" && s.state.TargetGroups[arn] == nil:
		return noTargetGroup(arn)
	case kind == "listener" && s.state.Listeners[arn] == nil:
		return noListener(arn)
	case kind == "listener-rule" && !isRule:
		return noRule(arn)
	case !slices.Contains([]string{"loadbalancer", "targetgroup", "listener", "listener-rule"}, kind):
		return invalid("'%s' is not the ARN of a load balancer, a target group, a listener or a rule", arn)
	}
	return nil
}

// checkTags says what speaks against adding tags; s.mu is held.
func (s *Service) checkTags(arn string, tags []Tag) error {
	seen := map[string]bool{}
	for _, t := range tags {
		if seen[t.Key] {
			return wire.Errorf("DuplicateTagKeys", "The tag key '%s' was specified more than once", t.Key)
		}
		if t.Key == "" || len(t.Key) > 128 || len(t.Value) > 256 || strings.HasPrefix(t.Key, "aws:") {
			return invalid("The tag '%s' must have a key of 1 to 128 characters that does not begin with 'aws:' and a value of at most 256", t.Key)
		}
		seen[t.Key] = true
	}
	for _, t := range s.state.Tags[arn] {
		seen[t.Key] = true
	}
	if len(seen) > maxTags {
		return wire.Errorf("TooManyTags", "The maximum number of tags has been reached on '%s': %d", arn, maxTags)
	}
	return nil
}

// addTags adds tags, or gives those that are there another value; s.mu is held.
func (s *Service) addTags(arn string, tags []Tag) {
	all := slices.Clone(s.state.Tags[arn])
	for _, t := range tags {
		if at := slices.IndexFunc(all, func(other Tag) bool { return other.Key == t.Key }); at >= 0 {
			all[at] = t
		} else {
			all = append(all, t)
		}
	}
	if len(all) > 0 {
		s.state.Tags[arn] = all
	}
}

type addTagsIn struct {
	ResourceArns []string
	Tags         []Tag
}

func (s *Service) addTagsCall(_ context.Context, in addTagsIn) (*none, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(in.ResourceArns) == 0 || len(in.Tags) == 0 {
		return nil, invalid("You must specify resource ARNs and tags")
	}
	for _, arn := range in.ResourceArns {
		if err := s.exists(arn); err != nil {
			return nil, err
		}
		if err := s.checkTags(arn, in.Tags); err != nil {
			return nil, err
		}
	}
	for _, arn := range in.ResourceArns {
		s.addTags(arn, in.Tags)
	}
	return &none{}, s.save()
}

type resourcesIn struct{ ResourceArns []string }

type tagsOut struct {
	TagDescriptions []tagDescription `xml:"TagDescriptions>member"`
}

type tagDescription struct {
	ResourceArn string
	Tags        []Tag `xml:"Tags>member"`
}

func (s *Service) describeTags(_ context.Context, in resourcesIn) (*tagsOut, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(in.ResourceArns) == 0 || len(in.ResourceArns) > maxTagARNs {
		return nil, invalid("You must specify 1 to %d resource ARNs", maxTagARNs)
	}
	out := &tagsOut{}
	for _, arn := range in.ResourceArns {
		if err := s.exists(arn); err != nil {
			return nil, err
		}
		out.TagDescriptions = append(out.TagDescriptions, tagDescription{arn, s.state.Tags[arn]})
	}
	return out, nil
}

type removeTagsIn struct {
	ResourceArns []string
	TagKeys      []string
}

func (s *Service) removeTags(_ context.Context, in removeTagsIn) (*none, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, arn := range in.ResourceArns {
		if err := s.exists(arn); err != nil {
			return nil, err
		}
	}
	for _, arn := range in.ResourceArns {
		s.state.Tags[arn] = slices.DeleteFunc(slices.Clone(s.state.Tags[arn]), func(t Tag) bool { return slices.Contains(in.TagKeys, t.Key) })
	}
	return &none{}, s.save()
}
