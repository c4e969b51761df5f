package sns

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sns/types"
	"github.com/stretchr/testify/require"

	"github.com/sluice-ml/sluice/infra/local/assembly"
)

type targets struct {
	events []string
	bodies []string
	refuse bool
}

func (r *targets) InvokeSubscribed(_ context.Context, function string, event []byte) error {
	if r.refuse {
		return errors.New("away")
	}
	r.events = append(r.events, function+" "+string(event))
	return nil
}

func (r *targets) SendSubscribed(_ context.Context, queue, body string) error {
	r.bodies = append(r.bodies, queue+" "+body)
	return nil
}

func open(t *testing.T, dir string, r Targets) (*Service, *sns.Client) {
	t.Helper()
	s, err := Open(Config{Dir: dir, Region: "eu-west-1", Account: "000000000000", Targets: r, Log: t.Output(),
		Now: func() time.Time { return time.Date(2026, 3, 2, 10, 0, 0, 0, time.UTC) }})
	require.NoError(t, err)
	t.Cleanup(func() { _ = s.Close() })
	server := httptest.NewServer(s.Handler())
	t.Cleanup(server.Close)
	return s, sns.New(sns.Options{Region: "eu-west-1", BaseEndpoint: aws.String(server.URL), RetryMaxAttempts: 1,
		Credentials: credentials.NewStaticCredentialsProvider("id", "secret", "")})
}

func create(t *testing.T, s *Service, kind, properties string) (assembly.Created, error) {
	t.Helper()
	return s.Creators()[kind](t.Context(), assembly.Resource{LogicalID: "R", Type: kind, Properties: json.RawMessage(properties)})
}

const alerts = "arn:aws:sns:eu-west-1:000000000000:alerts"

func TestPublishReachesSubscribersAndSurvives(t *testing.T) {
	dir, to := t.TempDir(), &targets{}
	s, client := open(t, dir, to)
	made, err := create(t, s, "AWS::SNS::Topic", `{"TopicName":"alerts","DisplayName":"Alerts"}`)
	require.NoError(t, err)
	require.Equal(t, alerts, made.Ref)
	_, err = create(t, s, "AWS::SNS::TopicPolicy", `{"Topics":["`+alerts+`"],"PolicyDocument":{"Version":"2012-10-17"}}`)
	require.NoError(t, err)
	_, err = create(t, s, "AWS::SNS::Subscription", `{"TopicArn":"`+alerts+`","Protocol":"email","Endpoint":"ml@example.com"}`)
	require.NoError(t, err)
	for _, endpoint := range []string{"arn:aws:lambda:eu-west-1:000000000000:function:f"} {
		_, err = client.Subscribe(t.Context(), &sns.SubscribeInput{TopicArn: aws.String(alerts), Protocol: aws.String("lambda"), Endpoint: aws.String(endpoint), ReturnSubscriptionArn: true})
		require.NoError(t, err)
	}
	_, err = client.Subscribe(t.Context(), &sns.SubscribeInput{TopicArn: aws.String(alerts), Protocol: aws.String("sqs"), Endpoint: aws.String("arn:aws:sqs:eu-west-1:000000000000:q"),
		Attributes: map[string]string{"RawMessageDelivery": "true"}})
	require.NoError(t, err)

	out, err := client.Publish(t.Context(), &sns.PublishInput{TopicArn: aws.String(alerts), Subject: aws.String("Rolled back"), Message: aws.String("version 4 <p99 & errors>"),
		MessageAttributes: map[string]types.MessageAttributeValue{"model": {DataType: aws.String("String"), StringValue: aws.String("adult")}}})
	require.NoError(t, err)
	require.Len(t, s.Outbox(), 1)
	require.Equal(t, "ml@example.com", s.Outbox()[0].To)
	require.Equal(t, []string{"arn:aws:sqs:eu-west-1:000000000000:q version 4 <p99 & errors>"}, to.bodies)
	require.Len(t, to.events, 1)
	_, event, _ := strings.Cut(to.events[0], " ")
	var records struct {
		Records []struct {
			EventSource string
			Sns         struct {
				MessageID         string `json:"MessageId"`
				Subject, Message  string
				MessageAttributes map[string]attribute
			}
		}
	}
	require.NoError(t, json.Unmarshal([]byte(event), &records))
	require.Equal(t, *out.MessageId, records.Records[0].Sns.MessageID)
	require.Equal(t, "adult", records.Records[0].Sns.MessageAttributes["model"].Value)

	to.refuse = true
	_, err = client.Publish(t.Context(), &sns.PublishInput{TopicArn: aws.String(alerts), Message: aws.String("second")})
	require.NoError(t, err, "a target that is away does not fail the publisher")

	again, client := open(t, dir, to)
	require.Len(t, again.Messages(), 2)
	require.Equal(t, Message{*out.MessageId, time.Date(2026, 3, 2, 10, 0, 0, 0, time.UTC), alerts, "Rolled back", "version 4 <p99 & errors>", map[string]string{"model": "adult"}, nil}, again.Messages()[0])
	require.Len(t, again.Outbox(), 2)
	_, err = create(t, again, "AWS::SNS::Topic", `{"TopicName":"alerts"}`)
	require.NoError(t, err)
	subs, err := client.ListSubscriptionsByTopic(t.Context(), &sns.ListSubscriptionsByTopicInput{TopicArn: aws.String(alerts)})
	require.NoError(t, err)
	require.Len(t, subs.Subscriptions, 3, "created again, the topic keeps its subscriptions")
}

func TestListTopicsPages(t *testing.T) {
	s, client := open(t, t.TempDir(), nil)
	for i := range page + 3 {
		_, err := s.CreateTopic(fmt.Sprintf("t%03d", i), "")
		require.NoError(t, err)
	}
	var all []string
	pages := sns.NewListTopicsPaginator(client, &sns.ListTopicsInput{})
	for pages.HasMorePages() {
		one, err := pages.NextPage(t.Context())
		require.NoError(t, err)
		for _, topic := range one.Topics {
			all = append(all, *topic.TopicArn)
		}
	}
	require.Len(t, all, page+3)
}

func TestRefusals(t *testing.T) {
	s, client := open(t, t.TempDir(), nil)
	_, err := s.CreateTopic("alerts", "")
	require.NoError(t, err)
	for want, in := range map[string]*sns.PublishInput{
		"Topic does not exist":        {TopicArn: aws.String(alerts + "x"), Message: aws.String("m")},
		"Empty message":               {TopicArn: aws.String(alerts), Message: aws.String("")},
		"Message too long":            {TopicArn: aws.String(alerts), Message: aws.String(strings.Repeat("x", maxMessage+1))},
		"printable ASCII":             {TopicArn: aws.String(alerts), Message: aws.String("m"), Subject: aws.String("a\nb")},
		"does not support PhoneNum":   {PhoneNumber: aws.String("+1"), Message: aws.String("m")},
		"not support MessageStructur": {TopicArn: aws.String(alerts), Message: aws.String("{}"), MessageStructure: aws.String("json")},
	} {
		_, err := client.Publish(t.Context(), in)
		require.ErrorContains(t, err, want)
	}
	_, err = client.Publish(t.Context(), &sns.PublishInput{TopicArn: aws.String(alerts + "x"), Message: aws.String("m")})
	var missing *types.NotFoundException
	require.ErrorAs(t, err, &missing)

	for want, in := range map[string]*sns.SubscribeInput{
		`Protocol "sms"`:                     {Protocol: aws.String("sms"), Endpoint: aws.String("+1")},
		"delivers to no functions or queues": {Protocol: aws.String("sqs"), Endpoint: aws.String("arn:aws:sqs:x")},
		"Email address":                      {Protocol: aws.String("email"), Endpoint: aws.String("nobody")},
		"have no DeliveryPolicy":             {Protocol: aws.String("email"), Endpoint: aws.String("a@b.c"), Attributes: map[string]string{"DeliveryPolicy": "{}"}},
	} {
		in.TopicArn = aws.String(alerts)
		_, err := client.Subscribe(t.Context(), in)
		require.ErrorContains(t, err, want)
	}
	_, err = create(t, s, "AWS::SNS::Topic", `{"TopicName":"a.fifo","FifoTopic":true}`)
	require.ErrorContains(t, err, "FifoTopic")
	_, err = create(t, s, "AWS::SNS::TopicPolicy", `{"Topics":["arn:x"],"PolicyDocument":{}}`)
	require.ErrorContains(t, err, "does not exist")
}
