package cloudwatch

import (
	"context"
	"fmt"

	"github.com/sluice-ml/sluice/infra/local/assembly"
)

// Creators makes the template's alarms.
func (s *Service) Creators() map[string]assembly.Creator {
	return map[string]assembly.Creator{
		"AWS::CloudWatch::Alarm":          s.createAlarm,
		"AWS::CloudWatch::CompositeAlarm": s.createComposite,
	}
}

func (s *Service) createAlarm(_ context.Context, r assembly.Resource) (assembly.Created, error) {
	var p putMetricAlarmInput
	if err := r.Decode(&p); err != nil {
		return assembly.Created{}, err
	}
	if p.AlarmName == "" {
		p.AlarmName = r.LogicalID
	}
	if err := s.putAlarm(p.MetricAlarm, p.Tags); err != nil {
		return assembly.Created{}, fmt.Errorf("resource %s: %w", r.LogicalID, err)
	}
	return s.created(p.AlarmName), nil
}

func (s *Service) createComposite(_ context.Context, r assembly.Resource) (assembly.Created, error) {
	var p putCompositeAlarmInput
	if err := r.Decode(&p); err != nil {
		return assembly.Created{}, err
	}
	if p.AlarmName == "" {
		p.AlarmName = r.LogicalID
	}
	if err := s.putComposite(p.CompositeAlarm, p.Tags); err != nil {
		return assembly.Created{}, fmt.Errorf("resource %s: %w", r.LogicalID, err)
	}
	return s.created(p.AlarmName), nil
}

func (s *Service) created(name string) assembly.Created {
	return assembly.Created{Ref: name, Attributes: map[string]any{"Arn": s.alarmARN(name)}}
}
