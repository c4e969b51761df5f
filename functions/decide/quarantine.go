package main

import (
	"context"
	"log/slog"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sns/types"

	"github.com/sluice-ml/sluice/shared/announce"
	"github.com/sluice-ml/sluice/shared/contract"
	"github.com/sluice-ml/sluice/shared/decision"
	"github.com/sluice-ml/sluice/shared/fault"
	"github.com/sluice-ml/sluice/shared/rollout"
)

// quarantined rejects what would ship while its bytes are in quarantine, and tells
// people. The signed decision stays what the gates said: it follows from their
// verdicts alone, and a release of the bytes needs no other. Acquire asks again
// before anything moves, because a rollback may come after this.
func (h handler) quarantined(ctx context.Context, d decision.Decision, result contract.DecideResult) (contract.DecideResult, error) {
	if d.Action != decision.Ship {
		return result, nil
	}
	records := rollout.Records{Store: h.store.Refs(h.bucket, ""), Now: h.now}
	q, err := records.Isolated(ctx, d.Model, d.Digest)
	if err != nil && !fault.Is(err, fault.NotFound) {
		return contract.DecideResult{}, err
	}
	why := q.Bars()
	if why == "" {
		return result, nil
	}
	result.Action, result.Reasons = decision.Reject, []string{"quarantined: " + why}
	result.Told = h.people.tell(ctx, announce.Refused(h.people.environment, d.Run, q))
	return result, nil
}

// publisher is what is used of the SNS client.
type publisher interface {
	Publish(context.Context, *sns.PublishInput, ...func(*sns.Options)) (*sns.PublishOutput, error)
}

// people are who subscribed to the topic.
type people struct {
	client      publisher
	topic       string // ARN
	environment string
	log         *slog.Logger
}

// patience bounds what a decision may wait for a message.
const patience = 3 * time.Second

// tell says whether the message was accepted; where it was not, the lifecycle
// tells the outcome in its own words.
func (p people) tell(ctx context.Context, m *announce.Message) bool {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	attributes := map[string]types.MessageAttributeValue{}
	for name, value := range m.Attributes {
		attributes[name] = types.MessageAttributeValue{DataType: aws.String("String"), StringValue: &value}
	}
	_, err := p.client.Publish(ctx, &sns.PublishInput{TopicArn: &p.topic, Subject: &m.Subject, Message: &m.Body, MessageAttributes: attributes})
	if err != nil {
		p.log.Error("people could not be told", "subject", m.Subject, "error", err)
	}
	return err == nil
}
