package stack

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/sluice-ml/sluice/infra/local/assembly"
	"github.com/sluice-ml/sluice/infra/local/batch"
	"github.com/sluice-ml/sluice/infra/local/cloudwatch"
	"github.com/sluice-ml/sluice/infra/local/ecs"
	"github.com/sluice-ml/sluice/infra/local/elb"
	"github.com/sluice-ml/sluice/infra/local/events"
	"github.com/sluice-ml/sluice/infra/local/faults"
	"github.com/sluice-ml/sluice/infra/local/iam"
	"github.com/sluice-ml/sluice/infra/local/kms"
	"github.com/sluice-ml/sluice/infra/local/lambda"
	"github.com/sluice-ml/sluice/infra/local/logs"
	"github.com/sluice-ml/sluice/infra/local/network"
	"github.com/sluice-ml/sluice/infra/local/s3"
	"github.com/sluice-ml/sluice/infra/local/sagemaker"
	"github.com/sluice-ml/sluice/infra/local/scheduler"
	"github.com/sluice-ml/sluice/infra/local/sns"
	"github.com/sluice-ml/sluice/infra/local/sqs"
	"github.com/sluice-ml/sluice/infra/local/states"
)

// Services are the local services of one stack.
type Services struct {
	S3         *s3.Service
	Events     *events.Bus
	Scheduler  *scheduler.Service
	IAM        *iam.Service
	Network    *network.Service
	KMS        *kms.Service
	SQS        *sqs.Service
	SNS        *sns.Service
	Logs       *logs.Service
	CloudWatch *cloudwatch.Service
	Lambda     *lambda.Service
	Batch      *batch.Service
	SageMaker  *sagemaker.Service
	ELB        *elb.Service
	ECS        *ecs.Service
	States     *states.Service

	// tasks knows where the tasks behind load balancers listen; nil: there are none.
	tasks atomic.Pointer[elb.Network]

	meter   meter
	closers []func() error // in the order of opening
}

// opening is what opening the services needs to know.
type opening struct {
	Options
	faults   *faults.Injector
	template *assembly.Template
	endpoint string
	router   *router
	s        *Services
}

// openServices opens every service; after an error those that were open are
// closed again.
func openServices(ctx context.Context, o Options, template *assembly.Template, endpoint string, injector *faults.Injector) (*Services, error) {
	s := &Services{IAM: iam.New(assembly.AccountID, template.Name), Network: network.New(template.Region, template.Name)}
	open := opening{Options: o, faults: injector, template: template, endpoint: endpoint, router: &router{services: s}, s: s}
	for _, step := range []func(context.Context) error{
		open.kms, open.logs, open.sqs, open.sns, open.cloudwatch, open.events, open.scheduler,
		open.s3, open.lambda, open.batch, open.sagemaker, open.elb, open.ecs, open.states,
	} {
		if err := step(ctx); err != nil {
			return nil, errors.Join(err, s.close())
		}
	}
	return s, nil
}

func (o *opening) dir(name string) string { return filepath.Join(o.Dir, name) }

func (o *opening) closing(closer func() error) { o.s.closers = append(o.s.closers, closer) }

func (o *opening) kms(context.Context) (err error) {
	o.s.KMS, err = kms.Open(kms.Config{Dir: o.dir("kms"), Region: o.template.Region, Account: assembly.AccountID, Now: o.Now})
	return err
}

func (o *opening) logs(context.Context) (err error) {
	o.s.Logs, err = logs.Open(logs.Options{Dir: o.dir("logs"), Region: o.template.Region, Account: assembly.AccountID, Now: o.Now})
	if err == nil {
		o.closing(o.s.Logs.Close)
	}
	return err
}

func (o *opening) sqs(context.Context) (err error) {
	o.s.SQS, err = sqs.Open(sqs.Config{Dir: o.dir("sqs"), Region: o.template.Region, Account: assembly.AccountID, URL: o.endpoint, Now: o.Now})
	return err
}

func (o *opening) sns(context.Context) (err error) {
	o.s.SNS, err = sns.Open(sns.Config{Dir: o.dir("sns"), Region: o.template.Region, Account: assembly.AccountID, Now: o.Now,
		Targets: subscribers{o.router}, Log: logWriter{o.Log, "sns"}})
	if err == nil {
		o.closing(o.s.SNS.Close)
	}
	return err
}

func (o *opening) cloudwatch(context.Context) (err error) {
	o.s.CloudWatch, err = cloudwatch.Open(cloudwatch.Config{Dir: o.dir("cloudwatch"), Region: o.template.Region, Account: assembly.AccountID,
		Now: o.Now, Events: alarmEvents{o.s}, Actions: alarmActions{o.router}, Log: logWriter{o.Log, "cloudwatch"}})
	if err == nil {
		o.closing(o.s.CloudWatch.Close)
	}
	return err
}

func (o *opening) events(context.Context) (err error) {
	o.s.Events, err = events.Open(events.Options{Dir: o.dir("events"), Region: o.template.Region, Account: assembly.AccountID,
		Stack: o.template.Name, Targets: o.router, Accepts: o.router.accepts, Faults: eventFaults{o.faults}, Now: o.Now, Log: o.Log})
	if err == nil {
		o.closing(o.s.Events.Close)
	}
	return err
}

func (o *opening) scheduler(context.Context) (err error) {
	o.s.Scheduler, err = scheduler.Open(scheduler.Options{Dir: o.dir("scheduler"), Region: o.template.Region, Account: assembly.AccountID,
		Stack: o.template.Name, Targets: o.router, Accepts: o.router.accepts, Now: o.Now, Log: o.Log})
	if err == nil {
		o.closing(o.s.Scheduler.Close)
	}
	return err
}

func (o *opening) s3(ctx context.Context) (err error) {
	o.s.S3, err = s3.Open(ctx, s3.Options{Dir: o.dir("s3"), Region: o.template.Region, Account: assembly.AccountID, Stack: o.template.Name,
		AccessKey: AccessKeyID, SecretKey: SecretAccessKey, Publisher: o.s.Events, Now: o.Now, Log: o.Log})
	if err == nil {
		o.closing(o.s.S3.Close)
	}
	return err
}

func (o *opening) lambda(context.Context) (err error) {
	cache := o.dir("assets")
	o.s.Lambda, err = lambda.Open(lambda.Options{Dir: o.dir("lambda"), Region: o.template.Region, Account: assembly.AccountID,
		Endpoint: o.endpoint, AccessKeyID: AccessKeyID, SecretKey: SecretAccessKey,
		Code: func(_, key string) (string, error) { return o.template.Assets.Folder(key, cache) },
		Logs: o.s.Logs, Metrics: o.s.CloudWatch, Destinations: destinations{o.router}, Faults: functionFaults{o.faults}, Now: o.Now})
	if err == nil {
		o.closing(o.s.Lambda.Close)
	}
	return err
}

// virtualGPUs is how many GPUs jobs may ask for together. They are counted, not
// given: programs run on the CPU, and one at a time is what a machine can take.
const virtualGPUs = 1

func (o *opening) batch(context.Context) (err error) {
	environment := map[string]string{"AWS_ENDPOINT_URL": o.endpoint, "AWS_REGION": o.template.Region, "AWS_DEFAULT_REGION": o.template.Region,
		"AWS_ACCESS_KEY_ID": AccessKeyID, "AWS_SECRET_ACCESS_KEY": SecretAccessKey}
	if o.LibraryPath != "" {
		environment["LD_LIBRARY_PATH"] = o.LibraryPath
	}
	o.s.Batch, err = batch.Open(batch.Options{Dir: o.dir("batch"), Region: o.template.Region, Account: assembly.AccountID,
		Host: batch.Host{GPUs: virtualGPUs}, Image: o.images().find, Environment: environment, Logs: o.s.Logs,
		Events: jobEvents{o.s.Events, o.Log}, Now: o.Now})
	if err == nil {
		o.closing(o.s.Batch.Close)
	}
	return err
}

func (o *opening) sagemaker(context.Context) (err error) {
	o.s.SageMaker, err = sagemaker.Open(sagemaker.Config{Dir: o.dir("sagemaker"), Region: o.template.Region, Account: assembly.AccountID,
		Now: o.Now, ResolveImage: o.images().server, Objects: objects{o.s.S3.Client()}, Metrics: o.s.CloudWatch, UpdateFault: updateFaults(o.faults), Log: logWriter{o.Log, "sagemaker"}})
	if err == nil {
		o.closing(func() error { return o.s.SageMaker.Close(context.Background()) })
	}
	return err
}

// balancerPeriod is the load balancers' data points'. AWS has one a minute; with
// more, alarms that a template makes quicker for this stack have something to see.
const balancerPeriod = 10 * time.Second

func (o *opening) elb(context.Context) (err error) {
	o.s.ELB, err = elb.Open(elb.Config{Dir: o.dir("elb"), Region: o.template.Region, Account: assembly.AccountID, Stack: o.template.Name,
		Network: taskNetwork{o.s}, Subnets: subnets{o.s.Network}, Metrics: o.s.CloudWatch,
		MetricPeriod: balancerPeriod, Now: o.Now, Log: logWriter{o.Log, "elb"}})
	if err == nil {
		o.closing(o.s.ELB.Close)
	}
	return err
}

func (o *opening) ecs(context.Context) (err error) {
	environment := map[string]string{"AWS_ENDPOINT_URL": o.endpoint, "AWS_REGION": o.template.Region, "AWS_DEFAULT_REGION": o.template.Region,
		"AWS_ACCESS_KEY_ID": AccessKeyID, "AWS_SECRET_ACCESS_KEY": SecretAccessKey}
	if o.LibraryPath != "" {
		environment["LD_LIBRARY_PATH"] = o.LibraryPath
	}
	o.s.ECS, err = ecs.Open(ecs.Options{Dir: o.dir("ecs"), Region: o.template.Region, Account: assembly.AccountID,
		Image: o.images().find, Environment: environment, MetadataURL: o.endpoint + taskMetadata, Logs: o.s.Logs, LoadBalancing: o.s.ELB,
		Events: taskEvents{o.s.Events, o.Log}, Metrics: o.s.CloudWatch, Now: o.Now, Log: logWriter{o.Log, "ecs"}})
	if err == nil {
		tasks := elb.Network(o.s.ECS)
		o.s.tasks.Store(&tasks)
		o.closing(o.s.ECS.Close)
	}
	return err
}

func (o *opening) states(context.Context) (err error) {
	o.s.States, err = states.Open(states.Options{Dir: o.dir("states"), Region: o.template.Region, Account: assembly.AccountID,
		Lambda: functions{o.s.Lambda}, Batch: jobs{o.s.Batch}, SDK: newSDK(o.s, o.endpoint, o.template.Region), Objects: datasets{o.s.S3.Client()},
		StatusChanged: executionEvents{o.s.Events, o.Log}.changed})
	return err
}

// creators gives the Creator of every resource type that the services know.
func (s *Services) creators(assets *assembly.Assets) map[string]assembly.Creator {
	all := map[string]assembly.Creator{
		"AWS::Events::Rule":             s.Events.CreateRule,
		"AWS::Scheduler::Schedule":      s.Scheduler.CreateSchedule,
		"AWS::Scheduler::ScheduleGroup": s.Scheduler.CreateGroup,
		states.ResourceType:             s.States.Creator(readAsset(assets)),
	}
	for _, some := range []map[string]assembly.Creator{
		s.S3.Creators(), s.IAM.Creators(), s.Network.Creators(), s.KMS.Creators(), s.SQS.Creators(), s.SNS.Creators(), s.Logs.Creators(), s.CloudWatch.Creators(), s.Lambda.Creators(), s.Batch.Creators(), s.SageMaker.Creators(), s.ELB.Creators(), s.ECS.Creators(),
	} {
		maps.Copy(all, some)
	}
	return all
}

// recover takes up what the process before left, once the template is deployed:
// servers first, then work that needs them. What cannot be taken up is logged;
// it must not keep the rest down.
func (s *Services) recover(ctx context.Context, log *slog.Logger) error {
	if err := s.SageMaker.Recover(ctx); err != nil {
		log.Error("some endpoints do not answer yet", "error", err)
	}
	if err := s.ELB.Prune(); err != nil {
		return err
	}
	if err := s.ECS.Recover(ctx); err != nil {
		log.Error("targets of tasks that are gone are left", "error", err)
	}
	s.Lambda.Recover()
	s.Batch.Recover()
	if err := s.S3.Recover(ctx); err != nil {
		return err
	}
	if err := s.States.Recover(ctx); err != nil {
		log.Error("some executions cannot be resumed", "error", err)
	}
	return nil
}

// tick does the periodic work. Metrics are published before alarms are judged.
func (s *Services) tick(ctx context.Context, now time.Time) error {
	return errors.Join(s.SageMaker.Flush(ctx, now), s.ELB.Flush(ctx, now), s.ECS.Tick(ctx), s.CloudWatch.Evaluate(ctx, now),
		s.Events.Tick(ctx), s.Scheduler.Tick(ctx), s.S3.Tick(ctx))
}

// quiesce interrupts the executions, so that none fails for lack of the services
// that close after it, and the jobs, while what they write can still be taken.
// They carry on at the next start.
func (s *Services) quiesce() {
	if s.States != nil {
		s.States.Close()
	}
	if s.Batch != nil {
		s.Batch.Interrupt()
	}
}

// close closes the services, last opened first.
func (s *Services) close() error {
	var failed []error
	for i := len(s.closers) - 1; i >= 0; i-- {
		failed = append(failed, s.closers[i]())
	}
	s.closers = nil
	return errors.Join(failed...)
}
