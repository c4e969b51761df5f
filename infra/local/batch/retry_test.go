package batch

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sluice-ml/sluice/infra/local/wire"
)

func TestRetry(t *testing.T) {
	code := func(n int) *int { return &n }
	spot := end{statusReason: hostLost("i-0123456789abcdef0")}
	sluice := []Rule{
		{OnStatusReason: "Host EC2*", Action: "RETRY"},
		{OnExitCode: "75", Action: "retry"},
		{OnReason: "OutOfMemoryError:*", OnExitCode: "137", Action: "EXIT"},
		{OnExitCode: "*", Action: "EXIT"},
	}
	for name, c := range map[string]struct {
		strategy RetryStrategy
		attempt  int
		end      end
		want     bool
	}{
		"the only attempt":           {RetryStrategy{}, 1, spot, false},
		"no rules":                   {RetryStrategy{Attempts: 2}, 1, end{exitCode: code(1)}, true},
		"the last attempt":           {RetryStrategy{Attempts: 2}, 2, end{exitCode: code(1)}, false},
		"a host that is gone":        {RetryStrategy{3, sluice}, 1, spot, true},
		"try again":                  {RetryStrategy{3, sluice}, 1, end{statusReason: exitReason, exitCode: code(75)}, true},
		"anything else":              {RetryStrategy{3, sluice}, 1, end{statusReason: exitReason, exitCode: code(1)}, false},
		"no rule matches: again":     {RetryStrategy{3, sluice[:2]}, 1, end{statusReason: exitReason, exitCode: code(1)}, true},
		"every pattern must match":   {RetryStrategy{3, []Rule{{OnReason: "Out*", OnExitCode: "137", Action: "EXIT"}}}, 1, end{exitCode: code(137)}, true},
		"the first that matches":     {RetryStrategy{3, []Rule{{OnExitCode: "1*", Action: "EXIT"}, {OnExitCode: "137", Action: "RETRY"}}}, 1, end{exitCode: code(137)}, false},
		"a star and no exit code":    {RetryStrategy{3, []Rule{{OnExitCode: "*", Action: "EXIT"}}}, 1, spot, false},
		"an exact code, and no code": {RetryStrategy{3, []Rule{{OnExitCode: "0", Action: "EXIT"}}}, 1, spot, true},
	} {
		require.Equal(t, c.want, c.strategy.retry(c.attempt, c.end), name)
	}
}

func FuzzSubmitInput(f *testing.F) {
	d := definition{ARN: "arn", Properties: definitionProperties{ContainerProperties: &container{
		ResourceRequirements: []Requirement{{"VCPU", "1"}, {"MEMORY", "1"}}}}}
	f.Add([]byte(`{"jobName":"j","containerOverrides":{"command":["Ref::a"]},"parameters":{"a":"Ref::b"},"retryStrategy":{"attempts":2}}`))
	f.Add([]byte(`{"JobName":"j","ContainerOverrides":{"ResourceRequirements":[{"Type":"GPU","Value":"1"}]},"Timeout":{"AttemptDurationSeconds":60}}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		var in SubmitInput
		if wire.DecodeStrict(text, &in) != nil {
			return
		}
		detail, n, err := describe(d, in)
		if err != nil {
			return
		}
		if n.VCPUs <= 0 || n.MemoryMiB <= 0 || detail.RetryStrategy.Attempts < 1 {
			t.Errorf("accepted %s as %+v with %+v", text, detail, n)
		}
		if _, err := detail.TaskResult(); err != nil {
			t.Error(err)
		}
	})
}

func FuzzDecodeJob(f *testing.F) {
	f.Add([]byte(`{"Detail":{"jobId":"a","status":"RUNNING","attempts":[{}],"retryStrategy":{"attempts":2}}}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		j, err := decodeJob(text)
		if err != nil {
			return
		}
		if _, err := json.Marshal(j); err != nil {
			t.Error(err)
		}
		_ = j.attempt()
		_ = streamName(j)
	})
}
