package sns

import (
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sns/types"
	"github.com/stretchr/testify/require"
)

func TestFilterPolicies(t *testing.T) {
	dir, to := t.TempDir(), &targets{}
	s, client := open(t, dir, to)
	ctx := t.Context()
	_, err := s.CreateTopic("alerts", "")
	require.NoError(t, err)
	subscribe := func(queue string, attributes map[string]string) *string {
		t.Helper()
		attributes["RawMessageDelivery"] = "true"
		out, err := client.Subscribe(ctx, &sns.SubscribeInput{TopicArn: aws.String(alerts), Protocol: aws.String("sqs"), Endpoint: aws.String("arn:aws:sqs:eu-west-1:000000000000:" + queue), Attributes: attributes})
		require.NoError(t, err)
		return out.SubscriptionArn
	}
	kind := subscribe("kind", map[string]string{"FilterPolicy": `{"kind":["rollback",{"prefix":"promo"}],"share":[{"numeric":[">=",10]}]}`})
	subscribe("tags", map[string]string{"FilterPolicy": `{"tags":["urgent"]}`})
	subscribe("none", map[string]string{"FilterPolicy": `{"kind":[{"exists":false}]}`})
	subscribe("body", map[string]string{"FilterPolicy": `{"model":{"name":["adult"]}}`, "FilterPolicyScope": "MessageBody"})
	subscribe("all", map[string]string{"FilterPolicy": `{}`})
	_, err = create(t, s, "AWS::SNS::Subscription", `{"TopicArn":"`+alerts+`","Protocol":"sqs","Endpoint":"arn:aws:sqs:eu-west-1:000000000000:template","RawMessageDelivery":true,"FilterPolicy":{"kind":[{"anything-but":"rollback"}]}}`)
	require.NoError(t, err)
	reached := func(message string, attributes map[string]types.MessageAttributeValue) []string {
		t.Helper()
		to.bodies = nil
		_, err := client.Publish(ctx, &sns.PublishInput{TopicArn: aws.String(alerts), Message: &message, MessageAttributes: attributes})
		require.NoError(t, err)
		queues := []string{}
		for _, body := range to.bodies {
			arn, _, _ := strings.Cut(body, " ")
			queues = append(queues, arn[strings.LastIndexByte(arn, ':')+1:])
		}
		return queues
	}
	is := func(kind, value string) types.MessageAttributeValue {
		return types.MessageAttributeValue{DataType: &kind, StringValue: &value}
	}
	type set = map[string]types.MessageAttributeValue
	require.Equal(t, []string{"none", "all"}, reached("x", nil))
	require.Equal(t, []string{"kind", "all", "template"}, reached("x", set{"kind": is("String", "promotion"), "share": is("Number", "10.5")}))
	require.Equal(t, []string{"all"}, reached("x", set{"kind": is("String", "rollback"), "share": is("Number", "9")}))
	require.Equal(t, []string{"all"}, reached("x", set{"kind": is("String", "rollback"), "share": is("String", "10")}), "a string is no number")
	require.Equal(t, []string{"tags", "none", "body", "all"}, reached(`{"model":{"name":"adult"}}`, set{"tags": is("String.Array", `["calm","urgent"]`)}))

	_, err = client.SetSubscriptionAttributes(ctx, &sns.SetSubscriptionAttributesInput{SubscriptionArn: kind, AttributeName: aws.String("FilterPolicy"), AttributeValue: aws.String(`{"kind":["other"]}`)})
	require.NoError(t, err)
	again, client := open(t, dir, to)
	require.NotNil(t, again)
	require.Equal(t, []string{"kind", "all", "template"}, reached("x", set{"kind": is("String", "other")}))
	got, err := client.GetSubscriptionAttributes(ctx, &sns.GetSubscriptionAttributesInput{SubscriptionArn: kind})
	require.NoError(t, err)
	require.Equal(t, []string{`{"kind":["other"]}`, "MessageAttributes", "true"}, []string{got.Attributes["FilterPolicy"], got.Attributes["FilterPolicyScope"], got.Attributes["RawMessageDelivery"]})
	for range 2 {
		_, err = client.Unsubscribe(ctx, &sns.UnsubscribeInput{SubscriptionArn: kind})
		require.NoError(t, err)
	}
	_, err = client.GetSubscriptionAttributes(ctx, &sns.GetSubscriptionAttributesInput{SubscriptionArn: kind})
	var missing *types.NotFoundException
	require.ErrorAs(t, err, &missing)
}

func TestFilterPoliciesThatAreRefused(t *testing.T) {
	s, client := open(t, t.TempDir(), &targets{})
	_, err := s.CreateTopic("alerts", "")
	require.NoError(t, err)
	for policy, want := range map[string]string{
		`[`:                         "failed to parse JSON",
		`{"a":"b"}`:                 "must be an array",
		`{"a":{"b":["c"]}}`:         "scope MessageBody",
		`{"a":[{"wildcard":"x"}]}`:  "no wildcard",
		`{"a":[{"numeric":["~"]}]}`: "FilterPolicy",
		`{"a":["1"],"b":["1"],"c":["1"],"d":["1"],"e":["1"],"f":["1"]}`: "more than 5 keys",
	} {
		_, err := client.Subscribe(t.Context(), &sns.SubscribeInput{TopicArn: aws.String(alerts), Protocol: aws.String("sqs"), Endpoint: aws.String("arn:aws:sqs:eu-west-1:000000000000:q"),
			Attributes: map[string]string{"FilterPolicy": policy}})
		require.ErrorContains(t, err, want, policy)
	}
	for _, attribute := range []types.MessageAttributeValue{{DataType: aws.String("Number"), StringValue: aws.String("x")}, {DataType: aws.String("String.Array"), StringValue: aws.String("x")},
		{DataType: aws.String("Binary"), StringValue: aws.String("x")}} {
		_, err := client.Publish(t.Context(), &sns.PublishInput{TopicArn: aws.String(alerts), Message: aws.String("m"), MessageAttributes: map[string]types.MessageAttributeValue{"a": attribute}})
		require.ErrorContains(t, err, "MessageAttributes: a")
	}
}
