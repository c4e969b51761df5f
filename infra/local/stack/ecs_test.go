package stack

import (
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
	"github.com/stretchr/testify/require"
)

// balancedAssembly is an assembly with a service behind a load balancer.
func balancedAssembly(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	require.NoError(t, os.CopyFS(dir, os.DirFS(filepath.Join(testdata, "balanced"))))
	build := exec.Command("go", "build", "-o", filepath.Join(dir, "asset.44556677", "serve"), ".")
	build.Dir = filepath.Join(testdata, "serve")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	out, err := build.CombinedOutput()
	require.NoError(t, err, string(out))
	return dir
}

func (p *stackProcess) ecs() *ecs.Client {
	return ecs.New(ecs.Options{Region: "us-east-1", BaseEndpoint: aws.String(p.url),
		Credentials: credentials.NewStaticCredentialsProvider(AccessKeyID, SecretAccessKey, "")})
}

// web asks the load balancer's host through the stack's own port.
func (p *stackProcess) web() (status int, body string) {
	r, err := http.NewRequest(http.MethodGet, p.url+"/who", nil)
	if err != nil {
		return 0, err.Error()
	}
	r.Host = p.outputs["Host"]
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return 0, err.Error()
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		return 0, err.Error()
	}
	return answer.StatusCode, string(text)
}

func (p *stackProcess) service(t *testing.T) types.Service {
	t.Helper()
	out, err := p.ecs().DescribeServices(t.Context(), &ecs.DescribeServicesInput{Cluster: aws.String("demo"), Services: []string{p.outputs["Service"]}})
	require.NoError(t, err)
	return out.Services[0]
}

func steady(v types.Service) bool {
	return len(v.Deployments) == 1 && v.Deployments[0].RolloutState == types.DeploymentRolloutStateCompleted && v.RunningCount == v.DesiredCount
}

// A template's service is steady behind its load balancer when the stack is up;
// an update under traffic loses no request; and a killed stack comes back with the
// same deployment and fresh tasks.
func TestAServiceBehindALoadBalancer(t *testing.T) {
	assembly, dir := balancedAssembly(t), filepath.Join(t.TempDir(), "stack")
	p := startStack(t, assembly, dir)
	first := p.service(t)
	require.True(t, steady(first), "%+v", first)
	who := map[string]bool{}
	for range 20 {
		status, body := p.web()
		require.Equal(t, http.StatusOK, status, body)
		who[body] = true
	}
	require.Len(t, who, 2, "both tasks answer")

	_, err := p.ecs().UpdateService(t.Context(), &ecs.UpdateServiceInput{Cluster: aws.String("demo"), Service: aws.String("web"), ForceNewDeployment: true})
	require.NoError(t, err)
	var updated types.Service
	require.Eventually(t, func() bool {
		status, body := p.web()
		require.Equal(t, http.StatusOK, status, body)
		updated = p.service(t)
		return steady(updated)
	}, 2*time.Minute, 5*time.Millisecond)
	require.NotEqual(t, *first.Deployments[0].Id, *updated.Deployments[0].Id)
	_, body := p.web()
	require.NotContains(t, who, body, "the old tasks are gone")

	tasks, err := p.ecs().ListTasks(t.Context(), &ecs.ListTasksInput{Cluster: aws.String("demo")})
	require.NoError(t, err)
	reclaimed := tasks.TaskArns[0]
	answer, err := http.Post(p.url+"/_sluice/tasks/"+reclaimed[strings.LastIndexByte(reclaimed, '/')+1:]+"/reclaim", "", nil)
	require.NoError(t, err)
	answer.Body.Close()
	require.Equal(t, http.StatusNoContent, answer.StatusCode)

	p.kill(t)
	p = startStack(t, assembly, dir)
	var after types.Service
	require.Eventually(t, func() bool {
		after = p.service(t)
		status, _ := p.web()
		return steady(after) && status == http.StatusOK
	}, 2*time.Minute, 20*time.Millisecond)
	require.Equal(t, *updated.Deployments[0].Id, *after.Deployments[0].Id)
	gone, err := p.ecs().DescribeTasks(t.Context(), &ecs.DescribeTasksInput{Cluster: aws.String("demo"), Tasks: tasks.TaskArns})
	require.NoError(t, err)
	for _, task := range gone.Tasks {
		require.Equal(t, "STOPPED", *task.LastStatus)
	}
	require.NotEmpty(t, await(t, p.s3(), p.outputs["StoreName"], "begun"))
	usage, err := http.Get(p.url + "/_sluice/usage")
	require.NoError(t, err)
	defer usage.Body.Close()
	text, err := io.ReadAll(usage.Body)
	require.NoError(t, err)
	require.Contains(t, string(text), `"group": "service:web"`)
}
