package ecs

import (
	"context"
	"encoding/json"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
	"github.com/aws/smithy-go"
	"github.com/stretchr/testify/require"

	"github.com/sluice-ml/sluice/infra/local/assembly"
	"github.com/sluice-ml/sluice/infra/local/image"
	"github.com/sluice-ml/sluice/infra/local/logs"
)

// contextDir is a real image context: a Dockerfile and the built program.
var contextDir string

const dockerfile = `FROM scratch
ENV FROM_IMAGE=yes LD_LIBRARY_PATH=/opt/image
COPY app /usr/local/bin/app
ENTRYPOINT ["/usr/local/bin/app"]
CMD ["serve"]
`

func TestMain(m *testing.M) {
	os.Exit(func() int {
		dir, err := os.MkdirTemp("", "ecs-test-")
		if err != nil {
			log.Fatal(err)
		}
		defer os.RemoveAll(dir)
		build := exec.Command("go", "build", "-o", filepath.Join(dir, "app"), "./testdata/app")
		build.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := build.CombinedOutput(); err != nil {
			log.Fatalf("build testdata/app: %v\n%s", err, out)
		}
		if err := os.WriteFile(filepath.Join(dir, "Dockerfile"), []byte(dockerfile), 0o644); err != nil {
			log.Fatal(err)
		}
		contextDir = dir
		return m.Run()
	}())
}

// clock is a clock that tests turn.
type clock struct {
	mutex sync.Mutex
	now   time.Time
}

func (c *clock) Now() time.Time {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	return c.now
}

func (c *clock) turn(d time.Duration) {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	c.now = c.now.Add(d)
}

// balancer is load balancing in memory; it asks real targets for /ping.
type balancer struct {
	mutex   sync.Mutex
	address func(ip string, port int) (string, bool)
	states  map[string]string // by group|ip|port: "" is registered, "draining"
	drains  bool              // a target that is deregistered drains until told
	calls   []string
	refuse  error // of Register
}

func key(group, id string, port int) string { return fmt.Sprintf("%s|%s|%d", group, id, port) }

func (b *balancer) Register(_ context.Context, group, id string, port int) error {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	b.calls = append(b.calls, "register "+group)
	if b.refuse != nil {
		return b.refuse
	}
	b.states[key(group, id, port)] = ""
	return nil
}

func (b *balancer) Deregister(_ context.Context, group, id string, port int) error {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	b.calls = append(b.calls, "deregister "+group)
	if _, there := b.states[key(group, id, port)]; there && b.drains {
		b.states[key(group, id, port)] = "draining"
	} else {
		delete(b.states, key(group, id, port))
	}
	return nil
}

func (b *balancer) drained() {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	for k, state := range b.states {
		if state == "draining" {
			delete(b.states, k)
		}
	}
}

func (b *balancer) TargetHealth(group, id string, port int) (state, reason string, err error) {
	b.mutex.Lock()
	state, there := b.states[key(group, id, port)]
	b.mutex.Unlock()
	if !there {
		return "unused", "Target.NotRegistered", nil
	}
	if state != "" {
		return state, "Target.DeregistrationInProgress", nil
	}
	at, ok := b.address(id, port)
	if !ok {
		return "unhealthy", "Target.FailedHealthChecks", nil
	}
	answer, err := http.Get("http://" + at + "/ping")
	if err != nil {
		return "initial", "Elb.InitialHealthChecking", nil // it does not listen yet
	}
	answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return "unhealthy", "Target.ResponseCodeMismatch", nil
	}
	return "healthy", "", nil
}

func (b *balancer) TargetGroupExists(arn string) (inUse, ok bool) {
	return !strings.HasSuffix(arn, "/idle"), strings.HasPrefix(arn, "arn:aws:elasticloadbalancing:")
}

func (b *balancer) targets() int {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	return len(b.states)
}

const group = "arn:aws:elasticloadbalancing:eu-west-1:000000000000:targetgroup/web/0123456789abcdef"

// recorder is an Events that keeps what it gets.
type recorder struct {
	mutex  sync.Mutex
	events []Event
}

func (r *recorder) Put(_ context.Context, e Event) {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	r.events = append(r.events, e)
}

// of gives a member of the details of one type of event, in order.
func (r *recorder) of(detailType, member string) []string {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	var out []string
	for _, e := range r.events {
		var detail map[string]any
		if e.DetailType == detailType && json.Unmarshal(e.Detail, &detail) == nil {
			out = append(out, fmt.Sprint(detail[member]))
		}
	}
	return out
}

type world struct {
	*Service
	dir      string
	clock    *clock
	balancer *balancer
	recorder *recorder
	logs     *logs.Service
	client   *ecs.Client
	url      string
}

func newWorld(t *testing.T, change ...func(*Options)) *world {
	t.Helper()
	w := openWorld(t, t.TempDir(), &balancer{states: map[string]string{}}, change...)
	require.NoError(t, w.Recover(t.Context()))
	_, err := w.client.CreateCluster(t.Context(), &ecs.CreateClusterInput{ClusterName: aws.String("main")})
	require.NoError(t, err)
	require.NoError(t, w.logs.CreateGroup("/tasks", 0))
	return w
}

// openWorld opens a service over a folder; nothing runs until Recover.
func openWorld(t *testing.T, dir string, lb *balancer, change ...func(*Options)) *world {
	t.Helper()
	kept, err := logs.Open(logs.Options{Dir: filepath.Join(dir, "logs"), Region: "eu-west-1", Account: "000000000000"})
	require.NoError(t, err)
	w := &world{dir: dir, clock: &clock{now: time.Date(2025, 3, 1, 12, 0, 0, 0, time.UTC)}, balancer: lb, recorder: &recorder{}, logs: kept}
	mux := http.NewServeMux()
	server := httptest.NewServer(mux)
	o := Options{Dir: filepath.Join(dir, "ecs"), Region: "eu-west-1", Account: "000000000000", Logs: kept, LoadBalancing: lb, Events: w.recorder,
		Now: w.clock.Now, Log: t.Output(), MemoryInterval: time.Millisecond, MetadataURL: server.URL + "/v4",
		Environment: map[string]string{"AWS_REGION": "eu-west-1", "AWS_ENDPOINT_URL": "http://127.0.0.1:1", "LD_LIBRARY_PATH": "/opt/host"},
		Image: func(uri string) (*image.Image, error) {
			if uri != "app:1" {
				return nil, fmt.Errorf("no image %q in the assembly", uri)
			}
			return image.Resolve(contextDir)
		}}
	for _, f := range change {
		f(&o)
	}
	w.Service, err = Open(o)
	require.NoError(t, err)
	lb.mutex.Lock()
	lb.address = w.Address
	lb.mutex.Unlock()
	mux.Handle("/v4/", http.StripPrefix("/v4", w.Metadata()))
	mux.Handle("/", w.Handler())
	w.url = server.URL
	t.Cleanup(func() {
		require.NoError(t, w.Close())
		server.Close()
		require.NoError(t, kept.Close())
	})
	// The SDK retries as its users do: it sometimes closes a connection while it
	// still reads an answer of more than 4 KiB.
	w.client = ecs.New(ecs.Options{Region: "eu-west-1", BaseEndpoint: aws.String(server.URL),
		Credentials: credentials.NewStaticCredentialsProvider("id", "secret", "")})
	return w
}

// tick turns the clock and does what time demands.
func (w *world) tick(t *testing.T, d time.Duration) {
	t.Helper()
	w.clock.turn(d)
	require.NoError(t, w.Tick(t.Context()))
}

// until ticks, a second at a time, until it is so; real processes need real time.
func (w *world) until(t *testing.T, what string, so func() bool) {
	t.Helper()
	require.Eventually(t, func() bool {
		w.tick(t, time.Second)
		return so()
	}, 30*time.Second, 5*time.Millisecond, what)
}

var vpc = &types.NetworkConfiguration{AwsvpcConfiguration: &types.AwsVpcConfiguration{Subnets: []string{"subnet-1"}, SecurityGroups: []string{"sg-1"}}}

// container is a container that runs the test's program.
func container(name string, command ...string) types.ContainerDefinition {
	return types.ContainerDefinition{Name: aws.String(name), Image: aws.String("app:1"), Command: command,
		PortMappings: []types.PortMapping{{ContainerPort: aws.Int32(8080)}},
		LogConfiguration: &types.LogConfiguration{LogDriver: types.LogDriverAwslogs, Options: map[string]string{
			"awslogs-group": "/tasks", "awslogs-region": "eu-west-1", "awslogs-stream-prefix": "t"}}}
}

func registration(family string, containers ...types.ContainerDefinition) *ecs.RegisterTaskDefinitionInput {
	return &ecs.RegisterTaskDefinitionInput{Family: aws.String(family), Cpu: aws.String("256"), Memory: aws.String("512"),
		NetworkMode: types.NetworkModeAwsvpc, RequiresCompatibilities: []types.Compatibility{types.CompatibilityFargate},
		ExecutionRoleArn: aws.String("arn:aws:iam::000000000000:role/execution"), ContainerDefinitions: containers}
}

func (w *world) register(t *testing.T, family string, containers ...types.ContainerDefinition) string {
	t.Helper()
	out, err := w.client.RegisterTaskDefinition(t.Context(), registration(family, containers...))
	require.NoError(t, err)
	return *out.TaskDefinition.TaskDefinitionArn
}

func serviceOf(name, definition string, count int32) *ecs.CreateServiceInput {
	return &ecs.CreateServiceInput{Cluster: aws.String("main"), ServiceName: aws.String(name), TaskDefinition: aws.String(definition),
		DesiredCount: aws.Int32(count), LaunchType: types.LaunchTypeFargate, NetworkConfiguration: vpc}
}

func balanced(in *ecs.CreateServiceInput) *ecs.CreateServiceInput {
	in.LoadBalancers = []types.LoadBalancer{{TargetGroupArn: aws.String(group), ContainerName: aws.String("web"), ContainerPort: aws.Int32(8080)}}
	return in
}

func (w *world) create(t *testing.T, in *ecs.CreateServiceInput) {
	t.Helper()
	_, err := w.client.CreateService(t.Context(), in)
	require.NoError(t, err)
}

func (w *world) service(t *testing.T, name string) types.Service {
	t.Helper()
	out, err := w.client.DescribeServices(t.Context(), &ecs.DescribeServicesInput{Cluster: aws.String("main"), Services: []string{name}})
	require.NoError(t, err)
	require.Len(t, out.Services, 1)
	return out.Services[0]
}

func (w *world) messages(t *testing.T, name string) string {
	t.Helper()
	text := ""
	for _, e := range w.service(t, name).Events {
		text = *e.Message + "\n" + text
	}
	return text
}

func (w *world) steady(t *testing.T, name string) types.Service {
	t.Helper()
	var v types.Service
	w.until(t, name+" is steady", func() bool {
		v = w.service(t, name)
		return len(v.Deployments) == 1 && v.Deployments[0].RolloutState == types.DeploymentRolloutStateCompleted && v.RunningCount == v.DesiredCount
	})
	return v
}

// tasks describes a cluster's tasks with a desired status.
func (w *world) tasks(t *testing.T, desired types.DesiredStatus) []types.Task {
	t.Helper()
	list, err := w.client.ListTasks(t.Context(), &ecs.ListTasksInput{Cluster: aws.String("main"), DesiredStatus: desired})
	require.NoError(t, err)
	if len(list.TaskArns) == 0 {
		return nil
	}
	out, err := w.client.DescribeTasks(t.Context(), &ecs.DescribeTasksInput{Cluster: aws.String("main"), Tasks: list.TaskArns})
	require.NoError(t, err)
	require.Empty(t, out.Failures)
	return out.Tasks
}

func (w *world) task(t *testing.T, arn string) types.Task {
	t.Helper()
	out, err := w.client.DescribeTasks(t.Context(), &ecs.DescribeTasksInput{Cluster: aws.String("main"), Tasks: []string{arn}})
	require.NoError(t, err)
	require.Len(t, out.Tasks, 1)
	return out.Tasks[0]
}

// run runs one task and gives its ARN.
func (w *world) run(t *testing.T, definition string, change ...func(*ecs.RunTaskInput)) string {
	t.Helper()
	in := &ecs.RunTaskInput{Cluster: aws.String("main"), TaskDefinition: aws.String(definition), LaunchType: types.LaunchTypeFargate, NetworkConfiguration: vpc}
	for _, f := range change {
		f(in)
	}
	out, err := w.client.RunTask(t.Context(), in)
	require.NoError(t, err)
	require.Len(t, out.Tasks, 1)
	return *out.Tasks[0].TaskArn
}

func (w *world) stopped(t *testing.T, arn string) types.Task {
	t.Helper()
	var d types.Task
	w.until(t, "the task has stopped", func() bool {
		d = w.task(t, arn)
		return *d.LastStatus == "STOPPED"
	})
	return d
}

// output is what a task's container has printed.
func (w *world) output(t *testing.T, task types.Task, container string) string {
	t.Helper()
	arn := *task.TaskArn
	lines, err := w.logs.Read("/tasks", "t/"+container+"/"+arn[strings.LastIndexByte(arn, '/')+1:])
	require.NoError(t, err)
	var text strings.Builder
	for _, line := range lines {
		text.WriteString(line.Message + "\n")
	}
	return text.String()
}

func code(t *testing.T, err error) string {
	t.Helper()
	var api smithy.APIError
	require.ErrorAs(t, err, &api)
	return api.ErrorCode()
}

func resource(kind, id, properties string) assembly.Resource {
	return assembly.Resource{LogicalID: id, Type: "AWS::ECS::" + kind, Properties: json.RawMessage(properties)}
}
