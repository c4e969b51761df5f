package sns

import (
	"context"
	"slices"

	"github.com/sluice-ml/sluice/infra/local/query"
)

type nameIn struct {
	name       string
	attributes map[string]string
}

func readCreateTopic(p *query.Params) nameIn {
	return nameIn{p.String("Name"), p.Map("Attributes", "key", "value")}
}

type topicOut struct {
	TopicArn string `xml:"TopicArn"`
}

func (s *Service) createTopicCall(_ context.Context, in nameIn) (*topicOut, error) {
	for name := range in.attributes {
		if name != "DisplayName" && name != "KmsMasterKeyId" {
			return nil, invalid("Attributes: the local stack's topics have no %s", name)
		}
	}
	arn, err := s.CreateTopic(in.name, in.attributes["DisplayName"])
	return &topicOut{arn}, err
}

type tokenIn struct{ topic, token string }

func readListTopics(p *query.Params) tokenIn { return tokenIn{token: p.String("NextToken")} }

type topicsOut struct {
	Topics    []topicOut `xml:"Topics>member"`
	NextToken string     `xml:"NextToken,omitempty"`
}

// page is how many topics or subscriptions SNS lists at a time.
const page = 100

func (s *Service) listTopics(_ context.Context, in tokenIn) (*topicsOut, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var arns []string
	for name := range s.state.Topics {
		arns = append(arns, s.arn(name))
	}
	slices.Sort(arns)
	out := &topicsOut{}
	for _, arn := range arns {
		if arn <= in.token {
			continue
		}
		if len(out.Topics) == page {
			out.NextToken = out.Topics[page-1].TopicArn
			break
		}
		out.Topics = append(out.Topics, topicOut{arn})
	}
	return out, nil
}

type publishIn struct {
	topic, subject, message string
	attributes              map[string]string
	types                   map[string]string
}

func readPublish(p *query.Params) publishIn {
	in := publishIn{topic: p.String("TopicArn"), subject: p.String("Subject"), message: p.String("Message")}
	in.types = p.Map("MessageAttributes", "Name", "Value.DataType")
	in.attributes = p.Map("MessageAttributes", "Name", "Value.StringValue")
	return in
}

type publishOut struct {
	MessageID string `xml:"MessageId"`
}

func (s *Service) publishCall(ctx context.Context, in publishIn) (*publishOut, error) {
	for name, kind := range in.types {
		if kind != "String" {
			return nil, invalid("MessageAttributes: %s has the type %q: the local stack has String", name, kind)
		}
	}
	id, err := s.Publish(ctx, in.topic, in.subject, in.message, in.attributes)
	return &publishOut{id}, err
}

type subscribeIn struct {
	topic, protocol, endpoint string
	attributes                map[string]string
}

func readSubscribe(p *query.Params) subscribeIn {
	p.Bool("ReturnSubscriptionArn") // it is always returned: nothing waits for confirmation here
	return subscribeIn{p.String("TopicArn"), p.String("Protocol"), p.String("Endpoint"), p.Map("Attributes", "key", "value")}
}

type subscribeOut struct {
	SubscriptionArn string `xml:"SubscriptionArn"`
}

func (s *Service) subscribeCall(_ context.Context, in subscribeIn) (*subscribeOut, error) {
	for name := range in.attributes {
		if name != "RawMessageDelivery" {
			return nil, invalid("Attributes: the local stack's subscriptions have no %s", name)
		}
	}
	arn, err := s.Subscribe(in.topic, in.protocol, in.endpoint, in.attributes["RawMessageDelivery"] == "true")
	return &subscribeOut{arn}, err
}

func readListSubscriptions(p *query.Params) tokenIn {
	return tokenIn{p.String("TopicArn"), p.String("NextToken")}
}

type subscriptionOut struct {
	SubscriptionArn string `xml:"SubscriptionArn"`
	Owner           string `xml:"Owner"`
	Protocol        string `xml:"Protocol"`
	Endpoint        string `xml:"Endpoint"`
	TopicArn        string `xml:"TopicArn"`
}

type subscriptionsOut struct {
	Subscriptions []subscriptionOut `xml:"Subscriptions>member"`
	NextToken     string            `xml:"NextToken,omitempty"`
}

func (s *Service) listSubscriptions(_ context.Context, in tokenIn) (*subscriptionsOut, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.topic(in.topic) == nil {
		return nil, noTopic()
	}
	out := &subscriptionsOut{}
	skipping := in.token != ""
	for _, sub := range s.state.Subscriptions {
		switch {
		case sub.TopicARN != in.topic:
		case skipping:
			skipping = sub.ARN != in.token
		case len(out.Subscriptions) == page:
			out.NextToken = out.Subscriptions[page-1].SubscriptionArn
			return out, nil
		default:
			out.Subscriptions = append(out.Subscriptions, subscriptionOut{sub.ARN, s.config.Account, sub.Protocol, sub.Endpoint, sub.TopicARN})
		}
	}
	return out, nil
}
