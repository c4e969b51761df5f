package sns

import (
	"cmp"
	"context"
	"maps"
	"net/http"
	"slices"
	"strconv"

	"github.com/sluice-ml/sluice/infra/local/query"
	"github.com/sluice-ml/sluice/infra/local/wire"
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
		if err := checkAttribute(name, kind, in.attributes[name]); err != nil {
			return nil, err
		}
	}
	maps.DeleteFunc(in.types, func(_, kind string) bool { return kind == "String" })
	id, err := s.publish(ctx, Message{TopicARN: in.topic, Subject: in.subject, Message: in.message, Attributes: in.attributes, Types: in.types})
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
	sub := subscription{TopicARN: in.topic, Protocol: in.protocol, Endpoint: in.endpoint}
	for name, value := range in.attributes {
		if err := sub.set(name, value); err != nil {
			return nil, err
		}
	}
	arn, err := s.subscribe(sub)
	return &subscribeOut{arn}, err
}

// set gives the subscription one of its attributes.
func (sub *subscription) set(name, value string) error {
	switch name {
	case "RawMessageDelivery":
		sub.Raw = value == "true"
	case "FilterPolicy":
		sub.Filter = value
	case "FilterPolicyScope":
		sub.Scope = value
	default:
		return invalid("Attributes: the local stack's subscriptions have no %s; they have RawMessageDelivery, FilterPolicy and FilterPolicyScope", name)
	}
	return nil
}

type subscriptionIn struct{ arn, name, value string }

func readSubscription(p *query.Params) subscriptionIn {
	return subscriptionIn{arn: p.String("SubscriptionArn")}
}

func readSetSubscription(p *query.Params) subscriptionIn {
	return subscriptionIn{p.String("SubscriptionArn"), p.String("AttributeName"), p.String("AttributeValue")}
}

// subscribed finds a subscription by its ARN; s.mu is held.
func (s *Service) subscribed(arn string) (int, error) {
	i := slices.IndexFunc(s.state.Subscriptions, func(sub *subscription) bool { return sub.ARN == arn })
	if i < 0 {
		return 0, &wire.Error{Code: "NotFound", Message: "Subscription does not exist", Status: http.StatusNotFound}
	}
	return i, nil
}

// unsubscribe does nothing for a subscription that is gone, as SNS does.
func (s *Service) unsubscribe(_ context.Context, in subscriptionIn) (*struct{}, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if i, err := s.subscribed(in.arn); err == nil {
		s.state.Subscriptions = slices.Delete(s.state.Subscriptions, i, i+1)
		return nil, s.save()
	}
	return nil, nil
}

func (s *Service) setSubscription(_ context.Context, in subscriptionIn) (*struct{}, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	i, err := s.subscribed(in.arn)
	if err != nil {
		return nil, err
	}
	next := *s.state.Subscriptions[i]
	if err := next.set(in.name, in.value); err != nil {
		return nil, err
	}
	if err := s.checkSubscription(next.Protocol, next.Endpoint, next.Raw); err != nil {
		return nil, err
	}
	if err := checkFilter(next.Filter, next.Scope); err != nil {
		return nil, err
	}
	s.state.Subscriptions[i] = &next
	return nil, s.save()
}

type entryOut struct {
	Key   string `xml:"key"`
	Value string `xml:"value"`
}

type subscriptionAttributesOut struct {
	Attributes []entryOut `xml:"Attributes>entry"`
}

func (s *Service) getSubscription(_ context.Context, in subscriptionIn) (*subscriptionAttributesOut, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	i, err := s.subscribed(in.arn)
	if err != nil {
		return nil, err
	}
	sub := s.state.Subscriptions[i]
	out := &subscriptionAttributesOut{[]entryOut{{"SubscriptionArn", sub.ARN}, {"TopicArn", sub.TopicARN}, {"Protocol", sub.Protocol},
		{"Endpoint", sub.Endpoint}, {"Owner", s.config.Account}, {"RawMessageDelivery", strconv.FormatBool(sub.Raw)}, {"PendingConfirmation", "false"}}}
	if sub.Filter != "" {
		out.Attributes = append(out.Attributes, entryOut{"FilterPolicy", sub.Filter}, entryOut{"FilterPolicyScope", cmp.Or(sub.Scope, scopeAttributes)})
	}
	return out, nil
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
