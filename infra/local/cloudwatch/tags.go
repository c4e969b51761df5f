package cloudwatch

import (
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/sluice-ml/sluice/infra/local/wire"
)

// maxTags is how many tags an alarm can have.
const maxTags = 50

// Tags are an alarm's; a change of its configuration leaves them alone.
type tags map[string]string

func tagsOf(list []tag) tags {
	if len(list) == 0 {
		return nil
	}
	out := tags{}
	for _, t := range list {
		out[t.Key] = t.Value
	}
	return out
}

type resourceInput struct {
	ResourceARN string   `json:"ResourceARN"`
	Tags        []tag    `json:"Tags"`
	TagKeys     []string `json:"TagKeys"`
}

type tagsOutput struct {
	Tags []tag `json:"Tags"`
}

// tagged gives the place of an alarm's tags; s.mu is held.
func (s *Service) tagged(arn string) (*tags, error) {
	name, ok := strings.CutPrefix(arn, s.alarmARN(""))
	if !ok {
		return nil, refused("ResourceARN %q: the local stack has tags on alarms", arn)
	}
	if a, ok := s.alarms[name]; ok {
		return &a.Tags, nil
	}
	if c, ok := s.composites[name]; ok {
		return &c.Tags, nil
	}
	return nil, &wire.Error{Code: "ResourceNotFoundException", Status: 404, Message: "alarm " + name + " does not exist"}
}

func (s *Service) listTags(_ context.Context, in *resourceInput) (*tagsOutput, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	at, err := s.tagged(in.ResourceARN)
	if err != nil {
		return nil, err
	}
	out := &tagsOutput{Tags: []tag{}}
	for _, key := range slices.Sorted(maps.Keys(*at)) {
		out.Tags = append(out.Tags, tag{key, (*at)[key]})
	}
	return out, nil
}

func (s *Service) tagResource(_ context.Context, in *resourceInput) (*empty, error) {
	return s.retag(in.ResourceARN, func(t tags) {
		for _, one := range in.Tags {
			t[one.Key] = one.Value
		}
	})
}

func (s *Service) untagResource(_ context.Context, in *resourceInput) (*empty, error) {
	return s.retag(in.ResourceARN, func(t tags) {
		for _, key := range in.TagKeys {
			delete(t, key)
		}
	})
}

func (s *Service) retag(arn string, change func(tags)) (*empty, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	at, err := s.tagged(arn)
	if err != nil {
		return nil, err
	}
	next := tags{}
	maps.Copy(next, *at)
	change(next)
	if len(next) > maxTags {
		return nil, refused("%d tags: an alarm has %d at most", len(next), maxTags)
	}
	*at = next
	return &empty{}, s.save()
}

type alarmsForMetricInput struct {
	Namespace         string      `json:"Namespace"`
	MetricName        string      `json:"MetricName"`
	Statistic         string      `json:"Statistic"`
	ExtendedStatistic string      `json:"ExtendedStatistic"`
	Dimensions        []Dimension `json:"Dimensions"`
	Period            int         `json:"Period"`
	Unit              string      `json:"Unit"`
}

type alarmsForMetricOutput struct {
	MetricAlarms []metricAlarmOut `json:"MetricAlarms"`
}

// describeAlarmsForMetric gives the alarms on one metric. Those on metric math
// are not among them, as on AWS.
func (s *Service) describeAlarmsForMetric(_ context.Context, in *alarmsForMetricInput) (*alarmsForMetricOutput, error) {
	if in.Namespace == "" || in.MetricName == "" {
		return nil, wire.Errorf("MissingParameter", "give Namespace and MetricName")
	}
	wanted := Metric{in.Namespace, in.MetricName, in.Dimensions}.key()
	s.mu.Lock()
	defer s.mu.Unlock()
	out := &alarmsForMetricOutput{}
	for _, name := range sortedKeys(s.alarms) {
		a := s.alarms[name].Alarm
		if !a.simple() || (Metric{a.Namespace, a.MetricName, a.Dimensions}).key() != wanted ||
			(in.Statistic != "" && in.Statistic != a.Statistic) || (in.ExtendedStatistic != "" && in.ExtendedStatistic != a.ExtendedStatistic) ||
			(in.Period != 0 && in.Period != a.Period) || (in.Unit != "" && in.Unit != a.Unit) {
			continue
		}
		out.MetricAlarms = append(out.MetricAlarms, s.alarms[name].describe(s))
	}
	return out, nil
}
