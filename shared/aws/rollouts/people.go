package rollouts

import (
	"context"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sns/types"

	"github.com/sluice-ml/sluice/shared/announce"
	"github.com/sluice-ml/sluice/shared/fault"
	"github.com/sluice-ml/sluice/shared/rollout"
)

// Publisher is what is used of the SNS client.
type Publisher interface {
	Publish(context.Context, *sns.PublishInput, ...func(*sns.Options)) (*sns.PublishOutput, error)
}

// publishTime bounds what a change of traffic may wait for a message.
const publishTime = 3 * time.Second

// Announcer is rollout's States that tells people of each change that is worth it,
// once it is saved. Whoever saved the change tells it, so nothing is told twice,
// and a crash in between loses the message but not the change, which the record
// and `sluice rollout history` keep.
type Announcer struct {
	rollout.States
	Client      Publisher
	Topic       string // ARN
	Environment string
	Now         func() time.Time
	Log         *slog.Logger

	mu   sync.Mutex
	said map[string]bool // texts of the machine's that a message of a change has told
}

// Update implements rollout.States.
func (a *Announcer) Update(ctx context.Context, model string, change func(rollout.State, bool) (rollout.State, error)) (rollout.State, error) {
	var before rollout.State
	changed := false
	s, err := a.States.Update(ctx, model, func(old rollout.State, found bool) (rollout.State, error) {
		next, err := change(old, found)
		before, changed = old, err == nil
		return next, err
	})
	if err != nil || !changed {
		return s, err
	}
	message := announce.Of(a.Environment, before, s, a.Now())
	if message == nil {
		return s, nil
	}
	if err := a.publish(ctx, model, message); err != nil {
		a.Log.Error("people could not be told", "model", model, "subject", message.Subject, "error", err)
		return s, nil
	}
	a.cover(before, s)
	return s, nil
}

// cover remembers the text that the machine gives of the same change.
func (a *Announcer) cover(old, next rollout.State) {
	if len(next.Notices) == 0 || len(old.Notices) > 0 && old.Notices[len(old.Notices)-1] == next.Notices[len(next.Notices)-1] {
		return
	}
	_, text, _ := strings.Cut(next.Notices[len(next.Notices)-1], " ") // after the time
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.said == nil {
		a.said = map[string]bool{}
	}
	a.said[next.Model+" "+text] = true
}

// Tell publishes a text about a model, unless a message of a change has told it.
// Unavailable: try again.
func (a *Announcer) Tell(ctx context.Context, model, text string) error {
	a.mu.Lock()
	told := a.said[model+" "+text]
	delete(a.said, model+" "+text)
	a.mu.Unlock()
	if told {
		return nil
	}
	return a.publish(ctx, model, announce.Plain(a.Environment, model, text))
}

func (a *Announcer) publish(ctx context.Context, model string, m *announce.Message) error {
	ctx, cancel := context.WithTimeout(ctx, publishTime)
	defer cancel()
	attributes := map[string]types.MessageAttributeValue{}
	for name, value := range m.Attributes {
		attributes[name] = types.MessageAttributeValue{DataType: aws.String("String"), StringValue: aws.String(value)}
	}
	_, err := a.Client.Publish(ctx, &sns.PublishInput{TopicArn: &a.Topic, Subject: &m.Subject, Message: &m.Body, MessageAttributes: attributes})
	if err != nil {
		return fault.New(fault.Unavailable, "tell people about "+model, "%w", err)
	}
	return nil
}
