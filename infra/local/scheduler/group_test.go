package scheduler

import (
	"context"
	"encoding/json"
	"net/http/httptest"
	"strings"
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

// ticks lets virtual time pass, with a tick each second.
func ticks(t *testing.T, s *Service, d time.Duration) {
	t.Helper()
	for range int(d / time.Second) {
		time.Sleep(time.Second)
		require.NoError(t, s.Tick(context.Background()))
		synctest.Wait()
	}
}

func flexible(expression, more string) string {
	return `{"Name":"f","ScheduleExpression":"` + expression + `","FlexibleTimeWindow":{"Mode":"FLEXIBLE","MaximumWindowInMinutes":15}` + more + `,
		"Target":{"Arn":"arn:aws:lambda:::f","RoleArn":"arn:r","Input":"\"<aws.scheduler.scheduled-time>\""}}`
}

// A run fires once, at a moment of its window, and says when it was due. The same
// schedule has the same moments each time.
func TestFlexibleWindows(t *testing.T) {
	moments := func() (at []time.Duration, got []string) {
		synctest.Test(t, func(t *testing.T) {
			f, began := &sink{}, time.Now()
			s := open(t, t.TempDir(), f)
			_, err := declare(s, flexible("rate(5 minutes)", ""))
			require.NoError(t, err)
			for range 3600 {
				ticks(t, s, time.Second)
				for len(f.got) > len(at) {
					at = append(at, time.Since(began))
				}
			}
			got = f.got
			require.NoError(t, s.Close())
		})
		return at, got
	}
	at, got := moments()
	require.Greater(t, len(got), 6, "windows that overlap lose no run")
	spread := map[time.Duration]bool{}
	for i, run := range got {
		text := strings.Trim(strings.TrimPrefix(run, "arn:aws:lambda:::f arn:r "), `"`)
		due, err := time.Parse(time.RFC3339, text)
		require.NoError(t, err)
		late := at[i] - due.Sub(time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC))
		require.GreaterOrEqual(t, late, time.Duration(0))
		require.LessOrEqual(t, late, 15*time.Minute+time.Second)
		spread[late.Truncate(time.Minute)] = true
	}
	require.Greater(t, len(spread), 3, "the moments are spread over the window")
	again, _ := moments()
	require.Equal(t, at, again)
}

func TestAScheduleEndsAndGoes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &sink{}
		s := open(t, t.TempDir(), f)
		_, err := declare(s, flexible("rate(1 hour)", `,"ActionAfterCompletion":"DELETE","StartDate":"2000-01-01T02:30:00Z","EndDate":"2000-01-01T04:30:00Z"`))
		require.NoError(t, err)
		ticks(t, s, 6*time.Hour)
		require.Equal(t, []string{`arn:aws:lambda:::f arn:r "2000-01-01T03:00:00Z"`, `arn:aws:lambda:::f arn:r "2000-01-01T04:00:00Z"`}, f.got)
		require.Empty(t, s.schedules, "deleted after its last run")
		require.Empty(t, s.kept.All())
		_, err = declare(s, flexible("rate(1 hour)", `,"State":"DISABLED"`))
		require.NoError(t, err)
		ticks(t, s, 3*time.Hour)
		require.Len(t, f.got, 2)
		require.Len(t, s.schedules, 1)
		require.NoError(t, s.Close())
	})
}

func newClient(t *testing.T, s *Service) *scheduler.Client {
	server := httptest.NewServer(s.Handler())
	t.Cleanup(server.Close)
	return scheduler.New(scheduler.Options{Region: "us-east-1", BaseEndpoint: aws.String(server.URL),
		Credentials: credentials.NewStaticCredentialsProvider("a", "b", ""), RetryMaxAttempts: 1})
}

func TestGroups(t *testing.T) {
	dir, ctx := t.TempDir(), context.Background()
	s := open(t, dir, &sink{})
	made, err := s.CreateGroup(ctx, assembly.Resource{LogicalID: "G", Type: "AWS::Scheduler::ScheduleGroup", Properties: json.RawMessage(`{"Name":"declared","Tags":[{"Key":"a","Value":"1"}]}`)})
	require.NoError(t, err)
	require.Equal(t, "arn:aws:scheduler:us-east-1:000000000000:schedule-group/declared", made.Attributes["Arn"])
	c := newClient(t, s)
	group, err := c.CreateScheduleGroup(ctx, &scheduler.CreateScheduleGroupInput{Name: aws.String("g"), Tags: []types.Tag{{Key: aws.String("k"), Value: aws.String("v")}}})
	require.NoError(t, err)
	var conflict *types.ConflictException
	_, err = c.CreateScheduleGroup(ctx, &scheduler.CreateScheduleGroupInput{Name: aws.String("g")})
	require.ErrorAs(t, err, &conflict)
	_, err = c.TagResource(ctx, &scheduler.TagResourceInput{ResourceArn: group.ScheduleGroupArn, Tags: []types.Tag{{Key: aws.String("l"), Value: aws.String("w")}}})
	require.NoError(t, err)
	_, err = c.UntagResource(ctx, &scheduler.UntagResourceInput{ResourceArn: group.ScheduleGroupArn, TagKeys: []string{"k"}})
	require.NoError(t, err)
	tags, err := c.ListTagsForResource(ctx, &scheduler.ListTagsForResourceInput{ResourceArn: group.ScheduleGroupArn})
	require.NoError(t, err)
	require.Equal(t, "l", *tags.Tags[0].Key)

	in := &scheduler.CreateScheduleInput{Name: aws.String("s"), GroupName: aws.String("g"), ScheduleExpression: aws.String("rate(1 day)"), ClientToken: aws.String("t1"),
		FlexibleTimeWindow: &types.FlexibleTimeWindow{Mode: types.FlexibleTimeWindowModeFlexible, MaximumWindowInMinutes: aws.Int32(5)},
		Target:             &types.Target{Arn: aws.String("arn:aws:lambda:::f"), RoleArn: aws.String("arn:r")}}
	first, err := c.CreateSchedule(ctx, in)
	require.NoError(t, err)
	require.Equal(t, "arn:aws:scheduler:us-east-1:000000000000:schedule/g/s", *first.ScheduleArn)
	again, err := c.CreateSchedule(ctx, in)
	require.NoError(t, err, "the same token: the answer was lost")
	require.Equal(t, *first.ScheduleArn, *again.ScheduleArn)
	in.ClientToken = aws.String("t2")
	_, err = c.CreateSchedule(ctx, in)
	require.ErrorAs(t, err, &conflict)
	in.GroupName = nil
	_, err = c.CreateSchedule(ctx, in)
	require.NoError(t, err, "names are unique in their group")
	var missing *types.ResourceNotFoundException
	in.GroupName = aws.String("nobody")
	_, err = c.CreateSchedule(ctx, in)
	require.ErrorAs(t, err, &missing)

	require.NoError(t, s.Close())
	s = open(t, dir, &sink{})
	c = newClient(t, s)
	got, err := c.GetSchedule(ctx, &scheduler.GetScheduleInput{Name: aws.String("s"), GroupName: aws.String("g")})
	require.NoError(t, err)
	require.Equal(t, []any{"g", types.FlexibleTimeWindowModeFlexible, int32(5)}, []any{*got.GroupName, got.FlexibleTimeWindow.Mode, *got.FlexibleTimeWindow.MaximumWindowInMinutes})
	list := func(group *string) []string {
		t.Helper()
		out := []string{}
		pages := scheduler.NewListSchedulesPaginator(c, &scheduler.ListSchedulesInput{GroupName: group, MaxResults: aws.Int32(1)})
		for pages.HasMorePages() {
			page, err := pages.NextPage(ctx)
			require.NoError(t, err)
			for _, schedule := range page.Schedules {
				out = append(out, *schedule.GroupName+"/"+*schedule.Name)
			}
		}
		return out
	}
	require.Equal(t, []string{"g/s", "default/s"}, list(nil))
	require.Equal(t, []string{"g/s"}, list(aws.String("g")))
	groups, err := c.ListScheduleGroups(ctx, &scheduler.ListScheduleGroupsInput{})
	require.NoError(t, err)
	require.Len(t, groups.ScheduleGroups, 3)
	_, err = c.DeleteScheduleGroup(ctx, &scheduler.DeleteScheduleGroupInput{Name: aws.String("g")})
	require.NoError(t, err)
	require.Equal(t, []string{"default/s"}, list(nil), "a group's schedules go with it")
	_, err = c.GetScheduleGroup(ctx, &scheduler.GetScheduleGroupInput{Name: aws.String("g")})
	require.ErrorAs(t, err, &missing)
	fallback, err := c.GetScheduleGroup(ctx, &scheduler.GetScheduleGroupInput{Name: aws.String("default")})
	require.NoError(t, err)
	require.Equal(t, types.ScheduleGroupStateActive, fallback.State)
	var invalid *types.ValidationException
	_, err = c.DeleteScheduleGroup(ctx, &scheduler.DeleteScheduleGroupInput{Name: aws.String("default")})
	require.ErrorAs(t, err, &invalid)
	_, err = c.ListTagsForResource(ctx, &scheduler.ListTagsForResourceInput{ResourceArn: first.ScheduleArn})
	require.ErrorAs(t, err, &invalid)
	require.NoError(t, s.Close())
}
