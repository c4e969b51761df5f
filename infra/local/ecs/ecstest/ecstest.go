// Package ecstest runs a local ECS and a local load balancer together for tests,
// with the model servers as real processes: what Sluice's stack declares for a
// model that is served by ECS, made through the AWS SDK.
package ecstest

import (
	"context"
	"fmt"
	"net"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
	"github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	elbtypes "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"
	"github.com/stretchr/testify/require"

	"github.com/sluice-ml/sluice/infra/local/cloudwatch"
	local "github.com/sluice-ml/sluice/infra/local/ecs"
	"github.com/sluice-ml/sluice/infra/local/elb"
	"github.com/sluice-ml/sluice/infra/local/image"
	"github.com/sluice-ml/sluice/infra/local/logs"
)

// Cluster is the name of the one cluster.
const Cluster = "sluice"

// Options configure a World.
type Options struct {
	Server      string // what Build gave
	Now         func() time.Time
	Metrics     elb.Metrics   // nil: nobody keeps them
	Propagation time.Duration // of rules; 0 is none
	Period      time.Duration // of data points; a minute by default
}

// World is an ECS and a load balancer.
type World struct {
	ECS      *ecs.Client
	ELB      *elasticloadbalancingv2.Client
	Services *local.Service
	Balancer *elb.Service
	URL      string // of the listener

	listener string
	rules    int32
}

type noMetrics struct{}

func (noMetrics) Put(string, ...cloudwatch.Datum) error { return nil }

// vpc has the two subnets sub-1 and sub-2 and one security group.
type vpc struct{}

func (vpc) Subnet(id string) (vpc, zone string, ok bool) { return "vpc-1", "eu-west-1" + id[4:], true }
func (vpc) SecurityGroup(string) (string, bool)          { return "vpc-1", true }

// patient gives a process that does not listen yet a moment, so that a target's
// first health check, after which the next comes in 5 s, finds it.
type patient struct {
	mu    sync.Mutex
	tasks elb.Network
	seen  map[string]bool
}

func (p *patient) Address(id string, port int) (string, bool) {
	p.mu.Lock()
	tasks := p.tasks
	p.mu.Unlock()
	if tasks == nil {
		return "", false
	}
	for range 400 {
		at, ok := tasks.Address(id, port)
		p.mu.Lock()
		seen := p.seen[at]
		p.mu.Unlock()
		if !ok || seen {
			return at, ok
		}
		if c, err := net.Dial("tcp", at); err == nil {
			_ = c.Close()
			p.mu.Lock()
			p.seen[at] = true
			p.mu.Unlock()
			return at, ok
		}
		time.Sleep(5 * time.Millisecond)
	}
	return tasks.Address(id, port)
}

// Open starts both; they end with the test.
func Open(t testing.TB, o Options) *World {
	t.Helper()
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Metrics == nil {
		o.Metrics = noMetrics{}
	}
	if o.Propagation == 0 {
		o.Propagation = -1
	}
	network := &patient{seen: map[string]bool{}}
	w := &World{}
	var err error
	w.Balancer, err = elb.Open(elb.Config{Dir: t.TempDir(), Region: "eu-west-1", Account: "000000000000", Stack: "test", Network: network, Subnets: vpc{},
		Metrics: o.Metrics, Now: o.Now, Log: t.Output(), PropagationDelay: o.Propagation, MetricPeriod: o.Period})
	require.NoError(t, err)
	kept, err := logs.Open(logs.Options{Dir: t.TempDir(), Region: "eu-west-1", Account: "000000000000"})
	require.NoError(t, err)
	w.Services, err = local.Open(local.Options{Dir: t.TempDir(), Region: "eu-west-1", Account: "000000000000", Logs: kept, LoadBalancing: w.Balancer,
		Now: o.Now, Log: t.Output(), RestartPause: 10 * time.Millisecond, MemoryInterval: time.Second,
		Image: func(string) (*image.Image, error) { return image.Resolve(o.Server) }})
	require.NoError(t, err)
	network.mu.Lock()
	network.tasks = w.Services
	network.mu.Unlock()
	require.NoError(t, w.Services.Recover(t.Context()))
	api, rules := httptest.NewServer(w.Services.Handler()), httptest.NewServer(w.Balancer.Handler())
	ended := tick(w.Services)
	t.Cleanup(func() {
		ended()
		require.NoError(t, w.Services.Close())
		require.NoError(t, w.Balancer.Close())
		require.NoError(t, kept.Close())
		api.Close()
		rules.Close()
	})
	keys := credentials.NewStaticCredentialsProvider("id", "secret", "")
	w.ECS = ecs.New(ecs.Options{Region: "eu-west-1", BaseEndpoint: &api.URL, Credentials: keys})
	w.ELB = elasticloadbalancingv2.New(elasticloadbalancingv2.Options{Region: "eu-west-1", BaseEndpoint: &rules.URL, Credentials: keys})
	w.furnish(t)
	return w
}

// tick does what time demands until the function it gives is called.
func tick(s *local.Service) (end func()) {
	stop, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		ticker := time.NewTicker(10 * time.Millisecond)
		defer ticker.Stop()
		for {
			select {
			case <-stop:
				return
			case <-ticker.C:
				_ = s.Tick(context.Background()) // a file that cannot be kept is logged
			}
		}
	}()
	return func() { close(stop); <-ended }
}

// Build makes a real image's context folder of a Go program's folder; it is there
// until the test ends.
func Build(t testing.TB, folder string) string {
	t.Helper()
	dir := t.TempDir()
	command := exec.Command("go", "build", "-o", filepath.Join(dir, "server"), folder)
	command.Env = append(os.Environ(), "CGO_ENABLED=0")
	output, err := command.CombinedOutput()
	require.NoError(t, err, string(output))
	dockerfile := "FROM scratch\nCOPY server /server\nENTRYPOINT [\"/server\"]\nCMD [\"serve\"]\n"
	require.NoError(t, os.WriteFile(filepath.Join(dir, "Dockerfile"), []byte(dockerfile), 0o644))
	return dir
}

// furnish makes the cluster and the load balancer with its listener.
func (w *World) furnish(t testing.TB) {
	t.Helper()
	_, err := w.ECS.CreateCluster(t.Context(), &ecs.CreateClusterInput{ClusterName: aws.String(Cluster)})
	require.NoError(t, err)
	made, err := w.ELB.CreateLoadBalancer(t.Context(), &elasticloadbalancingv2.CreateLoadBalancerInput{Name: aws.String("sluice"),
		Subnets: []string{"sub-a", "sub-b"}, SecurityGroups: []string{"sg-1"}, Scheme: elbtypes.LoadBalancerSchemeEnumInternal})
	require.NoError(t, err)
	listener, err := w.ELB.CreateListener(t.Context(), &elasticloadbalancingv2.CreateListenerInput{LoadBalancerArn: made.LoadBalancers[0].LoadBalancerArn,
		Port: aws.Int32(80), Protocol: elbtypes.ProtocolEnumHttp, DefaultActions: fixed("404")})
	require.NoError(t, err)
	w.listener, w.URL = *listener.Listeners[0].ListenerArn, w.Balancer.Addresses()[0].URL
}

func fixed(status string) []elbtypes.Action {
	return []elbtypes.Action{{Type: elbtypes.ActionTypeEnumFixedResponse, FixedResponseConfig: &elbtypes.FixedResponseActionConfig{StatusCode: &status}}}
}

func header(name, value string) elbtypes.RuleCondition {
	return elbtypes.RuleCondition{Field: aws.String("http-header"), HttpHeaderConfig: &elbtypes.HttpHeaderConditionConfig{HttpHeaderName: &name, Values: []string{value}}}
}

// Declare makes what the stack declares for a model: groups, side doors, the
// rule, the base task definition and two services without tasks. name is the
// endpoint's. It gives the rule's ARN and the groups' by slot.
func (w *World) Declare(t testing.TB, model, name string) (rule string, groups map[string]string) {
	t.Helper()
	groups = map[string]string{}
	for _, slot := range []string{"blue", "green"} {
		groups[slot] = w.group(t, name[max(0, len(name)-20):]+"-"+slot)
		w.rule(t, []elbtypes.RuleCondition{header("X-Sluice-Model", model), header("X-Sluice-Slot", slot)},
			[]elbtypes.Action{{Type: elbtypes.ActionTypeEnumForward, TargetGroupArn: aws.String(groups[slot])}})
	}
	rule = w.rule(t, []elbtypes.RuleCondition{header("X-Sluice-Model", model)}, fixed("503"))
	_, err := w.ECS.RegisterTaskDefinition(t.Context(), &ecs.RegisterTaskDefinitionInput{Family: &name, Cpu: aws.String("256"), Memory: aws.String("512"),
		NetworkMode: types.NetworkModeAwsvpc, RequiresCompatibilities: []types.Compatibility{types.CompatibilityFargate},
		ContainerDefinitions: []types.ContainerDefinition{{Name: aws.String("server"), Image: aws.String("base:1"), StopTimeout: aws.Int32(5),
			PortMappings: []types.PortMapping{{ContainerPort: aws.Int32(8080)}}}}})
	require.NoError(t, err)
	for slot, group := range groups {
		_, err := w.ECS.CreateService(t.Context(), &ecs.CreateServiceInput{Cluster: aws.String(Cluster), ServiceName: aws.String(name + "-" + slot),
			TaskDefinition: &name, DesiredCount: aws.Int32(0), LaunchType: types.LaunchTypeFargate,
			NetworkConfiguration:    &types.NetworkConfiguration{AwsvpcConfiguration: &types.AwsVpcConfiguration{Subnets: []string{"sub-a"}}},
			LoadBalancers:           []types.LoadBalancer{{TargetGroupArn: &group, ContainerName: aws.String("server"), ContainerPort: aws.Int32(8080)}},
			DeploymentConfiguration: &types.DeploymentConfiguration{DeploymentCircuitBreaker: &types.DeploymentCircuitBreaker{Enable: true}}})
		require.NoError(t, err)
	}
	return rule, groups
}

func (w *World) group(t testing.TB, name string) string {
	t.Helper()
	out, err := w.ELB.CreateTargetGroup(t.Context(), &elasticloadbalancingv2.CreateTargetGroupInput{Name: &name, Port: aws.Int32(8080), VpcId: aws.String("vpc-1"),
		Protocol: elbtypes.ProtocolEnumHttp, TargetType: elbtypes.TargetTypeEnumIp, HealthCheckPath: aws.String("/ping"),
		HealthCheckIntervalSeconds: aws.Int32(5), HealthCheckTimeoutSeconds: aws.Int32(2), HealthyThresholdCount: aws.Int32(2), UnhealthyThresholdCount: aws.Int32(2)})
	require.NoError(t, err)
	arn := out.TargetGroups[0].TargetGroupArn
	_, err = w.ELB.ModifyTargetGroupAttributes(t.Context(), &elasticloadbalancingv2.ModifyTargetGroupAttributesInput{TargetGroupArn: arn,
		Attributes: []elbtypes.TargetGroupAttribute{{Key: aws.String("deregistration_delay.timeout_seconds"), Value: aws.String("0")}}})
	require.NoError(t, err)
	return *arn
}

func (w *World) rule(t testing.TB, conditions []elbtypes.RuleCondition, actions []elbtypes.Action) string {
	t.Helper()
	w.rules++
	out, err := w.ELB.CreateRule(t.Context(), &elasticloadbalancingv2.CreateRuleInput{ListenerArn: &w.listener, Priority: aws.Int32(w.rules), Conditions: conditions, Actions: actions})
	require.NoError(t, err, fmt.Sprint(conditions))
	return *out.Rules[0].RuleArn
}
