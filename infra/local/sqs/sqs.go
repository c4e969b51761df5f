// Package sqs is the local stack's SQS: standard queues, made for dead letters.
//
// A received message is invisible for the visibility timeout and comes back
// unless it is deleted by its receipt handle; a message received more than
// maxReceiveCount times moves to its queue's own dead-letter queue. Each queue is
// one file that is replaced with every change, which suits the few messages that
// die, not a workload: a queue holds at most 10,000.
//
// FIFO queues and binary attributes are refused by name. Queue policies are kept,
// not enforced.
package sqs

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/sluice-ml/sluice/infra/local/durable"
	"github.com/sluice-ml/sluice/infra/local/wire"
)

// Config is what the service needs.
type Config struct {
	Dir     string
	Region  string
	Account string
	URL     string // base of queue URLs, e.g. "http://127.0.0.1:4566"
	Now     func() time.Time
}

// Message is one message of a queue.
type Message struct {
	ID         string            `json:"id"`
	Body       string            `json:"body"`
	Attributes map[string]string `json:"attributes,omitempty"` // the sender's, all of type String
	Sent       time.Time         `json:"sent"`
	VisibleAt  time.Time         `json:"visible_at"`
	Receives   int               `json:"receives,omitempty"`
	First      time.Time         `json:"first,omitzero"` // first received
	Receipt    string            `json:"receipt,omitempty"`
}

// redrive says where a message goes that is received too often.
type redrive struct {
	Target string `json:"deadLetterTargetArn"`
	Max    int    `json:"maxReceiveCount"`
}

// queue is a queue as kept on disk. Durations are in seconds.
type queue struct {
	Name       string          `json:"name"`
	Visibility int             `json:"visibility"`
	Retention  int             `json:"retention"`
	Wait       int             `json:"wait,omitempty"` // ReceiveMessageWaitTimeSeconds
	Redrive    *redrive        `json:"redrive,omitempty"`
	Policy     json.RawMessage `json:"policy,omitempty"`
	Created    time.Time       `json:"created"`
	Messages   []*Message      `json:"messages,omitempty"`

	arrived chan struct{} // closed and replaced when a message comes
}

// Service is an SQS. It is safe for concurrent use.
type Service struct {
	config Config
	mu     sync.Mutex
	queues map[string]*queue
}

// Open reads the queues kept under c.Dir.
func Open(c Config) (*Service, error) {
	if c.Now == nil {
		c.Now = time.Now
	}
	s := &Service{config: c, queues: map[string]*queue{}}
	paths, err := filepath.Glob(filepath.Join(c.Dir, "*.json"))
	if err != nil {
		return nil, fmt.Errorf("open sqs: %w", err)
	}
	for _, path := range paths {
		q := &queue{arrived: make(chan struct{})}
		if _, err := durable.ReadJSON(path, q); err != nil {
			return nil, fmt.Errorf("open sqs: %w", err)
		}
		s.queues[q.Name] = q
	}
	return s, nil
}

// Handler serves the API, AWS JSON 1.0.
func (s *Service) Handler() http.Handler {
	return wire.JSON("SQS", map[string]wire.Operation{
		"SendMessage":        wire.Op(s.sendMessage),
		"ReceiveMessage":     wire.Op(s.receiveMessage),
		"DeleteMessage":      wire.Op(s.deleteMessage),
		"GetQueueAttributes": wire.Op(s.getQueueAttributes),
		"GetQueueUrl":        wire.Op(s.getQueueURL),
		"PurgeQueue":         wire.Op(s.purgeQueue),

		"SendMessageBatch":             wire.Op(s.sendBatch),
		"DeleteMessageBatch":           wire.Op(s.deleteBatch),
		"ChangeMessageVisibility":      wire.Op(s.changeVisibility),
		"ChangeMessageVisibilityBatch": wire.Op(s.changeVisibilityBatch),
	})
}

func (s *Service) save(q *queue) error {
	return durable.WriteJSON(filepath.Join(s.config.Dir, q.Name+".json"), q)
}

func (s *Service) arn(name string) string {
	return fmt.Sprintf("arn:aws:sqs:%s:%s:%s", s.config.Region, s.config.Account, name)
}

func (s *Service) url(name string) string {
	return s.config.URL + "/" + s.config.Account + "/" + name
}

// find takes a queue's URL or ARN; s.mu is held.
func (s *Service) find(id string) (*queue, error) {
	q := s.queues[id[strings.LastIndexAny(id, ":/")+1:]]
	if q == nil || (strings.HasPrefix(id, "arn:") && id != s.arn(q.Name)) {
		return nil, &wire.Error{Code: "QueueDoesNotExist", Query: "AWS.SimpleQueueService.NonExistentQueue",
			Message: fmt.Sprintf("The specified queue %q does not exist.", id)}
	}
	q.expire(s.config.Now())
	return q, nil
}

// expire drops messages older than the queue's retention.
func (q *queue) expire(now time.Time) {
	oldest := now.Add(-time.Duration(q.Retention) * time.Second)
	q.Messages = slices.DeleteFunc(q.Messages, func(m *Message) bool { return m.Sent.Before(oldest) })
}

const (
	maxBody  = 1 << 20 // bytes, SQS's limit
	maxHeld  = 10_000
	maxReads = 10
)

// Send puts a message in the queue with the ARN (or URL) and returns its id.
func (s *Service) Send(queueARN, body string, attributes map[string]string) (string, error) {
	return s.send(queueARN, body, attributes, 0)
}

// send is Send of a message that stays invisible for a while at first.
func (s *Service) send(queueARN, body string, attributes map[string]string, delay time.Duration) (string, error) {
	if body == "" || len(body) > maxBody {
		return "", wire.Errorf("InvalidMessageContents", "the message has %d bytes: want 1 to %d", len(body), maxBody)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	q, err := s.find(queueARN)
	if err != nil {
		return "", err
	}
	now := s.config.Now().UTC()
	m := &Message{ID: wire.RequestID(), Body: body, Attributes: attributes, Sent: now, VisibleAt: now.Add(delay)}
	return m.ID, s.add(q, m)
}

func (s *Service) add(q *queue, m *Message) error {
	if len(q.Messages) >= maxHeld {
		return wire.Errorf("OverLimit", "queue %s holds %d messages: the local stack keeps no more", q.Name, maxHeld)
	}
	q.Messages = append(q.Messages, m)
	close(q.arrived)
	q.arrived = make(chan struct{})
	return s.save(q)
}

// take receives up to n visible messages, hiding each for the visibility
// timeout; it also moves those that were received too often. s.mu is held.
func (s *Service) take(q *queue, n int, visibility time.Duration) ([]Message, error) {
	now := s.config.Now().UTC()
	var out []Message
	changed := false
	for _, m := range slices.Clone(q.Messages) {
		if len(out) == n {
			break
		}
		if m.VisibleAt.After(now) {
			continue
		}
		changed = true
		if q.Redrive != nil && m.Receives >= q.Redrive.Max {
			if err := s.bury(q, m); err != nil {
				return nil, err
			}
			continue
		}
		m.Receives++
		if m.First.IsZero() {
			m.First = now
		}
		m.Receipt, m.VisibleAt = wire.RequestID(), now.Add(visibility)
		out = append(out, *m)
	}
	if !changed {
		return nil, nil
	}
	return out, s.save(q)
}

// bury moves a message to the dead-letter queue: there first, so that a kill in
// between leaves it in both rather than in none.
func (s *Service) bury(q *queue, m *Message) error {
	target, err := s.find(q.Redrive.Target)
	if err != nil {
		return errors.Join(fmt.Errorf("redrive of queue %s", q.Name), err)
	}
	dead := *m
	dead.Receives, dead.First, dead.Receipt, dead.VisibleAt = 0, time.Time{}, "", s.config.Now().UTC()
	if !slices.ContainsFunc(target.Messages, func(o *Message) bool { return o.ID == m.ID }) {
		if err := s.add(target, &dead); err != nil {
			return err
		}
	}
	q.Messages = slices.DeleteFunc(q.Messages, func(o *Message) bool { return o.ID == m.ID })
	return nil
}

// Messages gives all messages of a queue (ARN or URL), for summaries and tests.
func (s *Service) Messages(id string) ([]Message, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	q, err := s.find(id)
	if err != nil {
		return nil, err
	}
	var out []Message
	for _, m := range q.Messages {
		out = append(out, *m)
	}
	return out, nil
}

var queueName = regexp.MustCompile(`^[A-Za-z0-9_-]{1,80}$`)
