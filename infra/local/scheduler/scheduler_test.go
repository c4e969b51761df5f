package scheduler

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
	"github.com/aws/aws-sdk-go-v2/service/scheduler"
	"github.com/aws/aws-sdk-go-v2/service/scheduler/types"
	"github.com/stretchr/testify/require"

	"github.com/sluice-ml/sluice/infra/local/assembly"
)

type sink struct {
	mu  sync.Mutex
	got []string
}

func (s *sink) Deliver(_ context.Context, arn string, payload []byte, role string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.got = append(s.got, arn+" "+role+" "+string(payload))
	return nil
}

func open(t *testing.T, dir string, s *sink) *Service {
	t.Helper()
	service, err := Open(Options{Dir: dir, Region: "us-east-1", Account: "000000000000", Stack: "Demo",
		Targets: s, Now: time.Now, Log: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	return service
}

func declare(s *Service, properties string) (assembly.Created, error) {
	return s.CreateSchedule(context.Background(), assembly.Resource{LogicalID: "Nightly", Type: "AWS::Scheduler::Schedule", Properties: json.RawMessage(properties)})
}

const nightly = `{"ScheduleExpression":"cron(0 2 * * ? *)","ScheduleExpressionTimezone":"Europe/Berlin",
	"FlexibleTimeWindow":{"Mode":"OFF"},"State":"ENABLED",
	"Target":{"Arn":"arn:aws:lambda:::admit","RoleArn":"arn:role","Input":"{\"at\":\"<aws.scheduler.scheduled-time>\"}",
		"RetryPolicy":{"MaximumRetryAttempts":2,"MaximumEventAgeInSeconds":600}}}`

func TestAScheduleFiresInItsZoneAndIsNotCaughtUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // virtual time starts at 2000-01-01 00:00 UTC, 01:00 in Berlin
		dir, f := t.TempDir(), &sink{}
		s := open(t, dir, f)
		made, err := declare(s, nightly)
		require.NoError(t, err)
		require.Equal(t, "arn:aws:scheduler:us-east-1:000000000000:schedule/default/"+made.Ref, made.Attributes["Arn"])
		for range 2 * 3600 {
			time.Sleep(time.Second)
			require.NoError(t, s.Tick(context.Background()))
			synctest.Wait()
		}
		require.Equal(t, []string{`arn:aws:lambda:::admit arn:role {"at":"2000-01-01T01:00:00Z"}`}, f.got)
		require.NoError(t, s.Close())
		time.Sleep(25 * time.Hour)
		s = open(t, dir, f)
		_, err = declare(s, nightly)
		require.NoError(t, err)
		require.NoError(t, s.Tick(context.Background()))
		synctest.Wait()
		require.Len(t, f.got, 1)
		require.NoError(t, s.Close())
	})
}

func TestSchedulesThatAreRefused(t *testing.T) {
	s := open(t, t.TempDir(), &sink{})
	target := `"Target":{"Arn":"arn:x","RoleArn":"arn:r"}`
	off := `"FlexibleTimeWindow":{"Mode":"OFF"}`
	for properties, want := range map[string]string{
		`{"ScheduleExpression":"rate(1 day)",` + target + `}`:                                                                                 "want OFF or FLEXIBLE",
		`{"ScheduleExpression":"rate(1 day)",` + off + `}`:                                                                                    "needs an Arn and a RoleArn",
		`{"ScheduleExpression":"rate(1 day)",` + off + `,` + target + `,"GroupName":"g"}`:                                                     "Schedule group g does not exist",
		`{"ScheduleExpression":"rate(1 day)",` + target + `,"FlexibleTimeWindow":{"Mode":"FLEXIBLE"}}`:                                        "want 1 to 1440",
		`{"ScheduleExpression":"rate(1 day)",` + target + `,"FlexibleTimeWindow":{"Mode":"FLEXIBLE","MaximumWindowInMinutes":1441}}`:          "want 1 to 1440",
		`{"ScheduleExpression":"rate(1 day)",` + target + `,"FlexibleTimeWindow":{"Mode":"OFF","MaximumWindowInMinutes":1}}`:                  "for the mode FLEXIBLE",
		`{"ScheduleExpression":"rate(1 day)",` + off + `,` + target + `,"StartDate":"2030-01-02T00:00:00Z","EndDate":"2030-01-01T00:00:00Z"}`: "is not before EndDate",
		`{"ScheduleExpression":"rate(1 day)",` + off + `,` + target + `,"State":"PAUSED"}`:                                                    "want ENABLED or DISABLED",
		`{"ScheduleExpression":"rate(1 day)",` + off + `,` + target + `,"ScheduleExpressionTimezone":"Mars/City"}`:                            "not an IANA time zone",
		`{"ScheduleExpression":"soon",` + off + `,` + target + `}`:                                                                            "want rate",
		`{"ScheduleExpression":"rate(1 day)",` + off + `,` + target + `,"StartDate":"tomorrow"}`:                                              "StartDate",
		`{"ScheduleExpression":"rate(1 day)",` + off + `,` + target + `,"KmsKeyArn":"x"}`:                                                     `"KmsKeyArn"`,
		`{"ScheduleExpression":"rate(1 day)",` + off + `,"Target":{"Arn":"arn:x","RoleArn":"r","SqsParameters":{}}}`:                          `"SqsParameters"`,
	} {
		_, err := declare(s, properties)
		require.ErrorContains(t, err, want, properties)
	}
}

func TestTheRealClient(t *testing.T) {
	s := open(t, t.TempDir(), &sink{})
	server := httptest.NewServer(s.Handler())
	defer server.Close()
	client := scheduler.New(scheduler.Options{Region: "us-east-1", BaseEndpoint: aws.String(server.URL),
		Credentials: credentials.NewStaticCredentialsProvider("a", "b", ""), RetryMaxAttempts: 1})
	ctx := context.Background()
	in := &scheduler.CreateScheduleInput{Name: aws.String("once"), ScheduleExpression: aws.String("at(2030-01-02T03:04:05)"),
		FlexibleTimeWindow:    &types.FlexibleTimeWindow{Mode: types.FlexibleTimeWindowModeOff},
		ActionAfterCompletion: types.ActionAfterCompletionDelete, EndDate: aws.Time(time.Unix(2_000_000_000, 0)),
		Target: &types.Target{Arn: aws.String("arn:aws:lambda:::f"), RoleArn: aws.String("arn:r"), Input: aws.String(`{"n":1}`)}}
	made, err := client.CreateSchedule(ctx, in)
	require.NoError(t, err)
	require.Contains(t, *made.ScheduleArn, "schedule/default/once")
	var conflict *types.ConflictException
	in.ClientToken = nil // the client made one: with the same it would be the same request
	_, err = client.CreateSchedule(ctx, in)
	require.ErrorAs(t, err, &conflict)
	got, err := client.GetSchedule(ctx, &scheduler.GetScheduleInput{Name: aws.String("once")})
	require.NoError(t, err)
	require.Equal(t, "at(2030-01-02T03:04:05)", *got.ScheduleExpression)
	require.Equal(t, int64(2_000_000_000), got.EndDate.Unix())
	require.Equal(t, types.ActionAfterCompletionDelete, got.ActionAfterCompletion)
	list, err := client.ListSchedules(ctx, &scheduler.ListSchedulesInput{NamePrefix: aws.String("on")})
	require.NoError(t, err)
	require.Len(t, list.Schedules, 1)
	_, err = client.DeleteSchedule(ctx, &scheduler.DeleteScheduleInput{Name: aws.String("once")})
	require.NoError(t, err)
	var missing *types.ResourceNotFoundException
	_, err = client.GetSchedule(ctx, &scheduler.GetScheduleInput{Name: aws.String("once")})
	require.ErrorAs(t, err, &missing)
	require.NoError(t, s.Close())
}
