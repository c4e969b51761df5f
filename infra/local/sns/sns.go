// Package sns is the local stack's SNS: topics, subscriptions and what was
// published.
//
// Every message is kept in a bounded journal. A subscription of an email address
// gets a line in the outbox instead of a mail (nothing leaves this machine, and
// there is nobody to confirm); one of a Lambda function or an SQS queue is
// delivered once, after the message was kept and before Publish returns. A
// target that does not accept it is logged; a kill in between loses the
// delivery, not the message.
//
// FIFO topics, message structures, SMS, HTTP and mobile subscriptions are refused
// by name. Topic policies are kept, not enforced.
package sns

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/sluice-ml/sluice/infra/local/durable"
	"github.com/sluice-ml/sluice/infra/local/query"
	"github.com/sluice-ml/sluice/infra/local/wire"
)

// Targets deliver to subscribers. An error means that the target did not accept.
type Targets interface {
	// InvokeSubscribed invokes a Lambda function, asynchronously, with an SNS event.
	InvokeSubscribed(ctx context.Context, functionARN string, event []byte) error
	// SendSubscribed sends to an SQS queue.
	SendSubscribed(ctx context.Context, queueARN, body string) error
}

// Config is what the service needs.
type Config struct {
	Dir     string
	Region  string
	Account string
	Now     func() time.Time
	Targets Targets   // nil: subscriptions of functions and queues are refused
	Log     io.Writer // deliveries that failed; nil discards
}

// Message is one publication, as it is kept.
type Message struct {
	ID         string            `json:"id"`
	Time       time.Time         `json:"time"`
	TopicARN   string            `json:"topic"`
	Subject    string            `json:"subject,omitempty"`
	Message    string            `json:"message"`
	Attributes map[string]string `json:"attributes,omitempty"`
	Types      map[string]string `json:"types,omitempty"` // of attributes that are not String
}

// Mail is one line of the outbox.
type Mail struct {
	To string `json:"to"`
	Message
}

type topic struct {
	Name        string          `json:"name"`
	DisplayName string          `json:"display_name,omitempty"`
	Policy      json.RawMessage `json:"policy,omitempty"`
}

type subscription struct {
	ARN      string `json:"arn"`
	TopicARN string `json:"topic"`
	Protocol string `json:"protocol"` // "email", "lambda" or "sqs"
	Endpoint string `json:"endpoint"`
	Raw      bool   `json:"raw,omitempty"`    // sqs: the message without its envelope
	Filter   string `json:"filter,omitempty"` // a filter policy, JSON
	Scope    string `json:"scope,omitempty"`  // of the policy; "" is MessageAttributes
}

type state struct {
	Topics        map[string]*topic `json:"topics"`
	Subscriptions []*subscription   `json:"subscriptions"`
}

// Messages and mails are kept up to this size on disk; the latest maxMessages
// are also in memory.
var bounds = durable.Bounds{SegmentBytes: 4 << 20, Segments: 4}

const maxMessages = 1000

// Service is an SNS. It is safe for concurrent use.
type Service struct {
	config   Config
	messages *durable.Journal
	outbox   *durable.Journal

	mu     sync.Mutex
	state  state
	latest []Message
	mails  []Mail
}

// Open reads the state kept under c.Dir.
func Open(c Config) (*Service, error) {
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Log == nil {
		c.Log = io.Discard
	}
	s := &Service{config: c, state: state{Topics: map[string]*topic{}}}
	if _, err := durable.ReadJSON(s.path(), &s.state); err != nil {
		return nil, fmt.Errorf("open sns: %w", err)
	}
	var err error
	if s.messages, err = durable.OpenJournal(filepath.Join(c.Dir, "messages"), bounds, keepLatest(&s.latest)); err != nil {
		return nil, fmt.Errorf("open sns: %w", err)
	}
	if s.outbox, err = durable.OpenJournal(filepath.Join(c.Dir, "outbox"), bounds, keepLatest(&s.mails)); err != nil {
		return nil, errors.Join(fmt.Errorf("open sns: %w", err), s.messages.Close())
	}
	return s, nil
}

func keepLatest[T any](into *[]T) func([]byte) error {
	return func(line []byte) error {
		var one T
		if err := json.Unmarshal(line, &one); err != nil {
			return err
		}
		*into = appendLatest(*into, one)
		return nil
	}
}

func appendLatest[T any](list []T, one T) []T {
	list = append(list, one)
	if len(list) > 2*maxMessages {
		list = slices.Clone(list[len(list)-maxMessages:])
	}
	return list
}

// Close stops writing. The state on disk is complete without it.
func (s *Service) Close() error { return errors.Join(s.messages.Close(), s.outbox.Close()) }

func (s *Service) path() string { return filepath.Join(s.config.Dir, "topics.json") }

func (s *Service) save() error { return durable.WriteJSON(s.path(), s.state) }

func (s *Service) arn(name string) string {
	return fmt.Sprintf("arn:aws:sns:%s:%s:%s", s.config.Region, s.config.Account, name)
}

// Handler serves the API, AWS Query.
func (s *Service) Handler() http.Handler {
	return query.Handler("SNS", "http://sns.amazonaws.com/doc/2010-03-31/", map[string]query.Operation{
		"CreateTopic":               query.Op(readCreateTopic, s.createTopicCall),
		"ListTopics":                query.Op(readListTopics, s.listTopics),
		"Publish":                   query.Op(readPublish, s.publishCall),
		"Subscribe":                 query.Op(readSubscribe, s.subscribeCall),
		"Unsubscribe":               query.Op(readSubscription, s.unsubscribe),
		"GetSubscriptionAttributes": query.Op(readSubscription, s.getSubscription),
		"SetSubscriptionAttributes": query.Op(readSetSubscription, s.setSubscription),
		"ListSubscriptionsByTopic":  query.Op(readListSubscriptions, s.listSubscriptions),
	})
}

// Messages gives the latest messages, oldest first.
func (s *Service) Messages() []Message {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.latest[max(0, len(s.latest)-maxMessages):])
}

// Outbox gives the latest mails, oldest first.
func (s *Service) Outbox() []Mail {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.mails[max(0, len(s.mails)-maxMessages):])
}

// maxMessage is SNS's limit in bytes.
const maxMessage = 256 << 10

// Publish keeps a message and delivers it to the topic's subscribers. It
// returns the message's id.
func (s *Service) Publish(ctx context.Context, topicARN, subject, message string, attributes map[string]string) (string, error) {
	return s.publish(ctx, Message{TopicARN: topicARN, Subject: subject, Message: message, Attributes: attributes})
}

func (s *Service) publish(ctx context.Context, m Message) (string, error) {
	if err := check(m.Subject, m.Message); err != nil {
		return "", err
	}
	m.ID, m.Time = wire.RequestID(), s.config.Now().UTC()
	subscribers, err := s.keep(m)
	if err != nil {
		return "", err
	}
	for _, sub := range subscribers {
		wanted, err := sub.wants(m)
		if wanted {
			err = s.deliver(ctx, sub, m)
		}
		if err != nil {
			fmt.Fprintf(s.config.Log, "sns: deliver message %s to %s %s: %v\n", m.ID, sub.Protocol, sub.Endpoint, err)
		}
	}
	return m.ID, nil
}

func check(subject, message string) error {
	switch {
	case message == "":
		return invalid("Empty message")
	case len(message) > maxMessage:
		return invalid("Message too long: %d bytes, at most %d", len(message), maxMessage)
	case len(subject) > 100 || strings.ContainsFunc(subject, func(r rune) bool { return r < ' ' || r > '~' }):
		return invalid("Subject %q: want at most 100 printable ASCII characters", subject)
	}
	return nil
}

func (s *Service) keep(m Message) ([]subscription, error) {
	line, err := json.Marshal(m)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.topic(m.TopicARN) == nil {
		return nil, noTopic()
	}
	if err := s.messages.Append(line); err != nil {
		return nil, fmt.Errorf("keep message: %w", err)
	}
	s.latest = appendLatest(s.latest, m)
	var out []subscription
	for _, sub := range s.state.Subscriptions {
		if sub.TopicARN == m.TopicARN {
			out = append(out, *sub)
		}
	}
	return out, nil
}

func noTopic() error {
	return &wire.Error{Code: "NotFound", Message: "Topic does not exist", Status: http.StatusNotFound}
}

func invalid(format string, args ...any) error {
	return wire.Errorf("InvalidParameter", "Invalid parameter: "+format, args...)
}

// topic finds one by its ARN; s.mu is held.
func (s *Service) topic(arn string) *topic {
	name := arn[strings.LastIndexByte(arn, ':')+1:]
	if arn != s.arn(name) {
		return nil
	}
	return s.state.Topics[name]
}

var topicName = regexp.MustCompile(`^[A-Za-z0-9_-]{1,256}$`)

// CreateTopic makes a topic, or returns the one there is.
func (s *Service) CreateTopic(name, displayName string) (arn string, err error) {
	if strings.HasSuffix(name, ".fifo") {
		return "", invalid("Topic Name %q: the local stack has no FIFO topics", name)
	}
	if !topicName.MatchString(name) {
		return "", invalid("Topic Name %q: want 1 to 256 letters, digits, - and _", name)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.state.Topics[name]
	if t == nil {
		t = &topic{Name: name}
		s.state.Topics[name] = t
	}
	if displayName != "" {
		t.DisplayName = displayName
	}
	return s.arn(name), s.save()
}

// Subscribe adds a subscription, or returns the one there is.
func (s *Service) Subscribe(topicARN, protocol, endpoint string, raw bool) (arn string, err error) {
	return s.subscribe(subscription{TopicARN: topicARN, Protocol: protocol, Endpoint: endpoint, Raw: raw})
}

func (s *Service) subscribe(want subscription) (arn string, err error) {
	if err := s.checkSubscription(want.Protocol, want.Endpoint, want.Raw); err != nil {
		return "", err
	}
	if err := checkFilter(want.Filter, want.Scope); err != nil {
		return "", err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.topic(want.TopicARN) == nil {
		return "", noTopic()
	}
	for _, sub := range s.state.Subscriptions {
		if sub.TopicARN == want.TopicARN && sub.Protocol == want.Protocol && sub.Endpoint == want.Endpoint {
			want.ARN = sub.ARN
			*sub = want
			return sub.ARN, s.save()
		}
	}
	want.ARN = want.TopicARN + ":" + wire.RequestID()
	s.state.Subscriptions = append(s.state.Subscriptions, &want)
	return want.ARN, s.save()
}

func (s *Service) checkSubscription(protocol, endpoint string, raw bool) error {
	prefixes := map[string]string{"lambda": "arn:aws:lambda:", "sqs": "arn:aws:sqs:"}
	prefix, known := prefixes[protocol]
	switch {
	case protocol == "email" && strings.Count(endpoint, "@") == 1 && !strings.ContainsAny(endpoint, " \r\n"):
	case protocol == "email":
		return invalid("Email address %q", endpoint)
	case !known:
		return invalid("Protocol %q: the local stack has email, lambda and sqs", protocol)
	case s.config.Targets == nil:
		return invalid("Protocol %s: this stack delivers to no functions or queues", protocol)
	case !strings.HasPrefix(endpoint, prefix):
		return invalid("Endpoint %q: want an ARN %s…", endpoint, prefix)
	}
	if raw && protocol != "sqs" {
		return invalid("RawMessageDelivery is for sqs subscriptions here, not for %s", protocol)
	}
	return nil
}
