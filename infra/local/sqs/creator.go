package sqs

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/sluice-ml/sluice/infra/local/assembly"
)

// Creators makes the template's queues and their policies.
func (s *Service) Creators() map[string]assembly.Creator {
	return map[string]assembly.Creator{"AWS::SQS::Queue": s.createQueue, "AWS::SQS::QueuePolicy": s.createPolicy}
}

type queueProperties struct {
	QueueName                     string
	VisibilityTimeout             *int
	MessageRetentionPeriod        *int
	ReceiveMessageWaitTimeSeconds int
	RedrivePolicy                 *struct {
		Target string      `json:"deadLetterTargetArn"`
		Max    json.Number `json:"maxReceiveCount"`
	}
	KmsMasterKeyID       string `json:"KmsMasterKeyId"` // named, not used: messages lie on this machine
	SqsManagedSseEnabled bool
	Tags                 []struct{ Key, Value string }
}

// createQueue makes a queue, or changes its settings and keeps its messages.
func (s *Service) createQueue(_ context.Context, r assembly.Resource) (assembly.Created, error) {
	var p queueProperties
	if err := r.Decode(&p); err != nil {
		return assembly.Created{}, err
	}
	if p.QueueName == "" {
		p.QueueName = r.LogicalID
	}
	want, err := p.queue()
	if err != nil {
		return assembly.Created{}, fmt.Errorf("resource %s: %w", r.LogicalID, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if old := s.queues[want.Name]; old != nil {
		want.Created, want.Messages, want.Policy, want.arrived = old.Created, old.Messages, old.Policy, old.arrived
	} else {
		want.Created, want.arrived = s.config.Now().UTC(), make(chan struct{})
	}
	s.queues[want.Name] = want
	return assembly.Created{Ref: s.url(want.Name), Attributes: map[string]any{
		"Arn": s.arn(want.Name), "QueueName": want.Name, "QueueUrl": s.url(want.Name)}}, s.save(want)
}

func (p queueProperties) queue() (*queue, error) {
	q := &queue{Name: p.QueueName}
	if !queueName.MatchString(p.QueueName) {
		return nil, fmt.Errorf("QueueName %q: want 1 to 80 letters, digits, - and _ (no FIFO queues)", p.QueueName) //nolint:staticcheck // a property's name
	}
	var err error
	if q.Visibility, err = between("VisibilityTimeout", p.VisibilityTimeout, 30, 0, 43200); err != nil {
		return nil, err
	}
	if q.Retention, err = between("MessageRetentionPeriod", p.MessageRetentionPeriod, 345600, 60, 1209600); err != nil {
		return nil, err
	}
	if q.Wait, err = between("ReceiveMessageWaitTimeSeconds", &p.ReceiveMessageWaitTimeSeconds, 0, 0, 20); err != nil {
		return nil, err
	}
	if p.RedrivePolicy == nil {
		return q, nil
	}
	most, err := p.RedrivePolicy.Max.Int64()
	if err != nil || most < 1 || most > 1000 || p.RedrivePolicy.Target == "" {
		return nil, fmt.Errorf("RedrivePolicy: want deadLetterTargetArn and maxReceiveCount 1 to 1000, not %q", p.RedrivePolicy.Max) //nolint:staticcheck // a property's name
	}
	q.Redrive = &redrive{p.RedrivePolicy.Target, int(most)}
	return q, nil
}

func (s *Service) createPolicy(_ context.Context, r assembly.Resource) (assembly.Created, error) {
	var p struct {
		PolicyDocument json.RawMessage
		Queues         []string
	}
	if err := r.Decode(&p); err != nil {
		return assembly.Created{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, url := range p.Queues {
		q, err := s.find(url)
		if err != nil {
			return assembly.Created{}, fmt.Errorf("resource %s: %w", r.LogicalID, err)
		}
		q.Policy = p.PolicyDocument
		if err := s.save(q); err != nil {
			return assembly.Created{}, err
		}
	}
	return assembly.Created{Ref: r.LogicalID, Attributes: map[string]any{"Id": r.LogicalID}}, nil
}
