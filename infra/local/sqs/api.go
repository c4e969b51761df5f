package sqs

import (
	"bytes"
	"context"
	"crypto/md5"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"time"

	"github.com/sluice-ml/sluice/infra/local/wire"
)

type nothing struct{}

type attribute struct {
	DataType    string
	StringValue string
}

type sendInput struct {
	QueueURL          string `json:"QueueUrl"`
	MessageBody       string
	MessageAttributes map[string]attribute
	DelaySeconds      *int
}

type sendOutput struct {
	MessageID              string `json:"MessageId"`
	MD5OfMessageBody       string
	MD5OfMessageAttributes string `json:",omitempty"`
}

func (s *Service) sendMessage(_ context.Context, in sendInput) (*sendOutput, error) {
	delay, err := between("DelaySeconds", in.DelaySeconds, 0, 0, 900)
	if err != nil {
		return nil, err
	}
	attributes := map[string]string{}
	for name, a := range in.MessageAttributes {
		if a.DataType != "String" || a.StringValue == "" {
			return nil, wire.Errorf("InvalidParameterValue", "message attribute %s has the type %q: the local stack has non-empty String", name, a.DataType)
		}
		attributes[name] = a.StringValue
	}
	id, err := s.send(in.QueueURL, in.MessageBody, attributes, time.Duration(delay)*time.Second)
	if err != nil {
		return nil, err
	}
	return &sendOutput{id, md5Hex([]byte(in.MessageBody)), md5OfAttributes(attributes)}, nil
}

func md5Hex(data []byte) string {
	sum := md5.Sum(data) // what clients check, not a protection
	return hex.EncodeToString(sum[:])
}

// md5OfAttributes hashes name, type and value, each with its length, in the
// order of names.
// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-message-metadata.html
func md5OfAttributes(attributes map[string]string) string {
	if len(attributes) == 0 {
		return ""
	}
	var b bytes.Buffer
	part := func(text string) {
		b.Write(binary.BigEndian.AppendUint32(nil, uint32(len(text))))
		b.WriteString(text)
	}
	for _, name := range slices.Sorted(maps.Keys(attributes)) {
		part(name)
		part("String")
		b.WriteByte(1)
		part(attributes[name])
	}
	return md5Hex(b.Bytes())
}

type receiveInput struct {
	QueueURL                    string `json:"QueueUrl"`
	MaxNumberOfMessages         *int
	VisibilityTimeout           *int
	WaitTimeSeconds             *int
	AttributeNames              []string
	MessageSystemAttributeNames []string
	MessageAttributeNames       []string
}

type messageOut struct {
	MessageID              string `json:"MessageId"`
	ReceiptHandle          string
	Body                   string
	MD5OfBody              string
	Attributes             map[string]string    `json:",omitempty"`
	MessageAttributes      map[string]attribute `json:",omitempty"`
	MD5OfMessageAttributes string               `json:",omitempty"`
}

type receiveOutput struct{ Messages []messageOut }

func between(name string, value *int, otherwise, low, high int) (int, error) {
	if value == nil {
		return otherwise, nil
	}
	if *value < low || *value > high {
		return 0, wire.Errorf("InvalidParameterValue", "%s %d: want %d to %d", name, *value, low, high)
	}
	return *value, nil
}

// receiveMessage waits for a message as long as WaitTimeSeconds says.
func (s *Service) receiveMessage(ctx context.Context, in receiveInput) (*receiveOutput, error) {
	n, err := between("MaxNumberOfMessages", in.MaxNumberOfMessages, 1, 1, maxReads)
	if err != nil {
		return nil, err
	}
	taken, wait, err := s.receive(in, n, nil)
	if err != nil || len(taken) > 0 || wait.seconds == 0 {
		return in.output(taken), err
	}
	timer := time.NewTimer(time.Duration(wait.seconds) * time.Second)
	defer timer.Stop()
	for {
		select {
		case <-wait.arrived:
			if taken, wait, err = s.receive(in, n, &wait.seconds); err != nil || len(taken) > 0 {
				return in.output(taken), err
			}
		case <-wait.visible:
			if taken, wait, err = s.receive(in, n, &wait.seconds); err != nil || len(taken) > 0 {
				return in.output(taken), err
			}
		case <-timer.C:
			return in.output(nil), nil
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

type waiting struct {
	seconds int
	arrived <-chan struct{}
	visible <-chan time.Time // fires when the next hidden message comes back; nil when none is
}

func (s *Service) receive(in receiveInput, n int, seconds *int) ([]Message, waiting, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	q, err := s.find(in.QueueURL)
	if err != nil {
		return nil, waiting{}, err
	}
	hidden, err := between("VisibilityTimeout", in.VisibilityTimeout, q.Visibility, 0, 43200)
	if err != nil {
		return nil, waiting{}, err
	}
	w := waiting{arrived: q.arrived}
	if w.seconds, err = between("WaitTimeSeconds", in.WaitTimeSeconds, q.Wait, 0, 20); err != nil {
		return nil, w, err
	}
	if seconds != nil {
		w.seconds = *seconds
	}
	taken, err := s.take(q, n, time.Duration(hidden)*time.Second)
	if len(taken) == 0 && w.seconds > 0 {
		w.visible = q.nextVisible(s.config.Now())
	}
	return taken, w, err
}

// nextVisible fires when the next hidden message becomes visible.
func (q *queue) nextVisible(now time.Time) <-chan time.Time {
	var next time.Time
	for _, m := range q.Messages {
		if m.VisibleAt.After(now) && (next.IsZero() || m.VisibleAt.Before(next)) {
			next = m.VisibleAt
		}
	}
	if next.IsZero() {
		return nil
	}
	return time.After(next.Sub(now))
}

func (in receiveInput) output(taken []Message) *receiveOutput {
	out := &receiveOutput{}
	system := slices.Concat(in.AttributeNames, in.MessageSystemAttributeNames)
	for _, m := range taken {
		one := messageOut{MessageID: m.ID, ReceiptHandle: m.Receipt, Body: m.Body, MD5OfBody: md5Hex([]byte(m.Body)), Attributes: m.system(system)}
		shown := map[string]string{}
		for name, v := range m.Attributes {
			if slices.Contains(in.MessageAttributeNames, name) || slices.Contains(in.MessageAttributeNames, "All") || slices.Contains(in.MessageAttributeNames, ".*") {
				shown[name] = v
				if one.MessageAttributes == nil {
					one.MessageAttributes = map[string]attribute{}
				}
				one.MessageAttributes[name] = attribute{"String", v}
			}
		}
		one.MD5OfMessageAttributes = md5OfAttributes(shown)
		out.Messages = append(out.Messages, one)
	}
	return out
}

// system gives the message's own attributes that were asked for.
func (m Message) system(names []string) map[string]string {
	all := map[string]string{
		"SentTimestamp":                    strconv.FormatInt(m.Sent.UnixMilli(), 10),
		"ApproximateReceiveCount":          strconv.Itoa(m.Receives),
		"ApproximateFirstReceiveTimestamp": strconv.FormatInt(m.First.UnixMilli(), 10),
	}
	maps.DeleteFunc(all, func(name, _ string) bool { return !slices.Contains(names, name) && !slices.Contains(names, "All") })
	return all
}

// receipts are the handles that ReceiveMessage gives: wire.RequestID's.
var receipts = regexp.MustCompile(`^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)

type deleteInput struct {
	QueueURL      string `json:"QueueUrl"`
	ReceiptHandle string
}

// deleteMessage removes the message of the latest receipt. An older handle, or
// one of a message that is gone, does nothing, as on SQS.
func (s *Service) deleteMessage(_ context.Context, in deleteInput) (*nothing, error) {
	if !receipts.MatchString(in.ReceiptHandle) {
		return nil, wire.Errorf("ReceiptHandleIsInvalid", "The input receipt handle %q is not a valid receipt handle.", in.ReceiptHandle)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	q, err := s.find(in.QueueURL)
	if err != nil {
		return nil, err
	}
	q.Messages = slices.DeleteFunc(q.Messages, func(m *Message) bool { return m.Receipt == in.ReceiptHandle })
	return &nothing{}, s.save(q)
}

type queueInput struct {
	QueueURL string `json:"QueueUrl"`
}

func (s *Service) purgeQueue(_ context.Context, in queueInput) (*nothing, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	q, err := s.find(in.QueueURL)
	if err != nil {
		return nil, err
	}
	q.Messages = nil
	return &nothing{}, s.save(q)
}

type nameInput struct {
	QueueName              string
	QueueOwnerAWSAccountID string `json:"QueueOwnerAWSAccountId"`
}

type urlOutput struct {
	QueueURL string `json:"QueueUrl"`
}

func (s *Service) getQueueURL(_ context.Context, in nameInput) (*urlOutput, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, err := s.find(in.QueueName); err != nil {
		return nil, err
	}
	return &urlOutput{s.url(in.QueueName)}, nil
}

type attributesInput struct {
	QueueURL       string `json:"QueueUrl"`
	AttributeNames []string
}

type attributesOutput struct{ Attributes map[string]string }

func (s *Service) getQueueAttributes(_ context.Context, in attributesInput) (*attributesOutput, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	q, err := s.find(in.QueueURL)
	if err != nil {
		return nil, err
	}
	all, err := q.attributes(s.arn(q.Name), s.config.Now())
	if err != nil {
		return nil, err
	}
	for _, name := range in.AttributeNames {
		if _, known := all[name]; !known && !slices.Contains([]string{"All", "Policy", "RedrivePolicy"}, name) {
			return nil, wire.Errorf("InvalidAttributeName", "Unknown Attribute %s.", name)
		}
	}
	maps.DeleteFunc(all, func(name, _ string) bool {
		return !slices.Contains(in.AttributeNames, name) && !slices.Contains(in.AttributeNames, "All")
	})
	return &attributesOutput{all}, nil
}

func (q *queue) attributes(arn string, now time.Time) (map[string]string, error) {
	hidden, delayed := 0, 0
	for _, m := range q.Messages {
		switch {
		case m.VisibleAt.After(now) && m.Receives == 0:
			delayed++
		case m.VisibleAt.After(now):
			hidden++
		}
	}
	out := map[string]string{
		"QueueArn":                              arn,
		"ApproximateNumberOfMessages":           strconv.Itoa(len(q.Messages) - hidden - delayed),
		"ApproximateNumberOfMessagesNotVisible": strconv.Itoa(hidden),
		"ApproximateNumberOfMessagesDelayed":    strconv.Itoa(delayed),
		"VisibilityTimeout":                     strconv.Itoa(q.Visibility),
		"MessageRetentionPeriod":                strconv.Itoa(q.Retention),
		"ReceiveMessageWaitTimeSeconds":         strconv.Itoa(q.Wait),
		"CreatedTimestamp":                      strconv.FormatInt(q.Created.Unix(), 10),
	}
	if q.Policy != nil {
		out["Policy"] = string(q.Policy)
	}
	if q.Redrive != nil {
		text, err := json.Marshal(q.Redrive)
		if err != nil {
			return nil, err
		}
		out["RedrivePolicy"] = string(text)
	}
	return out, nil
}
