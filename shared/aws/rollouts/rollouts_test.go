package rollouts_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/stretchr/testify/require"

	"github.com/sluice-ml/sluice/shared/aws/rollouts"
	"github.com/sluice-ml/sluice/shared/contract"
	"github.com/sluice-ml/sluice/shared/fault"
	"github.com/sluice-ml/sluice/shared/ref"
	"github.com/sluice-ml/sluice/shared/rollout"
)

var variables = map[string]string{contract.EnvEnvironment: "staging", contract.EnvStore: "store", contract.EnvKeyID: "key", contract.EnvTopicARN: "arn:topic",
	contract.EnvEndpointRole: "arn:role", contract.EnvInstanceType: "ml.m5.large", contract.EnvInstanceCount: "2", contract.EnvMetricPeriod: "10"}

func lookup(m map[string]string) func(string) (string, bool) {
	return func(name string) (string, bool) { v, ok := m[name]; return v, ok }
}

func TestEnvironmentIsRead(t *testing.T) {
	e, err := rollouts.Read(lookup(variables))
	require.NoError(t, err)
	require.Equal(t, 10*time.Second, e.Period)
	require.EqualValues(t, 2, e.Endpoint.InstanceCount)
	require.EqualValues(t, 10, e.Endpoint.MetricPeriod)
	require.Equal(t, "s3://store/capture", e.Endpoint.Capture)
}

func TestEveryMissingVariableIsNamed(t *testing.T) {
	_, err := rollouts.Read(lookup(nil))
	for name := range variables {
		if name != contract.EnvInstanceCount && name != contract.EnvMetricPeriod {
			require.ErrorContains(t, err, name)
		}
	}
	bad := maps.Clone(variables)
	bad[contract.EnvInstanceCount] = "none"
	_, err = rollouts.Read(lookup(bad))
	require.ErrorContains(t, err, contract.EnvInstanceCount)
}

func TestPeopleAreTold(t *testing.T) {
	var sent url.Values
	told := 0
	status := http.StatusOK
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		sent, _ = url.ParseQuery(string(body))
		told++
		w.Header().Set("Content-Type", "text/xml")
		w.WriteHeader(status)
		_, _ = io.WriteString(w, `<PublishResponse xmlns="http://sns.amazonaws.com/doc/2010-03-31/"><PublishResult><MessageId>1</MessageId></PublishResult></PublishResponse>`)
	}))
	defer server.Close()
	store := ref.NewMemory()
	records := rollout.Records{Store: store, Now: time.Now}
	people := &rollouts.Announcer{States: records, Environment: "staging", Now: time.Now, Log: slog.New(slog.DiscardHandler), Topic: "arn:aws:sns:eu-west-1:000000000000:people", Client: sns.New(sns.Options{Region: "eu-west-1", BaseEndpoint: aws.String(server.URL),
		RetryMaxAttempts: 1, Credentials: credentials.NewStaticCredentialsProvider("id", "secret", "")})}
	require.NoError(t, people.Tell(t.Context(), "adult_income", "rolling back"))
	require.Contains(t, sent.Get("Message"), "rolling back\n")
	require.Equal(t, "Sluice staging adult_income: rolling back", sent.Get("Subject"))
	attributes := map[string]string{}
	for i := 1; sent.Get(fmt.Sprintf("MessageAttributes.entry.%d.Name", i)) != ""; i++ {
		attributes[sent.Get(fmt.Sprintf("MessageAttributes.entry.%d.Name", i))] = sent.Get(fmt.Sprintf("MessageAttributes.entry.%d.Value.StringValue", i))
	}
	require.Equal(t, map[string]string{"kind": "notice", "severity": "warning", "model": "adult_income", "environment": "staging"}, attributes)

	// A change is told once, although the machine has a text for it too.
	baking := rollout.State{Rollout: "r-2", Model: "m", Phase: rollout.Baking, Candidate: rollout.Place{Version: 2, Slot: "green"}, Champion: rollout.Place{Version: 1, Slot: "blue"}}
	_, err := records.Update(t.Context(), "m", func(rollout.State, bool) (rollout.State, error) { return baking, nil })
	require.NoError(t, err)
	abort := func() (tell string) {
		_, err := people.Update(t.Context(), "m", func(old rollout.State, _ bool) (rollout.State, error) {
			d := rollout.Decide(old, rollout.Abort{Reason: "it looks odd"}, time.Now())
			tell = d.Tell
			if !d.Changed {
				return old, rollout.ErrUnchanged
			}
			return d.State, nil
		})
		require.NoError(t, err)
		return tell
	}
	told = 0
	text := abort()
	require.Contains(t, text, "it looks odd")
	require.Equal(t, 1, told)
	require.Contains(t, sent.Get("Message"), "it looks odd")
	require.NoError(t, people.Tell(t.Context(), "m", text))
	abort()
	require.Equal(t, 1, told)
	require.NoError(t, people.Tell(t.Context(), "m", text))
	require.Equal(t, 2, told, "the same text later is another")

	_, err = records.Update(t.Context(), "m", func(rollout.State, bool) (rollout.State, error) { return baking, nil })
	require.NoError(t, err)
	status = http.StatusInternalServerError
	text = abort() // the change is saved all the same
	require.Equal(t, fault.Unavailable, fault.KindOf(people.Tell(t.Context(), "m", text)), "and was not told")
	status = http.StatusInternalServerError
	require.Equal(t, fault.Unavailable, fault.KindOf(people.Tell(t.Context(), "m", "x")))
}

func TestSleepEndsWithTheContext(t *testing.T) {
	require.NoError(t, rollouts.Sleep(t.Context(), time.Nanosecond))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, rollouts.Sleep(ctx, time.Hour), context.Canceled)
}

func TestModelsThatECSServesAreRead(t *testing.T) {
	with := maps.Clone(variables)
	with[contract.EnvECS] = `{"cluster":"sluice-staging","url":"http://lb:8480","probe":"sluice-staging-probe","propagationSeconds":5,"models":{"churn":{"rule":"arn:rule","groups":{"blue":"arn:b","green":"arn:g"}}}}`
	e, err := rollouts.Read(lookup(with))
	require.NoError(t, err)
	require.Equal(t, contract.ECSModel{Rule: "arn:rule", Groups: map[string]string{"blue": "arn:b", "green": "arn:g"}}, e.ECS.Models["churn"])
	with[contract.EnvECS] = `{"cluster":`
	_, err = rollouts.Read(lookup(with))
	require.ErrorContains(t, err, contract.EnvECS)
}

type named string

func (n named) View(context.Context, string) (rollout.View, error) {
	return rollout.View{Config: string(n)}, nil
}
func (named) Prepare(context.Context, rollout.Placement) (string, error)     { return "", nil }
func (named) SetWeights(context.Context, string, []rollout.Weight) error     { return nil }
func (named) Smoke(context.Context, string, string, rollout.Row) error       { return nil }
func (named) Retire(context.Context, string, string, string) (string, error) { return "", nil }
func (named) Delete(context.Context, string) error                           { return nil }
func (n named) Mirrors(string) error {
	if n == "ecs" {
		return errors.New("it cannot")
	}
	return nil
}
func (named) Shadow(context.Context, rollout.Placement, float64) (string, error) { return "", nil }

func TestEachModelHasItsBackend(t *testing.T) {
	all := &rollouts.ByModel{Special: map[string]rollout.Backend{"churn": named("ecs")}, Usual: named("sagemaker")}
	for model, want := range map[string]string{"churn": "ecs", "adult": "sagemaker"} {
		view, err := all.View(t.Context(), model)
		require.NoError(t, err)
		require.Equal(t, want, view.Config)
		require.Equal(t, want == "ecs", all.Mirrors(model) != nil)
	}
}

type invoked struct {
	asked contract.ProbeRequest
	out   lambda.InvokeOutput
}

func (i *invoked) Invoke(_ context.Context, in *lambda.InvokeInput, _ ...func(*lambda.Options)) (*lambda.InvokeOutput, error) {
	return &i.out, json.Unmarshal(in.Payload, &i.asked)
}

func TestTheProbeCarriesRequests(t *testing.T) {
	function := &invoked{out: lambda.InvokeOutput{Payload: []byte(`{"status":503,"body":"bm8="}`)}}
	probe := &rollouts.Probe{Client: function, Function: "probe"}
	ask := func() (*http.Response, error) {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://elsewhere/invocations", strings.NewReader("row"))
		require.NoError(t, err)
		request.Header.Set("X-Sluice-Slot", "green")
		return probe.Do(request)
	}
	answer, err := ask()
	require.NoError(t, err)
	require.Equal(t, 503, answer.StatusCode)
	body, err := io.ReadAll(answer.Body)
	require.NoError(t, err)
	require.Equal(t, "no", string(body))
	require.Equal(t, contract.ProbeRequest{Path: "/invocations", Headers: map[string]string{"X-Sluice-Slot": "green"}, Body: []byte("row")}, function.asked)
	function.out = lambda.InvokeOutput{FunctionError: aws.String("Unhandled"), Payload: []byte(`{"errorType":"Sluice.Unavailable"}`)}
	_, err = ask()
	require.ErrorContains(t, err, "Sluice.Unavailable")
}
