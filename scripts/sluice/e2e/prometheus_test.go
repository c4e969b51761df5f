package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/stretchr/testify/require"

	"github.com/sluice-ml/sluice/scripts/sluice/operator"
	"github.com/sluice-ml/sluice/shared/aws/metrics"
	"github.com/sluice-ml/sluice/shared/contract"
	"github.com/sluice-ml/sluice/shared/rollout"
)

// scraper is Debian's Prometheus, which scrapes the model servers of a stack as it
// finds them, by their slots.
type scraper struct{ url, targets string }

// scrape starts Prometheus, without targets yet.
func scrape(t *testing.T) scraper {
	t.Helper()
	dir := t.TempDir()
	s := scraper{targets: filepath.Join(dir, "targets.json")}
	require.NoError(t, os.WriteFile(s.targets, []byte("[]"), 0o600))
	config := filepath.Join(dir, "prometheus.yml")
	require.NoError(t, os.WriteFile(config, fmt.Appendf(nil, "global: {scrape_interval: 500ms, scrape_timeout: 500ms}\nscrape_configs:\n- job_name: servers\n  file_sd_configs: [{files: [%q], refresh_interval: 1s}]\n", s.targets), 0o600))
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	address := listener.Addr().String()
	require.NoError(t, listener.Close())
	var log bytes.Buffer
	c := exec.Command(built(t, ".sluice/cache/outside/prometheus"), "--config.file="+config, "--storage.tsdb.path="+filepath.Join(dir, "data"), "--web.listen-address="+address)
	c.Stdout, c.Stderr = &log, &log
	require.NoError(t, c.Start())
	t.Cleanup(func() {
		_ = c.Process.Kill()
		_ = c.Wait()
		if t.Failed() {
			t.Logf("Prometheus said: %s", log.String())
		}
	})
	s.url = "http://" + address
	return s
}

// follow keeps the targets those of the stack that is up, until the test ends.
func (s scraper) follow(t *testing.T, live *traffic) {
	t.Helper()
	stop, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		ticker := time.NewTicker(time.Second)
		defer ticker.Stop()
		for {
			s.discover(live.stack.Load())
			select {
			case <-stop:
				return
			case <-ticker.C:
			}
		}
	}()
	t.Cleanup(func() { close(stop); <-done })
}

// discover finds the model servers by what they were told, and names them to
// Prometheus by a whole new file.
func (s scraper) discover(of *stack) {
	type group struct {
		Targets []string          `json:"targets"`
		Labels  map[string]string `json:"labels"`
	}
	groups := []group{}
	for _, pid := range of.users() {
		environment, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", pid))
		if err != nil {
			continue // it ended
		}
		told := map[string]string{}
		for line := range strings.SplitSeq(string(environment), "\x00") {
			name, value, _ := strings.Cut(line, "=")
			told[name] = value
		}
		if slot, port := told["SLUICE_SLOT"], told["SAGEMAKER_BIND_TO_PORT"]; slot != "" && port != "" {
			groups = append(groups, group{[]string{"127.0.0.1:" + port}, map[string]string{"model": model, "slot": slot}})
		}
	}
	body, err := json.Marshal(groups)
	if err == nil && os.WriteFile(s.targets+".new", body, 0o600) == nil {
		_ = os.Rename(s.targets+".new", s.targets)
	}
}

// measuredBy is an assembly whose rollouts are measured by Prometheus, as
// prometheusUrl in cdk.json makes them.
func measuredBy(t *testing.T, assembly, url string) string {
	t.Helper()
	copied := filepath.Join(t.TempDir(), "cdk.out")
	out, err := exec.Command("cp", "-a", assembly, copied).CombinedOutput()
	require.NoError(t, err, "%s", out)
	told := 0
	edit(t, filepath.Join(copied, "Sluice-production.template.json"), func(template map[string]any) {
		for _, r := range template["Resources"].(map[string]any) {
			properties, _ := r.(map[string]any)["Properties"].(map[string]any)
			environment, _ := properties["Environment"].(map[string]any)
			variables, _ := environment["Variables"].(map[string]any)
			if variables[contract.EnvEndpointRole] != nil {
				variables[contract.EnvPrometheusURL] = url
				told++
			}
		}
	})
	require.Equal(t, 4, told, "shift, analyze, promote and rollback")
	return copied
}

// asCloudWatch asserts that the latest rollout's looks, which Prometheus measured,
// have the verdict that CloudWatch gives of the same time, and gives their verdicts.
func (s *stack) asCloudWatch(t *testing.T) []string {
	t.Helper()
	told := s.serving(t)
	place := told.Models[model]
	balancer := metrics.BalancerOf(place.Rule, place.Groups)
	balancer.Period = time.Duration(told.PeriodSeconds * float64(time.Second))
	gauge, err := metrics.New(cloudwatch.New(cloudwatch.Options{Region: operator.LocalRegion, BaseEndpoint: &s.url,
		Credentials: credentials.NewStaticCredentialsProvider(operator.LocalAccessKey, operator.LocalSecretKey, "")}), "production", 10*time.Second)
	require.NoError(t, err)
	gauge.Balanced(map[string]metrics.Balancer{model: balancer})
	state := s.rollout(t)
	var verdicts []string
	for _, r := range state.History {
		if r.Measurements == nil || r.Measurements.Problem != "" {
			continue
		}
		ours := *r.Measurements
		theirs, err := gauge.Measure(t.Context(), rollout.Question{Model: model, Candidate: state.Candidate.Slot, Champion: state.Champion.Slot, From: ours.From, To: ours.To, Serving: state.Serving})
		require.NoError(t, err)
		t.Logf("at %v %%: Prometheus %+v, CloudWatch %+v", r.Weight, ours.Candidate, theirs.Candidate)
		theirs.Candidate.Labels, theirs.Candidate.Correct = ours.Candidate.Labels, ours.Candidate.Correct // neither has labels
		if ours.Champion != nil && theirs.Champion != nil {
			theirs.Champion.Labels, theirs.Champion.Correct = ours.Champion.Labels, ours.Champion.Correct
		}
		require.NotNil(t, ours.Candidate.P99MS)
		byThem := rollout.Judge(state.Policy, theirs)
		require.Equal(t, r.Verdict, byThem.Verdict, "Prometheus: %s\nCloudWatch: %s", r.Reason, byThem.Reason)
		verdicts = append(verdicts, r.Verdict)
	}
	require.NotEmpty(t, verdicts)
	return verdicts
}

// serving is what the functions are told of who serves by ECS.
func (s *stack) serving(t *testing.T) contract.ECS {
	t.Helper()
	client := lambda.New(lambda.Options{Region: operator.LocalRegion, BaseEndpoint: &s.url,
		Credentials: credentials.NewStaticCredentialsProvider(operator.LocalAccessKey, operator.LocalSecretKey, "")})
	out, err := client.GetFunctionConfiguration(t.Context(), &lambda.GetFunctionConfigurationInput{FunctionName: aws.String("sluice-production-shift")})
	require.NoError(t, err)
	var told contract.ECS
	require.NoError(t, json.Unmarshal([]byte(out.Environment.Variables[contract.EnvECS]), &told))
	return told
}
