package events

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http/httptest"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge/types"
	"github.com/stretchr/testify/require"

	"github.com/sluice-ml/sluice/infra/local/assembly"
)

type got struct{ arn, role, payload string }

type sink struct {
	mu  sync.Mutex
	got []got
}

func (s *sink) Deliver(_ context.Context, arn string, payload []byte, role string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.got = append(s.got, got{arn, role, string(payload)})
	return nil
}

func (s *sink) take() []got {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := s.got
	s.got = nil
	return all
}

func openBus(t *testing.T, dir string, s *sink) *Bus {
	t.Helper()
	b, err := Open(Options{Dir: dir, Region: "us-east-1", Account: "000000000000", Stack: "Demo",
		Targets: s, Now: time.Now, Log: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	return b
}

func declare(t *testing.T, b *Bus, id, properties string) (assembly.Created, error) {
	t.Helper()
	return b.CreateRule(context.Background(), assembly.Resource{LogicalID: id, Type: "AWS::Events::Rule", Properties: json.RawMessage(properties)})
}

func TestAnEventReachesTheTargetsOfMatchingRules(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &sink{}
		b := openBus(t, t.TempDir(), s)
		made, err := declare(t, b, "Uploads", `{"EventPattern":{"source":["aws.s3"],"detail":{"bucket":{"name":["lake"]}}},
			"State":"ENABLED","Targets":[
			{"Id":"whole","Arn":"arn:aws:states:::a","RoleArn":"arn:aws:iam:::role/r"},
			{"Id":"constant","Arn":"arn:aws:lambda:::b","Input":"{\"fixed\":1}"},
			{"Id":"part","Arn":"arn:aws:lambda:::c","InputPath":"$.detail.object.key"},
			{"Id":"made","Arn":"arn:aws:lambda:::d","InputTransformer":{"InputPathsMap":{"k":"$.detail.object.key","n":"$.detail.object.size"},
				"InputTemplate":"{\"operation\":\"start\",\"key\":<k>,\"text\":\"<k> has <n>\",\"size\":<n>,\"rule\":\"<aws.events.rule-name>\"}"}}]}`)
		require.NoError(t, err)
		require.Regexp(t, `^arn:aws:events:us-east-1:000000000000:rule/Demo-Uploads-[0-9A-F]{12}$`, made.Attributes["Arn"])
		_, err = declare(t, b, "Others", `{"EventPattern":{"source":["aws.s3"],"detail":{"bucket":{"name":["store"]}}},"Targets":[{"Id":"x","Arn":"arn:x"}]}`)
		require.NoError(t, err)

		e := Event{Source: "aws.s3", DetailType: "Object Created", Detail: json.RawMessage(`{"bucket":{"name":"lake"},"object":{"key":"raw/m/a \"1\".csv","size":12}}`)}
		require.NoError(t, b.Publish(context.Background(), e))
		synctest.Wait()
		byARN := map[string]got{}
		for _, g := range s.take() {
			byARN[g.arn] = g
		}
		require.Len(t, byARN, 4)
		var whole Event
		require.NoError(t, json.Unmarshal([]byte(byARN["arn:aws:states:::a"].payload), &whole))
		require.Equal(t, "000000000000", whole.Account)
		require.Equal(t, "2000-01-01T00:00:00Z", whole.Time)
		require.NotEmpty(t, whole.ID)
		require.Equal(t, "arn:aws:iam:::role/r", byARN["arn:aws:states:::a"].role)
		require.JSONEq(t, `{"fixed":1}`, byARN["arn:aws:lambda:::b"].payload)
		require.JSONEq(t, `"raw/m/a \"1\".csv"`, byARN["arn:aws:lambda:::c"].payload)
		require.JSONEq(t, `{"operation":"start","key":"raw/m/a \"1\".csv","text":"raw/m/a \"1\".csv has 12","size":12,"rule":"`+made.Ref+`"}`,
			byARN["arn:aws:lambda:::d"].payload)
		require.Zero(t, b.Waiting())
		require.NoError(t, b.Close())
	})
}

func TestSchedulesFireOnceEachAndAreNotCaughtUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir, s := t.TempDir(), &sink{}
		run := func(b *Bus, length time.Duration) []got {
			for range int(length / time.Second) {
				time.Sleep(time.Second)
				require.NoError(t, b.Tick(context.Background()))
				synctest.Wait()
			}
			return s.take()
		}
		rules := func(b *Bus) {
			_, err := declare(t, b, "Daily", `{"ScheduleExpression":"cron(0 2 * * ? *)","Targets":[{"Id":"d","Arn":"arn:daily"}]}`)
			require.NoError(t, err)
			_, err = declare(t, b, "Often", `{"ScheduleExpression":"rate(5 minutes)","Targets":[{"Id":"o","Arn":"arn:often"}]}`)
			require.NoError(t, err)
		}
		b := openBus(t, dir, s)
		rules(b)
		require.Len(t, run(b, 11*time.Minute), 2)
		require.Len(t, run(b, 2*time.Hour), 24+1) // 00:11 to 02:11: 24 of rate, one of cron
		require.NoError(t, b.Close())

		time.Sleep(24 * time.Hour) // down, over a whole day
		b = openBus(t, dir, s)
		rules(b)
		require.Empty(t, run(b, 3*time.Minute)) // 02:14: the rate still counts from 00:00
		fired := run(b, time.Minute)
		require.Len(t, fired, 1)
		require.Contains(t, fired[0].payload, `"detail-type":"Scheduled Event"`)
		require.Contains(t, fired[0].payload, `"source":"aws.events"`)
		require.NoError(t, b.Close())
	})
}

func TestStateSurvivesARestartUntilTheDeclarationChanges(t *testing.T) {
	dir, s := t.TempDir(), &sink{}
	b := openBus(t, dir, s)
	made, err := declare(t, b, "R", `{"EventPattern":{"source":["x"]}}`)
	require.NoError(t, err)
	_, err = b.setState(disabled)(context.Background(), ruleInput{Name: made.Ref})
	require.NoError(t, err)
	_, err = b.putRule(context.Background(), putRuleInput{Name: "byhand", EventPattern: `{"source":["y"]}`})
	require.NoError(t, err)

	b = openBus(t, dir, s) // killed: not closed
	_, err = b.describeRule(context.Background(), ruleInput{Name: made.Ref})
	require.ErrorContains(t, err, "does not exist", "a declared rule is not active before the template says so")
	_, err = b.describeRule(context.Background(), ruleInput{Name: "byhand"})
	require.NoError(t, err)
	_, err = declare(t, b, "R", `{"EventPattern":{"source":["x"]}}`)
	require.NoError(t, err)
	rule, err := b.describeRule(context.Background(), ruleInput{Name: made.Ref})
	require.NoError(t, err)
	require.Equal(t, disabled, rule.State)
	_, err = declare(t, b, "R", `{"EventPattern":{"source":["x","z"]}}`)
	require.NoError(t, err)
	rule, err = b.describeRule(context.Background(), ruleInput{Name: made.Ref})
	require.NoError(t, err)
	require.Equal(t, enabled, rule.State)
}

func TestRulesThatAreRefused(t *testing.T) {
	b := openBus(t, t.TempDir(), &sink{})
	for properties, want := range map[string]string{
		`{}`:                                   "needs an EventPattern or a ScheduleExpression",
		`{"EventPattern":{"source":"x"}}`:      "must be an object or an array",
		`{"ScheduleExpression":"cron(1 2 3)"}`: "want six",
		`{"ScheduleExpression":"rate(1 day)","State":"ON"}`:                                                                          "want ENABLED or DISABLED",
		`{"ScheduleExpression":"rate(1 day)","EventBusName":"other"}`:                                                                "only the default bus",
		`{"ScheduleExpression":"rate(1 day)","Targets":[{"Id":"a","Arn":"x"}]}`:                                                      "needs an Id and an Arn",
		`{"ScheduleExpression":"rate(1 day)","Targets":[{"Id":"a","Arn":"arn:x","Input":"{}","InputPath":"$"}]}`:                     "only one of",
		`{"ScheduleExpression":"rate(1 day)","Targets":[{"Id":"a","Arn":"arn:x","Input":"nope"}]}`:                                   "not valid JSON",
		`{"ScheduleExpression":"rate(1 day)","Targets":[{"Id":"a","Arn":"arn:x","InputPath":"detail"}]}`:                             "start with $",
		`{"ScheduleExpression":"rate(1 day)","Targets":[{"Id":"a","Arn":"arn:x"},{"Id":"a","Arn":"arn:y"}]}`:                         "two targets",
		`{"ScheduleExpression":"rate(1 day)","Targets":[{"Id":"a","Arn":"arn:x","RetryPolicy":{"MaximumRetryAttempts":186}}]}`:       "0 to 185",
		`{"ScheduleExpression":"rate(1 day)","Targets":[{"Id":"a","Arn":"arn:x","EcsParameters":{}}]}`:                               `"EcsParameters"`,
		`{"ScheduleExpression":"rate(1 day)","Targets":[{"Id":"a","Arn":"arn:x","InputTransformer":{"InputTemplate":"\"<who>\""}}]}`: "<who>, which InputPathsMap does not define",
		`{"ScheduleExpression":"rate(1 day)","Name":"has space"}`:                                                                    "1 to 64 letters",
	} {
		_, err := declare(t, b, "R", properties)
		require.ErrorContains(t, err, want, properties)
	}
}

func TestInputTransformerOfPlainText(t *testing.T) {
	for template, want := range map[string]string{
		`"<a> is <b>"`:               `"x is {\"c\":1}"`,
		`<a>`:                        `"x"`,
		`{"b":<b>,"gone":<gone>}`:    `{"b":{"c":1},"gone":""}`,
		`"gone: <gone>"`:             `"gone: "`,
		`plain <a> text`:             `"plain \"x\" text"`,
		`{"q":"a \"<a>\" < b"}`:      `{"q":"a \"x\" < b"}`,
		`<aws.events.event>`:         `{"a":"x","b":{"c":1}}`,
		`{"e":"<aws.events.event>"}`: `{"e":"{\"a\":\"x\",\"b\":{\"c\":1}}"}`,
	} {
		target := Target{InputTransformer: &InputTransformer{InputTemplate: template,
			InputPathsMap: map[string]string{"a": "$.a", "b": "$.b", "gone": "$.z[0]"}}}
		require.NoError(t, target.InputTransformer.check(), template)
		input, err := target.input([]byte(`{"a":"x","b":{"c":1}}`), "arn", "rule")
		require.NoError(t, err, template)
		require.Equal(t, want, string(input), template)
	}
}

// TestTheRealClient drives the API with the SDK that the functions use.
func TestTheRealClient(t *testing.T) {
	s := &sink{}
	b := openBus(t, t.TempDir(), s)
	server := httptest.NewServer(b.Handler())
	defer server.Close()
	client := eventbridge.New(eventbridge.Options{Region: "us-east-1", BaseEndpoint: aws.String(server.URL),
		Credentials: credentials.NewStaticCredentialsProvider("a", "b", ""), RetryMaxAttempts: 1})
	ctx := context.Background()

	rule, err := client.PutRule(ctx, &eventbridge.PutRuleInput{Name: aws.String("mine"), EventPattern: aws.String(`{"source":["my.app"]}`)})
	require.NoError(t, err)
	require.Equal(t, "arn:aws:events:us-east-1:000000000000:rule/mine", *rule.RuleArn)
	_, err = client.PutTargets(ctx, &eventbridge.PutTargetsInput{Rule: aws.String("mine"), Targets: []types.Target{{
		Id: aws.String("1"), Arn: aws.String("arn:aws:lambda:::f"), RetryPolicy: &types.RetryPolicy{MaximumRetryAttempts: aws.Int32(2)}}}})
	require.NoError(t, err)
	put, err := client.PutEvents(ctx, &eventbridge.PutEventsInput{Entries: []types.PutEventsRequestEntry{
		{Source: aws.String("my.app"), DetailType: aws.String("T"), Detail: aws.String(`{"n":1}`), Time: aws.Time(time.Unix(1_800_000_000, 0))},
		{Source: aws.String("aws.s3"), DetailType: aws.String("T"), Detail: aws.String(`{}`)},
		{Source: aws.String("my.app"), DetailType: aws.String("T"), Detail: aws.String(`[1]`)},
	}})
	require.NoError(t, err)
	require.EqualValues(t, 2, put.FailedEntryCount)
	require.Equal(t, "NotAuthorizedForSourceException", *put.Entries[1].ErrorCode)
	require.Equal(t, "MalformedDetail", *put.Entries[2].ErrorCode)
	require.Eventually(t, func() bool { return b.Waiting() == 0 }, 10*time.Second, time.Millisecond)
	sent := s.take()
	require.Len(t, sent, 1)
	require.Contains(t, sent[0].payload, `"time":"2027-01-15T08:00:00Z"`)

	_, err = client.DisableRule(ctx, &eventbridge.DisableRuleInput{Name: aws.String("mine")})
	require.NoError(t, err)
	described, err := client.DescribeRule(ctx, &eventbridge.DescribeRuleInput{Name: aws.String("mine")})
	require.NoError(t, err)
	require.Equal(t, types.RuleStateDisabled, described.State)
	listed, err := client.ListRules(ctx, &eventbridge.ListRulesInput{NamePrefix: aws.String("mi")})
	require.NoError(t, err)
	require.Len(t, listed.Rules, 1)
	targets, err := client.ListTargetsByRule(ctx, &eventbridge.ListTargetsByRuleInput{Rule: aws.String("mine")})
	require.NoError(t, err)
	require.EqualValues(t, 2, *targets.Targets[0].RetryPolicy.MaximumRetryAttempts)

	var invalid *types.InvalidEventPatternException
	_, err = client.TestEventPattern(ctx, &eventbridge.TestEventPatternInput{EventPattern: aws.String(`{"a":1}`), Event: aws.String(`{}`)})
	require.ErrorAs(t, err, &invalid)
	var missing *types.ResourceNotFoundException
	_, err = client.DescribeRule(ctx, &eventbridge.DescribeRuleInput{Name: aws.String("none")})
	require.ErrorAs(t, err, &missing)
	_, err = client.RemoveTargets(ctx, &eventbridge.RemoveTargetsInput{Rule: aws.String("mine"), Ids: []string{"1"}})
	require.NoError(t, err)
	_, err = client.DeleteRule(ctx, &eventbridge.DeleteRuleInput{Name: aws.String("mine")})
	require.NoError(t, err)
	require.NoError(t, b.Close())
}
