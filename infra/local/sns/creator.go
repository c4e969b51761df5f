package sns

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/sluice-ml/sluice/infra/local/assembly"
)

// Creators makes the template's topics, their policies and subscriptions.
func (s *Service) Creators() map[string]assembly.Creator {
	return map[string]assembly.Creator{
		"AWS::SNS::Topic":        s.createTopic,
		"AWS::SNS::TopicPolicy":  s.createPolicy,
		"AWS::SNS::Subscription": s.createSubscription,
	}
}

func (s *Service) createTopic(_ context.Context, r assembly.Resource) (assembly.Created, error) {
	var p struct {
		TopicName      string
		DisplayName    string
		KmsMasterKeyID string `json:"KmsMasterKeyId"` // named, not used: messages lie on this machine
		Subscription   []struct{ Protocol, Endpoint string }
		Tags           []struct{ Key, Value string }
	}
	if err := r.Decode(&p); err != nil {
		return assembly.Created{}, err
	}
	if p.TopicName == "" {
		p.TopicName = r.LogicalID
	}
	arn, err := s.CreateTopic(p.TopicName, p.DisplayName)
	if err != nil {
		return assembly.Created{}, fmt.Errorf("resource %s: %w", r.LogicalID, err)
	}
	for _, sub := range p.Subscription {
		if _, err := s.Subscribe(arn, sub.Protocol, sub.Endpoint, false); err != nil {
			return assembly.Created{}, fmt.Errorf("resource %s: %w", r.LogicalID, err)
		}
	}
	return assembly.Created{Ref: arn, Attributes: map[string]any{"TopicArn": arn, "TopicName": p.TopicName}}, nil
}

func (s *Service) createPolicy(_ context.Context, r assembly.Resource) (assembly.Created, error) {
	var p struct {
		PolicyDocument json.RawMessage
		Topics         []string
	}
	if err := r.Decode(&p); err != nil {
		return assembly.Created{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, arn := range p.Topics {
		t := s.topic(arn)
		if t == nil {
			return assembly.Created{}, fmt.Errorf("resource %s: topic %q does not exist", r.LogicalID, arn)
		}
		t.Policy = p.PolicyDocument
	}
	return assembly.Created{Ref: r.LogicalID, Attributes: map[string]any{"Id": r.LogicalID}}, s.save()
}

func (s *Service) createSubscription(_ context.Context, r assembly.Resource) (assembly.Created, error) {
	var p struct {
		TopicArn, Protocol, Endpoint string
		RawMessageDelivery           bool
		FilterPolicy                 json.RawMessage
		FilterPolicyScope            string
	}
	if err := r.Decode(&p); err != nil {
		return assembly.Created{}, err
	}
	arn, err := s.subscribe(subscription{TopicARN: p.TopicArn, Protocol: p.Protocol, Endpoint: p.Endpoint, Raw: p.RawMessageDelivery,
		Filter: string(p.FilterPolicy), Scope: p.FilterPolicyScope})
	if err != nil {
		return assembly.Created{}, fmt.Errorf("resource %s: %w", r.LogicalID, err)
	}
	return assembly.Created{Ref: arn, Attributes: map[string]any{"Arn": arn}}, nil
}
