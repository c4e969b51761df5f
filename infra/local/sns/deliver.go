package sns

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
)

// envelope is the JSON that SNS wraps a message in.
type envelope struct {
	Type              string
	MessageID         string `json:"MessageId"`
	TopicArn          string
	Subject           string `json:",omitempty"`
	Message           string
	Timestamp         string
	SignatureVersion  string
	MessageAttributes map[string]attribute `json:",omitempty"`
}

type attribute struct{ Type, Value string }

func wrap(m Message) envelope {
	e := envelope{Type: "Notification", MessageID: m.ID, TopicArn: m.TopicARN, Subject: m.Subject, Message: m.Message,
		Timestamp: m.Time.Format("2006-01-02T15:04:05.000Z"), SignatureVersion: "1"}
	for name, value := range m.Attributes {
		if e.MessageAttributes == nil {
			e.MessageAttributes = map[string]attribute{}
		}
		e.MessageAttributes[name] = attribute{cmp.Or(m.Types[name], "String"), value}
	}
	return e
}

func (s *Service) deliver(ctx context.Context, sub subscription, m Message) error {
	switch sub.Protocol {
	case "email":
		return s.mail(sub.Endpoint, m)
	case "lambda":
		event, err := lambdaEvent(sub, m)
		if err != nil {
			return err
		}
		return s.config.Targets.InvokeSubscribed(ctx, sub.Endpoint, event)
	}
	if sub.Raw {
		return s.config.Targets.SendSubscribed(ctx, sub.Endpoint, m.Message)
	}
	body, err := json.Marshal(wrap(m))
	if err != nil {
		return err
	}
	return s.config.Targets.SendSubscribed(ctx, sub.Endpoint, string(body))
}

func lambdaEvent(sub subscription, m Message) ([]byte, error) {
	type record struct {
		EventSource          string
		EventVersion         string
		EventSubscriptionArn string
		Sns                  envelope
	}
	return json.Marshal(map[string][]record{"Records": {{"aws:sns", "1.0", sub.ARN, wrap(m)}}})
}

func (s *Service) mail(to string, m Message) error {
	one := Mail{to, m}
	line, err := json.Marshal(one)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.outbox.Append(line); err != nil {
		return fmt.Errorf("keep mail: %w", err)
	}
	s.mails = appendLatest(s.mails, one)
	return nil
}
